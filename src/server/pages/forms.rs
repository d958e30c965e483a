//! Forms that change something. Each carries a token that only our own pages know, beside what
//! [`origins`](crate::server::origins) asks of every request: no page elsewhere can have it sent.

use std::sync::LazyLock;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use crate::server::api::Params;
use crate::server::web;

/// Known to this process alone, and new with each.
static SECRET: LazyLock<Option<[u8; 32]>> = LazyLock::new(|| {
    let mut secret = [0; 32];
    let filled = rustls::crypto::ring::default_provider().secure_random.fill(&mut secret);
    filled.is_ok().then_some(secret)
});

/// The cookie that remembers who made a silence last.
const AUTHOR: &str = "watchbell_author";
/// Longest name that is remembered, bytes.
const LONGEST_AUTHOR: usize = 200;

fn mac(user: &str) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_ref()?).ok()?;
    mac.update(b"a form for ");
    mac.update(user.as_bytes());
    Some(mac)
}

/// The token for whoever asks; empty, and good for nothing, where the system gives no random numbers.
pub(super) fn token(headers: &HeaderMap) -> String {
    let user = web::user_name(headers).unwrap_or_default();
    let bytes = mac(&user).map(|mac| mac.finalize().into_bytes()).unwrap_or_default();
    if SECRET.is_some() { bytes.iter().map(|b| format!("{b:02x}")).collect() } else { String::new() }
}

/// Whether a form was ours, and sent by who it was made for.
pub(super) fn is_ours(headers: &HeaderMap, form: &Params) -> bool {
    let user = web::user_name(headers).unwrap_or_default();
    let sent = form.get("token").unwrap_or("");
    let digits = sent.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
    let bytes: Option<Vec<u8>> = digits.collect();
    // Compared in a time that tells nothing.
    bytes.zip(mac(&user)).is_some_and(|(bytes, mac)| mac.verify_slice(&bytes).is_ok())
}

/// Who it is that asks: who logged in, else who filled in a form last.
pub(super) fn author(headers: &HeaderMap) -> String {
    web::user_name(headers).or_else(|| remembered(headers)).unwrap_or_default()
}

fn remembered(headers: &HeaderMap) -> Option<String> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|v| v.to_str().ok());
    let value =
        cookies.flat_map(|all| all.split(';')).find_map(|c| c.trim().strip_prefix(AUTHOR)?.strip_prefix('='))?;
    let decoded = url::form_urlencoded::parse(value.as_bytes()).next()?.0.into_owned();
    Some(decoded).filter(|name| name.len() <= LONGEST_AUTHOR)
}

/// The cookie that remembers a name for a year, for our pages alone.
pub(super) fn remember(name: &str) -> Option<HeaderValue> {
    let name = Some(name).filter(|name| name.len() <= LONGEST_AUTHOR)?;
    let encoded: String = url::form_urlencoded::byte_serialize(name.as_bytes()).collect();
    let cookie = format!("{AUTHOR}={encoded}; Max-Age=31536000; Path=/; SameSite=Strict; HttpOnly");
    HeaderValue::try_from(cookie).ok()
}

/// What is said of a form that is not ours.
pub(super) fn foreign() -> Response {
    let text =
        "this form is not from here, or from before a restart: go back, load the page again and send it once more\n";
    (StatusCode::FORBIDDEN, text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(name: header::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::try_from(value).unwrap())])
    }

    #[test]
    fn a_token_is_good_for_whom_it_was_made() {
        let (nobody, alice) = (HeaderMap::new(), from(header::AUTHORIZATION, "Basic YWxpY2U6c2VjcmV0"));
        let form = |token: &str| Params::from_pairs(&[("token", token)]);
        assert!(is_ours(&nobody, &form(&token(&nobody))) && is_ours(&alice, &form(&token(&alice))));
        assert!(!is_ours(&nobody, &form(&token(&alice))) && !is_ours(&alice, &form(&token(&nobody))));
        for bad in ["", "00", "xy", "ساعة", &token(&nobody)[2..]] {
            assert!(!is_ours(&nobody, &form(bad)), "{bad}");
        }
    }

    #[test]
    fn a_name_is_remembered_as_it_was_given() {
        let cookie = remember("أمل; x=\"1\"").unwrap();
        let sent = cookie.to_str().unwrap().split("; ").next().unwrap().to_owned();
        assert_eq!(author(&from(header::COOKIE, &format!("a=b; {sent}"))), "أمل; x=\"1\"");
        let alice = from(header::AUTHORIZATION, "Basic YWxpY2U6c2VjcmV0");
        assert_eq!((author(&alice), author(&HeaderMap::new())), ("alice".to_owned(), String::new()));
    }
}
