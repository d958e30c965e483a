//! Compensated summation: sums that keep what plain addition rounds away.

/// A sum and what rounding has taken from it so far (Kahan's method with Neumaier's improvement).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sum {
    /// The plain sum.
    pub sum: f64,
    /// The compensation; the best estimate of the true sum is `sum + c`.
    pub c: f64,
}

impl Sum {
    /// A sum of one addend.
    #[inline]
    pub fn of(value: f64) -> Self {
        Sum { sum: value, c: 0.0 }
    }

    #[allow(clippy::should_implement_trait)]
    /// Adds one addend. The compensation is dropped when the sum leaves the finite numbers, where it would only make
    /// a NaN of an infinity.
    #[inline]
    pub fn add(self, inc: f64) -> Self {
        let t = self.sum + inc;
        // What rounding took from `t` is a float itself. Neumaier finds it by subtracting the larger addend first; this
        // way (Knuth's) finds the same without a branch.
        let back = t - self.sum;
        let lost = (self.sum - (t - back)) + (inc - back);
        Sum { sum: t, c: if t.is_infinite() { 0.0 } else { self.c + lost } }
    }

    /// The compensated sum; an infinite one as it is.
    #[inline]
    pub fn value(self) -> f64 {
        if self.sum.is_infinite() { self.sum } else { self.sum + self.c }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_branchless_form_is_neumaiers(values in prop::collection::vec(prop::num::f64::ANY, 0..20)) {
            let branching = values.iter().fold((0.0f64, 0.0f64), |(sum, c), inc| {
                let t = sum + inc;
                let c = match sum.abs() >= inc.abs() {
                    _ if t.is_infinite() => 0.0,
                    true => c + ((sum - t) + inc),
                    false => c + ((inc - t) + sum),
                };
                (t, c)
            });
            let ours = values.iter().fold(Sum::default(), |s, v| s.add(*v));
            let same = |a: f64, b: f64| a == b || (a.is_nan() && b.is_nan());
            prop_assert!(same(ours.sum, branching.0) && same(ours.c, branching.1), "{ours:?} {branching:?}");
        }
    }

    #[test]
    fn small_addends_survive_large_ones() {
        let sum = |vs: &[f64]| vs.iter().fold(Sum::default(), |s, v| s.add(*v)).value();
        assert_eq!(sum(&[1.0, 1e100, 1.0, -1e100]), 2.0);
        assert_eq!(sum(&[5.3, 1e100, 1.0, -1e100, 2.0, 1e50, -1e50]), 8.3);
        assert_eq!(sum(&[f64::MAX, f64::MAX]), f64::INFINITY);
        assert!(sum(&[f64::INFINITY, f64::NEG_INFINITY]).is_nan());
    }
}
