//! Reading notation character by character.

use super::NotationError;
use crate::model::number::parse_float;

/// The longest quoted string accepted, in bytes.
const MAX_STRING: usize = 1 << 20;

/// A place in a text, and the means to go on from there.
pub(super) struct Cursor<'a> {
    text: &'a str,
    rest: &'a str,
    blanks: &'static [char],
}

/// What separates samples: a series is one line.
const IN_LINE: &[char] = &[' ', '\t', '\r'];
/// What separates the parts of a series' labels alone, which may be several lines.
const IN_TEXT: &[char] = &[' ', '\t', '\r', '\n'];

type Parsed<T> = Result<T, NotationError>;

impl<'a> Cursor<'a> {
    /// The beginning of a line, what is blank around it left out.
    pub fn line(text: &'a str) -> Self {
        let text = text.trim_end();
        Cursor { text, rest: text.trim_start(), blanks: IN_LINE }
    }

    /// The beginning of a text of any number of lines.
    pub fn text(text: &'a str) -> Self {
        Cursor { text, rest: text.trim_start_matches(IN_TEXT), blanks: IN_TEXT }
    }

    /// Whether line breaks are blanks.
    pub fn spans_lines(&self) -> bool {
        self.blanks.contains(&'\n')
    }

    /// What has not been read.
    pub fn rest(&self) -> &'a str {
        self.rest
    }

    /// Goes back to where `rest` began.
    pub fn back_to(&mut self, rest: &'a str) -> &Self {
        self.rest = rest;
        self
    }

    /// Fails here: what is there instead of what was expected.
    pub fn expected<T>(&self, what: &str) -> Parsed<T> {
        let found = match self.rest.chars().next() {
            None => "the end".to_owned(),
            Some(c) if c.is_whitespace() => "a space".to_owned(),
            Some(_) => {
                let word: String = self.rest.chars().take_while(|c| !c.is_whitespace()).take(24).collect();
                format!("{word:?}")
            }
        };
        self.fail(format!("unexpected {found}, expected {what}"))
    }

    /// Fails here.
    pub fn fail<T>(&self, message: impl Into<String>) -> Parsed<T> {
        let read = self.text.len() - self.rest.len();
        let column = self.text.get(..read).map_or(0, |s| s.chars().count()) + 1;
        Err(NotationError { column, message: message.into() })
    }

    pub fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    pub fn at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// Skips blanks; says whether there were any.
    pub fn spaces(&mut self) -> bool {
        let before = self.rest.len();
        self.rest = self.rest.trim_start_matches(self.blanks);
        self.rest.len() < before
    }

    /// Reads `token` if it is next.
    pub fn eat(&mut self, token: &str) -> bool {
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Reads `token` or fails.
    pub fn need(&mut self, token: &str) -> Parsed<()> {
        if self.eat(token) { Ok(()) } else { self.expected(&format!("{token:?}")) }
    }

    /// Reads the characters that satisfy a condition.
    pub fn take_while(&mut self, condition: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !condition(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    /// Reads a count, as after `x`.
    pub fn count(&mut self) -> Parsed<u64> {
        let before = self.rest;
        let digits = self.take_while(|c| c.is_ascii_digit());
        match digits.parse() {
            Ok(n) => Ok(n),
            Err(_) => {
                self.rest = before;
                self.expected("a whole number of repetitions")
            }
        }
    }

    /// Reads a sign: `-` is true, `+` or none is false.
    pub fn sign(&mut self) -> bool {
        if self.eat("-") {
            return true;
        }
        self.eat("+");
        false
    }

    /// Reads digits; one `_` may stand between two of them.
    fn digits(&mut self) -> &'a str {
        let bytes = self.rest.as_bytes();
        let digit = |i: usize| bytes.get(i).is_some_and(u8::is_ascii_digit);
        let between = |i: usize| bytes.get(i) == Some(&b'_') && i.checked_sub(1).is_some_and(digit) && digit(i + 1);
        let end = (0..bytes.len()).take_while(|i| digit(*i) || between(*i)).count();
        let (taken, rest) = self.rest.split_at_checked(end).unwrap_or(("", self.rest));
        self.rest = rest;
        taken
    }

    /// Reads a float without sign: `1`, `.5`, `1_000`, `1e-3`, `Inf`, `NaN`. There are no hexadecimal numbers here, since
    /// `0x15` is a repetition; and a word ends where letters, digits and `_` do, so that `Infx5` is none.
    pub fn unsigned_float(&mut self) -> Parsed<f64> {
        let before = self.rest;
        if self.peek().is_some_and(|c| c.is_ascii_alphabetic()) {
            let word = self.take_while(|c| c.is_ascii_alphanumeric() || c == '_');
            let known = matches!(word.to_ascii_lowercase().as_str(), "inf" | "nan");
            if let Some(v) = parse_float(word).filter(|_| known) {
                return Ok(v);
            }
        } else {
            let whole = self.digits();
            let fraction = if self.eat(".") { self.digits() } else { "" };
            self.exponent();
            let read = before.get(..before.len() - self.rest.len()).unwrap_or_default();
            if !(whole.is_empty() && fraction.is_empty()) {
                let out_of_range = format!("{read} is out of the range of numbers");
                return parse_float(&read.replace('_', "")).map_or_else(|| self.back_to(before).fail(out_of_range), Ok);
            }
        }
        self.rest = before;
        self.expected("a number")
    }

    /// Reads `e-3` if it is there whole.
    fn exponent(&mut self) {
        let before = self.rest;
        if self.eat("e") || self.eat("E") {
            self.sign();
            if self.digits().is_empty() {
                self.rest = before;
            }
        }
    }

    /// Reads a float with or without sign.
    pub fn float(&mut self) -> Parsed<f64> {
        let negative = self.sign();
        let v = self.unsigned_float()?;
        Ok(if negative { -v } else { v })
    }

    /// Reads a string in any of PromQL's quotes.
    pub fn quoted(&mut self) -> Parsed<String> {
        let start = self.rest;
        let Some(quote) = self.peek().filter(|c| matches!(c, '"' | '\'' | '`')) else {
            return self.expected("a quoted string");
        };
        let mut chars = start.char_indices().skip(1);
        let mut out = String::new();
        while let Some((at, c)) = chars.next() {
            if c == quote {
                self.rest = start.get(at + 1..).unwrap_or_default();
                return Ok(out);
            }
            if out.len() > MAX_STRING {
                return self.fail("string too long");
            }
            if c != '\\' || quote == '`' {
                out.push(c);
                continue;
            }
            match unescape(&mut chars, quote) {
                Some(c) => out.push(c),
                None => return self.fail("invalid escape sequence in string"),
            }
        }
        self.fail("unterminated string")
    }
}

/// The character that an escape sequence stands for, its backslash read.
fn unescape(chars: &mut impl Iterator<Item = (usize, char)>, quote: char) -> Option<char> {
    let (_, c) = chars.next()?;
    let mut number = |digits: u32, radix: u32, first: Option<char>| {
        let rest = std::iter::from_fn(|| chars.next().map(|(_, c)| c)).take(digits as usize);
        let value =
            first.into_iter().chain(rest).try_fold(0u32, |v, c| v.checked_mul(radix)?.checked_add(c.to_digit(radix)?));
        value.and_then(char::from_u32)
    };
    match c {
        'a' => Some('\x07'),
        'b' => Some('\x08'),
        'f' => Some('\x0c'),
        'n' => Some('\n'),
        'r' => Some('\r'),
        't' => Some('\t'),
        'v' => Some('\x0b'),
        '\\' => Some('\\'),
        'x' => number(2, 16, None),
        'u' => number(4, 16, None),
        'U' => number(8, 16, None),
        '0'..='7' => number(2, 8, Some(c)),
        c if c == quote => Some(c),
        _ => None,
    }
}
