//! Discord: webhooks.

use serde_json::json;

use super::message::{Fields, Message, Part, Request};
use super::rendering::{RenderError, Rendering, truncate};
use super::{HttpClientConfig, Kind};
use crate::config::alertmanager::receivers::DiscordConfig;

/// Most characters of a title, a description and the content.
const LONGEST: [usize; 3] = [256, 4096, 2000];
const RED: u32 = 0x99_2d_22;
const GREEN: u32 = 0x2e_cc_71;

impl Kind for DiscordConfig {
    fn render(&self, with: &Rendering<'_>) -> Result<Message, RenderError> {
        let [title, description, content] = LONGEST;
        let embed = json!({
            "title": truncate(&with.text(&self.title)?, title),
            "description": truncate(&with.text(&self.message)?, description),
            "color": if with.is_firing() { RED } else { GREEN },
        });
        let body = Fields::default()
            .always("content", truncate(&with.text(&self.content)?, content))
            .always("embeds", json!([embed]))
            .some("username", with.text(&self.username)?)
            .some("avatar_url", with.text(&self.avatar_url)?)
            .json();
        let url = Part::url(self.webhook_url.as_ref(), &self.webhook_url_file);
        Ok(Message::one(Request::post(vec![url], body)))
    }

    fn http(&self) -> Option<&HttpClientConfig> {
        self.http_config.as_ref()
    }
}
