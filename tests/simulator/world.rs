//! The surroundings: what is true, what the datasource says of it, and the disk.

use std::collections::{BTreeMap, BTreeSet};

use parking_lot::Mutex;
use watchbell::alerting::RuleSpec;
use watchbell::alerting::group::{Element, Refused, RuleResult, TemplateInput, World};
use watchbell::alerting::series::RuleSample;
use watchbell::model::{Labels, Value};
use watchbell::state::{Batch, MemoryStore, Snapshot, StateError, StateStore, Table};

use super::scenario::{Dice, INSTANCES};

/// What is wrong with a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Queries fail, as they do when an answer is partial.
    Failing,
    /// Queries succeed and find nothing.
    Empty,
    /// Queries hang, then fail.
    Hanging,
}

/// For each source, the instances of which it is true, and what the datasource makes of it.
#[derive(Default)]
pub struct Sources(Mutex<Said>);

#[derive(Default)]
struct Said {
    up: BTreeSet<(usize, usize)>,
    faults: BTreeMap<usize, Fault>,
}

impl Sources {
    pub fn set(&self, source: usize, instance: usize, up: bool) {
        let mut said = self.0.lock();
        if up {
            said.up.insert((source, instance));
        } else {
            said.up.remove(&(source, instance));
        }
    }

    pub fn is_up(&self, source: usize, instance: usize) -> bool {
        self.0.lock().up.contains(&(source, instance))
    }

    pub fn set_fault(&self, source: usize, fault: Option<Fault>) {
        let mut said = self.0.lock();
        match fault {
            Some(fault) => said.faults.insert(source, fault),
            None => said.faults.remove(&source),
        };
    }

    pub fn fault(&self, source: usize) -> Option<Fault> {
        self.0.lock().faults.get(&source).copied()
    }
}

/// Which source an expression asks.
pub fn source_of(rule: &RuleSpec) -> usize {
    let name = rule.expr.split(' ').next().unwrap_or_default();
    name.trim_start_matches("source").parse().unwrap_or(usize::MAX)
}

impl World for Sources {
    fn query(&self, rule: &RuleSpec, _at: i64) -> Result<RuleResult, String> {
        let source = source_of(rule);
        match self.fault(source) {
            Some(Fault::Failing) => return Err("partial response".into()),
            Some(Fault::Hanging) => return Err("query timed out".into()),
            Some(Fault::Empty) => return Ok(RuleResult::default()),
            None => {}
        }
        let element = |(_, name): (usize, &&str)| Element {
            labels: Labels::from_pairs([("instance", *name)]),
            value: Value::Float(1.0),
        };
        let up = INSTANCES.iter().enumerate().filter(|(i, _)| self.is_up(source, *i));
        Ok(RuleResult { elements: up.map(element).collect(), ..RuleResult::default() })
    }

    fn render(&self, input: TemplateInput<'_>) -> String {
        input.text.to_owned()
    }

    fn append(&self, _samples: &[RuleSample]) -> Result<Refused, String> {
        Ok(Refused::default())
    }
}

/// A disk: what is flushed stays; what is not may be lost by a crash, the newest first. It may be full for a while.
#[derive(Default)]
pub struct Disk {
    flushed: MemoryStore,
    tail: Mutex<Vec<Batch>>,
    full: Mutex<bool>,
}

impl Disk {
    pub fn set_full(&self, full: bool) {
        *self.full.lock() = full;
    }

    pub fn flush(&self) {
        self.flush_first(usize::MAX);
    }

    pub fn is_flushed(&self) -> bool {
        self.tail.lock().is_empty()
    }

    fn flush_first(&self, count: usize) {
        let mut tail = self.tail.lock();
        let count = count.min(tail.len());
        for batch in tail.drain(..count) {
            self.flushed.apply(&batch).expect("memory takes everything");
        }
    }

    pub fn crash(&self, dice: &mut Dice) {
        let kept = dice.index(self.tail.lock().len() + 1);
        self.flush_first(kept);
        self.tail.lock().clear();
    }

    /// Makes a record one that does not decode.
    pub fn damage(&self, dice: &mut Dice) {
        let mut batch = Batch::default();
        let table = dice.pick(&Table::ALL);
        let stored = self.flushed.load().unwrap_or_default();
        let records = stored.read::<serde_json::Value>(table);
        if records.is_empty() {
            return;
        }
        let (key, _) = &records[dice.index(records.len())];
        batch.put(table, key.clone(), &"damaged", true);
        self.flushed.apply(&batch).expect("memory takes everything");
    }
}

impl StateStore for Disk {
    fn load(&self) -> Result<Snapshot, StateError> {
        self.flushed.load()
    }

    fn apply(&self, batch: &Batch) -> Result<(), StateError> {
        if *self.full.lock() {
            return Err(StateError::Store("no space left on device".into()));
        }
        self.tail.lock().push(batch.clone());
        if batch.is_durable() {
            self.flush();
        }
        Ok(())
    }
}
