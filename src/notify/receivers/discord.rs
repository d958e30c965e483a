//! Discord: webhooks.

use serde_json::json;

use super::fit::{Limit, Markup};
use super::message::{Fields, Message, Part, Request};
use super::rendering::{RenderError, Rendering};
use super::{HttpClientConfig, Kind};
use crate::config::alertmanager::receivers::DiscordConfig;

const TITLE: Limit = Limit::utf16(256).of(Markup::Markdown);
const DESCRIPTION: Limit = Limit::utf16(4096).of(Markup::Markdown);
const CONTENT: Limit = Limit::utf16(2000).of(Markup::Markdown);
const USERNAME: Limit = Limit::utf16(80);
const RED: u32 = 0x99_2d_22;
const GREEN: u32 = 0x2e_cc_71;

impl Kind for DiscordConfig {
    fn render(&self, with: &Rendering<'_>) -> Result<Message, RenderError> {
        let content = with.line("content", &self.content, CONTENT);
        let username = with.line("username", &self.username, USERNAME);
        let avatar = with.text("avatar_url", &self.avatar_url);
        let embed = json!({
            "title": with.title("title", &self.title, TITLE),
            "description": with.body("message", &self.message, DESCRIPTION),
            "color": if with.is_firing() { RED } else { GREEN },
        });
        let body = Fields::default()
            .always("content", content)
            .always("embeds", json!([embed]))
            .some("username", username)
            .some("avatar_url", avatar)
            .json();
        let url = Part::url(self.webhook_url.as_ref(), &self.webhook_url_file);
        Ok(Message::one(Request::post(vec![url], body)))
    }

    fn http(&self) -> Option<&HttpClientConfig> {
        self.http_config.as_ref()
    }
}
