//! Windows of about equal length walked side by side. Compensated sums wait for the result of each addition before they can
//! begin the next, so one window alone leaves most of a processor idle; several at once fill it, and the compiler puts
//! them into vector registers. The operations of each window, and so its result, are the same bit by bit.
//!
//! Loops over arrays count here: chains of iterators are not inlined into functions of this size, and one that is not
//! costs more than the rest. All indices are below the arrays' constant length.
#![allow(clippy::needless_range_loop)]

use std::borrow::Cow;
use std::ops::{Add, Div, Mul, Sub};

use super::super::steps::StepVector;
use super::Windows;

/// Windows side by side.
pub(super) const LANES: usize = 16;

/// A value a window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lane(pub [f64; LANES]);

/// Element by element: plain loops over arrays of fixed size, which become vector instructions.
macro_rules! elementwise {
    ($($operator:ident $method:ident $op:tt),*) => {$(
        impl $operator for Lane {
            type Output = Lane;
            #[inline(always)]
            fn $method(mut self, other: Lane) -> Lane {
                for i in 0..LANES {
                    self.0[i] $op other.0[i];
                }
                self
            }
        }
    )*};
}

elementwise!(Add add +=, Sub sub -=, Mul mul *=, Div div /=);

impl Lane {
    /// The same in every window.
    #[inline(always)]
    pub fn all(v: f64) -> Lane {
        Lane([v; LANES])
    }

    /// `f` of every value.
    #[inline(always)]
    pub fn each(mut self, f: impl Fn(f64) -> f64) -> Lane {
        for v in &mut self.0 {
            *v = f(*v);
        }
        self
    }
}

/// A column of values, cut so that what stands `stride` apart stands side by side: first every value whose number is a
/// multiple of the stride, then the ones after those, and so on. With it, windows that begin `stride` samples apart are
/// read as quickly as neighbours.
struct Strided<'a> {
    values: Cow<'a, [f64]>,
    stride: usize,
    /// Length of a part.
    part: usize,
}

impl<'a> Strided<'a> {
    fn new(vs: &'a [f64], stride: usize) -> Self {
        if stride <= 1 {
            return Strided { values: vs.into(), stride: 1, part: vs.len() };
        }
        let part = vs.len().div_ceil(stride);
        let mut values = Vec::with_capacity(part * stride);
        for first in 0..stride {
            values.extend(vs.iter().skip(first).step_by(stride));
            values.resize(part * (first + 1), 0.0);
        }
        Strided { values: values.into(), stride, part }
    }

    /// Values `at`, `at + stride`, ...; past the end of the column they are any.
    #[inline(always)]
    fn from(&self, at: usize) -> Option<&[f64; LANES]> {
        let place = if self.stride == 1 { at } else { at % self.stride * self.part + at / self.stride };
        self.values.get(place..)?.first_chunk()
    }
}

/// Some windows of about equal length.
pub(super) struct Lanes<'a> {
    vs: &'a [f64],
    /// Where each begins.
    pub lo: [usize; LANES],
    /// The values, when each begins as many samples after the one before.
    strided: Option<&'a Strided<'a>>,
    /// Samples in each.
    pub lens: [usize; LANES],
    /// Samples that all of them have.
    pub len: usize,
    /// Samples of the longest.
    longest: usize,
    /// The step of each.
    pub steps: [usize; LANES],
}

impl Lanes<'_> {
    /// Value `k` of every window.
    #[inline(always)]
    pub fn row(&self, k: usize) -> Lane {
        let [first, ..] = self.lo;
        if let Some(values) = self.strided.and_then(|s| s.from(first + k)) {
            return Lane(*values);
        }
        let mut out = [0.0; LANES];
        for i in 0..LANES {
            out[i] = self.vs.get(self.lo[i] + k).copied().unwrap_or_default();
        }
        Lane(out)
    }

    /// Lets `state` take in the samples of every window, from sample `from` on.
    #[inline(always)]
    fn walk<S: Fold>(&self, from: usize, mut state: S) -> S {
        for k in from..self.len {
            state.take(k, self.row(k));
        }
        for k in self.len.max(from)..self.longest {
            let before = state;
            state.take(k, self.row(k));
            state.restore(&before, &self.lens.map(|n| n <= k));
        }
        state
    }

    /// How many samples each has, as numbers.
    #[inline(always)]
    fn counts(&self) -> Lane {
        Lane(self.lens.map(|n| n as f64))
    }
}

/// What is gathered of every window's samples. A trait and not closures: those are not inlined into the forms that
/// [`kernel`] makes, and then take as long as one window after the other.
trait Fold: Copy {
    /// Takes in sample `k` of every window.
    fn take(&mut self, k: usize, v: Lane);

    /// Goes back to what was there before, for the windows that have `ended`.
    fn restore(&mut self, before: &Self, ended: &[bool; LANES]);
}

impl Fold for Sums {
    #[inline(always)]
    fn take(&mut self, _: usize, v: Lane) {
        self.add(v);
    }

    #[inline(always)]
    fn restore(&mut self, before: &Self, ended: &[bool; LANES]) {
        for i in 0..LANES {
            if ended[i] {
                (self.sum.0[i], self.c.0[i]) = (before.sum.0[i], before.c.0[i]);
            }
        }
    }
}

/// The mean so far and the sum of squared distances from it.
#[derive(Clone, Copy)]
struct Spread {
    mean: Sums,
    squares: Sums,
}

impl Fold for Spread {
    #[inline(always)]
    fn take(&mut self, k: usize, v: Lane) {
        let delta = v - self.mean.totals();
        self.mean.add(delta / Lane::all((k + 1) as f64));
        self.squares.add(delta * (v - self.mean.totals()));
    }

    #[inline(always)]
    fn restore(&mut self, before: &Self, ended: &[bool; LANES]) {
        self.mean.restore(&before.mean, ended);
        self.squares.restore(&before.squares, ended);
    }
}

/// Compiles a kernel for processors with AVX2 and with AVX-512 too, and takes the widest form that can run: two or four
/// times as many lanes to an instruction. No form fuses multiplications with additions, so all give the same bits.
macro_rules! kernel {
    ($(#[$doc:meta])* $name:ident = $body:path, ($($arg:ident: $type:ty),*) -> $result:ty) => {
        $(#[$doc])*
        pub(super) fn $name($($arg: $type),*) -> $result {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f")]
                fn with_avx512($($arg: $type),*) -> $result {
                    $body($($arg),*)
                }
                #[target_feature(enable = "avx2")]
                fn with_avx2($($arg: $type),*) -> $result {
                    $body($($arg),*)
                }
                if std::arch::is_x86_feature_detected!("avx512f") {
                    // SAFETY: the processor has just been found to have AVX-512.
                    return unsafe { with_avx512($($arg),*) };
                }
                if std::arch::is_x86_feature_detected!("avx2") {
                    // SAFETY: the processor has just been found to have AVX2.
                    return unsafe { with_avx2($($arg),*) };
                }
            }
            $body($($arg),*)
        }
    };
}
pub(super) use kernel;

/// Evaluates all windows: `wide` several at once where neighbours are of about equal length, else `one` by one. `one` gets
/// step, first and one-past-last index beside the values, and is asked again where `wide` gives what is not finite.
pub(super) fn run(
    w: &Windows<'_>,
    out: &mut StepVector,
    wide: impl Fn(&Lanes<'_>) -> Lane,
    one: impl Fn((usize, usize, usize), &[f64]) -> Option<f64>,
) {
    let mut put = |i: usize, (lo, hi): (usize, usize), quick: f64| {
        let slow = || w.vs.get(lo..hi).filter(|vs| !vs.is_empty()).and_then(|vs| one((i, lo, hi), vs));
        if let Some(v) = if quick.is_finite() { Some(quick) } else { slow() } {
            out.set(i, v);
        }
    };
    let strided = Strided::new(w.vs, usual_stride(w));
    let mut bounds = w.cuts.bounds().enumerate();
    let mut some = [(0, (0, 0)); LANES];
    while bounds.len() >= LANES / 4 {
        let there = bounds.len().min(LANES);
        // Where windows run out, the last one stands in for those that are missing.
        let mut last = (0, (0, 0));
        for slot in &mut some {
            last = bounds.next().unwrap_or(last);
            *slot = last;
        }
        let lens = some.map(|(_, (lo, hi))| hi - lo);
        let (len, longest) = lens.iter().fold((usize::MAX, 0), |(min, max), n| (min.min(*n), max.max(*n)));
        let (lo, steps) = (some.map(|(_, (lo, _))| lo), some.map(|(i, _)| i));
        let even = lo.iter().zip(lo.iter().skip(1)).take(there - 1).all(|(a, b)| a + strided.stride == *b);
        let lanes = Lanes { vs: w.vs, lo, strided: even.then_some(&strided), lens, len, longest, steps };
        if !w.go_on(longest.saturating_mul(there)) {
            return;
        }
        // Short windows are done before a second one could help, and uneven ones would wait for the longest.
        let worthwhile = len >= 4 && longest - len <= len / 2 + LANES;
        let results = if worthwhile { wide(&lanes) } else { UNKNOWN };
        some.iter().take(there).zip(results.0).for_each(|((i, bounds), v)| put(*i, *bounds, v));
    }
    bounds.for_each(|(i, bounds)| put(i, bounds, f64::NAN));
}

/// How many samples after another the windows in the middle begin; 1 where so few samples are in several windows that
/// arranging them would not pay.
fn usual_stride(w: &Windows<'_>) -> usize {
    let bounds = w.cuts.bounds();
    let middle = bounds.len() / 2;
    let mut around = bounds.skip(middle);
    let (Some((a, end)), Some((b, _))) = (around.next(), around.next()) else { return 1 };
    if end - a >= 2 * (b - a) { b - a } else { 1 }
}

/// No result: the windows are evaluated one by one.
pub(super) const UNKNOWN: Lane = Lane([f64::NAN; LANES]);

/// Compensated sums, see [`crate::model::kahan::Sum`], as long as they are finite: one that is not never becomes so again,
/// and what follows from it is not finite either, so its window is evaluated by itself.
#[derive(Clone, Copy)]
pub(super) struct Sums {
    sum: Lane,
    c: Lane,
}

impl Sums {
    /// Sums of one addend each.
    #[inline(always)]
    pub fn of(first: Lane) -> Sums {
        Sums { sum: first, c: Lane::all(0.0) }
    }

    /// Adds one addend to each.
    #[inline(always)]
    pub fn add(&mut self, inc: Lane) {
        let t = self.sum + inc;
        let back = t - self.sum;
        let lost = (self.sum - (t - back)) + (inc - back);
        self.c = self.c + lost;
        self.sum = t;
    }

    /// The sums with what rounding took.
    #[inline(always)]
    pub fn totals(&self) -> Lane {
        self.sum + self.c
    }
}

#[inline(always)]
fn sum_body(lanes: &Lanes<'_>) -> Lane {
    lanes.walk(0, Sums::of(Lane::all(0.0))).totals()
}

#[inline(always)]
fn mean_body(lanes: &Lanes<'_>) -> Lane {
    let sums = lanes.walk(1, Sums::of(lanes.row(0)));
    sums.sum / lanes.counts() + sums.c / lanes.counts()
}

#[inline(always)]
fn variance_body(lanes: &Lanes<'_>) -> Lane {
    let none = Sums::of(Lane::all(0.0));
    lanes.walk(0, Spread { mean: none, squares: none }).squares.totals() / lanes.counts()
}

kernel! {
    /// Sums of the windows.
    sum = sum_body, (lanes: &Lanes<'_>) -> Lane
}
kernel! {
    /// Means of the windows.
    mean = mean_body, (lanes: &Lanes<'_>) -> Lane
}
kernel! {
    /// Variances of the windows, see `over_time::variance_of`.
    variance = variance_body, (lanes: &Lanes<'_>) -> Lane
}
