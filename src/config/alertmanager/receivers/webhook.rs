//! Webhooks.

use super::{MessagePlot, integration};
use crate::config::http::HttpClientConfig;
use crate::config::url::TemplateUrl;
use crate::config::yaml::{GoDuration, MapReader};
use crate::section;

section! {
    /// Alertmanager's JSON, or a payload of one's own.
    pub struct WebhookConfig as "webhook config" with check {
        /// Tell of resolved alerts.
        send_resolved: bool = true,
        /// The HTTP client.
        http_config: Option<HttpClientConfig>,
        /// Where to; may be a template.
        url: Option<TemplateUrl>,
        /// File with that.
        url_file: String,
        /// Most alerts of a message, 0 for no limit.
        max_alerts: u64,
        /// How long one request may take, 0 for no limit.
        timeout: GoDuration,
        /// What is sent in place of Alertmanager's JSON; templates stand in texts at any depth.
        payload: Option<serde_json::Value>,
        /// A plot of what the rule measured, linked as `plotURL` of Alertmanager's JSON: `true` for the last 3h, or how much time. Ours.
        plot: MessagePlot,
    }
}

integration!(WebhookConfig as "webhook", paths: [url_file], plot: plot);

impl WebhookConfig {
    fn check(&mut self, m: &MapReader) {
        m.at_most_one("url", "url_file");
        if !m.is_set("url") && !m.is_set("url_file") {
            m.error("url", "one of url or url_file must be configured");
        }
        if self.plot.is_on() && self.payload.is_some() {
            m.error("plot", "a payload of one's own has no place for a plot: leave one of them out");
        }
        if let Some(url) = self.url.as_ref().filter(|u| u.expose().contains("{{")) {
            super::check_template("url", url.expose(), m);
        }
    }
}
