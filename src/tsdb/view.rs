//! A database opened to be read, while another process may have it open: nothing in its directory is changed. Its files are
//! linked into a folder of our own, where opening may repair and write what it likes, and which goes with the view.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::model::Matcher;

use super::files::{Files, because, list};
use super::query::{Queryable, Series, SharedSeries, StorageError};
use super::{Recovery, Tsdb, TsdbError, TsdbOptions};

/// How often a view is tried while the database's owner moves files under it.
const TRIES: usize = 5;

/// A database as it was at a moment.
pub struct TsdbView {
    tsdb: Tsdb,
    /// Goes after the database.
    _scratch: Scratch,
}

impl TsdbView {
    /// Looks at the database in a directory. What is damaged, or not yet written as a whole, is in [`Recovery`].
    ///
    /// # Errors
    /// There is no database, or its files cannot be read.
    pub fn open(dir: &Path) -> Result<(Self, Recovery), TsdbError> {
        // Links must lead somewhere from anywhere.
        let dir = fs::canonicalize(dir).map_err(because("cannot open", dir))?;
        let mut tries = 1;
        loop {
            match Self::try_open(&dir) {
                // A checkpoint took the place of segments, or a block that of others.
                Err(e) if tries < TRIES && is_gone(&e) => tries += 1,
                other => return other,
            }
        }
    }

    fn try_open(dir: &Path) -> Result<(Self, Recovery), TsdbError> {
        let scratch = Scratch::new()?;
        let (from, to) = (Files::of(dir), Files::create(&scratch.0)?);
        let mut pairs =
            vec![(from.blocks(), to.blocks()), (from.checkpoints(), to.checkpoints()), (from.wal(), to.wal())];
        pairs.retain(|(from, _)| from.is_dir());
        // What takes the place of something is there before that goes.
        for (from, to) in pairs {
            for path in list(&from)?.into_iter().filter(|p| p.extension().is_none_or(|e| e == "block")) {
                link(&path, &to)?;
            }
        }
        let tombstones = from.tombstones();
        if tombstones.is_file() {
            fs::copy(&tombstones, to.tombstones()).map_err(because("cannot copy", &tombstones))?;
        }
        let (tsdb, recovery) = Tsdb::open(&scratch.0, TsdbOptions { retention_ms: i64::MAX })?;
        Ok((TsdbView { tsdb, _scratch: scratch }, recovery))
    }

    /// Times of the oldest sample and of the newest, milliseconds; `None` where there is none.
    pub fn span(&self) -> Option<(i64, i64)> {
        let stats = self.tsdb.stats();
        let newest = self.tsdb.blocks().iter().map(|b| b.maxt).max().max(stats.head_maxt);
        stats.mint.zip(newest)
    }
}

fn link(path: &Path, folder: &Path) -> Result<(), TsdbError> {
    let name = path.file_name().unwrap_or_default();
    std::os::unix::fs::symlink(path, folder.join(name)).map_err(because("cannot link", path))
}

fn is_gone(error: &TsdbError) -> bool {
    matches!(error, TsdbError::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound)
}

impl Queryable for TsdbView {
    fn select(&self, matchers: &[Matcher], mint: i64, maxt: i64) -> Result<Vec<Arc<dyn Series>>, StorageError> {
        self.tsdb.select(matchers, mint, maxt)
    }

    fn select_shared(&self, matchers: &[Matcher], mint: i64, maxt: i64) -> Result<SharedSeries, StorageError> {
        self.tsdb.select_shared(matchers, mint, maxt)
    }
}

/// A folder that goes with its owner.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self, TsdbError> {
        let base = std::env::temp_dir();
        for n in 0_u32.. {
            let path = base.join(format!("watchbell-view-{}-{n}", std::process::id()));
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Scratch(path)),
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists && n < 1_000 => {}
                Err(e) => return Err(because("cannot create", &path)(e)),
            }
        }
        Err(TsdbError::Damaged("no folder can be made for a view".into()))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Links only; what stays behind is in the folder for what is temporary.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SampleBuf;

    const HOUR: i64 = 3_600_000;

    /// The names and bytes of all files below a folder.
    fn files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
        let mut found = Vec::new();
        for path in list(dir).unwrap() {
            match path.is_dir() {
                true => found.extend(files(&path)),
                false => found.push((path.clone(), fs::read(&path).unwrap())),
            }
        }
        found
    }

    #[test]
    fn a_database_in_use_is_read_and_left_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let (db, _) = Tsdb::open(dir.path(), TsdbOptions::default()).unwrap();
        let fill = |from: i64| super::super::tests::append_hour(&db, from);
        (0..4).for_each(|hour| fill(hour * HOUR));
        db.maintain(4 * HOUR).unwrap();
        fill(4 * HOUR);
        let before = files(dir.path());
        let (view, recovery) = TsdbView::open(dir.path()).unwrap();
        assert!(recovery.is_clean(), "{recovery:?}");
        assert_eq!(view.span(), Some((0, 4 * HOUR + 239 * 15_000)));
        // What comes later is not seen, and what the owner takes away stays.
        fill(5 * HOUR);
        let found = view.select(&[Matcher::equal("__name__", "m")], i64::MIN, i64::MAX).unwrap();
        let mut out = SampleBuf::default();
        found[0].read(i64::MIN, i64::MAX, false, &mut out).unwrap();
        assert_eq!((found.len(), out.len()), (1, 5 * 240));
        let scratch = view._scratch.0.clone();
        drop((view, found));
        assert!(!scratch.exists());
        drop(db);
        let after: Vec<_> =
            files(dir.path()).into_iter().filter(|(p, _)| !p.parent().unwrap().ends_with("wal")).collect();
        assert_eq!(
            after,
            before.into_iter().filter(|(p, _)| !p.parent().unwrap().ends_with("wal")).collect::<Vec<_>>()
        );
        assert!(TsdbView::open(&dir.path().join("absent")).is_err());
    }
}
