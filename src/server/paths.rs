//! Paths that are written other than they are: clients are sent to them as they are, as Go's servers do.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::template::escape;

/// Sends a client from `//api/v2/alerts` to `/api/v2/alerts`.
pub async fn clean(State(prefix): State<Arc<str>>, request: Request, next: Next) -> Response {
    let uri = request.uri();
    let Some(path) = cleaned(uri.path(), &prefix) else { return next.run(request).await };
    let to = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path,
    };
    let Ok(location) = HeaderValue::try_from(to.as_str()) else { return next.run(request).await };
    let link = format!("<a href=\"{}\">Moved Permanently</a>.\n\n", escape::html(&to));
    let html = (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    let moved = (StatusCode::MOVED_PERMANENTLY, [(header::LOCATION, location)]);
    match *request.method() {
        Method::GET => (moved.0, moved.1, [html], link).into_response(),
        Method::HEAD => (moved.0, moved.1, [html]).into_response(),
        _ => moved.into_response(),
    }
}

/// The path without empty pieces and without `.` and `..`, if it is another one. Alertmanager's API is below a path that
/// ends in a slash.
fn cleaned(path: &str, prefix: &str) -> Option<String> {
    if path.strip_prefix(prefix) == Some("/api/v2") {
        return Some(format!("{path}/"));
    }
    if !path.starts_with('/') || !(path.contains("//") || path.contains("/.")) {
        return None;
    }
    let mut pieces = Vec::new();
    for piece in path.split('/') {
        match piece {
            "" | "." => {}
            ".." => drop(pieces.pop()),
            piece => pieces.push(piece),
        }
    }
    let slash = if path.ends_with('/') && !pieces.is_empty() { "/" } else { "" };
    Some(format!("/{}{slash}", pieces.join("/"))).filter(|cleaned| cleaned != path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_as_go_cleans_them() {
        for (path, want) in [
            ("//api/v2/alerts", Some("/api/v2/alerts")),
            ("/api/v2//alerts", Some("/api/v2/alerts")),
            ("/api/./v2/alerts/", Some("/api/v2/alerts/")),
            ("/api/v2/x/../status", Some("/api/v2/status")),
            ("/api/v2", Some("/api/v2/")),
            ("//", Some("/")),
            ("//elsewhere.test/..", Some("/")),
            ("/../..", Some("/")),
            ("/a/.", Some("/a")),
            ("/.hidden", None),
            ("/api/v2/", None),
            ("/", None),
            ("*", None),
        ] {
            assert_eq!(cleaned(path, "").as_deref(), want, "{path}");
        }
        assert_eq!(cleaned("/am/api/v2", "/am").as_deref(), Some("/am/api/v2/"));
        assert_eq!(cleaned("/api/v2", "/am"), None);
    }
}
