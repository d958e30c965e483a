//! From text to tokens. Spaces are tokens: `.a .b` is two operands, `.a.b` one.

use super::token::{KEYWORDS, Kind, Token};

const LEFT: &str = "{{";
const RIGHT: &str = "}}";
const TRIM_MARKER: usize = 2;

/// Splits a template into tokens; the last is `Eof` or `Error`.
pub(super) fn lex(input: &str) -> Vec<Token> {
    let mut lexer = Lexer { input, pos: 0, start: 0, line: 1, start_line: 1, parens: 0, tokens: Vec::new() };
    while lexer.text() && lexer.action() {}
    lexer.tokens
}

struct Lexer<'a> {
    input: &'a str,
    pos: usize,
    start: usize,
    line: usize,
    start_line: usize,
    parens: i32,
    tokens: Vec<Token>,
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn is_alphanumeric(c: char) -> bool {
    c == '_' || c.is_alphabetic() || c.is_numeric()
}

/// Go's `%#U`.
fn describe_char(c: char) -> String {
    if c.is_control() { format!("U+{:04X}", u32::from(c)) } else { format!("U+{:04X} '{c}'", u32::from(c)) }
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        self.input.get(self.pos..).unwrap_or("")
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.pos += c.len_utf8();
        if c == '\n' {
            self.line += 1;
        }
        Some(c)
    }

    fn skip(&mut self, bytes: usize) {
        let end = self.pos + bytes;
        let passed = self.input.get(self.pos..end).unwrap_or("");
        self.line += passed.bytes().filter(|b| *b == b'\n').count();
        self.pos = end.min(self.input.len());
    }

    fn ignore(&mut self) {
        self.start = self.pos;
        self.start_line = self.line;
    }

    fn emit(&mut self, kind: Kind) -> bool {
        let text = self.input.get(self.start..self.pos).unwrap_or("").to_owned();
        self.tokens.push(Token { kind, pos: self.start, line: self.start_line, text });
        self.ignore();
        true
    }

    fn error(&mut self, text: impl Into<String>) -> bool {
        self.tokens.push(Token { kind: Kind::Error, pos: self.start, line: self.start_line, text: text.into() });
        false
    }

    /// Plain text up to the next action, which may trim it. Says whether an action follows.
    fn text(&mut self) -> bool {
        let rest = self.rest();
        let Some(length) = rest.find(LEFT) else {
            if !rest.is_empty() {
                self.skip(rest.len());
                self.emit(Kind::Text);
            }
            self.emit(Kind::Eof);
            return false;
        };
        let body = rest.get(..length).unwrap_or("");
        let after = rest.get(length + LEFT.len()..).unwrap_or("");
        let kept = if has_left_trim(after) { body.trim_end_matches(is_space).len() } else { length };
        self.skip(kept);
        if kept > 0 {
            self.emit(Kind::Text);
        }
        self.skip(length - kept);
        self.ignore();
        true
    }

    /// One action, from `{{` to `}}`. Says whether text follows.
    fn action(&mut self) -> bool {
        let trim = if has_left_trim(self.rest().get(LEFT.len()..).unwrap_or("")) { TRIM_MARKER } else { 0 };
        if self.rest().get(LEFT.len() + trim..).is_some_and(|r| r.starts_with("/*")) {
            self.skip(LEFT.len() + trim);
            self.ignore();
            return self.comment();
        }
        self.skip(LEFT.len());
        self.emit(Kind::LeftDelim);
        self.skip(trim);
        self.ignore();
        self.parens = 0;
        loop {
            if self.at_right_delim().is_some() {
                if self.parens != 0 {
                    return self.error("unclosed left paren");
                }
                self.right_delim();
                return true;
            }
            if !self.inside() {
                return false;
            }
        }
    }

    fn comment(&mut self) -> bool {
        let Some(end) = self.rest().find("*/") else { return self.error("unclosed comment") };
        self.skip(end + 2);
        let Some(trim) = self.at_right_delim() else { return self.error("comment ends before closing delimiter") };
        self.close(trim);
        true
    }

    /// `Some(trim)` when `}}` (or ` -}}`) comes next.
    fn at_right_delim(&self) -> Option<bool> {
        let rest = self.rest();
        let mut chars = rest.chars();
        if chars.next().is_some_and(is_space)
            && chars.next() == Some('-')
            && rest.get(TRIM_MARKER..).is_some_and(|r| r.starts_with(RIGHT))
        {
            return Some(true);
        }
        rest.starts_with(RIGHT).then_some(false)
    }

    fn right_delim(&mut self) {
        let trim = self.at_right_delim() == Some(true);
        if trim {
            self.skip(TRIM_MARKER);
            self.ignore();
        }
        self.skip(RIGHT.len());
        self.emit(Kind::RightDelim);
        self.trim_following(trim);
    }

    fn close(&mut self, trim: bool) {
        self.skip(if trim { TRIM_MARKER } else { 0 } + RIGHT.len());
        self.trim_following(trim);
    }

    fn trim_following(&mut self, trim: bool) {
        if trim {
            let rest = self.rest();
            self.skip(rest.len() - rest.trim_start_matches(is_space).len());
        }
        self.ignore();
    }

    /// One token inside an action; `false` after an error.
    fn inside(&mut self) -> bool {
        let Some(c) = self.peek() else { return self.error("unclosed action") };
        match c {
            _ if is_space(c) => self.space(),
            '=' => self.single(Kind::Assign),
            ':' => {
                self.next();
                if self.next() != Some('=') {
                    return self.error("expected :=");
                }
                self.emit(Kind::Declare)
            }
            '|' => self.single(Kind::Pipe),
            '"' => self.quoted(),
            '`' => self.raw_quoted(),
            '\'' => self.character(),
            '$' => {
                self.next();
                self.name_after(Kind::Variable, Kind::Variable)
            }
            '.' if !self.rest().as_bytes().get(1).is_some_and(u8::is_ascii_digit) => {
                self.next();
                self.name_after(Kind::Field, Kind::Dot)
            }
            '.' | '+' | '-' | '0'..='9' => self.number(),
            _ if is_alphanumeric(c) => self.identifier(),
            '(' => {
                self.parens += 1;
                self.single(Kind::LeftParen)
            }
            ')' => {
                self.parens -= 1;
                if self.parens < 0 {
                    self.next();
                    return self.error("unexpected right paren");
                }
                self.single(Kind::RightParen)
            }
            _ if c.is_ascii_graphic() => self.single(Kind::Char),
            _ => {
                self.next();
                self.error(format!("unrecognized character in action: {}", describe_char(c)))
            }
        }
    }

    fn single(&mut self, kind: Kind) -> bool {
        self.next();
        self.emit(kind)
    }

    /// A run of spaces, except the one before a trimming `-}}`.
    fn space(&mut self) -> bool {
        while self.at_right_delim() != Some(true) && self.peek().is_some_and(is_space) {
            self.next();
        }
        if self.pos > self.start { self.emit(Kind::Space) } else { true }
    }

    fn quoted(&mut self) -> bool {
        self.next();
        loop {
            match self.next() {
                Some('\\') if !matches!(self.peek(), None | Some('\n')) => {
                    self.next();
                }
                None | Some('\n' | '\\') => return self.error("unterminated quoted string"),
                Some('"') => return self.emit(Kind::String),
                Some(_) => {}
            }
        }
    }

    fn raw_quoted(&mut self) -> bool {
        self.next();
        loop {
            match self.next() {
                None => return self.error("unterminated raw quoted string"),
                Some('`') => return self.emit(Kind::RawString),
                Some(_) => {}
            }
        }
    }

    fn character(&mut self) -> bool {
        self.next();
        loop {
            match self.next() {
                Some('\\') if !matches!(self.peek(), None | Some('\n')) => {
                    self.next();
                }
                None | Some('\n' | '\\') => return self.error("unterminated character constant"),
                Some('\'') => return self.emit(Kind::CharConstant),
                Some(_) => {}
            }
        }
    }

    /// What follows `$` or `.`: a name, or nothing.
    fn name_after(&mut self, named: Kind, bare: Kind) -> bool {
        if self.at_terminator() {
            return self.emit(bare);
        }
        self.word();
        if self.at_terminator() {
            return self.emit(named);
        }
        self.bad_character()
    }

    fn word(&mut self) {
        while self.peek().is_some_and(is_alphanumeric) {
            self.next();
        }
    }

    fn bad_character(&mut self) -> bool {
        let c = self.peek().unwrap_or(char::REPLACEMENT_CHARACTER);
        self.error(format!("bad character {}", describe_char(c)))
    }

    fn identifier(&mut self) -> bool {
        self.word();
        if !self.at_terminator() {
            return self.bad_character();
        }
        let word = self.input.get(self.start..self.pos).unwrap_or("");
        let kind = match word {
            _ if KEYWORDS.contains(&word) => Kind::Keyword,
            "nil" => Kind::Nil,
            "true" | "false" => Kind::Bool,
            _ => Kind::Identifier,
        };
        self.emit(kind)
    }

    fn at_terminator(&self) -> bool {
        match self.peek() {
            None => true,
            Some(c) => is_space(c) || matches!(c, '.' | ',' | '|' | ':' | '(' | ')') || self.rest().starts_with(RIGHT),
        }
    }

    fn number(&mut self) -> bool {
        if !self.scan_number() {
            let text = self.input.get(self.start..self.pos).unwrap_or("");
            return self.error(format!("bad number syntax: {}", crate::template::print::quote(text)));
        }
        if matches!(self.peek(), Some('+' | '-')) {
            // A complex constant: 1+2i. No space, and it must end in 'i'.
            if !self.scan_number() || !self.input.get(..self.pos).unwrap_or("").ends_with('i') {
                let text = self.input.get(self.start..self.pos).unwrap_or("");
                return self.error(format!("bad number syntax: {}", crate::template::print::quote(text)));
            }
        }
        self.emit(Kind::Number)
    }

    fn accept(&mut self, set: &str) -> bool {
        let found = self.peek().is_some_and(|c| set.contains(c));
        if found {
            self.next();
        }
        found
    }

    fn accept_run(&mut self, set: &str) {
        while self.accept(set) {}
    }

    fn scan_number(&mut self) -> bool {
        self.accept("+-");
        let mut digits = "0123456789_";
        if self.accept("0") {
            if self.accept("xX") {
                digits = "0123456789abcdefABCDEF_";
            } else if self.accept("oO") {
                digits = "01234567_";
            } else if self.accept("bB") {
                digits = "01_";
            }
        }
        self.accept_run(digits);
        if self.accept(".") {
            self.accept_run(digits);
        }
        let exponent = if digits.len() == 11 { "eE" } else { "pP" };
        if digits.len() >= 11 && self.accept(exponent) {
            self.accept("+-");
            self.accept_run("0123456789_");
        }
        self.accept("i");
        if self.peek().is_some_and(is_alphanumeric) {
            self.next();
            return false;
        }
        true
    }
}

fn has_left_trim(after: &str) -> bool {
    let mut chars = after.chars();
    chars.next() == Some('-') && chars.next().is_some_and(is_space)
}
