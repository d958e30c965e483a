//! `info(v, {...})`: labels of info series added to the series they are about.

use rustc_hash::FxHashMap;

use super::super::annotations::Note;
use super::super::block::Block;
use super::super::error::EvalError;
use super::super::plan::InfoNode;
use super::super::steps::{StepGrid, StepVector};
use super::eval::{Eval, Sink, same_labelset};
use super::reader;
use crate::model::stale::is_stale;
use crate::model::{Labels, METRIC_NAME, MatchOp, Matcher, SampleBuf};

/// The labels by which info series and others find each other.
const IDENTIFYING: [&str; 2] = ["instance", "job"];
/// The info metric that is meant when none is named.
const TARGET_INFO: &str = "target_info";

/// An info series: its labels, and the time of the sample that counts at every step.
struct InfoSeries {
    labels: Labels,
    times: StepVector,
}

/// Streams the series, enriched.
pub(super) fn stream(eval: &Eval<'_>, node: &InfoNode, grid: &StepGrid, sink: Sink<'_>) -> Result<(), EvalError> {
    let base = eval.collect(node.input, grid)?;
    let default = Matcher::new(MatchOp::Equal, METRIC_NAME, TARGET_INFO).map_err(EvalError::Execution)?;
    let names = if node.name_matchers.is_empty() { vec![default] } else { node.name_matchers.clone() };
    let enrich = |i: usize| {
        let name = base.heads.get(i).map_or("", |h| h.labels.metric_name());
        !names.iter().all(|m| m.matches(name))
    };
    let mut matchers = names.clone();
    matchers.extend(node.data_matchers.iter().cloned());
    let info = if (0..base.len()).any(|i| enrich(i) && key(&base, i).is_some()) {
        fetch(eval, node, &matchers, grid)?
    } else {
        Vec::new()
    };
    let mut by_key: FxHashMap<Labels, Vec<usize>> = FxHashMap::default();
    for (i, series) in info.iter().enumerate() {
        by_key.entry(series.labels.keep(&IDENTIFYING)).or_default().push(i);
    }
    let mut join = Join { eval, node, info: &info, index: FxHashMap::default(), out: Vec::new(), steps: grid.len() };
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
    eval.budget.give_back(join.out.len().saturating_mul(grid.len()));
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
    matchers: &[Matcher],
    grid: &StepGrid,
) -> Result<Vec<InfoSeries>, EvalError> {
    let reading = eval.reading_grid(&node.timing, grid)?;
    let lookback = eval.env.lookback_ms;
    let (mint, maxt) = (reading.start.saturating_sub(lookback).saturating_add(1), reading.last());
    let mut out = Vec::new();
    let mut buf = SampleBuf::default();
    for series in reader::select(eval, matchers, mint, maxt)?.iter() {
        buf.clear();
        series.read(mint, maxt, false, &mut buf)?;
        if let Some(file) = buf.damaged.take() {
            eval.note(Note::DamagedStorage(file), eval.node(node.input).span);
        }
        eval.count_read(buf.len());
        if buf.hists.iter().any(|(_, h)| !is_stale(h.sum)) {
            return Err(EvalError::execution("info sample should be float"));
        }
        // Held for every series, however few samples it has.
        eval.budget.take(grid.len())?;
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
            self.eval.budget.take(self.steps)?;
            self.out.push((labels, dropped, StepVector::empty(self.steps)));
        }
        let Some((_, _, row)) = self.out.get_mut(at) else { return Ok(()) };
        let steps: Vec<usize> = match step {
            Some(s) => vec![s],
            None => base.occupied(i).iter().collect(),
        };
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
