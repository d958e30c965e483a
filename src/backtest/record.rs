//! What a replay saw: every alert from its first evaluation to its end, and every notification.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::alerting::{Alert, Evaluated, GroupKey, GroupSpec, RuleKind, Transition};
use crate::engine::drive::Audience;
use crate::model::Labels;
use crate::notify::{Notification, NotifiedAlert, Outcome, Reason};

use super::window::Window;

/// So many alerts, and so many notifications, are taken down; those beyond are counted: some 100 MB.
pub const MOST: usize = 200_000;

/// What a backtest gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The time that was played.
    pub window: Window,
    /// The rules, in evaluation order.
    pub rules: Vec<RuleRecord>,
    /// Alerts, in the order in which they began.
    pub episodes: Vec<Episode>,
    /// Alerts that were not taken down, because there are too many.
    pub episodes_left_out: u64,
    /// Notifications, in the order in which they were decided.
    pub told: Vec<Told>,
    /// Notifications that were not taken down, because there are too many.
    pub told_left_out: u64,
    /// Whether anybody could be told.
    pub is_routed: bool,
}

/// What there is to say of a rule.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleRecord {
    /// Its group.
    pub group: GroupKey,
    /// The alert's name or the recorded metric's.
    pub name: Arc<str>,
    /// Whether it alerts.
    pub alerts: bool,
    /// The names of the labels that it puts on alerts itself.
    pub own_labels: Vec<String>,
    /// Why it failed, if it did.
    pub failure: Option<Failure>,
}

/// Why a rule failed.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// The first time, milliseconds.
    pub at: i64,
    /// The error then.
    pub error: Arc<str>,
    /// How often it failed.
    pub times: u64,
}

/// One alert from its beginning to its end. Times are evaluations, milliseconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Episode {
    /// Its rule's place in [`Record::rules`].
    pub rule: usize,
    /// Its labels, `alertname` included.
    pub labels: Labels,
    /// The expression's value when it fired, or when it began.
    pub value: f64,
    /// When it became active.
    pub active_at: i64,
    /// When it fired; `None`: it ended before, or had not by the end of the window.
    pub fired_at: Option<i64>,
    /// When it ended; `None`: it had not by the end of the window.
    pub ended_at: Option<i64>,
}

/// One notification.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// When it was decided, milliseconds.
    pub at: i64,
    /// Whom.
    pub receiver: Arc<str>,
    /// By what: `slack`, `pagerduty`, ...
    pub integration: Arc<str>,
    /// What the group's alerts have in common.
    pub group_labels: Labels,
    /// Why.
    pub reason: Reason,
    /// How many alerts it says fire.
    pub firing: usize,
    /// How many it says have resolved.
    pub resolved: usize,
    /// The names of its alerts, each once, ascending.
    pub alertnames: Vec<Arc<str>>,
}

impl Told {
    /// Whether it is a page: something in it fires. Others only say that something is over.
    pub fn is_page(&self) -> bool {
        self.firing > 0
    }
}

/// Takes down what a replay does.
pub struct Recorder {
    record: Record,
    /// Where the rules of a group begin in [`Record::rules`]; groups are evaluated in slots numbered from 0.
    first: FxHashMap<GroupKey, usize>,
    /// Alerts that are active, by rule and labels: their places among the episodes.
    open: FxHashMap<(usize, Labels), usize>,
    /// Names of alerts, each kept once.
    names: FxHashMap<Box<str>, Arc<str>>,
}

impl Recorder {
    /// An empty record of these groups; `is_routed`: routing is part of what is played.
    pub fn new(groups: &[Arc<GroupSpec>], window: Window, is_routed: bool) -> Self {
        let mut first = FxHashMap::default();
        let mut rules = Vec::new();
        for group in groups {
            first.insert(group.key.clone(), rules.len());
            rules.extend(group.rules.iter().map(|rule| RuleRecord {
                group: group.key.clone(),
                name: rule.name.clone(),
                alerts: matches!(rule.kind, RuleKind::Alerting { .. }),
                own_labels: rule.labels.iter().map(|(name, _)| name.clone()).collect(),
                failure: None,
            }));
        }
        let (episodes, told) = (Vec::new(), Vec::new());
        let (episodes_left_out, told_left_out) = (0, 0);
        let record = Record { window, rules, episodes, episodes_left_out, told, told_left_out, is_routed };
        Recorder { record, first, open: FxHashMap::default(), names: FxHashMap::default() }
    }

    /// What was taken down. Alerts that began together are in the order of their rules and labels.
    pub fn finish(self) -> Record {
        let mut record = self.record;
        record.episodes.sort_by(|a, b| (a.active_at, a.rule, &a.labels).cmp(&(b.active_at, b.rule, &b.labels)));
        record
    }

    fn transition(&mut self, rule: usize, transition: &Transition, at: i64) {
        let alert = transition.alert();
        match transition {
            Transition::Pending(_) => {
                self.begin(rule, alert);
            }
            Transition::Fired(_) => {
                if let Some(episode) = self.begin(rule, alert) {
                    (episode.fired_at, episode.value) = (alert.fired_at, alert.value);
                }
            }
            Transition::Resolved(_) | Transition::Vanished(_) => self.end(rule, alert, at),
            Transition::Refreshed(_) | Transition::Held(_) | Transition::Forgotten(_) => {}
        }
    }

    /// The episode of an active alert, which begins unless it has.
    fn begin(&mut self, rule: usize, alert: &Alert) -> Option<&mut Episode> {
        let key = (rule, alert.labels.clone());
        let place = match self.open.get(&key) {
            Some(place) => *place,
            None if self.record.episodes.len() >= MOST => {
                // One that was pending is counted when it fires too, which it does once.
                self.record.episodes_left_out += u64::from(alert.fired_at.is_none_or(|t| t == alert.active_at));
                return None;
            }
            None => {
                self.record.episodes.push(Episode {
                    rule,
                    labels: alert.labels.clone(),
                    value: alert.value,
                    active_at: alert.active_at,
                    fired_at: None,
                    ended_at: None,
                });
                self.open.insert(key, self.record.episodes.len() - 1);
                self.record.episodes.len() - 1
            }
        };
        self.record.episodes.get_mut(place)
    }

    fn end(&mut self, rule: usize, alert: &Alert, at: i64) {
        let place = self.open.remove(&(rule, alert.labels.clone()));
        if let Some(episode) = place.and_then(|place| self.record.episodes.get_mut(place)) {
            episode.ended_at = Some(at);
        }
    }

    fn name(&mut self, name: &str) -> Arc<str> {
        match self.names.get(name) {
            Some(name) => name.clone(),
            None => {
                let shared: Arc<str> = name.into();
                self.names.insert(name.into(), shared.clone());
                shared
            }
        }
    }
}

impl Audience for Recorder {
    fn evaluated(&mut self, evaluated: &Evaluated, spec: &GroupSpec) {
        let Some(first) = self.first.get(&spec.key).copied() else { return };
        for (place, transition) in &evaluated.transitions {
            self.transition(first + place, transition, evaluated.at);
        }
        if evaluated.failures == 0 {
            return;
        }
        for (place, state) in evaluated.state.rules.iter().enumerate() {
            let Some(error) = &state.last_error else { continue };
            if let Some(rule) = self.record.rules.get_mut(first + place) {
                let failure = Failure { at: evaluated.at, error: error.clone(), times: 0 };
                rule.failure.get_or_insert(failure).times += 1;
            }
        }
    }

    fn deliver(&mut self, notification: &Notification) -> Outcome {
        if self.record.told.len() >= MOST {
            self.record.told_left_out += 1;
            return Outcome::Delivered;
        }
        let resolved = notification.alerts.iter().filter(|a| a.is_resolved()).count();
        let name = |a: &NotifiedAlert| a.labels.value("alertname").to_owned();
        // A page is for what fires in it, whatever else it says has resolved.
        let pages = resolved < notification.alerts.len();
        let named = notification.alerts.iter().filter(|alert| !pages || !alert.is_resolved());
        let mut names: Vec<String> = named.map(name).collect();
        names.sort();
        names.dedup();
        let alertnames = names.iter().map(|name| self.name(name)).collect();
        self.record.told.push(Told {
            at: notification.decided_at,
            receiver: notification.integration.receiver.clone(),
            integration: notification.integration.kind.clone(),
            group_labels: notification.group_labels.clone(),
            reason: notification.reason,
            firing: notification.alerts.len() - resolved,
            resolved,
            alertnames,
        });
        Outcome::Delivered
    }
}
