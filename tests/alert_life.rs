//! An alert from its first evaluation to the last message about it, in virtual time, every time computed by hand.

use std::collections::VecDeque;
use std::sync::Arc;

use watchbell::alerting::schedule::Schedule;
use watchbell::alerting::{Evaluated, GroupSpec, Transition};
use watchbell::clock::{Clock, VirtualClock};
use watchbell::engine::drive::{Audience, Replay};
use watchbell::engine::{Event, Options, OutgoingAlert, SilenceChange};
use watchbell::model::{Labels, Matcher};
use watchbell::notify::{Notification, Outcome};
use watchbell::routing::{NewSilence, ReceivedAlert};
use watchbell::state::MemoryStore;

use crate::stage::{M, S, Stage, group, routing, rule, setup};

/// Writes down what it sees; answers deliveries as it was told, else takes them.
#[derive(Default)]
struct Diary {
    clock: VirtualClock,
    lines: Vec<String>,
    outcomes: VecDeque<Outcome>,
    sent: Vec<OutgoingAlert>,
}

impl Diary {
    fn note(&mut self, text: String) {
        self.lines.push(format!("{:>5} {text}", self.clock.now() / S));
    }

    fn take(&mut self) -> Vec<String> {
        std::mem::take(&mut self.lines)
    }
}

impl Audience for Diary {
    fn evaluated(&mut self, evaluated: &Evaluated, _spec: &GroupSpec) {
        for (_, transition) in &evaluated.transitions {
            let word = match transition {
                Transition::Pending(_) => "pending",
                Transition::Fired(_) => "firing",
                Transition::Resolved(_) => "resolved",
                Transition::Vanished(_) => "vanished",
                _ => continue,
            };
            let labels = &transition.alert().labels;
            self.note(format!("{word} {}/{}", labels.value("alertname"), labels.value("instance")));
        }
    }

    fn deliver(&mut self, n: &Notification) -> Outcome {
        let alert = |a: &watchbell::notify::NotifiedAlert| {
            format!("{}{}", if a.is_resolved() { "-" } else { "+" }, a.labels.value("instance"))
        };
        let alerts: Vec<String> = n.alerts.iter().map(alert).collect();
        let outcome = self.outcomes.pop_front().unwrap_or(Outcome::Delivered);
        let failed = if outcome == Outcome::Delivered { "" } else { " failed" };
        self.note(format!("{} {} {:?}{failed}", n.integration.receiver, alerts.join(" "), n.reason));
        outcome
    }

    fn send(&mut self, alerts: &[OutgoingAlert]) {
        self.sent.extend_from_slice(alerts);
    }
}

fn aligned() -> Options {
    Options { schedule: Schedule::Aligned { start: 0 }, ..Options::default() }
}

/// Plays a script of `(second, instances of Down)` and returns the diary.
fn play(stage: &Stage, diary: &mut Diary, hold: i64, script: &[(i64, &[&str])], until: i64) -> Vec<String> {
    let setup = setup(vec![group("g", vec![rule("Down", hold, "critical")])]);
    let clock = diary.clock.clone();
    let store = Arc::new(MemoryStore::default());
    let mut replay = Replay::start(aligned(), setup, clock, stage, store, diary).unwrap();
    for (second, up) in script {
        // The world changes between two evaluations.
        replay.play_until(second * S - 1).unwrap();
        stage.set("Down", up);
    }
    replay.play_until(until * S).unwrap();
    diary.take()
}

#[test]
fn an_alert_is_told_when_it_fires_when_another_joins_and_when_all_resolve() {
    let (stage, mut diary) = (Stage::default(), Diary::default());
    let script: &[(i64, &[&str])] = &[(60, &["a"]), (200, &["a", "b"]), (4000, &[])];
    let got = play(&stage, &mut diary, M, script, 6000);
    // Groups flush at 150 = 120 + group_wait and every 300 s from there. b fires at 270 and is told at 450. Both resolve
    // at the evaluation at 4005, before the hour of the repeat interval is over, and the flush at 4050 tells.
    let want = [
        "   60 pending Down/a",
        "  120 firing Down/a",
        "  150 pager +a FirstNotification",
        "  150 chat +a FirstNotification",
        "  210 pending Down/b",
        "  270 firing Down/b",
        "  450 pager +a +b NewAlertsInGroup",
        "  450 chat +a +b NewAlertsInGroup",
        " 4005 resolved Down/a",
        " 4005 resolved Down/b",
        " 4050 pager -a -b AllAlertsResolved",
    ];
    assert_eq!(got, want, "chat does not want resolves, and is not told again what it knows");
}

#[test]
fn an_unchanged_group_is_told_again_after_more_than_the_repeat_interval() {
    let (stage, mut diary) = (Stage::default(), Diary::default());
    let got = play(&stage, &mut diary, 0, &[(1, &["a"])], 3 * 3600);
    let pager: Vec<&str> = got.iter().filter(|l| l.contains("pager")).map(|l| l.trim_start()).collect();
    // Fires at 15, flushes at 45 + k * 300: exactly an hour later is not yet more than an hour.
    let want =
        ["45 pager +a FirstNotification", "3945 pager +a RepeatIntervalElapsed", "7845 pager +a RepeatIntervalElapsed"];
    assert_eq!(pager, want);
}

#[test]
fn an_alert_that_goes_before_it_fires_is_told_nobody() {
    let (stage, mut diary) = (Stage::default(), Diary::default());
    let got = play(&stage, &mut diary, M, &[(1, &["a"]), (70, &[])], 3600);
    assert_eq!(got, ["   15 pending Down/a", "   75 vanished Down/a"]);
}

#[test]
fn a_failing_rule_neither_resolves_nor_fires() {
    let (stage, mut diary) = (Stage::default(), Diary::default());
    let got = play(&stage, &mut diary, 0, &[(1, &["a"]), (20, &["error"]), (1000, &["a"])], 1800);
    assert_eq!(got.iter().filter(|l| l.contains("Down/a")).collect::<Vec<_>>(), ["   15 firing Down/a"]);
}

#[test]
fn a_failed_notification_is_tried_again_and_a_refused_one_at_the_next_flush() {
    let (stage, mut diary) = (Stage::default(), Diary::default());
    let retry = |after| Outcome::Retry { after, reason: "503".into() };
    // pager: 503 twice, the second asking for 20 s; chat in between refuses for good.
    diary.outcomes =
        [retry(None), Outcome::GiveUp { reason: "400".into() }, retry(Some(20 * S)), Outcome::Delivered].into();
    let got = play(&stage, &mut diary, 0, &[(1, &["a"])], 400);
    let lines: Vec<&str> = got.iter().map(|l| l.trim_start()).collect();
    assert_eq!(
        lines[..3],
        ["15 firing Down/a", "45 pager +a FirstNotification failed", "45 chat +a FirstNotification failed"]
    );
    assert_eq!(
        lines[3..],
        ["45 pager +a FirstNotification failed", "65 pager +a FirstNotification", "345 chat +a FirstNotification"]
    );
}

#[test]
fn a_page_that_may_have_arrived_is_followed_by_its_resolve() {
    let (stage, mut diary) = (Stage::default(), Diary::default());
    let lost = || Outcome::Retry { after: Some(3600 * S), reason: "timed out".into() };
    diary.outcomes = [lost(), Outcome::Delivered].into();
    let got = play(&stage, &mut diary, 0, &[(1, &["a"]), (100, &[])], 400);
    let pager: Vec<&str> = got.iter().filter(|l| l.contains("pager")).map(|l| l.trim_start()).collect();
    assert_eq!(pager, ["45 pager +a FirstNotification failed", "345 pager -a AllAlertsResolved"]);
}

#[test]
fn a_silence_holds_pages_back_and_not_the_resolve_of_what_was_told() {
    let (stage, mut diary) = (Stage::default(), Diary::default());
    let setup = setup(vec![group("g", vec![rule("Down", 0, "critical"), rule("Slow", 0, "critical")])]);
    let clock = diary.clock.clone();
    let mut replay =
        Replay::start(aligned(), setup, clock, &stage, Arc::new(MemoryStore::default()), &mut diary).unwrap();
    stage.set("Down", &["a"]);
    replay.play_until(100 * S).unwrap();
    let matchers = vec![Matcher::equal("severity", "critical")];
    let silence = NewSilence { matchers, starts_at: 0, ends_at: 7200 * S, ..NewSilence::default() };
    replay.happen(Event::SilenceChanged(0, SilenceChange::Set(silence))).unwrap();
    stage.set("Down", &[]);
    stage.set("Slow", &["b"]);
    replay.play_until(3600 * S).unwrap();
    stage.set("Slow", &[]);
    replay.play_until(7300 * S).unwrap();
    assert_eq!(replay.engine().router().groups().count(), 0);
    let pager: Vec<String> = diary.take().into_iter().filter(|l| l.contains("pager")).collect();
    assert_eq!(pager, ["   30 pager +a FirstNotification", "  330 pager -a AllAlertsResolved"]);
}

#[test]
fn a_removed_rule_resolves_its_alerts_and_marks_its_series_stale() {
    let (stage, mut diary) = (Stage::default(), Diary::default());
    let clock = diary.clock.clone();
    let both = setup(vec![group("g", vec![rule("Down", 0, "critical"), rule("Slow", 0, "critical")])]);
    let mut replay =
        Replay::start(aligned(), both, clock, &stage, Arc::new(MemoryStore::default()), &mut diary).unwrap();
    stage.set("Down", &["a"]);
    stage.set("Slow", &["b"]);
    replay.play_until(100 * S).unwrap();
    stage.written.lock().clear();
    let one = setup(vec![group("g", vec![rule("Slow", 0, "critical")])]);
    replay.happen(Event::Reloaded(Box::new(one))).unwrap();
    replay.play_until(400 * S).unwrap();
    let pager: Vec<String> = replay.audience().take().into_iter().filter(|l| l.contains("pager")).collect();
    assert_eq!(
        pager,
        ["   30 pager +a FirstNotification", "   30 pager +b FirstNotification", "  330 pager -a AllAlertsResolved"]
    );
    let written = stage.written.lock();
    let stale = written.iter().filter(|s| s.value.is_stale());
    let stale: Vec<(String, i64)> = stale.map(|s| (s.labels.metric_name().to_owned(), s.t / S)).collect();
    assert_eq!(stale, [("ALERTS".into(), 105), ("ALERTS_FOR_STATE".into(), 105)]);
    assert!(written.iter().all(|s| s.labels.value("alertname") == "Slow" || s.value.is_stale()));
}

/// Kills a replay at `at` and starts another one at `again` on the same store.
fn restart<'a>(
    stage: &'a Stage,
    diary: &'a mut Diary,
    store: &Arc<MemoryStore>,
    at: i64,
    again: i64,
) -> Replay<'a, Diary> {
    let of_rules = || setup(vec![group("g", vec![rule("Down", M, "critical")])]);
    let clock = diary.clock.clone();
    let mut first = Replay::start(aligned(), of_rules(), clock.clone(), stage, store.clone(), diary).unwrap();
    first.play_until(at).unwrap();
    drop(first);
    clock.advance_to(again);
    Replay::start(aligned(), of_rules(), clock, stage, store.clone(), diary).unwrap()
}

#[test]
fn what_was_firing_is_evaluated_again_before_anyone_is_told() {
    for (why, still_up, want) in [
        ("killed in group_wait, down for an hour, still up", true, vec![" 3675 pager +a FirstNotification"]),
        ("killed in group_wait, over meanwhile", false, vec![]),
    ] {
        let (stage, mut diary, store) = (Stage::default(), Diary::default(), Arc::new(MemoryStore::default()));
        stage.set("Down", &["a"]);
        let mut replay = restart(&stage, &mut diary, &store, 70 * S, 3670 * S);
        if !still_up {
            stage.set("Down", &[]);
        }
        replay.play_until(3900 * S).unwrap();
        let pager: Vec<String> = diary.take().into_iter().filter(|l| l.contains("pager")).collect();
        assert_eq!(pager, want, "{why}");
    }
}

#[test]
fn after_an_outage_longer_than_for_a_pending_alert_waits_for_what_was_left_of_it() {
    let (stage, mut diary, store) = (Stage::default(), Diary::default(), Arc::new(MemoryStore::default()));
    stage.set("Down", &["a"]);
    // Pending from 0, seen for 30 s of 60; down until 1000; evaluated at 1005 and every 15 s.
    let mut replay = restart(&stage, &mut diary, &store, 30 * S, 1000 * S);
    replay.play_until(1100 * S).unwrap();
    let lines = diary.take();
    assert_eq!(lines[..2], ["    0 pending Down/a", " 1005 pending Down/a"], "known since 0, marked as unwatched");
    assert_eq!(lines[2], " 1020 firing Down/a");
}

#[test]
fn a_reload_keeps_the_alerts_of_rules_that_stay_however_they_changed() {
    let (stage, mut diary) = (Stage::default(), Diary::default());
    let clock = diary.clock.clone();
    let of = |rules| setup(vec![group("g", rules)]);
    let before = of(vec![rule("Down", M, "critical"), rule("Slow", 2 * M, "critical")]);
    let mut replay =
        Replay::start(aligned(), before, clock, &stage, Arc::new(MemoryStore::default()), &mut diary).unwrap();
    stage.set("Down", &["a"]);
    stage.set("Slow", &["b"]);
    replay.play_until(100 * S).unwrap();
    // Another order, and a shorter `for` for the one that is still pending.
    let after = of(vec![rule("Slow", 90 * S, "critical"), rule("Down", 10 * M, "critical")]);
    replay.happen(Event::Reloaded(Box::new(after))).unwrap();
    replay.play_until(200 * S).unwrap();
    let want = [
        "    0 pending Down/a",
        "    0 pending Slow/b",
        "   60 firing Down/a",
        "   90 pager +a FirstNotification",
        "   90 chat +a FirstNotification",
        "  105 firing Slow/b",
        "  135 pager +b FirstNotification",
        "  135 chat +b FirstNotification",
    ];
    assert_eq!(diary.take(), want);
}

#[test]
fn posted_alerts_are_routed_and_resolve_when_nobody_updates_them() {
    let (stage, mut diary) = (Stage::default(), Diary::default());
    let clock = diary.clock.clone();
    let mut replay =
        Replay::start(aligned(), setup(vec![]), clock, &stage, Arc::new(MemoryStore::default()), &mut diary).unwrap();
    let labels = Labels::from_pairs([("alertname", "Posted"), ("severity", "critical"), ("instance", "x")]);
    let post = || Event::AlertsReceived(vec![ReceivedAlert { labels: labels.clone(), ..ReceivedAlert::default() }]);
    replay.happen(post()).unwrap();
    replay.play_until(200 * S).unwrap();
    replay.happen(post()).unwrap();
    replay.play_until(2000 * S).unwrap();
    // Posted at 0 and 200: it times out at 200 + resolve_timeout = 500; groups flush at 30, 330, 630.
    let want =
        ["   30 pager +x FirstNotification", "   30 chat +x FirstNotification", "  630 pager -x AllAlertsResolved"];
    assert_eq!(diary.take(), want);
}

#[test]
fn external_alertmanagers_hear_of_firing_alerts_every_minute_and_of_resolved_ones_for_a_while() {
    let (stage, mut diary) = (Stage::default(), Diary::default());
    let mut only_external = setup(vec![group("g", vec![rule("Down", 0, "critical")])]);
    only_external.routing = None;
    only_external.external_alertmanagers = true;
    let clock = diary.clock.clone();
    let mut replay =
        Replay::start(aligned(), only_external, clock, &stage, Arc::new(MemoryStore::default()), &mut diary).unwrap();
    stage.set("Down", &["a"]);
    replay.play_until(200 * S).unwrap();
    stage.set("Down", &[]);
    replay.play_until(3600 * S).unwrap();
    assert!(diary.take().iter().all(|l| l.contains("Down/a")), "nothing goes to receivers of our own");
    let ends: Vec<i64> = diary.sent.iter().map(|a| a.ends_at / S).collect();
    // Sent at 0, then at the first evaluation more than a minute later: 75, 150; believed for 4 minutes. Resolved at
    // 210, sent then and every 75 s for 15 minutes.
    assert_eq!(ends[..3], [240, 315, 390]);
    assert_eq!(ends[3..], [210; 13]);
    assert_eq!(diary.sent[0].generator_url, "http://watchbell/graph?g0.expr=Down&g0.tab=1");
}

#[test]
fn routing_by_default_waits_as_alertmanager_does() {
    let spread = Options::default();
    assert_eq!((spread.schedule, spread.resend_delay), (Schedule::default(), M));
    assert_eq!(routing().route.group_wait, Some(30 * S));
}
