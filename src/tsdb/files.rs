//! Where a database's files are, and how they become durable.
//!
//! ```text
//! lock                      held while a process has the database open
//! wal/00000012              segments of the log
//! checkpoint/00000012       replaces all segments before the one of its number
//! blocks/START_END_SEQ.block  samples of a span of time; SEQ.damaged: set aside, as nothing of it can be read
//! followers/NAME            how far a follower of the log has got
//! manifest                  which of these there should be
//! tombstones                which samples somebody deleted; tombstones.damaged: what it was before, when not all could be read
//! ahead/START_END_SEQ.block   samples that a clock let in that was ahead
//! ```
//!
//! A commit writes to the log: what it wrote outlives the process (`kill -9`), as the page cache does. Segments are
//! synced to the disk when they are closed and at every maintenance, blocks and checkpoints before they get their name:
//! a power cut loses at most the commits since the last maintenance.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::TsdbError;

/// Says what was being done when a file gave an error.
pub(super) fn because<'a>(what: &'a str, path: &'a Path) -> impl Fn(std::io::Error) -> TsdbError + 'a {
    move |source| TsdbError::Io { what: format!("{what} {}", path.display()), source }
}

/// The directories of a database.
#[derive(Clone, Debug)]
pub(super) struct Files {
    root: PathBuf,
}

impl Files {
    /// The files of the database in a directory.
    pub(super) fn of(root: &Path) -> Self {
        Files { root: root.to_owned() }
    }

    /// Makes what is missing, and removes what a crash left half written.
    pub(super) fn create(root: &Path) -> Result<Self, TsdbError> {
        let files = Files::of(root);
        fs::create_dir_all(root).map_err(because("cannot create", root))?;
        files.create_directories()?;
        for dir in [files.root.clone(), files.wal(), files.checkpoints(), files.blocks()] {
            for path in list(&dir)? {
                if path.extension().is_some_and(|e| e == "tmp") {
                    fs::remove_file(&path).map_err(because("cannot remove", &path))?;
                }
            }
        }
        Ok(files)
    }

    /// Makes the directories that are missing. The database's own is not made again: where it is gone somebody took it away.
    pub(super) fn create_directories(&self) -> Result<(), TsdbError> {
        for dir in [self.wal(), self.checkpoints(), self.blocks()] {
            if !dir.is_dir() {
                fs::create_dir(&dir).map_err(because("cannot create", &dir))?;
            }
        }
        Ok(())
    }

    /// Where followers of the log keep how far they have got.
    pub(super) fn followers(&self) -> PathBuf {
        self.root.join("followers")
    }

    /// Where it is kept what was deleted.
    pub(super) fn tombstones(&self) -> PathBuf {
        self.root.join("tombstones")
    }

    /// Where the manifest is.
    pub(super) fn manifest(&self) -> PathBuf {
        self.root.join("manifest")
    }

    /// Whether a process has the database open.
    pub(super) fn in_use(&self) -> bool {
        let lock = File::open(self.root.join("lock"));
        lock.is_ok_and(|file| matches!(file.try_lock_shared(), Err(fs::TryLockError::WouldBlock)))
    }

    /// Takes the lock that keeps a second process out.
    pub(super) fn lock(&self) -> Result<File, TsdbError> {
        let path = self.root.join("lock");
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(because("cannot open", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(fs::TryLockError::WouldBlock) => Err(TsdbError::Locked(self.root.display().to_string())),
            Err(fs::TryLockError::Error(e)) => Err(because("cannot lock", &path)(e)),
        }
    }

    /// The directory of all.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn wal(&self) -> PathBuf {
        self.root.join("wal")
    }

    pub(super) fn checkpoints(&self) -> PathBuf {
        self.root.join("checkpoint")
    }

    /// Where samples of the future are set aside.
    pub(super) fn ahead(&self) -> PathBuf {
        self.root.join("ahead")
    }

    pub(super) fn blocks(&self) -> PathBuf {
        self.root.join("blocks")
    }
}

/// The files of a directory, by name.
pub(super) fn list(dir: &Path) -> Result<Vec<PathBuf>, TsdbError> {
    let failed = because("cannot list", dir);
    let mut all: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(dir).map_err(&failed)? {
        all.push(entry.map_err(&failed)?.path());
    }
    all.sort();
    Ok(all)
}

/// The files of a directory whose names are numbers, ascending.
pub(super) fn numbered(dir: &Path) -> Result<Vec<(u64, PathBuf)>, TsdbError> {
    let mut all: Vec<(u64, PathBuf)> =
        list(dir)?.into_iter().filter_map(|p| Some((p.file_name()?.to_str()?.parse().ok()?, p))).collect();
    all.sort();
    Ok(all)
}

/// Deletes the numbered files before `n`.
pub(super) fn delete_before(dir: &Path, n: u64) -> Result<(), TsdbError> {
    for (_, path) in numbered(dir)?.into_iter().filter(|(m, _)| *m < n) {
        fs::remove_file(&path).map_err(because("cannot remove", &path))?;
    }
    Ok(())
}

/// The name of a numbered file.
pub(super) fn numbered_path(dir: &Path, n: u64) -> PathBuf {
    dir.join(format!("{n:08}"))
}

/// Writes a file so that it is either there and whole, or not there.
pub(super) fn write_atomically<R>(
    path: &Path,
    write: impl FnOnce(&mut std::io::BufWriter<File>) -> std::io::Result<R>,
) -> Result<R, TsdbError> {
    let tmp = path.with_extension("tmp");
    let result = write_and_rename(&tmp, path, write).map_err(because("cannot write", path));
    if result.is_err() {
        // What is half written takes room that may be what is lacking. Without success the next start removes it.
        let _ = fs::remove_file(&tmp);
    }
    let result = result?;
    if let Some(dir) = path.parent() {
        sync_dir(dir)?;
    }
    Ok(result)
}

fn write_and_rename<R>(
    tmp: &Path,
    path: &Path,
    write: impl FnOnce(&mut std::io::BufWriter<File>) -> std::io::Result<R>,
) -> std::io::Result<R> {
    let mut out = std::io::BufWriter::with_capacity(1 << 18, File::create(tmp)?);
    let result = write(&mut out)?;
    out.flush()?;
    out.get_ref().sync_all()?;
    fs::rename(tmp, path)?;
    Ok(result)
}

/// Makes names in a directory durable.
pub(super) fn sync_dir(dir: &Path) -> Result<(), TsdbError> {
    File::open(dir).and_then(|d| d.sync_all()).map_err(because("cannot sync", dir))
}
