//! `info(v, {...})`: labels of info series added to the series they are about.

use rustc_hash::{FxHashMap, FxHashSet};

use super::super::annotations::Note;
use super::super::block::Block;
use super::super::error::EvalError;
use super::super::limits::Holding;
use super::super::plan::InfoNode;
use super::super::steps::{StepGrid, StepVector};
use super::eval::{Eval, Sink, same_labelset};
use super::reader;
use crate::model::stale::is_stale;
use crate::model::{Labels, METRIC_NAME, Matcher, SampleBuf};

/// The labels by which info series and others find each other.
const IDENTIFYING: [&str; 2] = ["instance", "job"];

/// An info series: its labels, and the time of the sample that counts at every step.
struct InfoSeries {
    labels: Labels,
    times: StepVector,
}

/// The values that base series have for the identifying labels. An info series has one of them for each of the labels
/// that any base series has.
#[derive(Default)]
struct Identities<'b>([FxHashSet<&'b str>; IDENTIFYING.len()]);

impl<'b> Identities<'b> {
    fn add(&mut self, base: &'b Labels) {
        for (values, name) in self.0.iter_mut().zip(IDENTIFYING) {
            values.extend(base.get(name));
        }
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(FxHashSet::is_empty)
    }

    fn include(&self, info: &Labels) -> bool {
        self.0.iter().zip(IDENTIFYING).all(|(values, name)| values.is_empty() || values.contains(info.value(name)))
    }
}

/// Streams the series, enriched.
pub(super) fn stream(eval: &Eval<'_>, node: &InfoNode, grid: &StepGrid, sink: Sink<'_>) -> Result<(), EvalError> {
    let base = eval.collect(node.input, grid)?;
    let enrich = |i: usize| {
        let named = base.heads.get(i).filter(|h| !h.dropped || eval.delayed());
        let name = named.map_or("", |h| h.labels.metric_name());
        !node.name_matchers.iter().all(|m| m.matches(name))
    };
    let mut wanted = Identities::default();
    base.heads.iter().enumerate().filter(|(i, _)| enrich(*i)).for_each(|(_, head)| wanted.add(&head.labels));
    let mut holding = Holding::of(&eval.budget);
    let info = if wanted.is_empty() { Vec::new() } else { fetch(eval, node, &wanted, grid, &mut holding)? };
    let mut by_key: FxHashMap<Labels, Vec<usize>> = FxHashMap::default();
    for (i, series) in info.iter().enumerate() {
        by_key.entry(series.labels.keep(&IDENTIFYING)).or_default().push(i);
    }
    let (index, out) = (FxHashMap::default(), Vec::new());
    let mut join = Join { eval, node, info: &info, index, out, steps: grid.len(), holding };
    for i in 0..base.len() {
        eval.budget.tick()?;
        let Some(head) = base.heads.get(i) else { continue };
        if !enrich(i) {
            join.put(&base, i, None, head.labels.clone(), head.dropped)?;
            continue;
        }
        let candidates = key(&base, i).and_then(|k| by_key.get(&k)).map_or(&[][..], Vec::as_slice);
        join.series(&base, i, candidates)?;
    }
    for (labels, dropped, mut row) in join.out {
        sink(&labels, dropped, &mut row)?;
    }
    Ok(())
}

/// The identifying labels of a base series, `None` when it has none.
fn key(base: &Block, i: usize) -> Option<Labels> {
    let key = base.heads.get(i)?.labels.keep(&IDENTIFYING);
    (!key.is_empty()).then_some(key)
}

/// Reads the info series at the times at which the base series were read.
fn fetch(
    eval: &Eval<'_>,
    node: &InfoNode,
    wanted: &Identities<'_>,
    grid: &StepGrid,
    holding: &mut Holding,
) -> Result<Vec<InfoSeries>, EvalError> {
    let matchers: Vec<Matcher> = node.name_matchers.iter().chain(&node.data_matchers).cloned().collect();
    let reading = eval.reading_grid(&node.timing, grid)?;
    let lookback = eval.env.lookback_ms;
    let (mint, maxt) = (reading.start.saturating_sub(lookback).saturating_add(1), reading.last());
    let mut out = Vec::new();
    let mut buf = SampleBuf::default();
    for series in reader::select(eval, &matchers, mint, maxt)?.iter().filter(|s| wanted.include(s.labels())) {
        buf.clear();
        series.read(mint, maxt, false, &mut buf)?;
        if let Some(file) = buf.damaged.take() {
            eval.note(Note::DamagedStorage(file), eval.node(node.input).span);
        }
        eval.count_read(buf.len());
        if buf.hists.iter().any(|(_, h)| !is_stale(h.sum)) {
            return Err(EvalError::execution("info sample should be float"));
        }
        holding.column(grid.len())?;
        let mut times = StepVector::empty(grid.len());
        for step in 0..grid.len() {
            let t = reading.time(if reading.len() == 1 { 0 } else { step });
            let at = buf.ts.partition_point(|ts| *ts <= t).checked_sub(1);
            let sample = at.and_then(|k| Some((*buf.ts.get(k)?, *buf.vs.get(k)?)));
            if let Some((ts, v)) = sample
                && ts > t.saturating_sub(lookback)
                && !is_stale(v)
            {
                times.set(step, ts as f64);
            }
        }
        if times.any() {
            holding.samples(times.present.count())?;
            out.push(InfoSeries { labels: series.labels().clone(), times });
        }
    }
    Ok(out)
}

struct Join<'a, 'e> {
    eval: &'a Eval<'e>,
    node: &'a InfoNode,
    info: &'a [InfoSeries],
    index: FxHashMap<Labels, usize>,
    out: Vec<(Labels, bool, StepVector)>,
    steps: usize,
    holding: Holding,
}

impl Join<'_, '_> {
    /// Enriches one base series, step by step: which info series are current may change over time.
    fn series(&mut self, base: &Block, i: usize, candidates: &[usize]) -> Result<(), EvalError> {
        let Some(head) = base.heads.get(i) else { return Ok(()) };
        let mut cache: FxHashMap<Vec<usize>, Option<Labels>> = FxHashMap::default();
        for step in base.occupied(i).iter() {
            self.eval.budget.work(candidates.len() + 1)?;
            let chosen = self.current(candidates, step)?;
            let labels = match cache.get(&chosen) {
                Some(labels) => labels.clone(),
                None => {
                    let labels = self.enriched(&head.labels, &chosen)?;
                    cache.insert(chosen, labels.clone());
                    labels
                }
            };
            if let Some(labels) = labels {
                self.put(base, i, Some(step), labels, head.dropped)?;
            }
        }
        Ok(())
    }

    /// Of every info metric the series with the newest sample at a step.
    fn current(&self, candidates: &[usize], step: usize) -> Result<Vec<usize>, EvalError> {
        let mut chosen: Vec<(usize, f64)> = Vec::new();
        for c in candidates {
            let Some(series) = self.info.get(*c) else { continue };
            let Some(t) = series.times.float(step) else { continue };
            let name = series.labels.metric_name();
            let same = |(o, _): &&mut (usize, f64)| self.info.get(*o).is_some_and(|s| s.labels.metric_name() == name);
            match chosen.iter_mut().find(same) {
                Some((_, other)) if *other > t => {}
                Some((o, other)) if *other == t => {
                    let existing = self.info.get(*o).map(|s| s.labels.to_string()).unwrap_or_default();
                    return Err(EvalError::Execution(format!(
                        "found duplicate series for info metric: existing {existing} @ {other}, new {} @ {t}",
                        series.labels
                    )));
                }
                Some(slot) => *slot = (*c, t),
                None => chosen.push((*c, t)),
            }
        }
        Ok(chosen.into_iter().map(|(c, _)| c).collect())
    }

    /// The labels with those of the info series added; `None` when the series has no place in the result.
    fn enriched(&self, base: &Labels, chosen: &[usize]) -> Result<Option<Labels>, EvalError> {
        let data = &self.node.data_matchers;
        if chosen.is_empty() {
            return Ok(data.iter().all(|m| m.matches("")).then(|| base.clone()));
        }
        let mut added: FxHashMap<String, String> = FxHashMap::default();
        let mut builder = base.to_builder();
        for series in chosen.iter().filter_map(|c| self.info.get(*c)) {
            for (name, value) in series.labels.iter() {
                let wanted = data.is_empty() || data.iter().any(|m| m.name == name);
                if name == METRIC_NAME || !wanted || base.has(name) {
                    continue;
                }
                if added.get(name).is_some_and(|v| v != value) {
                    return Err(EvalError::Execution(format!("conflicting label: {name}")));
                }
                added.insert(name.to_owned(), value.to_owned());
                builder.set(name, value);
            }
        }
        let made = builder.build();
        self.eval.budget.take_growth(&made, base)?;
        Ok(Some(made))
    }

    /// Puts the sample at a step (or all) of a base series into the result of these labels.
    fn put(
        &mut self,
        base: &Block,
        i: usize,
        step: Option<usize>,
        labels: Labels,
        dropped: bool,
    ) -> Result<(), EvalError> {
        let at = *self.index.entry(labels.clone()).or_insert(self.out.len());
        if at == self.out.len() {
            self.holding.column(self.steps)?;
            self.out.push((labels, dropped, StepVector::empty(self.steps)));
        }
        let Some((_, _, row)) = self.out.get_mut(at) else { return Ok(()) };
        let steps: Vec<usize> = match step {
            Some(s) => vec![s],
            None => base.occupied(i).iter().collect(),
        };
        self.holding.samples(steps.len())?;
        for s in steps {
            if row.has(s) {
                return Err(same_labelset());
            }
            match (base.float(i, s), base.histogram(i, s)) {
                (Some(v), _) => row.set(s, v),
                (None, Some(h)) => row.set_histogram(s, h.clone()),
                (None, None) => {}
            }
        }
        Ok(())
    }
}
