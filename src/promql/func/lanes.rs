//! Windows of equal length walked side by side. Compensated sums wait for the result of each addition before they can
//! begin the next, so one window alone leaves most of a processor idle; several at once fill it, and the compiler puts
//! them into vector registers. The operations of each window, and so its result, are the same bit by bit.

use std::ops::{Add, Div, Mul, Sub};

use super::super::steps::StepVector;
use super::Windows;

/// Windows side by side.
pub(super) const LANES: usize = 8;

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
                for (a, b) in self.0.iter_mut().zip(other.0) {
                    *a $op b;
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

    /// These values, 0 where those of `sum` are infinite.
    #[inline(always)]
    fn unless_infinite(mut self, sum: Lane) -> Lane {
        for (v, sum) in self.0.iter_mut().zip(sum.0) {
            *v = if sum.is_infinite() { 0.0 } else { *v };
        }
        self
    }
}

/// Some windows of equal length.
pub(super) struct Lanes<'a> {
    vs: &'a [f64],
    /// Where each begins.
    pub lo: [usize; LANES],
    /// Whether each begins one sample after the one before.
    adjacent: bool,
    /// Samples in each.
    pub len: usize,
    /// The step of the first; the others follow.
    pub first_step: usize,
}

impl Lanes<'_> {
    /// Value `k` of every window.
    #[inline(always)]
    pub fn row(&self, k: usize) -> Lane {
        let mut out = [0.0; LANES];
        if self.adjacent {
            let [first, ..] = self.lo;
            if let Some(values) = self.vs.get(first + k..).and_then(|vs| vs.first_chunk()) {
                out = *values;
            }
        } else {
            for (slot, lo) in out.iter_mut().zip(self.lo) {
                *slot = self.vs.get(lo + k).copied().unwrap_or_default();
            }
        }
        Lane(out)
    }
}

/// Compiles a kernel for processors with AVX2 too, and takes that form where it can run: twice as many lanes to an
/// instruction. Neither form fuses multiplications with additions, so both give the same bits.
macro_rules! kernel {
    ($(#[$doc:meta])* $name:ident = $body:path, ($($arg:ident: $type:ty),*) -> $result:ty) => {
        $(#[$doc])*
        pub(super) fn $name($($arg: $type),*) -> $result {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2")]
                fn with_avx2($($arg: $type),*) -> $result {
                    $body($($arg),*)
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

/// Evaluates all windows: `wide` several at once where neighbours are of equal length, else `one` by one. `one` gets
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
    let mut bounds = w.cuts.bounds().enumerate();
    let mut some = [(0, (0, 0)); LANES];
    while bounds.len() >= LANES {
        some.iter_mut().zip(&mut bounds).for_each(|(slot, b)| *slot = b);
        let len = some.map(|(_, (lo, hi))| hi - lo);
        let [(first_step, (first, _)), ..] = some;
        let adjacent = some.iter().enumerate().all(|(i, (_, (lo, _)))| *lo == first + i);
        let lanes = Lanes { vs: w.vs, lo: some.map(|(_, (lo, _))| lo), adjacent, len: len[0], first_step };
        // Short windows are done before a second one could help.
        let alike = lanes.len >= 4 && len.iter().all(|n| *n == lanes.len);
        let results = if alike { wide(&lanes) } else { UNKNOWN };
        some.iter().zip(results.0).for_each(|((i, bounds), v)| put(*i, *bounds, v));
    }
    bounds.for_each(|(i, bounds)| put(i, bounds, f64::NAN));
}

/// No result: the windows are evaluated one by one.
pub(super) const UNKNOWN: Lane = Lane([f64::NAN; LANES]);

/// Compensated sums, see [`crate::model::kahan::Sum`].
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
        self.c = (self.c + lost).unless_infinite(t);
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
    let mut sums = Sums::of(Lane::all(0.0));
    for k in 0..lanes.len {
        sums.add(lanes.row(k));
    }
    sums.totals()
}

#[inline(always)]
fn mean_body(lanes: &Lanes<'_>) -> Lane {
    let mut sums = Sums::of(lanes.row(0));
    for k in 1..lanes.len {
        sums.add(lanes.row(k));
    }
    let count = Lane::all(lanes.len as f64);
    sums.sum / count + sums.c / count
}

#[inline(always)]
fn variance_body(lanes: &Lanes<'_>) -> Lane {
    let (mut means, mut squares) = (Sums::of(Lane::all(0.0)), Sums::of(Lane::all(0.0)));
    for k in 0..lanes.len {
        let (v, count) = (lanes.row(k), Lane::all((k + 1) as f64));
        let delta = v - means.totals();
        means.add(delta / count);
        squares.add(delta * (v - means.totals()));
    }
    squares.totals() / Lane::all(lanes.len as f64)
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
    /// Variances of the windows, see [`super::over_time::variance_of`].
    variance = variance_body, (lanes: &Lanes<'_>) -> Lane
}
