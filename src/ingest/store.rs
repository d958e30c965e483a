//! Where samples go once they are decoded: the TSDB, and the queues of remote write beside it.

use crate::model::{Labels, Value};
use crate::tsdb::{AppendError, Appender, Exemplar, ExemplarError, Metadata, SeriesRef, Tsdb};

/// A sample on its way into the store.
#[derive(Clone, Debug, PartialEq)]
pub struct SampleRow {
    /// The series.
    pub labels: Labels,
    /// Its name in the store, when known; the store fills it in.
    pub series: Option<SeriesRef>,
    /// Milliseconds.
    pub t: i64,
    /// Start timestamp in milliseconds, 0 when unknown.
    pub st: i64,
    /// The value.
    pub value: Value,
}

/// What became of rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreCounts {
    /// Rows stored.
    pub appended: usize,
    /// Rows before the newest sample of their series.
    pub out_of_order: usize,
    /// Rows at the time of a sample with another value.
    pub duplicate: usize,
    /// Rows outside the time the store accepts.
    pub out_of_bounds: usize,
    /// Exemplars older than the newest of their series.
    pub exemplars_out_of_order: usize,
    /// The store's error, when it could not write, or not all.
    pub failure: Option<String>,
}

impl StoreCounts {
    fn refuse(&mut self, reason: AppendError) {
        match reason {
            AppendError::OutOfOrder => self.out_of_order += 1,
            AppendError::Duplicate => self.duplicate += 1,
            AppendError::TooOld | AppendError::OutOfBounds => self.out_of_bounds += 1,
            AppendError::UnknownSeries | AppendError::SeriesLimit => self.failure = Some(reason.to_string()),
        }
    }
}

/// A store of samples.
pub trait SampleStore: Send + Sync {
    /// Stores rows in one transaction. Rows that are refused are counted and do not hinder the others.
    fn store(&self, rows: &mut [SampleRow]) -> StoreCounts;

    /// Stores exemplars of series that were stored; what could not be is noted in `counts`.
    fn store_exemplars(&self, exemplars: Vec<(SeriesRef, Exemplar)>, counts: &mut StoreCounts);

    /// Keeps what is said about a metric.
    fn describe(&self, metric: &str, metadata: &Metadata);
}

impl SampleStore for Tsdb {
    fn store(&self, rows: &mut [SampleRow]) -> StoreCounts {
        let mut counts = StoreCounts::default();
        let mut appender = self.appender();
        for row in rows {
            if let Err(reason) = append(&mut appender, row) {
                counts.refuse(reason);
            }
        }
        match appender.commit() {
            Ok(done) => {
                counts.appended = (done.appended + done.repeated) as usize;
                // Two rows of one batch for one series: the second did not fit behind the first.
                counts.duplicate += done.rejected as usize;
            }
            Err(e) => counts.failure = Some(e.to_string()),
        }
        counts
    }

    fn store_exemplars(&self, exemplars: Vec<(SeriesRef, Exemplar)>, counts: &mut StoreCounts) {
        let mut appender = self.appender();
        for (series, exemplar) in exemplars {
            match appender.append_exemplar(series, exemplar) {
                Ok(()) => {}
                Err(ExemplarError::OutOfOrder) => counts.exemplars_out_of_order += 1,
                Err(e) => tracing::debug!(error = %e, "an exemplar was not taken"),
            }
        }
        if let Err(e) = appender.commit() {
            counts.failure.get_or_insert(e.to_string());
        }
    }

    fn describe(&self, metric: &str, metadata: &Metadata) {
        self.set_metadata(metric, metadata.clone());
    }
}

fn append(appender: &mut Appender<'_>, row: &mut SampleRow) -> Result<(), AppendError> {
    if let Some(series) = row.series {
        match appender.append_ref_with_st(series, row.st, row.t, row.value.clone()) {
            Err(AppendError::UnknownSeries) => row.series = None,
            judged => return judged.map(drop),
        }
    }
    let series = appender.series(&row.labels)?;
    row.series = Some(series);
    appender.append_ref_with_st(series, row.st, row.t, row.value.clone()).map(drop)
}
