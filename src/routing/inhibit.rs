//! Inhibition: a firing alert mutes others. Alerts that share the values of a rule's `equal` labels meet in a class,
//! which each of them holds: asking about an alert costs a look at the sources in its own classes, however many rules
//! and sources there are elsewhere.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking_lot::RwLock;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::model::Labels;

use super::config::InhibitSpec;
use super::matching::{MatcherIndex, all_match};

/// The inhibition rules and the classes in which alerts meet.
#[derive(Debug, Default)]
pub struct Inhibitor {
    rules: Vec<InhibitSpec>,
    // Rules with the same `equal` labels share their classes.
    equals: Vec<Equal>,
    // Of each rule, the place of its labels in `equals`.
    equal_of: Vec<usize>,
    sources: MatcherIndex,
    targets: MatcherIndex,
    // Most alerts have one of few sets of rules.
    sets: FxHashSet<Arc<[u32]>>,
}

#[derive(Debug)]
struct Equal {
    names: Vec<String>,
    rules: Vec<u32>,
    classes: FxHashMap<Labels, Arc<Class>>,
}

/// Alerts that share the values of some labels: the possible sources among them, by rule. Held for as long as a look.
#[derive(Debug, Default)]
pub struct Class(RwLock<BTreeMap<u32, Sources>>);

/// The sources of one rule in one class, those that end last in front: if the first is over, all are.
#[derive(Debug, Default)]
struct Sources {
    plain: BTreeSet<(Reverse<i64>, Labels)>,
    // Those that are targets of the rule, too.
    both: BTreeSet<(Reverse<i64>, Labels)>,
}

/// What inhibition has to do with an alert, which follows from its labels.
#[derive(Debug, Default)]
pub struct InhibitionState {
    source_of: Option<Arc<[u32]>>,
    target_of: Option<Arc<[u32]>>,
    // With the place in `equals`.
    classes: Box<[(usize, Arc<Class>)]>,
}

impl Inhibitor {
    /// The rules, without sources yet.
    pub fn new(rules: &[InhibitSpec]) -> Self {
        let mut inhibitor = Inhibitor { rules: rules.to_vec(), ..Inhibitor::default() };
        for (rule, spec) in (0u32..).zip(rules) {
            inhibitor.sources.insert(rule, &spec.source);
            inhibitor.targets.insert(rule, &spec.target);
            let place = inhibitor.equals.iter().position(|e| e.names == spec.equal);
            let place = place.unwrap_or_else(|| {
                let (names, classes) = (spec.equal.clone(), FxHashMap::default());
                inhibitor.equals.push(Equal { names, rules: Vec::new(), classes });
                inhibitor.equals.len() - 1
            });
            inhibitor.equal_of.push(place);
            inhibitor.equals.get_mut(place).into_iter().for_each(|e| e.rules.push(rule));
        }
        inhibitor.sources.seal();
        inhibitor.targets.seal();
        inhibitor
    }

    /// What an alert has to do with the rules. Take it once, and hand it to the other functions.
    pub fn inhibition(&mut self, alert: &Labels) -> InhibitionState {
        let rules = &self.rules;
        let matching = |index: &MatcherIndex, side: fn(&InhibitSpec) -> &[crate::model::Matcher]| {
            let mut found = index.candidates(alert);
            found.retain(|rule| rules.get(*rule as usize).is_some_and(|spec| all_match(side(spec), alert)));
            found
        };
        let source_of = matching(&self.sources, |spec| &spec.source);
        let target_of = matching(&self.targets, |spec| &spec.target);
        let concerns = |rule: &u32| source_of.binary_search(rule).is_ok() || target_of.binary_search(rule).is_ok();
        let equals = self.equals.iter_mut().enumerate().filter(|(_, e)| e.rules.iter().any(concerns));
        let classes = equals.map(|(i, e)| (i, e.classes.entry(alert.keep(&e.names)).or_default().clone())).collect();
        InhibitionState { source_of: self.shared(source_of), target_of: self.shared(target_of), classes }
    }

    fn shared(&mut self, rules: Vec<u32>) -> Option<Arc<[u32]>> {
        if rules.is_empty() {
            return None;
        }
        if let Some(known) = self.sets.get(rules.as_slice()) {
            return Some(known.clone());
        }
        let rules: Arc<[u32]> = rules.into();
        self.sets.insert(rules.clone());
        Some(rules)
    }

    /// An alert that ended at `before` (`None`: that was not there) now ends at `after`, or is gone.
    pub fn moved(&self, alert: &Labels, inhibition: &InhibitionState, before: Option<i64>, after: Option<i64>) {
        if before == after {
            return;
        }
        for rule in inhibition.source_of.iter().flat_map(|rules| rules.iter()) {
            let Some(class) = self.class_of(inhibition, *rule) else { continue };
            let mut class = class.0.write();
            let sources = class.entry(*rule).or_default();
            let side = match inhibition.is_target_of(*rule) {
                true => &mut sources.both,
                false => &mut sources.plain,
            };
            if let Some(end) = before {
                side.remove(&(Reverse(end), alert.clone()));
            }
            if let Some(end) = after {
                side.insert((Reverse(end), alert.clone()));
            }
            if sources.plain.is_empty() && sources.both.is_empty() {
                class.remove(rule);
            }
        }
    }

    fn class_of<'a>(&self, inhibition: &'a InhibitionState, rule: u32) -> Option<&'a Class> {
        let place = self.equal_of.get(rule as usize)?;
        inhibition.classes.iter().find(|(of, _)| of == place).map(|(_, class)| &**class)
    }

    /// Forgets classes and sets of rules that no alert has any more.
    pub fn collect_garbage(&mut self) {
        for equal in &mut self.equals {
            equal.classes.retain(|_, class| Arc::strong_count(class) > 1);
        }
        self.sets.retain(|set| Arc::strong_count(set) > 1);
    }
}

impl InhibitionState {
    fn is_target_of(&self, rule: u32) -> bool {
        self.target_of.as_ref().is_some_and(|rules| rules.binary_search(&rule).is_ok())
    }

    fn is_source_of(&self, rule: u32) -> bool {
        self.source_of.as_ref().is_some_and(|rules| rules.binary_search(&rule).is_ok())
    }

    /// The firing alert that mutes this one at `now`, if one does: that of the first such rule, the one that ends last. An
    /// alert that is both source and target of a rule is not muted by another such alert.
    pub fn inhibited_by(&self, now: i64) -> Option<Labels> {
        self.target_of.as_ref()?;
        let muting = self.classes.iter().filter_map(|(_, class)| {
            let class = class.0.read();
            let rules = class.iter().filter(|(rule, _)| self.is_target_of(**rule));
            rules.filter_map(|(rule, sources)| Some((*rule, sources.firing(!self.is_source_of(*rule), now)?))).next()
        });
        muting.min_by_key(|(rule, _)| *rule).map(|(_, source)| source)
    }
}

impl Sources {
    fn firing(&self, both: bool, now: i64) -> Option<Labels> {
        let last = [self.plain.first(), self.both.first().filter(|_| both)].into_iter().flatten().min()?;
        (last.0.0 > now).then(|| last.1.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{MatchOp, Matcher};
    use proptest::prelude::*;

    fn spec() -> InhibitSpec {
        InhibitSpec {
            source: vec![Matcher::equal("severity", "critical")],
            target: vec![Matcher::new(MatchOp::Regex, "severity", "warning|critical").unwrap()],
            equal: vec!["cluster".into(), "node".into()],
        }
    }

    #[test]
    fn a_firing_source_mutes_targets_that_share_its_labels() {
        let labels = |pairs: &[(&str, &str)]| Labels::from_pairs(pairs.iter().copied());
        let source = labels(&[("severity", "critical"), ("cluster", "a"), ("name", "s")]);
        let mut inhibitor = Inhibitor::new(&[spec()]);
        let inhibition = inhibitor.inhibition(&source);
        inhibitor.moved(&source, &inhibition, None, Some(1000));
        for (why, target, now, muted) in [
            ("shares its cluster, both without a node", labels(&[("severity", "warning"), ("cluster", "a")]), 0, true),
            ("of another cluster", labels(&[("severity", "warning"), ("cluster", "b")]), 0, false),
            ("on a node", labels(&[("severity", "warning"), ("cluster", "a"), ("node", "n")]), 0, false),
            ("not a target", labels(&[("severity", "info"), ("cluster", "a")]), 0, false),
            ("the source has resolved", labels(&[("severity", "warning"), ("cluster", "a")]), 1000, false),
            ("source and target itself", source.clone(), 0, false),
        ] {
            assert_eq!(inhibitor.inhibition(&target).inhibited_by(now).is_some(), muted, "{why}");
        }
        let target = inhibitor.inhibition(&labels(&[("severity", "warning"), ("cluster", "a")]));
        inhibitor.moved(&source, &inhibition, Some(1000), None);
        assert_eq!(target.inhibited_by(0), None);
        drop((inhibition, target));
        inhibitor.collect_garbage();
        assert!(inhibitor.equals[0].classes.is_empty() && inhibitor.sets.is_empty(), "nothing is kept");
    }

    /// Every rule asked about every alert.
    fn naive(rules: &[InhibitSpec], alerts: &BTreeMap<Labels, i64>, target: &Labels, now: i64) -> bool {
        let mutes = |rule: &InhibitSpec, source: &Labels| {
            let both = all_match(&rule.source, target) && all_match(&rule.target, source);
            all_match(&rule.source, source) && !both && source.keep(&rule.equal) == target.keep(&rule.equal)
        };
        let firing = || alerts.iter().filter(|(_, end)| **end > now).map(|(l, _)| l);
        rules.iter().any(|r| all_match(&r.target, target) && firing().any(|s| mutes(r, s)))
    }

    fn labels() -> impl Strategy<Value = Labels> {
        let value = || prop::sample::select(vec!["", "1", "2", "12"]);
        (value(), value(), value()).prop_map(|(a, b, c)| Labels::from_pairs([("a", a), ("b", b), ("c", c)]))
    }

    fn rule() -> impl Strategy<Value = InhibitSpec> {
        let matcher = || {
            let of = prop::sample::select(vec![
                ("=", "1"),
                ("=", ""),
                ("!=", "2"),
                ("=~", "1.*"),
                ("=~", "1|2"),
                ("!~", "1.+"),
            ]);
            (prop::sample::select(vec!["a", "b"]), of).prop_map(|(name, (op, value))| {
                let ops = [MatchOp::Equal, MatchOp::NotEqual, MatchOp::Regex, MatchOp::NotRegex];
                Matcher::new(ops.into_iter().find(|o| o.as_str() == op).unwrap(), name, value).unwrap()
            })
        };
        let equal = prop::sample::select(vec![vec![], vec!["c".to_owned()], vec!["b".to_owned(), "c".to_owned()]]);
        let side = move || prop::collection::vec(matcher(), 1..3);
        (side(), side(), equal).prop_map(|(source, target, equal)| InhibitSpec { source, target, equal })
    }

    proptest! {
        #[test]
        fn classes_answer_as_asking_every_rule_does(
            rules in prop::collection::vec(rule(), 1..5),
            changes in prop::collection::vec((labels(), prop::option::of(0i64..10), 0i64..10), 1..30),
        ) {
            let mut inhibitor = Inhibitor::new(&rules);
            let mut alerts: BTreeMap<Labels, i64> = BTreeMap::new();
            for (alert, end, now) in changes {
                let inhibition = inhibitor.inhibition(&alert);
                let before = match end {
                    Some(end) => alerts.insert(alert.clone(), end),
                    None => alerts.remove(&alert),
                };
                inhibitor.moved(&alert, &inhibition, before, end);
                for asked in alerts.keys() {
                    let muted = inhibitor.inhibition(asked).inhibited_by(now);
                    prop_assert_eq!(muted.is_some(), naive(&rules, &alerts, asked, now), "{} at {}", asked, now);
                }
            }
        }
    }
}
