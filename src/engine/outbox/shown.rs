//! What integrations know of groups, and what they are owed, to be shown.

use crate::notify::log::LogKey;
use crate::routing::pages::Pages;

use super::Outbox;
use super::telling::{Owing, TellingView};

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
}
