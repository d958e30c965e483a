//! Constants: numbers, characters and strings as Go writes them.

use std::sync::Arc;

use super::ast::Number;
use crate::template::value::Value;

/// Reads a number constant.
pub(super) fn number(source: &str) -> Option<Number> {
    if let Some(body) = source.strip_suffix('i') {
        return complex(source, body);
    }
    let plain = underscores(source)?;
    let int = integer(&plain);
    let float = match int {
        Some(Integer::Fits(i)) => Some(i as f64),
        Some(Integer::Overflows(f)) => Some(f),
        None => crate::model::number::parse_float(&plain).filter(|f| f.is_finite()),
    };
    let value = float?;
    let hexadecimal = plain.trim_start_matches(['+', '-']).starts_with("0x");
    let written_as_float = plain.contains(['.', 'p', 'P']) || (!hexadecimal && plain.contains(['e', 'E']));
    let whole = (value.fract() == 0.0 && value.abs() < 9.2e18).then_some(value as i64);
    let (int, overflows) = match int {
        Some(Integer::Fits(i)) => (Some(i), false),
        Some(Integer::Overflows(_)) => (None, true),
        None => (whole, false),
    };
    let ideal = match int {
        Some(i) if !written_as_float => Value::Int(i),
        _ => Value::Float(value),
    };
    Some(Number { source: Arc::from(source), ideal, int, float, overflows })
}

/// `2i`, `1+2i`: as Go, a complex constant without a imaginary part is not one.
fn complex(source: &str, body: &str) -> Option<Number> {
    let split = body.char_indices().skip(1).filter(|(_, c)| matches!(c, '+' | '-')).find(|(at, _)| {
        // The sign of an exponent separates nothing.
        !body.get(..*at).is_some_and(|b| b.ends_with(['e', 'E', 'p', 'P']))
    });
    let (real, imaginary) = match split {
        Some((at, _)) => (number(body.get(..at)?)?.float?, number(body.get(at..)?)?.float?),
        None => (0.0, number(body)?.float?),
    };
    if imaginary == 0.0 {
        let mut plain = number(&crate::model::number::format_float(real))?;
        plain.source = Arc::from(source);
        return Some(plain);
    }
    let ideal = Value::Complex(real, imaginary);
    Some(Number { source: Arc::from(source), ideal, int: None, float: None, overflows: false })
}

/// Takes out the underscores Go allows between digits and after a base prefix.
fn underscores(source: &str) -> Option<String> {
    if !source.contains('_') {
        return Some(source.to_owned());
    }
    let digits = source.trim_start_matches(['+', '-']).to_ascii_lowercase();
    // Decimal constants without a base prefix allow none: Go reads them with base 0, which wants a digit on both sides.
    let body = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0b")).or_else(|| digits.strip_prefix("0o"));
    let misplaced = digits.ends_with('_') || digits.contains("__") || (body.is_none() && digits.starts_with('_'));
    (!misplaced).then(|| source.replace('_', ""))
}

enum Integer {
    Fits(i64),
    /// Its value, roughly.
    Overflows(f64),
}

fn integer(plain: &str) -> Option<Integer> {
    let (negative, body) = match plain.strip_prefix('-') {
        Some(b) => (true, b),
        None => (false, plain.strip_prefix('+').unwrap_or(plain)),
    };
    let lower = body.to_ascii_lowercase();
    let (radix, digits) = if let Some(d) = lower.strip_prefix("0x") {
        (16, d)
    } else if let Some(d) = lower.strip_prefix("0b") {
        (2, d)
    } else if let Some(d) = lower.strip_prefix("0o") {
        (8, d)
    } else if lower.len() > 1 && lower.starts_with('0') {
        (8, lower.get(1..)?)
    } else {
        (10, lower.as_str())
    };
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    let magnitude = i128::from_str_radix(digits, radix).ok();
    let fits = magnitude.map(|m| if negative { -m } else { m }).and_then(|m| i64::try_from(m).ok());
    Some(match (fits, magnitude) {
        (Some(i), _) => Integer::Fits(i),
        (None, Some(m)) => Integer::Overflows(m as f64),
        (None, None) => Integer::Overflows(digits.parse().unwrap_or(f64::MAX)),
    })
}

/// Reads a character constant such as `'a'` or `'\n'`: an integer.
pub(super) fn character(source: &str) -> Option<Number> {
    let inner = source.strip_prefix('\'')?.strip_suffix('\'')?;
    let code = match inner.strip_prefix('\\') {
        Some(_) => {
            let (code, rest) = escape(inner.get(1..)?, '\'')?;
            if !rest.is_empty() {
                return None;
            }
            match code {
                Escaped::Char(c) => i64::from(u32::from(c)),
                Escaped::Byte(b) => i64::from(b),
            }
        }
        None => {
            let mut chars = inner.chars();
            let c = chars.next()?;
            if chars.next().is_some() {
                return None;
            }
            i64::from(u32::from(c))
        }
    };
    let source = Arc::from(source);
    Some(Number { source, ideal: Value::Int(code), int: Some(code), float: Some(code as f64), overflows: false })
}

enum Escaped {
    Char(char),
    Byte(u8),
}

/// One escape after its backslash, and what follows it.
fn escape(s: &str, quote: char) -> Option<(Escaped, &str)> {
    let mut chars = s.chars();
    let c = chars.next()?;
    let rest = chars.as_str();
    let simple = |c: char| Some((Escaped::Char(c), rest));
    let hex = |n: usize| -> Option<(u32, &str)> {
        let digits = rest.get(..n).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()))?;
        Some((u32::from_str_radix(digits, 16).ok()?, rest.get(n..)?))
    };
    match c {
        'a' => simple('\x07'),
        'b' => simple('\x08'),
        'f' => simple('\x0c'),
        'n' => simple('\n'),
        'r' => simple('\r'),
        't' => simple('\t'),
        'v' => simple('\x0b'),
        '\\' => simple('\\'),
        '\'' | '"' if c == quote => simple(c),
        'x' => hex(2).and_then(|(v, r)| Some((Escaped::Byte(u8::try_from(v).ok()?), r))),
        'u' => hex(4).and_then(|(v, r)| Some((Escaped::Char(char::from_u32(v)?), r))),
        'U' => hex(8).and_then(|(v, r)| Some((Escaped::Char(char::from_u32(v)?), r))),
        '0'..='7' => {
            let digits = s.get(..3).filter(|d| d.bytes().all(|b| matches!(b, b'0'..=b'7')))?;
            let value = u32::from_str_radix(digits, 8).ok()?;
            Some((Escaped::Byte(u8::try_from(value).ok()?), s.get(3..)?))
        }
        _ => None,
    }
}

/// Takes the quotes off a string constant. Bytes that are not UTF-8 become replacement characters.
pub(super) fn unquote(source: &str) -> Option<String> {
    if let Some(raw) = source.strip_prefix('`') {
        return Some(raw.strip_suffix('`')?.replace('\r', ""));
    }
    let inner = source.strip_prefix('"')?.strip_suffix('"')?;
    if !inner.contains('\\') {
        return Some(inner.to_owned());
    }
    let mut out = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(c) = rest.chars().next() {
        rest = rest.get(c.len_utf8()..)?;
        if c != '\\' {
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        let (code, after) = escape(rest, '"')?;
        match code {
            Escaped::Char(c) => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            Escaped::Byte(b) => out.push(b),
        }
        rest = after;
    }
    Some(String::from_utf8_lossy(&out).into_owned())
}
