//! The figures of a database: counted as they change, or found by a walk over all series.

use std::sync::Arc;

use crate::model::METRIC_NAME;

use super::db::{Tsdb, bytes_in};
use super::files::numbered;
use super::stats::{Cardinality, TsdbStats};

impl Tsdb {
    /// The figures of this moment. Looks at every series.
    pub fn stats(&self) -> TsdbStats {
        let mut stats = self.counters();
        let index = self.inner().index.read();
        for (_, values) in index.names() {
            stats.label_names += 1;
            stats.label_pairs += values as u64;
        }
        for series in index.iter() {
            series.with(|state| state.count(&mut stats));
            let newest = Some(series.newest()).filter(|t| *t != i64::MIN);
            stats.head_maxt = stats.head_maxt.max(newest);
        }
        drop(index);
        stats.mint = stats.head_mint;
        for block in self.inner().blocks.load().iter() {
            stats.mint = Some(stats.mint.map_or(block.footer.mint, |t| t.min(block.footer.mint)));
        }
        if let Some(disk) = &self.inner().disk {
            let segments = numbered(&disk.files.wal()).unwrap_or_default();
            stats.wal_segments = segments.len() as u64;
            stats.wal_segment = segments.last().map_or(0, |(number, _)| *number);
            stats.wal_bytes =
                bytes_in(&disk.files.wal()).unwrap_or(0) + bytes_in(&disk.files.checkpoints()).unwrap_or(0);
        }
        self.inner().walked.store(Some(Arc::new(stats.clone())));
        stats
    }

    /// What [`Tsdb::stats`] found last.
    pub(super) fn walked(&self) -> Option<Arc<TsdbStats>> {
        self.inner().walked.load_full()
    }

    /// What is counted as it changes: the other figures, which take a walk over all series or a look at the files, are
    /// left out.
    pub fn counters(&self) -> TsdbStats {
        let c = &self.inner().counters;
        let mut stats = TsdbStats {
            series: self.inner().index.read().len() as u64,
            series_created: c.series_created.get(),
            series_removed: c.series_removed.get(),
            floats_appended: c.floats.get(),
            histograms_appended: c.histograms.get(),
            rejected: c.rejected(),
            wal_corruptions: c.wal_corruptions.get(),
            wal_failures: c.wal_failures.get(),
            maintenance_failures: c.maintenance_failures.get(),
            damaged_chunks: c.damaged_chunks.get(),
            flushes: c.flushes.get(),
            checkpoints: c.checkpoints.get(),
            checkpoint_failures: c.checkpoint_failures.get(),
            blocks_deleted: c.blocks_deleted.get(),
            samples_set_aside: c.set_aside.get(),
            late_appended: c.late.get(),
            time_retentions: c.time_retentions.get(),
            size_retentions: c.size_retentions.get(),
            ..TsdbStats::default()
        };
        for block in self.inner().blocks.load().iter() {
            stats.blocks += 1;
            stats.damaged_blocks += u64::from(block.is_damaged());
            stats.block_bytes += block.bytes();
            stats.block_samples += block.footer.samples;
        }
        stats
    }

    /// Where cardinality comes from: the `limit` most of each kind.
    pub fn cardinality(&self, limit: usize) -> Cardinality {
        let index = self.inner().index.read();
        let most = |mut all: Vec<(String, u64)>| {
            all.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
            all.truncate(limit);
            all
        };
        let (mut values_by_label, mut bytes_by_label, mut series_by_pair) = (Vec::new(), Vec::new(), Vec::new());
        for (name, values) in index.names() {
            values_by_label.push((name.to_owned(), values as u64));
            bytes_by_label.push((name.to_owned(), index.values(name).map(|(v, _)| v.len() as u64).sum()));
            series_by_pair.extend(index.values(name).map(|(v, n)| (format!("{name}={v}"), n as u64)));
        }
        Cardinality {
            series_by_metric: most(index.values(METRIC_NAME).map(|(v, n)| (v.to_owned(), n as u64)).collect()),
            values_by_label: most(values_by_label),
            bytes_by_label: most(bytes_by_label),
            series_by_pair: most(series_by_pair),
        }
    }
}
