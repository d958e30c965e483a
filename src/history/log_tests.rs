use super::super::decision::{Kind, RoutedTo, What};
use super::super::query::Order;
use super::super::queue::MOST_WAITING;
use super::super::record::Recorded;
use super::super::text::Time;
use super::super::written::PARTS;
use super::*;
use crate::model::{Labels, MatchOp, Matcher};
use crate::state::frames::Reader;
use proptest::prelude::*;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;

const HOUR: i64 = 3_600_000;

/// Logs are sealed when they are this long; the history may be sixteen of them.
fn small(log: u64) -> Limits {
    Limits { size: log * PARTS, ..Limits::default() }
}

fn alert(n: u64) -> Labels {
    Labels::from_pairs([
        ("alertname", format!("A{}", n % 3)),
        ("instance", format!("host-{n}")),
        ("quote", "\"\\é".into()),
    ])
}

/// Something about alert `n`.
fn decision(time: i64, n: u64) -> Decision {
    let sent = What::Sent { attempt: 1 };
    let to = |receiver: &str| Decision {
        receiver: Some(receiver.into()),
        group_key: Some(format!("{{}}:{{n={}}}", n % 2).into()),
        notification: Some(n),
        ..Decision::about(time, alert(n), sent.clone())
    };
    match n % 4 {
        0 => Decision::about(time, alert(n), What::Firing { rule: None, value: None, active_at: Time(time) }),
        1 => to("team"),
        2 => to("other"),
        _ => {
            let routes = vec![RoutedTo { route: "{}".into(), receiver: "team".into() }];
            Decision::about(time, alert(n), What::Routed { routes })
        }
    }
}

fn matcher(op: MatchOp, name: &str, value: &str) -> Matcher {
    Matcher::new(op, name, value).unwrap()
}

fn all(history: &History) -> Vec<Recorded> {
    let query = Query { order: Order::Oldest, limit: MOST_RESULTS, ..Query::default() };
    let page = history.query(&query);
    assert_eq!(page.damage, BTreeSet::new());
    page.decisions
}

use super::super::query::MOST_RESULTS;

fn files(dir: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    found.retain(|path| path.extension().is_some_and(|e| e == extension));
    found.sort();
    found
}

#[derive(Clone, Debug)]
enum Step {
    Record(Vec<(i64, u64)>),
    Restart,
    Settle,
    Maintain,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => prop::collection::vec((0i64..1000, 0u64..12), 1..6).prop_map(Step::Record),
        1 => Just(Step::Restart),
        1 => Just(Step::Settle),
        1 => Just(Step::Maintain),
    ]
}

fn asked() -> impl Strategy<Value = Query> {
    let op = prop::sample::select(vec![MatchOp::Equal, MatchOp::NotEqual, MatchOp::Regex, MatchOp::NotRegex]);
    let pair = prop::sample::select(vec![
        ("alertname", "A1"),
        ("instance", "host-7"),
        ("instance", "host-1.*"),
        ("quote", "\"\\é"),
        ("missing", ""),
    ]);
    let one = (op, pair).prop_filter_map("not a regular expression", |(op, (n, v))| Matcher::new(op, n, v).ok());
    let sets = prop::collection::vec(prop::collection::vec(one, 1..3), 0..3);
    let kinds = prop::collection::vec(prop::sample::select(vec![Kind::Firing, Kind::Sent, Kind::Routed]), 0..3);
    let some = |n: u64| prop::option::weighted(0.2, 0..n);
    let order = prop::sample::select(vec![Order::Newest, Order::Oldest]);
    let receiver = prop::option::weighted(0.3, prop::sample::select(vec!["team", "other", "none"]));
    let times = (prop::option::weighted(0.3, 0i64..1000), prop::option::weighted(0.3, 0i64..1000));
    (sets, kinds, (some(12), some(12), some(2)), receiver, times, order, 1usize..8).prop_map(
        |(selectors, kinds, (fingerprint, notification, group), receiver, (from, to), order, limit)| Query {
            selectors,
            fingerprint: fingerprint.map(|n| alert(n).fingerprint()),
            receiver: receiver.map(str::to_owned),
            kinds,
            group_key: group.map(|n| format!("{{}}:{{n={n}}}")),
            notification,
            from,
            to,
            order,
            cursor: None,
            limit,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever was written in whatever portions, sealed or not, over restarts: every query gives what a look at all
    /// decisions gives, page by page.
    #[test]
    fn queries_answer_what_a_look_at_every_decision_says(
        steps in prop::collection::vec(step(), 1..40),
        queries in prop::collection::vec(asked(), 1..12),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let open = || History::open(dir.path(), small(2_000)).unwrap();
        let mut history = open();
        let mut written = Vec::new();
        for step in steps {
            match step {
                Step::Record(some) => {
                    let some: Vec<Decision> = some.into_iter().map(|(time, n)| decision(time, n)).collect();
                    written.extend(some.iter().cloned());
                    history.record(some);
                }
                Step::Restart => {
                    // Two that seal one log would be in each other's way.
                    history.settle();
                    history = open();
                }
                Step::Settle => history.settle(),
                // Nothing is over yet.
                Step::Maintain => {
                    history.limit(Limits { size: u64::MAX, ..small(2_000) });
                    history.maintain(1000, false);
                    history.limit(small(2_000));
                }
            }
        }
        let numbered = all(&history);
        prop_assert_eq!(numbered.iter().map(|r| r.decision.clone()).collect::<Vec<_>>(), written);
        prop_assert!(numbered.windows(2).all(|w| w[0].seq < w[1].seq));
        for mut query in queries {
            let mut want: Vec<Recorded> = numbered.iter().filter(|r| query.matches(&r.decision)).cloned().collect();
            if query.order == Order::Newest {
                want.reverse();
            }
            let mut found = Vec::new();
            loop {
                let page = history.query(&query);
                prop_assert!(page.damage.is_empty() && page.decisions.len() <= query.limit);
                prop_assert_eq!(&page, &query_dir(dir.path(), &query).unwrap());
                found.extend(page.decisions);
                match page.next {
                    Some(cursor) => query.cursor = Some(cursor),
                    None => break,
                }
            }
            prop_assert_eq!(found, want, "{:?}", query);
        }
    }
}

#[test]
fn a_torn_end_is_cut_and_nothing_before_it_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let whole = |n: u64| (0..n).map(|n| decision(n.cast_signed(), n)).collect::<Vec<_>>();
    let history = History::open(dir.path(), Limits::default()).unwrap();
    whole(3).into_iter().for_each(|d| history.record(vec![d]));
    drop(history);
    let log = files(dir.path(), "log").remove(0);
    let bytes = fs::read(&log).unwrap();
    let mut reader = Reader::new(&bytes);
    let ends: Vec<usize> = std::iter::from_fn(|| reader.next().map(|_| ())).map(|()| 0).collect();
    assert_eq!(ends.len(), 3);
    for length in 0..=bytes.len() {
        fs::write(&log, &bytes[..length]).unwrap();
        let mut reader = Reader::new(&bytes[..length]);
        let good = std::iter::from_fn(|| reader.next()).count() as u64;
        let history = History::open(dir.path(), Limits::default()).unwrap();
        history.record(vec![decision(99, 99)]);
        let found = all(&history);
        let want: Vec<Decision> = whole(good).into_iter().chain([decision(99, 99)]).collect();
        assert_eq!(found.iter().map(|r| r.decision.clone()).collect::<Vec<_>>(), want, "{length}");
        assert_eq!(history.damaged(), 0);
    }
}

#[test]
fn damage_costs_what_it_hits_and_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let history = History::open(dir.path(), small(200_000)).unwrap();
    (0..1_000).for_each(|n| history.record(vec![decision(n, n.cast_unsigned())]));
    history.settle();
    drop(history);
    let segments = files(dir.path(), "segment");
    assert!(!segments.is_empty());
    let segment = &segments[0];
    let bytes = fs::read(segment).unwrap();
    let everything = Query { order: Order::Oldest, limit: MOST_RESULTS, ..Query::default() };
    let one = Query { fingerprint: Some(alert(5).fingerprint()), ..everything.clone() };
    let end = bytes.len();
    for (why, at, lost, index_lost) in
        [("a block", 2_000, true, false), ("the index", end - 200, false, true), ("the end", end - 10, false, true)]
    {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        fs::write(segment, &damaged).unwrap();
        let history = History::open(dir.path(), small(200_000)).unwrap();
        let page = history.query(&everything);
        assert_eq!(page.decisions.len() < 1_000, lost, "{why}");
        assert!(page.decisions.len() > 300, "{why}");
        assert_eq!(page.damage.len(), 1, "{why}: {:?}", page.damage);
        assert!(history.damaged() > 0, "{why}");
        if index_lost {
            assert_eq!(history.query(&one).decisions.len(), 1, "{why}");
        }
        // It goes on, and gives no number twice.
        let before = history.last();
        history.record(vec![decision(5_000, 1)]);
        assert!(history.last() > before && history.last() > 1_000, "{why}");
    }
}

#[test]
fn retention_goes_by_time_and_by_size() {
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits { retention: 160 * HOUR, size: 1 << 30 };
    let history = History::open(dir.path(), limits).unwrap();
    let mut now = 0;
    for hour in 0..1_000u64 {
        now = hour.cast_signed() * HOUR;
        history.record(vec![decision(now, hour)]);
        history.maintain(now, false);
    }
    history.settle();
    let found = all(&history);
    let oldest = now - found[0].decision.time.0;
    assert!((160 * HOUR..175 * HOUR).contains(&oldest), "{}", oldest / HOUR);
    assert!(files(dir.path(), "log").len() <= 1);
    let bytes = history.health().bytes;
    history.limit(Limits { size: bytes / 2, ..limits });
    history.maintain(now, false);
    history.settle();
    let health = history.health();
    assert!(health.bytes <= bytes / 2 && health.files > 2, "{health:?}");
    let on_disk: u64 = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().metadata().unwrap().len()).sum();
    assert_eq!(on_disk, health.bytes);
    assert_eq!(all(&history).last().unwrap().decision.time.0, now, "the newest stays");
}

#[test]
fn a_clock_that_leapt_deletes_nothing_but_what_is_too_much() {
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits { retention: 160 * HOUR, size: 1 << 30 };
    let history = History::open(dir.path(), limits).unwrap();
    for hour in 0..100u64 {
        history.record(vec![decision(hour.cast_signed() * HOUR, hour)]);
        history.maintain(hour.cast_signed() * HOUR, false);
    }
    let leapt = 41 * 24 * HOUR;
    history.record(vec![decision(leapt, 100)]);
    history.maintain(leapt, true);
    history.settle();
    assert_eq!(all(&history).len(), 101);
    let bytes = history.health().bytes;
    history.limit(Limits { size: bytes / 2, ..limits });
    history.maintain(leapt, true);
    assert!(history.health().bytes <= bytes / 2 && all(&history).len() > 20);
    // A clock that goes on so is right in the end.
    history.maintain(leapt, false);
    assert!((1..=20).contains(&all(&history).len()));
}

#[test]
fn a_disk_that_hangs_keeps_nobody_waiting() {
    let dir = tempfile::tempdir().unwrap();
    let history = History::open(dir.path(), Limits::default()).unwrap();
    // A pipe that nobody reads cannot be opened for writing: whoever tries waits.
    let pipe = path_of(dir.path(), 1, Form::Log);
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let many = MOST_WAITING + 1_000;
    history.record((0..many as u64).map(|n| decision(n.cast_signed(), n)).collect());
    history.maintain(1_000, false);
    let lost = history.lost();
    assert!((1..=4_096).contains(&lost), "{lost}");
    assert_eq!((history.last(), history.recorded(), all(&history).len()), (0, 0, 0));
    assert_eq!(history.health().failure.as_deref(), Some("the disk does not answer"));
    // It answers again: the pipe is no file, so what was to be written to it first is lost; then there is a file.
    let reader = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(&pipe).unwrap();
    fs::remove_file(&pipe).unwrap();
    history.settle();
    drop(reader);
    history.record(vec![decision(1, 1)]);
    assert_eq!(history.health().failure, None);
    assert_eq!(history.recorded() + history.lost(), many as u64 + 1);
    let found = history.query(&Query { order: Order::Oldest, limit: 1, ..Query::default() }).decisions;
    assert!(
        matches!(&found[0].decision.what, What::Lost { decisions, .. } if *decisions == history.lost()),
        "{found:?}"
    );
}

#[test]
fn what_a_disk_does_not_take_is_counted_and_noted_when_it_takes_again() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("history");
    let history = History::open(&place, Limits::default()).unwrap();
    // Nothing can be made in what is no directory.
    fs::remove_dir(&place).unwrap();
    fs::write(&place, "in the way").unwrap();
    history.record(vec![decision(1, 1), decision(2, 2)]);
    history.record(vec![decision(3, 3)]);
    assert_eq!((history.recorded(), history.lost()), (0, 3));
    assert!(history.health().failure.is_some());
    fs::remove_file(&place).unwrap();
    history.record(vec![decision(4, 0)]);
    assert_eq!((history.lost(), history.health().failure), (3, None));
    let kinds: Vec<What> = all(&history).into_iter().map(|r| r.decision.what).collect();
    assert!(matches!(&kinds[..], [What::Lost { decisions: 3, .. }, What::Firing { .. }]), "{kinds:?}");
}

#[test]
fn an_answer_of_no_decision_is_no_error_and_a_directory_without_history_is_one() {
    let dir = tempfile::tempdir().unwrap();
    let history = History::open(dir.path(), Limits::default()).unwrap();
    let query = Query { selectors: vec![vec![matcher(MatchOp::Equal, "a", "b")]], limit: 10, ..Query::default() };
    assert_eq!(history.query(&query), Page::default());
    assert!(query_dir(&dir.path().join("missing"), &query).is_err());
}
