//! Series of a unit test: the input, generated from its notation only where it is read, and what rules record.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::RwLock;
use rustc_hash::FxHashMap;

use crate::alerting::group::Refused;
use crate::alerting::series::RuleSample;
use crate::model::histogram::stored_after;
use crate::model::notation::Values;
use crate::model::{FloatHistogram, Labels, METRIC_NAME, MatchOp, Matcher, SampleBuf, Value};
use crate::tsdb::{Queryable, Series, StorageError};

use super::case::InputSeries;

/// The storage of one test. Cloning shares it.
#[derive(Clone, Default)]
pub struct SuiteStorage(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// Input after this time is not there yet, as if it had not been scraped.
    horizon: Arc<AtomicI64>,
    index: RwLock<Index>,
}

#[derive(Default)]
struct Index {
    series: FxHashMap<Labels, Arc<SuiteSeries>>,
    by_name: FxHashMap<String, Vec<Arc<SuiteSeries>>>,
}

/// One series: input, recorded samples, or both.
struct SuiteSeries {
    labels: Labels,
    input: Option<Input>,
    recorded: RwLock<SampleBuf>,
    horizon: Arc<AtomicI64>,
}

/// An input series as its notation, and as columns from the first time it is read.
struct Input {
    values: Values,
    start: i64,
    interval: i64,
    /// Nothing reads later than this, so no sample is made beyond it.
    end: i64,
    columns: OnceLock<SampleBuf>,
}

impl Input {
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

impl SuiteStorage {
    /// A storage whose input begins at `start` with a sample every `interval` milliseconds; nothing is read after `end`.
    /// Of two input series with the same labels the last counts, as in promtool.
    pub fn new(input: &[InputSeries], start: i64, interval: i64, end: i64) -> Self {
        let storage = SuiteStorage::default();
        storage.set_horizon(i64::MAX);
        let last_of: FxHashMap<&Labels, &InputSeries> = input.iter().map(|s| (&s.labels, s)).collect();
        let mut index = storage.0.index.write();
        for series in input {
            if last_of.get(&series.labels).is_some_and(|s| std::ptr::eq(*s, series)) {
                let values = series.values.clone();
                let input = Input { values, start, interval, end, columns: OnceLock::new() };
                index.add(series.labels.clone(), Some(input), &storage.0.horizon);
            }
        }
        drop(index);
        storage
    }

    /// Hides input after `t`.
    pub fn set_horizon(&self, t: i64) {
        self.0.horizon.store(t, Ordering::Relaxed);
    }

    /// The metric names of all series, for remarks on near misses.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.0.index.read().by_name.keys().cloned().collect();
        names.sort();
        names
    }

    /// Writes what a rule gave. Samples that would overwrite the past are refused and counted, as storage does.
    pub fn append(&self, samples: &[RuleSample]) -> Refused {
        let mut refused = Refused::default();
        for sample in samples {
            let known = self.0.index.read().series.get(&sample.labels).cloned();
            let series = match known {
                Some(series) => series,
                None => self.0.index.write().add(sample.labels.clone(), None, &self.0.horizon),
            };
            series.record(sample, &mut refused);
        }
        refused
    }
}

impl Index {
    fn add(&mut self, labels: Labels, input: Option<Input>, horizon: &Arc<AtomicI64>) -> Arc<SuiteSeries> {
        let series = Arc::new(SuiteSeries {
            labels: labels.clone(),
            input,
            recorded: RwLock::default(),
            horizon: horizon.clone(),
        });
        self.by_name.entry(labels.metric_name().to_owned()).or_default().push(series.clone());
        self.series.insert(labels, series.clone());
        series
    }

    fn candidates(&self, matchers: &[Matcher]) -> Vec<&Arc<SuiteSeries>> {
        let name = matchers.iter().find(|m| m.name == METRIC_NAME && m.op == MatchOp::Equal && !m.value.is_empty());
        let matching = |s: &&Arc<SuiteSeries>| matchers.iter().all(|m| m.matches(s.labels.value(&m.name)));
        match name {
            Some(name) => self.by_name.get(&name.value).into_iter().flatten().filter(matching).collect(),
            None => self.series.values().filter(matching).collect(),
        }
    }
}

impl SuiteSeries {
    fn record(&self, sample: &RuleSample, refused: &mut Refused) {
        let mut recorded = self.recorded.write();
        let newest = last_time(&recorded);
        if newest.is_some_and(|t| t > sample.t) {
            refused.out_of_order += 1;
            return;
        }
        // Input comes first: what a rule writes over it is a duplicate, and refused unless it is the same.
        let mut there = SampleBuf::default();
        self.read_input(sample.t, sample.t, &mut there);
        if newest == Some(sample.t) || !there.is_empty() {
            refused.duplicate += 1;
            return;
        }
        match &sample.value {
            Value::Float(v) => recorded.push(sample.t, *v),
            Value::Histogram(h) => recorded.push_histogram(sample.t, h.clone()),
        }
    }

    fn read_input(&self, mint: i64, maxt: i64, out: &mut SampleBuf) {
        if let Some(input) = &self.input {
            copy_range(input.columns(), mint, maxt.min(self.horizon.load(Ordering::Relaxed)), out);
        }
    }
}

fn last_time(buf: &SampleBuf) -> Option<i64> {
    buf.ts.last().copied().max(buf.hists.last().map(|(t, _)| *t))
}

fn first_time(buf: &SampleBuf) -> Option<i64> {
    match (buf.ts.first().copied(), buf.hists.first().map(|(t, _)| *t)) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// Copies the recorded samples with `mint <= t <= maxt`.
fn copy_range(from: &SampleBuf, mint: i64, maxt: i64, out: &mut SampleBuf) {
    let bounds = |first: usize, last: usize| first..last.max(first);
    let floats = bounds(from.ts.partition_point(|t| *t < mint), from.ts.partition_point(|t| *t <= maxt));
    out.ts.extend_from_slice(from.ts.get(floats.clone()).unwrap_or_default());
    out.vs.extend_from_slice(from.vs.get(floats).unwrap_or_default());
    let hists = bounds(from.hists.partition_point(|(t, _)| *t < mint), from.hists.partition_point(|(t, _)| *t <= maxt));
    out.hists.extend_from_slice(from.hists.get(hists).unwrap_or_default());
}

impl Series for SuiteSeries {
    fn labels(&self) -> &Labels {
        &self.labels
    }

    fn read(&self, mint: i64, maxt: i64, start_timestamps: bool, out: &mut SampleBuf) -> Result<(), StorageError> {
        let recorded = self.recorded.read();
        let before = (out.ts.len(), out.hists.len());
        if self.input.is_none() {
            copy_range(&recorded, mint, maxt, out);
        } else if first_time(&recorded).is_none() {
            self.read_input(mint, maxt, out);
        } else {
            let (mut input, mut own) = (SampleBuf::default(), SampleBuf::default());
            self.read_input(mint, maxt, &mut input);
            copy_range(&recorded, mint, maxt, &mut own);
            merge(&input, &own, out);
        }
        if start_timestamps {
            out.float_st.resize(out.float_st.len() + out.ts.len() - before.0, 0);
            out.hist_st.resize(out.hist_st.len() + out.hists.len() - before.1, 0);
        }
        Ok(())
    }

    fn latest(&self, mint: i64, maxt: i64) -> Result<Option<(i64, Value)>, StorageError> {
        let mut newest = latest_in(&self.recorded.read(), maxt);
        if let Some(input) = &self.input {
            let horizon = maxt.min(self.horizon.load(Ordering::Relaxed));
            newest = newer(newest, latest_in(input.columns(), horizon));
        }
        Ok(newest.filter(|(t, _)| *t >= mint))
    }
}

fn latest_in(buf: &SampleBuf, maxt: i64) -> Option<(i64, Value)> {
    let floats = buf.ts.partition_point(|t| *t <= maxt).checked_sub(1);
    let hists = buf.hists.partition_point(|(t, _)| *t <= maxt).checked_sub(1);
    let float = floats.and_then(|i| Some((*buf.ts.get(i)?, Value::Float(*buf.vs.get(i)?))));
    let hist = hists.and_then(|i| buf.hists.get(i)).map(|(t, h)| (*t, Value::Histogram(h.clone())));
    newer(float, hist)
}

fn newer(a: Option<(i64, Value)>, b: Option<(i64, Value)>) -> Option<(i64, Value)> {
    match (a, b) {
        (Some(a), Some(b)) => Some(if b.0 > a.0 { b } else { a }),
        (a, b) => a.or(b),
    }
}

/// Two columns with no time in common, merged in ascending order.
fn merge(a: &SampleBuf, b: &SampleBuf, out: &mut SampleBuf) {
    let mut floats: Vec<(i64, f64)> = Vec::with_capacity(a.ts.len() + b.ts.len());
    floats.extend(a.ts.iter().copied().zip(a.vs.iter().copied()));
    floats.extend(b.ts.iter().copied().zip(b.vs.iter().copied()));
    floats.sort_by_key(|(t, _)| *t);
    for (t, v) in floats {
        out.push(t, v);
    }
    let mut hists: Vec<(i64, Arc<FloatHistogram>)> = a.hists.iter().chain(&b.hists).cloned().collect();
    hists.sort_by_key(|(t, _)| *t);
    out.hists.extend(hists);
}

impl Queryable for SuiteStorage {
    fn select(&self, matchers: &[Matcher], _mint: i64, _maxt: i64) -> Result<Vec<Arc<dyn Series>>, StorageError> {
        let index = self.0.index.read();
        Ok(index.candidates(matchers).into_iter().map(|s| s.clone() as Arc<dyn Series>).collect())
    }

    fn label_names(&self, matchers: &[Matcher], _mint: i64, _maxt: i64) -> Result<Vec<String>, StorageError> {
        let index = self.0.index.read();
        let all = index.candidates(matchers);
        let names = all.iter().flat_map(|s| s.labels.iter().map(|(n, _)| n.to_owned()));
        Ok(names.collect::<std::collections::BTreeSet<String>>().into_iter().collect())
    }

    fn label_values(
        &self,
        name: &str,
        matchers: &[Matcher],
        _mint: i64,
        _maxt: i64,
    ) -> Result<Vec<String>, StorageError> {
        let index = self.0.index.read();
        let all = index.candidates(matchers);
        let values = all.iter().filter_map(|s| s.labels.get(name)).map(str::to_owned);
        Ok(values.collect::<std::collections::BTreeSet<String>>().into_iter().collect())
    }
}
