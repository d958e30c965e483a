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

    /// Adds one addend. The compensation is dropped when the sum leaves the finite numbers, where it would only make
    /// a NaN of an infinity.
    #[inline]
    pub fn add(self, inc: f64) -> Self {
        let t = self.sum + inc;
        let c = if t.is_infinite() {
            0.0
        } else if self.sum.abs() >= inc.abs() {
            self.c + ((self.sum - t) + inc)
        } else {
            self.c + ((inc - t) + self.sum)
        };
        Sum { sum: t, c }
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

    #[test]
    fn small_addends_survive_large_ones() {
        let sum = |vs: &[f64]| vs.iter().fold(Sum::default(), |s, v| s.add(*v)).value();
        assert_eq!(sum(&[1.0, 1e100, 1.0, -1e100]), 2.0);
        assert_eq!(sum(&[5.3, 1e100, 1.0, -1e100, 2.0, 1e50, -1e50]), 8.3);
        assert_eq!(sum(&[f64::MAX, f64::MAX]), f64::INFINITY);
        assert!(sum(&[f64::INFINITY, f64::NEG_INFINITY]).is_nan());
    }
}
