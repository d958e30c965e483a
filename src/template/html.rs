//! Escaping by context for templates that give HTML: what an action writes is escaped for the place it lands in, as
//! Go's html/template does. The place is found by following the template's own text.

use super::value::{SafeKind, Value};
use super::{escape, print};

/// Where in a document the next action lands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// Between tags.
    #[default]
    Text,
    /// Inside a tag, before an attribute's name or in it.
    Tag,
    /// In an attribute's value.
    Attribute { quote: Option<char>, url: bool, started: bool },
    /// After an attribute's `=`.
    BeforeValue { url: bool },
    /// In a comment.
    Comment,
    /// Inside `<script>`.
    Script,
    /// Inside `<style>`.
    Style,
}

/// Follows a document as it is written.
#[derive(Default)]
pub(super) struct HtmlContext {
    place: Place,
    tag: String,
    attribute: String,
    naming_tag: bool,
}

const URL_ATTRIBUTES: [&str; 9] =
    ["href", "src", "action", "formaction", "cite", "background", "longdesc", "poster", "xlink:href"];

impl HtmlContext {
    /// Follows text of the template.
    pub fn feed(&mut self, text: &str) {
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let skip = self.step(c, rest);
            rest = rest.get(skip.max(c.len_utf8())..).unwrap_or("");
        }
    }

    /// One character; how many bytes it and what belongs to it take.
    fn step(&mut self, c: char, rest: &str) -> usize {
        match self.place {
            Place::Text if rest.starts_with("<!--") => {
                self.place = Place::Comment;
                return 4;
            }
            Place::Text
                if c == '<'
                    && rest.get(1..).is_some_and(|r| r.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')) =>
            {
                self.place = Place::Tag;
                self.tag.clear();
                self.attribute.clear();
                self.naming_tag = true;
            }
            Place::Comment if rest.starts_with("-->") => {
                self.place = Place::Text;
                return 3;
            }
            Place::Script if ends_element(rest, "</script") => self.place = Place::Text,
            Place::Style if ends_element(rest, "</style") => self.place = Place::Text,
            Place::Tag => self.in_tag(c),
            Place::BeforeValue { url } => match c {
                '"' | '\'' => self.place = Place::Attribute { quote: Some(c), url, started: false },
                '>' => self.close_tag(),
                _ if c.is_whitespace() => {}
                _ => self.place = Place::Attribute { quote: None, url, started: true },
            },
            Place::Attribute { quote: Some(q), .. } if c == q => self.end_attribute(),
            Place::Attribute { quote: None, .. } if c.is_whitespace() => self.end_attribute(),
            Place::Attribute { quote: None, .. } if c == '>' => self.close_tag(),
            Place::Attribute { quote, url, .. } => self.place = Place::Attribute { quote, url, started: true },
            _ => {}
        }
        0
    }

    fn in_tag(&mut self, c: char) {
        match c {
            '>' => self.close_tag(),
            '=' => {
                let name = self.attribute.to_ascii_lowercase();
                self.place = Place::BeforeValue { url: URL_ATTRIBUTES.contains(&name.as_str()) };
            }
            _ if c.is_whitespace() => {
                self.naming_tag = false;
                self.attribute.clear();
            }
            _ if self.naming_tag => self.tag.push(c.to_ascii_lowercase()),
            _ => self.attribute.push(c),
        }
    }

    fn end_attribute(&mut self) {
        self.attribute.clear();
        self.place = Place::Tag;
    }

    fn close_tag(&mut self) {
        self.place = match self.tag.as_str() {
            "script" => Place::Script,
            "style" => Place::Style,
            _ => Place::Text,
        };
    }

    /// A value as it has to be written at this place.
    pub fn escape(&mut self, value: &Value) -> String {
        let text = match value {
            Value::Nil => String::new(),
            other => print::display(other),
        };
        match self.place {
            Place::Text => match value {
                Value::Safe(SafeKind::Html, s) => s.to_string(),
                _ => escape_markup(&text),
            },
            Place::Comment => String::new(),
            Place::Script => script_value(value, &text),
            Place::Style => filter_css(&text),
            Place::Tag => filter_name(&text),
            Place::BeforeValue { url } => {
                self.place = Place::Attribute { quote: None, url, started: true };
                attribute(value, &text, url, true)
            }
            Place::Attribute { quote, url, started } => {
                self.place = Place::Attribute { quote, url, started: true };
                attribute(value, &text, url, !started)
            }
        }
    }
}

fn ends_element(rest: &str, tag: &str) -> bool {
    rest.get(..tag.len()).is_some_and(|r| r.eq_ignore_ascii_case(tag))
}

/// As `escape::html`, and `+`, which some old browsers read as the start of an encoding.
fn escape_markup(s: &str) -> String {
    escape::html(s).replace('+', "&#43;")
}

fn attribute(value: &Value, text: &str, url: bool, first: bool) -> String {
    if !url {
        return escape_markup(text);
    }
    let safe = matches!(value, Value::Safe(SafeKind::Url, _));
    if first && !safe && has_unsafe_scheme(text) {
        return "#ZgotmplZ".into();
    }
    escape::html(&normalize_url(text))
}

/// Only http, https and mailto may lead somewhere.
fn has_unsafe_scheme(url: &str) -> bool {
    let Some((scheme, _)) = url.split_once(':') else { return false };
    !scheme.contains('/') && !["http", "https", "mailto"].iter().any(|s| scheme.eq_ignore_ascii_case(s))
}

/// Percent-encodes what a URL cannot hold; what is encoded stays so.
fn normalize_url(url: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(url.len());
    for b in url.bytes() {
        let kept = b.is_ascii_alphanumeric() || b"!#$&*+,-./:;=?@[]_~%".contains(&b);
        if kept {
            out.push(char::from(b));
        } else {
            let _ = write!(out, "%{b:02x}");
        }
    }
    out
}

fn filter_name(text: &str) -> String {
    let fine = !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    let handler = text.to_ascii_lowercase().starts_with("on");
    if fine && !handler { text.to_owned() } else { "ZgotmplZ".into() }
}

fn filter_css(text: &str) -> String {
    let fine = text.chars().all(|c| c.is_ascii_alphanumeric() || " #%.-_,".contains(c));
    if fine { text.to_owned() } else { "ZgotmplZ".into() }
}

fn script_value(value: &Value, text: &str) -> String {
    match value {
        Value::Bool(_) | Value::Int(_) | Value::Float(_) => format!(" {text} "),
        _ => format!("\"{}\"", escape::js(text)),
    }
}
