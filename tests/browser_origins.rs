//! What a page in somebody's browser may do: read, and change nothing unless its origin is allowed.

use crate::support::peers;
use crate::support::service::Home;

const SILENCE: &[u8] =
    br#"{"matchers": [{"name": "a", "value": "b", "isRegex": false}], "startsAt": "2026-01-01T00:00:00Z",
    "endsAt": "2096-01-01T00:00:00Z", "createdBy": "me", "comment": "c"}"#;

const CONFIG: &str = "watchbell: {alertmanager_config: am.yml}\n";
const ROUTING: &str = "route: {receiver: r}\nreceivers: [{name: r}]\n";

/// The status that a page's request gets.
fn asked(port: u16, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> u16 {
    let headers = [headers, &[("Content-Type", "application/json")]].concat();
    peers::send(port, method, path, &headers, body).unwrap().0
}

#[test]
fn a_page_from_elsewhere_reads_and_changes_nothing() {
    let home = Home::new(&[("watchbell.yaml", CONFIG), ("am.yml", ROUTING)]);
    let server = home.start();
    let port = server.0.port;
    let evil = [("Origin", "http://evil.test"), ("Sec-Fetch-Site", "cross-site")];
    for (method, path, body) in [
        ("POST", "/api/v2/silences", SILENCE),
        ("POST", "/api/v2/alerts", b"[{\"labels\": {\"alertname\": \"A\"}}]".as_slice()),
        ("DELETE", "/api/v2/silence/0b2c8a3e-0f0b-4a1d-9d43-9a5b0b0f8d11", b""),
        ("POST", "/-/reload", b""),
        ("POST", "/-/quit", b""),
        ("POST", "/api/v1/write", b""),
        ("POST", "/watchbell/v1/receivers/r/test", b""),
    ] {
        assert_eq!(asked(port, method, path, &evil, body), 403, "{method} {path}");
        // An older browser says less.
        assert_eq!(asked(port, method, path, &evil[..1], body), 403, "{method} {path}");
    }
    assert_eq!(server.get("/api/v2/silences").1, "[]\n");
    for path in ["/api/v1/query?query=1", "/api/v2/alerts", "/api/v1/rules"] {
        assert_eq!(asked(port, "GET", path, &evil, b""), 200, "{path}");
    }
    // A query is sent as a form where it is long.
    assert_eq!(asked(port, "POST", "/api/v1/query?query=1", &evil, b""), 200);
    // Our own pages, and programs.
    let own = format!("http://localhost:{port}");
    let host = ("Origin", own.as_str());
    assert_eq!(asked(port, "POST", "/api/v2/silences", &[("Sec-Fetch-Site", "same-origin"), host], SILENCE), 200);
    assert_eq!(asked(port, "POST", "/api/v2/silences", &[], SILENCE), 200);
}

#[test]
fn an_origin_that_is_allowed_makes_silences_and_is_told_so_beforehand() {
    let home = Home::new(&[("watchbell.yaml", CONFIG), ("am.yml", ROUTING)]);
    let server = home.start_with(&[r"--web.cors.origin=https://karma\.test"]);
    let port = server.0.port;
    let karma = [("Origin", "https://karma.test"), ("Sec-Fetch-Site", "cross-site")];
    let evil = [("Origin", "https://karma.test.evil"), ("Sec-Fetch-Site", "cross-site")];
    assert_eq!(asked(port, "POST", "/api/v2/silences", &karma, SILENCE), 200);
    assert_eq!(asked(port, "POST", "/api/v2/silences", &evil, SILENCE), 403);
    let preflight = |origin: &str| {
        let asked = format!(
            "OPTIONS /api/v2/silences HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nOrigin: {origin}\r\n\
             Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: content-type\r\n\r\n"
        );
        peers::raw(port, &asked).to_ascii_lowercase()
    };
    let allowed = preflight("https://karma.test");
    assert!(allowed.contains("access-control-allow-origin: https://karma.test\r\n"), "{allowed}");
    assert!(allowed.contains("access-control-allow-methods: post") && allowed.contains("vary: origin"), "{allowed}");
    let refused = preflight("https://karma.test.evil");
    assert!(refused.starts_with("http/1.1 204") && !refused.contains("access-control-allow"), "{refused}");
}

#[test]
fn options_are_answered_as_prometheus_answers_them() {
    let home = Home::new(&[("watchbell.yaml", "")]);
    let server = home.start();
    let ask = |more: &str| {
        let head = format!("OPTIONS /api/v1/query HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{more}\r\n");
        peers::raw(server.0.port, &head).to_ascii_lowercase()
    };
    assert!(ask("").starts_with("http/1.1 204"), "{}", ask(""));
    let told = ask("Origin: http://grafana.test\r\nAccess-Control-Request-Method: POST\r\n");
    assert!(told.contains("access-control-allow-origin: *") && told.contains("allow-methods: post"), "{told}");
}
