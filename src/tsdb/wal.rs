//! The write-ahead log: each commit is one write of at most four records, the series it introduces, its samples, those
//! that came late, and its exemplars.
//!
//! ```text
//! series   (varint id, varint size, packed labels)*
//! samples  (varint zigzag(id - previous id) * 2 + rare, zigzag varint t - previous t, then
//!           a float: f64; rare: u8 flags, start timestamp (zigzag varint) if 1, histogram if 2, else f64)*
//! exemplars (varint id, zigzag varint t, f64, u8 whether the time is its own, varint size, packed labels)*
//! ```

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use crate::model::{Labels, Value};

use super::bits::{Reader, put_ivarint, put_uvarint, zigzag};
use super::exemplars::Exemplar;
use super::files::{because, numbered, numbered_path};
use super::histogram_chunk::{put_histogram, read_histogram};
use super::late::LateSample;
use super::log::{MAGIC, Record};
use super::places::LogEnd;
use super::{SeriesRef, TsdbError};

/// Kinds of records.
pub(super) const SERIES: u8 = 1;
pub(super) const SAMPLES: u8 = 2;
/// Samples that are older than others of their series; otherwise as [`SAMPLES`].
pub(super) const LATE: u8 = 3;
pub(super) const EXEMPLARS: u8 = 4;

const HAS_ST: u8 = 1;
const HAS_HISTOGRAM: u8 = 2;

/// Segments are closed at this size.
const SEGMENT_BYTES: u64 = 64 << 20;

/// Samples to be written as one record.
#[derive(Debug, Default)]
struct Batch {
    bytes: Vec<u8>,
    count: u32,
    previous: (u64, i64),
}

impl Batch {
    fn clear(&mut self) {
        self.bytes.clear();
        (self.count, self.previous) = (0, (0, 0));
    }

    #[inline]
    fn add(&mut self, id: SeriesRef, t: i64, value: &Value, st: i64) {
        let (previous_id, previous_t) = self.previous;
        self.previous = (id.0, t);
        self.count += 1;
        let head = zigzag(id.0.wrapping_sub(previous_id) as i64) << 1;
        let out = &mut self.bytes;
        if let Value::Float(v) = value
            && st == 0
        {
            put_uvarint(out, head);
            put_ivarint(out, t.wrapping_sub(previous_t));
            out.extend_from_slice(&v.to_bits().to_le_bytes());
            return;
        }
        put_uvarint(out, head | 1);
        put_ivarint(out, t.wrapping_sub(previous_t));
        let histogram = matches!(value, Value::Histogram(_));
        out.push(if st != 0 { HAS_ST } else { 0 } | if histogram { HAS_HISTOGRAM } else { 0 });
        if st != 0 {
            put_ivarint(out, st);
        }
        match value {
            Value::Float(v) => out.extend_from_slice(&v.to_bits().to_le_bytes()),
            Value::Histogram(h) => put_histogram(h, out),
        }
    }
}

/// The log of a database, open for writing.
#[derive(Debug)]
pub(super) struct Wal {
    dir: PathBuf,
    segment: u64,
    file: File,
    /// What the file's name led to when it was made.
    inode: u64,
    /// Bytes of the open segment that hold whole records.
    written: u64,
    /// Samples logged, ever.
    pub(super) sequence: u64,
    series: Vec<u8>,
    samples: Batch,
    late: Batch,
    exemplars: Vec<u8>,
    frame: Vec<u8>,
    /// Tells followers.
    end: Arc<LogEnd>,
}

impl Wal {
    /// Starts segment number `segment`.
    pub(super) fn create(dir: PathBuf, segment: u64, sequence: u64) -> Result<Self, TsdbError> {
        let (file, inode) = start_segment(&dir, segment)?;
        let end = Arc::new(LogEnd::default());
        end.set(segment, MAGIC.len() as u64);
        Ok(Wal {
            dir,
            segment,
            file,
            inode,
            written: MAGIC.len() as u64,
            sequence,
            series: Vec::new(),
            samples: Batch::default(),
            late: Batch::default(),
            exemplars: Vec::new(),
            frame: Vec::new(),
            end,
        })
    }

    /// Where the log ends, as it goes on.
    pub(super) fn end(&self) -> Arc<LogEnd> {
        self.end.clone()
    }

    /// Adds a series to the batch.
    pub(super) fn log_series(&mut self, id: SeriesRef, labels: &[u8]) {
        put_uvarint(&mut self.series, id.0);
        put_uvarint(&mut self.series, labels.len() as u64);
        self.series.extend_from_slice(labels);
    }

    /// Adds a sample to the batch.
    #[inline]
    pub(super) fn log_sample(&mut self, id: SeriesRef, t: i64, value: &Value, st: i64) {
        self.samples.add(id, t, value, st);
    }

    /// Adds a late sample to the batch.
    pub(super) fn log_late(&mut self, id: SeriesRef, late: &LateSample) {
        self.late.add(id, late.t, &late.value, late.st);
    }

    /// Adds an exemplar to the batch.
    pub(super) fn log_exemplar(&mut self, id: SeriesRef, exemplar: &Exemplar) {
        let out = &mut self.exemplars;
        put_uvarint(out, id.0);
        put_ivarint(out, exemplar.t);
        out.extend_from_slice(&exemplar.value.to_bits().to_le_bytes());
        out.push(u8::from(exemplar.has_time));
        put_uvarint(out, exemplar.labels.as_bytes().len() as u64);
        out.extend_from_slice(exemplar.labels.as_bytes());
    }

    /// Writes the batch. When that fails its samples are dropped from the log; its series stay for the next batch.
    pub(super) fn write(&mut self) -> Result<(), TsdbError> {
        self.frame.clear();
        let mut sequence = self.sequence;
        if !self.series.is_empty() {
            Record { kind: SERIES, sequence, samples: 0, payload: &self.series }.put(&mut self.frame);
        }
        for (kind, batch) in [(SAMPLES, &mut self.samples), (LATE, &mut self.late)] {
            if batch.count > 0 {
                Record { kind, sequence, samples: batch.count, payload: &batch.bytes }.put(&mut self.frame);
                sequence += u64::from(batch.count);
            }
            batch.clear();
        }
        if !self.exemplars.is_empty() {
            Record { kind: EXEMPLARS, sequence, samples: 0, payload: &self.exemplars }.put(&mut self.frame);
            self.exemplars.clear();
        }
        if self.frame.is_empty() {
            return Ok(());
        }
        if let Err(e) = self.in_place().and_then(|()| self.file.write_all(&self.frame)) {
            // A torn record would hide all behind it: cut it off, or leave it at the end of its segment.
            if self.file.set_len(self.written).and_then(|()| seek(&mut self.file, self.written)).is_err()
                || e.kind() == std::io::ErrorKind::NotFound
            {
                self.start_over()?;
            }
            return Err(because("cannot write to", &self.path())(e));
        }
        self.written += self.frame.len() as u64;
        self.sequence = sequence;
        self.series.clear();
        if self.frame.capacity() > 8 << 20 {
            self.frame = Vec::new();
            (self.samples, self.late) = (Batch::default(), Batch::default());
        }
        self.end.set(self.segment, self.written);
        if self.written >= SEGMENT_BYTES {
            self.rotate()?;
        }
        Ok(())
    }

    /// Fails when the segment is no longer what its name leads to, or when its directory no longer takes files: somebody
    /// deleted, moved or locked it, and what is written into the open file would be lost, or the next segment.
    fn in_place(&self) -> std::io::Result<()> {
        if std::fs::metadata(&self.dir)?.permissions().readonly() {
            let text = "the directory is read-only";
            return Err(std::io::Error::new(std::io::ErrorKind::PermissionDenied, text));
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            let named = std::fs::metadata(self.path())?;
            if named.ino() != self.inode {
                return Err(std::io::Error::new(std::io::ErrorKind::NotFound, "the file was replaced"));
            }
        }
        Ok(())
    }

    /// Starts the next segment behind one that failed.
    fn start_over(&mut self) -> Result<(), TsdbError> {
        let segment = numbered(&self.dir)?.last().map_or(0, |(n, _)| *n).max(self.segment) + 1;
        self.open_segment(segment)
    }

    fn open_segment(&mut self, segment: u64) -> Result<(), TsdbError> {
        (self.file, self.inode) = start_segment(&self.dir, segment)?;
        self.segment = segment;
        self.written = MAGIC.len() as u64;
        self.end.set(segment, self.written);
        Ok(())
    }

    /// Makes all that was written durable.
    fn sync(&self) -> Result<(), TsdbError> {
        self.file.sync_data().map_err(because("cannot sync", &self.path()))
    }

    /// Closes the segment and starts the next, whose number is given back.
    pub(super) fn rotate(&mut self) -> Result<u64, TsdbError> {
        self.sync()?;
        self.open_segment(self.segment + 1)?;
        Ok(self.segment)
    }

    /// The open segment, to be synced while commits go on.
    pub(super) fn handle(&self) -> Result<File, TsdbError> {
        self.in_place().and_then(|()| self.file.try_clone()).map_err(because("cannot sync", &self.path()))
    }

    fn path(&self) -> PathBuf {
        numbered_path(&self.dir, self.segment)
    }
}

fn seek(file: &mut File, to: u64) -> std::io::Result<()> {
    std::io::Seek::seek(file, std::io::SeekFrom::Start(to)).map(|_| ())
}

/// Makes a segment, which has its beginning when it gets its name: an empty one is one that was emptied. With the number
/// by which the system knows the file.
fn start_segment(dir: &std::path::Path, segment: u64) -> Result<(File, u64), TsdbError> {
    let path = numbered_path(dir, segment);
    let failed = because("cannot create", &path);
    let tmp = path.with_extension("tmp");
    let mut file = File::options().write(true).create(true).truncate(true).open(&tmp).map_err(&failed)?;
    file.write_all(MAGIC).map_err(&failed)?;
    std::fs::rename(&tmp, &path).map_err(&failed)?;
    #[cfg(unix)]
    let inode = std::os::unix::fs::MetadataExt::ino(&file.metadata().map_err(&failed)?);
    #[cfg(not(unix))]
    let inode = 0;
    Ok((file, inode))
}

/// Reads the series of a record.
pub(super) fn read_series(payload: &[u8]) -> impl Iterator<Item = Option<(SeriesRef, &[u8])>> {
    let mut r = Reader::new(payload);
    std::iter::from_fn(move || {
        if r.is_empty() {
            return None;
        }
        let one = (|| {
            let id = r.uvarint()?;
            let size = r.size()?;
            Some((SeriesRef(id), r.take(size)?))
        })();
        if one.is_none() {
            r = Reader::new(&[]);
        }
        Some(one)
    })
}

/// Reads the exemplars of a record, with the ids of their series; `None` ends one that does not read as what it is.
pub(super) fn read_exemplars(payload: &[u8]) -> impl Iterator<Item = Option<(SeriesRef, Exemplar)>> {
    let mut r = Reader::new(payload);
    std::iter::from_fn(move || {
        if r.is_empty() {
            return None;
        }
        let one = read_exemplar(&mut r);
        if one.is_none() {
            r = Reader::new(&[]);
        }
        Some(one)
    })
}

fn read_exemplar(r: &mut Reader<'_>) -> Option<(SeriesRef, Exemplar)> {
    let (id, t, value, has_time) = (SeriesRef(r.uvarint()?), r.ivarint()?, r.f64()?, r.u8()? != 0);
    let size = r.size()?;
    Some((id, Exemplar { labels: Labels::from_bytes(r.take(size)?)?, value, t, has_time }))
}

/// One sample of a record.
pub(super) struct LoggedSample {
    pub(super) id: SeriesRef,
    pub(super) t: i64,
    pub(super) st: i64,
    pub(super) value: Value,
}

/// Reads the samples of a record; `None` ends a record that is not as [`Wal::log_sample`] writes it.
pub(super) fn read_samples(payload: &[u8]) -> impl Iterator<Item = Option<LoggedSample>> {
    let mut r = Reader::new(payload);
    let mut previous = (0u64, 0i64);
    std::iter::from_fn(move || {
        if r.is_empty() {
            return None;
        }
        let sample = read_sample(&mut r, &mut previous);
        if sample.is_none() {
            r = Reader::new(&[]);
        }
        Some(sample)
    })
}

#[inline]
fn read_sample(r: &mut Reader<'_>, previous: &mut (u64, i64)) -> Option<LoggedSample> {
    let head = r.uvarint()?;
    let delta = (head >> 2) as i64 ^ -((head >> 1 & 1) as i64);
    let id = previous.0.checked_add_signed(delta)?;
    let t = previous.1.wrapping_add(r.ivarint()?);
    *previous = (id, t);
    let flags = if head & 1 != 0 { r.u8()? } else { 0 };
    let st = if flags & HAS_ST != 0 { r.ivarint()? } else { 0 };
    let value = match flags & HAS_HISTOGRAM {
        0 => Value::Float(r.f64()?),
        _ => Value::Histogram(Arc::new(read_histogram(r)?)),
    };
    Some(LoggedSample { id: SeriesRef(id), t, st, value })
}
