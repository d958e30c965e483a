//! What a group has gathered of floats at every step: columns, so that folding a series is a few passes over slices.

use super::super::ast::AggregateOp;
use super::super::steps::StepVector;
use crate::model::kahan::Sum;

/// What one group has gathered. Which columns there are depends on the operator.
pub(super) struct Column {
    /// The sum, the extreme, the sum of squared distances from the mean; for `avg` the sum or, where that would leave
    /// the floats, the mean.
    value: Vec<f64>,
    /// Compensation of `value`; for a variance the mean.
    other: Vec<f64>,
    /// Series that had a float at every step.
    full: f64,
    /// Further floats of a step; empty until a series has none somewhere.
    more: Vec<f64>,
    /// Where `avg` has left plain summation; empty until it does.
    running: Vec<bool>,
}

impl Column {
    pub fn new(op: AggregateOp, steps: usize) -> Self {
        let (value, other) = match op {
            AggregateOp::Count | AggregateOp::Group => (Vec::new(), Vec::new()),
            // NaN gives way to any number, and to the first NaN.
            AggregateOp::Min | AggregateOp::Max => (vec![f64::NAN; steps], Vec::new()),
            _ => (vec![0.0; steps], vec![0.0; steps]),
        };
        Column { value, other, full: 0.0, more: Vec::new(), running: Vec::new() }
    }

    /// Folds the floats of a series into the group.
    pub fn add(&mut self, op: AggregateOp, row: &StepVector) {
        match op {
            AggregateOp::Sum => self.fold(row, |value, c, v| {
                let sum = Sum { sum: *value, c: *c }.add(v);
                (*value, *c) = (sum.sum, sum.c);
            }),
            AggregateOp::Avg => self.average(row),
            AggregateOp::Count | AggregateOp::Group => {}
            AggregateOp::Min => self.extreme(row, |v, best| v < best),
            AggregateOp::Max => self.extreme(row, |v, best| v > best),
            _ => self.variance(row),
        }
        self.count(row);
    }

    /// Folds one float into the group at step `i`; whether it is the first one there.
    #[inline]
    pub fn add_at(&mut self, op: AggregateOp, i: usize, v: f64) -> bool {
        let first = self.counted(i) == 0.0;
        match op {
            AggregateOp::Sum => {
                if let (Some(value), Some(c)) = (self.value.get_mut(i), self.other.get_mut(i)) {
                    let sum = Sum { sum: *value, c: *c }.add(v);
                    (*value, *c) = (sum.sum, sum.c);
                }
            }
            AggregateOp::Avg => self.average_at(i, v),
            AggregateOp::Count | AggregateOp::Group => {}
            AggregateOp::Min => self.extreme_at(i, v, |v, best| v < best),
            AggregateOp::Max => self.extreme_at(i, v, |v, best| v > best),
            _ => self.variance_at(i, v),
        }
        self.count_one(i);
        first
    }

    /// The result at step `i`, where there is one.
    pub fn at(&self, op: AggregateOp, i: usize) -> f64 {
        self.result(op, i, self.counted(i))
    }

    /// How many of the steps have a result.
    pub fn steps_counted(&self, steps: usize) -> usize {
        if self.full > 0.0 { steps } else { self.more.iter().filter(|n| **n > 0.0).count() }
    }

    /// Counts something at a step that is no float.
    pub fn count_one(&mut self, i: usize) {
        if let Some(n) = self.more(i + 1).get_mut(i) {
            *n += 1.0;
        }
    }

    /// The results.
    pub fn finish(&self, op: AggregateOp, out: &mut StepVector) {
        for i in 0..out.len() {
            let n = self.counted(i);
            if n > 0.0 {
                out.set(i, self.result(op, i, n));
            }
        }
    }

    fn result(&self, op: AggregateOp, i: usize, n: f64) -> f64 {
        let at = |column: &[f64]| column.get(i).copied().unwrap_or_default();
        let sum = Sum { sum: at(&self.value), c: at(&self.other) };
        match op {
            AggregateOp::Sum => sum.value(),
            AggregateOp::Avg if self.is_running(i) => sum.value(),
            AggregateOp::Avg => sum.sum / n + sum.c / n,
            AggregateOp::Count => n,
            AggregateOp::Group => 1.0,
            AggregateOp::Min | AggregateOp::Max => sum.sum,
            AggregateOp::Stddev => (sum.sum / n).sqrt(),
            _ => sum.sum / n,
        }
    }

    fn counted(&self, i: usize) -> f64 {
        self.full + self.more.get(i).copied().unwrap_or(0.0)
    }

    fn is_running(&self, i: usize) -> bool {
        self.running.get(i).copied().unwrap_or(false)
    }

    fn more(&mut self, len: usize) -> &mut [f64] {
        if self.more.len() < len {
            self.more.resize(len, 0.0);
        }
        &mut self.more
    }

    fn count(&mut self, row: &StepVector) {
        if row.present.all() {
            self.full += 1.0;
            return;
        }
        let more = self.more(row.len());
        for i in row.present.iter() {
            if let Some(n) = more.get_mut(i) {
                *n += 1.0;
            }
        }
    }

    /// Applies `f` to both columns where the series has a float.
    #[inline]
    fn fold(&mut self, row: &StepVector, f: impl Fn(&mut f64, &mut f64, f64)) {
        if row.present.all() {
            let columns = self.value.iter_mut().zip(&mut self.other);
            columns.zip(&row.values).for_each(|((a, b), v)| f(a, b, *v));
            return;
        }
        for i in row.present.iter() {
            if let (Some(a), Some(b), Some(v)) = (self.value.get_mut(i), self.other.get_mut(i), row.values.get(i)) {
                f(a, b, *v);
            }
        }
    }

    fn extreme(&mut self, row: &StepVector, beyond: impl Fn(f64, f64) -> bool) {
        let pick = |best: &mut f64, v: f64| *best = if beyond(v, *best) || best.is_nan() { v } else { *best };
        if row.present.all() {
            return self.value.iter_mut().zip(&row.values).for_each(|(best, v)| pick(best, *v));
        }
        for i in row.present.iter() {
            if let (Some(best), Some(v)) = (self.value.get_mut(i), row.values.get(i)) {
                pick(best, *v);
            }
        }
    }

    #[inline]
    fn extreme_at(&mut self, i: usize, v: f64, beyond: impl Fn(f64, f64) -> bool) {
        if let Some(best) = self.value.get_mut(i)
            && (beyond(v, *best) || best.is_nan())
        {
            *best = v;
        }
    }

    fn variance(&mut self, row: &StepVector) {
        for i in row.present.iter() {
            if let Some(v) = row.values.get(i) {
                self.variance_at(i, *v);
            }
        }
    }

    fn variance_at(&mut self, i: usize, v: f64) {
        let count = self.counted(i) + 1.0;
        if let (Some(squares), Some(mean)) = (self.value.get_mut(i), self.other.get_mut(i)) {
            let delta = v - *mean;
            *mean += delta / count;
            *squares += delta * (v - *mean);
        }
    }

    /// The mean as a sum over a count while the sum stays finite, then as a running mean.
    fn average(&mut self, row: &StepVector) {
        let overflows = |(sum, v): (&f64, &f64)| !(sum + v).is_finite();
        if self.running.is_empty() && !self.value.iter().zip(&row.values).any(overflows) {
            return self.fold(row, |value, c, v| {
                let sum = Sum { sum: *value, c: *c }.add(v);
                (*value, *c) = (sum.sum, sum.c);
            });
        }
        for i in row.present.iter() {
            if let Some(v) = row.values.get(i) {
                self.average_at(i, *v);
            }
        }
    }

    fn average_at(&mut self, i: usize, v: f64) {
        let (count, running, steps) = (self.counted(i) + 1.0, self.is_running(i), self.value.len());
        let (Some(value), Some(c)) = (self.value.get_mut(i), self.other.get_mut(i)) else { return };
        if !running {
            let sum = Sum { sum: *value, c: *c }.add(v);
            if count == 1.0 || !sum.sum.is_infinite() {
                (*value, *c) = (sum.sum, sum.c);
                return;
            }
            self.running.resize(steps, false);
            self.running.iter_mut().skip(i).take(1).for_each(|r| *r = true);
            *value /= count - 1.0;
            *c /= count - 1.0;
        }
        let q = (count - 1.0) / count;
        let mean = Sum { sum: q * *value, c: q * *c }.add(v / count);
        (*value, *c) = (mean.sum, mean.c);
    }
}
