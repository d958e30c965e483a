//! All silences: making, changing and ending them, and what is stored of them.

mod acknowledge;
mod configured;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::{Labels, MatchOp, Matcher};
use crate::state::{Batch, Snapshot, Table};

use super::muters::SilenceSet;
use super::silence::{NewSilence, RETENTION, Silence, SilenceError, SilenceState, check};
pub use acknowledge::Acknowledgement;
pub use configured::configured_id;

/// All silences, by id.
#[derive(Debug)]
pub struct Silences {
    // How long those that are over are kept, milliseconds.
    retention: i64,
    numbers: BTreeMap<String, u64>,
    set: SilenceSet,
    made: u64,
    // In force, and who asked for them was told that they are not stored.
    in_doubt: BTreeSet<String>,
    // By the alert that is acknowledged, its silence's id.
    acknowledged: BTreeMap<Labels, String>,
}

impl Default for Silences {
    fn default() -> Self {
        let (numbers, set, in_doubt, acknowledged) = Default::default();
        Silences { retention: RETENTION, numbers, set, made: 0, in_doubt, acknowledged }
    }
}

impl Silences {
    /// Keeps those that are over for so long, milliseconds.
    pub fn keep_for(&mut self, retention: i64) {
        self.retention = retention;
    }

    /// Reads the silences that were stored.
    pub fn load(snapshot: &Snapshot) -> Self {
        let mut silences = Silences::default();
        for (_, silence) in snapshot.read_as(Table::Silence, SilenceRecord::restore) {
            silences.keep(silence);
        }
        silences.made = silences.numbers.len() as u64;
        silences
    }

    /// All silences, ascending by id.
    pub fn iter(&self) -> impl Iterator<Item = &Silence> {
        self.numbers.values().filter_map(|n| self.set.get(*n)).map(|s| &**s)
    }

    /// One silence.
    pub fn get(&self, id: &str) -> Option<&Silence> {
        self.set.get(*self.numbers.get(id)?).map(|s| &**s)
    }

    /// The silences as alerts ask about them.
    pub fn set_in_force(&self) -> &SilenceSet {
        &self.set
    }

    /// The active silences that match, each asked: what is remembered elsewhere must agree with this.
    pub fn silencing(&self, labels: &Labels, now: i64) -> Vec<String> {
        let active = self.iter().filter(|s| s.state(now) == SilenceState::Active);
        active.filter(|s| s.matches(labels)).map(|s| s.id.clone()).collect()
    }

    /// Whether an active silence matches.
    pub fn is_silenced(&self, labels: &Labels, now: i64) -> bool {
        self.iter().any(|s| s.state(now) == SilenceState::Active && s.matches(labels))
    }

    /// Whoever changed these silences was told that the change is not stored, and may well ask for it again.
    pub fn doubt(&mut self, ids: impl IntoIterator<Item = String>) {
        self.in_doubt.extend(ids);
    }

    /// The silence that somebody asked for before, and was told that it is not stored.
    fn asked_before(&self, new: &NewSilence, now: i64) -> Option<&Silence> {
        let alike = |s: &&Silence| {
            s.state(now) != SilenceState::Expired
                && (&s.matchers, &s.created_by, &s.comment) == (&new.matchers, &new.created_by, &new.comment)
        };
        self.in_doubt.iter().filter_map(|id| self.get(id)).find(alike)
    }

    /// Makes or changes a silence and returns its id. A change that would rewrite the past (other matchers, another
    /// start of an active silence) expires the old one and makes a new one, as in Alertmanager. One that was asked for
    /// before, in vain as far as anyone knows, is not made again.
    ///
    /// # Errors
    /// [`SilenceError`]; nothing changed.
    pub fn set(&mut self, mut new: NewSilence, now: i64, batch: &mut Batch) -> Result<String, SilenceError> {
        check(&new)?;
        if let Some(before) = self.asked_before(&new, now) {
            // Who says "from now on" again means the same silence.
            if before.state(now) == SilenceState::Active && new.starts_at <= now {
                new.starts_at = before.starts_at;
            }
            new.id = Some(before.id.clone());
        }
        let old = match &new.id {
            Some(id) => Some(self.changeable(id)?.clone()),
            None => None,
        };
        let is_updated = old.as_ref().is_some_and(|old| old.is_updated_by(&new, now));
        let mut silence = Silence {
            id: String::new(),
            matchers: new.matchers,
            starts_at: new.starts_at,
            ends_at: new.ends_at,
            updated_at: now,
            created_by: new.created_by,
            comment: new.comment,
            annotations: new.annotations,
            acknowledges: None,
            configured: None,
        };
        match old {
            Some(old) if is_updated => {
                (silence.id, silence.acknowledges) = (old.id, old.acknowledges);
            }
            old => {
                if silence.ends_at <= now {
                    return Err(SilenceError::Over("end time can't be in the past"));
                }
                self.check_room()?;
                if let Some(old) = old.filter(|o| o.state(now) != SilenceState::Expired) {
                    self.end(old, now, batch);
                }
                silence.starts_at = silence.starts_at.max(now);
                silence.id = self.next_id(&silence);
            }
        }
        let id = silence.id.clone();
        self.save(silence, batch);
        Ok(id)
    }

    fn check_room(&self) -> Result<(), SilenceError> {
        match self.numbers.len() < MAX_SILENCES {
            true => Ok(()),
            false => Err(SilenceError::Invalid(format!("exceeded maximum number of silences: {MAX_SILENCES}"))),
        }
    }

    /// Ends a silence now.
    ///
    /// # Errors
    /// There is no such silence, or it is over.
    pub fn expire(&mut self, id: &str, now: i64, batch: &mut Batch) -> Result<(), SilenceError> {
        let silence = self.changeable(id)?.clone();
        match silence.state(now) {
            // Whoever ended it was told that this is not stored, and asks again.
            SilenceState::Expired if self.in_doubt.contains(id) => self.save(silence, batch),
            SilenceState::Expired => return Err(SilenceError::AlreadyExpired(id.into())),
            SilenceState::Active | SilenceState::Pending => self.end(silence, now, batch),
        }
        Ok(())
    }

    /// Drops what expired longer ago than the retention.
    pub fn collect_garbage(&mut self, now: i64, batch: &mut Batch) {
        let (set, in_doubt, retention) = (&mut self.set, &mut self.in_doubt, self.retention);
        let acknowledged = &mut self.acknowledged;
        self.numbers.retain(|id, number| {
            let keep = set.get(*number).is_some_and(|s| s.is_kept(retention, now));
            if !keep {
                acknowledged.retain(|_, silence| silence != id);
                set.replace(*number, None);
                in_doubt.remove(id);
                batch.delete(Table::Silence, id.as_bytes(), false);
            }
            keep
        });
    }

    fn end(&mut self, mut silence: Silence, now: i64, batch: &mut Batch) {
        silence.starts_at = silence.starts_at.min(now);
        silence.ends_at = now;
        silence.updated_at = now;
        self.save(silence, batch);
    }

    fn save(&mut self, silence: Silence, batch: &mut Batch) {
        self.in_doubt.remove(&silence.id);
        batch.put(Table::Silence, silence.id.as_bytes(), &SilenceRecord::of(&silence), true);
        self.keep(silence);
    }

    fn keep(&mut self, silence: Silence) {
        if let Some(alert) = &silence.acknowledges {
            match silence.ends_at > silence.updated_at {
                // One whose time ran out is kept beside the one that followed it, which ends later.
                true => {
                    let followed = self.acknowledgement(alert).is_some_and(|s| s.ends_at > silence.ends_at);
                    if !followed {
                        self.acknowledged.insert(alert.clone(), silence.id.clone());
                    }
                }
                false => self.acknowledged.retain(|_, id| *id != silence.id),
            }
        }
        let silence = Arc::new(silence);
        match self.numbers.get(&silence.id) {
            Some(number) => self.set.replace(*number, Some(silence)),
            None => {
                let id = silence.id.clone();
                self.numbers.insert(id, self.set.add(silence));
            }
        }
    }

    /// The engine has no source of chance: an id follows from what is to be named.
    fn next_id(&mut self, silence: &Silence) -> String {
        loop {
            self.made += 1;
            let id = uuid(4, &format!("{}\u{1f}{:?}\u{1f}{}", self.made, silence.matchers, silence.updated_at));
            if !self.numbers.contains_key(&id) {
                return id;
            }
        }
    }
}

/// A UUID in the form of a version, from a text.
fn uuid(version: u64, text: &str) -> String {
    let half = |n: u64| twox_hash::XxHash64::oneshot(n, text.as_bytes());
    let (high, low) = (half(1) & !0xf000 | version << 12, half(2) >> 2 | 1 << 63);
    let (a, b, c) = (high >> 32, high >> 16 & 0xffff, high & 0xffff);
    format!("{a:08x}-{b:04x}-{c:04x}-{:04x}-{:012x}", low >> 48, low & 0xffff_ffff_ffff)
}

/// The end of what has no end: the last second of the year 9999, milliseconds.
pub const NEVER: i64 = 253_402_300_799_000;

/// Most silences kept, expired ones included.
const MAX_SILENCES: usize = 100_000;

#[derive(Serialize, Deserialize)]
struct SilenceRecord {
    id: String,
    // Name, operator, value.
    matchers: Vec<(String, String, String)>,
    starts_at: i64,
    ends_at: i64,
    updated_at: i64,
    created_by: String,
    comment: String,
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    annotations: Labels,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    acknowledges: Option<Labels>,
}

impl SilenceRecord {
    fn of(s: &Silence) -> Self {
        let matcher = |m: &Matcher| (m.name.clone(), m.op.as_str().to_owned(), m.value.clone());
        SilenceRecord {
            id: s.id.clone(),
            matchers: s.matchers.iter().map(matcher).collect(),
            starts_at: s.starts_at,
            ends_at: s.ends_at,
            updated_at: s.updated_at,
            created_by: s.created_by.clone(),
            comment: s.comment.clone(),
            annotations: s.annotations.clone(),
            acknowledges: s.acknowledges.clone(),
        }
    }

    fn restore(self) -> Result<Silence, String> {
        let matcher = |(name, op, value): (String, String, String)| {
            let ops = [MatchOp::Equal, MatchOp::NotEqual, MatchOp::Regex, MatchOp::NotRegex];
            let op = ops.into_iter().find(|o| o.as_str() == op).ok_or_else(|| format!("no matcher operator {op:?}"))?;
            Matcher::of_alerts(op, name, value)
        };
        Ok(Silence {
            id: self.id,
            matchers: self.matchers.into_iter().map(matcher).collect::<Result<_, _>>()?,
            starts_at: self.starts_at,
            ends_at: self.ends_at,
            updated_at: self.updated_at,
            created_by: self.created_by,
            comment: self.comment,
            annotations: self.annotations,
            acknowledges: self.acknowledges,
            configured: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{MemoryStore, StateStore};

    fn asked(starts_at: i64, ends_at: i64) -> NewSilence {
        let matchers = vec![Matcher::equal("a", "b"), Matcher::new(MatchOp::Regex, "c", "d|").unwrap()];
        NewSilence { matchers, starts_at, ends_at, comment: "صيانة".into(), ..NewSilence::default() }
    }

    #[test]
    fn a_silence_is_pending_then_active_then_expired_then_gone() {
        let (mut silences, mut batch) = (Silences::default(), Batch::default());
        let id = silences.set(asked(100, 200), 0, &mut batch).unwrap();
        let alert = Labels::from_pairs([("a", "b")]);
        for (now, state, silenced) in [(99, "pending", false), (100, "active", true), (200, "expired", false)] {
            assert_eq!(silences.get(&id).unwrap().state(now).as_str(), state);
            assert_eq!(silences.is_silenced(&alert, now), silenced, "at {now}");
        }
        assert!(!silences.is_silenced(&Labels::from_pairs([("a", "b"), ("c", "x")]), 100));
        let store = MemoryStore::default();
        store.apply(&batch).unwrap();
        let mut again = Silences::load(&store.load().unwrap());
        assert_eq!(again.get(&id), silences.get(&id));
        again.collect_garbage(199 + RETENTION, &mut batch);
        assert!(again.get(&id).is_some());
        again.collect_garbage(200 + RETENTION, &mut batch);
        assert!(again.get(&id).is_none());
    }

    #[test]
    fn a_change_of_the_past_makes_another_silence() {
        let (mut silences, mut batch) = (Silences::default(), Batch::default());
        let id = silences.set(asked(0, 200), 0, &mut batch).unwrap();
        let with_id = |id: &str, new: NewSilence| NewSilence { id: Some(id.into()), ..new };
        let same = silences.set(with_id(&id, asked(0, 300)), 50, &mut batch).unwrap();
        assert_eq!(same, id);
        let other = silences.set(with_id(&id, asked(10, 300)), 50, &mut batch).unwrap();
        assert_ne!(other, id);
        assert_eq!(silences.get(&id).unwrap().state(50), SilenceState::Expired);
        assert_eq!(silences.get(&other).unwrap().starts_at, 50, "not earlier than it was asked for");
        assert_eq!(silences.expire(&id, 60, &mut batch), Err(SilenceError::AlreadyExpired(id.clone())));
        silences.expire(&other, 60, &mut batch).unwrap();
        assert_eq!(silences.set(with_id("none", asked(0, 9)), 0, &mut batch), Err(SilenceError::NotFound));
    }

    #[test]
    fn silences_that_cannot_be_are_refused() {
        let mut silences = Silences::default();
        let empty = NewSilence { matchers: vec![], ..asked(0, 10) };
        let all = NewSilence { matchers: vec![Matcher::equal("a", "")], ..asked(0, 10) };
        for (new, now, why) in [
            (empty, 0, "at least one matcher required"),
            (all, 0, "must not match the empty string"),
            (asked(10, 5), 0, "start time must be before end time"),
            (asked(0, 10), 10, "can't be in the past"),
        ] {
            let error = silences.set(new, now, &mut Batch::default()).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
        assert_eq!(silences.iter().count(), 0);
    }

    #[test]
    fn ids_have_the_form_of_random_uuids() {
        let mut silences = Silences::default();
        let id = silences.set(asked(0, 10), 0, &mut Batch::default()).unwrap();
        let parts: Vec<usize> = id.split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12]);
        assert!(id.as_bytes()[14] == b'4' && b"89ab".contains(&id.as_bytes()[19]), "{id}");
    }
}
