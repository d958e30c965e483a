//! Secrets that a request carried, to be kept out of what is told of its answer: services quote what they were sent.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use reqwest::header::{AUTHORIZATION, HeaderMap};
use url::Url;

use crate::config::redact::{MASK, names_secret};

/// Shorter texts are no secrets that could be kept, and stand in too many words.
const SHORTEST: usize = 4;
/// A piece of a secret path that is as long is one by itself: a token, not the name of a service.
const LONG_PIECE: usize = 10;

/// Texts that are shown to nobody. `Debug` does not show them either.
#[derive(Clone, Default)]
pub struct Veil(Vec<String>);

impl std::fmt::Debug for Veil {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Veil of {}", self.0.len())
    }
}

impl Veil {
    /// Hides a text.
    pub fn hide(&mut self, secret: &str) {
        let secret = secret.trim();
        if secret.len() >= SHORTEST && !self.0.iter().any(|known| known == secret) {
            self.0.push(secret.to_owned());
        }
    }

    /// Hides a URL that is secret, or a piece of one: its path and query as a whole and each by itself, values of
    /// parameters, long pieces of the path, and who it says asks.
    pub fn hide_url(&mut self, secret: &str) {
        self.hide(secret);
        if let Ok(url) = Url::parse(secret) {
            self.hide(url.password().unwrap_or(""));
            if url.password().is_none() {
                self.hide(url.username());
            }
        }
        let rest = secret.split_once("://").map_or(secret, |(_, rest)| rest);
        // The host is none.
        let rest =
            if rest.len() < secret.len() { rest.find(['/', '?']).and_then(|at| rest.get(at..)) } else { Some(rest) };
        let rest = rest.unwrap_or("").split('#').next().unwrap_or("");
        let (path, query) = rest.split_once('?').unwrap_or(if rest.contains('=') { ("", rest) } else { (rest, "") });
        [rest, path, query].into_iter().for_each(|whole| self.hide(whole));
        path.split('/').filter(|piece| piece.len() >= LONG_PIECE).for_each(|piece| self.hide(piece));
        query.split('&').filter_map(|pair| pair.split_once('=')).for_each(|(_, value)| self.hide(value));
    }

    /// Hides what headers say that is secret: credentials, with the password of basic ones, and what is marked so.
    pub fn hide_headers(&mut self, headers: &HeaderMap) {
        let secret = headers
            .iter()
            .filter(|(name, value)| *name == AUTHORIZATION || value.is_sensitive() || names_secret(name.as_str()));
        for (_, value) in secret {
            let value = String::from_utf8_lossy(value.as_bytes());
            let credentials = value.split_once(' ').map_or(&*value, |(_, credentials)| credentials);
            self.hide(&value);
            self.hide(credentials);
            let basic = BASE64.decode(credentials).ok().and_then(|pair| String::from_utf8(pair).ok());
            if let Some((_, password)) = basic.as_deref().and_then(|pair| pair.split_once(':')) {
                self.hide(password);
            }
        }
    }

    /// Hides what another hides.
    pub fn join(&mut self, other: &Veil) {
        other.0.iter().for_each(|secret| self.hide(secret));
    }

    /// A text without the secrets, however they are written: as they are, in a URL, in JSON, in HTML.
    pub fn cover(&self, text: &str) -> String {
        let mut all: Vec<String> = self.0.iter().flat_map(|secret| writings(secret)).collect();
        // A secret may be within another one.
        all.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        all.dedup();
        all.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), MASK))
    }
}

/// How a secret may be written.
fn writings(secret: &str) -> Vec<String> {
    let form: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let spaced = form.replace('+', "%20");
    // In a path slashes stay.
    let path = spaced.replace("%2F", "/");
    let json = serde_json::Value::from(secret).to_string();
    let json = json.get(1..json.len() - 1).unwrap_or("").to_owned();
    let html = secret.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let quoted = html.replace('"', "&#34;").replace('\'', "&#39;");
    let mut all = vec![secret.to_owned(), json.replace('/', "\\/"), json, html, quoted, decoded(secret)];
    all.extend([lower_escapes(&form), lower_escapes(&spaced), lower_escapes(&path), form, spaced, path]);
    all.retain(|writing| writing.len() >= SHORTEST);
    all
}

/// `%2F` as `%2f`.
fn lower_escapes(text: &str) -> String {
    let mut pieces = text.split('%');
    let mut out = pieces.next().unwrap_or("").to_owned();
    for piece in pieces {
        let (digits, rest) = piece.split_at_checked(2).unwrap_or((piece, ""));
        out.extend(["%", &digits.to_ascii_lowercase(), rest]);
    }
    out
}

/// What is written with escapes, without them.
fn decoded(text: &str) -> String {
    let plus = text.replace('+', "%2B").replace('&', "%26").replace('=', "%3D");
    url::form_urlencoded::parse(plus.as_bytes()).next().map_or_else(String::new, |(name, _)| name.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covered(hide: impl FnOnce(&mut Veil), text: &str) -> String {
        let mut veil = Veil::default();
        hide(&mut veil);
        veil.cover(text)
    }

    #[test]
    fn secrets_are_hidden_however_they_are_written() {
        for (text, want) in [
            ("token p/a+ss wö\"d!", "token <secret>!"),
            ("p%2Fa%2Bss+w%C3%B6%22d", "<secret>"),
            ("p%2fa%2bss%20w%c3%b6%22d", "<secret>"),
            ("/x/p/a%2Bss%20w%C3%B6%22d/y", "/x/<secret>/y"),
            (r#"{"t":"p/a+ss wö\"d"}"#, r#"{"t":"<secret>"}"#),
            (r#"{"t":"p\/a+ss wö\"d"}"#, r#"{"t":"<secret>"}"#),
            ("<p>p/a+ss wö&#34;d</p>", "<p><secret></p>"),
            ("pass word", "pass word"),
        ] {
            assert_eq!(covered(|veil| veil.hide("p/a+ss wö\"d"), text), want, "{text}");
        }
        assert_eq!(covered(|veil| veil.hide("a b"), "a b"), "a b", "too short for a secret");
        assert_eq!(covered(|veil| veil.hide("a%20bc"), "a bc"), "<secret>");
    }

    #[test]
    fn of_a_secret_url_all_but_the_host_is_hidden() {
        let url = "https://us%40er:pass@hooks.test/services/T01/B01/XyZ0123456?key=abcd&thread=e%20fgh#x";
        for (text, want) in [
            ("no such hook: /services/T01/B01/XyZ0123456?key=abcd&thread=e%20fgh", "no such hook: <secret>"),
            ("POST /services/T01/B01/XyZ0123456 HTTP/1.1", "POST <secret> HTTP/1.1"),
            ("hook XyZ0123456 of hooks.test is gone", "hook <secret> of hooks.test is gone"),
            (r#"{"key":"abcd","thread":"e fgh"}"#, r#"{"key":"<secret>","thread":"<secret>"}"#),
            ("user us@er with pass", "user us@er with <secret>"),
            (url, "<secret>"),
        ] {
            assert_eq!(covered(|veil| veil.hide_url(url), text), want, "{text}");
        }
        for (piece, text, want) in [
            ("corpid=c&corpsecret=hush", "corpsecret=hush or hush", "corpsecret=<secret> or <secret>"),
            ("1234:token", "/bot1234:token/send", "/bot<secret>/send"),
            ("http://a.test/", "not found: / at a.test", "not found: / at a.test"),
            ("http://onlytoken@a.test", "who is onlytoken?", "who is <secret>?"),
        ] {
            assert_eq!(covered(|veil| veil.hide_url(piece), text), want, "{piece}");
        }
    }

    #[test]
    fn of_headers_credentials_are_hidden() {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", "application/json".parse().unwrap());
        headers.insert("x-auth-token", "sesame".parse().unwrap());
        headers.insert(AUTHORIZATION, format!("Basic {}", BASE64.encode("me:open")).parse().unwrap());
        let text = format!("application/json sesame Basic {} me open", BASE64.encode("me:open"));
        assert_eq!(
            covered(|veil| veil.hide_headers(&headers), &text),
            "application/json <secret> <secret> me <secret>"
        );
    }
}
