//! From groups as they were loaded to groups as they are evaluated: every default settled.

use std::sync::Arc;

use crate::promql::pretty::one_line;
use crate::promql::{CompileOptions, Plan, parse_and};
use crate::rules::{self, RuleGroup};

use super::rule::{GroupKey, GroupSpec, RuleSpec};

/// What holds for groups that do not say otherwise, milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupDefaults {
    /// `evaluation_interval`
    pub interval: i64,
    /// `rule_query_offset`
    pub query_offset: i64,
}

impl Default for GroupDefaults {
    fn default() -> Self {
        GroupDefaults { interval: 60_000, query_offset: 0 }
    }
}

impl GroupSpec {
    /// The group as it is evaluated. Its rules stand in the order of the group's.
    pub fn of(group: &RuleGroup, defaults: &GroupDefaults) -> Self {
        GroupSpec {
            key: GroupKey { file: group.file.clone(), name: group.name.clone() },
            interval: group.interval.unwrap_or(defaults.interval).max(1),
            query_offset: group.query_offset.unwrap_or(defaults.query_offset),
            eval_offset: group.eval_offset,
            limit: group.limit,
            partial_response: group.partial_response,
            rules: group.rules.iter().map(|rule| Arc::new(spec_of(group, rule))).collect(),
        }
    }
}

/// An expression as Prometheus prints it: what its API, its query log and `generatorURL` show.
fn printed(plan: &Plan) -> Arc<str> {
    let (source, options) = (plan.source(), CompileOptions { features: *plan.features() });
    // What was compiled can be parsed.
    parse_and(source, &options, |tree| one_line(source, tree)).map_or_else(|_| source.into(), Arc::from)
}

fn spec_of(group: &RuleGroup, rule: &rules::Rule) -> RuleSpec {
    RuleSpec {
        name: rule.name.clone(),
        expr: printed(&rule.plan),
        labels: group.merged_labels(rule),
        kind: rule.kind.clone(),
        plan: rule.plan.clone(),
        terms: group.terms.clone(),
    }
}
