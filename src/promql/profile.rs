//! What every operator of an evaluation cost.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use super::plan::NodeId;
use crate::clock::Stopwatch;

/// What one node of a plan cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeStats {
    /// Series it gave.
    pub series: u64,
    /// Series it read from storage.
    pub series_read: u64,
    /// Samples it read from storage.
    pub samples_read: u64,
    /// Time spent in it, without the nodes below and above it.
    pub time: Duration,
}

/// Charges time to the node that is at work. Series are pushed upwards one by one, so that work changes hands often.
pub(crate) struct Profiler {
    nodes: RefCell<Vec<NodeStats>>,
    current: Cell<Option<NodeId>>,
    since: Cell<Stopwatch>,
}

impl Profiler {
    pub fn new(nodes: usize) -> Self {
        Profiler {
            nodes: RefCell::new(vec![NodeStats::default(); nodes]),
            current: Cell::new(None),
            since: Cell::new(Stopwatch::start()),
        }
    }

    /// Another node goes to work; returns the one that was at it.
    pub fn switch(&self, to: Option<NodeId>) -> Option<NodeId> {
        let spent = self.since.replace(Stopwatch::start()).elapsed();
        let from = self.current.replace(to);
        self.charge(from, |n| n.time += spent);
        from
    }

    /// Adds to what the node at work has done.
    pub fn count(&self, f: impl FnOnce(&mut NodeStats)) {
        self.charge(self.current.get(), f);
    }

    fn charge(&self, node: Option<NodeId>, f: impl FnOnce(&mut NodeStats)) {
        if let Some(id) = node
            && let Some(stats) = self.nodes.borrow_mut().get_mut(id.0 as usize)
        {
            f(stats);
        }
    }

    pub fn finish(self) -> Vec<NodeStats> {
        self.switch(None);
        self.nodes.into_inner()
    }
}
