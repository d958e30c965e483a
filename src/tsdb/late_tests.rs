//! Samples that come late: taken within the window, stored, read in order, and not lost.

use std::sync::Arc;

use super::disk_tests::{HOUR, append, contents, labels, open};
use super::*;
use crate::model::{FloatHistogram, Labels, Matcher, SampleBuf, Value};

const MINUTE: i64 = 60_000;
const NOW: i64 = 400 * 24 * HOUR;

/// Adds one sample; how many were stored.
fn add(db: &Tsdb, labels: &Labels, t: i64, value: Value) -> Result<u64, AppendError> {
    let mut a = db.appender();
    a.append_with_st(labels, 0, t, value)?;
    Ok(a.commit().unwrap().appended)
}

fn times(db: &Tsdb, series: usize) -> Vec<i64> {
    contents(db).get(&labels(series).to_string()).into_iter().flatten().map(|(t, _)| *t).collect()
}

#[test]
fn a_late_sample_is_judged_as_by_prometheus() {
    // The window, how long before the newest of all the sample was taken, its value, the verdict.
    let cases = [
        (0, 3 * MINUTE, 7.0, Err(AppendError::OutOfOrder)),
        (10 * MINUTE, 3 * MINUTE, 7.0, Ok(1)),
        (10 * MINUTE, 10 * MINUTE, 7.0, Ok(1)),
        (10 * MINUTE, 10 * MINUTE + 1, 7.0, Err(AppendError::TooOld)),
        // One that is there: the same is a repeat, another one is refused.
        (10 * MINUTE, 5 * MINUTE, 1.0, Ok(0)),
        (10 * MINUTE, 5 * MINUTE, 2.0, Err(AppendError::Duplicate)),
    ];
    for (window, before, value, wanted) in cases {
        let db = Tsdb::in_memory();
        db.set_out_of_order_window(window);
        append(&db, 1, NOW - 5 * MINUTE, 1.0);
        append(&db, 1, NOW - 2 * MINUTE, 1.0);
        // The window counts from the newest sample of all series.
        append(&db, 2, NOW, 1.0);
        assert_eq!(add(&db, &labels(1), NOW - before, Value::Float(value)), wanted, "{window} {before} {value}");
        // A new series has no order to be out of.
        assert_eq!(add(&db, &labels(3), NOW - HOUR, Value::Float(1.0)), Ok(1));
    }
}

#[test]
fn late_samples_of_one_batch_and_of_many_are_read_in_order_of_time() {
    let db = Tsdb::in_memory();
    db.set_out_of_order_window(HOUR);
    let mut a = db.appender();
    for after in [50, 10, 30, 10, 20, 40] {
        a.append(&labels(1), NOW + after, after as f64).unwrap();
    }
    assert_eq!(a.commit().unwrap(), Committed { appended: 5, repeated: 1, rejected: 0 });
    append(&db, 1, NOW + 60, 6.0);
    append(&db, 1, NOW + 45, 4.5);
    assert_eq!(times(&db, 1), [10, 20, 30, 40, 45, 50, 60].map(|t| NOW + t));
    let series = &db.select(&[Matcher::equal("i", "1")], NOW, NOW + 100).unwrap()[0];
    for (until, newest) in [(60, 60), (59, 50), (49, 45), (44, 40), (9, 0)] {
        let found = series.latest(NOW, NOW + until).unwrap().map_or(0, |(t, _)| t - NOW);
        assert_eq!(found, newest, "{until}");
        let mut buf = SampleBuf::default();
        series.read(NOW + 15, NOW + until, true, &mut buf).unwrap();
        assert!(buf.ts.is_sorted() && buf.ts.last().is_none_or(|t| *t == NOW + newest), "{:?}", buf.ts);
        assert_eq!((buf.vs.len(), buf.float_st.len()), (buf.ts.len(), buf.ts.len()));
    }
    assert_eq!(db.stats().late_appended, 5);
}

#[test]
fn late_samples_go_to_blocks_behind_the_others_and_outlive_the_process_at_any_point() {
    let dir = tempfile::tempdir().unwrap();
    let (mut db, _) = open(dir.path());
    let mut wanted = Vec::new();
    let check = |db: &Tsdb, wanted: &[i64], what: &str| assert_eq!(times(db, 1), wanted, "{what}");
    db.set_out_of_order_window(12 * HOUR);
    for minute in 0..360 {
        append(&db, 1, NOW + minute * MINUTE, 1.0);
        wanted.push(NOW + minute * MINUTE);
    }
    db.maintain(NOW + 6 * HOUR).unwrap();
    for hour in [1, 3, 5] {
        // Into windows that are in blocks, and one that is not.
        append(&db, 1, NOW + hour * HOUR + 1, 2.0);
        wanted.push(NOW + hour * HOUR + 1);
    }
    wanted.sort_unstable();
    check(&db, &wanted, "in memory");
    drop(db);
    (db, _) = open(dir.path());
    check(&db, &wanted, "replayed from the log");
    db.close().unwrap();
    drop(db);
    (db, _) = open(dir.path());
    check(&db, &wanted, "from a checkpoint");
    let log = files_of(dir.path());
    let blocks = db.stats().blocks;
    db.maintain(NOW + 6 * HOUR).unwrap();
    assert!(db.stats().blocks > blocks, "late samples are in blocks of their own");
    check(&db, &wanted, "in blocks");
    drop(db);
    // A crash between the block and the checkpoint: the log says again what the block has.
    log.iter().for_each(|(path, bytes)| std::fs::write(path, bytes).unwrap());
    (db, _) = open(dir.path());
    check(&db, &wanted, "in blocks, and in the log again");
    // The day's last window is there: it becomes one block, in which all is in order.
    append(&db, 1, NOW + 23 * HOUR, 1.0);
    wanted.push(NOW + 23 * HOUR);
    db.maintain(NOW + 48 * HOUR).unwrap();
    check(&db, &wanted, "merged");
    assert_eq!(db.stats().blocks, 1);
    drop(db);
    (db, _) = open(dir.path());
    check(&db, &wanted, "merged, and read again");
}

/// Log and checkpoints of a database.
fn files_of(dir: &std::path::Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let all = ["wal", "checkpoint"].iter().flat_map(|d| std::fs::read_dir(dir.join(d)).unwrap());
    all.map(|e| e.unwrap().path()).map(|p| (p.clone(), std::fs::read(p).unwrap())).collect()
}

#[test]
fn late_histograms_are_read_merged_and_followed() {
    let dir = tempfile::tempdir().unwrap();
    let (db, _) = open(dir.path());
    db.set_out_of_order_window(12 * HOUR);
    let mut follower = db.follow("a").unwrap().unwrap();
    let histogram = |sum: f64| Value::Histogram(Arc::new(FloatHistogram { sum, count: sum, ..Default::default() }));
    for (minute, sum) in [(0, 1.0), (20, 3.0), (10, 2.0), (5, 1.5)] {
        add(&db, &labels(1), NOW + minute * MINUTE, histogram(sum)).unwrap();
    }
    let sums = |db: &Tsdb| -> Vec<f64> {
        let mut buf = SampleBuf::default();
        db.select(&[Matcher::equal("i", "1")], NOW, NOW + HOUR).unwrap()[0]
            .read(NOW, NOW + HOUR, true, &mut buf)
            .unwrap();
        assert_eq!(buf.hist_st.len(), buf.hists.len());
        buf.hists.iter().map(|(_, h)| h.sum).collect()
    };
    assert_eq!(sums(&db), [1.0, 1.5, 2.0, 3.0]);
    // Followers get what came late as well.
    let followed = std::iter::from_fn(|| follower.read().unwrap()).flatten().map(|s| (s.t - NOW) / MINUTE);
    assert_eq!(followed.collect::<Vec<_>>(), [0, 20, 10, 5]);
    assert_eq!(follower.lost(), 0);
    for hours in [3, 48, 49] {
        db.maintain(NOW + hours * HOUR).unwrap();
        assert_eq!(sums(&db), [1.0, 1.5, 2.0, 3.0], "{hours}");
    }
}

#[test]
fn counter_resets_are_found_between_histograms_of_which_some_came_late() {
    let dir = tempfile::tempdir().unwrap();
    let (db, _) = open(dir.path());
    db.set_out_of_order_window(12 * HOUR);
    let histogram = |n: f64| {
        let h = FloatHistogram { sum: n, count: n, zero_count: n, ..Default::default() };
        Value::Histogram(Arc::new(h))
    };
    // In order 10, 30, 40, all without a reset; then 50 comes between the first two, and 60 before
    // the third, which is in the next block.
    for (minute, n) in [(0, 10.0), (20, 30.0), (125, 40.0), (10, 50.0), (115, 60.0)] {
        add(&db, &labels(1), NOW + minute * MINUTE, histogram(n)).unwrap();
    }
    let check = |when: i64| {
        let mut buf = SampleBuf::default();
        let found = db.select(&[Matcher::equal("i", "1")], NOW, NOW + 3 * HOUR).unwrap();
        found[0].read(NOW, NOW + 3 * HOUR, false, &mut buf).unwrap();
        let resets: Vec<_> = buf.hists.windows(2).map(|w| (w[1].1.sum, w[1].1.detect_reset(&w[0].1))).collect();
        assert_eq!(resets, [(50.0, false), (30.0, true), (60.0, false), (40.0, true)], "{when}");
    };
    check(0);
    for hours in [4, 6, 48, 49] {
        db.maintain(NOW + hours * HOUR).unwrap();
        check(hours);
    }
}

#[test]
fn a_counter_reset_is_found_when_the_histogram_that_was_reset_to_is_deleted() {
    let db = Tsdb::in_memory();
    for (minute, n) in [(0, 10.0), (1, 5.0), (2, 6.0)] {
        let h = FloatHistogram { sum: n, count: n, zero_count: n, ..Default::default() };
        add(&db, &labels(1), NOW + minute * MINUTE, Value::Histogram(Arc::new(h))).unwrap();
    }
    db.delete_series(&[vec![Matcher::equal("i", "1")]], NOW + MINUTE, NOW + MINUTE).unwrap();
    let mut buf = SampleBuf::default();
    db.select(&[Matcher::equal("i", "1")], NOW, NOW + HOUR).unwrap()[0].read(NOW, NOW + HOUR, false, &mut buf).unwrap();
    let [(_, first), (_, second)] = &buf.hists[..] else { panic!("{:?}", buf.hists) };
    assert!((first.sum, second.sum) == (10.0, 6.0) && second.detect_reset(first), "{:?}", buf.hists);
}

#[test]
fn what_was_late_beside_a_clock_that_was_ahead_is_in_order_without_it() {
    let db = Tsdb::in_memory();
    db.set_out_of_order_window(12 * HOUR);
    append(&db, 1, NOW, 1.0);
    append(&db, 1, NOW + 2 * HOUR, 1.0);
    for minute in 1..5 {
        append(&db, 1, NOW + minute * MINUTE, 1.0);
    }
    // One that is late, and of the future too.
    append(&db, 1, NOW + HOUR, 1.0);
    assert_eq!(db.set_future_aside(NOW + 5 * MINUTE).unwrap().samples, 2);
    append(&db, 1, NOW + 5 * MINUTE, 1.0);
    assert_eq!(times(&db, 1), [0, 1, 2, 3, 4, 5].map(|m| NOW + m * MINUTE));
    assert_eq!(db.stats().late_appended, 5, "the last one was not late");
}
