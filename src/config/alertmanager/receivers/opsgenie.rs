//! Opsgenie.

use std::collections::BTreeMap;

use super::{fill_secret, integration};
use crate::config::alertmanager::Global;
use crate::config::http::HttpClientConfig;
use crate::config::secret::Secret;
use crate::config::url::HttpUrl;
use crate::config::yaml::MapReader;
use crate::section;

section! {
    /// Alerts in Opsgenie.
    pub struct OpsgenieConfig as "opsgenie config" with check {
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
        /// Title.
        message: String = "{{ template \"opsgenie.default.message\" . }}".into(),
        /// Text.
        description: String = "{{ template \"opsgenie.default.description\" . }}".into(),
        /// Where the alert comes from.
        source: String = "{{ template \"opsgenie.default.source\" . }}".into(),
        /// More fields.
        details: BTreeMap<String, String>,
        /// What the alert is about.
        entity: String,
        /// Who is responsible.
        responders: Vec<OpsgenieResponder>,
        /// Actions, separated by commas.
        actions: String,
        /// Tags, separated by commas.
        tags: String,
        /// A note.
        note: String,
        /// `P1` to `P5`.
        priority: String,
        /// Update message and description of an open alert.
        update_alerts: bool,
    }
}

section! {
    /// Who is responsible.
    pub struct OpsgenieResponder as "opsgenie responder" with check {
        /// By id.
        id: String,
        /// By name.
        name: String,
        /// By user name.
        username: String,
        /// `team`, `teams`, `user`, `escalation` or `schedule`, in lower case; or a template.
        kind as "type": String,
    }
}

integration!(OpsgenieConfig as "opsgenie", paths: [api_key_file], fill: fill_api);

impl OpsgenieResponder {
    fn check(&mut self, m: &MapReader) {
        const KINDS: [&str; 5] = ["team", "teams", "user", "escalation", "schedule"];
        let OpsgenieResponder { id, name, username, .. } = &*self;
        if [id, name, username].iter().all(|s| s.is_empty()) {
            let message = "opsGenieConfig responder has to have at least one of id, username or name specified";
            m.decoder().error(m.node().position, message);
        }
        if self.kind.contains("{{") {
            super::check_template("type", &self.kind, m);
            return;
        }
        self.kind = self.kind.to_lowercase();
        if !KINDS.contains(&self.kind.as_str()) {
            let expected = KINDS.join("|");
            m.error(
                "type",
                format!("opsGenieConfig responder type {:?} does not match valid options ^({expected})$", self.kind),
            );
        }
    }
}

impl OpsgenieConfig {
    fn check(&mut self, m: &MapReader) {
        m.at_most_one("api_key", "api_key_file");
    }

    fn fill_api(&mut self, global: &Global) -> Result<(), String> {
        let url = self.api_url.get_or_insert_with(|| global.opsgenie_api_url.clone());
        *url = url.with_trailing_slash();
        let own = (&mut self.api_key, &mut self.api_key_file);
        match fill_secret(own, (&global.opsgenie_api_key, &global.opsgenie_api_key_file)) {
            true => Ok(()),
            false => Err("no global OpsGenie API Key set either inline or in a file".into()),
        }
    }
}
