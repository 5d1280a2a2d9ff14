//! Requirement files as pip reads them: what they name, what has to be there when the resolver reads them, and what
//! cannot be built.
//!
//! uv resolves them; it reads the same format. Here is found what must be known before: which other files and folders a
//! file names (the graph holds these and nothing else), which commits, which variables, which hashes. What only makes
//! sense on the machine of a developer is put into other words for uv ([`Requirements::text`]), line for line, so that
//! uv's own messages name the right line.
//!
//! ```text
//! file        = { line }                    joined at "\" before the end; "#" at the start or after a blank begins a comment
//! line        = requirement { "--hash=" algorithm ":" digest } | editable | option
//! requirement = name [ extras ] [ versions | "@" place ] [ ";" marker ] | place [ ";" marker ]
//! editable    = ( "-e" | "--editable" ) place
//! place       = path [ extras ] | url | "git+" url "@" commit [ "#" ( "egg=" | "subdirectory=" ) … ]
//! option      = "-r" file | "-c" file | "-i" url | "--extra-index-url" url | "--no-index" | "-f" ( folder | url )
//!             | "--no-binary" names | "--only-binary" names | "--require-hashes"
//!             | "--pre" | "--prefer-binary" | "--trusted-host" host | "--use-feature" name
//! ```
//!
//! - Paths are relative to the file they stand in. `-e` is read as a normal installation: an image has no checkout to edit.
//! - `${NAME}`, in capitals, is put in by uv, from build arguments and secrets.
//! - `--pre`, `--prefer-binary`, `--trusted-host` and `--use-feature` have no say in what uv resolves, and are passed over.
//! - Text is UTF-8, or UTF-16 with a byte order mark, or Latin-1 where the first two lines say so (see [`super::text`]).
//!
//! Not read, and refused with the line: `--config-settings`, `--global-option` (settings of a build belong to
//! `wheels:`), several options in one line, files from addresses, repositories without a full commit, systems other
//! than git, absolute paths and `file:` addresses.

mod lines;
mod place;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use pep508_rs::MarkerTree;

use self::lines::{Line, Word, lines};
pub use self::place::is_archive;
use self::place::{Place, place};
use super::artifact::Checkout;
use super::name::PackageName;
use super::requirement;
use crate::diag::{Diagnostic, Diagnostics, SourceFile, Span, did_you_mean};
use crate::manifest::{ProjectPath, Sha256};

/// The folder of the resolver's tree that holds checkouts, beside the repository's own files.
pub const CHECKOUTS: &str = ".wheelwright-checkouts";

/// What a requirement or constraint file names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Requirements {
    /// Other files of this kind: `-r` and `-c`.
    pub includes: Vec<Named>,
    /// Those of them that only limit versions: `-c`.
    pub constraints: Vec<ProjectPath>,
    /// Folders with a package's source.
    pub packages: Vec<Named>,
    /// Wheels and source distributions of the repository, and folders that hold some.
    pub files: Vec<Named>,
    /// Commits, by the folder of the resolver's tree that they are put in.
    pub checkouts: BTreeMap<String, Checkout>,
    /// Variables that the file asks for.
    pub variables: BTreeSet<String>,
    /// Digests by package, where it gives any.
    pub hashes: BTreeMap<PackageName, BTreeSet<Sha256>>,
    /// The file in words for the resolver, where it has to differ.
    pub text: Option<String>,
}

/// A path that a file names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// In the repository.
    pub path: ProjectPath,
    /// Where it is named.
    pub span: Span,
}

/// Reads a file; what is wrong with it comes beside what could be read.
pub fn read(file: &SourceFile, at: &ProjectPath) -> (Requirements, Diagnostics) {
    let mut reader = Reader {
        file,
        folder: at.parent(),
        found: Requirements::default(),
        edits: Vec::new(),
        mistakes: Diagnostics::default(),
    };
    for line in lines(file.text()) {
        reader.line(&line);
    }
    reader.found.variables = variables(file.text());
    // The mark says that the file was in another encoding, or has one that uv need not see.
    if file.text().starts_with('\u{feff}') {
        reader
            .edits
            .insert(0, (Span::new(0, '\u{feff}'.len_utf8()), String::new()));
    }
    reader.found.text = edited(file.text(), &reader.edits);
    (reader.found, reader.mistakes)
}

/// A requirement that names a package.
#[derive(Debug, Clone)]
pub struct NamedPackage {
    /// The package.
    pub name: PackageName,
    /// When it counts.
    pub marker: MarkerTree,
    /// Where it is named.
    pub span: Span,
}

/// The packages that a file's own lines name; lines that cannot be read name none.
pub fn named(file: &SourceFile) -> Vec<NamedPackage> {
    let package = |line: &Line| {
        let words = line.words.iter().take_while(|word| !word.text.starts_with('-'));
        let words = words.map(|word| word.text.as_str()).collect::<Vec<_>>();
        let read = requirement::parse(&words.join(" ")).ok()?;
        Some(NamedPackage {
            name: read.name.as_ref().parse().ok()?,
            marker: read.marker,
            span: line.words.first()?.span,
        })
    };
    lines(file.text()).iter().filter_map(package).collect()
}

/// What an option is and does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Include,
    Editable,
    FindLinks,
    /// uv reads it and needs nothing for it.
    Passed,
    /// The same, with a value.
    PassedValue,
    /// Belongs to a requirement, and to the manifest.
    BuildSetting,
}

const OPTIONS: [(&str, &str, Meaning); 16] = [
    ("--requirement", "-r", Meaning::Include),
    ("--constraint", "-c", Meaning::Include),
    ("--editable", "-e", Meaning::Editable),
    ("--find-links", "-f", Meaning::FindLinks),
    ("--index-url", "-i", Meaning::PassedValue),
    ("--extra-index-url", "", Meaning::PassedValue),
    ("--no-binary", "", Meaning::PassedValue),
    ("--only-binary", "", Meaning::PassedValue),
    ("--trusted-host", "", Meaning::PassedValue),
    ("--use-feature", "", Meaning::PassedValue),
    ("--no-index", "", Meaning::Passed),
    ("--pre", "", Meaning::Passed),
    ("--prefer-binary", "", Meaning::Passed),
    ("--require-hashes", "", Meaning::Passed),
    ("--config-settings", "-C", Meaning::BuildSetting),
    ("--global-option", "", Meaning::BuildSetting),
];

struct Reader<'a> {
    file: &'a SourceFile,
    folder: ProjectPath,
    found: Requirements,
    /// Places of the file and what the resolver reads there.
    edits: Vec<(Span, String)>,
    mistakes: Diagnostics,
}

impl Reader<'_> {
    fn mistake(&mut self, span: Span, message: impl Into<String>, help: impl Into<String>) {
        let mistake = Diagnostic::error(message).at(self.file, span).help(help);
        self.mistakes.push(mistake);
    }

    fn line(&mut self, line: &Line) {
        let Some(first) = line.words.first() else { return };
        if first.text.starts_with('-') {
            self.option(line, first);
        } else {
            self.requirement(&line.words);
        }
    }

    fn option(&mut self, line: &Line, first: &Word) {
        let Some((name, meaning, value)) = taken_apart(first) else {
            let name = first.text.split('=').next().unwrap_or_default();
            let known = OPTIONS.iter().map(|(long, ..)| *long);
            let help = did_you_mean(name, known)
                .unwrap_or_else(|| "the options of a requirement file are pip's".to_owned());
            return self.mistake(
                first.span,
                format!("`{name}` is not an option of a requirement file"),
                help,
            );
        };
        let (value, rest) = match (value, meaning) {
            (_, Meaning::Passed) => (None, &line.words[1..]),
            (Some(value), _) => (Some(value), &line.words[1..]),
            (None, _) => (
                line.words.get(1).cloned(),
                line.words.get(2..).unwrap_or_default(),
            ),
        };
        if let Some(more) = rest
            .first()
            .filter(|word| word.text.starts_with('-') && meaning != Meaning::BuildSetting)
        {
            let message = format!("`{}` has to stand in a line of its own", more.text);
            return self.mistake(more.span, message, "one option a line");
        }
        match (meaning, value) {
            (Meaning::BuildSetting, _) => self.build_setting(line.span(), name),
            (Meaning::Passed, _) | (Meaning::PassedValue, Some(_)) => {}
            (_, None) => self.mistake(
                first.span,
                format!("`{name}` has no value"),
                "write it after the option",
            ),
            (Meaning::Include, Some(value)) => self.include(name, &value),
            (Meaning::FindLinks, Some(value)) => self.find_links(&value),
            (Meaning::Editable, Some(value)) => {
                let words = std::iter::once(value)
                    .chain(rest.iter().cloned())
                    .collect::<Vec<_>>();
                self.requirement(&words);
            }
        }
    }

    fn build_setting(&mut self, span: Span, name: &str) {
        self.mistake(
            span,
            format!("`{name}` is not read here"),
            "how a package is built is said in the manifest: `wheels: {NAME: {…}}`",
        );
    }

    fn include(&mut self, option: &str, value: &Word) {
        let text = unquoted(&value.text);
        if text.contains("://") {
            let message = format!("`{text}` is not in the repository");
            return self.mistake(value.span, message, "put the file into the repository");
        }
        let path = self.named(value.span, text, |found| &mut found.includes);
        if option == "--constraint" {
            self.found.constraints.extend(path);
        }
    }

    fn find_links(&mut self, value: &Word) {
        let text = unquoted(&value.text);
        if text.starts_with("http://") || text.starts_with("https://") {
            return;
        }
        if let Some(path) = self.named(value.span, text, |found| &mut found.files) {
            self.edits.push((value.span, format!("{ROOT}/{path}")));
        }
    }

    /// A path relative to the file; noted where it is one of the repository.
    fn named(
        &mut self,
        span: Span,
        text: &str,
        list: fn(&mut Requirements) -> &mut Vec<Named>,
    ) -> Option<ProjectPath> {
        let path = if text.contains("${") {
            Err("which file is read cannot depend on a variable".to_owned())
        } else {
            self.folder.join(text)
        };
        match path {
            Ok(path) => {
                list(&mut self.found).push(Named {
                    path: path.clone(),
                    span,
                });
                Some(path)
            }
            Err(reason) => {
                self.mistake(span, format!("`{text}` cannot be used"), reason);
                None
            }
        }
    }

    /// A requirement without what comes after it: hashes, settings.
    fn requirement(&mut self, words: &[Word]) {
        let end = words
            .iter()
            .position(|word| word.text.starts_with("--"))
            .unwrap_or(words.len());
        let (spec, after) = words.split_at(end);
        let name = self.spec(spec);
        for word in after {
            let hash = word
                .text
                .strip_prefix("--hash=")
                .or_else(|| word.text.strip_prefix("--hash:"));
            match (hash.and_then(|hash| hash.split_once(':')), &name) {
                (Some(("sha256", digest)), name) => match digest.parse::<Sha256>() {
                    Ok(digest) => {
                        if let Some(name) = name {
                            self.found.hashes.entry(name.clone()).or_default().insert(digest);
                        }
                    }
                    Err(reason) => self.mistake(word.span, format!("`{digest}` is not a sha256"), reason),
                },
                (Some((algorithm, _)), _) => self.mistake(
                    word.span,
                    format!("`{algorithm}` does not pin a file here"),
                    "sha256 does: `pip-compile --generate-hashes` and uv write it",
                ),
                (None, _) => {
                    let option = word.text.split('=').next().unwrap_or_default();
                    if taken_apart(word).is_some_and(|(_, meaning, _)| meaning == Meaning::BuildSetting) {
                        self.build_setting(word.span, option);
                    } else {
                        self.mistake(
                            word.span,
                            format!("`{option}` cannot follow a requirement"),
                            "expected `--hash=sha256:…`",
                        );
                    }
                }
            }
        }
    }

    /// The package that a requirement names, where the name alone says it.
    fn spec(&mut self, words: &[Word]) -> Option<PackageName> {
        let (first, last) = (words.first()?, words.last()?);
        let span = Span::new(first.span.start, last.span.end);
        match place(words) {
            Place::None => self.by_name(words, span),
            Place::Url(name) => name,
            Place::Local { path, span, file } => {
                if file {
                    if let Some(path) = self.named(span, &path, |found| &mut found.files) {
                        self.edits.push((span, format!("{ROOT}/{path}")));
                    }
                } else if let Some(path) = self.named(span, &path, |found| &mut found.packages) {
                    let path = if path == ProjectPath::root() {
                        String::new()
                    } else {
                        format!("/{path}")
                    };
                    self.edits.push((span, format!("{ROOT}{path}")));
                }
                None
            }
            Place::Commit {
                checkout,
                extras,
                span,
            } => {
                let folder = checkout.commit.clone();
                let inner = checkout
                    .subdirectory
                    .as_ref()
                    .map(|inner| format!("/{inner}"))
                    .unwrap_or_default();
                self.edits
                    .push((span, format!("{ROOT}/{CHECKOUTS}/{folder}{inner}{extras}")));
                self.found.checkouts.insert(format!("{folder}{inner}"), checkout);
                None
            }
            Place::Wrong { span, message, help } => {
                self.mistake(span, message, help);
                None
            }
        }
    }

    fn by_name(&mut self, words: &[Word], span: Span) -> Option<PackageName> {
        let text = words
            .iter()
            .map(|word| word.text.as_str())
            .collect::<Vec<_>>()
            .join(" ");
        if text.contains("${") {
            return None;
        }
        match requirement::parse(&text) {
            Ok(requirement) => requirement.name.to_string().parse().ok(),
            Err(reason) => {
                self.mistake(span, format!("`{text}` is not a requirement"), reason);
                None
            }
        }
    }
}

/// Where the resolver finds the repository.
pub const ROOT: &str = "/run/requirements";

/// An option's name, meaning and the value that is written with it: `--name=value`, `-nvalue`.
fn taken_apart(word: &Word) -> Option<(&'static str, Meaning, Option<Word>)> {
    OPTIONS.iter().find_map(|(long, short, meaning)| {
        let rest = word
            .text
            .strip_prefix(long)
            .filter(|rest| rest.is_empty() || rest.starts_with('='));
        let rest = rest.or_else(|| {
            word.text
                .strip_prefix(short)
                .filter(|_| !short.is_empty() && !word.text.starts_with("--"))
        })?;
        let value = rest.trim_start_matches('=');
        let start = word.span.end.saturating_sub(value.len()).max(word.span.start);
        let value = (!value.is_empty()).then(|| Word {
            text: value.to_owned(),
            span: Span::new(start, word.span.end),
        });
        Some((*long, *meaning, value))
    })
}

fn unquoted(text: &str) -> &str {
    let inner = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote);
    inner('"').or_else(|| inner('\'')).unwrap_or(text)
}

/// Names in `${NAME}`: capitals, digits and `_`.
fn variables(text: &str) -> BTreeSet<String> {
    let found = text.split("${").skip(1).filter_map(|rest| rest.split_once('}'));
    found
        .map(|(name, _)| name)
        .filter(|name| {
            !name.is_empty()
                && name
                    .chars()
                    .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
        })
        .map(str::to_owned)
        .collect()
}

/// The text with some of its places in other words; none where nothing differs.
fn edited(text: &str, edits: &[(Span, String)]) -> Option<String> {
    if edits.is_empty() {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for (span, words) in edits {
        out.push_str(text.get(at..span.start)?);
        out.push_str(words);
        at = span.end;
    }
    out.push_str(text.get(at..)?);
    Some(out)
}
