//! The series of a timeline: what is there from the beginning, and what rules write in the course of it.
//!
//! There are two views of them. At a tick one sees what has come until then. From ahead one sees all that is known: data
//! after the tick, and what rules will have written. A sample that was written ahead becomes part of the first view when it
//! is written at its tick.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use parking_lot::{Mutex, RwLock};
use rustc_hash::FxHashMap;

use super::super::group::Appended;
use super::super::series::RuleSample;
use super::samples::{copy_range, cut, drop_before, first_after, last, latest_in, merge, newer, push, unknown_starts};
use crate::model::{Labels, METRIC_NAME, MatchOp, Matcher, SampleBuf, Value};
use crate::tsdb::{Queryable, Series, StorageError, UpTo};

/// The series of a timeline. It grows with what rules write, until someone says what may be forgotten.
pub struct History {
    data: Box<dyn Queryable>,
    // Data after this time is not there yet.
    now: Arc<AtomicI64>,
    index: RwLock<Index>,
    written_ahead: Mutex<Vec<Arc<Written>>>,
}

#[derive(Default)]
struct Index {
    series: FxHashMap<Labels, Entry>,
    by_name: FxHashMap<String, Vec<Entry>>,
}

#[derive(Clone)]
struct Entry {
    ahead: Arc<Written>,
    at_tick: Arc<AtTick>,
}

/// A series that rules write, as seen from ahead.
struct Written {
    labels: Labels,
    /// The series of the same labels in the data.
    data: Option<Arc<dyn Series>>,
    samples: RwLock<Samples>,
}

struct Samples {
    all: SampleBuf,
    /// Later ones are written ahead.
    until: i64,
}

impl Samples {
    /// The newest sample that is not written ahead.
    fn newest(&self) -> Option<(i64, Value)> {
        last(&self.all).filter(|(t, _)| *t <= self.until).or_else(|| latest_in(&self.all, self.until))
    }

    /// The first sample that is written ahead.
    fn first_ahead(&self) -> Option<(i64, Value)> {
        let is_ahead = last(&self.all).is_some_and(|(t, _)| t > self.until);
        if is_ahead { first_after(&self.all, self.until) } else { None }
    }
}

/// A series that rules write, as seen at a tick.
struct AtTick {
    series: Arc<Written>,
    now: Arc<AtomicI64>,
}

/// What becomes of a sample that is written after the newest of its series.
enum Verdict {
    New,
    Same,
    OutOfOrder,
    Duplicate,
}

impl History {
    /// The history that `data` holds, before any of its time has come.
    pub fn new(data: Box<dyn Queryable>) -> Self {
        History {
            data,
            now: Arc::new(AtomicI64::new(i64::MIN)),
            index: RwLock::default(),
            written_ahead: Mutex::default(),
        }
    }

    /// The time that has come.
    pub(super) fn set_now(&self, now: i64) {
        self.now.store(now, Ordering::Relaxed);
    }

    /// Writes what a rule gave. What storage refuses is refused, for the same reasons. Gives also whether something else
    /// was written ahead.
    pub(super) fn append(&self, samples: &[RuleSample]) -> (Appended, bool) {
        let (mut appended, mut differs) = (Appended::default(), false);
        let now = self.now.load(Ordering::Relaxed);
        for (place, sample) in samples.iter().enumerate() {
            let written = self.written(&sample.labels);
            let mut own = written.samples.write();
            let newest = newer(written.newest_data(now), own.newest());
            match verdict(newest, sample) {
                Verdict::New => {
                    let ahead = own.first_ahead();
                    if !ahead.as_ref().is_some_and(|(t, v)| *t == sample.t && same(v, &sample.value)) {
                        if ahead.is_some() {
                            differs = true;
                            let until = own.until;
                            cut(&mut own.all, until);
                        }
                        push(&mut own.all, sample.t, &sample.value);
                    }
                    own.until = sample.t;
                }
                other => other.count(place, &mut appended),
            }
        }
        (appended, differs)
    }

    /// Writes ahead what a rule will give at the tick `now`.
    pub(super) fn write_ahead(&self, now: i64, samples: &[RuleSample]) -> Appended {
        let mut appended = Appended::default();
        for (place, sample) in samples.iter().enumerate() {
            let written = self.written(&sample.labels);
            let mut own = written.samples.write();
            match verdict(newer(written.newest_data(now), last(&own.all)), sample) {
                Verdict::New => {
                    if own.first_ahead().is_none() {
                        self.written_ahead.lock().push(written.clone());
                    }
                    push(&mut own.all, sample.t, &sample.value);
                }
                other => other.count(place, &mut appended),
            }
        }
        appended
    }

    /// Takes back all that was written ahead.
    pub(super) fn forget_ahead(&self) {
        for series in self.written_ahead.lock().drain(..) {
            let mut samples = series.samples.write();
            let until = samples.until;
            cut(&mut samples.all, until);
        }
    }

    /// What was written ahead of an earlier stretch is written by now.
    pub(super) fn settle(&self) {
        self.written_ahead.lock().retain(|series| {
            let samples = series.samples.read();
            samples.first_ahead().is_some()
        });
    }

    /// Forgets what rules wrote before a time.
    pub(super) fn forget_before(&self, t: i64) {
        let mut index = self.index.write();
        let Index { series, by_name } = &mut *index;
        series.retain(|_, entry| {
            let mut samples = entry.ahead.samples.write();
            drop_before(&mut samples.all, t);
            !samples.all.ts.is_empty() || !samples.all.hists.is_empty()
        });
        by_name.retain(|_, entries| {
            entries.retain(|e| series.contains_key(&e.ahead.labels));
            !entries.is_empty()
        });
    }

    fn written(&self, labels: &Labels) -> Arc<Written> {
        if let Some(entry) = self.index.read().series.get(labels) {
            return entry.ahead.clone();
        }
        let data = self.data_of(labels);
        let samples = RwLock::new(Samples { all: SampleBuf::default(), until: i64::MIN });
        let written = Arc::new(Written { labels: labels.clone(), data, samples });
        let at_tick = Arc::new(AtTick { series: written.clone(), now: self.now.clone() });
        let entry = Entry { ahead: written.clone(), at_tick };
        let mut index = self.index.write();
        index.by_name.entry(labels.metric_name().to_owned()).or_default().push(entry.clone());
        index.series.insert(labels.clone(), entry);
        written
    }

    /// The series of exactly these labels in the data. Data that cannot be read has none; whoever queries it is told.
    fn data_of(&self, labels: &Labels) -> Option<Arc<dyn Series>> {
        let matchers: Vec<Matcher> = labels.iter().map(|(n, v)| Matcher::equal(n, v)).collect();
        let found = self.data.select(&matchers, i64::MIN, i64::MAX).unwrap_or_default();
        found.into_iter().find(|s| s.labels() == labels)
    }

    fn select_by(
        &self,
        matchers: &[Matcher],
        mint: i64,
        maxt: i64,
        view: impl Fn(&Entry) -> Arc<dyn Series>,
    ) -> Result<Vec<Arc<dyn Series>>, StorageError> {
        let mut found = self.data.select(matchers, mint, maxt)?;
        let index = self.index.read();
        let written = index.candidates(matchers);
        if !found.is_empty() && written.iter().any(|e| e.ahead.data.is_some()) {
            found.retain(|s| !index.series.contains_key(s.labels()));
        }
        found.extend(written.into_iter().map(view));
        Ok(found)
    }
}

impl Verdict {
    fn count(self, place: usize, appended: &mut Appended) {
        match self {
            Verdict::New | Verdict::Same => {}
            Verdict::OutOfOrder => appended.refuse(place, |r| &mut r.out_of_order),
            Verdict::Duplicate => appended.refuse(place, |r| &mut r.duplicate),
        }
    }
}

fn verdict(newest: Option<(i64, Value)>, sample: &RuleSample) -> Verdict {
    match newest {
        Some((t, _)) if t > sample.t => Verdict::OutOfOrder,
        Some((t, value)) if t == sample.t && same(&value, &sample.value) => Verdict::Same,
        Some((t, _)) if t == sample.t => Verdict::Duplicate,
        _ => Verdict::New,
    }
}

fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Float(a), Value::Float(b)) => a.to_bits() == b.to_bits(),
        (Value::Histogram(a), Value::Histogram(b)) => a == b,
        _ => false,
    }
}

impl Index {
    fn candidates(&self, matchers: &[Matcher]) -> Vec<&Entry> {
        let name = matchers.iter().find(|m| m.name == METRIC_NAME && m.op == MatchOp::Equal && !m.value.is_empty());
        let matching = |e: &&Entry| matchers.iter().all(|m| m.matches(e.ahead.labels.value(&m.name)));
        match name {
            Some(name) => self.by_name.get(&name.value).into_iter().flatten().filter(matching).collect(),
            None => self.series.values().filter(matching).collect(),
        }
    }
}

impl Written {
    fn newest_data(&self, now: i64) -> Option<(i64, Value)> {
        self.data.as_ref().and_then(|data| data.latest(i64::MIN, now).ok().flatten())
    }

    /// Reads data until `now`, and samples of rules until `until`.
    fn read_until(
        &self,
        mint: i64,
        maxt: i64,
        now: i64,
        until: i64,
        start_timestamps: bool,
        out: &mut SampleBuf,
    ) -> Result<(), StorageError> {
        let samples = self.samples.read();
        let Some(data) = &self.data else {
            let before = (out.ts.len(), out.hists.len());
            copy_range(&samples.all, mint, maxt.min(until), out);
            if start_timestamps {
                unknown_starts(out, before);
            }
            return Ok(());
        };
        if samples.all.ts.is_empty() && samples.all.hists.is_empty() {
            return data.read(mint, maxt.min(now), start_timestamps, out);
        }
        let (mut given, mut own) = (SampleBuf::default(), SampleBuf::default());
        data.read(mint, maxt.min(now), false, &mut given)?;
        copy_range(&samples.all, mint, maxt.min(until), &mut own);
        let before = (out.ts.len(), out.hists.len());
        merge(&given, &own, out);
        if start_timestamps {
            unknown_starts(out, before);
        }
        Ok(())
    }

    fn latest_until(&self, mint: i64, maxt: i64, now: i64, until: i64) -> Result<Option<(i64, Value)>, StorageError> {
        let own = latest_in(&self.samples.read().all, maxt.min(until)).filter(|(t, _)| *t >= mint);
        match &self.data {
            None => Ok(own),
            Some(data) => Ok(newer(own, data.latest(mint, maxt.min(now))?)),
        }
    }
}

impl Series for Written {
    fn labels(&self) -> &Labels {
        &self.labels
    }

    fn read(&self, mint: i64, maxt: i64, start_timestamps: bool, out: &mut SampleBuf) -> Result<(), StorageError> {
        self.read_until(mint, maxt, i64::MAX, i64::MAX, start_timestamps, out)
    }

    fn latest(&self, mint: i64, maxt: i64) -> Result<Option<(i64, Value)>, StorageError> {
        self.latest_until(mint, maxt, i64::MAX, i64::MAX)
    }
}

impl Series for AtTick {
    fn labels(&self) -> &Labels {
        &self.series.labels
    }

    fn read(&self, mint: i64, maxt: i64, start_timestamps: bool, out: &mut SampleBuf) -> Result<(), StorageError> {
        let until = self.series.samples.read().until;
        self.series.read_until(mint, maxt, self.now.load(Ordering::Relaxed), until, start_timestamps, out)
    }

    fn latest(&self, mint: i64, maxt: i64) -> Result<Option<(i64, Value)>, StorageError> {
        let until = self.series.samples.read().until;
        self.series.latest_until(mint, maxt, self.now.load(Ordering::Relaxed), until)
    }
}

/// The view at a tick.
pub(super) struct ViewAtTick(pub Arc<History>);

impl Queryable for ViewAtTick {
    fn select(&self, matchers: &[Matcher], mint: i64, maxt: i64) -> Result<Vec<Arc<dyn Series>>, StorageError> {
        let now = self.0.now.load(Ordering::Relaxed);
        let mut found = self.0.select_by(matchers, mint, maxt, |entry| entry.at_tick.clone())?;
        if maxt > now {
            // What rules write knows by itself what has come.
            found = found.into_iter().map(|series| Arc::new(UpTo { series, until: now }) as Arc<dyn Series>).collect();
        }
        Ok(found)
    }
}

/// The view from ahead.
pub(super) struct ViewAhead<'a>(pub &'a History);

impl Queryable for ViewAhead<'_> {
    fn select(&self, matchers: &[Matcher], mint: i64, maxt: i64) -> Result<Vec<Arc<dyn Series>>, StorageError> {
        self.0.select_by(matchers, mint, maxt, |entry| entry.ahead.clone())
    }
}
