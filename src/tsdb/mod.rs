//! The in-process time series database.
//!
//! ```text
//! Appender ──commit──► log (segments, CRC)           Queryable::select ──► selections kept ──► index
//!     │                                                                                          │
//!     └──► series: open tail ──sealed──► chunks in memory ──flushed by time──► blocks (mmap) ◄───┘ Series::read
//! ```
//!
//! - [`Appender`] judges samples when they are added and stores the batch when it is committed.
//! - `tail`, `chunk`, `floats`, `pfor`, `xor`, `histogram_chunk`: samples, open and compressed.
//! - `index`, `postings`, `selection`: from matchers to series, kept between evaluations.
//! - `wal`, `log`, `checkpoint`, `block`, `block_writer`, `sums`, `files`, `manifest`: what is on disk.
//!   `maintain` moves data there and drops what is old, `recovery` reads it back.
//! - [`follow`]: readers of the log that go on where they were; [`verify`]: a look at the files.
//! - [`metadata`], [`stats`], `health`: what is known of metrics and of the database itself.
//!
//! Isolation: nothing of a batch is seen before its commit; a read that runs beside a commit sees of each series a
//! prefix of what the commit adds, never a torn sample or a sample out of order.

mod ahead;
mod appender;
mod bits;
mod block;
mod block_labels;
mod block_writer;
mod checkpoint;
mod chunk;
#[cfg(test)]
mod damage_tests;
mod db;
#[cfg(test)]
mod disk_tests;
mod files;
mod floats;
pub mod follow;
mod health;
mod histogram_chunk;
mod index;
mod log;
mod maintain;
mod manifest;
pub mod metadata;
mod metrics;
mod pfor;
mod postings;
pub mod query;
mod recovery;
mod selection;
mod series;
pub mod stats;
mod sums;
mod tail;
#[cfg(test)]
mod tests;
pub mod verify;
mod wal;
mod xor;

pub use ahead::SetAside;
pub use appender::{AppendError, Appender, Committed};
pub use db::{DEFAULT_RETENTION_MS, Tsdb, TsdbOptions};
pub use metadata::{Metadata, MetricType};
pub use query::{Queryable, Series, SharedSeries, StorageError};
pub use recovery::{Damage, Recovery};
pub use stats::{Cardinality, Rejected, TsdbStats};

/// Names a series for as long as it lives. Never given to another series, so a stale one is refused, not misled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SeriesRef(pub(in crate::tsdb) u32);

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
    /// A file is not what was just written.
    #[error("tsdb: {0}")]
    Damaged(String),
}
