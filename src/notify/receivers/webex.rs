//! Webex: messages of a bot, whose token is the HTTP client's authorization.

use serde_json::json;

use super::fit::{Limit, Markup};
use super::message::{Message, Part, Request};
use super::rendering::{RenderError, Rendering};
use super::{HttpClientConfig, Kind};
use crate::config::alertmanager::receivers::WebexConfig;

const MESSAGE: Limit = Limit::bytes(7439).of(Markup::Markdown);

impl Kind for WebexConfig {
    fn render(&self, with: &Rendering<'_>) -> Result<Message, RenderError> {
        let body = json!({
            "markdown": with.needed_body("message", &self.message, MESSAGE),
            "roomId": with.address("room_id", &self.room_id)?,
        });
        let url = self.api_url.as_ref().map_or("", |u| u.as_str());
        Ok(Message::one(Request::post(vec![Part::plain(url)], body)))
    }

    fn http(&self) -> Option<&HttpClientConfig> {
        self.http_config.as_ref()
    }
}
