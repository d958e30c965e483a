//! `rate`, `increase` and `delta`: how much a series changed over a range, carried on to the range's ends.

use std::sync::Arc;

use super::super::annotations::Note;
use super::histogram_rate::{self, Reading};
use super::{Cuts, FnCtx, Out, RangeMode, Window, extended};
use crate::model::FloatHistogram;

/// What to make of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Per second, of a counter.
    Rate,
    /// In all, of a counter.
    Increase,
    /// In all, of a gauge.
    Delta,
}

impl Change {
    /// Whether a value lower than the one before means the counter was reset.
    pub fn of_counter(self) -> bool {
        self != Change::Delta
    }
}

/// `rate(m)`
pub(super) fn rate(w: &Window<'_>, _: &[f64], ctx: &mut FnCtx<'_>) -> Out {
    change(w, Change::Rate, ctx)
}

/// `increase(m)`
pub(super) fn increase(w: &Window<'_>, _: &[f64], ctx: &mut FnCtx<'_>) -> Out {
    change(w, Change::Increase, ctx)
}

/// `delta(m)`
pub(super) fn delta(w: &Window<'_>, _: &[f64], ctx: &mut FnCtx<'_>) -> Out {
    change(w, Change::Delta, ctx)
}

fn change(w: &Window<'_>, what: Change, ctx: &mut FnCtx<'_>) -> Out {
    if w.mode != RangeMode::Plain {
        return extended::change(w, what, ctx);
    }
    match (w.vs.len(), w.hists.len()) {
        (0, 0) => Out::None,
        (_, 0) => float_change(w, what, ctx),
        (0, _) => histogram_change(w, what, ctx),
        _ => {
            ctx.note_arg(0, Note::MixedFloatsHistograms(ctx.metric_name()));
            Out::None
        }
    }
}

/// Where the samples of a window lie in its range.
pub(super) struct Extent {
    /// First sample, milliseconds.
    pub first: i64,
    /// Last sample.
    pub last: i64,
    /// Samples.
    pub samples: usize,
    /// Start of the range, exclusive.
    pub start: i64,
    /// End of the range.
    pub end: i64,
    /// When the first sample's counter was zero, where its start timestamp tells and lies in the range.
    pub zero: Option<i64>,
}

impl Extent {
    /// The factor from the change between the first and the last sample to that over the range. `first_value` and
    /// `total` (the change) tell where a counter was zero.
    pub fn factor(&self, what: Change, first_value: f64, total: f64) -> f64 {
        let reach = Reach::new(self);
        if self.zero.is_some() { reach.usual(what) } else { reach.factor(what, first_value, total) }
    }
}

/// What the times of a window's samples make of the factor from their change to that over the range: the range is
/// covered up to its ends where the samples come close to them, else half a sampling interval beyond the samples. A
/// counter is not carried back beyond zero, which its values tell.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reach {
    sampled: f64,
    to_start: f64,
    to_end: f64,
    range: f64,
    /// Factors of `rate` and of the others, where a counter was not zero close before its first sample.
    rate: f64,
    plain: f64,
}

/// Beyond this a product of two values may overflow.
const LARGE: f64 = 1e150;

impl Reach {
    fn new(extent: &Extent) -> Reach {
        let seconds = |ms: i64| ms as f64 / 1000.0;
        let spacing = seconds(extent.last - extent.first) / (extent.samples - 1).max(1) as f64;
        let threshold = spacing * 1.1;
        let near = |gap: f64| if gap >= threshold { spacing / 2.0 } else { gap };
        let sampled = seconds(extent.last - extent.zero.unwrap_or(extent.first));
        let to_start = if extent.zero.is_some() { 0.0 } else { near(seconds(extent.first - extent.start)) };
        let to_end = near(seconds(extent.end - extent.last));
        let range = seconds(extent.end - extent.start);
        let plain = (sampled + to_start + to_end) / sampled;
        Reach { sampled, to_start, to_end, range, rate: plain / range, plain }
    }

    #[inline]
    fn usual(&self, what: Change) -> f64 {
        if what == Change::Rate { self.rate } else { self.plain }
    }

    /// The factor for a series that begins with `first_value` and changes by `total`.
    #[inline]
    pub fn factor(&self, what: Change, first_value: f64, total: f64) -> f64 {
        // Without a division where there is no doubt: the margin is far above what rounding could change.
        let far = first_value * self.sampled > self.to_start * total * 1.000_001 && first_value < LARGE;
        if far || !what.of_counter() || !(total > 0.0 && first_value >= 0.0) {
            return self.usual(what);
        }
        let to_zero = self.sampled * (first_value / total);
        if to_zero < self.to_start {
            let factor = (self.sampled + to_zero + self.to_end) / self.sampled;
            if what == Change::Rate { factor / self.range } else { factor }
        } else {
            self.usual(what)
        }
    }
}

/// How far the samples of every window reach. Neighbouring windows over regular samples reach equally far.
pub(super) fn reaches(cuts: &Cuts) -> Vec<Reach> {
    let ts = cuts.times();
    let mut known: Option<([i64; 4], Reach)> = None;
    let one = |(i, (lo, hi)): (usize, (usize, usize))| {
        let (first, last) = (ts.get(lo).copied().unwrap_or(0), ts.get(hi.wrapping_sub(1)).copied().unwrap_or(0));
        let (start, samples) = (cuts.start(i), hi - lo);
        let end = start.saturating_add(cuts.range());
        let shape = [last - first, first - start, end - last, samples as i64];
        match known {
            Some((known, reach)) if known == shape => reach,
            _ => {
                let extent = Extent { first, last, samples: samples.max(1), start, end, zero: None };
                let reach = Reach::new(&extent);
                known = Some((shape, reach));
                reach
            }
        }
    };
    cuts.bounds().enumerate().map(one).collect()
}

/// What start timestamps say of a series' samples. Without any, nothing.
pub(super) struct Starts<'a> {
    st: &'a [i64],
}

impl<'a> Starts<'a> {
    /// Start timestamps, as many as samples, or none.
    pub fn new(st: &'a [i64]) -> Self {
        Starts { st }
    }

    fn at(&self, i: usize) -> i64 {
        self.st.get(i).copied().unwrap_or(0)
    }

    /// Whether the counter was reset between sample `i - 1` at `before` and sample `i` at `now`: it started anew after
    /// the earlier one, or exactly then, where that one has a start of its own (successive deltas).
    pub fn reset(&self, i: usize, before: i64, now: i64) -> bool {
        let (start, previous) = (self.at(i), self.at(i.wrapping_sub(1)));
        start != 0 && start < now && (start > before || (start == before && previous != 0 && previous < before))
    }

    /// Whether sample `i` claims to have started before the sample before it, at `before`, without being one of the
    /// same start.
    fn overlaps(&self, i: usize, before: i64) -> bool {
        let start = self.at(i);
        start != 0 && start < before && start != self.at(i.wrapping_sub(1))
    }

    /// When the first sample's counter was zero, where that is known and in the range.
    fn zero(&self, first: i64, w: &Window<'_>) -> Option<i64> {
        Some(self.at(0)).filter(|st| *st != 0 && *st > w.start && *st < first)
    }

    /// Notes a sample whose start lies before the sample before it.
    fn note_overlaps(&self, times: impl Iterator<Item = i64> + Clone, ctx: &mut FnCtx<'_>) {
        if !self.st.is_empty() && times.enumerate().any(|(i, before)| self.overlaps(i + 1, before)) {
            ctx.note_arg(0, Note::OverlappingStartTime(ctx.metric_name()));
        }
    }
}

fn float_change(w: &Window<'_>, what: Change, ctx: &mut FnCtx<'_>) -> Out {
    let starts = Starts::new(if what.of_counter() { w.float_st } else { &[] });
    let (Some(first), Some(last)) = (w.ts.first().copied(), w.ts.last().copied()) else { return Out::None };
    let (Some(first_value), Some(last_value)) = (w.vs.first().copied(), w.vs.last().copied()) else {
        return Out::None;
    };
    let zero = starts.zero(first, w);
    if w.vs.len() < 2 && zero.is_none() {
        return Out::None;
    }
    let mut total = last_value - if zero.is_some() { 0.0 } else { first_value };
    if what.of_counter() {
        starts.note_overlaps(w.ts.iter().copied(), ctx);
        let pairs = w.vs.windows(2).zip(w.ts.windows(2)).enumerate();
        for (i, (values, times)) in pairs {
            let ([before, now], [t0, t1]) = (values, times) else { continue };
            if now < before || starts.reset(i + 1, *t0, *t1) {
                total += before;
            }
        }
    }
    let extent = Extent { first, last, samples: w.ts.len(), start: w.start, end: w.end, zero };
    Out::Float(total * extent.factor(what, first_value, total))
}

fn histogram_change(w: &Window<'_>, what: Change, ctx: &mut FnCtx<'_>) -> Out {
    let starts = Starts::new(if what.of_counter() { w.hist_st } else { &[] });
    let (Some((first, first_value)), Some((last, _))) = (w.hists.first(), w.hists.last()) else { return Out::None };
    let zero = starts.zero(*first, w);
    if w.hists.len() < 2 && zero.is_none() {
        return Out::None;
    }
    if what.of_counter() {
        starts.note_overlaps(w.hists.iter().map(|(t, _)| *t), ctx);
    }
    let reading = Reading { hists: w.hists, starts, from_zero: zero.is_some(), counter: what.of_counter() };
    let Some(mut total) = histogram_rate::difference(&reading, ctx) else { return Out::None };
    let extent = Extent { first: *first, last: *last, samples: w.hists.len(), start: w.start, end: w.end, zero };
    let factor = extent.factor(what, first_value.count, total.count);
    total.mul(factor);
    Out::Histogram(Arc::new(total))
}

/// The last two samples of a window, floats and histograms together.
enum LastTwo<'a> {
    Floats([(i64, f64); 2], bool),
    Histograms([&'a (i64, Arc<FloatHistogram>); 2], bool),
    Mixed,
}

fn last_two<'a>(w: &Window<'a>) -> Option<LastTwo<'a>> {
    let float = |back: usize| {
        let i = w.ts.len().checked_sub(back)?;
        Some((*w.ts.get(i)?, *w.vs.get(i)?))
    };
    let hist = |back: usize| w.hists.get(w.hists.len().checked_sub(back)?);
    let float_reset = |a: i64, b: i64| Starts::new(w.float_st).reset(w.ts.len().wrapping_sub(1), a, b);
    let hist_reset = |a: i64, b: i64| Starts::new(w.hist_st).reset(w.hists.len().wrapping_sub(1), a, b);
    match (float(2), float(1), hist(2), hist(1)) {
        (Some(a), Some(b), _, h) if h.is_none_or(|(t, _)| *t < a.0) => {
            Some(LastTwo::Floats([a, b], float_reset(a.0, b.0)))
        }
        (_, f, Some(a), Some(b)) if f.is_none_or(|(t, _)| t < a.0) => {
            Some(LastTwo::Histograms([a, b], hist_reset(a.0, b.0)))
        }
        (_, Some(_), _, Some(_)) => Some(LastTwo::Mixed),
        _ => None,
    }
}

/// `irate(m)`
pub(super) fn irate(w: &Window<'_>, _: &[f64], ctx: &mut FnCtx<'_>) -> Out {
    instant(w, true, ctx)
}

/// `idelta(m)`
pub(super) fn idelta(w: &Window<'_>, _: &[f64], ctx: &mut FnCtx<'_>) -> Out {
    instant(w, false, ctx)
}

/// The change between the last two samples.
fn instant(w: &Window<'_>, rate: bool, ctx: &mut FnCtx<'_>) -> Out {
    match last_two(w) {
        None => Out::None,
        Some(LastTwo::Mixed) => {
            ctx.note_arg(0, Note::MixedFloatsHistograms(ctx.metric_name()));
            Out::None
        }
        Some(LastTwo::Floats([(t0, v0), (t1, v1)], started_anew)) => {
            if t1 == t0 {
                return Out::None;
            }
            let reset = rate && (v1 < v0 || started_anew);
            let change = if reset { v1 } else { v1 - v0 };
            Out::Float(if rate { change / ((t1 - t0) as f64 / 1000.0) } else { change })
        }
        Some(LastTwo::Histograms([a, b], started_anew)) => {
            if a.0 == b.0 {
                return Out::None;
            }
            let Some(mut change) = histogram_rate::last_difference(a, b, rate, started_anew, ctx) else {
                return Out::None;
            };
            if rate {
                change.div((b.0 - a.0) as f64 / 1000.0);
            }
            Out::Histogram(Arc::new(change))
        }
    }
}
