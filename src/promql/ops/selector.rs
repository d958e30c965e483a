//! Instant selectors: the latest sample of every series at every step.

use super::super::annotations::Note;
use super::super::error::EvalError;
use super::super::func::{Cuts, RangeMode, extended};
use super::super::plan::SelectorNode;
use super::super::steps::{StepGrid, StepVector};
use super::crew;
use super::eval::{Eval, Sink};
use super::leaf::{self, Gathered};
use super::reader::{self, Slide};
use crate::model::histogram::CounterResetHint;
use crate::model::stale::is_stale;
use crate::model::{Labels, SampleBuf, Value};
use crate::tsdb::{Series, StorageError};

/// Streams a selector's series.
pub(super) fn stream(eval: &Eval<'_>, s: &SelectorNode, grid: &StepGrid, sink: Sink<'_>) -> Result<(), EvalError> {
    let reading = eval.reading_grid(&s.timing, grid)?;
    if s.mode == RangeMode::Smoothed {
        return smoothed(eval, s, &reading, sink);
    }
    if reading.len() == 1 && !s.tell_resets {
        return at_one_time(eval, s, reading.start, sink);
    }
    let (mint, maxt) = (oldest(reading.start, eval), reading.last());
    let series = reader::select(eval, &s.matchers, mint, maxt)?;
    let task = Latest { s, reading, mint, maxt };
    crew::rows(eval, &series, reading.len(), &task, &mut |_, labels, dropped, row| sink(labels, dropped, row))
}

/// The latest samples of every series.
#[derive(Clone, Copy)]
struct Latest<'a> {
    s: &'a SelectorNode,
    reading: StepGrid,
    mint: i64,
    maxt: i64,
}

struct Leaf<'e> {
    eval: &'e Eval<'e>,
    task: Latest<'e>,
    cuts: Cuts,
    buf: SampleBuf,
}

impl crew::Task for Latest<'_> {
    type Leaf<'e>
        = Leaf<'e>
    where
        Self: 'e;

    fn leaf<'e>(&'e self, eval: &'e Eval<'e>) -> Leaf<'e> {
        let cuts = Cuts::new(&self.reading, eval.env.lookback_ms, self.reading.len());
        Leaf { eval, task: *self, cuts, buf: SampleBuf::default() }
    }
}

impl crew::Leaf for Leaf<'_> {
    fn row(&mut self, series: &dyn Series, row: &mut StepVector) -> Result<Option<bool>, EvalError> {
        let Latest { s, reading, mint, maxt } = self.task;
        let buf = &mut self.buf;
        reader::read_all(self.eval, s, series, (mint, maxt), false, buf)?;
        row.reset();
        if buf.hists.is_empty() {
            self.cuts.fit(&buf.ts);
            latest_floats(&self.cuts, &buf.vs, row);
            return Ok(row.present.any().then_some(false));
        }
        latest(self.eval, buf, &reading, |i, sample| match sample {
            Sample::Float(k) => row.set(i, buf.vs.get(k).copied().unwrap_or_default()),
            Sample::Histogram(k) => {
                if let Some((_, h)) = buf.hists.get(k) {
                    row.set_histogram(i, h.clone());
                }
            }
        });
        Ok(row.any().then_some(false))
    }
}

/// The latest sample of every window, in a series of floats.
fn latest_floats(cuts: &Cuts, vs: &[f64], row: &mut StepVector) {
    for (slot, (_, hi)) in row.values.iter_mut().zip(cuts.bounds()) {
        *slot = vs.get(hi.wrapping_sub(1)).copied().unwrap_or_default();
    }
    row.present.or(cuts.some());
    if vs.iter().any(|v| is_stale(*v)) {
        let stale = row.values.iter().enumerate().filter(|(_, v)| is_stale(**v));
        stale.for_each(|(i, _)| row.present.unset(i));
    }
}

/// The oldest sample that counts at `t`.
fn oldest(t: i64, eval: &Eval<'_>) -> i64 {
    t.saturating_sub(eval.env.lookback_ms).saturating_add(1)
}

fn at_one_time(eval: &Eval<'_>, s: &SelectorNode, t: i64, sink: Sink<'_>) -> Result<(), EvalError> {
    let mut row = StepVector::empty(1);
    let newest = Newest { s, mint: oldest(t, eval), maxt: t };
    for series in reader::select(eval, &s.matchers, newest.mint, t)?.iter() {
        if newest.of(eval, &**series, &mut row)? {
            sink(series.labels(), false, &mut row)?;
        }
    }
    Ok(())
}

/// The latest floats of all series at one time, for a section; nothing where they do not fit into one.
pub(super) fn gather(eval: &Eval<'_>, s: &SelectorNode, grid: &StepGrid) -> Result<Option<Gathered>, EvalError> {
    let t = eval.reading_grid(&s.timing, grid)?.start;
    let newest = Newest { s, mint: oldest(t, eval), maxt: t };
    let series = reader::select(eval, &s.matchers, newest.mint, t)?;
    let reading = leaf::Reading { function: "", args: &[], at: t, window: (t, eval.env.lookback_ms) };
    let shared = leaf::shared(eval, s, &reading);
    leaf::gather(eval, series, shared.as_deref(), &newest)
}

/// The newest sample of each series.
#[derive(Clone, Copy)]
struct Newest<'a> {
    s: &'a SelectorNode,
    mint: i64,
    maxt: i64,
}

impl Newest<'_> {
    /// Puts it into `row`, if there is one.
    fn of(&self, eval: &Eval<'_>, series: &dyn Series, row: &mut StepVector) -> Result<bool, EvalError> {
        eval.budget.tick()?;
        row.reset();
        let latest = match series.latest(self.mint, self.maxt) {
            Err(StorageError::Corrupt(_)) => latest_readable(eval, self.s, series, (self.mint, self.maxt))?,
            latest => latest?,
        };
        match latest {
            Some((_, value)) if value.is_stale() => return Ok(false),
            Some((_, Value::Float(v))) => row.set(0, v),
            Some((_, Value::Histogram(h))) => row.set_histogram(0, h),
            None => return Ok(false),
        }
        eval.count_read(1);
        Ok(true)
    }
}

struct NewestLeaf<'e>(Newest<'e>, &'e Eval<'e>);

impl crew::Task for Newest<'_> {
    type Leaf<'e>
        = NewestLeaf<'e>
    where
        Self: 'e;

    fn leaf<'e>(&'e self, eval: &'e Eval<'e>) -> NewestLeaf<'e> {
        NewestLeaf(*self, eval)
    }
}

impl crew::Leaf for NewestLeaf<'_> {
    fn row(&mut self, series: &dyn Series, row: &mut StepVector) -> Result<Option<bool>, EvalError> {
        Ok(self.0.of(self.1, series, row)?.then_some(false))
    }
}

/// The newest sample of a series whose storage is damaged, found by reading all that is left; which is told.
#[cold]
fn latest_readable(
    eval: &Eval<'_>,
    s: &SelectorNode,
    series: &dyn Series,
    reach: (i64, i64),
) -> Result<Option<(i64, Value)>, EvalError> {
    let mut buf = SampleBuf::default();
    reader::read_all(eval, s, series, reach, false, &mut buf)?;
    let float = buf.ts.last().zip(buf.vs.last()).map(|(t, v)| (*t, Value::Float(*v)));
    let histogram = buf.hists.pop().map(|(t, h)| (t, Value::Histogram(h)));
    Ok(float.into_iter().chain(histogram).max_by_key(|(t, _)| *t))
}

/// A sample's place in its column.
enum Sample {
    Float(usize),
    Histogram(usize),
}

/// Finds the latest sample of every step; stale ones end a series.
fn latest(eval: &Eval<'_>, buf: &SampleBuf, grid: &StepGrid, mut found: impl FnMut(usize, Sample)) {
    let (mut floats, mut hists) = (Slide::default(), Slide::default());
    for (i, t) in grid.times().enumerate() {
        let start = t.saturating_sub(eval.env.lookback_ms);
        floats.to(buf.ts.len(), |k| buf.ts.get(k).copied().unwrap_or(i64::MAX), start, t);
        let float = (floats.lo < floats.hi).then(|| floats.hi - 1);
        let fresh_float = |k: &usize| buf.vs.get(*k).is_some_and(|v| !is_stale(*v));
        let fresh_hist = |k: &usize| buf.hists.get(*k).is_some_and(|(_, h)| !is_stale(h.sum));
        if buf.hists.is_empty() {
            float.filter(fresh_float).into_iter().for_each(|k| found(i, Sample::Float(k)));
            continue;
        }
        hists.to(buf.hists.len(), |k| buf.hists.get(k).map_or(i64::MAX, |(t, _)| *t), start, t);
        let hist = (hists.lo < hists.hi).then(|| hists.hi - 1);
        let time_of = |k: usize| buf.ts.get(k).copied().unwrap_or(i64::MIN);
        let hist_time_of = |k: usize| buf.hists.get(k).map_or(i64::MIN, |(t, _)| *t);
        match (float, hist) {
            (Some(f), h) if h.is_none_or(|h| time_of(f) > hist_time_of(h)) => {
                float.filter(fresh_float).into_iter().for_each(|k| found(i, Sample::Float(k)));
            }
            _ => hist.filter(fresh_hist).into_iter().for_each(|k| found(i, Sample::Histogram(k))),
        }
    }
}

/// `timestamp(selector)` and `start_timestamp(selector)`: the times of the samples themselves, in seconds.
pub(super) fn sample_times(
    eval: &Eval<'_>,
    s: &SelectorNode,
    start: bool,
    grid: &StepGrid,
    sink: Sink<'_>,
) -> Result<(), EvalError> {
    let reading = eval.reading_grid(&s.timing, grid)?;
    let mut row = StepVector::empty(reading.len());
    let (mint, maxt) = (oldest(reading.start, eval), reading.last());
    reader::each_of_selector(eval, s, mint, maxt, start, &mut |labels, _, buf| {
        row.reset();
        latest(eval, buf, &reading, |i, sample| {
            let millis = match (sample, start) {
                (Sample::Float(k), false) => buf.ts.get(k).copied(),
                (Sample::Float(k), true) => buf.float_st.get(k).copied().or(Some(0)),
                (Sample::Histogram(k), false) => buf.hists.get(k).map(|(t, _)| *t),
                (Sample::Histogram(k), true) => buf.hist_st.get(k).copied().or(Some(0)),
            };
            if let Some(ms) = millis {
                row.set(i, ms as f64 / 1000.0);
            }
        });
        if row.any() { sink(labels, true, &mut row) } else { Ok(()) }
    })
}

/// `selector smoothed`: at every step the value between the samples around it.
fn smoothed(eval: &Eval<'_>, s: &SelectorNode, reading: &StepGrid, sink: Sink<'_>) -> Result<(), EvalError> {
    let lookback = eval.env.lookback_ms;
    let (mint, maxt) = (oldest(reading.start, eval), reading.last().saturating_add(lookback));
    let mut row = StepVector::empty(reading.len());
    let mut buf = SampleBuf::default();
    for series in reader::select(eval, &s.matchers, mint, maxt)?.iter() {
        reader::read(eval, s, &**series, (mint, maxt), false, &mut buf)?;
        row.reset();
        for (i, t) in reading.times().enumerate() {
            eval.budget.work(buf.len())?;
            smooth_at(eval, s, series.labels(), &buf, t, |value| match value {
                Value::Float(v) => row.set(i, v),
                Value::Histogram(h) => row.set_histogram(i, h),
            });
        }
        if row.any() {
            sink(series.labels(), false, &mut row)?;
        }
    }
    Ok(())
}

fn smooth_at(eval: &Eval<'_>, s: &SelectorNode, labels: &Labels, buf: &SampleBuf, t: i64, mut set: impl FnMut(Value)) {
    let (from, to) = (t.saturating_sub(eval.env.lookback_ms), t.saturating_add(eval.env.lookback_ms));
    let near = |i: &usize, ts: i64| (*i, ts > from && ts <= to);
    let floats: Vec<usize> = buf.ts.iter().enumerate().filter(|(i, ts)| near(i, **ts).1).map(|(i, _)| i).collect();
    let hists: Vec<usize> =
        buf.hists.iter().enumerate().filter(|(i, (ts, _))| near(i, *ts).1).map(|(i, _)| i).collect();
    match (floats.is_empty(), hists.is_empty()) {
        (true, true) => {}
        (false, false) => eval.note(Note::MixedFloatsHistograms(labels.metric_name().to_owned()), s.span),
        (false, true) => {
            let at = |i: &usize| Some((buf.ts.get(*i).copied()?, buf.vs.get(*i).copied()?));
            let before = floats.iter().rev().filter_map(at).find(|(ts, _)| *ts <= t);
            let after = floats.iter().filter_map(at).find(|(ts, _)| *ts >= t);
            match (before, after) {
                (Some((a, v)), Some((b, w))) if a < b => {
                    set(Value::Float(extended::interpolate((a, v), (b, w), t, false)));
                }
                (Some((_, v)), _) => set(Value::Float(v)),
                _ => {}
            }
        }
        (true, false) => {
            let at = |i: &usize| buf.hists.get(*i);
            let before = hists.iter().rev().filter_map(at).find(|(ts, _)| *ts <= t);
            let after = hists.iter().filter_map(at).find(|(ts, _)| *ts >= t);
            match (before, after) {
                (Some(a), Some(b)) if a.0 < b.0 => {
                    let counter = a.1.counter_reset_hint != CounterResetHint::Gauge;
                    match extended::interpolate_histogram(a, b, t, counter) {
                        Ok(h) => set(Value::Histogram(h)),
                        Err(_) => {
                            let name = labels.metric_name().to_owned();
                            eval.note(Note::MixedExponentialCustom(name), s.span);
                        }
                    }
                }
                (Some((_, h)), _) => set(Value::Histogram(h.clone())),
                _ => {}
            }
        }
    }
}
