//! The silences as those who ask about alerts see them: a cheap copy, and each alert remembers what it has asked.
//!
//! A silence's matchers never change, so whether it speaks of an alert is asked once for every pair of them. Silences are
//! numbered as they are made; an alert remembers up to which number it has asked, and asks the newer ones alone.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::model::Labels;

use super::matching::MatcherIndex;
use super::silence::{Silence, SilenceState};

/// Silences of one page: what is copied when one of them changes while someone looks.
const PAGE: u64 = 128;

/// Silences by their numbers. Copies share pages until one changes.
#[derive(Clone, Debug, Default)]
pub struct SilenceSet {
    pages: Vec<Arc<Page>>,
    next: u64,
}

#[derive(Clone, Debug, Default)]
struct Page {
    rows: Vec<Option<Arc<Silence>>>,
    index: MatcherIndex,
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
        if page == self.pages.len() {
            self.pages.push(Arc::default());
        }
        if let Some(page) = self.pages.get_mut(page) {
            let page = Arc::make_mut(page);
            page.index.insert(u32::try_from(row).unwrap_or(u32::MAX), &silence.matchers);
            page.rows.push(Some(silence));
        }
        number
    }

    /// Changes the times of a silence, or what is said about it; or lets go of it.
    pub(super) fn replace(&mut self, number: u64, silence: Option<Arc<Silence>>) {
        let (page, row) = place(number);
        let Some(page) = self.pages.get_mut(page).map(Arc::make_mut) else { return };
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
        (ops, prop::sample::select(vec!["a", "b"]), values).prop_map(|(op, n, v)| Matcher::new(op, n, v).unwrap())
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
                if asking % 16 < 4 {
                    older = silences.set_in_force().clone();
                }
            }
        }
    }
}
