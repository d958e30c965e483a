//! Telegram: messages of a bot.

use futures::future::BoxFuture;
use serde_json::{Value as Json, json};

use super::fit::{Limit, Markup};
use super::http::{Link, Reply, give_up, retry};
use super::message::{Body, Fields, Message, Part, Request};
use super::rendering::{RenderError, Rendering};
use super::{HttpClientConfig, Kind};
use crate::config::alertmanager::receivers::TelegramConfig;
use crate::notify::Outcome;
use crate::notify::plots::Illustration;

/// As Telegram counts characters.
const MESSAGE: Limit = Limit::utf16(4096);

const DEFAULT_TITLE: &str = "{{ template \"__subject\" . }}";

impl TelegramConfig {
    fn request(&self, with: &Rendering<'_>, markup: Markup) -> Request {
        let text = with.body("message", &self.message, MESSAGE.of(markup));
        let text = match text.trim().is_empty() {
            // Telegram takes no empty messages.
            true => with.title("message", DEFAULT_TITLE, MESSAGE.of(markup)),
            false => text,
        };
        let thread = if self.message_thread_id == 0 { String::new() } else { self.message_thread_id.to_string() };
        let chat = if self.chat_id == 0 { String::new() } else { self.chat_id.to_string() };
        let body = Fields::default()
            .some("chat_id", chat)
            .some("disable_notification", if self.disable_notifications { "true" } else { "" })
            .always("disable_web_page_preview", "true")
            .some("message_thread_id", thread)
            .some("parse_mode", self.parse_mode.as_str())
            .always("text", text)
            .json();
        Request::post(self.url("sendMessage"), body)
    }

    /// Where a method of the bot is called.
    fn url(&self, method: &str) -> Vec<Part> {
        let base = self.api_url.as_ref().map_or("", |u| u.as_str()).trim_end_matches('/');
        vec![
            Part::plain(format!("{base}/bot")),
            Part::secret(&self.bot_token, &self.bot_token_file),
            Part::plain(format!("/{method}")),
        ]
    }

    /// The plot, in answer to its message and without a sound of its own.
    fn photo(&self, plot: &Illustration, sent: &Json) -> Option<Request> {
        let (message, chat) = (sent.get("message_id")?.as_i64()?, sent.pointer("/chat/id")?.as_i64()?);
        let thread =
            (self.message_thread_id != 0).then(|| ("message_thread_id".into(), self.message_thread_id.to_string()));
        let reply = json!({"message_id": message, "allow_sending_without_reply": true});
        let fields = [
            ("chat_id".into(), chat.to_string()),
            ("disable_notification".into(), "true".into()),
            ("reply_parameters".into(), reply.to_string()),
        ];
        let fields = fields.into_iter().chain(thread).collect();
        let mut request = Request::post(self.url("sendPhoto"), Json::Null);
        request.body = Body::Form(fields);
        Some(request.with_picture("photo", plot.picture.clone()))
    }
}

impl Kind for TelegramConfig {
    /// The message; in Markdown also one in which annotations are no markup, should Telegram not be able to read the
    /// first.
    fn render(&self, with: &Rendering<'_>) -> Result<Message, RenderError> {
        let markup = match self.parse_mode.as_str() {
            "HTML" => Markup::Html,
            "MarkdownV2" => Markup::MarkdownV2,
            "Markdown" => Markup::MarkdownV1,
            _ => Markup::Plain,
        };
        let mut requests = vec![self.request(with, markup)];
        if markup.dialect().is_some() {
            requests.push(self.request(&with.without_markup_in_annotations(), markup));
        }
        Ok(Message::Http(requests))
    }

    fn http(&self) -> Option<&HttpClientConfig> {
        self.http_config.as_ref()
    }

    /// Telegram says in the body how long it wants to be left alone.
    fn judge(&self, reply: &Reply) -> Outcome {
        let asked = reply.json().and_then(|j| j.pointer("/parameters/retry_after").and_then(Json::as_i64));
        match (reply.judge(&[]), asked) {
            (Outcome::Retry { after: None, reason }, Some(seconds)) => {
                Outcome::Retry { after: Some(seconds.saturating_mul(1000)), reason }
            }
            (outcome, _) => outcome,
        }
    }

    fn sends_plot_apart(&self) -> bool {
        true
    }

    fn follow<'a>(&'a self, plot: &'a Illustration, link: &'a Link<'a>) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async move {
            let sent = link.sent.lock().take();
            let photo = sent.and_then(|sent| self.photo(plot, &sent));
            let photo = photo.ok_or("Telegram did not say where the message is that the plot belongs to")?;
            let outcome = match link.call(&photo).await {
                Ok(reply) => self.judge(&reply),
                Err(failed) => failed,
            };
            outcome.error().map_or(Ok(()), |reason| Err(reason.to_owned()))
        })
    }

    fn send<'a>(&'a self, message: &'a Message, link: &'a Link<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let Some(request) = message.requests().first() else { return give_up("nothing to send") };
            let mut ways: Vec<Request> = message.requests().to_vec();
            ways.push(without_markup(request));
            if self.chat_id == 0 {
                match chat_id_of(&self.chat_id_file) {
                    Ok(id) => ways.iter_mut().for_each(|way| {
                        if let Body::Json(Json::Object(fields)) = &mut way.body {
                            fields.insert("chat_id".into(), json!(id));
                        }
                    }),
                    Err(reason) => return retry(reason),
                }
            }
            let mut outcome = give_up("nothing to send");
            for way in &ways {
                match link.call(way).await {
                    Ok(reply) => {
                        outcome = self.judge(&reply);
                        if outcome.is_delivered() {
                            *link.sent.lock() = reply.json().and_then(|mut json| Some(json.get_mut("result")?.take()));
                        }
                        if !is_malformed(&reply) {
                            break;
                        }
                    }
                    Err(failed) => return failed,
                }
            }
            outcome
        })
    }
}

/// Whether Telegram could not read the message's markup: it would refuse it for ever.
fn is_malformed(reply: &Reply) -> bool {
    reply.status == 400 && reply.body.contains("can't parse entities")
}

/// The same as plain text: better read with its tags than not at all.
fn without_markup(request: &Request) -> Request {
    let mut request = request.clone();
    if let Body::Json(Json::Object(fields)) = &mut request.body {
        let text = match (fields.remove("parse_mode"), fields.get("text").and_then(Json::as_str)) {
            (Some(mode), Some(text)) if mode == "HTML" => super::fit::text_of_html(text),
            (_, text) => text.unwrap_or("").to_owned(),
        };
        fields.insert("text".into(), json!(MESSAGE.cut(&text)));
    }
    request
}

fn chat_id_of(file: &str) -> Result<String, String> {
    let text = std::fs::read_to_string(file).map_err(|e| format!("unable to read file {file}: {e}"))?;
    let id: i64 = text.trim().parse().map_err(|_| format!("{file} does not hold a chat id"))?;
    Ok(id.to_string())
}
