//! Mattermost: incoming webhooks.

use serde_json::{Value as Json, json};

use super::message::{Fields, Message, Part, Request};
use super::rendering::{RenderError, Rendering, truncate};
use super::{HttpClientConfig, Kind};
use crate::config::alertmanager::receivers::{MattermostAttachment, MattermostConfig, MattermostField};

/// Most characters of a title and a text.
const LONGEST: [usize; 2] = [1024, 16_383];

/// The templates of one attachment, from the configuration's top level or its list.
struct Attachment<'a> {
    /// Names and templates in the order of the API.
    texts: [(&'static str, &'a str); 11],
    title: &'a str,
    text: &'a str,
    fields: &'a [MattermostField],
}

impl Attachment<'_> {
    fn render(&self, with: &Rendering<'_>) -> Result<Json, RenderError> {
        let [title, text] = LONGEST;
        let mut out = Fields::default();
        for (name, template) in self.texts {
            out = out.some(name, with.text(template)?);
        }
        let mut fields = Vec::new();
        for f in self.fields {
            let short = f.short.unwrap_or(false);
            fields.push(json!({"title": with.text(&f.title)?, "value": with.text(&f.value)?, "short": short}));
        }
        Ok(out
            .some("title", truncate(&with.text(self.title)?, title))
            .some("text", truncate(&with.text(self.text)?, text))
            .some("fields", fields)
            .json())
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
        let listed = |a: &MattermostAttachment| attachment!(a).render(with);
        let attachments = match self.attachments.as_slice() {
            [] => vec![attachment!(self).render(with)?],
            several => several.iter().map(listed).collect::<Result<_, _>>()?,
        };
        let props = match &self.props {
            Some(p) => Fields::default().some("card", with.text(&p.card)?).json(),
            None => Json::Null,
        };
        let priority = match &self.priority {
            Some(p) => Fields::default()
                .some("priority", with.text(&p.priority)?)
                .some("requested_ack", p.requested_ack)
                .some("persistent_notifications", p.persistent_notifications)
                .json(),
            None => Json::Null,
        };
        let body = Fields::default()
            .some("channel", with.text(&self.channel)?)
            .some("username", with.text(&self.username)?)
            .some("icon_url", with.text(&self.icon_url)?)
            .some("icon_emoji", with.text(&self.icon_emoji)?)
            .always("attachments", attachments)
            .some("type", with.text(&self.post_type)?)
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
