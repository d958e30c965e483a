//! A shard's queue: bounded, and when it is full the oldest samples give way.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::ingest::store::SampleRow;

#[derive(Debug)]
pub(super) struct Queue {
    rows: Mutex<State>,
    arrived: Notify,
    capacity: usize,
    batch: usize,
}

#[derive(Debug, Default)]
struct State {
    rows: VecDeque<SampleRow>,
    closed: bool,
}

impl Queue {
    pub fn new(capacity: usize, batch: usize) -> Self {
        let batch = batch.max(1);
        Queue { rows: Mutex::default(), arrived: Notify::new(), capacity: capacity.max(batch), batch }
    }

    /// Takes rows in; how many older ones had to go for them.
    pub fn push(&self, rows: impl Iterator<Item = SampleRow>) -> usize {
        let mut state = self.rows.lock();
        state.rows.extend(rows);
        let excess = state.rows.len().saturating_sub(self.capacity);
        state.rows.drain(..excess);
        drop(state);
        self.arrived.notify_one();
        excess
    }

    pub fn len(&self) -> usize {
        self.rows.lock().rows.len()
    }

    /// No more rows will come: what is there is handed out, then the end.
    pub fn close(&self) {
        self.rows.lock().closed = true;
        self.arrived.notify_one();
    }

    /// The next batch: a full one, or what there is once `deadline` is over; `None` at the end.
    pub async fn next_batch(&self, deadline: Duration) -> Option<Vec<SampleRow>> {
        let mut overdue = false;
        loop {
            {
                let mut state = self.rows.lock();
                let ready = state.rows.len();
                if ready >= self.batch || (ready > 0 && (overdue || state.closed)) {
                    return Some(state.rows.drain(..ready.min(self.batch)).collect());
                }
                if state.closed {
                    return None;
                }
                overdue = false;
            }
            let waiting = self.len() > 0;
            tokio::select! {
                () = self.arrived.notified() => {}
                () = tokio::time::sleep(deadline), if waiting => overdue = true,
            }
        }
    }
}
