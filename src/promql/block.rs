//! Many series over the steps of a grid, held in a few large columns.

use std::rc::Rc;
use std::sync::Arc;

use super::error::EvalError;
use super::limits::{Budget, Holding};
use super::steps::{Bitmap, StepVector};
use crate::model::{FloatHistogram, Labels};

/// A series of a block.
#[derive(Clone)]
pub(crate) struct SeriesHead {
    pub labels: Labels,
    /// The metric name is to be dropped: at once, or with delayed removal at the end.
    pub dropped: bool,
}

/// Series over steps, row by row: one allocation for all values, one for all presence bits.
pub(crate) struct Block {
    steps: usize,
    words: usize,
    pub heads: Vec<SeriesHead>,
    values: Vec<f64>,
    present: Vec<u64>,
    hists: Option<Vec<Option<Arc<FloatHistogram>>>>,
    holding: Holding,
}

impl Block {
    pub fn new(steps: usize, budget: &Rc<Budget>) -> Self {
        Block {
            steps,
            words: steps.div_ceil(64),
            heads: Vec::new(),
            values: Vec::new(),
            present: Vec::new(),
            hists: None,
            holding: Holding::of(budget),
        }
    }

    pub fn len(&self) -> usize {
        self.heads.len()
    }

    pub fn steps(&self) -> usize {
        self.steps
    }

    /// Appends a series. Its samples count against the budget.
    pub fn push(&mut self, labels: &Labels, dropped: bool, row: &StepVector) -> Result<(), EvalError> {
        let (mut n, mut places) = (row.present.count(), self.steps);
        if let Some(column) = &row.hists {
            n += column.iter().flatten().map(|h| h.sample_weight()).sum::<usize>();
            let rows = self.heads.len();
            let all = self.hists.get_or_insert_with(|| vec![None; rows * self.steps]);
            all.extend(column.iter().cloned());
        } else if let Some(all) = &mut self.hists {
            all.resize(all.len() + self.steps, None);
        }
        if self.hists.is_some() {
            places += self.steps;
        }
        self.holding.samples(n)?;
        self.holding.column(places)?;
        self.heads.push(SeriesHead { labels: labels.clone(), dropped });
        self.values.extend_from_slice(&row.values);
        self.present.extend_from_slice(row.present.words());
        Ok(())
    }

    /// The floats of row `i`; meaningless where absent.
    #[inline]
    pub fn values(&self, i: usize) -> &[f64] {
        self.values.get(i * self.steps..(i + 1) * self.steps).unwrap_or_default()
    }

    /// Where row `i` has floats.
    #[inline]
    pub fn present(&self, i: usize) -> &[u64] {
        self.present.get(i * self.words..(i + 1) * self.words).unwrap_or_default()
    }

    /// The histograms of row `i`, one slot a step; empty when no series has any.
    pub fn histograms(&self, i: usize) -> &[Option<Arc<FloatHistogram>>] {
        let all = self.hists.as_deref().unwrap_or_default();
        all.get(i * self.steps..(i + 1) * self.steps).unwrap_or_default()
    }

    /// The float of row `i` at a step.
    #[inline]
    pub fn float(&self, i: usize, step: usize) -> Option<f64> {
        let there = self.present(i).get(step / 64).is_some_and(|w| w >> (step % 64) & 1 == 1);
        if there { self.values(i).get(step).copied() } else { None }
    }

    /// The histogram of row `i` at a step.
    pub fn histogram(&self, i: usize, step: usize) -> Option<&Arc<FloatHistogram>> {
        self.histograms(i).get(step)?.as_ref()
    }

    /// Where row `i` has a float or a histogram.
    pub fn occupied(&self, i: usize) -> Bitmap {
        let mut all = Bitmap::zeros(self.steps);
        all.copy_words(self.present(i));
        for (step, _) in self.histograms(i).iter().enumerate().filter(|(_, h)| h.is_some()) {
            all.set(step);
        }
        all
    }

    /// Where any row has a float or a histogram.
    pub fn any_occupied(&self) -> Bitmap {
        let mut all = Bitmap::zeros(self.steps);
        for i in 0..self.len() {
            all.or(&self.occupied(i));
        }
        all
    }

    /// Puts what is in `row` into row `i`, over what is there.
    pub fn merge(&mut self, i: usize, row: &StepVector) -> Result<(), EvalError> {
        self.holding.samples(row.present.count())?;
        for step in row.present.iter() {
            if let (Some(slot), Some(v)) = (self.values.get_mut(i * self.steps + step), row.values.get(step)) {
                *slot = *v;
            }
        }
        for (a, b) in self.present.iter_mut().skip(i * self.words).zip(row.present.words()) {
            *a |= b;
        }
        if let Some(column) = &row.hists {
            let size = self.heads.len() * self.steps;
            let all = self.hists.get_or_insert_with(|| vec![None; size]);
            for (slot, h) in all.iter_mut().skip(i * self.steps).zip(column.iter()).filter(|(_, h)| h.is_some()) {
                *slot = h.clone();
            }
        }
        Ok(())
    }

    /// Copies row `i` into `out`, which has as many steps.
    pub fn copy_row(&self, i: usize, out: &mut StepVector) {
        out.values.clear();
        out.values.extend_from_slice(self.values(i));
        out.present.copy_words(self.present(i));
        let hists = self.histograms(i);
        out.hists = hists.iter().any(Option::is_some).then(|| Box::new(hists.to_vec()));
    }
}
