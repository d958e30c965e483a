//! Google Chat: ours; Alertmanager has none.

use super::integration;
use crate::config::http::HttpClientConfig;
use crate::config::url::SecretUrl;
use crate::config::yaml::MapReader;
use crate::section;

section! {
    /// An incoming webhook of a space.
    pub struct GoogleChatConfig as "googlechat config" with check {
        /// Tell of resolved alerts.
        send_resolved: bool = true,
        /// The HTTP client.
        http_config: Option<HttpClientConfig>,
        /// The webhook.
        url: Option<SecretUrl>,
        /// File with that.
        url_file: String,
        /// Text.
        message: String = "{{ template \"googlechat.default.message\" . }}".into(),
        /// Messages of a group form a thread.
        threading: bool,
    }
}

integration!(GoogleChatConfig as "googlechat", paths: [url_file]);

impl GoogleChatConfig {
    fn check(&mut self, m: &MapReader) {
        m.at_most_one("url", "url_file");
        if !m.has("url") && !m.is_set("url_file") {
            m.error("url", "one of url or url_file must be configured");
        }
    }
}
