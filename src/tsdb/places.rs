//! Where the log ends, and how far those who follow it have got.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::TsdbError;
use super::files::{Files, because, list, numbered};
use super::log::MAGIC;

/// A place in the log, between two records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogPosition(pub(super) u64);

impl LogPosition {
    pub(super) fn new(segment: u64, offset: u64) -> Self {
        LogPosition(segment << 32 | offset.min(u32::MAX.into()))
    }

    /// The segment's number.
    pub fn segment(self) -> u64 {
        self.0 >> 32
    }

    /// Bytes before it in the segment.
    pub fn offset(self) -> u64 {
        self.0 & u64::from(u32::MAX)
    }

    pub(super) fn start_of(segment: u64) -> Self {
        LogPosition::new(segment, MAGIC.len() as u64)
    }
}

/// Where the log ends, for those who wait for more of it.
#[derive(Debug, Default)]
pub(super) struct LogEnd {
    position: Mutex<LogPosition>,
    moved: Condvar,
}

impl LogEnd {
    pub(super) fn set(&self, segment: u64, offset: u64) {
        *self.position.lock() = LogPosition::new(segment, offset);
        self.moved.notify_all();
    }

    pub(super) fn get(&self) -> LogPosition {
        *self.position.lock()
    }

    /// Waits until the log ends elsewhere, or for as long as `patience`.
    pub(super) fn wait_beyond(&self, position: LogPosition, patience: Duration) {
        let mut end = self.position.lock();
        if *end <= position {
            self.moved.wait_for(&mut end, patience);
        }
    }
}

/// How far one follower has got.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) confirmed: AtomicU64,
    /// Nobody follows under this name any more.
    pub(super) retired: AtomicBool,
    file: Mutex<File>,
}

/// How far the followers of a database have got, by name.
pub(super) type Places = Mutex<BTreeMap<String, Arc<Place>>>;

/// The followers there were before a restart: what they need is kept from the beginning. One that cannot tell how far it
/// was gets all there is again.
pub(super) fn read_places(files: &Files) -> Result<Places, TsdbError> {
    let (dir, mut places) = (files.followers(), BTreeMap::new());
    if !dir.is_dir() {
        return Ok(Mutex::default());
    }
    let oldest = numbered(&files.wal())?.first().map_or(0, |(n, _)| *n);
    for path in list(&dir)? {
        let Some(name) = path.file_name().and_then(|n| n.to_str()) else { continue };
        let place = Place::open(&path, LogPosition::start_of(oldest)).map_err(because("cannot open", &path))?;
        places.insert(name.to_owned(), Arc::new(place));
    }
    Ok(Mutex::new(places))
}

impl Place {
    pub(super) fn open(path: &Path, fallback: LogPosition) -> std::io::Result<Self> {
        let mut file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let stored = bytes.split_first_chunk::<8>().filter(|(p, crc)| crc32fast::hash(*p).to_le_bytes() == **crc);
        let confirmed = stored.map_or(fallback.0, |(position, _)| u64::from_le_bytes(*position));
        let place = Place { confirmed: confirmed.into(), retired: AtomicBool::new(false), file: Mutex::new(file) };
        place.write(LogPosition(confirmed))?;
        Ok(place)
    }

    pub(super) fn write(&self, position: LogPosition) -> std::io::Result<()> {
        let bytes = position.0.to_le_bytes();
        let mut file = self.file.lock();
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&[&bytes[..], &crc32fast::hash(&bytes).to_le_bytes()].concat())
    }
}
