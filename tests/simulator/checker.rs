//! What must hold, and the model it is judged by. The model knows the configuration, what is true, what sources said and
//! what receivers heard; it knows nothing of how the engine comes to its decisions. Times are of the model's own clock,
//! which nobody sets, but where a wall clock is meant.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use watchbell::engine::OwedView;
use watchbell::model::Labels;
use watchbell::notify::{IntegrationId, Notification};

use super::HEARTBEAT;
use super::hands::HANG;
use super::scenario::{INSTANCES, M, PosterShape, ReceiverShape, S, Scenario, Shape, alert_labels};

/// Where an alert comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    Rule(usize, usize),
    Poster(usize),
}

/// What the model knows of an alert.
pub struct Known {
    pub labels: Labels,
    pub origin: Origin,
    pub team: usize,
    severity: &'static str,
    instance: &'static str,
    /// Whether its source, when it last spoke, said that it is over, or ceased to be a source.
    is_over: bool,
    /// The clock leapt since its poster last began: its end, a time of the wall clock, may be far ahead.
    leapt: bool,
    /// When it was over for the last time.
    over_at: Option<i64>,
    /// Since when it is over, while `keep_firing_for` may hold it.
    held_since: Option<i64>,
    up_since: i64,
    /// Since when nothing keeps its page, or its resolve, from being told, by integration.
    clear_to_fire: BTreeMap<IntegrationId, i64>,
    clear_to_end: BTreeMap<IntegrationId, i64>,
}

/// What a receiver believes of an alert.
#[derive(Clone, Copy, Debug)]
struct Belief {
    fires: bool,
    since: i64,
    /// The store knows that it was told, or was to be: a crash does not lose that.
    kept: bool,
}

/// The last message of a conversation: of one integration about one group.
struct Conversation {
    firing: BTreeSet<Labels>,
    resolved: BTreeSet<Labels>,
    at: i64,
    /// By how much leaps since may have been mistaken for time that passed: a heartbeat each.
    leapt: i64,
    /// The engine learnt that it arrived; and that is stored.
    acknowledged: bool,
    stored: bool,
}

/// A silence that was accepted. It certainly mutes when who asked for it was told so.
#[derive(Clone, Debug)]
pub struct Quiet {
    pub id: String,
    pub instance: &'static str,
    pub starts_at: i64,
    pub ends_at: i64,
    pub certain: bool,
}

/// What a source said when a rule asked it: of which instances it is true.
#[derive(Clone, Debug)]
pub struct Answer {
    pub rule: Arc<str>,
    pub up: Vec<usize>,
    /// When it was asked.
    pub asked: i64,
}

/// What surrounds the alerts at a moment.
pub struct Moment<'a> {
    pub now: i64,
    pub wall: i64,
    pub shape: &'a Shape,
    pub is_up: &'a dyn Fn(Origin) -> bool,
    pub source_is_well: &'a dyn Fn(Origin) -> bool,
    pub receiver_is_well: &'a dyn Fn(&IntegrationId) -> bool,
}

/// An integration that hears, and whether it answers.
struct Listener<'a> {
    shape: &'a ReceiverShape,
    id: IntegrationId,
    is_well: bool,
}

impl<'a> Listener<'a> {
    fn of(shape: &'a ReceiverShape, id: IntegrationId, moment: &Moment<'_>) -> Self {
        Self { shape, is_well: (moment.receiver_is_well)(&id), id }
    }
}

/// Whether an alert's page may be told now, and its end.
struct Way {
    to_fire: bool,
    to_end: bool,
}

pub struct Checker {
    pub alerts: Vec<Known>,
    /// By alert and who was told.
    beliefs: BTreeMap<Labels, BTreeMap<IntegrationId, Belief>>,
    /// What was told while the disk took nothing, before the process died: the next one believes that what it knows to have
    /// been told before still stands.
    forgotten: BTreeSet<(IntegrationId, Labels)>,
    conversations: BTreeMap<(IntegrationId, Arc<str>), Conversation>,
    /// Messages under way or answered, by id.
    sent: BTreeMap<u64, (IntegrationId, Arc<str>)>,
    pub silences: Vec<Quiet>,
    /// The alerts that the engine takes for acknowledged: their pages may be kept back, not their ends.
    pub acknowledged: BTreeSet<Labels>,
    posters: Vec<PosterShape>,
    slack: i64,
    /// When the clock leapt last. How much of a leap passed for time nobody knows, so what was asked before it may be held
    /// for less.
    leapt_at: i64,
    /// By how much the clock leapt ahead since the store last had everything.
    leap_at_risk: i64,
    /// A damaged store may have lost what anyone was told: from then on only that the engine runs is judged.
    pub amnesia: bool,
    failure: Option<String>,
}

/// A resolve timeout that nobody set.
const RESOLVE_TIMEOUT: i64 = 5 * M;

impl Checker {
    pub fn new(scenario: &Scenario) -> Self {
        let Scenario { mix, shape, posters, .. } = scenario;
        let mut alerts = Vec::new();
        let known = |labels, origin, team, severity, instance| Known {
            labels,
            origin,
            team,
            severity,
            instance,
            is_over: true,
            leapt: false,
            over_at: None,
            held_since: None,
            up_since: 0,
            clear_to_fire: BTreeMap::new(),
            clear_to_end: BTreeMap::new(),
        };
        for (index, rule) in shape.rules.iter().enumerate() {
            for (i, instance) in INSTANCES.into_iter().enumerate() {
                let labels = alert_labels(&rule.name, instance, rule.severity, rule.team);
                alerts.push(known(labels, Origin::Rule(index, i), rule.team, rule.severity, instance));
            }
        }
        for (index, poster) in posters.iter().enumerate() {
            alerts.push(known(poster.labels.clone(), Origin::Poster(index), poster.team, "info", "p"));
        }
        // Answers and evaluations take up to two seconds; a receiver that failed is asked again after up to 90 s, or when
        // it wishes; a query that hangs does so for half a minute.
        let slack = 3 * S
            + if mix.latency { 4 * S } else { 0 }
            + if mix.receiver > 0 { 4 * M } else { 0 }
            + if mix.source > 0 { 30 * S } else { 0 };
        Checker {
            alerts,
            beliefs: BTreeMap::new(),
            forgotten: BTreeSet::new(),
            conversations: BTreeMap::new(),
            sent: BTreeMap::new(),
            silences: Vec::new(),
            acknowledged: BTreeSet::new(),
            posters: posters.clone(),
            slack,
            leapt_at: 0,
            leap_at_risk: 0,
            amnesia: false,
            failure: None,
        }
    }

    /// The first property that did not hold.
    pub fn take_failure(&mut self) -> Option<String> {
        self.failure.take()
    }

    pub fn fail(&mut self, property: &str, what: String) {
        self.failure.get_or_insert(format!("{property}: {what}"));
    }

    /// Where the store was damaged, what it held before is forgotten.
    pub fn fail_unless_forgotten(&mut self, property: &str, what: String) {
        self.fail_unless(false, property, || what);
    }

    fn fail_unless(&mut self, holds: bool, property: &str, what: impl FnOnce() -> String) {
        if !holds && !self.amnesia {
            self.fail(property, what());
        }
    }

    fn known(&self, labels: &Labels) -> Option<&Known> {
        self.alerts.iter().find(|a| a.labels == *labels)
    }

    fn belief(&self, integration: &IntegrationId, labels: &Labels) -> Option<Belief> {
        self.beliefs.get(labels)?.get(integration).copied()
    }

    /// A rule's answer has arrived. Instances of which it says nothing are over.
    pub fn answered(&mut self, answer: &Answer, now: i64) {
        let (beliefs, leapt_at) = (&self.beliefs, self.leapt_at);
        for alert in &mut self.alerts {
            if let Origin::Rule(_, instance) = alert.origin
                && alert.labels.value("alertname") == &*answer.rule
            {
                let is_over = !answer.up.contains(&instance);
                if alert.is_over && !is_over {
                    alert.up_since = now;
                }
                // What was only pending is not held; what somebody was told of since it came up has fired.
                let fired = || {
                    let mut of_it = beliefs.get(&alert.labels).into_iter().flat_map(BTreeMap::values);
                    of_it.any(|b| b.fires && b.since >= alert.up_since)
                };
                alert.held_since = match (is_over, alert.is_over) {
                    (true, true) => alert.held_since,
                    (true, false) => (answer.asked > leapt_at && fired()).then_some(now),
                    (false, _) => None,
                };
                alert.is_over = is_over;
                alert.over_at = if alert.is_over { Some(now) } else { alert.over_at };
            }
        }
    }

    /// An alert's source no longer speaks for it: its rule is gone, or its poster let go.
    pub fn ended(&mut self, which: impl Fn(Origin) -> bool, now: i64) {
        for alert in self.alerts.iter_mut().filter(|a| which(a.origin)) {
            (alert.is_over, alert.over_at, alert.held_since) = (true, Some(now), None);
        }
    }

    /// A poster speaks for its alert again.
    pub fn posted(&mut self, poster: usize) {
        let posted = self.alerts.iter_mut().filter(|a| a.origin == Origin::Poster(poster));
        posted.for_each(|a| (a.is_over, a.leapt) = (false, false));
    }

    /// Something happened after which every wait begins anew.
    pub fn disturbed(&mut self) {
        for alert in &mut self.alerts {
            alert.clear_to_fire.clear();
            alert.clear_to_end.clear();
        }
    }

    /// The clock leapt. What was posted may have ended by that; every wait begins anew.
    pub fn leapt(&mut self, by: i64, now: i64) {
        self.leapt_at = now;
        self.leap_at_risk += by.max(0);
        let posted = self.alerts.iter_mut().filter(|a| matches!(a.origin, Origin::Poster(_)));
        posted.for_each(|a| (a.leapt, a.over_at) = (true, Some(now)));
        self.alerts.iter_mut().for_each(|a| a.held_since = None);
        self.conversations.values_mut().for_each(|c| c.leapt += HEARTBEAT + 5 * S);
        self.disturbed();
    }

    /// The process died. What was under way, or not stored, may be said again.
    pub fn crashed(&mut self, stored: bool) {
        self.disturbed();
        if !stored {
            self.alerts.iter_mut().for_each(|a| a.held_since = None);
        }
        self.sent.clear();
        for conversation in self.conversations.values_mut().filter(|c| !c.stored) {
            conversation.acknowledged = false;
        }
        // A leap that is not on disk looks like an outage of its length to the next process.
        let leapt = std::mem::take(&mut self.leap_at_risk);
        self.conversations.values_mut().for_each(|c| c.leapt += leapt);
        // What was told while the disk took nothing died with the process: nobody can know that an end is owed.
        // Alertmanager, whose log is written every quarter of an hour, forgets more.
        for (labels, told) in &mut self.beliefs {
            let lost = told.extract_if(.., |_, belief| !belief.kept);
            self.forgotten.extend(lost.map(|(integration, _)| (integration, labels.clone())));
        }
    }

    /// The store has all that the engine knows; `flushed`: on disk.
    pub fn stored(&mut self, flushed: bool) {
        if flushed {
            self.leap_at_risk = 0;
        }
        self.conversations.values_mut().for_each(|c| c.stored = c.acknowledged);
        self.beliefs.values_mut().flat_map(BTreeMap::values_mut).for_each(|b| b.kept = true);
    }

    /// The engine has been told what became of a message.
    pub fn concluded(&mut self, id: u64, delivered: bool) {
        let conversation = self.sent.remove(&id).and_then(|key| self.conversations.get_mut(&key));
        if let Some(conversation) = conversation {
            conversation.acknowledged = delivered;
        }
    }

    /// A message leaves, and may arrive. `stored`: the store has taken all that led to it.
    pub fn attempted(&mut self, n: &Notification, (arrives, stored): (bool, bool), moment: &Moment<'_>) {
        self.nothing_muted_is_sent(n, moment);
        self.no_resolve_before_the_source_says_so(n, moment);
        self.nothing_is_told_twice(n, moment);
        let of = |resolved: bool| {
            n.alerts.iter().filter(|a| a.is_resolved() == resolved).map(|a| a.labels.clone()).collect::<BTreeSet<_>>()
        };
        let key = (n.integration.clone(), n.group_key.clone());
        if arrives {
            for alert in &n.alerts {
                let fires = !alert.is_resolved();
                let belief = self.beliefs.entry(alert.labels.clone()).or_default().entry(n.integration.clone());
                let belief = belief.or_insert(Belief { fires: !fires, since: moment.now, kept: stored });
                self.forgotten.remove(&(n.integration.clone(), alert.labels.clone()));
                if belief.fires != fires {
                    *belief = Belief { fires, since: moment.now, kept: stored };
                }
            }
            self.forget_unmentioned(n, &key, moment);
            let conversation = Conversation {
                firing: of(false),
                resolved: of(true),
                at: moment.now,
                leapt: 0,
                acknowledged: false,
                stored: false,
            };
            self.conversations.insert(key.clone(), conversation);
        } else if let Some(conversation) = self.conversations.get_mut(&key) {
            // Who gets no answer cannot know whether it arrived, and may well say again what may have been heard.
            conversation.acknowledged = false;
        }
        self.sent.insert(n.id, key);
    }

    /// What a message leaves out of what the one before it told: all of it is over when nothing fires any more; what is
    /// muted now is left out, and told again when it no longer is.
    fn forget_unmentioned(&mut self, n: &Notification, key: &(IntegrationId, Arc<str>), moment: &Moment<'_>) {
        let Some(last) = self.conversations.get(key) else { return };
        let unmentioned = last.firing.iter().filter(|l| n.alerts.iter().all(|a| a.labels != **l));
        let forgotten = unmentioned
            .filter(|labels| n.is_resolved() || self.known(labels).is_some_and(|a| self.may_be_hidden(a, moment)));
        for labels in forgotten.cloned().collect::<Vec<_>>() {
            let belief = Belief { fires: false, since: moment.now, kept: true };
            self.beliefs.entry(labels).or_default().insert(n.integration.clone(), belief);
        }
    }

    /// Whether a silence or another alert hides an alert, or may.
    fn may_be_hidden(&self, alert: &Known, moment: &Moment<'_>) -> bool {
        self.is_silenced(alert, moment) || (moment.shape.inhibits && alert.severity == "warning")
    }

    /// Whether a silence mutes an alert, or may.
    fn is_silenced(&self, alert: &Known, moment: &Moment<'_>) -> bool {
        self.silences.iter().any(|s| s.instance == alert.instance && s.mutes(moment.wall))
            || self.acknowledged.contains(&alert.labels)
    }

    /// Nothing silenced, muted or inhibited is sent, a page decided before the silence included.
    fn nothing_muted_is_sent(&mut self, n: &Notification, moment: &Moment<'_>) {
        let fires = |labels: &Labels| n.alerts.iter().any(|a| a.labels == *labels && !a.is_resolved());
        let mut muted = Vec::new();
        for alert in self.alerts.iter().filter(|a| fires(&a.labels)) {
            let by = |s: &&Quiet| s.certain && s.instance == alert.instance && s.mutes(moment.wall);
            if let Some(silence) = self.silences.iter().find(by) {
                muted.push(format!("{} is silenced by {}", alert.labels, silence.id));
            }
            let of_its_team = moment.shape.receiver_of(alert.team).name == *n.integration.receiver;
            if of_its_team && moment.shape.is_mute(alert.team, moment.wall) {
                muted.push(format!("{} is of a route in its mute time interval", alert.labels));
            }
            if let Some(source) = self.inhibitor(alert, moment) {
                muted.push(format!("{} is inhibited by {}", alert.labels, source.labels));
            }
        }
        self.fail_unless(muted.is_empty(), "muted, and sent", || format!("{}: {n:?}", muted.join("; ")));
    }

    /// An alert that certainly fires, as somebody was told, and inhibits another.
    fn inhibitor(&self, target: &Known, moment: &Moment<'_>) -> Option<&Known> {
        if !moment.shape.inhibits || target.severity != "warning" {
            return None;
        }
        self.alerts.iter().filter(|s| s.severity == "critical" && s.instance == target.instance).find(|source| {
            moment.shape.receiver_of(source.team).ids().any(|id| {
                let told = self.belief(&id, &source.labels).filter(|b| b.fires && b.since < moment.now);
                told.is_some_and(|b| !source.is_over && source.over_at.is_none_or(|over| over < b.since))
            })
        })
    }

    /// No resolve while its source is still true, or has not yet spoken since the start, or `keep_firing_for` holds it.
    fn no_resolve_before_the_source_says_so(&mut self, n: &Notification, moment: &Moment<'_>) {
        let mut early = Vec::new();
        for told in n.alerts.iter().filter(|a| a.is_resolved()) {
            let Some(alert) = self.known(&told.labels) else { continue };
            let since = self.belief(&n.integration, &told.labels).filter(|b| b.fires).map(|b| b.since);
            let was_over = alert.over_at.is_some_and(|over| since.is_none_or(|since| over >= since));
            if !was_over && !alert.is_over {
                early.push(format!("{} (told at {since:?}, last over at {:?})", told.labels, alert.over_at));
            }
            if let (Origin::Rule(rule, _), Some(since)) = (alert.origin, alert.held_since)
                // An answer may have taken as long as a query can hang.
                && moment.now - since < moment.shape.rules[rule].keep_firing - HANG
            {
                early.push(format!("{} is to keep firing from {since} on", told.labels));
            }
        }
        self.fail_unless(early.is_empty(), "resolved before its source said so", || {
            format!("{} to {:?} by {:?}", early.join("; "), n.integration, n.reason)
        });
    }

    /// A message that says only what the last one said, which is known to have arrived, is a repetition in its time; but an
    /// alert may have ended and come again, which looks the same to those who are not told of ends.
    fn nothing_is_told_twice(&mut self, n: &Notification, moment: &Moment<'_>) {
        let key = (n.integration.clone(), n.group_key.clone());
        let Some(last) = self.conversations.get(&key).filter(|c| c.acknowledged) else { return };
        let is_known = |labels: &Labels, resolved: bool| {
            let told = if resolved { &last.resolved } else { &last.firing };
            let changed = self.known(labels).and_then(|a| a.over_at).is_some_and(|over| over >= last.at);
            told.contains(labels) && (resolved || !changed)
        };
        // That nothing of it fires any more is news, also when what fired is only muted.
        let all_over = n.is_resolved() && !last.firing.is_empty();
        let nothing_new = !all_over && n.alerts.iter().all(|a| is_known(&a.labels, a.is_resolved()));
        let repeats = moment.now - last.at + last.leapt >= moment.shape.repeat_interval
            && n.alerts.iter().any(|a| !a.is_resolved());
        let at = last.at;
        self.fail_unless(!nothing_new || repeats, "told twice", || format!("last at {at}, and again: {n:?}"));
    }

    /// Who wants no resolves is not told that all is over but for what is silenced or inhibited; yet the log notes it, and
    /// what was hidden is told again when it no longer is. Alertmanager does so too: its deduplication passes, the
    /// integration drops what has resolved, and the log is written without what was hidden.
    fn note_ends_that_nobody_wants(&mut self, moment: &Moment<'_>) {
        let unwanted =
            |c: &IntegrationId| moment.shape.receivers.iter().any(|r| r.name == *c.receiver && !r.send_resolved);
        let mut noted = Vec::new();
        for (key, last) in self.conversations.iter().filter(|(key, _)| unwanted(&key.0)) {
            let alerts = || last.firing.iter().filter_map(|l| self.known(l));
            let is_over = |a: &Known| a.over_at.is_some_and(|over| over >= last.at);
            if alerts().any(is_over) && alerts().all(|a| is_over(a) || self.may_be_hidden(a, moment)) {
                noted.push(key.clone());
            }
        }
        for key in noted {
            self.conversations.entry(key).and_modify(|c| c.firing.clear());
        }
    }

    /// Looks whether anything has waited for longer than its own intervals say.
    pub fn look(&mut self, moment: &Moment<'_>) {
        self.note_ends_that_nobody_wants(moment);
        let mut late = Vec::new();
        let there = moment.shape.receivers.iter().filter(|r| r.present);
        let listeners: Vec<_> = there.flat_map(|r| r.ids().map(move |id| Listener::of(r, id, moment))).collect();
        for index in 0..self.alerts.len() {
            let way = self.way(index, moment);
            let its = moment.shape.receiver_of(self.alerts[index].team).name.as_str();
            for listener in &listeners {
                let is_its = listener.shape.name == its;
                let fires = self.belief(&listener.id, &self.alerts[index].labels).is_some_and(|b| b.fires);
                // Whoever was told is owed the end, wherever the alert is routed by now.
                if is_its || fires {
                    self.look_at(index, listener, &way, (is_its, fires), moment, &mut late);
                } else {
                    self.alerts[index].clear_to_end.remove(&listener.id);
                }
            }
            let alert = &mut self.alerts[index];
            if matches!(alert.origin, Origin::Poster(_)) && alert.is_over {
                alert.over_at = Some(moment.now);
            }
        }
        self.fail_unless(late.is_empty(), "waits longer than its intervals say", || late.join("; "));
    }

    fn look_at(
        &mut self,
        index: usize,
        listener: &Listener<'_>,
        way: &Way,
        (is_its, fires): (bool, bool),
        moment: &Moment<'_>,
        late: &mut Vec<String>,
    ) {
        let (id, alert) = (&listener.id, &mut self.alerts[index]);
        let waited = |since: &mut BTreeMap<IntegrationId, i64>, is_clear: bool| {
            if !is_clear {
                since.remove(id);
                return 0;
            }
            match since.get(id) {
                Some(since) => moment.now - since,
                None => {
                    since.insert(id.clone(), moment.now);
                    0
                }
            }
        };
        let to_fire = waited(&mut alert.clear_to_fire, way.to_fire && listener.is_well && is_its);
        let to_end = waited(&mut alert.clear_to_end, way.to_end && listener.is_well);
        let alert = &self.alerts[index];
        let is_forgotten = || self.forgotten.contains(&(id.clone(), alert.labels.clone()));
        if to_fire > self.bound(alert, moment.shape, true) && !fires && !is_forgotten() {
            late.push(format!("{} fires, and {id:?} was not told in {} s", alert.labels, to_fire / S));
        }
        if to_end > self.bound(alert, moment.shape, false) && fires && listener.shape.send_resolved {
            late.push(format!("{} is over, and {id:?} was not told in {} s", alert.labels, to_end / S));
        }
    }

    /// Whether nothing keeps the page of an alert, or its resolve, from being told to a receiver that is well.
    fn way(&self, index: usize, moment: &Moment<'_>) -> Way {
        let alert = &self.alerts[index];
        let up = (moment.is_up)(alert.origin);
        let open = (moment.source_is_well)(alert.origin) && !moment.shape.is_mute(alert.team, moment.wall);
        let hidden = || self.is_silenced(alert, moment) || self.is_inhibited(alert, moment);
        Way { to_fire: up && open && !hidden(), to_end: !up && open && !alert.leapt }
    }

    fn is_inhibited(&self, alert: &Known, moment: &Moment<'_>) -> bool {
        let mut sources = self.alerts.iter().filter(|s| s.severity == "critical" && s.instance == alert.instance);
        moment.shape.inhibits
            && alert.severity == "warning"
            && sources.any(|s| {
                let ended = |since: &i64| moment.now - since > self.bound(s, moment.shape, false);
                !s.clear_to_end.values().any(ended)
            })
    }

    /// How long a page or a resolve may take when nothing is in its way.
    fn bound(&self, alert: &Known, shape: &Shape, fire: bool) -> i64 {
        let source = match alert.origin {
            Origin::Rule(rule, _) => {
                let rule = &shape.rules[rule];
                let interval = shape.groups[rule.group].interval;
                let kept = if rule.keep_firing > 0 { rule.keep_firing + interval } else { 0 };
                2 * interval + if fire { rule.hold } else { kept }
            }
            Origin::Poster(poster) => {
                let poster = &self.posters[poster];
                if fire { poster.every } else { poster.ends_in.unwrap_or(RESOLVE_TIMEOUT).max(RESOLVE_TIMEOUT) }
            }
        };
        source + shape.group_wait + 2 * shape.group_interval + self.slack
    }

    /// The longest any page or resolve may take.
    pub fn longest(&self, shape: &Shape) -> i64 {
        let bounds = self.alerts.iter().map(|a| self.bound(a, shape, true).max(self.bound(a, shape, false)));
        bounds.max().unwrap_or(0)
    }

    /// Silences that whoever asked was told are stored are there after a start.
    pub fn silences_outlive_the_process(&mut self, there: impl Fn(&str) -> bool, wall: i64) {
        let lost = self.silences.iter().find(|s| s.certain && s.ends_at > wall && !there(&s.id)).cloned();
        self.fail_unless(lost.is_none(), "a silence that was acknowledged is gone", || format!("{lost:?}"));
    }

    /// A damaged store costs what was lost, and no more: after a calm in which nothing is true, everything is judged again.
    pub fn healed(&mut self) {
        if std::mem::take(&mut self.amnesia) {
            self.beliefs.clear();
            self.conversations.clear();
            self.disturbed();
        }
    }

    /// After a long calm in which nothing is true, nothing is left to say.
    pub fn nothing_is_left(&mut self, owed: &[OwedView], groups: usize) {
        let left = self.acknowledged.clone();
        self.fail_unless(left.is_empty(), "an acknowledgement outlives its alert", || format!("{left:?}"));
        self.fail_unless(owed.is_empty() && groups == 0, "something is left", || {
            format!("{groups} groups are there, nothing fires, and these are owed: {owed:?}")
        });
    }
}

impl Quiet {
    /// Whether it mutes at a time, edges left out: whether they belong to it is not what this is about.
    fn mutes(&self, wall: i64) -> bool {
        self.starts_at <= wall && wall < self.ends_at
    }
}
