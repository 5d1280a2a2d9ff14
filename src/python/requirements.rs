//! Requirement files as pip reads them, as far as a build needs to know before the resolver reads them whole:
//! which other files they name. The resolver itself (uv) understands the rest of the grammar.
//!
//! Understood: comments, continuation lines, `-r`/`--requirement`, `-c`/`--constraint` (relative to the file that
//! names them). Refused with their line, because they would read what is not in the graph: `-e`, `-f`, local paths.

use crate::diag::{Diagnostic, SourceFile, Span};
use crate::manifest::ProjectPath;

/// A file that another one names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Include {
    /// The named file.
    pub path: ProjectPath,
    /// Where it is named.
    pub span: Span,
}

/// The files that a requirement or constraint file names, and what cannot be built.
pub fn includes(file: &SourceFile, at: &ProjectPath) -> (Vec<Include>, Vec<Diagnostic>) {
    let mut found = Vec::new();
    let mut mistakes = Vec::new();
    for line in logical_lines(file.text()) {
        match classify(&line.text) {
            Line::Include(path) => match at.parent().join(&path) {
                Ok(path) => found.push(Include {
                    path,
                    span: line.span,
                }),
                Err(reason) => mistakes.push(
                    Diagnostic::error(format!("`{path}` cannot be included"))
                        .at(file, line.span)
                        .help(reason),
                ),
            },
            Line::Refused(what, help) => mistakes.push(
                Diagnostic::error(format!("{what} is not supported by this version"))
                    .at(file, line.span)
                    .help(help),
            ),
            Line::Other => {}
        }
    }
    (found, mistakes)
}

enum Line {
    Include(String),
    Refused(&'static str, &'static str),
    Other,
}

fn classify(text: &str) -> Line {
    let value = |names: [&str; 2]| {
        names.iter().find_map(|name| {
            let rest = text.strip_prefix(name)?;
            let bounded = rest.starts_with([' ', '\t', '=']) || !name.starts_with("--");
            bounded.then(|| rest.trim_start_matches(['=', ' ', '\t']).trim().to_owned())
        })
    };
    if let Some(path) = value(["--requirement", "-r"]).or_else(|| value(["--constraint", "-c"])) {
        return if path.contains("://") {
            Line::Refused(
                "a requirement file from a url",
                "put the file into the repository",
            )
        } else {
            Line::Include(path)
        };
    }
    if value(["--editable", "-e"]).is_some() {
        return Line::Refused(
            "an editable requirement",
            "list its folder under `code:` and its requirements here",
        );
    }
    if value(["--find-links", "-f"]).is_some() {
        return Line::Refused(
            "`--find-links` in a requirement file",
            "publish the wheels to an index",
        );
    }
    if text.starts_with("./") || text.starts_with("../") || text.starts_with('/') || text.contains(" @ file:")
    {
        return Line::Refused(
            "a requirement by local path",
            "publish it to an index, or list its folder under `code:`",
        );
    }
    Line::Other
}

struct LogicalLine {
    text: String,
    span: Span,
}

/// Lines joined at `\`, without comments and blank ends.
fn logical_lines(text: &str) -> Vec<LogicalLine> {
    let mut lines: Vec<LogicalLine> = Vec::new();
    let mut offset = 0;
    let mut joining = false;
    for raw in text.split_inclusive('\n') {
        let start = offset;
        offset += raw.len();
        let line = raw.trim_end_matches(['\n', '\r']);
        let continues = line.ends_with('\\');
        let part = line.strip_suffix('\\').unwrap_or(line);
        match lines.last_mut() {
            Some(last) if joining => {
                last.text.push_str(part);
                last.span.end = start + line.len();
            }
            _ => lines.push(LogicalLine {
                text: part.to_owned(),
                span: Span::new(start, start + line.len()),
            }),
        }
        joining = continues;
    }
    for line in &mut lines {
        let kept = without_comment(line.text.trim_start_matches('\u{feff}'))
            .trim()
            .to_owned();
        line.text = kept;
    }
    lines.retain(|line| !line.text.is_empty());
    lines
}

/// A `#` starts a comment at the beginning of a line or after a blank.
fn without_comment(line: &str) -> &str {
    let comment = line
        .char_indices()
        .find(|(at, c)| *c == '#' && (*at == 0 || line[..*at].ends_with([' ', '\t'])))
        .map(|(at, _)| at);
    &line[..comment.unwrap_or(line.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<String>, Vec<String>) {
        let at = "services/api/requirements.txt".parse().unwrap();
        let (found, mistakes) = includes(&SourceFile::new("r", text), &at);
        (
            found.iter().map(|i| i.path.to_string()).collect(),
            mistakes.iter().map(Diagnostic::summary).collect(),
        )
    }

    #[test]
    fn includes_are_relative_to_the_file() {
        let (found, mistakes) = read(
            "-r ../base.txt # shared\n--constraint=../../c.txt\nfastapi==1\\\n  ; python_version > '3'\n-rx.txt\n",
        );
        assert_eq!(found, ["services/base.txt", "c.txt", "services/api/x.txt"]);
        assert!(mistakes.is_empty());
    }

    #[test]
    fn what_cannot_be_built_is_named_with_its_line() {
        let (found, mistakes) =
            read("a==1\n-e ../common\n-r ../../../x.txt\n--requirement https://h.example/r.txt\n");
        assert!(found.is_empty());
        assert_eq!(
            mistakes[0],
            "r:2:1: an editable requirement is not supported by this version"
        );
        assert_eq!(mistakes[1], "r:3:1: `../../../x.txt` cannot be included");
        assert_eq!(mistakes.len(), 3);
    }
}
