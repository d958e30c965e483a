//! Escaping by context for templates that give HTML: what an action writes is escaped, once, for the place it lands in, as
//! Go's html/template does. The place is found by following the template's own text.

use super::css::{self, Css, Inside, UrlPart};
use super::value::{SafeKind, Value};
use super::{escape, print};

/// What stands in place of a value that could do harm where it was to stand.
const REFUSED: &str = "ZgotmplZ";

/// Where in a document the next action lands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// Between tags.
    #[default]
    Text,
    /// Inside a tag, before an attribute's name or in it.
    Tag,
    /// In an attribute's value.
    Attribute { quote: Option<char>, holds: Holds },
    /// After an attribute's `=`.
    BeforeValue { holds: Holds },
    /// In a comment.
    Comment,
    /// Inside `<script>`.
    Script(Script),
    /// Inside `<style>`.
    Style(Css),
    /// Inside `<title>` or `<textarea>`, where there are no tags.
    Plain,
}

/// What an attribute's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holds {
    Text,
    Url(UrlPart),
    /// A list of URLs, each with a size.
    Sources,
    Style(Css),
    Script(Script),
}

/// Where in a script: in a string, and after a backslash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Script {
    quote: Option<char>,
    escaped: bool,
}

impl Script {
    fn after(self, c: char) -> Self {
        match (self.quote, c) {
            _ if self.escaped => Script { escaped: false, ..self },
            (Some(_), '\\') => Script { escaped: true, ..self },
            (Some(quote), _) if c == quote => Script::default(),
            (None, '"' | '\'' | '`') => Script { quote: Some(c), escaped: false },
            _ => self,
        }
    }
}

impl Holds {
    fn of(attribute: &str) -> Self {
        let name = attribute.to_ascii_lowercase();
        match name.as_str() {
            "style" => Holds::Style(Css::default()),
            "srcset" | "imagesrcset" => Holds::Sources,
            url if URL_ATTRIBUTES.contains(&url) => Holds::Url(UrlPart::Start),
            handler if handler.starts_with("on") => Holds::Script(Script::default()),
            _ => Holds::Text,
        }
    }

    fn after(self, c: char) -> Self {
        match self {
            Holds::Url(part) => Holds::Url(part.after(c)),
            Holds::Style(css) => Holds::Style(css.after(c)),
            Holds::Script(script) => Holds::Script(script.after(c)),
            same => same,
        }
    }
}

/// Follows a document as it is written.
#[derive(Default)]
pub(super) struct HtmlContext {
    place: Place,
    tag: String,
    attribute: String,
    // A blank came after the attribute's name; its `=` may still come.
    named: bool,
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
            Place::Text if opens_tag(c, rest) => self.open_tag(),
            Place::Comment if rest.starts_with("-->") => {
                self.place = Place::Text;
                return 3;
            }
            // The end tag ends the element, and is a tag.
            Place::Script(_) | Place::Style(_) | Place::Plain if ends_element(rest, &self.tag) => self.open_tag(),
            Place::Script(script) => self.place = Place::Script(script.after(c)),
            Place::Style(css) => self.place = Place::Style(css.after(c)),
            Place::Tag => self.in_tag(c),
            Place::BeforeValue { holds } => match c {
                '"' | '\'' => self.place = Place::Attribute { quote: Some(c), holds },
                '>' => self.close_tag(),
                _ if c.is_whitespace() => {}
                _ => self.place = Place::Attribute { quote: None, holds: holds.after(c) },
            },
            Place::Attribute { quote: Some(q), .. } if c == q => self.end_attribute(),
            Place::Attribute { quote: None, .. } if c.is_whitespace() => self.end_attribute(),
            Place::Attribute { quote: None, .. } if c == '>' => self.close_tag(),
            Place::Attribute { quote, holds } => self.place = Place::Attribute { quote, holds: holds.after(c) },
            _ => {}
        }
        0
    }

    fn open_tag(&mut self) {
        self.place = Place::Tag;
        self.tag.clear();
        self.attribute.clear();
        self.naming_tag = true;
    }

    fn in_tag(&mut self, c: char) {
        match c {
            '>' => self.close_tag(),
            '=' => self.place = Place::BeforeValue { holds: Holds::of(&self.attribute) },
            _ if c.is_whitespace() => {
                self.naming_tag = false;
                self.named = true;
            }
            _ if self.naming_tag => self.tag.push(c.to_ascii_lowercase()),
            _ => {
                if std::mem::take(&mut self.named) {
                    self.attribute.clear();
                }
                self.attribute.push(c);
            }
        }
    }

    fn end_attribute(&mut self) {
        self.attribute.clear();
        self.place = Place::Tag;
    }

    fn close_tag(&mut self) {
        self.place = match self.tag.as_str() {
            "script" => Place::Script(Script::default()),
            "style" => Place::Style(Css::default()),
            "title" | "textarea" => Place::Plain,
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
                Value::Safe(SafeKind::Html | SafeKind::EscapedHtml, s) => s.to_string(),
                _ => escape_markup(&text),
            },
            Place::Plain => match value {
                Value::Safe(SafeKind::EscapedHtml, s) => s.to_string(),
                _ => escape_markup(&text),
            },
            Place::Comment => String::new(),
            Place::Script(script) => script_value(value, &text, script),
            Place::Style(css) => style(value, &text, css),
            Place::Tag => filter_name(&text),
            Place::BeforeValue { holds } => {
                self.place = Place::Attribute { quote: None, holds };
                attribute(value, &text, holds, false)
            }
            Place::Attribute { quote, holds } => attribute(value, &text, holds, quote.is_some()),
        }
    }
}

fn opens_tag(c: char, rest: &str) -> bool {
    c == '<' && rest.get(1..).is_some_and(|r| r.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/'))
}

/// Whether this is the end tag of an element.
fn ends_element(rest: &str, tag: &str) -> bool {
    let name = rest.strip_prefix("</").and_then(|r| r.get(..tag.len()));
    name.is_some_and(|name| name.eq_ignore_ascii_case(tag))
}

/// As `escape::html`, and `+`, which some old browsers read as the start of an encoding.
fn escape_markup(s: &str) -> String {
    escape::html(s).replace('+', "&#43;")
}

fn attribute(value: &Value, text: &str, holds: Holds, quoted: bool) -> String {
    let text = match holds {
        Holds::Text => text.to_owned(),
        Holds::Style(css) => style(value, text, css),
        Holds::Sources => sources(text),
        Holds::Script(script) => script_value(value, text, script),
        Holds::Url(part) => url(value, text, part),
    };
    let escaped = match (value, holds) {
        (Value::Safe(SafeKind::EscapedHtml, _), Holds::Text | Holds::Url(_)) => text,
        (_, Holds::Url(_) | Holds::Sources) => escape::html(&text),
        _ => escape_markup(&text),
    };
    if quoted { escaped } else { without_spaces(&escaped) }
}

/// A piece of a URL: its start may not say how to run something, its query is encoded as a query's value.
fn url(value: &Value, text: &str, part: UrlPart) -> String {
    match (value, part) {
        (Value::Safe(SafeKind::EscapedQuery, _), _) => text.to_owned(),
        (Value::Safe(SafeKind::Url, _), _) => normalize_url(text),
        (_, UrlPart::Start) if has_unsafe_scheme(text) => format!("#{REFUSED}"),
        (_, UrlPart::Start | UrlPart::Path) => normalize_url(text),
        (_, UrlPart::Query) => percent_encode(text, b"-._~"),
    }
}

/// Without quotes a space or a `=` would begin another attribute.
fn without_spaces(escaped: &str) -> String {
    use std::fmt::Write as _;
    if escaped.is_empty() {
        return REFUSED.into();
    }
    let mut out = String::with_capacity(escaped.len());
    for c in escaped.chars() {
        if c.is_ascii_whitespace() || matches!(c, '=' | '`') {
            let _ = write!(out, "&#{};", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

/// Only http, https and mailto may lead somewhere.
fn has_unsafe_scheme(url: &str) -> bool {
    let Some((scheme, _)) = url.split_once(':') else { return false };
    !scheme.contains('/') && !["http", "https", "mailto"].iter().any(|s| scheme.eq_ignore_ascii_case(s))
}

/// Percent-encodes what a URL cannot hold; what is encoded stays so.
fn normalize_url(url: &str) -> String {
    percent_encode(url, b"!#$&*+,-./:;=?@[]_~%")
}

/// Percent-encodes what is no letter, no digit and none of `kept`.
fn percent_encode(text: &str, kept: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(text.len());
    for b in text.bytes() {
        if b.is_ascii_alphanumeric() || kept.contains(&b) {
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
    if fine && !handler { text.to_owned() } else { REFUSED.into() }
}

/// A piece of a list of URLs with sizes behind them: what could do harm is left out of it.
fn sources(text: &str) -> String {
    let element = |element: &str| {
        let url = element.trim_start_matches(|c: char| c.is_ascii_whitespace());
        let (before, url) = element.split_at(element.len() - url.len());
        let (url, size) = url.split_at(url.find(|c: char| c.is_ascii_whitespace()).unwrap_or(url.len()));
        let fine = |c: char| c.is_ascii_whitespace() || c.is_ascii_alphanumeric();
        match has_unsafe_scheme(url) || !size.chars().all(fine) {
            true => format!("#{REFUSED}"),
            false => format!("{before}{}{size}", normalize_url(url)),
        }
    };
    text.split(',').map(element).collect::<Vec<_>>().join(",")
}

/// A piece of a style.
fn style(value: &Value, text: &str, css: Css) -> String {
    match css.inside {
        Inside::Value => filter_css(text),
        Inside::Comment => String::new(),
        Inside::UrlStart | Inside::Url(_) => url(value, text, css.part),
        Inside::String(_) => match css.part {
            UrlPart::Start if has_unsafe_scheme(text) => format!("#{REFUSED}"),
            UrlPart::Start | UrlPart::Path => css::escape(text),
            UrlPart::Query => percent_encode(text, b"-._~"),
        },
    }
}

/// A value of a style: nothing that ends it, calls something or hides a comment.
fn filter_css(text: &str) -> String {
    let harmful = |c: char| c == '\0' || "\"'()/;@[\\]`{}<>".contains(c);
    let letters: String = text.chars().filter(char::is_ascii_alphabetic).map(|c| c.to_ascii_lowercase()).collect();
    let runs = letters.contains("expression") || letters.contains("mozbinding");
    if text.contains(harmful) || text.contains("--") || runs { REFUSED.into() } else { text.to_owned() }
}

/// A value in a script: what goes on in a string that is open, else a value of its own.
fn script_value(value: &Value, text: &str, script: Script) -> String {
    match (script.quote, value) {
        (Some(_), _) => escape::js(text).replace('`', "\\u0060"),
        (None, Value::Bool(_) | Value::Int(_) | Value::Float(_)) => format!(" {text} "),
        (None, Value::Nil) => " null ".into(),
        // A string of JSON too, which has no escape of an apostrophe.
        (None, _) => format!("\"{}\"", escape::js(text).replace("\\'", "\\u0027")),
    }
}
