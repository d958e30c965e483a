use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;

use super::*;
use crate::ingest::admission::Admission;
use crate::ingest::discovery::TargetGroup;
use crate::ingest::exposition::Format;
use crate::ingest::scrape::target::resolve;
use crate::net::Unpacker;
use crate::tsdb::Exemplar;

/// Keeps what it is given, and panics as often as it is told.
#[derive(Default)]
struct Store {
    panics: AtomicU32,
    rows: Mutex<Vec<SampleRow>>,
}

impl SampleStore for Store {
    fn store(&self, rows: &mut [SampleRow]) -> StoreCounts {
        let left = self.panics.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1));
        assert!(left.is_err(), "as asked");
        self.rows.lock().extend(rows.iter().cloned());
        StoreCounts { appended: rows.len(), ..StoreCounts::default() }
    }

    fn store_exemplars(&self, _: Vec<(SeriesRef, Exemplar)>, _: &mut StoreCounts) {}

    fn describe(&self, _: &str, _: &Metadata) {}
}

/// A scrape of a whole body; what was stored of `a` and `up`, in order.
fn scrape(run: &mut TargetRun, store: &Store, at: i64) -> Vec<String> {
    let opening = Opening {
        format: Format::Text,
        body: Unpacker::new(false, 1 << 20),
        admitted: Admission::new(1 << 20).enter(),
    };
    run.begin(opening, at);
    let pieces = Pieces { bytes: vec![Bytes::from_static(b"a 1\n")], last: true };
    assert!(run.take_guarded(Ok(pieces), at, 0.1).is_some());
    let rows = std::mem::take(&mut *store.rows.lock());
    let shown = |row: &SampleRow| match row.labels.value("__name__") {
        name @ ("a" | "up") => Some(format!("{name} {}", row.value.as_float().unwrap())),
        _ => None,
    };
    rows.iter().filter_map(shown).collect()
}

#[test]
fn a_scrape_that_panics_has_failed_and_the_target_goes_on() {
    let settings = Arc::new(ScrapeSettings::new("j"));
    let group = TargetGroup::of_addresses(["h:1"], Labels::empty(), "");
    let target = resolve(&settings, [&group]).active.remove(0);
    let store = Arc::new(Store::default());
    let mut run = TargetRun::new(target, settings, store.clone());
    assert_eq!(scrape(&mut run, &store, 1_000), ["a 1", "up 1"]);
    // What was there is marked stale, as when a scrape fails.
    store.panics.store(1, Ordering::Relaxed);
    assert_eq!(scrape(&mut run, &store, 2_000), ["a NaN", "up 0"]);
    assert!(run.state.lock().last_error.contains("panicked"));
    assert_eq!(scrape(&mut run, &store, 3_000), ["a 1", "up 1"]);
    store.panics.store(2, Ordering::Relaxed);
    assert!(scrape(&mut run, &store, 4_000).is_empty());
    let state = run.state.lock().clone();
    assert_eq!((state.health, state.scrapes), (TargetHealth::Down, 4));
    assert_eq!(scrape(&mut run, &store, 5_000), ["a 1", "up 1"]);
    assert_eq!(run.state.lock().health, TargetHealth::Up);
}
