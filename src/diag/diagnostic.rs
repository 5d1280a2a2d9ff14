//! One mistake, and the list of them that a stage collects before it stops.

use super::{SourceFile, Span};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The build cannot go on.
    Error,
    /// The build goes on; the user should look.
    Warning,
}

/// A second place that explains the first, such as "declared here".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// What to say there.
    pub text: String,
}

/// One mistake: the fact, its place, and apart from them the advice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// A lowercase fragment that states what was found; values in backticks.
    pub message: String,
    /// The file and place that the message is about, where there is one.
    pub place: Option<(SourceFile, Span)>,
    /// A few words under the underlined place.
    pub label: Option<String>,
    /// Other places in the same file.
    pub related: Vec<Label>,
    /// Advice: what was expected, what to try.
    pub help: Vec<String>,
}

impl Diagnostic {
    /// An error that stops the build.
    pub fn error(message: impl Into<String>) -> Self {
        Self::new(Severity::Error, message)
    }

    /// Something the user should look at.
    pub fn warning(message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, message)
    }

    fn new(severity: Severity, message: impl Into<String>) -> Self {
        Self {
            severity,
            message: message.into(),
            place: None,
            label: None,
            related: Vec::new(),
            help: Vec::new(),
        }
    }

    /// Says where it is.
    pub fn at(mut self, file: &SourceFile, span: Span) -> Self {
        self.place = Some((file.clone(), span));
        self
    }

    /// Says a few words under the place.
    pub fn label(mut self, text: impl Into<String>) -> Self {
        self.label = Some(text.into());
        self
    }

    /// Adds another place of the same file.
    pub fn related(mut self, span: Span, text: impl Into<String>) -> Self {
        self.related.push(Label {
            span,
            text: text.into(),
        });
        self
    }

    /// Adds advice.
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help.push(text.into());
        self
    }

    /// Adds advice where there is some.
    pub fn maybe_help(self, text: Option<String>) -> Self {
        match text {
            Some(text) => self.help(text),
            None => self,
        }
    }

    /// One line: `file:line:column: message`.
    pub fn summary(&self) -> String {
        match &self.place {
            Some((file, span)) => {
                let at = file.position(span.start);
                format!("{}:{}:{}: {}", file.name(), at.line, at.column, self.message)
            }
            None => self.message.clone(),
        }
    }

    /// Everything else that there is to say, a line each: other places, then advice.
    pub fn details(&self) -> impl Iterator<Item = String> {
        self.places().chain(self.help.iter().cloned())
    }

    /// The other places, a line each.
    pub fn places(&self) -> impl Iterator<Item = String> {
        self.place.iter().flat_map(|(file, _)| {
            self.related.iter().map(|label| {
                let at = file.position(label.span.start);
                format!("{}:{}:{}: {}", file.name(), at.line, at.column, label.text)
            })
        })
    }
}

/// All that a stage found, in the order of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    /// Adds one.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.0.push(diagnostic);
    }

    /// Adds all of another list.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Whether any of them stops the build.
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|d| d.severity == Severity::Error)
    }

    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The diagnostics.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.0.iter()
    }

    /// The same without repetitions.
    pub fn unique(self) -> Self {
        let mut kept: Vec<Diagnostic> = Vec::new();
        for diagnostic in self.0 {
            if !kept.contains(&diagnostic) {
                kept.push(diagnostic);
            }
        }
        Self(kept)
    }

    /// The value when nothing stops the build (with the warnings), else everything that was found.
    pub fn finish<T>(mut self, value: Option<T>) -> Result<(T, Self), Self> {
        self.0.sort_by_key(|d| {
            d.place
                .as_ref()
                .map(|(file, span)| (file.name().to_owned(), span.start))
        });
        match value {
            Some(value) if !self.has_errors() => Ok((value, self)),
            _ => Err(self),
        }
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(diagnostic: Diagnostic) -> Self {
        Self(vec![diagnostic])
    }
}

impl FromIterator<Diagnostic> for Diagnostics {
    fn from_iter<I: IntoIterator<Item = Diagnostic>>(iter: I) -> Self {
        Self(iter.into_iter().collect())
    }
}

impl IntoIterator for Diagnostics {
    type Item = Diagnostic;
    type IntoIter = std::vec::IntoIter<Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
