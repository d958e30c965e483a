//! The bodies of requests: JSON, read as Go reads it, and bounded by the memory that all of them may hold.

use std::borrow::Cow;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use futures::StreamExt as _;
use serde::de::DeserializeOwned;

use crate::ingest::admission::{Admission, Admitted};

use super::answer::Refusal;
use super::media::media_type;

/// The largest body, bytes; also what all bodies under way may hold together.
pub const MAX_BODY: usize = 256 << 20;
/// What a byte of JSON may take on its way: itself, and its part of what is read out of it.
const HELD_PER_BYTE: usize = 3;
/// Codes of go-openapi's validation.
const REQUIRED: u16 = 602;

/// How much memory the bodies under way may hold.
pub fn admission() -> Admission {
    Admission::new(MAX_BODY.saturating_mul(HELD_PER_BYTE))
}

/// A body that has come whole; the memory that it holds is given back with it.
#[derive(Debug)]
pub struct Posted {
    bytes: Vec<u8>,
    // What the body is of, for messages.
    what: &'static str,
    _admitted: Admitted,
}

/// Reads a body of JSON.
///
/// # Errors
/// It is something else, too large, or does not come whole; 503 when the bodies under way leave no room.
pub async fn read(
    admission: &Admission,
    headers: &HeaderMap,
    body: Body,
    what: &'static str,
) -> Result<Posted, Refusal> {
    is_json(headers)?;
    let mut admitted = admission.enter();
    let (mut bytes, mut pieces) = (Vec::new(), body.into_data_stream());
    while let Some(piece) = pieces.next().await {
        let piece =
            piece.map_err(|e| Refusal::coded(StatusCode::BAD_REQUEST, 400, format!("reading the body: {e}")))?;
        if bytes.len() + piece.len() > MAX_BODY {
            let text = format!("the body is over the limit of {MAX_BODY} bytes");
            return Err(Refusal::coded(StatusCode::PAYLOAD_TOO_LARGE, 413, text));
        }
        if !admitted.reserve(piece.len().saturating_mul(HELD_PER_BYTE)) {
            let text = "the bodies of requests under way hold all of the memory they may hold";
            return Err(Refusal::coded(StatusCode::SERVICE_UNAVAILABLE, 503, text.into()));
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(Posted { bytes, what, _admitted: admitted })
}

/// Refuses a content type that is not JSON, whatever its parameters (415), or cannot be read (400).
fn is_json(headers: &HeaderMap) -> Result<(), Refusal> {
    let given = headers.get(header::CONTENT_TYPE).map_or(Cow::Borrowed(""), |v| String::from_utf8_lossy(v.as_bytes()));
    let given = if given.is_empty() { "application/octet-stream" } else { &given };
    let media = media_type(given).map_err(|text| Refusal::coded(StatusCode::BAD_REQUEST, 400, text))?;
    if media == "application/json" {
        return Ok(());
    }
    let text = format!("unsupported media type {media:?}, only [application/json] are allowed");
    Err(Refusal::coded(StatusCode::UNSUPPORTED_MEDIA_TYPE, 415, text))
}

impl Posted {
    /// Decodes the first value of the body; what follows it is not looked at, as Go's decoder does not.
    ///
    /// # Errors
    /// There is none (422), or it is not what it should be (400).
    pub fn decode<T: DeserializeOwned>(self) -> Result<T, Refusal> {
        let what = self.what;
        let text = without_lone_surrogates(lossy(self.bytes));
        if text.trim_start().is_empty() {
            return Err(missing(what));
        }
        let mut decoder = serde_json::Deserializer::from_str(&text);
        T::deserialize(&mut decoder).map_err(|e| {
            let text = format!("parsing {what} body from \"\" failed, because {e}");
            Refusal::coded(StatusCode::BAD_REQUEST, 400, text)
        })
    }
}

/// What is not UTF-8 becomes U+FFFD, as in Go.
fn lossy(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
}

/// Half of a pair of surrogates (`"\\ud83d"`, where a text was cut) becomes U+FFFD, as in Go: JSON alone cannot tell it from
/// what is malformed.
fn without_lone_surrogates(text: String) -> String {
    if !text.contains("\\ud") && !text.contains("\\uD") {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        out.push_str(before);
        // A backslash and what it escapes; of a surrogate, the four digits too.
        let (length, stands_for) = match (surrogate(escape), escape.get(6..).and_then(surrogate)) {
            (Some(true), Some(false)) => (12, None),
            (Some(_), _) => (6, Some("\\ufffd")),
            (None, _) => (1 + escape.chars().nth(1).map_or(0, char::len_utf8), None),
        };
        let (taken, left) = escape.split_at_checked(length).unwrap_or((escape, ""));
        out.push_str(stands_for.unwrap_or(taken));
        rest = left;
    }
    out + rest
}

/// Whether a text begins with the escape of a surrogate, and of the first of a pair.
fn surrogate(text: &str) -> Option<bool> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    let code = u16::from_str_radix(digits, 16).ok().filter(|_| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
    (0xd800..0xe000).contains(&code).then_some(code < 0xdc00)
}

/// A field that must be there is not.
pub fn missing(field: &str) -> Refusal {
    Refusal::coded(StatusCode::UNPROCESSABLE_ENTITY, REQUIRED, format!("{field} in body is required"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_pair_of_surrogates_is_a_replacement_character() {
        for (text, want) in [
            (r#""\ud83d\ude00""#, "😀"),
            (r#""a\ud83db""#, "a\u{fffd}b"),
            (r#""\ude00""#, "\u{fffd}"),
            (r#""\uD83D\uD83D\uDE00""#, "\u{fffd}😀"),
            (r#""\\ud83d""#, "\\ud83d"),
            (r#""\\\ud83d\n""#, "\\\u{fffd}\n"),
            (r#""\ud83d\u0041""#, "\u{fffd}A"),
            (r#""é\ud83d""#, "é\u{fffd}"),
        ] {
            let read: Result<String, _> = serde_json::from_str(&without_lone_surrogates(text.to_owned()));
            assert_eq!(read.unwrap(), want, "{text}");
        }
        for broken in [r#""\ud8""#, r#""\u+d80""#, r#""\"#] {
            assert_eq!(without_lone_surrogates(broken.to_owned()), broken);
        }
    }
}
