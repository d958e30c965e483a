//! Remote write towards endpoints that fail, refuse and limit: nothing is lost that need not be, not with the process
//! either, and memory stays bounded.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use watchbell::clock::{Clock, SystemClock};
use watchbell::config::relabel::RelabelRegex;
use watchbell::config::{RelabelAction, RelabelConfig};
use watchbell::ingest::remote_write::send::{RemoteWriteSettings, RemoteWriters, SendCounters};
use watchbell::ingest::remote_write::{Protocol, ReceiveLimits, Receiver, WriteHeaders, encode};
use watchbell::ingest::store::{SampleRow, SampleStore};
use watchbell::model::{Labels, Matcher, SampleBuf, Value};
use watchbell::tsdb::{Exemplar, Metadata, MetricType, Queryable, Tsdb, TsdbOptions};

use crate::support::http::{Request, answer, serve};
use crate::support::peers::{self, wait_for};
use crate::support::service::Home;

struct Sending {
    writers: RemoteWriters,
    counters: Arc<SendCounters>,
    storage: Tsdb,
    runtime: tokio::runtime::Runtime,
    _dir: tempfile::TempDir,
}

impl Sending {
    /// Stores rows, which is what makes them sent.
    fn push(&self, rows: &[SampleRow]) {
        assert_eq!(self.storage.store(&mut rows.to_vec()).appended, rows.len());
    }

    fn shutdown(&self) {
        self.runtime.block_on(self.writers.shutdown(Duration::from_secs(60)));
    }
}

fn start(address: &str, change: impl FnOnce(&mut RemoteWriteSettings)) -> Sending {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let options = TsdbOptions { retention_ms: i64::MAX };
    let (storage, _) = Tsdb::open(dir.path(), options).unwrap();
    let writers = RemoteWriters::new(storage.clone(), Arc::new(SystemClock), runtime.handle().clone());
    let mut settings = RemoteWriteSettings::new(format!("http://{address}/api/v1/write"));
    settings.queue.batch_send_deadline = 20;
    settings.queue.max_shards = 1;
    change(&mut settings);
    assert!(writers.apply(vec![settings]).is_empty());
    let (_, _, counters) = writers.counters().remove(0);
    Sending { writers, counters, storage, runtime, _dir: dir }
}

fn rows(n: i64) -> Vec<SampleRow> {
    let labels = Labels::from_pairs([("__name__", "m"), ("pod", "p")]);
    (1..=n)
        .map(|t| SampleRow { labels: labels.clone(), series: None, t, st: 0, value: Value::Float(t as f64) })
        .collect()
}

/// Stores a request as the receiving end of another Watchbell would.
fn store(tsdb: &Tsdb, request: &Request) {
    let headers = WriteHeaders {
        content_type: request.header("content-type"),
        content_encoding: request.header("content-encoding"),
    };
    Receiver::new(tsdb.clone(), ReceiveLimits::default(), Arc::new(SystemClock))
        .receive(headers, &request.body)
        .unwrap();
}

fn stored(tsdb: &Tsdb) -> Vec<(String, Vec<i64>)> {
    let found = tsdb.select(&[Matcher::equal("__name__", "m")], i64::MIN, i64::MAX).unwrap();
    let times = |s: &Arc<dyn watchbell::tsdb::Series>| {
        let mut buf = SampleBuf::default();
        s.read(i64::MIN, i64::MAX, false, &mut buf).unwrap();
        (s.labels().to_series_string(), buf.ts)
    };
    found.iter().map(times).collect()
}

#[test]
fn passing_troubles_delay_samples_and_keep_their_order() {
    let (tsdb, tries) = (Tsdb::in_memory(), AtomicUsize::new(0));
    let received = tsdb.clone();
    let address = serve(false, move |request| match tries.fetch_add(1, Ordering::SeqCst) {
        0 => Some(answer(503, &[], "busy")),
        1 => None,
        2 => Some(answer(429, &[("Retry-After", "0")], "slow down")),
        _ => {
            store(&received, &request);
            Some(answer(204, &[], ""))
        }
    });
    let sending = start(&address, |s| {
        s.queue.min_backoff = 1;
        s.queue.retry_on_http_429 = true;
        s.queue.max_samples_per_send = 3;
    });
    sending.push(&rows(10));
    wait_for("delivery", || (sending.counters.samples.get() == 10).then_some(()));
    assert_eq!(stored(&tsdb), [(r#"m{pod="p"}"#.to_owned(), (1..=10).collect())]);
    assert_eq!((sending.counters.retried.get(), sending.counters.failed.get()), (9, 0));
}

#[test]
fn refused_samples_are_dropped_and_counted() {
    let address = serve(false, |_| Some(answer(400, &[], "out of order sample")));
    let sending = start(&address, |_| {});
    sending.push(&rows(5));
    wait_for("the refusal", || (sending.counters.failed.get() == 5).then_some(()));
    assert_eq!(sending.counters.retried.get(), 0);
}

#[test]
fn what_does_not_fit_into_the_queue_waits_in_the_log() {
    let (tsdb, open) = (Tsdb::in_memory(), Arc::new(AtomicBool::new(false)));
    let (received, is_open) = (tsdb.clone(), open.clone());
    let address = serve(false, move |request| {
        if !is_open.load(Ordering::SeqCst) {
            return Some(answer(500, &[], "down"));
        }
        store(&received, &request);
        Some(answer(204, &[], ""))
    });
    let sending = start(&address, |s| {
        s.queue.capacity = 100;
        s.queue.max_samples_per_send = 100;
        (s.queue.min_backoff, s.queue.max_backoff) = (1, 10);
    });
    let all = rows(1000);
    all.chunks(50).for_each(|some| sending.push(some));
    wait_for("the first try", || (sending.counters.retried.get() > 0).then_some(()));
    let queued = || sending.writers.counters().remove(0).2.pending.get();
    wait_for("a full queue", || (queued() == 100.0).then_some(()));
    assert_eq!(sending.counters.behind.get(), 1.0);
    open.store(true, Ordering::SeqCst);
    wait_for("delivery", || (sending.counters.samples.get() == 1000).then_some(()));
    assert_eq!(stored(&tsdb), [(r#"m{pod="p"}"#.to_owned(), (1..=1000).collect())]);
    assert_eq!((sending.counters.dropped.get(), sending.counters.behind.get()), (0, 0.0));
}

#[test]
fn an_endpoint_whose_settings_change_goes_on_where_it_was() {
    let (tsdb, refused) = (Tsdb::in_memory(), Arc::new(AtomicUsize::new(0)));
    let (received, tries) = (tsdb.clone(), refused.clone());
    let address = serve(false, move |request| {
        if request.header("x-scope-orgid") != "b" {
            tries.fetch_add(1, Ordering::SeqCst);
            return Some(answer(503, &[], "not you"));
        }
        store(&received, &request);
        Some(answer(204, &[], ""))
    });
    let sending = start(&address, |_| {});
    sending.push(&rows(5));
    wait_for("a try", || (refused.load(Ordering::SeqCst) > 0).then_some(()));
    let mut settings = RemoteWriteSettings::new(format!("http://{address}/api/v1/write"));
    settings.queue.batch_send_deadline = 20;
    settings.http.headers = vec![("X-Scope-OrgID".into(), "b".into())];
    assert!(sending.writers.apply(vec![settings]).is_empty());
    wait_for("delivery", || (stored(&tsdb) == [(r#"m{pod="p"}"#.to_owned(), (1..=5).collect())]).then_some(()));
}

#[test]
fn a_batch_goes_at_its_deadline_though_samples_keep_coming() {
    let address = serve(false, |_| Some(answer(204, &[], "")));
    let sending = start(&address, |s| s.queue.max_samples_per_send = 1_000_000);
    let mut t = 0;
    let labels = Labels::from_pairs([("__name__", "m")]);
    while sending.counters.samples.get() == 0 {
        // More come all the time: nothing waits for the endpoint to be left alone.
        t += 1;
        sending.push(&[SampleRow { labels: labels.clone(), series: None, t, st: 0, value: Value::Float(0.0) }]);
        std::thread::yield_now();
    }
}

#[test]
fn what_was_waiting_when_the_process_was_killed_is_sent_after_the_next_start() {
    let (tsdb, open) = (Tsdb::in_memory(), Arc::new(AtomicBool::new(false)));
    let (received, is_open) = (tsdb.clone(), open.clone());
    let tries = Arc::new(AtomicUsize::new(0));
    let tried = tries.clone();
    let address = serve(false, move |request| {
        if !is_open.load(Ordering::SeqCst) {
            tried.fetch_add(1, Ordering::SeqCst);
            return Some(answer(503, &[], "down"));
        }
        store(&received, &request);
        Some(answer(204, &[], ""))
    });
    let config = format!(
        "remote_write:\n  - url: http://{address}/api/v1/write\n    queue_config: {{batch_send_deadline: 50ms}}\n"
    );
    let home = Home::new(&[("watchbell.yaml", &config)]);
    let now = SystemClock.now();
    let row = |t| {
        let labels = Labels::from_pairs([("__name__", "m"), ("pod", "p")]);
        SampleRow { labels, series: None, t, st: 0, value: Value::Float(1.0) }
    };
    let times: Vec<i64> = (0..3).map(|i| now - 3000 + i * 1000).collect();
    let server = home.start();
    for t in &times {
        let body = encode(Protocol::V1, &[row(*t)]);
        let (status, text) = peers::post(server.0.port, "/api/v1/write", "application/x-protobuf", &body).unwrap();
        assert_eq!(status, 204, "{text}");
    }
    wait_for("a try", || (tries.load(Ordering::SeqCst) > 0).then_some(()));
    server.signal("KILL");
    drop(server);
    open.store(true, Ordering::SeqCst);
    let _server = home.start();
    wait_for("delivery", || (stored(&tsdb) == [(r#"m{pod="p"}"#.to_owned(), times.clone())]).then_some(()));
}

#[test]
fn series_are_relabelled_and_get_external_labels() {
    let tsdb = Tsdb::in_memory();
    let (received, seen): (Tsdb, Arc<Mutex<Vec<Request>>>) = (tsdb.clone(), Arc::default());
    let record = seen.clone();
    let address = serve(false, move |request| {
        store(&received, &request);
        record.lock().unwrap().push(request);
        Some(answer(204, &[], ""))
    });
    let sending = start(&address, |s| {
        s.external_labels = Labels::from_pairs([("cluster", "الرياض"), ("pod", "not this one")]);
        s.write_relabel = vec![RelabelConfig {
            source_labels: vec!["__name__".into()],
            regex: RelabelRegex::new("dropped").unwrap(),
            action: RelabelAction::Drop,
            ..RelabelConfig::default()
        }];
        s.http.headers = vec![("X-Scope-OrgID".into(), "ml".into())];
    });
    let mut all = rows(2);
    all.push(SampleRow { labels: Labels::from_pairs([("__name__", "dropped")]), ..rows(1).remove(0) });
    sending.push(&all);
    sending.shutdown();
    assert_eq!(stored(&tsdb), [(r#"m{cluster="الرياض", pod="p"}"#.to_owned(), vec![1, 2])]);
    assert_eq!((sending.counters.samples.get(), sending.counters.dropped.get()), (2, 1));
    let seen = seen.lock().unwrap();
    assert_eq!(seen[0].header("x-prometheus-remote-write-version"), "0.1.0");
    assert_eq!(seen[0].header("x-scope-orgid"), "ml");
}

#[test]
fn exemplars_and_what_is_known_of_metrics_are_sent() {
    for protocol in [Protocol::V1, Protocol::V2] {
        let received = Tsdb::in_memory();
        let into = received.clone();
        let address = serve(false, move |request| {
            store(&into, &request);
            Some(answer(204, &[("X-Prometheus-Remote-Write-Samples-Written", "1")], ""))
        });
        let sending = start(&address, |s| {
            s.protocol = protocol;
            s.send_exemplars = true;
            s.metadata.interval = 1_000;
        });
        let known = Metadata { kind: MetricType::Counter, help: "how many".into(), unit: "things".into() };
        sending.storage.describe("m", &known);
        let mut sent = rows(1);
        sending.storage.store(&mut sent);
        let exemplar = Exemplar { labels: Labels::from_pairs([("trace_id", "x")]), value: 1.0, t: 1, has_time: true };
        let stored = sent[0].series.expect("a series");
        sending.storage.store_exemplars(vec![(stored, exemplar.clone())], &mut Default::default());
        let of_m = [vec![Matcher::equal("__name__", "m")]];
        wait_for("the exemplar", || {
            let found = received.exemplars(&of_m, 0, 10);
            found.first().is_some_and(|(_, found)| *found == [exemplar.clone()]).then_some(())
        });
        if protocol == Protocol::V2 {
            // With the series.
            sending.push(&rows(2)[1..]);
        }
        wait_for("metadata", || (received.metadata("m") == [known.clone()]).then_some(()));
        sending.shutdown();
        assert_eq!(sending.counters.exemplars.get(), 1);
    }
}

#[test]
fn an_endpoint_that_does_not_know_the_second_protocol_is_sent_the_first() {
    let (received, versions): (Tsdb, Arc<Mutex<Vec<String>>>) = (Tsdb::in_memory(), Arc::default());
    let (into, seen) = (received.clone(), versions.clone());
    let address = serve(false, move |request| {
        let version = request.header("x-prometheus-remote-write-version").to_owned();
        seen.lock().unwrap().push(version.clone());
        if version.starts_with('2') {
            return Some(answer(415, &[], "expected prometheus.WriteRequest"));
        }
        store(&into, &request);
        Some(answer(204, &[], ""))
    });
    let sending = start(&address, |s| s.protocol = Protocol::V2);
    sending.push(&rows(3));
    wait_for("delivery", || (!stored(&received).is_empty()).then_some(()));
    sending.push(&rows(4)[3..]);
    sending.shutdown();
    assert_eq!(stored(&received), [(r#"m{pod="p"}"#.to_owned(), vec![1, 2, 3, 4])]);
    let versions = versions.lock().unwrap();
    assert_eq!(versions.iter().filter(|v| v.starts_with('2')).count(), 1, "{versions:?}");
}

#[test]
fn success_of_which_nothing_was_written_is_a_failure() {
    let address = serve(false, |_| Some(answer(204, &[("X-Prometheus-Remote-Write-Samples-Written", "0")], "")));
    let sending = start(&address, |s| s.protocol = Protocol::V2);
    sending.push(&rows(3));
    sending.shutdown();
    assert_eq!((sending.counters.failed.get(), sending.counters.samples.get()), (3, 0));
}

#[test]
fn what_is_left_of_two_endpoints_with_one_url_is_sent_everything_once() {
    let arrived = Arc::new(AtomicUsize::new(0));
    let counts = arrived.clone();
    let address = serve(false, move |_| {
        counts.fetch_add(1, Ordering::SeqCst);
        Some(answer(204, &[], ""))
    });
    let sending = start(&address, |_| {});
    let of = |timeout| {
        let mut settings = RemoteWriteSettings::new(format!("http://{address}/api/v1/write"));
        settings.queue.batch_send_deadline = 20;
        settings.remote_timeout = timeout;
        settings
    };
    assert!(sending.writers.apply(vec![of(10_000), of(20_000)]).is_empty());
    // The second takes the first one's name; who had followed under its own ends.
    assert!(sending.writers.apply(vec![of(20_000)]).is_empty());
    sending.push(&rows(1));
    sending.shutdown();
    assert_eq!(arrived.load(Ordering::SeqCst), 1);
}
