//! Where a discovery stands: what it hands on and what it counts.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::group::TargetGroup;
use super::metrics::{Counts, MechanismCounters};
use crate::clock::Stopwatch;
use crate::instrument::{Fails, Trouble, WorksAgain};

/// Groups as they were found last.
pub type Groups = Arc<[TargetGroup]>;

/// The most targets, or groups of them, of one discovery.
pub const MOST_TARGETS: usize = 500_000;

/// What a running discovery is given.
pub struct Site {
    pub(super) mechanism: &'static str,
    /// The job, or the set of Alertmanagers, that asked first.
    pub(super) config: Arc<str>,
    pub(super) out: watch::Sender<Option<Groups>>,
    pub(super) counts: Arc<Counts>,
    pub(super) counters: Arc<MechanismCounters>,
    pub(super) trouble: Arc<SiteTrouble>,
}

/// What keeps a discovery from finding targets, for the log and for whoever asks.
#[derive(Debug)]
pub(super) struct SiteTrouble {
    begun: Stopwatch,
    trouble: Mutex<Trouble>,
}

impl Default for SiteTrouble {
    fn default() -> Self {
        SiteTrouble { begun: Stopwatch::start(), trouble: Mutex::default() }
    }
}

impl SiteTrouble {
    /// Why it fails, if it does.
    pub fn error(&self) -> Option<String> {
        self.trouble.lock().error().map(str::to_owned)
    }
}

/// The most pages of a list.
pub const MOST_PAGES: usize = 10_000;

/// A list that does not end.
pub(super) fn too_many_pages() -> String {
    format!("more than {MOST_PAGES} pages")
}

/// Whether there are more targets than can be kept.
pub(super) fn too_many(targets: usize) -> Result<(), String> {
    if targets > MOST_TARGETS { Err(format!("more than {MOST_TARGETS} targets")) } else { Ok(()) }
}

/// A kind of discovery: how what a configuration says of it runs.
pub(super) trait Discover: Clone + PartialEq + Send + 'static {
    /// Its name in metrics, `NAME_sd_configs` in a configuration.
    const MECHANISM: &'static str;

    /// Finds targets and hands them on, until it is dropped.
    fn run(self, site: Site) -> BoxFuture<'static, ()>;
}

/// A discovery that asks at intervals.
pub(super) trait Refresh: Send {
    /// Everything that there is now.
    ///
    /// # Errors
    /// Why that is not known; what was found before still counts.
    fn refresh<'a>(&'a mut self, site: &'a Site) -> BoxFuture<'a, Result<Vec<TargetGroup>, String>>;
}

impl Site {
    /// Hands on everything that was found.
    ///
    /// # Errors
    /// There are more targets than can be kept; what was found before still counts.
    pub(super) fn publish(&self, groups: Vec<TargetGroup>) -> Result<(), String> {
        too_many(groups.iter().map(|g| g.targets.len().max(1)).sum())?;
        self.counters.updates.inc();
        let same = self.out.borrow().as_deref().is_some_and(|last| *last == *groups);
        if !same {
            self.out.send_replace(Some(groups.into()));
        }
        Ok(())
    }

    /// Counts and tells that targets could not be looked for.
    pub(super) fn failed(&self, error: &str) {
        self.part_failed("", error);
    }

    /// As [`failed`](Self::failed), where a part of what is looked at fails, and others do not.
    pub(super) fn part_failed(&self, part: &str, error: &str) {
        self.counts.failures.inc();
        self.tell(part, error, "Unable to refresh target groups");
    }

    /// Tells what fails: when it begins, every few minutes while it goes on.
    pub(super) fn tell(&self, part: &str, error: &str, what: &'static str) {
        let (discovery, config) = (self.mechanism, &*self.config);
        let told = self.trouble.trouble.lock().failed(part, error, self.trouble.begun.elapsed());
        match told {
            Some(Fails { is_new: true, .. }) => tracing::error!(discovery, config, error, "{what}"),
            Some(Fails { failures, seconds, .. }) => {
                tracing::error!(discovery, config, error, failures, for_seconds = seconds, "{what}; it goes on");
            }
            None => {}
        }
    }

    /// Nothing fails now.
    pub(super) fn works(&self) {
        self.say_works(self.trouble.trouble.lock().all_work(self.trouble.begun.elapsed()));
    }

    /// A part does not fail now.
    pub(super) fn part_works(&self, part: &str) {
        self.say_works(self.trouble.trouble.lock().works(part, self.trouble.begun.elapsed()));
    }

    fn say_works(&self, again: Option<WorksAgain>) {
        if let Some(WorksAgain { failures, seconds }) = again {
            let (discovery, config) = (self.mechanism, &*self.config);
            tracing::info!(discovery, config, failures, for_seconds = seconds, "target groups are refreshed again");
        }
    }

    /// Asks at once and then at intervals, for ever.
    pub(super) async fn every(self, interval: Duration, mut source: impl Refresh) {
        let interval = interval.max(Duration::from_millis(1));
        loop {
            let (watch, failures) = (Stopwatch::start(), self.counts.failures.get());
            let found = source.refresh(&self).await;
            self.counts.refreshed(watch.elapsed());
            match found.and_then(|groups| self.publish(groups)) {
                Err(error) => self.failed(&error),
                Ok(()) if self.counts.failures.get() == failures => self.works(),
                // Some of it could not be looked for.
                Ok(()) => {}
            }
            tokio::time::sleep(interval.saturating_sub(watch.elapsed())).await;
        }
    }
}
