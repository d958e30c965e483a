//! Following the log: whoever sends samples on reads them from the segments, at its own pace, and goes on after a restart
//! where it was.
//!
//! A follower has a name, and a file of that name says how far it has got (`followers/NAME`: position u64, crc32 u32).
//! Segments that a follower still needs outlive the checkpoint that replaces them, within limits: a follower that falls
//! behind by more loses samples, and counts them.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use rustc_hash::FxHashMap;

use crate::model::{Labels, Value};

use super::db::{Inner, Tsdb};
use super::exemplars::Exemplar;
use super::files::{because, list, numbered, numbered_path};
use super::log::{self, Record};
pub use super::places::LogPosition;
use super::places::{LogEnd, Place};
use super::{SeriesRef, TsdbError, wal};

/// Bytes of segments kept for followers, beyond what the database itself needs.
const MAX_KEPT_BYTES: u64 = 1 << 30;
/// Segments are kept for followers this much longer than the newest one was written.
const MAX_KEPT_AGE: Duration = Duration::from_secs(6 * 3600);
/// What lies between two segments counts for no more: the clock may have leapt, or the process was down, and nobody could
/// read meanwhile.
const MAX_BETWEEN: Duration = Duration::from_secs(2 * 3600);
/// Segments that are looked at to tell how far somebody is behind.
const MAX_SEGMENTS: usize = 1000;
/// Labels remembered of series that the index no longer has.
const MAX_REMEMBERED: usize = 100_000;

/// A sample of the log.
#[derive(Clone, Debug, PartialEq)]
pub struct FollowedSample {
    /// The series.
    pub labels: Labels,
    /// Milliseconds.
    pub t: i64,
    /// Start timestamp, 0 when unknown.
    pub st: i64,
    /// The value.
    pub value: Value,
}

/// Reads the log record by record.
pub struct LogFollower {
    db: Tsdb,
    end: Arc<LogEnd>,
    place: Arc<Place>,
    dir: PathBuf,
    position: LogPosition,
    open: Option<(u64, File)>,
    /// Samples logged before `position`, once a record has told.
    sequence: Option<u64>,
    /// Labels of series that the log introduced and the index no longer has.
    gone: FxHashMap<SeriesRef, Labels>,
    lost: u64,
    wants_exemplars: bool,
    /// Those of the record that was read last.
    exemplars: Vec<(Labels, Exemplar)>,
}

impl Tsdb {
    /// Follows the log under a name: from where the follower of this name was, or from the log's end on. `None` for a
    /// database without files.
    ///
    /// # Errors
    /// The file that says where it was cannot be read or written.
    pub fn follow(&self, name: &str) -> Result<Option<LogFollower>, TsdbError> {
        let Some(disk) = &self.inner().disk else { return Ok(None) };
        let mut places = disk.places.lock();
        let place = match places.get(name) {
            Some(place) => place.clone(),
            None => {
                let dir = disk.files.followers();
                std::fs::create_dir_all(&dir).map_err(because("cannot create", &dir))?;
                let path = dir.join(name);
                let place = Place::open(&path, disk.log_end.get()).map_err(because("cannot open", &path))?;
                places.entry(name.to_owned()).or_insert(Arc::new(place)).clone()
            }
        };
        // A place beyond the log's end is of another log.
        let end = disk.log_end.get();
        place.confirmed.fetch_min(end.0, Ordering::SeqCst);
        let position = LogPosition(place.confirmed.load(Ordering::SeqCst));
        Ok(Some(LogFollower {
            db: self.clone(),
            end: disk.log_end.clone(),
            place,
            dir: disk.files.wal(),
            position,
            open: None,
            sequence: None,
            gone: FxHashMap::default(),
            lost: 0,
            wants_exemplars: false,
            exemplars: Vec::new(),
        }))
    }

    /// Forgets all followers but these: nothing is kept for the others.
    ///
    /// # Errors
    /// A file cannot be removed.
    pub fn keep_followers(&self, names: &[String]) -> Result<(), TsdbError> {
        let Some(disk) = &self.inner().disk else { return Ok(()) };
        disk.places.lock().retain(|name, place| {
            let keep = names.contains(name);
            place.retired.store(!keep, Ordering::SeqCst);
            keep
        });
        let dir = disk.files.followers();
        if !dir.is_dir() {
            return Ok(());
        }
        for path in list(&dir)? {
            let known = path.file_name().and_then(|n| n.to_str()).is_some_and(|n| names.iter().any(|k| k == n));
            if !known {
                std::fs::remove_file(&path).map_err(because("cannot remove", &path))?;
            }
        }
        Ok(())
    }
}

impl Inner {
    /// Deletes the segments before `segment`, but for those that followers need and that are within the limits.
    pub(super) fn delete_segments_before(&self, segment: u64) -> Result<(), TsdbError> {
        let Some(disk) = &self.disk else { return Ok(()) };
        let needed = |p: &Arc<Place>| {
            let at = LogPosition(p.confirmed.load(Ordering::SeqCst));
            // A segment that was read to its end is not needed.
            let size = numbered_path(&disk.files.wal(), at.segment()).metadata().map_or(0, |m| m.len());
            at.segment() + u64::from(at.offset() >= size)
        };
        let needed = disk.places.lock().values().map(needed).min().unwrap_or(segment);
        let segments = numbered(&disk.files.wal())?;
        let (mut kept, mut age) = (0, Duration::ZERO);
        let mut after = None;
        for (n, path) in segments.iter().rev() {
            let written = path.metadata().and_then(|m| m.modified()).ok();
            let between = after.zip(written).and_then(|(after, this): (SystemTime, _)| after.duration_since(this).ok());
            age += between.unwrap_or_default().min(MAX_BETWEEN);
            after = written.or(after);
            if *n >= segment {
                continue;
            }
            kept += path.metadata().map_or(0, |m| m.len());
            if *n < needed || kept > MAX_KEPT_BYTES || age > MAX_KEPT_AGE {
                std::fs::remove_file(path).map_err(because("cannot remove", path))?;
            }
        }
        Ok(())
    }
}

impl LogFollower {
    /// Before the next record to be read.
    pub fn position(&self) -> LogPosition {
        self.position
    }

    /// Samples that could not be read: their segments are gone or damaged, or nobody knows their series.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// A handle by which others say how far they have got with what was read.
    pub fn confirmation(&self) -> Confirmation {
        Confirmation { place: self.place.clone(), end: self.end.clone(), dir: self.dir.clone() }
    }

    /// Waits for more, for as long as `patience`.
    pub fn wait(&self, patience: Duration) {
        self.end.wait_beyond(self.position, patience);
    }

    /// Reads exemplars too: [`LogFollower::take_exemplars`] gives those of the record that was read last.
    pub fn with_exemplars(mut self) -> Self {
        self.wants_exemplars = true;
        self
    }

    /// The exemplars of the record that was read last, with their series.
    pub fn take_exemplars(&mut self) -> Vec<(Labels, Exemplar)> {
        std::mem::take(&mut self.exemplars)
    }

    /// Reads the next record that holds samples, or exemplars where those are read; `None` at the log's end.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn read(&mut self) -> Result<Option<Vec<FollowedSample>>, TsdbError> {
        self.exemplars.clear();
        let mut bytes = Vec::new();
        loop {
            let end = self.end.get();
            if self.position >= end {
                return Ok(None);
            }
            if !self.read_bytes(end, &mut bytes)? {
                continue;
            }
            // What is damaged is passed over; how much it was the next record tells.
            let Ok(record) = log::record(&bytes) else {
                self.position = if self.position.segment() == end.segment() { end } else { self.next_segment(end)? };
                continue;
            };
            self.position = LogPosition(self.position.0 + bytes.len() as u64);
            let samples = self.take(&record);
            if !samples.is_empty() || !self.exemplars.is_empty() {
                return Ok(Some(samples));
            }
        }
    }

    /// The bytes of the record at the position; `false` when there is none: then the position has moved on.
    fn read_bytes(&mut self, end: LogPosition, bytes: &mut Vec<u8>) -> Result<bool, TsdbError> {
        let (segment, offset) = (self.position.segment(), self.position.offset());
        let path = numbered_path(&self.dir, segment);
        let failed = because("cannot read", &path);
        if self.open.as_ref().is_none_or(|(n, _)| *n != segment) {
            match File::open(&path) {
                Ok(file) => self.open = Some((segment, file)),
                Err(e) if e.kind() == std::io::ErrorKind::NotFound && segment < end.segment() => {
                    self.position = self.next_segment(end)?;
                    return Ok(false);
                }
                Err(e) => return Err(failed(e)),
            }
        }
        let Some((_, file)) = &mut self.open else { return Ok(false) };
        let len = if segment == end.segment() { end.offset() } else { file.metadata().map_err(&failed)?.len() };
        file.seek(SeekFrom::Start(offset)).map_err(&failed)?;
        bytes.clear();
        let left = len.saturating_sub(offset);
        file.take(left.min(log::HEAD as u64)).read_to_end(bytes).map_err(&failed)?;
        let Some(size) = log::payload_len(bytes).filter(|size| (size + log::HEAD) as u64 <= left) else {
            self.position = if segment == end.segment() { end } else { self.next_segment(end)? };
            return Ok(false);
        };
        file.take(size as u64).read_to_end(bytes).map_err(&failed)?;
        Ok(true)
    }

    /// The start of the next segment there is.
    fn next_segment(&mut self, end: LogPosition) -> Result<LogPosition, TsdbError> {
        self.open = None;
        let after = self.position.segment();
        let next = numbered(&self.dir)?.into_iter().map(|(n, _)| n).find(|n| *n > after);
        Ok(next.map_or(end, LogPosition::start_of).min(end))
    }

    fn take(&mut self, record: &Record<'_>) -> Vec<FollowedSample> {
        let count = u64::from(record.samples);
        self.lost += self.sequence.map_or(0, |before| record.sequence.saturating_sub(before));
        self.sequence = Some(record.sequence.saturating_add(count));
        match record.kind {
            wal::SERIES => {
                self.remember(record.payload);
                Vec::new()
            }
            wal::SAMPLES | wal::LATE => {
                let samples = self.samples(record.payload);
                self.lost += count.saturating_sub(samples.len() as u64);
                samples
            }
            wal::EXEMPLARS if self.wants_exemplars => {
                let read = wal::read_exemplars(record.payload).flatten();
                self.exemplars = read.filter_map(|(id, exemplar)| Some((self.labels_of(id)?, exemplar))).collect();
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    /// The labels of a series that the log speaks of.
    fn labels_of(&mut self, id: SeriesRef) -> Option<Labels> {
        let inner = self.db.inner();
        let in_head = || inner.index.read().get(id).map(|s| s.labels.clone());
        self.gone.get(&id).cloned().or_else(in_head).or_else(|| {
            // It has left the head since: blocks know it.
            let labels = inner.blocks.labels_of(id)?;
            make_room(&mut self.gone);
            self.gone.insert(id, labels.clone());
            Some(labels)
        })
    }

    /// Remembers the labels of series that the index does not have, or no longer has.
    fn remember(&mut self, payload: &[u8]) {
        let index = self.db.inner().index.read();
        for (id, labels) in wal::read_series(payload).flatten() {
            if index.get(id).is_some_and(|s| s.labels.as_bytes() == labels) {
                continue;
            }
            if let Some(labels) = Labels::from_bytes(labels) {
                make_room(&mut self.gone);
                self.gone.insert(id, labels);
            }
        }
    }

    fn samples(&mut self, payload: &[u8]) -> Vec<FollowedSample> {
        let read = wal::read_samples(payload).flatten();
        let one = |s: wal::LoggedSample| {
            Some(FollowedSample { labels: self.labels_of(s.id)?, t: s.t, st: s.st, value: s.value })
        };
        read.filter_map(one).collect()
    }
}

/// Bounds what is remembered. What is forgotten blocks know, mostly.
fn make_room(gone: &mut FxHashMap<SeriesRef, Labels>) {
    if gone.len() >= MAX_REMEMBERED {
        gone.clear();
    }
}

/// Says how far a follower's samples have got.
#[derive(Clone, Debug)]
pub struct Confirmation {
    place: Arc<Place>,
    end: Arc<LogEnd>,
    dir: PathBuf,
}

impl Confirmation {
    /// Bytes of the log from what is confirmed to its end.
    pub fn behind(&self) -> u64 {
        let (from, to) = (LogPosition(self.place.confirmed.load(Ordering::SeqCst)), self.end.get());
        let size = |n| numbered_path(&self.dir, n).metadata().map_or(0, |m| m.len());
        let whole: u64 = (from.segment()..to.segment()).take(MAX_SEGMENTS).map(size).sum();
        (whole + to.offset()).saturating_sub(from.offset())
    }

    /// Everything before `position` has arrived and is not needed again, not after a restart either.
    ///
    /// # Errors
    /// It could not be written down.
    pub fn confirm(&self, position: LogPosition) -> Result<(), TsdbError> {
        let before = self.place.confirmed.fetch_max(position.0, Ordering::SeqCst);
        if before >= position.0 || self.place.retired.load(Ordering::SeqCst) {
            return Ok(());
        }
        let what = "cannot write down how far the log was sent".to_owned();
        self.place.write(position).map_err(|source| TsdbError::Io { what, source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tsdb::TsdbOptions;

    fn append(db: &Tsdb, i: usize, t: i64) {
        let mut a = db.appender();
        a.append(&Labels::from_pairs([("__name__", "m".to_owned()), ("i", i.to_string())]), t, t as f64).unwrap();
        a.commit().unwrap();
    }

    fn all(follower: &mut LogFollower) -> Vec<i64> {
        std::iter::from_fn(|| follower.read().unwrap()).flatten().map(|s| s.t).collect()
    }

    #[test]
    fn a_follower_goes_on_where_it_was_across_restarts_and_checkpoints() {
        let dir = tempfile::tempdir().unwrap();
        let open = || Tsdb::open(dir.path(), TsdbOptions::default()).unwrap().0;
        let db = open();
        append(&db, 0, 1);
        let mut follower = db.follow("a").unwrap().unwrap();
        assert!(all(&mut follower).is_empty(), "it begins at the log's end");
        (2..5).for_each(|t| append(&db, t as usize % 2, t));
        assert_eq!(follower.read().unwrap().unwrap().len(), 1);
        follower.confirmation().confirm(follower.position()).unwrap();
        assert_eq!(all(&mut follower), [3, 4]);
        assert!(follower.confirmation().behind() > 0);
        // What was not confirmed is read again, though a checkpoint has replaced it, with its labels.
        db.close().unwrap();
        append(&db, 1, 5);
        drop((follower, db));
        let db = open();
        append(&db, 2, 6);
        let mut follower = db.follow("a").unwrap().unwrap();
        let first = follower.read().unwrap().unwrap();
        assert_eq!((first[0].t, first[0].labels.get("i")), (3, Some("1")));
        assert_eq!(all(&mut follower), [4, 5, 6]);
        follower.confirmation().confirm(follower.position()).unwrap();
        assert_eq!((follower.lost(), follower.confirmation().behind()), (0, 0));
        db.close().unwrap();
        assert_eq!(db.stats().wal_segments, 1, "nothing is kept that nobody needs");
        // A follower that is no longer wanted keeps nothing.
        db.keep_followers(&[]).unwrap();
        append(&db, 2, 7);
        db.close().unwrap();
        assert_eq!(db.stats().wal_segments, 1);
    }

    #[test]
    fn a_leap_of_the_clock_costs_a_follower_nothing_and_a_long_lag_does() {
        let hours = |n: u64| Duration::from_secs(n * 3600);
        // The times of the segments' last writes, in hours, and how many of them are kept: what is too old is not.
        for (why, written, want) in [
            ("the clock was 40 days ahead for a moment", [100, 1060, 100, 100, 100], 5),
            ("and is still", [100, 100, 100, 100, 1060], 5),
            ("the process was down for days", [10, 100, 100, 100, 101], 5),
            ("a receiver that is behind for long", [10, 12, 14, 16, 18], 3),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let (db, _) = Tsdb::open(dir.path(), TsdbOptions::default()).unwrap();
            let _follower = db.follow("a").unwrap().unwrap();
            for (i, hour) in written.into_iter().enumerate() {
                append(&db, 0, i as i64);
                let path = numbered(&dir.path().join("wal")).unwrap().pop().unwrap().1;
                db.close().unwrap();
                File::options()
                    .append(true)
                    .open(path)
                    .unwrap()
                    .set_modified(SystemTime::UNIX_EPOCH + hours(hour))
                    .unwrap();
            }
            let last = numbered(&dir.path().join("wal")).unwrap().last().unwrap().0;
            db.inner().delete_segments_before(last).unwrap();
            let left = numbered(&dir.path().join("wal")).unwrap().len();
            assert_eq!(left - 1, want, "{why}");
        }
    }

    #[test]
    fn segments_that_are_gone_are_counted_by_their_samples() {
        let dir = tempfile::tempdir().unwrap();
        let (db, _) = Tsdb::open(dir.path(), TsdbOptions::default()).unwrap();
        let mut follower = db.follow("a").unwrap().unwrap();
        append(&db, 0, 1);
        assert_eq!(all(&mut follower), [1]);
        for t in 2..6 {
            append(&db, 0, t);
            db.close().unwrap();
        }
        append(&db, 0, 6);
        std::fs::remove_file(dir.path().join("wal/00000002")).unwrap();
        std::fs::write(dir.path().join("wal/00000003"), b"WBLOG").unwrap();
        assert_eq!(all(&mut follower), [2, 5, 6]);
        assert_eq!(follower.lost(), 2);
    }
}
