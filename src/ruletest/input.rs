//! The input series of a unit test, generated from their notation only where they are read.

use std::sync::{Arc, OnceLock};

use rustc_hash::FxHashMap;

use crate::alerting::timeline::{copy_range, latest_in, unknown_starts};
use crate::model::histogram::stored_after;
use crate::model::notation::Values;
use crate::model::{Labels, METRIC_NAME, MatchOp, Matcher, SampleBuf, Value};
use crate::tsdb::{Queryable, Series, StorageError};

use super::case::InputSeries;

/// The input of one test.
#[derive(Default)]
pub struct Input {
    series: Vec<Arc<Given>>,
    by_name: FxHashMap<String, Vec<Arc<Given>>>,
}

/// An input series as its notation, and as columns from the first time it is read.
struct Given {
    labels: Labels,
    values: Values,
    start: i64,
    interval: i64,
    /// Nothing reads later than this, so no sample is made beyond it.
    end: i64,
    columns: OnceLock<SampleBuf>,
}

impl Given {
    fn columns(&self) -> &SampleBuf {
        self.columns.get_or_init(|| {
            let mut out = SampleBuf::default();
            let mut t = self.start;
            let mut before: Option<Value> = None;
            for value in self.values.iter() {
                if t > self.end {
                    break;
                }
                match value {
                    Some(Value::Float(v)) => {
                        out.push(t, v);
                        before = Some(Value::Float(v));
                    }
                    Some(Value::Histogram(h)) => {
                        let h = stored_after(h, before.as_ref());
                        out.push_histogram(t, h.clone());
                        before = Some(Value::Histogram(h));
                    }
                    None => {}
                }
                t = t.saturating_add(self.interval.max(1));
            }
            out
        })
    }
}

impl Input {
    /// Input that begins at `start` with a sample every `interval` milliseconds; nothing is read after `end`. Of two series
    /// with the same labels the last counts, as in promtool.
    pub fn new(input: &[InputSeries], start: i64, interval: i64, end: i64) -> Self {
        let mut out = Input::default();
        let last_of: FxHashMap<&Labels, &InputSeries> = input.iter().map(|s| (&s.labels, s)).collect();
        for series in input {
            if last_of.get(&series.labels).is_some_and(|s| std::ptr::eq(*s, series)) {
                let InputSeries { labels, values } = series.clone();
                let given = Arc::new(Given { labels, values, start, interval, end, columns: OnceLock::new() });
                out.by_name.entry(given.labels.metric_name().to_owned()).or_default().push(given.clone());
                out.series.push(given);
            }
        }
        out
    }

    fn candidates(&self, matchers: &[Matcher]) -> impl Iterator<Item = &Arc<Given>> {
        let name = matchers.iter().find(|m| m.name == METRIC_NAME && m.op == MatchOp::Equal && !m.value.is_empty());
        let among = match name {
            Some(name) => self.by_name.get(&name.value).map(Vec::as_slice).unwrap_or_default(),
            None => &self.series,
        };
        among.iter().filter(|s| matchers.iter().all(|m| m.matches(s.labels.value(&m.name))))
    }
}

impl Series for Given {
    fn labels(&self) -> &Labels {
        &self.labels
    }

    fn read(&self, mint: i64, maxt: i64, start_timestamps: bool, out: &mut SampleBuf) -> Result<(), StorageError> {
        let before = (out.ts.len(), out.hists.len());
        copy_range(self.columns(), mint, maxt, out);
        if start_timestamps {
            unknown_starts(out, before);
        }
        Ok(())
    }

    fn latest(&self, mint: i64, maxt: i64) -> Result<Option<(i64, Value)>, StorageError> {
        Ok(latest_in(self.columns(), maxt).filter(|(t, _)| *t >= mint))
    }
}

impl Queryable for Input {
    fn select(&self, matchers: &[Matcher], _mint: i64, _maxt: i64) -> Result<Vec<Arc<dyn Series>>, StorageError> {
        Ok(self.candidates(matchers).map(|s| s.clone() as Arc<dyn Series>).collect())
    }
}
