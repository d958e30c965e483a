//! Quantiles and fractions over the buckets of a classic histogram.

/// One bucket of a classic histogram: all observations up to and including `upper`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    /// Upper bound, `+Inf` for the last.
    pub upper: f64,
    /// Cumulative count (or rate).
    pub count: f64,
}

/// A quantile estimated from buckets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The quantile.
    pub value: f64,
    /// Counts had to be made ascending first.
    pub forced_monotonic: bool,
}

/// Counts this close, relative to their size, differ by rounding only.
const TOLERANCE: f64 = 1e-12;

/// The `q`-quantile, observations taken to be spread evenly within a bucket. NaN without a bucket `+Inf`, without a
/// finite bucket, or without observations. Sorts and merges `buckets`.
pub fn quantile(q: f64, buckets: &mut Vec<Bucket>) -> Estimate {
    let plain = |value: f64| Estimate { value, forced_monotonic: false };
    if q.is_nan() {
        return plain(f64::NAN);
    }
    if q < 0.0 {
        return plain(f64::NEG_INFINITY);
    }
    if q > 1.0 {
        return plain(f64::INFINITY);
    }
    if !arrange(buckets) {
        return plain(f64::NAN);
    }
    let forced_monotonic = force_monotonic(buckets);
    Estimate { value: interpolate(q, buckets).unwrap_or(f64::NAN), forced_monotonic }
}

fn interpolate(q: f64, buckets: &[Bucket]) -> Option<f64> {
    let (last, finite) = buckets.split_last()?;
    let highest = finite.last()?;
    if last.count == 0.0 {
        return None;
    }
    let mut rank = q * last.count;
    // A rank of NaN is reached nowhere.
    let at = if rank.is_nan() { finite.len() } else { finite.partition_point(|b| b.count < rank) };
    let Some(bucket) = finite.get(at) else { return Some(highest.upper) };
    if at == 0 && bucket.upper <= 0.0 {
        return Some(bucket.upper);
    }
    let (mut start, mut count) = (0.0, bucket.count);
    if let Some(below) = at.checked_sub(1).and_then(|i| finite.get(i)) {
        start = below.upper;
        count -= below.count;
        rank -= below.count;
    }
    Some(start + (bucket.upper - start) * (rank / count))
}

/// Sorts by bound and makes buckets of one bound one; false when the last is not `+Inf`.
fn arrange(buckets: &mut Vec<Bucket>) -> bool {
    buckets.sort_by(|a, b| a.upper.total_cmp(&b.upper));
    buckets.dedup_by(|b, a| {
        let same = a.upper == b.upper;
        if same {
            a.count += b.count;
        }
        same
    });
    buckets.last().is_some_and(|b| b.upper == f64::INFINITY)
}

/// Removes decreases. Those within rounding go silently.
fn force_monotonic(buckets: &mut [Bucket]) -> bool {
    let mut forced = false;
    let mut highest: Option<f64> = None;
    for b in buckets {
        let Some(before) = highest else {
            highest = Some(b.count);
            continue;
        };
        if almost_equal(before, b.count) {
            b.count = before;
        } else if b.count < before {
            b.count = before;
            forced = true;
        } else {
            highest = Some(b.count);
        }
    }
    forced
}

fn almost_equal(a: f64, b: f64) -> bool {
    if a == b {
        return true;
    }
    let (sum, difference) = (a.abs() + b.abs(), (a - b).abs());
    if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < TOLERANCE * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < TOLERANCE
}

/// The fraction of observations between `lower` and `upper`. NaN without a bucket `+Inf`, without observations, or for
/// a bound of NaN. Sorts and merges `buckets`.
pub fn fraction(lower: f64, upper: f64, buckets: &mut Vec<Bucket>) -> f64 {
    let total = if arrange(buckets) { buckets.last().map_or(0.0, |b| b.count) } else { 0.0 };
    if total == 0.0 || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    (rank_of(upper, buckets).min(total) - rank_of(lower, buckets).min(total)) / total
}

/// How many observations lie below `v`. Infinitely wide buckets cannot be split: the lowest counts as a whole, of the
/// highest nothing. A lowest bucket with a positive bound is taken to begin at zero.
fn rank_of(v: f64, buckets: &[Bucket]) -> f64 {
    let from_zero = buckets.first().is_some_and(|b| b.upper > 0.0);
    let (mut start, mut rank) = (if from_zero { 0.0 } else { f64::NEG_INFINITY }, 0.0);
    for b in buckets {
        if start >= v {
            return rank;
        }
        if b.upper > v {
            if start == f64::NEG_INFINITY {
                return b.count;
            }
            return rank + (b.count - rank) * (v - start) / (b.upper - start);
        }
        (start, rank) = (b.upper, b.count);
    }
    f64::INFINITY
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(all: &[(f64, f64)]) -> Vec<Bucket> {
        all.iter().map(|(upper, count)| Bucket { upper: *upper, count: *count }).collect()
    }

    #[test]
    fn quantiles_interpolate_within_a_bucket() {
        let all = [(1.0, 2.0), (2.0, 4.0), (f64::INFINITY, 5.0)];
        for (q, want) in [(0.0, 0.0), (0.2, 0.5), (0.6, 1.5), (0.9, 2.0), (1.0, 2.0)] {
            assert_eq!(quantile(q, &mut buckets(&all)).value, want, "{q}");
        }
        assert_eq!(quantile(-0.1, &mut buckets(&all)).value, f64::NEG_INFINITY);
        assert!(quantile(0.5, &mut buckets(&all[..2])).value.is_nan());
    }

    #[test]
    fn fractions_split_the_buckets_they_cut() {
        let positive = [(1.0, 1.0), (2.0, 3.0), (3.0, 6.0), (f64::INFINITY, 100.0)];
        let negative = [(-3.0, 10.0), (-2.0, 12.0), (-1.0, 15.0), (f64::INFINITY, 100.0)];
        for (all, lower, upper, want) in [
            (&positive, 0.0, 1.5, 0.02),
            (&positive, 0.5, 2.0, 0.025),
            (&positive, 400.0, f64::INFINITY, 0.94),
            (&positive, 4.0, 5.0, 0.0),
            (&negative, -4.0, -2.0, 0.02),
            (&negative, f64::NEG_INFINITY, -1.5, 0.135),
        ] {
            assert_eq!(fraction(lower, upper, &mut buckets(all)), want, "{lower} to {upper}");
        }
    }

    #[test]
    fn falling_counts_are_raised() {
        let all = [(1.0, 4.0), (2.0, 3.0), (f64::INFINITY, 5.0)];
        assert!(quantile(0.5, &mut buckets(&all)).forced_monotonic);
        let rounded = [(1.0, 4.0), (2.0, 4.0 - 1e-13), (f64::INFINITY, 5.0)];
        assert!(!quantile(0.5, &mut buckets(&rounded)).forced_monotonic);
    }

    #[test]
    fn fractions_interpolate_within_a_bucket() {
        let all = [(0.0, 0.0), (1.0, 2.0), (2.0, 4.0), (f64::INFINITY, 4.0)];
        for (l, u, want) in [(0.0, 1.0, 0.5), (0.5, 1.5, 0.5), (f64::NEG_INFINITY, f64::INFINITY, 1.0), (1.0, 0.0, 0.0)]
        {
            assert_eq!(fraction(l, u, &mut buckets(&all)), want, "{l}..{u}");
        }
    }
}
