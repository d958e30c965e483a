//! Plots in messages: where they are drawn, how they reach receivers, and that no page waits for one.

use std::sync::{Arc, Mutex};

use serde_json::{Value as Json, json};
use watchbell::config::AlertmanagerConfig;
use watchbell::notify::Outcome;
use watchbell::notify::plots::Illustration;
use watchbell::plot::{Line, Picture, Plot};

use crate::support::http;
use crate::support::peers::{self, wait_for};
use crate::support::receiver::{NOW, integrations, one};
use crate::support::service::Home;

type Heard = Arc<Mutex<Vec<Json>>>;

/// A receiver that notes the JSON it gets.
fn receiver() -> (String, Heard) {
    let heard = Heard::default();
    let hears = heard.clone();
    let address = http::serve(false, move |request| {
        hears.lock().unwrap().push(serde_json::from_slice(&request.body).unwrap());
        Some(http::answer(200, &[], "ok"))
    });
    (format!("http://{address}"), heard)
}

const CONFIG: &str =
    "global: {evaluation_interval: 1s}\nrule_files: [r.yml]\nwatchbell: {alertmanager_config: am.yml}\n";
const RULES: &str = "groups: [{name: g, rules: [\
    {alert: Hot, expr: 'vector(97) > 90', annotations: {summary: 'It <is> حار'}}, {alert: Odd, expr: 'absent(vector(1)) or vector(1)'}]}]\n";

fn routing(url: &str) -> String {
    format!(
        "route: {{receiver: r, group_by: [alertname], group_wait: 0s}}\nreceivers:\n- name: r\n  webhook_configs: [{{url: '{url}', plot: true}}, \
         {{url: '{url}'}}]\n  pagerduty_configs: [{{url: '{url}', routing_key: K, plot: 6h}}]\n"
    )
}

/// The status of a GET and the bytes of its answer.
fn get(url: &str) -> (u16, String, Vec<u8>) {
    let (port, path) = url.strip_prefix("http://127.0.0.1:").unwrap().split_once('/').unwrap();
    peers::get_bytes(port.parse().unwrap(), &format!("/{path}")).unwrap()
}

#[test]
fn a_message_links_to_the_plot_of_what_its_rule_measured() {
    let (url, heard) = receiver();
    let home = Home::new(&[("watchbell.yaml", CONFIG), ("r.yml", RULES), ("am.yml", &routing(&url))]);
    let external = format!("--web.external-url=http://127.0.0.1:{}", home.port());
    let server = home.start_with(&[&external]);
    let found = |is: &dyn Fn(&Json) -> bool| heard.lock().unwrap().iter().find(|m| is(m)).cloned();
    let of = |name: &'static str| move |m: &Json| m["groupLabels"]["alertname"] == name;
    let (linked, plain) = wait_for("both webhooks", || {
        let linked = found(&|m| of("Hot")(m) && m["plotURL"].is_string())?;
        Some((linked, found(&|m| of("Hot")(m) && m["plotURL"].is_null())?))
    });
    assert_eq!(linked["alerts"], plain["alerts"]);
    let link = linked["plotURL"].as_str().unwrap().to_owned();
    assert!(link.ends_with(".png?range=3h"), "{link}");
    let is_picture = |link: &str, kind: &str, begins: &[u8]| {
        let (status, head, body) = get(link);
        assert!(status == 200 && head.contains(kind) && body.starts_with(begins), "{link}: {status} {head}");
        body
    };
    is_picture(&link, "image/png", b"\x89PNG\r\n\x1a\n");
    let drawing = link.replace(".png", ".svg");
    let svg = String::from_utf8(is_picture(&drawing, "image/svg+xml", b"<svg ")).unwrap();
    for part in ["threshold 90", "It &lt;is&gt; حار", "last 97", ">Hot<", "height=\"3\" fill=\"#c11d28\""] {
        assert!(svg.contains(part), "{part}: {svg}");
    }
    let event =
        wait_for("PagerDuty", || found(&|m| m["payload"]["summary"].as_str().is_some_and(|s| s.contains("Hot"))));
    let image = &event["images"][0];
    assert!(image["src"].as_str().unwrap().contains(".png?range=6h"), "{image}");
    assert!(image["href"].as_str().unwrap().contains("/notification/"), "{image}");
    assert_eq!(image["alt"], "Hot: the last value is 97, between 97 and 97, threshold 90");
    is_picture(image["src"].as_str().unwrap(), "image/png", b"\x89PNG");

    let (status, _, body) = get(&link.replace("range=3h", "range=1s"));
    assert_eq!(status, 400, "{}", String::from_utf8_lossy(&body));
    for odd in ["x.png", "999999.png", "1", "1.gif"] {
        let (status, _, body) = get(&format!("http://127.0.0.1:{}/watchbell/v1/plots/{odd}", home.port()));
        assert_eq!(status, 404, "{odd}: {}", String::from_utf8_lossy(&body));
    }
    let metrics = server.get("/metrics").1;
    assert!(metrics.contains("watchbell_notification_plots_total{outcome=\"failed\"} 0"), "{metrics}");
    drop(server);

    // What a process forgets with its end is drawn again from the history and the data.
    let _again = home.start_with(&[&external]);
    is_picture(&link, "image/png", b"\x89PNG");
    let svg = String::from_utf8(is_picture(&drawing, "image/svg+xml", b"<svg ")).unwrap();
    assert!(svg.contains("threshold 90") && svg.contains(">Hot<"), "{svg}");
}

#[test]
fn alerts_that_were_posted_have_no_plot() {
    let (url, heard) = receiver();
    let home = Home::new(&[("watchbell.yaml", CONFIG), ("r.yml", "groups: []\n"), ("am.yml", &routing(&url))]);
    let server = home.start();
    let alert = json!([{"labels": {"alertname": "Posted"}}]).to_string();
    peers::post(home.port(), "/api/v2/alerts", "application/json", alert.as_bytes()).unwrap();
    wait_for("all three", || (heard.lock().unwrap().len() >= 3).then_some(()));
    assert!(heard.lock().unwrap().iter().all(|m| m["plotURL"].is_null() && m["images"].is_null()));
    assert!(server.get("/metrics").1.contains("watchbell_notification_plots_total{outcome=\"drawn\"} 0"));
}

/// A plot as it comes to a receiver.
pub fn illustration() -> Illustration {
    let plot = Plot {
        title: "Hot".into(),
        subtitle: String::new(),
        from: NOW - 3_600_000,
        until: NOW,
        step: 60_000,
        lines: vec![Line { name: String::new(), points: vec![(NOW - 60_000, 1.0), (NOW, 2.0)] }],
        more: 0,
        threshold: Some(1.5),
        firing: None,
        zone: chrono_tz::UTC,
    };
    let picture = Arc::new(Picture::of(&plot).unwrap().unwrap());
    Illustration { picture, path: "/watchbell/v1/plots/5.png?range=1h".into() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plot_changes_nothing_else_of_a_message() {
    let (url, heard) = receiver();
    for (kind, config) in [
        ("webhook", format!("{{url: '{url}', plot: 1h}}")),
        ("pagerduty", format!("{{url: '{url}', routing_key: K, plot: 1h}}")),
    ] {
        let to = integrations(&format!("  {kind}_configs: [{config}]"));
        assert_eq!(to.plot_range(&one(kind).integration), Some(3_600_000));
        for plot in [Some(illustration()), None] {
            let rendered = to.prepare(&one(kind), plot);
            assert_eq!(to.attempt(&one(kind), rendered).await.outcome, Outcome::Delivered);
        }
        let [mut with, without] = <[Json; 2]>::try_from(heard.lock().unwrap().split_off(0)).unwrap();
        let link = "http://watchbell.example/watchbell/v1/plots/5.png?range=1h";
        match kind {
            "webhook" => assert_eq!(with.as_object_mut().unwrap().remove("plotURL"), Some(json!(link))),
            _ => {
                let images = with.as_object_mut().unwrap().remove("images");
                let alt = "Hot: the last value is 2, between 1 and 2, threshold 1.5";
                let href = "http://watchbell.example/notification/5";
                assert_eq!(images, Some(json!([{"src": link, "alt": alt, "href": href}])));
            }
        }
        assert_eq!(with, without);
    }
}

/// A service that notes what it gets, path and body, and answers as it is told.
fn service(
    answer: impl Fn(&str, &[u8]) -> (u16, String) + Send + Sync + 'static,
) -> (String, Arc<Mutex<Vec<http::Request>>>) {
    let heard: Arc<Mutex<Vec<http::Request>>> = Arc::default();
    let hears = heard.clone();
    let address = http::serve(false, move |request| {
        let path = request.line.split(' ').nth(1).unwrap().to_owned();
        let (status, body) = answer(&path, &request.body);
        hears.lock().unwrap().push(request);
        Some(http::answer(status, &[("content-type", "application/json")], body))
    });
    (format!("http://{address}"), heard)
}

/// Delivers once with a plot; gives what was said, what was complained of, and what arrived.
async fn deliver(
    kind: &str,
    config: &str,
    heard: &Mutex<Vec<http::Request>>,
) -> (Outcome, Vec<String>, Vec<http::Request>) {
    let to = integrations(&format!("  {kind}_configs: [{config}]"));
    let rendered = to.prepare(&one(kind), Some(illustration()));
    let attempt = to.attempt(&one(kind), rendered).await;
    let problems = attempt.problems.iter().map(|p| format!("{}: {}", p.field, p.error)).collect();
    (attempt.outcome, problems, heard.lock().unwrap().split_off(0))
}

fn paths(heard: &[http::Request]) -> Vec<&str> {
    heard.iter().map(|request| request.line.split(' ').nth(1).unwrap()).collect()
}

/// The parts of a form: what stands in their heads, and their contents.
fn parts(request: &http::Request) -> Vec<(String, Vec<u8>)> {
    let content_type = request.header("content-type");
    let boundary = format!("--{}", content_type.strip_prefix("multipart/form-data; boundary=").expect(content_type));
    let mut found = Vec::new();
    let mut rest = request.body.as_slice();
    while let Some(at) = rest.windows(boundary.len()).position(|w| w == boundary.as_bytes()) {
        let part = rest[..at].strip_suffix(b"\r\n").unwrap_or_default();
        if let Some(end) = part.windows(4).position(|w| w == b"\r\n\r\n") {
            found.push((String::from_utf8(part[..end].to_vec()).unwrap(), part[end + 4..].to_vec()));
        }
        rest = rest[at + boundary.len()..].strip_prefix(b"\r\n").unwrap_or_default();
    }
    found
}

fn json_of(body: &[u8]) -> Json {
    serde_json::from_slice(body).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn discord_has_the_plot_in_its_embed() {
    let (url, heard) = service(|_, _| (200, String::new()));
    let (outcome, problems, got) = deliver("discord", &format!("{{webhook_url: '{url}/d', plot: true}}"), &heard).await;
    assert_eq!((outcome, problems, got.len()), (Outcome::Delivered, vec![], 1));
    let parts = parts(&got[0]);
    assert!(
        parts[0].0.contains("name=\"payload_json\"") && parts[1].0.contains("name=\"files[0]\"; filename=\"plot.png\"")
    );
    assert!(parts[1].0.contains("Content-Type: image/png") && parts[1].1 == illustration().picture.png);
    let message = json_of(&parts[0].1);
    assert_eq!(message["embeds"][0]["image"]["url"], "attachment://plot.png");
    let alt = "Hot: the last value is 2, between 1 and 2, threshold 1.5";
    assert_eq!(message["attachments"], json!([{"id": 0, "filename": "plot.png", "description": alt}]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_with_its_plot_goes_without_it() {
    let (url, heard) = service(|_, body| match body.starts_with(b"--") || body.windows(7).any(|w| w == b"plotURL") {
        true => (400, "no pictures".into()),
        false => (200, String::new()),
    });
    for (kind, config) in [
        ("discord", format!("{{webhook_url: '{url}/d', plot: true}}")),
        ("webhook", format!("{{url: '{url}', plot: true}}")),
    ] {
        let (outcome, problems, got) = deliver(kind, &config, &heard).await;
        assert_eq!((outcome, got.len()), (Outcome::Delivered, 2), "{kind}");
        assert_eq!(problems, ["plot: refused, and sent without it: unexpected status code 400: no pictures"], "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn telegram_has_the_plot_in_answer_to_its_message() {
    let config =
        |url: &str| format!("{{api_url: '{url}', bot_token: T, chat_id: -5, message_thread_id: 3, plot: true}}");
    let said = r#"{"ok": true, "result": {"message_id": 77, "chat": {"id": -5}}}"#;
    let (url, heard) = service(move |_, _| (200, said.into()));
    let (outcome, problems, got) = deliver("telegram", &config(&url), &heard).await;
    assert_eq!((outcome, problems), (Outcome::Delivered, vec![]));
    assert_eq!(paths(&got), ["/botT/sendMessage", "/botT/sendPhoto"]);
    let parts = parts(&got[1]);
    let field = |name: &str| &parts.iter().find(|(head, _)| head.contains(&format!("name=\"{name}\""))).unwrap().1;
    assert_eq!((field("chat_id").as_slice(), field("message_thread_id").as_slice()), (&b"-5"[..], &b"3"[..]));
    assert_eq!(json_of(field("reply_parameters")), json!({"message_id": 77, "allow_sending_without_reply": true}));
    assert_eq!(*field("photo"), illustration().picture.png);

    let refuses = move |path: &str, _: &[u8]| match path.ends_with("sendPhoto") {
        true => (400, r#"{"ok": false, "description": "no rights to send photos"}"#.into()),
        false => (200, said.into()),
    };
    let (url, heard) = service(refuses);
    let (outcome, problems, got) = deliver("telegram", &config(&url), &heard).await;
    assert_eq!((outcome, got.len()), (Outcome::Delivered, 2), "the page has arrived");
    assert!(problems[0].starts_with("plot: ") && problems[0].contains("no rights to send photos"), "{problems:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn slack_has_the_plot_in_the_thread_of_its_message() {
    let config =
        |url: &str| format!("{{app_url: '{url}/api/chat.postMessage', app_token: xoxb, channel: c, plot: true}}");
    let here = Arc::new(Mutex::new(String::new()));
    let address = here.clone();
    let (url, heard) = service(move |path, _| {
        let answer = match path {
            "/api/chat.postMessage" => json!({"ok": true, "channel": "C1", "ts": "12.5"}),
            "/api/files.getUploadURLExternal" => {
                json!({"ok": true, "upload_url": format!("{}/upload/v1/x", address.lock().unwrap()), "file_id": "F9"})
            }
            _ => json!({"ok": true}),
        };
        (200, answer.to_string())
    });
    here.lock().unwrap().clone_from(&url);
    let (outcome, problems, got) = deliver("slack", &config(&url), &heard).await;
    assert_eq!((outcome, problems), (Outcome::Delivered, vec![]));
    let want = [
        "/api/chat.postMessage",
        "/api/files.getUploadURLExternal",
        "/upload/v1/x",
        "/api/files.completeUploadExternal",
    ];
    assert_eq!(paths(&got), want);
    let png = illustration().picture.png.clone();
    let asked = String::from_utf8(got[1].body.clone()).unwrap();
    assert!(asked.contains("filename=plot.png") && asked.contains(&format!("length={}", png.len())), "{asked}");
    assert!(got[2].body == png && got[2].header("authorization").is_empty(), "the token is for Slack's methods alone");
    assert_eq!((got[1].header("authorization"), got[3].header("authorization")), ("Bearer xoxb", "Bearer xoxb"));
    let title = "Hot: the last value is 2, between 1 and 2, threshold 1.5";
    let shared = json!({"files": [{"id": "F9", "title": title}], "channel_id": "C1", "thread_ts": "12.5"});
    assert_eq!(json_of(&got[3].body), shared);

    let (url, heard) = service(|path, _| match path {
        "/api/chat.postMessage" => (200, json!({"ok": true, "channel": "C1", "ts": "12.5"}).to_string()),
        _ => (200, json!({"ok": false, "error": "missing_scope"}).to_string()),
    });
    let (outcome, problems, got) = deliver("slack", &config(&url), &heard).await;
    assert_eq!((outcome, got.len()), (Outcome::Delivered, 2), "the page has arrived");
    assert_eq!(problems, ["plot: Slack said missing_scope"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn teams_has_the_plot_in_its_card() {
    let (url, heard) = service(|_, _| (202, String::new()));
    let (outcome, _, got) = deliver("msteamsv2", &format!("{{webhook_url: '{url}/t', plot: true}}"), &heard).await;
    assert_eq!(outcome, Outcome::Delivered);
    let image = &json_of(&got[0].body)["attachments"][0]["content"]["body"][2];
    assert_eq!((&image["type"], &image["size"]), (&json!("Image"), &json!("Stretch")));
    assert_eq!(image["url"], "http://watchbell.example/watchbell/v1/plots/5.png?range=1h");
}

#[test]
fn where_no_picture_can_be_carried_a_plot_is_refused_with_its_place() {
    for (receiver, want) in [
        (
            "webhook_configs: [{url: 'http://x/', payload: {a: b}, plot: true}]",
            "a payload of one's own has no place for a plot",
        ),
        ("pagerduty_configs: [{service_key: K, plot: true}]", "events of API v1 carry no picture"),
        ("opsgenie_configs: [{api_key: K, plot: true}]", "field plot not found in opsgenie config"),
        (
            "email_configs: [{to: a@x, from: b@x, smarthost: 'x:25', html: '', plot: true}]",
            "a plot is shown in html, which is empty",
        ),
        ("slack_configs: [{api_url: 'http://x/', channel: c, plot: 1h}]", "plot can only be used with an app token"),
        ("msteams_configs: [{webhook_url: 'http://x/', plot: true}]", "field plot not found in msteams config"),
        ("webhook_configs: [{url: 'http://x/', plot: 1s}]", "expected a time between 5m and 31d, found 1s"),
    ] {
        let text = format!("route: {{receiver: team}}\nreceivers:\n- name: team\n  {receiver}\n");
        let defects = AlertmanagerConfig::load_str("am.yml", &text).unwrap_err();
        let said = defects[0].to_string();
        assert!(said.starts_with("am.yml:4:") && said.contains(want), "{said}");
    }
}

#[test]
fn where_no_rules_are_evaluated_a_plot_is_refused_with_its_place() {
    let home = Home::new(&[("am.yml", &routing("http://127.0.0.1:1"))]);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_watchbell"));
    command.current_dir(home.path()).args(["alertmanager", "--config.file=am.yml", "--web.listen-address=127.0.0.1:0"]);
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    assert!(said.contains("am.yml:4:") && said.contains("plot has no effect"), "{said}");
}
