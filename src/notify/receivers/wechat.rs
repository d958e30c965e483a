//! WeChat Work: a token is fetched, then the message is sent with it.

use futures::future::BoxFuture;
use serde_json::{Value as Json, json};

use super::fit::{Limit, Markup};
use super::http::{Link, Reply, give_up, retry};
use super::message::{Body, Fields, Message, Part, Request};
use super::rendering::{RenderError, Rendering};
use super::{HttpClientConfig, Kind};
use crate::config::alertmanager::receivers::WechatConfig;
use crate::config::secret::{Secret, inline_or_file};
use crate::notify::Outcome;
use crate::template::escape;

/// Of a text, and of Markdown.
const CONTENT: Limit = Limit::bytes(2048);

impl WechatConfig {
    fn base(&self) -> &str {
        self.api_url.as_ref().map_or("", |u| u.as_str())
    }

    async fn token(&self, link: &Link<'_>) -> Result<Secret, Outcome> {
        let secret = inline_or_file(&self.api_secret, &self.api_secret_file).map_err(|e| retry(e.to_string()))?;
        let secret = secret.unwrap_or_default();
        let query = format!("corpid={}&corpsecret={}", escape::query(&self.corp_id), escape::query(secret.expose()));
        let url = vec![Part::plain(format!("{}gettoken?", self.base())), Part::secret(&Secret::new(query), "")];
        let mut request = Request::post(url, Json::Null);
        request.method = reqwest::Method::GET;
        request.body = Body::Empty;
        let reply = link.call(&request).await?;
        match reply.judge(&[]) {
            Outcome::Delivered => {}
            failed => return Err(failed),
        }
        let json = reply.json().unwrap_or(Json::Null);
        match json.get("access_token").and_then(Json::as_str) {
            Some(token) if !token.is_empty() => Ok(Secret::new(token)),
            _ => Err(give_up(format!("invalid APISecret for CorpID: {}", self.corp_id))),
        }
    }
}

impl Kind for WechatConfig {
    fn render(&self, with: &Rendering<'_>) -> Result<Message, RenderError> {
        let user = with.text("to_user", &self.to_user);
        let party = with.text("to_party", &self.to_party);
        let tag = with.text("to_tag", &self.to_tag);
        let agent = with.text("agent_id", &self.agent_id);
        let is_markdown = self.message_type == "markdown";
        let markup = if is_markdown { Markup::Markdown } else { Markup::Plain };
        let content = with.needed_body("message", &self.message, CONTENT.of(markup));
        let (text, markdown) = if is_markdown { ("", &*content) } else { (&*content, "") };
        let body = Fields::default()
            .always("text", json!({"content": text}))
            .some("touser", user)
            .some("toparty", party)
            .some("totag", tag)
            .some("agentid", agent)
            .always("safe", "0")
            .always("msgtype", self.message_type.as_str())
            .always("markdown", json!({"content": markdown}))
            .json();
        let url = vec![Part::plain(format!("{}message/send?access_token=", self.base()))];
        Ok(Message::one(Request::post(url, body)))
    }

    fn http(&self) -> Option<&HttpClientConfig> {
        self.http_config.as_ref()
    }

    /// WeChat answers errors with status 200 and a code; 42001 and 41001 say that the token is no longer good.
    fn judge(&self, reply: &Reply) -> Outcome {
        match reply.judge(&[]) {
            Outcome::Delivered => {}
            failed => return failed,
        }
        match reply.json().and_then(|j| j.get("errcode").and_then(Json::as_i64)) {
            Some(0) => Outcome::Delivered,
            Some(42_001 | 41_001 | -1) => retry(format!("WeChat: {}", reply.quote())),
            _ => give_up(format!("WeChat: {}", reply.quote())),
        }
    }

    fn send<'a>(&'a self, message: &'a Message, link: &'a Link<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let Some(request) = message.requests().first() else { return give_up("nothing to send") };
            let token = match self.token(link).await {
                Ok(token) => token,
                Err(failed) => return failed,
            };
            let mut request = request.clone();
            request.url.push(Part::secret(&token, ""));
            match link.call(&request).await {
                Ok(reply) => self.judge(&reply),
                Err(failed) => failed,
            }
        })
    }
}
