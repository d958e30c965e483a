//! Inhibition: a firing alert mutes others. Alerts that share the values of a rule's `equal` labels meet in a class,
//! which each of them holds: asking about an alert costs a look at the sources in its own classes, however many rules
//! and sources there are elsewhere.
//!
//! A rule with several sources is as many parts, one a source, and mutes where all its parts do.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking_lot::RwLock;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::model::{Labels, Matcher};

use super::config::{InhibitSource, InhibitSpec};
use super::drill::is_drill;
use super::matching::{MatcherIndex, all_match};

/// The inhibition rules and the classes in which alerts meet.
#[derive(Debug, Default)]
pub struct Inhibitor {
    parts: Vec<Part>,
    // Where a rule has several parts: of each part, the rule.
    rules: Option<Arc<Rules>>,
    // Parts with the same `equal` labels share their classes.
    equals: Vec<Equal>,
    // Of each part, the place of its labels in `equals`.
    equal_of: Vec<usize>,
    sources: MatcherIndex,
    targets: MatcherIndex,
    // Most alerts have one of few sets of parts.
    sets: FxHashSet<Arc<[u32]>>,
}

/// One source of a rule, and the rule's target.
#[derive(Debug)]
struct Part {
    source: Vec<Matcher>,
    target: Vec<Matcher>,
}

/// The rule of each part, and how many parts each rule has.
#[derive(Debug, Default)]
struct Rules {
    of_part: Vec<u32>,
    sizes: Vec<usize>,
}

/// What mutes an alert.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inhibited {
    /// The firing alerts that do; none where nothing mutes it.
    pub by: Vec<Labels>,
    /// The place of the rule by which they do, from 0.
    pub rule: Option<u64>,
}

#[derive(Debug)]
struct Equal {
    names: Vec<String>,
    parts: Vec<u32>,
    classes: FxHashMap<Labels, Arc<Class>>,
}

/// Alerts that share the values of some labels: the possible sources among them, by part. Held for as long as a look.
#[derive(Debug, Default)]
pub struct Class(RwLock<BTreeMap<u32, Sources>>);

/// The sources of one part in one class, those that end last in front: if the first is over, all are.
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
    // Where a rule has several parts.
    rules: Option<Arc<Rules>>,
}

impl Inhibitor {
    /// The rules, without sources yet.
    pub fn new(rules: &[InhibitSpec]) -> Self {
        let mut inhibitor = Inhibitor::default();
        let mut known = Rules::default();
        for (rule, spec) in (0u32..).zip(rules) {
            inhibitor.add(&spec.source, &spec.equal, &spec.target);
            for InhibitSource { matchers, equal } in &spec.also {
                inhibitor.add(matchers, equal, &spec.target);
            }
            known.of_part.resize(inhibitor.parts.len(), rule);
            known.sizes.push(1 + spec.also.len());
        }
        let several = known.sizes.iter().any(|n| *n > 1);
        inhibitor.rules = several.then(|| Arc::new(known));
        inhibitor.sources.seal();
        inhibitor.targets.seal();
        inhibitor
    }

    fn add(&mut self, source: &[Matcher], equal: &[String], target: &[Matcher]) {
        let part = u32::try_from(self.parts.len()).unwrap_or(u32::MAX);
        self.sources.insert(part, source);
        self.targets.insert(part, target);
        let place = self.equals.iter().position(|e| e.names == equal);
        let place = place.unwrap_or_else(|| {
            let (names, classes) = (equal.to_vec(), FxHashMap::default());
            self.equals.push(Equal { names, parts: Vec::new(), classes });
            self.equals.len() - 1
        });
        self.equal_of.push(place);
        self.equals.get_mut(place).into_iter().for_each(|e| e.parts.push(part));
        self.parts.push(Part { source: source.to_vec(), target: target.to_vec() });
    }

    /// What an alert has to do with the rules. Take it once, and hand it to the other functions.
    pub fn inhibition(&mut self, alert: &Labels) -> InhibitionState {
        let parts = &self.parts;
        let matching = |index: &MatcherIndex, side: fn(&Part) -> &[Matcher]| {
            let mut found = index.candidates(alert);
            found.retain(|part| parts.get(*part as usize).is_some_and(|spec| all_match(side(spec), alert)));
            found
        };
        let source_of = match is_drill(alert) {
            true => Vec::new(),
            false => matching(&self.sources, |spec| &spec.source),
        };
        let target_of = matching(&self.targets, |spec| &spec.target);
        let concerns = |part: &u32| source_of.binary_search(part).is_ok() || target_of.binary_search(part).is_ok();
        let equals = self.equals.iter_mut().enumerate().filter(|(_, e)| e.parts.iter().any(concerns));
        let classes = equals.map(|(i, e)| (i, e.classes.entry(alert.keep(&e.names)).or_default().clone())).collect();
        let rules = self.rules.clone();
        InhibitionState { source_of: self.shared(source_of), target_of: self.shared(target_of), classes, rules }
    }

    fn shared(&mut self, parts: Vec<u32>) -> Option<Arc<[u32]>> {
        if parts.is_empty() {
            return None;
        }
        if let Some(known) = self.sets.get(parts.as_slice()) {
            return Some(known.clone());
        }
        let parts: Arc<[u32]> = parts.into();
        self.sets.insert(parts.clone());
        Some(parts)
    }

    /// An alert that ended at `before` (`None`: that was not there) now ends at `after`, or is gone.
    pub fn moved(&self, alert: &Labels, inhibition: &InhibitionState, before: Option<i64>, after: Option<i64>) {
        if before == after {
            return;
        }
        for part in inhibition.source_of.iter().flat_map(|parts| parts.iter()) {
            let Some(class) = self.class_of(inhibition, *part) else { continue };
            let mut class = class.0.write();
            let sources = class.entry(*part).or_default();
            let side = match inhibition.is_target_of(*part) {
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
                class.remove(part);
            }
        }
    }

    fn class_of<'a>(&self, inhibition: &'a InhibitionState, part: u32) -> Option<&'a Class> {
        let place = self.equal_of.get(part as usize)?;
        inhibition.classes.iter().find(|(of, _)| of == place).map(|(_, class)| &**class)
    }

    /// Forgets classes and sets of parts that no alert has any more.
    pub fn collect_garbage(&mut self) {
        for equal in &mut self.equals {
            equal.classes.retain(|_, class| Arc::strong_count(class) > 1);
        }
        self.sets.retain(|set| Arc::strong_count(set) > 1);
    }
}

impl InhibitionState {
    fn is_target_of(&self, part: u32) -> bool {
        self.target_of.as_ref().is_some_and(|parts| parts.binary_search(&part).is_ok())
    }

    fn is_source_of(&self, part: u32) -> bool {
        self.source_of.as_ref().is_some_and(|parts| parts.binary_search(&part).is_ok())
    }

    /// The firing alerts that mute this one at `now`, one for each source of the first such rule, of each the one that
    /// ends last; none where nothing mutes it. An alert that is both source and target of a rule is not muted by another
    /// such alert.
    pub fn inhibited(&self, now: i64) -> Inhibited {
        if self.target_of.is_none() {
            return Inhibited::default();
        }
        let muting = self.classes.iter().flat_map(|(_, class)| {
            let class = class.0.read();
            let parts = class.iter().filter(|(part, _)| self.is_target_of(**part));
            let found =
                parts.filter_map(|(part, sources)| Some((*part, sources.firing(!self.is_source_of(*part), now)?)));
            match &self.rules {
                // Each part is a rule: the first is enough.
                None => found.take(1).collect::<Vec<_>>(),
                Some(_) => found.collect(),
            }
        });
        match &self.rules {
            None => muting.min_by_key(|(part, _)| *part).map_or_else(Inhibited::default, |(part, source)| Inhibited {
                by: vec![source],
                rule: Some(part.into()),
            }),
            Some(rules) => rules.first_complete(muting.collect()),
        }
    }
}

impl Rules {
    /// The sources of the first rule of which every part has one.
    fn first_complete(&self, mut muting: Vec<(u32, Labels)>) -> Inhibited {
        muting.sort_by_key(|(part, _)| *part);
        let rule_of = |part: u32| self.of_part.get(part as usize);
        let complete = |sources: &&[(u32, Labels)]| {
            let rule = sources.first().and_then(|(part, _)| rule_of(*part));
            rule.and_then(|rule| self.sizes.get(*rule as usize)) == Some(&sources.len())
        };
        let first = muting.chunk_by(|(a, _), (b, _)| rule_of(*a) == rule_of(*b)).find(complete);
        let rule = first.and_then(|sources| rule_of(sources.first()?.0));
        let by = first.into_iter().flatten().map(|(_, source)| source.clone()).collect();
        Inhibited { by, rule: rule.map(|rule| u64::from(*rule)) }
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
    use crate::model::MatchOp;
    use proptest::prelude::*;

    fn spec() -> InhibitSpec {
        InhibitSpec {
            source: vec![Matcher::equal("severity", "critical")],
            target: vec![Matcher::new(MatchOp::Regex, "severity", "warning|critical").unwrap()],
            equal: vec!["cluster".into(), "node".into()],
            ..InhibitSpec::default()
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
            assert_eq!(inhibitor.inhibition(&target).inhibited(now).by.is_empty(), !muted, "{why}");
        }
        let target = inhibitor.inhibition(&labels(&[("severity", "warning"), ("cluster", "a")]));
        inhibitor.moved(&source, &inhibition, Some(1000), None);
        assert!(target.inhibited(0).by.is_empty());
        drop((inhibition, target));
        inhibitor.collect_garbage();
        assert!(inhibitor.equals[0].classes.is_empty() && inhibitor.sets.is_empty(), "nothing is kept");
    }

    #[test]
    fn a_rule_with_several_sources_mutes_where_all_fire() {
        let labels = |name: &str, zone: &str| Labels::from_pairs([("alertname", name), ("zone", zone)]);
        let source = |name: &str, equal: &[&str]| InhibitSource {
            matchers: vec![Matcher::equal("alertname", name)],
            equal: equal.iter().map(|l| (*l).into()).collect(),
        };
        let (InhibitSource { matchers, equal }, parser) = (source("writer", &["zone"]), source("parser", &[]));
        let target = vec![Matcher::equal("alertname", "info")];
        let rule = InhibitSpec { source: matchers, equal, target, also: vec![parser], ..InhibitSpec::default() };
        let mut inhibitor = Inhibitor::new(&[rule]);
        let (writer, parser) = (labels("writer", "a"), labels("parser", "b"));
        let mut fire = |alert: &Labels, before, after| {
            let inhibition = inhibitor.inhibition(alert);
            inhibitor.moved(alert, &inhibition, before, after);
            ["a", "b"].map(|zone| inhibitor.inhibition(&labels("info", zone)).inhibited(0).by)
        };
        assert_eq!(fire(&writer, None, Some(9)), [vec![], vec![]]);
        assert_eq!(fire(&parser, None, Some(9)), [vec![writer.clone(), parser.clone()], vec![]]);
        assert_eq!(fire(&writer, Some(9), None), [vec![], vec![]]);
    }

    /// Every rule asked about every alert.
    fn naive(rules: &[InhibitSpec], alerts: &BTreeMap<Labels, i64>, target: &Labels, now: i64) -> bool {
        let firing = || alerts.iter().filter(|(_, end)| **end > now).map(|(l, _)| l);
        let source = |rule: &InhibitSpec, matchers: &[Matcher], equal: &[String]| {
            firing().any(|source| {
                let both = all_match(matchers, target) && all_match(&rule.target, source);
                all_match(matchers, source) && !both && source.keep(equal) == target.keep(equal)
            })
        };
        rules.iter().any(|r| {
            all_match(&r.target, target)
                && source(r, &r.source, &r.equal)
                && r.also.iter().all(|s| source(r, &s.matchers, &s.equal))
        })
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
        let equal = || prop::sample::select(vec![vec![], vec!["c".to_owned()], vec!["b".to_owned(), "c".to_owned()]]);
        let side = move || prop::collection::vec(matcher(), 1..3);
        let source = (side(), equal()).prop_map(|(matchers, equal)| InhibitSource { matchers, equal });
        let also = prop_oneof![3 => Just(vec![]), 2 => prop::collection::vec(source, 1..3)];
        (side(), side(), equal(), also).prop_map(|(source, target, equal, also)| InhibitSpec {
            source,
            target,
            equal,
            also,
            ..InhibitSpec::default()
        })
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
                    let muted = inhibitor.inhibition(asked).inhibited(now).by;
                    prop_assert_eq!(!muted.is_empty(), naive(&rules, &alerts, asked, now), "{} at {}", asked, now);
                }
            }
        }
    }
}
