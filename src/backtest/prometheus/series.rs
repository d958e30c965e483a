//! Samples of the series that are wanted, put together from wherever they are.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::model::{FloatHistogram, Labels, SampleBuf};

/// So many samples are put together at most: some gigabytes.
const MOST_SAMPLES: usize = 200_000_000;

/// Spans of time of which samples were deleted, by series.
#[derive(Default)]
pub struct Deleted(FxHashMap<u64, Vec<(i64, i64)>>);

impl Deleted {
    /// Both ends included.
    pub fn add(&mut self, series: u64, mint: i64, maxt: i64) {
        self.0.entry(series).or_default().push((mint, maxt));
    }

    /// Of a series.
    pub fn of(&self, series: u64) -> &[(i64, i64)] {
        self.0.get(&series).map_or(&[], Vec::as_slice)
    }
}

/// What was found.
pub struct Found<'a> {
    wanted: &'a dyn Fn(&Labels) -> bool,
    /// Samples by series, each part in the order of time.
    pub series: BTreeMap<Labels, SampleBuf>,
    samples: usize,
    /// Series, chunks and records that could not be read.
    pub damaged: u64,
}

impl<'a> Found<'a> {
    /// Nothing yet.
    pub fn new(wanted: &'a dyn Fn(&Labels) -> bool) -> Self {
        Found { wanted, series: BTreeMap::new(), samples: 0, damaged: 0 }
    }

    /// Whether samples of a series are wanted.
    pub fn wants(&self, labels: &Labels) -> bool {
        (self.wanted)(labels)
    }

    /// Adds the samples of a series between two times that are not deleted.
    ///
    /// # Errors
    /// They are too many.
    pub fn add(
        &mut self,
        labels: Labels,
        samples: &SampleBuf,
        deleted: &[(i64, i64)],
        from: i64,
        to: i64,
    ) -> Result<(), String> {
        let keeps = |t: i64| from <= t && t <= to && !deleted.iter().any(|(mint, maxt)| *mint <= t && t <= *maxt);
        let of = self.series.entry(labels).or_default();
        let before = of.len();
        for (t, v) in samples.ts.iter().zip(&samples.vs).filter(|(t, _)| keeps(**t)) {
            of.push(*t, *v);
        }
        for (t, h) in samples.hists.iter().filter(|(t, _)| keeps(*t)) {
            match admitted(h) {
                Some(h) => of.push_histogram(*t, h),
                None => self.damaged += 1,
            }
        }
        self.samples += of.len() - before;
        self.room_for(0)
    }

    /// Whether so many samples more may be held.
    ///
    /// # Errors
    /// They are too many.
    pub fn room_for(&self, more: usize) -> Result<(), String> {
        match self.samples.saturating_add(more) <= MOST_SAMPLES {
            true => Ok(()),
            false => Err(format!("more than {MOST_SAMPLES} samples: a shorter time or fewer rules are less")),
        }
    }
}

/// A histogram as it is stored here; `None` when it contradicts itself.
fn admitted(h: &Arc<FloatHistogram>) -> Option<Arc<FloatHistogram>> {
    match h.validate() {
        Ok(()) => Some(h.clone()),
        // It may be finer than those that are stored.
        Err(_) => FloatHistogram::clone(h).admitted().ok().map(Arc::new),
    }
}
