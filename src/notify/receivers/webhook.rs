//! Webhooks: Alertmanager's JSON, version 4, or a payload of one's own.

use super::message::{Message, Part, Request};
use super::rendering::{RenderError, Rendering};
use super::{HttpClientConfig, Kind, NOTIFICATION_HEADER};
use crate::config::alertmanager::receivers::WebhookConfig;
use crate::config::secret::Secret;
use crate::config::url::HttpUrl;
use serde_json::{Value as Json, json};

/// The notification as JSON, and with at most `max_alerts` alerts (0: all).
pub(super) fn body(with: &Rendering<'_>, version: &str, max_alerts: u64) -> Json {
    let count = with.notification.alerts.len();
    let limit = usize::try_from(max_alerts).unwrap_or(usize::MAX);
    let kept = if limit == 0 { count } else { count.min(limit) };
    let data = if kept == count { with.data.clone() } else { with.data_of_first(kept) };
    let mut body = data.to_json();
    if let Json::Object(fields) = &mut body {
        fields.insert("version".into(), json!(version));
        fields.insert("groupKey".into(), json!(*with.notification.group_key));
        fields.insert("truncatedAlerts".into(), json!(count - kept));
        fields.extend(with.plot_link().map(|link| ("plotURL".into(), json!(link))));
    }
    body
}

impl Kind for WebhookConfig {
    fn render(&self, with: &Rendering<'_>) -> Result<Message, RenderError> {
        let url = match &self.url {
            Some(template) => {
                // The template's own text may be a secret, and its error quotes it.
                let url = with.address("url", template.expose());
                let url = url.map_err(|_| RenderError::new("the template of the webhook's url failed"))?;
                // The text of the error must not carry the URL.
                HttpUrl::parse(url.trim()).map_err(|_| RenderError::new("the webhook's URL is not valid"))?;
                Part::Secret(Secret::new(url.trim()), String::new())
            }
            None => Part::secret(&Secret::default(), &self.url_file),
        };
        let body = match &self.payload {
            Some(payload) => with.deep("payload", payload),
            None => body(with, "4", self.max_alerts),
        };
        let id = Part::plain(with.notification.id.to_string());
        Ok(Message::one(Request::post(vec![url], body).header(NOTIFICATION_HEADER, vec![id])))
    }

    fn http(&self) -> Option<&HttpClientConfig> {
        self.http_config.as_ref()
    }

    fn timeout(&self) -> i64 {
        self.timeout.0
    }
}
