//! Texts for display with the secrets that stand in the midst of them masked: user information and tokens of URLs.

use std::borrow::Cow;

/// What stands for a part of a URL that is not shown, as Go writes it.
const HIDDEN: &str = "xxxxx";

/// Last words of names whose values are secrets: of URL parameters, of headers.
const SECRET_WORDS: [&str; 12] = [
    "token",
    "secret",
    "password",
    "passwd",
    "pwd",
    "key",
    "apikey",
    "auth",
    "authorization",
    "signature",
    "sig",
    "credentials",
];

/// Whether a parameter or header of this name carries a secret: `token`, `api_key`, `X-Auth-Token`.
pub fn names_secret(name: &str) -> bool {
    let last = name.rsplit(['_', '-', '.']).next().unwrap_or(name).to_ascii_lowercase();
    SECRET_WORDS.contains(&last.as_str()) || last.ends_with("token") || last.ends_with("apikey")
}

/// A URL for messages: without password, without a user that has none (it is a token), and without the values of
/// parameters that carry secrets.
pub fn redact_url(url: &str) -> String {
    // Where there is no scheme there may still be a secret before an `@`.
    match url.split_once("://") {
        Some((scheme, rest)) => format!("{scheme}://{}", redact_rest(rest)),
        None => match url.rsplit_once('@') {
            Some((_, host)) => format!("<redacted>@{host}"),
            None => redact_query(url).into_owned(),
        },
    }
}

/// A URL without its user information, for links that others follow.
pub fn without_user(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

/// What follows `://` in a URL.
fn redact_rest(rest: &str) -> String {
    // A password that was not escaped may hold slashes: everything up to the last `@` is user information when no
    // parameter begins before it.
    let head = rest.find(['?', '#']).unwrap_or(rest.len());
    let (before, after) = rest.split_at(head);
    let authority = before.find('/').unwrap_or(before.len());
    let at = match before.split_at(authority).0.rfind('@') {
        Some(at) => Some(at),
        // An `@` of a path stands behind a host; `user:pass/word@host` has no port before the slash.
        None => before.rfind('@').filter(|_| !is_host(before.split_at(authority).0)),
    };
    let shown = match at {
        None => before.to_owned(),
        Some(at) => {
            let (user, host) = (before.get(..at).unwrap_or_default(), before.get(at + 1..).unwrap_or_default());
            match user.split_once(':') {
                Some((name, _)) => format!("{name}:{HIDDEN}@{host}"),
                None => format!("{HIDDEN}@{host}"),
            }
        }
    };
    shown + &redact_query(after)
}

/// Whether a text is a host with a port or without.
fn is_host(text: &str) -> bool {
    let port = text.rsplit_once(':').filter(|(host, _)| !host.ends_with(':')).map_or("", |(_, port)| port);
    text.ends_with(']') || port.bytes().all(|b| b.is_ascii_digit())
}

/// Masks the values of parameters that carry secrets.
fn redact_query(text: &str) -> Cow<'_, str> {
    let Some((before, query)) = text.split_once('?') else { return Cow::Borrowed(text) };
    let (query, fragment) = query.split_at(query.find('#').unwrap_or(query.len()));
    let parameter = |pair: &str| match pair.split_once('=') {
        Some((name, value)) if !value.is_empty() && names_secret(name) => format!("{name}={HIDDEN}"),
        _ => pair.to_owned(),
    };
    let shown: Vec<String> = query.split('&').map(parameter).collect();
    Cow::Owned(format!("{before}?{}{fragment}", shown.join("&")))
}

/// A text with every URL in it redacted.
pub fn redact_text(text: &str) -> Cow<'_, str> {
    if !text.contains("://") {
        return Cow::Borrowed(text);
    }
    let ends_url = |c: char| c.is_whitespace() || c.is_control() || "\"'<>`{}|,;()".contains(c);
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let start = at + 3;
        let (before, after) = rest.split_at(start);
        let (url, more) = after.split_at(after.find(ends_url).unwrap_or(after.len()));
        out.push_str(before);
        out.push_str(&redact_rest(url));
        rest = more;
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// What is shown in place of a secret.
pub const MASK: &str = "<secret>";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_shown_without_their_secrets() {
        for (url, want) in [
            ("http://me:hunter2@host/x", "http://me:xxxxx@host/x"),
            ("http://me:hun/ter2@host/x", "http://me:xxxxx@host/x"),
            ("http://me:hun@ter2@host:80/x", "http://me:xxxxx@host:80/x"),
            ("https://t0ken@host", "https://xxxxx@host"),
            ("ht tp://me:hunter2@host/", "ht tp://me:xxxxx@host/"),
            ("me:hunter2@host:9090", "<redacted>@host:9090"),
            ("http://host/a@b", "http://host/a@b"),
            ("http://[::1]:80/a@b?x=a@b", "http://[::1]:80/a@b?x=a@b"),
            ("http://host/?a=1&token=t0k&API_KEY=k#f", "http://host/?a=1&token=xxxxx&API_KEY=xxxxx#f"),
            ("http://host/metrics?format=prometheus", "http://host/metrics?format=prometheus"),
        ] {
            assert_eq!(redact_url(url), want);
        }
    }

    #[test]
    fn links_have_no_user_information() {
        assert_eq!(without_user("https://me:pw@host:1/a@b"), "https://host:1/a@b");
        assert_eq!(without_user("https://host"), "https://host");
    }

    #[test]
    fn urls_inside_a_text_are_redacted() {
        let text = "see http://me:pw@a/x, 'https://b/?sig=s' and http://c/";
        assert_eq!(redact_text(text), "see http://me:xxxxx@a/x, 'https://b/?sig=xxxxx' and http://c/");
        assert_eq!(redact_text("a: b @ c"), "a: b @ c");
    }

    #[test]
    fn names_of_secrets_are_known_by_their_last_word() {
        for name in ["token", "access_token", "X-Auth-Token", "X-API-Key", "apikey", "client_secret", "Authorization"] {
            assert!(names_secret(name), "{name}");
        }
        for name in ["keyspace", "format", "match[]", "author", "tokens_total", "X-Scope-OrgID"] {
            assert!(!names_secret(name), "{name}");
        }
    }
}
