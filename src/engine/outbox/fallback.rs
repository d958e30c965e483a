//! Receivers that stand in: where a route names one, it is told of a group whose own receiver refuses it, or has failed for
//! a group interval, which is as long as Alertmanager tries. Once it has heard that something fires it hears of the end.

use crate::notify::Reason;
use crate::notify::dedup::WhyNot;
use crate::notify::log::LogKey;
use crate::routing::{Flush, IntegrationSpec, RoutingConfig};

use super::owed::{FailingSince, Owed, Stage};
use super::{Outbox, OutboxEffects, Verdict, decide, integrations_of};

impl Outbox {
    /// Decides for the receiver that stands in, if there is one and it is needed, or was.
    pub(in crate::engine) fn consider_fallback(
        &mut self,
        flush: &Flush,
        at_once: bool,
        config: &RoutingConfig,
        now: i64,
        out: &mut OutboxEffects,
    ) {
        let Some(fallback) = &flush.route.fallback else { return };
        let mut keys = integrations_of(config, fallback, &flush.key).map(|(_, key)| key);
        let was_told = keys.any(|key| {
            let believes = self.log.get(&key).is_some_and(|e| !e.firing.is_empty() || !e.in_doubt.is_empty());
            believes || self.by_key.contains_key(&key)
        });
        if was_told || self.standing(flush, config, now) == Standing::Fails {
            self.consider_receiver(flush, fallback, at_once, config, now, out);
        }
    }

    /// How it stands with the receiver of a group's route: an integration that refused, or fails for too long, counts.
    fn standing(&self, flush: &Flush, config: &RoutingConfig, now: i64) -> Standing {
        let too_long =
            |since: FailingSince| since.refused || now.saturating_sub(since.at) >= flush.route.group_interval;
        let of_one = |owed: &Owed| match owed.stage {
            _ if !owed.failing.is_some_and(too_long) => Standing::Works,
            Stage::Refused | Stage::Waiting { .. } => Standing::Fails,
            Stage::Ready | Stage::UnderWay { .. } => Standing::IsTried,
        };
        let keys = integrations_of(config, &flush.route.receiver, &flush.key).map(|(_, key)| key);
        let owed = keys.filter_map(|key| self.owed.get(self.by_key.get(&key)?));
        owed.map(of_one).max().unwrap_or(Standing::Works)
    }

    /// What is to be told to an integration; nothing to be changed while that is not clear. One that stands in hears only
    /// of ends once it is not needed any more.
    pub(super) fn verdict(
        &self,
        key: &LogKey,
        spec: &IntegrationSpec,
        flush: &Flush,
        config: &RoutingConfig,
        now: i64,
    ) -> Option<Verdict> {
        let verdict = decide(self.log.get(key), spec, flush, now);
        let stands_in = key.integration.receiver != flush.route.receiver;
        let ends = |reason: Reason| matches!(reason, Reason::AllAlertsResolved | Reason::NewResolvedAlerts);
        match &verdict {
            Verdict::Tell { reason, .. } if stands_in && !ends(*reason) => match self.standing(flush, config, now) {
                Standing::Works => Some(Verdict::Nothing(WhyNot::NotNeeded)),
                Standing::IsTried => None,
                Standing::Fails => Some(verdict),
            },
            _ => Some(verdict),
        }
    }
}

/// How it stands with a receiver for which another one may stand in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    Works,
    /// It failed, and is just tried again.
    IsTried,
    Fails,
}
