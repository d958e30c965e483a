//! Restarts and reloads in virtual time: no alert has resolved, and nothing new is told of it, before its source has spoken
//! since the start; alerts go on wherever their rules stand now.

use std::sync::Arc;

use watchbell::alerting::schedule::Schedule;
use watchbell::alerting::{GroupKey, GroupSpec, RuleSpec};
use watchbell::clock::{Clock, VirtualClock};
use watchbell::engine::drive::{Audience, Replay};
use watchbell::engine::{DataAtStart, Event, Options, Setup};
use watchbell::model::Labels;
use watchbell::notify::{Notification, Outcome};
use watchbell::routing::config::GroupBy;
use watchbell::routing::{ReceivedAlert, RouteSpec, RoutingConfig};
use watchbell::state::{MemoryStore, StateStore, Table};

use crate::stage::{M, S, Stage, group, routing, rule, setup};

/// What the pager is told, in lines: the second, the alerts (`+` fires, `-` resolved).
#[derive(Default)]
struct Pager {
    clock: VirtualClock,
    told: Vec<String>,
}

impl Audience for Pager {
    fn deliver(&mut self, n: &Notification) -> Outcome {
        let one = |a: &watchbell::notify::NotifiedAlert| {
            let mark = if a.is_resolved() { "-" } else { "+" };
            format!("{mark}{}/{}", a.labels.value("alertname"), a.labels.value("instance"))
        };
        let alerts: Vec<String> = n.alerts.iter().map(one).collect();
        self.told.push(format!("{} {}", self.clock.now() / S, alerts.join(" ")));
        Outcome::Delivered
    }
}

/// A world, a clock, a store and a pager, over any number of starts.
struct Scene {
    stage: Stage,
    pager: Pager,
    store: Arc<MemoryStore>,
    options: Options,
}

impl Scene {
    fn new(start: i64) -> Self {
        let options = Options { schedule: Schedule::Aligned { start }, ..Options::default() };
        Scene { stage: Stage::default(), pager: Pager::default(), store: Arc::new(MemoryStore::default()), options }
    }

    /// Starts at a second, does something, and is killed.
    fn run(&mut self, second: i64, setup: Setup, play: impl FnOnce(&mut Replay<'_, Pager>, &Stage)) {
        let (clock, store) = (self.pager.clock.clone(), self.store.clone());
        clock.advance_to(second * S);
        let mut replay = Replay::start(self.options, setup, clock, &self.stage, store, &mut self.pager).unwrap();
        play(&mut replay, &self.stage);
    }

    fn told(&self) -> Vec<&str> {
        self.pager.told.iter().map(String::as_str).collect()
    }

    fn stored(&self, table: Table) -> usize {
        self.store.load().unwrap().read::<serde_json::Value>(table).len()
    }
}

/// Everything goes to the pager, by name, or all of it together.
fn paged(groups: Vec<Arc<GroupSpec>>, together: bool) -> Setup {
    let by = if together { vec![] } else { vec!["alertname".to_owned()] };
    let route = RouteSpec {
        receiver: Some("pager".into()),
        group_by: Some(GroupBy::Labels(by)),
        group_wait: Some(5 * S),
        group_interval: Some(20 * S),
        repeat_interval: Some(60 * M),
        ..RouteSpec::default()
    };
    let config = RoutingConfig { route, ..(*routing()).clone() };
    Setup { routing: Some(Arc::new(config)), ..setup(groups) }
}

fn every(interval: i64, name: &str, rules: &[&str]) -> Arc<GroupSpec> {
    let rules = rules.iter().map(|name| rule(name, 0, "critical")).collect();
    Arc::new(GroupSpec { interval, ..(*group(name, rules)).clone() })
}

fn post(name: &str, ends_at: Option<i64>) -> Event {
    let labels = Labels::from_pairs([("alertname", name), ("instance", "p")]);
    Event::AlertsReceived(vec![ReceivedAlert { labels, starts_at: Some(0), ends_at, ..ReceivedAlert::default() }])
}

#[test]
fn only_what_depends_on_a_rule_waits_for_its_first_evaluation() {
    for (together, want) in [
        // Slow was told in 5 s, nothing happens to it; the post is told by its own group_wait.
        (false, vec!["5 +Slow/a", "101 +Posted/p", "240 -Slow/a"]),
        // One group: the alert that has spoken is told by the group's timer, the other as it was.
        (true, vec!["5 +Slow/a", "105 +Slow/a +Posted/p", "245 -Slow/a +Posted/p"]),
    ] {
        let mut scene = Scene::new(0);
        let setup = || paged(vec![every(4 * M, "slow", &["Slow"])], together);
        scene.stage.set("Slow", &["a"]);
        scene.run(0, setup(), |replay, _| replay.play_until(100 * S).unwrap());
        scene.run(101, setup(), |replay, stage| {
            stage.set("Slow", &[]);
            replay.happen(post("Posted", Some(3600 * S))).unwrap();
            replay.play_until(300 * S).unwrap();
        });
        assert_eq!(scene.told(), want, "together: {together}");
    }
}

#[test]
fn an_alert_that_nobody_was_told_of_waits_for_its_rule_and_no_longer() {
    for (why, up, want) in [
        ("it still fires", vec!["a"], vec!["240 +Slow/a"]),
        ("it is over", vec![], vec![]),
        // As always when a rule fails, what it said last holds.
        ("its rule fails", vec!["error"], vec!["240 +Slow/a"]),
    ] {
        let mut scene = Scene::new(0);
        let setup = || paged(vec![every(4 * M, "slow", &["Slow"])], false);
        scene.stage.set("Slow", &["a"]);
        scene.run(0, setup(), |replay, _| replay.play_until(2 * S).unwrap());
        scene.run(10, setup(), |replay, stage| {
            stage.set("Slow", &up);
            replay.play_until(500 * S).unwrap();
        });
        assert_eq!(scene.told(), want, "{why}");
    }
}

#[test]
fn a_posted_alert_ends_no_sooner_than_its_poster_had_time_to_speak_again() {
    let lead = 15 * S;
    for (why, back_at, again_until, want) in [
        ("its poster speaks again", 50, 80, vec!["5 +Posted/p", "113 -Posted/p"]),
        ("its poster has gone too", 50, 0, vec!["5 +Posted/p", "65 -Posted/p"]),
        ("back before it would have ended", 32, 0, vec!["5 +Posted/p", "47 -Posted/p"]),
    ] {
        let mut scene = Scene::new(0);
        let speak = |replay: &mut Replay<'_, Pager>, from: i64, until: i64| {
            for second in (from..=until).step_by(3) {
                replay.play_until(second * S).unwrap();
                replay.happen(post("Posted", Some(second * S + lead))).unwrap();
            }
        };
        scene.run(0, paged(vec![], false), |replay, _| speak(replay, 0, 30));
        scene.run(back_at, paged(vec![], false), |replay, _| {
            speak(replay, back_at + 3, again_until);
            replay.play_until(300 * S).unwrap();
        });
        assert_eq!(scene.told(), want, "{why}");
        assert_eq!(scene.stored(Table::RoutedAlert), 0);
    }
}

#[test]
fn an_alert_that_was_posted_once_is_told_though_its_poster_never_speaks_again() {
    for (why, killed_at, back_at, ends_at, want) in [
        // The resolve timeout begins anew at the start.
        ("before its first flush", 2, 3, None, vec!["5 +Posted/p", "303 -Posted/p"]),
        ("its poster said until when", 2, 3, Some(100 * S), vec!["5 +Posted/p", "103 -Posted/p"]),
        ("down for longer than it was to last", 2, 200, Some(100 * S), vec!["200 +Posted/p", "300 -Posted/p"]),
        ("told before", 7, 8, None, vec!["5 +Posted/p", "308 -Posted/p"]),
    ] {
        let mut scene = Scene::new(0);
        scene.run(0, paged(vec![], false), |replay, _| {
            replay.happen(post("Posted", ends_at)).unwrap();
            replay.play_until(killed_at * S).unwrap();
        });
        scene.run(back_at, paged(vec![], false), |replay, _| replay.play_until(900 * S).unwrap());
        assert_eq!(scene.told(), want, "{why}");
        assert_eq!(scene.stored(Table::RoutedAlert), 0, "{why}");
    }
}

#[test]
fn an_alert_that_joined_a_group_which_was_told_does_not_wait_for_the_others_to_end() {
    let mut scene = Scene::new(0);
    scene.run(0, paged(vec![], true), |replay, _| {
        replay.happen(post("Told", None)).unwrap();
        replay.play_until(10 * S).unwrap();
        replay.happen(post("New", None)).unwrap();
    });
    scene.run(11, paged(vec![], true), |replay, _| replay.play_until(100 * S).unwrap());
    assert_eq!(scene.told(), ["5 +Told/p", "25 +New/p +Told/p"]);
}

#[test]
fn an_engine_that_was_held_up_tells_what_was_posted_and_loses_nothing_of_for() {
    let mut scene = Scene::new(0);
    let setup = || {
        let held = vec![rule("Held", 60 * S, "critical")];
        paged(vec![Arc::new(GroupSpec { interval: 10 * S, ..(*group("g", held)).clone() })], false)
    };
    scene.stage.set("Held", &["a"]);
    scene.run(0, setup(), |replay, _| {
        replay.play_until(21 * S).unwrap();
        let labels = Labels::from_pairs([("alertname", "Posted"), ("instance", "p")]);
        let posted = ReceivedAlert { labels, ..ReceivedAlert::default() };
        replay.happen(Event::AlertsReceived(vec![posted])).unwrap();
        replay.hold_up_until(50 * S).unwrap();
        replay.play_until(100 * S).unwrap();
    });
    assert_eq!(scene.told(), ["50 +Posted/p", "65 +Held/a"]);
}

#[test]
fn a_post_that_said_it_is_over_is_told_at_once_after_a_restart() {
    let mut scene = Scene::new(0);
    scene.run(0, paged(vec![], false), |replay, _| {
        replay.happen(post("Posted", Some(3600 * S))).unwrap();
        replay.play_until(6 * S).unwrap();
        replay.happen(post("Posted", Some(6 * S))).unwrap();
    });
    scene.run(100, paged(vec![], false), |replay, _| replay.play_until(200 * S).unwrap());
    assert_eq!(scene.told(), ["5 +Posted/p", "100 -Posted/p"]);
}

#[test]
fn an_end_that_was_told_is_not_taken_back_by_a_restart() {
    // Killed at every second around the end of the alert (20) and the flush that tells of it (25).
    for killed in 15..=30 {
        let mut scene = Scene::new(0);
        scene.run(0, paged(vec![], false), |replay, _| {
            replay.happen(post("Posted", Some(20 * S))).unwrap();
            replay.play_until(killed * S).unwrap();
        });
        scene.run(killed, paged(vec![], false), |replay, _| replay.play_until(300 * S).unwrap());
        assert_eq!(scene.told().len(), 2, "killed at {killed}: {:?}", scene.told());
    }
}

#[test]
fn posts_that_change_nothing_are_hardly_written() {
    let mut scene = Scene::new(0);
    let counting = Arc::new(Counting::default());
    let (clock, store) = (scene.pager.clock.clone(), counting.clone());
    let mut replay =
        Replay::start(scene.options, paged(vec![], false), clock, &scene.stage, store, &mut scene.pager).unwrap();
    for (lead, most) in [(4 * M, 1), (24 * 60 * M, 9)] {
        let before = counting.alerts();
        let from = replay.engine().notification_log().filter_map(|(_, told)| told.at).max().unwrap_or(0);
        for second in 0..1000 {
            let now = from + second * 10 * S;
            replay.play_until(now).unwrap();
            replay.happen(post("Posted", Some(now + lead))).unwrap();
        }
        let written = counting.alerts() - before;
        assert!(written <= most, "{written} writes for 1000 posts with a lead of {lead}");
    }
}

/// A store that counts how often alerts are written.
#[derive(Default)]
struct Counting {
    store: MemoryStore,
    alerts: parking_lot::Mutex<usize>,
}

impl Counting {
    fn alerts(&self) -> usize {
        *self.alerts.lock()
    }
}

impl StateStore for Counting {
    fn load(&self) -> Result<watchbell::state::Snapshot, watchbell::state::StateError> {
        self.store.load()
    }

    fn apply(&self, batch: &watchbell::state::Batch) -> Result<(), watchbell::state::StateError> {
        *self.alerts.lock() += batch.changes().filter(|(table, ..)| *table == Table::RoutedAlert).count();
        self.store.apply(batch)
    }
}

fn place(file: &str, name: &str, rules: Vec<Arc<RuleSpec>>) -> Arc<GroupSpec> {
    let key = GroupKey { file: file.into(), name: name.into() };
    Arc::new(GroupSpec { key, ..(*group("", rules)).clone() })
}

/// Configurations in which `Down` and `Slow` stand somewhere.
fn moves() -> Vec<(&'static str, Vec<Arc<GroupSpec>>)> {
    let down = || rule("Down", M, "critical");
    let slow = || rule("Slow", 0, "critical");
    let edited = || Arc::new(RuleSpec { expr: "Other".into(), ..(*rule("Other", 0, "critical")).clone() });
    vec![
        ("as before", vec![place("f.yml", "g", vec![down(), slow()])]),
        ("the path is absolute", vec![place("/etc/f.yml", "g", vec![down(), slow()])]),
        ("the group is renamed", vec![place("f.yml", "renamed", vec![down(), slow()])]),
        ("a copy whose name bears a UID", vec![place("x-1b2c.yml", "g", vec![slow(), down()])]),
        ("a rule moves to a new group", vec![place("f.yml", "g", vec![slow()]), place("f.yml", "h", vec![down()])]),
        (
            "all of it at once, and another rule is edited",
            vec![place("y.yml", "i", vec![edited(), down()]), place("z.yml", "j", vec![slow()])],
        ),
    ]
}

#[test]
fn alerts_go_on_wherever_their_rules_stand() {
    for (why, after) in moves() {
        for restarts in [true, false] {
            let mut scene = Scene::new(0);
            scene.stage.set("Down", &["a"]);
            scene.stage.set("Slow", &["b"]);
            let before = || {
                paged(vec![place("f.yml", "g", vec![rule("Down", M, "critical"), rule("Slow", 0, "critical")])], false)
            };
            let later = |replay: &mut Replay<'_, Pager>, stage: &Stage| {
                replay.play_until(200 * S).unwrap();
                stage.set("Down", &[]);
                stage.set("Slow", &[]);
                replay.play_until(400 * S).unwrap();
            };
            if restarts {
                scene.run(0, before(), |replay, _| replay.play_until(35 * S).unwrap());
                scene.run(40, paged(after.clone(), false), later);
            } else {
                scene.run(0, before(), |replay, stage| {
                    replay.play_until(40 * S).unwrap();
                    replay.happen(Event::Reloaded(Box::new(paged(after.clone(), false)))).unwrap();
                    later(replay, stage);
                });
            }
            // Pending since 0, Down fires at 60: `for` goes on. Slow is told once.
            let want = ["5 +Slow/b", "65 +Down/a", "225 -Slow/b", "225 -Down/a"];
            let mut told = scene.told();
            told.sort_by_key(|line| (line.split(' ').next().map(|s| s.parse::<i64>().unwrap()), line.contains("Down")));
            assert_eq!(told, want, "{why}, restarted: {restarts}");
            let marked = scene.stage.written.lock().iter().filter(|s| s.value.is_stale() && s.t < 200 * S).count();
            assert_eq!(marked, 1, "{why}, restarted: {restarts}: only ALERTS of the pending alert ends early");
            assert!(scene.stored(Table::RuleGroup) <= after.len(), "{why}: records of groups that are gone");
        }
    }
}

#[test]
fn an_alert_of_a_rule_that_is_gone_resolves_at_once() {
    for restarts in [true, false] {
        let mut scene = Scene::new(0);
        scene.stage.set("Down", &["a"]);
        let before = || paged(vec![place("f.yml", "g", vec![rule("Down", 0, "critical")])], false);
        let after = || paged(vec![place("f.yml", "g", vec![rule("Down", 0, "warning")])], false);
        scene.run(0, before(), |replay, stage| {
            replay.play_until(40 * S).unwrap();
            if !restarts {
                stage.set("Down", &[]);
                replay.happen(Event::Reloaded(Box::new(after()))).unwrap();
                replay.play_until(200 * S).unwrap();
            }
        });
        if restarts {
            scene.stage.set("Down", &[]);
            scene.run(40, after(), |replay, _| replay.play_until(200 * S).unwrap());
        }
        assert_eq!(scene.told(), ["5 +Down/a", "45 -Down/a"], "restarted: {restarts}");
        assert_eq!(scene.stored(Table::RuleAlert), 0);
    }
}

#[test]
fn after_an_outage_longer_than_the_lookback_rules_wait_for_the_first_scrapes() {
    for (why, newest, came, want) in [
        ("the data comes", 100, Some(1030), vec!["5 +Down/a"]),
        ("it never comes", 100, None, vec!["5 +Down/a", "1065 -Down/a"]),
        ("what was there before still counts", 900, None, vec!["5 +Down/a", "1005 -Down/a"]),
    ] {
        let mut scene = Scene::new(0);
        let setup = || paged(vec![every(15 * S, "g", &["Down"])], false);
        scene.stage.set("Down", &["a"]);
        scene.run(0, setup(), |replay, _| replay.play_until(100 * S).unwrap());
        let data = DataAtStart { newest: newest * S, lookback: 5 * M, interval: 15 * S, patience: 65 * S };
        scene.options.data = Some(data);
        scene.stage.set("Down", &[]);
        scene.run(1000, setup(), |replay, stage| {
            if let Some(came) = came {
                replay.play_until(came * S - 1).unwrap();
                stage.set("Down", &["a"]);
                replay.happen(Event::DataCame(1)).unwrap();
                let group = &replay.engine().rule_groups()[0];
                let evaluated = (group.state.evaluated_at, group.missed);
                assert_eq!(evaluated, (Some(came * S - 1), 0), "{why}: evaluated at once, and none was missed");
            }
            replay.play_until(1070 * S).unwrap();
        });
        assert_eq!(scene.told(), want, "{why}");
    }
}

#[test]
fn a_page_that_was_owed_at_the_crash_does_not_wait_for_the_next_hour() {
    let mut scene = Scene::new(0);
    scene.options.schedule = Schedule::default();
    let spec = || every(60 * M, "slow", &["Slow"]);
    let fires = Schedule::default().first_slot(spec().hash(), 60 * M, 0) / S;
    scene.stage.set("Slow", &["a"]);
    scene.run(0, paged(vec![spec()], false), |replay, _| replay.play_until((fires + 2) * S).unwrap());
    assert!(scene.told().is_empty(), "it waits for company");
    scene.run(fires + 3, paged(vec![spec()], false), |replay, _| replay.play_until((fires + 43) * S).unwrap());
    assert_eq!(scene.told().len(), 1, "{:?}", scene.told());
}

#[test]
fn after_a_sleep_longer_than_the_lookback_rules_wait_for_scrapes_as_after_a_start() {
    let mut scene = Scene::new(0);
    scene.options.heartbeat = M;
    scene.options.data = Some(DataAtStart { newest: 0, lookback: 5 * M, interval: 15 * S, patience: 65 * S });
    scene.stage.set("Down", &["a"]);
    let clock = scene.pager.clock.clone();
    scene.run(0, paged(vec![every(15 * S, "g", &["Down"])], false), |replay, stage| {
        replay.play_until(100 * S).unwrap();
        stage.set("Down", &[]);
        clock.advance_to(1000 * S);
        replay.happen(Event::Tick).unwrap();
        replay.play_until(1030 * S - 1).unwrap();
        stage.set("Down", &["a"]);
        replay.happen(Event::DataCame(1)).unwrap();
        assert_eq!(replay.engine().rule_groups()[0].state.evaluated_at, Some(1030 * S - 1));
        replay.play_until(1200 * S).unwrap();
    });
    assert_eq!(scene.told(), ["5 +Down/a"]);
}

#[test]
fn a_group_that_a_reload_brings_while_data_is_waited_for_waits_too() {
    let mut scene = Scene::new(1000 * S);
    scene.options.data = Some(DataAtStart { newest: 100 * S, lookback: 5 * M, interval: 15 * S, patience: 65 * S });
    scene.run(1000, paged(vec![], false), |replay, _| {
        let more = paged(vec![every(15 * S, "g", &["Down"])], false);
        replay.happen(Event::Reloaded(Box::new(more))).unwrap();
        replay.play_until(1040 * S).unwrap();
        let evaluated = |replay: &Replay<'_, Pager>| replay.engine().rule_groups()[0].state.evaluated_at;
        assert_eq!(evaluated(replay), None);
        replay.happen(Event::DataCame(1)).unwrap();
        assert_eq!(evaluated(replay), Some(1040 * S));
    });
}
