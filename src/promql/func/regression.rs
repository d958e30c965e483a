//! Trends: `deriv`, `predict_linear`, `double_exponential_smoothing`.

use std::cell::Cell;

use super::super::steps::StepVector;
use super::lanes::{self, LANES, Lane, Lanes, Sums};
use super::over_time::floats;
use super::{FnCtx, Out, Window, Windows};
use crate::model::kahan::Sum;

/// The straight line that fits best: its slope per second and its value at `at`. NaN for a constant infinity.
pub(super) fn linear_regression(ts: &[i64], vs: &[f64], at: i64) -> (f64, f64) {
    let Some(first) = vs.first().copied() else { return (f64::NAN, f64::NAN) };
    if vs.iter().skip(1).all(|v| *v == first) {
        return if first.is_infinite() { (f64::NAN, f64::NAN) } else { (0.0, first) };
    }
    let [mut x, mut y, mut xy, mut xx] = [Sum::default(); 4];
    for (t, v) in ts.iter().zip(vs) {
        let seconds = (t - at) as f64 / 1e3;
        x = x.add(seconds);
        y = y.add(*v);
        xy = xy.add(seconds * v);
        xx = xx.add(seconds * seconds);
    }
    let n = vs.len() as f64;
    let [x, y, xy, xx] = [x, y, xy, xx].map(|s| s.sum + s.c);
    let covariance = xy - x * y / n;
    let variance = xx - x * x / n;
    let slope = covariance / variance;
    (slope, y / n - slope * x / n)
}

/// Fits lines to all windows that have at least two samples. `origin` chooses, from a window's times and its evaluation
/// time, the time that [`linear_regression`] looks from; `result` makes something of slope and intercept.
pub(super) fn lines(
    w: &Windows<'_>,
    out: &mut StepVector,
    origin: impl Fn(&[i64], i64) -> i64,
    result: impl Fn((f64, f64)) -> f64,
) {
    let ts = w.cuts.times();
    let plateaus = plateaus(w.vs);
    let origin = |i: usize, lo: usize| origin(ts.get(lo..).unwrap_or_default(), w.grid.time(i));
    // Most windows have the same times, seen from where they are looked at.
    let known: Cell<Option<Times>> = Cell::new(None);
    let times = |distance: i64, spacing: i64, len: usize| {
        let times = known.get().filter(|t| (t.distance, t.spacing, t.len) == (distance, spacing, len));
        let times = times.unwrap_or_else(|| Times::new(distance, spacing, len));
        known.set(Some(times));
        times
    };
    let wide = |lanes: &Lanes<'_>| {
        let mut distance = [0; LANES];
        for ((step, distance), lo) in lanes.steps.into_iter().zip(&mut distance).zip(lanes.lo) {
            *distance = ts.get(lo).copied().unwrap_or_default() - origin(step, lo);
        }
        let alike = distance.iter().all(|d| *d == distance[0]) && lanes.lens.iter().all(|n| *n == lanes.len);
        let flat = |lo: &usize| plateaus.get(lo + lanes.len - 1).is_none_or(|from| *from as usize <= *lo);
        match w.cuts.spacing().filter(|_| alike && !lanes.lo.iter().any(flat)) {
            Some(spacing) => {
                let (Lane(slope), Lane(at)) = slopes(lanes, &times(distance[0], spacing, lanes.len));
                let mut out = slope;
                out.iter_mut().zip(at).for_each(|(slope, at)| *slope = result((*slope, at)));
                Lane(out)
            }
            None => lanes::UNKNOWN,
        }
    };
    lanes::run(w, out, wide, |(i, lo, hi), vs| {
        let ts = ts.get(lo..hi).filter(|ts| ts.len() >= 2)?;
        Some(result(linear_regression(ts, vs, origin(i, lo))))
    });
}

/// Where the run of equal values begins that each value ends.
fn plateaus(vs: &[f64]) -> Vec<u32> {
    let mut before: Option<(f64, u32)> = None;
    let begin = |(i, v): (usize, &f64)| {
        let from = before.filter(|(b, _)| b == v).map_or(i as u32, |(_, from)| from);
        before = Some((*v, from));
        from
    };
    vs.iter().enumerate().map(begin).collect()
}

/// What a regression needs of times alone: those of `len` samples `spacing` milliseconds apart, whose first is `distance`
/// after the time looked from.
#[derive(Clone, Copy)]
pub(super) struct Times {
    distance: i64,
    spacing: i64,
    len: usize,
    /// Sum, in seconds.
    x: f64,
    /// Sum of squares.
    xx: f64,
}

impl Times {
    fn new(distance: i64, spacing: i64, len: usize) -> Self {
        let mut times = Times { distance, spacing, len, x: 0.0, xx: 0.0 };
        let [mut x, mut xx] = [Sum::default(); 2];
        for k in 0..len {
            let seconds = times.seconds(k);
            x = x.add(seconds);
            xx = xx.add(seconds * seconds);
        }
        (times.x, times.xx) = (x.sum + x.c, xx.sum + xx.c);
        times
    }

    #[inline(always)]
    fn seconds(&self, k: usize) -> f64 {
        (self.distance + k as i64 * self.spacing) as f64 / 1e3
    }
}

#[inline(always)]
fn slopes_body(lanes: &Lanes<'_>, times: &Times) -> (Lane, Lane) {
    let [mut y, mut xy] = [Sums::of(Lane::all(0.0)); 2];
    for k in 0..lanes.len {
        let v = lanes.row(k);
        y.add(v);
        xy.add(Lane::all(times.seconds(k)) * v);
    }
    let (n, x, xx) = (lanes.len as f64, times.x, times.xx);
    let (y, xy) = (y.totals(), xy.totals());
    let (x, n, variance) = (Lane::all(x), Lane::all(n), Lane::all(xx - x * x / n));
    let slope = (xy - x * y / n) / variance;
    (slope, y / n - slope * x / n)
}

lanes::kernel! {
    /// [`linear_regression`] of windows whose samples have these times: slopes, and values at the time looked from.
    slopes = slopes_body, (lanes: &Lanes<'_>, times: &Times) -> (Lane, Lane)
}

/// At least two floats; else nothing, with a note where histograms were left out.
fn two_floats<'a>(w: &Window<'a>, ctx: &mut FnCtx<'_>) -> Option<&'a [f64]> {
    floats(w, ctx).filter(|vs| vs.len() >= 2)
}

/// `deriv(m)`
pub(super) fn deriv(w: &Window<'_>, _: &[f64], ctx: &mut FnCtx<'_>) -> Out {
    let (Some(vs), Some(first)) = (two_floats(w, ctx), w.ts.first()) else { return Out::None };
    // A time near the samples keeps the sums small.
    Out::Float(linear_regression(w.ts, vs, *first).0)
}

/// `predict_linear(m, seconds)`
pub(super) fn predict_linear(w: &Window<'_>, args: &[f64], ctx: &mut FnCtx<'_>) -> Out {
    let (Some(vs), Some(ahead)) = (two_floats(w, ctx), args.first()) else { return Out::None };
    let (slope, intercept) = linear_regression(w.ts, vs, w.at);
    Out::Float(slope * ahead + intercept)
}

/// `double_exponential_smoothing(m, sf, tf)`: the factors are between 0 and 1, both exclusive.
pub(super) fn double_exponential_smoothing(w: &Window<'_>, args: &[f64], ctx: &mut FnCtx<'_>) -> Out {
    let &[sf, tf] = args else { return Out::None };
    for (factor, what, short) in [(sf, "smoothing", "sf"), (tf, "trend", "tf")] {
        if factor <= 0.0 || factor >= 1.0 {
            return Out::Fail(format!("invalid {what} factor. Expected: 0 < {short} < 1, got: {factor:.6}"));
        }
    }
    let Some(vs) = two_floats(w, ctx) else { return Out::None };
    let &[first, second, ..] = vs else { return Out::None };
    let (mut before, mut smooth, mut trend) = (0.0, first, second - first);
    for (i, v) in vs.iter().enumerate().skip(1) {
        if i > 1 {
            trend = tf * (smooth - before) + (1.0 - tf) * trend;
        }
        (before, smooth) = (smooth, sf * v + (1.0 - sf) * (smooth + trend));
    }
    Out::Float(smooth)
}
