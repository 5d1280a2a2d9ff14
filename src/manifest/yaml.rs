//! YAML text to a tree in which every key and value knows its bytes.
//!
//! Scalars keep the text as written (`3.10` stays `3.10`), duplicate keys are errors, anchors and aliases
//! work, merge keys (`<<`) do not exist in YAML 1.2 and are not supported.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span as YamlSpan};

use super::advice;
use crate::diag::{Diagnostic, Diagnostics, SourceFile, Span, Spanned};

/// How deep a document may nest, and how many nodes aliases may unfold to. Long scalars count as several.
const MAX_DEPTH: usize = 64;
const MAX_NODES: usize = 200_000;
const BYTES_OF_A_NODE: usize = 64;

/// A value and where it stands.
#[derive(Debug, Clone)]
pub struct Node {
    /// Its bytes.
    pub span: Span,
    /// What it is.
    pub value: Value,
}

/// What a node is.
#[derive(Debug, Clone)]
pub enum Value {
    /// Nothing, `~` or `null`.
    Null,
    /// A scalar as written, and whether it had no quotes.
    Scalar {
        /// The text without quotes.
        text: String,
        /// True for `3.11`, false for `"3.11"`.
        plain: bool,
    },
    /// A list.
    Sequence(Vec<Node>),
    /// A map, in the order of the file.
    Mapping(Vec<Entry>),
}

/// One key of a map with its value.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The key.
    pub key: Spanned<String>,
    /// Its value.
    pub value: Node,
}

impl Value {
    /// What to call it in a message.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Scalar { text, plain: true } if matches!(text.as_str(), "true" | "false") => "a boolean",
            Self::Scalar { text, plain: true } if text.parse::<f64>().is_ok() => "a number",
            Self::Scalar { .. } => "a string",
            Self::Sequence(_) => "a list",
            Self::Mapping(_) => "a map",
        }
    }
}

/// Parses the one document of a file. Repeated keys are among the mistakes; the first of them counts, so that the rest
/// of the file can be looked at. Text that is no YAML at all has no tree.
pub fn parse(file: &SourceFile, mistakes: &mut Diagnostics) -> Result<Node, Diagnostic> {
    let mut builder = Builder {
        file,
        offsets: char_offsets(file.text()),
        events: Parser::new_from_str(file.text()),
        anchors: Vec::new(),
        nodes: 0,
        mistakes,
    };
    builder.document()
}

/// Byte offset of each character; empty for plain ASCII, where they are the same.
fn char_offsets(text: &str) -> Vec<usize> {
    if text.is_ascii() {
        Vec::new()
    } else {
        text.char_indices().map(|(at, _)| at).collect()
    }
}

struct Builder<'t> {
    file: &'t SourceFile,
    offsets: Vec<usize>,
    events: Parser<'t, saphyr_parser::StrInput<'t>>,
    anchors: Vec<(usize, Node)>,
    nodes: usize,
    mistakes: &'t mut Diagnostics,
}

impl<'t> Builder<'t> {
    fn document(&mut self) -> Result<Node, Diagnostic> {
        loop {
            match self.next()? {
                (Event::StreamStart | Event::DocumentStart(_) | Event::Nothing, _) => {}
                (Event::StreamEnd | Event::DocumentEnd, span) => {
                    return Ok(Node {
                        span,
                        value: Value::Null,
                    });
                }
                (event, span) => {
                    let root = self.node(event, span, 0)?;
                    self.end()?;
                    return Ok(root);
                }
            }
        }
    }

    fn end(&mut self) -> Result<(), Diagnostic> {
        loop {
            match self.next()? {
                (Event::StreamEnd, _) => return Ok(()),
                (Event::DocumentStart(_), span) => {
                    return Err(Diagnostic::error("found a second YAML document")
                        .at(self.file, span)
                        .help("a manifest is one document; remove the `---` and what follows"));
                }
                _ => {}
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'t>, Span), Diagnostic> {
        match self.events.next() {
            Some(Ok((event, span))) => {
                let span = self.span(span);
                Ok((event, span))
            }
            Some(Err(error)) => {
                let at = self.byte(error.marker().index());
                let end = self.file.text()[at..]
                    .chars()
                    .next()
                    .map_or(at, |c| at + c.len_utf8());
                Err(Diagnostic::error(format!("not valid YAML: {}", error.info()))
                    .at(self.file, Span::new(at, end))
                    .maybe_help(advice::of_broken(error.info()).map(str::to_owned)))
            }
            None => Ok((
                Event::StreamEnd,
                Span::new(self.file.text().len(), self.file.text().len()),
            )),
        }
    }

    fn node(&mut self, event: Event<'t>, span: Span, depth: usize) -> Result<Node, Diagnostic> {
        self.nodes += 1;
        if depth > MAX_DEPTH || self.nodes > MAX_NODES {
            return Err(
                Diagnostic::error("the manifest nests too deeply or is too large").at(self.file, span)
            );
        }
        let (anchor, node) = match event {
            Event::Scalar(text, style, anchor, _) => (anchor, scalar(&text, style, self.trim(span))),
            Event::SequenceStart(anchor, _) => (anchor, self.sequence(span, depth)?),
            Event::MappingStart(anchor, _) => (anchor, self.mapping(span, depth)?),
            Event::Alias(anchor) => return self.alias(anchor, span),
            other => {
                return Err(
                    Diagnostic::error(format!("not valid YAML: unexpected {other:?}")).at(self.file, span)
                );
            }
        };
        if anchor > 0 {
            self.anchors.push((anchor, node.clone()));
        }
        Ok(node)
    }

    fn sequence(&mut self, start: Span, depth: usize) -> Result<Node, Diagnostic> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, end) => {
                    let span = self.trim(Span::new(start.start, end.end.max(start.end)));
                    return Ok(Node {
                        span,
                        value: Value::Sequence(items),
                    });
                }
                (event, span) => items.push(self.node(event, span, depth + 1)?),
            }
        }
    }

    fn mapping(&mut self, start: Span, depth: usize) -> Result<Node, Diagnostic> {
        let mut entries = Vec::new();
        let mut given: BTreeMap<String, Span> = BTreeMap::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                let span = self.trim(Span::new(start.start, span.end.max(start.end)));
                return Ok(Node {
                    span,
                    value: Value::Mapping(entries),
                });
            }
            let key = self.key(event, span, depth)?;
            let (event, span) = self.next()?;
            let value = self.node(event, span, depth + 1)?;
            if let Some(first) = given.get(&key.value) {
                self.mistakes.push(
                    Diagnostic::error(format!("duplicate key `{}`", key.value))
                        .at(self.file, key.span)
                        .label("given again here")
                        .related(*first, "first given here")
                        .help("keep one of them"),
                );
                continue;
            }
            given.insert(key.value.clone(), key.span);
            entries.push(Entry { key, value });
        }
    }

    fn key(&mut self, event: Event<'t>, span: Span, depth: usize) -> Result<Spanned<String>, Diagnostic> {
        let node = self.node(event, span, depth + 1)?;
        match node.value {
            Value::Scalar { text, .. } => Ok(Spanned::new(text, node.span)),
            other => Err(
                Diagnostic::error(format!("expected a key, found {}", other.kind())).at(self.file, node.span),
            ),
        }
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Result<Node, Diagnostic> {
        let found = self
            .anchors
            .iter()
            .rev()
            .find(|(id, _)| *id == anchor)
            .map(|(_, node)| node.clone());
        let node = found.ok_or_else(|| Diagnostic::error("unknown alias").at(self.file, span))?;
        self.nodes += size(&node);
        Ok(node)
    }

    fn span(&self, span: YamlSpan) -> Span {
        Span::new(self.byte(span.start.index()), self.byte(span.end.index()))
    }

    fn byte(&self, index: usize) -> usize {
        let byte = if self.offsets.is_empty() {
            index
        } else {
            self.offsets.get(index).copied().unwrap_or(usize::MAX)
        };
        byte.min(self.file.text().len())
    }

    /// Block collections end where the next token starts; leave out the space before it.
    fn trim(&self, span: Span) -> Span {
        let text = &self.file.text()[span.range()];
        Span::new(span.start, span.start + text.trim_end().len())
    }
}

fn scalar(text: &str, style: ScalarStyle, span: Span) -> Node {
    let plain = style == ScalarStyle::Plain;
    let value = if plain && matches!(text, "" | "~" | "null" | "Null" | "NULL") {
        Value::Null
    } else {
        Value::Scalar {
            text: text.to_owned(),
            plain,
        }
    };
    Node { span, value }
}

fn size(node: &Node) -> usize {
    match &node.value {
        Value::Null => 1,
        Value::Scalar { text, .. } => 1 + text.len() / BYTES_OF_A_NODE,
        Value::Sequence(items) => 1 + items.iter().map(size).sum::<usize>(),
        Value::Mapping(entries) => 1 + entries.iter().map(|entry| size(&entry.value)).sum::<usize>(),
    }
}
