//! The database as its users see it.

use std::sync::Arc;

use super::*;
use crate::model::histogram::{CounterResetHint, Span};
use crate::model::{FloatHistogram, Labels, MatchOp, Matcher, STALE_NAN, SampleBuf, Value};

fn labels(name: &str, i: usize) -> Labels {
    Labels::from_pairs([("__name__", name.to_owned()), ("i", i.to_string())])
}

fn named(name: &str) -> Vec<Matcher> {
    vec![Matcher::equal("__name__", name)]
}

fn read(db: &Tsdb, name: &str, mint: i64, maxt: i64) -> SampleBuf {
    let mut buf = SampleBuf::default();
    for s in db.select(&named(name), mint, maxt).unwrap() {
        s.read(mint, maxt, true, &mut buf).unwrap();
    }
    buf
}

#[test]
fn any_interval_is_read_as_it_was_appended_and_latest_agrees() {
    let db = Tsdb::in_memory();
    let l = labels("m", 1);
    let value = |i: i64| if i % 97 == 0 { STALE_NAN } else { (i * i % 1000) as f64 / 8.0 };
    let time = |i: i64| 1_700_000_000_000 + i * 15_000 + i % 3;
    let mut a = db.appender();
    for i in 0..1500 {
        a.append(&l, time(i), value(i)).unwrap();
        if i % 100 == 0 {
            a.commit().unwrap();
        }
    }
    a.commit().unwrap();
    let all: Vec<(i64, u64)> = (0..1500).map(|i| (time(i), value(i).to_bits())).collect();
    for from in (0..1500).step_by(61) {
        for to in (from..1500).step_by(143) {
            let (mint, maxt) = (time(from) + from % 2, time(to) - to % 2);
            let want: Vec<_> = all.iter().copied().filter(|(t, _)| (mint..=maxt).contains(t)).collect();
            let got = read(&db, "m", mint, maxt);
            assert_eq!(got.ts.iter().copied().zip(got.vs.iter().map(|v| v.to_bits())).collect::<Vec<_>>(), want);
            let latest = db.select(&named("m"), mint, maxt).unwrap()[0].latest(mint, maxt).unwrap();
            let latest = latest.map(|(t, v)| (t, v.as_float().unwrap().to_bits()));
            assert_eq!(latest, want.last().copied());
        }
    }
}

#[test]
fn what_does_not_fit_is_rejected_with_its_reason_counted() {
    let db = Tsdb::in_memory_with(TsdbOptions { retention_ms: 1000 });
    let l = labels("m", 1);
    let mut a = db.appender();
    let id = a.append(&l, 10_000, 1.0).unwrap();
    a.commit().unwrap();
    db.maintain(10_500).unwrap();
    for (t, v, want) in [
        (9_999, 1.0, Err(AppendError::OutOfOrder)),
        (10_000, 2.0, Err(AppendError::Duplicate)),
        (10_000, 1.0, Ok(id)),
        (8_999, 1.0, Err(AppendError::TooOld)),
        (i64::MAX, 1.0, Err(AppendError::OutOfBounds)),
        (10_001, 1.0, Ok(id)),
    ] {
        assert_eq!(a.append(&l, t, v), want, "{t} {v}");
        assert_eq!(a.append_ref(id, t, v), want, "{t} {v}");
    }
    // The second sample at 10001 repeats the first: seen at the commit.
    assert_eq!(a.commit().unwrap(), Committed { appended: 1, repeated: 1, rejected: 0 });
    assert_eq!(a.append_ref(SeriesRef(99), 10_002, 1.0), Err(AppendError::UnknownSeries));
    let h = Value::Histogram(Arc::default());
    assert_eq!(a.append_with_st(&l, 0, 10_001, h), Err(AppendError::Duplicate));
    a.append_ref(id, 20_000, 1.0).unwrap();
    a.append_ref(id, 19_000, 1.0).unwrap();
    assert_eq!(a.commit().unwrap(), Committed { appended: 1, repeated: 0, rejected: 1 });
    let rejected = db.stats().rejected;
    let want =
        Rejected { out_of_order: 3, duplicate: 3, too_old: 2, out_of_bounds: 2, unknown_series: 1, series_limit: 0 };
    assert_eq!(rejected, want);
    assert_eq!(db.stats().floats_appended, 3);
}

#[test]
fn a_batch_that_is_not_committed_leaves_no_sample() {
    let db = Tsdb::in_memory();
    let mut a = db.appender();
    a.append(&labels("m", 1), 1, 1.0).unwrap();
    drop(a);
    assert!(read(&db, "m", 0, 10).is_empty());
    db.appender().append(&labels("m", 1), 1, 2.0).unwrap();
}

#[test]
fn columns_and_batches_give_the_same_series() {
    let (a, b) = (Tsdb::in_memory(), Tsdb::in_memory());
    let ts: Vec<i64> = (0..5000).map(|i| i * 30_000).collect();
    let vs: Vec<f64> = (0..5000).map(|i| f64::from(i % 50)).collect();
    let l = labels("m", 1);
    let id = a.series_ref(&l).unwrap();
    a.append_column(id, &ts[..3333], &vs[..3333]).unwrap();
    a.append_column(id, &ts[3333..], &vs[3333..]).unwrap();
    assert_eq!(a.append_column(id, &ts, &vs), Err(AppendError::OutOfOrder));
    let mut appender = b.appender();
    for (t, v) in ts.iter().zip(&vs) {
        appender.append(&l, *t, *v).unwrap();
    }
    appender.commit().unwrap();
    let (x, y) = (read(&a, "m", 777, 100_000_000), read(&b, "m", 777, 100_000_000));
    assert_eq!((x.ts.len(), x.ts, x.vs), (3333, y.ts, y.vs));
}

fn histogram(n: u32) -> FloatHistogram {
    let n = f64::from(n);
    FloatHistogram {
        schema: 2,
        zero_threshold: 0.001,
        zero_count: n,
        count: 4.0 * n,
        sum: n * 1.25,
        positive_spans: vec![Span { offset: -2, length: 2 }, Span { offset: 3, length: 1 }],
        positive_buckets: vec![n, n / 2.0, n / 2.0],
        negative_spans: vec![Span { offset: 0, length: 1 }],
        negative_buckets: vec![n],
        ..FloatHistogram::default()
    }
}

#[test]
fn histograms_come_back_with_the_hints_prometheus_gives() {
    use CounterResetHint::{Gauge, NotReset, Reset, Unknown};
    let db = Tsdb::in_memory();
    let mut a = db.appender();
    let l = labels("h", 1);
    let gauge = |n| FloatHistogram { counter_reset_hint: Gauge, ..histogram(n) };
    let claims = |n, hint| FloatHistogram { counter_reset_hint: hint, ..histogram(n) };
    let other = FloatHistogram { schema: 1, ..histogram(9) };
    let mut rows = vec![
        (histogram(1), Unknown),
        (histogram(2), NotReset),
        (histogram(1), Reset),
        (claims(0, NotReset), Reset),
        (histogram(5), NotReset),
        (claims(9, Reset), Reset),
        (other, Unknown),
        (gauge(3), Gauge),
        (gauge(2), Gauge),
        (histogram(2), Unknown),
        (FloatHistogram { sum: STALE_NAN, ..FloatHistogram::default() }, NotReset),
        (histogram(3), Unknown),
    ];
    rows.extend((4..200).map(|n| (histogram(n), NotReset)));
    for (i, (h, _)) in rows.iter().enumerate() {
        a.append_with_st(&l, i as i64 % 3, i as i64 * 60_000, Value::Histogram(Arc::new(h.clone()))).unwrap();
    }
    a.commit().unwrap();
    let got = read(&db, "h", 0, i64::MAX);
    assert_eq!(got.hists.len(), rows.len());
    for (i, ((t, h), (want, hint))) in got.hists.iter().zip(&rows).enumerate() {
        assert_eq!((*t, &**h, h.counter_reset_hint), (i as i64 * 60_000, want, *hint), "row {i}");
        assert_eq!(got.hist_st[i], i as i64 % 3);
    }
}

#[test]
fn floats_and_histograms_share_a_series() {
    let db = Tsdb::in_memory();
    let mut a = db.appender();
    let l = labels("m", 1);
    for i in 0..90 {
        match i % 4 {
            0 => a.append_histogram(&l, i, Arc::new(histogram(i as u32))).unwrap(),
            _ => a.append(&l, i, i as f64).unwrap(),
        };
    }
    a.commit().unwrap();
    let got = read(&db, "m", 10, 20);
    assert_eq!(got.ts, [10, 11, 13, 14, 15, 17, 18, 19]);
    assert_eq!(got.hists.iter().map(|(t, _)| *t).collect::<Vec<_>>(), [12, 16, 20]);
    let s = &db.select(&named("m"), 0, 100).unwrap()[0];
    assert!(matches!(s.latest(0, 16).unwrap(), Some((16, Value::Histogram(_)))));
    assert_eq!(s.latest(0, 15).unwrap(), Some((15, Value::Float(15.0))));
}

#[test]
fn start_timestamps_are_kept_and_read_only_when_asked_for() {
    let db = Tsdb::in_memory();
    let mut a = db.appender();
    let l = labels("m", 1);
    let st = |i: i64| if i % 10 < 7 { 0 } else { i / 50 * 1000 - 500 };
    for i in 0..400 {
        a.append_with_st(&l, st(i), i * 1000, Value::Float(i as f64)).unwrap();
    }
    a.commit().unwrap();
    let got = read(&db, "m", 100_000, 390_000);
    assert_eq!(got.float_st, (100..=390).map(st).collect::<Vec<_>>());
    let mut buf = SampleBuf::default();
    db.select(&named("m"), 0, 1).unwrap()[0].read(0, 1_000_000, false, &mut buf).unwrap();
    assert_eq!((buf.ts.len(), buf.float_st.len()), (400, 0));
}

#[test]
fn a_kept_selection_follows_series_as_they_come_and_go() {
    let db = Tsdb::in_memory_with(TsdbOptions { retention_ms: 1000 });
    let add = |i, t| {
        let mut a = db.appender();
        a.append(&labels("m", i), t, 1.0).unwrap();
        a.append(&labels("other", i), t, 1.0).unwrap();
        a.commit().unwrap();
    };
    let found = || {
        let mut l: Vec<String> =
            db.select_shared(&named("m"), 0, 0).unwrap().iter().map(|s| s.labels().value("i").to_owned()).collect();
        l.sort();
        l
    };
    assert_eq!(found(), [""; 0]);
    add(1, 0);
    assert_eq!(found(), ["1"]);
    add(2, 5000);
    assert_eq!(found(), ["1", "2"]);
    let a = db.select_shared(&named("m"), 0, 0).unwrap();
    assert!(Arc::ptr_eq(&a, &db.select_shared(&named("m"), 0, 0).unwrap()));
    db.maintain(5000).unwrap();
    db.maintain(5000).unwrap();
    assert_eq!(found(), ["2"]);
    assert_eq!(db.stats().series, 2);
    assert_eq!(db.stats().series_removed, 2);
}

#[test]
fn names_and_values_are_those_of_matching_series() {
    let db = Tsdb::in_memory();
    let mut a = db.appender();
    a.append(&Labels::from_pairs([("__name__", "up"), ("job", "عقدة")]), 5, 1.0).unwrap();
    a.append(&Labels::from_pairs([("__name__", "down"), ("zone", "z")]), 5, 1.0).unwrap();
    a.commit().unwrap();
    assert_eq!(db.label_names(&[], 0, 10).unwrap(), ["__name__", "job", "zone"]);
    assert_eq!(db.label_names(&named("up"), 0, 10).unwrap(), ["__name__", "job"]);
    assert_eq!(db.label_names(&named("up"), 6, 10).unwrap(), [""; 0]);
    assert_eq!(db.label_values("job", &[], 0, 10).unwrap(), ["عقدة"]);
    let not_up = [Matcher::new(MatchOp::NotEqual, "__name__", "up").unwrap()];
    assert_eq!(db.label_values("__name__", &not_up, 0, 10).unwrap(), ["down"]);
    assert_eq!(db.series(&[named("up"), named("up")], 0, 10).unwrap().len(), 1);
    assert_eq!(db.series(&[named("up")], 0, 4).unwrap(), []);
    let c = db.cardinality(1);
    assert_eq!(c.values_by_label, [("__name__".to_owned(), 2)]);
}

#[test]
fn reads_beside_appends_see_a_prefix() {
    let db = Tsdb::in_memory();
    let l = labels("m", 1);
    db.series_ref(&l).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut a = db.appender();
            for i in 0..20_000i64 {
                a.append(&l, i * 100, i as f64).unwrap();
                if i % 7 == 0 {
                    a.commit().unwrap();
                }
            }
            a.commit().unwrap();
        });
        let mut seen = 0;
        while seen < 20_000 {
            let buf = read(&db, "m", i64::MIN, i64::MAX);
            assert!(buf.ts.len() >= seen);
            seen = buf.ts.len();
            assert!(buf.ts.iter().zip(&buf.vs).enumerate().all(|(i, (t, v))| *t == i as i64 * 100 && *v == i as f64));
        }
    });
}

/// An hour of `m`, a sample every 15 s.
pub(super) fn append_hour(db: &super::Tsdb, from: i64) {
    let labels = crate::model::Labels::from_pairs([("__name__", "m")]);
    let mut appender = db.appender();
    for i in 0..240 {
        appender.append(&labels, from + i * 15_000, i as f64).unwrap();
    }
    appender.commit().unwrap();
}
