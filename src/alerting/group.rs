//! Evaluation of a group at one time: its rules in order, each rule's output written before the next one runs.

use std::sync::Arc;
use std::time::Duration;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::clock::Stopwatch;
use crate::model::{Labels, Value};
use crate::promql::EvalStats;
use crate::rules::PartialResponse;

use super::alert::AlertTable;
pub use super::append::{Appended, Refused};
use super::machine::{self, Instance, Terms, Transition};
pub use super::naming::Element;
use super::naming::Names;
use super::rule::{GroupKey, GroupSpec, RuleKind, RuleSpec};
use super::series::{self, RuleSample};

/// A rule's result: an instant vector (a scalar is one element without labels), and what the engine remarked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RuleResult {
    /// The elements.
    pub elements: Vec<Element>,
    /// Warnings, in the query engine's words.
    pub warnings: Vec<String>,
    /// Infos, in the query engine's words.
    pub infos: Vec<String>,
    /// Why the result was made from a part of the data, where it was.
    pub partial: Option<String>,
    /// What the query cost.
    pub stats: EvalStats,
}

/// The template a label or an annotation is rendered from, with what it may refer to.
#[derive(Clone, Copy, Debug)]
pub struct TemplateInput<'a> {
    /// The group of the rule.
    pub group: &'a GroupKey,
    /// The rule it belongs to.
    pub rule: &'a RuleSpec,
    /// The template's text.
    pub text: &'a str,
    /// `$labels`: the element's labels, metric name included.
    pub labels: &'a Labels,
    /// `$value`.
    pub value: &'a Value,
    /// The evaluation's time, for `query`.
    pub at: i64,
}

/// What evaluation needs of the world around it: something to query, to write to, and to render templates with.
pub trait World: Send + Sync {
    /// Evaluates a rule's expression at a time.
    ///
    /// # Errors
    /// The text shown as the rule's last error.
    fn query(&self, rule: &RuleSpec, at: i64) -> Result<RuleResult, String>;

    /// A rule of a group has been [asked](World::query) what it gives at a time: this, after so long. For whoever keeps
    /// note of queries.
    fn answered(&self, _of: (&GroupKey, &RuleSpec), _at: i64, _gave: &Result<RuleResult, String>, _took: Duration) {}

    /// What an alerting rule compares, whatever it is compared with: of `x > 5` the values of `x`. `None` where the rule
    /// compares nothing, or nobody asks here.
    fn measured(&self, _rule: &RuleSpec, _at: i64) -> Option<Vec<Element>> {
        None
    }

    /// Renders a template. A failing one gives its error text, as Prometheus words it: the alert is not lost.
    fn render(&self, input: TemplateInput<'_>) -> String;

    /// Writes samples; later queries see them.
    ///
    /// # Errors
    /// Storage failed altogether.
    fn append(&self, samples: &[RuleSample]) -> Result<Appended, String>;

    /// This world for evaluations that begin together: they may share what their rules have in common, and must not be
    /// told apart from evaluations that share nothing. `None` where nothing is to be shared.
    fn tick(self: Arc<Self>) -> Option<Arc<dyn World>> {
        None
    }

    /// From here on these groups are evaluated, at one time in this order, and one after the other. Who says so must keep
    /// to it; a world may then look ahead.
    fn open(&self, _groups: &[Arc<GroupSpec>]) {}

    /// An evaluation begins. What is queried and appended until the next one begins belongs to it.
    fn begin(&self, _evaluation: &Evaluation) {}

    /// Until when the rules of the evaluation will have no result at all, where that is known beyond the next evaluation.
    fn idle_until(&self, _evaluation: &Evaluation) -> Option<i64> {
        None
    }
}

/// How a rule fared at its last evaluation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Health {
    /// Not evaluated yet.
    #[default]
    Unknown,
    /// Evaluated.
    Good,
    /// Failed.
    Bad,
}

impl Health {
    /// The API's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Health::Unknown => "unknown",
            Health::Good => "ok",
            Health::Bad => "err",
        }
    }
}

/// What a rule carries from one evaluation to the next.
#[derive(Clone, Debug, Default)]
pub struct RuleState {
    /// Its alerts; empty for a recording rule.
    pub alerts: Arc<AlertTable>,
    /// How it fared.
    pub health: Health,
    /// Why it failed, when it did.
    pub last_error: Option<Arc<str>>,
    /// Warnings of the last evaluation.
    pub warnings: Arc<[String]>,
    /// Infos of the last evaluation.
    pub infos: Arc<[String]>,
    /// When it was last evaluated, milliseconds.
    pub evaluated_at: Option<i64>,
    /// How long that took, seconds.
    pub duration: f64,
    /// What storage refused of what it gave at the last evaluation.
    pub refused: Refused,
    /// The series it wrote, for staleness markers.
    pub written: Arc<Vec<Labels>>,
    /// How a recording rule names its series.
    pub names: Names,
    /// The last evaluation before the process ended, until the rule has been evaluated again.
    pub restored_from: Option<i64>,
}

/// What a group carries from one evaluation to the next.
#[derive(Clone, Debug, Default)]
pub struct GroupState {
    /// One for each rule, in order.
    pub rules: Vec<RuleState>,
    /// When the group was last evaluated, milliseconds.
    pub evaluated_at: Option<i64>,
    /// How long that took, seconds.
    pub duration: f64,
    /// Series of rules that a reload removed, to be marked stale at the next evaluation.
    pub orphans: Vec<Labels>,
}

impl GroupState {
    /// The state of a group that has not been evaluated.
    pub fn new(rules: usize) -> Self {
        GroupState { rules: vec![RuleState::default(); rules], ..GroupState::default() }
    }

    /// Whether an evaluation without any result would leave it as it is.
    fn is_idle(&self) -> bool {
        let idle = |r: &RuleState| r.health == Health::Good && r.alerts.is_empty() && r.written.is_empty();
        self.orphans.is_empty() && self.rules.iter().all(idle)
    }
}

/// One evaluation to be carried out by a driver: everything it needs but the world.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// Which place in the engine it belongs to.
    pub slot: u64,
    /// The group.
    pub spec: Arc<GroupSpec>,
    /// Its state before.
    pub state: Arc<GroupState>,
    /// The time to evaluate at, milliseconds.
    pub at: i64,
}

/// What an evaluation gave.
#[derive(Clone, Debug)]
pub struct Evaluated {
    /// The place in the engine it belongs to.
    pub slot: u64,
    /// The time it was evaluated at.
    pub at: i64,
    /// The state after.
    pub state: GroupState,
    /// What became of alerts, with the index of their rule.
    pub transitions: Vec<(usize, Transition)>,
    /// Samples written, staleness markers not counted.
    pub samples: u64,
    /// Samples refused.
    pub refused: Refused,
    /// Rules that failed.
    pub failures: u64,
    /// Evaluations before this time would change nothing and need not be made.
    pub idle_until: Option<i64>,
}

impl Evaluation {
    /// What the evaluation gives when it could not be carried out at all: every rule failed, no alert changed.
    pub fn failed(&self, why: &str) -> Evaluated {
        let mut state = (*self.state).clone();
        for rule in &mut state.rules {
            rule.health = Health::Bad;
            rule.last_error = Some(why.into());
            rule.evaluated_at = Some(self.at);
        }
        let failures = self.spec.rules.len() as u64;
        let (samples, refused, transitions) = (0, Refused::default(), Vec::new());
        let idle_until = None;
        Evaluated { slot: self.slot, at: self.at, state, transitions, samples, refused, failures, idle_until }
    }

    /// Carries the evaluation out. Neither waits for anything but the world, nor touches the state before.
    pub fn run(&self, world: &dyn World) -> Evaluated {
        let watch = Stopwatch::start();
        world.begin(self);
        let mut out = Evaluated {
            slot: self.slot,
            at: self.at,
            state: (*self.state).clone(),
            transitions: Vec::new(),
            samples: 0,
            refused: Refused::default(),
            failures: 0,
            idle_until: None,
        };
        let mut rules = std::mem::take(&mut out.state.rules);
        let mut begun = watch.elapsed().as_secs_f64();
        for (index, (rule, state)) in self.spec.rules.iter().zip(&mut rules).enumerate() {
            let result = self.rule(index, rule, state, world, &mut out);
            let ended = watch.elapsed().as_secs_f64();
            state.duration = ended - std::mem::replace(&mut begun, ended);
            state.evaluated_at = Some(self.at);
            out.failures += u64::from(result.is_err());
            state.refused = *result.as_ref().unwrap_or(&Refused::default());
            // As in Prometheus, a rule whose samples storage refused is shown as bad; but it was evaluated.
            let error = result.map_or_else(Some, |refused| refused.first_reason().map(str::to_owned));
            state.health = if error.is_none() { Health::Good } else { Health::Bad };
            state.last_error = error.map(Arc::from);
        }
        out.state.rules = rules;
        self.mark_orphans(world, &mut out);
        out.state.evaluated_at = Some(self.at);
        out.state.duration = watch.elapsed().as_secs_f64();
        out.idle_until = if out.state.is_idle() { world.idle_until(self) } else { None };
        out
    }

    /// Evaluates one rule and writes its output. Gives what storage refused of it.
    fn rule(
        &self,
        index: usize,
        rule: &Arc<RuleSpec>,
        state: &mut RuleState,
        world: &dyn World,
        out: &mut Evaluated,
    ) -> Result<Refused, String> {
        // Expressions look at the past by the query offset, and what they give is written there.
        let t = self.at - self.spec.query_offset;
        let watch = Stopwatch::start();
        let result = world.query(rule, t);
        world.answered((&self.spec.key, rule), t, &result, watch.elapsed());
        let result = result?;
        if !result.warnings.is_empty() || !state.warnings.is_empty() {
            state.warnings = result.warnings.into();
        }
        if !result.infos.is_empty() || !state.infos.is_empty() {
            state.infos = result.infos.into();
        }
        // What is missing may well be there: nothing resolves for want of an answer.
        if let Some(why) = result.partial.filter(|_| self.spec.partial_response == PartialResponse::Abort) {
            return Err(format!("partial response: {why}"));
        }
        let samples = match &rule.kind {
            RuleKind::Recording => record(rule, state, result.elements, t, self.spec.limit)?,
            RuleKind::Alerting { hold, keep_firing, annotations } => {
                let terms = Terms { hold: *hold, keep_firing: *keep_firing, limit: self.spec.limit };
                let instances = self.instances(rule, annotations, &result.elements, world);
                self.alerts((index, rule), state, instances, &terms, world, &mut out.transitions)?;
                series::alert_samples(&state.alerts, t)
            }
        };
        self.write(state, samples, t, world, out)
    }

    fn alerts(
        &self,
        (index, rule): (usize, &RuleSpec),
        state: &mut RuleState,
        instances: Vec<Instance>,
        terms: &Terms,
        world: &dyn World,
        transitions: &mut Vec<(usize, Transition)>,
    ) -> Result<(), String> {
        if instances.is_empty() && state.alerts.is_empty() {
            state.restored_from = None;
            return Ok(());
        }
        let mut table = (*state.alerts).clone();
        let mut told = Vec::new();
        if let Some(before) = state.restored_from.take() {
            discount_outage(&mut table, before, self.at, self.spec.interval, &mut told);
        }
        let stepped = machine::step(&mut table, instances, self.at, terms, &mut told);
        state.alerts = Arc::new(table);
        self.measure_resolved(rule, &mut told, world);
        transitions.extend(told.into_iter().map(|t| (index, t)));
        stepped.map_err(|e| e.to_string())
    }

    /// Notes of alerts that have resolved what is measured now: messages may say how low it went.
    fn measure_resolved(&self, rule: &RuleSpec, told: &mut [Transition], world: &dyn World) {
        let is_over = |t: &&mut Transition| matches!(t, Transition::Resolved(_));
        if !told.iter().any(|t| matches!(t, Transition::Resolved(_))) {
            return;
        }
        let Some(elements) = world.measured(rule, self.at - self.spec.query_offset) else { return };
        let values = self.instances(rule, &[], &elements, world).into_iter().map(|i| (i.labels, i.value));
        let values: FxHashMap<Labels, f64> = values.collect();
        for transition in told.iter_mut().filter(is_over) {
            let alert = transition.alert_mut();
            alert.resolved_value = values.get(&alert.labels).copied();
        }
    }

    fn instances(
        &self,
        rule: &RuleSpec,
        annotations: &[(String, String)],
        elements: &[Element],
        world: &dyn World,
    ) -> Vec<Instance> {
        let one = |element: &Element| {
            let render = |text: &str| match text.contains("{{") {
                false => text.to_owned(),
                true => {
                    let Element { labels, value } = element;
                    world.render(TemplateInput { group: &self.spec.key, rule, text, labels, value, at: self.at })
                }
            };
            let labels: Vec<(&str, String)> = rule.labels.iter().map(|(n, v)| (n.as_str(), render(v))).collect();
            Instance {
                labels: series::alert_labels(&element.labels, &labels, &rule.name),
                annotations: render_annotations(annotations, render),
                value: element.value.as_float().unwrap_or(0.0),
            }
        };
        elements.iter().map(one).collect()
    }

    /// Writes a rule's samples, and staleness markers for the series it wrote before and no longer does. What storage
    /// refused of it is not written.
    fn write(
        &self,
        state: &mut RuleState,
        samples: Vec<RuleSample>,
        t: i64,
        world: &dyn World,
        out: &mut Evaluated,
    ) -> Result<Refused, String> {
        out.samples += samples.len() as u64;
        let Appended { refused, places } = match samples.is_empty() {
            true => Appended::default(),
            false => world.append(&samples)?,
        };
        out.refused.add(refused);
        let same = places.is_empty()
            && samples.len() == state.written.len()
            && samples.iter().zip(state.written.iter()).all(|(s, w)| s.labels == *w);
        if same {
            return Ok(refused);
        }
        let is_written = |place: &usize| places.binary_search(place).is_err();
        let written = samples.iter().enumerate().filter(|(place, _)| is_written(place));
        let written: Vec<Labels> = written.map(|(_, s)| s.labels.clone()).collect();
        let now: FxHashSet<&Labels> = written.iter().collect();
        let gone = state.written.iter().filter(|l| !now.contains(l));
        let ended: Vec<RuleSample> = gone.map(|l| RuleSample::stale(l.clone(), t)).collect();
        // A marker that is refused is nothing to tell: another rule goes on writing the series.
        let marked = if ended.is_empty() { Ok(Appended::default()) } else { world.append(&ended) };
        let mut written = written;
        if marked.is_err() {
            // They are marked at the next evaluation.
            written.extend(ended.into_iter().map(|marker| marker.labels));
        }
        state.written = Arc::new(written);
        marked.map(|_| refused)
    }

    /// Marks stale what removed rules wrote, unless a rule of this group goes on writing it.
    fn mark_orphans(&self, world: &dyn World, out: &mut Evaluated) {
        let orphans = std::mem::take(&mut out.state.orphans);
        if orphans.is_empty() {
            return;
        }
        let alive: FxHashSet<&Labels> = out.state.rules.iter().flat_map(|r| r.written.iter()).collect();
        let t = self.at - self.spec.query_offset;
        let ended: Vec<Labels> = orphans.into_iter().filter(|l| !alive.contains(l)).collect();
        let markers: Vec<RuleSample> = ended.iter().map(|l| RuleSample::stale(l.clone(), t)).collect();
        // As above.
        if world.append(&markers).is_err() {
            out.state.orphans = ended;
        }
    }
}

/// Annotations usually ascend by name. Other than a label, an empty one is there, as in Prometheus.
fn render_annotations(annotations: &[(String, String)], render: impl Fn(&str) -> String) -> Labels {
    let mut rendered: Vec<(&str, String)> = annotations.iter().map(|(n, v)| (n.as_str(), render(v))).collect();
    if !rendered.is_sorted_by(|(a, _), (b, _)| a < b) {
        rendered.sort_by_key(|(name, _)| *name);
        rendered.dedup_by_key(|(name, _)| *name);
    }
    Labels::from_sorted(rendered.iter().map(|(n, v)| (*n, v.as_str())))
}

/// The samples of a recording rule.
fn record(
    rule: &Arc<RuleSpec>,
    state: &mut RuleState,
    elements: Vec<Element>,
    t: i64,
    limit: usize,
) -> Result<Vec<RuleSample>, String> {
    let names = state.names.of(rule, &elements)?;
    if limit > 0 && elements.len() > limit {
        return Err(format!("exceeded limit of {limit} with {} series", elements.len()));
    }
    let sample = |(element, labels): (Element, &Labels)| RuleSample { labels: labels.clone(), t, value: element.value };
    Ok(elements.into_iter().zip(names.series()).map(sample).collect())
}

/// Keeps the time that the process was down out of the pending alerts' `for`. One missed evaluation is no outage: a
/// restart between two evaluations must not delay a page.
fn discount_outage(table: &mut AlertTable, before: i64, at: i64, interval: i64, told: &mut Vec<Transition>) {
    let gap = at - before;
    if gap <= 2 * interval {
        return;
    }
    for alert in table.values_mut().filter(|a| a.state == super::AlertState::Pending) {
        alert.unobserved += gap - interval;
        told.push(Transition::Pending(alert.clone()));
    }
}

#[cfg(test)]
mod tests;
