//! Remarks on rules that load and yet may not be what was meant.

use std::collections::BTreeMap;

use super::RuleGroup;

/// Rules of one name and the same labels: their series or alerts collide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DuplicateRule {
    /// The alert's name or the recorded metric's.
    pub name: String,
    /// The labels they share, the group's included.
    pub labels: Vec<(String, String)>,
}

/// promtool's `duplicate-rules` lint: one entry for each further rule with the name and labels of an earlier one,
/// ascending by name.
pub fn duplicate_rules(groups: &[RuleGroup]) -> Vec<DuplicateRule> {
    let mut seen: BTreeMap<(String, Vec<(String, String)>), usize> = BTreeMap::new();
    for group in groups {
        for rule in &group.rules {
            *seen.entry((rule.name.to_string(), group.merged_labels(rule))).or_default() += 1;
        }
    }
    let further = |((name, labels), n): ((String, Vec<(String, String)>), usize)| {
        std::iter::repeat_n(DuplicateRule { name, labels }, n - 1)
    };
    seen.into_iter().flat_map(further).collect()
}
