//! Things that a test can reach.

use std::collections::BTreeMap;
use std::sync::Arc;

/// What kind of thing a test can reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A recording rule gives samples.
    Rule,
    /// An alert comes into a state.
    Transition,
    /// A side of `and`, `or` or `unless` is decisive.
    Branch,
    /// An alert comes to a route.
    Route,
    /// An integration of a receiver is told something.
    Receiver,
    /// An inhibition rule mutes an alert.
    Inhibition,
    /// A template that a file defines is part of a message.
    Template,
}

impl Kind {
    /// All kinds, in the order of reports.
    pub const ALL: [Kind; 7] =
        [Kind::Rule, Kind::Transition, Kind::Branch, Kind::Route, Kind::Receiver, Kind::Inhibition, Kind::Template];

    /// The word of reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Rule => "rule",
            Kind::Transition => "transition",
            Kind::Branch => "branch",
            Kind::Route => "route",
            Kind::Receiver => "receiver",
            Kind::Inhibition => "inhibition",
            Kind::Template => "template",
        }
    }

    /// The word for several of them.
    pub fn plural(self) -> &'static str {
        match self {
            Kind::Rule => "rules",
            Kind::Transition => "transitions",
            Kind::Branch => "branches",
            Kind::Route => "routes",
            Kind::Receiver => "receivers",
            Kind::Inhibition => "inhibitions",
            Kind::Template => "templates",
        }
    }
}

/// Something that a test can reach.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Item {
    /// The rule file, the Alertmanager configuration or the template file.
    pub file: Arc<str>,
    /// Where in it, from 1; 0 where that is not known, as in a Secret.
    pub line: u32,
    /// What kind of thing it is.
    pub kind: Kind,
    /// What it is, for people.
    pub what: String,
}

/// What there is to reach, and whether a test did.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    items: BTreeMap<Item, bool>,
}

impl Coverage {
    /// All that can be reached, each with whether it was.
    pub fn items(&self) -> impl Iterator<Item = (&Item, bool)> {
        self.items.iter().map(|(item, reached)| (item, *reached))
    }

    /// Takes in what other tests reached.
    pub fn merge(&mut self, other: &Coverage) {
        other.items().for_each(|(item, reached)| self.note(item.clone(), reached));
    }

    /// How many things were reached, and how many there are; of one kind or of all.
    pub fn count(&self, kind: Option<Kind>) -> (usize, usize) {
        let of_kind = self.items().filter(|(item, _)| kind.is_none_or(|k| k == item.kind));
        of_kind.fold((0, 0), |(reached, all), (_, is)| (reached + usize::from(is), all + 1))
    }

    /// The share that was reached, per cent; all of nothing is 100.
    pub fn percent(&self) -> f64 {
        match self.count(None) {
            (_, 0) => 100.0,
            (reached, all) => 100.0 * reached as f64 / all as f64,
        }
    }

    /// Notes that there is something to reach, and whether it was.
    pub fn note(&mut self, item: Item, reached: bool) {
        *self.items.entry(item).or_default() |= reached;
    }
}

/// A path without detours (`tests/../rules.yml`), so that a file is one whoever names it.
pub(super) fn tidy(path: &Arc<str>) -> Arc<str> {
    if !path.contains("..") && !path.contains("./") {
        return path.clone();
    }
    let mut out: Vec<&str> = Vec::new();
    for (i, part) in path.split('/').enumerate() {
        match part {
            "" if i > 0 => {}
            "." => {}
            ".." if out.last().is_some_and(|last| !last.is_empty() && *last != "..") => drop(out.pop()),
            part => out.push(part),
        }
    }
    out.join("/").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_one_whoever_names_it() {
        for (path, wanted) in [
            ("rules.yml", "rules.yml"),
            ("./rules.yml", "rules.yml"),
            ("tests/../rules.yml", "rules.yml"),
            ("../rules.yml", "../rules.yml"),
            ("a/../../rules.yml", "../rules.yml"),
            ("/a/./b//../rules..yml", "/a/rules..yml"),
        ] {
            assert_eq!(&*tidy(&path.into()), wanted, "{path}");
        }
    }
}
