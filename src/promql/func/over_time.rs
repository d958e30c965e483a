//! `*_over_time`: aggregation of one series over its range.

use std::sync::Arc;

use super::super::annotations::Note;
use super::{FnCtx, Out, Window, sliding};
use crate::model::FloatHistogram;
use crate::model::histogram::{CompensatedHistogram, CounterResetHint, HistogramError, Reconciled};
use crate::model::kahan::Sum;

/// The floats of a window, for functions that leave histograms out; says so where it matters.
pub(super) fn floats<'a>(w: &Window<'a>, ctx: &mut FnCtx<'_>) -> Option<&'a [f64]> {
    if w.vs.is_empty() {
        return None;
    }
    if !w.hists.is_empty() {
        ctx.note_arg(0, Note::HistogramIgnoredInMixedRange(ctx.metric_name()));
    }
    Some(w.vs)
}

fn of_floats(w: &Window<'_>, ctx: &mut FnCtx<'_>, f: impl FnOnce(&[f64]) -> f64) -> Out {
    floats(w, ctx).map_or(Out::None, |vs| Out::Float(f(vs)))
}

/// `count_over_time(m)`
pub(super) fn count(w: &Window<'_>, _: &[f64], _: &mut FnCtx<'_>) -> Out {
    match w.vs.len() + w.hists.len() {
        0 => Out::None,
        n => Out::Float(n as f64),
    }
}

/// `present_over_time(m)`
pub(super) fn present(w: &Window<'_>, _: &[f64], _: &mut FnCtx<'_>) -> Out {
    if w.vs.is_empty() && w.hists.is_empty() { Out::None } else { Out::Float(1.0) }
}

/// `last_over_time(m)`
pub(super) fn last(w: &Window<'_>, _: &[f64], _: &mut FnCtx<'_>) -> Out {
    match (w.ts.last().zip(w.vs.last()), w.hists.last()) {
        (Some((t, _)), Some((ht, h))) if ht > t => Out::Histogram(h.clone()),
        (Some((_, v)), _) => Out::Float(*v),
        (None, Some((_, h))) => Out::Histogram(h.clone()),
        (None, None) => Out::None,
    }
}

/// `first_over_time(m)`
pub(super) fn first(w: &Window<'_>, _: &[f64], _: &mut FnCtx<'_>) -> Out {
    match (w.ts.first().zip(w.vs.first()), w.hists.first()) {
        (Some((t, _)), Some((ht, h))) if ht < t => Out::Histogram(h.clone()),
        (Some((_, v)), _) => Out::Float(*v),
        (None, Some((_, h))) => Out::Histogram(h.clone()),
        (None, None) => Out::None,
    }
}

fn seconds(t: Option<i64>) -> Out {
    t.map_or(Out::None, |t| Out::Float(t as f64 / 1000.0))
}

/// `ts_of_last_over_time(m)`
pub(super) fn ts_of_last(w: &Window<'_>, _: &[f64], _: &mut FnCtx<'_>) -> Out {
    seconds(w.ts.last().copied().max(w.hists.last().map(|(t, _)| *t)))
}

/// `ts_of_first_over_time(m)`
pub(super) fn ts_of_first(w: &Window<'_>, _: &[f64], _: &mut FnCtx<'_>) -> Out {
    let times = [w.ts.first().copied(), w.hists.first().map(|(t, _)| *t)];
    seconds(times.into_iter().flatten().min())
}

/// The place of the extreme by `better`; NaN is worse than anything.
fn extreme(vs: &[f64], better: impl Fn(f64, f64) -> bool) -> Option<(usize, f64)> {
    let first = *vs.first()?;
    Some(
        vs.iter()
            .copied()
            .enumerate()
            .fold((0, first), |best, (i, v)| if better(v, best.1) || best.1.is_nan() { (i, v) } else { best }),
    )
}

/// The greatest value.
#[inline]
pub(super) fn max_of(vs: &[f64]) -> f64 {
    extreme(vs, |v, best| v > best).map_or(f64::NAN, |(_, v)| v)
}

/// The least value.
#[inline]
pub(super) fn min_of(vs: &[f64]) -> f64 {
    extreme(vs, |v, best| v < best).map_or(f64::NAN, |(_, v)| v)
}

/// `max_over_time(m)`
pub(super) fn max(w: &Window<'_>, _: &[f64], ctx: &mut FnCtx<'_>) -> Out {
    of_floats(w, ctx, max_of)
}

/// `min_over_time(m)`
pub(super) fn min(w: &Window<'_>, _: &[f64], ctx: &mut FnCtx<'_>) -> Out {
    of_floats(w, ctx, min_of)
}

/// `ts_of_max_over_time(m)`: the last of several equal ones.
pub(super) fn ts_of_max(w: &Window<'_>, _: &[f64], ctx: &mut FnCtx<'_>) -> Out {
    let place = floats(w, ctx).and_then(|vs| extreme(vs, |v, best| v >= best));
    seconds(place.and_then(|(i, _)| w.ts.get(i).copied()))
}

/// `ts_of_min_over_time(m)`: the last of several equal ones.
pub(super) fn ts_of_min(w: &Window<'_>, _: &[f64], ctx: &mut FnCtx<'_>) -> Out {
    let place = floats(w, ctx).and_then(|vs| extreme(vs, |v, best| v <= best));
    seconds(place.and_then(|(i, _)| w.ts.get(i).copied()))
}

/// The compensated sum.
#[inline]
pub(super) fn sum_of(vs: &[f64]) -> f64 {
    vs.iter().fold(Sum::default(), |s, v| s.add(*v)).value()
}

/// The mean: the compensated sum divided by the number, or, where that sum leaves the floats, the mean carried on
/// value by value.
#[inline]
pub(super) fn mean_of(vs: &[f64]) -> f64 {
    let Some((first, rest)) = vs.split_first() else { return f64::NAN };
    let mut sum = Sum::of(*first);
    for (i, v) in rest.iter().enumerate() {
        let next = sum.add(*v);
        if next.sum.is_infinite() {
            return running_mean(sum, (i + 1) as f64, rest.get(i..).unwrap_or_default());
        }
        sum = next;
    }
    let count = vs.len() as f64;
    sum.sum / count + sum.c / count
}

fn running_mean(sum: Sum, mut count: f64, rest: &[f64]) -> f64 {
    let mut mean = Sum { sum: sum.sum / count, c: sum.c / count };
    for v in rest {
        count += 1.0;
        let q = (count - 1.0) / count;
        mean = Sum { sum: q * mean.sum, c: q * mean.c }.add(v / count);
    }
    mean.sum + mean.c
}

/// `sum_over_time(m)`
pub(super) fn sum(w: &Window<'_>, _: &[f64], ctx: &mut FnCtx<'_>) -> Out {
    match (w.vs.is_empty(), w.hists.is_empty()) {
        (true, true) => Out::None,
        (false, true) => Out::Float(sum_of(w.vs)),
        (true, false) => aggregate(w, ctx, sum_histograms),
        (false, false) => mixed(ctx),
    }
}

/// `avg_over_time(m)`
pub(super) fn avg(w: &Window<'_>, _: &[f64], ctx: &mut FnCtx<'_>) -> Out {
    match (w.vs.is_empty(), w.hists.is_empty()) {
        (true, true) => Out::None,
        (false, true) => Out::Float(mean_of(w.vs)),
        (true, false) => aggregate(w, ctx, average_histograms),
        (false, false) => mixed(ctx),
    }
}

fn mixed(ctx: &mut FnCtx<'_>) -> Out {
    ctx.note_arg(0, Note::MixedFloatsHistograms(ctx.metric_name()));
    Out::None
}

type Histograms<'a> = &'a [(i64, Arc<FloatHistogram>)];
type Aggregated = Option<Result<FloatHistogram, HistogramError>>;

/// Aggregates the histograms of a window and notes what had to be settled.
fn aggregate(w: &Window<'_>, ctx: &mut FnCtx<'_>, f: fn(Histograms<'_>, &mut Reconciled) -> Aggregated) -> Out {
    let says = |hint| w.hists.iter().any(|(_, h)| h.counter_reset_hint == hint);
    if says(CounterResetHint::Reset) && says(CounterResetHint::NotReset) {
        ctx.note_arg(0, Note::CounterResetCollision("aggregation"));
    }
    let mut reconciled = Reconciled::default();
    match f(w.hists, &mut reconciled) {
        None => Out::None,
        Some(Ok(h)) => {
            if reconciled.custom_bounds {
                ctx.note_arg(0, Note::MismatchedCustomBuckets("aggregation"));
            }
            Out::Histogram(Arc::new(h))
        }
        Some(Err(HistogramError::IncompatibleSchemas)) => {
            ctx.note_arg(0, Note::MixedExponentialCustom(ctx.metric_name()));
            Out::None
        }
    }
}

fn sum_histograms(hists: Histograms<'_>, reconciled: &mut Reconciled) -> Aggregated {
    let ((_, first), rest) = hists.split_first()?;
    let mut sum = CompensatedHistogram::new(first);
    for (_, h) in rest {
        match sum.add(h) {
            Ok(r) => reconciled.custom_bounds |= r.custom_bounds,
            Err(e) => return Some(Err(e)),
        }
    }
    Some(Ok(sum.finish()))
}

/// As [`mean_of`], for histograms.
fn average_histograms(hists: Histograms<'_>, reconciled: &mut Reconciled) -> Aggregated {
    let ((_, first), rest) = hists.split_first()?;
    let mut sum = CompensatedHistogram::new(first);
    let mut running = false;
    let mut count = 1.0;
    for (_, h) in rest {
        count += 1.0;
        if !running {
            let mut next = sum.clone();
            match next.add(h) {
                Ok(r) => reconciled.custom_bounds |= r.custom_bounds,
                Err(e) => return Some(Err(e)),
            }
            if !next.has_overflow() {
                sum = next;
                continue;
            }
            running = true;
            sum.div(count - 1.0);
        }
        sum.scale((count - 1.0) / count);
        let mut part = FloatHistogram::clone(h);
        part.div(count);
        match sum.add(&part) {
            Ok(r) => reconciled.custom_bounds |= r.custom_bounds,
            Err(e) => return Some(Err(e)),
        }
    }
    if !running {
        sum.div(count);
    }
    Some(Ok(sum.finish()))
}

/// The variance around the mean, both carried on value by value.
pub(super) fn variance_of(vs: &[f64]) -> f64 {
    let (mut mean, mut squares, mut count) = (Sum::default(), Sum::default(), 0.0);
    for v in vs {
        count += 1.0;
        let delta = v - (mean.sum + mean.c);
        mean = mean.add(delta / count);
        squares = squares.add(delta * (v - (mean.sum + mean.c)));
    }
    (squares.sum + squares.c) / count
}

/// `stdvar_over_time(m)`
pub(super) fn stdvar(w: &Window<'_>, _: &[f64], ctx: &mut FnCtx<'_>) -> Out {
    of_floats(w, ctx, variance_of)
}

/// `stddev_over_time(m)`
pub(super) fn stddev(w: &Window<'_>, _: &[f64], ctx: &mut FnCtx<'_>) -> Out {
    of_floats(w, ctx, |vs| variance_of(vs).sqrt())
}

/// The `q`-quantile of values in any order, which are sorted here; NaN counts as lowest. Infinite for a `q` outside 0..1.
pub fn quantile(q: f64, values: &mut [f64]) -> f64 {
    if values.is_empty() || q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    // Zeros of both signs are equal and keep their order; a selection would not keep it.
    if values.len() <= FEW || values.iter().any(|v| v.to_bits() == (-0.0f64).to_bits()) {
        values.sort_by(sliding::by_rank);
        return quantile_of_sorted(q, values);
    }
    let place = Place::new(q, values.len());
    let (_, lower, above) = values.select_nth_unstable_by(place.lower, sliding::by_rank);
    let lower = *lower;
    let upper = above.iter().copied().min_by(sliding::by_rank).filter(|_| place.upper > place.lower);
    place.between(lower, upper.unwrap_or(lower))
}

/// So few values are sorted as quickly as any of them is found.
const FEW: usize = 16;

/// Where a quantile lies among ranked values: between two neighbours.
struct Place {
    lower: usize,
    upper: usize,
    weight: f64,
}

impl Place {
    /// Of the `q`-quantile, 0..1, among so many.
    fn new(q: f64, len: usize) -> Self {
        let last = len.saturating_sub(1) as f64;
        let rank = q * last;
        let lower = rank.floor().max(0.0);
        Place { lower: lower as usize, upper: (lower + 1.0).min(last) as usize, weight: rank - rank.floor() }
    }

    fn between(&self, lower: f64, upper: f64) -> f64 {
        lower * (1.0 - self.weight) + upper * self.weight
    }
}

/// The `q`-quantile, 0..1, of values in the order of [`sliding::by_rank`].
pub(super) fn quantile_of_sorted(q: f64, values: &[f64]) -> f64 {
    let place = Place::new(q, values.len());
    let at = |i: usize| values.get(i).copied().unwrap_or(f64::NAN);
    place.between(at(place.lower), at(place.upper))
}

/// `quantile_over_time(q, m)`
pub(super) fn quantile_over_time(w: &Window<'_>, args: &[f64], ctx: &mut FnCtx<'_>) -> Out {
    let q = args.first().copied().unwrap_or(f64::NAN);
    if !w.vs.is_empty() && !(0.0..=1.0).contains(&q) {
        ctx.note_arg(0, Note::InvalidQuantile(q));
    }
    of_floats(w, ctx, |vs| quantile(q, &mut vs.to_vec()))
}

/// `mad_over_time(m)`: the median of the distances from the median; NaN where any value is.
pub(super) fn mad(w: &Window<'_>, _: &[f64], ctx: &mut FnCtx<'_>) -> Out {
    of_floats(w, ctx, |vs| {
        if vs.iter().any(|v| v.is_nan()) {
            return f64::NAN;
        }
        let mut values = vs.to_vec();
        let median = quantile(0.5, &mut values);
        values.iter_mut().for_each(|v| *v = (*v - median).abs());
        quantile(0.5, &mut values)
    })
}
