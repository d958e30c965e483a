//! Label sets to group numbers.

use rustc_hash::FxHashMap;

use super::super::names;
use super::super::plan::GroupLabels;
use crate::model::Labels;

/// Numbers the groups that grouping labels make, in order of appearance.
pub(super) struct Groups<'a> {
    by: &'a GroupLabels,
    type_and_unit: bool,
    index: FxHashMap<Box<[u8]>, usize>,
    key: Vec<u8>,
    /// The label set of every group.
    pub labels: Vec<Labels>,
}

impl<'a> Groups<'a> {
    pub fn new(by: &'a GroupLabels, type_and_unit: bool) -> Self {
        Groups { by, type_and_unit, index: FxHashMap::default(), key: Vec::new(), labels: Vec::new() }
    }

    /// The group of a series. `nameless` series have no metric name, whatever their labels say.
    pub fn of(&mut self, labels: &Labels, nameless: bool) -> usize {
        self.make_key(labels, nameless);
        if let Some(i) = self.index.get(self.key.as_slice()) {
            return *i;
        }
        let i = self.labels.len();
        self.labels.push(Labels::from_bytes(&self.key).unwrap_or_default());
        self.index.insert(self.key.as_slice().into(), i);
        i
    }

    /// The group of a series, when there is one.
    pub fn find(&mut self, labels: &Labels, nameless: bool) -> Option<usize> {
        self.make_key(labels, nameless);
        self.index.get(self.key.as_slice()).copied()
    }

    fn make_key(&mut self, labels: &Labels, nameless: bool) {
        let (by, type_and_unit) = (self.by, self.type_and_unit);
        self.key.clear();
        if by.labels.is_empty() && !by.without {
            return;
        }
        labels.filter_into(&mut self.key, |name| {
            by.labels.binary_search_by(|l| l.as_str().cmp(name)).is_ok() != by.without
                && !(nameless && names::is_reserved(name, type_and_unit))
        });
    }
}
