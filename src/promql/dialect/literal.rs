//! The values of literals: numbers, durations, strings.

use crate::model::duration;
use crate::model::number::parse_float;

/// The value of a number token, in any form Go's base-prefix syntax knows: `1_000`, `0x1F`, `017` (octal), `0x1p-3`.
pub fn number(text: &str) -> Option<f64> {
    let plain;
    let digits = if text.contains('_') {
        if text.ends_with('_') || text.contains("__") {
            return None;
        }
        plain = text.replace('_', "");
        plain.as_str()
    } else {
        text
    };
    let octal = digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|b| (b'0'..=b'7').contains(&b));
    if octal && let Ok(v) = i64::from_str_radix(digits, 8) {
        return Some(v as f64);
    }
    parse_float(digits)
}

/// What is wrong with a number token that has no value.
pub fn bad_number(text: &str) -> String {
    let is_beyond = text.replace('_', "").parse::<f64>().is_ok_and(f64::is_infinite);
    format!("bad number {text:?}{}", if is_beyond { ": value out of range" } else { "" })
}

/// The value of a duration token in milliseconds.
pub fn duration_millis(text: &str) -> Result<i64, String> {
    duration::parse(text)
}

/// The content of a quoted string, escapes resolved as Go does.
pub fn string(quoted: &str) -> Result<String, String> {
    let mut chars = quoted.chars();
    let (quote, _) = (chars.next(), chars.next_back());
    let body = chars.as_str();
    if quote == Some('`') {
        return Ok(body.replace('\r', ""));
    }
    let mut out = Vec::with_capacity(body.len());
    let mut rest = body;
    while let Some(i) = rest.find('\\') {
        out.extend_from_slice(rest.get(..i).unwrap_or_default().as_bytes());
        rest = escape(rest.get(i + 1..).unwrap_or_default(), &mut out)?;
    }
    out.extend_from_slice(rest.as_bytes());
    String::from_utf8(out).map_err(|_| "string is not valid UTF-8".to_owned())
}

/// Resolves the escape at the start of `s` (after the backslash); returns what follows it.
fn escape<'a>(s: &'a str, out: &mut Vec<u8>) -> Result<&'a str, String> {
    let c = s.chars().next().ok_or("escape sequence not terminated")?;
    let after = s.get(c.len_utf8()..).unwrap_or_default();
    let simple = match c {
        'a' => 7,
        'b' => 8,
        'f' => 12,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 11,
        '\\' | '\'' | '"' => c as u8,
        'x' => return numeric(after, 2, 16, false, out),
        'u' => return numeric(after, 4, 16, true, out),
        'U' => return numeric(after, 8, 16, true, out),
        '0'..='7' => return numeric(s, 3, 8, false, out),
        _ => return Err(format!("unknown escape sequence {c:?}")),
    };
    out.push(simple);
    Ok(after)
}

fn numeric<'a>(s: &'a str, digits: usize, radix: u32, rune: bool, out: &mut Vec<u8>) -> Result<&'a str, String> {
    let text = s.get(..digits).ok_or("escape sequence not terminated")?;
    let v = u32::from_str_radix(text, radix).map_err(|_| "illegal character in escape sequence".to_owned())?;
    if rune {
        let c = char::from_u32(v).ok_or("escape sequence is an invalid Unicode code point")?;
        out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    } else {
        out.push(u8::try_from(v).map_err(|_| "octal escape value > 255".to_owned())?);
    }
    Ok(s.get(digits..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_every_form() {
        for (text, want) in [
            ("1_000", Some(1000.0)),
            ("0x1F", Some(31.0)),
            ("0x1p-3", Some(0.125)),
            ("017", Some(15.0)),
            ("08", Some(8.0)),
            (".5", Some(0.5)),
            ("1.", Some(1.0)),
            ("1e3", Some(1000.0)),
            ("1__0", None),
            ("1_", None),
            ("1_0e999", None),
        ] {
            assert_eq!(number(text), want, "{text}");
        }
        assert_eq!(bad_number("1_0e999"), "bad number \"1_0e999\": value out of range");
        assert_eq!(bad_number("1_"), "bad number \"1_\"");
    }

    #[test]
    fn strings_are_unquoted_as_go_does() {
        assert_eq!(string(r#""a\n\x41\u00e9\101""#).unwrap(), "a\nA\u{e9}A");
        assert_eq!(string(r"'it\'s'").unwrap(), "it's");
        assert_eq!(string(r"`\n`").unwrap(), r"\n");
        assert!(string(r#""\xff""#).is_err());
        assert!(string(r#""\q""#).is_err());
    }
}
