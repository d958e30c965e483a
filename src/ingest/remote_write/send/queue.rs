//! A shard's queue: bounded, and who fills it waits while it is full.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tokio::sync::Notify;

use crate::clock::Stopwatch;
use crate::ingest::store::SampleRow;
use crate::model::Labels;
use crate::tsdb::Exemplar;
use crate::tsdb::follow::LogPosition;

/// What is sent.
#[derive(Clone, Debug)]
pub(super) enum Item {
    Sample(SampleRow),
    Exemplar(Labels, Exemplar),
}

impl Item {
    /// Its series.
    pub fn labels(&self) -> &Labels {
        match self {
            Item::Sample(row) => &row.labels,
            Item::Exemplar(labels, _) => labels,
        }
    }
}

/// An item, and where it is in the log.
#[derive(Clone, Debug)]
pub(super) struct Queued {
    pub item: Item,
    /// Before the record it is from: from there on it would be read again.
    pub position: LogPosition,
}

#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    came: Notify,
    room: Condvar,
    capacity: usize,
    batch: usize,
}

#[derive(Debug, Default)]
struct State {
    /// Each with the time it came.
    rows: VecDeque<(Stopwatch, Queued)>,
    /// The first row of the batch that was handed out, until it has arrived.
    in_flight: Option<LogPosition>,
    closed: bool,
}

impl Queue {
    pub fn new(capacity: usize, batch: usize) -> Self {
        let batch = batch.max(1);
        let (state, came, room) = (Mutex::default(), Notify::new(), Condvar::new());
        Queue { state, came, room, capacity: capacity.max(batch), batch }
    }

    /// Takes the first of `rows` in as far as there is room, and waits for room as long as `patience` when there is none.
    pub fn fill(&self, rows: &mut VecDeque<Queued>, patience: Duration) {
        let mut state = self.state.lock();
        if state.rows.len() >= self.capacity && !state.closed {
            self.room.wait_for(&mut state, patience);
        }
        let room = self.capacity.saturating_sub(state.rows.len()).min(rows.len());
        let now = Stopwatch::start();
        state.rows.extend(rows.drain(..room).map(|row| (now, row)));
        drop(state);
        self.came.notify_one();
    }

    /// Rows that wait; those under way are not among them.
    pub fn len(&self) -> usize {
        self.state.lock().rows.len()
    }

    /// Whether who fills it has to wait.
    pub fn is_full(&self) -> bool {
        self.len() >= self.capacity
    }

    /// Where the oldest row is that has not arrived yet.
    pub fn oldest(&self) -> Option<LogPosition> {
        let state = self.state.lock();
        state.in_flight.or_else(|| state.rows.front().map(|(_, queued)| queued.position))
    }

    /// The batch that was handed out last has arrived, or never will.
    pub fn arrived(&self) {
        self.state.lock().in_flight = None;
    }

    /// No more rows will come: what is there is handed out, then the end.
    pub fn close(&self) {
        self.state.lock().closed = true;
        self.came.notify_one();
        self.room.notify_all();
    }

    /// The next batch: a full one, or what there is once its first row has waited for `deadline`; `None` at the end.
    pub async fn next_batch(&self, deadline: Duration) -> Option<Vec<Item>> {
        loop {
            let waited = {
                let mut state = self.state.lock();
                let (ready, first) = (state.rows.len(), state.rows.front().map(|(came, _)| came.elapsed()));
                let overdue = first.is_some_and(|waited| waited >= deadline);
                if ready >= self.batch || overdue || (ready > 0 && state.closed) {
                    state.in_flight = state.rows.front().map(|(_, queued)| queued.position);
                    let batch = state.rows.drain(..ready.min(self.batch)).map(|(_, queued)| queued.item).collect();
                    self.room.notify_all();
                    return Some(batch);
                }
                if state.closed {
                    return None;
                }
                first
            };
            tokio::select! {
                () = self.came.notified() => {}
                () = tokio::time::sleep(deadline.saturating_sub(waited.unwrap_or_default())), if waited.is_some() => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Value;

    #[tokio::test]
    async fn a_batch_goes_when_its_first_row_has_waited_though_more_come() {
        let queue = Queue::new(1_000_000, 1_000_000);
        let row = SampleRow { labels: Labels::empty(), series: None, t: 0, st: 0, value: Value::Float(0.0) };
        let one = || VecDeque::from([Queued { item: Item::Sample(row.clone()), position: LogPosition::default() }]);
        queue.fill(&mut one(), Duration::ZERO);
        let batch = queue.next_batch(Duration::from_millis(20));
        tokio::pin!(batch);
        // Each row that comes wakes the one who waits; that must not begin the wait anew.
        let taken = loop {
            tokio::select! {
                biased;
                taken = &mut batch => break taken,
                () = tokio::task::yield_now() => queue.fill(&mut one(), Duration::ZERO),
            }
        };
        assert!(taken.is_some_and(|rows| rows.len() > 1));
        assert!(queue.oldest().is_some(), "it has not arrived yet");
    }
}
