//! The rescue copy: every record once more, in plain checksummed files beside the database, for the day when the
//! database's files are damaged.
//!
//! A generation is a snapshot of all records and a log of the batches since; both are made of [frames](super::frames). A
//! snapshot is written beside the log that it begins: batches that come meanwhile stand in the log, and applying them
//! twice does no harm. A generation is in force when its snapshot is complete; then older ones are deleted.
//!
//! The log is not synced with each batch: the database is. What was logged is in the kernel, so it survives the end of the
//! process; after a power cut the database is the newer one, and the numbers of the batches tell so.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::frames::{self, Reader};
use super::{Batch, SCHEMA_VERSION, Snapshot, Table};

/// The log's length at which another generation begins: as long as the snapshot, within these bounds.
const LEAST_LOG: u64 = 4 << 20;
const MOST_LOG: u64 = 64 << 20;

/// What the copy holds.
#[derive(Debug, Default)]
pub(super) struct Copy {
    pub records: Snapshot,
    /// The number of the last batch, and of the last that was durable, as far as the log tells.
    pub version: u64,
    pub durable: u64,
    /// Why not everything could be read.
    pub damage: Option<String>,
    /// The schema of a newer version, if that wrote it.
    pub newer: Option<u32>,
    generation: u64,
    // Bytes of the snapshot, and of what is good of the last log.
    snapshot_bytes: u64,
    log_bytes: Option<u64>,
}

impl Copy {
    /// Reads the newest generation; `None` where there has never been one.
    pub(super) fn load(dir: &Path) -> io::Result<Option<Copy>> {
        let files = Files::list(dir)?;
        let mut copy = Copy { generation: files.newest(), ..Copy::default() };
        let mut snapshots = files.snapshots.iter().rev();
        let Some((first, path)) = snapshots.next() else {
            if files.logs.is_empty() {
                return Ok(None);
            }
            copy.harm(|| "its snapshot is gone".into());
            files.logs.values().try_for_each(|path| copy.read_log(path))?;
            return Ok(Some(copy));
        };
        let mut from = *first;
        copy.read_snapshot(path)?;
        // The generation before is still there if the end of the process fell into a change of generations.
        for (generation, path) in snapshots {
            if copy.damage.is_none() || copy.newer.is_some() {
                break;
            }
            let mut older = Copy { generation: copy.generation, ..Copy::default() };
            older.read_snapshot(path)?;
            if older.damage.is_none() {
                (copy, from) = (older, *generation);
            }
        }
        files.logs.range(from..).try_for_each(|(_, path)| copy.read_log(path))?;
        Ok(Some(copy))
    }

    fn harm(&mut self, why: impl FnOnce() -> String) {
        self.damage.get_or_insert_with(why);
    }

    fn read_snapshot(&mut self, path: &Path) -> io::Result<()> {
        let bytes = fs::read(path)?;
        self.snapshot_bytes = bytes.len() as u64;
        let mut reader = Reader::new(&bytes);
        let (mut count, mut told, mut begun) = (0_u64, None, false);
        for payload in reader.by_ref() {
            match Item::decode(payload) {
                Some(Item::Snapshot { schema, version }) => {
                    self.begin(schema, version);
                    begun = true;
                }
                Some(Item::Record { table, key, value }) => {
                    count += 1;
                    self.records.insert(table, key.to_vec(), value.to_vec());
                }
                Some(Item::End { records }) => told = Some(records),
                // A table of another version.
                Some(Item::Foreign) => count += 1,
                _ => self.harm(|| format!("{}: a frame does not decode", path.display())),
            }
        }
        if reader.damaged || !begun || told != Some(count) {
            self.harm(|| format!("{}: not every record could be read", path.display()));
        }
        Ok(())
    }

    fn begin(&mut self, schema: u32, version: u64) {
        self.newer = Some(schema).filter(|s| *s > SCHEMA_VERSION).or(self.newer);
        (self.version, self.durable) = (version, version);
    }

    fn read_log(&mut self, path: &Path) -> io::Result<()> {
        let bytes = fs::read(path)?;
        let mut reader = Reader::new(&bytes);
        for payload in reader.by_ref() {
            match Item::decode(payload) {
                Some(Item::Log { schema, version }) => {
                    self.newer = Some(schema).filter(|s| *s > SCHEMA_VERSION).or(self.newer);
                    if version > self.version {
                        self.harm(|| format!("{}: batches before it are missing", path.display()));
                    }
                }
                Some(Item::Batch { version, batch }) => {
                    if version > self.version + 1 {
                        self.harm(|| format!("{}: batches are missing", path.display()));
                    }
                    self.records.apply(&batch);
                    self.version = self.version.max(version);
                    if batch.is_durable() {
                        self.durable = self.durable.max(version);
                    }
                }
                _ => self.harm(|| format!("{}: a frame does not decode", path.display())),
            }
        }
        if reader.damaged {
            self.harm(|| format!("{}: not every batch could be read", path.display()));
        }
        self.log_bytes = Some(reader.good_until as u64);
        Ok(())
    }
}

/// What a frame holds.
enum Item<'a> {
    Snapshot { schema: u32, version: u64 },
    Record { table: Table, key: &'a [u8], value: &'a [u8] },
    End { records: u64 },
    Log { schema: u32, version: u64 },
    Batch { version: u64, batch: Batch },
    Foreign,
}

impl<'a> Item<'a> {
    fn decode(payload: &'a [u8]) -> Option<Item<'a>> {
        let mut rest = Bytes(payload);
        Some(match rest.byte()? {
            b'S' => Item::Snapshot { schema: rest.u32()?, version: rest.u64()? },
            b'L' => Item::Log { schema: rest.u32()?, version: rest.u64()? },
            b'E' => Item::End { records: rest.u64()? },
            b'R' => match (Table::from_tag(rest.byte()?), rest.slice()?) {
                (Some(table), key) => Item::Record { table, key, value: rest.0 },
                (None, _) => Item::Foreign,
            },
            b'B' => {
                let version = rest.u64()?;
                let mut batch = Batch { durable: rest.byte()? != 0, ..Batch::default() };
                while !rest.0.is_empty() {
                    let (table, put, key) = (Table::from_tag(rest.byte()?), rest.byte()? != 0, rest.slice()?);
                    let value = if put { Some(rest.slice()?.to_vec()) } else { None };
                    if let Some(table) = table {
                        batch.changes.insert((table, key.to_vec()), value);
                    }
                }
                Item::Batch { version, batch }
            }
            _ => return None,
        })
    }
}

/// Reads numbers and strings of bytes.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    fn slice(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.u32()?).ok()?;
        self.take(length)
    }
}

fn put_slice(out: &mut Vec<u8>, bytes: &[u8]) {
    // Longer ones do not fit into a frame, which is looked at before it is written.
    out.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.extend_from_slice(bytes);
}

fn heading(tag: u8, version: u64) -> Vec<u8> {
    let mut payload = vec![tag];
    payload.extend_from_slice(&SCHEMA_VERSION.to_le_bytes());
    payload.extend_from_slice(&version.to_le_bytes());
    payload
}

/// The files of a directory by generation.
#[derive(Default)]
struct Files {
    snapshots: BTreeMap<u64, PathBuf>,
    logs: BTreeMap<u64, PathBuf>,
    others: Vec<PathBuf>,
}

impl Files {
    fn list(dir: &Path) -> io::Result<Files> {
        let mut files = Files::default();
        let entries = match fs::read_dir(dir) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(files),
            entries => entries?,
        };
        for entry in entries {
            let path = entry?.path();
            let name = path.file_name().and_then(|n| n.to_str()).unwrap_or("");
            match name.split_once('.').map(|(n, kind)| (n.parse::<u64>(), kind)) {
                Some((Ok(generation), "snapshot")) => drop(files.snapshots.insert(generation, path)),
                Some((Ok(generation), "log")) => drop(files.logs.insert(generation, path)),
                Some((Ok(_), "snapshot.tmp")) => files.others.push(path),
                _ => {}
            }
        }
        Ok(files)
    }

    fn newest(&self) -> u64 {
        let last = |files: &BTreeMap<u64, PathBuf>| files.keys().next_back().copied().unwrap_or(0);
        last(&self.snapshots).max(last(&self.logs))
    }

    /// What a generation has made superfluous.
    fn before(self, generation: u64) -> impl Iterator<Item = PathBuf> {
        let older = |files: BTreeMap<u64, PathBuf>| files.into_iter().filter(move |(g, _)| *g < generation);
        older(self.snapshots).chain(older(self.logs)).map(|(_, path)| path).chain(self.others)
    }
}

/// Writes the copy.
#[derive(Debug)]
pub(super) struct Rescue {
    dir: PathBuf,
    generation: u64,
    // None: a write failed, and nothing may follow what may stand there half.
    log: Option<File>,
    log_bytes: u64,
    limit: u64,
}

impl Rescue {
    /// Goes on with a copy that is whole.
    pub(super) fn resume(dir: &Path, copy: &Copy) -> io::Result<Rescue> {
        let path = dir.join(format!("{:08}.log", copy.generation));
        let log_bytes = copy.log_bytes.unwrap_or(0);
        let log = OpenOptions::new().append(true).open(path)?;
        // A torn end goes: what is appended behind it would pass for a change of what was lost.
        log.set_len(log_bytes)?;
        Ok(Rescue {
            dir: dir.to_owned(),
            generation: copy.generation,
            log: Some(log),
            log_bytes,
            limit: limit(copy.snapshot_bytes),
        })
    }

    /// Begins a generation with a snapshot, on disk when this returns.
    pub(super) fn begin(dir: &Path, records: &Snapshot, version: u64) -> io::Result<Rescue> {
        fs::create_dir_all(dir)?;
        let generation = Files::list(dir)?.newest();
        let mut rescue = Rescue { dir: dir.to_owned(), generation, log: None, log_bytes: 0, limit: LEAST_LOG };
        let mut export = rescue.next_generation(version)?;
        for ((table, key), value) in records.iter() {
            export.write(*table, key, value)?;
        }
        rescue.complete(export.finish()?);
        Ok(rescue)
    }

    /// Of a copy that cannot be written now.
    pub(super) fn none(dir: &Path) -> Rescue {
        let generation = Files::list(dir).map_or(0, |files| files.newest());
        Rescue { dir: dir.to_owned(), generation, log: None, log_bytes: 0, limit: LEAST_LOG }
    }

    /// Whether batches can be appended.
    pub(super) fn takes_batches(&self) -> bool {
        self.log.is_some()
    }

    /// Gives the log up: its file is gone.
    pub(super) fn lose_log(&mut self) {
        self.log = None;
    }

    /// Whether the log has become long.
    pub(super) fn is_long(&self) -> bool {
        self.log_bytes >= self.limit
    }

    /// Appends a batch.
    pub(super) fn append(&mut self, batch: &Batch, version: u64) -> io::Result<()> {
        let Some(log) = &mut self.log else { return Err(io::Error::other("an earlier write failed")) };
        let mut payload = vec![b'B'];
        payload.extend_from_slice(&version.to_le_bytes());
        payload.push(u8::from(batch.is_durable()));
        for (table, key, value) in batch.changes() {
            payload.extend([table as u8, u8::from(value.is_some())]);
            put_slice(&mut payload, key);
            if let Some(value) = value {
                put_slice(&mut payload, value);
            }
        }
        let mut frame = Vec::with_capacity(payload.len() + 16);
        let written = frames::write(&mut frame, &payload).and_then(|()| log.write_all(&frame));
        match written {
            Ok(()) => self.log_bytes += frame.len() as u64,
            Err(_) => self.log = None,
        }
        written
    }

    /// Begins the log of another generation and returns where its snapshot is to be written. Batches up to `version` must
    /// be on disk in the database from which the snapshot comes.
    pub(super) fn next_generation(&mut self, version: u64) -> io::Result<Export> {
        fs::create_dir_all(&self.dir)?;
        self.generation += 1;
        let mut frame = Vec::new();
        frames::write(&mut frame, &heading(b'L', version))?;
        let path = self.dir.join(format!("{:08}.log", self.generation));
        let mut log = OpenOptions::new().create_new(true).append(true).open(path)?;
        log.write_all(&frame)?;
        (self.log, self.log_bytes) = (Some(log), frame.len() as u64);
        Export::begin(&self.dir, self.generation, version)
    }

    /// Takes note of a snapshot that is complete.
    pub(super) fn complete(&mut self, snapshot_bytes: u64) {
        self.limit = limit(snapshot_bytes);
    }

    /// Returns when what was appended is on disk.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.log.as_ref().map_or(Ok(()), File::sync_data)
    }
}

fn limit(snapshot_bytes: u64) -> u64 {
    snapshot_bytes.clamp(LEAST_LOG, MOST_LOG)
}

/// A snapshot that is being written.
#[derive(Debug)]
pub(super) struct Export {
    dir: PathBuf,
    generation: u64,
    out: BufWriter<File>,
    frame: Vec<u8>,
    records: u64,
    bytes: u64,
}

impl Export {
    fn begin(dir: &Path, generation: u64, version: u64) -> io::Result<Export> {
        let path = dir.join(format!("{generation:08}.snapshot.tmp"));
        let out = BufWriter::with_capacity(1 << 16, File::create(path)?);
        let mut export = Export { dir: dir.to_owned(), generation, out, frame: Vec::new(), records: 0, bytes: 0 };
        export.put(&heading(b'S', version))?;
        Ok(export)
    }

    fn put(&mut self, payload: &[u8]) -> io::Result<()> {
        self.frame.clear();
        frames::write(&mut self.frame, payload)?;
        self.bytes += self.frame.len() as u64;
        self.out.write_all(&self.frame)
    }

    /// Writes a record.
    pub(super) fn write(&mut self, table: Table, key: &[u8], value: &[u8]) -> io::Result<()> {
        let mut payload = vec![b'R', table as u8];
        put_slice(&mut payload, key);
        payload.extend_from_slice(value);
        self.records += 1;
        self.put(&payload)
    }

    /// Puts the snapshot in force and deletes older generations; returns its length.
    pub(super) fn finish(mut self) -> io::Result<u64> {
        let mut end = vec![b'E'];
        end.extend_from_slice(&self.records.to_le_bytes());
        self.put(&end)?;
        self.out.flush()?;
        self.out.get_ref().sync_all()?;
        let path = |kind: &str| self.dir.join(format!("{:08}.{kind}", self.generation));
        fs::rename(path("snapshot.tmp"), path("snapshot"))?;
        File::open(&self.dir)?.sync_all()?;
        for path in Files::list(&self.dir)?.before(self.generation) {
            // What stays is older, and goes with the next generation.
            let _ = fs::remove_file(path);
        }
        Ok(self.bytes)
    }
}
