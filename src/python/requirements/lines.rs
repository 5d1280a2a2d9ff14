//! The logical lines of a requirement file: joined at `\`, without comments, every piece with its place.

use crate::diag::Span;

/// A line as pip sees it, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// Words between blanks; quotes keep blanks together and stay in the word.
    pub(super) words: Vec<Word>,
}

/// Text without blanks, where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) text: String,
    pub(super) span: Span,
}

impl Line {
    /// From the first word to the last.
    pub(super) fn span(&self) -> Span {
        let (first, last) = (self.words.first(), self.words.last());
        Span::new(
            first.map_or(0, |word| word.span.start),
            last.map_or(0, |word| word.span.end),
        )
    }
}

/// All lines that say something.
pub(super) fn lines(text: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut words = Words::default();
    let mark = if text.starts_with('\u{feff}') {
        '\u{feff}'.len_utf8()
    } else {
        0
    };
    let mut offset = mark;
    for raw in text[mark..].split_inclusive('\n') {
        let start = offset;
        offset += raw.len();
        let line = raw.trim_end_matches(['\n', '\r']);
        // A comment ends a line even where it ends in a backslash.
        let (kept, comment) = without_comment(line, words.open());
        let continued = !comment && kept.ends_with('\\');
        words.push(
            kept.strip_suffix('\\').filter(|_| continued).unwrap_or(kept),
            start,
        );
        if !continued {
            lines.extend(words.finish());
        }
    }
    lines.extend(words.finish());
    lines
}

/// A `#` starts a comment at the beginning of a line or after a blank, also on a continued line.
fn without_comment(line: &str, inside_word: bool) -> (&str, bool) {
    let starts = |at: usize| {
        if at == 0 {
            !inside_word
        } else {
            line[..at].ends_with([' ', '\t'])
        }
    };
    match line.match_indices('#').find(|(at, _)| starts(*at)) {
        Some((at, _)) => (&line[..at], true),
        None => (line, false),
    }
}

/// Words as they come together over several physical lines.
#[derive(Default)]
struct Words {
    done: Vec<Word>,
    current: Option<Word>,
    quote: Option<char>,
}

impl Words {
    /// Whether the next character belongs to a word that has begun.
    fn open(&self) -> bool {
        self.current.is_some()
    }

    fn push(&mut self, text: &str, offset: usize) {
        for (at, c) in text.char_indices() {
            let blank = matches!(c, ' ' | '\t' | '\u{c}') && self.quote.is_none();
            if blank {
                self.done.extend(self.current.take());
                continue;
            }
            match self.quote {
                Some(open) if open == c => self.quote = None,
                None if matches!(c, '"' | '\'') => self.quote = Some(c),
                _ => {}
            }
            let end = offset + at + c.len_utf8();
            let word = self.current.get_or_insert_with(|| Word {
                text: String::new(),
                span: Span::new(offset + at, end),
            });
            word.text.push(c);
            word.span.end = end;
        }
    }

    fn finish(&mut self) -> Option<Line> {
        self.done.extend(self.current.take());
        self.quote = None;
        let words = std::mem::take(&mut self.done);
        (!words.is_empty()).then_some(Line { words })
    }
}

#[cfg(test)]
mod tests {
    use super::lines;

    fn words(text: &str) -> Vec<Vec<String>> {
        let words = |line: super::Line| line.words.into_iter().map(|word| word.text).collect();
        lines(text).into_iter().map(words).collect()
    }

    #[test]
    fn lines_are_joined_and_comments_go() {
        assert_eq!(
            words("\u{feff}# c\na==1 \\\n  --hash=x \\\n  --hash=y # why\n\nb # c \\\nc#d\n"),
            [vec!["a==1", "--hash=x", "--hash=y"], vec!["b"], vec!["c#d"]]
        );
        assert_eq!(words("a \\"), [["a"]]);
        assert_eq!(words("a ; x == 'b c' # d"), [vec!["a", ";", "x", "==", "'b c'"]]);
    }

    #[test]
    fn words_know_where_they_are() {
        let text = "ab \\\n  cd";
        let line = &lines(text)[0];
        assert_eq!(&text[line.words[1].span.range()], "cd");
        assert_eq!(line.span().range(), 0..9);
    }
}
