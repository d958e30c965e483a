//! Decoding of plain values: text, numbers, booleans, durations, lists and maps.

use std::collections::BTreeMap;

use super::decode::{Decode, Decoder};
use super::defaults::{shown, shown_text};
use super::node::{Node, Scalar};
use super::shape::Shape;
use crate::model::duration;

/// A duration in Prometheus' notation, milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(pub i64);

impl Duration {
    /// Whole seconds.
    pub const fn seconds(s: i64) -> Self {
        Duration(s * 1000)
    }

    /// Milliseconds.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// For timers; a negative duration is none.
    pub fn as_std(self) -> std::time::Duration {
        std::time::Duration::from_millis(u64::try_from(self.0).unwrap_or(0))
    }
}

/// As Prometheus writes it: `1h30m`.
impl std::fmt::Display for Duration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&duration::format(self.0))
    }
}

impl Decode for Duration {
    fn decode(node: &Node, d: &Decoder) -> Option<Self> {
        let Some(text) = node.text() else { return d.mismatch(node, "a duration such as 1h30m") };
        match duration::parse(text) {
            Ok(ms) => Some(Duration(ms)),
            Err(e) => {
                d.error(node.position, e);
                None
            }
        }
    }

    fn shown_default(&self) -> Option<Node> {
        (self.0 != 0).then(|| shown(&self.to_string()))
    }
}

/// A duration in Go's notation (`1.5s`, `300ms`), or a whole number of nanoseconds; milliseconds inside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GoDuration(pub i64);

impl Decode for GoDuration {
    fn decode(node: &Node, d: &Decoder) -> Option<Self> {
        if let Some(Scalar::Int(n)) = node.scalar() {
            return i64::try_from(n / 1_000_000).ok().map(GoDuration);
        }
        match node.text().and_then(parse_go_duration) {
            Some(ms) => Some(GoDuration(ms)),
            None => d.mismatch(node, "a duration such as 1m30s"),
        }
    }
}

/// Go's `time.ParseDuration`, in milliseconds.
pub fn parse_go_duration(text: &str) -> Option<i64> {
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at_checked(digits)?;
        let letters = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at_checked(letters)?;
        let scale = match unit {
            "ns" => 1e-6,
            "us" | "µs" | "μs" => 1e-3,
            "ms" => 1.0,
            "s" => 1e3,
            "m" => 6e4,
            "h" => 3.6e6,
            _ => return None,
        };
        total += number.parse::<f64>().ok()? * scale;
        rest = tail;
    }
    (total <= duration::MAX_MILLIS as f64).then_some((sign * total) as i64)
}

/// A list whose null items count for nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sparse<T>(pub Vec<T>);

impl<T> std::ops::Deref for Sparse<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T: Decode> Decode for Sparse<T> {
    fn decode(node: &Node, d: &Decoder) -> Option<Self> {
        let Some(items) = node.items() else { return d.mismatch(node, "a list") };
        Some(Sparse(items.iter().filter(|i| !i.is_null()).filter_map(|i| T::decode(i, d)).collect()))
    }

    fn shape() -> Shape {
        Shape::List(Box::new(T::shape()))
    }
}

/// A list whose null items are as if nothing was said in them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filled<T>(pub Vec<T>);

impl<T> std::ops::Deref for Filled<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T: Decode + Default> Decode for Filled<T> {
    fn decode(node: &Node, d: &Decoder) -> Option<Self> {
        let Some(items) = node.items() else { return d.mismatch(node, "a list") };
        let item = |item: &Node| if item.is_null() { Some(T::default()) } else { T::decode(item, d) };
        Some(Filled(items.iter().filter_map(item).collect()))
    }

    fn shape() -> Shape {
        Shape::List(Box::new(T::shape()))
    }
}

/// Any scalar is text, as in Go's readers: `version: 1.10` is "1.10" where text is wanted, and null is empty.
impl Decode for String {
    fn decode(node: &Node, d: &Decoder) -> Option<Self> {
        if node.is_null() {
            return Some(String::new());
        }
        match node.text() {
            Some(text) => Some(text.to_owned()),
            None => d.mismatch(node, "a string"),
        }
    }

    fn shown_default(&self) -> Option<Node> {
        shown_text(self)
    }
}

impl Decode for bool {
    fn decode(node: &Node, d: &Decoder) -> Option<Self> {
        match node.scalar() {
            Some(Scalar::Bool(b)) => Some(b),
            _ => d.mismatch(node, "true or false"),
        }
    }

    fn shown_default(&self) -> Option<Node> {
        self.then(|| shown("true"))
    }
}

impl Decode for f64 {
    fn decode(node: &Node, d: &Decoder) -> Option<Self> {
        match node.scalar() {
            Some(Scalar::Int(n)) => Some(n as f64),
            Some(Scalar::Float(f)) => Some(f),
            _ => d.mismatch(node, "a number"),
        }
    }
}

/// An integer, or a float without a fraction that matters: Go's readers cut it off.
fn integer(node: &Node) -> Option<i128> {
    match node.scalar() {
        Some(Scalar::Int(n)) => Some(n),
        Some(Scalar::Float(f)) if f.is_finite() => Some(f as i128),
        _ => None,
    }
}

macro_rules! integers {
    ($($int:ty: $expected:literal),*) => {$(
        impl Decode for $int {
            fn decode(node: &Node, d: &Decoder) -> Option<Self> {
                match integer(node).and_then(|n| n.try_into().ok()) {
                    Some(n) => Some(n),
                    None => d.mismatch(node, $expected),
                }
            }

            fn shown_default(&self) -> Option<Node> {
                (*self != 0).then(|| shown(&self.to_string()))
            }
        }
    )*};
}

integers!(
    i64: "an integer",
    i32: "an integer",
    u64: "an integer not below 0",
    u32: "an integer not below 0",
    usize: "an integer not below 0"
);

impl<T: Decode> Decode for Option<T> {
    fn decode(node: &Node, d: &Decoder) -> Option<Self> {
        T::decode(node, d).map(Some)
    }

    fn shown_default(&self) -> Option<Node> {
        self.as_ref()?.shown_default()
    }

    fn shape() -> Shape {
        T::shape()
    }
}

impl<T: Decode> Decode for Box<T> {
    fn decode(node: &Node, d: &Decoder) -> Option<Self> {
        T::decode(node, d).map(Box::new)
    }

    fn shown_default(&self) -> Option<Node> {
        (**self).shown_default()
    }

    fn shape() -> Shape {
        T::shape()
    }
}

/// A list. As in Go's readers a lone string counts as a list of one only where a section says so; here it is an error.
/// Items that cannot be read are reported and left out.
impl<T: Decode> Decode for Vec<T> {
    fn decode(node: &Node, d: &Decoder) -> Option<Self> {
        let Some(items) = node.items() else { return d.mismatch(node, "a list") };
        Some(items.iter().filter_map(|item| T::decode(item, d)).collect())
    }

    fn shape() -> Shape {
        Shape::List(Box::new(T::shape()))
    }
}

/// A map, ascending by key.
impl<T: Decode> Decode for BTreeMap<String, T> {
    fn decode(node: &Node, d: &Decoder) -> Option<Self> {
        let Some(entries) = node.entries() else { return d.mismatch(node, "a mapping") };
        let entry = |(k, v): &(Node, Node)| Some((String::decode(k, d)?, T::decode(v, d)?));
        Some(entries.iter().filter_map(entry).collect())
    }

    fn shape() -> Shape {
        Shape::Map(Box::new(T::shape()))
    }
}

/// Whatever stands there, for sections that pass values through.
impl Decode for serde_json::Value {
    fn decode(node: &Node, _: &Decoder) -> Option<Self> {
        Some(to_json(node))
    }

    fn shape() -> Shape {
        Shape::Value("anything".into())
    }
}

/// A tree as JSON; numbers that JSON cannot hold become text.
pub fn to_json(node: &Node) -> serde_json::Value {
    use serde_json::Value as Json;
    if let Some(items) = node.items() {
        return items.iter().map(to_json).collect();
    }
    if let Some(entries) = node.entries() {
        let pair = |(k, v): &(Node, Node)| (k.text().unwrap_or_default().to_owned(), to_json(v));
        return Json::Object(entries.iter().map(pair).collect());
    }
    let text = || node.text().unwrap_or_default();
    match node.scalar() {
        None | Some(Scalar::Null) => Json::Null,
        Some(Scalar::Bool(b)) => Json::Bool(b),
        Some(Scalar::Int(n)) => match (i64::try_from(n), u64::try_from(n)) {
            (Ok(n), _) => n.into(),
            (_, Ok(n)) => n.into(),
            _ => text().into(),
        },
        Some(Scalar::Float(f)) => serde_json::Number::from_f64(f).map_or_else(|| text().into(), Json::Number),
        Some(Scalar::Text) => text().into(),
    }
}

/// A number of bytes: `10MB`, `1GiB`; the units are powers of 1024.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

impl Decode for ByteSize {
    fn decode(node: &Node, d: &Decoder) -> Option<Self> {
        match node.text().and_then(parse_bytes) {
            Some(bytes) => Some(ByteSize(bytes)),
            None => d.mismatch(node, "a size such as 10MB"),
        }
    }
}

/// Reads a number of bytes, such as `10MB`.
pub fn parse_bytes(text: &str) -> Option<u64> {
    if text == "0" {
        return Some(0);
    }
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at_checked(digits)?;
    let power = match unit.strip_suffix('B')?.trim_end_matches('i') {
        "" => 0,
        "K" => 1,
        "M" => 2,
        "G" => 3,
        "T" => 4,
        "P" => 5,
        "E" => 6,
        _ => return None,
    };
    let bytes = number.parse::<f64>().ok()? * 1024f64.powi(power);
    (bytes < u64::MAX as f64).then_some(bytes as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_powers_of_1024() {
        for (text, want) in [
            ("0", Some(0)),
            ("10MB", Some(10 << 20)),
            ("1KiB", Some(1024)),
            ("7B", Some(7)),
            ("10", None),
            ("5K", None),
            ("x", None),
        ] {
            assert_eq!(parse_bytes(text), want, "{text}");
        }
    }
}
