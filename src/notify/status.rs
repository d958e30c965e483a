//! How deliveries stand: of every integration the last attempt, and what is wrong with its templates. Kept for the API and
//! told in the log at a bounded rate.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::notification::{IntegrationId, Notification};
use super::receivers::{Attempt, Problem};

/// Between two lines about the same problems of one integration, milliseconds.
const BETWEEN_LINES: i64 = 5 * 60_000;
/// Most problems kept of one integration.
const MOST_PROBLEMS: usize = 20;

/// How it stands with one integration. Times are milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Attempts since the start.
    pub attempts: u64,
    /// Attempts that failed since the start.
    pub failures: u64,
    /// When the last attempt ended.
    pub last_attempt_at: Option<i64>,
    /// When a message was last delivered.
    pub last_delivered_at: Option<i64>,
    /// Why the last attempt failed; nothing when it did not.
    pub last_error: Option<String>,
    /// What was wrong with the last message: templates that failed, addresses that were refused.
    pub problems: Vec<Problem>,
    /// When that was.
    pub problems_at: Option<i64>,
    /// For which receiver it stood in at the last attempt.
    pub instead_of: Option<Arc<str>>,
    /// Attempts in which it stood in for another receiver, since the start.
    pub stood_in: u64,
    said_at: Option<i64>,
}

/// How it stands with all integrations.
#[derive(Debug, Default)]
pub struct Statuses(Mutex<BTreeMap<IntegrationId, Status>>);

impl Statuses {
    /// Takes in what became of an attempt to deliver a notification that ended at `now`.
    pub fn record(&self, notification: &Notification, attempt: &Attempt, now: i64) {
        let integration = &notification.integration;
        let mut all = self.0.lock();
        let status = all.entry(integration.clone()).or_default();
        status.attempts += 1;
        if let Some(receiver) = &notification.instead_of {
            status.stood_in += 1;
            // Once when it begins, and when it is another one.
            if status.instead_of.as_ref() != Some(receiver) {
                tracing::warn!(
                    fallback = &*integration.receiver,
                    receiver = &**receiver,
                    "a receiver cannot be told; its fallback is"
                );
            }
        }
        status.instead_of.clone_from(&notification.instead_of);
        status.last_attempt_at = Some(now);
        status.last_error = attempt.outcome.error().map(str::to_owned);
        match attempt.outcome.is_delivered() {
            true => status.last_delivered_at = Some(now),
            false => status.failures += 1,
        }
        let is_news = status.problems != attempt.problems.get(..MOST_PROBLEMS).unwrap_or(&attempt.problems);
        status.problems = attempt.problems.iter().take(MOST_PROBLEMS).cloned().collect();
        if status.problems.is_empty() {
            return;
        }
        status.problems_at = Some(now);
        let between = if is_news { BETWEEN_LINES / 5 } else { BETWEEN_LINES };
        if status.said_at.is_some_and(|at| now.saturating_sub(at) < between) {
            return;
        }
        status.said_at = Some(now);
        for Problem { field, error } in status.problems.iter().take(3) {
            let id = format_args!("{}[{}]", integration.kind, integration.index);
            tracing::warn!(
                receiver = &*integration.receiver, integration = %id, field, error, problems = attempt.problems.len(),
                "a field of a notification is not what its configuration says",
            );
        }
    }

    /// How it stands with one integration.
    pub fn get(&self, integration: &IntegrationId) -> Status {
        self.0.lock().get(integration).cloned().unwrap_or_default()
    }

    /// Forgets integrations that are not configured.
    pub fn retain(&self, is_known: impl Fn(&IntegrationId) -> bool) {
        self.0.lock().retain(|integration, _| is_known(integration));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Labels;
    use crate::notify::said::Said;
    use crate::notify::{Outcome, Reason};

    fn notification(integration: &IntegrationId, instead_of: Option<&str>) -> Notification {
        Notification {
            id: 0,
            integration: integration.clone(),
            group_key: "{}:{}".into(),
            group_labels: Labels::empty(),
            alerts: Vec::new(),
            reason: Reason::FirstNotification,
            decided_at: 0,
            instead_of: instead_of.map(Arc::from),
            place: None,
        }
    }

    #[test]
    fn the_last_attempt_counts_and_problems_go_when_they_are_gone() {
        let statuses = Statuses::default();
        let id = IntegrationId { receiver: "team".into(), kind: "slack".into(), index: 0 };
        let problem = Problem { field: "text".into(), error: "no".into() };
        let failed = Outcome::GiveUp { reason: "400".into() };
        let sent = |instead_of| notification(&id, instead_of);
        statuses.record(
            &sent(Some("pager")),
            &Attempt { outcome: failed, problems: vec![problem.clone()], said: Said::default() },
            1000,
        );
        let status = statuses.get(&id);
        assert_eq!((status.last_error.as_deref(), status.failures), (Some("400"), 1));
        assert_eq!((status.instead_of.as_deref(), status.stood_in), (Some("pager"), 1));
        assert_eq!((status.problems, status.problems_at), (vec![problem], Some(1000)));
        statuses.record(
            &sent(None),
            &Attempt { outcome: Outcome::Delivered, problems: vec![], said: Said::default() },
            2000,
        );
        let status = statuses.get(&id);
        assert_eq!((status.last_error, status.last_delivered_at, status.instead_of), (None, Some(2000), None));
        assert_eq!((status.problems.len(), status.problems_at), (0, Some(1000)));
        statuses.retain(|_| false);
        assert_eq!(statuses.get(&id), Status::default());
    }
}
