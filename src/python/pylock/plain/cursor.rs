//! A place in a text of plain TOML. Whatever does not stand there as expected, or could mean more than it seems to, is none.

use toml::Spanned;
use toml::value::Datetime;

/// How deep lists and tables may be nested in values that nobody asks for.
const DEPTH: u32 = 8;

/// Digits of a number that are sure to fit.
const DIGITS: usize = 18;

/// Reads on from a place.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    text: &'a str,
    at: usize,
    depth: u32,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            depth: 0,
        }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// What was not read yet.
    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Passes over a word if it is next.
    pub(super) fn eat(&mut self, word: &str) -> bool {
        let found = self.text.as_bytes()[self.at..].starts_with(word.as_bytes());
        self.at += if found { word.len() } else { 0 };
        found
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip(&mut self, skipped: impl Fn(u8) -> bool) {
        let rest = &self.text.as_bytes()[self.at..];
        self.at += rest.iter().position(|byte| !skipped(*byte)).unwrap_or(rest.len());
    }

    fn blanks(&mut self) {
        self.skip(|byte| matches!(byte, b' ' | b'\t'));
    }

    /// A comment, if there is one, and the end of the line or of the text.
    pub(super) fn end_of_line(&mut self) -> Option<()> {
        self.blanks();
        if self.eat("#") {
            self.skip(|byte| !is_control(byte));
        }
        let ends = self.at == self.text.len() || self.eat("\n") || self.eat("\r\n");
        ends.then_some(())
    }

    /// Empty lines and comments, up to what stands in a line.
    fn skip_empty(&mut self) -> Option<()> {
        self.blanks();
        while matches!(self.peek(), Some(b'#' | b'\r' | b'\n')) {
            self.end_of_line()?;
            self.blanks();
        }
        Some(())
    }

    /// Lines of keys with values, up to a header or the end of the text. `each` reads the value of a key; none comes twice.
    pub(super) fn lines(&mut self, mut each: impl FnMut(&mut Self, &'a str) -> Option<()>) -> Option<()> {
        let mut keys = Vec::with_capacity(8);
        loop {
            self.skip_empty()?;
            if matches!(self.peek(), None | Some(b'[')) {
                return Some(());
            }
            let key = self.key(&mut keys)?;
            each(self, key)?;
            self.end_of_line()?;
        }
    }

    /// A table in braces, in one line.
    pub(super) fn table(&mut self, mut each: impl FnMut(&mut Self, &'a str) -> Option<()>) -> Option<()> {
        let mut keys = Vec::with_capacity(8);
        self.opens("{")?;
        self.blanks();
        if self.closes("}") {
            return Some(());
        }
        loop {
            let key = self.key(&mut keys)?;
            each(self, key)?;
            self.blanks();
            if self.closes("}") {
                return Some(());
            }
            self.expect(",")?;
            self.blanks();
        }
    }

    /// A list in brackets, over as many lines as it takes.
    pub(super) fn list(&mut self, mut each: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.opens("[")?;
        loop {
            self.skip_empty()?;
            if self.closes("]") {
                return Some(());
            }
            each(self)?;
            self.skip_empty()?;
            if self.closes("]") {
                return Some(());
            }
            self.expect(",")?;
        }
    }

    fn opens(&mut self, bracket: &str) -> Option<()> {
        self.depth += 1;
        self.expect(bracket).filter(|()| self.depth <= DEPTH)
    }

    fn closes(&mut self, bracket: &str) -> bool {
        let closes = self.eat(bracket);
        self.depth -= u32::from(closes);
        closes
    }

    fn expect(&mut self, word: &str) -> Option<()> {
        self.eat(word).then_some(())
    }

    /// A key that is not among those before it, and its equals sign.
    fn key(&mut self, before: &mut Vec<&'a str>) -> Option<&'a str> {
        let start = self.at;
        self.skip(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        let key = &self.text[start..self.at];
        if key.is_empty() || before.contains(&key) {
            return None;
        }
        before.push(key);
        self.blanks();
        self.expect("=")?;
        self.blanks();
        Some(key)
    }

    /// A string in one line without escapes.
    pub(super) fn string(&mut self) -> Option<&'a str> {
        let quote = self.peek().filter(|byte| matches!(byte, b'"' | b'\''))?;
        let start = self.at + 1;
        self.at = start;
        self.skip(|byte| byte != quote && byte != b'\\' && !is_control(byte));
        let text = &self.text[start..self.at];
        let closed = self.peek() == Some(quote);
        self.at += 1;
        // Two quotes and a third begin a text of many lines.
        let is_long = text.is_empty() && self.peek() == Some(quote);
        (closed && !is_long).then_some(text)
    }

    /// The same with its place, quotes included.
    pub(super) fn spanned(&mut self) -> Option<Spanned<String>> {
        let start = self.at;
        let text = self.string()?.to_owned();
        Some(Spanned::new(start..self.at, text))
    }

    /// A whole number without sign.
    pub(super) fn number(&mut self) -> Option<u64> {
        let word = self.word();
        is_number(word).then(|| word.parse().ok()).flatten()
    }

    /// The text of any value.
    pub(super) fn value(&mut self) -> Option<&'a str> {
        let start = self.at;
        match self.peek()? {
            b'"' | b'\'' => drop(self.string()?),
            b'[' => self.list(|cursor| cursor.value().map(drop))?,
            b'{' => self.table(|cursor, _| cursor.value().map(drop))?,
            _ => {
                let word = self.word();
                let known = matches!(word, "true" | "false") || is_number(word);
                (known || word.parse::<Datetime>().is_ok()).then_some(())?;
            }
        }
        Some(&self.text[start..self.at])
    }

    /// What may be a number, a moment, true or false.
    fn word(&mut self) -> &'a str {
        let start = self.at;
        self.skip(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'+' | b':' | b'.'));
        &self.text[start..self.at]
    }
}

fn is_number(word: &str) -> bool {
    let digits = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    digits && word.len() <= DIGITS && (word == "0" || !word.starts_with('0'))
}

/// What may stand neither in strings of one line nor in comments.
fn is_control(byte: u8) -> bool {
    (byte < b' ' && byte != b'\t') || byte == 0x7f
}
