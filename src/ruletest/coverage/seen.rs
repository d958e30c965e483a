//! What happened in a test, as far as coverage asks.

use std::collections::BTreeSet;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::alerting::Evaluated;
use crate::alerting::machine::Transition;
use crate::alerting::rule::{GroupKey, GroupSpec};
use crate::history::{Decision, What};
use crate::notify::IntegrationId;
use crate::template::alertmanager::Entered;

/// What was seen of a rule.
#[derive(Clone, Copy, Debug, Default)]
pub struct Steps {
    /// A recording rule gave samples.
    pub gave: bool,
    /// An alert was pending.
    pub pending: bool,
    /// One fired.
    pub fired: bool,
    /// One was kept firing.
    pub held: bool,
    /// One resolved.
    pub resolved: bool,
}

/// What happened in a test.
#[derive(Default)]
pub struct Seen {
    rules: FxHashMap<GroupKey, Vec<Steps>>,
    /// The routes at which alerts ended, by key and receiver.
    pub routes: BTreeSet<(Arc<str>, Arc<str>)>,
    /// The integrations that were told something.
    pub told: BTreeSet<IntegrationId>,
    /// The places of inhibition rules that muted an alert.
    pub inhibited: BTreeSet<u64>,
    /// The templates that messages were made of.
    pub entered: Entered,
}

impl Seen {
    /// Takes in an evaluation.
    pub fn evaluated(&mut self, evaluated: &Evaluated, spec: &GroupSpec) {
        let is_news = !evaluated.transitions.is_empty() || evaluated.samples > 0;
        if !is_news {
            return;
        }
        let rules = self.rules.entry(spec.key.clone()).or_default();
        rules.resize(spec.rules.len(), Steps::default());
        for (steps, state) in rules.iter_mut().zip(&evaluated.state.rules) {
            steps.gave |= !state.written.is_empty();
        }
        for (place, transition) in &evaluated.transitions {
            let Some(steps) = rules.get_mut(*place) else { continue };
            match transition {
                Transition::Pending(_) => steps.pending = true,
                Transition::Fired(_) => steps.fired = true,
                Transition::Held(_) => steps.held = true,
                Transition::Resolved(_) => steps.resolved = true,
                Transition::Refreshed(_) | Transition::Vanished(_) | Transition::Forgotten(_) => {}
            }
        }
    }

    /// Takes in what was decided.
    pub fn record(&mut self, decisions: Vec<Decision>) {
        for decision in decisions {
            match decision.what {
                What::Routed { routes } => self.routes.extend(routes.into_iter().map(|to| (to.route, to.receiver))),
                What::Inhibited { rule, .. } => self.inhibited.extend(rule),
                _ => {}
            }
        }
    }

    /// What was seen of a rule, by its group and its place there.
    pub fn steps(&self, group: &GroupKey, place: usize) -> Steps {
        self.rules.get(group).and_then(|rules| rules.get(place)).copied().unwrap_or_default()
    }
}
