//! Counter resets between two histograms of a series.

use super::arithmetic::{common_bounds, rebucket};
use super::bounds::exponential_bound;
use super::layout::{Side, coarser_index, collect_mapped};
use super::{CounterResetHint, FloatHistogram, Indexed};

impl FloatHistogram {
    /// Whether the counter was reset between `previous` and this histogram. The hint of this one decides where it says
    /// something; else any count that went down, and any change of layout that a counter cannot make without a reset
    /// (finer buckets, a narrower zero bucket, custom bounds coming or going).
    pub fn detect_reset(&self, previous: &FloatHistogram) -> bool {
        match self.counter_reset_hint {
            CounterResetHint::Reset => return true,
            CounterResetHint::NotReset => return false,
            CounterResetHint::Unknown | CounterResetHint::Gauge => {}
        }
        if self.uses_custom_buckets() != previous.uses_custom_buckets() || self.count < previous.count {
            return true;
        }
        if self.uses_custom_buckets() {
            return self.custom_bucket_went_down(previous);
        }
        if self.schema > previous.schema || self.zero_threshold < previous.zero_threshold {
            return true;
        }
        let (zero_before, threshold) = previous.widened_zero_bucket(self.zero_threshold);
        if threshold != self.zero_threshold || self.zero_count < zero_before {
            return true;
        }
        let went_down = |now: Indexed<'_, f64>, before: Indexed<'_, f64>| {
            bucket_went_down(
                now.skip_while(|(i, _)| self.in_zero_bucket(*i)),
                self.comparable(before, previous.schema).iter(),
            )
        };
        went_down(self.positive(), previous.positive()) || went_down(self.negative(), previous.negative())
    }

    fn in_zero_bucket(&self, index: i32) -> bool {
        exponential_bound(index, self.schema) <= self.zero_threshold
    }

    /// Buckets of a schema at least as fine as ours, at ours, without those in our zero bucket.
    fn comparable(&self, side: Indexed<'_, f64>, schema: i32) -> Side<f64> {
        let coarse = collect_mapped(side, |i| coarser_index(i, schema, self.schema));
        collect_mapped(coarse.iter().skip_while(|(i, _)| self.in_zero_bucket(*i)), |i| i)
    }

    fn custom_bucket_went_down(&self, previous: &FloatHistogram) -> bool {
        if self.custom_values == previous.custom_values {
            return bucket_went_down(self.positive(), previous.positive());
        }
        let common = common_bounds(&self.custom_values, &previous.custom_values);
        let now = rebucket(self.positive(), &self.custom_values, &common);
        let before = rebucket(previous.positive(), &previous.custom_values, &common);
        bucket_went_down(now.iter(), before.iter())
    }
}

/// Whether any bucket holds less now than before; one that is not there holds nothing.
fn bucket_went_down(now: impl Iterator<Item = (i32, f64)>, mut before: impl Iterator<Item = (i32, f64)>) -> bool {
    let mut now = now.peekable();
    before.any(|(i, count)| {
        while now.next_if(|(j, _)| *j < i).is_some() {}
        match now.peek() {
            Some((j, c)) if *j == i => *c < count,
            _ => count != 0.0,
        }
    })
}
