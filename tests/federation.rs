//! A real Prometheus that federates from here.

use std::sync::Arc;

use serde_json::Value as Json;
use watchbell::ingest::remote_write::{Protocol, encode};
use watchbell::ingest::store::SampleRow;
use watchbell::model::histogram::Span;
use watchbell::model::{FloatHistogram, Labels, Value};

use crate::support::peers::{self, prometheus, wait_for};
use crate::support::service::Home;

fn row(pairs: &[(&str, &str)], t: i64, value: Value) -> SampleRow {
    SampleRow { labels: Labels::from_pairs(pairs.iter().copied()), series: None, t, st: 0, value }
}

#[test]
fn a_prometheus_that_federates_from_here_has_the_samples_that_are_here_histograms_included() {
    let home = Home::new(&[("watchbell.yaml", "global: {external_labels: {zone: eu}}\n")]);
    let ours = home.start();
    let histogram = FloatHistogram {
        schema: 2,
        zero_threshold: 0.001,
        zero_count: 1.0,
        count: 10.0,
        sum: 4.5,
        positive_spans: vec![Span { offset: -1, length: 2 }],
        positive_buckets: vec![3.0, 4.0],
        negative_spans: vec![Span { offset: 0, length: 1 }],
        negative_buckets: vec![2.0],
        ..FloatHistogram::default()
    };
    let t = watchbell::clock::Clock::now(&watchbell::clock::SystemClock) - 5_000;
    let rows = [
        row(&[("__name__", "latency"), ("job", "a"), ("instance", "x")], t, Value::Histogram(Arc::new(histogram))),
        row(&[("__name__", "temperature"), ("job", "a"), ("instance", "x")], t, Value::Float(81.5)),
    ];
    let body = encode(Protocol::V1, &rows);
    let (status, text) = peers::post(ours.0.port, "/api/v1/write", "application/x-protobuf", &body).unwrap();
    assert_eq!(status, 204, "{text}");

    let config = format!(
        "scrape_configs:\n- {{job_name: far, scrape_interval: 1s, honor_labels: true, metrics_path: /federate, \
         params: {{'match[]': ['{{__name__=~\"latency|temperature\"}}']}}, \
         static_configs: [{{targets: ['127.0.0.1:{}']}}]}}\n",
        ours.0.port
    );
    let Some(theirs) = prometheus(&config) else { return };
    let series = |port: u16, query: &str| -> Json {
        let query: String = url::form_urlencoded::byte_serialize(query.as_bytes()).collect();
        let at = t as f64 / 1_000.0;
        let (_, body) = peers::get(port, &format!("/api/v1/query?query={query}&time={at}")).unwrap();
        serde_json::from_str::<Json>(&body).unwrap()["data"]["result"].clone()
    };
    wait_for("the federated samples", || {
        let found = series(theirs.port, "count({zone=\"eu\"})");
        (found[0]["value"][1] == "2").then_some(())
    });
    for query in ["latency", "temperature", "histogram_quantile(0.9, latency)"] {
        let (mut want, found) = (series(ours.0.port, query), series(theirs.port, query));
        want[0]["metric"]["zone"] = "eu".into();
        assert_eq!(found, want, "{query}");
    }
}
