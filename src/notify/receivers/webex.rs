//! Webex: messages of a bot, whose token is the HTTP client's authorization.

use serde_json::json;

use super::message::{Message, Part, Request};
use super::rendering::{RenderError, Rendering, truncate_bytes};
use super::{HttpClientConfig, Kind};
use crate::config::alertmanager::receivers::WebexConfig;

/// Most bytes of a message.
const LONGEST_MESSAGE: usize = 7439;

impl Kind for WebexConfig {
    fn render(&self, with: &Rendering<'_>) -> Result<Message, RenderError> {
        let body = json!({
            "markdown": truncate_bytes(&with.text(&self.message)?, LONGEST_MESSAGE),
            "roomId": with.text(&self.room_id)?,
        });
        let url = self.api_url.as_ref().map_or("", |u| u.as_str());
        Ok(Message::one(Request::post(vec![Part::plain(url)], body)))
    }

    fn http(&self) -> Option<&HttpClientConfig> {
        self.http_config.as_ref()
    }
}
