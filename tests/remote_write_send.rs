//! Remote write towards endpoints that fail, refuse and limit: nothing is lost that need not be, nothing is sent twice,
//! memory stays bounded.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use watchbell::clock::SystemClock;
use watchbell::config::relabel::RelabelRegex;
use watchbell::config::{RelabelAction, RelabelConfig};
use watchbell::ingest::remote_write::send::{RemoteWriteSettings, RemoteWriters, SendCounters};
use watchbell::ingest::remote_write::{ReceiveLimits, Receiver, WriteHeaders};
use watchbell::ingest::store::SampleRow;
use watchbell::model::{Labels, Matcher, SampleBuf, Value};
use watchbell::tsdb::{Queryable, Tsdb};

use crate::support::http::{Request, answer, serve};
use crate::support::peers::wait_for;

struct Sending {
    runtime: tokio::runtime::Runtime,
    writers: RemoteWriters,
    counters: Arc<SendCounters>,
}

fn start(address: &str, change: impl FnOnce(&mut RemoteWriteSettings)) -> Sending {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let writers = RemoteWriters::new(Arc::new(SystemClock), runtime.handle().clone());
    let mut settings = RemoteWriteSettings::new(format!("http://{address}/api/v1/write"));
    settings.queue.batch_send_deadline = 20;
    settings.queue.max_shards = 1;
    change(&mut settings);
    assert!(writers.apply(vec![settings]).is_empty());
    let (_, _, counters) = writers.counters().remove(0);
    Sending { runtime, writers, counters }
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

fn count(counter: &std::sync::atomic::AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
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
    sending.writers.push(&rows(10));
    wait_for("delivery", || (count(&sending.counters.samples) == 10).then_some(()));
    assert_eq!(stored(&tsdb), [(r#"m{pod="p"}"#.to_owned(), (1..=10).collect())]);
    assert_eq!((count(&sending.counters.retried), count(&sending.counters.failed)), (9, 0));
}

#[test]
fn refused_samples_are_dropped_and_counted() {
    let address = serve(false, |_| Some(answer(400, &[], "out of order sample")));
    let sending = start(&address, |_| {});
    sending.writers.push(&rows(5));
    wait_for("the refusal", || (count(&sending.counters.failed) == 5).then_some(()));
    assert_eq!(count(&sending.counters.retried), 0);
}

#[test]
fn a_full_queue_loses_its_oldest_samples() {
    let address = serve(false, |_| Some(answer(500, &[], "down")));
    let sending = start(&address, |s| {
        s.queue.capacity = 100;
        s.queue.max_samples_per_send = 100;
        s.queue.max_backoff = 60_000;
        s.queue.min_backoff = 60_000;
    });
    // The first batch waits to be tried again while the queue fills up behind it.
    sending.writers.push(&rows(100));
    wait_for("the first try", || (count(&sending.counters.retried) > 0).then_some(()));
    sending.writers.push(&rows(250));
    assert_eq!(count(&sending.counters.dropped), 150);
    let (_, _, counters) = sending.writers.counters().remove(0);
    assert_eq!(count(&counters.pending), 100);
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
    sending.writers.push(&all);
    sending.runtime.block_on(sending.writers.shutdown());
    assert_eq!(stored(&tsdb), [(r#"m{cluster="الرياض", pod="p"}"#.to_owned(), vec![1, 2])]);
    assert_eq!((count(&sending.counters.samples), count(&sending.counters.dropped)), (2, 1));
    let seen = seen.lock().unwrap();
    assert_eq!(seen[0].header("x-prometheus-remote-write-version"), "0.1.0");
    assert_eq!(seen[0].header("x-scope-orgid"), "ml");
}
