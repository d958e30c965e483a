//! Series that come, end, leave memory, and come back: answers are those of a plain model, whatever happens in between.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use proptest::prelude::*;

use super::disk_tests::{DAY, HOUR, Model, append, contents, difference, files, labels, open};
use super::*;
use crate::model::{Labels, MatchOp, Matcher, STALE_NAN, SampleBuf};

const MINUTE: i64 = 60_000;

/// A database to which things happen, beside what it should hold.
struct Run {
    dir: tempfile::TempDir,
    db: Option<Tsdb>,
    want: BTreeMap<usize, Vec<(i64, f64)>>,
    now: i64,
    /// The out-of-order window.
    window: i64,
}

#[derive(Clone, Debug)]
enum Step {
    Append {
        series: usize,
        after: i64,
        value: f64,
    },
    /// Samples that are older than the newest, or the newest again.
    Late {
        series: usize,
        before: i64,
    },
    Pass {
        minutes: i64,
    },
    Leave,
    Maintain,
    Merge,
    Crash,
    /// As if the process had ended before what a merge had replaced was deleted.
    CrashInMerge,
    Close,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0usize..6, 1i64..20 * MINUTE, any::<f64>())
            .prop_map(|(series, after, value)| Step::Append { series, after, value }),
        4 => (0usize..6, 0i64..HOUR).prop_map(|(series, before)| Step::Late { series, before }),
        2 => (0usize..6, 0i64..40 * HOUR).prop_map(|(series, before)| Step::Late { series, before }),
        3 => (1i64..240).prop_map(|minutes| Step::Pass { minutes }),
        4 => Just(Step::Leave),
        2 => Just(Step::Maintain),
        2 => Just(Step::Merge),
        2 => Just(Step::Crash),
        1 => Just(Step::CrashInMerge),
        1 => Just(Step::Close),
    ]
}

/// A value that is not this one.
fn another(v: f64) -> f64 {
    f64::from_bits(v.to_bits() ^ 1)
}

impl Run {
    fn new(first_id: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let db = open(dir.path()).0;
        db.inner().index.write().reserve_ids(first_id);
        Run { dir, db: Some(db), want: BTreeMap::new(), now: 400 * DAY + 5 * MINUTE, window: 0 }
    }

    fn with_window(mut self, window: i64) -> Self {
        self.window = window;
        self.db().set_out_of_order_window(window);
        self
    }

    fn db(&self) -> &Tsdb {
        self.db.as_ref().unwrap()
    }

    fn newest(&self, series: usize) -> Option<(i64, f64)> {
        self.want.get(&series).and_then(|samples| samples.last().copied())
    }

    fn reopen(&mut self) {
        self.db = None;
        let (db, recovery) = open(self.dir.path());
        assert!(recovery.is_clean(), "{recovery:?}");
        db.set_out_of_order_window(self.window);
        self.db = Some(db);
    }

    /// A sample that is older than the newest of its series.
    fn take_late(&mut self, series: usize, t: i64, v: f64) {
        let newest = self.want.values().filter_map(|s| s.last()).map(|(t, _)| *t).max().unwrap();
        let samples = self.want.entry(series).or_default();
        let at = samples.partition_point(|(there, _)| *there < t);
        let there = samples.get(at).filter(|(there, _)| *there == t).map(|(_, v)| v.to_bits());
        let wanted = match there {
            _ if self.window == 0 => Err(AppendError::OutOfOrder),
            _ if t < newest - self.window => Err(AppendError::TooOld),
            Some(there) if there == v.to_bits() => Ok(0),
            Some(_) => Err(AppendError::Duplicate),
            None => Ok(1),
        };
        let mut a = self.db.as_ref().unwrap().appender();
        assert_eq!(a.append(&labels(series), t, v).map(drop), wanted.map(drop), "{series} {t} {newest}");
        assert_eq!(a.commit().unwrap().appended, wanted.unwrap_or(0));
        if wanted == Ok(1) {
            samples.insert(at, (t, v));
        }
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Append { series, after, value } => {
                let t = self.newest(series).map_or(self.now, |(t, _)| t.max(self.now)) + after;
                append(self.db(), series, t, value);
                self.want.entry(series).or_default().push((t, value));
                self.now = self.now.max(t);
            }
            Step::Late { series, before } => {
                let Some((t, v)) = self.newest(series) else { return };
                if before > 0 {
                    self.take_late(series, t - before, another(v));
                }
                let mut a = self.db().appender();
                assert_eq!(a.append(&labels(series), t, another(v)).map(drop), Err(AppendError::Duplicate));
                // The same again is no error, and adds nothing.
                assert!(a.append(&labels(series), t, v).is_ok());
                assert_eq!(a.commit().unwrap().appended, 0);
            }
            Step::Pass { minutes } => self.now += minutes * MINUTE,
            Step::Leave => self.db().let_leave_for_test(self.now),
            Step::Maintain => self.db().maintain(self.now).unwrap(),
            Step::Merge => self.db().merge_for_test(self.now),
            Step::Crash => self.reopen(),
            Step::CrashInMerge => {
                let before = tempfile::tempdir().unwrap();
                let blocks = files(self.dir.path(), "blocks");
                blocks.iter().for_each(|b| _ = fs::copy(b, before.path().join(b.file_name().unwrap())).unwrap());
                self.db().merge_for_test(self.now);
                self.db = None;
                blocks.iter().for_each(|b| _ = fs::copy(before.path().join(b.file_name().unwrap()), b).unwrap());
                self.reopen();
            }
            Step::Close => {
                self.db().close().unwrap();
                self.reopen();
            }
        }
    }

    fn model(&self) -> Model {
        let bits = |samples: &Vec<(i64, f64)>| samples.iter().map(|(t, v)| (*t, v.to_bits())).collect();
        self.want.iter().map(|(series, samples)| (labels(*series).to_string(), bits(samples))).collect()
    }

    /// Compares what is asked of an interval with the model.
    fn check(&self, mint: i64, maxt: i64, pattern: &str) {
        let db = self.db();
        let matchers = [Matcher::equal("__name__", "m"), Matcher::new(MatchOp::Regex, "i", pattern).unwrap()];
        let want: BTreeMap<String, Vec<(i64, u64)>> = self
            .want
            .iter()
            .filter(|(i, _)| matchers[1].matches(&i.to_string()))
            .map(|(i, s)| {
                let within = s.iter().filter(|(t, _)| (mint..=maxt).contains(t));
                (labels(*i).to_string(), within.map(|(t, v)| (*t, v.to_bits())).collect::<Vec<_>>())
            })
            .filter(|(_, s)| !s.is_empty())
            .collect();
        let mut got = BTreeMap::new();
        for s in db.select(&matchers, mint, maxt).unwrap() {
            let mut buf = SampleBuf::default();
            s.read(mint, maxt, true, &mut buf).unwrap();
            let samples: Vec<_> = buf.ts.iter().copied().zip(buf.vs.iter().map(|v| v.to_bits())).collect();
            let latest = s.latest(mint, maxt).unwrap().map(|(t, v)| (t, v.as_float().unwrap().to_bits()));
            assert_eq!((latest, buf.float_st.len()), (samples.last().copied(), samples.len()));
            if !samples.is_empty() {
                assert!(got.insert(s.labels().to_string(), samples).is_none(), "{} twice", s.labels());
            }
        }
        assert_eq!(got, want);
        let found = db.series(&[matchers.to_vec()], mint, maxt).unwrap();
        assert_eq!(found.iter().map(Labels::to_string).collect::<BTreeSet<_>>(), want.keys().cloned().collect());
        // Names and values may be of more series, but of none that never was.
        let with_samples: BTreeSet<String> = found.iter().map(|l| l.value("i").to_owned()).collect();
        for matchers in [&matchers[..], &[]] {
            let values: BTreeSet<String> = db.label_values("i", matchers, mint, maxt).unwrap().into_iter().collect();
            assert!(values.is_superset(&with_samples), "{values:?} {with_samples:?}");
            assert!(values.iter().all(|v| self.want.contains_key(&v.parse().unwrap())));
            let names = db.label_names(matchers, mint, maxt).unwrap();
            assert!(with_samples.is_empty() || names == ["__name__", "i"]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn any_coming_and_going_equals_its_model(
        steps in prop::collection::vec(step(), 1..80),
        first_id in prop::sample::select(vec![0, (1u64 << 32) - 3, 1 << 50]),
        window in prop::sample::select(vec![0, 0, 3 * HOUR, 30 * HOUR]),
        asked in prop::collection::vec((0i64..40 * HOUR, 0i64..5 * HOUR), 80),
    ) {
        let mut run = Run::new(first_id).with_window(window);
        let begin = run.now;
        for (step, (from, len)) in steps.iter().zip(asked) {
            run.take(step);
            prop_assert_eq!(difference(&contents(run.db()), &run.model()), None);
            run.check(begin + from, begin + from + len, "[0-3]");
            run.check(run.now - len, run.now, "5|2|nobody");
        }
    }
}

fn block_names(dir: &Path) -> Vec<String> {
    files(dir, "blocks").iter().map(|p| p.file_name().unwrap().to_string_lossy().into_owned()).collect()
}

#[test]
fn a_series_that_comes_back_is_one_with_its_past() {
    let mut run = Run::new(0);
    let first = run.now;
    for round in 0..5 {
        run.now = first + round * HOUR;
        for series in 0..3 {
            run.take(&Step::Append { series, after: 1, value: round as f64 });
        }
        run.now += 30 * MINUTE;
        // A reference to one that left is refused, so that its holder looks it up again.
        let old = run.db().series_ref(&labels(1)).unwrap();
        run.take(&Step::Leave);
        assert_eq!(run.db().stats().series, 0);
        assert_eq!(run.db().appender().append_ref(old, run.now, 1.0), Err(AppendError::UnknownSeries));
        if round == 3 {
            run.take(&Step::Crash);
        }
    }
    assert_eq!(difference(&contents(run.db()), &run.model()), None);
    assert_eq!(contents(run.db())[&labels(1).to_string()].len(), 5);
}

#[test]
fn what_is_being_appended_to_does_not_leave() {
    let run = Run::new(0);
    append(run.db(), 1, run.now, 1.0);
    append(run.db(), 2, run.now, STALE_NAN);
    let inner = run.db().inner();
    let leave = |now| inner.let_leave(inner.disk.as_ref().unwrap(), &mut inner.housekeeping.lock(), now, 1).unwrap();
    let series = || run.db().stats().series;
    // One that says it has ended goes sooner.
    leave(run.now + 3 * MINUTE);
    leave(run.now + 4 * MINUTE);
    assert_eq!(series(), 1);
    leave(run.now + 11 * MINUTE);
    // Looked up since: whoever did so gets to commit.
    let mut a = run.db().appender();
    a.append(&labels(1), run.now + 11 * MINUTE, 2.0).unwrap();
    leave(run.now + 12 * MINUTE);
    assert_eq!(series(), 1);
    assert_eq!(a.commit().unwrap().appended, 1);
    // By a clock that is not trusted none has ended.
    run.db().hold_retention(true);
    (0..3).for_each(|k| _ = leave(run.now + DAY + k));
    assert_eq!(series(), 1);
}

#[test]
fn many_small_blocks_of_a_window_become_few() {
    let mut run = Run::new(0);
    run.now = 400 * DAY;
    let mut most = 0;
    for round in 0..110 {
        // One that ends each round, one that goes on, one that comes back now and then.
        for (series, every) in [(100 + round, 1), (0, 1), (1, 7)] {
            if round % every == 0 {
                run.take(&Step::Append { series, after: 1, value: round as f64 });
            }
        }
        run.now += MINUTE;
        run.db().let_leave_for_test(run.now);
        run.db().merge_for_test(run.now);
        most = most.max(run.db().stats().blocks);
        assert!(run.db().stats().series < 20);
    }
    assert!(run.db().stats().blocks > 2, "{:?}", block_names(run.dir.path()));
    assert!(most < 8 * 3, "{most}");
    assert_eq!(difference(&contents(run.db()), &run.model()), None);
    run.take(&Step::Crash);
    assert_eq!(difference(&contents(run.db()), &run.model()), None);
    run.check(run.now - HOUR, run.now, ".*");
    // The day is one once it has ended and its last window is there.
    run.now = 401 * DAY - MINUTE;
    run.take(&Step::Append { series: 1, after: 1, value: 1.0 });
    run.db().maintain(401 * DAY + 5 * HOUR).unwrap();
    assert_eq!(run.db().stats().blocks, 1, "{:?}", block_names(run.dir.path()));
    assert_eq!(difference(&contents(run.db()), &run.model()), None);
}

#[test]
fn a_follower_behind_reads_series_that_left() {
    let mut run = Run::new(0);
    let mut follower = run.db().follow("a").unwrap().unwrap();
    for series in 0..50 {
        run.take(&Step::Append { series, after: 1, value: 1.0 });
    }
    run.now += HOUR;
    // What introduces them is read while they are in the head, what they hold when they have left.
    let first = follower.read().unwrap().unwrap();
    run.take(&Step::Leave);
    run.take(&Step::Maintain);
    assert_eq!(run.db().stats().series, 0);
    let rest = std::iter::from_fn(|| follower.read().unwrap()).flatten();
    let got: Vec<String> = first.into_iter().chain(rest).map(|s| s.labels.value("i").to_owned()).collect();
    assert_eq!(got, (0..50).map(|i| i.to_string()).collect::<Vec<_>>());
    assert_eq!(follower.lost(), 0);
    // From the beginning again, after a restart.
    drop(follower);
    run.take(&Step::Crash);
    let mut follower = run.db().follow("a").unwrap().unwrap();
    let again = std::iter::from_fn(|| follower.read().unwrap()).flatten().count();
    assert_eq!((again, follower.lost()), (50, 0));
}

#[test]
fn series_that_the_oldest_ids_hold_back_leave_and_come_back() {
    let mut run = Run::new(0);
    run.take(&Step::Append { series: 1, after: 1, value: 1.0 });
    run.db().inner().index.write().reserve_ids(3 << 30);
    run.take(&Step::Append { series: 2, after: 1, value: 1.0 });
    // It goes on, but its id is too far behind.
    run.take(&Step::Append { series: 1, after: 1, value: 2.0 });
    run.db().let_leave_for_test(run.now);
    assert_eq!(run.db().stats().series, 1);
    run.take(&Step::Append { series: 1, after: 1, value: 3.0 });
    assert_eq!(run.db().series_ref(&labels(1)).unwrap(), SeriesRef((3 << 30) + 1));
    assert_eq!(difference(&contents(run.db()), &run.model()), None);
    run.take(&Step::Crash);
    assert_eq!(difference(&contents(run.db()), &run.model()), None);
}
