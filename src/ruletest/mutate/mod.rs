//! Alters rules and routes one at a time, and tells which alterations no test notices.

mod expression;
mod routes;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::alerting::rule::{GroupSpec, RuleKind, RuleSpec};
use crate::model::{Diagnostic, duration};
use crate::promql::{CompileOptions, Features, compile};

use super::case::TestFile;
use super::files::{Options, load};
use super::groups::LoadedGroups;
use super::run::{How, run_test};

/// What was altered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Alteration {
    /// The file of the rule, or the Alertmanager configuration.
    pub file: Arc<str>,
    /// The place of the group and of the rule in it; of an alteration of routing the last place there is.
    place: (usize, usize),
    /// The rule's name, the route or the inhibition rule.
    pub of: String,
    /// What became of it.
    pub what: String,
}

/// One alteration, and what the tests are run over with it.
struct Mutant {
    alteration: Alteration,
    groups: LoadedGroups,
}

/// What came of all alterations.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Alterations, and whether a test noticed them.
    pub alterations: BTreeMap<Alteration, bool>,
}

impl Verdict {
    /// How many alterations were noticed.
    pub fn noticed(&self) -> usize {
        self.alterations.values().filter(|noticed| **noticed).count()
    }

    /// Those that no test noticed.
    pub fn unnoticed(&self) -> impl Iterator<Item = &Alteration> {
        self.alterations.iter().filter(|(_, noticed)| !**noticed).map(|(alteration, _)| alteration)
    }

    /// The share that was noticed, per cent; all of nothing is 100.
    pub fn percent(&self) -> f64 {
        match self.alterations.len() {
            0 => 100.0,
            all => 100.0 * self.noticed() as f64 / all as f64,
        }
    }
}

/// Why nothing could be altered.
#[derive(Debug)]
pub enum MutateError {
    /// The files are not well formed.
    BadInput(Vec<Diagnostic>),
    /// Tests fail as they are: nothing can be said of alterations.
    Failing(PathBuf),
}

/// Alters what test files test. An alteration of what several files test is noticed when one of them notices it.
///
/// # Errors
/// Files that cannot be read, or whose tests fail as they are.
pub fn mutate(files: &[PathBuf], options: &Options) -> Result<Verdict, MutateError> {
    let mut verdict = Verdict::default();
    for path in files {
        let (file, groups) = load(path, options).map_err(MutateError::BadInput)?;
        if is_noticed(&file, &groups, options) {
            return Err(MutateError::Failing(path.clone()));
        }
        let mutants: Vec<Mutant> = mutants(&file, &groups, options.features)
            .into_iter()
            .filter(|m| verdict.alterations.get(&m.alteration) != Some(&true))
            .collect();
        for (mutant, noticed) in mutants.iter().zip(run_all(&mutants, &file, options)) {
            let known = verdict.alterations.entry(mutant.alteration.clone()).or_default();
            *known |= noticed;
        }
    }
    Ok(verdict)
}

/// Of each mutant whether a test notices it; several at a time.
fn run_all(mutants: &[Mutant], file: &TestFile, options: &Options) -> Vec<bool> {
    let next = AtomicUsize::new(0);
    let noticed = Mutex::new(vec![false; mutants.len()]);
    let machine = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = if options.threads == 0 { machine } else { options.threads };
    std::thread::scope(|scope| {
        for _ in 0..threads.min(mutants.len()) {
            scope.spawn(|| {
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    let Some(mutant) = mutants.get(i) else { return };
                    if is_noticed(file, &mutant.groups, options)
                        && let Some(slot) = noticed.lock().get_mut(i)
                    {
                        *slot = true;
                    }
                }
            });
        }
    });
    noticed.into_inner()
}

/// Whether any test of a file fails over these groups.
fn is_noticed(file: &TestFile, groups: &LoadedGroups, options: &Options) -> bool {
    let how = How { features: options.features, covers: false };
    let tests = file.tests.iter().filter(|t| options.runs(&t.name));
    tests.into_iter().any(|test| !run_test(file, test, groups, how).failures.is_empty())
}

fn mutants(file: &TestFile, groups: &LoadedGroups, features: Features) -> Vec<Mutant> {
    let mut out = Vec::new();
    for (g, group) in groups.groups.iter().enumerate() {
        for (r, rule) in group.rules.iter().enumerate() {
            for (what, altered) in altered_rules(rule, features) {
                let of = format!("{} {}", rule.kind_name(), rule.name);
                let alteration = Alteration { file: group.key.file.clone(), place: (g, r), of, what };
                out.push(Mutant { alteration, groups: with_rule(groups, (g, r), altered) });
            }
        }
    }
    let is_routed = file.tests.iter().any(|t| !t.notification_tests.is_empty());
    let Some(routing) = groups.routing.as_ref().filter(|_| is_routed) else { return out };
    for (of, what, altered) in routes::altered(routing) {
        let place = (usize::MAX, usize::MAX);
        let groups = LoadedGroups { routing: Some(Arc::new(altered)), ..groups.clone() };
        out.push(Mutant { alteration: Alteration { file: routing.name(), place, of, what }, groups });
    }
    out
}

/// The groups with another rule at a place.
fn with_rule(groups: &LoadedGroups, (g, r): (usize, usize), rule: RuleSpec) -> LoadedGroups {
    let mut altered = groups.clone();
    if let Some(slot) = altered.groups.get_mut(g) {
        let mut group = GroupSpec::clone(slot);
        if let Some(old) = group.rules.get_mut(r) {
            *old = Arc::new(rule);
        }
        *slot = Arc::new(group);
    }
    altered
}

/// All alterations of a rule.
fn altered_rules(rule: &RuleSpec, features: Features) -> Vec<(String, RuleSpec)> {
    let mut out = Vec::new();
    for edit in expression::edits(rule.plan.source(), features) {
        let text = edit.apply(rule.plan.source());
        let Ok(plan) = compile(&text, &CompileOptions { features }) else { continue };
        if plan.source() != rule.plan.source() {
            out.push((edit.what, RuleSpec { plan, expr: text.into(), ..rule.clone() }));
        }
    }
    if let RuleKind::Alerting { hold, keep_firing, annotations } = &rule.kind {
        let mut push = |what: String, hold: i64, keep_firing: i64| {
            let kind = RuleKind::Alerting { hold, keep_firing, annotations: annotations.clone() };
            out.push((what, RuleSpec { kind, ..rule.clone() }));
        };
        if *hold > 0 {
            let text = duration::format(*hold);
            push(format!("for: {text} becomes 0s"), 0, *keep_firing);
            push(format!("for: {text} becomes {}", duration::format(hold * 2)), hold * 2, *keep_firing);
        }
        if *keep_firing > 0 {
            push(format!("keep_firing_for: {} becomes 0s", duration::format(*keep_firing)), *hold, 0);
        }
    }
    for (i, (name, value)) in rule.labels.iter().enumerate() {
        let mut labels = rule.labels.clone();
        labels.remove(i);
        out.push((format!("label {name}: {value} is taken away"), RuleSpec { labels, ..rule.clone() }));
    }
    out
}
