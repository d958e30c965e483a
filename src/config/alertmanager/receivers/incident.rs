//! incident.io and VictorOps.

use std::collections::BTreeMap;

use super::{fill_secret, integration};
use crate::config::alertmanager::Global;
use crate::config::http::HttpClientConfig;
use crate::config::secret::Secret;
use crate::config::url::HttpUrl;
use crate::config::yaml::{GoDuration, MapReader};
use crate::section;

section! {
    /// incident.io's alert source.
    pub struct IncidentioConfig as "incidentio config" with check {
        /// Tell of resolved alerts.
        send_resolved: bool = true,
        /// The HTTP client.
        http_config: Option<HttpClientConfig>,
        /// The alert source.
        url: Option<HttpUrl>,
        /// File with that.
        url_file: String,
        /// The source's token.
        alert_source_token: Secret,
        /// File with that.
        alert_source_token_file: String,
        /// Most alerts of a message, 0 for no limit.
        max_alerts: u64,
        /// How long one request may take, 0 for no limit.
        timeout: GoDuration,
    }
}

integration!(IncidentioConfig as "incidentio", paths: [url_file, alert_source_token_file]);

impl IncidentioConfig {
    fn check(&mut self, m: &MapReader) {
        m.at_most_one("url", "url_file");
        if !m.has("url") && !m.is_set("url_file") {
            m.error("url", "one of url or url_file must be configured");
        }
        m.at_most_one("alert_source_token", "alert_source_token_file");
        let token = m.is_set("alert_source_token") || m.is_set("alert_source_token_file");
        if token && self.http_config.as_ref().is_some_and(|c| c.authorization.is_some()) {
            m.error(
                "http_config",
                "cannot specify alert_source_token or alert_source_token_file when using http_config.authorization",
            );
        }
    }
}

section! {
    /// VictorOps' REST endpoint.
    pub struct VictorOpsConfig as "victorops config" with check {
        /// Tell of resolved alerts.
        send_resolved: bool = true,
        /// The HTTP client.
        http_config: Option<HttpClientConfig>,
        /// The key.
        api_key: Secret,
        /// File with that.
        api_key_file: String,
        /// The API.
        api_url: Option<HttpUrl>,
        /// Which team.
        routing_key: String,
        /// `CRITICAL`, `WARNING` or `INFO`.
        message_type: String = "CRITICAL".into(),
        /// Text.
        state_message: String = "{{ template \"victorops.default.state_message\" . }}".into(),
        /// Title.
        entity_display_name: String = "{{ template \"victorops.default.entity_display_name\" . }}".into(),
        /// Which tool watches.
        monitoring_tool: String = "{{ template \"victorops.default.monitoring_tool\" . }}".into(),
        /// More fields.
        custom_fields: BTreeMap<String, String>,
    }
}

integration!(VictorOpsConfig as "victorops", paths: [api_key_file], fill: fill_api);

/// Fields that the integration sets itself.
const RESERVED_FIELDS: [&str; 6] =
    ["routing_key", "message_type", "state_message", "entity_display_name", "monitoring_tool", "entity_id"];

impl VictorOpsConfig {
    fn check(&mut self, m: &MapReader) {
        if self.routing_key.is_empty() {
            m.error("routing_key", "missing Routing key in VictorOps config");
        }
        m.at_most_one("api_key", "api_key_file");
        for field in self.custom_fields.keys() {
            if RESERVED_FIELDS.contains(&field.as_str()) || field == "entity_state" {
                m.error(
                    "custom_fields",
                    format!(
                        "victorOps config contains custom field {field} which cannot be used as it conflicts with the \
                         fixed/static fields"
                    ),
                );
            }
        }
    }

    fn fill_api(&mut self, global: &Global) -> Result<(), String> {
        let url = self.api_url.get_or_insert_with(|| global.victorops_api_url.clone());
        *url = url.with_trailing_slash();
        let own = (&mut self.api_key, &mut self.api_key_file);
        match fill_secret(own, (&global.victorops_api_key, &global.victorops_api_key_file)) {
            true => Ok(()),
            false => Err("no global VictorOps API Key set".into()),
        }
    }
}
