//! The tree a YAML document becomes: values that know where they stood.

use std::sync::Arc;

use crate::model::Position;

/// A value and its place in the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What it is. Children are shared, so an alias costs a pointer.
    pub value: Value,
    /// Where it begins.
    pub position: Position,
    /// Where it begins in the file, in bytes.
    pub start: usize,
    /// Where it ends in the file, in bytes.
    pub end: usize,
    /// An explicit tag such as `!!str` in its long form; `None` where the value speaks for itself.
    pub tag: Option<Arc<str>>,
}

/// A scalar, a sequence or a mapping.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Text, and how it was written.
    Scalar(Arc<str>, Style),
    /// `- a`, `[a]`
    Sequence(Arc<[Node]>),
    /// `a: b`, `{a: b}`; merge keys (`<<`) are resolved.
    Mapping(Arc<[(Node, Node)]>),
}

/// How a scalar was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Without quotes: may be a number, a boolean or null.
    Plain,
    /// `'...'`
    SingleQuoted,
    /// `"..."`
    DoubleQuoted,
    /// `|`
    Literal,
    /// `>`
    Folded,
}

/// What a scalar means under YAML 1.1's rules, which Go's readers follow.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    /// `~`, `null` or nothing.
    Null,
    /// `true`, `yes`, `on`, ...
    Bool(bool),
    /// `12`, `0x1f`, `017`, `1_000`
    Int(i128),
    /// `1.5`, `.inf`, `1e3`
    Float(f64),
    /// Everything else.
    Text,
}

impl Node {
    /// The text of a scalar.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(text, _) => Some(text),
            _ => None,
        }
    }

    /// Whether the value is null: in Go's readers, and here, as if the key were absent.
    pub fn is_null(&self) -> bool {
        matches!(self.scalar(), Some(Scalar::Null))
    }

    /// What a scalar means; `None` for sequences and mappings.
    pub fn scalar(&self) -> Option<Scalar> {
        let Value::Scalar(text, style) = &self.value else { return None };
        match self.tag.as_deref() {
            None if *style == Style::Plain => Some(resolve(text)),
            None | Some("!" | "tag:yaml.org,2002:str" | "tag:yaml.org,2002:binary") => Some(Scalar::Text),
            Some("tag:yaml.org,2002:null") => Some(Scalar::Null),
            Some(_) => Some(resolve(text)),
        }
    }

    /// The items of a sequence.
    pub fn items(&self) -> Option<&[Node]> {
        match &self.value {
            Value::Sequence(items) => Some(items),
            _ => None,
        }
    }

    /// The entries of a mapping, in the order written; merged ones last.
    pub fn entries(&self) -> Option<&[(Node, Node)]> {
        match &self.value {
            Value::Mapping(entries) => Some(entries),
            _ => None,
        }
    }

    /// The value under a key of a mapping.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries()?.iter().find(|(k, _)| k.text() == Some(key)).map(|(_, v)| v)
    }

    /// What was found, for messages: YAML's short tag and the text of a scalar.
    pub fn describe(&self) -> String {
        const SHOWN: usize = 60;
        let Value::Scalar(text, _) = &self.value else {
            return if self.items().is_some() { "a sequence".into() } else { "a mapping".into() };
        };
        let kind = match self.scalar() {
            Some(Scalar::Null) => return "null".into(),
            Some(Scalar::Bool(_)) => "boolean",
            Some(Scalar::Int(_)) => "integer",
            Some(Scalar::Float(_)) => "float",
            _ => "string",
        };
        let mut shown: String = text.chars().take(SHOWN).collect();
        if shown.len() < text.len() {
            shown.push_str("...");
        }
        format!("{kind} {shown:?}")
    }
}

/// Reads a plain scalar under YAML 1.1's rules.
pub fn resolve(text: &str) -> Scalar {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Scalar::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "true" | "True" | "TRUE" => return Scalar::Bool(true),
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" | "false" | "False" | "FALSE" => {
            return Scalar::Bool(false);
        }
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Scalar::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Scalar::Float(f64::NEG_INFINITY),
        ".nan" | ".NaN" | ".NAN" => return Scalar::Float(f64::NAN),
        _ => {}
    }
    if !text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) {
        return Scalar::Text;
    }
    let plain = text.replace('_', "");
    if let Some(n) = integer(&plain) {
        return Scalar::Int(n);
    }
    match is_float(&plain).then(|| plain.parse()) {
        Some(Ok(f)) => Scalar::Float(f),
        _ => Scalar::Text,
    }
}

fn integer(text: &str) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (radix, digits) = match digits.get(..2) {
        Some("0x" | "0X") => (16, digits.get(2..)?),
        Some("0o" | "0O") => (8, digits.get(2..)?),
        Some("0b" | "0B") => (2, digits.get(2..)?),
        Some(two) if two.starts_with('0') => (8, digits.get(1..)?),
        _ => (10, digits),
    };
    // `from_str_radix` would take a second sign.
    if !digits.starts_with(|c: char| c.is_ascii_hexdigit()) {
        return None;
    }
    let n = i128::from_str_radix(digits, radix).ok()?;
    Some(if negative { -n } else { n })
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_float(text: &str) -> bool {
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((m, e)) => (m, Some(e.strip_prefix(['-', '+']).unwrap_or(e))),
        None => (text, None),
    };
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    digits(whole)
        && digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && exponent.is_none_or(|e| !e.is_empty() && digits(e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_mean_what_yaml_1_1_says() {
        for (text, want) in [
            ("", Scalar::Null),
            ("~", Scalar::Null),
            ("yes", Scalar::Bool(true)),
            ("Off", Scalar::Bool(false)),
            ("12", Scalar::Int(12)),
            ("-12", Scalar::Int(-12)),
            ("+1_000", Scalar::Int(1000)),
            ("017", Scalar::Int(15)),
            ("0o17", Scalar::Int(15)),
            ("0x1F", Scalar::Int(31)),
            ("0b11", Scalar::Int(3)),
            ("0", Scalar::Int(0)),
            ("1.5", Scalar::Float(1.5)),
            ("1e3", Scalar::Float(1000.0)),
            (".5", Scalar::Float(0.5)),
            ("5.", Scalar::Float(5.0)),
            ("089", Scalar::Float(89.0)),
            ("-.inf", Scalar::Float(f64::NEG_INFINITY)),
            ("1.2.3", Scalar::Text),
            ("5m", Scalar::Text),
            ("+-1", Scalar::Text),
            ("0x", Scalar::Text),
            ("1e", Scalar::Text),
            (".", Scalar::Text),
            ("trUe", Scalar::Text),
            ("مرحبا", Scalar::Text),
        ] {
            assert_eq!(resolve(text), want, "{text:?}");
        }
    }
}
