//! From matchers to series, over anything that has postings: the head's index, a block's.

use std::borrow::Cow;

use crate::model::{MatchOp, Matcher};

use super::postings::{intersect, subtract, union};

/// What series are selected from. Postings are ascending.
pub(super) trait Postings {
    /// Every series.
    fn all(&self) -> Vec<u32>;

    /// The series with this value of a label.
    fn of(&self, name: &str, value: &str) -> Option<Cow<'_, [u32]>>;

    /// The series with each of the values that are wanted.
    fn of_values(&self, name: &str, wanted: &mut dyn FnMut(&str) -> bool) -> Vec<Cow<'_, [u32]>>;

    /// Narrows a small selection by looking at its series one by one, where that is cheaper than looking at all values.
    fn narrow(&self, _m: &Matcher, _selected: &mut Vec<u32>) -> bool {
        false
    }
}

/// The series that satisfy every matcher, ascending.
pub(super) fn select(postings: &impl Postings, matchers: &[Matcher]) -> Vec<u32> {
    // Matchers that name their values come first: what is left for the others is little.
    let (named, scanned): (Vec<&Matcher>, Vec<&Matcher>) = matchers.iter().partition(|m| names_values(m));
    let (wanted, unwanted): (Vec<&Matcher>, Vec<&Matcher>) = named.into_iter().partition(|m| !m.matches_empty());
    let mut sets: Vec<Vec<Cow<'_, [u32]>>> = wanted.iter().map(|m| named_postings(postings, m)).collect();
    sets.sort_by_key(|lists| lists.iter().map(|l| l.len()).sum::<usize>());
    let mut selected: Option<Vec<u32>> = None;
    for lists in sets {
        selected = Some(match (selected, lists.as_slice()) {
            (None, [one]) => one.to_vec(),
            (None, many) => union(many.iter().map(|l| &**l)),
            (Some(ids), [one]) => intersect(&ids, one),
            (Some(ids), many) => intersect(&ids, &union(many.iter().map(|l| &**l))),
        });
    }
    for m in &unwanted {
        let ids = selected.get_or_insert_with(|| postings.all());
        for list in named_postings(postings, m) {
            subtract(ids, &list);
        }
    }
    for m in scanned {
        selected = Some(scan(postings, m, selected));
    }
    selected.unwrap_or_else(|| postings.all())
}

/// Narrows a selection (`None`: everything) by a matcher that has to be tried on values.
fn scan(postings: &impl Postings, m: &Matcher, mut selected: Option<Vec<u32>>) -> Vec<u32> {
    if let Some(ids) = &mut selected
        && postings.narrow(m, ids)
    {
        return std::mem::take(ids);
    }
    // A series without the label is among those of no value: taken out are the values that fail.
    let matches_empty = m.matches_empty();
    let lists = postings.of_values(&m.name, &mut |v| m.matches(v) != matches_empty);
    let ids = union(lists.iter().map(|l| &**l));
    match (selected, matches_empty) {
        (None, false) => ids,
        (Some(selected), false) => intersect(&selected, &ids),
        (selected, true) => {
            let mut left = selected.unwrap_or_else(|| postings.all());
            subtract(&mut left, &ids);
            left
        }
    }
}

/// The postings to take (the matcher rejects empty) or to leave out (it accepts empty).
fn named_postings<'a>(postings: &'a impl Postings, m: &Matcher) -> Vec<Cow<'a, [u32]>> {
    match m.op {
        MatchOp::Equal | MatchOp::NotEqual if m.value.is_empty() => postings.of_values(&m.name, &mut |_| true),
        MatchOp::Equal | MatchOp::NotEqual => postings.of(&m.name, &m.value).into_iter().collect(),
        MatchOp::Regex | MatchOp::NotRegex => {
            let literals = m.regex().and_then(|r| r.literals()).unwrap_or(&[]);
            literals.iter().filter_map(|l| postings.of(&m.name, l)).collect()
        }
    }
}

/// Whether the values to take or to leave out are known without trying all of them.
fn names_values(m: &Matcher) -> bool {
    match m.op {
        MatchOp::Equal | MatchOp::NotEqual => true,
        // A pattern of literals one of which is empty takes series without the label as well.
        MatchOp::Regex | MatchOp::NotRegex => {
            m.regex().and_then(|r| r.literals()).is_some_and(|l| l.iter().all(|l| !l.is_empty()))
        }
    }
}
