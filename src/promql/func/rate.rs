//! `rate`, `increase` and `delta`: how much a series changed over a range, carried on to the range's ends.

use std::sync::Arc;

use super::super::annotations::Note;
use super::extrapolate::{Change, Extent};
use super::histogram_rate::{self, Reading};
use super::starts::Starts;
use super::{FnCtx, Out, RangeMode, Window, extended};
use crate::model::FloatHistogram;

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
