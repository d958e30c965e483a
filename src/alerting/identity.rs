//! Which rule of another configuration goes on with the state of which rule of the one before.
//!
//! A rule is its kind, name and labels, wherever it stands: its group may be renamed, its file moved, copied or called by
//! another path (an operator's files bear a UID), the rule may move to another group. The place only chooses where several
//! rules are alike.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use super::rule::{GroupKey, GroupSpec, RuleKey};

/// A rule and the place where it stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RulePlace {
    /// The group.
    pub group: GroupKey,
    /// The rule in the group.
    pub rule: RuleKey,
    /// A hash of its expression: a hint that tells rules apart that are alike otherwise. 0 when it is not known.
    pub expr: u64,
}

impl GroupSpec {
    /// The places of the rules, in order.
    pub fn places(&self) -> Vec<RulePlace> {
        let place = |(rule, spec): (RuleKey, &Arc<super::RuleSpec>)| RulePlace {
            group: self.key.clone(),
            rule,
            expr: twox_hash::XxHash64::oneshot(0, spec.expr.as_bytes()).max(1),
        };
        self.rule_keys().into_iter().zip(&self.rules).map(place).collect()
    }
}

/// What two places have in common, besides the rule's identity, for the one to go on with the other's state.
struct Likeness {
    file: Option<File>,
    group: bool,
    expr: bool,
    ordinal: bool,
}

#[derive(Clone, Copy)]
enum File {
    /// The whole path.
    Path,
    /// The last part of it.
    Name,
}

const fn like(file: Option<File>, group: bool, expr: bool, ordinal: bool) -> Likeness {
    Likeness { file, group, expr, ordinal }
}

/// From the closest to the most distant: the rule in its place first, however it was edited; then the same group of a file
/// that moved, the same group name, the same file, anywhere.
const LIKENESSES: [Likeness; 14] = [
    like(Some(File::Path), true, true, true),
    like(Some(File::Path), true, true, false),
    like(Some(File::Path), true, false, true),
    like(Some(File::Path), true, false, false),
    like(Some(File::Name), true, true, true),
    like(Some(File::Name), true, true, false),
    like(Some(File::Name), true, false, false),
    like(None, true, true, false),
    like(None, true, false, false),
    like(Some(File::Path), false, true, false),
    like(Some(File::Path), false, false, false),
    like(Some(File::Name), false, false, false),
    like(None, false, true, false),
    like(None, false, false, false),
];

/// What must be equal for two places to be alike.
#[derive(PartialEq, Eq, Hash)]
struct Common<'a> {
    kind: &'a str,
    name: &'a str,
    labels: &'a [(String, String)],
    file: Option<&'a str>,
    group: Option<&'a str>,
    expr: Option<u64>,
    ordinal: Option<u32>,
}

impl Likeness {
    fn of<'a>(&self, place: &'a RulePlace) -> Common<'a> {
        let path = &*place.group.file;
        Common {
            kind: &place.rule.kind,
            name: &place.rule.name,
            labels: &place.rule.labels,
            file: self.file.map(|file| match file {
                File::Path => path,
                File::Name => Path::new(path).file_name().and_then(|n| n.to_str()).unwrap_or(path),
            }),
            group: self.group.then_some(&*place.group.name),
            expr: self.expr.then_some(place.expr),
            ordinal: self.ordinal.then_some(place.rule.ordinal),
        }
    }
}

/// For each rule of the new configuration, the one of the old configuration that it goes on with: an index into `old`.
/// Every old rule has one heir at most. Among equals, the first inherits from the first.
pub fn successors(old: &[RulePlace], new: &[RulePlace]) -> Vec<Option<usize>> {
    let mut successors = vec![None; new.len()];
    let mut left: Vec<usize> = (0..old.len()).collect();
    let mut without: Vec<usize> = (0..new.len()).collect();
    for likeness in LIKENESSES {
        if left.is_empty() || without.is_empty() {
            break;
        }
        let mut by_common: HashMap<Common<'_>, Vec<usize>> = HashMap::new();
        // Last first, to be taken from the end.
        for (index, place) in left.iter().rev().filter_map(|i| Some((*i, old.get(*i)?))) {
            by_common.entry(likeness.of(place)).or_default().push(index);
        }
        without.retain(|heir| {
            let alike = new.get(*heir).and_then(|place| by_common.get_mut(&likeness.of(place)));
            let found = alike.and_then(Vec::pop);
            if let (Some(index), Some(slot)) = (found, successors.get_mut(*heir)) {
                *slot = Some(index);
            }
            found.is_none()
        });
        let free: HashSet<usize> = by_common.into_values().flatten().collect();
        left.retain(|index| free.contains(index));
    }
    successors
}

/// Whose records are to be removed and written, when rules go on at other places.
#[derive(Debug, Default)]
pub struct Moved {
    /// The old rules that stand no longer where they stood.
    pub left: Vec<usize>,
    /// The new rules that go on with what stood elsewhere, or whose expression was edited.
    pub came: HashSet<usize>,
}

/// What of the inheritance changes records.
pub fn moved(old: &[RulePlace], new: &[RulePlace], successors: &[Option<usize>]) -> Moved {
    let mut moved = Moved::default();
    let mut stays = vec![false; old.len()];
    for (index, (place, heir)) in new.iter().zip(successors).enumerate() {
        let Some((from, stays)) = heir.and_then(|i| Some((old.get(i)?, stays.get_mut(i)?))) else { continue };
        *stays = (&from.group, &from.rule) == (&place.group, &place.rule);
        if from != place {
            moved.came.insert(index);
        }
    }
    moved.left = stays.iter().enumerate().filter(|(_, stays)| !**stays).map(|(i, _)| i).collect();
    moved
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `file;group;name;expr`, the ordinal as it comes.
    fn places(text: &str) -> Vec<RulePlace> {
        let mut places: Vec<RulePlace> = Vec::new();
        for rule in text.split_whitespace() {
            let [file, group, name, expr] = rule.split(';').collect::<Vec<_>>()[..] else { panic!("{rule}") };
            let group = GroupKey { file: file.into(), name: group.into() };
            let alike = |p: &&RulePlace| p.group == group && &*p.rule.name == name;
            let ordinal = places.iter().filter(alike).count() as u32;
            let labels = vec![("severity".to_owned(), "page".to_owned())];
            let rule = RuleKey { kind: "alert".into(), name: name.into(), labels, ordinal };
            places.push(RulePlace { group, rule, expr: expr.parse().unwrap() });
        }
        places
    }

    #[test]
    fn a_rule_goes_on_wherever_it_stands() {
        for (why, old, new, want) in [
            ("nothing changed", "f;g;A;1 f;g;B;1", "f;g;A;1 f;g;B;1", vec![Some(0), Some(1)]),
            ("the expression was edited", "f;g;A;1", "f;g;A;2", vec![Some(0)]),
            ("the group was renamed", "f;g;A;1 f;g;B;1", "f;h;B;1 f;h;A;1", vec![Some(1), Some(0)]),
            ("the path is another", "f;g;A;1", "/etc/f;g;A;1", vec![Some(0)]),
            ("the file's name bears a UID", "r-1f.yml;g;A;1", "r-2e.yml;g;A;1", vec![Some(0)]),
            ("it moved to another group and was edited", "f;g;A;1 f;h;B;1", "f;h;B;1 f;h;A;2", vec![Some(1), Some(0)]),
            ("another rule", "f;g;A;1", "f;g;B;1", vec![None]),
            ("one became two", "f;g;A;1", "f;h;A;1 f;i;A;1", vec![Some(0), None]),
            ("who stays keeps its own", "f;g;A;1 f;h;A;1", "f;h;A;1 f;i;A;1", vec![Some(1), Some(0)]),
            ("the group's name is preferred to the file", "f;g;A;1", "f;h;A;1 e;g;A;1", vec![None, Some(0)]),
            ("the file is preferred to none", "f;g;A;1", "e;h;A;1 d/f;i;A;1", vec![None, Some(0)]),
            ("of alike rules, each by its expression", "f;g;A;1 f;g;A;2", "f;g;A;2 f;g;A;1", vec![Some(1), Some(0)]),
            ("the first of two went", "f;g;A;1 f;g;A;2", "f;g;A;2", vec![Some(1)]),
            ("one moved before its like", "f;g;A;1 f;h;A;2", "f;h;A;1 f;h;A;2", vec![Some(0), Some(1)]),
        ] {
            assert_eq!(successors(&places(old), &places(new)), want, "{why}");
        }
    }
}
