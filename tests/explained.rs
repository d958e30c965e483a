//! What `explain` says agrees with what receivers heard: the chain of an alert that was told ends in its delivery, that of
//! one that was not names the stage that stopped it. Thousands of alerts of simulated fleets, with silences, inhibition,
//! quiet hours, and receivers that fail; explained as they are, and as the history has them.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use watchbell::alerting::schedule::Schedule;
use watchbell::clock::{Clock as _, VirtualClock};
use watchbell::config::AlertmanagerConfig;
use watchbell::datasource::LocalQuerier;
use watchbell::engine::drive::{Audience, Replay};
use watchbell::engine::{Event, Options, Setup, SilenceChange};
use watchbell::explain::chain::{AlertChain, IntegrationChain, RouteChain};
use watchbell::explain::{Asked, Sources, Stage as Reached, explain, explain_at};
use watchbell::history::{Decision, Order, Page, Query, Recorded};
use watchbell::model::{Labels, Matcher};
use watchbell::notify::{Notification, Outcome};
use watchbell::promql::EvalEnv;
use watchbell::routing::{NewSilence, RoutingConfig};
use watchbell::state::MemoryStore;
use watchbell::tsdb::Tsdb;

use crate::simulator::dice::Dice;
use crate::stage::{M, S, Stage, group, rule, setup};

/// Noon, so that the quiet hour begins after twelve minutes.
const NOON: i64 = 1_800_014_400_000;
const INSTANCES: [&str; 12] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];
const RULES: [(&str, i64, &str); 5] = [
    ("Down", 0, "critical"),
    ("Slow", M, "warning"),
    ("Full", 0, "info"),
    ("Noise", 0, "none"),
    ("Late", 3 * M, "warning"),
];
const ROUTING: &str = "
route:
  receiver: chat
  group_by: [alertname]
  group_wait: 30s
  group_interval: 2m
  repeat_interval: 20m
  routes:
  - {receiver: pager, matchers: [severity=critical], continue: true}
  - {receiver: night, matchers: [severity=info], mute_time_intervals: [quiet]}
  - {receiver: nobody, matchers: [severity=none]}
  - {receiver: chat}
time_intervals: [{name: quiet, time_intervals: [{times: [{start_time: '12:12', end_time: '12:40'}]}]}]
inhibit_rules: [{source_matchers: [severity=critical], target_matchers: [severity=warning], equal: [instance]}]
receivers:
- name: pager
  webhook_configs: [{url: 'http://pager.test/'}, {url: 'http://pager.test/second', send_resolved: false}]
- name: chat
  webhook_configs: [{url: 'http://chat.test/'}]
- name: night
  webhook_configs: [{url: 'http://night.test/'}]
- name: nobody
";

/// A receiver, its integration, a group.
type Ear = (String, String, String);

/// What was heard of an alert: when, and whether it had resolved.
type Heard = BTreeMap<Labels, (i64, bool)>;

/// The receivers: some take a message, some do not.
struct Receivers {
    dice: Dice,
    history: Rc<RefCell<Vec<Recorded>>>,
    /// The last message that was taken.
    heard: BTreeMap<Ear, Heard>,
    /// The ends that were told, whichever message told them.
    ends: BTreeMap<(Ear, Labels), i64>,
    /// Those whose last message was not taken.
    failing: BTreeSet<Ear>,
    now: Rc<RefCell<i64>>,
}

impl Audience for Receivers {
    fn record(&mut self, decisions: Vec<Decision>) {
        let mut history = self.history.borrow_mut();
        for decision in decisions {
            let seq = history.len() as u64 + 1;
            history.push(Recorded { seq, decision });
        }
    }

    fn deliver(&mut self, n: &Notification) -> Outcome {
        let integration = format!("{}[{}]", n.integration.kind, n.integration.index);
        let ear = (n.integration.receiver.to_string(), integration, n.group_key.to_string());
        match self.dice.below(10) {
            0 | 1 => {
                self.failing.insert(ear);
                return Outcome::Retry { after: None, reason: "503".into() };
            }
            2 => {
                self.failing.insert(ear);
                return Outcome::GiveUp { reason: "400".into() };
            }
            _ => {}
        }
        self.failing.remove(&ear);
        let at = *self.now.borrow();
        let heard: Heard =
            n.alerts.iter().map(|a| (a.labels.clone(), (at.max(n.decided_at), a.is_resolved()))).collect();
        for (labels, (at, _)) in heard.iter().filter(|(_, (_, resolved))| *resolved) {
            self.ends.insert((ear.clone(), labels.clone()), *at);
        }
        self.heard.insert(ear, heard);
        Outcome::Delivered
    }
}

/// Answers as the history's files do.
fn ask(history: &[Recorded], query: &Query) -> Page {
    let matching = history.iter().filter(|r| query.matches(&r.decision));
    let decisions = match query.order {
        Order::Newest => matching.rev().take(query.limit).cloned().collect(),
        Order::Oldest => matching.take(query.limit).cloned().collect(),
    };
    Page { decisions, ..Page::default() }
}

/// What the test knows of the world at a moment.
struct Truth<'a> {
    now: i64,
    receivers: &'a Receivers,
    /// Instances that are silenced.
    silenced: &'a BTreeSet<&'static str>,
    /// Instances of which a critical alert fires.
    critical: BTreeSet<String>,
}

impl Truth<'_> {
    /// Whether the chain of an alert at one integration is what happened.
    fn check(&self, a: &AlertChain, r: &RouteChain, i: &IntegrationChain, is_past: bool) -> Result<(), String> {
        let ear = (i.receiver.to_string(), i.integration.clone(), r.group_key.to_string());
        let heard = self.receivers.heard.get(&ear).and_then(|heard| heard.get(&a.labels)).copied();
        let is = |holds: bool, what: &str| match holds {
            true => Ok(()),
            false => Err(format!("{what}: {ear:?} heard {heard:?} of\n{a:#?}")),
        };
        let delivered = i.stage == Reached::Delivered;
        match a.state.as_str() {
            "firing" => {
                let fired_at = a.fired_at.map_or(0, |t| t.0);
                let told = heard.is_some_and(|(_, resolved)| !resolved);
                // That it was over in between is noted where no resolve is wanted: either may be said until it is told again.
                let is_open = told && heard.is_some_and(|(at, _)| at < fired_at);
                is(is_open || delivered == told, "told, and not said so, or the other way round")?;
                if !delivered {
                    self.stops(a, r, i, &ear, is_past).or_else(|what| is(false, &what))?;
                }
                Ok(())
            }
            "resolved" => {
                let ended_at = a.ends_at.map_or(i64::MAX, |t| t.0);
                let told = self.receivers.ends.get(&(ear.clone(), a.labels.clone())).is_some_and(|at| *at >= ended_at);
                is(delivered == (told && i.send_resolved), "its end was told, and not said so, or the other way round")
            }
            "pending" => is(i.stage == Reached::Pending, "it is pending"),
            _ => is(i.stage == Reached::Inactive, "it is not active"),
        }
    }

    /// Whether what stops a firing alert is there.
    fn stops(
        &self,
        a: &AlertChain,
        r: &RouteChain,
        i: &IntegrationChain,
        ear: &Ear,
        is_past: bool,
    ) -> Result<(), String> {
        let instance = a.labels.value("instance");
        let is_silenced = self.silenced.iter().any(|s| *s == instance);
        let is_inhibited = a.labels.value("severity") == "warning" && self.critical.contains(instance);
        let minute = (self.now - NOON) / M;
        let is_muted = &*r.receiver == "night" && (12..40).contains(&minute);
        let is_failing = self.receivers.failing.contains(ear);
        let holds = match i.stage {
            Reached::Silenced => is_silenced && !a.silenced_by.is_empty(),
            Reached::Inhibited => is_inhibited && !a.inhibited_by.is_empty(),
            Reached::Muted => is_muted && r.muted_by == ["quiet"],
            Reached::Retrying | Reached::Refused => is_failing,
            Reached::GroupWait | Reached::GroupInterval | Reached::Queued => !(is_silenced || is_inhibited || is_muted),
            _ => false,
        };
        // What mutes is recorded when a group is next looked at.
        let is_late = is_past
            && matches!(
                i.stage,
                Reached::GroupWait | Reached::GroupInterval | Reached::Silenced | Reached::Inhibited | Reached::Muted
            );
        if holds || is_late { Ok(()) } else { Err(format!("{:?} is not what stops it", i.stage)) }
    }
}

/// Alerts that were explained: told ones, and others.
#[derive(Default, Debug)]
struct Counts {
    told: usize,
    untold: usize,
    past: usize,
}

fn routed() -> Setup {
    let rules = RULES.map(|(name, hold, severity)| rule(name, hold, severity));
    let routing = AlertmanagerConfig::load_str("alertmanager.yml", ROUTING).unwrap().config;
    Setup { routing: Some(Arc::new(RoutingConfig::of(&routing))), ..setup(vec![group("g", rules.to_vec())]) }
}

fn play(seed: u64, counts: &mut Counts) -> Result<(), String> {
    let (stage, mut dice, clock) = (Stage::default(), Dice(seed), VirtualClock::at(NOON));
    let (history, now) = (Rc::new(RefCell::new(Vec::new())), Rc::new(RefCell::new(NOON)));
    let mut receivers = Receivers {
        dice: Dice(!seed),
        history: history.clone(),
        heard: BTreeMap::new(),
        ends: BTreeMap::new(),
        failing: BTreeSet::new(),
        now: now.clone(),
    };
    let options = Options { schedule: Schedule::Aligned { start: NOON }, records: true, ..Options::default() };
    let store = Arc::new(MemoryStore::default());
    let mut replay =
        Replay::start(options, routed(), clock.clone(), &stage, store, &mut receivers).map_err(|e| e.to_string())?;
    let (querier, env) = (LocalQuerier::new(Arc::new(Tsdb::in_memory())), EvalEnv::default());
    let (mut silenced, all) = (BTreeSet::new(), Asked::parse("{instance=~\".+\"}").unwrap());
    let mut up: BTreeSet<(usize, usize)> = BTreeSet::new();
    for _ in 0..20 {
        for _ in 0..12 {
            let one = (dice.index(RULES.len()), dice.index(INSTANCES.len()));
            if !up.remove(&one) {
                up.insert(one);
            }
        }
        for (index, (name, ..)) in RULES.iter().enumerate() {
            let instances: Vec<&str> = up.iter().filter(|(r, _)| *r == index).map(|(_, i)| INSTANCES[*i]).collect();
            stage.set(name, &instances);
        }
        if dice.chance(150) {
            let instance = dice.pick(&INSTANCES);
            if silenced.insert(instance) {
                let new = NewSilence {
                    matchers: vec![Matcher::equal("instance", instance)],
                    starts_at: clock.now(),
                    ends_at: clock.now() + 24 * 60 * M,
                    ..NewSilence::default()
                };
                replay.happen(Event::SilenceChanged(0, SilenceChange::Set(new))).map_err(|e| e.to_string())?;
            }
        }
        // In steps, so that whoever hears knows about when.
        for _ in 0..1 + dice.below(8) {
            *now.borrow_mut() = clock.now();
            replay.play_until(clock.now() + 15 * S).map_err(|e| e.to_string())?;
        }
        let (view, at) = (replay.view(), clock.now());
        let answers = |query: &Query| ask(&history.borrow(), query);
        let past = Some(&answers as &dyn Fn(&Query) -> Page);
        let sources = Sources { view: &view, querier: &querier, own: &querier, env: &env, now: at, most: 100, past };
        let (is, was) = (explain(&all, &sources), explain_at(&all, &sources, at));
        let fires = |a: &&AlertChain| a.state == "firing" && a.labels.value("severity") == "critical";
        let critical = is.alerts.iter().filter(fires).map(|a| a.labels.value("instance").to_owned()).collect();
        let truth = Truth { now: at, receivers: replay.audience(), silenced: &silenced, critical };
        for (explained, is_past) in [(&is, false), (&was, true)] {
            for a in &explained.alerts {
                for (r, i) in a.routes.iter().flat_map(|r| r.integrations.iter().map(move |i| (r, i))) {
                    truth.check(a, r, i, is_past).map_err(|e| format!("seed {seed} at {at}, past {is_past}: {e}"))?;
                }
                let reached = a.routes.iter().flat_map(|r| &r.integrations).map(|i| i.stage).max();
                if a.state == "firing" && reached.unwrap_or(Reached::NoIntegration) != a.stage {
                    return Err(format!("seed {seed}: it came further than is said: {a:#?}"));
                }
                match (is_past, a.stage) {
                    (true, _) => counts.past += 1,
                    (false, Reached::Delivered) => counts.told += 1,
                    (false, _) => counts.untold += 1,
                }
            }
        }
        // Whoever fires now is known to both, and as far on its way.
        for a in is.alerts.iter().filter(|a| a.state == "firing") {
            let then = was.alerts.iter().find(|b| b.labels == a.labels);
            let agrees = then.is_some_and(|b| (b.stage == Reached::Delivered) == (a.stage == Reached::Delivered));
            // What was told before it fired again is open, as above.
            let is_open = |c: &AlertChain| {
                let mut integrations = c.routes.iter().flat_map(|r| &r.integrations);
                let before = |i: &IntegrationChain| i.told_at.zip(c.fired_at).is_some_and(|(told, fired)| told < fired);
                integrations.any(|i| i.told.as_deref() == Some("firing") && before(i))
            };
            if !agrees && ![a].into_iter().chain(then).any(is_open) {
                return Err(format!("seed {seed} at {at}: is\n{a:#?}\nand was\n{then:#?}"));
            }
        }
    }
    Ok(())
}

#[test]
fn what_is_explained_is_what_receivers_heard() {
    let mut counts = Counts::default();
    for seed in 0..SEEDS {
        play(seed, &mut counts).unwrap_or_else(|e| panic!("{e}"));
    }
    assert!(counts.told + counts.untold >= 10_000 && counts.past >= 10_000, "{counts:?}");
    assert!(counts.told > 2_000 && counts.untold > 2_000, "{counts:?}");
}

/// Simulated fleets: some 500 explained alerts each.
const SEEDS: u64 = 25;
