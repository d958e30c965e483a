//! What is on disk, across crashes, damage and time. A crash is a database dropped without being closed: what a commit
//! wrote is in the page cache, as after `kill -9`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::model::histogram::CounterResetHint;
use crate::model::{FloatHistogram, Labels, Matcher, SampleBuf, Value};

pub(super) const HOUR: i64 = 3_600_000;
pub(super) const DAY: i64 = 24 * HOUR;

pub(super) type Model = BTreeMap<String, Vec<(i64, u64)>>;

pub(super) fn open(dir: &Path) -> (Tsdb, Recovery) {
    Tsdb::open(dir, TsdbOptions::default()).unwrap()
}

pub(super) fn labels(i: usize) -> Labels {
    Labels::from_pairs([("__name__", "m".to_owned()), ("i", i.to_string())])
}

pub(super) fn append(db: &Tsdb, i: usize, t: i64, v: f64) {
    let mut a = db.appender();
    a.append(&labels(i), t, v).unwrap();
    a.commit().unwrap();
}

pub(super) fn contents(db: &Tsdb) -> Model {
    let mut model = Model::new();
    for s in db.select(&[Matcher::equal("__name__", "m")], i64::MIN, i64::MAX).unwrap() {
        let mut buf = SampleBuf::default();
        s.read(i64::MIN, i64::MAX, false, &mut buf).unwrap();
        let samples: Vec<_> = buf.ts.iter().copied().zip(buf.vs.iter().map(|v| v.to_bits())).collect();
        if let Some((t, bits)) = samples.last() {
            let (newest, value) = s.latest(i64::MIN, i64::MAX).unwrap().unwrap();
            assert_eq!((newest, value.as_float().unwrap().to_bits()), (*t, *bits));
            model.insert(s.labels().to_string(), samples);
        }
    }
    model
}

/// Where two databases first differ: series, position, and what is there in each.
pub(super) fn difference(got: &Model, want: &Model) -> Option<String> {
    for (series, samples) in want {
        let other = got.get(series).map_or(&[][..], |s| s);
        let at = samples.iter().zip(other).position(|(a, b)| a != b).unwrap_or(samples.len().min(other.len()));
        if other.len() != samples.len() || at < samples.len() {
            let near = |s: &[(i64, u64)]| s.iter().skip(at.saturating_sub(1)).take(3).copied().collect::<Vec<_>>();
            return Some(format!(
                "{series}: {} of {} samples, differ at {at}: {:?} for {:?}",
                other.len(),
                samples.len(),
                near(other),
                near(samples)
            ));
        }
    }
    (got.len() != want.len()).then(|| format!("{} series for {}", got.len(), want.len()))
}

pub(super) fn files(dir: &Path, sub: &str) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = fs::read_dir(dir.join(sub)).unwrap().map(|e| e.unwrap().path()).collect();
    all.sort();
    all
}

pub(super) fn copy(from: &Path, to: &Path) {
    for sub in ["wal", "checkpoint", "blocks"] {
        fs::create_dir_all(to.join(sub)).unwrap();
        for f in files(from, sub) {
            fs::copy(&f, to.join(sub).join(f.file_name().unwrap())).unwrap();
        }
    }
}

#[test]
fn a_log_torn_at_any_byte_keeps_every_commit_before() {
    let dir = tempfile::tempdir().unwrap();
    let (db, _) = open(dir.path());
    let segment = files(dir.path(), "wal").pop().unwrap();
    let mut states = vec![(fs::metadata(&segment).unwrap().len(), Model::new())];
    for n in 0..12i64 {
        let mut a = db.appender();
        for i in 0..=(n as usize % 3) {
            a.append(&labels(i), n * 1000 + i as i64, n as f64 / 3.0).unwrap();
        }
        a.commit().unwrap();
        states.push((fs::metadata(&segment).unwrap().len(), contents(&db)));
    }
    drop(db);
    let whole = fs::read(&segment).unwrap();
    assert_eq!(whole.len() as u64, states.last().unwrap().0);
    for cut in 0..=whole.len() {
        let copied = tempfile::tempdir().unwrap();
        copy(dir.path(), copied.path());
        let torn = copied.path().join("wal").join(segment.file_name().unwrap());
        fs::write(&torn, &whole[..cut]).unwrap();
        let (db, recovery) = open(copied.path());
        let (end, want) = states.iter().rev().find(|(end, _)| *end <= cut as u64).unwrap_or(&states[0]);
        assert_eq!(contents(&db), *want, "cut at {cut}");
        // A cut between the two records of a commit leaves series without samples and nothing torn.
        if *end == cut as u64 {
            assert!(recovery.is_clean(), "cut at {cut}: {recovery:?}");
        }
        // A segment has its beginning from the beginning: an empty one was emptied.
        assert!(cut > 0 || recovery.damages[0].what.contains("emptied"), "{recovery:?}");
        append(&db, 7, 99_000, 1.0);
        let after = contents(&db);
        drop(db);
        let (db, recovery) = open(copied.path());
        assert!(recovery.is_clean(), "the repair of a cut at {cut} holds: {recovery:?}");
        assert_eq!(contents(&db), after);
    }
}

#[test]
fn a_damaged_segment_in_the_middle_is_passed_over_and_its_loss_counted() {
    let dir = tempfile::tempdir().unwrap();
    // Each opening starts a segment.
    for n in 0..3i64 {
        let (db, _) = open(dir.path());
        for k in 0..10 {
            append(&db, 0, n * 100 + k, k as f64);
            append(&db, 1 + n as usize, n * 100 + k, k as f64);
        }
    }
    let middle = files(dir.path(), "wal")[1].clone();
    let mut bytes = fs::read(&middle).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    fs::write(&middle, bytes).unwrap();
    let (db, recovery) = open(dir.path());
    let [damage] = &recovery.damages[..] else { panic!("{recovery:?}") };
    let lost = damage.samples.unwrap();
    // The record that was hit, no more.
    assert!((0..2).contains(&lost), "{damage}");
    assert_eq!(recovery.samples, 60 - lost);
    let all = contents(&db);
    assert_eq!(all.values().map(Vec::len).sum::<usize>() as u64, 60 - lost);
    assert_eq!(all[&labels(3).to_string()].len(), 10);
    assert_eq!(db.stats().wal_corruptions, 1);
    assert!(damage.to_string().contains("samples lost"));
}

#[test]
fn ended_windows_go_to_blocks_and_reads_do_not_notice() {
    let dir = tempfile::tempdir().unwrap();
    let (db, _) = open(dir.path());
    let ts: Vec<i64> = (0..3 * DAY / 30_000).map(|i| i * 30_000).collect();
    for i in 0..3 {
        let vs: Vec<f64> = ts.iter().map(|t| (t / 30_000 % 1000 + i) as f64).collect();
        db.append_column(db.series_ref(&labels(i as usize)).unwrap(), &ts, &vs).unwrap();
    }
    let want = contents(&db);
    db.maintain(3 * DAY).unwrap();
    let stats = db.stats();
    // Two days as one block each, eleven windows: the last one waits for late samples.
    assert_eq!((stats.blocks, stats.chunks), (13, 3), "{stats:?}");
    assert_eq!(contents(&db), want);
    append(&db, 1, 3 * DAY, 0.5);
    drop(db);
    let (db, recovery) = open(dir.path());
    assert!(recovery.is_clean());
    assert_eq!((recovery.blocks, recovery.samples), (13, 3 * 240 + 1));
    db.maintain(3 * DAY + 3 * HOUR).unwrap();
    assert_eq!(db.stats().blocks, 4, "the windows of a day that ended are merged");
    let mut want = want;
    want.get_mut(&labels(1).to_string()).unwrap().push((3 * DAY, 0.5f64.to_bits()));
    assert_eq!(contents(&db), want);
    drop(db);
    assert_eq!(contents(&open(dir.path()).0), want);
    let s = open(dir.path()).0.select(&[Matcher::equal("i", "2")], 0, 0).unwrap().remove(0);
    let mut buf = SampleBuf::default();
    s.read(DAY - 30_000, DAY + 30_000, true, &mut buf).unwrap();
    assert_eq!(buf.ts, [DAY - 30_000, DAY, DAY + 30_000]);
    assert_eq!(buf.float_st, [0; 3]);
    assert_eq!(s.latest(0, DAY + 1).unwrap().unwrap().0, DAY);
}

#[test]
fn retention_drops_files_and_series_and_memory_stays_flat_under_churn() {
    let dir = tempfile::tempdir().unwrap();
    let options = TsdbOptions { retention_ms: 2 * DAY };
    let (db, _) = Tsdb::open(dir.path(), options.clone()).unwrap();
    let (mut most_series, mut most_files, mut most_wal) = (0, 0, 0);
    for hour in 0..24 * 8 {
        // Ten series an hour that live for an hour.
        for k in 0..4 {
            for i in 0..10 {
                append(&db, hour * 10 + i, hour as i64 * HOUR + k * 900_000, 1.0);
            }
        }
        db.maintain(hour as i64 * HOUR + HOUR).unwrap();
        let stats = db.stats();
        most_series = most_series.max(stats.series);
        most_files = most_files.max(stats.blocks);
        most_wal = most_wal.max(stats.wal_segments);
    }
    assert!(most_series <= 30, "{most_series}");
    assert!(most_files <= 2 + 15, "{most_files}");
    assert!(most_wal <= 2, "{most_wal}");
    let stats = db.stats();
    assert_eq!(stats.series_created - stats.series_removed, stats.series);
    assert!(stats.mint.unwrap() >= 5 * DAY);
    assert!(files(dir.path(), "blocks").len() as u64 == stats.blocks);
    let want = contents(&db);
    drop(db);
    let (db, recovery) = Tsdb::open(dir.path(), options).unwrap();
    assert!(recovery.is_clean());
    assert_eq!(contents(&db), want);
}

#[test]
fn a_series_that_was_removed_and_came_back_is_one_series_after_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    let options = TsdbOptions { retention_ms: HOUR };
    let (db, _) = Tsdb::open(dir.path(), options.clone()).unwrap();
    append(&db, 1, 0, 1.0);
    db.maintain(1).unwrap();
    append(&db, 2, 2 * HOUR, 2.0);
    db.let_leave_for_test(2 * HOUR);
    assert_eq!(db.stats().series, 1);
    append(&db, 1, 3 * HOUR, 3.0);
    drop(db);
    let (db, recovery) = Tsdb::open(dir.path(), options).unwrap();
    assert!(recovery.is_clean(), "{recovery:?}");
    let both = [(0, 1.0f64.to_bits()), (3 * HOUR, 3.0f64.to_bits())];
    assert_eq!(contents(&db)[&labels(1).to_string()], both);
    assert_eq!(db.stats().series, 2);
}

#[test]
fn histograms_and_start_timestamps_survive_log_checkpoint_and_block() {
    let dir = tempfile::tempdir().unwrap();
    let rows: Vec<(i64, i64, Value)> = (0..500i64)
        .map(|i| {
            let n = i as f64;
            let h = FloatHistogram {
                count: n,
                sum: n / 7.0,
                positive_spans: vec![crate::model::histogram::Span { offset: -3, length: 2 }],
                positive_buckets: vec![n / 2.0, n / 2.0],
                ..FloatHistogram::default()
            };
            let value = if i % 50 < 25 { Value::Histogram(Arc::new(h)) } else { Value::Float(n) };
            (i * 60_000, i / 10, value)
        })
        .collect();
    let read = |db: &Tsdb| {
        let mut buf = SampleBuf::default();
        db.select(&[], 0, 0).unwrap()[0].read(0, i64::MAX, true, &mut buf).unwrap();
        let hints: Vec<_> = buf.hists.iter().map(|(_, h)| h.counter_reset_hint).collect();
        let counts = |(t, h): &(i64, Arc<FloatHistogram>)| {
            (*t, FloatHistogram { counter_reset_hint: CounterResetHint::Unknown, ..(**h).clone() })
        };
        let hists: Vec<_> = buf.hists.iter().map(counts).collect();
        ((buf.ts, buf.vs, hists, buf.float_st, buf.hist_st), hints)
    };
    let mut want = None;
    for stage in 0..4 {
        let (db, recovery) = open(dir.path());
        assert!(recovery.is_clean(), "{recovery:?}");
        match stage {
            0 => {
                let mut a = db.appender();
                for (t, st, v) in &rows {
                    a.append_with_st(&labels(1), *st, *t, v.clone()).unwrap();
                }
                a.commit().unwrap();
                want = Some(read(&db));
            }
            1 => db.close().unwrap(),
            2 => db.maintain(8 * HOUR).unwrap(),
            _ => assert!(db.stats().blocks > 0),
        }
        let ((all, hints), (wanted, told)) = (read(&db), want.clone().unwrap());
        assert_eq!(all, wanted, "stage {stage}");
        // Where a block ends a late one may lie between: what a hint says of the one before is forgotten there.
        let forgotten = hints.iter().zip(&told).filter(|(hint, told)| hint != told);
        let forgotten: Vec<_> = forgotten.collect();
        let is_forgotten =
            |(hint, told): &(_, _)| (*hint, *told) == (&CounterResetHint::Unknown, &CounterResetHint::NotReset);
        assert!(
            forgotten.iter().all(is_forgotten) && forgotten.len() as u64 <= db.stats().blocks,
            "stage {stage}: {forgotten:?}"
        );
    }
    let ((_, _, hists, float_st, hist_st), _) = want.unwrap();
    assert_eq!((hists.len(), float_st.len(), hist_st.len()), (250, 250, 250));
    assert_eq!((hist_st[249], float_st[249]), (47, 49));
}

#[test]
fn a_damaged_block_or_checkpoint_costs_only_itself() {
    let dir = tempfile::tempdir().unwrap();
    let (db, _) = open(dir.path());
    let ts: Vec<i64> = (0..DAY / 60_000).map(|i| i * 60_000).collect();
    let vs: Vec<f64> = ts.iter().map(|t| (t % 977) as f64).collect();
    for i in 0..4 {
        db.append_column(db.series_ref(&labels(i)).unwrap(), &ts, &vs).unwrap();
    }
    db.maintain(DAY - HOUR).unwrap();
    append(&db, 9, DAY, 1.0);
    drop(db);
    // A region: only its damaged chunk is missing, and reads tell.
    let blocks = files(dir.path(), "blocks");
    let flip = |path: &Path, at: usize| {
        let mut bytes = fs::read(path).unwrap();
        bytes[at] ^= 0x10;
        fs::write(path, bytes).unwrap();
    };
    flip(&blocks[0], 40);
    let (db, recovery) = open(dir.path());
    assert!(recovery.is_clean());
    for s in db.select(&[Matcher::equal("__name__", "m")], 0, DAY).unwrap() {
        let mut buf = SampleBuf::default();
        s.read(0, 4 * HOUR - 1, false, &mut buf).unwrap();
        let want = match s.labels().get("i") {
            Some("0") => (120, true),
            Some("9") => (0, false),
            _ => (240, false),
        };
        assert_eq!((buf.len(), buf.damaged.is_some()), want);
        assert_eq!(s.latest(0, HOUR).is_err(), want.1);
    }
    assert_eq!(db.stats().damaged_blocks, 1);
    drop(db);
    // The end: the block goes aside.
    let len = fs::metadata(&blocks[0]).unwrap().len() as usize;
    flip(&blocks[0], len - 20);
    let (db, recovery) = open(dir.path());
    assert_eq!(recovery.damages.len(), 1);
    assert_eq!(contents(&db)[&labels(0).to_string()].len(), (22 * 60) as usize);
    drop(db);
    // The checkpoint: blocks know their series.
    let checkpoint = files(dir.path(), "checkpoint").pop().unwrap();
    flip(&checkpoint, 60);
    let (db, recovery) = open(dir.path());
    let told: Vec<&str> = recovery.damages.iter().map(|d| &d.file[..6]).collect();
    assert_eq!(told, ["checkp", "blocks"], "{recovery:?}");
    let all = contents(&db);
    assert_eq!(all[&labels(0).to_string()].len(), (20 * 60) as usize);
    assert_eq!(all[&labels(3).to_string()].len(), (24 * 60) as usize);
    assert_eq!(all[&labels(9).to_string()], [(DAY, 1.0f64.to_bits())]);
}

#[test]
fn late_series_do_not_mix_the_order_of_others() {
    let dir = tempfile::tempdir().unwrap();
    let (db, _) = open(dir.path());
    let column = |i: usize, from: i64, to: i64| {
        let ts: Vec<i64> = (from..to).step_by(60_000).collect();
        db.append_column(db.series_ref(&labels(i)).unwrap(), &ts, &vec![1.0; ts.len()]).unwrap();
    };
    // Windows of a day, one by one; then a series that begins at the day's start, and the first one's rest.
    for hour in (0..12).step_by(2) {
        column(0, hour * HOUR, (hour + 2) * HOUR);
        db.maintain((hour + 3) * HOUR).unwrap();
    }
    column(1, 1000, DAY);
    column(0, 12 * HOUR, DAY);
    for now in [DAY + HOUR, DAY + 6 * HOUR] {
        db.maintain(now).unwrap();
        let want = |from: i64| (from..DAY).step_by(60_000).map(|t| (t, 1.0f64.to_bits())).collect::<Vec<_>>();
        let all = Model::from([(labels(0).to_string(), want(0)), (labels(1).to_string(), want(1000))]);
        assert_eq!(difference(&contents(&db), &all), None);
    }
    assert_eq!(db.stats().blocks, 1);
}

#[test]
fn a_second_process_is_kept_out() {
    let dir = tempfile::tempdir().unwrap();
    let _db = open(dir.path());
    assert!(matches!(Tsdb::open(dir.path(), TsdbOptions::default()), Err(TsdbError::Locked(_))));
}

#[test]
fn reads_beside_flushes_miss_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (db, _) = open(dir.path());
    let step = 60_000;
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for i in 0..3000 {
                append(&db, 1, i * step, i as f64);
                if i % 200 == 0 {
                    db.maintain(i * step).unwrap();
                }
            }
            done.store(true, std::sync::atomic::Ordering::Release);
        });
        let mut seen = 0;
        let mut last = false;
        while !last {
            last = done.load(std::sync::atomic::Ordering::Acquire);
            let mut buf = SampleBuf::default();
            for s in db.select(&[Matcher::equal("__name__", "m")], 0, i64::MAX).unwrap() {
                s.read(0, i64::MAX, false, &mut buf).unwrap();
            }
            assert!(buf.ts.len() >= seen);
            seen = buf.ts.len();
            assert!(buf.ts.iter().enumerate().all(|(i, t)| *t == i as i64 * step));
        }
        assert_eq!(seen, 3000);
    });
}

/// What a random history does.
#[derive(Clone, Debug)]
enum Step {
    Append { series: usize, after: i64, value: f64 },
    Column { series: usize, count: usize, every: i64 },
    Maintain { after: i64 },
    Crash,
    Close,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0usize..4, 1i64..HOUR, any::<f64>()).prop_map(|(series, after, value)| Step::Append { series, after, value }),
        2 => (0usize..4, 1usize..700, 1i64..60_000).prop_map(|(series, count, every)| Step::Column { series, count, every }),
        2 => (0i64..6 * HOUR).prop_map(|after| Step::Maintain { after }),
        2 => Just(Step::Crash),
        1 => Just(Step::Close),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn any_history_with_crashes_equals_its_model(steps in prop::collection::vec(step(), 1..60)) {
        let dir = tempfile::tempdir().unwrap();
        let (mut db, _) = open(dir.path());
        let mut model = Model::new();
        let mut now = 1_700_000_000_000i64;
        let mut newest = [now; 4];
        for step in steps {
            match step {
                Step::Append { series, after, value } => {
                    newest[series] += after;
                    append(&db, series, newest[series], value);
                    model.entry(labels(series).to_string()).or_default().push((newest[series], value.to_bits()));
                }
                Step::Column { series, count, every } => {
                    let ts: Vec<i64> = (1..=count as i64).map(|i| newest[series] + i * every).collect();
                    let vs: Vec<f64> = ts.iter().map(|t| (t % 1013) as f64 / 10.0).collect();
                    newest[series] = *ts.last().unwrap();
                    db.append_column(db.series_ref(&labels(series)).unwrap(), &ts, &vs).unwrap();
                    model.entry(labels(series).to_string()).or_default().extend(ts.iter().copied().zip(vs.iter().map(|v| v.to_bits())));
                    // Columns are durable after maintenance only.
                    db.maintain(now).unwrap();
                }
                Step::Maintain { after } => {
                    now = now.max(*newest.iter().max().unwrap()) + after;
                    db.maintain(now).unwrap();
                }
                Step::Crash | Step::Close => {
                    if matches!(step, Step::Close) {
                        db.close().unwrap();
                    }
                    drop(db);
                    let (again, recovery) = open(dir.path());
                    prop_assert!(recovery.is_clean(), "{:?}", recovery);
                    db = again;
                }
            }
            prop_assert_eq!(difference(&contents(&db), &model), None);
        }
    }
}
