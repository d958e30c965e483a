//! VictorOps (Splunk On-Call): the REST endpoint.

use serde_json::{Map, Value as Json, json};

use super::message::{Message, Part, Request};
use super::rendering::{RenderError, Rendering, truncate};
use super::{HttpClientConfig, Kind};
use crate::config::alertmanager::receivers::VictorOpsConfig;

/// Most characters of the state message.
const LONGEST_MESSAGE: usize = 20_480;
const MESSAGE_TYPES: [&str; 4] = ["INFO", "WARNING", "CRITICAL", "RECOVERY"];

impl Kind for VictorOpsConfig {
    fn render(&self, with: &Rendering<'_>) -> Result<Message, RenderError> {
        let kind = with.text(&self.message_type)?;
        let kind = match with.is_firing() {
            false => "RECOVERY",
            // A type the service does not know would be dropped by it without a word.
            true => MESSAGE_TYPES.into_iter().find(|t| *t == kind).unwrap_or("CRITICAL"),
        };
        let mut body = Map::new();
        for (name, template) in &self.custom_fields {
            body.insert(name.clone(), json!(with.text(template)?));
        }
        body.insert("message_type".into(), json!(kind));
        body.insert("entity_id".into(), json!(with.key_hash()));
        body.insert("entity_display_name".into(), json!(with.text(&self.entity_display_name)?));
        body.insert("state_message".into(), json!(truncate(&with.text(&self.state_message)?, LONGEST_MESSAGE)));
        body.insert("monitoring_tool".into(), json!(with.text(&self.monitoring_tool)?));
        let base = self.api_url.as_ref().map_or("", |u| u.as_str());
        let url = vec![
            Part::plain(base),
            Part::secret(&self.api_key, &self.api_key_file),
            Part::plain(format!("/{}", with.text(&self.routing_key)?)),
        ];
        Ok(Message::one(Request::post(url, Json::Object(body))))
    }

    fn http(&self) -> Option<&HttpClientConfig> {
        self.http_config.as_ref()
    }
}
