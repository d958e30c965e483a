//! Series in memory, as scripts load them.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::histogram::stored_after;
use crate::model::{FloatHistogram, Labels, Matcher, SampleBuf, Value};
use crate::tsdb::{Queryable, Series, StorageError};

/// A small store: every series a vector of samples ascending in time.
#[derive(Clone, Debug, Default)]
pub struct MemoryStorage {
    series: BTreeMap<Labels, Arc<MemorySeries>>,
}

/// One series.
#[derive(Clone, Debug)]
pub struct MemorySeries {
    labels: Labels,
    samples: Vec<Sample>,
}

#[derive(Clone, Debug)]
struct Sample {
    t: i64,
    /// Start timestamp, 0 when unknown.
    st: i64,
    value: Value,
}

impl MemoryStorage {
    /// Removes everything.
    pub fn clear(&mut self) {
        self.series.clear();
    }

    /// Adds a sample; one at the same time is replaced. Histograms get the counter reset hint that a TSDB gives them
    /// back with: what the samples before tell, for what writers say of them is not kept.
    pub fn append(&mut self, labels: &Labels, t: i64, st: i64, value: Value) {
        let entry = self.series.entry(labels.clone());
        let series = entry.or_insert_with(|| Arc::new(MemorySeries { labels: labels.clone(), samples: Vec::new() }));
        let samples = &mut Arc::make_mut(series).samples;
        let at = samples.partition_point(|s| s.t < t);
        let value = match value {
            Value::Histogram(h) => {
                let before = at.checked_sub(1).and_then(|i| samples.get(i)).map(|s| &s.value);
                Value::Histogram(stored_after(h, before))
            }
            float => float,
        };
        let sample = Sample { t, st, value };
        match samples.get_mut(at) {
            Some(there) if there.t == t => *there = sample,
            _ => samples.insert(at, sample),
        }
    }

    fn matching(&self, matchers: &[Matcher]) -> impl Iterator<Item = &Arc<MemorySeries>> {
        self.series.values().filter(move |s| matchers.iter().all(|m| m.matches(s.labels.value(&m.name))))
    }
}

impl Queryable for MemoryStorage {
    fn select(&self, matchers: &[Matcher], _: i64, _: i64) -> Result<Vec<Arc<dyn Series>>, StorageError> {
        Ok(self.matching(matchers).map(|s| s.clone() as Arc<dyn Series>).collect())
    }
}

impl MemorySeries {
    fn within(&self, mint: i64, maxt: i64) -> &[Sample] {
        let from = self.samples.partition_point(|s| s.t < mint);
        let to = self.samples.partition_point(|s| s.t <= maxt);
        self.samples.get(from..to).unwrap_or_default()
    }
}

impl Series for MemorySeries {
    fn labels(&self) -> &Labels {
        &self.labels
    }

    fn read(&self, mint: i64, maxt: i64, start_timestamps: bool, out: &mut SampleBuf) -> Result<(), StorageError> {
        for s in self.within(mint, maxt) {
            match &s.value {
                Value::Float(v) => {
                    out.push(s.t, *v);
                    if start_timestamps {
                        out.float_st.push(s.st);
                    }
                }
                Value::Histogram(h) => {
                    out.push_histogram(s.t, Arc::<FloatHistogram>::clone(h));
                    if start_timestamps {
                        out.hist_st.push(s.st);
                    }
                }
            }
        }
        Ok(())
    }

    fn latest(&self, mint: i64, maxt: i64) -> Result<Option<(i64, Value)>, StorageError> {
        Ok(self.within(mint, maxt).last().map(|s| (s.t, s.value.clone())))
    }
}
