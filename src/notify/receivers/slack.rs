//! Slack: messages by incoming webhook or bot token, as attachments.

use futures::future::BoxFuture;
use serde_json::{Value as Json, json};

use super::fit::{Limit, Markup};
use super::http::{Link, Reply, give_up, retry};
use super::message::{Body, Fields, Message, Part, Request};
use super::rendering::{RenderError, Rendering};
use super::{HttpClientConfig, Kind, slack_file};
use crate::config::alertmanager::receivers::{SlackAction, SlackConfig, SlackField};
use crate::config::secret::Secret;
use crate::notify::Outcome;
use crate::notify::plots::Illustration;

const TITLE: Limit = Limit::chars(1024).of(Markup::Mrkdwn);
/// Slack cuts a message at 40,000 characters, wherever that is; the text gets most of them.
const TEXT: Limit = Limit::chars(24_000).of(Markup::Mrkdwn);
const MESSAGE_TEXT: Limit = Limit::chars(8_000).of(Markup::Mrkdwn);
const SHORT: Limit = Limit::chars(2_000).of(Markup::Mrkdwn);

impl SlackConfig {
    fn attachment(&self, with: &Rendering<'_>) -> Json {
        let plain = |field: &str, template: &str| with.text(field, template);
        let markdown =
            if self.mrkdwn_in.is_empty() { json!(["fallback", "pretext", "text"]) } else { json!(self.mrkdwn_in) };
        let fields: Vec<Json> = self.fields.iter().map(|f| self.field(f, with)).collect();
        let actions: Vec<Json> = self.actions.iter().map(|a| action(a, with)).collect();
        let title = with.title("title", &self.title, TITLE);
        let title_link = plain("title_link", &self.title_link);
        let pretext = with.line("pretext", &self.pretext, SHORT);
        let fallback = with.title("fallback", &self.fallback, SHORT);
        let callback_id = plain("callback_id", &self.callback_id);
        let (image, thumb) = (plain("image_url", &self.image_url), plain("thumb_url", &self.thumb_url));
        let footer = with.line("footer", &self.footer, SHORT);
        let color = plain("color", &self.color);
        Fields::default()
            .some("title", title)
            .some("title_link", title_link)
            .some("pretext", pretext)
            .always("text", with.body("text", &self.text, TEXT))
            .always("fallback", fallback)
            .always("callback_id", callback_id)
            .some("fields", fields)
            .some("actions", actions)
            .some("image_url", image)
            .some("thumb_url", thumb)
            .always("footer", footer)
            .some("color", color)
            .some("mrkdwn_in", markdown)
            .json()
    }

    fn field(&self, field: &SlackField, with: &Rendering<'_>) -> Json {
        json!({
            "title": with.line("fields.title", &field.title, SHORT),
            "value": with.line("fields.value", &field.value, SHORT),
            "short": field.short.unwrap_or(self.short_fields),
        })
    }

    /// Says who writes.
    pub(super) fn bearer(&self) -> Vec<Part> {
        vec![Part::plain("Bearer "), Part::secret(&self.app_token, &self.app_token_file)]
    }

    fn uses_token(&self) -> bool {
        !self.app_token.is_empty() || !self.app_token_file.is_empty()
    }
}

fn action(action: &SlackAction, with: &Rendering<'_>) -> Json {
    let text = |field: &str, template: &str| with.text(&format!("actions.{field}"), template);
    let confirm = match &action.confirm {
        None => Json::Null,
        Some(c) => Fields::default()
            .always("text", text("confirm.text", &c.text))
            .some("title", text("confirm.title", &c.title))
            .some("ok_text", text("confirm.ok_text", &c.ok_text))
            .some("dismiss_text", text("confirm.dismiss_text", &c.dismiss_text))
            .json(),
    };
    Fields::default()
        .always("type", text("type", &action.kind))
        .always("text", text("text", &action.text))
        .some("url", text("url", &action.url))
        .some("style", text("style", &action.style))
        .some("name", text("name", &action.name))
        .some("value", text("value", &action.value))
        .some("confirm", confirm)
        .json()
}

impl Kind for SlackConfig {
    fn render(&self, with: &Rendering<'_>) -> Result<Message, RenderError> {
        // Without a channel a webhook writes where it belongs.
        let channel = with.text("channel", &self.channel);
        let username = with.text("username", &self.username);
        let emoji = with.text("icon_emoji", &self.icon_emoji);
        let icon = with.text("icon_url", &self.icon_url);
        let text = with.line("message_text", &self.message_text, MESSAGE_TEXT);
        let body = Fields::default()
            .some("channel", channel)
            .some("username", username)
            .some("icon_emoji", emoji)
            .some("icon_url", icon)
            .some("link_names", self.link_names)
            .some("text", text)
            .always("attachments", json!([self.attachment(with)]))
            .json();
        let request = if self.uses_token() {
            let url = self.app_url.as_ref().map_or("", |u| u.as_str());
            Request::post(vec![Part::plain(url)], body).header("Authorization", self.bearer())
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
                error => give_up(format!("received an error response from Slack: {}", reply.quoted(error))),
            },
            None => give_up("could not read the response of Slack as JSON"),
        }
    }

    fn sends_plot_apart(&self) -> bool {
        true
    }

    fn follow<'a>(&'a self, plot: &'a Illustration, link: &'a Link<'a>) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async move {
            let sent = link.sent.lock().take();
            let place = sent.as_ref().and_then(Json::as_str).and_then(Place::read);
            let place = place.ok_or("Slack did not say where the message is that the plot belongs to")?;
            slack_file::answer(self, plot, place.channel, place.ts, link).await
        })
    }

    fn send<'a>(&'a self, message: &'a Message, link: &'a Link<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let Some(request) = message.requests().first() else { return give_up("nothing to send") };
            match self.attempt(request, link).await {
                Ok(outcome) | Err(outcome) => outcome,
            }
        })
    }
}

/// Where a message is: the channel's id and the message's timestamp there.
struct Place<'a> {
    channel: &'a str,
    ts: &'a str,
}

impl<'a> Place<'a> {
    fn read(place: &'a str) -> Option<Self> {
        place.split_once(' ').map(|(channel, ts)| Place { channel, ts })
    }
}

impl SlackConfig {
    /// Changes the group's message, answers to it, or both; writes a new one when there is none any more.
    async fn attempt(&self, request: &Request, link: &Link<'_>) -> Result<Outcome, Outcome> {
        let known = link.place.and_then(Place::read).filter(|_| self.update_message || self.thread);
        if let Some(place) = known {
            let changed = match self.update_message {
                true => Some(link.call(&changing(request, &place)).await?),
                false => None,
            };
            let answered = match self.thread {
                true => Some(link.call(&answering(request, &place)).await?),
                false => None,
            };
            if !changed.iter().chain(&answered).any(is_gone) {
                *link.sent.lock() = link.place.map(Json::from);
                let mut outcomes = changed.iter().chain(&answered).map(|reply| self.judge(reply));
                let failed = outcomes.find(|outcome| !outcome.is_delivered());
                return Ok(failed.unwrap_or(Outcome::Delivered));
            }
        }
        let reply = link.call(request).await?;
        let outcome = self.judge(&reply);
        let place = place_of(&reply).filter(|_| outcome.is_delivered());
        *link.sent.lock() = place.clone().map(Json::from);
        Ok(match place.filter(|_| self.update_message || self.thread) {
            Some(place) => Outcome::DeliveredAt(place),
            None => outcome,
        })
    }
}

/// Whether what was to be changed or answered is not there any more, or may not be changed.
fn is_gone(reply: &Reply) -> bool {
    const GONE: [&str; 6] = [
        "message_not_found",
        "cant_update_message",
        "edit_window_closed",
        "thread_not_found",
        "channel_not_found",
        "is_archived",
    ];
    let error = reply.json().and_then(|json| json.get("error").and_then(Json::as_str).map(str::to_owned));
    error.is_some_and(|error| GONE.contains(&error.as_str()))
}

/// The request that changes a message instead of writing one.
fn changing(request: &Request, place: &Place<'_>) -> Request {
    let change = |url: &str| url.replace("chat.postMessage", "chat.update");
    let mut request = request.clone();
    for part in &mut request.url {
        match part {
            Part::Plain(url) => *url = change(url),
            Part::Secret(url, file) if file.is_empty() => *url = Secret::new(change(url.expose())),
            Part::Secret(..) => {}
        }
    }
    with_fields(request, [("channel", place.channel), ("ts", place.ts)])
}

/// The request that answers to a message in its thread.
fn answering(request: &Request, place: &Place<'_>) -> Request {
    with_fields(request.clone(), [("channel", place.channel), ("thread_ts", place.ts)])
}

fn with_fields(mut request: Request, fields: [(&str, &str); 2]) -> Request {
    if let Body::Json(Json::Object(body)) = &mut request.body {
        body.extend(fields.map(|(name, value)| (name.to_owned(), json!(value))));
    }
    request
}

fn place_of(reply: &Reply) -> Option<String> {
    let json = reply.json()?;
    let text = |name: &str| json.get(name).and_then(Json::as_str);
    Some(format!("{} {}", text("channel")?, text("ts")?))
}
