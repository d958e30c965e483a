//! An alert as routing knows it, whether a rule of ours raised it or someone posted it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::labels_serde::annotations;
use crate::model::{Labels, Reading};
use crate::state::{Batch, Snapshot, Table};

use super::silence::Silence;

/// An alert on its way to receivers. Times are milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoutedAlert {
    /// Its identity.
    pub labels: Labels,
    /// Rendered annotations.
    #[serde(deserialize_with = "annotations")]
    pub annotations: Labels,
    /// When it began to fire.
    pub starts_at: i64,
    /// When it resolved, or will if nobody updates it; `None` while a rule of ours holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<i64>,
    /// Whether `ends_at` is only a timeout that nobody asked for.
    #[serde(default)]
    pub timeout: bool,
    /// When it was last heard of.
    pub updated_at: i64,
    /// Link to the expression that raised it. Shared: an alert is copied at each flush.
    pub generator_url: Arc<str>,
    /// The rules that hold it firing, by a hash of their identity. Two rules may raise the same alert: it resolves when
    /// the last of them lets go.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holders: Vec<u64>,
    /// A group that told its receivers, or would have, has seen it end because its poster fell silent: it is over for good.
    #[serde(default, skip_serializing_if = "is_false")]
    pub over: bool,
    /// The value of our rule's expression when it was last heard of; nothing for a posted alert.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Reading>,
    /// What our rule measured when it resolved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_value: Option<Reading>,
    /// What the store knows of a posted alert.
    #[serde(skip)]
    pub stored: Stored,
}

/// What the store knows of an alert that is posted again and again: it is not written with every post.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    ends_at: i64,
    updated_at: i64,
    outdated: bool,
}

fn is_false(value: &bool) -> bool {
    !value
}

impl RoutedAlert {
    /// Whether it has resolved by `now`.
    pub fn is_resolved(&self, now: i64) -> bool {
        self.ends_at.is_some_and(|end| end <= now)
    }

    /// Takes in what was heard of the same alert later, as Alertmanager merges posted alerts: only when the two overlap
    /// in time is it the same occurrence.
    pub fn merge_into(&self, mut later: RoutedAlert, now: i64) -> RoutedAlert {
        let (Some(old_end), Some(new_end)) = (self.ends_at, later.ends_at) else { return later };
        let overlap = (new_end > self.starts_at && new_end < old_end)
            || (later.starts_at > self.starts_at && later.starts_at < old_end);
        if !overlap {
            return later;
        }
        later.starts_at = later.starts_at.min(self.starts_at);
        let explicit = if later.is_resolved(now) { self.is_resolved(now) } else { !self.timeout };
        if old_end > new_end && explicit {
            later.ends_at = Some(old_end);
        }
        later
    }

    /// Whether its end has passed, or will, only because its poster does not speak again: nobody has said that it is
    /// over, and nobody was told.
    pub fn ends_by_silence(&self) -> bool {
        self.holders.is_empty() && !self.over && self.ends_at.is_some_and(|end| end > self.updated_at)
    }

    /// After a start the poster gets the time to speak again that it gave itself: the span from its last post to the end
    /// it stated, before which it means to post again (Prometheus: four times its resend delay or evaluation interval),
    /// but not more than `resolve_timeout`. Whether it has no more time than that.
    pub(super) fn wait_for_poster(&mut self, now: i64, resolve_timeout: i64) -> bool {
        let Some(end) = self.ends_at.filter(|_| self.ends_by_silence()) else { return false };
        let until = now.saturating_add(end.saturating_sub(self.updated_at).min(resolve_timeout));
        if end > until {
            return false;
        }
        // Nobody asked for this end: whatever is posted next replaces it.
        (self.ends_at, self.timeout) = (Some(until), true);
        true
    }

    /// Whether a restart at `now` or later would find this alert as it is, but for an eighth of the time until its end.
    fn is_stored(&self, now: i64, resolve_timeout: i64) -> bool {
        let Some(end) = self.ends_at else { return true };
        let lead = self.stored.ends_at.saturating_sub(self.stored.updated_at).clamp(0, resolve_timeout.max(0));
        self.stored.ends_at.max(now.saturating_add(lead)) >= end.saturating_sub(end.saturating_sub(now) / 8)
    }

    /// Whether this post is to be stored, `known` being what was known before. What a post says anew is written once a
    /// minute; its end, when a restart would otherwise not know it well enough.
    pub(super) fn is_worth_storing(&mut self, known: &RoutedAlert, now: i64, resolve_timeout: i64) -> bool {
        self.stored = known.stored;
        let said = |a: &RoutedAlert| (a.starts_at, a.timeout, a.annotations.clone(), a.generator_url.clone());
        self.stored.outdated |= said(self) != said(known) || self.ends_at.is_some() != known.ends_at.is_some();
        let minute = |t: i64| t.div_euclid(60_000);
        let news = self.stored.outdated && minute(self.stored.updated_at) != minute(now);
        news || !self.is_stored(now, resolve_timeout)
    }

    pub(super) fn save(&mut self, batch: &mut Batch, durable: bool) {
        batch.put(Table::RoutedAlert, self.labels.as_bytes(), self, durable);
        self.note_stored();
    }

    fn note_stored(&mut self) {
        let ends_at = self.ends_at.unwrap_or(self.updated_at);
        self.stored = Stored { ends_at, updated_at: self.updated_at, outdated: false };
    }

    pub(super) fn delete(labels: &Labels, batch: &mut Batch) {
        batch.delete(Table::RoutedAlert, labels.as_bytes(), false);
    }

    pub(super) fn load(snapshot: &Snapshot) -> Vec<Self> {
        let mut alerts: Vec<Self> = snapshot.read(Table::RoutedAlert).into_iter().map(|(_, alert)| alert).collect();
        alerts.iter_mut().for_each(Self::note_stored);
        alerts
    }
}

/// An alert someone posted (`POST /api/v2/alerts`). Times are milliseconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReceivedAlert {
    /// Labels; empty values mean absent.
    pub labels: Labels,
    /// Annotations.
    pub annotations: Labels,
    /// When it began, if said.
    pub starts_at: Option<i64>,
    /// When it ended or will, if said.
    pub ends_at: Option<i64>,
    /// Link to its source.
    pub generator_url: String,
}

impl ReceivedAlert {
    /// Whether it can be; `resolve_timeout` gives it an end when it names none.
    ///
    /// # Errors
    /// What is wrong with the alert, in Alertmanager's words.
    pub fn check(&self, now: i64, resolve_timeout: i64) -> Result<(), String> {
        let ends_at = self.ends_at.unwrap_or(now.saturating_add(resolve_timeout));
        if self.starts_at.is_some_and(|start| ends_at < start) {
            return Err("start time must be before end time".into());
        }
        if self.labels.is_empty() {
            return Err("at least one label pair required".into());
        }
        let nameless = |labels: &Labels| labels.iter().any(|(name, _)| name.is_empty());
        if nameless(&self.labels) {
            return Err("invalid label set: invalid name \"\"".into());
        }
        if nameless(&self.annotations) {
            return Err("invalid annotations: invalid name \"\"".into());
        }
        Ok(())
    }

    /// Fills in what was not said, as Alertmanager does.
    ///
    /// # Errors
    /// What is wrong with the alert.
    pub fn settle(self, now: i64, resolve_timeout: i64) -> Result<RoutedAlert, String> {
        self.check(now, resolve_timeout)?;
        let starts_at = self.starts_at.or(self.ends_at).unwrap_or(now);
        Ok(RoutedAlert {
            labels: self.labels,
            annotations: self.annotations,
            starts_at,
            ends_at: Some(self.ends_at.unwrap_or(now.saturating_add(resolve_timeout))),
            timeout: self.ends_at.is_none(),
            updated_at: now,
            generator_url: self.generator_url.into(),
            holders: Vec::new(),
            over: false,
            value: None,
            resolved_value: None,
            stored: Stored::default(),
        })
    }
}

/// Why an alert is or is not told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AlertStatus {
    /// Active silences that match, by id.
    pub silenced_by: Vec<String>,
    /// The firing alerts that inhibit it.
    pub inhibited_by: Vec<Labels>,
    /// The place of the inhibition rule by which they do, from 0.
    pub inhibited_rule: Option<u64>,
    /// The time intervals that mute its route.
    pub muted_by: Vec<String>,
    /// That somebody looks after it: one of the silences above.
    pub acknowledged: Option<Arc<Silence>>,
}

impl AlertStatus {
    /// Whether anything keeps it from being told.
    pub fn is_muted(&self) -> bool {
        !self.silenced_by.is_empty() || !self.inhibited_by.is_empty() || !self.muted_by.is_empty()
    }

    /// Whether it is left out of messages: one that is only acknowledged is shown in those that others of its group cause.
    pub fn is_hidden(&self) -> bool {
        self.silenced_by.len() > usize::from(self.acknowledged.is_some())
            || !self.inhibited_by.is_empty()
            || !self.muted_by.is_empty()
    }

    /// The API's word: `active` or `suppressed`.
    pub fn state(&self) -> &'static str {
        if self.is_muted() { "suppressed" } else { "active" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: i64 = 300_000;

    fn post(starts_at: Option<i64>, ends_at: Option<i64>, now: i64) -> RoutedAlert {
        let labels = Labels::from_pairs([("alertname", "A")]);
        ReceivedAlert { labels, starts_at, ends_at, ..Default::default() }.settle(now, TIMEOUT).unwrap()
    }

    #[test]
    fn what_was_not_said_of_a_posted_alert_is_filled_in() {
        let times = |a: RoutedAlert| (a.starts_at, a.ends_at, a.timeout);
        assert_eq!(times(post(None, None, 1000)), (1000, Some(301_000), true));
        assert_eq!(times(post(Some(5), None, 1000)), (5, Some(301_000), true));
        assert_eq!(times(post(None, Some(7), 1000)), (7, Some(7), false));
        assert!(ReceivedAlert::default().settle(0, TIMEOUT).is_err());
        let backwards = ReceivedAlert { starts_at: Some(9), ends_at: Some(8), ..ReceivedAlert::default() };
        assert!(ReceivedAlert { labels: Labels::from_pairs([("a", "b")]), ..backwards }.settle(0, TIMEOUT).is_err());
    }

    #[test]
    fn posts_of_one_occurrence_are_merged() {
        for (why, old, new, now, want) in [
            ("the earliest start stays", post(Some(0), None, 0), post(Some(50), None, 60), 60, (0, 300_060)),
            ("an explicit later end stays", post(Some(0), Some(900), 0), post(Some(0), Some(500), 60), 60, (0, 900)),
            ("a timeout does not", post(Some(0), None, 0), post(Some(0), Some(500), 60), 60, (0, 500)),
            ("resolved now", post(Some(0), None, 0), post(Some(0), Some(60), 60), 60, (0, 60)),
            ("another occurrence", post(Some(0), Some(10), 20), post(Some(50), None, 60), 60, (50, 300_060)),
        ] {
            let merged = old.merge_into(new, now);
            assert_eq!((merged.starts_at, merged.ends_at.unwrap()), want, "{why}");
        }
    }
}
