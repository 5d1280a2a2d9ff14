//! Path patterns with the semantics of `.dockerignore` and of BuildKit's include and exclude lists.
//!
//! The rules are those of moby/patternmatcher, which every Docker tool shares:
//!
//! - patterns are cleaned like Go's `filepath.Clean` and matched against whole, slash-separated relative paths;
//! - `*` and `?` stop at `/`, `**` does not, `[a-z]` and `[^a]` are classes, `\` escapes;
//! - a pattern that matches a directory matches all that is under it;
//! - the last pattern that applies wins; one that begins with `!` takes paths back out.
//!
//! Not supported, as there: brace alternatives, `[!a]` as a negated class. Unlike there, `\d` and its kin are
//! plain letters; the Go implementation lets them leak into a regular expression.

use std::fmt;

/// A list of patterns, compiled once and asked many times.
#[derive(Debug, Clone, Default)]
pub struct Patterns {
    patterns: Vec<Pattern>,
    exceptions: bool,
}

/// One pattern of a list.
#[derive(Debug, Clone)]
pub struct Pattern {
    text: String,
    exception: bool,
    kind: Kind,
}

/// A pattern that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("bad pattern `{pattern}`: {reason}")]
pub struct BadPattern {
    /// The pattern as it was written.
    pub pattern: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// What a directory matched, kept so that its children need not look at their ancestors again.
#[derive(Debug, Clone, Default)]
pub struct Matched(Vec<bool>);

#[derive(Debug, Clone)]
enum Kind {
    Exact,
    /// `dir/**`: all that begins with this.
    Prefix(String),
    /// `**/name`: all that ends with this.
    Suffix(String),
    Glob(Vec<Token>),
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Char(char),
    /// `?`
    One,
    /// `*`
    Run,
    /// `**/` in the middle: nothing, or anything that ends with `/`.
    Deep,
    /// `**` at the end.
    Rest,
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Patterns {
    /// Compiles `patterns`; blank ones are skipped.
    pub fn new<S: AsRef<str>>(patterns: impl IntoIterator<Item = S>) -> Result<Self, BadPattern> {
        let mut compiled = Self::default();
        for pattern in patterns {
            if let Some(pattern) = Pattern::new(pattern.as_ref())? {
                compiled.exceptions |= pattern.exception;
                compiled.patterns.push(pattern);
            }
        }
        Ok(compiled)
    }

    /// Reads the lines of a `.dockerignore` file: `#` comments, blank lines, a leading `/` and surrounding
    /// blanks go away.
    pub fn lines(text: &str) -> Vec<String> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        text.lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(ignore_line)
            .collect()
    }

    /// True without any pattern.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// True where a pattern begins with `!`.
    pub fn has_exceptions(&self) -> bool {
        self.exceptions
    }

    /// The patterns in their order.
    pub fn iter(&self) -> impl Iterator<Item = &Pattern> {
        self.patterns.iter()
    }

    /// Whether `path`, or a directory above it, is matched by the list.
    pub fn matches(&self, path: &str) -> bool {
        self.matches_under(path, None).0
    }

    /// As [`Patterns::matches`], given what the parent directory matched; without a parent all ancestors are
    /// tried. Also returns what `path` matched, to be handed to its children.
    pub fn matches_under(&self, path: &str, parent: Option<&Matched>) -> (bool, Matched) {
        let mut matched = false;
        let mut each = vec![false; self.patterns.len()];
        for (index, pattern) in self.patterns.iter().enumerate() {
            let inherited = parent.is_some_and(|parent| parent.0.get(index).copied().unwrap_or(false));
            // An exception matters only to what is matched so far, a plain pattern only to what is not.
            if !inherited && pattern.exception != matched {
                continue;
            }
            let hit = inherited
                || pattern.is_match(path)
                || (parent.is_none() && ancestors(path).any(|ancestor| pattern.is_match(ancestor)));
            each[index] = hit;
            if hit {
                matched = !pattern.exception;
            }
        }
        (matched, Matched(each))
    }
}

impl Pattern {
    fn new(written: &str) -> Result<Option<Self>, BadPattern> {
        let trimmed = written.trim();
        if trimmed.is_empty() {
            return Ok(None);
        }
        let cleaned = clean(trimmed);
        let (exception, text) = match cleaned.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, cleaned.as_str()),
        };
        let bad = |reason| BadPattern {
            pattern: written.to_owned(),
            reason,
        };
        if text.is_empty() {
            return Err(bad("nothing follows the `!`"));
        }
        let kind = Kind::parse(text).map_err(bad)?;
        Ok(Some(Self {
            text: text.to_owned(),
            exception,
            kind,
        }))
    }

    /// True if it begins with `!`.
    pub fn is_exception(&self) -> bool {
        self.exception
    }

    /// The cleaned pattern, without `!` and without a trailing `/*` or `/**`.
    pub fn stem(&self) -> &str {
        let text = self.text.strip_suffix("/**").unwrap_or(&self.text);
        text.strip_suffix("/*").unwrap_or(text)
    }

    /// True if the stem holds no wildcard, so that a walk may skip directories by comparing prefixes.
    pub fn is_plain(&self) -> bool {
        !self.stem().contains(['*', '[', ']', '?', '^', '\\'])
    }

    fn is_match(&self, path: &str) -> bool {
        match &self.kind {
            Kind::Exact => path == self.text,
            Kind::Prefix(prefix) => path.starts_with(prefix),
            Kind::Suffix(suffix) => {
                path.ends_with(suffix) || suffix.strip_prefix('/').is_some_and(|name| name == path)
            }
            Kind::Glob(tokens) => {
                let path: Vec<char> = path.chars().collect();
                glob(tokens, &path)
            }
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.exception { "!" } else { "" }, self.text)
    }
}

impl Kind {
    fn parse(text: &str) -> Result<Self, &'static str> {
        let tokens = tokens(text)?;
        let plain = |tokens: &[Token]| tokens.iter().all(|token| matches!(token, Token::Char(_)));
        // Three shapes are compared as text. They also differ from the glob they look like: `**name` at the
        // beginning matches any path that ends so, at no particular component.
        Ok(match tokens.as_slice() {
            [Token::Rest] => Self::Suffix(String::new()),
            [init @ .., Token::Rest] if plain(init) => Self::Prefix(chars(init)),
            [Token::Deep, tail @ ..] if plain(tail) && !text.contains('\\') => {
                Self::Suffix(text.strip_prefix("**").unwrap_or_default().to_owned())
            }
            all if plain(all) && !text.contains('\\') => Self::Exact,
            _ => Self::Glob(tokens),
        })
    }
}

fn chars(tokens: &[Token]) -> String {
    let char_of = |token: &Token| {
        if let Token::Char(c) = token {
            Some(*c)
        } else {
            None
        }
    };
    tokens.iter().filter_map(char_of).collect()
}

fn tokens(text: &str) -> Result<Vec<Token>, &'static str> {
    let mut rest = text.chars().peekable();
    let mut tokens = Vec::new();
    while let Some(c) = rest.next() {
        tokens.push(match c {
            '*' if rest.next_if_eq(&'*').is_some() => {
                rest.next_if_eq(&'/');
                if rest.peek().is_none() {
                    Token::Rest
                } else {
                    Token::Deep
                }
            }
            '*' => Token::Run,
            '?' => Token::One,
            '\\' => Token::Char(rest.next().ok_or("a trailing `\\` escapes nothing")?),
            '[' => class(&mut rest)?,
            other => Token::Char(other),
        });
    }
    Ok(tokens)
}

/// Reads a class after its `[`.
fn class(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<Token, &'static str> {
    const OPEN: &str = "a `[` is not closed";
    let negated = rest.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    loop {
        if !ranges.is_empty() && rest.next_if_eq(&']').is_some() {
            return Ok(Token::Class { negated, ranges });
        }
        let low = class_char(rest)?;
        let high = if rest.next_if_eq(&'-').is_some() {
            class_char(rest)?
        } else {
            low
        };
        ranges.push((low, high));
        rest.peek().ok_or(OPEN)?;
    }
}

fn class_char(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<char, &'static str> {
    match rest.next() {
        None => Err("a `[` is not closed"),
        Some('-') => Err("a `-` in `[…]` has no beginning"),
        Some(']') => Err("`[]` holds nothing"),
        Some('\\') => rest.next().ok_or("a trailing `\\` escapes nothing"),
        Some(c) => Ok(c),
    }
}

/// Matches by backtracking to the last wildcard that can take more. `**` may need to be reconsidered when a later
/// `*` fails, so that is one level of recursion for each `**`.
fn glob(tokens: &[Token], path: &[char]) -> bool {
    let (mut t, mut p) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    loop {
        match tokens.get(t) {
            None if p == path.len() => return true,
            Some(Token::Rest) => return true,
            Some(Token::Deep) => {
                let starts = (p..path.len()).filter(|&at| path[at] == '/').map(|at| at + 1);
                if std::iter::once(p)
                    .chain(starts)
                    .any(|at| glob(&tokens[t + 1..], &path[at..]))
                {
                    return true;
                }
            }
            Some(Token::Run) => {
                retry = Some((t, p));
                t += 1;
                continue;
            }
            Some(token) if path.get(p).is_some_and(|&c| token.takes(c)) => {
                (t, p) = (t + 1, p + 1);
                continue;
            }
            _ => {}
        }
        match retry {
            Some((star, from)) if path.get(from).is_some_and(|&c| c != '/') => {
                retry = Some((star, from + 1));
                (t, p) = (star + 1, from + 1);
            }
            _ => return false,
        }
    }
}

impl Token {
    fn takes(&self, c: char) -> bool {
        match self {
            Self::Char(own) => *own == c,
            Self::One => c != '/',
            Self::Class { negated, ranges } => {
                *negated != ranges.iter().any(|(low, high)| (*low..=*high).contains(&c))
            }
            Self::Run | Self::Deep | Self::Rest => false,
        }
    }
}

/// The directories above `path`, outermost first.
fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/')
        .map(|(at, _)| &path[..at])
        .filter(|ancestor| !ancestor.is_empty())
}

fn ignore_line(line: &str) -> Option<String> {
    let line = line.trim();
    let (mark, rest) = match line.strip_prefix('!') {
        Some(rest) => ("!", rest.trim()),
        None => ("", line),
    };
    if rest.is_empty() {
        return (!mark.is_empty()).then(|| mark.to_owned());
    }
    let cleaned = clean(rest);
    let cleaned = if cleaned.len() > 1 {
        cleaned.trim_start_matches('/')
    } else {
        &cleaned
    };
    Some(format!("{mark}{cleaned}"))
}

/// Normalises a slash-separated path as Go's `path.Clean` does: no `.`, no doubled or trailing `/`, `..` resolved.
pub fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(patterns: &[&str], path: &str) -> bool {
        Patterns::new(patterns).unwrap().matches(path)
    }

    /// Pattern, path, expected: the cases of the table in moby/patternmatcher's own tests that concern Unix, run
    /// against whole lists of one.
    #[test]
    fn single_patterns() {
        let table: &[(&str, &str, bool)] = &[
            ("**", "file", true),
            ("**", "dir/file", true),
            ("**/", "dir/file", true),
            ("**/**", "dir/file", true),
            ("dir/**", "dir/file", true),
            ("dir/**", "dir/dir2/file", true),
            ("dir/**", "dir", false),
            ("**/dir", "dir", true),
            ("**/dir", "dir/file", true),
            ("**/dir2/*", "dir/dir2/file", true),
            ("**/dir2/**", "dir/dir2/dir3/file", true),
            ("**file", "file", true),
            ("**file", "dir/file", true),
            ("**file", "dir/dir/prefixfile", true),
            ("**/file", "dir/prefixfile", false),
            ("**file*", "file.txt", true),
            ("**file*txt", "dir/file.txt", true),
            ("**/*.txt", "dir/file.txt", true),
            ("**/*.txt", "file.txt", true),
            ("**/**/*.txt", "dir/dir/file.txt", true),
            ("a**/*.txt", "a/dir/file.txt", true),
            ("a/*.txt", "a/dir/file.txt", false),
            ("a/**/*.txt", "a/file.txt", true),
            ("a[b-d]e", "ace", true),
            ("a[b-d]e", "aae", false),
            ("a[^b]e", "aae", true),
            ("a[\\-x]e", "a-e", true),
            ("abc.def", "abcdef", false),
            ("abc?def", "abcZdef", true),
            ("abc?def", "abc/def", false),
            ("a\\*b", "a*b", true),
            ("a\\*b", "axb", false),
            ("a\\\\", "a\\", true),
            (".*", ".foo", true),
            (".*", "foo", false),
            ("*", "foo/bar", true),
            ("a(b)c/def", "a(b)c/def", true),
            ("a.|)$(}+{bc", "a.|)$(}+{bc", true),
            ("dist/*.wh*", "dist/proxy.py-2.4.0rc3-py3-none-any.whl", true),
            ("docs/", "docs/index.md", true),
            ("./docs", "docs", true),
            ("foo", "foobar", false),
            ("foo/bar", "foo", false),
            ("*/*/x", "a/b/x", true),
            ("*/*/x", "a/x", false),
            ("**/a/**/b", "x/a/y/z/b", true),
            ("**/a*/b", "x/ab/ac/b", true),
        ];
        for (pattern, path, expected) in table {
            assert_eq!(matches(&[pattern], path), *expected, "`{pattern}` on `{path}`");
        }
    }

    #[test]
    fn the_last_applicable_pattern_wins() {
        assert!(!matches(&["**", "!util/docker/web"], "util/docker/web/foo"));
        assert!(matches(
            &["**", "!util/docker/web", "util/docker/web/foo"],
            "util/docker/web/foo"
        ));
        assert!(!matches(&["*.md", "!README.md"], "README.md"));
        assert!(matches(&["!README.md", "*.md"], "README.md"));
        assert!(matches(&["a", "!a/b", "a/b/c"], "a/b/c/d"));
        assert!(!matches(&["a", "!a/b", "a/b/c"], "a/b/x"));
        assert!(matches(&["a", "!a/b"], "a/x"));
    }

    #[test]
    fn a_walk_with_parent_results_agrees_with_looking_at_all_ancestors() {
        let lists: &[&[&str]] = &[
            &["a", "!a/b", "a/b/c"],
            &["**/x", "!a/x/keep"],
            &["*", "!b"],
            &["a/**", "!a/*/y"],
            &["!a", "a/b"],
        ];
        let paths = [
            "a",
            "a/b",
            "a/b/c",
            "a/b/c/d",
            "a/x",
            "a/x/keep",
            "a/x/keep/1",
            "b",
            "b/x",
            "a/b/y",
        ];
        for list in lists {
            let patterns = Patterns::new(*list).unwrap();
            for path in paths {
                let mut parent = None;
                for ancestor in ancestors(path) {
                    parent = Some(patterns.matches_under(ancestor, parent.as_ref()).1);
                }
                let walked = patterns.matches_under(path, parent.as_ref()).0;
                assert_eq!(walked, patterns.matches(path), "{list:?} on `{path}`");
            }
        }
    }

    #[test]
    fn bad_patterns_are_named() {
        for bad in ["!", "a[", "[]a]", "[-x]", "[x-]", "a\\", "[a", "[]"] {
            let error = Patterns::new([bad]).unwrap_err();
            assert_eq!(error.pattern, bad);
        }
    }

    #[test]
    fn ignore_files_are_cleaned() {
        let lines = Patterns::lines("\u{feff}# comment\n/a/b/\n\n  ./c \n! /d\n #kept\nx/../y\n/\n");
        assert_eq!(lines, ["a/b", "c", "!d", "#kept", "y", "/"]);
    }

    #[test]
    fn cleaning() {
        for (path, cleaned) in [
            ("", "."),
            ("a//b/./c/", "a/b/c"),
            ("../a", "../a"),
            ("/../a", "/a"),
            ("a/../..", ".."),
            ("/", "/"),
        ] {
            assert_eq!(clean(path), cleaned);
        }
    }
}
