//! How many notifications there were, and how many failed for good, as Alertmanager counts them: a notification is all
//! attempts between two flushes of its group.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::notify::IntegrationId;
use crate::notify::failure::FailureReason;

/// Most receivers and kinds that are counted apart.
const MOST: usize = 2_000;

/// What became of the notifications to a receiver's integrations of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Notifications begun.
    pub begun: u64,
    /// Those that failed for good, by why.
    pub failed: BTreeMap<FailureReason, u64>,
}

/// Kind and receiver.
type Whose = (Arc<str>, Arc<str>);

/// Tallies by kind and receiver. Clones share them until one changes.
#[derive(Clone, Debug, Default)]
pub struct Tallies(Arc<BTreeMap<Whose, Tally>>);

impl Tallies {
    /// Each kind and receiver that has been notified, with its tally.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str, &Tally)> {
        self.0.iter().map(|((kind, receiver), tally)| (&**kind, &**receiver, tally))
    }

    pub(super) fn begin(&mut self, integration: &IntegrationId) {
        self.change(integration, |tally| tally.begun += 1);
    }

    pub(super) fn fail(&mut self, integration: &IntegrationId, error: &str) {
        self.change(integration, |tally| *tally.failed.entry(FailureReason::of(error)).or_default() += 1);
    }

    fn change(&mut self, integration: &IntegrationId, change: impl FnOnce(&mut Tally)) {
        let key = (integration.kind.clone(), integration.receiver.clone());
        if self.0.len() >= MOST && !self.0.contains_key(&key) {
            return;
        }
        change(Arc::make_mut(&mut self.0).entry(key).or_default());
    }
}
