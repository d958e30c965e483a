//! Range functions over all steps of a series of floats at once. Their results are those of the window-by-window forms,
//! bit by bit; what they save is looking at each sample once per window.

use super::super::annotations::Note;
use super::super::steps::StepVector;
use super::extrapolate::Change;
use super::over_time::{max_of, mean_of, min_of, quantile, sum_of, variance_of};
use super::sliding::each;
use super::{FnCtx, Windows, lanes, over_time, regression, sliding};

/// `rate`
pub(super) fn rate(w: &Windows<'_>, _: &[f64], _: &mut FnCtx<'_>, out: &mut StepVector) {
    change(w, Change::Rate, out);
}

/// `increase`
pub(super) fn increase(w: &Windows<'_>, _: &[f64], _: &mut FnCtx<'_>, out: &mut StepVector) {
    change(w, Change::Increase, out);
}

/// `delta`
pub(super) fn delta(w: &Windows<'_>, _: &[f64], _: &mut FnCtx<'_>, out: &mut StepVector) {
    change(w, Change::Delta, out);
}

fn change(w: &Windows<'_>, what: Change, out: &mut StepVector) {
    // Where a value is lower than the one before: few, mostly none.
    let falls: Vec<usize> = if what.of_counter() { falls(w.vs) } else { Vec::new() };
    let mut next_fall = 0;
    let windows = w.cuts.bounds().zip(w.cuts.reach());
    for (slot, ((lo, hi), reach)) in out.values.iter_mut().zip(windows) {
        let Some([first, .., last]) = w.vs.get(lo..hi) else { continue };
        let mut total = last - first;
        if !falls.is_empty() {
            while falls.get(next_fall).is_some_and(|k| *k <= lo) {
                next_fall += 1;
            }
            if !w.go_on((hi - lo).min(falls.len())) {
                return;
            }
            for k in falls.get(next_fall..).unwrap_or_default().iter().take_while(|k| **k < hi) {
                total += w.vs.get(k - 1).copied().unwrap_or_default();
            }
        }
        *slot = total * reach.factor(what, *first, total);
    }
    out.present.or(w.cuts.several());
}

/// The indices of values lower than the one before.
fn falls(vs: &[f64]) -> Vec<usize> {
    let pairs = || vs.iter().zip(vs.iter().skip(1));
    if !pairs().fold(false, |any, (a, b)| any | (b < a)) {
        return Vec::new();
    }
    pairs().enumerate().filter(|(_, (a, b))| b < a).map(|(i, _)| i + 1).collect()
}

/// `irate`
pub(super) fn irate(w: &Windows<'_>, _: &[f64], _: &mut FnCtx<'_>, out: &mut StepVector) {
    last_two(w, out, |seconds, before, now| (if now < before { now } else { now - before }) / seconds);
}

/// `idelta`
pub(super) fn idelta(w: &Windows<'_>, _: &[f64], _: &mut FnCtx<'_>, out: &mut StepVector) {
    last_two(w, out, |_, before, now| now - before);
}

fn last_two(w: &Windows<'_>, out: &mut StepVector, f: impl Fn(f64, f64, f64) -> f64) {
    for (i, lo, hi) in w.cuts.occupied() {
        if let (Some([.., v0, v1]), Some([.., t0, t1])) = (w.vs.get(lo..hi), w.cuts.times().get(lo..hi))
            && t0 != t1
        {
            out.set(i, f((t1 - t0) as f64 / 1000.0, *v0, *v1));
        }
    }
}

/// `count_over_time`
pub(super) fn count(w: &Windows<'_>, _: &[f64], _: &mut FnCtx<'_>, out: &mut StepVector) {
    for (i, lo, hi) in w.cuts.occupied() {
        out.set(i, (hi - lo) as f64);
    }
}

/// `present_over_time`
pub(super) fn present(w: &Windows<'_>, _: &[f64], _: &mut FnCtx<'_>, out: &mut StepVector) {
    out.values.fill(1.0);
    out.present.or(w.cuts.some());
}

/// `last_over_time`
pub(super) fn last(w: &Windows<'_>, _: &[f64], _: &mut FnCtx<'_>, out: &mut StepVector) {
    each(w, out, |vs| vs.last().copied().unwrap_or_default());
}

/// `changes`
pub(super) fn changes(w: &Windows<'_>, _: &[f64], _: &mut FnCtx<'_>, out: &mut StepVector) {
    count_events(w, out, |a, b| a != b && !(a.is_nan() && b.is_nan()));
}

/// `resets`
pub(super) fn resets(w: &Windows<'_>, _: &[f64], _: &mut FnCtx<'_>, out: &mut StepVector) {
    count_events(w, out, |a, b| b < a);
}

/// Counts the neighbours of which `happened` holds, by running totals.
fn count_events(w: &Windows<'_>, out: &mut StepVector, happened: impl Fn(f64, f64) -> bool) {
    let mut total = 0u32;
    let mut totals = Vec::with_capacity(w.vs.len());
    totals.push(0);
    for pair in w.vs.windows(2) {
        total += u32::from(matches!(pair, [a, b] if happened(*a, *b)));
        totals.push(total);
    }
    for (i, lo, hi) in w.cuts.occupied() {
        if let (Some(before), Some(after)) = (totals.get(lo), totals.get(hi - 1)) {
            out.set(i, f64::from(after - before));
        }
    }
}

/// Running totals of values that are all whole and so small that no sum of them is rounded; `None` for others.
/// Compensated summation of such values is exact too, so a difference of totals is the same sum.
fn exact_totals(vs: &[f64]) -> Option<Vec<f64>> {
    const LIMIT: f64 = 9_007_199_254_740_992.0;
    let mut totals = Vec::with_capacity(vs.len() + 1);
    let (mut total, mut magnitude) = (0.0, 0.0);
    totals.push(0.0);
    for v in vs {
        magnitude += v.abs();
        let whole = v.trunc() == *v && magnitude < LIMIT;
        if !whole {
            return None;
        }
        total += v;
        totals.push(total);
    }
    Some(totals)
}

/// Windows shorter than this are summed one by one: running totals would not pay.
const FEW: usize = 4;

fn totals_if_worthwhile(w: &Windows<'_>) -> Option<Vec<f64>> {
    let samples: usize = w.cuts.occupied().map(|(_, lo, hi)| hi - lo).sum();
    if samples >= FEW * w.vs.len() { exact_totals(w.vs) } else { None }
}

/// `sum_over_time`
pub(super) fn sum(w: &Windows<'_>, _: &[f64], _: &mut FnCtx<'_>, out: &mut StepVector) {
    let Some(totals) = totals_if_worthwhile(w) else { return lanes::run(w, out, lanes::sum, |_, vs| Some(sum_of(vs))) };
    for (i, lo, hi) in w.cuts.occupied() {
        if let (Some(before), Some(after)) = (totals.get(lo), totals.get(hi)) {
            out.set(i, after - before);
        }
    }
}

/// `avg_over_time`
pub(super) fn avg(w: &Windows<'_>, _: &[f64], _: &mut FnCtx<'_>, out: &mut StepVector) {
    let Some(totals) = totals_if_worthwhile(w) else {
        return lanes::run(w, out, lanes::mean, |_, vs| Some(mean_of(vs)));
    };
    for (i, lo, hi) in w.cuts.occupied() {
        if let (Some(before), Some(after)) = (totals.get(lo), totals.get(hi)) {
            out.set(i, (after - before) / (hi - lo) as f64);
        }
    }
}

/// `max_over_time`
pub(super) fn max(w: &Windows<'_>, _: &[f64], _: &mut FnCtx<'_>, out: &mut StepVector) {
    sliding::extreme(w, out, max_of, |best, v| best < v);
}

/// `min_over_time`
pub(super) fn min(w: &Windows<'_>, _: &[f64], _: &mut FnCtx<'_>, out: &mut StepVector) {
    sliding::extreme(w, out, min_of, |best, v| best > v);
}

/// `stdvar_over_time`
pub(super) fn stdvar(w: &Windows<'_>, _: &[f64], _: &mut FnCtx<'_>, out: &mut StepVector) {
    lanes::run(w, out, lanes::variance, |_, vs| Some(variance_of(vs)));
}

/// `stddev_over_time`
pub(super) fn stddev(w: &Windows<'_>, _: &[f64], _: &mut FnCtx<'_>, out: &mut StepVector) {
    lanes::run(w, out, |l| lanes::variance(l).each(f64::sqrt), |_, vs| Some(variance_of(vs).sqrt()));
}

/// `quantile_over_time`
pub(super) fn quantile_over_time(w: &Windows<'_>, args: &[f64], ctx: &mut FnCtx<'_>, out: &mut StepVector) {
    let q = args.first().copied().unwrap_or(f64::NAN);
    if (0.0..=1.0).contains(&q) {
        return sliding::sorted(w, out, |sorted| over_time::quantile_of_sorted(q, sorted));
    }
    if w.cuts.some().any() {
        ctx.note_arg(0, Note::InvalidQuantile(q));
    }
    each(w, out, |vs| quantile(q, &mut vs.to_vec()));
}

/// `deriv`
pub(super) fn deriv(w: &Windows<'_>, _: &[f64], _: &mut FnCtx<'_>, out: &mut StepVector) {
    let origin = |ts: &[i64], _| ts.first().copied().unwrap_or_default();
    regression::lines(w, out, origin, |(slope, _)| slope);
}

/// `predict_linear`
pub(super) fn predict_linear(w: &Windows<'_>, args: &[f64], _: &mut FnCtx<'_>, out: &mut StepVector) {
    let Some(&ahead) = args.first() else { return };
    regression::lines(w, out, |_, at| at, |(slope, intercept)| slope * ahead + intercept);
}
