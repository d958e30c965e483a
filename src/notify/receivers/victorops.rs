//! VictorOps (Splunk On-Call): the REST endpoint.

use serde_json::{Map, Value as Json, json};

use super::fit::Limit;
use super::message::{Message, Part, Request};
use super::rendering::{RenderError, Rendering};
use super::{HttpClientConfig, Kind};
use crate::config::alertmanager::receivers::VictorOpsConfig;

const STATE_MESSAGE: Limit = Limit::chars(20_480);
/// None is published for it; what it says stands in a list.
const DISPLAY_NAME: Limit = Limit::chars(1024);
const MESSAGE_TYPES: [&str; 4] = ["INFO", "WARNING", "CRITICAL", "RECOVERY"];

impl Kind for VictorOpsConfig {
    fn render(&self, with: &Rendering<'_>) -> Result<Message, RenderError> {
        let kind = with.text("message_type", &self.message_type);
        let kind = match with.is_firing() {
            false => "RECOVERY",
            // A type the service does not know would be dropped by it without a word.
            true => MESSAGE_TYPES.into_iter().find(|t| *t == kind).unwrap_or("CRITICAL"),
        };
        let mut body = Map::new();
        for (name, template) in &self.custom_fields {
            let field = format!("custom_fields.{name}");
            body.insert(name.clone(), json!(with.text(&field, template)));
        }
        body.insert("message_type".into(), json!(kind));
        body.insert("entity_id".into(), json!(with.key_hash()));
        let name = with.title("entity_display_name", &self.entity_display_name, DISPLAY_NAME);
        body.insert("entity_display_name".into(), json!(name));
        body.insert("monitoring_tool".into(), json!(with.text("monitoring_tool", &self.monitoring_tool)));
        body.insert("state_message".into(), json!(with.body("state_message", &self.state_message, STATE_MESSAGE)));
        let base = self.api_url.as_ref().map_or("", |u| u.as_str());
        let url = vec![
            Part::plain(base),
            Part::secret(&self.api_key, &self.api_key_file),
            Part::plain(format!("/{}", with.address("routing_key", &self.routing_key)?)),
        ];
        Ok(Message::one(Request::post(url, Json::Object(body))))
    }

    fn http(&self) -> Option<&HttpClientConfig> {
        self.http_config.as_ref()
    }
}
