//! incident.io: an alert source.

use super::message::{Message, Part, Request};
use super::rendering::{RenderError, Rendering};
use super::{HttpClientConfig, Kind, webhook};
use crate::config::alertmanager::receivers::IncidentioConfig;
use crate::config::secret::Secret;

/// Most bytes of a message.
const LARGEST: usize = 512 * 1024;

impl Kind for IncidentioConfig {
    fn render(&self, with: &Rendering<'_>) -> Result<Message, RenderError> {
        let mut body = webhook::body(with, "1", self.max_alerts);
        // What is too large is refused altogether: fewer alerts are better than none.
        let mut kept = with.notification.alerts.len() as u64;
        while body.to_string().len() > LARGEST && kept > 1 {
            kept /= 2;
            body = webhook::body(with, "1", kept);
        }
        let url = match &self.url {
            Some(url) => Part::plain(url.as_str()),
            None => Part::secret(&Secret::default(), &self.url_file),
        };
        let mut request = Request::post(vec![url], body);
        if !self.alert_source_token.is_empty() || !self.alert_source_token_file.is_empty() {
            let token = Part::secret(&self.alert_source_token, &self.alert_source_token_file);
            request = request.header("Authorization", vec![Part::plain("Bearer "), token]);
        }
        Ok(Message::one(request))
    }

    fn http(&self) -> Option<&HttpClientConfig> {
        self.http_config.as_ref()
    }

    fn timeout(&self) -> i64 {
        self.timeout.0
    }
}
