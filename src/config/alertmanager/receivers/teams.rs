//! Microsoft Teams: connectors and workflows.

use super::chat::check_webhook;
use super::{MessagePlot, integration};
use crate::config::http::HttpClientConfig;
use crate::config::url::SecretUrl;
use crate::config::yaml::MapReader;
use crate::section;

section! {
    /// A connector.
    pub struct MsTeamsConfig as "msteams config" with check {
        /// Tell of resolved alerts.
        send_resolved: bool = true,
        /// The HTTP client.
        http_config: Option<HttpClientConfig>,
        /// The webhook.
        webhook_url: Option<SecretUrl>,
        /// File with that.
        webhook_url_file: String,
        /// Title.
        title: String = "{{ template \"msteams.default.title\" . }}".into(),
        /// Summary.
        summary: String = "{{ template \"msteams.default.summary\" . }}".into(),
        /// Text.
        text: String = "{{ template \"msteams.default.text\" . }}".into(),
    }
}

section! {
    /// A workflow.
    pub struct MsTeamsV2Config as "msteamsv2 config" with check {
        /// Tell of resolved alerts.
        send_resolved: bool = true,
        /// The HTTP client.
        http_config: Option<HttpClientConfig>,
        /// The webhook.
        webhook_url: Option<SecretUrl>,
        /// File with that.
        webhook_url_file: String,
        /// Title.
        title: String = "{{ template \"msteamsv2.default.title\" . }}".into(),
        /// Text.
        text: String = "{{ template \"msteamsv2.default.text\" . }}".into(),
        /// A plot of what the rule measured, by link: `true` for the last 3h, or how much time. Ours.
        plot: MessagePlot,
    }
}

integration!(MsTeamsConfig as "msteams", paths: [webhook_url_file]);
integration!(MsTeamsV2Config as "msteamsv2", paths: [webhook_url_file], plot: plot);

impl MsTeamsConfig {
    fn check(&mut self, m: &MapReader) {
        check_webhook(m);
    }
}

impl MsTeamsV2Config {
    fn check(&mut self, m: &MapReader) {
        check_webhook(m);
    }
}
