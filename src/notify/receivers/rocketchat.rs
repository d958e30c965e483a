//! Rocket.Chat.

use serde_json::{Value as Json, json};

use super::fit::{Limit, Markup};
use super::http::{Reply, give_up};
use super::message::{Fields, Message, Part, Request};
use super::rendering::{RenderError, Rendering};
use super::{HttpClientConfig, Kind};
use crate::config::alertmanager::receivers::RocketchatConfig;
use crate::notify::Outcome;

const TITLE: Limit = Limit::chars(1024);
/// What a server takes unless it is told otherwise.
const TEXT: Limit = Limit::chars(5000).of(Markup::Markdown);
const SHORT: Limit = Limit::chars(2000).of(Markup::Markdown);

impl RocketchatConfig {
    fn attachment(&self, with: &Rendering<'_>) -> Json {
        let mut fields = Vec::new();
        for f in &self.fields {
            let short = f.short.unwrap_or(self.short_fields);
            let (title, value) = (with.text("fields.title", &f.title), with.line("fields.value", &f.value, SHORT));
            fields.push(json!({"short": short, "title": title, "value": value}));
        }
        let mut actions = Vec::new();
        for a in &self.actions {
            let action = Fields::default()
                .some("type", with.text("actions.type", &a.kind))
                .some("text", with.text("actions.text", &a.text))
                .some("url", with.text("actions.url", &a.url));
            let action = action.always("is_webview", false).some("msg", with.text("actions.msg", &a.msg));
            actions.push(action.always("msg_in_chat_window", false).json());
        }
        let head = Fields::default()
            .some("title", with.title("title", &self.title, TITLE))
            .some("title_link", with.text("title_link", &self.title_link));
        let (image, thumb) = (with.text("image_url", &self.image_url), with.text("thumb_url", &self.thumb_url));
        let color = with.text("color", &self.color);
        head.some("text", with.body("text", &self.text, TEXT))
            .some("image_url", image)
            .some("thumb_url", thumb)
            .some("color", color)
            .some("fields", fields)
            .some("actions", actions)
            .json()
    }
}

impl Kind for RocketchatConfig {
    fn render(&self, with: &Rendering<'_>) -> Result<Message, RenderError> {
        let body = Fields::default()
            .some("channel", with.address("channel", &self.channel)?)
            .some("emoji", with.text("emoji", &self.emoji))
            .some("avatar", with.text("icon_url", &self.icon_url))
            .some("parseUrls", self.link_names)
            .always("attachments", json!([self.attachment(with)]))
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
