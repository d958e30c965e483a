//! The history over a real process: every decision is there, over `kill -9`; the API and the
//! command answer the same.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::Value as Json;
use watchbell::alerting::schedule::Schedule;
use watchbell::clock::VirtualClock;
use watchbell::engine::drive::{Audience, Replay};
use watchbell::engine::{Event, Options, SilenceChange};
use watchbell::history::{Decision, What};
use watchbell::model::Matcher;
use watchbell::notify::{Notification, Outcome};
use watchbell::routing::NewSilence;
use watchbell::state::MemoryStore;

use crate::stage::{M, S, Stage, group, rule, setup};
use crate::support::http::{Request, answer, serve};
use crate::support::peers::{self, wait_for};
use crate::support::service::Home;

/// A service that fires one alert at a webhook, and what that heard: the ids in its headers.
fn scene() -> (Arc<Mutex<Vec<String>>>, Home) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let seen = heard.clone();
    let address = serve(false, move |request: Request| {
        seen.lock().unwrap().push(request.header("x-watchbell-notification").to_owned());
        Some(answer(200, &[], ""))
    });
    let config =
        "global: {evaluation_interval: 200ms}\nrule_files: [rules.yml]\nwatchbell: {alertmanager_config: am.yml}\n";
    let rules =
        "groups:\n  - name: g\n    rules:\n      - {alert: Always, expr: vector(7), labels: {severity: page}}\n";
    let routing = format!(
        "route: {{receiver: hook, group_by: [alertname], group_wait: 0s, group_interval: 1s, repeat_interval: 4h}}\n\
         receivers:\n  - name: hook\n    webhook_configs: [{{url: 'http://{address}/hook'}}]\n"
    );
    (heard, Home::new(&[("watchbell.yaml", config), ("rules.yml", rules), ("am.yml", &routing)]))
}

fn kinds(decisions: &Json) -> Vec<String> {
    let kind = |d: &Json| d["kind"].as_str().unwrap_or("").to_owned();
    decisions["decisions"].as_array().unwrap().iter().map(kind).collect()
}

fn command(home: &Path, arguments: &[&str]) -> (bool, String) {
    let ran = Command::new(env!("CARGO_BIN_EXE_watchbell")).env("HOME", home).arg("history").args(arguments).output();
    let ran = ran.unwrap();
    (ran.status.success(), String::from_utf8(ran.stdout).unwrap() + &String::from_utf8(ran.stderr).unwrap())
}

#[test]
fn a_page_leads_back_to_the_decisions_that_made_it_even_after_kill_9() {
    let (heard, home) = scene();
    let mut server = home.start();
    let id = wait_for("a page", || heard.lock().unwrap().first().cloned());
    // The answer of the webhook may not have been taken in yet; what led to the page is there.
    server.0.kill();
    let server = home.start();
    let ask = |query: &str| -> Json {
        let (status, body) = server.get(&format!("/watchbell/v1/history?{query}"));
        assert_eq!(status, 200, "{query}: {body}");
        serde_json::from_str(&body).unwrap()
    };
    let about = ask(&format!("notification={id}&order=oldest"));
    assert_eq!(kinds(&about)[0], "notify");
    assert_eq!(about["decisions"][0]["details"]["reason"], "first_notification");
    let chain = ask("match[]={alertname=\"Always\"}&kind=firing&kind=routed&kind=grouped&order=oldest");
    assert_eq!(kinds(&chain), ["firing", "routed", "grouped"]);
    assert_eq!(chain["decisions"][0]["details"]["value"], "7");
    let fingerprint = chain["decisions"][0]["alerts"][0]["fingerprint"].as_str().unwrap().to_owned();
    assert_eq!(kinds(&ask(&format!("fingerprint={fingerprint}&kind=firing"))), ["firing"]);
    wait_for("two starts", || (kinds(&ask("kind=started")).len() == 2).then_some(()));
    assert_eq!(kinds(&ask("receiver=nobody")), [""; 0]);

    // Page by page, in lines, and as they come.
    let first = ask("order=oldest&limit=1");
    let rest = ask(&format!("order=oldest&limit=1&cursor={}", first["next"]));
    assert!(rest["decisions"][0]["seq"].as_u64() > first["decisions"][0]["seq"].as_u64());
    let (_, lines) = server.get("/watchbell/v1/history?format=ndjson&kind=firing");
    assert_eq!(lines.lines().count(), 1);
    assert_eq!(serde_json::from_str::<Json>(&lines).unwrap()["kind"], "firing");
    let request =
        "GET /watchbell/v1/history?kind=firing&cursor=0 HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n";
    let events = peers::beginning(home.port(), request, "\"kind\":\"firing\"");
    assert!(events.contains("id: ") && events.contains("data: {\"seq\":"), "{events}");
    for bad in ["kind=x", "limit=10001", "order=x", "from=2&to=1", "fingerprint=1", "notification=x", "format=x"] {
        let (status, body) = server.get(&format!("/watchbell/v1/history?{bad}"));
        assert_eq!(status, 400, "{bad}: {body}");
    }
    let metrics = server.get("/metrics").1;
    assert!(metrics.contains("watchbell_history_lost_decisions_total 0\n"), "{metrics}");

    // The command says the same of the service and of its data.
    let (url, data) = (format!("--alertmanager.url=http://127.0.0.1:{}", home.port()), home.path().join("data"));
    let data = format!("--data={}", data.display());
    for source in [&url, &data] {
        let (good, text) = command(home.path(), &["Always", "--kind=firing", source]);
        assert!(good && text.contains("firing        Always{severity=\"page\"}: fires with value 7;"), "{text}");
        let (good, text) = command(home.path(), &["--notification", &id, "-o", "json", source]);
        assert!(good && text.starts_with("{\"seq\":") && text.contains("\"kind\":\"notify\""), "{text}");
    }
    assert!(!command(home.path(), &["--kind=x", &data]).0);
    assert!(!command(home.path(), &["--data=/nowhere"]).0);
}

#[test]
fn whoever_follows_hears_at_once_what_is_asked_for() {
    let (_heard, home) = scene();
    let server = home.start();
    let port = server.0.port;
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // Until it was heard: what is recorded before the connection stands is not.
        scope.spawn(|| {
            for n in 0.. {
                let alerts = format!(r#"[{{"labels": {{"alertname": "Late", "n": "{n}"}}}}]"#);
                if done.load(Ordering::Relaxed) {
                    return;
                }
                peers::post(port, "/api/v2/alerts", "application/json", alerts.as_bytes()).unwrap();
            }
        });
        let asked = "/watchbell/v1/history?kind=firing&match[]={alertname=%22Late%22}&format=sse";
        let request = format!("GET {asked} HTTP/1.1\r\nHost: a\r\n\r\n");
        let events = peers::beginning(port, &request, "\"kind\":\"firing\"");
        done.store(true, Ordering::Relaxed);
        assert!(events.contains("\"alertname\":\"Late\"") && !events.contains("Always"), "{events}");
    });
}

#[test]
fn a_history_that_cannot_be_opened_keeps_no_page_back_and_is_told() {
    let (heard, home) = scene();
    std::fs::create_dir_all(home.path().join("data")).unwrap();
    std::fs::write(home.path().join("data/history"), "in the way").unwrap();
    let server = home.start();
    wait_for("a page", || heard.lock().unwrap().first().cloned());
    let (status, ready) = server.get("/-/ready");
    assert!(status == 200 && ready.contains("Decisions are not recorded: history in "), "{ready}");
    assert!(server.get("/metrics").1.contains("watchbell_history_healthy 0\n"));
    assert!(server.get("/alerts").1.contains("Decisions are not recorded: "));
    for path in ["/watchbell/v1/history", "/watchbell/v1/explain?page=0"] {
        assert_eq!(server.get(path).0, 503, "{path}");
    }
    assert!(server.get("/history").1.contains("No history is kept here."));
    let then = server.get("/watchbell/v1/explain?alert=Always&at=2020-01-01T00:00:00Z").1;
    assert!(then.contains("no history is kept here"), "{then}");
}

/// Keeps what is decided.
#[derive(Default)]
struct Scribe {
    decisions: Vec<Decision>,
    refuses: bool,
}

impl Audience for Scribe {
    fn record(&mut self, decisions: Vec<Decision>) {
        self.decisions.extend(decisions);
    }

    fn deliver(&mut self, _: &Notification) -> Outcome {
        if self.refuses { Outcome::GiveUp { reason: "400".into() } } else { Outcome::Delivered }
    }
}

impl Scribe {
    /// The kinds of what was decided since the last call.
    fn take(&mut self) -> Vec<&'static str> {
        std::mem::take(&mut self.decisions).iter().map(|d| d.kind().as_str()).collect()
    }
}

#[test]
fn only_what_changes_is_recorded() {
    let stage = Stage::default();
    stage.set("Down", &["a"]);
    let mut scribe = Scribe::default();
    let options = Options { schedule: Schedule::Aligned { start: 0 }, records: true, ..Options::default() };
    let groups = vec![group("g", vec![rule("Down", M, "critical")])];
    let store = Arc::new(MemoryStore::default());
    let mut setup = setup(groups);
    // One group, which hears of resolves too, and of what goes on every four hours.
    let mut routing = (**setup.routing.as_ref().unwrap()).clone();
    (routing.route.receiver, routing.route.repeat_interval) = (Some("pager".into()), Some(4 * 60 * M));
    routing.route.routes.clear();
    setup.routing = Some(Arc::new(routing));
    let mut replay = Replay::start(options, setup, VirtualClock::at(0), &stage, store, &mut scribe).unwrap();
    replay.play_until(10 * S).unwrap();
    assert_eq!(replay.audience().take(), ["started", "pending"]);
    replay.play_until(30 * M).unwrap();
    let first = replay.audience().take();
    assert_eq!(first[..5], ["firing", "routed", "grouped", "notify", "sent"]);
    assert!(first[5..].iter().all(|kind| *kind == "deduplicated") && first.len() <= 7, "{first:?}");
    replay.play_until(3 * 60 * M).unwrap();
    assert_eq!(replay.audience().take(), [""; 0], "nothing changes");
    // Silenced, once; and told again when that is over.
    let new = NewSilence {
        matchers: vec![Matcher::equal("alertname", "Down")],
        starts_at: 3 * 60 * M,
        ends_at: 9 * 60 * M,
        ..NewSilence::default()
    };
    replay.happen(Event::SilenceChanged(0, SilenceChange::Set(new))).unwrap();
    replay.play_until(8 * 60 * M).unwrap();
    assert_eq!(replay.audience().take(), ["silenced", "withheld"]);
    replay.audience().refuses = true;
    replay.play_until(9 * 60 * M + 6 * M).unwrap();
    let again = replay.audience().take();
    assert_eq!(again[..3], ["unmuted", "repeated", "given_up"], "{again:?}");
    replay.audience().refuses = false;
    stage.set("Down", &[]);
    replay.play_until(9 * 60 * M + 30 * M).unwrap();
    let end = std::mem::take(&mut replay.audience().decisions);
    let resolved = end.iter().find(|d| matches!(d.what, What::Resolved { .. })).unwrap();
    assert_eq!(resolved.alerts[0].labels.value("instance"), "a");
    assert!(end.iter().any(|d| matches!(d.what, What::Sent { .. }) && d.alerts.iter().all(|a| a.resolved)));
}
