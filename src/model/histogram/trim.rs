//! Cutting a histogram off at a value: the operators `</` (keep what is below) and `>/` (keep what is above).

use super::estimate::exponential_fraction;
use super::{Bucket, FloatHistogram};

/// Which part to keep.
#[derive(Clone, Copy, PartialEq)]
enum Keep {
    Below,
    Above,
}

/// What remains of a bucket: a count, and where its observations are taken to be.
type Rest = (f64, f64);

impl FloatHistogram {
    /// Keeps the observations up to `limit`. A bucket that contains it is split by interpolation; one without a finite
    /// width to interpolate over goes as a whole where it could reach beyond. When anything goes, the sum is estimated
    /// anew from the middles of what remains; the caller gets the histogram unchanged when nothing does.
    pub fn keep_below(&self, limit: f64) -> FloatHistogram {
        self.trim(limit, Keep::Below)
    }

    /// Keeps the observations from `limit` on, as [`FloatHistogram::keep_below`].
    pub fn keep_above(&self, limit: f64) -> FloatHistogram {
        self.trim(limit, Keep::Above)
    }

    fn trim(&self, limit: f64, keep: Keep) -> FloatHistogram {
        let mut h = self.clone();
        let (mut count, mut sum, mut changed) = (0.0, 0.0, false);
        let mut settle = |slot: &mut f64, (rest, middle): Rest| {
            changed |= *slot != rest;
            *slot = rest;
            count += rest;
            if rest != 0.0 {
                sum += rest * middle;
            }
        };
        let populated = |c: f64| c != 0.0;
        for (slot, (i, c)) in h.positive_buckets.iter_mut().zip(self.positive()).filter(|(_, (_, c))| populated(*c)) {
            settle(slot, self.rest_of(&self.positive_bucket(i, c), limit, keep));
        }
        for (slot, (i, c)) in h.negative_buckets.iter_mut().zip(self.negative()).filter(|(_, (_, c))| populated(*c)) {
            settle(slot, self.rest_of(&self.negative_bucket(i, c), limit, keep));
        }
        if self.zero_count > 0.0 {
            let zero = self.one_sided(self.zero_bucket());
            settle(&mut h.zero_count, linear_rest(&zero, limit, keep));
        }
        if changed {
            (h.count, h.sum) = (count, sum);
            h.compact(0);
        }
        h
    }

    fn rest_of(&self, b: &Bucket, limit: f64, keep: Keep) -> Rest {
        if self.uses_custom_buckets() {
            return match (b.lower == f64::NEG_INFINITY, b.upper == f64::INFINITY) {
                (false, false) => linear_rest(b, limit, keep),
                (lowest, _) => infinite_rest(b, lowest, limit, keep),
            };
        }
        let middle = |lower: f64, upper: f64| (lower * upper).sqrt().copysign(upper);
        match whole(b, limit, keep) {
            Some(true) => (b.count, middle(b.lower, b.upper)),
            Some(false) => (0.0, 0.0),
            None => {
                let below = b.count * exponential_fraction(b, limit);
                match keep {
                    Keep::Below => (below, middle(b.lower, limit)),
                    Keep::Above => (b.count - below, middle(limit, b.upper)),
                }
            }
        }
    }
}

/// Whether a bucket stays or goes as a whole; `None` when the limit is inside.
fn whole(b: &Bucket, limit: f64, keep: Keep) -> Option<bool> {
    match keep {
        Keep::Below if b.upper <= limit => Some(true),
        Keep::Above if b.lower >= limit => Some(true),
        _ if b.lower < limit && limit < b.upper => None,
        _ => Some(false),
    }
}

/// What remains of a bucket of finite width whose observations are spread evenly.
fn linear_rest(b: &Bucket, limit: f64, keep: Keep) -> Rest {
    match whole(b, limit, keep) {
        Some(true) => (b.count, (b.lower + b.upper) / 2.0),
        Some(false) => (0.0, 0.0),
        None => {
            let below = b.count * ((limit - b.lower) / (b.upper - b.lower));
            match keep {
                Keep::Below => (below, (b.lower + limit) / 2.0),
                Keep::Above => (b.count - below, (limit + b.upper) / 2.0),
            }
        }
    }
}

/// What remains of the lowest (`-Inf` to its bound) or the highest (its bound to `+Inf`) custom bucket. A lowest bucket
/// with a positive bound is taken to begin at zero, as for quantiles, unless the limit is negative.
fn infinite_rest(b: &Bucket, lowest: bool, limit: f64, keep: Keep) -> Rest {
    let from_zero = Bucket { lower: 0.0, ..*b };
    let positive = b.upper > 0.0 && b.upper.is_finite();
    let finite = |v: f64| if v.is_finite() { v } else { 0.0 };
    match (lowest, whole(b, limit, keep)) {
        (_, Some(false)) => (0.0, 0.0),
        (true, Some(true)) => (b.count, if positive { b.upper / 2.0 } else { finite(b.upper) }),
        (false, Some(true)) => (b.count, b.lower),
        (true, None) if positive && limit >= 0.0 => linear_rest(&from_zero, limit, keep),
        // All could lie below the limit, whatever it is.
        (true, None) if keep == Keep::Below && b.upper <= 0.0 => (b.count, limit),
        // All could lie above the limit.
        (false, None) if keep == Keep::Above => (b.count, limit),
        (_, None) => (0.0, 0.0),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{any_custom, any_exponential, custom, exponential};
    use super::*;
    use proptest::prelude::*;

    const INF: f64 = f64::INFINITY;

    #[test]
    fn custom_buckets_are_cut_linearly() {
        let h = FloatHistogram { sum: 172.5, ..custom(&[5.0, 10.0, 15.0, 20.0], &[1.0, 6.0, 4.0, 3.0, 1.0]) };
        for (limit, below, sum_below, above, sum_above) in [
            (13.0, 9.4, 75.1, 5.6, 94.9),
            (15.0, 11.0, 97.5, 4.0, 72.5),
            (7.5, 4.0, 21.25, 11.0, 148.75),
            (-INF, 0.0, 0.0, 15.0, 172.5),
            (0.0, 0.0, 0.0, 15.0, 172.5),
            (INF, 15.0, 172.5, 0.0, 0.0),
        ] {
            let (low, high) = (h.keep_below(limit), h.keep_above(limit));
            let near = |a: f64, b: f64| (a - b).abs() < 1e-9;
            assert!(near(low.count, below) && near(low.sum, sum_below), "below {limit}: {low}");
            assert!(near(high.count, above) && near(high.sum, sum_above), "above {limit}: {high}");
        }
    }

    #[test]
    fn infinite_buckets_stay_or_go_as_a_whole() {
        let positive = FloatHistogram { sum: 33.0, ..custom(&[5.0], &[1.0, 100.0]) };
        let negative = FloatHistogram { sum: 33.0, ..custom(&[-5.0], &[1.0, 100.0]) };
        let one = FloatHistogram { sum: 100.0, ..custom(&[], &[100.0]) };
        for (h, below, above) in [
            (&positive, (10.0, 1.0, 2.5), (-10.0, 100.0, 500.0)),
            (&positive, (0.0, 0.0, 0.0), (10.0, 100.0, 1000.0)),
            (&negative, (10.0, 1.0, -5.0), (-10.0, 100.0, -500.0)),
            (&negative, (-10.0, 1.0, -10.0), (-2.0, 100.0, -200.0)),
            (&one, (10.0, 0.0, 0.0), (10.0, 0.0, 0.0)),
            (&one, (INF, 100.0, 100.0), (-INF, 100.0, 100.0)),
        ] {
            let (low, high) = (h.keep_below(below.0), h.keep_above(above.0));
            assert_eq!((low.count, low.sum), (below.1, below.2), "{h} below {}", below.0);
            assert_eq!((high.count, high.sum), (above.1, above.2), "{h} above {}", above.0);
        }
    }

    #[test]
    #[allow(clippy::approx_constant)]
    fn exponential_buckets_are_cut_exponentially() {
        let h = FloatHistogram { sum: 123.75, ..exponential(0, 1.0, (0, &[2.0, 4.0, 8.0, 16.0]), (0, &[1.0, 2.0])) };
        let cut = h.keep_above(1.4142135624);
        assert!((cut.count - 26.0).abs() < 1e-6 && (cut.sum - 116.50067065070982).abs() < 1e-6, "{cut}");
        assert_eq!((h.keep_below(-1.0).count, h.keep_below(-1.0).zero_count), (2.0, 0.0));
        assert_eq!(h.keep_above(-INF), h);
        let zero = FloatHistogram { zero_threshold: 0.1, sum: 0.0, ..exponential(0, 5.0, (0, &[]), (0, &[])) };
        assert_eq!((zero.keep_below(0.0).count, zero.keep_below(0.0).sum), (2.5, -0.125));
    }

    proptest! {
        #[test]
        fn what_is_below_and_what_is_above_make_the_whole(h in any_exponential(), limit in -20.0..20.0f64) {
            let parts = h.keep_below(limit).count + h.keep_above(limit).count;
            prop_assert!((parts - h.count).abs() < 1e-9 * h.count.max(1.0), "{} of {}", parts, h.count);
        }

        #[test]
        fn trimming_never_adds_observations(h in any_custom(), limit in -20.0..20.0f64) {
            prop_assert!(h.keep_below(limit).count <= h.count && h.keep_above(limit).count <= h.count);
        }
    }
}
