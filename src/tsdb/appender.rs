//! Appending: samples are judged when they are added and become visible and durable together, at the commit.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::model::{FloatHistogram, Labels, Value};

use super::db::{Inner, Tsdb, Writer};
use super::error::{AppendError, MAX_TIME};
use super::exemplars::{Exemplar, ExemplarError};
use super::index::Index;
use super::late::LateSample;
use super::series::{MemSeries, State};
use super::{SeriesRef, TsdbError};

/// What a commit did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Committed {
    /// Samples stored.
    pub appended: u64,
    /// Repeats of samples that were there.
    pub repeated: u64,
    /// Samples that turned out not to fit behind others of the same batch, or of a batch committed meanwhile.
    pub rejected: u64,
}

/// A batch of samples. Nothing of it is seen before [`Appender::commit`]; dropped without, nothing of it remains
/// (except empty series, which the next garbage collections remove).
///
/// After a commit the appender is empty and can be used again; its memory is kept.
pub struct Appender<'a> {
    db: &'a Tsdb,
    pending: Vec<Pending>,
    rare: Vec<Rare>,
    exemplars: Vec<(SeriesRef, Exemplar)>,
}

/// One sample to commit, small enough that a batch of them stays in cache.
pub(super) struct Pending {
    id: SeriesRef,
    /// Position in `rare` + 1; 0 for a plain float.
    rare: u32,
    /// Older than the newest of its series.
    late: bool,
    t: i64,
    v: f64,
}

/// How a sample fits what is committed.
enum Admitted {
    InOrder,
    /// Older than the newest of its series, and within the out-of-order window.
    Late,
    /// It is there already, with the same value.
    Repeat,
}

impl Admitted {
    fn in_order(is_new: bool) -> Self {
        if is_new { Admitted::InOrder } else { Admitted::Repeat }
    }

    fn late(is_new: bool) -> Self {
        if is_new { Admitted::Late } else { Admitted::Repeat }
    }
}

/// What few samples have.
pub(super) struct Rare {
    st: i64,
    histogram: Option<Arc<FloatHistogram>>,
}

impl Tsdb {
    /// Starts a batch of samples.
    pub fn appender(&self) -> Appender<'_> {
        Appender::new(self)
    }
}

impl<'a> Appender<'a> {
    fn new(db: &'a Tsdb) -> Self {
        Appender { db, pending: Vec::new(), rare: Vec::new(), exemplars: Vec::new() }
    }

    /// Adds a float sample. The reference makes further appends to the series cheaper.
    pub fn append(&mut self, labels: &Labels, t: i64, v: f64) -> Result<SeriesRef, AppendError> {
        self.append_with_st(labels, 0, t, Value::Float(v))
    }

    /// Adds a float sample to a series known by reference.
    #[inline]
    pub fn append_ref(&mut self, series: SeriesRef, t: i64, v: f64) -> Result<SeriesRef, AppendError> {
        self.append_ref_with_st(series, 0, t, Value::Float(v))
    }

    /// Adds a histogram.
    pub fn append_histogram(
        &mut self,
        labels: &Labels,
        t: i64,
        h: Arc<FloatHistogram>,
    ) -> Result<SeriesRef, AppendError> {
        self.append_with_st(labels, 0, t, Value::Histogram(h))
    }

    /// Adds a sample with its start timestamp (0: unknown).
    pub fn append_with_st(&mut self, labels: &Labels, st: i64, t: i64, value: Value) -> Result<SeriesRef, AppendError> {
        let id = self.series(labels)?;
        self.append_ref_with_st(id, st, t, value)
    }

    /// Adds a sample with its start timestamp (0: unknown) to a series known by reference.
    #[inline]
    pub fn append_ref_with_st(
        &mut self,
        id: SeriesRef,
        st: i64,
        t: i64,
        value: Value,
    ) -> Result<SeriesRef, AppendError> {
        let judged = {
            let index = self.db.inner().index.read();
            match index.get(id) {
                Some(series) => self.db.inner().judge(series, t, &value),
                None => Err(AppendError::UnknownSeries),
            }
        };
        match judged {
            Ok(Admitted::InOrder) => self.add(id, st, t, value, false),
            Ok(Admitted::Late) => self.add(id, st, t, value, true),
            Ok(Admitted::Repeat) => {}
            Err(reason) => {
                self.db.inner().counters.reject(reason);
                return Err(reason);
            }
        }
        Ok(id)
    }

    /// Adds an exemplar of a series. One that repeats the newest, and any where none are kept, is taken and not stored.
    ///
    /// # Errors
    /// There is a newer one, its labels are too long, or its series has no sample.
    pub fn append_exemplar(&mut self, id: SeriesRef, exemplar: Exemplar) -> Result<(), ExemplarError> {
        let inner = self.db.inner();
        let known = inner.index.read().get(id).map(|s| (s.labels.clone(), s.newest() != i64::MIN));
        // Its samples come right before it where they are of the same batch.
        let is_pending = self.pending.last().is_some_and(|p| p.id == id);
        let Some((labels, _)) = known.filter(|(_, has_samples)| *has_samples || is_pending) else {
            return Err(ExemplarError::UnknownSeries);
        };
        if inner.exemplars.judge(&labels, &exemplar)? {
            self.exemplars.push((id, exemplar));
        }
        Ok(())
    }

    /// The reference of the series with these labels, which is created when it is new.
    pub fn series(&mut self, labels: &Labels) -> Result<SeriesRef, AppendError> {
        if let Some(id) = self.find_packed(labels.as_bytes()) {
            return Ok(id);
        }
        self.db.inner().create_series(labels.clone())
    }

    /// The reference of the series with these labels in the packed form of [`Labels::as_bytes`], `None` when there is no
    /// such series (make the labels and use [`Appender::series`]). Allocates nothing: the path of decoders.
    #[inline]
    pub fn find_packed(&self, packed: &[u8]) -> Option<SeriesRef> {
        let index = self.db.inner().index.read();
        let series = index.find(packed)?;
        series.touch();
        Some(series.id)
    }

    #[inline]
    fn add(&mut self, id: SeriesRef, st: i64, t: i64, value: Value, late: bool) {
        let (v, histogram) = match value {
            Value::Float(v) => (v, None),
            Value::Histogram(h) => (0.0, Some(h)),
        };
        let mut rare = 0;
        if st != 0 || histogram.is_some() {
            self.rare.push(Rare { st, histogram });
            rare = u32::try_from(self.rare.len()).unwrap_or(0);
        }
        self.pending.push(Pending { id, rare, late, t, v });
    }

    /// The number of samples, exemplars left out, added since the last commit.
    pub fn len(&self) -> usize {
        self.pending.len()
    }

    /// Whether nothing was added since the last commit.
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty() && self.exemplars.is_empty()
    }

    /// Forgets what was added since the last commit.
    pub fn rollback(&mut self) {
        self.pending.clear();
        self.rare.clear();
        self.exemplars.clear();
    }

    /// Stores the batch and writes it to the log. A read that runs meanwhile sees any part of it, of each series a
    /// prefix. With an error the samples are in memory, but may be lost with the process.
    pub fn commit(&mut self) -> Result<Committed, TsdbError> {
        let done = self.db.inner().commit(&self.pending, &self.rare, &self.exemplars);
        self.rollback();
        done
    }
}

impl Inner {
    /// Judges a sample by its time and by what is committed.
    #[inline]
    fn judge(&self, series: &MemSeries, t: i64, value: &Value) -> Result<Admitted, AppendError> {
        if !(-MAX_TIME..=MAX_TIME).contains(&t) {
            return Err(AppendError::OutOfBounds);
        }
        if t < self.min_valid() {
            return Err(AppendError::TooOld);
        }
        series.touch();
        let admitted = match series.newest() {
            i64::MIN => self.admits_first(&series.labels, t, value),
            _ => series.admits(t, value),
        };
        match admitted {
            Err(AppendError::OutOfOrder) => {
                self.takes_late(t)?;
                series.with(|state| series.admits_late(state, t, value)).map(Admitted::late)
            }
            admitted => admitted.map(Admitted::in_order),
        }
    }

    /// Creates a series, unless somebody was faster.
    pub(super) fn create_series(&self, labels: Labels) -> Result<SeriesRef, AppendError> {
        let mut index = self.index.write();
        if let Some(series) = index.find(labels.as_bytes()) {
            series.touch();
            return Ok(series.id);
        }
        match index.insert(None, labels) {
            Some(series) => {
                self.counters.series_created.add(1);
                Ok(series.id)
            }
            None => {
                self.counters.reject(AppendError::SeriesLimit);
                Err(AppendError::SeriesLimit)
            }
        }
    }

    fn commit(
        &self,
        pending: &[Pending],
        rare: &[Rare],
        exemplars: &[(SeriesRef, Exemplar)],
    ) -> Result<Committed, TsdbError> {
        if pending.is_empty() && exemplars.is_empty() {
            return Ok(Committed::default());
        }
        let mut writer = self.writer.lock();
        let mut done = Committed::default();
        let (mut histograms, mut newest) = (0, i64::MIN);
        {
            let index = self.index.read();
            for p in pending {
                let rare = (p.rare as usize).checked_sub(1).and_then(|i| rare.get(i));
                match self.store(&index, &mut writer, p, rare) {
                    Ok(true) => {
                        newest = newest.max(p.t);
                        done.appended += 1;
                        histograms += u64::from(rare.is_some_and(|r| r.histogram.is_some()));
                    }
                    Ok(false) => done.repeated += 1,
                    Err(reason) => {
                        self.counters.reject(reason);
                        done.rejected += 1;
                    }
                }
            }
        }
        self.newest.fetch_max(newest, Ordering::Relaxed);
        self.store_exemplars(&mut writer, exemplars);
        self.counters.floats.add(done.appended - histograms);
        self.counters.histograms.add(histograms);
        self.flush_log(&mut writer)?;
        Ok(done)
    }

    fn store_exemplars(&self, writer: &mut Writer, exemplars: &[(SeriesRef, Exemplar)]) {
        let index = self.index.read();
        for (id, exemplar) in exemplars {
            // Of a series without a sample there is nothing in the log that an exemplar could refer to.
            let Some(series) = index.get(*id).filter(|s| s.with(|state| state.logged || self.disk.is_none())) else {
                continue;
            };
            if self.exemplars.add(&series.labels, exemplar) {
                writer.log_exemplar(*id, exemplar);
            }
        }
    }

    #[inline]
    fn store(&self, index: &Index, writer: &mut Writer, p: &Pending, rare: Option<&Rare>) -> Result<bool, AppendError> {
        let series = index.get(p.id).ok_or(AppendError::UnknownSeries)?;
        let st = rare.map_or(0, |r| r.st);
        let value = match rare.and_then(|r| r.histogram.as_ref()) {
            Some(h) => Value::Histogram(h.clone()),
            None => Value::Float(p.v),
        };
        series.write(|state| {
            let admitted = if p.late { Err(AppendError::OutOfOrder) } else { series.admits_into(state, p.t, &value) };
            if admitted == Err(AppendError::OutOfOrder) {
                self.takes_late(p.t)?;
                return self.store_late(writer, series, state, LateSample { t: p.t, st, value });
            }
            if !admitted? {
                return Ok(false);
            }
            writer.log_sample(series, state, p.t, &value, st);
            series.push(state, p.t, value, st, &mut writer.encoder);
            Ok(true)
        })
    }

    /// Stores a late sample. `Ok(false)`: it is there already, with the same value.
    #[cold]
    fn store_late(
        &self,
        writer: &mut Writer,
        series: &MemSeries,
        state: &mut State,
        sample: LateSample,
    ) -> Result<bool, AppendError> {
        if !series.admits_late(state, sample.t, &sample.value)? {
            return Ok(false);
        }
        writer.log_late(series, state, &sample);
        self.counters.late.add(1);
        state.push_late(sample);
        Ok(true)
    }
}
