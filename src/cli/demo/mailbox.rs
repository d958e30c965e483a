//! Where notifications arrive in the demo: rendered as for their receiver, and kept in the process.

use std::sync::Arc;

use serde_json::Value as Payload;

use crate::clock::Clock;
use crate::config::alertmanager::AlertmanagerConfig;
use crate::notify::Notification;
use crate::notify::receivers::{Integrations, SetupError};
use crate::template::alertmanager::Templates;

/// Renders notifications for the receivers of a configuration.
pub struct Mailbox(Integrations);

impl Mailbox {
    /// A mailbox for a configuration's receivers.
    ///
    /// # Errors
    /// A receiver cannot be set up.
    pub fn new(
        config: &AlertmanagerConfig,
        external_url: &str,
        clock: Arc<dyn Clock>,
    ) -> Result<Mailbox, Vec<SetupError>> {
        Integrations::new(config, Templates::default(), external_url, clock).map(Mailbox)
    }

    /// What the receiver would get, secrets masked.
    ///
    /// # Errors
    /// It cannot be rendered.
    pub fn post(&self, notification: &Notification) -> Result<Payload, String> {
        self.0.render(notification).map(|message| message.payload()).map_err(|e| e.to_string())
    }
}
