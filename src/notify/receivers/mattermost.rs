//! Mattermost: incoming webhooks.

use serde_json::{Value as Json, json};

use super::fit::{Limit, Markup};
use super::message::{Fields, Message, Part, Request};
use super::rendering::{RenderError, Rendering};
use super::{HttpClientConfig, Kind};
use crate::config::alertmanager::receivers::{MattermostAttachment, MattermostConfig, MattermostField};

const TITLE: Limit = Limit::chars(1024).of(Markup::Markdown);
/// What else is shown as Markdown.
const SHORT: Limit = Limit::chars(4_000).of(Markup::Markdown);
const MARKDOWN: [&str; 2] = ["pretext", "footer"];
const TEXT: Limit = Limit::chars(16_383).of(Markup::Markdown);

/// The templates of one attachment, from the configuration's top level or its list.
struct Attachment<'a> {
    /// Names and templates in the order of the API.
    texts: [(&'static str, &'a str); 11],
    title: &'a str,
    text: &'a str,
    fields: &'a [MattermostField],
}

impl Attachment<'_> {
    fn render(&self, with: &Rendering<'_>) -> Json {
        let mut out = Fields::default();
        for (name, template) in self.texts {
            let is_markdown = MARKDOWN.contains(&name);
            out =
                out.some(name, if is_markdown { with.line(name, template, SHORT) } else { with.text(name, template) });
        }
        let mut fields = Vec::new();
        for f in self.fields {
            let (title, value) =
                (with.line("fields.title", &f.title, SHORT), with.line("fields.value", &f.value, SHORT));
            let mut field = json!({"title": title, "value": value});
            if let (Some(short), Json::Object(field)) = (f.short, &mut field) {
                field.insert("short".into(), short.into());
            }
            fields.push(field);
        }
        out.some("title", with.title("title", self.title, TITLE))
            .some("text", with.body("text", self.text, TEXT))
            .some("fields", fields)
            .json()
    }
}

/// Reads the texts both kinds of attachment have.
macro_rules! attachment {
    ($of:expr) => {
        Attachment {
            texts: [
                ("fallback", &$of.fallback),
                ("color", &$of.color),
                ("pretext", &$of.pretext),
                ("author_name", &$of.author_name),
                ("author_link", &$of.author_link),
                ("author_icon", &$of.author_icon),
                ("title_link", &$of.title_link),
                ("thumb_url", &$of.thumb_url),
                ("footer", &$of.footer),
                ("footer_icon", &$of.footer_icon),
                ("image_url", &$of.image_url),
            ],
            title: &$of.title,
            text: &$of.text,
            fields: &$of.fields,
        }
    };
}

impl Kind for MattermostConfig {
    fn render(&self, with: &Rendering<'_>) -> Result<Message, RenderError> {
        let channel = with.text("channel", &self.channel);
        let username = with.text("username", &self.username);
        let (icon, emoji) = (with.text("icon_url", &self.icon_url), with.text("icon_emoji", &self.icon_emoji));
        let post_type = with.text("type", &self.post_type);
        let props = match &self.props {
            Some(p) => Fields::default().some("card", with.text("props.card", &p.card)).json(),
            None => Json::Null,
        };
        let priority = match &self.priority {
            Some(p) => Fields::default()
                .some("priority", with.text("priority.priority", &p.priority))
                .some("requested_ack", p.requested_ack)
                .some("persistent_notifications", p.persistent_notifications)
                .json(),
            None => Json::Null,
        };
        let listed = |a: &MattermostAttachment| attachment!(a).render(with);
        let attachments: Vec<Json> = match self.attachments.as_slice() {
            [] => vec![attachment!(self).render(with)],
            several => several.iter().map(listed).collect(),
        };
        let body = Fields::default()
            .some("channel", channel)
            .some("username", username)
            .some("icon_url", icon)
            .some("icon_emoji", emoji)
            .always("attachments", attachments)
            .some("type", post_type)
            .some("props", props)
            .some("priority", priority)
            .json();
        let url = Part::url(self.webhook_url.as_ref(), &self.webhook_url_file);
        Ok(Message::one(Request::post(vec![url], body)))
    }

    fn http(&self) -> Option<&HttpClientConfig> {
        self.http_config.as_ref()
    }
}
