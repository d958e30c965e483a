//! Classic histograms (series with `le`, `_count`, `_sum`) turned into native ones with custom buckets.

use super::{CUSTOM_BUCKETS_SCHEMA, FloatHistogram, Span};

/// Why a classic histogram makes no native one.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ClassicError {
    /// A bucket's bound is not a number, or is below all numbers.
    #[error("bucket with a bound of NaN or -Inf")]
    BadBound,
    /// A cumulative count falls as the bounds rise.
    #[error("count of bucket le={upper} is lower than that of the bucket below it")]
    NotCumulative {
        /// The bucket's bound.
        upper: f64,
    },
    /// The total is lower than a bucket's count.
    #[error("count {count} is lower than the count {highest} in the highest bucket")]
    CountTooLow {
        /// The total.
        count: f64,
        /// The count in the highest finite bucket.
        highest: f64,
    },
    /// The bucket that holds everything does not hold the total.
    #[error("count {count} is not the count {infinite} of bucket le=+Inf")]
    CountMismatch {
        /// The total.
        count: f64,
        /// The count in the bucket `+Inf`.
        infinite: f64,
    },
    /// A count is negative or not a number.
    #[error("bucket le={upper} has a count of {count}")]
    BadCount {
        /// The bucket's bound.
        upper: f64,
        /// Its count.
        count: f64,
    },
}

/// A classic histogram at one time, put together sample by sample in any order.
#[derive(Clone, Debug, Default)]
pub struct ClassicHistogram {
    buckets: Vec<(f64, f64)>,
    count: Option<f64>,
    sum: Option<f64>,
}

impl ClassicHistogram {
    /// Whether nothing has been set.
    pub fn is_empty(&self) -> bool {
        self.buckets.is_empty() && self.count.is_none() && self.sum.is_none()
    }

    /// Sets the cumulative count up to and including `upper`, the value of `le`.
    pub fn set_bucket(&mut self, upper: f64, cumulative: f64) {
        self.buckets.push((upper, cumulative));
    }

    /// Sets the value of the `_count` series.
    pub fn set_count(&mut self, count: f64) {
        self.count = Some(count);
    }

    /// Sets the value of the `_sum` series.
    pub fn set_sum(&mut self, sum: f64) {
        self.sum = Some(sum);
    }

    /// The native histogram. Without a bucket `+Inf` the `_count` stands for it, else the highest bucket. Of buckets of one
    /// bound the first counts.
    ///
    /// # Errors
    /// When the counts are not those of a cumulative histogram.
    pub fn convert(mut self) -> Result<FloatHistogram, ClassicError> {
        if self.buckets.iter().any(|(upper, _)| upper.is_nan()) {
            return Err(ClassicError::BadBound);
        }
        self.buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        self.buckets.dedup_by_key(|(upper, _)| *upper);
        let infinite = self.buckets.pop_if(|(upper, _)| *upper == f64::INFINITY).map(|(_, count)| count);
        if self.buckets.first().is_some_and(|(upper, _)| upper.is_infinite()) {
            return Err(ClassicError::BadBound);
        }
        let highest = self.buckets.last().map_or(0.0, |(_, count)| *count);
        let count = self.count.or(infinite).unwrap_or(highest);
        let mut counts = Vec::with_capacity(self.buckets.len() + 1);
        let mut below = 0.0;
        for (upper, cumulative) in self.buckets.iter().copied().chain([(f64::INFINITY, infinite.unwrap_or(count))]) {
            if cumulative.is_nan() || cumulative < 0.0 {
                return Err(ClassicError::BadCount { upper, count: cumulative });
            }
            if cumulative < below {
                return Err(match infinite {
                    None if upper == f64::INFINITY => ClassicError::CountTooLow { count, highest },
                    _ => ClassicError::NotCumulative { upper },
                });
            }
            counts.push(cumulative - below);
            below = cumulative;
        }
        if let Some(infinite) = infinite.filter(|infinite| *infinite != count) {
            return Err(ClassicError::CountMismatch { count, infinite });
        }
        let mut h = FloatHistogram {
            schema: CUSTOM_BUCKETS_SCHEMA,
            count,
            sum: self.sum.unwrap_or(0.0),
            positive_spans: vec![Span { offset: 0, length: u32::try_from(counts.len()).unwrap_or(u32::MAX) }],
            positive_buckets: counts,
            custom_values: self.buckets.into_iter().map(|(upper, _)| upper).collect(),
            ..FloatHistogram::default()
        };
        h.compact(0);
        Ok(h)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classic(buckets: &[(f64, f64)], count: Option<f64>) -> ClassicHistogram {
        ClassicHistogram { buckets: buckets.to_vec(), count, sum: Some(7.0) }
    }

    #[test]
    fn cumulative_buckets_become_custom_ones() {
        let h = classic(&[(f64::INFINITY, 9.0), (2.0, 5.0), (1.0, 2.0), (4.0, 5.0)], Some(9.0)).convert().unwrap();
        assert_eq!(h.to_notation(), "{{schema:-53 count:9 sum:7 custom_values:[1 2 4] buckets:[2 3 0 4]}}");
        let h = classic(&[(1.0, 2.0)], Some(5.0)).convert().unwrap();
        assert_eq!(h.to_notation(), "{{schema:-53 count:5 sum:7 custom_values:[1] buckets:[2 3]}}");
        let h = classic(&[(1.0, 1.0), (1.0, 2.0), (f64::INFINITY, 3.0)], None).convert().unwrap();
        assert_eq!(h.to_notation(), "{{schema:-53 count:3 sum:7 custom_values:[1] buckets:[1 2]}}");
    }

    #[test]
    fn counts_that_are_not_cumulative_are_refused() {
        for (buckets, count) in [
            (&[(1.0, 3.0), (2.0, 2.0)][..], Some(3.0)),
            (&[(1.0, 3.0)], Some(2.0)),
            (&[(1.0, f64::NAN)], Some(2.0)),
            (&[(f64::NAN, 1.0)], None),
            (&[(f64::NEG_INFINITY, 1.0), (f64::INFINITY, 3.0)], Some(3.0)),
            (&[(1.0, 1.0), (f64::INFINITY, 3.0)], Some(5.0)),
            (&[(1.0, 1.5), (f64::INFINITY, 3.0)], Some(2.0)),
            (&[(1.0, -1.0)], None),
        ] {
            assert!(classic(buckets, count).convert().is_err(), "{buckets:?} {count:?}");
        }
    }
}
