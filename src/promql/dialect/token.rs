//! Text to tokens, each with its place.

use super::super::annotations::Span;
use super::super::ast::BinaryOp;
use super::super::error::Fault;

/// A token and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    pub kind: Kind,
    pub span: Span,
}

/// The kinds of tokens. Keywords are identifiers: what a word means depends on where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    LeftParen,
    RightParen,
    LeftBrace,
    RightBrace,
    LeftBracket,
    RightBracket,
    Comma,
    Colon,
    At,
    /// An operator that is not a word.
    Op(BinaryOp),
    /// `=`
    Eql,
    /// `=~`
    EqlRegex,
    /// `!~`
    NeqRegex,
    Number,
    Duration,
    String,
    /// A word; may hold colons outside brackets.
    Word,
    End,
}

/// The longest query, in bytes.
pub const MAX_QUERY_LEN: usize = 512 * 1024;

/// Cuts `source` into tokens; the last is [`Kind::End`]. Comments and space are left out.
pub fn tokenize(source: &str) -> Result<Vec<Token>, Fault> {
    if source.len() > MAX_QUERY_LEN {
        let text = format!("query of {} bytes is longer than {MAX_QUERY_LEN}", source.len());
        return Err(Fault::new(Span::new(0, 0), text));
    }
    let mut lexer = Lexer { source, at: 0, brackets: 0 };
    let mut tokens = Vec::with_capacity(source.len() / 4 + 1);
    loop {
        lexer.skip_space();
        let start = lexer.at;
        let kind = lexer.next()?;
        tokens.push(Token { kind, span: Span::new(start, lexer.at) });
        if kind == Kind::End {
            return Ok(tokens);
        }
    }
}

struct Lexer<'a> {
    source: &'a str,
    at: usize,
    brackets: usize,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        self.source.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn fault(&self, start: usize, message: impl Into<String>) -> Fault {
        Fault::new(Span::new(start, self.at.max(start)), message)
    }

    fn accept(&mut self, s: &str) -> bool {
        let found = self.rest().starts_with(s);
        if found {
            self.at += s.len();
        }
        found
    }

    fn accept_while(&mut self, f: impl Fn(char) -> bool) -> usize {
        let start = self.at;
        let rest = self.rest();
        self.at += rest.find(|c| !f(c)).unwrap_or(rest.len());
        self.at - start
    }

    fn skip_space(&mut self) {
        loop {
            let skipped = self.accept_while(|c| c.is_ascii_whitespace());
            if self.accept("#") {
                self.accept_while(|c| c != '\n' && c != '\r');
            } else if skipped == 0 {
                return;
            }
        }
    }

    fn next(&mut self) -> Result<Kind, Fault> {
        const FIXED: [(&str, Kind); 26] = [
            ("(", Kind::LeftParen),
            (")", Kind::RightParen),
            ("{", Kind::LeftBrace),
            ("}", Kind::RightBrace),
            ("[", Kind::LeftBracket),
            ("]", Kind::RightBracket),
            (",", Kind::Comma),
            ("@", Kind::At),
            ("+", Kind::Op(BinaryOp::Add)),
            ("-", Kind::Op(BinaryOp::Sub)),
            ("*", Kind::Op(BinaryOp::Mul)),
            ("/", Kind::Op(BinaryOp::Div)),
            ("%", Kind::Op(BinaryOp::Mod)),
            ("^", Kind::Op(BinaryOp::Pow)),
            ("==", Kind::Op(BinaryOp::Eql)),
            ("=~", Kind::EqlRegex),
            ("=", Kind::Eql),
            ("!=", Kind::Op(BinaryOp::Neq)),
            ("!~", Kind::NeqRegex),
            ("<=", Kind::Op(BinaryOp::Lte)),
            ("</", Kind::Op(BinaryOp::TrimUpper)),
            ("<", Kind::Op(BinaryOp::Lss)),
            (">=", Kind::Op(BinaryOp::Gte)),
            (">/", Kind::Op(BinaryOp::TrimLower)),
            (">", Kind::Op(BinaryOp::Gtr)),
            (":", Kind::Colon),
        ];
        let Some(c) = self.peek() else { return Ok(Kind::End) };
        let start = self.at;
        match c {
            '0'..='9' => return self.number(),
            '.' if self.rest().as_bytes().get(1).is_some_and(u8::is_ascii_digit) => return self.number(),
            '"' | '\'' | '`' => return self.string(c),
            _ if c == '_' || c.is_ascii_alphabetic() || (c == ':' && self.brackets == 0) => return Ok(self.word()),
            _ => {}
        }
        for (text, kind) in FIXED {
            if self.accept(text) {
                match kind {
                    Kind::LeftBracket => self.brackets += 1,
                    Kind::RightBracket => self.brackets = self.brackets.saturating_sub(1),
                    _ => {}
                }
                return Ok(kind);
            }
        }
        self.at += c.len_utf8();
        match (c, self.peek()) {
            ('!', Some(next)) => Err(self.fault(start, format!("unexpected character after '!': {next:?}"))),
            _ => Err(self.fault(start, format!("unexpected character: {c:?}"))),
        }
    }

    fn word(&mut self) -> Kind {
        let colons = self.brackets == 0;
        self.accept_while(|c| c == '_' || c.is_ascii_alphanumeric() || (colons && c == ':'));
        Kind::Word
    }

    fn string(&mut self, quote: char) -> Result<Kind, Fault> {
        let start = self.at;
        self.at += 1;
        loop {
            let Some(c) = self.peek() else { return Err(self.fault(start, "unterminated quoted string")) };
            self.at += c.len_utf8();
            match c {
                _ if c == quote => return Ok(Kind::String),
                '\\' if quote != '`' => {
                    let Some(escaped) = self.peek() else {
                        return Err(self.fault(start, "escape sequence not terminated"));
                    };
                    self.at += escaped.len_utf8();
                }
                '\n' if quote != '`' => return Err(self.fault(start, "unterminated quoted string")),
                _ => {}
            }
        }
    }

    /// A number in any of Go's forms, or a duration such as `1h30m`.
    fn number(&mut self) -> Result<Kind, Fault> {
        let start = self.at;
        let hex = self.accept("0x") || self.accept("0X");
        let digit = |c: char| c == '_' || if hex { c.is_ascii_hexdigit() } else { c.is_ascii_digit() };
        self.accept_while(digit);
        if self.accept(".") {
            self.accept_while(digit);
        }
        let exponent = if hex { ["p", "P"] } else { ["e", "E"] };
        if exponent.iter().any(|e| self.accept(e)) {
            let _ = self.accept("+") || self.accept("-");
            self.accept_while(|c| c.is_ascii_digit());
        }
        let word = |c: char| c == '_' || c == '.' || c.is_ascii_alphanumeric();
        if !self.peek().is_some_and(word) {
            return Ok(Kind::Number);
        }
        self.at = start;
        self.accept_while(word);
        let text = self.source.get(start..self.at).unwrap_or_default();
        if is_duration(text) {
            return Ok(Kind::Duration);
        }
        Err(self.fault(start, format!("bad number or duration syntax: {text:?}")))
    }
}

/// Whether `text` has the shape of a duration; its value is judged later.
fn is_duration(text: &str) -> bool {
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let tail = rest.get(digits..).unwrap_or_default();
        let unit = ["ms", "s", "m", "h", "d", "w", "y"].iter().find(|u| tail.starts_with(**u));
        match unit {
            Some(u) if digits > 0 => rest = tail.get(u.len()..).unwrap_or_default(),
            _ => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_operators_and_literals_are_told_apart() {
        let kinds = |s: &str| tokenize(s).map(|t| t.iter().map(|t| t.kind).collect::<Vec<_>>());
        assert_eq!(kinds("a:b </ 1").unwrap(), [Kind::Word, Kind::Op(BinaryOp::TrimUpper), Kind::Number, Kind::End]);
        assert_eq!(
            kinds("x[5m:step()] # tail").unwrap(),
            [
                Kind::Word,
                Kind::LeftBracket,
                Kind::Duration,
                Kind::Colon,
                Kind::Word,
                Kind::LeftParen,
                Kind::RightParen,
                Kind::RightBracket,
                Kind::End
            ]
        );
        for number in ["1", "1.", ".5", "1e-3", "0x1F", "0x1p-3", "1_000"] {
            assert_eq!(kinds(number).unwrap(), [Kind::Number, Kind::End], "{number}");
        }
        for bad in ["1x", "5m3", "\"open", "$", "1.5.2", "a ! b"] {
            assert!(kinds(bad).is_err(), "{bad}");
        }
    }
}
