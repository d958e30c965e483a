//! Go's quoting of text.

use std::fmt::Write as _;

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
