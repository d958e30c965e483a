//! Writing JSON as Go's encoders write it, straight into one buffer.
//!
//! Separators are put where they belong by looking at what was written last, so that callers only name what they
//! write. Label sets are written plainly and other strings with `<`, `>` and `&` escaped, as Prometheus' API does.

use std::fmt::Write as _;

use crate::model::number::push_float;
use crate::model::{Labels, Value};

use crate::model::time::push_rfc3339;

/// A JSON text in the making.
#[derive(Debug, Default)]
pub struct Json {
    out: String,
}

impl Json {
    /// An empty text.
    pub fn new() -> Self {
        Json { out: String::with_capacity(1_024) }
    }

    /// A text that goes on after `before`: an opening bracket, or a comma.
    pub fn after(before: &str) -> Self {
        Json { out: before.to_owned() }
    }

    /// The length of the text so far, bytes.
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// Whether nothing has been written yet.
    pub fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// The text.
    pub fn finish(self) -> String {
        self.out
    }

    /// An object whose members `members` writes.
    pub fn object(&mut self, members: impl FnOnce(&mut Json)) {
        self.separate();
        self.out.push('{');
        members(self);
        self.out.push('}');
    }

    /// An array whose elements `elements` writes.
    pub fn array(&mut self, elements: impl FnOnce(&mut Json)) {
        self.separate();
        self.out.push('[');
        elements(self);
        self.out.push(']');
    }

    /// An array with what `one` writes of each item.
    pub fn array_of<T>(&mut self, items: impl IntoIterator<Item = T>, mut one: impl FnMut(&mut Json, T)) {
        self.array(|j| items.into_iter().for_each(|item| one(j, item)));
    }

    /// An array of strings.
    pub fn strings<S: AsRef<str>>(&mut self, items: impl IntoIterator<Item = S>) {
        self.array_of(items, |j, s| j.string(s.as_ref()));
    }

    /// A member's name; its value comes next.
    pub fn key(&mut self, name: &str) -> &mut Self {
        self.separate();
        push_string(&mut self.out, name, false);
        self.out.push(':');
        self
    }

    /// A string, with HTML's characters escaped.
    pub fn string(&mut self, s: &str) {
        self.separate();
        push_string(&mut self.out, s, true);
    }

    /// A string as it is, as in label sets.
    pub fn plain_string(&mut self, s: &str) {
        self.separate();
        push_string(&mut self.out, s, false);
    }

    /// A whole number.
    pub fn int(&mut self, n: i64) {
        self.separate();
        self.out.push_str(itoa::Buffer::new().format(n));
    }

    /// A number. JSON has no word for what is not finite; it becomes 0.
    pub fn number(&mut self, v: f64) {
        self.separate();
        push_float(&mut self.out, if v.is_finite() { v } else { 0.0 });
    }

    /// `true` or `false`.
    pub fn bool(&mut self, v: bool) {
        self.separate();
        self.out.push_str(if v { "true" } else { "false" });
    }

    /// `null`
    pub fn null(&mut self) {
        self.separate();
        self.out.push_str("null");
    }

    /// What is JSON already.
    pub fn raw(&mut self, json: &str) {
        self.separate();
        self.out.push_str(json);
    }

    /// A sample's value: a string, so that NaN and infinities have a form.
    pub fn quoted_float(&mut self, v: f64) {
        self.separate();
        self.out.push('"');
        push_float(&mut self.out, v);
        self.out.push('"');
    }

    /// Milliseconds as seconds: with three decimals, or none.
    pub fn timestamp(&mut self, t: i64) {
        self.separate();
        push_seconds(&mut self.out, t);
    }

    /// Milliseconds as an RFC 3339 string; Go's zero time when there is none.
    pub fn rfc3339(&mut self, t: Option<i64>) {
        self.separate();
        self.out.push('"');
        match t {
            Some(t) => push_rfc3339(&mut self.out, t),
            None => self.out.push_str("0001-01-01T00:00:00Z"),
        }
        self.out.push('"');
    }

    /// A label set.
    pub fn labels(&mut self, labels: &Labels) {
        self.object(|j| {
            for (name, value) in labels {
                j.key(name).plain_string(value);
            }
        });
    }

    /// `[timestamp, value]`
    pub fn sample(&mut self, t: i64, value: &Value) {
        self.array(|j| {
            j.timestamp(t);
            match value {
                Value::Float(v) => j.quoted_float(*v),
                Value::Histogram(h) => j.raw(&h.to_api_json()),
            }
        });
    }

    /// An array of `[timestamp, value]`, ascending in time.
    pub fn points(&mut self, points: &[(i64, f64)], times: &TimeTexts) {
        self.separate();
        self.out.reserve(points.len() * POINT_BYTES + 2);
        self.out.push('[');
        let mut next = 0;
        for (i, (t, v)) in points.iter().enumerate() {
            if i > 0 {
                self.out.push(',');
            }
            times.write(*t, &mut next, &mut self.out);
            push_float(&mut self.out, *v);
            self.out.push_str("\"]");
        }
        self.out.push(']');
    }

    fn separate(&mut self) {
        if !matches!(self.out.as_bytes().last(), None | Some(b'{' | b'[' | b':' | b',')) {
            self.out.push(',');
        }
    }
}

/// What a point takes at most in most results, bytes: `[1700000000.123,"0.12345678901234567"],`.
const POINT_BYTES: usize = 40;

/// How the points of a result begin, `[1700000000,"`: the texts of times that series share.
#[derive(Debug, Default)]
pub struct TimeTexts {
    times: Vec<i64>,
    texts: String,
    /// Where the text of every time ends.
    ends: Vec<usize>,
}

impl TimeTexts {
    /// The texts of `times`, ascending.
    pub fn of(times: impl IntoIterator<Item = i64>) -> Self {
        let mut all = TimeTexts::default();
        for t in times {
            all.texts.push('[');
            push_seconds(&mut all.texts, t);
            all.texts.push_str(",\"");
            all.times.push(t);
            all.ends.push(all.texts.len());
        }
        all
    }

    /// Writes the text of `t`; `next` is the place where it is expected, and then the one behind it.
    #[inline]
    fn write(&self, t: i64, next: &mut usize, out: &mut String) {
        if self.times.get(*next) != Some(&t) {
            *next += self.times.get(*next..).map_or(0, |rest| rest.partition_point(|known| *known < t));
        }
        match (self.times.get(*next), self.ends.get(*next)) {
            (Some(known), Some(end)) if *known == t => {
                let start = next.checked_sub(1).and_then(|i| self.ends.get(i)).copied().unwrap_or(0);
                out.push_str(self.texts.get(start..*end).unwrap_or_default());
                *next += 1;
            }
            _ => {
                out.push('[');
                push_seconds(out, t);
                out.push_str(",\"");
            }
        }
    }
}

/// Milliseconds as seconds: with three decimals, or none.
fn push_seconds(out: &mut String, t: i64) {
    let (sign, t) = if t < 0 { ("-", t.unsigned_abs()) } else { ("", t.unsigned_abs()) };
    let _ = write!(out, "{sign}{}", t / 1_000);
    if t % 1_000 != 0 {
        let _ = write!(out, ".{:03}", t % 1_000);
    }
}

/// Writes a string with its quotes. `html` also escapes what browsers could take for markup.
fn push_string(out: &mut String, s: &str, html: bool) {
    out.push('"');
    // Labels and names hardly ever need anything: bytes tell so faster than characters.
    if s.bytes()
        .all(|b| matches!(b, b' '..=b'~') && b != b'"' && b != b'\\' && !(html && matches!(b, b'<' | b'>' | b'&')))
    {
        out.push_str(s);
        return out.push('"');
    }
    let mut rest = s;
    while let Some(at) = rest.find(|c: char| needs_escape(c, html)) {
        let (clean, tail) = rest.split_at(at);
        out.push_str(clean);
        let mut chars = tail.chars();
        match chars.next() {
            Some('"') => out.push_str("\\\""),
            Some('\\') => out.push_str("\\\\"),
            Some('\n') => out.push_str("\\n"),
            Some('\r') => out.push_str("\\r"),
            Some('\t') => out.push_str("\\t"),
            Some(c) => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            None => {}
        }
        rest = chars.as_str();
    }
    out.push_str(rest);
    out.push('"');
}

fn needs_escape(c: char, html: bool) -> bool {
    match c {
        '"' | '\\' => true,
        '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => html,
        c => u32::from(c) < 0x20,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Json)) -> String {
        let mut json = Json::new();
        write(&mut json);
        json.finish()
    }

    #[test]
    fn separators_are_where_they_belong() {
        let text = written(|j| {
            j.object(|j| {
                j.key("a").array(|j| {
                    j.int(1);
                    j.string("x");
                    j.array(|_| {});
                    j.object(|_| {});
                    j.bool(true);
                    j.null();
                });
                j.key("b").string("");
                j.key("c").number(0.5);
            })
        });
        assert_eq!(text, r#"{"a":[1,"x",[],{},true,null],"b":"","c":0.5}"#);
    }

    #[test]
    fn strings_are_escaped_as_go_escapes_them_and_labels_are_not() {
        assert_eq!(written(|j| j.string("a<b>&\"\\\n\t\u{1}زمن")), r#""a\u003cb\u003e\u0026\"\\\n\t\u0001زمن""#);
        let labels = Labels::from_pairs([("a", "<&>"), ("b", "é\n")]);
        assert_eq!(written(|j| j.labels(&labels)), r#"{"a":"<&>","b":"é\n"}"#);
        // A string that ends in a bracket does not fool the separators.
        assert_eq!(written(|j| j.strings(["[", "{", ":"])), r#"["[","{",":"]"#);
    }

    #[test]
    fn points_have_the_same_text_whether_or_not_their_times_are_known() {
        let points = [(-500, 1.5), (0, 2.0), (1_000, f64::NAN), (1_001, 0.1), (60_000, -3e21)];
        let want = r#"[[-0.500,"1.5"],[0,"2"],[1,"NaN"],[1.001,"0.1"],[60,"-3e+21"]]"#;
        for known in [&[][..], &[-500, 0, 1_000, 1_001, 60_000], &[-900, -500, 7, 1_000, 90_000], &[1_001]] {
            assert_eq!(written(|j| j.points(&points, &TimeTexts::of(known.iter().copied()))), want);
        }
    }

    #[test]
    fn times_and_values_have_prometheus_forms() {
        for (t, want) in [(0, "0"), (1_500, "1.500"), (1_000, "1"), (1_005, "1.005"), (-1_500, "-1.500")] {
            assert_eq!(written(|j| j.timestamp(t)), want);
        }
        assert_eq!(written(|j| j.quoted_float(f64::NAN)), "\"NaN\"");
        assert_eq!(written(|j| j.sample(1, &Value::Float(1e21))), "[0.001,\"1e+21\"]");
        assert_eq!(written(|j| j.rfc3339(None)), "\"0001-01-01T00:00:00Z\"");
    }
}
