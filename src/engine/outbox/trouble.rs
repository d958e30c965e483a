//! Receivers that fail, told in the log: once when it begins, again when the reason changes or it goes on, at a bounded
//! rate, and when it has ended.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashSet;

use super::owed::Owed;
use crate::notify::IntegrationId;
use crate::notify::log::LogKey;

/// Between two lines about one integration, milliseconds, where there is another reason to tell.
const BETWEEN_NEWS: i64 = 60_000;
/// Between two lines about one integration, milliseconds, where there is none.
const BETWEEN_LINES: i64 = 5 * 60_000;
/// Most alert names in a line.
const MOST_NAMES: usize = 5;

/// An attempt that failed.
pub(super) struct Failure<'a> {
    pub owed: &'a Owed,
    pub error: &'a str,
    /// When it is tried again; `None`: at the group's next flush.
    pub next: Option<i64>,
}

/// What was said of the integrations that fail, or did.
#[derive(Debug, Default)]
pub(super) struct Troubles(BTreeMap<IntegrationId, Trouble>);

#[derive(Debug, Default)]
struct Trouble {
    // The groups whose last attempt failed; none: it is over.
    groups: FxHashSet<Arc<str>>,
    since: i64,
    failures: u64,
    is_known: bool,
    said_at: Option<i64>,
    said: String,
}

impl Trouble {
    fn is_due(&self, error: &str, now: i64) -> bool {
        let between = if self.is_known && self.said == error { BETWEEN_LINES } else { BETWEEN_NEWS };
        self.said_at.is_none_or(|at| now.saturating_sub(at) >= between)
    }
}

impl Troubles {
    /// An attempt failed.
    pub fn failed(&mut self, failure: &Failure<'_>, now: i64) {
        let Failure { owed, error, next } = failure;
        let notification = &owed.notification;
        let integration = &notification.integration;
        let trouble = self.0.entry(integration.clone()).or_default();
        if trouble.groups.is_empty() {
            (trouble.since, trouble.failures, trouble.is_known) = (now, 0, false);
        }
        trouble.groups.insert(notification.group_key.clone());
        trouble.failures += 1;
        if !trouble.is_due(error, now) {
            return;
        }
        let next = next.map_or("at the next flush".to_owned(), |at| format!("in {:.1} s", (at - now) as f64 / 1000.0));
        tracing::warn!(
            receiver = &*integration.receiver,
            integration = %format_args!("{}[{}]", integration.kind, integration.index),
            group = &*notification.group_key,
            alerts = alert_names(owed),
            error,
            next_attempt = next,
            failures = trouble.failures,
            groups = trouble.groups.len(),
            for_seconds = now.saturating_sub(trouble.since) / 1000,
            "{}", if trouble.is_known { "receiver goes on failing" } else { "notification not delivered" },
        );
        trouble.is_known = true;
        trouble.said_at = Some(now);
        trouble.said = (*error).to_owned();
    }

    /// Nothing failed is owed any more of a group.
    pub fn end(&mut self, key: &LogKey, now: i64) {
        let Some(trouble) = self.0.get_mut(&key.integration) else { return };
        if !trouble.groups.remove(&key.group_key) || !trouble.groups.is_empty() || !trouble.is_known {
            return;
        }
        let integration = &key.integration;
        tracing::info!(
            receiver = &*integration.receiver,
            integration = %format_args!("{}[{}]", integration.kind, integration.index),
            failures = trouble.failures,
            after_seconds = now.saturating_sub(trouble.since) / 1000,
            "nothing that failed is owed to the receiver any more",
        );
    }

    /// Forgets integrations that are not configured.
    pub fn retain(&mut self, is_known: impl Fn(&IntegrationId) -> bool) {
        self.0.retain(|integration, _| is_known(integration));
    }

    /// The clock leapt by `by` milliseconds.
    pub fn leap(&mut self, by: i64) {
        for trouble in self.0.values_mut() {
            trouble.since = trouble.since.saturating_add(by);
            trouble.said_at = trouble.said_at.map(|at| at.saturating_add(by));
        }
    }
}

fn alert_names(owed: &Owed) -> String {
    let mut names: Vec<&str> = owed.notification.alerts.iter().map(|a| a.labels.value("alertname")).collect();
    names.sort_unstable();
    names.dedup();
    let more = names.len().saturating_sub(MOST_NAMES);
    names.truncate(MOST_NAMES);
    let listed = names.join(", ");
    if more == 0 { listed } else { format!("{listed} and {more} more") }
}
