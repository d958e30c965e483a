//! The clock leaps while the engine runs, there and back: nobody is paged or unpaged by it, and nothing waits for a time
//! that is long past.

use std::sync::Arc;

use watchbell::alerting::schedule::Schedule;
use watchbell::alerting::{Evaluated, GroupSpec, Transition};
use watchbell::clock::{Clock, VirtualClock};
use watchbell::engine::drive::{Audience, Replay};
use watchbell::engine::{Event, Options, SilenceChange};
use watchbell::model::{Labels, Matcher};
use watchbell::notify::{Notification, Outcome};
use watchbell::routing::{NewSilence, ReceivedAlert};
use watchbell::state::{MemoryStore, StateStore};

use crate::stage::{M, S, Stage, group, rule, setup};

const H: i64 = 60 * M;

#[derive(Default)]
struct Diary {
    evaluated: Vec<i64>,
    fired: Vec<i64>,
    /// Second and text of what `pager` was told.
    told: Vec<(i64, String)>,
    clock: VirtualClock,
    fail: bool,
}

impl Audience for Diary {
    fn evaluated(&mut self, evaluated: &Evaluated, _spec: &GroupSpec) {
        self.evaluated.push(evaluated.at / S);
        let fires = |t: &&(usize, Transition)| matches!(t.1, Transition::Fired(_));
        self.fired.extend(evaluated.transitions.iter().filter(fires).map(|_| evaluated.at / S));
    }

    fn deliver(&mut self, n: &Notification) -> Outcome {
        if &*n.integration.receiver == "pager" {
            let alert = |a: &watchbell::notify::NotifiedAlert| {
                format!("{}{}", if a.is_resolved() { "-" } else { "+" }, a.labels.value("instance"))
            };
            self.told.push((self.clock.now() / S, n.alerts.iter().map(alert).collect()));
        }
        match self.fail {
            true => Outcome::Retry { after: None, reason: "503".into() },
            false => Outcome::Delivered,
        }
    }
}

struct Play<'a> {
    clock: VirtualClock,
    replay: Replay<'a, Diary>,
}

impl<'a> Play<'a> {
    fn begin(stage: &'a Stage, diary: &'a mut Diary, hold: i64, store: Arc<dyn StateStore>, now: i64) -> Self {
        let clock = VirtualClock::at(now);
        diary.clock = clock.clone();
        let options = Options { schedule: Schedule::Spread { tick: 5 * S }, ..Options::default() };
        let setup = setup(vec![group("g", vec![rule("Down", hold, "critical")])]);
        Play { replay: Replay::start(options, setup, clock.clone(), stage, store, diary).unwrap(), clock }
    }

    fn until(&mut self, at: i64) {
        self.replay.play_until(at).unwrap();
    }

    fn leap(&mut self, to: i64) {
        self.clock.set(to);
        self.replay.happen(Event::Tick).unwrap();
    }

    fn diary(&mut self) -> Diary {
        std::mem::take(self.replay.audience())
    }
}

fn memory() -> Arc<dyn StateStore> {
    Arc::new(MemoryStore::default())
}

#[test]
fn rules_are_evaluated_on_when_the_clock_is_back() {
    let (stage, mut diary) = (Stage::default(), Diary::default());
    let mut play = Play::begin(&stage, &mut diary, 0, memory(), 10 * H);
    play.until(10 * H + M);
    play.leap(12 * H + M);
    play.until(12 * H + M + 2500);
    play.leap(10 * H + M + 2500);
    play.until(10 * H + 2 * M);
    let at = play.diary().evaluated;
    let back: Vec<i64> = at.iter().rev().take_while(|t| **t < 11 * H / S).copied().collect();
    assert_eq!(back.len(), 4, "every 15 s of the minute that followed: {at:?}");
    assert!(back.windows(2).all(|w| w[0] - w[1] == 15), "{at:?}");
}

#[test]
fn a_leap_neither_satisfies_for_nor_lengthens_it() {
    for (to, back) in [(12 * H, true), (12 * H, false), (9 * H, true), (9 * H, false), (10 * H + 40 * 24 * H, true)] {
        let (stage, mut diary) = (Stage::default(), Diary::default());
        stage.set("Down", &["a"]);
        let begin = 10 * H;
        let mut play = Play::begin(&stage, &mut diary, 5 * M, memory(), begin);
        // The first evaluation, within 15 s, finds it pending. The leap comes two minutes in.
        play.until(begin + 2 * M);
        play.leap(to + 2 * M);
        play.until(to + 2 * M + 2500);
        let rest = if back { begin } else { to };
        if back {
            play.leap(begin + 2 * M + 2500);
        }
        play.until(rest + 4 * M + 55 * S);
        assert_eq!(play.replay.audience().fired, [0; 0], "not before its time: {to} {back}");
        play.until(rest + 5 * M + 35 * S);
        assert_eq!(play.diary().fired.len(), 1, "not after its time: {to} {back}");
    }
}

#[test]
fn who_was_paged_is_not_paged_again_nor_told_of_an_end_that_was_none() {
    let (stage, mut diary) = (Stage::default(), Diary::default());
    stage.set("Down", &["a"]);
    let begin = 10 * H;
    let mut play = Play::begin(&stage, &mut diary, 0, memory(), begin);
    play.until(begin + 2 * M);
    assert_eq!(play.replay.audience().told.len(), 1);
    for leap in [40 * M, -3 * H, -40 * 24 * H, 50 * M] {
        let now = play.clock.now();
        play.leap(now + leap);
        play.until(now + leap + 3 * S);
        play.leap(now + 3 * S);
        play.until(now + 30 * S);
    }
    assert_eq!(play.replay.audience().told.len(), 1, "{:?}", play.replay.audience().told);
    // Its end is told at the group's next flush, not hours later.
    stage.set("Down", &[]);
    let now = play.clock.now();
    play.until(now + 5 * M + 16 * S);
    let told: Vec<String> = play.diary().told.into_iter().map(|(_, text)| text).collect();
    assert_eq!(told, ["+a", "-a"]);
}

#[test]
fn what_resolved_under_a_leaped_clock_stays_resolved() {
    let (stage, mut diary) = (Stage::default(), Diary::default());
    stage.set("Down", &["a"]);
    let begin = 10 * H;
    let mut play = Play::begin(&stage, &mut diary, 0, memory(), begin);
    play.until(begin + 2 * M);
    stage.set("Down", &[]);
    // The rule lets go under the leaped clock, and the clock is back before the group tells.
    play.leap(begin + 3 * H);
    play.leap(begin + 2 * M + 2 * S);
    play.until(begin + 8 * M);
    let told: Vec<String> = play.diary().told.into_iter().map(|(_, text)| text).collect();
    assert_eq!(told, ["+a", "-a"]);
}

#[test]
fn a_failed_page_is_tried_again_soon_and_a_repeat_comes_in_its_time_after_a_step_back() {
    let (stage, mut diary) = (Stage::default(), Diary { fail: true, ..Diary::default() });
    stage.set("Down", &["a"]);
    let begin = 100 * H;
    let mut play = Play::begin(&stage, &mut diary, 0, memory(), begin);
    play.until(begin + 5 * M);
    play.leap(begin - 50 * H);
    play.replay.audience().fail = false;
    play.until(begin - 50 * H + 2 * M);
    let told = play.replay.audience().told.clone();
    assert!(told.last().unwrap().0 * S < begin, "tried again within a minute or so: {told:?}");
    play.until(begin - 50 * H + 70 * M);
    let after = play.diary().told.len() - told.len();
    assert_eq!(after, 1, "the repeat interval is an hour");
}

#[test]
fn a_posted_alert_ends_when_its_source_said() {
    let (stage, mut diary) = (Stage::default(), Diary::default());
    let begin = 10 * H;
    let mut play = Play::begin(&stage, &mut diary, 0, memory(), begin);
    let labels = Labels::from_pairs([("alertname", "Posted"), ("instance", "p"), ("severity", "critical")]);
    let post =
        |ends_at| Event::AlertsReceived(vec![ReceivedAlert { labels: labels.clone(), ends_at, ..Default::default() }]);
    play.replay.happen(post(Some(begin + 10 * M))).unwrap();
    play.until(begin + M);
    play.leap(begin - H);
    play.until(begin - H + 20 * M);
    assert_eq!(play.replay.audience().told.len(), 1, "no end an hour early");
    // What was ended before the step stays ended.
    play.replay.happen(post(Some(begin - H + 20 * M))).unwrap();
    play.leap(begin - 2 * H);
    play.until(begin - 2 * H + 6 * M);
    let told: Vec<String> = play.diary().told.into_iter().map(|(_, text)| text).collect();
    assert_eq!(told, ["+p", "-p"]);
}

#[test]
fn a_posted_alert_does_not_end_by_a_leap_before_its_poster_had_time_to_speak() {
    for back in [true, false] {
        let (stage, mut diary) = (Stage::default(), Diary::default());
        let begin = 10 * H;
        let mut play = Play::begin(&stage, &mut diary, 0, memory(), begin);
        let labels = Labels::from_pairs([("alertname", "Posted"), ("instance", "p"), ("severity", "critical")]);
        let post = |now: i64| {
            let alert = ReceivedAlert { labels: labels.clone(), ends_at: Some(now + 4 * M), ..Default::default() };
            Event::AlertsReceived(vec![alert])
        };
        play.replay.happen(post(begin)).unwrap();
        play.until(begin + M);
        play.leap(begin + 2 * H);
        play.until(begin + 2 * H + 3 * S);
        let rest = if back { begin + M + 3 * S } else { begin + 2 * H + 3 * S };
        play.leap(rest);
        play.until(rest + M);
        play.replay.happen(post(rest + M)).unwrap();
        play.until(rest + 4 * M);
        assert_eq!(play.replay.audience().told.len(), 1, "it is posted again and has not ended: {back}");
        play.until(rest + 12 * M);
        let told: Vec<String> = play.diary().told.into_iter().map(|(_, text)| text).collect();
        assert_eq!(told, ["+p", "-p"], "it ends when nobody speaks: {back}");
    }
}

#[test]
fn a_start_with_an_earlier_clock_goes_on_with_what_a_later_one_stored() {
    let (stage, mut first, mut second) = (Stage::default(), Diary::default(), Diary::default());
    stage.set("Down", &["a"]);
    let store = memory();
    let begin = 10 * H;
    Play::begin(&stage, &mut first, 5 * M, store.clone(), begin).until(begin + 4 * M);
    let mut play = Play::begin(&stage, &mut second, 5 * M, store, begin - 3 * H);
    play.until(begin - 3 * H + 2 * M);
    let fired = play.replay.audience().fired.clone();
    assert_eq!(fired.len(), 1, "a minute of five was left");
    play.until(begin - 3 * H + 3 * M);
    assert_eq!(play.diary().told.len(), 1);
}

#[test]
fn a_silence_outlives_a_leap_beyond_its_end_and_what_keeps_house_meanwhile() {
    let (stage, mut diary) = (Stage::default(), Diary::default());
    let begin = 10 * H;
    let mut play = Play::begin(&stage, &mut diary, 0, memory(), begin);
    let matchers = vec![Matcher::equal("alertname", "Down")];
    let silence = NewSilence { matchers, starts_at: begin, ends_at: begin + 2 * H, ..NewSilence::default() };
    play.replay.happen(Event::SilenceChanged(0, SilenceChange::Set(silence))).unwrap();
    play.until(begin + M);
    play.leap(begin + 40 * 24 * H);
    play.until(begin + 40 * 24 * H + 25 * S);
    play.leap(begin + M + 25 * S);
    stage.set("Down", &["a"]);
    play.until(begin + H);
    assert_eq!(play.replay.view().silences().count(), 1);
    assert_eq!(play.diary().told, [], "it is silenced");
    // Where the clock was right, what is over goes, an hour later.
    play.leap(begin + 40 * 24 * H);
    play.until(begin + 40 * 24 * H + 2 * H);
    assert_eq!(play.replay.view().silences().count(), 0);
}
