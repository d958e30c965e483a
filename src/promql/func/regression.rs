//! Trends: `deriv`, `predict_linear`, `double_exponential_smoothing`.

use super::over_time::floats;
use super::{FnCtx, Out, Window};
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
