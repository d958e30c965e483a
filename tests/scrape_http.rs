//! Scrapes of servers that are strict, broken or slow: what is asked for, what is accepted, what is reported.

use std::io::Write;
use std::sync::{Arc, Mutex};

use watchbell::clock::SystemClock;
use watchbell::config::discovery::{FileSdConfig, StaticConfig};
use watchbell::config::relabel::RelabelRegex;
use watchbell::config::yaml::Duration;
use watchbell::config::{RelabelAction, RelabelConfig, ScrapeProtocol};

use watchbell::ingest::discovery::Source;
use watchbell::ingest::scrape::{ScrapeManager, ScrapeSettings, ScrapeState, TargetHealth};
use watchbell::model::{Matcher, SampleBuf, is_stale};
use watchbell::net::{Auth, Credential, TlsSettings};
use watchbell::tsdb::{Queryable, Tsdb};

use crate::support::http::{Answer, Request, answer, serve, tls_file};
use crate::support::peers::wait_for;

const TEXT: (&str, &str) = ("Content-Type", "text/plain; version=0.0.4");

struct Running {
    tsdb: Tsdb,
    manager: ScrapeManager,
    _runtime: tokio::runtime::Runtime,
}

fn start(settings: ScrapeSettings) -> Running {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let tsdb = Tsdb::in_memory();
    let manager = ScrapeManager::new(Arc::new(tsdb.clone()), Arc::new(SystemClock), runtime.handle().clone());
    manager.apply(vec![settings]);
    Running { tsdb, manager, _runtime: runtime }
}

impl Running {
    fn state(&self) -> Option<ScrapeState> {
        self.manager.status().first()?.active.first().map(|t| t.state.clone())
    }

    /// The state after the first scrape.
    fn scraped(&self) -> ScrapeState {
        wait_for("a scrape", || self.state().filter(|s| s.health != TargetHealth::Unknown))
    }

    fn newest(&self, metric: &str) -> Vec<f64> {
        let found = self.tsdb.select(&[Matcher::equal("__name__", metric)], i64::MIN, i64::MAX).unwrap();
        let newest = |s: &Arc<dyn watchbell::tsdb::Series>| s.latest(i64::MIN, i64::MAX).unwrap()?.1.as_float();
        found.iter().filter_map(newest).collect()
    }
}

/// Targets that are listed.
fn listed(addresses: &[&str]) -> Vec<Source> {
    let targets = addresses.iter().map(|a| (*a).to_owned()).collect();
    vec![Source::Static(Box::new(vec![StaticConfig { targets, ..StaticConfig::default() }]))]
}

fn settings(address: &str) -> ScrapeSettings {
    ScrapeSettings {
        scrape_interval: 200,
        scrape_timeout: 200,
        discovery: listed(&[address]),
        ..ScrapeSettings::new("j")
    }
}

fn gzip(text: &str) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    writer.write_all(text.as_bytes()).unwrap();
    writer.finish().unwrap()
}

#[test]
fn a_scrape_asks_as_prometheus_does_and_takes_gzip() {
    let seen: Arc<Mutex<Option<Request>>> = Arc::default();
    let record = seen.clone();
    let address = serve(false, move |request| {
        *record.lock().unwrap() = Some(request);
        Some(answer(200, &[TEXT, ("Content-Encoding", "gzip")], gzip("metric 7\n")))
    });
    let mut asking = settings(&address);
    asking.params = vec![("module".into(), vec!["http 2xx".into()])];
    asking.http.auth = Some(Auth::Basic { username: "me".into(), password: "secret".into() });
    asking.http.headers = vec![("X-Tenant".into(), "فريق".into())];
    let running = start(asking);
    assert_eq!(running.scraped().last_error, "");
    assert_eq!(running.newest("metric"), [7.0]);
    let request = seen.lock().unwrap().take().unwrap();
    assert_eq!(request.line, "GET /metrics?module=http+2xx HTTP/1.1");
    assert_eq!(request.header("authorization"), "Basic bWU6c2VjcmV0");
    assert_eq!(request.header("accept-encoding"), "gzip");
    assert_eq!(request.header("x-prometheus-scrape-timeout-seconds"), "0.2");
    assert!(request.header("accept").starts_with("application/openmetrics-text;version=1.0.0"));
}

#[test]
fn a_failed_scrape_says_why_and_marks_the_target_down() {
    type Case = (Answer, fn(&mut ScrapeSettings), &'static str);
    let ok = |body: &str| answer(200, &[TEXT], body);
    let cases: Vec<Case> = vec![
        (answer(503, &[], ""), |_| {}, "server returned HTTP status 503 Service Unavailable"),
        (ok("a 1\nb{ 2\n"), |_| {}, "line 2, column 2: expected labels with a closing brace, found \"{\""),
        (ok("a 1\nb 2\n"), |s| s.limits.samples = 1, "sample limit exceeded"),
        (ok("a 1\nb 2\n"), |s| s.limits.body_size = 5, "body size limit exceeded"),
        (
            answer(200, &[TEXT, ("Content-Encoding", "gzip")], gzip(&"a 1\n".repeat(5000))),
            |s| s.limits.body_size = 5000,
            "body size limit exceeded",
        ),
        (
            answer(200, &[("Content-Type", "text/html")], "a 1\n"),
            |_| {},
            "received unsupported Content-Type \"text/html\" and no fallback_scrape_protocol specified for target",
        ),
        (
            answer(200, &[], "a 1\n"),
            |_| {},
            "non-compliant scrape target sending blank Content-Type and no fallback_scrape_protocol specified for target",
        ),
        // As in Prometheus: a body of exactly the limit is too long.
        (ok("a 1\n"), |s| s.limits.body_size = 4, "body size limit exceeded"),
        (ok("a 1\n"), |s| s.limits.body_size = 5, ""),
        (ok("a 1\n"), |s| s.limits.targets = 1, ""),
        (
            ok("a 1\n"),
            |s| {
                s.limits.targets = 1;
                let Source::Static(listed) = &mut s.discovery[0] else { panic!() };
                listed[0].targets.push("127.0.0.1:9".into());
            },
            "target_limit exceeded (number of targets: 2, limit: 1)",
        ),
        (answer(200, &[], "a 1\n"), |s| s.fallback_protocol = Some(ScrapeProtocol::PrometheusText004), ""),
    ];
    for (given, change, want) in cases {
        let address = serve(false, move |_| Some(given.clone()));
        let mut changed = settings(&address);
        change(&mut changed);
        let running = start(changed);
        let state = running.scraped();
        assert_eq!(state.last_error, want);
        let up = if want.is_empty() { TargetHealth::Up } else { TargetHealth::Down };
        assert_eq!(state.health, up, "{want}");
        assert_eq!(running.newest("up").first(), Some(&f64::from(u8::from(want.is_empty()))), "{want}");
        assert_eq!(running.newest("a").is_empty(), !want.is_empty(), "{want}");
    }
}

#[test]
fn a_target_that_cannot_be_asked_is_down_with_the_reason() {
    let missing = tempfile::tempdir().unwrap().path().join("ca.pem");
    let ca = missing.display().to_string();
    let relabel = |target: &str, replacement: &str| RelabelConfig {
        target_label: target.into(),
        replacement: replacement.into(),
        ..RelabelConfig::default()
    };
    let mut no_client = settings("localhost:9");
    no_client.http.tls.ca = Some(Credential::File(missing.clone()));
    let mut no_address = settings("localhost:9");
    no_address.relabel = vec![relabel("__address__", "host:99999")];
    let mut no_scheme = settings("localhost:9");
    no_scheme.relabel = vec![relabel("__scheme__", "gopher")];
    for (settings, want) in [(no_client, ca.as_str()), (no_address, "host:99999"), (no_scheme, "gopher")] {
        let running = start(settings);
        let state = running.scraped();
        assert_eq!(state.health, TargetHealth::Down);
        assert!(state.last_error.contains(want), "{}", state.last_error);
        assert_eq!(running.newest("up"), [0.0]);
    }
}

#[test]
fn a_client_that_could_not_be_built_is_tried_again() {
    let address = serve(true, |_| Some(answer(200, &[TEXT], "a 1\n")));
    let dir = tempfile::tempdir().unwrap();
    let ca = dir.path().join("ca.pem");
    let mut secure = settings(&address.replace("127.0.0.1", "localhost"));
    secure.scheme = "https".into();
    secure.http.tls = TlsSettings { ca: Some(Credential::File(ca.clone())), ..TlsSettings::default() };
    secure.http.tls.server_name = Some("exporter.internal".into());
    let running = start(secure);
    assert_eq!(running.scraped().health, TargetHealth::Down);
    std::fs::copy(tls_file("ca.pem"), ca).unwrap();
    wait_for("the target", || running.state().filter(|s| s.health == TargetHealth::Up));
}

#[test]
fn a_target_that_hangs_or_hangs_up_is_down() {
    let (release, hang) = std::sync::mpsc::channel::<()>();
    let hang = Mutex::new(hang);
    let address = serve(false, move |_| {
        // Answers only when the test is over.
        let _ = hang.lock().unwrap().recv();
        None
    });
    let running = start(settings(&address));
    let error = running.scraped().last_error;
    assert!(error.ends_with("context deadline exceeded"), "{error}");
    drop(release);
    let running = start(settings(&serve(false, |_| None)));
    assert_eq!(running.scraped().health, TargetHealth::Down);
}

#[test]
fn certificates_are_checked_as_configured() {
    let address = serve(true, |_| Some(answer(200, &[TEXT], "secured 1\n")));
    let ca = Some(Credential::File(tls_file("ca.pem")));
    let name = Some("exporter.internal".to_owned());
    let cases = [
        (TlsSettings { ca: ca.clone(), server_name: name.clone(), ..TlsSettings::default() }, true),
        (TlsSettings { insecure_skip_verify: true, ..TlsSettings::default() }, true),
        // The certificate is not for the address.
        (TlsSettings { ca, ..TlsSettings::default() }, false),
        // Nobody vouches for it.
        (TlsSettings { server_name: name, ..TlsSettings::default() }, false),
    ];
    for (tls, accepted) in cases {
        let mut secured = settings(&address);
        secured.scheme = "https".into();
        secured.http.tls = tls.clone();
        let running = start(secured);
        let state = running.scraped();
        assert_eq!(state.health == TargetHealth::Up, accepted, "{tls:?}: {}", state.last_error);
        assert_eq!(running.newest("secured").len(), usize::from(accepted));
    }
}

#[test]
fn targets_follow_their_file() {
    let address = serve(false, |_| Some(answer(200, &[TEXT], "m 1\n")));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("targets.yml");
    let list =
        |targets: &str| std::fs::write(&file, format!("- targets: [{targets}]\n  labels: {{from: file}}\n")).unwrap();
    list(&format!("'{address}'"));
    let mut discovered = settings(&address);
    let files = FileSdConfig { files: vec![file.display().to_string()], refresh_interval: Duration(50) };
    discovered.discovery = vec![Source::File(Box::new(files))];
    let running = start(discovered);
    assert_eq!(running.scraped().last_error, "");
    let status = running.manager.status();
    assert_eq!(status[0].active[0].target.labels.value("from"), "file");
    list("");
    wait_for("the target to go", || running.state().is_none().then_some(()));
    let stale = || running.newest("m").iter().all(|v| is_stale(*v));
    wait_for("its markers", || stale().then_some(()));
}

#[test]
fn a_reload_goes_on_with_the_series_of_a_changed_job() {
    let address = serve(false, |_| Some(answer(200, &[TEXT], "kept 1\ndropped_later 2\n")));
    let running = start(settings(&address));
    assert_eq!(running.scraped().last_error, "");
    let mut changed = settings(&address);
    changed.extra_metrics = true;
    changed.metric_relabel = vec![RelabelConfig {
        source_labels: vec!["__name__".into()],
        regex: RelabelRegex::new("dropped.*").unwrap(),
        action: RelabelAction::Drop,
        ..RelabelConfig::default()
    }];
    running.manager.apply(vec![changed]);
    wait_for("the new settings", || running.newest("scrape_timeout_seconds").first().copied());
    let all = |metric: &str| {
        let found = running.tsdb.select(&[Matcher::equal("__name__", metric)], i64::MIN, i64::MAX).unwrap();
        let mut buf = SampleBuf::default();
        found.iter().for_each(|s| s.read(i64::MIN, i64::MAX, false, &mut buf).unwrap());
        buf.vs
    };
    assert!(all("kept").len() >= 2 && all("kept").iter().all(|v| *v == 1.0), "{:?}", all("kept"));
    assert!(all("up").iter().all(|v| *v == 1.0));
    assert!(is_stale(*all("dropped_later").last().unwrap()));
}
