//! Messages as they come: `Content-Length` and JSON. Their size is limited, and what is malformed is answered.

use std::io::{self, BufRead, Read};

use lsp_server::{ErrorCode, Message};
use serde_json::Value;

/// The largest message that is read, bytes.
const MOST_BYTES: u64 = 16 << 20;
/// The longest line of a header, bytes.
const LONGEST_LINE: u64 = 1_024;
/// So many lines a header has at most.
const MOST_LINES: usize = 32;

/// What was read.
#[derive(Debug)]
pub enum Incoming {
    /// A message.
    Message(Message),
    /// No message: the error that answers it, and the id of what it answers, null where that is not known.
    Malformed(ErrorCode, String, Value),
    /// The client is gone.
    End,
}

/// Reads the next message. What is too large is skipped.
///
/// # Errors
/// When it cannot be read.
pub fn read(input: &mut impl BufRead) -> io::Result<Incoming> {
    let length = match header(input)? {
        Header::End => return Ok(Incoming::End),
        Header::Bad(why) => return Ok(Incoming::Malformed(ErrorCode::ParseError, why, Value::Null)),
        Header::Length(length) => length,
    };
    if length > MOST_BYTES {
        io::copy(&mut input.take(length), &mut io::sink())?;
        let why = format!("a message of {length} bytes; the largest that is read has {MOST_BYTES}");
        return Ok(Incoming::Malformed(ErrorCode::InvalidRequest, why, Value::Null));
    }
    let mut body = Vec::new();
    if input.take(length).read_to_end(&mut body)? as u64 != length {
        return Ok(Incoming::End);
    }
    Ok(match serde_json::from_slice(&body) {
        Ok(value) => message(value),
        Err(e) => Incoming::Malformed(ErrorCode::ParseError, format!("no JSON: {e}"), Value::Null),
    })
}

fn message(value: Value) -> Incoming {
    let id = value.get("id").cloned();
    // What has an id and a method waits for an answer: it is no notification because its id is none of ours.
    let read = match (&id, value.get("method")) {
        (Some(_), Some(_)) => serde_json::from_value(value).map(Message::Request),
        _ => serde_json::from_value(value),
    };
    read.map(Incoming::Message).unwrap_or_else(|_| {
        let why = "expected a request, a response or a notification".to_owned();
        let id = id.filter(|id| id.is_number() || id.is_string()).unwrap_or_default();
        Incoming::Malformed(ErrorCode::InvalidRequest, why, id)
    })
}

enum Header {
    Length(u64),
    Bad(String),
    End,
}

/// Reads up to the empty line that ends a header.
fn header(input: &mut impl BufRead) -> io::Result<Header> {
    let (mut length, mut lines, mut bad) = (None, 0, None);
    loop {
        let mut line = Vec::new();
        if input.take(LONGEST_LINE).read_until(b'\n', &mut line)? == 0 {
            return Ok(Header::End);
        }
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_end();
        lines += 1;
        if line.is_empty() {
            let missing = || "a header without Content-Length".to_owned();
            return Ok(match (bad, length) {
                (Some(why), _) => Header::Bad(why),
                (None, Some(length)) => Header::Length(length),
                (None, None) => Header::Bad(missing()),
            });
        }
        // What never comes to an empty line is answered too.
        if lines >= MOST_LINES {
            return Ok(Header::Bad("a header without end".into()));
        }
        let Some((name, value)) = line.split_once(':') else {
            bad.get_or_insert_with(|| "expected a header, such as Content-Length: 12".to_owned());
            continue;
        };
        if name.eq_ignore_ascii_case("Content-Length") {
            match value.trim().parse() {
                Ok(found) => length = Some(found),
                Err(_) => {
                    bad.get_or_insert_with(|| format!("Content-Length is no number: {:?}", value.trim()));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<String> {
        let mut input = text.as_bytes();
        let mut out = Vec::new();
        loop {
            match read(&mut input).unwrap() {
                Incoming::End => return out,
                Incoming::Message(Message::Request(request)) => out.push(request.method),
                Incoming::Message(other) => out.push(format!("{other:?}")),
                Incoming::Malformed(code, why, Value::Null) => out.push(format!("{} {why}", code as i32)),
                Incoming::Malformed(code, why, id) => out.push(format!("{id}: {} {why}", code as i32)),
            }
        }
    }

    #[test]
    fn what_is_malformed_is_told_and_the_next_message_is_read() {
        let framed = |text: &str| format!("Content-Length: {}\r\n\r\n{text}", text.len());
        for (text, id) in [
            (r#"{"id":1,"method":1}"#, "1: "),
            (r#"{"id":99999999999,"method":"m"}"#, "99999999999: "),
            (r#"{"id":[],"method":"m"}"#, ""),
            ("[]", ""),
        ] {
            let told = format!("{id}-32600 expected a request, a response or a notification");
            assert_eq!(all(&framed(text)), [told], "{text}");
        }
        assert!(all(&framed(&"[".repeat(100_000)))[0].starts_with("-32700 no JSON: recursion limit exceeded"));
        assert_eq!(all(&"a: b\n".repeat(MOST_LINES)), ["-32700 a header without end"]);
        let next = framed(r#"{"jsonrpc":"2.0","id":1,"method":"m"}"#);
        for (bad, told) in [
            ("Content-Length: x\r\n\r\n", "-32700 Content-Length is no number: \"x\""),
            ("Content-Type: y\r\n\r\n", "-32700 a header without Content-Length"),
            ("what\r\n\r\n", "-32700 expected a header, such as Content-Length: 12"),
            ("Content-Length: 2\r\n\r\n{]", "-32700 no JSON: key must be a string at line 1 column 2"),
        ] {
            assert_eq!(all(&format!("{bad}{next}")), [told, "m"], "{bad:?}");
        }
        let large = format!("Content-Length: {}\r\n\r\n{}", MOST_BYTES + 1, "x".repeat(MOST_BYTES as usize + 1));
        assert_eq!(all(&format!("{large}{next}")).len(), 2);
        assert_eq!(all("Content-Length: 99999999999999999999\r\n\r\n").len(), 1);
        assert_eq!(all("Content-Length: 10\r\n\r\n{}"), [""; 0]);
    }
}
