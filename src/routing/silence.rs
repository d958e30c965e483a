//! A silence: matchers and a time. A matching alert is not told while it is active.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::{Labels, MatchOp, Matcher};

use super::matching::all_match;
use super::recurrence::Recurrence;

/// How long an expired silence is kept, milliseconds: Alertmanager's `--data.retention`.
pub const RETENTION: i64 = 120 * 3_600_000;
/// Most matchers of a silence.
const MAX_MATCHERS: usize = 100;

/// Where a silence stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SilenceState {
    /// Over.
    Expired,
    /// In force.
    Active,
    /// Not yet in force.
    Pending,
}

impl SilenceState {
    /// The API's word.
    pub fn as_str(self) -> &'static str {
        match self {
            SilenceState::Expired => "expired",
            SilenceState::Active => "active",
            SilenceState::Pending => "pending",
        }
    }
}

/// A silence as asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NewSilence {
    /// The silence to change; `None` makes a new one.
    pub id: Option<String>,
    /// What an alert must match, all of it.
    pub matchers: Vec<Matcher>,
    /// From when, milliseconds.
    pub starts_at: i64,
    /// Until when, milliseconds.
    pub ends_at: i64,
    /// Who asks.
    pub created_by: String,
    /// Why.
    pub comment: String,
    /// What else is to be known of it.
    pub annotations: Labels,
}

impl NewSilence {
    /// Whether it can be.
    ///
    /// # Errors
    /// Why it cannot.
    pub fn check(&self) -> Result<(), SilenceError> {
        check(self)
    }
}

/// A silence. Times are milliseconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Silence {
    /// A UUID.
    pub id: String,
    /// What an alert must match, all of it.
    pub matchers: Vec<Matcher>,
    /// From when.
    pub starts_at: i64,
    /// Until when.
    pub ends_at: i64,
    /// When it was last changed.
    pub updated_at: i64,
    /// Who asked.
    pub created_by: String,
    /// Why.
    pub comment: String,
    /// What else is to be known of it.
    pub annotations: Labels,
    /// The alert that it acknowledges: it speaks of that one alone, and ends with it.
    pub acknowledges: Option<Labels>,
    /// Where the configuration keeps it; nothing for one that somebody made.
    pub configured: Option<Arc<Configured>>,
}

/// What there is to know of a silence that the configuration keeps.
#[derive(Clone, Debug, PartialEq)]
pub struct Configured {
    /// The file.
    pub file: String,
    /// Its name there.
    pub name: String,
    /// When it mutes between its start and its end; always when nothing is said.
    pub recurrence: Option<Recurrence>,
    /// How long before its end that is told, milliseconds.
    pub notice: Option<i64>,
}

impl Silence {
    /// Where it stands at `now`.
    pub fn state(&self, now: i64) -> SilenceState {
        // One that was ended stays so, be it that the clock is set back into its time.
        if self.configured.is_none() && self.ends_at <= self.updated_at {
            SilenceState::Expired
        } else if now < self.starts_at && self.acknowledges.is_none() {
            // What is acknowledged is so from then on, wherever the clock is set.
            SilenceState::Pending
        } else if now >= self.ends_at {
            SilenceState::Expired
        } else if self.recurrence().is_none_or(|r| r.contains(now)) {
            SilenceState::Active
        } else {
            SilenceState::Pending
        }
    }

    /// Whether a change of it says nothing else about the past: it keeps its id. Another makes another silence.
    pub fn is_updated_by(&self, new: &NewSilence, now: i64) -> bool {
        self.matchers == new.matchers
            && match self.state(now) {
                SilenceState::Active => new.starts_at == self.starts_at && new.ends_at >= now,
                SilenceState::Pending => new.starts_at >= now,
                SilenceState::Expired => false,
            }
    }

    /// When it mutes between its start and its end; always when there is none.
    pub(super) fn recurrence(&self) -> Option<&Recurrence> {
        self.configured.as_ref()?.recurrence.as_ref()
    }

    /// From when until when it mutes, milliseconds: of one that recurs the occurrence under way, else the next.
    pub fn period(&self, now: i64) -> (i64, i64) {
        let recurs = self.recurrence().filter(|_| now < self.ends_at);
        let period = recurs.and_then(|r| r.period(now.max(self.starts_at)));
        // One whose beginning nobody said began when it was read.
        let starts_at = if self.starts_at == 0 { self.updated_at } else { self.starts_at };
        let clipped = |(from, until): (i64, i64)| (from.max(self.starts_at), until.min(self.ends_at));
        period.map_or((starts_at, self.ends_at), clipped)
    }

    /// Whether it speaks of an alert.
    pub fn matches(&self, labels: &Labels) -> bool {
        match &self.acknowledges {
            Some(alert) => alert == labels,
            None => all_match(&self.matchers, labels),
        }
    }

    pub(super) fn is_kept(&self, retention: i64, now: i64) -> bool {
        self.configured.is_some() || self.ends_at.saturating_add(retention) > now
    }
}

/// Why a silence was not accepted, in Alertmanager's words where it has some.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SilenceError {
    /// No silence has that id.
    #[error("silence not found")]
    NotFound,
    /// There is nothing to acknowledge.
    #[error("no such alert fires")]
    NotFiring,
    /// The configuration keeps it.
    #[error("silence {id} is configured in {file}, which alone can change or end it")]
    Configured {
        /// The silence.
        id: String,
        /// The file.
        file: String,
    },
    /// It is over already.
    #[error("silence {0} already expired")]
    AlreadyExpired(String),
    /// It cannot be.
    #[error("invalid silence: {0}")]
    Invalid(String),
    /// It would be over before it begins, or is over already.
    #[error("Failed to create silence: {0}")]
    Over(&'static str),
}

/// Whether a silence can be.
pub(super) fn check(new: &NewSilence) -> Result<(), SilenceError> {
    let invalid = |why: &str| Err(SilenceError::Invalid(why.into()));
    if new.ends_at <= new.starts_at {
        return Err(SilenceError::Over("start time must be before end time"));
    }
    if new.matchers.is_empty() {
        return invalid("at least one matcher required");
    }
    if new.matchers.len() > MAX_MATCHERS {
        return invalid("too many matchers");
    }
    if new.matchers.iter().any(|m| m.name.is_empty()) {
        return invalid("invalid label name \"\"");
    }
    // As in Alertmanager, a negative matcher is enough: `env!="prod"` silences everything else.
    let is_empty = |m: &Matcher| matches!(m.op, MatchOp::Equal | MatchOp::Regex) && m.matches_empty();
    if new.matchers.iter().all(is_empty) {
        return invalid("matcher set 0: at least one matcher must not match the empty string");
    }
    Ok(())
}
