//! Reading maps key by key: every key that is not taken is unknown, and says so with a near miss.

use std::str::FromStr;

use super::advice;
use super::types::{List, Table};
use super::yaml::{Entry, Node, Value};
use crate::diag::{Diagnostic, Diagnostics, SourceFile, Span, Spanned, did_you_mean};

/// The item that stands for what is inherited.
const INHERIT: &str = "...";

/// Where mistakes go, and the file they are in.
pub(super) struct Cx<'a> {
    pub(super) file: &'a SourceFile,
    pub(super) diagnostics: &'a mut Diagnostics,
}

impl Cx<'_> {
    pub(super) fn push(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// `what` is a phrase: a key comes in backticks.
    fn mismatch(&mut self, what: &str, expected: &str, node: &Node) {
        let found = node.value.kind();
        self.push(
            Diagnostic::error(format!("expected {expected} for {what}, found {found}"))
                .at(self.file, node.span)
                .label(format!("expected {expected}")),
        );
    }

    /// A scalar as written, with quotes or without.
    pub(super) fn text(&mut self, what: &str, node: &Node) -> Option<Spanned<String>> {
        if let Value::Scalar { text, .. } = &node.value {
            return Some(Spanned::new(text.clone(), node.span));
        }
        self.mismatch(&format!("`{what}`"), "a string", node);
        None
    }

    /// A scalar of a validated type.
    pub(super) fn parsed<T>(&mut self, what: &str, node: &Node) -> Option<Spanned<T>>
    where
        T: FromStr<Err: std::fmt::Display>,
    {
        let text = self.text(what, node)?;
        match text.parse() {
            Ok(value) => Some(Spanned::new(value, node.span)),
            Err(error) => {
                self.push(
                    Diagnostic::error(format!("`{}` is not a valid `{what}`", text.value))
                        .at(self.file, node.span)
                        .help(error.to_string()),
                );
                None
            }
        }
    }

    /// A whole number.
    pub(super) fn number(&mut self, what: &str, node: &Node) -> Option<Spanned<u32>> {
        let text = self.text(what, node)?;
        if let Ok(number) = text.parse() {
            return Some(Spanned::new(number, node.span));
        }
        self.push(
            Diagnostic::error(format!("`{}` is not a valid `{what}`", text.value))
                .at(self.file, node.span)
                .help("expected a whole number"),
        );
        None
    }

    pub(super) fn boolean(&mut self, what: &str, node: &Node) -> Option<Spanned<bool>> {
        match &node.value {
            Value::Scalar { text, plain: true } if text == "true" => Some(Spanned::new(true, node.span)),
            Value::Scalar { text, plain: true } if text == "false" => Some(Spanned::new(false, node.span)),
            _ => {
                self.mismatch(&format!("`{what}`"), "`true` or `false`", node);
                None
            }
        }
    }

    /// A list of scalars; `...` says where inherited items go.
    pub(super) fn list<T>(&mut self, what: &str, node: &Node) -> Option<List<T>>
    where
        T: FromStr<Err: std::fmt::Display>,
    {
        let Value::Sequence(nodes) = &node.value else {
            self.mismatch(&format!("`{what}`"), "a list", node);
            if let Value::Scalar { text, .. } = &node.value {
                let help = format!("write it as a list: `{what}: [{}]`", text.replace(' ', ", "));
                self.advise(&help);
            }
            return None;
        };
        let mut list = List {
            items: Vec::new(),
            inherit_at: None,
            span: node.span,
        };
        for item in nodes {
            match &item.value {
                Value::Scalar { text, .. } if text == INHERIT && list.inherit_at.is_none() => {
                    list.inherit_at = Some(list.items.len());
                }
                _ => list.items.extend(self.parsed(what, item)),
            }
        }
        Some(list)
    }

    /// A map from names to strings, or Compose's list of `NAME=value`.
    pub(super) fn pairs(&mut self, what: &str, node: &Node) -> Option<Table<Spanned<String>>> {
        match &node.value {
            Value::Mapping(entries) => Some(
                entries
                    .iter()
                    .filter_map(|entry| Some((entry.key.clone(), self.text(&entry.key, &entry.value)?)))
                    .collect(),
            ),
            Value::Sequence(items) => Some(items.iter().filter_map(|item| self.pair(what, item)).collect()),
            _ => {
                self.mismatch(&format!("`{what}`"), "a map", node);
                None
            }
        }
    }

    fn pair(&mut self, what: &str, node: &Node) -> Option<(Spanned<String>, Spanned<String>)> {
        let text = self.text(what, node)?;
        if let Some((name, value)) = text.split_once('=') {
            return Some((
                Spanned::new(name.to_owned(), node.span),
                Spanned::new(value.to_owned(), node.span),
            ));
        }
        self.push(
            Diagnostic::error(format!("`{}` has no value", text.value))
                .at(self.file, node.span)
                .help("write `NAME=value`; the environment of the build machine is never read"),
        );
        None
    }

    /// A map from names to something that `read` reads.
    pub(super) fn table<T>(
        &mut self,
        what: &str,
        node: &Node,
        read: impl Fn(&mut Self, &Entry) -> Option<T>,
    ) -> Option<Table<T>> {
        let Value::Mapping(entries) = &node.value else {
            self.mismatch(&format!("`{what}`"), "a map", node);
            if matches!(node.value, Value::Sequence(_)) {
                self.advise("names are keys: write `NAME:` without `- ` in front");
            }
            return None;
        };
        let named = entries.iter().filter(|entry| !entry.key.starts_with("x-"));
        Some(
            named
                .filter_map(|entry| Some((entry.key.clone(), read(self, entry)?)))
                .collect(),
        )
    }

    /// A list of something that `read` reads.
    pub(super) fn sequence<T>(
        &mut self,
        what: &str,
        node: &Node,
        read: impl Fn(&mut Self, &Node) -> Option<T>,
    ) -> Option<Vec<T>> {
        let Value::Sequence(nodes) = &node.value else {
            self.mismatch(&format!("`{what}`"), "a list", node);
            return None;
        };
        Some(nodes.iter().filter_map(|node| read(self, node)).collect())
    }

    /// Opens a map whose keys are known.
    pub(super) fn fields<'n>(&mut self, what: &str, node: &'n Node) -> Option<Fields<'n>> {
        match &node.value {
            Value::Mapping(entries) => Some(Fields {
                what: what.to_owned(),
                entries: entries.iter().map(|e| (e, false)).collect(),
                known: Vec::new(),
            }),
            Value::Null => Some(Fields {
                what: what.to_owned(),
                entries: Vec::new(),
                known: Vec::new(),
            }),
            _ => {
                self.mismatch(what, "a map", node);
                None
            }
        }
    }

    /// Adds to what was pushed last.
    pub(super) fn advise(&mut self, help: &str) {
        let last = std::mem::take(self.diagnostics).into_iter().collect::<Vec<_>>();
        let count = last.len();
        *self.diagnostics = last
            .into_iter()
            .enumerate()
            .map(|(i, d)| if i + 1 == count { d.help(help) } else { d })
            .collect();
    }
}

/// The keys of one map that are still to be taken.
pub(super) struct Fields<'n> {
    what: String,

    entries: Vec<(&'n Entry, bool)>,
    known: Vec<&'static str>,
}

impl<'n> Fields<'n> {
    /// The value of a key, if it is there and says something.
    pub(super) fn take(&mut self, key: &'static str) -> Option<&'n Node> {
        self.known.push(key);
        let (entry, taken) = self
            .entries
            .iter_mut()
            .find(|(entry, _)| entry.key.value == key)?;
        *taken = true;
        (!matches!(entry.value.value, Value::Null)).then_some(&entry.value)
    }

    /// Where a key stands, if it is there.
    pub(super) fn place(&self, key: &str) -> Option<Span> {
        let found = self.entries.iter().find(|(entry, _)| entry.key.value == key);
        found.map(|(entry, _)| entry.key.span)
    }

    /// Whether an unknown key may have been meant to be this one.
    pub(super) fn misspelled(&self, key: &str) -> bool {
        let mut unknown = self.entries.iter().filter(|(_, taken)| !taken);
        unknown.any(|(entry, _)| did_you_mean(&entry.key, [key]).is_some())
    }

    /// Complains of every key that nobody took; `x-` keys are the user's own.
    pub(super) fn finish(self, cx: &mut Cx<'_>) {
        for (entry, taken) in &self.entries {
            if *taken || entry.key.starts_with("x-") {
                continue;
            }
            let help = advice::of_foreign(&entry.key, &self.known)
                .or_else(|| did_you_mean(&entry.key, self.known.iter().copied()))
                .unwrap_or_else(|| format!("known keys: {}", self.known.join(", ")));
            cx.push(
                Diagnostic::error(format!("unknown key `{}` in {}", entry.key.value, self.what))
                    .at(cx.file, entry.key.span)
                    .help(help),
            );
        }
    }

    /// The keys asked for, for the test that compares them with the schema.
    #[cfg(test)]
    pub(super) fn known(&self) -> &[&'static str] {
        &self.known
    }
}
