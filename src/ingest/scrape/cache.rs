//! What a scrape remembers of its target's series, by the text they are exposed with.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use rustc_hash::FxBuildHasher;

use super::classic::{ClassicPart, EntryId};
use crate::ingest::exposition::MetadataLine;
use crate::model::Labels;
use crate::tsdb::{Metadata, SeriesRef};

/// A series as the target exposes it, and what becomes of it.
#[derive(Debug)]
pub(super) struct Entry {
    pub key: Arc<[u8]>,
    /// The labels it is stored under; `None` when metric relabelling drops it.
    pub labels: Option<Labels>,
    /// Its name in the store, once it was stored.
    pub series: Option<SeriesRef>,
    /// Its place in a classic histogram that is converted.
    pub classic: Option<ClassicPart>,
    /// The scrape it was last in.
    pub seen: u64,
    /// Whether it was in the last scrape that succeeded and gets a staleness marker when it goes.
    pub live: bool,
    /// Whether its absence is marked: it has no timestamps of its own, or they are tracked.
    pub tracked: bool,
    /// The entry that followed in the last scrape: most likely it follows again.
    pub next: EntryId,
}

/// The series of one target. Grows with what the target exposes; entries not seen in two scrapes are forgotten.
#[derive(Debug, Default)]
pub struct SeriesCache {
    index: HashMap<Arc<[u8]>, EntryId, FxBuildHasher>,
    entries: Vec<Option<Entry>>,
    free: Vec<EntryId>,
    pub(super) scrape: u64,
    /// How many there were after the last scrape that succeeded.
    settled: usize,
    /// By family name. Shared with the target's status; copied only when something changes while it is shared.
    pub(super) metadata: Arc<BTreeMap<String, Metadata>>,
    /// Bytes that were written to it.
    metadata_bytes: usize,
}

/// The most that a target may say of its families, bytes.
const MOST_METADATA: usize = 16 << 20;
/// How many scrapes an entry is remembered without being seen.
const REMEMBERED: u64 = 2;

impl SeriesCache {
    /// An empty cache.
    pub fn new() -> Self {
        Self::default()
    }

    /// Metadata by family name, as of the last scrape.
    pub fn metadata(&self) -> &Arc<BTreeMap<String, Metadata>> {
        &self.metadata
    }

    pub(super) fn get(&self, id: EntryId) -> Option<&Entry> {
        self.entries.get(id as usize)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, id: EntryId) -> Option<&mut Entry> {
        self.entries.get_mut(id as usize)?.as_mut()
    }

    pub(super) fn find(&self, key: &[u8]) -> Option<EntryId> {
        self.index.get(key).copied()
    }

    pub(super) fn insert(&mut self, key: &[u8], labels: Option<Labels>, classic: Option<ClassicPart>) -> EntryId {
        let key: Arc<[u8]> = Arc::from(key);
        let next = self.entries.len() as EntryId;
        let id = self.free.pop().unwrap_or(next);
        let entry = Entry {
            key: key.clone(),
            labels,
            series: None,
            classic,
            seen: self.scrape,
            live: false,
            tracked: false,
            next: id,
        };
        match self.entries.get_mut(id as usize) {
            Some(slot) => *slot = Some(entry),
            None => self.entries.push(Some(entry)),
        }
        self.index.insert(key, id);
        id
    }

    pub(super) fn note_metadata(&mut self, line: &MetadataLine<'_>) {
        let known = self.metadata.get(&*line.family);
        let same = known.is_some_and(|known| {
            line.kind.is_none_or(|kind| kind == known.kind)
                && line.help.as_deref().is_none_or(|help| help == known.help)
                && line.unit.as_deref().is_none_or(|unit| unit == known.unit)
        });
        if same {
            return;
        }
        let bytes =
            line.family.len() + line.help.as_ref().map_or(0, |h| h.len()) + line.unit.as_ref().map_or(0, |u| u.len());
        self.metadata_bytes = self.metadata_bytes.saturating_add(bytes);
        if self.metadata_bytes > MOST_METADATA {
            // A target that says something else of itself each time: what it says now counts.
            (self.metadata, self.metadata_bytes) = (Arc::default(), 0);
            if bytes > MOST_METADATA {
                return;
            }
            self.metadata_bytes = bytes;
        }
        let entry = Arc::make_mut(&mut self.metadata).entry(line.family.clone().into_owned()).or_default();
        entry.kind = line.kind.unwrap_or(entry.kind);
        if let Some(help) = &line.help {
            entry.help = help.clone().into_owned();
        }
        if let Some(unit) = &line.unit {
            entry.unit = unit.clone().into_owned();
        }
    }

    /// Forgets everything when scrapes that failed, one after another, have left much behind: what they read need not be
    /// known again.
    pub(super) fn recover(&mut self) {
        const MUCH: usize = 10_000;
        if self.entries.len() > self.settled.saturating_mul(2).saturating_add(MUCH) {
            let (scrape, settled) = (self.scrape, self.settled);
            *self = SeriesCache { scrape, settled, ..SeriesCache::default() };
        }
    }

    /// How many series are remembered.
    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.entries.len()
    }

    /// After a scrape that succeeded: the series that went away since the one before. Forgets what has long gone.
    pub(super) fn settle(&mut self) -> Vec<(EntryId, Labels)> {
        let mut gone = Vec::new();
        for id in 0..self.entries.len() as EntryId {
            let scrape = self.scrape;
            let Some(entry) = self.get_mut(id) else { continue };
            let seen = entry.seen == scrape;
            if entry.live && !seen {
                gone.extend(entry.labels.clone().map(|labels| (id, labels)));
            }
            entry.live = seen && entry.tracked;
            if scrape.saturating_sub(entry.seen) > REMEMBERED {
                let key = entry.key.clone();
                self.index.remove(&key);
                if let Some(slot) = self.entries.get_mut(id as usize) {
                    *slot = None;
                }
                self.free.push(id);
            }
        }
        self.settled = self.entries.len();
        gone
    }

    /// After a scrape that failed, or when the target goes: all series that were there.
    pub(super) fn lose_all(&mut self) -> Vec<(EntryId, Labels)> {
        let mut gone = Vec::new();
        for (id, entry) in self.entries.iter_mut().enumerate() {
            let Some(entry) = entry else { continue };
            if std::mem::take(&mut entry.live) {
                gone.extend(entry.labels.clone().map(|labels| (id as EntryId, labels)));
            }
        }
        gone
    }
}
