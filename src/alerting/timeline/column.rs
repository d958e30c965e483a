//! A rule's results at every tick of a stretch, evaluated as one range query.

use super::super::group::{Element, RuleResult};
use crate::model::{Labels, Value};
use crate::promql::{EvalEnv, EvalStats, Plan, QueryValue};
use crate::tsdb::Queryable;

/// The ticks of a stretch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// The first tick.
    pub start: i64,
    /// From one tick to the next.
    pub step: i64,
    /// How many ticks.
    pub ticks: usize,
}

impl Stretch {
    /// The time of a tick.
    pub fn time(&self, tick: usize) -> i64 {
        self.start + self.step * tick as i64
    }

    /// The tick after the last.
    pub fn end(&self) -> i64 {
        self.time(self.ticks)
    }

    /// The tick at a time.
    pub fn tick(&self, at: i64) -> Option<usize> {
        let since = at.checked_sub(self.start).filter(|since| *since >= 0 && since % self.step == 0)?;
        usize::try_from(since / self.step).ok().filter(|tick| *tick < self.ticks)
    }
}

/// Results by tick.
pub struct Column {
    /// The ticks, as times of evaluations.
    pub stretch: Stretch,
    labels: Vec<Labels>,
    /// Where the points of each tick begin, and where those of the last end; empty when there are no points.
    bounds: Vec<u32>,
    /// Series and value, tick by tick.
    points: Vec<(u32, Value)>,
    warnings: Vec<String>,
    infos: Vec<String>,
}

/// The most samples a range query of a stretch may hold. The limit that a rule has at each tick is another one.
const MOST_SAMPLES: usize = 64_000_000;

impl Column {
    /// Evaluates a rule's expression over a stretch, `offset` before each tick, with no more points than `most`: the
    /// stretch may become shorter for it. `None` when a tick would fail or come near a limit: then each is to be evaluated
    /// for itself, to fail where it fails.
    pub fn of(
        plan: &Plan,
        series: &dyn Queryable,
        env: &EvalEnv,
        stretch: Stretch,
        offset: i64,
        most: usize,
    ) -> Option<Column> {
        // The limit on samples is one of an instant query. Windows fill up as time passes, so the last tick is the
        // heaviest of a stretch as a rule; its true cost is known from evaluating it.
        let last = plan.instant(series, stretch.end() - stretch.step - offset, env).ok()?;
        if last.stats.peak_samples > env.limits.max_samples as u64 / 2 {
            return None;
        }
        let elements = match &last.value {
            QueryValue::Vector(elements) => elements.len(),
            _ => 1,
        };
        let stretch = Stretch { ticks: stretch.ticks.min(most / elements.max(1)).max(1), ..stretch };
        let mut env = env.clone();
        env.limits.max_samples = MOST_SAMPLES;
        let (start, end) = (stretch.start - offset, stretch.end() - stretch.step - offset);
        let evaluated = plan.range(series, start, end, stretch.step, &env).ok()?;
        if evaluated.partial.is_some() {
            return None;
        }
        let QueryValue::Matrix(matrix) = evaluated.value else { return None };
        // Which of the ticks they are about is not known; it is each of them.
        let (warnings, infos) =
            (evaluated.annotations.warnings(plan.source()), evaluated.annotations.infos(plan.source()));
        let mut column = Column {
            stretch,
            labels: Vec::with_capacity(matrix.len()),
            bounds: Vec::new(),
            points: Vec::new(),
            warnings,
            infos,
        };
        let mut points: Vec<(u32, u32, Value)> = Vec::new();
        for series in matrix {
            let id = u32::try_from(column.labels.len()).ok()?;
            let mut put = |t: i64, value: Value| {
                let tick = stretch.tick(t + offset).and_then(|tick| u32::try_from(tick).ok());
                points.extend(tick.map(|tick| (tick, id, value)));
            };
            series.floats.iter().for_each(|(t, v)| put(*t, Value::Float(*v)));
            series.histograms.iter().for_each(|(t, h)| put(*t, Value::Histogram(h.clone())));
            column.labels.push(series.labels);
        }
        column.fill(points);
        Some(column)
    }

    fn fill(&mut self, mut points: Vec<(u32, u32, Value)>) {
        if points.is_empty() {
            return;
        }
        points.sort_by_key(|(tick, series, _)| (*tick, *series));
        self.bounds.reserve_exact(self.stretch.ticks + 1);
        let mut at = 0;
        for tick in 0..=self.stretch.ticks {
            while points.get(at).is_some_and(|(t, ..)| (*t as usize) < tick) {
                at += 1;
            }
            self.bounds.push(u32::try_from(at).unwrap_or(u32::MAX));
        }
        self.points = points.into_iter().map(|(_, series, value)| (series, value)).collect();
    }

    /// How many points it holds.
    pub fn points(&self) -> usize {
        self.points.len()
    }

    fn range(&self, tick: usize) -> std::ops::Range<usize> {
        match (self.bounds.get(tick), self.bounds.get(tick + 1)) {
            (Some(begin), Some(end)) => *begin as usize..*end as usize,
            _ => 0..0,
        }
    }

    /// The result at a tick.
    pub fn at(&self, tick: usize) -> RuleResult {
        let points = self.points.get(self.range(tick)).unwrap_or_default();
        let element = |(series, value): &(u32, Value)| {
            Some(Element { labels: self.labels.get(*series as usize)?.clone(), value: value.clone() })
        };
        RuleResult {
            elements: points.iter().filter_map(element).collect(),
            warnings: self.warnings.clone(),
            infos: self.infos.clone(),
            partial: None,
            stats: EvalStats::default(),
        }
    }

    /// The first tick after `tick` that has an element; the tick after the last when none has.
    pub fn next_busy(&self, tick: usize) -> usize {
        let end = self.stretch.ticks;
        if self.points.is_empty() {
            return end;
        }
        (tick + 1..end).find(|t| !self.range(*t).is_empty()).unwrap_or(end)
    }
}

/// How many elements an expression has at each tick.
pub fn counts(plan: &Plan, series: &dyn Queryable, env: &EvalEnv, stretch: Stretch) -> Result<Vec<u32>, String> {
    let mut env = env.clone();
    env.limits.max_samples = MOST_SAMPLES;
    let end = stretch.end() - stretch.step;
    let evaluated = plan.range(series, stretch.start, end, stretch.step, &env).map_err(|e| e.to_string())?;
    let mut counts = vec![0; stretch.ticks];
    let QueryValue::Matrix(matrix) = evaluated.value else { return Ok(counts) };
    for series in matrix {
        let times = series.floats.iter().map(|(t, _)| *t).chain(series.histograms.iter().map(|(t, _)| *t));
        for tick in times.filter_map(|t| stretch.tick(t)) {
            counts.get_mut(tick).into_iter().for_each(|count| *count += 1);
        }
    }
    Ok(counts)
}
