//! Inhibition: a firing alert mutes others. Each rule keeps its possible sources by the values of its `equal` labels,
//! so asking about an alert costs one look-up a rule.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::model::{Labels, Matcher};

use super::alert::RoutedAlert;
use super::config::InhibitSpec;

/// The inhibition rules and the alerts that can be their sources.
#[derive(Debug, Default)]
pub struct Inhibitor {
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    spec: InhibitSpec,
    sources: FxHashMap<Labels, FxHashSet<Labels>>,
}

impl Inhibitor {
    /// The rules, without sources yet.
    pub fn new(rules: &[InhibitSpec]) -> Self {
        let rule = |spec: &InhibitSpec| Rule { spec: spec.clone(), sources: FxHashMap::default() };
        Inhibitor { rules: rules.iter().map(rule).collect() }
    }

    /// Takes note of an alert.
    pub fn put(&mut self, alert: &Labels) {
        for rule in &mut self.rules {
            if all_match(&rule.spec.source, alert) {
                rule.sources.entry(alert.keep(&rule.spec.equal)).or_default().insert(alert.clone());
            }
        }
    }

    /// Forgets an alert.
    pub fn remove(&mut self, alert: &Labels) {
        for rule in &mut self.rules {
            let shared = alert.keep(&rule.spec.equal);
            if let Some(sources) = rule.sources.get_mut(&shared) {
                sources.remove(alert);
                if sources.is_empty() {
                    rule.sources.remove(&shared);
                }
            }
        }
    }

    /// The firing alert that mutes `alert` at `now`, if one does. An alert that is both source and target of a rule is
    /// not muted by another such alert.
    pub fn inhibited_by(&self, alert: &Labels, alerts: &FxHashMap<Labels, RoutedAlert>, now: i64) -> Option<Labels> {
        self.rules.iter().filter(|r| all_match(&r.spec.target, alert)).find_map(|rule| {
            let both_sides = all_match(&rule.spec.source, alert);
            let sources = rule.sources.get(&alert.keep(&rule.spec.equal))?;
            let fires = |s: &&Labels| alerts.get(*s).is_some_and(|a| !a.is_resolved(now));
            let allowed = |s: &&Labels| !(both_sides && all_match(&rule.spec.target, s));
            sources.iter().filter(fires).filter(allowed).min().cloned()
        })
    }
}

fn all_match(matchers: &[Matcher], labels: &Labels) -> bool {
    matchers.iter().all(|m| m.matches(labels.value(&m.name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::ReceivedAlert;

    #[test]
    fn a_firing_source_mutes_targets_that_share_its_labels() {
        let spec = InhibitSpec {
            source: vec![Matcher::equal("severity", "critical")],
            target: vec![Matcher::new(crate::model::MatchOp::Regex, "severity", "warning|critical").unwrap()],
            equal: vec!["cluster".into(), "node".into()],
        };
        let labels = |pairs: &[(&str, &str)]| Labels::from_pairs(pairs.iter().copied());
        let source = labels(&[("severity", "critical"), ("cluster", "a"), ("name", "s")]);
        let received = ReceivedAlert { labels: source.clone(), ends_at: Some(1000), ..Default::default() };
        let alerts = FxHashMap::from_iter([(source.clone(), received.settle(0, 0).unwrap())]);
        let mut inhibitor = Inhibitor::new(&[spec]);
        inhibitor.put(&source);
        for (why, target, now, muted) in [
            ("shares its cluster, both without a node", labels(&[("severity", "warning"), ("cluster", "a")]), 0, true),
            ("of another cluster", labels(&[("severity", "warning"), ("cluster", "b")]), 0, false),
            ("on a node", labels(&[("severity", "warning"), ("cluster", "a"), ("node", "n")]), 0, false),
            ("not a target", labels(&[("severity", "info"), ("cluster", "a")]), 0, false),
            ("the source has resolved", labels(&[("severity", "warning"), ("cluster", "a")]), 1000, false),
            ("source and target itself", source.clone(), 0, false),
        ] {
            assert_eq!(inhibitor.inhibited_by(&target, &alerts, now).is_some(), muted, "{why}");
        }
        inhibitor.remove(&source);
        assert_eq!(inhibitor.inhibited_by(&labels(&[("severity", "warning"), ("cluster", "a")]), &alerts, 0), None);
    }
}
