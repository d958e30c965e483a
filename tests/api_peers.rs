//! The HTTP API beside a real Prometheus that holds the same series: the same answers, letter by letter where order is
//! defined.

use serde_json::Value as Json;
use watchbell::ingest::remote_write::{Protocol, encode};
use watchbell::ingest::store::SampleRow;
use watchbell::model::{Labels, Value};

use crate::support::peers::{self, prometheus};
use crate::support::service::Home;

pub(crate) const CONFIG: &str = "global: {scrape_interval: 15s, evaluation_interval: 15s}\n";

/// A series' labels, and its value at each step.
type Made = (&'static [(&'static str, &'static str)], fn(i64) -> f64);

/// A few counters and gauges over ten minutes, with names and values that are hard to write.
pub(crate) fn rows(start: i64) -> Vec<SampleRow> {
    let series: [Made; 6] = [
        (&[("__name__", "up"), ("job", "a"), ("instance", "<h&1>")], |_| 1.0),
        (&[("__name__", "up"), ("job", "ب"), ("instance", "x\"q\"\n\\")], |i| (i % 2) as f64),
        (&[("__name__", "http_requests_total"), ("job", "a"), ("code", "200")], |i| (i * 7) as f64),
        (&[("__name__", "http_requests_total"), ("job", "a"), ("code", "500")], |i| (i * i) as f64 / 3.0),
        (&[("__name__", "odd"), ("kind", "inf")], |i| if i % 2 == 0 { f64::INFINITY } else { f64::NEG_INFINITY }),
        (&[("__name__", "tiny.utf8"), ("host name", "x")], |i| 1.5e-9 * i as f64),
    ];
    let mut rows = Vec::new();
    for (labels, value) in series {
        for i in 0..40 {
            rows.push(SampleRow {
                labels: Labels::from_pairs(labels.iter().copied()),
                series: None,
                t: start + i * 15_000,
                st: 0,
                value: Value::Float(value(i)),
            });
        }
    }
    rows
}

/// What of an answer must agree: results of instant queries have no defined order, and durations differ.
pub(crate) fn comparable(body: &str) -> Json {
    if body.starts_with("# TYPE") {
        let mut lines: Vec<&str> = body.lines().collect();
        lines.sort_unstable();
        return Json::String(lines.join("\n"));
    }
    let mut json: Json = serde_json::from_str(body).unwrap_or_else(|_| Json::String(body.to_owned()));
    if json["data"]["resultType"] == "vector"
        && let Some(result) = json["data"]["result"].as_array_mut()
    {
        result.sort_by_key(Json::to_string);
    }
    strip(&mut json);
    // Prometheus keeps warnings and infos in a map: their order is nobody's.
    for notes in ["warnings", "infos"] {
        if let Some(notes) = json.get_mut(notes).and_then(Json::as_array_mut) {
            notes.sort_by_key(Json::to_string);
        }
    }
    json
}

/// Removes what newer versions than the peer write into a syntax tree.
fn strip(json: &mut Json) {
    match json {
        Json::Array(all) => all.iter_mut().for_each(strip),
        Json::Object(members) => {
            members.retain(|name, _| !["anchored", "smoothed", "fillValues"].contains(&name.as_str()));
            members.values_mut().for_each(strip);
        }
        _ => {}
    }
}

fn paths(end: i64) -> Vec<String> {
    let (end, start) = (end as f64 / 1_000.0, end as f64 / 1_000.0 - 300.0);
    let encode = |q: &str| url::form_urlencoded::byte_serialize(q.as_bytes()).collect::<String>();
    let mut paths = Vec::new();
    for query in [
        "up",
        "up{job=~\"a|ب\"} == 1",
        "rate(http_requests_total[5m])",
        "sum by (code) (increase(http_requests_total[3m]))",
        "odd",
        "{\"tiny.utf8\"}",
        "topk(1, http_requests_total)",
        "1 + 1",
        "\"a<b>زمن\"",
        "up[1m]",
        "absent(nothing{job=\"x\"})",
        "0/0",
        "rate(up[5m])",
        "histogram_quantile(2, up)",
        "up + on(job) group_left up",
        "sum(",
        "",
        "up offset 5y",
        "label_replace(up, \"where\", \"$1\", \"instance\", \"(.).*\")",
    ] {
        paths.push(format!("/api/v1/query?query={}&time={end}", encode(query)));
        paths.push(format!("/api/v1/query_range?query={}&start={start}&end={end}&step=30s", encode(query)));
    }
    for query in [
        "sum by (job) (rate(up{job=~\"a.*\"}[5m] offset 1m))",
        "a / on (x) group_left (y) b",
        "a and ignoring (x) b",
        "topk(3, a) + 2 * -b ^ 2",
        "-1",
        "1e9 > bool 3",
        "avg_over_time((a > 1)[1h:5m] @ end() offset -5m)",
        "a @ 1609746000",
        "count_values without (x) (\"v\", a)",
        "label_replace(a, \"x\", \"$1\", \"y\", \"(.*)\")",
        "time()",
        "\"text\"",
        "{__name__=\"a\", b!=\"c\"}",
    ] {
        paths.push(format!("/api/v1/parse_query?query={}", encode(query)));
        // Numbers stay as they were written.
        if !query.contains("1e9") {
            paths.push(format!("/api/v1/format_query?query={}", encode(query)));
        }
    }
    let more = [
        "/api/v1/targets/metadata",
        "/api/v1/targets/metadata?limit=x",
        "/api/v1/targets/metadata?match_target=%7Bjob=%22a%22%7D&metric=nothing",
        "/api/v1/status/walreplay",
        "/api/v1/notifications",
        "/api/v1/query?query=up&time=abc",
        "/api/v1/query?query=up&timeout=x",
        "/api/v1/query?query=1&time=12.5&limit=-1",
        "/api/v1/query_range?query=up&start=0&end=1&step=0",
        "/api/v1/query_range?query=up&start=0&end=1&step=-5",
        "/api/v1/query_range?query=up&start=0&end=1000000&step=1",
        "/api/v1/query_range?query=up&start=5&end=1&step=1",
        "/api/v1/query_range?query=up&start=5&end=10&step=x",
        "/api/v1/query_range?query=up&start=x&end=10&step=1",
        "/api/v1/query_range?query=up&end=10&step=1",
        "/api/v1/series",
        "/api/v1/series?match[]={}",
        "/api/v1/series?match[]=up",
        "/api/v1/series?match[]=up&match[]=odd",
        "/api/v1/series?match[]=up&limit=1",
        "/api/v1/series?match[]=up&start=1&end=2",
        "/api/v1/labels",
        "/api/v1/labels?match[]=up",
        "/api/v1/labels?limit=2",
        "/api/v1/labels?limit=x",
        "/api/v1/label/job/values",
        "/api/v1/label/code/values?match[]=http_requests_total",
        "/api/v1/label/U__host_20_name/values",
        "/api/v1/label/nothing/values",
        "/api/v1/label/job/values?limit=1",
        "/api/v1/metadata?metric=nothing",
        "/api/v1/metadata?limit=x",
        "/api/v1/rules",
        "/api/v1/rules?type=x",
        "/api/v1/alerts",
        "/api/v1/targets",
        "/api/v1/targets?state=active",
        "/api/v1/scrape_pools",
        "/api/v1/alertmanagers",
        "/api/v1/query_exemplars?query=up&start=0&end=1",
        "/api/v1/format_query?query=sum(up)by(job)",
        "/api/v1/format_query?query=sum(",
        "/api/v1/nope",
        // As people type it.
        "/api/v1/query?query=up{job=\"a\"}&time=0",
        "/api/v1/series?match[]=up{job=~\"a|ب\"}",
        "/federate?match[]=up&match[]=%7Bjob=%22a%22%7D",
        "/federate?match[]=%7B__name__=~%22.%2B%22%7D",
        "/federate",
    ];
    paths.extend(more.iter().map(|p| p.to_string()));
    paths
}

#[test]
fn answers_are_those_of_a_real_prometheus() {
    let Some(prometheus) = prometheus(CONFIG) else { return };
    let home = Home::new(&[("watchbell.yaml", CONFIG)]);
    let ours = home.start();
    // Recent, so that the peer takes it into its head; on a whole second, so that times read well.
    let now = watchbell::clock::Clock::now(&watchbell::clock::SystemClock) / 60_000 * 60_000;
    let body = encode(Protocol::V1, &rows(now - 600_000));
    for port in [prometheus.port, ours.0.port] {
        let (status, text) = peers::post(port, "/api/v1/write", "application/x-protobuf", &body).unwrap();
        assert_eq!(status, 204, "{text}");
    }
    let mut different = Vec::new();
    for path in paths(now - 15_000) {
        let theirs = peers::get(prometheus.port, &path).unwrap();
        let got = ours.get(&path);
        if (theirs.0, comparable(&theirs.1)) != (got.0, comparable(&got.1)) {
            different.push(format!("{path}\n  prometheus {} {}\n  watchbell  {} {}", theirs.0, theirs.1, got.0, got.1));
        }
    }
    assert!(different.is_empty(), "{} differ:\n{}", different.len(), different.join("\n"));
}

#[test]
fn a_form_is_as_good_as_a_query_string() {
    let home = Home::new(&[("watchbell.yaml", CONFIG)]);
    let ours = home.start();
    let body = b"query=1%2B1&time=12.5";
    let (status, text) = peers::post(ours.0.port, "/api/v1/query", "application/x-www-form-urlencoded", body).unwrap();
    let want = r#"{"status":"success","data":{"resultType":"scalar","result":[12.500,"2"]}}"#;
    assert_eq!((status, text.as_str()), (200, want));
}

/// A server with the rows of [`rows`], and the end of them, seconds.
fn filled(home: &Home) -> (crate::support::service::Server, i64) {
    let server = home.start();
    let now = watchbell::clock::Clock::now(&watchbell::clock::SystemClock) / 60_000 * 60_000;
    let body = encode(Protocol::V1, &rows(now - 600_000));
    let (status, text) = peers::post(server.0.port, "/api/v1/write", "application/x-protobuf", &body).unwrap();
    assert_eq!(status, 204, "{text}");
    (server, now / 1_000 - 15)
}

#[test]
fn queries_go_to_the_datasource_that_is_configured() {
    let far = Home::new(&[("watchbell.yaml", CONFIG)]);
    let (far, at) = filled(&far);
    let config = format!("{CONFIG}watchbell: {{datasource: {{url: 'http://127.0.0.1:{}'}}}}\n", far.0.port);
    let near = Home::new(&[("watchbell.yaml", &config)]);
    let near = near.start();
    for path in [
        format!("/api/v1/query?query=sum(rate(http_requests_total[5m]))&time={at}"),
        format!("/api/v1/query_range?query=odd&start={}&end={at}&step=15", at - 60),
    ] {
        let there = far.get(&path);
        assert!(there.1.contains("\"values\":") || there.1.contains("\"value\":"), "{there:?}");
        // Also when the answer has been quick before.
        for _ in 0..4 {
            let here = near.get(&path);
            assert_eq!((here.0, comparable(&here.1)), (there.0, comparable(&there.1)), "{path}");
        }
    }
}

#[test]
fn promtool_queries_us_as_it_queries_prometheus() {
    let Some(promtool) = peers::find("promtool") else { return };
    let home = Home::new(&[("watchbell.yaml", CONFIG)]);
    let (ours, at) = filled(&home);
    let url = ours.0.url("");
    let ask = |arguments: &[&str]| {
        let ran = std::process::Command::new(&promtool).arg("query").args(arguments).output().unwrap();
        assert!(ran.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8(ran.stdout).unwrap()
    };
    let instant = ask(&["instant", &format!("--time={at}"), &url, "sum by (job) (up)"]);
    assert!(instant.contains(r#"{job="a"} => 1 @"#), "{instant}");
    let (start, end) = (format!("--start={}", at - 60), format!("--end={at}"));
    let range = ask(&["range", &start, &end, "--step=15s", &url, r#"http_requests_total{code="200"}"#]);
    assert_eq!(range.lines().count(), 6, "{range}");
    assert!(ask(&["labels", &url, "code"]).contains("500"));
    assert!(ask(&["series", "--match=odd", &url]).contains("odd"));
}
