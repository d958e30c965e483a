//! Sections: instant vectors whose rows are the series of a selection, or groups of them.
//!
//! Every row stands for a series, and what operators leave of its labels follows from their names alone. So which rows belong
//! together is worked out from labels once, and kept with the selection for as long as that stays; labels themselves are made
//! for what is left at the end.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, Weak};

use rustc_hash::FxHashMap;

use super::plan::GroupLabels;
use crate::model::{Labels, METRIC_NAME};
use crate::tsdb::{Selection, Series, SharedSeries};

/// An instant vector of floats over a selection.
#[derive(Clone)]
pub(crate) struct Section {
    pub heads: Heads,
    /// Whether the metric name is dropped.
    pub dropped: bool,
    /// Those rows that have a value, in the order in which they are streamed.
    pub rows: Vec<u32>,
    /// Their values.
    pub values: Vec<f64>,
}

impl fmt::Debug for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} rows", self.rows.len(), self.heads.len())
    }
}

/// The labels of a section's rows.
#[derive(Clone)]
pub(crate) struct Heads {
    selection: SharedSeries,
    /// What rows are, when they are groups and not the series themselves.
    groups: Option<Arc<Grouping>>,
    /// What is left of a series' labels: what all of these keep.
    filters: Vec<Filter>,
    /// What has been done to get here, in words.
    way: String,
}

/// Which labels an operator keeps.
#[derive(Clone)]
pub(crate) enum Filter {
    /// All but the metric name.
    Nameless,
    /// Those that make groups.
    Group(GroupLabels),
    /// Those of these labels, or all but these.
    Written { labels: Arc<[String]>, keep: bool },
}

impl Filter {
    fn keeps(&self, name: &str) -> bool {
        match self {
            Filter::Nameless => name != METRIC_NAME,
            Filter::Group(by) => by.labels.binary_search_by(|l| l.as_str().cmp(name)).is_ok() != by.without,
            Filter::Written { labels, keep } => labels.iter().any(|l| l == name) == *keep,
        }
    }

    /// Told apart from all others, label names being what they may.
    fn describe(&self, out: &mut String) {
        let (sign, labels): (char, &[String]) = match self {
            Filter::Nameless => ('-', &[]),
            Filter::Group(by) => (if by.without { 'w' } else { 'b' }, &by.labels),
            Filter::Written { labels, keep } => (if *keep { 'k' } else { 'd' }, labels),
        };
        out.push(sign);
        for label in labels {
            out.push_str(&label.len().to_string());
            out.push(':');
            out.push_str(label);
        }
        out.push(';');
    }
}

/// Which rows have the same labels.
#[derive(Debug, Default)]
pub(crate) struct Grouping {
    /// The group of every row; nothing when all rows are in the first.
    of: Vec<u32>,
    /// A series of each group.
    firsts: Vec<u32>,
}

impl Grouping {
    #[inline]
    pub fn of(&self, row: u32) -> u32 {
        self.of.get(row as usize).copied().unwrap_or(0)
    }

    pub fn len(&self) -> usize {
        self.firsts.len()
    }
}

/// Which rows of two sections have the same labels.
pub(crate) struct Meeting {
    other: Weak<Selection>,
    left: Vec<u32>,
    right: Vec<u32>,
    pub groups: usize,
}

impl Meeting {
    #[inline]
    pub fn left(&self, row: u32) -> usize {
        self.left.get(row as usize).copied().unwrap_or(0) as usize
    }

    #[inline]
    pub fn right(&self, row: u32) -> usize {
        self.right.get(row as usize).copied().unwrap_or(0) as usize
    }
}

impl Heads {
    /// The series of a selection as they are.
    pub fn of(selection: SharedSeries) -> Self {
        Heads { selection, groups: None, filters: Vec::new(), way: String::new() }
    }

    /// The number of rows there could be.
    pub fn len(&self) -> usize {
        self.groups.as_ref().map_or(self.selection.len(), |g| g.len())
    }

    /// The same rows with fewer labels.
    pub fn filtered(mut self, filter: Filter) -> Self {
        filter.describe(&mut self.way);
        self.filters.push(filter);
        self
    }

    /// The labels of a row.
    pub fn labels(&self, row: u32) -> Cow<'_, Labels> {
        static NONE: std::sync::LazyLock<Labels> = std::sync::LazyLock::new(Labels::empty);
        let labels = self.series(row).map_or(&*NONE, |s| s.labels());
        if self.filters.is_empty() { Cow::Borrowed(labels) } else { Cow::Owned(labels.filter(|n| self.keeps(n))) }
    }

    fn keeps(&self, name: &str) -> bool {
        self.filters.iter().all(|f| f.keeps(name))
    }

    fn series(&self, row: u32) -> Option<&Arc<dyn Series>> {
        let series = match &self.groups {
            Some(groups) => *groups.firsts.get(row as usize)?,
            None => row,
        };
        self.selection.get(series as usize)
    }

    /// The groups that these rows make by what is left of their labels, each a row.
    pub fn grouped(self) -> (Self, Arc<Grouping>) {
        let make = || {
            let mut numbers = Numbers::default();
            let of = (0..self.len() as u32).map(|row| numbers.of(&self, row)).collect();
            let firsts = numbers.firsts;
            Grouping { of: if firsts.len() > 1 { of } else { Vec::new() }, firsts }
        };
        let groups = self.selection.derived(&format!("groups {}", self.way), |_| true, make);
        let way = format!("{}groups;", self.way);
        (Heads { groups: Some(groups.clone()), way, ..self }, groups)
    }

    /// Which of these rows have the same labels as which of others.
    pub fn meet(&self, right: &Heads) -> Arc<Meeting> {
        let other = Arc::downgrade(&right.selection);
        let what = format!("meet {} {}", self.way, right.way);
        self.selection.derived(
            &what,
            |kept: &Meeting| kept.other.ptr_eq(&other),
            || {
                let mut numbers = Numbers::default();
                let left = (0..self.len() as u32).map(|row| numbers.of(self, row)).collect();
                let right = (0..right.len() as u32).map(|row| numbers.of(right, row)).collect();
                Meeting { other: other.clone(), left, right, groups: numbers.firsts.len() }
            },
        )
    }
}

/// Numbers label sets in the order in which they come.
#[derive(Default)]
struct Numbers {
    known: FxHashMap<Box<[u8]>, u32>,
    key: Vec<u8>,
    firsts: Vec<u32>,
}

impl Numbers {
    fn of(&mut self, heads: &Heads, row: u32) -> u32 {
        self.key.clear();
        if let Some(series) = heads.series(row) {
            series.labels().filter_into(&mut self.key, |n| heads.keeps(n));
        }
        if let Some(n) = self.known.get(self.key.as_slice()) {
            return *n;
        }
        let n = self.firsts.len() as u32;
        self.known.insert(self.key.as_slice().into(), n);
        self.firsts.push(heads.groups.as_ref().and_then(|g| g.firsts.get(row as usize)).copied().unwrap_or(row));
        n
    }
}
