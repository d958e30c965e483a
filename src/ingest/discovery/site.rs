//! Where a discovery stands: what it hands on and what it counts.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::watch;

use super::group::TargetGroup;
use super::metrics::{Counts, MechanismCounters};
use crate::clock::Stopwatch;

/// Groups as they were found last.
pub type Groups = Arc<[TargetGroup]>;

/// The most targets of one discovery.
const MOST_TARGETS: usize = 500_000;

/// What a running discovery is given.
pub struct Site {
    pub(super) mechanism: &'static str,
    /// The job, or the set of Alertmanagers, that asked first.
    pub(super) config: Arc<str>,
    pub(super) out: watch::Sender<Option<Groups>>,
    pub(super) counts: Arc<Counts>,
    pub(super) counters: Arc<MechanismCounters>,
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
        let targets: usize = groups.iter().map(|g| g.targets.len()).sum();
        if targets > MOST_TARGETS {
            return Err(format!("{targets} targets are more than {MOST_TARGETS}"));
        }
        self.counters.updates.inc();
        let same = self.out.borrow().as_deref().is_some_and(|last| *last == *groups);
        if !same {
            self.out.send_replace(Some(groups.into()));
        }
        Ok(())
    }

    /// Counts and tells that targets could not be looked for.
    pub(super) fn failed(&self, error: &str) {
        self.counts.failures.inc();
        let (discovery, config) = (self.mechanism, &*self.config);
        tracing::error!(discovery, config, error, "Unable to refresh target groups");
    }

    /// Asks at once and then at intervals, for ever.
    pub(super) async fn every(self, interval: Duration, mut source: impl Refresh) {
        let interval = interval.max(Duration::from_millis(1));
        loop {
            let watch = Stopwatch::start();
            let found = source.refresh(&self).await;
            self.counts.refreshed(watch.elapsed());
            if let Err(error) = found.and_then(|groups| self.publish(groups)) {
                self.failed(&error);
            }
            tokio::time::sleep(interval.saturating_sub(watch.elapsed())).await;
        }
    }
}
