//! Bounds of what clients may ask of Prometheus' API, by flags.

use tokio::sync::Semaphore;

/// Bounds of remote reads; 0 for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadLimits {
    /// `--storage.remote.read-sample-limit`: samples of an answer that is not streamed.
    pub samples: usize,
    /// `--storage.remote.read-concurrent-limit`
    pub concurrent: usize,
}

impl ReadLimits {
    /// How many may be under way.
    pub fn places(&self) -> usize {
        if self.concurrent == 0 { Semaphore::MAX_PERMITS } else { self.concurrent.min(Semaphore::MAX_PERMITS) }
    }
}

impl Default for ReadLimits {
    fn default() -> Self {
        ReadLimits { samples: 50_000_000, concurrent: 10 }
    }
}
