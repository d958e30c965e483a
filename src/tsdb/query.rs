//! The traits by which queries read series. PromQL knows storage only through these.

use std::any::Any;
use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use crate::model::{Labels, Matcher, SampleBuf, Value};

/// Why storage could not answer.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// A file could not be read.
    #[error("storage: {0}")]
    Io(#[from] std::io::Error),
    /// Stored bytes are not what was written.
    #[error("storage: corrupt data: {0}")]
    Corrupt(String),
    /// Series of another server could not be read.
    #[error("{0}")]
    Remote(String),
    /// More series than one selection may hold.
    #[error("storage: the selection holds more than {0} series that have ended: narrow its matchers or its time")]
    TooMany(usize),
}

/// Series that a selection found, shared with whoever else asked for them.
pub type SharedSeries = Arc<Selection>;

/// The series that satisfy some matchers, and what readers have worked out from their labels: a rule asks for the same
/// series every few seconds, and groups them in the same way each time.
#[derive(Default)]
pub struct Selection {
    members: Members,
    derived: Mutex<Vec<Derived>>,
}

/// What was worked out, and from what it can be told.
type Derived = (Box<str>, Arc<dyn Any + Send + Sync>);

enum Members {
    /// The series themselves.
    Own(Box<[Arc<dyn Series>]>),
    /// Their numbers in a table that many selections have in common: a series is in as many selections as there are rules
    /// that read it.
    Numbered { numbers: Box<[u32]>, table: Arc<SeriesTable> },
}

impl Default for Members {
    fn default() -> Self {
        Members::Own(Box::default())
    }
}

/// So many things worked out from a selection are kept with it; then the oldest goes.
const MAX_DERIVED: usize = 8;

impl Selection {
    /// A selection of series in a table.
    pub(super) fn numbered(numbers: Box<[u32]>, table: Arc<SeriesTable>) -> Self {
        Selection { members: Members::Numbered { numbers, table }, derived: Mutex::default() }
    }

    /// The number of series.
    pub fn len(&self) -> usize {
        match &self.members {
            Members::Own(series) => series.len(),
            Members::Numbered { numbers, .. } => numbers.len(),
        }
    }

    /// Whether there is no series.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A series by its place.
    #[inline]
    pub fn get(&self, i: usize) -> Option<&Arc<dyn Series>> {
        match &self.members {
            Members::Own(series) => series.get(i),
            Members::Numbered { numbers, table } => table.get(*numbers.get(i)?),
        }
    }

    /// The series, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn Series>> {
        (0..self.len()).filter_map(|i| self.get(i))
    }

    /// The id of a series by its place, which no other of its storage has, now or later: by it readers know again what they
    /// have read. `None` where it has none.
    #[inline]
    pub fn id(&self, i: usize) -> Option<u64> {
        match &self.members {
            Members::Own(_) => None,
            Members::Numbered { numbers, table } => numbers.get(i).map(|n| table.first + u64::from(*n)),
        }
    }

    /// Whether a series with this id is among them.
    pub(super) fn has(&self, id: u64) -> bool {
        let Members::Numbered { numbers, table } = &self.members else { return false };
        let number = id.checked_sub(table.first).and_then(|n| u32::try_from(n).ok());
        number.is_some_and(|n| numbers.binary_search(&n).is_ok())
    }

    /// Whether its series have ids; then they ascend.
    pub fn has_ids(&self) -> bool {
        matches!(self.members, Members::Numbered { .. })
    }

    /// What follows from the labels of these series alone, made when it is asked for the first time. `what` says what it is,
    /// and `fits` whether what is kept will still do.
    pub fn derived<T: Any + Send + Sync>(
        &self,
        what: &str,
        fits: impl Fn(&T) -> bool,
        make: impl FnOnce() -> T,
    ) -> Arc<T> {
        let kept = self.derived.lock().iter().find(|(w, _)| **w == *what).map(|(_, kept)| kept.clone());
        if let Some(kept) = kept.and_then(|k| k.downcast::<T>().ok()).filter(|k| fits(k)) {
            return kept;
        }
        // Nobody waits for this; two who ask at once both make it.
        let made = Arc::new(make());
        let mut derived = self.derived.lock();
        derived.retain(|(w, _)| **w != *what);
        if derived.len() >= MAX_DERIVED {
            derived.remove(0);
        }
        derived.push((what.into(), made.clone()));
        made
    }
}

impl FromIterator<Arc<dyn Series>> for Selection {
    fn from_iter<I: IntoIterator<Item = Arc<dyn Series>>>(series: I) -> Self {
        Selection { members: Members::Own(series.into_iter().collect()), derived: Mutex::default() }
    }
}

/// Series by id. An id never comes to mean another series, so what is here stays, and is read without a lock. Ids of
/// living series may lie far apart: places are on pages, pages on shelves, and both are made when something is put there.
pub(super) struct SeriesTable {
    /// The id of the first place; places are numbered from here.
    first: u64,
    shelves: Box<[OnceLock<Box<TableShelf>>]>,
}

const TABLE_PAGE: usize = 64;
const TABLE_SHELF: usize = 256;

type TablePage = [OnceLock<Arc<dyn Series>>; TABLE_PAGE];
type TableShelf = [OnceLock<Box<TablePage>>; TABLE_SHELF];

impl SeriesTable {
    /// A table for ids from `first` up to `end`.
    pub(super) fn new(first: u64, end: u64) -> Self {
        let places = usize::try_from(end.saturating_sub(first).min(u64::from(u32::MAX))).unwrap_or(0);
        let shelves = places.div_ceil(TABLE_PAGE * TABLE_SHELF);
        SeriesTable { first, shelves: (0..shelves).map(|_| OnceLock::new()).collect() }
    }

    /// Whether there is a place for ids from `first` up to `end`.
    pub(super) fn reaches(&self, first: u64, end: u64) -> bool {
        let places = (self.shelves.len() * TABLE_SHELF * TABLE_PAGE) as u64;
        first >= self.first && end.saturating_sub(self.first) <= places
    }

    /// Adds a series, unless it is there. Gives its number; none when there is no place for it.
    pub(super) fn add(&self, id: u64, series: impl FnOnce() -> Arc<dyn Series>) -> Option<u32> {
        let number = u32::try_from(id.checked_sub(self.first)?).ok()?;
        let (page, slot) = (number as usize / TABLE_PAGE, number as usize % TABLE_PAGE);
        let shelf = self.shelves.get(page / TABLE_SHELF)?;
        let shelf = shelf.get_or_init(|| Box::new([const { OnceLock::new() }; TABLE_SHELF]));
        let page = shelf.get(page % TABLE_SHELF)?;
        let page = page.get_or_init(|| Box::new([const { OnceLock::new() }; TABLE_PAGE]));
        page.get(slot)?.get_or_init(series);
        Some(number)
    }

    #[inline]
    fn get(&self, number: u32) -> Option<&Arc<dyn Series>> {
        let (page, slot) = (number as usize / TABLE_PAGE, number as usize % TABLE_PAGE);
        let shelf = self.shelves.get(page / TABLE_SHELF)?.get()?;
        shelf.get(page % TABLE_SHELF)?.get()?.get(slot)?.get()
    }
}

/// Something series can be selected from.
pub trait Queryable: Send + Sync {
    /// All series that satisfy every matcher and may have samples in `[mint, maxt]` (inclusive, milliseconds), in any
    /// order. A series without a sample in the interval may be among them.
    fn select(&self, matchers: &[Matcher], mint: i64, maxt: i64) -> Result<Vec<Arc<dyn Series>>, StorageError>;

    /// The same, shared: storage that keeps selections between rule evaluations hands out the one it keeps, and nothing is
    /// copied.
    fn select_shared(&self, matchers: &[Matcher], mint: i64, maxt: i64) -> Result<SharedSeries, StorageError> {
        Ok(Arc::new(self.select(matchers, mint, maxt)?.into_iter().collect()))
    }

    /// Label names of the series that satisfy every matcher, sorted. Storage with an index has a shorter way.
    fn label_names(&self, matchers: &[Matcher], mint: i64, maxt: i64) -> Result<Vec<String>, StorageError> {
        let found = self.select(matchers, mint, maxt)?;
        let names: BTreeSet<&str> = found.iter().flat_map(|s| s.labels().iter().map(|(name, _)| name)).collect();
        Ok(names.into_iter().map(str::to_owned).collect())
    }

    /// Values of one label among the series that satisfy every matcher, sorted. Storage with an index has a shorter way.
    fn label_values(
        &self,
        name: &str,
        matchers: &[Matcher],
        mint: i64,
        maxt: i64,
    ) -> Result<Vec<String>, StorageError> {
        let found = self.select(matchers, mint, maxt)?;
        let values: BTreeSet<&str> = found.iter().filter_map(|s| s.labels().get(name)).collect();
        Ok(values.into_iter().map(str::to_owned).collect())
    }
}

/// One series, ready to be read.
pub trait Series: Send + Sync {
    /// The series' labels, metric name included.
    fn labels(&self) -> &Labels;

    /// Appends the samples with `mint <= t <= maxt` to `out`, ascending in time, staleness markers included. With
    /// `start_timestamps`, fills the start-timestamp columns too.
    fn read(&self, mint: i64, maxt: i64, start_timestamps: bool, out: &mut SampleBuf) -> Result<(), StorageError>;

    /// The newest sample with `mint <= t <= maxt`, staleness markers included: what an instant selector needs. Storage
    /// answers from the head's end without decoding where it can.
    fn latest(&self, mint: i64, maxt: i64) -> Result<Option<(i64, Value)>, StorageError>;
}

/// A series up to a time.
pub struct UpTo {
    /// The whole series.
    pub series: Arc<dyn Series>,
    /// The last time that is seen, milliseconds.
    pub until: i64,
}

impl Series for UpTo {
    fn labels(&self) -> &Labels {
        self.series.labels()
    }

    fn read(&self, mint: i64, maxt: i64, start_timestamps: bool, out: &mut SampleBuf) -> Result<(), StorageError> {
        match maxt.min(self.until) {
            until if until < mint => Ok(()),
            until => self.series.read(mint, until, start_timestamps, out),
        }
    }

    fn latest(&self, mint: i64, maxt: i64) -> Result<Option<(i64, Value)>, StorageError> {
        match maxt.min(self.until) {
            until if until < mint => Ok(None),
            until => self.series.latest(mint, until),
        }
    }
}
