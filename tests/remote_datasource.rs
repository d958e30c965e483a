//! Samples sent by remote write to a real Prometheus and a real VictoriaMetrics, then queried there as the datasource of
//! rules: the answers are those of the local database with the same samples.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use watchbell::clock::{Clock, SystemClock};
use watchbell::config::{Config, Datasource, QueryMethod};
use watchbell::datasource::{LocalQuerier, Querier, QueryError, RemoteQuerier, RemoteSettings};
use watchbell::ingest::remote_write::Protocol;
use watchbell::ingest::remote_write::send::{RemoteWriteSettings, RemoteWriters};
use watchbell::ingest::store::{SampleRow, SampleStore};
use watchbell::model::histogram::{CounterResetHint, Span};
use watchbell::model::{FloatHistogram, Labels, Value};
use watchbell::net::{Auth, HttpSettings};
use watchbell::promql::{self, CompileOptions, EvalEnv, Plan, QueryValue, RequestTerms};
use watchbell::tsdb::{Tsdb, TsdbOptions};

use crate::support::http;
use crate::support::peers::{self, wait_for};
use crate::support::service::Home;

const STEP: i64 = 15_000;
const STEPS: i64 = 80;

fn row(labels: &[(&str, &str)], t: i64, value: Value) -> SampleRow {
    SampleRow { labels: Labels::from_pairs(labels.iter().copied()), series: None, t, st: 0, value }
}

/// Twenty minutes of counters, gauges and, where asked for, a native histogram; the last at `end`.
fn samples(end: i64, histograms: bool) -> Vec<SampleRow> {
    let mut rows = Vec::new();
    for i in 0..STEPS {
        let t = end - (STEPS - 1 - i) * STEP;
        for (model, factor) in [("fraud", 3.0), ("مراجعة", 7.0)] {
            let count = (i as f64) * factor + if i == 40 { -40.0 * factor } else { 0.0 };
            rows.push(row(&[("__name__", "requests_total"), ("model", model)], t, Value::Float(count)));
            let accuracy = 0.9 + factor / 1000.0 * (i % 7) as f64;
            rows.push(row(&[("__name__", "accuracy"), ("model", model)], t, Value::Float(accuracy)));
        }
        if histograms {
            let n = (i + 1) as f64;
            let h = FloatHistogram {
                schema: 1,
                zero_threshold: 1e-9,
                zero_count: n,
                count: 6.0 * n,
                sum: 12.5 * n,
                positive_spans: vec![Span { offset: -1, length: 2 }, Span { offset: 1, length: 1 }],
                positive_buckets: vec![n, 3.0 * n, n],
                ..FloatHistogram::default()
            };
            rows.push(row(&[("__name__", "latency_seconds")], t, Value::Histogram(Arc::new(h))));
        }
    }
    rows
}

const FLOAT_QUERIES: [&str; 9] = [
    "requests_total",
    "rate(requests_total[5m])",
    "sum by (model) (increase(requests_total[10m]))",
    "avg_over_time(accuracy[3m]) > bool 0.9",
    "accuracy{model=\"مراجعة\"} offset 1m",
    "max(accuracy) - min(accuracy)",
    "vector(1) + 41",
    "scalar(max(requests_total))",
    "absent(nothing{a=\"b\"})",
];

const HISTOGRAM_QUERIES: [&str; 4] = [
    "latency_seconds",
    "rate(latency_seconds[5m])",
    "histogram_quantile(0.5, rate(latency_seconds[5m]))",
    "histogram_count(latency_seconds) / histogram_sum(latency_seconds)",
];

fn plan(expr: &str) -> Arc<Plan> {
    promql::compile(expr, &CompileOptions::default()).unwrap()
}

/// A histogram without its counter-reset hint, which the API does not carry.
fn notation(h: &FloatHistogram) -> String {
    FloatHistogram { counter_reset_hint: CounterResetHint::Unknown, ..h.clone() }.to_notation()
}

/// A result with its elements in one order, floats rounded to what two engines may differ by.
fn comparable(value: QueryValue) -> String {
    let float = |v: f64| format!("{v:.9e}");
    let any = |v: &Value| match v {
        Value::Float(v) => float(*v),
        Value::Histogram(h) => notation(h),
    };
    let mut lines: Vec<String> = match value {
        QueryValue::Scalar(v) => vec![float(v)],
        QueryValue::String(s) => vec![s],
        QueryValue::Vector(all) => all.iter().map(|s| format!("{} {} @{}", s.labels, any(&s.value), s.t)).collect(),
        QueryValue::Matrix(all) => all
            .iter()
            .map(|s| {
                let floats: Vec<String> = s.floats.iter().map(|(t, v)| format!("{t}:{}", float(*v))).collect();
                let histograms: Vec<String> =
                    s.histograms.iter().map(|(t, h)| format!("{t}:{}", notation(h))).collect();
                format!("{} {} {}", s.labels, floats.join(" "), histograms.join(" "))
            })
            .collect(),
    };
    lines.sort();
    lines.join("\n")
}

struct Compared {
    runtime: tokio::runtime::Runtime,
    local: LocalQuerier,
    end: i64,
}

/// Stores samples locally and sends them to `write_url` on the way.
fn send(write_url: String, protocol: Protocol, histograms: bool) -> Compared {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let end = SystemClock.now() / STEP * STEP;
    let dir = tempfile::tempdir().unwrap();
    let (tsdb, _) = Tsdb::open(dir.path(), TsdbOptions::default()).unwrap();
    let writers = RemoteWriters::new(tsdb.clone(), Arc::new(SystemClock), runtime.handle().clone());
    let mut settings = RemoteWriteSettings::new(write_url);
    settings.protocol = protocol;
    settings.send_native_histograms = histograms;
    settings.queue.batch_send_deadline = 50;
    settings.queue.max_samples_per_send = 100;
    assert!(writers.apply(vec![settings]).is_empty());
    let mut rows = samples(end, histograms);
    let all = rows.len();
    assert_eq!(tsdb.store(&mut rows).appended, all);
    let (_, _, counters) = writers.counters().remove(0);
    let sent = || counters.samples.get() + counters.histograms.get();
    wait_for("remote write", || (sent() == all as u64).then_some(()));
    assert_eq!(counters.failed.get(), 0);
    runtime.block_on(writers.shutdown(Duration::from_secs(60)));
    Compared { runtime, local: LocalQuerier::new(Arc::new(tsdb)), end }
}

impl Compared {
    fn check(&self, settings: RemoteSettings, queries: &[&str], instant: bool) {
        let remote = RemoteQuerier::new(settings, self.runtime.handle().clone()).unwrap();
        let env = EvalEnv::default();
        for expr in queries {
            let plan = plan(expr);
            let ask = |q: &dyn Querier| match instant {
                true => q.instant(&plan, self.end, &env),
                false => q.range(&plan, self.end - 600_000, self.end, 30_000, &env),
            };
            let want = comparable(ask(&self.local).unwrap().value);
            let got = comparable(ask(&remote).unwrap_or_else(|e| panic!("{expr}: {e}")).value);
            assert_eq!(got, want, "{expr}");
        }
    }
}

#[test]
fn prometheus_answers_as_the_local_database_does() {
    let Some(prometheus) = peers::prometheus("") else { return };
    let compared = send(prometheus.url("/api/v1/write"), Protocol::V1, true);
    let mut settings = RemoteSettings::new(prometheus.url(""));
    compared.check(settings.clone(), &FLOAT_QUERIES, true);
    compared.check(settings.clone(), &HISTOGRAM_QUERIES, true);
    settings.method = QueryMethod::Get;
    compared.check(settings, &FLOAT_QUERIES, false);
}

#[test]
fn prometheus_takes_the_second_protocol() {
    let Some(prometheus) = peers::prometheus("") else { return };
    let compared = send(prometheus.url("/api/v1/write"), Protocol::V2, true);
    compared.check(RemoteSettings::new(prometheus.url("/")), &HISTOGRAM_QUERIES, false);
}

#[test]
fn victoria_metrics_is_a_datasource_too() {
    let Some(victoria) = peers::victoria_metrics() else { return };
    let compared = send(victoria.url("/api/v1/write"), Protocol::V1, false);
    // It shows new samples when it is asked to flush them.
    wait_for("a flush", || peers::get(victoria.port, "/internal/force_flush").filter(|(status, _)| *status == 200));
    let mut settings = RemoteSettings::new(victoria.url(""));
    settings.path_prefix = "prometheus".into();
    settings.params = vec![("nocache".into(), "1".into())];
    // Its extrapolation of rates is its own, and it has a say of its own on absent().
    let same = ["requests_total", "accuracy{model=\"مراجعة\"} offset 1m", "max(accuracy) - min(accuracy)"];
    compared.check(settings, &same, true);
}

#[test]
fn failures_of_a_remote_server_are_told_apart_and_show_no_secret() {
    let Some(prometheus) = peers::prometheus("") else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let ask = |settings: RemoteSettings, expr: &str| {
        let remote = RemoteQuerier::new(settings, runtime.handle().clone()).unwrap();
        remote.query(expr, 0, &watchbell::promql::CancelToken::new()).unwrap_err()
    };
    let error = ask(RemoteSettings::new(prometheus.url("")), "sum(");
    assert!(matches!(&error, QueryError::Remote { kind, .. } if kind == "bad_data"), "{error}");
    assert!(error.to_string().contains("parse error"), "{error}");

    let mut elsewhere = RemoteSettings::new(prometheus.url(""));
    elsewhere.path_prefix = "/nowhere".into();
    let error = ask(elsewhere, "up");
    assert!(error.to_string().contains("server returned HTTP status 404"), "{error}");

    let mut small = RemoteSettings::new(prometheus.url(""));
    small.max_answer = 10;
    assert!(ask(small, "up").to_string().contains("body size limit exceeded"));

    let mut nobody = RemoteSettings::new(format!("http://me:hunter2@127.0.0.1:{}", peers::free_port()));
    let bearer = Auth::Authorization { scheme: "Bearer".into(), credentials: "hunter2".into() };
    nobody.http = HttpSettings { auth: Some(bearer), ..HttpSettings::default() };
    let error = ask(nobody, "up").to_string();
    assert!(error.contains("onnection refused") && !error.contains("hunter2"), "{error}");
}

/// Rules over a server whose answers are `answer`; `strategy` is a line of their group.
fn home_over(answer: Arc<Mutex<&'static str>>, strategy: &str) -> Home {
    let address = http::serve(false, move |_| Some(http::answer(200, &[], *answer.lock())));
    let config = format!(
        "global: {{evaluation_interval: 100ms}}\nrule_files: [rules.yaml]\n\
         watchbell: {{datasource: {{url: 'http://{address}'}}}}\n"
    );
    let rules = format!("groups:\n- name: g\n{strategy}  rules: [{{alert: Down, expr: up == 0}}]\n");
    Home::new(&[("watchbell.yaml", &config), ("rules.yaml", &rules)])
}

const DOWN: &str = r#"{"status":"success","data":{"resultType":"vector","result":[
    {"metric":{"__name__":"up","job":"a"},"value":[1,"0"]}]}}"#;
const PARTIAL: &str = r#"{"status":"success","isPartial":true,"data":{"resultType":"vector","result":[]}}"#;
const STORE_IS_GONE: &str = r#"{"status":"success","data":{"resultType":"vector","result":[]},
    "warnings":["fetch series for {cluster=\"a\"} store:10901: connection refused"]}"#;
const REMARK: &str = r#"{"status":"success","data":{"resultType":"vector","result":[]},
    "warnings":["PromQL warning: encountered a mix of histograms and floats for aggregation (1:1)"]}"#;

#[test]
fn a_partial_answer_fails_the_rule_and_resolves_nothing() {
    let answer = Arc::new(Mutex::new(DOWN));
    let home = home_over(answer.clone(), "");
    let server = home.start();
    server.wait_for_alert("firing");
    for (partial, why) in [(PARTIAL, "isPartial"), (STORE_IS_GONE, "store:10901: connection refused")] {
        *answer.lock() = partial;
        let rule = wait_for("a failing rule", || {
            let rule = server.api("/api/v1/rules")["data"]["groups"][0]["rules"][0].clone();
            (rule["health"] == "err" && rule["lastError"].as_str()?.contains(why)).then_some(rule)
        });
        assert_eq!(rule["state"], "firing", "{rule}");
        assert!(rule["lastError"].as_str().unwrap().starts_with("partial response: "), "{rule}");
    }
    // A remark of the query engine is no reason to doubt the answer.
    *answer.lock() = REMARK;
    wait_for("the end", || {
        (server.api("/api/v1/rules")["data"]["groups"][0]["rules"][0]["state"] == "inactive").then_some(())
    });
}

#[test]
fn a_group_may_go_on_with_partial_answers() {
    let answer = Arc::new(Mutex::new(DOWN));
    let home = home_over(answer.clone(), "  partial_response_strategy: warn\n");
    let server = home.start();
    server.wait_for_alert("firing");
    *answer.lock() = PARTIAL;
    let rule = wait_for("the end", || {
        let rule = server.api("/api/v1/rules")["data"]["groups"][0]["rules"][0].clone();
        (rule["state"] == "inactive").then_some(rule)
    });
    assert_eq!(rule["health"], "ok", "{rule}");
}

#[test]
fn every_query_carries_the_params_of_its_datasource() {
    let (seen, asked) = std::sync::mpsc::channel();
    let address = http::serve(false, move |request| {
        seen.send(request).unwrap();
        Some(http::answer(200, &[], DOWN))
    });
    let text = format!(
        "watchbell:\n  datasource:\n    url: http://{address}\n    method: get\n    \
         params: {{deny_partial_response: 1, 'storeMatch[]': [a, b]}}\n"
    );
    let config = Config::load_str("watchbell.yaml", &text, &|_| None).unwrap().config;
    let Datasource::Remote(remote) = config.watchbell.datasource else { panic!("remote") };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let remote = RemoteQuerier::new(RemoteSettings::from(&*remote), runtime.handle().clone()).unwrap();
    remote.instant(&plan("up"), 0, &EvalEnv::default()).unwrap();
    let line = asked.recv().unwrap().line;
    assert!(line.contains("&deny_partial_response=1&storeMatch%5B%5D=a&storeMatch%5B%5D=b&"), "{line}");
}

#[test]
fn what_a_group_says_to_a_remote_server_goes_with_its_queries() {
    let (seen, asked) = std::sync::mpsc::channel();
    let address = http::serve(false, move |request| {
        seen.send(request).unwrap();
        Some(http::answer(200, &[], DOWN))
    });
    let mut settings = RemoteSettings::new(format!("http://{address}"));
    settings.method = QueryMethod::Get;
    settings.http.headers.push(("X-Scope-OrgID".into(), "all".into()));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let remote = RemoteQuerier::new(settings, runtime.handle().clone()).unwrap();
    let pair = |n: &str, v: &str| (n.to_owned(), v.to_owned());
    let terms = RequestTerms {
        params: vec![pair("nocache", "1")],
        headers: vec![pair("X-Scope-OrgID", "a|b"), pair("X-Other", "two")],
        tenant: Some("1:2".into()),
    };
    remote.instant(&plan("up"), 0, &EvalEnv { terms: Some(Arc::new(terms)), ..EvalEnv::default() }).unwrap();
    let request = asked.recv().unwrap();
    assert!(request.line.starts_with("GET /select/1:2/prometheus/api/v1/query?"), "{}", request.line);
    assert!(request.line.contains("&nocache=1&"), "{}", request.line);
    assert_eq!(request.header("x-scope-orgid"), "a|b");
    assert_eq!(request.header("x-other"), "two");
    remote.instant(&plan("up"), 0, &EvalEnv::default()).unwrap();
    let request = asked.recv().unwrap();
    assert!(request.line.starts_with("GET /api/v1/query?"), "{}", request.line);
    assert_eq!(request.header("x-scope-orgid"), "all");
}

#[test]
fn a_datasource_that_nobody_answers_at_is_told_on_the_page_and_by_a_metric() {
    let config = format!(
        "global: {{evaluation_interval: 100ms}}\nrule_files: [rules.yaml]\n\
         watchbell: {{datasource: {{url: 'http://127.0.0.1:{}'}}}}\n",
        peers::free_port()
    );
    let rules = "groups: [{name: g, rules: [{alert: Down, expr: up == 0}, {record: r, expr: up}]}]";
    let home = Home::new(&[("watchbell.yaml", &config), ("rules.yaml", rules)]);
    let server = home.start();
    let page = wait_for("the banner", || Some(server.get("/alerts").1).filter(|p| p.contains("rules fail")));
    assert!(page.contains("2 of 2 rules fail") && page.contains("onnection refused"), "{page}");
    assert!(!page.contains("All quiet"), "{page}");
    assert_eq!(server.get("/-/ready").0, 200);
    let metrics = server.get("/metrics").1;
    let failures = metrics.lines().find(|l| l.starts_with("watchbell_rule_evaluation_failures_total")).unwrap();
    assert!(!failures.ends_with(" 0"), "{failures}");
}
