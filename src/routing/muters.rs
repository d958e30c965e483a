//! The silences as those who ask about alerts see them: a cheap copy, and each alert remembers what it has asked.
//!
//! A silence's matchers never change, so whether it speaks of an alert is asked once for every pair of them. Silences are
//! numbered as they are made; an alert remembers up to which number it has asked, and asks the newer ones alone.

use std::hash::BuildHasher;
use std::sync::Arc;

use parking_lot::Mutex;
use rustc_hash::{FxBuildHasher, FxHashMap};

use crate::model::Labels;

use super::matching::MatcherIndex;
use super::silence::{Silence, SilenceState};

/// Silences of one page: what is copied when one of them changes while someone looks.
const PAGE: u64 = 128;

/// Silences by their numbers and by their ids. Copies share pages and shelves until one changes.
#[derive(Clone, Debug, Default)]
pub struct SilenceSet {
    pages: Arc<Vec<Arc<Page>>>,
    next: u64,
    ids: Arc<Vec<Arc<FxHashMap<String, u64>>>>,
}

/// Shelves of ids: one is copied when a silence is made while someone looks.
const SHELVES: usize = 64;

#[derive(Debug, Default)]
struct Page {
    rows: Vec<Option<Arc<Silence>>>,
    index: MatcherIndex,
    /// What was counted last, for those who only want to know how many there are.
    counted: Mutex<Option<Counted>>,
}

impl Clone for Page {
    fn clone(&self) -> Self {
        // The copy is about to change.
        Page { rows: self.rows.clone(), index: self.index.clone(), counted: Mutex::default() }
    }
}

/// How many silences are in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SilenceCounts {
    /// In force.
    pub active: u64,
    /// Over.
    pub expired: u64,
    /// Not yet in force.
    pub pending: u64,
}

/// Counts that hold from a time on, until another: in between no silence of the page begins or ends.
#[derive(Clone, Copy, Debug)]
struct Counted {
    counts: SilenceCounts,
    from: i64,
    until: i64,
}

impl Page {
    fn counts(&self, now: i64) -> SilenceCounts {
        let mut counted = self.counted.lock();
        if let Some(known) = counted.filter(|c| (c.from..c.until).contains(&now)) {
            return known.counts;
        }
        let mut fresh = Counted { counts: SilenceCounts::default(), from: i64::MIN, until: i64::MAX };
        for silence in self.rows.iter().flatten() {
            match silence.state(now) {
                SilenceState::Active => fresh.counts.active += 1,
                SilenceState::Expired => fresh.counts.expired += 1,
                SilenceState::Pending => fresh.counts.pending += 1,
            }
            if silence.recurrence().is_some() {
                // It begins and ends again at any second.
                (fresh.from, fresh.until) = (fresh.from.max(now), fresh.until.min((now / 1000 + 1) * 1000));
            }
            for time in [silence.starts_at, silence.ends_at] {
                if time <= now {
                    fresh.from = fresh.from.max(time);
                } else {
                    fresh.until = fresh.until.min(time);
                }
            }
        }
        *counted = Some(fresh);
        fresh.counts
    }
}

fn shelf(id: &str) -> usize {
    FxBuildHasher.hash_one(id) as usize % SHELVES
}

/// The silences that speak of one alert, whatever their times, among those numbered below `asked`.
#[derive(Debug, Default)]
pub struct SilenceMemo(Mutex<Remembered>);

#[derive(Debug, Default)]
struct Remembered {
    asked: u64,
    found: Vec<u64>,
}

fn place(number: u64) -> (usize, usize) {
    let index = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    (index(number / PAGE), index(number % PAGE))
}

impl SilenceSet {
    /// Takes in a new silence and numbers it.
    pub(super) fn add(&mut self, silence: Arc<Silence>) -> u64 {
        let number = self.next;
        self.next += 1;
        let (page, row) = place(number);
        if let Some(shelf) = self.shelf_mut(&silence.id) {
            shelf.insert(silence.id.clone(), number);
        }
        let pages = Arc::make_mut(&mut self.pages);
        if page == pages.len() {
            pages.push(Arc::default());
        }
        if let Some(page) = pages.get_mut(page) {
            let page = Arc::make_mut(page);
            *page.counted.get_mut() = None;
            page.index.insert(u32::try_from(row).unwrap_or(u32::MAX), &silence.matchers);
            page.rows.push(Some(silence));
            if page.rows.len() as u64 == PAGE {
                page.index.seal();
            }
        }
        number
    }

    fn shelf_mut(&mut self, id: &str) -> Option<&mut FxHashMap<String, u64>> {
        let shelves = Arc::make_mut(&mut self.ids);
        shelves.resize_with(SHELVES, Arc::default);
        shelves.get_mut(shelf(id)).map(Arc::make_mut)
    }

    /// Changes the times of a silence, or what is said about it; or lets go of it.
    pub(super) fn replace(&mut self, number: u64, silence: Option<Arc<Silence>>) {
        let (page, row) = place(number);
        let gone = self.get(number).filter(|_| silence.is_none()).map(|s| s.id.clone());
        if let Some(id) = gone
            && let Some(shelf) = self.shelf_mut(&id)
        {
            shelf.remove(&id);
        }
        let Some(page) = Arc::make_mut(&mut self.pages).get_mut(page).map(Arc::make_mut) else { return };
        *page.counted.get_mut() = None;
        if let Some(slot) = page.rows.get_mut(row) {
            *slot = silence;
        }
        if page.rows.iter().all(Option::is_none) {
            page.index = MatcherIndex::default();
        }
    }

    /// The silence of a number.
    pub fn get(&self, number: u64) -> Option<&Arc<Silence>> {
        let (page, row) = place(number);
        self.pages.get(page)?.rows.get(row)?.as_ref()
    }

    /// The silence of an id.
    pub fn find(&self, id: &str) -> Option<&Arc<Silence>> {
        self.get(*self.ids.get(shelf(id))?.get(id)?)
    }

    /// How many there are. What was counted is remembered until a silence of the page changes, begins or ends.
    pub fn counts(&self, now: i64) -> SilenceCounts {
        let mut sum = SilenceCounts::default();
        for counts in self.pages.iter().map(|page| page.counts(now)) {
            sum.active += counts.active;
            sum.expired += counts.expired;
            sum.pending += counts.pending;
        }
        sum
    }

    /// All silences, in the order in which they were made.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Silence>> {
        self.pages.iter().flat_map(|page| page.rows.iter().flatten())
    }

    /// The active silences that match an alert. What `memo` does not know yet is asked and remembered.
    pub fn silencing(&self, labels: &Labels, memo: &SilenceMemo, now: i64) -> Vec<Arc<Silence>> {
        let mut memo = memo.0.lock();
        self.catch_up(labels, &mut memo);
        let active = |s: &&Arc<Silence>| s.state(now) == SilenceState::Active;
        memo.found.iter().filter_map(|number| self.get(*number)).filter(active).cloned().collect()
    }

    /// Asks the silences made since the alert last asked, page by page.
    fn catch_up(&self, labels: &Labels, memo: &mut Remembered) {
        if memo.asked >= self.next {
            return;
        }
        let (first, mut from) = place(memo.asked);
        for (at, page) in self.pages.iter().enumerate().skip(first) {
            for row in page.index.candidates(labels).into_iter().filter(|row| *row as usize >= from) {
                let silence = page.rows.get(row as usize).and_then(Option::as_ref);
                if silence.is_some_and(|s| s.matches(labels)) {
                    memo.found.push(at as u64 * PAGE + u64::from(row));
                }
            }
            from = 0;
        }
        memo.asked = self.next;
        memo.found.shrink_to_fit();
    }

    /// Forgets of an alert what is no longer there.
    pub(super) fn tidy(&self, memo: &SilenceMemo) {
        memo.0.lock().found.retain(|number| self.get(*number).is_some());
    }
}

#[cfg(test)]
mod tests {
    use super::super::silence::NewSilence;
    use super::super::silences::Silences;
    use super::*;
    use crate::model::{MatchOp, Matcher};
    use crate::state::Batch;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Change {
        Make(Vec<Matcher>, i64, i64),
        Extend(usize, i64),
        End(usize),
        Sweep,
    }

    fn matcher() -> impl Strategy<Value = Matcher> {
        let ops = prop::sample::select(vec![MatchOp::Equal, MatchOp::NotEqual, MatchOp::Regex, MatchOp::NotRegex]);
        let values = prop::sample::select(vec!["", "1", "12", "1.*", "1|2", ".*2", "[12]+", "(1|3).?"]);
        (ops, prop::sample::select(vec!["a", "b"]), values).prop_map(|(op, n, v)| Matcher::of_alerts(op, n, v).unwrap())
    }

    fn change() -> impl Strategy<Value = Change> {
        prop_oneof![
            6 => (prop::collection::vec(matcher(), 1..3), 0i64..50, 1i64..50)
                .prop_map(|(m, start, length)| Change::Make(m, start, start + length)),
            2 => (any::<usize>(), 1i64..60).prop_map(|(which, end)| Change::Extend(which, end)),
            2 => any::<usize>().prop_map(Change::End),
            1 => Just(Change::Sweep),
        ]
    }

    fn apply(silences: &mut Silences, change: Change, now: i64) {
        let batch = &mut Batch::default();
        let one = |which: usize| silences.iter().nth(which % silences.iter().count().max(1)).cloned();
        // What cannot be is refused; that is as good.
        match change {
            Change::Make(matchers, starts_at, ends_at) => {
                let new = NewSilence { matchers, starts_at, ends_at, ..NewSilence::default() };
                let _ = silences.set(new, now, batch);
            }
            Change::Extend(which, ends_at) => {
                let Some(old) = one(which) else { return };
                let (id, matchers, starts_at) = (Some(old.id), old.matchers, old.starts_at);
                let _ = silences.set(NewSilence { id, matchers, starts_at, ends_at, ..Default::default() }, now, batch);
            }
            Change::End(which) => {
                let Some(old) = one(which) else { return };
                let _ = silences.expire(&old.id, now, batch);
            }
            Change::Sweep => silences.collect_garbage(now + super::super::silence::RETENTION, batch),
        }
    }

    proptest! {
        /// Alerts ask now and then, at any time, some of them a copy of the silences that is older.
        #[test]
        fn what_alerts_remember_is_what_asking_every_silence_says(
            changes in prop::collection::vec((change(), 0i64..60, any::<u8>()), 1..60),
        ) {
            let value = ["", "1", "2", "12", "3"];
            let alerts: Vec<(Labels, SilenceMemo)> = value.iter().flat_map(|a| {
                value.iter().map(|b| (Labels::from_pairs([("a", *a), ("b", *b), ("c", "x")]), SilenceMemo::default()))
            }).collect();
            let mut silences = Silences::default();
            let mut older = silences.set_in_force().clone();
            for (change, now, asking) in changes {
                apply(&mut silences, change, now);
                for (i, (labels, memo)) in alerts.iter().enumerate() {
                    if i % 8 != usize::from(asking % 8) {
                        continue;
                    }
                    let _ = older.silencing(labels, memo, now);
                    let found = silences.set_in_force().silencing(labels, memo, now);
                    let mut ids: Vec<String> = found.iter().map(|s| s.id.clone()).collect();
                    ids.sort();
                    prop_assert_eq!(ids, silences.silencing(labels, now), "{} at {}", labels, now);
                    silences.set_in_force().tidy(memo);
                }
                let set = silences.set_in_force();
                let of = |state| silences.iter().filter(|s| s.state(now) == state).count() as u64;
                let counts = set.counts(now);
                prop_assert_eq!(counts.active, of(SilenceState::Active));
                prop_assert_eq!(counts.expired, of(SilenceState::Expired));
                prop_assert_eq!(counts.pending, of(SilenceState::Pending));
                for s in silences.iter() {
                    prop_assert_eq!(set.find(&s.id).map(|found| &**found), Some(s));
                }
                if asking % 16 < 4 {
                    older = silences.set_in_force().clone();
                }
            }
        }
    }
}
