//! Estimates from the buckets: quantiles, fractions, mean, variance.

use super::{Bucket, FloatHistogram};
use crate::model::kahan::Sum;
use crate::model::math::{exp2, log2};

/// How observations of NaN, which are counted but are in no bucket, bear on an estimate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum NanEffect {
    /// There are none, or they do not matter.
    #[default]
    None,
    /// The quantile lies among them: the result is NaN.
    Result,
    /// The quantile is higher than it would be without them.
    Skewed,
}

/// A quantile and what NaN observations did to it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QuantileEstimate {
    /// The quantile.
    pub value: f64,
    /// The effect of NaN observations.
    pub nan: NanEffect,
}

impl QuantileEstimate {
    fn plain(value: f64) -> Self {
        QuantileEstimate { value, nan: NanEffect::None }
    }
}

/// `2^(log2(lower) + fraction of the way to log2(upper))`.
fn between_exponentially(lower: f64, upper: f64, fraction: f64) -> f64 {
    let (log_lower, log_upper) = (log2(lower.abs()), log2(upper.abs()));
    if lower > 0.0 {
        exp2(log_lower + (log_upper - log_lower) * fraction)
    } else {
        -exp2(log_upper + (log_lower - log_upper) * (1.0 - fraction))
    }
}

impl FloatHistogram {
    /// The mean of the observations; NaN without any.
    pub fn mean(&self) -> f64 {
        self.sum / self.count
    }

    /// The `q`-quantile. Within a bucket, observations are taken to be spread exponentially, in the zero bucket and in
    /// custom buckets linearly. Below 0 and above 1 the result is infinite; NaN for no observations or a `q` of NaN.
    pub fn quantile(&self, q: f64) -> QuantileEstimate {
        if q < 0.0 {
            return QuantileEstimate::plain(f64::NEG_INFINITY);
        }
        if q > 1.0 {
            return QuantileEstimate::plain(f64::INFINITY);
        }
        if self.count == 0.0 || q.is_nan() {
            return QuantileEstimate::plain(f64::NAN);
        }
        // NaN observations count as higher than all others, which only the way up sees. Without them, the shorter way
        // is the more accurate one.
        let has_nan = self.sum.is_nan();
        let upwards = has_nan || q < 0.5;
        let rank = if upwards { q * self.count } else { (1.0 - q) * self.count };
        let (mut bucket, count) = if upwards { reach(self.buckets(), rank) } else { reach(self.buckets().rev(), rank) };
        if self.uses_custom_buckets() {
            if bucket.lower == f64::NEG_INFINITY {
                if bucket.upper <= 0.0 {
                    return QuantileEstimate::plain(bucket.upper);
                }
                bucket.lower = 0.0;
            } else if bucket.upper == f64::INFINITY {
                return QuantileEstimate::plain(bucket.lower);
            }
        } else if bucket.lower < 0.0 && bucket.upper > 0.0 {
            bucket = self.one_sided(bucket);
        }
        let count = count.min(self.count);
        if count < rank {
            return if has_nan {
                QuantileEstimate { value: f64::NAN, nan: NanEffect::Result }
            } else {
                QuantileEstimate::plain(if upwards { bucket.upper } else { bucket.lower })
            };
        }
        let rank = if upwards { rank - (count - bucket.count) } else { count - rank };
        let fraction = rank / bucket.count;
        let value = if self.uses_custom_buckets() || (bucket.lower <= 0.0 && bucket.upper >= 0.0) {
            bucket.lower + (bucket.upper - bucket.lower) * fraction
        } else {
            between_exponentially(bucket.lower, bucket.upper, fraction)
        };
        QuantileEstimate { value, nan: if has_nan { NanEffect::Skewed } else { NanEffect::None } }
    }

    /// The zero bucket, cut at zero when all other buckets lie on one side.
    pub(super) fn one_sided(&self, mut zero: Bucket) -> Bucket {
        match (self.negative_buckets.is_empty(), self.positive_buckets.is_empty()) {
            (true, false) => zero.lower = 0.0,
            (false, true) => zero.upper = 0.0,
            _ => {}
        }
        zero
    }

    /// The fraction of observations between `lower` and `upper`, and whether there are NaN observations, which are in
    /// no fraction. NaN for no observations or a bound of NaN; 0 when the bounds are out of order.
    pub fn fraction(&self, lower: f64, upper: f64) -> (f64, bool) {
        if self.count == 0.0 || lower.is_nan() || upper.is_nan() {
            return (f64::NAN, false);
        }
        if lower >= upper {
            return (0.0, false);
        }
        // Observations of NaN are in `count` but in no bucket.
        let has_nan = self.sum.is_nan();
        let in_buckets = if has_nan { self.buckets().map(|b| b.count).sum() } else { self.count };
        let rank = |v: f64| self.rank_of(v).filter(|r| *r <= in_buckets).unwrap_or(in_buckets);
        ((rank(upper) - rank(lower)) / self.count, has_nan && in_buckets < self.count)
    }

    /// How many observations are below `v`; `None` when all in buckets are.
    fn rank_of(&self, v: f64) -> Option<f64> {
        let mut rank = 0.0;
        for mut b in self.buckets() {
            let around_zero = b.lower <= 0.0 && b.upper >= 0.0;
            if around_zero {
                b = self.one_sided(b);
            }
            if b.lower >= v {
                return Some(rank);
            }
            if b.upper > v {
                return Some(if b.lower == f64::NEG_INFINITY {
                    // Nothing is known of the spread in an infinite bucket.
                    b.count
                } else if around_zero || self.uses_custom_buckets() {
                    rank + b.count * (v - b.lower) / (b.upper - b.lower)
                } else {
                    rank + b.count * exponential_fraction(&b, v)
                });
            }
            rank += b.count;
        }
        None
    }

    /// The estimated variance of the observations, each taken to be in the middle of its bucket (the geometric mean of
    /// an exponential bucket's bounds, zero in the zero bucket); NaN without observations.
    pub fn variance(&self) -> f64 {
        let mean = self.mean();
        let mut sum = Sum::default();
        for b in self.buckets().filter(|b| b.count != 0.0) {
            let value = if self.uses_custom_buckets() {
                (b.upper + b.lower) / 2.0
            } else if b.lower <= 0.0 && b.upper >= 0.0 {
                0.0
            } else {
                (b.upper * b.lower).sqrt().copysign(b.upper)
            };
            let delta = value - mean;
            sum = sum.add(b.count * delta * delta);
        }
        (sum.sum + sum.c) / self.count
    }

    /// The estimated standard deviation: the root of [`FloatHistogram::variance`].
    pub fn stddev(&self) -> f64 {
        self.variance().sqrt()
    }
}

/// The part of an exponential bucket's observations that is below `v`, which lies in it.
pub(super) fn exponential_fraction(b: &Bucket, v: f64) -> f64 {
    let (log_lower, log_upper, log_v) = (log2(b.lower.abs()), log2(b.upper.abs()), log2(v.abs()));
    if v > 0.0 {
        (log_v - log_lower) / (log_upper - log_lower)
    } else {
        1.0 - (log_v - log_upper) / (log_lower - log_upper)
    }
}

/// The first populated bucket at which `rank` observations are reached (else the last one there is), and how many
/// there are up to and including it.
fn reach(buckets: impl Iterator<Item = Bucket>, rank: f64) -> (Bucket, f64) {
    let (mut last, mut count) = (Bucket::default(), 0.0);
    for b in buckets {
        last = b;
        if b.count == 0.0 {
            continue;
        }
        count += b.count;
        if count >= rank {
            break;
        }
    }
    (last, count)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{any_exponential, custom, exponential};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quantiles_interpolate_exponentially_and_linearly_around_zero() {
        let both = exponential(0, 4.0, (0, &[2.0, 3.0, 0.0, 1.0, 4.0]), (0, &[2.0, 3.0, 0.0, 1.0, 4.0]));
        let positive = exponential(0, 2.0, (0, &[2.0, 3.0, 0.0, 1.0, 4.0]), (0, &[]));
        let negative = exponential(0, 2.0, (0, &[]), (0, &[2.0, 3.0, 0.0, 1.0, 4.0]));
        for (h, q, want) in [
            (&both, 1.0, 16.0),
            (&both, 0.99, 15.34822590920423),
            (&both, 0.7, 1.2030250360821164),
            (&both, 0.1, -10.556063286183154),
            (&both, 0.0, -16.0),
            (&positive, 0.99, 15.670724761390828),
            (&positive, 0.5, 1.5874010519681994),
            (&negative, 0.5, -1.5874010519681996),
            (&negative, 0.1, -12.99603834169977),
            (&negative, -0.1, f64::NEG_INFINITY),
            (&negative, 1.1, f64::INFINITY),
        ] {
            assert_eq!(h.quantile(q).value, want, "quantile {q}");
        }
        assert!((both.quantile(0.55).value - 0.0006).abs() < 1e-12);
        assert_eq!(custom(&[5.0, 10.0], &[1.0, 2.0, 1.0]).quantile(0.5).value, 7.5);
        assert_eq!(custom(&[5.0, 10.0], &[1.0, 2.0, 1.0]).quantile(1.0).value, 10.0);
    }

    #[test]
    fn observations_of_nan_raise_quantiles_and_are_in_no_fraction() {
        let mut h = exponential(0, 0.0, (0, &[12.0]), (0, &[]));
        (h.count, h.sum) = (15.0, f64::NAN);
        assert_eq!(h.quantile(0.8), QuantileEstimate { value: 1.0, nan: NanEffect::Skewed });
        assert_eq!(h.quantile(0.81).nan, NanEffect::Result);
        assert_eq!(h.fraction(f64::NEG_INFINITY, f64::INFINITY), (0.8, true));
        assert_eq!(h.fraction(f64::NEG_INFINITY, 0.7071067811865475), (0.39999999999999986, true));
    }

    #[test]
    fn fractions_are_the_inverse_of_quantiles() {
        let h = exponential(0, 2.0, (0, &[2.0, 3.0, 0.0, 1.0, 4.0]), (0, &[]));
        for (lower, upper, want) in [
            (0.0, f64::INFINITY, 1.0),
            (f64::NEG_INFINITY, 0.0, 0.0),
            (0.0, 0.001, 0.16666666666666666),
            (0.001, f64::INFINITY, 0.8333333333333334),
            (0.0, 1.5, 0.47957395851362244),
            (1.5, 2.0, 0.10375937481971091),
            (1.0, 6.0, 0.29874687506009634),
            (42.0, 3.0, 0.0),
        ] {
            assert_eq!(h.fraction(lower, upper), (want, false), "{lower} to {upper}");
        }
    }

    #[test]
    fn variance_takes_the_middle_of_buckets() {
        let h = FloatHistogram { sum: 10.0, ..exponential(8, 0.0, (0, &[1.0, 2.0, 3.0, 4.0]), (0, &[])) };
        assert_eq!(h.stddev(), 0.0048960313898237465);
        let h = FloatHistogram { sum: -100.0, ..exponential(0, 0.0, (0, &[]), (4, &[10.0])) };
        assert_eq!(h.variance(), 1.725830020304794);
    }

    proptest! {
        #[test]
        fn quantiles_ascend(h in any_exponential(), a in 0.0..=1.0f64, b in 0.0..=1.0f64) {
            let h = FloatHistogram { zero_threshold: 0.0, ..h };
            let (low, high) = (h.quantile(a.min(b)).value, h.quantile(a.max(b)).value);
            prop_assert!(h.count == 0.0 || low <= high + 1e-9 * high.abs(), "{low} {high}");
        }
    }
}
