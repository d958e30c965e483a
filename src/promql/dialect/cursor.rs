//! A place in a stream of tokens.

use super::super::annotations::Span;
use super::super::error::Fault;
use super::token::{Kind, Token};

/// Reads tokens one by one; at the end, [`Kind::End`] again and again.
pub struct Cursor<'a> {
    source: &'a str,
    tokens: &'a [Token],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub fn new(source: &'a str, tokens: &'a [Token]) -> Self {
        Cursor { source, tokens, at: 0 }
    }

    /// The token `ahead` places on.
    pub fn peek_at(&self, ahead: usize) -> Token {
        let end = Span::new(self.source.len(), self.source.len());
        self.tokens.get(self.at + ahead).copied().unwrap_or(Token { kind: Kind::End, span: end })
    }

    pub fn peek(&self) -> Token {
        self.peek_at(0)
    }

    /// The place of the token taken last.
    pub fn last_span(&self) -> Span {
        self.at.checked_sub(1).and_then(|i| self.tokens.get(i)).map_or_else(Span::default, |t| t.span)
    }

    pub fn next(&mut self) -> Token {
        let token = self.peek();
        self.at += 1;
        token
    }

    /// The text of a token.
    pub fn text(&self, token: Token) -> &'a str {
        self.source.get(token.span.range()).unwrap_or_default()
    }

    /// Whether a token is one of `words`, in any case.
    pub fn is_word(&self, token: Token, words: &[&str]) -> bool {
        token.kind == Kind::Word && words.iter().any(|w| w.eq_ignore_ascii_case(self.text(token)))
    }

    /// Takes the next token when it is of a kind.
    pub fn accept(&mut self, kind: Kind) -> Option<Token> {
        (self.peek().kind == kind).then(|| self.next())
    }

    /// Takes the next token when it is one of `words`.
    pub fn accept_word(&mut self, words: &[&str]) -> Option<Token> {
        self.is_word(self.peek(), words).then(|| self.next())
    }

    /// Takes the next token, which must be of a kind.
    pub fn expect(&mut self, kind: Kind, context: &str, expected: &str) -> Result<Token, Fault> {
        self.accept(kind).ok_or_else(|| self.unexpected(context, expected))
    }

    /// The query ends here with something open: what Prometheus' lexer says, whatever the parser expected.
    pub fn unclosed(&self) -> Option<Fault> {
        if self.peek().kind != Kind::End {
            return None;
        }
        let count = |kind: Kind| self.tokens.iter().filter(|t| t.kind == kind).count();
        let open = |left: Kind, right: Kind| count(left) > count(right);
        let message = if open(Kind::LeftBrace, Kind::RightBrace) {
            "unexpected end of input inside braces"
        } else if open(Kind::LeftBracket, Kind::RightBracket) {
            "unexpected end of input in duration expression"
        } else if open(Kind::LeftParen, Kind::RightParen) {
            "unclosed left parenthesis"
        } else {
            return None;
        };
        Some(Fault::new(self.peek().span, message))
    }

    /// The next token does not belong here.
    pub fn unexpected(&self, context: &str, expected: &str) -> Fault {
        if let Some(fault) = self.unclosed() {
            return fault;
        }
        let token = self.peek();
        let text = self.text(token);
        let mut message = match token.kind {
            Kind::End => "unexpected end of input".to_owned(),
            Kind::Word => format!("unexpected identifier {text:?}"),
            Kind::Number => format!("unexpected number {text:?}"),
            Kind::Duration => format!("unexpected duration {text:?}"),
            Kind::String => format!("unexpected string {text}"),
            _ => format!("unexpected {text:?}"),
        };
        if !context.is_empty() {
            message.push_str(&format!(" in {context}"));
        }
        if !expected.is_empty() {
            message.push_str(&format!(", expected {expected}"));
        }
        Fault::new(token.span, message)
    }
}
