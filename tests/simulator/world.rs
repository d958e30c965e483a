//! The surroundings: what is true, what the datasource says of it, and the disk.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use watchbell::alerting::RuleSpec;
use watchbell::alerting::group::{Appended, Element, RuleResult, TemplateInput, World};
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
    /// Queries see the first instance only, and say that this is not all.
    Partial,
}

/// For each source, the instances of which it is true, and what the datasource makes of it.
#[derive(Default)]
pub struct Sources(Mutex<Said>);

#[derive(Default)]
struct Said {
    up: BTreeSet<(usize, usize)>,
    faults: BTreeMap<usize, Fault>,
    /// Nothing was scraped for so long that queries find nothing.
    blind: bool,
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

    pub fn set_blind(&self, blind: bool) {
        self.0.lock().blind = blind;
    }

    pub fn is_blind(&self) -> bool {
        self.0.lock().blind
    }

    /// The instances a query is told of, and whether there may be more. `None` where it fails.
    pub fn answer(&self, source: usize) -> Option<(Vec<usize>, bool)> {
        let fault = self.fault(source);
        let seen = match fault {
            Some(Fault::Failing | Fault::Hanging) => return None,
            Some(Fault::Empty) => 0,
            _ if self.is_blind() => 0,
            Some(Fault::Partial) => 1,
            None => INSTANCES.len(),
        };
        Some(((0..seen).filter(|i| self.is_up(source, *i)).collect(), fault == Some(Fault::Partial)))
    }
}

/// Which source an expression asks.
pub fn source_of(rule: &RuleSpec) -> usize {
    let name = rule.expr.split(' ').next().unwrap_or_default();
    name.trim_start_matches("source").parse().unwrap_or(usize::MAX)
}

impl World for Sources {
    fn query(&self, rule: &RuleSpec, _at: i64) -> Result<RuleResult, String> {
        let Some((up, is_partial)) = self.answer(source_of(rule)) else { return Err("query timed out".into()) };
        let element =
            |i: usize| Element { labels: Labels::from_pairs([("instance", INSTANCES[i])]), value: Value::Float(1.0) };
        let partial = is_partial.then(|| "a store did not answer".to_owned());
        Ok(RuleResult { elements: up.into_iter().map(element).collect(), partial, ..RuleResult::default() })
    }

    fn render(&self, input: TemplateInput<'_>) -> String {
        input.text.to_owned()
    }

    fn append(&self, _samples: &[RuleSample]) -> Result<Appended, String> {
        Ok(Appended::default())
    }
}

/// A disk: what is flushed stays; what is not may be lost by a crash, the newest first. It may be full for a while.
#[derive(Default)]
pub struct Disk {
    flushed: MemoryStore,
    tail: Mutex<Vec<Batch>>,
    full: Mutex<bool>,
    batches: AtomicU64,
    /// What the copy holds that is read where the store cannot be.
    rescue: Mutex<Snapshot>,
}

impl Disk {
    pub fn set_full(&self, full: bool) {
        *self.full.lock() = full;
    }

    pub fn flush(&self) {
        self.flush_first(usize::MAX);
    }

    /// How many batches were stored so far.
    pub fn batches(&self) -> u64 {
        self.batches.load(Ordering::Relaxed)
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

    /// The process has died. What was under way may be `torn`; says whether it was.
    pub fn crash(&self, dice: &mut Dice, torn: bool) -> bool {
        let kept = dice.index(self.tail.lock().len() + 1);
        self.flush_first(kept);
        let lost = std::mem::take(&mut *self.tail.lock());
        let under_way = lost.first().filter(|_| torn);
        if let Some(batch) = under_way {
            self.apply_part(batch, dice);
        }
        under_way.is_some()
    }

    /// What is stored, but for some tables.
    pub fn without(&self, tables: &[Table]) -> Result<Snapshot, StateError> {
        let less = MemoryStore::default();
        let copy = self.load()?;
        Table::ALL.into_iter().filter(|t| !tables.contains(t)).try_for_each(|table| {
            let mut batch = Batch::default();
            for (key, record) in copy.read::<serde_json::Value>(table) {
                batch.put(table, key, &record, true);
            }
            less.apply(&batch)
        })?;
        less.load()
    }

    /// Damages what is stored, as disks do; says how.
    pub fn damage(&self, dice: &mut Dice) -> &'static str {
        match dice.index(8) {
            0 => {
                self.replace(&Snapshot::default());
                "the store is gone"
            }
            1 => {
                let table = dice.pick(&Table::ALL);
                self.replace(&self.without(&[table]).unwrap_or_default());
                "a table is gone"
            }
            2 | 3 => {
                self.replace(&self.rescue.lock().clone());
                "the store is set aside, and its rescue copy is older"
            }
            4 => {
                let stored = self.flushed.load().unwrap_or_default();
                (0..1 + stored.len() / 2).for_each(|_| self.spoil_record(dice));
                "many records are damaged"
            }
            _ => {
                self.spoil_record(dice);
                "a record is damaged"
            }
        }
    }

    /// What is stored now is what a rescue copy has.
    pub fn write_rescue(&self) {
        *self.rescue.lock() = self.flushed.load().unwrap_or_default();
    }

    /// A part of a batch is stored: the disk tore it.
    fn apply_part(&self, torn: &Batch, dice: &mut Dice) {
        let mut part = Batch::default();
        for (table, key, value) in torn.changes().take(dice.index(torn.len() + 1)) {
            match value.map(serde_json::from_slice::<serde_json::Value>) {
                Some(record) => part.put(table, key, &record.expect("records are JSON"), true),
                None => part.delete(table, key, true),
            }
        }
        self.flushed.apply(&part).expect("memory takes everything");
    }

    fn replace(&self, with: &Snapshot) {
        let mut batch = Batch::default();
        let stored = self.flushed.load().unwrap_or_default();
        for table in Table::ALL {
            stored.read::<serde_json::Value>(table).into_iter().for_each(|(key, _)| batch.delete(table, key, true));
            for (key, record) in with.read::<serde_json::Value>(table) {
                batch.put(table, key, &record, true);
            }
        }
        self.flushed.apply(&batch).expect("memory takes everything");
    }

    /// Makes a record one that does not decode.
    fn spoil_record(&self, dice: &mut Dice) {
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
        self.batches.fetch_add(1, Ordering::Relaxed);
        self.tail.lock().push(batch.clone());
        if batch.is_durable() {
            self.flush();
        }
        Ok(())
    }
}
