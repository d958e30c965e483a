//! Which blocks go because all files are too large.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;

use super::block::Block;
use super::db::{Disk, Inner, Tsdb, bytes_in};
use super::retention::Retention;

/// A block on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockInfo {
    /// What its file is called.
    pub name: String,
    /// Time of its oldest sample, milliseconds.
    pub mint: i64,
    /// Time of its newest sample, milliseconds.
    pub maxt: i64,
    /// Samples in it.
    pub samples: u64,
    /// Series in it.
    pub series: u64,
    /// Bytes of its file.
    pub bytes: u64,
}

impl Tsdb {
    /// The blocks on disk, the oldest first.
    pub fn blocks(&self) -> Vec<BlockInfo> {
        let of = |b: &Arc<Block>| BlockInfo {
            name: b.file_name().trim_end_matches(".block").to_owned(),
            mint: b.footer.mint,
            maxt: b.footer.maxt,
            samples: b.footer.samples,
            series: b.series() as u64,
            bytes: b.bytes(),
        };
        self.inner().blocks.load().iter().map(of).collect()
    }

    /// Keeps so much from the next maintenance on.
    pub fn set_retention(&self, retention: Retention) {
        self.inner().retention.store(Arc::new(retention));
    }

    /// How much is kept.
    pub fn retention(&self) -> Retention {
        **self.inner().retention.load()
    }

    /// The bytes that files may hold; 0 for any number.
    pub fn most_bytes(&self) -> u64 {
        let inner = self.inner();
        let most = inner.disk.as_ref().and_then(|disk| inner.most_bytes(disk));
        most.unwrap_or(0)
    }
}

impl Inner {
    fn most_bytes(&self, disk: &Disk) -> Option<u64> {
        let retention = self.retention.load();
        let size = (retention.percentage > 0.0).then(|| disk_size(&disk.files.blocks())).flatten();
        retention.most_bytes(size)
    }

    /// The oldest blocks that have to go for the files to hold no more than they may. What is not in blocks counts and
    /// stays: blocks alone are dropped.
    pub(super) fn beyond_size(&self, disk: &Disk) -> Vec<Arc<Block>> {
        let Some(most) = self.most_bytes(disk) else { return Vec::new() };
        let mut bytes =
            [disk.files.wal(), disk.files.checkpoints()].iter().map(|dir| bytes_in(dir).unwrap_or(0)).sum::<u64>();
        let mut blocks: Vec<Arc<Block>> = self.blocks.load().iter().cloned().collect();
        blocks.sort_by_key(|b| std::cmp::Reverse((b.footer.maxt, b.name.number)));
        let fits = |block: &Arc<Block>| {
            bytes = bytes.saturating_add(block.bytes());
            bytes <= most
        };
        let kept = blocks.iter().map(fits).take_while(|fits| *fits).count();
        blocks.split_off(kept)
    }
}

/// The size of the file system that a path lies on, bytes.
fn disk_size(path: &Path) -> Option<u64> {
    let path = CString::new(path.as_os_str().as_bytes()).ok()?;
    // SAFETY: all of its fields are numbers, for which zero is a value.
    let mut found: libc::statvfs = unsafe { std::mem::zeroed() };
    // SAFETY: the path ends with a zero byte, and the call writes the struct it is given; both live until it returns.
    let failed = unsafe { libc::statvfs(path.as_ptr(), &raw mut found) } != 0;
    (!failed).then(|| found.f_blocks.saturating_mul(found.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::super::TsdbOptions;
    use super::*;
    use crate::model::Labels;

    const HOUR: i64 = 3_600_000;

    #[test]
    fn a_disk_has_a_size() {
        assert!(disk_size(Path::new("/")).is_some_and(|size| size > 0));
    }

    #[test]
    fn the_oldest_blocks_go_while_files_are_too_large() {
        let dir = tempfile::tempdir().unwrap();
        let (db, _) = Tsdb::open(dir.path(), TsdbOptions::default()).unwrap();
        let labels = Labels::from_pairs([("__name__", "m")]);
        for window in 0..6 {
            let mut appender = db.appender();
            for i in 0..480 {
                let t = window * 2 * HOUR + i * 15_000;
                appender.append(&labels, t, (t as f64).sin()).unwrap();
            }
            appender.commit().unwrap();
            db.maintain((window * 2 + 2) * HOUR + HOUR / 2).unwrap();
        }
        let now = 13 * HOUR;
        db.maintain(now).unwrap();
        let before = db.stats();
        assert!(before.blocks >= 4, "{}", before.blocks);
        // Room for all files but the oldest block.
        db.set_retention(Retention { bytes: before.block_bytes + before.wal_bytes - 1, ..Retention::default() });
        db.maintain(now).unwrap();
        let after = db.stats();
        assert!(after.blocks < before.blocks && after.blocks > 0, "{} of {}", after.blocks, before.blocks);
        assert!(after.mint > before.mint);
        db.set_retention(Retention { bytes: 1, ..Retention::default() });
        db.maintain(now).unwrap();
        assert_eq!(db.stats().blocks, 0, "what is not in blocks stays");
        assert_eq!(db.stats().head_maxt, before.head_maxt);
    }
}
