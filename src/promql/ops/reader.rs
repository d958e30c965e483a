//! Reads the samples of series for windows that slide over a grid.

use std::sync::Arc;

use super::super::annotations::Note;
use super::super::error::EvalError;
use super::super::func::{RangeMode, Window};
use super::super::plan::{RangeSource, SelectorNode};
use super::super::steps::StepGrid;
use super::eval::Eval;
use super::frame::{EachFramed, EachSeries, Frame};
use super::subquery;
use crate::model::histogram::CounterResetHint;
use crate::model::sample::SampleBuf;
use crate::model::stale::is_stale;
use crate::model::{FloatHistogram, Matcher};
use crate::tsdb::Series;
use crate::tsdb::query::SharedSeries;

/// Reads a range source series by series. `start_timestamps` asks for those columns.
pub(super) fn each_series(
    eval: &Eval<'_>,
    source: &RangeSource,
    grid: &StepGrid,
    start_timestamps: bool,
    each: EachFramed<'_>,
) -> Result<(), EvalError> {
    match source {
        RangeSource::Selector(s, range) => {
            let frame = Frame::of_selector(eval, s, range, grid)?;
            let (mint, maxt) = frame.reach();
            let mut buf = SampleBuf::default();
            for series in select(eval, &s.matchers, mint, maxt)?.iter() {
                if read_framed(eval, s, &frame, &**series, start_timestamps, &mut buf)? {
                    each(&frame, series.labels(), false, &buf)?;
                }
            }
            Ok(())
        }
        RangeSource::Subquery { inner, range, step, timing } => {
            let frame = Frame {
                ends: eval.reading_grid(timing, grid)?,
                range: eval.range_millis(range)?,
                mode: RangeMode::Plain,
                lookback: 0,
            };
            let step = match step {
                Some(s) => eval.range_millis(s)?,
                None => eval.env.default_step_ms.max(1),
            };
            subquery::each_series(eval, *inner, &frame, step, &mut |labels, dropped, buf| {
                each(&frame, labels, dropped, buf)
            })
        }
    }
}

/// Reads what the windows of a frame need of a series; tells whether there is anything.
pub(super) fn read_framed(
    eval: &Eval<'_>,
    s: &SelectorNode,
    frame: &Frame,
    series: &dyn Series,
    start_timestamps: bool,
    buf: &mut SampleBuf,
) -> Result<bool, EvalError> {
    read(eval, s, series, frame.reach(), start_timestamps, buf)?;
    eval.budget.allow(largest_window(frame, buf, eval.env.limits.max_samples))?;
    Ok(!buf.is_empty())
}

/// How many samples the fullest window holds. As long as all samples together are within `max` it does not matter which.
fn largest_window(frame: &Frame, buf: &SampleBuf, max: usize) -> usize {
    if buf.len() <= max || frame.ends.len() <= 1 {
        return buf.len();
    }
    let held = |i: usize| {
        let (start, end) = (frame.end(i).saturating_sub(frame.range), frame.end(i));
        let floats = buf.ts.partition_point(|t| *t <= end) - buf.ts.partition_point(|t| *t <= start);
        let hists = |at: i64| buf.hists.partition_point(|(t, _)| *t <= at);
        floats + hists(end) - hists(start)
    };
    (0..frame.ends.len()).map(held).max().unwrap_or(0)
}

/// The series of a selector.
pub(super) fn select(eval: &Eval<'_>, matchers: &[Matcher], mint: i64, maxt: i64) -> Result<SharedSeries, EvalError> {
    let series = eval.storage.select_shared(matchers, mint, maxt)?;
    eval.series.set(eval.series.get() + series.len() as u64);
    if let Some(profiler) = &eval.profiler {
        profiler.count(|n| n.series_read += series.len() as u64);
    }
    Ok(series)
}

/// Reads samples into `buf`, staleness markers left out.
pub(super) fn read(
    eval: &Eval<'_>,
    s: &SelectorNode,
    series: &dyn Series,
    (mint, maxt): (i64, i64),
    start_timestamps: bool,
    buf: &mut SampleBuf,
) -> Result<(), EvalError> {
    read_all(eval, s, series, (mint, maxt), start_timestamps, buf)?;
    drop_stale(buf);
    if buf.float_st.iter().all(|t| *t == 0) {
        buf.float_st.clear();
    }
    if buf.hist_st.iter().all(|t| *t == 0) {
        buf.hist_st.clear();
    }
    Ok(())
}

/// Reads samples into `buf`, staleness markers included.
pub(super) fn read_all(
    eval: &Eval<'_>,
    s: &SelectorNode,
    series: &dyn Series,
    (mint, maxt): (i64, i64),
    start_timestamps: bool,
    buf: &mut SampleBuf,
) -> Result<(), EvalError> {
    eval.budget.tick()?;
    buf.clear();
    series.read(mint, maxt, start_timestamps, buf)?;
    if let Some(file) = buf.damaged.take() {
        eval.note(Note::DamagedStorage(file), s.span);
    }
    if s.tell_resets && !buf.hists.is_empty() {
        tell_resets(buf);
    }
    eval.count_read(buf.len());
    Ok(())
}

/// Finds out where counters were reset, for histograms that do not say.
fn tell_resets(buf: &mut SampleBuf) {
    let mut before: Option<Arc<FloatHistogram>> = None;
    for (_, h) in &mut buf.hists {
        let now = h.clone();
        if let Some(b) = before.filter(|_| h.counter_reset_hint == CounterResetHint::Unknown) {
            let reset = h.detect_reset(&b);
            let hint = if reset { CounterResetHint::Reset } else { CounterResetHint::NotReset };
            Arc::make_mut(h).counter_reset_hint = hint;
        }
        before = Some(now);
    }
}

fn drop_stale(buf: &mut SampleBuf) {
    if buf.vs.iter().any(|v| is_stale(*v)) {
        let keep: Vec<bool> = buf.vs.iter().map(|v| !is_stale(*v)).collect();
        retain(&mut buf.ts, &keep);
        retain(&mut buf.vs, &keep);
        retain(&mut buf.float_st, &keep);
    }
    if buf.hists.iter().any(|(_, h)| is_stale(h.sum)) {
        let keep: Vec<bool> = buf.hists.iter().map(|(_, h)| !is_stale(h.sum)).collect();
        retain(&mut buf.hists, &keep);
        retain(&mut buf.hist_st, &keep);
    }
}

fn retain<T>(column: &mut Vec<T>, keep: &[bool]) {
    let mut flags = keep.iter();
    column.retain(|_| flags.next().copied().unwrap_or(true));
}

/// Part of a column that slides forward: the samples with `start < t <= end`.
#[derive(Clone, Copy, Default)]
pub(super) struct Slide {
    pub lo: usize,
    pub hi: usize,
}

impl Slide {
    /// Moves to the window, which is not before the last one.
    #[inline]
    pub fn to(&mut self, len: usize, time: impl Fn(usize) -> i64, start: i64, end: i64) {
        while self.hi < len && time(self.hi) <= end {
            self.hi += 1;
        }
        while self.lo < self.hi && time(self.lo) <= start {
            self.lo += 1;
        }
    }
}

/// The windows of one series, step by step.
pub(super) struct Windows<'a> {
    frame: &'a Frame,
    buf: &'a SampleBuf,
    floats: Slide,
    hists: Slide,
}

impl<'a> Windows<'a> {
    pub fn new(frame: &'a Frame, buf: &'a SampleBuf) -> Self {
        Windows { frame, buf, floats: Slide::default(), hists: Slide::default() }
    }

    /// The window of step `i`, evaluated at `at`; steps ascend. `None` when it holds nothing.
    pub fn at(&mut self, i: usize, at: i64) -> Option<Window<'a>> {
        let (buf, end) = (self.buf, self.frame.end(i));
        let start = end.saturating_sub(self.frame.range);
        let ts = |i: usize| buf.ts.get(i).copied().unwrap_or(i64::MAX);
        let hs = |i: usize| buf.hists.get(i).map_or(i64::MAX, |(t, _)| *t);
        self.floats.to(buf.ts.len(), ts, start, end);
        self.hists.to(buf.hists.len(), hs, start, end);
        let (mut f, mut h) = (self.floats, self.hists);
        if self.frame.mode != RangeMode::Plain {
            self.take_neighbours(&mut f, &mut h, start, end);
        }
        if f.lo == f.hi && h.lo == h.hi {
            return None;
        }
        Some(Window {
            ts: buf.ts.get(f.lo..f.hi)?,
            vs: buf.vs.get(f.lo..f.hi)?,
            hists: buf.hists.get(h.lo..h.hi)?,
            float_st: buf.float_st.get(f.lo..f.hi).unwrap_or_default(),
            hist_st: buf.hist_st.get(h.lo..h.hi).unwrap_or_default(),
            start,
            end,
            at,
            mode: self.frame.mode,
        })
    }

    /// Extends the window by the last sample at or before its start, and when smoothed by the first after its end, be
    /// they floats or histograms.
    fn take_neighbours(&self, f: &mut Slide, h: &mut Slide, start: i64, end: i64) {
        let lookback = self.frame.lookback;
        let float_before = f.lo.checked_sub(1).and_then(|i| self.buf.ts.get(i)).copied();
        let hist_before = h.lo.checked_sub(1).and_then(|i| self.buf.hists.get(i)).map(|(t, _)| *t);
        let near = |t: &i64| *t > start.saturating_sub(lookback);
        match (float_before.filter(near), hist_before.filter(near)) {
            (Some(a), b) if b.is_none_or(|b| a > b) => f.lo -= 1,
            (_, Some(_)) => h.lo -= 1,
            _ => {}
        }
        if self.frame.mode != RangeMode::Smoothed {
            return;
        }
        let near = |t: &i64| *t <= end.saturating_add(lookback);
        let float_after = self.buf.ts.get(f.hi).copied().filter(near);
        let hist_after = self.buf.hists.get(h.hi).map(|(t, _)| *t).filter(near);
        match (float_after, hist_after) {
            (Some(a), b) if b.is_none_or(|b| a < b) => f.hi += 1,
            (_, Some(_)) => h.hi += 1,
            _ => {}
        }
    }
}

/// Every series of a plain selector: its samples from `mint` to `maxt`.
pub(super) fn each_of_selector(
    eval: &Eval<'_>,
    s: &SelectorNode,
    mint: i64,
    maxt: i64,
    start_timestamps: bool,
    each: EachSeries<'_>,
) -> Result<(), EvalError> {
    let mut buf = SampleBuf::default();
    for series in select(eval, &s.matchers, mint, maxt)?.iter() {
        read_all(eval, s, &**series, (mint, maxt), start_timestamps, &mut buf)?;
        if !buf.is_empty() {
            each(series.labels(), false, &buf)?;
        }
    }
    Ok(())
}
