//! What integrations know of groups, and what they are owed, to be shown.

use crate::notify::IntegrationId;
use crate::notify::dedup::Decision;
use crate::notify::log::LogKey;
use crate::routing::pages::Pages;

use super::telling::{Owing, TellingView};
use super::{Outbox, OwedView, Tallies};

impl Outbox {
    /// How it stands between all groups and integrations, to be shown. Costs as much as changed since it was last asked
    /// for.
    pub(in crate::engine) fn shown(&mut self) -> &Pages<TellingView> {
        let (log, decisions, owed, by_key) = (&self.log, &self.decisions, &self.owed, &self.by_key);
        let all = || {
            let known = log.iter().map(|(key, _, _)| key);
            known.chain(decisions.keys()).chain(by_key.keys()).cloned().collect()
        };
        let row = |key: &LogKey| {
            let owed = by_key.get(key).and_then(|id| owed.get(id)).map(Owing::of);
            let (decision, told) = (decisions.get(key).cloned(), log.get(key).cloned());
            let is_known = decision.is_some() || told.is_some() || owed.is_some();
            is_known.then(|| TellingView { key: key.clone(), decision, told, owed })
        };
        self.shown.look(all, row)
    }

    /// What is owed, oldest first.
    pub(in crate::engine) fn owed(&self) -> impl Iterator<Item = OwedView> {
        self.owed.values().map(|o| OwedView {
            notification: o.notification.clone(),
            attempts: o.attempts,
            due: o.due(),
            last_error: o.last_error.clone(),
        })
    }

    /// What became of notifications since the start.
    pub(in crate::engine) fn tallies(&self) -> &Tallies {
        &self.tallies
    }

    /// The integration that is owed a notification for longest, and since when.
    pub(in crate::engine) fn owed_longest(&self) -> Option<(IntegrationId, i64)> {
        let oldest = self.owed.values().map(|o| &o.notification).min_by_key(|n| n.decided_at)?;
        Some((oldest.integration.clone(), oldest.decided_at))
    }

    /// How many notifications are owed.
    pub(in crate::engine) fn count_owed(&self) -> usize {
        self.owed.len()
    }

    /// The last decision about every group and integration.
    pub(in crate::engine) fn decisions(&self) -> impl Iterator<Item = (&LogKey, &Decision)> {
        self.decisions.iter()
    }
}
