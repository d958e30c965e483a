//! What is known of a time that is past: what the history recorded until then, and the series that rules left behind.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::history::{Decision, Kind, Number, Order, Query, Recorded, RoutedTo, RuleName, Time, What};
use crate::model::{ALERT_NAME, Labels, METRIC_NAME, Matcher};
use crate::promql::{CompileOptions, QueryValue, VectorSample, compile};

use super::asked::Asked;
use super::delivery::Standing;
use super::sources::Sources;

/// Most decisions that are looked at: of all alerts that are asked for, of one group, of one alert.
const MOST_OF_ALL: usize = 5_000;
const MOST_OF_GROUP: usize = 500;
const MOST_OF_ALERT: usize = 100;
/// The label by which a rule's series tell whether an alert is pending or fires.
const ALERT_STATE: &str = "alertstate";
/// What becomes of an alert before it is routed.
const STATES: [Kind; 5] = [Kind::Pending, Kind::Inactive, Kind::Firing, Kind::KeptFiring, Kind::Resolved];

/// The past up to a time.
pub(super) struct Past<'a> {
    pub sources: &'a Sources<'a>,
    /// The time, milliseconds.
    pub at: i64,
    // One group is that of many alerts.
    groups: RefCell<FxHashMap<Arc<str>, Rc<Vec<Recorded>>>>,
    notes: RefCell<BTreeSet<String>>,
}

/// An alert as it stood.
#[derive(Clone, Debug)]
pub(super) struct Stood {
    /// Its labels as it leaves.
    pub labels: Labels,
    pub standing: Standing,
    pub rule: Option<RuleName>,
    pub value: Option<Number>,
    pub active_at: Option<Time>,
    pub fired_at: Option<Time>,
    pub kept_until: Option<Time>,
    pub ends_at: Option<Time>,
}

impl Stood {
    fn new(labels: Labels) -> Stood {
        let standing = Standing::Inactive;
        let (rule, value, active_at, fired_at, kept_until, ends_at) = Default::default();
        Stood { labels, standing, rule, value, active_at, fired_at, kept_until, ends_at }
    }

    /// Takes in what was decided next.
    fn take_in(&mut self, decision: &Decision) {
        let now = decision.time;
        match &decision.what {
            What::Pending { rule, value, active_at, fires_at } => {
                *self = Stood {
                    standing: Standing::Pending(fires_at.0),
                    rule: Some(rule.clone()),
                    value: Some(*value),
                    active_at: Some(*active_at),
                    ..Stood::new(self.labels.clone())
                };
            }
            What::Inactive { rule, value, active_at } => {
                *self = Stood {
                    rule: Some(rule.clone()),
                    value: Some(*value),
                    active_at: Some(*active_at),
                    ends_at: Some(now),
                    ..Stood::new(self.labels.clone())
                };
            }
            What::Firing { rule, value, active_at } => {
                *self = Stood {
                    standing: Standing::Firing,
                    rule: rule.clone().or(self.rule.take()),
                    value: *value,
                    active_at: Some(*active_at),
                    fired_at: Some(now),
                    ..Stood::new(self.labels.clone())
                };
            }
            What::KeptFiring { value, until, .. } => (self.value, self.kept_until) = (Some(*value), *until),
            What::Resolved { rule, value, fired_at, .. } => {
                *self = Stood {
                    standing: Standing::Resolved,
                    rule: rule.clone().or(self.rule.take()),
                    value: value.or(self.value),
                    active_at: self.active_at,
                    fired_at: Some(*fired_at),
                    ends_at: Some(now),
                    ..Stood::new(self.labels.clone())
                };
            }
            _ => {}
        }
    }
}

impl<'a> Past<'a> {
    pub fn until(sources: &'a Sources<'a>, at: i64) -> Past<'a> {
        let past = Past::without_notes(sources, at);
        past.note_what_is_not_known();
        past
    }

    /// The same for whoever asks for what else is known only to complete it.
    pub fn without_notes(sources: &'a Sources<'a>, at: i64) -> Past<'a> {
        Past { sources, at, groups: RefCell::default(), notes: RefCell::default() }
    }

    /// What is to be known beside the answer.
    pub fn notes(&self) -> Vec<String> {
        self.notes.borrow().iter().cloned().collect()
    }

    pub fn note(&self, note: impl Into<String>) {
        self.notes.borrow_mut().insert(note.into());
    }

    fn note_what_is_not_known(&self) {
        if self.sources.past.is_none() {
            self.note("no history is kept here: what was routed, muted and told then is not known");
            return;
        }
        let first = self.look(&Query { order: Order::Oldest, limit: 1, ..Query::default() });
        let begun = first.first().map(|r| r.decision.time);
        match begun {
            Some(begun) if begun.0 <= self.at => {}
            Some(begun) => self.note(format!("the history begins at {}", shown(begun))),
            None => self.note("the history is empty"),
        }
        let changes = Query {
            kinds: vec![Kind::Reloaded, Kind::Started],
            from: Some(self.at.saturating_add(1)),
            order: Order::Oldest,
            limit: 1,
            ..Query::default()
        };
        if let Some(changed) = self.look(&changes).first() {
            let what = match changed.decision.kind() {
                Kind::Started => "the service was started again",
                _ => "another configuration came into force",
            };
            let when = shown(changed.decision.time);
            self.note(format!("{what} at {when}: expressions, timers and routes that were not taken are those of now"));
        }
    }

    /// What the history answers; what it cannot read is noted.
    fn look(&self, query: &Query) -> Vec<Recorded> {
        let Some(ask) = self.sources.past else { return Vec::new() };
        let page = ask(query);
        page.damage.into_iter().for_each(|damage| self.note(format!("the history is damaged: {damage}")));
        if page.next.is_some() && page.decisions.len() < query.limit {
            self.note("the history was not looked through to its end: ask for one alert");
        }
        page.decisions
    }

    /// The newest decisions up to the time, the oldest first.
    fn ask(&self, query: Query) -> Vec<Recorded> {
        if self.sources.env.cancel.check().is_err() {
            self.note("there was no time to look at everything: ask for one alert, or with a longer timeout");
            return Vec::new();
        }
        let mut found = self.look(&Query { to: Some(self.at), order: Order::Newest, ..query });
        found.reverse();
        found
    }

    /// What is recorded of a notification, the oldest first; an id that was given twice is that of the last one.
    pub fn of_notification(&self, id: u64) -> Vec<Recorded> {
        let query = Query { notification: Some(id), order: Order::Oldest, limit: MOST_OF_ALL, ..Query::default() };
        let mut found = self.look(&query);
        let is_told = |r: &Recorded| told(&r.decision.what).is_some();
        let Some(last) = found.iter().rev().find(|r| is_told(r)).map(|r| r.decision.time) else { return found };
        let begins = found.iter().position(|r| is_told(r) && r.decision.time == last).unwrap_or_default();
        found.split_off(begins)
    }

    /// The newest decisions about an alert, the oldest first.
    pub fn of_alert(&self, alert: &Labels) -> Vec<Recorded> {
        self.ask(Query { fingerprint: Some(alert.fingerprint()), limit: MOST_OF_ALERT, ..Query::default() })
    }

    /// The newest decisions about a group, the oldest first.
    pub fn of_group(&self, key: &Arc<str>) -> Rc<Vec<Recorded>> {
        if let Some(known) = self.groups.borrow().get(key) {
            return known.clone();
        }
        let query = Query { group_key: Some(key.to_string()), limit: MOST_OF_GROUP, ..Query::default() };
        let found = Rc::new(self.ask(query));
        if found.len() == MOST_OF_GROUP {
            self.note(format!("only the newest {MOST_OF_GROUP} decisions about group {key} were looked at"));
        }
        self.groups.borrow_mut().insert(key.clone(), found.clone());
        found
    }

    /// Where an alert was last routed to.
    pub fn routes_of(&self, alert: &Labels) -> Option<Vec<RoutedTo>> {
        match self.last(alert, &[Kind::Routed], 1).pop()?.decision.what {
            What::Routed { routes } => Some(routes),
            _ => None,
        }
    }

    /// What hid an alert since it was last routed, as decided together.
    pub fn mutes_of(&self, alert: &Labels) -> Vec<Recorded> {
        let mut found = self.last(alert, &[Kind::Routed, Kind::Silenced, Kind::Inhibited, Kind::Unmuted], 20);
        // Mutes of the turn that routed it count.
        let routed = found.iter().rev().find(|r| r.decision.kind() == Kind::Routed).map(|r| r.decision.time);
        found.retain(|r| r.decision.group_key.is_none() && r.decision.kind() != Kind::Routed);
        let Some(last) = found.last().map(|r| r.decision.time) else { return found };
        found.retain(|r| r.decision.time == last && routed.is_none_or(|routed| routed <= last));
        found
    }

    fn last(&self, alert: &Labels, kinds: &[Kind], limit: usize) -> Vec<Recorded> {
        let fingerprint = Some(alert.fingerprint());
        self.ask(Query { fingerprint, kinds: kinds.to_vec(), limit, ..Query::default() })
    }

    /// Why rules could not be evaluated, by group and name.
    pub fn failing(&self) -> FxHashMap<(Arc<str>, Arc<str>), Arc<str>> {
        let mut failing = FxHashMap::default();
        let query = Query { kinds: vec![Kind::Evaluation], limit: MOST_OF_ALL, ..Query::default() };
        for Recorded { decision, .. } in self.ask(query) {
            if let What::Evaluation { rule, error } = decision.what {
                match error {
                    Some(error) => failing.insert((rule.group, rule.name), error),
                    None => failing.remove(&(rule.group, rule.name)),
                };
            }
        }
        failing
    }

    /// The alerts that are asked for, as they stood: those that fired first, then what was pending, then what was over.
    pub fn alerts(&self, asked: &Asked) -> Vec<Stood> {
        let mut found: FxHashMap<Labels, Stood> = FxHashMap::default();
        let decided = self.ask(Query { kinds: STATES.to_vec(), limit: MOST_OF_ALL, ..asked.query() });
        if decided.len() == MOST_OF_ALL {
            let newest = "only the newest decisions about what is asked for were looked at: ask for one alert";
            self.note(format!("{newest} (more than {MOST_OF_ALL})"));
        }
        for Recorded { decision, .. } in &decided {
            for alert in decision.alerts.iter().filter(|alert| asked.wants(&alert.labels)) {
                let stood = || Stood::new(alert.labels.clone());
                found.entry(alert.labels.clone()).or_insert_with(stood).take_in(decision);
            }
        }
        // What the history does not know, because it was not kept or lost decisions, rules' series may. They are read
        // whole for a fingerprint.
        let is_known = matches!(asked, Asked::Fingerprint(_)) && !found.is_empty();
        let by_series = if is_known { Vec::new() } else { self.by_series(asked) };
        for (labels, standing, active_at) in by_series {
            found.entry(labels.clone()).or_insert_with(|| Stood { standing, active_at, ..Stood::new(labels) });
        }
        let mut found: Vec<Stood> = found.into_values().collect();
        let rank = |stood: &Stood| match stood.standing {
            Standing::Firing => 0,
            Standing::Pending(_) => 1,
            Standing::Resolved => 2,
            Standing::Inactive => 3,
        };
        // What ended last before what ended long ago.
        let key = |stood: &Stood| (rank(stood), stood.ends_at.map(|t| -t.0));
        found.sort_by(|a, b| key(a).cmp(&key(b)).then_with(|| a.labels.cmp(&b.labels)));
        found
    }

    /// The alerts that are asked for, by the series that their rules wrote, with the labels with which they leave.
    fn by_series(&self, asked: &Asked) -> Vec<(Labels, Standing, Option<Time>)> {
        let leaves = |labels: &Labels| {
            let own = labels.filter(|name| name != METRIC_NAME && name != ALERT_STATE);
            self.sources.view.outgoing().apply(&own).unwrap_or(own)
        };
        let mut found: FxHashMap<Labels, (Standing, Option<Time>)> = FxHashMap::default();
        for sample in self.series(asked, "ALERTS") {
            let labels = leaves(&sample.labels);
            if asked.wants(&labels) {
                let fires = sample.labels.value(ALERT_STATE) == "firing";
                let known = found.entry(labels).or_insert((Standing::Pending(i64::MAX), None));
                // One that fires and is pending in another rule fires.
                known.0 = if fires { Standing::Firing } else { known.0 };
            }
        }
        for sample in self.series(asked, "ALERTS_FOR_STATE") {
            if let (Some(known), Some(seconds)) = (found.get_mut(&leaves(&sample.labels)), sample.value.as_float()) {
                known.1 = Some(Time((seconds * 1000.0) as i64));
            }
        }
        found.into_iter().map(|(labels, (standing, active_at))| (labels, standing, active_at)).collect()
    }

    fn series(&self, asked: &Asked, name: &str) -> Vec<VectorSample> {
        let of_name = asked.name().map(|alert| Matcher::equal(ALERT_NAME, alert).to_string());
        let query = format!("{name}{{{}}}", of_name.unwrap_or_default());
        let Ok(plan) = compile(&query, &CompileOptions::default()) else { return Vec::new() };
        match self.sources.own.instant(&plan, self.at, self.sources.env).map(|e| e.value) {
            Ok(QueryValue::Vector(samples)) => samples,
            Ok(_) => Vec::new(),
            Err(e) => {
                self.note(format!("the rules' series {name} cannot be read: {e}"));
                Vec::new()
            }
        }
    }
}

/// What was decided to tell, if that was decided.
pub(super) fn told(what: &What) -> Option<&crate::history::Told> {
    match what {
        What::Notify(told) | What::Repeated(told) | What::FellBack(told) => Some(told),
        _ => None,
    }
}

fn shown(time: Time) -> String {
    crate::model::time::rfc3339(time.0)
}
