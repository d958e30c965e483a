//! `watchbell explain` and `/watchbell/v1/explain`: why somebody was paged, and why nobody was.

use std::process::Command;
use std::sync::{Arc, Mutex};

use serde_json::Value as Json;
use watchbell::alerting::GroupSpec;
use watchbell::alerting::schedule::Schedule;
use watchbell::alerting::spec::GroupDefaults;
use watchbell::alerting::timeline::{MOST_TICKS, Terms, TimelineWorld};
use watchbell::clock::{Clock, VirtualClock};
use watchbell::config::AlertmanagerConfig;
use watchbell::datasource::LocalQuerier;
use watchbell::engine::drive::{Audience, Replay};
use watchbell::engine::{Options, Setup};
use watchbell::explain::{Asked, Sources, explain, explain_at, explain_page, text};
use watchbell::history::{Decision, History, Limits, Page, Query};
use watchbell::model::notation::parse_metric;
use watchbell::notify::{Notification, Outcome};
use watchbell::promql::{CompileOptions, EvalEnv};
use watchbell::routing::RoutingConfig;
use watchbell::rules::{LoadOptions, load_str};
use watchbell::server::time::parse_time;
use watchbell::state::MemoryStore;
use watchbell::template::prometheus::TemplateCache;
use watchbell::tsdb::Tsdb;

use crate::support::http;
use crate::support::peers::{self, wait_for};
use crate::support::service::{Home, Server};

const RULES: &str = "groups:
- name: gpu
  rules:
  - alert: GPUMemoryExhausted
    expr: DCGM_FI_DEV_FB_USED / DCGM_FI_DEV_FB_FREE > 0.95
    labels: {severity: critical}
    annotations: {summary: 'memory of GPU {{ $labels.gpu }}'}
  - alert: GPUTemperatureHigh
    expr: DCGM_FI_DEV_GPU_TEMP > 85
    for: 1h
    labels: {severity: warning}
  - alert: GPUUsed
    expr: DCGM_FI_DEV_FB_USED > 0
    for: 1h
    labels: {severity: info, team: y}
  - alert: GPUXIDErrors
    expr: increase(DCGM_FI_DEV_XID_ERRORS[1h]) > 0
  - alert: GPUJoined
    expr: DCGM_FI_DEV_FB_USED * on (job) DCGM_FI_DEV_GPU_TEMP > 0
";

const METRICS: &str = "DCGM_FI_DEV_FB_USED{gpu=\"0\"} 190
DCGM_FI_DEV_FB_FREE{gpu=\"0\"} 100
DCGM_FI_DEV_FB_USED{gpu=\"1\"} 90
DCGM_FI_DEV_FB_FREE{gpu=\"1\"} 100
DCGM_FI_DEV_GPU_TEMP{gpu=\"0\"} 91
DCGM_FI_DEV_GPU_TEMP{gpu=\"1\"} 60
";

/// A service over a target and its receivers: one that listens, one that fails, one that is nobody. What was heard.
fn service() -> (Home, Server, Arc<Mutex<Vec<Json>>>) {
    let heard: Arc<Mutex<Vec<Json>>> = Arc::default();
    let hears = heard.clone();
    let address = http::serve(false, move |request| {
        let status = match request.line.split(' ').nth(1).unwrap() {
            "/metrics" => return Some(http::answer(200, &[("content-type", "text/plain; version=0.0.4")], METRICS)),
            "/page" => 200,
            _ => 503,
        };
        if status == 200 {
            hears.lock().unwrap().push(serde_json::from_slice(&request.body).unwrap());
        }
        Some(http::answer(status, &[], ""))
    });
    let config = format!(
        "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: [rules.yml]\n\
         scrape_configs: [{{job_name: dcgm, static_configs: [{{targets: ['{address}']}}]}}]\n\
         watchbell: {{alertmanager_config: am.yml}}\n"
    );
    let routing = format!(
        "route: {{receiver: nobody, group_wait: 0s, group_interval: 1h, group_by: [alertname], routes: [\n\
         \x20 {{receiver: pager, matchers: [severity=critical]}},\n\
         \x20 {{receiver: late, matchers: [severity=warning], mute_time_intervals: [always]}},\n\
         \x20 {{receiver: broken, matchers: [team=x]}},\n\
         \x20 {{receiver: pager, matchers: [team=y], group_wait: 1h}}]}}\n\
         time_intervals: [{{name: always, time_intervals: [{{}}]}}]\n\
         inhibit_rules: [{{source_matchers: [severity=critical], target_matchers: [severity=info], equal: [gpu]}}]\n\
         receivers: [{{name: nobody}}, {{name: late, webhook_configs: [{{url: 'http://{address}/page'}}]}},\n\
         \x20 {{name: pager, webhook_configs: [{{url: 'http://{address}/page'}}]}},\n\
         \x20 {{name: broken, webhook_configs: [{{url: 'http://{address}/broken'}}]}}]\n"
    );
    let home = Home::new(&[("watchbell.yaml", &config), ("rules.yml", RULES), ("am.yml", &routing)]);
    let server = home.start();
    wait_for("the page", || heard.lock().unwrap().first().cloned());
    (home, server, heard)
}

fn asked(server: &Server, alert: &str) -> Json {
    let alert: String = url::form_urlencoded::byte_serialize(alert.as_bytes()).collect();
    server.api(&format!("/watchbell/v1/explain?alert={alert}"))
}

/// The findings of the parts that decide.
fn deciding(part: &Json) -> Vec<Json> {
    let below = part["parts"].as_array().into_iter().flatten().flat_map(deciding);
    let own = part["findings"].as_array().filter(|_| part["decides"] == true).into_iter().flatten().cloned();
    own.chain(below).collect()
}

#[test]
fn an_alert_is_explained_from_its_samples_to_its_delivery() {
    let (home, server, heard) = service();
    let told = wait_for("delivery", || {
        let answer = asked(&server, "GPUMemoryExhausted");
        (answer["alerts"][0]["stage"] == "delivered").then_some(answer)
    });
    let alert = &told["alerts"][0];
    assert_eq!(told["alerts"].as_array().unwrap().len(), 1);
    assert_eq!((&alert["state"], &alert["labels"]["gpu"]), (&"firing".into(), &"0".into()));
    assert_eq!(alert["annotations"]["summary"], "memory of GPU 0");
    let margin = &deciding(&alert["expression"])[0];
    assert_eq!((&margin["operator"], &margin["holding"], &margin["count"]), (&">".into(), &1.into(), &2.into()));
    assert_eq!((&margin["rows"][0]["value"], &margin["rows"][0]["by"]), (&"1.9".into(), &"0.95".into()));
    let route = &alert["routes"][0];
    assert_eq!((&route["route"], &route["receiver"]), (&"{}/{severity=\"critical\"}".into(), &"pager".into()));
    assert_eq!((&route["group"]["hasFlushed"], &route["groupWait"]), (&true.into(), &"0s".into()));
    assert_eq!(route["integrations"][0]["told"], "firing");
    let passed: Vec<&Json> = alert["passedBy"].as_array().unwrap().iter().map(|p| &p["behind"]).collect();
    assert_eq!(passed, ["{}/{severity=\"critical\"}"; 3], "the first route takes it");
    assert_eq!(told["rules"][0]["name"], "GPUMemoryExhausted");
    assert_eq!(heard.lock().unwrap().len(), 1);

    // By its fingerprint it is the same.
    let again = asked(&server, alert["fingerprint"].as_str().unwrap());
    assert_eq!(again["alerts"][0]["labels"], alert["labels"]);

    // The same in words.
    let said = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_watchbell"));
        command.current_dir(home.path()).env("HOME", home.path()).arg("explain").args(arguments);
        let output = command.arg(format!("--alertmanager.url=http://127.0.0.1:{}", home.port())).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let text = said(&["GPUMemoryExhausted"]);
    for line in [
        "pager/webhook[0] was told at ",
        "  because\n    DCGM_FI_DEV_FB_USED / DCGM_FI_DEV_FB_FREE > 0.95: holds for 1 of 2 series:\n      1.9 > 0.95, by 0.95 (100%)",
        "  route       {}/{severity=\"critical\"} -> pager\n",
        "    pager/webhook[0]: delivered; told firing at ",
        "  not routed  {}/{team=\"x\"} -> broken: {}/{severity=\"critical\"} stands before it and takes the alert\n",
    ] {
        assert!(text.contains(line), "{line:?} is not in\n{text}");
    }
    let (_, same) = server.get("/watchbell/v1/explain?alert=GPUMemoryExhausted&format=text");
    let without_time = |text: &str| text.split_once(": ").map(|(_, rest)| rest.to_owned());
    assert_eq!(without_time(&same), without_time(&text));
    let json: Json = serde_json::from_str(&said(&["GPUMemoryExhausted", "--json"])).unwrap();
    assert_eq!(json["alerts"][0]["fingerprint"], alert["fingerprint"]);
}

#[test]
fn what_never_fired_is_explained_by_its_rule() {
    let (_home, server, _heard) = service();
    server.wait_for_evaluations(1);

    // The nearest miss.
    let near = asked(&server, "GPUMemoryExhausted{gpu=\"1\"}");
    assert_eq!(near["alerts"], Json::Array(Vec::new()));
    let margin = &deciding(&near["rules"][0]["expression"])[0]["rows"][0];
    assert_eq!((&margin["labels"]["gpu"], &margin["holds"]), (&"1".into(), &false.into()));
    assert!(near["summary"].as_str().unwrap().contains("does not hold for {gpu=\"1\""), "{}", near["summary"]);

    // A series that no target has.
    let lost = asked(&server, "GPUMemoryExhausted{gpu=\"7\"}");
    let missing = &deciding(&lost["rules"][0]["expression"])[0];
    assert_eq!((&missing["type"], &missing["removedBy"]["matcher"]), (&"missing".into(), &"gpu=\"7\"".into()));
    assert_eq!(missing["removedBy"]["values"], serde_json::json!(["0", "1"]));
    let none = asked(&server, "GPUXIDErrors");
    let missing = &deciding(&none["rules"][0]["expression"])[0];
    assert_eq!((&missing["selector"], &missing["ofName"]), (&"DCGM_FI_DEV_XID_ERRORS".into(), &0.into()));

    // A rule that errs, a rule that waits, and none.
    let broken = asked(&server, "GPUJoined");
    assert_eq!(broken["rules"][0]["health"], "err");
    assert!(broken["summary"].as_str().unwrap().contains("many-to-many"), "{}", broken["summary"]);
    let pending = asked(&server, "GPUTemperatureHigh");
    let alert = &pending["alerts"][0];
    assert_eq!((&alert["stage"], &alert["routes"][0]["receiver"]), (&"pending".into(), &"late".into()));
    let time = |name: &str| chrono::DateTime::parse_from_rfc3339(alert[name].as_str().unwrap()).unwrap();
    assert_eq!((time("firesAt") - time("activeAt")).num_minutes(), 60);
    // What would stop one that pends is known before it fires.
    let used = |gpu: &str| asked(&server, &format!("GPUUsed{{gpu=\"{gpu}\"}}"))["alerts"][0].clone();
    let (inhibited, other) = (used("0"), used("1"));
    assert_eq!((&inhibited["stage"], &inhibited["next"]), (&"pending".into(), &Json::Null));
    assert_eq!(inhibited["inhibitedBy"][0]["alert"]["alertname"], "GPUMemoryExhausted");
    assert!(other["next"].is_string() && other["inhibitedBy"].is_null(), "{other}");
    let unknown = asked(&server, "GpuMemory");
    assert_eq!(unknown["didYouMean"], serde_json::json!(["GPUMemoryExhausted"]));

    for (query, why) in
        [("", "alert"), ("alert={a", "alert"), ("alert=A&format=xml", "format"), ("alert=A&limit=x", "limit")]
    {
        let (status, body) = server.get(&format!("/watchbell/v1/explain?{query}"));
        assert!(status == 400 && body.contains(why), "{query}: {status} {body}");
    }
}

#[test]
fn what_stops_an_alert_on_its_way_is_named() {
    let (_home, server, _heard) = service();
    let post = |path: &str, body: String| {
        let (status, answer) = peers::post(server.0.port, path, "application/json", body.as_bytes()).unwrap();
        assert_eq!(status, 200, "{answer}");
        answer
    };
    let silence = r#"{"matchers": [{"name": "alertname", "value": "Quiet", "isRegex": false, "isEqual": true}],
        "startsAt": "2020-01-01T00:00:00Z", "endsAt": "2100-01-01T00:00:00Z", "createdBy": "ben", "comment": "planned"}"#;
    let silence: Json = serde_json::from_str(&post("/api/v2/silences", silence.into())).unwrap();
    let alert = |labels: &str| format!(r#"{{"labels": {{{labels}}}}}"#);
    let alerts = [
        r#""alertname": "Quiet", "severity": "critical""#,
        r#""alertname": "Inhibited", "severity": "info", "gpu": "0", "team": "y""#,
        r#""alertname": "Night", "severity": "warning""#,
        r#""alertname": "Failing", "team": "x""#,
        r#""alertname": "Waiting", "team": "y""#,
        r#""alertname": "Nobody""#,
    ];
    post("/api/v2/alerts", format!("[{}]", alerts.map(alert).join(",")));
    for (name, stage) in [
        ("Quiet", "silenced"),
        ("Inhibited", "inhibited"),
        ("Night", "muted"),
        ("Failing", "retrying"),
        ("Waiting", "group_wait"),
        ("Nobody", "no_integration"),
    ] {
        let answer = wait_for(name, || {
            let answer = asked(&server, name);
            (answer["alerts"][0]["stage"] == stage).then_some(answer)
        });
        let alert = &answer["alerts"][0];
        let (route, summary) = (&alert["routes"][0], alert["summary"].as_str().unwrap());
        match name {
            "Quiet" => {
                assert_eq!(alert["silencedBy"][0]["id"], silence["silenceID"]);
                assert!(summary.contains("of ben until 2100-01-01T00:00:00Z: planned"), "{summary}");
            }
            "Inhibited" => {
                let by = &alert["inhibitedBy"][0];
                assert_eq!((&by["alert"]["alertname"], &by["rule"]), (&"GPUMemoryExhausted".into(), &0.into()));
                assert_eq!(by["equal"], serde_json::json!(["gpu"]));
            }
            "Night" => assert_eq!(route["mutedBy"], serde_json::json!(["always"])),
            "Failing" => {
                let owed = &route["integrations"][0]["owed"];
                assert!(owed["lastError"].as_str().unwrap().contains("503") && summary.contains("503"), "{summary}");
                assert!(alert["next"].is_string());
            }
            "Waiting" => {
                assert_eq!(route["group"]["hasFlushed"], false);
                assert_eq!(alert["next"], route["group"]["nextFlush"]);
            }
            _ => {
                assert!(summary.contains("the receiver nobody has no integrations"), "{summary}");
                let first = &alert["passedBy"][0]["unmatched"][0];
                assert_eq!((&first["matcher"], &first["value"]), (&"severity=\"critical\"".into(), &"".into()));
            }
        }
    }
}

/// What the command says, and whether it succeeded.
fn command(home: &Home, arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_watchbell"));
    command.current_dir(home.path()).env("HOME", home.path()).arg("explain").args(arguments);
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    (output.status.success(), text.concat())
}

#[test]
fn what_is_past_is_explained_by_the_service_and_by_its_data() {
    let (home, mut server, _heard) = service();
    let sent = wait_for("what was sent", || {
        let found = server.api("/watchbell/v1/history?kind=sent&receiver=pager");
        found["decisions"].as_array().unwrap().first().cloned()
    });
    let (id, sent_at) = (sent["notification"].to_string(), sent["time"].as_str().unwrap().to_owned());
    let get = |query: &str| -> Json { server.api(&format!("/watchbell/v1/explain?{query}")) };

    // When it had been told, and before anything was known.
    let then = get(&format!("alert=GPUMemoryExhausted&at={sent_at}"));
    let alert = &then["alerts"][0];
    assert_eq!((&alert["stage"], &alert["state"]), (&"delivered".into(), &"firing".into()), "{then}");
    assert_eq!((&alert["value"], &then["rules"][0]["name"]), (&"1.9".into(), &"GPUMemoryExhausted".into()));
    assert_eq!(deciding(&alert["expression"])[0]["rows"][0]["value"], "1.9");
    let kinds: Vec<&str> = alert["decisions"].as_array().unwrap().iter().map(|d| d["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["firing", "routed", "grouped", "notify", "sent"]);
    let route = &alert["routes"][0];
    assert_eq!((&route["receiver"], &route["groupWait"]), (&"pager".into(), &"0s".into()));
    let integration = &route["integrations"][0];
    assert_eq!((&integration["told"], &integration["toldAt"]), (&"firing".into(), &sent["time"]));
    assert_eq!(integration["decision"]["why"], "first notification");
    assert_eq!(alert["passedBy"].as_array().unwrap().len(), 3);
    let before = get("alert=GPUMemoryExhausted&at=2020-01-01T00:00:00Z");
    assert_eq!(before["alerts"], Json::Array(Vec::new()));
    assert!(before["notes"][0].as_str().unwrap().starts_with("the history begins at "), "{before}");
    assert!(before["summary"].as_str().unwrap().contains("does not fire"), "{before}");
    let pending = get(&format!("alert=GPUTemperatureHigh&at={sent_at}"));
    assert_eq!(pending["alerts"][0]["stage"], "pending");
    assert!(pending["alerts"][0]["firesAt"].is_string());

    // The page that its message names.
    let page = get(&format!("page={id}"));
    assert_eq!(
        (&page["page"]["outcome"], &page["page"]["reason"]),
        (&"delivered".into(), &"first_notification".into())
    );
    assert_eq!(page["page"]["new"][0]["labels"]["gpu"], "0");
    assert_eq!(page["page"]["attempts"][0]["kind"], "sent");
    assert_eq!(page["alerts"][0]["stage"], "delivered");
    assert!(page["summary"].as_str().unwrap().contains("because the group had not been told before"), "{page}");
    for (query, status, why) in [
        ("page=999999", 404, "knows no notification 999999"),
        ("page=x", 400, "page"),
        ("page=1&alert=A", 400, "alert"),
        ("alert=A&at=2100-01-01T00:00:00Z", 400, "not past"),
        ("alert=A&at=x", 400, "at"),
    ] {
        let (found, body) = server.get(&format!("/watchbell/v1/explain?{query}"));
        assert!(found == status && body.contains(why), "{query}: {found} {body}");
    }

    // The same in words, of the service, and of its data when it is gone.
    let url = format!("--alertmanager.url=http://127.0.0.1:{}", home.port());
    let data = format!("--data={}", home.path().join("data").display());
    let of_data = [data.as_str(), "--config.file=watchbell.yaml"];
    let said = [
        "      1.9 > 0.95, by 0.95 (100%)",
        "    pager/webhook[0]: delivered; told firing at ",
        "      told at ",
        "  not routed  {}/{team=\"x\"} -> broken: {}/{severity=\"critical\"} stands before it and takes the alert\n",
        "  firing        fires with value 1.9;",
    ];
    let of_page =
        ["notification ", " to pager/webhook[0]\n", "  decided     ", "because the group had not been told before"];
    let check = |source: &[&str]| {
        let ask = |more: &[&str]| command(&home, &[more, source].concat());
        let (good, text) = ask(&["GPUMemoryExhausted", "--at", &sent_at]);
        assert!(good && said.iter().all(|line| text.contains(line)), "{text}");
        let (good, text) = ask(&["--page", &id]);
        assert!(good && said.iter().chain(&of_page).all(|line| text.contains(line)), "{text}");
        let (good, text) = ask(&["--page", "999999"]);
        assert!(!good && text.contains("knows no notification 999999"), "{text}");
        let (good, text) = ask(&["GPUMemoryExhausted", "--at", &sent_at, "--json"]);
        let json: Json = serde_json::from_str(&text).unwrap();
        assert!(good && json["alerts"][0]["labels"] == alert["labels"], "{text}");
    };
    check(&[&url]);
    let (good, text) = command(&home, &[&["GPUMemoryExhausted"], of_data.as_slice()].concat());
    assert!(!good && text.contains("if that is the service"), "a service runs on its data: {text}");
    server.0.kill();
    check(&of_data);
    // As of its last evaluation.
    let (good, text) = command(&home, &[&["GPUMemoryExhausted"], of_data.as_slice()].concat());
    assert!(good && text.contains("pager/webhook[0] was told at "), "{text}");
    assert!(!command(&home, &["--page", "1", "GPUMemoryExhausted", &url]).0);
    assert!(!command(&home, &[&url]).0, "nothing is asked for");
}

/// 2027-01-15T08:00:00Z
const ZERO: i64 = 1_800_000_000_000;
const MINUTE: i64 = 60_000;

struct Pager(History);

impl Audience for Pager {
    fn record(&mut self, decisions: Vec<Decision>) {
        self.0.record(decisions);
    }

    fn deliver(&mut self, _: &Notification) -> Outcome {
        Outcome::Delivered
    }
}

/// Three hours of the mission's fleet: a GPU whose memory is full for ten minutes, one that is hot, an exporter that goes.
fn fleet() -> Tsdb {
    let data = Tsdb::in_memory();
    let mut appender = data.appender();
    let mut minute = |at: i64, series: &str, value: f64| {
        appender.append(&parse_metric(series).unwrap(), ZERO + at * MINUTE, value).unwrap();
    };
    for at in 0..180 {
        let gone = at >= 120;
        for (gpu, node, used) in [(0, "n1", if at >= 170 { 39.2 } else { 21.0 }), (1, "n1", 36.4), (2, "n2", 12.0)] {
            let labels = format!("{{gpu=\"{gpu}\", instance=\"{node}:9400\", job=\"dcgm\"}}");
            if node == "n1" || !gone {
                minute(at, &format!("DCGM_FI_DEV_FB_USED{labels}"), used);
                minute(at, &format!("DCGM_FI_DEV_FB_FREE{labels}"), 40.0);
                minute(
                    at,
                    &format!("DCGM_FI_DEV_GPU_TEMP{labels}"),
                    if gpu == 0 { 61.0 + at as f64 / 7.0 } else { 58.0 },
                );
            }
        }
        minute(at, "up{instance=\"n1:9400\", job=\"dcgm\"}", 1.0);
        minute(at, "up{instance=\"n2:9400\", job=\"dcgm\"}", if gone { 0.0 } else { 1.0 });
    }
    appender.commit().unwrap();
    data
}

fn block<'d>(document: &'d str, opening: &str) -> &'d str {
    let (_, rest) = document.split_once(opening).unwrap_or_else(|| panic!("no {opening}"));
    rest.split_once("```").unwrap().0
}

#[test]
fn what_the_document_shows_is_what_is_said() {
    let document = include_str!("../docs/explain.md");
    let rules = block(document, "```yaml rules.yml\n");
    let routing = block(document, "```yaml alertmanager.yml\n");
    let loaded = load_str("rules.yml", rules, &LoadOptions::default()).unwrap();
    let defaults = GroupDefaults { interval: MINUTE, query_offset: 0 };
    let groups = loaded.iter().map(|g| Arc::new(GroupSpec::of(g, &defaults))).collect();
    let routing = AlertmanagerConfig::load_str("alertmanager.yml", routing).unwrap().config;
    let setup = Setup { groups, routing: Some(Arc::new(RoutingConfig::of(&routing))), ..Setup::default() };
    let (data, until) = (fleet(), ZERO + 179 * MINUTE + 30_000);
    let terms = Terms {
        env: EvalEnv::default(),
        options: CompileOptions::default(),
        external_labels: Default::default(),
        external_url: "http://watchbell".into(),
        renderer: Arc::new(TemplateCache::default()),
        until,
        ticks_ahead: MOST_TICKS,
        forgets: false,
    };
    let world = TimelineWorld::new(Box::new(data.clone()), terms);
    let past = tempfile::tempdir().unwrap();
    let history = History::open(past.path(), Limits::default()).unwrap();
    let (clock, mut pager) = (VirtualClock::at(ZERO), Pager(history.clone()));
    let options = Options { schedule: Schedule::Aligned { start: ZERO }, records: true, ..Options::default() };
    let store = Arc::new(MemoryStore::default());
    let mut replay = Replay::start(options, setup, clock.clone(), &world, store, &mut pager).unwrap();
    replay.play_until(until).unwrap();
    let (view, querier, env) = (replay.view(), LocalQuerier::new(Arc::new(data)), EvalEnv::default());
    let ask = |query: &Query| history.query(query);
    let (now, most, past) = (clock.now(), 10, Some(&ask as &dyn Fn(&Query) -> Page));
    let sources = Sources { view: &view, querier: &querier, own: &querier, env: &env, now, most, past };
    let mut parts = document.split("```console\n");
    let (mut said, mut count) = (parts.next().unwrap().to_owned(), 0);
    for part in parts {
        let (command, rest) = part.split_once('\n').unwrap();
        let (_, behind) = rest.split_once("```").unwrap();
        let asked = command.strip_prefix("$ watchbell explain ").unwrap();
        let alert = |text: &str| Asked::parse(text.trim_matches('\'')).unwrap();
        let explained = match (asked.strip_prefix("--page "), asked.split_once(" --at ")) {
            (Some(id), _) => explain_page(id.parse().unwrap(), &sources).unwrap(),
            (None, Some((asked, at))) => explain_at(&alert(asked), &sources, parse_time(at).unwrap()),
            (None, None) => explain(&alert(asked), &sources),
        };
        let answer = text::explanation(&explained);
        said.push_str(&format!("```console\n{command}\n{answer}```{behind}"));
        count += 1;
    }
    assert!(document == said, "what is said is\n{said}");
    assert!(count >= 3, "{count} commands are shown");
}
