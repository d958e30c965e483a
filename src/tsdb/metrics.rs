//! What the database counts, as metrics.

use crate::instrument::{Collect, Exposition, Figure, Kind, counter, gauge};

use super::{Tsdb, TsdbStats};

/// Damaged blocks that are named at most.
const MAX_DAMAGED: usize = 100;

fn time(t: Option<i64>) -> f64 {
    t.unwrap_or(0) as f64
}

const STATS: [Figure<TsdbStats>; 22] = [
    gauge("watchbell_tsdb_head_series", "Total number of series in the head block.", |s| s.series as f64),
    gauge("watchbell_tsdb_head_chunks", "Total number of chunks in the head block.", |s| s.chunks as f64),
    gauge("watchbell_tsdb_head_min_time", "Minimum time bound of the head block, milliseconds.", |s| time(s.head_mint)),
    gauge("watchbell_tsdb_head_max_time", "Maximum timestamp of the head block, milliseconds.", |s| time(s.head_maxt)),
    gauge("watchbell_tsdb_lowest_timestamp", "Lowest timestamp value stored in the database.", |s| time(s.mint)),
    gauge("watchbell_tsdb_blocks_loaded", "Number of currently loaded data blocks.", |s| s.blocks as f64),
    gauge(
        "watchbell_tsdb_storage_blocks_bytes",
        "The number of bytes that are currently used for local storage by all blocks.",
        |s| s.block_bytes as f64,
    ),
    gauge("watchbell_tsdb_blocks_damaged", "Blocks in which something was found damaged.", |s| s.damaged_blocks as f64),
    gauge("watchbell_tsdb_wal_storage_size_bytes", "Size of the write log directory.", |s| s.wal_bytes as f64),
    gauge("watchbell_tsdb_head_chunks_storage_size_bytes", "Bytes of chunks in memory.", |s| s.head_chunk_bytes as f64),
    counter("watchbell_tsdb_head_series_created_total", "Total number of series created in the head.", |s| {
        s.series_created as f64
    }),
    counter("watchbell_tsdb_head_series_removed_total", "Total number of series removed in the head.", |s| {
        s.series_removed as f64
    }),
    counter("watchbell_tsdb_wal_corruptions_total", "Total number of write log corruptions.", |s| {
        s.wal_corruptions as f64
    }),
    counter("watchbell_tsdb_wal_writes_failed_total", "Total number of write log writes that failed.", |s| {
        s.wal_failures as f64
    }),
    counter("watchbell_tsdb_maintenance_failures_total", "Failed steps of maintenance.", |s| {
        s.maintenance_failures as f64
    }),
    counter("watchbell_tsdb_damaged_chunks_left_out_total", "Damaged chunks that merged blocks go without.", |s| {
        s.damaged_chunks as f64
    }),
    counter("watchbell_tsdb_checkpoint_creations_total", "Total number of checkpoints.", |s| s.checkpoints as f64),
    counter("watchbell_tsdb_samples_set_aside_total", "Samples set aside because they lay in the future.", |s| {
        s.samples_set_aside as f64
    }),
    counter("watchbell_tsdb_compactions_total", "Total number of blocks written.", |s| s.flushes as f64),
    counter("watchbell_tsdb_time_retentions_total", "Times that blocks were deleted because of their age.", |s| {
        s.time_retentions as f64
    }),
    counter(
        "watchbell_tsdb_size_retentions_total",
        "Times that blocks were deleted because of the size of all.",
        |s| s.size_retentions as f64,
    ),
    gauge("watchbell_tsdb_wal_segment_current", "The segment of the write log that is written.", |s| {
        s.wal_segment as f64
    }),
];

const WRITABLE: Figure<Tsdb> =
    gauge("watchbell_tsdb_writable", "Whether samples are written to the log and maintenance succeeds.", |db| {
        f64::from(u8::from(db.trouble().is_none()))
    });

const RETENTION: [Figure<Tsdb>; 3] = [
    gauge("watchbell_tsdb_retention_limit_seconds", "How long samples are kept; 0 for any time.", |db| {
        db.retention().time as f64 / 1_000.0
    }),
    gauge("watchbell_tsdb_retention_limit_bytes", "How many bytes of files are kept; 0 for any number.", |db| {
        db.most_bytes() as f64
    }),
    gauge("watchbell_tsdb_data_replay_duration_seconds", "How long reading the files took at the start.", |db| {
        db.replayed_in().as_secs_f64()
    }),
];

/// So many series are walked at once.
const FEW: u64 = 10_000;

impl Tsdb {
    /// The figures for metrics: where series are many, those that take a walk over all of them are as of the last
    /// maintenance, so that whoever asks has an answer at once.
    pub fn figures(&self) -> TsdbStats {
        let counters = self.counters();
        match self.walked() {
            Some(walked) if counters.series > FEW => counters.with_walked(&walked),
            _ => self.stats(),
        }
    }
}

impl Collect for Tsdb {
    fn collect(&self, out: &mut Exposition) {
        let stats = self.figures();
        out.figures(&STATS, &stats);
        out.figures(&[WRITABLE], self);
        out.figures(&RETENTION, self);
        let help = "Total number of appended samples.";
        out.family("watchbell_tsdb_head_samples_appended_total", Kind::Counter, help, |f| {
            f.sample(&[("type", "float")], stats.floats_appended as f64);
            f.sample(&[("type", "histogram")], stats.histograms_appended as f64);
        });
        let damaged = self.damaged_blocks();
        if !damaged.is_empty() {
            let help = "Blocks in which something was found damaged.";
            out.family("watchbell_tsdb_block_damaged", Kind::Gauge, help, |f| {
                damaged.iter().take(MAX_DAMAGED).for_each(|block| f.sample(&[("block", block)], 1.0));
            });
        }
        out.family("watchbell_tsdb_samples_rejected_total", Kind::Counter, "Samples refused, by reason.", |f| {
            for (reason, count) in stats.rejected.by_reason() {
                f.sample(&[("reason", reason)], count as f64);
            }
        });
    }
}
