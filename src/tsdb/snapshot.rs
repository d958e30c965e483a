//! A copy of all data at one moment, which takes no room as long as the blocks it shares are there.

use std::fs;
use std::path::Path;

use super::TsdbError;
use super::db::Tsdb;
use super::files::{Files, because, numbered};
use super::manifest::Manifest;

impl Tsdb {
    /// Makes a database in a directory that is not there yet: blocks are shared with this one, and what is in memory is in a
    /// checkpoint unless only blocks are wanted. False where there are no files that could be shared.
    ///
    /// # Errors
    /// What could not be written.
    pub fn snapshot(&self, dir: &Path, with_head: bool) -> Result<bool, TsdbError> {
        let inner = self.inner();
        let Some(disk) = &inner.disk else { return Ok(false) };
        // No block comes or goes meanwhile.
        let housekeeping = inner.housekeeping.lock();
        if with_head {
            inner.checkpoint(disk, &housekeeping)?;
        }
        fs::create_dir_all(dir).map_err(because("cannot create", dir))?;
        let files = Files::create(dir)?;
        let share = |from: &Path, to: &Path| {
            let name = from.file_name().unwrap_or_default();
            fs::hard_link(from, to.join(name)).map_err(because("cannot link", from))
        };
        let blocks = inner.blocks.load();
        for block in blocks.iter() {
            share(&block.path, &files.blocks())?;
        }
        let newest = numbered(&disk.files.checkpoints())?.pop().filter(|_| with_head);
        if let Some((_, checkpoint)) = newest {
            share(&checkpoint, &files.checkpoints())?;
        }
        let tombstones = disk.files.tombstones();
        if tombstones.is_file() {
            share(&tombstones, files.root())?;
        }
        Manifest::now(&files, blocks.iter().map(|b| b.name).collect())?.write(&files.manifest())?;
        Ok(true)
    }

    /// The directory of the database, if it has one.
    pub fn directory(&self) -> Option<&Path> {
        self.inner().disk.as_ref().map(|disk| disk.files.root())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Queryable, Series, TsdbOptions};
    use super::*;
    use crate::model::{Labels, Matcher, SampleBuf};

    const HOUR: i64 = 3_600_000;

    fn samples(db: &Tsdb) -> usize {
        let found = db.select_shared(&[Matcher::equal("__name__", "m")], 0, 100 * HOUR).unwrap();
        let count = |series: &std::sync::Arc<dyn Series>| {
            let mut out = SampleBuf::default();
            series.read(0, 100 * HOUR, false, &mut out).unwrap();
            out.ts.len()
        };
        found.iter().map(count).sum()
    }

    #[test]
    fn what_is_deleted_stays_so_and_what_comes_later_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let open = || Tsdb::open(dir.path().join("tsdb"), TsdbOptions::default()).unwrap().0;
        let db = open();
        let labels = [0, 1].map(|i| Labels::from_pairs([("__name__", "m"), ("i", &i.to_string())]));
        let fill = |db: &Tsdb, from: i64| {
            let mut appender = db.appender();
            for (labels, i) in labels.iter().flat_map(|l| (0..100).map(move |i| (l, i))) {
                appender.append(labels, from + i * 1_000, i as f64).unwrap();
            }
            appender.commit().unwrap();
        };
        fill(&db, 0);
        let of = |i: &str| vec![vec![Matcher::equal("__name__", "m"), Matcher::equal("i", i)]];
        assert_eq!(db.delete_series(&of("0"), 10_000, 19_999).unwrap(), 1);
        assert_eq!(db.delete_series(&of("0"), 90_000, i64::MAX).unwrap(), 1);
        assert_eq!(db.delete_series(&of("nosuch"), 0, i64::MAX).unwrap(), 0);
        assert_eq!(samples(&db), 100 + 80);
        let found = db.select_shared(&of("0")[0], 0, HOUR).unwrap();
        assert_eq!(found.get(0).unwrap().latest(0, HOUR).unwrap().unwrap().0, 89_000);
        assert_eq!(found.get(0).unwrap().latest(12_000, 15_000).unwrap(), None);
        fill(&db, 200_000);
        db.close().unwrap();
        drop(db);
        let db = open();
        assert_eq!(samples(&db), 100 + 80 + 200);
        db.delete_series(&of("0"), i64::MIN, i64::MAX).unwrap();
        assert_eq!(db.series(&[of("0")[0].clone()], 0, HOUR).unwrap().len(), 0);
        assert_eq!(samples(&db), 200);
    }

    #[test]
    fn a_snapshot_opens_as_a_database_of_its_moment() {
        let dir = tempfile::tempdir().unwrap();
        let (db, _) = Tsdb::open(dir.path().join("tsdb"), TsdbOptions::default()).unwrap();
        let fill = |from: i64| super::super::tests::append_hour(&db, from);
        (0..4).for_each(|hour| fill(hour * HOUR));
        db.maintain(4 * HOUR).unwrap();
        fill(4 * HOUR);
        let (whole, blocks) = (dir.path().join("whole"), dir.path().join("blocks"));
        assert_eq!((db.snapshot(&whole, true).unwrap(), db.snapshot(&blocks, false).unwrap()), (true, true));
        fill(5 * HOUR);
        let open = |dir: &Path| {
            let (db, recovery) = Tsdb::open(dir, TsdbOptions::default()).unwrap();
            assert!(recovery.is_clean(), "{recovery:?}");
            samples(&db)
        };
        assert_eq!((samples(&db), open(&whole)), (6 * 240, 5 * 240));
        let in_blocks = open(&blocks);
        assert!(in_blocks > 0 && in_blocks < 5 * 240, "{in_blocks}");
        assert!(!Tsdb::in_memory().snapshot(&dir.path().join("none"), true).unwrap());
    }
}
