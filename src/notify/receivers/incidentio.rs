//! incident.io: an alert source.

use serde_json::{Value as Json, json};

use super::message::{Message, Part, Request};
use super::rendering::{RenderError, Rendering};
use super::{HttpClientConfig, Kind, fit, webhook};
use crate::config::alertmanager::receivers::IncidentioConfig;
use crate::config::secret::Secret;

/// Most bytes of a message.
const LARGEST: usize = 512 * 1024;

/// One alert that is too large by itself goes without its annotations.
fn bare(mut body: Json) -> Json {
    for part in ["/alerts/0/annotations", "/commonAnnotations"] {
        if let Some(annotations) = body.pointer_mut(part) {
            *annotations = json!({});
        }
    }
    body
}

impl Kind for IncidentioConfig {
    fn render(&self, with: &Rendering<'_>) -> Result<Message, RenderError> {
        let whole = webhook::body(with, "1", self.max_alerts);
        let size = whole.to_string().len();
        let all = with.notification.alerts.len();
        // What is too large is refused altogether: fewer alerts are better than none.
        let make = |kept: usize| {
            let body = webhook::body(with, "1", kept as u64);
            (body.to_string().len() <= LARGEST).then_some(body)
        };
        let body = match size <= LARGEST {
            true => whole,
            false => fit::most_that_fits(all, all.saturating_mul(LARGEST) / size.max(1), make)
                .map_or_else(|| bare(webhook::body(with, "1", 1)), |(_, body)| body),
        };
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
