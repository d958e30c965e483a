//! What everyone who uses the service should know, as Prometheus shows it above its pages: what does not work now.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Semaphore;

/// What is told, and since when, milliseconds.
pub type Told = BTreeMap<String, i64>;

/// What is told now, and who follows it.
pub struct Notices {
    told: Mutex<Told>,
    subscribers: usize,
    /// Places for those who follow.
    pub places: Arc<Semaphore>,
}

impl Notices {
    /// Nothing is told yet; so many may follow.
    pub fn new(subscribers: usize) -> Self {
        let subscribers = subscribers.min(Semaphore::MAX_PERMITS);
        Notices { told: Mutex::default(), subscribers, places: Arc::new(Semaphore::new(subscribers)) }
    }

    /// How many follow.
    pub fn followers(&self) -> usize {
        self.subscribers.saturating_sub(self.places.available_permits())
    }

    /// Tells these troubles from now on. What was told before keeps its time.
    pub fn tell(&self, troubles: Vec<String>, now: i64) -> Told {
        let mut told = self.told.lock();
        let since = |text: String| (told.get(&text).copied().unwrap_or(now), text);
        let found: Told = troubles.into_iter().map(since).map(|(since, text)| (text, since)).collect();
        told.clone_from(&found);
        found
    }
}
