//! Real exporters are scraped, and what is stored is what a real Prometheus stores of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use watchbell::clock::SystemClock;
use watchbell::config::ScrapeProtocol;
use watchbell::config::StaticConfig;
use watchbell::ingest::discovery::Source;
use watchbell::ingest::scrape::{ScrapeManager, ScrapeSettings, TargetHealth};
use watchbell::model::{Labels, Matcher, Value, is_stale};
use watchbell::tsdb::{MetricType, Queryable, Tsdb};

use crate::support::peers::{self, Peer, wait_for};

struct Scraping {
    tsdb: Tsdb,
    manager: ScrapeManager,
    runtime: tokio::runtime::Runtime,
}

impl Scraping {
    fn start(settings: ScrapeSettings) -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let tsdb = Tsdb::in_memory();
        let manager = ScrapeManager::new(Arc::new(tsdb.clone()), Arc::new(SystemClock), runtime.handle().clone());
        manager.apply(vec![settings]);
        Scraping { tsdb, manager, runtime }
    }

    fn health(&self) -> TargetHealth {
        let pools = self.manager.status();
        pools.iter().flat_map(|p| &p.active).map(|t| t.state.health).next().unwrap_or_default()
    }

    /// The newest samples of the series that match.
    fn newest(&self, matchers: &[Matcher]) -> Vec<(Labels, Value)> {
        let found = self.tsdb.select(matchers, i64::MIN, i64::MAX).unwrap();
        let newest = |s: &_| -> Option<(Labels, Value)> {
            let s: &Arc<dyn watchbell::tsdb::Series> = s;
            Some((s.labels().clone(), s.latest(i64::MIN, i64::MAX).unwrap()?.1))
        };
        found.iter().filter_map(newest).collect()
    }

    fn stop(self) {
        self.runtime.block_on(self.manager.shutdown());
    }
}

fn settings(job: &str, target: &Peer) -> ScrapeSettings {
    ScrapeSettings {
        scrape_interval: 300,
        scrape_timeout: 300,
        discovery: vec![Source::Static(Box::new(vec![StaticConfig {
            targets: vec![target.address()],
            labels: [("team".to_owned(), "منصة".to_owned())].into(),
        }]))],
        ..ScrapeSettings::new(job)
    }
}

/// The series of a job that a Prometheus stores, as sets of labels.
fn prometheus_series(target: &Peer, job: &str, want: &str) -> Option<BTreeSet<Labels>> {
    let config = format!(
        "scrape_configs:\n- job_name: {job}\n  scrape_interval: 1s\n  scrape_timeout: 1s\n  static_configs:\n  - targets: \
         ['{}']\n    labels: {{team: منصة}}\n",
        target.address()
    );
    let prometheus = peers::prometheus(&config)?;
    let path = format!("/api/v1/series?match[]=%7Bjob%3D%22{job}%22%7D");
    Some(wait_for("Prometheus' series", || {
        let (_, body) = peers::get(prometheus.port, &path)?;
        let answer: serde_json::Value = serde_json::from_str(&body).unwrap();
        let all: BTreeSet<Labels> = serde_json::from_value(answer["data"].clone()).unwrap();
        all.iter().any(|l| l.metric_name() == want).then_some(all)
    }))
}

/// Series of the exporter's own activity come and go between two scrapes.
fn is_volatile(labels: &Labels) -> bool {
    let name = labels.metric_name();
    ["go_", "promhttp_", "process_", "python_"].iter().any(|p| name.starts_with(p))
}

#[test]
fn node_exporter_is_stored_as_prometheus_stores_it() {
    let Some(mut exporter) = peers::node_exporter() else { return };
    let scraping = Scraping::start(settings("node", &exporter));
    wait_for("a scrape", || (scraping.health() == TargetHealth::Up).then_some(()));
    let job = [Matcher::equal("job", "node")];
    let ours: BTreeSet<Labels> = scraping.newest(&job).into_iter().map(|(l, _)| l).collect();
    assert!(ours.len() > 200, "{} series", ours.len());
    if let Some(theirs) = prometheus_series(&exporter, "node", "node_cpu_seconds_total") {
        let differing: Vec<_> = ours.symmetric_difference(&theirs).filter(|l| !is_volatile(l)).collect();
        assert!(differing.is_empty(), "{differing:#?}");
    }
    let metadata = scraping.tsdb.metadata("node_cpu_seconds_total");
    assert_eq!(metadata.first().map(|m| m.kind), Some(MetricType::Counter));

    exporter.kill();
    // A scrape that was under way ends otherwise; the next one finds nobody.
    let refused = || {
        let error = scraping.manager.status()[0].active[0].state.last_error.clone();
        (error.contains("/metrics") && error.contains("onnection refused")).then_some(())
    };
    wait_for("the failure", refused);
    assert_eq!(scraping.health(), TargetHealth::Down);
    for (labels, value) in scraping.newest(&job) {
        match labels.metric_name() {
            "up" => assert_eq!(value, Value::Float(0.0)),
            name if name.starts_with("scrape_") => assert!(!value.is_stale(), "{labels}"),
            _ => assert!(value.is_stale(), "{labels}"),
        }
    }

    scraping.manager.apply(Vec::new());
    let gone = || scraping.newest(&[Matcher::equal("__name__", "up")]).iter().all(|(_, v)| v.is_stale());
    wait_for("markers for the target that went", || gone().then_some(()));
    scraping.stop();
}

#[test]
fn the_missions_exporter_keeps_its_arabic_and_its_buckets() {
    let Some(exporter) = peers::ml_exporter() else { return };
    let scraping = Scraping::start(settings("ml", &exporter));
    wait_for("a scrape", || (scraping.health() == TargetHealth::Up).then_some(()));
    let accuracy = scraping.newest(&[Matcher::equal("__name__", "model_accuracy")]);
    assert_eq!(accuracy.len(), 1);
    let (labels, value) = &accuracy[0];
    assert_eq!((labels.value("model_name"), labels.value("team")), ("fraud_detector", "منصة"));
    assert_eq!(*value, Value::Float(0.956));
    let help = &scraping.tsdb.metadata("model_accuracy")[0].help;
    assert!(help.starts_with("دقة النموذج"), "{help}");
    if let Some(theirs) = prometheus_series(&exporter, "ml", "model_accuracy") {
        let ours: BTreeSet<Labels> =
            scraping.newest(&[Matcher::equal("job", "ml")]).into_iter().map(|(l, _)| l).collect();
        let differing: Vec<_> = ours.symmetric_difference(&theirs).filter(|l| !is_volatile(l)).collect();
        assert!(differing.is_empty(), "{differing:#?}");
    }
    scraping.stop();
}

#[test]
fn native_histograms_come_by_protobuf() {
    let Some(prometheus) = peers::prometheus("") else { return };
    let mut protobuf = settings("prometheus", &prometheus);
    protobuf.protocols = vec![ScrapeProtocol::PrometheusProto];
    let scraping = Scraping::start(protobuf);
    let metric = [Matcher::equal("__name__", "prometheus_http_request_duration_seconds")];
    let histograms = wait_for("a histogram", || Some(scraping.newest(&metric)).filter(|all| !all.is_empty()));
    for (labels, value) in histograms {
        let Value::Histogram(h) = value else { panic!("{labels} is not a histogram") };
        assert_eq!(h.validate(), Ok(()));
        assert!(h.count > 0.0 && !is_stale(h.sum));
        assert_eq!(h.count, h.zero_count + h.positive_buckets.iter().sum::<f64>());
    }
    scraping.stop();
}

#[test]
fn classic_histograms_of_a_text_scrape_become_custom_ones_when_asked_for() {
    let Some(prometheus) = peers::prometheus("") else { return };
    let mut converted = settings("prometheus", &prometheus);
    converted.protocols = vec![ScrapeProtocol::PrometheusText004];
    converted.convert_classic_histograms_to_nhcb = true;
    let scraping = Scraping::start(converted);
    let metric = [Matcher::equal("__name__", "prometheus_http_response_size_bytes")];
    let histograms = wait_for("a histogram", || Some(scraping.newest(&metric)).filter(|all| !all.is_empty()));
    let Value::Histogram(h) = &histograms[0].1 else { panic!("{:?} is not a histogram", histograms[0]) };
    assert!(h.uses_custom_buckets() && h.custom_values.starts_with(&[100.0, 1000.0]), "{h:?}");
    let bucket = [Matcher::equal("__name__", "prometheus_http_response_size_bytes_bucket")];
    assert_eq!(scraping.newest(&bucket), []);
    scraping.stop();
}
