//! What a test reached of its rules and of its routing.

use crate::alerting::rule::{RuleKind, RuleSpec};
use crate::promql::Features;

use super::super::groups::LoadedGroups;
use super::branches::{self, Played};
use super::item::{Coverage, Item, Kind, tidy};
use super::routing;
use super::seen::{Seen, Steps};

/// All that there is to reach of these rules and their routing; none of it is reached yet.
pub fn unreached(groups: &LoadedGroups, features: Features) -> Coverage {
    let mut coverage = Coverage::default();
    note_rules(&mut coverage, groups, &Seen::default(), None, features);
    routing::note(&mut coverage, groups, &Seen::default());
    coverage
}

/// Notes what a test reached; of the routing, if `is_routed`.
pub fn note_test(coverage: &mut Coverage, groups: &LoadedGroups, seen: &Seen, played: &Played<'_>, is_routed: bool) {
    note_rules(coverage, groups, seen, Some(played), played.features);
    if is_routed {
        routing::note(coverage, groups, seen);
    }
}

fn note_rules(
    coverage: &mut Coverage,
    groups: &LoadedGroups,
    seen: &Seen,
    played: Option<&Played<'_>>,
    features: Features,
) {
    for (g, group) in groups.groups.iter().enumerate() {
        let file = tidy(&group.key.file);
        for (r, rule) in group.rules.iter().enumerate() {
            let line = groups.line(g, r);
            let mut note = |kind: Kind, what: String, reached: bool| {
                coverage.note(Item { file: file.clone(), line, kind, what }, reached);
            };
            note_states(rule, seen.steps(&group.key, r), &mut note);
            for (what, reached) in branches::measure(rule.plan.source(), group.query_offset, played, features) {
                note(Kind::Branch, format!("{} {}: {what}", rule.kind_name(), rule.name), reached);
            }
        }
    }
}

/// What a rule itself comes to.
fn note_states(rule: &RuleSpec, steps: Steps, note: &mut dyn FnMut(Kind, String, bool)) {
    let name = &rule.name;
    match &rule.kind {
        RuleKind::Recording => note(Kind::Rule, format!("record {name} gives samples"), steps.gave),
        RuleKind::Alerting { hold, keep_firing, .. } => {
            if *hold > 0 {
                note(Kind::Transition, format!("alert {name} is pending"), steps.pending);
            }
            note(Kind::Transition, format!("alert {name} fires"), steps.fired);
            if *keep_firing > 0 {
                note(Kind::Transition, format!("alert {name} is kept firing"), steps.held);
            }
            note(Kind::Transition, format!("alert {name} resolves"), steps.resolved);
        }
    }
}
