//! Rules and groups as evaluation sees them: every default settled.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::schedule::Schedule;
use crate::model::Labels;
use crate::promql::{Plan, RequestTerms};
use crate::rules::PartialResponse;
pub use crate::rules::RuleKind;

/// Which group: a file and a name in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct GroupKey {
    /// The file that defines the group.
    pub file: Arc<str>,
    /// The group's name.
    pub name: Arc<str>,
}

impl GroupKey {
    /// `file;name`, as Prometheus labels its metrics of groups.
    pub fn to_label(&self) -> String {
        format!("{};{}", self.file, self.name)
    }
}

/// What identifies a rule inside its group over reloads: its name, its labels, and its place among the rules that share
/// both. A changed expression or `for` does not make it another rule.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RuleKey {
    /// `alert` or `record`.
    pub kind: Arc<str>,
    /// The alert's name or the recorded metric's.
    pub name: Arc<str>,
    /// The rule's labels as written.
    pub labels: Vec<(String, String)>,
    /// 0 for the first rule of that name and labels in the group.
    pub ordinal: u32,
}

/// One rule, ready to be evaluated.
#[derive(Clone, Debug)]
pub struct RuleSpec {
    /// The alert's name or the recorded metric's.
    pub name: Arc<str>,
    /// The expression as Prometheus prints it.
    pub expr: Arc<str>,
    /// The expression, compiled.
    pub plan: Arc<Plan>,
    /// The group's and the rule's labels, ascending by name; templates in an alerting rule.
    pub labels: Vec<(String, String)>,
    /// What it makes of the result.
    pub kind: RuleKind,
    /// What its queries say to a remote server.
    pub terms: Option<Arc<RequestTerms>>,
}

/// Equal when written equally and compiled with the same switches.
impl PartialEq for RuleSpec {
    fn eq(&self, other: &Self) -> bool {
        let RuleSpec { name, expr, plan, labels, kind, terms } = self;
        (name, expr, labels, kind, terms) == (&other.name, &other.expr, &other.labels, &other.kind, &other.terms)
            && (plan.source(), plan.features()) == (other.plan.source(), other.plan.features())
    }
}

impl RuleSpec {
    /// `alert` or `record`.
    pub fn kind_name(&self) -> &'static str {
        match self.kind {
            RuleKind::Alerting { .. } => "alert",
            RuleKind::Recording => "record",
        }
    }
}

/// One group, ready to be evaluated.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupSpec {
    /// Which group.
    pub key: GroupKey,
    /// Evaluation interval, milliseconds, at least 1.
    pub interval: i64,
    /// How far in the past expressions are evaluated, milliseconds.
    pub query_offset: i64,
    /// When within its interval it is evaluated, milliseconds; where none is given, its name and file say.
    pub eval_offset: Option<i64>,
    /// Most alerts or series of one rule, 0 for no limit.
    pub limit: usize,
    /// What an answer from a part of the data means.
    pub partial_response: PartialResponse,
    /// Rules, evaluated in order.
    pub rules: Vec<Arc<RuleSpec>>,
}

impl GroupSpec {
    /// The keys of the rules, in order.
    pub fn rule_keys(&self) -> Vec<RuleKey> {
        let mut keys: Vec<RuleKey> = Vec::with_capacity(self.rules.len());
        for rule in &self.rules {
            let mut key = RuleKey {
                kind: rule.kind_name().into(),
                name: rule.name.clone(),
                labels: rule.labels.clone(),
                ordinal: 0,
            };
            let alike = |k: &&RuleKey| (&k.kind, &k.name, &k.labels) == (&key.kind, &key.name, &key.labels);
            key.ordinal = keys.iter().filter(alike).count() as u32;
            keys.push(key);
        }
        keys
    }

    /// When it is evaluated first, after `now`.
    pub fn first_slot(&self, schedule: Schedule, now: i64) -> i64 {
        match self.eval_offset {
            Some(offset) => schedule.slot_at_offset(offset, self.interval, now),
            None => schedule.first_slot(self.hash(), self.interval, now),
        }
    }

    /// When it is evaluated first if its word is waited for.
    pub fn soon(&self, schedule: Schedule, now: i64) -> i64 {
        match self.eval_offset {
            Some(offset) => schedule.slot_at_offset(offset, self.interval, now),
            None => schedule.soon(self.hash(), self.interval, now),
        }
    }

    /// The hash that spreads groups over their interval: of the labels `file` and `name`.
    pub fn hash(&self) -> u64 {
        Labels::from_sorted([("file", &*self.key.file), ("name", &*self.key.name)]).prometheus_hash()
    }
}
