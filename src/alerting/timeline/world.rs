//! The world of a timeline: what rules query, and where their output goes.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use super::super::group::{Appended, Evaluation, RuleResult, RuleState, TemplateInput, World};
use super::super::rule::{GroupSpec, RuleSpec};
use super::super::series::RuleSample;
use super::super::world::{Renderer, RuleContext};
use super::ahead;
use super::column::{self, Column, Stretch};
use super::history::{History, ViewAhead, ViewAtTick};
use super::reads::{self, Outlook};
use crate::datasource::LocalQuerier;
use crate::model::Labels;
use crate::promql::{CompileOptions, EvalEnv, VectorSample, compile};
use crate::tsdb::Queryable;

/// Most ticks that are usually evaluated ahead as one range query.
pub const MOST_TICKS: usize = 2_048;

/// The most points that all rules together hold of what was evaluated ahead: some 50 MB.
const MOST_POINTS: usize = 2_000_000;

/// The next try at looking ahead for a rule that waits for what others write, in ticks.
const NEXT_TRY: i64 = 16;

/// What surrounds the rules of a timeline.
pub struct Terms {
    /// What surrounds every query.
    pub env: EvalEnv,
    /// How queries of templates are compiled.
    pub options: CompileOptions,
    /// `$externalLabels`.
    pub external_labels: Labels,
    /// `$externalURL`.
    pub external_url: Arc<str>,
    /// Renders labels and annotations.
    pub renderer: Arc<dyn Renderer>,
    /// The time of the last evaluation: nothing beyond it is evaluated ahead.
    pub until: i64,
    /// Most ticks that are evaluated ahead at once, usually [`MOST_TICKS`]. With 1, every rule is evaluated at its ticks, to
    /// the same effect.
    pub ticks_ahead: usize,
    /// Whether what rules wrote is forgotten once no rule looks back to it: a replay of months needs that. Who queries the
    /// world sees what is left.
    pub forgets: bool,
}

/// A world whose data is there already. See the [module](super).
pub struct TimelineWorld {
    history: Arc<History>,
    context: RuleContext,
    terms: Terms,
    outlook: Mutex<Prospect>,
}

/// What is known of the groups that are evaluated.
#[derive(Default)]
struct Prospect {
    groups: Vec<Group>,
    rules: Vec<Rule>,
    is_open: bool,
    by_address: FxHashMap<usize, usize>,
    /// Groups that are yet to be evaluated since a reload: series of rules that are gone end with that.
    awaited: usize,
    current: Option<Current>,
    /// How many ticks the next stretch has, and at most.
    ticks: usize,
    most_ticks: usize,
    points: usize,
    /// How far rules look back at most, where that is known.
    reach: Option<i64>,
    next_trim: i64,
}

struct Group {
    spec: Arc<GroupSpec>,
    first: usize,
    is_awaited: bool,
    /// When there is something to evaluate ahead again.
    next_try: i64,
}

struct Rule {
    outlook: Outlook,
    alone: Option<Arc<GroupSpec>>,
    column: Option<Column>,
    next_try: i64,
    /// What it writes is known of all evaluations before this time.
    known_until: i64,
}

/// The evaluation under way.
#[derive(Clone, Copy)]
struct Current {
    group: usize,
    at: i64,
    /// The rule that is next to be queried, by its place in the group.
    next: usize,
}

impl TimelineWorld {
    /// The world of all that `data` holds.
    pub fn new(data: Box<dyn Queryable>, terms: Terms) -> Self {
        let history = Arc::new(History::new(data));
        let context = RuleContext {
            querier: Arc::new(LocalQuerier::new(Arc::new(ViewAtTick(history.clone())))),
            env: terms.env.clone(),
            timeout: Duration::MAX,
            options: terms.options.clone(),
            external_labels: terms.external_labels.clone(),
            external_url: terms.external_url.clone(),
            common: None,
            tells_values: false,
        };
        TimelineWorld { history, context, terms, outlook: Mutex::default() }
    }

    /// Evaluates an expression over what there is at the time that has come.
    ///
    /// # Errors
    /// Why it does not compile or cannot be evaluated.
    pub fn instant(&self, expr: &str, at: i64) -> Result<Vec<VectorSample>, String> {
        self.context.template_query(expr, at, &self.context.env()).map(|(samples, _)| samples)
    }

    /// The same, as the result of a rule: with what the query engine remarks.
    ///
    /// # Errors
    /// Why it does not compile or cannot be evaluated.
    pub fn evaluate(&self, expr: &str, at: i64) -> Result<RuleResult, String> {
        let plan = compile(expr, &self.terms.options).map_err(|e| e.to_string())?;
        self.context.evaluate(&plan, at, &self.context.env())
    }

    /// How many elements an expression has at each of so many ticks, over what there is at the time that has come.
    ///
    /// # Errors
    /// Why it does not compile or cannot be evaluated.
    pub fn counts(&self, expr: &str, start: i64, step: i64, ticks: usize) -> Result<Vec<u32>, String> {
        let plan = compile(expr, &self.terms.options).map_err(|e| e.to_string())?;
        let view = ViewAtTick(self.history.clone());
        column::counts(&plan, &view, &self.terms.env, Stretch { start, step, ticks })
    }

    /// Lets the time come until `now`: data until then is there. Evaluations do so by themselves.
    pub fn come_to(&self, now: i64) {
        self.history.set_now(now);
    }

    /// The names of all metrics, sorted.
    pub fn metric_names(&self) -> Vec<String> {
        let view = ViewAtTick(self.history.clone());
        view.label_values(crate::model::METRIC_NAME, &[], i64::MIN, i64::MAX).unwrap_or_default()
    }

    /// Evaluates ahead what can be, for the rules of a group at one of its evaluations.
    fn look_ahead(&self, prospect: &mut Prospect, group: usize, evaluation: &Evaluation) {
        let Some(Group { spec, first, next_try, .. }) = prospect.groups.get(group) else { return };
        let (spec, first, interval) = (spec.clone(), *first, evaluation.spec.interval);
        if evaluation.at < *next_try || !evaluation.state.orphans.is_empty() {
            return;
        }
        self.history.settle();
        for (place, rule) in spec.rules.iter().enumerate() {
            let index = first + place;
            let Some(stretch) = prospect.stretch(index, evaluation.at, interval, self.terms.until) else { continue };
            if stretch.ticks > 1 {
                self.evaluate_ahead(prospect, index, rule, stretch, evaluation.state.rules.get(place), &spec);
            }
        }
        let rules = prospect.rules.get(first..first + spec.rules.len()).unwrap_or_default();
        let next_try = rules.iter().filter(|r| r.outlook.ahead).map(|r| r.next_try).min().unwrap_or(i64::MAX);
        if let Some(group) = prospect.groups.get_mut(group) {
            group.next_try = next_try;
        }
    }

    /// Forgets what rules wrote where no rule looks back to, if the terms say so: from time to time, as each time looks at
    /// all series.
    fn trim(&self, prospect: &mut Prospect, now: i64) {
        if let Some(reach) = prospect.reach.filter(|_| self.terms.forgets && now >= prospect.next_trim) {
            self.history.forget_before(now.saturating_sub(reach));
            prospect.next_trim = now.saturating_add(reach);
        }
    }

    fn evaluate_ahead(
        &self,
        prospect: &mut Prospect,
        index: usize,
        rule: &RuleSpec,
        stretch: Stretch,
        state: Option<&RuleState>,
        spec: &GroupSpec,
    ) {
        prospect.drop_column(index);
        let view = ViewAhead(&self.history);
        let column = Column::of(&rule.plan, &view, &self.terms.env, stretch, spec.query_offset, MOST_POINTS / 4);
        let (Some(known), Some(state)) = (prospect.rules.get_mut(index), state) else { return };
        known.next_try = stretch.end();
        let Some(column) = column else { return };
        known.next_try = column.stretch.end();
        if let Some(alone) = known.alone.as_ref().filter(|_| known.outlook.is_read) {
            let render = |input: TemplateInput<'_>| self.render(input);
            ahead::write(alone, state, &column, &self.history, &render);
            known.known_until = column.stretch.end();
        }
        prospect.points += column.points();
        known.column = Some(column);
        prospect.adapt();
    }
}

impl Prospect {
    fn open(&mut self, groups: &[Arc<GroupSpec>], ticks: usize, lookback: i64) {
        let again = self.is_open;
        *self = Prospect { ticks, most_ticks: ticks, is_open: true, ..Prospect::default() };
        let rules: Vec<(&RuleSpec, i64)> =
            groups.iter().flat_map(|g| g.rules.iter().map(|r| (&**r, g.query_offset))).collect();
        let mut outlook = reads::outlook(&rules).into_iter();
        let reach = rules.iter().map(|(rule, offset)| Some(reads::reach(rule)? + offset));
        self.reach = reach.map(|r| Some(r? + lookback)).try_fold(lookback, |a, b| Some(a.max(b?)));
        for spec in groups {
            self.by_address.insert(Arc::as_ptr(spec) as usize, self.groups.len());
            let first = self.rules.len();
            for (rule, outlook) in spec.rules.iter().zip(&mut outlook) {
                let alone = (outlook.ahead && outlook.is_read).then(|| ahead::alone(spec, rule));
                let (next_try, known_until) = (i64::MIN, i64::MIN);
                self.rules.push(Rule { outlook, alone, column: None, next_try, known_until });
            }
            self.groups.push(Group { spec: spec.clone(), first, is_awaited: again, next_try: i64::MIN });
        }
        self.awaited = if again { groups.len() } else { 0 };
    }

    /// The group of an evaluation that begins.
    fn begin(&mut self, evaluation: &Evaluation) -> Option<usize> {
        let group = self.by_address.get(&(Arc::as_ptr(&evaluation.spec) as usize)).copied();
        self.current = group.map(|group| Current { group, at: evaluation.at, next: 0 });
        group
    }

    /// Whether nothing is to be looked at ahead yet. The group itself has its turn once it was evaluated.
    fn awaits(&mut self, group: usize) -> bool {
        let before = self.awaited;
        if let Some(group) = self.groups.get_mut(group)
            && std::mem::take(&mut group.is_awaited)
        {
            self.awaited -= 1;
        }
        before > 0
    }

    /// The ticks over which a rule can be evaluated ahead from a time on; `None` when it cannot, or was.
    fn stretch(&mut self, index: usize, start: i64, step: i64, until: i64) -> Option<Stretch> {
        let rule = self.rules.get(index).filter(|r| r.outlook.ahead && r.next_try <= start)?;
        let known = rule.outlook.writers.iter().filter_map(|w| self.rules.get(*w)).map(|w| w.known_until).min();
        let ticks_before = |end: i64| end.checked_sub(start).map_or(0, |left| (left.max(0) + step - 1) / step);
        let known = known.map_or(i64::MAX, ticks_before);
        let left = until.checked_sub(start).map_or(0, |left| left.div_euclid(step) + 1);
        let ticks = usize::try_from(known.min(left)).unwrap_or(0).min(self.ticks);
        let rule = self.rules.get_mut(index)?;
        rule.next_try = start.saturating_add(step.saturating_mul(NEXT_TRY));
        Some(Stretch { start, step, ticks })
    }

    fn drop_column(&mut self, index: usize) {
        let dropped = self.rules.get_mut(index).and_then(|r| r.column.take());
        self.points -= dropped.map_or(0, |c| c.points());
    }

    /// Stretches become shorter where all that is known ahead would take too much memory, and longer again.
    fn adapt(&mut self) {
        if self.points > MOST_POINTS {
            self.ticks = (self.ticks / 2).max(2);
        } else if self.points < MOST_POINTS / 4 {
            self.ticks = (self.ticks * 2).min(self.most_ticks);
        }
    }

    /// What the evaluation under way may take from a column.
    fn take(&mut self, rule: &RuleSpec, t: i64) -> Option<RuleResult> {
        let current = self.current.as_mut()?;
        let group = self.groups.get(current.group)?;
        let ahead = group.spec.rules.iter().enumerate().skip(current.next);
        let (place, _) = ahead.into_iter().find(|(_, r)| std::ptr::eq(&raw const ***r, rule))?;
        current.next = place + 1;
        if t != current.at - group.spec.query_offset {
            return None;
        }
        let column = self.rules.get(group.first + place)?.column.as_ref()?;
        column.stretch.tick(current.at).map(|tick| column.at(tick))
    }

    fn idle_until(&self) -> Option<i64> {
        let Current { group, at, .. } = self.current?;
        let group = self.groups.get(group)?;
        let rules = self.rules.get(group.first..group.first + group.spec.rules.len())?;
        let mut until = i64::MAX;
        for rule in rules {
            let column = rule.column.as_ref()?;
            let tick = column.stretch.tick(at)?;
            until = until.min(column.stretch.time(column.next_busy(tick)));
        }
        Some(until)
    }

    /// All that was evaluated ahead is void.
    fn forget(&mut self) {
        for rule in &mut self.rules {
            (rule.column, rule.next_try, rule.known_until) = (None, i64::MIN, i64::MIN);
        }
        self.groups.iter_mut().for_each(|g| g.next_try = i64::MIN);
        self.points = 0;
    }
}

impl World for TimelineWorld {
    fn query(&self, rule: &RuleSpec, at: i64) -> Result<RuleResult, String> {
        let ready = self.outlook.lock().take(rule, at);
        match ready {
            Some(result) => Ok(result),
            None => self.context.query(rule, at, &self.context.env()),
        }
    }

    fn render(&self, input: TemplateInput<'_>) -> String {
        let env = self.context.env();
        let query = |text: &str, at: i64| Ok(self.context.template_query(text, at, &env)?.0);
        self.terms.renderer.render(&input, &self.context, &query)
    }

    fn append(&self, samples: &[RuleSample]) -> Result<Appended, String> {
        let (appended, differs) = self.history.append(samples);
        if differs {
            self.history.forget_ahead();
            self.outlook.lock().forget();
        }
        Ok(appended)
    }

    fn open(&self, groups: &[Arc<GroupSpec>]) {
        self.history.forget_ahead();
        self.outlook.lock().open(groups, self.terms.ticks_ahead, self.terms.env.lookback_ms);
    }

    fn begin(&self, evaluation: &Evaluation) {
        self.history.set_now(evaluation.at);
        let mut prospect = self.outlook.lock();
        let Some(group) = prospect.begin(evaluation) else { return };
        self.trim(&mut prospect, evaluation.at);
        if self.terms.ticks_ahead > 1 && !prospect.awaits(group) {
            self.look_ahead(&mut prospect, group, evaluation);
        }
    }

    fn idle_until(&self, evaluation: &Evaluation) -> Option<i64> {
        self.outlook.lock().idle_until().filter(|until| *until > evaluation.at)
    }
}
