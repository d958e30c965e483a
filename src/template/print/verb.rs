//! `printf`: directives, flags, and each verb on each kind of value.

use std::fmt::Write as _;

use super::number;
use super::parts::{Parts, parts, stringer};
use super::quote::quote_with;
use crate::template::foreign::Foreign;
use crate::template::value::{LONGEST_TEXT, Value};

/// The widest field and the longest precision accepted, as in Go.
const MAX_NUMBER: usize = 1_000_000;
/// How deep composite values are printed.
const MAX_DEPTH: usize = 20;

/// The flags, width and precision of a directive.
#[derive(Clone, Debug, Default)]
pub(super) struct Spec {
    plus: bool,
    minus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    width: Option<usize>,
    precision: Option<usize>,
    /// `%+v`: field names.
    plus_v: bool,
    /// `%#v`: Go syntax.
    sharp_v: bool,
    depth: usize,
}

/// Formats as Go's `fmt.Sprintf`, errors in the text included.
pub fn sprintf(format: &str, args: &[Value]) -> String {
    let mut printer = Printer { args, next: 0, reordered: false, out: String::with_capacity(format.len() + 16) };
    let mut rest = format;
    while let Some(percent) = rest.find('%') {
        printer.out.push_str(rest.get(..percent).unwrap_or(""));
        rest = printer.directive(rest.get(percent + 1..).unwrap_or(""));
        if printer.out.len() > MAX_NUMBER {
            break;
        }
    }
    printer.out.push_str(rest);
    printer.extra();
    printer.out
}

struct Printer<'a> {
    args: &'a [Value],
    next: usize,
    /// An explicit index was used: then unused arguments are no mistake.
    reordered: bool,
    out: String,
}

/// A number in the directive: given, absent, or not one.
enum Star {
    Number(i64),
    Bad,
}

impl<'a> Printer<'a> {
    /// One directive after its `%`; returns what follows.
    fn directive<'f>(&mut self, format: &'f str) -> &'f str {
        let mut spec = Spec::default();
        let mut rest = flags(&mut spec, format);
        let mut good_index = true;
        let mut indexed = false;
        rest = self.index(rest, &mut good_index, &mut indexed);
        if let Some(after) = rest.strip_prefix('*') {
            rest = after;
            indexed = false;
            match self.star() {
                Star::Number(n) => {
                    spec.width = usize::try_from(n.unsigned_abs()).ok();
                    if n < 0 {
                        spec.minus = true;
                        spec.zero = false;
                    }
                }
                Star::Bad => self.out.push_str("%!(BADWIDTH)"),
            }
        } else {
            let (n, after) = digits(rest);
            if n.is_some() && indexed {
                good_index = false;
            }
            spec.width = n;
            rest = after;
        }
        if let Some(after) = rest.strip_prefix('.') {
            if indexed {
                good_index = false;
            }
            rest = self.precision(after, &mut spec, &mut good_index, &mut indexed);
        }
        if !indexed {
            rest = self.index(rest, &mut good_index, &mut indexed);
        }
        let Some(verb) = rest.chars().next() else {
            self.out.push_str("%!(NOVERB)");
            return rest;
        };
        self.verb(verb, spec, good_index);
        rest.get(verb.len_utf8()..).unwrap_or("")
    }

    fn precision<'f>(&mut self, rest: &'f str, spec: &mut Spec, good: &mut bool, indexed: &mut bool) -> &'f str {
        let rest = self.index(rest, good, indexed);
        if let Some(after) = rest.strip_prefix('*') {
            *indexed = false;
            match self.star() {
                Star::Number(n) if n >= 0 => spec.precision = usize::try_from(n).ok(),
                // Negative precision counts as none.
                Star::Number(_) => self.out.push_str("%!(BADPREC)"),
                Star::Bad => self.out.push_str("%!(BADPREC)"),
            }
            return after;
        }
        let (n, after) = digits(rest);
        spec.precision = Some(n.unwrap_or(0));
        after
    }

    fn verb(&mut self, verb: char, mut spec: Spec, good_index: bool) {
        if verb == '%' {
            self.out.push('%');
            return;
        }
        if !good_index {
            let _ = write!(self.out, "%!{verb}(BADINDEX)");
            return;
        }
        let Some(arg) = self.args.get(self.next) else {
            let _ = write!(self.out, "%!{verb}(MISSING)");
            return;
        };
        self.next += 1;
        if verb == 'v' {
            spec.sharp_v = std::mem::take(&mut spec.sharp);
            spec.plus_v = std::mem::take(&mut spec.plus);
        }
        push_value(&mut self.out, &spec, verb, arg);
    }

    /// `[n]`: the argument to use next, from 1.
    fn index<'f>(&mut self, rest: &'f str, good: &mut bool, indexed: &mut bool) -> &'f str {
        let Some(inner) = rest.strip_prefix('[') else { return rest };
        self.reordered = true;
        let Some(close) = inner.find(']') else {
            *good = false;
            return inner;
        };
        let number = inner.get(..close).and_then(|n| n.parse::<usize>().ok());
        match number.filter(|n| (1..=self.args.len()).contains(n)) {
            Some(n) => {
                self.next = n - 1;
                *indexed = true;
            }
            None => *good = false,
        }
        inner.get(close + 1..).unwrap_or("")
    }

    fn star(&mut self) -> Star {
        let value = self.args.get(self.next).and_then(Value::as_int);
        if self.next < self.args.len() {
            self.next += 1;
        }
        match value {
            Some(n) if n.unsigned_abs() <= MAX_NUMBER as u64 => Star::Number(n),
            _ => Star::Bad,
        }
    }

    fn extra(&mut self) {
        let Some(extra) = self.args.get(self.next..).filter(|e| !e.is_empty() && !self.reordered) else { return };
        self.out.push_str("%!(EXTRA ");
        for (i, arg) in extra.iter().enumerate() {
            if i > 0 {
                self.out.push_str(", ");
            }
            self.out.push_str(arg.type_name());
            if !matches!(arg, Value::Nil) {
                self.out.push('=');
                push_value(&mut self.out, &Spec::default(), 'v', arg);
            }
        }
        self.out.push(')');
    }
}

fn flags<'f>(spec: &mut Spec, format: &'f str) -> &'f str {
    let mut rest = format;
    loop {
        let Some(c) = rest.chars().next() else { return rest };
        match c {
            '#' => spec.sharp = true,
            '0' => spec.zero = true,
            '+' => spec.plus = true,
            '-' => spec.minus = true,
            ' ' => spec.space = true,
            _ => return rest,
        }
        rest = rest.get(1..).unwrap_or("");
    }
}

fn digits(s: &str) -> (Option<usize>, &str) {
    let end = s.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = s.split_at(end);
    (number.parse::<usize>().ok().filter(|n| *n <= MAX_NUMBER), rest)
}

impl Spec {
    fn pad(&self, out: &mut String, text: &str) {
        let missing = self.width.unwrap_or(0).saturating_sub(text.chars().count());
        if self.minus {
            out.push_str(text);
            out.extend(std::iter::repeat_n(' ', missing));
        } else {
            out.extend(std::iter::repeat_n(if self.zero { '0' } else { ' ' }, missing));
            out.push_str(text);
        }
    }

    fn inner(&self) -> Spec {
        Spec { depth: self.depth + 1, ..self.clone() }
    }

    fn truncate<'s>(&self, s: &'s str) -> &'s str {
        match self.precision.and_then(|p| s.char_indices().nth(p)) {
            Some((end, _)) => s.get(..end).unwrap_or(s),
            None => s,
        }
    }
}

/// Appends a value as a verb says.
pub(super) fn push_value(out: &mut String, spec: &Spec, verb: char, value: &Value) {
    if out.len() > LONGEST_TEXT {
        // Whoever asked refuses it; lists that hold one list many times would not end.
        return;
    }
    if verb == 'T' {
        return spec.pad(out, value.type_name());
    }
    if matches!(value, Value::Nil) {
        return match verb {
            'v' => spec.pad(out, "<nil>"),
            _ => {
                let _ = write!(out, "%!{verb}(<nil>)");
            }
        };
    }
    if matches!(verb, 'v' | 's' | 'x' | 'X' | 'q')
        && !spec.sharp_v
        && let Some(text) = stringer(value)
    {
        return string(out, spec, verb, &text, value);
    }
    match value {
        Value::Bool(b) if matches!(verb, 't' | 'v') => spec.pad(out, if *b { "true" } else { "false" }),
        Value::Float(f) => float(out, spec, verb, *f, value),
        Value::Complex(r, i) => complex(out, spec, verb, *r, *i, value),
        Value::Str(s) | Value::Safe(_, s) | Value::Foreign(Foreign { text: s, .. }) => {
            string(out, spec, verb, s, value)
        }
        _ => match (value.as_int(), parts(value)) {
            (Some(i), _) => integer(out, spec, verb, i, value),
            (None, Some(parts)) if spec.depth < MAX_DEPTH && verb != 'p' => composite(out, spec, verb, parts, value),
            _ => bad_verb(out, spec, verb, value),
        },
    }
}

fn bad_verb(out: &mut String, spec: &Spec, verb: char, value: &Value) {
    let _ = write!(out, "%!{verb}({}=", value.type_name());
    if verb == 'v' {
        out.push_str("...");
    } else {
        push_value(out, spec, 'v', value);
    }
    out.push(')');
}

fn string(out: &mut String, spec: &Spec, verb: char, s: &str, value: &Value) {
    let s = spec.truncate(s);
    match verb {
        'v' if spec.sharp_v => spec.pad(out, &super::quote(s)),
        'v' | 's' => spec.pad(out, s),
        'q' if spec.sharp && !s.contains('`') && s.chars().all(|c| c == '\t' || !c.is_control()) => {
            spec.pad(out, &format!("`{s}`"))
        }
        'q' => spec.pad(out, &quote_with(s, '"', spec.plus)),
        'x' | 'X' => spec.pad(out, &hex(spec, verb, s)),
        _ => bad_verb(out, spec, verb, value),
    }
}

fn hex(spec: &Spec, verb: char, s: &str) -> String {
    let prefix = if verb == 'x' { "0x" } else { "0X" };
    let mut text = String::new();
    for (i, b) in s.bytes().enumerate() {
        if spec.space && i > 0 {
            text.push(' ');
        }
        if spec.sharp && (spec.space || i == 0) {
            text.push_str(prefix);
        }
        let _ = if verb == 'x' { write!(text, "{b:02x}") } else { write!(text, "{b:02X}") };
    }
    text
}

fn float(out: &mut String, spec: &Spec, verb: char, v: f64, value: &Value) {
    let (verb, default) = match verb {
        'v' => ('g', None),
        'b' | 'g' | 'G' | 'x' | 'X' => (verb, None),
        'f' | 'e' | 'E' => (verb, Some(6)),
        'F' => ('f', Some(6)),
        _ => return bad_verb(out, spec, verb, value),
    };
    let text = number::float_text(v, verb, spec.precision.or(default));
    signed(out, spec, &text, v.is_finite());
}

/// Pads a number: zeros go between its sign and its digits.
fn signed(out: &mut String, spec: &Spec, text: &str, finite: bool) {
    let (sign, body) = match text.chars().next() {
        Some('-') => ("-", text.get(1..).unwrap_or("")),
        Some('+') => (if spec.plus || !finite { "+" } else { "" }, text.get(1..).unwrap_or("")),
        _ if spec.plus => ("+", text),
        _ if spec.space => (" ", text),
        _ => ("", text),
    };
    if !finite || !spec.zero || spec.minus {
        let spec = Spec { zero: false, ..spec.clone() };
        return spec.pad(out, &format!("{sign}{body}"));
    }
    let missing = spec.width.unwrap_or(0).saturating_sub(sign.len() + body.chars().count());
    out.push_str(sign);
    out.extend(std::iter::repeat_n('0', missing));
    out.push_str(body);
}

fn complex(out: &mut String, spec: &Spec, verb: char, re: f64, im: f64, value: &Value) {
    if !matches!(verb, 'v' | 'b' | 'g' | 'G' | 'x' | 'X' | 'f' | 'F' | 'e' | 'E') {
        return bad_verb(out, spec, verb, value);
    }
    out.push('(');
    float(out, spec, verb, re, value);
    let spec = Spec { plus: true, ..spec.clone() };
    float(out, &spec, verb, im, value);
    out.push_str("i)");
}

fn integer(out: &mut String, spec: &Spec, verb: char, v: i64, value: &Value) {
    let as_char = || u32::try_from(v).ok().and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER);
    match verb {
        'v' | 'd' | 'b' | 'o' | 'O' | 'x' | 'X' => {
            let base = if spec.sharp_v && matches!(value, Value::Byte(_)) { 'x' } else { verb };
            integer_digits(out, spec, base, v, spec.sharp || (spec.sharp_v && base == 'x'));
        }
        'c' => spec.pad(out, &as_char().to_string()),
        'q' => spec.pad(out, &quote_with(&as_char().to_string(), '\'', spec.plus)),
        'U' => {
            let mut text = format!("U+{:0width$X}", v, width = spec.precision.unwrap_or(4).max(4));
            if spec.sharp {
                let _ = write!(text, " '{}'", as_char());
            }
            let spec = Spec { zero: false, ..spec.clone() };
            spec.pad(out, &text);
        }
        _ => bad_verb(out, spec, verb, value),
    }
}

fn integer_digits(out: &mut String, spec: &Spec, verb: char, v: i64, sharp: bool) {
    if spec.precision == Some(0) && v == 0 {
        let spec = Spec { zero: false, ..spec.clone() };
        return spec.pad(out, "");
    }
    let sign = match () {
        () if v < 0 => "-",
        () if spec.plus => "+",
        () if spec.space => " ",
        () => "",
    };
    let mut body = number::digits(v.unsigned_abs(), verb);
    let wanted = match spec.precision {
        Some(p) => p,
        // Zero padding is precision in disguise: it counts the sign, not the prefix.
        None if spec.zero && !spec.minus => spec.width.unwrap_or(0).saturating_sub(sign.len()),
        None => 0,
    };
    if body.len() < wanted {
        body = format!("{}{body}", "0".repeat(wanted - body.len()));
    }
    let prefix = match verb {
        'O' => "0o",
        'b' if sharp => "0b",
        'o' if sharp && !body.starts_with('0') => "0",
        'x' if sharp => "0x",
        'X' if sharp => "0X",
        _ => "",
    };
    let spec = Spec { zero: false, ..spec.clone() };
    spec.pad(out, &format!("{sign}{prefix}{body}"));
}

fn composite(out: &mut String, spec: &Spec, verb: char, parts: Parts, value: &Value) {
    let inner = spec.inner();
    let go = spec.sharp_v;
    let separator = if go { ", " } else { " " };
    let (open, close) = match (&parts, go) {
        (_, true) => (format!("{}{{", value.type_name()), '}'),
        (Parts::List(_), _) => ("[".to_owned(), ']'),
        (Parts::Map(_), _) => ("map[".to_owned(), ']'),
        (Parts::Struct(_), _) => ("{".to_owned(), '}'),
    };
    out.push_str(&open);
    let mut first = true;
    let mut separate = |out: &mut String| {
        if !std::mem::take(&mut first) {
            out.push_str(separator);
        }
    };
    match parts {
        Parts::List(items) => items.iter().for_each(|item| {
            separate(out);
            push_value(out, &inner, verb, item);
        }),
        Parts::Map(entries) => entries.into_iter().for_each(|(key, item)| {
            separate(out);
            push_value(out, &inner, verb, &Value::Str(key));
            out.push(':');
            push_value(out, &inner, verb, &item);
        }),
        Parts::Struct(fields) => fields.into_iter().for_each(|(name, item)| {
            separate(out);
            if spec.plus_v || go {
                let _ = write!(out, "{name}:");
            }
            push_value(out, &inner, verb, &item);
        }),
    }
    out.push(close);
}
