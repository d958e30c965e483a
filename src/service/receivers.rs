//! The receivers of a configuration.

use super::prepare::Prepared;
use crate::notify::{Notification, Outcome};

/// Receivers.
#[derive(Default)]
pub struct Receivers;

impl Receivers {
    /// Of a configuration.
    pub fn new(_prepared: &Prepared, _external_url: &str) -> Self {
        Receivers
    }

    /// One attempt.
    pub async fn deliver(&self, _notification: &Notification) -> Outcome {
        Outcome::GiveUp { reason: "no receivers yet".into() }
    }
}
