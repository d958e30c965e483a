//! Those who follow the history: what is recorded is handed to them as it is written, so that none of them reads files to
//! learn that there is nothing new.

use std::sync::Arc;

use tokio::sync::broadcast;

use super::record::Recorded;

/// Frames that wait for a follower. One that falls further behind reads what it missed from the files.
const MOST_WAITING: usize = 16;

/// What is recorded together.
pub type News = Arc<[Recorded]>;

/// Those who follow.
pub(super) struct Followers(broadcast::Sender<News>);

impl Default for Followers {
    fn default() -> Self {
        Followers(broadcast::Sender::new(MOST_WAITING))
    }
}

impl Followers {
    /// One more.
    pub fn follow(&self) -> broadcast::Receiver<News> {
        self.0.subscribe()
    }

    /// Tells them, the oldest decision first.
    pub fn tell(&self, recorded: Vec<Recorded>) {
        // None may be there, and the last may have left meanwhile.
        if self.0.receiver_count() > 0 {
            let _ = self.0.send(recorded.into());
        }
    }
}
