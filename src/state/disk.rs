//! The store in a data directory: a database, and the [rescue copy](super::rescue) beside it.
//!
//! Whichever of the two is whole and newer is believed; a database that is not what was written is set aside under a name
//! that is told, and another is made of what can be read. When the disk fails, the database is closed and opened again
//! once the disk takes bytes: whoever applies batches keeps those that failed and applies them again.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;

use crate::clock::{Clock, Stopwatch, SystemClock};

use super::rescue::{Copy, Export, Rescue};
use super::sled_store::{Contents, Fault, SCHEMA_KEY, SledStore};
use super::{Batch, SCHEMA_VERSION, Snapshot, StateError, StateStore, StoreHealth, Table};

const DATABASE: &str = "state";
const RESCUE: &str = "state.rescue";
const SET_ASIDE: &str = "state.damaged-";
/// What is wrong with a database without files.
const GONE: &str = "its files are gone";
/// How many damaged databases are kept for those who want to look.
const KEPT_ASIDE: usize = 3;
/// The pauses between two attempts to use a disk that failed: they double up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(4);
/// What a disk must take before the database is opened again: room for two of sled's segments.
const PROBE: usize = 1 << 20;

/// Records in a data directory.
#[derive(Debug)]
pub struct DiskStore {
    dir: PathBuf,
    // Held while a batch is written. Nobody but the engine's thread waits for it.
    state: Mutex<State>,
    health: Arc<Mutex<StoreHealth>>,
}

#[derive(Debug)]
enum State {
    Open(Box<Opened>),
    Failing(Failing),
}

#[derive(Debug)]
struct Opened {
    database: SledStore,
    // The number of the last batch.
    version: u64,
    rescue: Rescue,
    export: Option<Exporting>,
    // Which file the database is.
    file: Option<(u64, u64)>,
    // What was read when it was opened, for whoever asks first.
    loaded: Option<Snapshot>,
    // After how long the rescue copy is written again when that failed.
    rescue_pause: Pause,
}

#[derive(Debug)]
struct Failing {
    reason: String,
    pause: Pause,
    // What the rescue copy holds, where the disk was full at the start.
    loaded: Option<Snapshot>,
    // What the database held when its files were taken away, and the number of its last batch.
    kept: Option<(Snapshot, u64)>,
}

impl Failing {
    fn new(reason: String) -> Self {
        Failing { reason, pause: Pause::none(), loaded: None, kept: None }
    }
}

/// A snapshot of the rescue copy that is being written beside the batches.
#[derive(Debug)]
struct Exporting {
    thread: JoinHandle<Result<u64, Fault>>,
    cancelled: Arc<AtomicBool>,
}

/// Pauses that grow.
#[derive(Debug)]
struct Pause {
    since: Stopwatch,
    length: Duration,
}

impl Pause {
    fn none() -> Self {
        Pause { since: Stopwatch::start(), length: Duration::ZERO }
    }

    /// Whether it is over; if so, a longer one begins.
    fn is_over(&mut self) -> bool {
        let over = self.since.elapsed() >= self.length;
        if over {
            let length = self.length.saturating_mul(2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
            *self = Pause { since: Stopwatch::start(), length };
        }
        over
    }
}

impl DiskStore {
    /// Opens or creates the store in a data directory. What is damaged is set aside, logged and told by
    /// [`StateStore::health`]. On a full disk it begins with what the rescue copy holds and stores nothing until there is
    /// room.
    ///
    /// # Errors
    /// The directory cannot be used, another process holds it, or a newer version wrote it.
    pub fn open(dir: &Path) -> Result<Self, StateError> {
        let health = Arc::new(Mutex::new(StoreHealth::default()));
        let recovery = Recovery { dir, health: &health };
        let state = match recovery.open(None) {
            Ok(opened) => State::Open(opened),
            Err(Fault::Full(reason)) => match Copy::load(&dir.join(RESCUE)) {
                Ok(Some(copy)) if copy.newer.is_none() => {
                    tracing::error!(error = %reason, "the disk is full; state is read from the rescue copy");
                    State::Failing(Failing { loaded: Some(copy.records), ..Failing::new(reason) })
                }
                _ => return Err(named(dir, &Fault::Full(reason))),
            },
            Err(Fault::Newer(found)) => return Err(StateError::Newer { found }),
            Err(fault) => return Err(named(dir, &fault)),
        };
        if let State::Failing(failing) = &state {
            health.lock().failure = Some(failing.reason.clone());
        }
        Ok(DiskStore { dir: dir.to_owned(), state: Mutex::new(state), health })
    }

    /// Gives up the database for a while.
    fn fail(&self, state: &mut State, fault: &Fault) -> StateError {
        let failing = Failing::new(fault.to_string());
        self.health.lock().failure = Some(fault.to_string());
        if let State::Open(opened) = std::mem::replace(state, State::Failing(failing)) {
            opened.abandon();
        }
        StateError::Store(fault.to_string())
    }

    /// Files that somebody took away would go on to be written, and be gone with the process.
    fn look_for_files(&self, state: &mut State) {
        let State::Open(opened) = state else { return };
        if !self.dir.join(RESCUE).is_dir() {
            opened.rescue.lose_log();
        }
        if opened.file == identity(&self.dir) {
            return;
        }
        let kept = opened.read().ok().map(|records| (records, opened.version));
        self.fail(state, &Fault::Damaged(GONE.into()));
        if let State::Failing(failing) = state {
            failing.kept = kept;
        }
    }

    /// The open database; opens it again when it is time to.
    fn opened<'a>(&self, state: &'a mut State) -> Result<&'a mut Opened, StateError> {
        self.look_for_files(state);
        if let State::Failing(failing) = state {
            if !failing.pause.is_over() {
                return Err(StateError::Store(failing.reason.clone()));
            }
            let again = probe(&self.dir).map_err(Fault::from);
            let recovery = Recovery { dir: &self.dir, health: &self.health };
            match again.and_then(|()| recovery.open(failing.kept.as_ref())) {
                Ok(opened) => {
                    self.health.lock().failure = None;
                    *state = State::Open(opened);
                }
                Err(fault) => {
                    failing.reason = fault.to_string();
                    self.health.lock().failure = Some(fault.to_string());
                    return Err(fault.into());
                }
            }
        }
        match state {
            State::Open(opened) => Ok(opened),
            State::Failing(failing) => Err(StateError::Store(failing.reason.clone())),
        }
    }
}

fn named(dir: &Path, fault: &Fault) -> StateError {
    StateError::Store(format!("{}: {fault}", dir.join(DATABASE).display()))
}

/// Which file the database is: device and number.
fn identity(dir: &Path) -> Option<(u64, u64)> {
    let metadata = fs::metadata(dir.join(DATABASE).join("db")).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

/// Whether the disk takes bytes and keeps them.
fn probe(dir: &Path) -> io::Result<()> {
    let path = dir.join("state.probe");
    let written = File::create(&path).and_then(|mut file| {
        file.write_all(&vec![1; PROBE])?;
        file.sync_all()
    });
    let removed = fs::remove_file(&path);
    written.and(removed)
}

impl StateStore for DiskStore {
    fn load(&self) -> Result<Snapshot, StateError> {
        let mut state = self.state.lock();
        let loaded = match &mut *state {
            State::Open(opened) => opened.loaded.take(),
            State::Failing(failing) => failing.loaded.take(),
        };
        let snapshot = match loaded {
            Some(snapshot) => snapshot,
            None => self.opened(&mut state)?.read()?,
        };
        self.health.lock().unreadable = snapshot.unreadable();
        Ok(snapshot)
    }

    fn apply(&self, batch: &Batch) -> Result<(), StateError> {
        let mut state = self.state.lock();
        match self.opened(&mut state)?.apply(batch, &self.health) {
            Ok(()) => Ok(()),
            Err(fault) => Err(self.fail(&mut state, &fault)),
        }
    }

    fn settle(&self) -> Result<(), StateError> {
        let mut state = self.state.lock();
        match self.opened(&mut state)?.settle(&self.health) {
            Ok(()) => Ok(()),
            Err(fault) => Err(self.fail(&mut state, &fault)),
        }
    }

    fn health(&self) -> StoreHealth {
        StoreHealth { set_aside: set_aside(&self.dir).len(), ..self.health.lock().clone() }
    }
}

impl Drop for DiskStore {
    fn drop(&mut self) {
        let closed = State::Failing(Failing::new("it is closed".into()));
        if let State::Open(mut opened) = std::mem::replace(self.state.get_mut(), closed) {
            // Whoever ends in order has settled; what fails here is what a crash would have left, too.
            let _ = opened.settle(&self.health);
            opened.close();
        }
    }
}

impl Opened {
    fn read(&self) -> Result<Snapshot, Fault> {
        let mut snapshot = Snapshot::default();
        self.database.for_each(|table, key, value| {
            snapshot.insert(table, key.to_vec(), value.to_vec());
            Ok(())
        })?;
        Ok(snapshot)
    }

    /// The database first: what the log calls durable is on disk there. A batch that the copy does not take is made
    /// durable instead.
    fn apply(&mut self, batch: &Batch, health: &Mutex<StoreHealth>) -> Result<(), Fault> {
        self.loaded = None;
        let version = self.version + 1;
        self.database.apply(batch, version)?;
        self.version = version;
        if batch.is_durable() {
            self.database.flush()?;
        }
        let could = self.rescue.takes_batches();
        if let Err(e) = self.rescue.append(batch, version) {
            if could {
                tracing::error!(error = %e, "the rescue copy of state was not written; it is begun anew when that can be");
                health.lock().rescue_failure = Some(e.to_string());
            }
            if !batch.is_durable() {
                self.database.flush()?;
            }
        }
        self.take_export(health, false)?;
        if self.export.is_none() && (self.rescue.is_long() || !self.rescue.takes_batches()) {
            self.begin_export(health)?;
        }
        Ok(())
    }

    fn begin_export(&mut self, health: &Mutex<StoreHealth>) -> Result<(), Fault> {
        if !self.rescue_pause.is_over() {
            return Ok(());
        }
        // The copy must never be ahead of the database by more than its log says.
        self.database.flush()?;
        let begun = self.rescue.next_generation(self.version).map_err(|e| e.to_string());
        let begun = begun.and_then(|export| Exporting::begin(self.database.clone(), export));
        match begun {
            Ok(exporting) => self.export = Some(exporting),
            Err(e) => health.lock().rescue_failure = Some(e),
        }
        Ok(())
    }

    /// Takes note of an export that has ended, or waits for it.
    fn take_export(&mut self, health: &Mutex<StoreHealth>, wait: bool) -> Result<(), Fault> {
        let Some(export) = self.export.take_if(|e| wait || e.thread.is_finished()) else { return Ok(()) };
        match export.thread.join() {
            Ok(Ok(bytes)) => {
                self.rescue.complete(bytes);
                self.rescue_pause = Pause::none();
                if health.lock().rescue_failure.take().is_some() {
                    tracing::info!("the rescue copy of state is written again");
                }
                Ok(())
            }
            Ok(Err(Fault::Damaged(e))) => Err(Fault::Damaged(e)),
            Ok(Err(e)) => {
                tracing::warn!(error = %e, "the rescue copy of state was not written");
                health.lock().rescue_failure = Some(e.to_string());
                Ok(())
            }
            Err(_) => Err(Fault::Damaged("sled panicked while reading".into())),
        }
    }

    fn settle(&mut self, health: &Mutex<StoreHealth>) -> Result<(), Fault> {
        self.database.flush()?;
        self.take_export(health, true)?;
        if let Err(e) = self.rescue.sync() {
            health.lock().rescue_failure = Some(e.to_string());
        }
        Ok(())
    }

    fn end_export(&mut self) {
        if let Some(export) = self.export.take() {
            export.cancelled.store(true, Ordering::Relaxed);
            let _ = export.thread.join();
        }
    }

    fn close(mut self: Box<Self>) {
        self.end_export();
        self.database.close();
    }

    /// Lets go of a database that failed, without waiting for it.
    fn abandon(self: Box<Self>) {
        // If no thread can be started, it is closed here.
        let _ = std::thread::Builder::new().name("state".into()).spawn(move || self.close());
    }
}

impl Exporting {
    fn begin(database: SledStore, mut export: Export) -> Result<Self, String> {
        let cancelled = Arc::new(AtomicBool::new(false));
        let stop = cancelled.clone();
        let body = move || {
            database.for_each(|table, key, value| {
                if stop.load(Ordering::Relaxed) {
                    return Err(io::ErrorKind::Interrupted.into());
                }
                export.write(table, key, value)
            })?;
            Ok(export.finish()?)
        };
        let thread = std::thread::Builder::new().name("state".into()).spawn(body);
        Ok(Exporting { thread: thread.map_err(|e| format!("cannot start a thread: {e}"))?, cancelled })
    }
}

/// Which records are believed, and what was wrong.
#[derive(Debug)]
struct Verdict {
    records: Snapshot,
    version: u64,
    /// Why the database is to be set aside.
    damage: Option<String>,
    /// Whether the rescue copy holds these records already.
    copied: bool,
}

/// Whichever is whole and newer is believed. Where neither is whole, what either has is kept, the newer one's record
/// where both have one: a record too many is a page too many, one too few is a page that never comes.
fn judge(found: &mut Contents, copy: Option<&mut Copy>) -> Verdict {
    let version = found.version;
    let own = std::mem::take(&mut found.records);
    let damage = found.damage.clone();
    let Some(copy) = copy else {
        return Verdict { records: own, version, damage, copied: false };
    };
    let copied = std::mem::take(&mut copy.records);
    let lost = "it lost what it had acknowledged";
    let other = "it holds other records than it was given";
    let verdict = match (damage, &copy.damage) {
        (None, _) if version > copy.version => (own, None, false),
        (None, None) if version == copy.version && own == copied => (own, None, true),
        (None, None) if version == copy.version => (copied, Some(other.to_owned()), true),
        // What was not durable may be in the copy alone after the process was killed.
        (None, None) => (copied, (copy.durable > version).then(|| lost.to_owned()), true),
        (None, Some(_)) if version == copy.version => (own, None, false),
        (None, Some(_)) => (own.under(copied), (copy.durable > version).then(|| lost.to_owned()), false),
        (damage, None) if version <= copy.version => (copied, damage, true),
        (damage, _) if version <= copy.version => (own.under(copied), damage, false),
        (damage, _) => (copied.under(own), damage, false),
    };
    let (records, damage, copied) = verdict;
    Verdict { records, version: version.max(copy.version), damage, copied }
}

/// Opens a data directory's store, whatever has become of it.
struct Recovery<'a> {
    dir: &'a Path,
    health: &'a Mutex<StoreHealth>,
}

impl Recovery<'_> {
    /// `kept` is what somebody knows who had the store open.
    fn open(&self, kept: Option<&(Snapshot, u64)>) -> Result<Box<Opened>, Fault> {
        let (path, rescue) = (self.dir.join(DATABASE), self.dir.join(RESCUE));
        let existed = path.join("db").exists();
        let (database, mut found) = match SledStore::open(&path) {
            Ok((database, found)) => (Some(database), found),
            Err(Fault::Damaged(why)) => (None, Contents { damage: Some(why), ..Contents::default() }),
            Err(fault) => return Err(fault),
        };
        let is_whole = database.is_some() && found.damage.is_none() && kept.is_none();
        let mut copy = match Copy::load(&rescue) {
            // It is there for the day when the database is damaged, and this is not the day.
            Err(error) if is_whole => {
                tracing::error!(%error, "the rescue copy of state cannot be read; it is written anew");
                None
            }
            copy => copy?,
        };
        if let Some(found) = copy.as_ref().and_then(|c| c.newer) {
            return Err(Fault::Newer(found));
        }
        if let Some(why) = copy.as_ref().and_then(|c| c.damage.as_ref()) {
            tracing::warn!(error = %why, "the rescue copy of state is damaged; it is written anew");
        }
        let before = found.records.clone();
        let mut verdict = match kept {
            Some((records, version)) => {
                Verdict { records: records.clone(), version: *version, damage: Some(GONE.into()), copied: false }
            }
            None => judge(&mut found, copy.as_mut()),
        };
        self.migrate(&mut verdict);
        // The copy comes first: until it is whole, nothing that can still be read is moved.
        let whole = copy.as_ref().filter(|_| verdict.copied);
        let resumed = whole.and_then(|copy| Rescue::resume(&rescue, copy).ok());
        let rescue = match resumed {
            Some(rescue) => rescue,
            None => match Rescue::begin(&rescue, &verdict.records, verdict.version).map_err(Fault::from) {
                Err(fault @ (Fault::Full(_) | Fault::Damaged(_) | Fault::Newer(_))) => return Err(fault),
                Err(fault) if database.is_some() && verdict.damage.is_none() => {
                    tracing::error!(error = %fault, "the rescue copy of state was not written; it is begun anew when that can be");
                    self.health.lock().rescue_failure = Some(fault.to_string());
                    Rescue::none(&rescue)
                }
                begun => begun?,
            },
        };
        let database = match (database, &verdict.damage) {
            (Some(database), None) => {
                if before != verdict.records {
                    database.replace(&before, &verdict.records, verdict.version)?;
                }
                database
            }
            (database, damage) => {
                let why = damage.as_deref().unwrap_or("it cannot be opened");
                self.rebuild(&path, existed, database, &before, &verdict, why)?
            }
        };
        Ok(Box::new(Opened {
            database,
            version: verdict.version,
            rescue,
            export: None,
            file: identity(self.dir),
            loaded: Some(verdict.records),
            rescue_pause: Pause::none(),
        }))
    }

    /// The place for what older schemas need; there is none before the first.
    fn migrate(&self, verdict: &mut Verdict) {
        let schema = SCHEMA_VERSION.to_string().into_bytes();
        if verdict.records.get(Table::Meta, SCHEMA_KEY.as_bytes()) != Some(&schema) {
            verdict.records.insert(Table::Meta, SCHEMA_KEY.into(), schema);
            verdict.copied = false;
        }
    }

    /// Sets a damaged database aside and makes another of the records that are believed.
    fn rebuild(
        &self,
        path: &Path,
        existed: bool,
        database: Option<SledStore>,
        before: &Snapshot,
        verdict: &Verdict,
        why: &str,
    ) -> Result<SledStore, Fault> {
        if let Some(database) = database {
            database.close();
        }
        let why = if existed { why } else { GONE };
        let aside = self.set_aside(path)?;
        let (database, found) = SledStore::open(path)?;
        database.replace(&found.records, &verdict.records, verdict.version)?;
        let rescued = verdict.records.difference(before).filter(|(_, value)| value.is_some()).count();
        tracing::error!(
            error = %why,
            set_aside = %aside.display(),
            records = verdict.records.len(),
            rescued,
            "the state store was damaged; it is set aside, and what could be read is kept"
        );
        let mut health = self.health.lock();
        health.damage = Some(format!("{why}; set aside as {}", aside.display()));
        health.rescued += rescued as u64;
        Ok(database)
    }

    fn set_aside(&self, path: &Path) -> Result<PathBuf, Fault> {
        let mut old = set_aside(self.dir);
        while old.len() >= KEPT_ASIDE {
            let oldest = old.remove(0);
            tracing::warn!(path = %oldest.display(), "a state store that was set aside earlier is deleted");
            fs::remove_dir_all(&oldest)?;
        }
        let now = chrono::DateTime::from_timestamp_millis(SystemClock.now()).unwrap_or_default();
        let stamp = now.format("%Y%m%dT%H%M%S%.3fZ");
        let aside = self.dir.join(format!("{SET_ASIDE}{stamp}"));
        fs::rename(path, &aside)?;
        Ok(aside)
    }
}

/// The databases that were set aside, oldest first.
fn set_aside(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path());
    let named = |p: &PathBuf| p.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.starts_with(SET_ASIDE));
    let mut found: Vec<PathBuf> = entries.filter(named).collect();
    found.sort();
    found
}
