//! Where sliding windows cut a column of times.

use std::cell::OnceCell;

use super::super::steps::{Bitmap, StepGrid};
use super::extrapolate::{Extent, Reach};

/// The windows of a range over a grid, as places in a column of times. Series that were scraped together have the same
/// times, so what follows from times alone is worked out once for all of them.
#[derive(Debug)]
pub struct Cuts {
    /// Start of the first window, exclusive.
    first_start: i64,
    /// Distance between two windows' starts; 0 when all windows are the same.
    step: i64,
    range: i64,
    ts: Vec<i64>,
    bounds: Vec<(u32, u32)>,
    some: Bitmap,
    several: Bitmap,
    spacing: Option<i64>,
    reach: OnceCell<Vec<Reach>>,
}

impl Cuts {
    /// Windows of `range` milliseconds over `steps` steps that end where `ends` says: one end for all when it has one
    /// step.
    pub fn new(ends: &StepGrid, range: i64, steps: usize) -> Self {
        Cuts {
            first_start: ends.start.saturating_sub(range),
            step: if ends.len() == 1 { 0 } else { ends.step },
            range,
            ts: Vec::new(),
            bounds: vec![(0, 0); steps],
            some: Bitmap::zeros(steps),
            several: Bitmap::zeros(steps),
            spacing: None,
            reach: OnceCell::new(),
        }
    }

    /// Fits the windows to a column of times, ascending.
    pub fn fit(&mut self, ts: &[i64]) {
        if self.ts == ts {
            return;
        }
        self.ts.clear();
        self.ts.extend_from_slice(ts);
        self.reach.take();
        self.some.clear();
        self.several.clear();
        let spacing = ts.first().zip(ts.get(1)).map(|(a, b)| b - a);
        let regular = ts.iter().zip(ts.iter().skip(1)).all(|(a, b)| Some(b - a) == spacing);
        self.spacing = spacing.filter(|_| regular);
        let (mut lo, mut hi) = (0usize, 0usize);
        for (i, bounds) in self.bounds.iter_mut().enumerate() {
            let start = self.first_start.saturating_add((i as i64).saturating_mul(self.step));
            let end = start.saturating_add(self.range);
            while ts.get(hi).is_some_and(|t| *t <= end) {
                hi += 1;
            }
            while lo < hi && ts.get(lo).is_some_and(|t| *t <= start) {
                lo += 1;
            }
            *bounds = (lo as u32, hi as u32);
            if lo < hi {
                self.some.set(i);
            }
            if hi - lo > 1 {
                self.several.set(i);
            }
        }
    }

    /// The times fitted to.
    pub fn times(&self) -> &[i64] {
        &self.ts
    }

    /// First and one-past-last index of every step's window, ascending; equal where the window is empty.
    pub fn bounds(&self) -> impl ExactSizeIterator<Item = (usize, usize)> + '_ {
        self.bounds.iter().map(|(lo, hi)| (*lo as usize, *hi as usize))
    }

    /// The windows that have samples: step, first and one-past-last index.
    pub fn occupied(&self) -> impl Iterator<Item = (usize, usize, usize)> + '_ {
        self.bounds().enumerate().filter(|(_, (lo, hi))| lo < hi).map(|(i, (lo, hi))| (i, lo, hi))
    }

    /// Where windows have samples.
    pub fn some(&self) -> &Bitmap {
        &self.some
    }

    /// Where windows have two samples or more.
    pub fn several(&self) -> &Bitmap {
        &self.several
    }

    /// The distance between samples, where it is always the same.
    pub fn spacing(&self) -> Option<i64> {
        self.spacing
    }

    /// Start of the window of step `i`, exclusive.
    pub fn start(&self, i: usize) -> i64 {
        self.first_start.saturating_add((i as i64).saturating_mul(self.step))
    }

    /// Length of a window.
    pub fn range(&self) -> i64 {
        self.range
    }

    /// How far the samples of every window reach.
    pub(super) fn reach(&self) -> &[Reach] {
        self.reach.get_or_init(|| reaches(self))
    }
}

/// How far the samples of every window reach. Neighbouring windows over regular samples reach equally far.
fn reaches(cuts: &Cuts) -> Vec<Reach> {
    let ts = cuts.times();
    let mut known: Option<([i64; 4], Reach)> = None;
    let one = |(i, (lo, hi)): (usize, (usize, usize))| {
        let (first, last) = (ts.get(lo).copied().unwrap_or(0), ts.get(hi.wrapping_sub(1)).copied().unwrap_or(0));
        let (start, samples) = (cuts.start(i), hi - lo);
        let end = start.saturating_add(cuts.range());
        let shape = [last - first, first - start, end - last, samples as i64];
        match known {
            Some((known, reach)) if known == shape => reach,
            _ => {
                let extent = Extent { first, last, samples: samples.max(1), start, end, zero: None };
                let reach = Reach::new(&extent);
                known = Some((shape, reach));
                reach
            }
        }
    };
    cuts.bounds().enumerate().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn windows_hold_the_samples_between_their_ends(
            gaps in prop::collection::vec(1i64..9, 0..40),
            others in prop::collection::vec(1i64..9, 0..40),
            range in 1i64..30,
            step in 1i64..20,
            steps in 1usize..20,
        ) {
            let column = |gaps: &[i64]| gaps.iter().scan(0, |t, gap| { *t += gap; Some(*t) }).collect::<Vec<i64>>();
            let ends = StepGrid::range(3, 3 + step * (steps as i64 - 1), step);
            let mut cuts = Cuts::new(&ends, range, steps);
            for ts in [column(&gaps), column(&others), column(&others)] {
                cuts.fit(&ts);
                for (i, (lo, hi)) in cuts.bounds().enumerate() {
                    let end = ends.time(i);
                    let inside = ts.iter().filter(|t| **t > end - range && **t <= end).count();
                    prop_assert_eq!(hi - lo, inside);
                    prop_assert_eq!((cuts.some().get(i), cuts.several().get(i)), (inside > 0, inside > 1));
                    prop_assert!(ts[lo..hi].iter().all(|t| *t > end - range && *t <= end));
                }
            }
        }
    }
}
