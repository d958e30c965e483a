//! What is owed to receivers that fail, hang, or come back: the production engine in virtual time, with deliveries that
//! take as long as the test says.

use std::collections::BTreeMap;
use std::sync::Arc;

use watchbell::alerting::Evaluation;
use watchbell::alerting::series::RuleSample;
use watchbell::engine::drive::{Hands, turn};
use watchbell::engine::{Engine, Event, Options, OutgoingAlert, Setup, SilenceAnswer, SilenceChange};
use watchbell::model::{Labels, Matcher};
use watchbell::notify::dedup::{Mute, WhyNot};
use watchbell::notify::retry::{self, FailedAttempt};
use watchbell::notify::{Notification, Outcome, Reason};
use watchbell::routing::config::{Fallback, GroupBy};
use watchbell::routing::{
    Acknowledgement, IntegrationSpec, NewSilence, ReceivedAlert, ReceiverSpec, RouteSpec, RoutingConfig, SilenceError,
};
use watchbell::state::{Batch, MemoryStore, StateError, StateStore};

use crate::stage::{M, S};

/// How a receiver takes a notification: after how long, and with what outcome.
type Answers = Box<dyn FnMut(&Notification) -> (i64, Outcome)>;

/// Where deliveries go.
struct Post {
    now: i64,
    store: MemoryStore,
    full: bool,
    answers: Answers,
    under_way: Vec<(i64, u64, Outcome)>,
    /// Every attempt: when, and what it said.
    attempts: Vec<(i64, Notification)>,
}

impl Hands for Post {
    fn record(&mut self, _: Vec<watchbell::history::Decision>) {}

    fn persist(&mut self, batch: Batch) -> Result<(), StateError> {
        match self.full {
            true => Err(StateError::Store("no space left on device".into())),
            false => self.store.apply(&batch),
        }
    }

    fn append(&mut self, _samples: Vec<RuleSample>) {}

    fn evaluate(&mut self, _evaluation: Evaluation) {}

    fn deliver(&mut self, notification: Notification) {
        let (latency, outcome) = (self.answers)(&notification);
        self.under_way.push((self.now + latency, notification.id, outcome));
        self.attempts.push((self.now, notification));
    }

    fn send(&mut self, _alerts: Vec<OutgoingAlert>) {}
}

struct Office {
    engine: Engine,
    post: Post,
}

impl Office {
    /// `pager` has two webhooks and `chat` one; every alert goes to `receivers`, grouped by `group`.
    fn open(receivers: &[&str], answers: impl FnMut(&Notification) -> (i64, Outcome) + 'static) -> Self {
        Self::with(setup(receivers), answers)
    }

    fn with(setup: Setup, answers: impl FnMut(&Notification) -> (i64, Outcome) + 'static) -> Self {
        let engine = Engine::start(Options::default(), setup, &MemoryStore::default().load().unwrap(), 0);
        let (under_way, attempts) = (Vec::new(), Vec::new());
        let store = MemoryStore::default();
        let post = Post { now: 0, store, full: false, answers: Box::new(answers), under_way, attempts };
        Office { engine, post }
    }

    fn happen(&mut self, event: Event) {
        let turned = turn(&mut self.engine, self.post.now, [event], &mut self.post);
        turned.stored.unwrap();
    }

    /// Lets everything happen in one turn.
    fn happen_together(&mut self, events: Vec<Event>) {
        turn(&mut self.engine, self.post.now, events, &mut self.post).stored.unwrap();
    }

    /// What becomes of a change of a silence, and whether it is stored.
    fn ask(&mut self, change: SilenceChange) -> (SilenceAnswer, bool) {
        let event = Event::SilenceChanged(0, change);
        let mut turned = turn(&mut self.engine, self.post.now, [event], &mut self.post);
        (turned.answers.pop().unwrap().1, turned.stored.is_ok())
    }

    /// Lets everything happen that is due up to `second`.
    fn play_until(&mut self, second: i64) {
        let until = second * S;
        loop {
            let ended = self.post.under_way.iter().map(|(at, _, _)| *at).min();
            let next = self.engine.next_deadline().into_iter().chain(ended).min();
            let Some(at) = next.filter(|at| *at <= until) else { break };
            self.post.now = self.post.now.max(at);
            let now = self.post.now;
            let due: Vec<_> = self.post.under_way.extract_if(.., |(at, _, _)| *at <= now).collect();
            for (_, id, outcome) in due {
                self.happen(Event::Delivered { id, outcome });
            }
            self.happen(Event::Tick);
        }
        self.post.now = until;
    }

    /// Posts an alert of a group: firing, or resolved now.
    fn post(&mut self, group: &str, instance: &str, fires: bool) {
        let ends_at = if fires { self.post.now + 1000 * M } else { self.post.now };
        let labels = labels(group, instance);
        let alert = ReceivedAlert { labels, starts_at: Some(0), ends_at: Some(ends_at), ..ReceivedAlert::default() };
        self.happen(Event::AlertsReceived(vec![alert]));
    }

    fn silence(&mut self, instance: &str, minutes: i64) {
        let matchers = vec![Matcher::equal("instance", instance)];
        let (starts_at, ends_at) = (self.post.now, self.post.now + minutes * M);
        let new = NewSilence { matchers, starts_at, ends_at, ..NewSilence::default() };
        self.happen(Event::SilenceChanged(0, SilenceChange::Set(new)));
    }

    /// What was attempted since the last call: `second receiver +fires -resolved`.
    fn said(&mut self) -> Vec<String> {
        let line = |(at, n): &(i64, Notification)| {
            let alert = |a: &watchbell::notify::NotifiedAlert| {
                format!(" {}{}", if a.is_resolved() { "-" } else { "+" }, a.labels.value("instance"))
            };
            format!("{}{}", at / S, n.alerts.iter().map(alert).collect::<String>())
        };
        self.post.attempts.drain(..).map(|attempt| line(&attempt)).collect()
    }

    fn verdict(&self) -> Result<Reason, WhyNot> {
        self.engine.decisions().next().unwrap().1.verdict.clone()
    }
}

fn labels(group: &str, instance: &str) -> Labels {
    Labels::from_pairs([("alertname", "Down"), ("group", group), ("instance", instance)])
}

fn setup(receivers: &[&str]) -> Setup {
    let webhook = |index| IntegrationSpec { kind: "webhook".into(), index, send_resolved: true };
    let spec = |name: &&str| {
        let integrations = if *name == "both" { vec![webhook(0), webhook(1)] } else { vec![webhook(0)] };
        (Arc::from(*name), ReceiverSpec { integrations })
    };
    let route =
        |name: &&str| RouteSpec { receiver: Some((*name).into()), continue_matching: true, ..RouteSpec::default() };
    let route = RouteSpec {
        receiver: receivers.first().map(|r| (*r).into()),
        group_by: Some(GroupBy::Labels(vec!["group".into()])),
        group_wait: Some(0),
        group_interval: Some(5 * M),
        repeat_interval: Some(240 * M),
        routes: receivers.iter().map(route).collect(),
        ..RouteSpec::default()
    };
    let config = RoutingConfig { route, receivers: receivers.iter().map(spec).collect(), ..RoutingConfig::default() };
    Setup { routing: Some(Arc::new(config)), ..Setup::default() }
}

fn unavailable() -> Outcome {
    Outcome::Retry { after: None, reason: "unexpected status code 503".into() }
}

/// Answers 503 for as long as the shared switch says so.
fn switched() -> (Arc<std::sync::atomic::AtomicBool>, impl FnMut(&Notification) -> (i64, Outcome)) {
    let fails = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let shared = fails.clone();
    let answer = move |_: &Notification| match shared.load(std::sync::atomic::Ordering::SeqCst) {
        true => (0, unavailable()),
        false => (0, Outcome::Delivered),
    };
    (fails, answer)
}

fn mend(fails: &std::sync::atomic::AtomicBool) {
    fails.store(false, std::sync::atomic::Ordering::SeqCst);
}

#[test]
fn whatever_happens_in_a_turn_counts_for_all_that_is_told_in_it() {
    let mut office = Office::open(&["pager"], |_| (0, Outcome::Delivered));
    let post = |instance: &str, ends_at: i64| {
        let (labels, ends_at) = (labels("g", instance), Some(ends_at));
        Event::AlertsReceived(vec![ReceivedAlert { labels, starts_at: Some(0), ends_at, ..ReceivedAlert::default() }])
    };
    let (matchers, ends_at) = (vec![Matcher::equal("instance", "a")], 60 * M);
    let silence = SilenceChange::Set(NewSilence { matchers, ends_at, ..NewSilence::default() });
    // The group's page is due as soon as there is one.
    office.happen_together(vec![post("a", M), Event::Tick, Event::SilenceChanged(0, silence)]);
    office.happen_together(vec![post("b", M), Event::Tick, post("b", 0)]);
    office.play_until(299);
    assert!(office.said().is_empty(), "the one is silenced, the other is over");
}

#[test]
fn a_silence_that_could_not_be_stored_is_found_by_who_asks_again() {
    let mut office = Office::open(&["pager"], |_| (0, Outcome::Delivered));
    let new = |now: i64| {
        let matchers = vec![Matcher::equal("instance", "a")];
        SilenceChange::Set(NewSilence { matchers, starts_at: now, ends_at: now + M, ..NewSilence::default() })
    };
    office.post.full = true;
    let (first, stored) = office.ask(new(0));
    assert!(first.is_ok() && !stored);
    office.post.now = 10 * S;
    assert_eq!(office.ask(new(10 * S)), (first.clone(), false), "asked again, it is the same");
    office.post.full = false;
    office.post.now = 20 * S;
    assert_eq!(office.ask(new(20 * S)), (first.clone(), true));
    let ends: Vec<i64> = office.engine.router().silences.iter().map(|s| s.ends_at).collect();
    assert_eq!(ends, [20 * S + M], "there is one, and it lasts as long as was said last");
    // Now that it is stored another one is another one, as in Alertmanager.
    let (second, _) = office.ask(new(21 * S));
    assert_ne!(second, first);
    let end = |office: &mut Office| office.ask(SilenceChange::Expire(first.clone().unwrap()));
    office.post.full = true;
    assert!(matches!(end(&mut office), (Ok(_), false)));
    office.post.full = false;
    assert!(matches!(end(&mut office), (Ok(_), true)), "it is over, and now that is stored");
    assert!(end(&mut office).0.is_err());
}

#[test]
fn what_a_receiver_refused_is_not_owed_when_its_route_is_gone() {
    let refused = |_: &Notification| (0, Outcome::GiveUp { reason: "400".into() });
    let mut office = Office::open(&["pager", "chat"], refused);
    office.post("g", "a", true);
    office.play_until(10);
    assert_eq!(office.engine.owed().len(), 2);
    let with_both = setup(&["pager", "chat"]);
    let mut config = (**with_both.routing.as_ref().unwrap()).clone();
    config.route.routes.remove(0);
    office.happen(Event::Reloaded(Box::new(Setup { routing: Some(Arc::new(config)), ..with_both })));
    office.play_until(20);
    let owed: Vec<_> = office.engine.owed().into_iter().map(|o| o.notification.integration.receiver).collect();
    assert_eq!(owed, ["chat".into()], "the pager's receiver is there, and nothing leads to it");
}

#[test]
fn a_page_that_was_owed_before_a_silence_says_what_the_silence_leaves_of_it() {
    let (fails, answers) = switched();
    let mut office = Office::open(&["pager"], answers);
    office.post("g", "a", true);
    office.post("g", "b", true);
    office.play_until(10);
    assert!(office.said().last().unwrap().ends_with("+a +b"));
    office.silence("a", 60);
    mend(&fails);
    office.play_until(299);
    let said: Vec<String> = office.said().iter().map(|l| l.split_once(' ').unwrap().1.to_owned()).collect();
    assert_eq!(said, ["+b"]);
    // That it fires may have been heard, for all anyone knows. So its end is told, silenced or not.
    office.post("g", "a", false);
    office.play_until(700);
    assert_eq!(office.said(), ["300 -a +b"]);
}

#[test]
fn a_page_of_which_a_silence_leaves_nothing_is_not_sent_and_not_remembered_as_sent() {
    let (fails, answers) = switched();
    let mut office = Office::open(&["pager"], answers);
    office.post("g", "a", true);
    office.play_until(10);
    office.said();
    office.silence("a", 12);
    office.play_until(200);
    assert_eq!((office.said().len(), office.engine.owed().len()), (0, 0), "nor is it tried again");
    assert_eq!(office.verdict(), Err(WhyNot::AllMuted));
    let id = office.engine.router().silences.iter().next().unwrap().id.clone();
    assert_eq!(office.engine.decisions().next().unwrap().1.mutes, [Mute::Silence(id)]);
    mend(&fails);
    office.play_until(1000);
    assert_eq!(office.said(), ["900 +a"], "the silence has ended, and nobody was told");
    assert_eq!(office.verdict(), Ok(Reason::FirstNotification));
    office.play_until(1300);
    assert_eq!(office.verdict(), Err(WhyNot::NothingNew { repeat_after: 900 * S + 240 * M }));
}

#[test]
fn an_attempt_says_what_is_true_when_it_begins() {
    let (fails, answers) = switched();
    let mut office = Office::open(&["pager"], answers);
    office.post("g", "a", true);
    office.play_until(100);
    office.said();
    assert!(matches!(office.verdict(), Err(WhyNot::Owed { .. })));
    office.post("g", "b", true);
    office.post("g", "a", false);
    mend(&fails);
    office.play_until(290);
    let said = office.said();
    assert!(said.len() == 1 && said[0].ends_with("-a +b"), "{said:?}");
}

#[test]
fn an_alert_that_fires_again_after_a_resolve_that_may_have_been_heard_is_told() {
    let (fails, answers) = switched();
    mend(&fails);
    let mut office = Office::open(&["pager"], answers);
    office.post("g", "a", true);
    office.play_until(10);
    office.post("g", "a", false);
    fails.store(true, std::sync::atomic::Ordering::SeqCst);
    office.play_until(310);
    office.post("g", "a", true);
    mend(&fails);
    office.play_until(400);
    let said = office.said();
    assert_eq!(said[..2], ["0 +a", "300 -a"]);
    assert!(said.last().unwrap().ends_with("+a"), "{said:?}");
    assert!(office.engine.owed().is_empty());
}

#[test]
fn what_is_acknowledged_is_not_repeated_is_shown_with_others_and_its_end_is_told() {
    let mut office = Office::open(&["pager"], |_| (0, Outcome::Delivered));
    let acknowledge = |office: &mut Office, who: &str| {
        let (alert, created_by) = (labels("g", "a"), who.to_owned());
        let new = Acknowledgement { alert, created_by, comment: "on it".into(), ends_at: None };
        office.ask(SilenceChange::Acknowledge(new)).0
    };
    assert_eq!(acknowledge(&mut office, "amal"), Err(SilenceError::NotFiring));
    office.post("g", "a", true);
    office.play_until(10);
    assert_eq!(office.said(), ["0 +a"]);
    acknowledge(&mut office, "amal").unwrap();
    office.play_until(5 * 3600);
    assert!(office.said().is_empty(), "it is not repeated");
    assert_eq!(office.verdict(), Err(WhyNot::Acknowledged));
    office.post("g", "b", true);
    office.play_until(5 * 3600 + 400);
    let shown = office.post.attempts[0].1.alerts[0].annotations.clone();
    assert_eq!(shown, Labels::from_pairs([("acknowledged_by", "amal"), ("acknowledged_comment", "on it")]));
    assert!(office.said()[0].ends_with("+a +b"));
    office.post("g", "b", false);
    office.play_until(5 * 3600 + 800);
    assert!(office.said()[0].ends_with("+a -b"));
    office.post("g", "a", false);
    office.play_until(5 * 3600 + 1200);
    let said = office.said();
    assert!(said.len() == 1 && said[0].ends_with("-a"), "{said:?}");
    office.post("g", "a", true);
    office.play_until(5 * 3600 + 1600);
    assert_eq!(office.said().len(), 1, "it fires again, and nobody looks after that");
}

#[test]
fn the_end_of_a_page_is_told_though_a_later_message_left_it_out() {
    let mut office = Office::open(&["pager"], |_| (0, Outcome::Delivered));
    office.post("g", "a", true);
    office.play_until(10);
    office.silence("a", 600);
    office.post("g", "b", true);
    office.play_until(310);
    office.post("g", "b", false);
    office.play_until(610);
    office.post("g", "a", false);
    office.play_until(1300);
    assert_eq!(office.said(), ["0 +a", "300 +b", "600 -b", "900 -a"]);
    assert_eq!(office.engine.router().groups().count(), 0);
}

#[test]
fn one_group_is_tried_again_with_its_own_pauses() {
    for latency in [0, 500, 5_000] {
        let mut office = Office::open(&["pager"], move |_| (latency, unavailable()));
        office.post("g", "a", true);
        office.play_until(290);
        let id = office.engine.owed()[0].notification.id;
        let mut at = 0;
        for (attempt, (began, _)) in office.post.attempts.iter().enumerate() {
            assert_eq!(*began, at, "attempt {attempt}");
            let failed = FailedAttempt { began: at, ended: at + latency, number: attempt as u32 + 1 };
            at = retry::again_at(failed, id, None);
        }
        assert!(office.post.attempts.len() > 8);
    }
}

#[test]
fn a_flush_tries_again_at_once_what_failed() {
    let mut office = Office::open(&["pager"], |_| (0, unavailable()));
    office.post("g", "a", true);
    office.play_until(1000);
    for flush in [300 * S, 600 * S, 900 * S] {
        // An integration that has failed just before is spared for some seconds.
        assert!(office.post.attempts.iter().any(|(at, _)| (flush..flush + 10 * S).contains(at)), "at {flush} ms");
    }
    let (_, _, tally) = office.engine.tallies().iter().next().unwrap();
    assert_eq!((tally.begun, tally.failed.values().sum::<u64>()), (4, 3), "each flush begins another notification");
}

#[test]
fn a_receiver_that_fails_is_not_stormed_and_hears_of_every_group_as_soon_as_it_is_back() {
    let (fails, answers) = switched();
    let mut office = Office::open(&["pager"], answers);
    for group in 0..200 {
        office.post(&format!("g{group}"), "a", true);
    }
    office.play_until(120);
    let first_minute = office.post.attempts.iter().filter(|(at, _)| *at < 60 * S).count();
    let second_minute = office.post.attempts.len() - first_minute;
    assert!(first_minute <= 210 && second_minute <= 10, "{first_minute}, {second_minute}");
    mend(&fails);
    office.said();
    office.post("late", "a", true);
    office.play_until(132);
    assert_eq!((office.said().len(), office.engine.owed().len()), (201, 0), "each told once");
}

#[test]
fn groups_a_receiver_hangs_for_keep_no_others_from_being_told() {
    let hangs = |n: &Notification| n.group_labels.value("group").starts_with("hangs");
    let answers =
        move |n: &Notification| match hangs(n) && n.integration.index == 0 && &*n.integration.receiver == "both" {
            true => (30 * S, Outcome::Retry { after: None, reason: "no answer within 30 s".into() }),
            false => (0, Outcome::Delivered),
        };
    let mut office = Office::open(&["both", "chat"], answers);
    // The same again later, when the receiver is known to hang.
    for round in 0..3 {
        for group in 0..30 {
            office.post(&format!("hangs{round}-{group}"), "a", true);
        }
        office.play_until(round * 100 + 50);
        office.post.attempts.clear();
        for group in 0..30 {
            office.post(&format!("works{round}-{group}"), "a", true);
        }
        office.play_until(round * 100 + 70);
        let mut told: BTreeMap<String, usize> = BTreeMap::new();
        for (_, n) in office.post.attempts.iter().filter(|(_, n)| !hangs(n)) {
            *told.entry(format!("{}/{}", n.integration.receiver, n.integration.index)).or_default() += 1;
        }
        let each = ["both/0", "both/1", "chat/0"].map(|who| (who.to_owned(), 30));
        assert_eq!(told, BTreeMap::from(each), "round {round}");
        office.play_until(round * 100 + 100);
    }
}

#[test]
fn what_waits_for_its_turn_is_decided_when_its_turn_comes() {
    // More groups than may be attempted at once, and a receiver that hangs for all of them.
    let mut office = Office::open(&["pager"], |_| (30 * S, Outcome::Delivered));
    for group in 0..600 {
        office.post(&format!("g{group}"), &format!("i{group}"), true);
    }
    office.play_until(10);
    let begun = office.post.attempts.len();
    assert!((100..=200).contains(&begun), "{begun}");
    for group in 0..600 {
        office.silence(&format!("i{group}"), 60);
    }
    office.play_until(200);
    assert_eq!((office.post.attempts.len(), office.engine.owed().len()), (begun, 0));
}

/// Alerts go to the pager; the chat stands in for it.
fn with_fallback(answers: impl FnMut(&Notification) -> (i64, Outcome) + 'static) -> Office {
    let setup = setup(&["pager", "chat"]);
    let mut config = (**setup.routing.as_ref().unwrap()).clone();
    config.route.routes.truncate(1);
    config.route.routes[0].fallback = Some(Fallback::Receiver("chat".into()));
    Office::with(Setup { routing: Some(Arc::new(config)), ..setup }, answers)
}

impl Office {
    /// What the chat was told since the last call, and what the message says of whom it is for.
    fn chat_said(&mut self) -> Vec<String> {
        let chat = |(_, n): &(i64, Notification)| &*n.integration.receiver == "chat";
        assert!(self.post.attempts.iter().filter(|a| chat(a)).all(|(_, n)| n.instead_of.as_deref() == Some("pager")));
        self.post.attempts.retain(chat);
        self.said()
    }
}

#[test]
fn a_receiver_that_refuses_is_stood_in_for_until_it_takes_pages_again() {
    let refuses = std::rc::Rc::new(std::cell::Cell::new(true));
    let switch = refuses.clone();
    let mut office = with_fallback(move |n| match &*n.integration.receiver == "pager" && switch.get() {
        true => (0, Outcome::GiveUp { reason: "400".into() }),
        false => (0, Outcome::Delivered),
    });
    office.post("g", "a", true);
    office.play_until(10);
    assert_eq!(office.chat_said(), ["0 +a"], "at once: it will never be taken");
    office.post("g", "b", true);
    office.play_until(310);
    assert_eq!(office.chat_said(), ["300 +a +b"]);
    // The pager is mended: new alerts are its own, and who stood in hears the end of what it heard of.
    refuses.set(false);
    office.post("g", "c", true);
    office.play_until(610);
    assert!(office.chat_said().is_empty());
    for instance in ["a", "b", "c"] {
        office.post("g", instance, false);
    }
    office.play_until(1000);
    assert_eq!(office.chat_said(), ["900 -a -b -c"]);
    office.play_until(2000);
    assert!(office.chat_said().is_empty());
    assert_eq!(office.engine.router().groups().count(), 0, "nothing keeps the group");
}

#[test]
fn a_receiver_that_fails_is_stood_in_for_after_a_group_interval() {
    let mut office = with_fallback(|n| match &*n.integration.receiver {
        "pager" => (0, unavailable()),
        _ => (0, Outcome::Delivered),
    });
    office.post("g", "a", true);
    office.play_until(299);
    assert!(office.chat_said().is_empty(), "Alertmanager tries as long");
    office.play_until(400);
    let said = office.chat_said();
    assert!(said.len() == 1 && said[0].ends_with(" +a"), "{said:?}");
    office.play_until(1000);
    assert!(office.chat_said().is_empty(), "it knows");
}

#[test]
fn where_a_message_is_outlives_a_restart_and_ends_with_the_incident() {
    let delivered = |n: &Notification| (0, Outcome::DeliveredAt(format!("C1 {}", n.id)));
    let mut office = Office::open(&["chat"], delivered);
    office.post("g", "a", true);
    office.play_until(10);
    office.engine = Engine::start(Options::default(), setup(&["chat"]), &office.post.store.load().unwrap(), 10 * S);
    office.post("g", "b", true);
    office.play_until(310);
    office.post("g", "a", false);
    office.post("g", "b", false);
    office.play_until(610);
    office.post("g", "a", true);
    office.play_until(1000);
    let places: Vec<(Reason, Option<String>)> =
        office.post.attempts.iter().map(|(_, n)| (n.reason, n.place.clone())).collect();
    let first = Some("C1 0".to_owned());
    assert_eq!(places[0], (Reason::FirstNotification, None));
    assert_eq!(places[1], (Reason::NewAlertsInGroup, first));
    assert_eq!(places[2].0, Reason::AllAlertsResolved);
    assert_eq!(places[3], (Reason::FirstNotification, None), "it fires again: another incident, another message");
}
