//! The fleet's history into the database, by several threads, and its present, row by row.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use crate::fleet::{Act, Fleet, SCRAPE_INTERVAL};
use crate::tsdb::{AppendError, SeriesRef, Tsdb, TsdbError};

/// A fleet whose series are known to a database.
pub struct Stage {
    fleet: Fleet,
    storage: Tsdb,
    refs: Vec<SeriesRef>,
    /// How much later the fleet's times are here, milliseconds.
    shift: i64,
}

/// Why the fleet could not be stored.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// A sample was refused.
    #[error("the fleet's samples were refused: {0}")]
    Refused(#[from] AppendError),
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] TsdbError),
}

impl Stage {
    /// Makes the fleet's series known. What the fleet has at a time happens `shift` milliseconds later here: its day and
    /// its story are the same at any hour.
    ///
    /// # Errors
    /// The database does not take them.
    pub fn new(fleet: Fleet, storage: Tsdb, shift: i64) -> Result<Stage, StageError> {
        let mut appender = storage.appender();
        let refs = fleet.series().iter().map(|s| appender.series(&s.labels)).collect::<Result<_, _>>()?;
        drop(appender);
        Ok(Stage { fleet, storage, refs, shift })
    }

    /// What goes wrong in the fleet, and when here.
    pub fn acts(&self) -> Vec<Act> {
        let acts = self.fleet.incident().acts().into_iter();
        acts.map(|act| Act { at: act.at.saturating_add(self.shift), ..act }).collect()
    }

    /// The fleet.
    pub fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    /// The database.
    pub fn storage(&self) -> &Tsdb {
        &self.storage
    }

    /// Stores `rows` samples of every series from `start` on. `progress` hears how many series are done.
    ///
    /// # Errors
    /// The database refuses a sample.
    pub fn backfill(&self, start: i64, rows: usize, mut progress: impl FnMut(usize)) -> Result<(), StageError> {
        let times: Vec<i64> = (0..rows as i64).map(|i| start + i * SCRAPE_INTERVAL).collect();
        let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get).min(8);
        let next = AtomicUsize::new(0);
        let (sender, done) = mpsc::channel();
        std::thread::scope(|scope| {
            for _ in 0..threads {
                let (sender, times, next) = (sender.clone(), &times, &next);
                scope.spawn(move || {
                    let mut values = vec![0.0; times.len()];
                    loop {
                        let i = next.fetch_add(1, Ordering::Relaxed);
                        let (Some(series), Some(id)) = (self.fleet.series().get(i), self.refs.get(i)) else { break };
                        series.fill(start - self.shift, SCRAPE_INTERVAL, &mut values);
                        // The receiver listens until the last sender is gone.
                        let _ = sender.send(self.storage.append_column(*id, times, &values));
                    }
                });
            }
            drop(sender);
            for (i, result) in done.iter().enumerate() {
                result?;
                progress(i + 1);
            }
            Ok(())
        })
    }

    /// Stores every series' sample at one time.
    ///
    /// # Errors
    /// The database refuses a sample.
    pub fn row(&self, t: i64) -> Result<(), StageError> {
        let mut appender = self.storage.appender();
        for (series, id) in self.fleet.series().iter().zip(&self.refs) {
            appender.append_ref(*id, t, series.value(t - self.shift))?;
        }
        appender.commit()?;
        Ok(())
    }
}
