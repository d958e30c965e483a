//! Range functions over all steps of a series of floats at once. Their results are those of the window-by-window forms,
//! bit by bit; what they save is looking at each sample once per window.

use super::super::steps::StepVector;
use super::Windows;
use super::over_time::{max_of, mean_of, min_of, sum_of};
use super::rate::{Change, Extent};

/// The windows that have samples: number, first and one past the last index, both in bounds.
fn occupied<'a>(w: &'a Windows<'_>) -> impl Iterator<Item = (usize, usize, usize)> + 'a {
    let len = w.ts.len().min(w.vs.len());
    let bounds = w.bounds.iter().enumerate().map(|(i, (lo, hi))| (i, *lo as usize, *hi as usize));
    bounds.filter(move |(_, lo, hi)| lo < hi && *hi <= len)
}

/// Calls `f` with the values of every window that has any.
fn each(w: &Windows<'_>, out: &mut StepVector, mut f: impl FnMut(&[f64]) -> f64) {
    for (i, lo, hi) in occupied(w) {
        if let Some(vs) = w.vs.get(lo..hi) {
            out.set(i, f(vs));
        }
    }
}

/// `rate`
pub(super) fn rate(w: &Windows<'_>, out: &mut StepVector) {
    change(w, Change::Rate, out);
}

/// `increase`
pub(super) fn increase(w: &Windows<'_>, out: &mut StepVector) {
    change(w, Change::Increase, out);
}

/// `delta`
pub(super) fn delta(w: &Windows<'_>, out: &mut StepVector) {
    change(w, Change::Delta, out);
}

fn change(w: &Windows<'_>, what: Change, out: &mut StepVector) {
    // Where a value is lower than the one before: few, mostly none.
    let falls: Vec<usize> = if what.of_counter() { falls(w.vs) } else { Vec::new() };
    let mut next_fall = 0;
    for (i, lo, hi) in occupied(w) {
        let (Some([first, .., last]), Some([t0, .., t1])) = (w.vs.get(lo..hi), w.ts.get(lo..hi)) else { continue };
        let mut total = last - first;
        while falls.get(next_fall).is_some_and(|k| *k <= lo) {
            next_fall += 1;
        }
        for k in falls.get(next_fall..).unwrap_or_default().iter().take_while(|k| **k < hi) {
            total += w.vs.get(k - 1).copied().unwrap_or_default();
        }
        let start = w.first_start + i as i64 * w.step;
        let extent = Extent { first: *t0, last: *t1, samples: hi - lo, start, end: start + w.range, zero: None };
        out.set(i, total * extent.factor(what, *first, total));
    }
}

/// The indices of values lower than the one before.
fn falls(vs: &[f64]) -> Vec<usize> {
    let pairs = vs.windows(2).enumerate();
    pairs.filter(|(_, p)| matches!(p, [a, b] if b < a)).map(|(i, _)| i + 1).collect()
}

/// `irate`
pub(super) fn irate(w: &Windows<'_>, out: &mut StepVector) {
    last_two(w, out, |seconds, before, now| (if now < before { now } else { now - before }) / seconds);
}

/// `idelta`
pub(super) fn idelta(w: &Windows<'_>, out: &mut StepVector) {
    last_two(w, out, |_, before, now| now - before);
}

fn last_two(w: &Windows<'_>, out: &mut StepVector, f: impl Fn(f64, f64, f64) -> f64) {
    for (i, lo, hi) in occupied(w) {
        if let (Some([.., v0, v1]), Some([.., t0, t1])) = (w.vs.get(lo..hi), w.ts.get(lo..hi))
            && t0 != t1
        {
            out.set(i, f((t1 - t0) as f64 / 1000.0, *v0, *v1));
        }
    }
}

/// `count_over_time`
pub(super) fn count(w: &Windows<'_>, out: &mut StepVector) {
    for (i, lo, hi) in occupied(w) {
        out.set(i, (hi - lo) as f64);
    }
}

/// `present_over_time`
pub(super) fn present(w: &Windows<'_>, out: &mut StepVector) {
    for (i, _, _) in occupied(w) {
        out.set(i, 1.0);
    }
}

/// `last_over_time`
pub(super) fn last(w: &Windows<'_>, out: &mut StepVector) {
    each(w, out, |vs| vs.last().copied().unwrap_or_default());
}

/// `changes`
pub(super) fn changes(w: &Windows<'_>, out: &mut StepVector) {
    count_events(w, out, |a, b| a != b && !(a.is_nan() && b.is_nan()));
}

/// `resets`
pub(super) fn resets(w: &Windows<'_>, out: &mut StepVector) {
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
    for (i, lo, hi) in occupied(w) {
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
    let samples: usize = occupied(w).map(|(_, lo, hi)| hi - lo).sum();
    if samples >= FEW * w.vs.len() { exact_totals(w.vs) } else { None }
}

/// `sum_over_time`
pub(super) fn sum(w: &Windows<'_>, out: &mut StepVector) {
    let Some(totals) = totals_if_worthwhile(w) else { return each(w, out, sum_of) };
    for (i, lo, hi) in occupied(w) {
        if let (Some(before), Some(after)) = (totals.get(lo), totals.get(hi)) {
            out.set(i, after - before);
        }
    }
}

/// `avg_over_time`
pub(super) fn avg(w: &Windows<'_>, out: &mut StepVector) {
    let Some(totals) = totals_if_worthwhile(w) else { return each(w, out, mean_of) };
    for (i, lo, hi) in occupied(w) {
        if let (Some(before), Some(after)) = (totals.get(lo), totals.get(hi)) {
            out.set(i, (after - before) / (hi - lo) as f64);
        }
    }
}

/// `max_over_time`
pub(super) fn max(w: &Windows<'_>, out: &mut StepVector) {
    extreme(w, out, max_of, |best, v| best < v);
}

/// `min_over_time`
pub(super) fn min(w: &Windows<'_>, out: &mut StepVector) {
    extreme(w, out, min_of, |best, v| best > v);
}

/// The extreme of every window. Overlapping windows share the work: `queue` holds the places in the window that no
/// later value has beaten, so its front is the first of the extremes. Where all are NaN, `exact` tells which NaN.
fn extreme(w: &Windows<'_>, out: &mut StepVector, exact: fn(&[f64]) -> f64, beaten: impl Fn(f64, f64) -> bool) {
    let mut queue: std::collections::VecDeque<(usize, f64)> = std::collections::VecDeque::new();
    let mut seen = 0;
    for (i, lo, hi) in occupied(w) {
        for (k, v) in w.vs.iter().copied().enumerate().take(hi).skip(seen.max(lo)) {
            if v.is_nan() {
                continue;
            }
            while queue.pop_back_if(|(_, best)| beaten(*best, v)).is_some() {}
            queue.push_back((k, v));
        }
        seen = seen.max(hi);
        while queue.pop_front_if(|(k, _)| *k < lo).is_some() {}
        match (queue.front(), w.vs.get(lo..hi)) {
            (Some((_, best)), _) => out.set(i, *best),
            (None, Some(vs)) => out.set(i, exact(vs)),
            (None, None) => {}
        }
    }
}
