//! What pages in browsers may do: which of them may read answers (CORS), and which may change something.
//!
//! A browser sends what a page asks for, also where the page comes from elsewhere and knows nothing but an address inside
//! a network. So reading is as open as Prometheus has it, while a request that changes something and says that it comes
//! from a page has to come from our own pages, or from an origin that `--web.cors.origin` allows by name. Programs say
//! nothing of pages, and are not asked.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use regex::Regex;

/// Which pages may do what.
#[derive(Clone, Debug, Default)]
pub struct Origins {
    /// `--web.cors.origin`: whose pages may read answers, and change things. Anyone's may read where nothing is said.
    pub allowed: Option<Regex>,
    /// Whether pages from anywhere may change things where nothing is said, as Alertmanager lets them.
    pub open: bool,
    /// The scheme and authority of the URL under which users reach the service.
    pub own: String,
}

/// What matches this matches every origin.
const NO_ORIGIN: &str = "";

/// Says where a page stands that a browser sends a request for.
static SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

impl Origins {
    /// What may read, as the value of `Access-Control-Allow-Origin`; `None` for nobody.
    fn reader(&self, origin: &HeaderValue) -> Option<HeaderValue> {
        match &self.allowed {
            // As Prometheus says it where anyone may.
            None => Some(HeaderValue::from_static("*")),
            Some(allowed) if allowed.is_match(NO_ORIGIN) => Some(HeaderValue::from_static("*")),
            Some(allowed) => origin.to_str().is_ok_and(|o| allowed.is_match(o)).then(|| origin.clone()),
        }
    }

    /// Whether a page's request may change something.
    fn may_change(&self, headers: &HeaderMap) -> bool {
        let text = |name: &HeaderName| headers.get(name).map(|v| v.to_str().unwrap_or("null"));
        let origin = text(&header::ORIGIN);
        match text(&SEC_FETCH_SITE) {
            Some("same-origin" | "none") => return true,
            // An old browser, or none.
            None if origin.is_none_or(|origin| self.is_own(origin, text(&header::HOST))) => return true,
            _ => {}
        }
        match &self.allowed {
            Some(allowed) => origin.is_some_and(|origin| allowed.is_match(origin)),
            None => self.open,
        }
    }

    /// Whether an origin is where the service is: at the address that was asked, or at the URL users reach it by.
    fn is_own(&self, origin: &str, host: Option<&str>) -> bool {
        let authority = origin.split_once("://").map(|(_, authority)| authority);
        let is_asked = |authority: &str| host.is_some_and(|host| host.eq_ignore_ascii_case(authority));
        authority.is_some_and(is_asked) || origin.eq_ignore_ascii_case(&self.own)
    }
}

/// The scheme and authority of a URL.
pub fn origin_of(url: &str) -> String {
    url::Url::parse(url).map(|url| url.origin().ascii_serialization()).unwrap_or_default()
}

/// Paths whose answer to a POST is a POST's for its length alone.
const QUERIES: [&str; 8] = [
    "/api/v1/query",
    "/api/v1/query_range",
    "/api/v1/query_exemplars",
    "/api/v1/format_query",
    "/api/v1/parse_query",
    "/api/v1/series",
    "/api/v1/labels",
    "/api/v1/read",
];

/// Whether a request changes something.
fn changes(method: &Method, uri: &Uri) -> bool {
    let is_query = method == Method::POST && QUERIES.contains(&uri.path());
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) && !is_query
}

/// Refuses changes that pages from elsewhere ask for.
pub async fn guard(State(origins): State<Arc<Origins>>, request: Request, next: Next) -> Response {
    if changes(request.method(), request.uri()) && !origins.may_change(request.headers()) {
        let text = "a page of another origin may change nothing here; --web.cors.origin allows origins\n";
        return (StatusCode::FORBIDDEN, text).into_response();
    }
    next.run(request).await
}

/// Tells browsers which pages may read an answer, and before a request whether it may be sent.
pub async fn cors(State(origins): State<Arc<Origins>>, request: Request, next: Next) -> Response {
    let Some(origin) = request.headers().get(header::ORIGIN).cloned() else {
        return match *request.method() {
            Method::OPTIONS => StatusCode::NO_CONTENT.into_response(),
            _ => next.run(request).await,
        };
    };
    let reader = origins.reader(&origin);
    let mut response = match *request.method() {
        Method::OPTIONS => preflight(&origins, &request, reader.is_some()),
        _ => next.run(request).await,
    };
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    if let Some(reader) = reader {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, reader);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("date"));
    }
    response
}

/// What a page may send. Methods and headers are allowed by name: what says "any" does not mean `Authorization` to a
/// browser.
fn preflight(origins: &Origins, request: &Request, may_read: bool) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let asked = |name: HeaderName| request.headers().get(name).cloned();
    let method = asked(header::ACCESS_CONTROL_REQUEST_METHOD);
    let named = method.as_ref().and_then(|m| Method::from_bytes(m.as_bytes()).ok());
    let may_send = named.is_none_or(|m| !changes(&m, request.uri()) || origins.may_change(request.headers()));
    if may_read && may_send {
        let headers = response.headers_mut();
        headers.extend(method.map(|m| (header::ACCESS_CONTROL_ALLOW_METHODS, m)));
        let fields = asked(header::ACCESS_CONTROL_REQUEST_HEADERS);
        headers.extend(fields.map(|fields| (header::ACCESS_CONTROL_ALLOW_HEADERS, fields)));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::re2;

    fn origins(allowed: Option<&str>) -> Origins {
        let allowed = allowed.map(|pattern| re2::compile_anchored(pattern).unwrap());
        Origins { allowed, open: false, own: origin_of("https://watch.example/bell") }
    }

    fn headers(all: &[(&'static str, &'static str)]) -> HeaderMap {
        all.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect()
    }

    #[test]
    fn our_own_pages_and_programs_may_change_things_and_others_may_not() {
        let ours = origins(None);
        for (given, want) in [
            (&[][..], true),
            (&[("host", "a:9095"), ("origin", "http://a:9095")], true),
            (&[("host", "a:9095"), ("origin", "http://a:9093")], false),
            (&[("host", "a:9095"), ("origin", "null")], false),
            (&[("host", "inside:1"), ("origin", "https://watch.example")], true),
            (&[("host", "inside:1"), ("origin", "https://a"), ("sec-fetch-site", "same-origin")], true),
            (&[("sec-fetch-site", "none")], true),
            (&[("sec-fetch-site", "cross-site")], false),
            // Of one site, and yet of another origin: any subdomain could be anyone's.
            (&[("host", "a.x"), ("origin", "http://b.x"), ("sec-fetch-site", "same-site")], false),
        ] {
            assert_eq!(ours.may_change(&headers(given)), want, "{given:?}");
        }
        let karma = [("host", "a"), ("origin", "https://karma.x"), ("sec-fetch-site", "cross-site")];
        assert!(origins(Some(r"https://karma\.x")).may_change(&headers(&karma)));
        assert!(!origins(Some(r"https://karma\.")).may_change(&headers(&karma)));
        assert!(Origins { open: true, ..origins(None) }.may_change(&headers(&karma)));
    }

    #[test]
    fn who_may_read_is_told_as_prometheus_tells_it() {
        let origin = HeaderValue::from_static("https://a.x");
        let reader = |allowed| origins(allowed).reader(&origin).map(|v| v.to_str().unwrap().to_owned());
        assert_eq!(reader(None).unwrap(), "*");
        assert_eq!(reader(Some(".*")).unwrap(), "*");
        assert_eq!(reader(Some("https://(a|b).x")).unwrap(), "https://a.x");
        assert_eq!(reader(Some("https://b.x")), None);
    }

    #[test]
    fn queries_change_nothing_however_they_are_sent() {
        let changes = |method: Method, path: &'static str| changes(&method, &Uri::from_static(path));
        assert!(!changes(Method::POST, "/api/v1/query?time=1"));
        assert!(!changes(Method::GET, "/api/v2/silences"));
        assert!(changes(Method::POST, "/api/v2/silences"));
        assert!(changes(Method::DELETE, "/api/v2/silence/1"));
        assert!(changes(Method::POST, "/-/reload"));
    }
}
