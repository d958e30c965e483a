//! Slack: messages by incoming webhook or bot token, as attachments.

use futures::future::BoxFuture;
use serde_json::{Value as Json, json};

use super::http::{Link, Reply, give_up, retry};
use super::message::{Body, Fields, Message, Part, Request};
use super::rendering::{RenderError, Rendering, truncate};
use super::{HttpClientConfig, Kind};
use crate::config::alertmanager::receivers::{SlackAction, SlackConfig, SlackField};
use crate::notify::Outcome;

/// Most characters of a title.
const LONGEST_TITLE: usize = 1024;
impl SlackConfig {
    fn attachment(&self, with: &Rendering<'_>) -> Result<Json, RenderError> {
        let text = |template: &str| with.text(template);
        let markdown =
            if self.mrkdwn_in.is_empty() { json!(["fallback", "pretext", "text"]) } else { json!(self.mrkdwn_in) };
        let fields = self.fields.iter().map(|f| self.field(f, with)).collect::<Result<Vec<_>, _>>()?;
        let actions = self.actions.iter().map(|a| action(a, with)).collect::<Result<Vec<_>, _>>()?;
        Ok(Fields::default()
            .some("title", truncate(&text(&self.title)?, LONGEST_TITLE))
            .some("title_link", text(&self.title_link)?)
            .some("pretext", text(&self.pretext)?)
            .always("text", text(&self.text)?)
            .always("fallback", text(&self.fallback)?)
            .always("callback_id", text(&self.callback_id)?)
            .some("fields", fields)
            .some("actions", actions)
            .some("image_url", text(&self.image_url)?)
            .some("thumb_url", text(&self.thumb_url)?)
            .always("footer", text(&self.footer)?)
            .some("color", text(&self.color)?)
            .some("mrkdwn_in", markdown)
            .json())
    }

    fn field(&self, field: &SlackField, with: &Rendering<'_>) -> Result<Json, RenderError> {
        Ok(json!({
            "title": with.text(&field.title)?,
            "value": with.text(&field.value)?,
            "short": field.short.unwrap_or(self.short_fields),
        }))
    }

    fn uses_token(&self) -> bool {
        !self.app_token.is_empty() || !self.app_token_file.is_empty()
    }
}

fn action(action: &SlackAction, with: &Rendering<'_>) -> Result<Json, RenderError> {
    let confirm = match &action.confirm {
        None => Json::Null,
        Some(c) => Fields::default()
            .always("text", with.text(&c.text)?)
            .some("title", with.text(&c.title)?)
            .some("ok_text", with.text(&c.ok_text)?)
            .some("dismiss_text", with.text(&c.dismiss_text)?)
            .json(),
    };
    Ok(Fields::default()
        .always("type", with.text(&action.kind)?)
        .always("text", with.text(&action.text)?)
        .some("url", with.text(&action.url)?)
        .some("style", with.text(&action.style)?)
        .some("name", with.text(&action.name)?)
        .some("value", with.text(&action.value)?)
        .some("confirm", confirm)
        .json())
}

impl Kind for SlackConfig {
    fn render(&self, with: &Rendering<'_>) -> Result<Message, RenderError> {
        let body = Fields::default()
            .some("channel", with.text(&self.channel)?)
            .some("username", with.text(&self.username)?)
            .some("icon_emoji", with.text(&self.icon_emoji)?)
            .some("icon_url", with.text(&self.icon_url)?)
            .some("link_names", self.link_names)
            .some("text", with.text(&self.message_text)?)
            .always("attachments", json!([self.attachment(with)?]))
            .json();
        let request = if self.uses_token() {
            let url = self.app_url.as_ref().map_or("", |u| u.as_str());
            let bearer = vec![Part::plain("Bearer "), Part::secret(&self.app_token, &self.app_token_file)];
            Request::post(vec![Part::plain(url)], body).header("Authorization", bearer)
        } else {
            Request::post(vec![Part::url(self.api_url.as_ref(), &self.api_url_file)], body)
        };
        Ok(Message::one(request))
    }

    fn http(&self) -> Option<&HttpClientConfig> {
        self.http_config.as_ref()
    }

    fn timeout(&self) -> i64 {
        self.timeout.0
    }

    /// Slack answers some errors with status 200: webhooks say `ok`, the API `{"ok": true}`.
    fn judge(&self, reply: &Reply) -> Outcome {
        match reply.judge(&[]) {
            Outcome::Delivered => {}
            failed => return failed,
        }
        if !reply.is_json {
            return match reply.body.trim() {
                "ok" => Outcome::Delivered,
                _ => give_up(format!("received an error response from Slack: {}", reply.quote())),
            };
        }
        match reply.json() {
            Some(json) if json.get("ok") == Some(&Json::Bool(true)) => Outcome::Delivered,
            Some(json) => match json.get("error").and_then(Json::as_str).unwrap_or("") {
                passing @ ("ratelimited" | "internal_error" | "fatal_error" | "service_unavailable") => retry(passing),
                error => give_up(format!("received an error response from Slack: {error}")),
            },
            None => give_up("could not read the response of Slack as JSON"),
        }
    }

    fn send<'a>(&'a self, message: &'a Message, link: &'a Link<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let Some(request) = message.requests().first() else { return give_up("nothing to send") };
            // A restart or a reload forgets where a group's message is: its next message is a new one.
            let known = link.memory.recall(link.group_key).filter(|_| self.update_message);
            let reply = match known.as_ref().and_then(|place| place.split_once(' ')) {
                Some((channel, ts)) => link.call(&update(request, channel, ts)).await,
                None => link.call(request).await,
            };
            let reply = match reply {
                Ok(reply) => reply,
                Err(failed) => return failed,
            };
            let outcome = self.judge(&reply);
            if self.update_message && outcome == Outcome::Delivered {
                remember(link, &reply);
            }
            outcome
        })
    }
}

/// The request that changes a message instead of writing one.
fn update(request: &Request, channel: &str, ts: &str) -> Request {
    let mut request = request.clone();
    for part in &mut request.url {
        if let Part::Secret(url, file) = part
            && file.is_empty()
        {
            *url = crate::config::secret::Secret::new(url.expose().replace("chat.postMessage", "chat.update"));
        }
    }
    if let Body::Json(Json::Object(fields)) = &mut request.body {
        fields.insert("channel".into(), json!(channel));
        fields.insert("ts".into(), json!(ts));
    }
    request
}

fn remember(link: &Link<'_>, reply: &Reply) {
    let Some(json) = reply.json() else { return };
    let text = |name: &str| json.get(name).and_then(Json::as_str);
    if let (Some(channel), Some(ts)) = (text("channel"), text("ts")) {
        link.memory.remember(link.group_key, format!("{channel} {ts}"));
    }
}
