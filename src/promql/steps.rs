//! Columns over the steps of a query.

use std::sync::Arc;

use crate::model::{FloatHistogram, Value};

/// The evaluation times of a query: `start, start + step, ..., <= end`. An instant query has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepGrid {
    /// First evaluation time, milliseconds.
    pub start: i64,
    /// Last admissible evaluation time, inclusive.
    pub end: i64,
    /// Distance between two evaluation times; at least 1.
    pub step: i64,
    len: usize,
}

impl StepGrid {
    /// The grid of an instant query.
    pub fn instant(at: i64) -> Self {
        StepGrid { start: at, end: at, step: 1, len: 1 }
    }

    /// The grid of a range query; a step below 1 counts as 1, and an end before the start makes an empty grid.
    pub fn range(start: i64, end: i64, step: i64) -> Self {
        let step = step.max(1);
        let len = if end < start { 0 } else { (end.saturating_sub(start) / step) as usize + 1 };
        StepGrid { start, end, step, len }
    }

    /// The same grid, `by` milliseconds later.
    pub fn shifted(&self, by: i64) -> Self {
        StepGrid { start: self.start.saturating_add(by), end: self.end.saturating_add(by), ..*self }
    }

    /// The number of steps.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no step.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The time of step `i`.
    #[inline]
    pub fn time(&self, i: usize) -> i64 {
        self.start.saturating_add((i as i64).saturating_mul(self.step))
    }

    /// All times.
    pub fn times(&self) -> impl Iterator<Item = i64> + use<> {
        let grid = *self;
        (0..self.len).map(move |i| grid.time(i))
    }

    /// The time of the last step.
    pub fn last(&self) -> i64 {
        self.time(self.len.saturating_sub(1))
    }
}

/// One bit a step: whether there is a value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bitmap {
    words: Vec<u64>,
    len: usize,
}

impl Bitmap {
    /// All steps absent.
    pub fn zeros(len: usize) -> Self {
        Bitmap { words: vec![0; len.div_ceil(64)], len }
    }

    /// All steps present.
    pub fn ones(len: usize) -> Self {
        let mut words = vec![u64::MAX; len.div_ceil(64)];
        if let Some(last) = words.last_mut().filter(|_| !len.is_multiple_of(64)) {
            *last = (1u64 << (len % 64)) - 1;
        }
        Bitmap { words, len }
    }

    /// The number of steps.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no step at all.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether step `i` is present.
    #[inline]
    pub fn get(&self, i: usize) -> bool {
        self.words.get(i / 64).is_some_and(|w| w >> (i % 64) & 1 == 1)
    }

    /// Marks step `i` present.
    #[inline]
    pub fn set(&mut self, i: usize) {
        if let Some(w) = self.words.get_mut(i / 64) {
            *w |= 1 << (i % 64);
        }
    }

    /// Marks step `i` absent.
    #[inline]
    pub fn unset(&mut self, i: usize) {
        if let Some(w) = self.words.get_mut(i / 64) {
            *w &= !(1 << (i % 64));
        }
    }

    /// 64 steps a word, the first in the lowest bit; bits past the end are never set.
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// Takes over the bits of `words`.
    pub fn copy_words(&mut self, words: &[u64]) {
        for (a, b) in self.words.iter_mut().zip(words) {
            *a = *b;
        }
    }

    /// Marks every step absent.
    pub fn clear(&mut self) {
        self.words.fill(0);
    }

    /// Marks every step present.
    pub fn fill(&mut self) {
        *self = Bitmap::ones(self.len);
    }

    /// The number of steps present.
    pub fn count(&self) -> usize {
        self.words.iter().map(|w| w.count_ones() as usize).sum()
    }

    /// Whether any step is present.
    pub fn any(&self) -> bool {
        self.words.iter().any(|w| *w != 0)
    }

    /// Whether every step is present.
    pub fn all(&self) -> bool {
        self.count() == self.len
    }

    /// Keeps the steps present in both.
    pub fn and(&mut self, other: &Bitmap) {
        for (a, b) in self.words.iter_mut().zip(&other.words) {
            *a &= b;
        }
    }

    /// Adds the steps present in `other`.
    pub fn or(&mut self, other: &Bitmap) {
        for (a, b) in self.words.iter_mut().zip(&other.words) {
            *a |= b;
        }
    }

    /// Removes the steps present in `other`.
    pub fn and_not(&mut self, other: &Bitmap) {
        for (a, b) in self.words.iter_mut().zip(&other.words) {
            *a &= !b;
        }
    }

    /// Whether a step is present in both.
    pub fn intersects(&self, other: &Bitmap) -> bool {
        self.words.iter().zip(&other.words).any(|(a, b)| a & b != 0)
    }

    /// The steps present, ascending.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.words.iter().enumerate().flat_map(|(i, word)| {
            let mut rest = *word;
            std::iter::from_fn(move || {
                let bit = rest.trailing_zeros() as usize;
                rest &= rest.checked_sub(1)?;
                Some(i * 64 + bit)
            })
        })
    }
}

/// What one series is worth at every step of a grid: a column of floats, and a column of histograms where there are
/// any. No step is present in both.
#[derive(Clone, Debug, Default)]
pub struct StepVector {
    /// One value a step; meaningless where `present` is not set.
    pub values: Vec<f64>,
    /// Where there is a float.
    pub present: Bitmap,
    /// Histograms, one slot a step; absent in the common case of a series of floats.
    pub hists: Option<Box<HistColumn>>,
}

/// One slot a step: the histogram there, if any.
pub type HistColumn = Vec<Option<Arc<FloatHistogram>>>;

impl StepVector {
    /// A column of `len` steps with nothing in it.
    pub fn empty(len: usize) -> Self {
        StepVector { values: vec![0.0; len], present: Bitmap::zeros(len), hists: None }
    }

    /// A column with one value at every step.
    pub fn constant(len: usize, v: f64) -> Self {
        StepVector { values: vec![v; len], present: Bitmap::ones(len), hists: None }
    }

    /// The number of steps.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there is no step.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Puts a float at step `i`.
    #[inline]
    pub fn set(&mut self, i: usize, v: f64) {
        if let Some(slot) = self.values.get_mut(i) {
            *slot = v;
            self.present.set(i);
        }
    }

    /// Puts a histogram at step `i`.
    pub fn set_histogram(&mut self, i: usize, h: Arc<FloatHistogram>) {
        let len = self.values.len();
        let column = self.hists.get_or_insert_with(|| Box::new(vec![None; len]));
        if let Some(slot) = column.get_mut(i) {
            *slot = Some(h);
        }
    }

    /// Removes everything and keeps the memory.
    pub fn reset(&mut self) {
        self.present.clear();
        self.hists = None;
    }

    /// Removes what is at steps not in `keep`.
    pub fn retain(&mut self, keep: &Bitmap) {
        self.present.and(keep);
        if let Some(column) = &mut self.hists {
            column.iter_mut().enumerate().filter(|(i, _)| !keep.get(*i)).for_each(|(_, h)| *h = None);
        }
    }

    /// Removes what is at step `i`.
    pub fn clear(&mut self, i: usize) {
        self.present.unset(i);
        if let Some(slot) = self.hists.as_mut().and_then(|c| c.get_mut(i)) {
            *slot = None;
        }
    }

    /// The float at step `i`.
    #[inline]
    pub fn float(&self, i: usize) -> Option<f64> {
        if self.present.get(i) { self.values.get(i).copied() } else { None }
    }

    /// The histogram at step `i`.
    pub fn histogram(&self, i: usize) -> Option<&Arc<FloatHistogram>> {
        self.hists.as_ref()?.get(i)?.as_ref()
    }

    /// What is at step `i`.
    pub fn value(&self, i: usize) -> Option<Value> {
        self.float(i).map(Value::Float).or_else(|| self.histogram(i).cloned().map(Value::Histogram))
    }

    /// Puts a value at step `i`.
    pub fn set_value(&mut self, i: usize, value: Value) {
        match value {
            Value::Float(v) => self.set(i, v),
            Value::Histogram(h) => self.set_histogram(i, h),
        }
    }

    /// Whether there is a float or a histogram at step `i`.
    pub fn has(&self, i: usize) -> bool {
        self.present.get(i) || self.histogram(i).is_some()
    }

    /// Where there is a float or a histogram.
    pub fn presence(&self) -> Bitmap {
        let mut all = self.present.clone();
        if let Some(column) = &self.hists {
            for (i, _) in column.iter().enumerate().filter(|(_, h)| h.is_some()) {
                all.set(i);
            }
        }
        all
    }

    /// Whether any step has a float or a histogram.
    pub fn any(&self) -> bool {
        self.present.any() || self.has_histograms()
    }

    /// Whether any step has a histogram.
    pub fn has_histograms(&self) -> bool {
        self.hists.as_ref().is_some_and(|c| c.iter().any(Option::is_some))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bitmap_lists_what_was_set() {
        let mut b = Bitmap::zeros(130);
        for i in [0, 63, 64, 129] {
            b.set(i);
        }
        b.unset(63);
        assert_eq!(b.iter().collect::<Vec<_>>(), [0, 64, 129]);
        assert_eq!((b.count(), b.any(), b.all()), (3, true, false));
        assert!(Bitmap::ones(70).all());
        assert_eq!(Bitmap::ones(70).count(), 70);
    }

    #[test]
    fn a_grid_ends_at_or_before_its_end() {
        assert_eq!(StepGrid::range(0, 25, 10).times().collect::<Vec<_>>(), [0, 10, 20]);
        assert_eq!(StepGrid::range(5, 4, 10).len(), 0);
        assert_eq!(StepGrid::instant(7).times().collect::<Vec<_>>(), [7]);
    }
}
