//! Discord: webhooks.

use serde_json::{Value as Json, json};

use super::fit::{Limit, Markup};
use super::message::{Fields, Message, Part, Request};
use super::multipart::FILE_NAME;
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
        let plot = with.plot.as_ref().map(|plot| plot.picture.clone());
        let image = plot.as_ref().map(|_| json!({"url": format!("attachment://{FILE_NAME}")}));
        let files = plot.as_ref().map(|plot| json!([{"id": 0, "filename": FILE_NAME, "description": plot.alt}]));
        let embed = Fields::default()
            .always("title", with.title("title", &self.title, TITLE))
            .always("description", with.body("message", &self.message, DESCRIPTION))
            .always("color", if with.is_firing() { RED } else { GREEN })
            .some("image", image.unwrap_or(Json::Null))
            .json();
        let body = Fields::default()
            .always("content", content)
            .always("embeds", json!([embed]))
            .some("username", username)
            .some("avatar_url", avatar)
            .some("attachments", files.unwrap_or(Json::Null))
            .json();
        let url = Part::url(self.webhook_url.as_ref(), &self.webhook_url_file);
        let request = Request::post(vec![url], body);
        Ok(Message::one(match plot {
            Some(plot) => request.with_picture("files[0]", plot),
            None => request,
        }))
    }

    fn http(&self) -> Option<&HttpClientConfig> {
        self.http_config.as_ref()
    }
}
