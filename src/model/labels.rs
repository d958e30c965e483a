//! Label sets: sorted by name, packed into one shared allocation, compared by bytes.
//!
//! The packed form is `(name length, name, value length, value)*`, lengths as LEB128, pairs in ascending order of name.
//! Two sets are equal exactly when their bytes are equal, so equality, hashing and use as a map key cost one pass over
//! one slice. A hash is a hint, never an identity.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use super::METRIC_NAME;

/// An immutable label set. Cloning copies a pointer.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Labels(Arc<[u8]>);

impl Labels {
    /// The empty set.
    pub fn empty() -> Self {
        Labels(Arc::from(&[][..]))
    }

    /// Builds a set from pairs in any order. The last of several pairs with one name wins; an empty value means the
    /// label is absent, as everywhere in Prometheus.
    pub fn from_pairs<N, V, I>(pairs: I) -> Self
    where
        N: Into<String>,
        V: Into<String>,
        I: IntoIterator<Item = (N, V)>,
    {
        let mut b = LabelsBuilder::new();
        for (n, v) in pairs {
            b.set(n, v);
        }
        b.build()
    }

    /// Builds a set from pairs already in strictly ascending order of name, none with an empty value.
    ///
    /// The caller vouches for the order: this is the path of decoders and of grouping, which produce it by design.
    pub fn from_sorted<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut buf = Vec::with_capacity(128);
        for (n, v) in pairs {
            push_str(&mut buf, n);
            push_str(&mut buf, v);
        }
        Labels(Arc::from(buf))
    }

    /// Takes bytes in the packed form, as [`Labels::as_bytes`] gave them. Returns `None` when they are not well formed
    /// (cut short, not UTF-8, or not strictly ascending).
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        let mut previous: Option<&str> = None;
        while !rest.is_empty() {
            let (name, r) = take_str_checked(rest)?;
            let (_, r) = take_str_checked(r)?;
            if previous.is_some_and(|p| p >= name) {
                return None;
            }
            previous = Some(name);
            rest = r;
        }
        Some(Labels(Arc::from(bytes)))
    }

    /// The packed form.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether two sets share one allocation: a cheap hint that they are equal.
    pub fn ptr_eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Pairs in ascending order of name.
    pub fn iter(&self) -> LabelsIter<'_> {
        LabelsIter { rest: &self.0 }
    }

    /// The number of labels.
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether the set has no labels.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of a label, `None` when absent.
    pub fn get(&self, name: &str) -> Option<&str> {
        for (n, v) in self.iter() {
            match n.cmp(name) {
                Ordering::Less => {}
                Ordering::Equal => return Some(v),
                Ordering::Greater => return None,
            }
        }
        None
    }

    /// The value of a label, empty when absent.
    pub fn value(&self, name: &str) -> &str {
        self.get(name).unwrap_or("")
    }

    /// Whether a label is present.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The metric name, empty when absent.
    pub fn metric_name(&self) -> &str {
        self.value(METRIC_NAME)
    }

    /// A 64-bit hash of the bytes, the same in every process.
    pub fn hash64(&self) -> u64 {
        twox_hash::XxHash64::oneshot(0, &self.0)
    }

    /// The hash by which Prometheus samples series and spreads groups over time: as [`hash64`](Self::hash64), but with
    /// lengths as Prometheus writes them, one byte or, from 255 on, 0xff and three bytes, the lowest first.
    pub fn prometheus_hash(&self) -> u64 {
        // Shorter lengths are written alike.
        if self.iter().all(|(n, v)| n.len() < 0x80 && v.len() < 0x80) {
            return self.hash64();
        }
        let mut bytes = Vec::with_capacity(self.0.len() + 8);
        for text in self.iter().flat_map(|(n, v)| [n, v]) {
            match u8::try_from(text.len()) {
                Ok(len) if len < u8::MAX => bytes.push(len),
                _ => {
                    bytes.push(u8::MAX);
                    bytes.extend(text.len().to_le_bytes().into_iter().take(3));
                }
            }
            bytes.extend_from_slice(text.as_bytes());
        }
        twox_hash::XxHash64::oneshot(0, &bytes)
    }

    /// The fingerprint that Prometheus and Alertmanager show: FNV-1a of the names and values, each followed by 0xff.
    /// Written as 16 hexadecimal digits.
    pub fn fingerprint(&self) -> u64 {
        let add = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        let parts = self.iter().flat_map(|(n, v)| [n, v]);
        parts.fold(0xcbf2_9ce4_8422_2325, |hash, part| add(part.bytes().fold(hash, add), 0xff))
    }

    /// The set with only the labels named; `names` is sorted ascending.
    pub fn keep(&self, names: &[impl AsRef<str>]) -> Self {
        self.filter(|n| contains(names, n))
    }

    /// The set without the labels named; `names` is sorted ascending.
    pub fn without(&self, names: &[impl AsRef<str>]) -> Self {
        self.filter(|n| !contains(names, n))
    }

    /// The set without the metric name.
    pub fn without_name(&self) -> Self {
        // The packed bytes around the name's pair are copied as they are.
        let mut rest = self.iter();
        loop {
            let from = rest.rest.len();
            match rest.next() {
                Some((name, _)) if name < METRIC_NAME => {}
                Some((METRIC_NAME, _)) => {
                    let (before, _) = self.0.split_at(self.0.len() - from);
                    return match before {
                        [] => Labels(Arc::from(rest.rest)),
                        before => Labels(Arc::from([before, rest.rest].concat())),
                    };
                }
                _ => return self.clone(),
            }
        }
    }

    /// The set with the labels whose name `keep` accepts. Shares the allocation when nothing is removed.
    pub fn filter(&self, mut keep: impl FnMut(&str) -> bool) -> Self {
        let mut buf: Vec<u8> = Vec::with_capacity(self.0.len());
        for (n, v) in self.iter() {
            if keep(n) {
                push_str(&mut buf, n);
                push_str(&mut buf, v);
            }
        }
        if buf.len() == self.0.len() { self.clone() } else { Labels(Arc::from(buf)) }
    }

    /// Appends the labels whose name `keep` accepts, in the packed form, to a buffer: a key for grouping, without an
    /// allocation of its own.
    pub fn filter_into(&self, buf: &mut Vec<u8>, mut keep: impl FnMut(&str) -> bool) {
        for (n, v) in self.iter() {
            if keep(n) {
                push_str(buf, n);
                push_str(buf, v);
            }
        }
    }

    /// A builder that starts from this set.
    pub fn to_builder(&self) -> LabelsBuilder {
        LabelsBuilder { pairs: self.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect() }
    }

    /// The notation of PromQL and of Prometheus' messages: `name{a="b"}`; `{}` for the empty set.
    pub fn to_series_string(&self) -> String {
        let name = self.metric_name();
        let legacy = is_legacy_metric_name(name);
        let mut out = String::new();
        let rest = self.len() - usize::from(!name.is_empty());
        if legacy {
            out.push_str(name);
            if rest == 0 {
                return out;
            }
        }
        out.push('{');
        let mut first = true;
        if !legacy && !name.is_empty() {
            push_quoted(&mut out, name);
            first = false;
        }
        for (n, v) in self.iter().filter(|(n, _)| *n != METRIC_NAME) {
            if !first {
                out.push_str(", ");
            }
            first = false;
            push_pair(&mut out, n, v);
        }
        out.push('}');
        out
    }
}

fn contains(sorted: &[impl AsRef<str>], name: &str) -> bool {
    sorted.binary_search_by(|p| p.as_ref().cmp(name)).is_ok()
}

impl Default for Labels {
    fn default() -> Self {
        Labels::empty()
    }
}

/// Ascending by name, then value, pair by pair; a prefix sorts first. This is Prometheus' order of series.
impl Ord for Labels {
    fn cmp(&self, other: &Self) -> Ordering {
        let (mut a, mut b) = (self.iter(), other.iter());
        loop {
            match (a.next(), b.next()) {
                (None, None) => return Ordering::Equal,
                (None, Some(_)) => return Ordering::Less,
                (Some(_), None) => return Ordering::Greater,
                (Some(x), Some(y)) => match x.cmp(&y) {
                    Ordering::Equal => {}
                    unequal => return unequal,
                },
            }
        }
    }
}

impl PartialOrd for Labels {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// `{a="b", c="d"}`, the metric name as `__name__`: Prometheus' `Labels.String`.
impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::from("{");
        for (i, (n, v)) in self.iter().enumerate() {
            if i > 0 {
                out.push_str(", ");
            }
            push_pair(&mut out, n, v);
        }
        out.push('}');
        f.write_str(&out)
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<'a> IntoIterator for &'a Labels {
    type Item = (&'a str, &'a str);
    type IntoIter = LabelsIter<'a>;
    fn into_iter(self) -> LabelsIter<'a> {
        self.iter()
    }
}

/// Iterates a label set's pairs in ascending order of name.
#[derive(Clone)]
pub struct LabelsIter<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for LabelsIter<'a> {
    type Item = (&'a str, &'a str);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let (name, rest) = take_str(self.rest)?;
        let (value, rest) = take_str(rest)?;
        self.rest = rest;
        Some((name, value))
    }
}

/// Changes a label set: set, remove, build.
#[derive(Clone, Debug, Default)]
pub struct LabelsBuilder {
    // Sorted ascending by name, names unique. Sets are small: insertion into a vector beats a tree.
    pairs: Vec<(String, String)>,
}

impl LabelsBuilder {
    /// A builder of the empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a label; an empty value removes it.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) -> &mut Self {
        let (name, value) = (name.into(), value.into());
        match self.pairs.binary_search_by(|(n, _)| n.as_str().cmp(&name)) {
            Ok(i) if value.is_empty() => {
                self.pairs.remove(i);
            }
            Ok(i) => {
                if let Some(pair) = self.pairs.get_mut(i) {
                    pair.1 = value;
                }
            }
            Err(_) if value.is_empty() => {}
            Err(i) => self.pairs.insert(i, (name, value)),
        }
        self
    }

    /// Removes a label if it is there.
    pub fn remove(&mut self, name: &str) -> &mut Self {
        self.pairs.retain(|(n, _)| n != name);
        self
    }

    /// Keeps the labels that `keep` accepts.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &str) -> bool) -> &mut Self {
        self.pairs.retain(|(n, v)| keep(n, v));
        self
    }

    /// The value of a label, `None` when absent.
    pub fn get(&self, name: &str) -> Option<&str> {
        let i = self.pairs.binary_search_by(|(n, _)| n.as_str().cmp(name)).ok()?;
        self.pairs.get(i).map(|(_, v)| v.as_str())
    }

    /// Pairs in ascending order of name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(n, v)| (n.as_str(), v.as_str()))
    }

    /// The set as it stands.
    pub fn build(&self) -> Labels {
        Labels::from_sorted(self.iter())
    }
}

fn push_str(buf: &mut Vec<u8>, s: &str) {
    let mut n = s.len();
    while n >= 0x80 {
        buf.push((n & 0x7f) as u8 | 0x80);
        n >>= 7;
    }
    buf.push(n as u8);
    buf.extend_from_slice(s.as_bytes());
}

#[inline]
fn split_len(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    if first < 0x80 {
        return Some((first as usize, rest));
    }
    let (mut n, mut shift, mut rest) = ((first & 0x7f) as usize, 7u32, rest);
    loop {
        let (&b, r) = rest.split_first()?;
        n |= ((b & 0x7f) as usize).checked_shl(shift)?;
        rest = r;
        if b < 0x80 {
            return Some((n, rest));
        }
        shift += 7;
        if shift > 28 {
            return None;
        }
    }
}

fn take_str_checked(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (n, rest) = split_len(bytes)?;
    let s = rest.get(..n)?;
    Some((std::str::from_utf8(s).ok()?, rest.get(n..)?))
}

#[inline]
fn take_str(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (n, rest) = split_len(bytes)?;
    if n > rest.len() {
        return None;
    }
    let (s, rest) = rest.split_at(n);
    // SAFETY: a `Labels` is built from `&str`s only, or from bytes that `from_bytes` checked.
    Some((unsafe { std::str::from_utf8_unchecked(s) }, rest))
}

fn push_pair(out: &mut String, name: &str, value: &str) {
    if is_legacy_label_name(name) {
        out.push_str(name);
    } else {
        push_quoted(out, name);
    }
    out.push('=');
    push_quoted(out, value);
}

/// Appends `s` quoted as Go's `strconv.Quote` does, which is what Prometheus prints label values with.
pub fn push_quoted(out: &mut String, s: &str) {
    out.push('"');
    for c in s.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x07' => out.push_str("\\a"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            '\x0b' => out.push_str("\\v"),
            c if (c as u32) < 0x20 || c as u32 == 0x7f => out.push_str(&format!("\\x{:02x}", c as u32)),
            '\u{feff}' | '\u{80}'..='\u{a0}' | '\u{ad}' => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Whether a metric name is in the classic character set, `[a-zA-Z_:][a-zA-Z0-9_:]*`.
pub fn is_legacy_metric_name(name: &str) -> bool {
    is_identifier(name, |b| b == b':')
}

/// Reads a fingerprint: 16 hexadecimal digits.
pub fn parse_fingerprint(text: &str) -> Option<u64> {
    let is_one = text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
    is_one.then(|| u64::from_str_radix(text, 16).ok()).flatten()
}

/// Whether a label name is in the classic character set, `[a-zA-Z_][a-zA-Z0-9_]*`.
pub fn is_legacy_label_name(name: &str) -> bool {
    is_identifier(name, |_| false)
}

fn is_identifier(name: &str, extra: impl Fn(u8) -> bool) -> bool {
    let mut bytes = name.bytes();
    let start = |b: u8| b.is_ascii_alphabetic() || b == b'_' || extra(b);
    bytes.next().is_some_and(start) && bytes.all(|b| start(b) || b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_removed_wherever_it_stands() {
        for pairs in
            [&[("__name__", "m"), ("a", "1")][..], &[("A", "0"), ("__name__", "m"), ("a", "1")], &[("a", "1")], &[]]
        {
            let without = pairs.iter().copied().filter(|(n, _)| *n != "__name__");
            let labels = Labels::from_pairs(pairs.iter().copied());
            assert_eq!(labels.without_name(), Labels::from_pairs(without));
        }
    }

    #[test]
    fn series_are_hashed_as_prometheus_hashes_them() {
        // Which of these Prometheus samples by a half.
        let half: Vec<usize> = [1, 100, 126, 127, 128, 129, 200, 254, 255, 256, 300, 1_000]
            .into_iter()
            .filter(|n| {
                let labels = Labels::from_pairs([("__name__", "m"), ("i", &n.to_string()), ("l", &"x".repeat(*n))]);
                labels.prometheus_hash() < u64::MAX / 2
            })
            .collect();
        assert_eq!(half, [128, 129, 255, 300]);
    }

    #[test]
    fn a_set_is_sorted_and_without_empty_values() {
        let l = Labels::from_pairs([("b", "2"), ("a", "1"), ("c", ""), ("b", "3")]);
        assert_eq!(l.iter().collect::<Vec<_>>(), [("a", "1"), ("b", "3")]);
        assert_eq!(l.get("b"), Some("3"));
        assert_eq!(l.get("c"), None);
        assert_eq!(Labels::from_bytes(l.as_bytes()), Some(l));
    }

    #[test]
    fn long_and_arabic_values_survive_packing() {
        let long = "زمن".repeat(5000);
        let l = Labels::from_pairs([("x", long.as_str())]);
        assert_eq!(l.get("x"), Some(long.as_str()));
        assert_eq!(Labels::from_bytes(l.as_bytes()), Some(l));
    }

    #[test]
    fn the_order_is_by_name_then_value_and_a_prefix_is_first() {
        let l = |p: &[(&str, &str)]| Labels::from_pairs(p.iter().copied());
        assert!(l(&[("a", "1")]) < l(&[("a", "1"), ("b", "1")]));
        assert!(l(&[("a", "2")]) > l(&[("a", "1"), ("b", "1")]));
        // Bytes alone would put the longer value last.
        assert!(l(&[("a", "10")]) < l(&[("a", "9")]));
    }

    #[test]
    fn series_are_printed_as_prometheus_prints_them() {
        let l = Labels::from_pairs([("__name__", "up"), ("job", "a\"b\n")]);
        assert_eq!(l.to_series_string(), r#"up{job="a\"b\n"}"#);
        assert_eq!(l.to_string(), r#"{__name__="up", job="a\"b\n"}"#);
        let utf8 = Labels::from_pairs([("__name__", "gpu.temp"), ("host name", "a")]);
        assert_eq!(utf8.to_series_string(), r#"{"gpu.temp", "host name"="a"}"#);
    }

    #[test]
    fn damaged_bytes_are_refused() {
        assert_eq!(Labels::from_bytes(&[5, b'a']), None);
        assert_eq!(Labels::from_bytes(&[1, b'b', 1, b'x', 1, b'a', 1, b'x']), None);
        assert_eq!(Labels::from_bytes(&[1, 0xff, 1, b'x']), None);
    }
}
