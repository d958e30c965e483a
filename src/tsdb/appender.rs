//! Appending: samples are judged when they are added and become visible and durable together, at the commit.

use std::sync::Arc;

use crate::model::{FloatHistogram, Labels, Value};

use super::db::{Inner, Tsdb, Writer};
use super::error::{AppendError, MAX_TIME};
use super::index::Index;
use super::series::MemSeries;
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
}

/// One sample to commit, small enough that a batch of them stays in cache.
pub(super) struct Pending {
    id: SeriesRef,
    /// Position in `rare` + 1; 0 for a plain float.
    rare: u32,
    t: i64,
    v: f64,
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
        Appender { db, pending: Vec::new(), rare: Vec::new() }
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
            Ok(true) => self.add(id, st, t, value),
            Ok(false) => {}
            Err(reason) => {
                self.db.inner().counters.reject(reason);
                return Err(reason);
            }
        }
        Ok(id)
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
    fn add(&mut self, id: SeriesRef, st: i64, t: i64, value: Value) {
        let (v, histogram) = match value {
            Value::Float(v) => (v, None),
            Value::Histogram(h) => (0.0, Some(h)),
        };
        let mut rare = 0;
        if st != 0 || histogram.is_some() {
            self.rare.push(Rare { st, histogram });
            rare = u32::try_from(self.rare.len()).unwrap_or(0);
        }
        self.pending.push(Pending { id, rare, t, v });
    }

    /// The number of samples added since the last commit.
    pub fn len(&self) -> usize {
        self.pending.len()
    }

    /// Whether nothing was added since the last commit.
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Forgets what was added since the last commit.
    pub fn rollback(&mut self) {
        self.pending.clear();
        self.rare.clear();
    }

    /// Stores the batch and writes it to the log. A read that runs meanwhile sees any part of it, of each series a
    /// prefix. With an error the samples are in memory, but may be lost with the process.
    pub fn commit(&mut self) -> Result<Committed, TsdbError> {
        let done = self.db.inner().commit(&self.pending, &self.rare);
        self.rollback();
        done
    }
}

impl Inner {
    /// Judges a sample by its time and by what is committed.
    #[inline]
    fn judge(&self, series: &MemSeries, t: i64, value: &Value) -> Result<bool, AppendError> {
        if !(-MAX_TIME..=MAX_TIME).contains(&t) {
            return Err(AppendError::OutOfBounds);
        }
        if t < self.min_valid() {
            return Err(AppendError::TooOld);
        }
        series.touch();
        if series.newest() == i64::MIN {
            return self.admits_first(&series.labels, t, value);
        }
        series.admits(t, value)
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

    fn commit(&self, pending: &[Pending], rare: &[Rare]) -> Result<Committed, TsdbError> {
        if pending.is_empty() {
            return Ok(Committed::default());
        }
        let mut writer = self.writer.lock();
        let mut done = Committed::default();
        let mut histograms = 0;
        {
            let index = self.index.read();
            for p in pending {
                let rare = (p.rare as usize).checked_sub(1).and_then(|i| rare.get(i));
                match self.store(&index, &mut writer, p, rare) {
                    Ok(true) => {
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
        self.counters.floats.add(done.appended - histograms);
        self.counters.histograms.add(histograms);
        self.flush_log(&mut writer)?;
        Ok(done)
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
            if !series.admits_into(state, p.t, &value)? {
                return Ok(false);
            }
            writer.log_sample(series, state, p.t, &value, st);
            series.push(state, p.t, value, st, &mut writer.encoder);
            Ok(true)
        })
    }
}
