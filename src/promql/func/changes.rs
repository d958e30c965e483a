//! `changes` and `resets`: how often a series did something from one sample to the next.

use super::extended::from_anchor;
use super::starts::Starts;
use super::{FnCtx, Out, Window};
use crate::model::FloatHistogram;

/// A sample of either kind, and its number among those of its kind.
#[derive(Clone, Copy)]
enum Sample<'a> {
    Float(i64, f64, usize),
    Histogram(i64, &'a FloatHistogram, usize),
}

/// The samples of a window, floats and histograms merged by time.
fn merged<'a>(w: &Window<'a>) -> impl Iterator<Item = Sample<'a>> {
    let floats = w.ts.iter().zip(w.vs).enumerate().map(|(i, (t, v))| Sample::Float(*t, *v, i));
    let histograms = w.hists.iter().enumerate().map(|(i, (t, h))| Sample::Histogram(*t, h, i));
    let (mut floats, mut histograms) = (floats.peekable(), histograms.peekable());
    let time = |s: &Sample<'_>| match s {
        Sample::Float(t, ..) | Sample::Histogram(t, ..) => *t,
    };
    std::iter::from_fn(move || match (floats.peek().map(time), histograms.peek().map(time)) {
        (Some(f), Some(h)) if h < f => histograms.next(),
        (None, _) => histograms.next(),
        _ => floats.next(),
    })
}

/// Counts the neighbours of which `happened` holds; nothing where the range is empty.
fn count(w: &Window<'_>, happened: impl Fn(Sample<'_>, Sample<'_>) -> bool) -> Out {
    let w = from_anchor(w);
    let in_range = |t: Option<i64>| t.is_some_and(|t| t > w.start);
    if !in_range(w.ts.last().copied()) && !in_range(w.hists.last().map(|(t, _)| *t)) {
        return Out::None;
    }
    let mut samples = merged(&w);
    let Some(mut before) = samples.next() else { return Out::None };
    let mut count = 0.0;
    for now in samples {
        if happened(before, now) {
            count += 1.0;
        }
        before = now;
    }
    Out::Float(count)
}

/// `changes(m)`
pub(super) fn changes(w: &Window<'_>, _: &[f64], _: &mut FnCtx<'_>) -> Out {
    count(w, |before, now| match (before, now) {
        (Sample::Float(_, a, _), Sample::Float(_, b, _)) => a != b && !(a.is_nan() && b.is_nan()),
        (Sample::Histogram(_, a, _), Sample::Histogram(_, b, _)) => a != b,
        _ => true,
    })
}

/// `resets(m)`
pub(super) fn resets(w: &Window<'_>, _: &[f64], _: &mut FnCtx<'_>) -> Out {
    let anchored = from_anchor(w);
    let (floats, histograms) = (Starts::new(anchored.float_st), Starts::new(anchored.hist_st));
    count(w, |before, now| match (before, now) {
        (Sample::Float(t0, a, _), Sample::Float(t1, b, i)) => b < a || floats.reset(i, t0, t1),
        (Sample::Histogram(t0, a, _), Sample::Histogram(t1, b, i)) => b.detect_reset(a) || histograms.reset(i, t0, t1),
        _ => true,
    })
}
