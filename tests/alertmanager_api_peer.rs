//! Alertmanager's API beside a real Alertmanager: the same requests get the same answers.

use regex::Regex;
use serde_json::{Value as Json, json};
use watchbell::clock::{Clock as _, WallClock};

use crate::support::peers;
use crate::support::service::Home;

pub(crate) const ROUTING: &str = r#"
route:
  receiver: default
  group_by: [alertname]
  group_wait: 1h
  routes:
  - receiver: team-x
    matchers: [team=x]
  - receiver: by-size
    matchers: [by=size]
    group_by: [a, b, c, d]
receivers:
- name: default
- name: by-size
- name: team-x
  labels: {owner: x}
"#;

struct Asked {
    name: String,
    method: &'static str,
    path: String,
    content_type: Option<&'static str>,
    accept: Option<&'static str>,
    body: Vec<u8>,
}

fn get(path: impl Into<String>) -> Asked {
    let path = path.into();
    Asked { name: path.clone(), method: "GET", path, content_type: None, accept: None, body: Vec::new() }
}

fn post(path: &str, body: impl Into<Vec<u8>>) -> Asked {
    let body = body.into();
    let shown = String::from_utf8_lossy(&body).chars().take(200).collect::<String>();
    let content_type = Some("application/json");
    Asked { name: format!("{path} {shown}"), method: "POST", path: path.into(), content_type, accept: None, body }
}

fn alert(more: &Json) -> Asked {
    let mut alert = json!({"labels": {"alertname": "X"}});
    let fields = more.as_object().unwrap().clone();
    alert.as_object_mut().unwrap().extend(fields);
    post("/api/v2/alerts", json!([alert]).to_string())
}

fn rfc3339(seconds_from_now: i64) -> String {
    let now = WallClock::start().now() / 1_000;
    let at = chrono::DateTime::from_timestamp(now + seconds_from_now, 0).unwrap();
    at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

/// A silence; what is `null` in `more` is left out of it when `"-"`.
fn silence(more: &Json) -> Asked {
    let mut silence = json!({
        "matchers": [{"name": "a", "value": "b", "isRegex": false}],
        "startsAt": rfc3339(0), "endsAt": rfc3339(3600), "createdBy": "me", "comment": "c",
    });
    for (key, value) in more.as_object().unwrap() {
        if value == "-" {
            silence.as_object_mut().unwrap().remove(key);
        } else {
            silence[key] = value.clone();
        }
    }
    post("/api/v2/silences", silence.to_string())
}

fn alerts() -> Vec<Asked> {
    let mut all = vec![];
    let times = [
        "2026-01-02T03:04:05",
        "2026-01-02T03:04:05.123456",
        "2026-01-02T03:04:05.123456Z",
        "2026-01-02T03:04:05+0300",
        "2026-01-02T03:04:05.123+0300",
        "2026-01-02T03:04:05+03:00",
        "2026-01-02T03:04Z",
        "2026-01-02T03:04",
        "2026-01-02",
        "",
        "null",
        "2026-01-02 03:04:05",
        "2026-01-02 03:04:05Z",
        "2026-1-2T03:04:05Z",
        "2026-01-02t03:04:05z",
        "2026-01-02T24:00:00Z",
        "2026-01-02T03:04:60Z",
        "1767323045",
        "9999-12-31T23:59:59Z",
        "0001-01-01T00:00:00Z",
        "10000-01-01T00:00:00Z",
        "2026-01-02T03:04:05,5Z",
        "2026-01-02T03:04+03:00",
    ];
    all.extend(times.iter().map(|t| alert(&json!({"startsAt": t}))));
    all.extend(times.iter().map(|t| alert(&json!({"endsAt": t}))));
    let urls = [
        "not a url",
        "http://[::1",
        "/graph?x",
        "",
        "http://a b/",
        "ftp://a/",
        "a.b/c",
        "http://x/%zz",
        "localhost:9/x",
        "http://h:p/",
        "http://خادم/",
        "http://h/#a b",
        "*",
        "*x",
        "http://h#",
        "http://h#frag",
        "a#b",
        "http://h/a%zz#",
        "http://h%41/",
        "http://h%C3%A9/",
        "//h%41",
        "http://[x]/",
        "http://[1.2.3.4]/",
        "http://[::1%en0]/",
        "http://[::1%25en0]/",
        "http://h[/",
        "http://h]/",
    ];
    all.extend(urls.iter().map(|u| alert(&json!({"generatorURL": u}))));
    all.extend(
        [
            json!({"annotations": null}),
            json!({"annotations": {"a": null}}),
            json!({"labels": {"alertname": "E"}, "annotations": {"empty": "", "a": "b"}}),
            json!({"labels": {"alertname": "X", "b": null}}),
            json!({"startsAt": null}),
            json!({"startsAt": 1_767_323_045}),
            json!({"endsAt": 1_767_323_045}),
            json!({"unknown": [1, {"a": 2}]}),
            json!({"labels": {"alertname": "X", "": "y"}}),
            json!({"annotations": {"": "x"}}),
            json!({"labels": {"b": ""}}),
            json!({"labels": {}}),
            json!({"labels": null}),
            json!({"labels": {"a": 1}}),
            json!({"labels": {"a": true}}),
            json!({"generatorURL": null}),
            json!({"generatorURL": 5}),
            json!({"startsAt": "2026-01-02T03:04:05Z", "endsAt": "2025-01-02T03:04:05Z"}),
            json!({"LABELS": {"alertname": "Y"}}),
            json!({"labels": {"🙂": "d", "alertname": "u"}}),
            json!({"labels": {"a b": "d", "alertname": "u"}}),
            json!({"labels": {"msg": "\n", "alertname": "n"}}),
            json!({"labels": {"msg": "one\nerror", "alertname": "n"}}),
        ]
        .iter()
        .map(alert),
    );
    let of_sizes = [
        json!({"a": "1"}),
        json!({"b": "1"}),
        json!({"a": "2"}),
        json!({"a": "1", "b": "0"}),
        json!({"c": "0"}),
        json!({"a": "0", "c": "5"}),
        json!({"b": "0", "c": "9"}),
        json!({"e": "x"}),
    ];
    for mut labels in of_sizes {
        labels["by"] = "size".into();
        all.push(alert(&json!({"labels": labels})));
    }
    all.push(post(
        "/api/v2/alerts",
        r#"[{"labels":{}},{"labels":{"alertname":"V"}},{"labels":{"":"x","alertname":"W"}}]"#,
    ));
    let bodies: [&[u8]; 14] = [
        b"{\"labels\":{}}",
        b"null",
        b"[]",
        b"",
        b"{",
        b"[] x",
        b"[{}]",
        b"[{\"labels\":{\"a\":\"b\"},}]",
        b"[{\"labels\":{\"alertname\":\"bad\xff\"}}]",
        b"7",
        b"[{\"labels\":{\"alertname\":\"cut \\ud83d\"},\"annotations\":{\"a\":\"\\ude00\\ud83d\\ude00\"}}]",
        b"[{\"labels\":{\"alertname\":\"\\\\ud83d\"}}]",
        b"[{\"labels\":{\"alertname\":\"\\ud8\"}}]",
        b"[7]",
    ];
    all.extend(bodies.iter().map(|b| post("/api/v2/alerts", *b)));
    let types = [
        None,
        Some("text/plain"),
        Some("application/json; charset=utf-8"),
        Some("Application/JSON"),
        Some("application/yaml"),
        Some("application/x-www-form-urlencoded"),
        Some(""),
        Some("json"),
        Some("/json"),
        Some("application/"),
        Some("application/json foo"),
        Some("application/json, text/plain"),
        Some("application/json;"),
        Some("application/json;;"),
        Some("application/json; charset"),
        Some("application/json; charset=\"utf-8"),
        Some("application/json; charset=a; charset=a"),
        Some("application/json; charset=a; charset=b"),
        Some("text/plain; charset"),
    ];
    for accept in ["text/html", "image/png;q=0.5", "application/json;q=0"] {
        all.push(Asked {
            name: format!("posted, Accept: {accept}"),
            accept: Some(accept),
            ..post("/api/v2/alerts", "[]")
        });
    }
    all.extend(types.map(|content_type| Asked {
        name: format!("content type {content_type:?}"),
        content_type,
        ..post("/api/v2/alerts", "[]")
    }));
    all
}

fn silences() -> Vec<Asked> {
    let fields = ["matchers", "startsAt", "endsAt", "createdBy", "comment"];
    let mut all: Vec<Asked> =
        fields.iter().flat_map(|f| [silence(&json!({*f: "-"})), silence(&json!({*f: null}))]).collect();
    let matcher = |more: Json| {
        let mut matcher = json!({"name": "a", "value": "b", "isRegex": false});
        matcher.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        silence(&json!({"matchers": [matcher]}))
    };
    all.extend(
        [
            json!({"value": ""}),
            json!({"value": ".*", "isRegex": true}),
            json!({"name": "msg", "value": ".+", "isRegex": true}),
            json!({"name": "msg", "value": ".*error", "isRegex": true}),
            json!({"isEqual": false}),
            json!({"value": "", "isEqual": false}),
            json!({"name": ""}),
            json!({"name": null}),
            json!({"name": "🙂"}),
            json!({"isEqual": null}),
            json!({"isRegex": null}),
            json!({"value": null}),
            json!({"isRegex": "true"}),
        ]
        .map(matcher),
    );
    all.extend(
        [
            json!({"comment": ""}),
            json!({"createdBy": ""}),
            json!({"matchers": []}),
            json!({"COMMENT": "x", "comment": "-"}),
            json!({"startsAt": rfc3339(-100), "endsAt": rfc3339(-50)}),
            json!({"startsAt": rfc3339(100), "endsAt": rfc3339(50)}),
            json!({"startsAt": rfc3339(100), "endsAt": rfc3339(100)}),
            json!({"startsAt": rfc3339(-1000)}),
            json!({"startsAt": "2026-01-01", "endsAt": "2036-01-01"}),
            json!({"startsAt": ""}),
            json!({"id": "nosuch"}),
            json!({"id": "11111111-1111-1111-1111-111111111111"}),
            json!({"id": ""}),
            json!({"unknown": 1}),
        ]
        .iter()
        .map(silence),
    );
    for body in ["null", "", "{", "[]"] {
        all.push(post("/api/v2/silences", body));
    }
    all.push(Asked { content_type: Some("text/plain"), ..post("/api/v2/silences", "{}") });
    all.push(Asked { content_type: Some("json"), ..post("/api/v2/silences", "{}") });
    for id in ["foo", "11111111-1111-1111-1111-111111111111", "11111111-1111-1111-1111-111111111111/"] {
        all.extend(["GET", "DELETE", "PUT"].map(|method| Asked { method, ..get(format!("/api/v2/silence/{id}")) }));
    }
    all
}

fn questions() -> Vec<Asked> {
    let mut all = Vec::new();
    let encode = |s: &str| url::form_urlencoded::byte_serialize(s.as_bytes()).collect::<String>();
    for value in ["true", "1", "T", "yes", "0", "f", "False", "", "on", "2"] {
        all.push(get(format!("/api/v2/alerts?active={value}")));
        all.push(get(format!("/api/v2/alerts/groups?active={value}")));
    }
    for filter in [
        "a",
        "a=",
        "=a",
        "a=b,",
        "team=x,",
        "team=\"x\",",
        "a=b,c=d",
        "{a=b}",
        "a=\"b",
        "a=b\"",
        "a=~(",
        "",
        "{}",
        "a==b",
        "alertname=X",
        "\"a b\"=d",
        "a b=d",
        "🙂=d",
        r#""\xf0\x9f\x99\x82"=d"#,
        "alertname=\"\\x58\"",
        "!a=b",
        ",a=b",
        "svc=~\".*\"",
        "svc=~\"api-.*\"",
        "svc=api-1",
        "svc!=api-1",
        "msg=~\".*\"",
        "msg=~\".+\"",
        "msg=~\".*error.*\"",
        "msg!~\".*\"",
        "msg=~\"(?s:.+)\"",
    ] {
        all.push(get(format!("/api/v2/alerts?filter={}", encode(filter))));
        all.push(get(format!("/api/v2/silences?filter={}", encode(filter))));
    }
    for receiver in ["team-x", "(", "team.*", "nosuch", ""] {
        all.push(get(format!("/api/v2/alerts?receiver={}", encode(receiver))));
        all.push(get(format!("/api/v2/alerts/groups?receiver={}", encode(receiver))));
    }
    for matcher in ["owner=x", "name=team-x", "name=x", "(", "name=~\"team.*\"", "owner!=x"] {
        for path in ["alerts", "alerts/groups", "receivers"] {
            all.push(get(format!("/api/v2/{path}?receiver_matchers={}", encode(matcher))));
        }
    }
    for path in ["/api/v2/receivers/", "/api/v2/alerts/", "/api/v2/nosuch", "/api/v2/"] {
        all.push(get(path));
    }
    // Sent to where they are, as they should be written.
    for path in [
        "//api/v2/alerts?filter=a=%22b%22&x=y",
        "/api/v2//alerts",
        "/api/v2",
        "/api/./v2/receivers",
        "/a/../api/v2/status",
    ] {
        all.push(get(path));
        all.extend(["POST", "HEAD"].map(|method| Asked { method, ..get(path) }));
    }
    for accept in ["application/xml", "text/html", "text/html,*/*;q=0.1", "application/json", "*/*", "*/*;q=0"] {
        all.push(Asked { name: format!("Accept: {accept}"), accept: Some(accept), ..get("/api/v2/receivers") });
    }
    for (method, path) in [
        ("PUT", "/api/v2/alerts"),
        ("POST", "/api/v2/receivers"),
        ("PUT", "/api/v2/silences"),
        ("DELETE", "/api/v2/status"),
        ("OPTIONS", "/api/v2/alerts"),
        ("OPTIONS", "/api/v2/silences"),
        ("OPTIONS", "/api/v2/silence/abc"),
        ("OPTIONS", "/api/v2/nosuch"),
        ("HEAD", "/api/v2/alerts"),
        ("HEAD", "/api/v2/alerts/groups/"),
        ("HEAD", "/api/v2/silences"),
        ("HEAD", "/api/v2/silence/abc"),
        ("HEAD", "/api/v2/status"),
        ("HEAD", "/api/v2/receivers"),
        ("HEAD", "/api/v2/nosuch"),
    ] {
        all.push(Asked { name: format!("{method} {path}"), method, ..get(path) });
    }
    all
}

/// What of an answer must agree: ids and times differ, Go's texts about JSON and regular expressions are its own, and it
/// names allowed methods in any order. Groups have labels of their routes since 0.34, and here none but empty ones.
pub(crate) fn comparable((status, body): (u16, String), times: &Regex) -> String {
    let body = times.replace_all(body.trim(), "_");
    match serde_json::from_str::<Json>(&body) {
        Ok(Json::Object(coded)) if coded.get("code") == Some(&json!(400)) => format!("{status} code 400"),
        Ok(Json::Object(coded)) if coded.get("code") == Some(&json!(405)) => format!("{status} code 405"),
        Ok(Json::String(text)) if text.contains("error parsing regexp") || text.contains("regex parse error") => {
            format!("{status} a regular expression")
        }
        Ok(mut json) => {
            for group in json.as_array_mut().into_iter().flatten().filter_map(Json::as_object_mut) {
                if group.get("routeLabels") == Some(&json!({})) {
                    group.remove("routeLabels");
                }
            }
            format!("{status} {json}")
        }
        Err(_) => format!("{status} {body}"),
    }
}

#[test]
fn every_request_gets_alertmanagers_answer() {
    let Some(theirs) = peers::alertmanager(ROUTING, &[]) else { return };
    let home = Home::new(&[("watchbell.yaml", "watchbell: {alertmanager_config: am.yml}\n"), ("am.yml", ROUTING)]);
    let ours = home.start_with(&[]);
    let mut asked = alerts();
    asked.push(post("/api/v2/alerts", json!([{"labels": {"alertname": "Z", "team": "x"}}]).to_string()));
    asked.extend(silences());
    for (value, regex) in [(".*", true), ("api-.*", true), ("api-1", false)] {
        asked.push(silence(&json!({"matchers": [{"name": "svc", "value": value, "isRegex": regex}, {"name": "z", "value": "1", "isRegex": false}]})));
    }
    asked.extend(questions());
    assert_alike(asked, theirs.port, ours.0.port);
}

/// Names are of letters, digits and underscores there, and braces are of a filter's value.
#[test]
fn in_classic_mode_every_request_gets_alertmanagers_answer() {
    const MODE: &str = "--enable-feature=classic-mode";
    let Some(theirs) = peers::alertmanager(ROUTING, &[MODE]) else { return };
    let home = Home::new(&[("watchbell.yaml", "watchbell: {alertmanager_config: am.yml}\n"), ("am.yml", ROUTING)]);
    let ours = home.start_with(&[MODE]);
    let mut asked = vec![alert(&json!({"labels": {"alertname": "u", "a": "{x}"}}))];
    asked.extend(
        ["a b", "a", "🙂", "a.b", "0a", ""]
            .map(|name| silence(&json!({"matchers": [{"name": name, "value": "b", "isRegex": false}]}))),
    );
    for filter in ["a={x}", "a=b}", "{a=b}", "a=~{x}", "\"a\"=b", "🙂=d"] {
        let filter: String = url::form_urlencoded::byte_serialize(filter.as_bytes()).collect();
        asked.push(get(format!("/api/v2/alerts?filter={filter}")));
    }
    assert_alike(asked, theirs.port, ours.0.port);
}

fn assert_alike(asked: Vec<Asked>, theirs: u16, ours: u16) {
    let times = Regex::new(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
    )
    .unwrap();
    let (mut wrong, count) = (Vec::new(), asked.len());
    for Asked { name, method, path, content_type, accept, body } in asked {
        let headers: Vec<(&str, &str)> = [("Content-Type", content_type), ("Accept", accept)]
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect();
        let [theirs, ours] = [theirs, ours]
            .map(|port| comparable(peers::send(port, method, &path, &headers, &body).unwrap_or_default(), &times));
        if theirs != ours {
            wrong.push(format!("{name}\n  Alertmanager: {theirs}\n  ours:         {ours}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {count} differ:\n{}", wrong.len(), wrong.join("\n"));
}
