//! Rocket.Chat.

use serde_json::{Value as Json, json};

use super::http::{Reply, give_up};
use super::message::{Fields, Message, Part, Request};
use super::rendering::{RenderError, Rendering, truncate};
use super::{HttpClientConfig, Kind};
use crate::config::alertmanager::receivers::RocketchatConfig;
use crate::notify::Outcome;

/// Most characters of a title.
const LONGEST_TITLE: usize = 1024;

impl RocketchatConfig {
    fn attachment(&self, with: &Rendering<'_>) -> Result<Json, RenderError> {
        let mut fields = Vec::new();
        for f in &self.fields {
            let short = f.short.unwrap_or(self.short_fields);
            fields.push(json!({"short": short, "title": with.text(&f.title)?, "value": with.text(&f.value)?}));
        }
        let mut actions = Vec::new();
        for a in &self.actions {
            let action = Fields::default()
                .some("type", with.text(&a.kind)?)
                .some("text", with.text(&a.text)?)
                .some("url", with.text(&a.url)?);
            actions.push(action.always("is_webview", false).always("msg_in_chat_window", false).json());
        }
        Ok(Fields::default()
            .some("title", truncate(&with.text(&self.title)?, LONGEST_TITLE))
            .some("title_link", with.text(&self.title_link)?)
            .some("text", with.text(&self.text)?)
            .some("image_url", with.text(&self.image_url)?)
            .some("thumb_url", with.text(&self.thumb_url)?)
            .some("color", with.text(&self.color)?)
            .some("fields", fields)
            .some("actions", actions)
            .json())
    }
}

impl Kind for RocketchatConfig {
    fn render(&self, with: &Rendering<'_>) -> Result<Message, RenderError> {
        let body = Fields::default()
            .some("channel", with.text(&self.channel)?)
            .some("emoji", with.text(&self.emoji)?)
            .some("avatar", with.text(&self.icon_url)?)
            .some("parseUrls", self.link_names)
            .always("attachments", json!([self.attachment(with)?]))
            .json();
        let base = self.api_url.as_ref().map_or("", |u| u.as_str());
        let request = Request::post(vec![Part::plain(format!("{base}api/v1/chat.postMessage"))], body)
            .header("X-Auth-Token", vec![Part::secret(&self.token, &self.token_file)])
            .header("X-User-Id", vec![Part::secret(&self.token_id, &self.token_id_file)]);
        Ok(Message::one(request))
    }

    fn http(&self) -> Option<&HttpClientConfig> {
        self.http_config.as_ref()
    }

    /// Rocket.Chat says in the body whether it took the message.
    fn judge(&self, reply: &Reply) -> Outcome {
        let refused = reply.json().is_some_and(|j| j.get("success") == Some(&Json::Bool(false)));
        match reply.judge(&[]) {
            Outcome::Delivered if refused => give_up(format!("Rocket.Chat refused the message: {}", reply.quote())),
            outcome => outcome,
        }
    }
}
