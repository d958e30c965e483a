//! Where in a style an action lands: in a value, a string, a `url(...)` or a comment, as Go's html/template tells them apart.

use std::fmt::Write as _;

/// How far a URL has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum UrlPart {
    #[default]
    Start,
    Path,
    Query,
}

impl UrlPart {
    pub fn after(self, c: char) -> Self {
        match self {
            _ if matches!(c, '?' | '#') => UrlPart::Query,
            UrlPart::Start if !c.is_whitespace() => UrlPart::Path,
            same => same,
        }
    }
}

/// A place in a style.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Css {
    pub inside: Inside,
    /// How far what is there has come, should it be a URL.
    pub part: UrlPart,
    escaped: bool,
    last: Last,
}

/// What a place in a style is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Inside {
    #[default]
    Value,
    String(char),
    /// After `url(`, before a quote that may come.
    UrlStart,
    Url(Option<char>),
    Comment,
}

/// What was read last of a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Last {
    #[default]
    Nothing,
    /// The first letters of `url`, a word by itself.
    Url(usize),
    Word,
    Slash,
    /// In a comment.
    Star,
}

impl Css {
    pub fn after(self, c: char) -> Self {
        let within = |inside| Css { inside, ..Css::default() };
        match self.inside {
            Inside::Value => self.in_value(c),
            Inside::Comment if self.last == Last::Star && c == '/' => Css::default(),
            Inside::Comment => Css { last: if c == '*' { Last::Star } else { Last::Nothing }, ..self },
            Inside::UrlStart if c.is_ascii_whitespace() => self,
            Inside::UrlStart if matches!(c, '"' | '\'') => within(Inside::Url(Some(c))),
            Inside::UrlStart => within(Inside::Url(None)).after(c),
            _ if self.escaped => Css { escaped: false, part: self.part.after(c), ..self },
            _ if c == '\\' => Css { escaped: true, ..self },
            Inside::String(quote) | Inside::Url(Some(quote)) if c == quote => Css::default(),
            Inside::Url(None) if c == ')' || c.is_ascii_whitespace() => Css::default(),
            Inside::String(_) | Inside::Url(_) => Css { part: self.part.after(c), ..self },
        }
    }

    fn in_value(self, c: char) -> Self {
        let is_word = c.is_ascii_alphanumeric() || matches!(c, '-' | '_') || !c.is_ascii();
        let last = match (self.last, c) {
            (_, '"' | '\'') => return Css { inside: Inside::String(c), ..Css::default() },
            (Last::Url(3), '(') => return Css { inside: Inside::UrlStart, ..Css::default() },
            (Last::Slash, '*') => return Css { inside: Inside::Comment, ..Css::default() },
            (Last::Url(3), _) if c.is_ascii_whitespace() => self.last,
            (_, '/') => Last::Slash,
            (Last::Nothing | Last::Slash, 'u' | 'U') | (Last::Url(1), 'r' | 'R') | (Last::Url(2), 'l' | 'L') => {
                Last::Url(if let Last::Url(read) = self.last { read + 1 } else { 1 })
            }
            _ if is_word => Last::Word,
            _ => Last::Nothing,
        };
        Css { last, ..self }
    }
}

/// A text in a string of a style.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\0' | '\t' | '\n' | '\x0c' | '\r' | '"' | '&' | '\'' | '(' | ')' | '+' | '/' | ':' | ';' | '<' | '>'
            | '{' | '}' => {
                let _ = write!(out, "\\{:x}", u32::from(c));
                // What follows must not go on with the number, and a blank would be a part of it.
                if chars.peek().is_none_or(|next| next.is_ascii_hexdigit() || next.is_ascii_whitespace()) {
                    out.push(' ');
                }
            }
            c => out.push(c),
        }
    }
    out
}
