//! Counters of the database and the figures it reports.

use crate::instrument::Counter;

use super::error::AppendError;

/// What the database counts as it goes.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) floats: Counter,
    pub(super) histograms: Counter,
    pub(super) series_created: Counter,
    pub(super) series_removed: Counter,
    pub(super) wal_failures: Counter,
    pub(super) wal_corruptions: Counter,
    pub(super) maintenance_failures: Counter,
    pub(super) damaged_chunks: Counter,
    pub(super) flushes: Counter,
    pub(super) checkpoints: Counter,
    pub(super) checkpoint_failures: Counter,
    pub(super) blocks_deleted: Counter,
    pub(super) set_aside: Counter,
    pub(super) late: Counter,
    pub(super) time_retentions: Counter,
    pub(super) size_retentions: Counter,
    rejected: [Counter; Rejected::REASONS],
}

impl Counters {
    pub(super) fn reject(&self, reason: AppendError) {
        if let Some(c) = self.rejected.get(reason as usize) {
            c.add(1);
        }
    }

    pub(super) fn rejected(&self) -> Rejected {
        let of = |reason: AppendError| self.rejected.get(reason as usize).map_or(0, Counter::get);
        Rejected {
            out_of_order: of(AppendError::OutOfOrder),
            duplicate: of(AppendError::Duplicate),
            too_old: of(AppendError::TooOld),
            out_of_bounds: of(AppendError::OutOfBounds),
            unknown_series: of(AppendError::UnknownSeries),
            series_limit: of(AppendError::SeriesLimit),
        }
    }
}

/// Samples rejected, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rejected {
    /// Older than the newest sample of their series.
    pub out_of_order: u64,
    /// At the time of the newest sample, with another value.
    pub duplicate: u64,
    /// Older than the retention.
    pub too_old: u64,
    /// At a time that cannot be.
    pub out_of_bounds: u64,
    /// For a series that is gone.
    pub unknown_series: u64,
    /// For a series that could not be created.
    pub series_limit: u64,
}

impl Rejected {
    const REASONS: usize = 6;

    /// All rejected samples.
    pub fn total(&self) -> u64 {
        self.out_of_order + self.duplicate + self.too_old + self.out_of_bounds + self.unknown_series + self.series_limit
    }

    /// Counts by the reason's name, as metrics label it.
    pub fn by_reason(&self) -> [(&'static str, u64); Self::REASONS] {
        [
            ("out_of_order", self.out_of_order),
            ("duplicate", self.duplicate),
            ("too_old", self.too_old),
            ("out_of_bounds", self.out_of_bounds),
            ("unknown_series", self.unknown_series),
            ("series_limit", self.series_limit),
        ]
    }
}

/// Figures of the database at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TsdbStats {
    /// Series in memory.
    pub series: u64,
    /// Series created since the start.
    pub series_created: u64,
    /// Series removed from memory since the start, because they ended.
    pub series_removed: u64,
    /// Different label names.
    pub label_names: u64,
    /// Different label pairs.
    pub label_pairs: u64,
    /// Sealed chunks in memory.
    pub chunks: u64,
    /// Time of the oldest sample in memory, `None` when there is none.
    pub head_mint: Option<i64>,
    /// Time of the newest sample, `None` when there is none.
    pub head_maxt: Option<i64>,
    /// Time of the oldest sample, blocks on disk included.
    pub mint: Option<i64>,
    /// Samples in memory, sealed or not.
    pub head_samples: u64,
    /// Bytes of sealed chunks in memory.
    pub head_chunk_bytes: u64,
    /// Samples in sealed chunks in memory.
    pub head_chunk_samples: u64,
    /// Blocks on disk.
    pub blocks: u64,
    /// Bytes of blocks on disk.
    pub block_bytes: u64,
    /// Samples in blocks on disk.
    pub block_samples: u64,
    /// Series in blocks on disk, added up over the blocks.
    pub block_series: u64,
    /// Bytes of log and checkpoint on disk.
    pub wal_bytes: u64,
    /// Segments of the log.
    pub wal_segments: u64,
    /// The segment that is written.
    pub wal_segment: u64,
    /// Damaged places found in the log when it was read.
    pub wal_corruptions: u64,
    /// Failed writes of the log.
    pub wal_failures: u64,
    /// Failed steps of maintenance.
    pub maintenance_failures: u64,
    /// Blocks in which something was found damaged.
    pub damaged_blocks: u64,
    /// Chunks left out of merged blocks, because they were damaged.
    pub damaged_chunks: u64,
    /// Float samples appended since the start.
    pub floats_appended: u64,
    /// Histograms appended since the start.
    pub histograms_appended: u64,
    /// Samples rejected since the start, by reason.
    pub rejected: Rejected,
    /// Blocks written since the start.
    pub flushes: u64,
    /// Checkpoints written since the start.
    pub checkpoints: u64,
    /// Checkpoints that could not be written.
    pub checkpoint_failures: u64,
    /// Blocks deleted since the start, by retention or because they were merged.
    pub blocks_deleted: u64,
    /// Samples set aside since the start, because they lay in the future.
    pub samples_set_aside: u64,
    /// Samples appended since the start that were older than the newest of their series; they are among the floats and
    /// histograms too.
    pub late_appended: u64,
    /// Times that blocks were dropped because of their age.
    pub time_retentions: u64,
    /// Times that blocks were dropped because of the size of all files.
    pub size_retentions: u64,
}

impl TsdbStats {
    /// These figures, with those of another look that take a walk over all series or a look at the files.
    pub fn with_walked(self, walked: &TsdbStats) -> TsdbStats {
        TsdbStats {
            label_names: walked.label_names,
            label_pairs: walked.label_pairs,
            chunks: walked.chunks,
            head_mint: walked.head_mint,
            head_maxt: walked.head_maxt,
            mint: walked.mint,
            head_samples: walked.head_samples,
            head_chunk_bytes: walked.head_chunk_bytes,
            head_chunk_samples: walked.head_chunk_samples,
            wal_bytes: walked.wal_bytes,
            wal_segments: walked.wal_segments,
            wal_segment: walked.wal_segment,
            ..self
        }
    }
}

/// What most series have in common: where cardinality comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cardinality {
    /// Series by metric name, most first.
    pub series_by_metric: Vec<(String, u64)>,
    /// Values by label name, most first.
    pub values_by_label: Vec<(String, u64)>,
    /// Bytes of values by label name, most first.
    pub bytes_by_label: Vec<(String, u64)>,
    /// Series by label pair (`name=value`), most first.
    pub series_by_pair: Vec<(String, u64)>,
}
