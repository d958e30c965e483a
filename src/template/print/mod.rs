//! Go's `fmt` for template values: `print`, `println`, `printf`, and what an action writes.

mod number;
mod verb;

use std::fmt::Write as _;

use crate::template::value::{Shape, Value};
pub(crate) use number::float_text;
pub use verb::sprintf;

use verb::Spec;

/// What an action writes: as `%v`, except that nothing is `<no value>`.
pub fn display(value: &Value) -> String {
    match value {
        Value::Nil => "<no value>".into(),
        other => sprint_value(other),
    }
}

/// A value as `%v`.
pub fn sprint_value(value: &Value) -> String {
    let mut out = String::new();
    verb::push_value(&mut out, &Spec::default(), 'v', value);
    out
}

/// `print`: a space between operands when neither is a string.
pub fn sprint(args: &[Value]) -> String {
    let mut out = String::new();
    let mut after_string = true;
    for (i, arg) in args.iter().enumerate() {
        let is_string = arg.as_str().is_some();
        if i > 0 && !is_string && !after_string {
            out.push(' ');
        }
        verb::push_value(&mut out, &Spec::default(), 'v', arg);
        after_string = is_string;
    }
    out
}

/// `println`: a space between operands, a newline at the end.
pub fn sprintln(args: &[Value]) -> String {
    let mut out = args.iter().map(sprint_value).collect::<Vec<_>>().join(" ");
    out.push('\n');
    out
}

/// Go's `strconv.Quote`.
pub fn quote(s: &str) -> String {
    quote_with(s, '"', false)
}

/// Quotes with a quotation mark of choice, perhaps all in ASCII.
pub(crate) fn quote_with(s: &str, mark: char, ascii: bool) -> String {
    let mut out = String::with_capacity(s.len() + 2);
    out.push(mark);
    for c in s.chars() {
        push_quoted_char(&mut out, c, mark, ascii);
    }
    out.push(mark);
    out
}

fn push_quoted_char(out: &mut String, c: char, mark: char, ascii: bool) {
    let code = u32::from(c);
    let _ = match c {
        '\\' => out.write_str("\\\\"),
        _ if c == mark => write!(out, "\\{c}"),
        '\x07' => out.write_str("\\a"),
        '\x08' => out.write_str("\\b"),
        '\x0c' => out.write_str("\\f"),
        '\n' => out.write_str("\\n"),
        '\r' => out.write_str("\\r"),
        '\t' => out.write_str("\\t"),
        '\x0b' => out.write_str("\\v"),
        _ if c.is_ascii_graphic() || c == ' ' || (!ascii && is_print(c)) => out.write_char(c),
        _ if code < 0x20 || code == 0x7f => write!(out, "\\x{code:02x}"),
        _ if code < 0x10000 => write!(out, "\\u{code:04x}"),
        _ => write!(out, "\\U{code:08x}"),
    };
}

/// Whether Go prints a character as it is: no control, format or private-use characters, no space but U+0020.
pub(crate) fn is_print(c: char) -> bool {
    if c == ' ' {
        return true;
    }
    let format = matches!(u32::from(c),
        0xad | 0x600..=0x605 | 0x61c | 0x6dd | 0x70f | 0x200b..=0x200f | 0x202a..=0x202e | 0x2060..=0x206f
        | 0xe000..=0xf8ff | 0xfeff | 0xfff0..=0xfffb | 0xfffe | 0xffff | 0xe0000..=0xe0fff | 0xf0000..=0x10ffff);
    !c.is_control() && !c.is_whitespace() && !format
}

/// Go's `time.Duration.String`: `1h2m3.5s`, `1.5ms`, `0s`.
pub fn duration(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let n = nanos.unsigned_abs();
    let fraction = |whole: u64, part: u64, digits: usize| {
        let mut text = format!("{whole}");
        if part > 0 {
            let padded = format!("{part:0digits$}");
            text.push('.');
            text.push_str(padded.trim_end_matches('0'));
        }
        text
    };
    if n == 0 {
        return "0s".into();
    }
    let body = match n {
        0..1_000 => format!("{n}ns"),
        1_000..1_000_000 => format!("{}µs", fraction(n / 1_000, n % 1_000, 3)),
        1_000_000..1_000_000_000 => format!("{}ms", fraction(n / 1_000_000, n % 1_000_000, 6)),
        _ => {
            let seconds = n / 1_000_000_000;
            let tail = fraction(seconds % 60, n % 1_000_000_000, 9);
            let minutes = seconds / 60;
            match (minutes / 60, minutes % 60) {
                (0, 0) => format!("{tail}s"),
                (0, m) => format!("{m}m{tail}s"),
                (h, m) => format!("{h}h{m}m{tail}s"),
            }
        }
    };
    format!("{sign}{body}")
}

/// The text of a value that has Go's `String` method.
fn stringer(value: &Value) -> Option<String> {
    match value {
        Value::Time(t) => Some(t.to_string()),
        Value::Duration(d) => Some(duration(*d)),
        Value::Object(o) => o.text(),
        _ => None,
    }
}

/// The parts of a composite value, as printing sees them.
enum Parts {
    List(Vec<Value>),
    Map(Vec<(std::sync::Arc<str>, Value)>),
    Struct(Vec<(&'static str, Value)>),
}

fn parts(value: &Value) -> Option<Parts> {
    match value {
        Value::List(l) => Some(Parts::List(l.items.clone())),
        Value::Map(m) => Some(Parts::Map(m.entries())),
        Value::Object(o) => match o.shape() {
            Shape::Struct(fields) => Some(Parts::Struct(fields)),
            Shape::List(l) => Some(Parts::List(l.to_vec())),
            Shape::Map(m) => Some(Parts::Map(m.entries())),
            Shape::Int(_) => None,
        },
        _ => None,
    }
}
