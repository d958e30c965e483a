//! Escaping for HTML, JavaScript and URLs, byte for byte as Go's text/template and net/url do it.

use std::fmt::Write as _;

/// HTML's five special characters, and NUL.
pub fn html(s: &str) -> String {
    let mut out = String::with_capacity(s.len());
    push_html(&mut out, s);
    out
}

/// Appends [`html`].
pub fn push_html(out: &mut String, s: &str) {
    for c in s.chars() {
        match c {
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\0' => out.push('\u{fffd}'),
            _ => out.push(c),
        }
    }
}

/// For the inside of a JavaScript string.
pub fn js(s: &str) -> String {
    let mut out = String::with_capacity(s.len());
    for c in s.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\'' => out.push_str("\\'"),
            '"' => out.push_str("\\\""),
            '<' | '>' | '&' | '=' => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            _ if u32::from(c) < 0x20 => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            _ if c.is_ascii() || super::print::is_print(c) => out.push(c),
            _ => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
        }
    }
    out
}

/// For a component of a URL's query: a space becomes `+`.
pub fn query(s: &str) -> String {
    let mut out = String::with_capacity(s.len());
    for b in s.bytes() {
        match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(b)),
            b' ' => out.push('+'),
            _ => {
                let _ = write!(out, "%{b:02X}");
            }
        }
    }
    out
}

/// Undoes [`query`].
///
/// # Errors
/// `invalid URL escape "%zz"`.
pub fn unquery(s: &str) -> Result<String, String> {
    let mut out = Vec::with_capacity(s.len());
    let mut rest = s.as_bytes();
    while let Some((b, tail)) = rest.split_first() {
        rest = tail;
        match b {
            b'+' => out.push(b' '),
            b'%' => {
                let code = tail.get(..2).and_then(|h| std::str::from_utf8(h).ok());
                let Some(byte) = code.and_then(|h| u8::from_str_radix(h, 16).ok()) else {
                    let shown = String::from_utf8_lossy(tail.get(..2).unwrap_or(tail));
                    return Err(format!("invalid URL escape {}", super::print::quote(&format!("%{shown}"))));
                };
                out.push(byte);
                rest = tail.get(2..).unwrap_or(&[]);
            }
            _ => out.push(*b),
        }
    }
    Ok(String::from_utf8_lossy(&out).into_owned())
}
