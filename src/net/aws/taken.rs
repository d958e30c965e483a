//! Credentials that were had from somebody, and why they were not.

use super::sigv4::Credentials;

/// Most bytes of an answer.
pub(super) const LONGEST_ANSWER: u64 = 64 << 10;

/// Why there are no credentials.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct AwsError {
    /// Whether it may pass.
    pub passes: bool,
    /// After so many milliseconds, as the server says.
    pub after: Option<i64>,
    /// What happened.
    pub reason: String,
}

impl AwsError {
    /// It may pass.
    pub fn passing(reason: impl Into<String>) -> Self {
        AwsError { passes: true, after: None, reason: reason.into() }
    }

    /// It stays.
    pub fn lasting(reason: impl Into<String>) -> Self {
        AwsError { passes: false, after: None, reason: reason.into() }
    }
}

/// Credentials that end.
#[derive(Clone)]
pub(super) struct Taken {
    pub credentials: Credentials,
    /// Milliseconds.
    pub until: i64,
}
