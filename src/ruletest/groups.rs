//! The rules and the routing that a test file names.

use std::sync::Arc;

use crate::alerting::rule::{GroupSpec, RuleSpec};
use crate::template::prometheus::TemplateCache;

use super::routing::Routing;

/// The groups of a test file's rules, in evaluation order.
#[derive(Clone, Default)]
pub struct LoadedGroups {
    /// Their templates, parsed once for all tests.
    pub templates: Arc<TemplateCache>,
    /// The groups, evaluated as often as the file says.
    pub groups: Vec<Arc<GroupSpec>>,
    /// Of each group the lines of its rules.
    pub lines: Vec<Arc<[u32]>>,
    /// What notifications go by, where the file says it.
    pub routing: Option<Arc<Routing>>,
}

impl LoadedGroups {
    /// All rules, in evaluation order.
    pub fn rules(&self) -> impl Iterator<Item = &Arc<RuleSpec>> {
        self.groups.iter().flat_map(|g| &g.rules)
    }

    /// The line of a rule in its file, from 1, by the places of its group and of it in that; 0 where it is not known.
    pub fn line(&self, group: usize, rule: usize) -> u32 {
        self.lines.get(group).and_then(|lines| lines.get(rule)).copied().unwrap_or(0)
    }
}
