//! What overlapping windows share: the extreme and the order of values, kept while the window slides.

use std::cmp::Ordering;
use std::collections::VecDeque;

use super::super::steps::StepVector;
use super::Windows;

/// The extreme of every window. `queue` holds the places in the window that no later value has beaten, so its front is
/// the first of the extremes. Where all are NaN, `exact` tells which NaN.
pub(super) fn extreme(
    w: &Windows<'_>,
    out: &mut StepVector,
    exact: fn(&[f64]) -> f64,
    beaten: impl Fn(f64, f64) -> bool,
) {
    if out.len() == 1 {
        return each(w, out, exact);
    }
    let mut queue: VecDeque<(usize, f64)> = VecDeque::new();
    let mut seen = 0;
    for (i, lo, hi) in w.cuts.occupied() {
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

/// Calls `f` with the values of every window that has any.
pub(super) fn each(w: &Windows<'_>, out: &mut StepVector, mut f: impl FnMut(&[f64]) -> f64) {
    for (i, lo, hi) in w.cuts.occupied() {
        if !w.go_on(hi - lo) {
            return;
        }
        if let Some(vs) = w.vs.get(lo..hi) {
            out.set(i, f(vs));
        }
    }
}

/// The order in which quantiles see values: NaN is lowest, and equal ones (0 and -0) stay as they came.
pub(super) fn by_rank(a: &f64, b: &f64) -> Ordering {
    match (a.is_nan(), b.is_nan()) {
        (false, false) => a.partial_cmp(b).unwrap_or(Ordering::Equal),
        (a, b) => b.cmp(&a),
    }
}

/// Calls `f` with the values of every window in their order.
pub(super) fn sorted(w: &Windows<'_>, out: &mut StepVector, f: impl Fn(&[f64]) -> f64) {
    let mut order: Vec<f64> = Vec::new();
    let (mut from, mut to) = (0, 0);
    for (i, lo, hi) in w.cuts.occupied() {
        if !w.go_on(hi - lo) {
            return;
        }
        let changed = (lo - from) + (hi - to);
        // Every change moves half of the values on average, sorting moves each of them some times.
        if lo >= to || changed > 8 {
            order.clear();
            order.extend_from_slice(w.vs.get(lo..hi).unwrap_or_default());
            order.sort_by(by_rank);
        } else {
            let column = |range: std::ops::Range<usize>| w.vs.get(range).unwrap_or_default();
            column(from..lo).iter().for_each(|v| leave(&mut order, *v));
            column(to..hi).iter().for_each(|v| enter(&mut order, *v));
        }
        (from, to) = (lo, hi);
        out.set(i, f(&order));
    }
}

/// The newest value goes behind those it equals.
fn enter(order: &mut Vec<f64>, v: f64) {
    let at = order.partition_point(|o| by_rank(o, &v) != Ordering::Greater);
    order.insert(at, v);
}

/// The oldest value stands before those it equals.
fn leave(order: &mut Vec<f64>, v: f64) {
    let at = order.partition_point(|o| by_rank(o, &v) == Ordering::Less);
    if at < order.len() {
        order.remove(at);
    }
}
