//! The in-process time series database.
//!
//! ```text
//! Appender ──commit──► log (segments, CRC)           Queryable::select ──► selections kept ──► index of the head
//!     │                                                              └──► index of each block: series that left
//!     └──► series: open tail ──sealed──► chunks in memory ──flushed by time──► blocks (mmap) ◄─── Series::read
//! ```
//!
//! The head holds the series that go on. One that ended leaves it once all of its samples are in blocks: after ten minutes
//! without a sample, or two when its last one says so. What has left is known by blocks alone, which are read where they
//! lie; a selection that reaches back joins what it finds there with the head, by labels. Ids are never given out twice: a
//! series that comes back has another one, and neither log nor blocks mistake it.
//!
//! - `late`, `late_head`: samples that are older than the newest of their series, where they are taken.
//! - [`Appender`] judges samples when they are added and stores the batch when it is committed.
//! - `tail`, `chunk`, `floats`, `pfor`, `xor`, `histogram_chunk`: samples, open and compressed.
//! - `matching`, `postings`: from matchers to series, over `index` (the head's) or `label_index` (a block's); `selection`
//!   keeps what was found in the head between evaluations, `joined` joins it with what has left.
//! - `wal`, `log`, `checkpoint`, `block`, `block_format`, `block_labels`, `block_writer`, `sums`, `files`, `manifest`: what
//!   is on disk. `maintain` moves data there and drops what is old, `leave` lets series go, `merge` keeps blocks few,
//!   `recovery` reads all back.
//! - [`follow`]: readers of the log that go on where they were; [`verify`]: a look at the files; `view`: reading a database
//!   that another process has open.
//! - [`metadata`], [`stats`], `health`: what is known of metrics and of the database itself.
//!
//! Isolation: nothing of a batch is seen before its commit; a read that runs beside a commit sees of each series a
//! prefix of what the commit adds, never a torn sample or a sample out of order.

mod ahead;
mod appender;
mod bits;
mod block;
mod block_format;
mod block_labels;
mod block_writer;
mod checkpoint;
mod chunk;
#[cfg(test)]
mod churn_tests;
mod clean;
mod cut;
#[cfg(test)]
mod damage_tests;
mod db;
#[cfg(test)]
mod disk_tests;
mod error;
pub mod exemplars;
mod figures;
mod files;
mod floats;
pub mod follow;
mod health;
mod histogram_chunk;
mod histogram_encode;
mod housekeeping;
mod index;
mod joined;
mod label_index;
mod late;
mod late_head;
#[cfg(test)]
mod late_tests;
mod leave;
mod log;
mod maintain;
mod manifest;
mod matching;
mod merge;
pub mod metadata;
mod metrics;
mod pfor;
mod places;
mod postings;
pub mod query;
mod recovery;
mod retention;
mod selection;
mod series;
mod size;
mod snapshot;
pub mod stats;
mod sums;
mod tail;
#[cfg(test)]
mod tests;
mod tombstones;
pub mod verify;
mod view;
mod wal;
mod xor;

pub use ahead::SetAside;
pub use appender::{Appender, Committed};
pub use clean::Cleaned;
pub use db::{DEFAULT_RETENTION_MS, Tsdb, TsdbOptions};
pub use error::AppendError;
pub use exemplars::{Exemplar, ExemplarError, MAX_EXEMPLAR_CHARS};
pub use metadata::{Metadata, MetricType};
pub use query::{Queryable, Selection, Series, SharedSeries, StorageError, UpTo};
pub use recovery::{Damage, Recovery};
pub use retention::Retention;
pub use size::BlockInfo;
pub use stats::{Cardinality, Rejected, TsdbStats};
pub use view::TsdbView;

/// Names a series for as long as it lives. Never given to another series, so a stale one is refused, not misled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SeriesRef(pub(in crate::tsdb) u64);

/// Why the database could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum TsdbError {
    /// A file could not be read or written.
    #[error("tsdb: {what}: {source}")]
    Io {
        /// What was being done, and to which file.
        what: String,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The directory is in use.
    #[error("tsdb: {0} is locked by another process")]
    Locked(String),
    /// More would be deleted than can be remembered.
    #[error("tsdb: more than {1} {0} with deleted samples")]
    TooMany(&'static str, usize),
    /// A file is not what was just written.
    #[error("tsdb: {0}")]
    Damaged(String),
}

/// Why series could not be deleted.
#[derive(Debug, thiserror::Error)]
pub enum DeleteError {
    /// They could not be read.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// It could not be written down.
    #[error(transparent)]
    Files(#[from] TsdbError),
}
