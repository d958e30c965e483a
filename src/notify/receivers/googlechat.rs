//! Google Chat: incoming webhooks of spaces.

use futures::future::BoxFuture;
use serde_json::json;

use super::fit::{Limit, Markup};
use super::http::{Link, give_up, retry};
use super::message::{Message, Part, Request, resolve_all};
use super::rendering::{RenderError, Rendering, hash};
use super::{HttpClientConfig, Kind};
use crate::config::alertmanager::receivers::GoogleChatConfig;
use crate::config::secret::Secret;
use crate::notify::Outcome;

/// A message may have 32,000 bytes, all of it.
const TEXT: Limit = Limit::json(31_000).of(Markup::Mrkdwn);
const TITLE: &str = "{{ template \"__subject\" . }}";

impl Kind for GoogleChatConfig {
    fn render(&self, with: &Rendering<'_>) -> Result<Message, RenderError> {
        let text = with.body("message", &self.message, TEXT);
        let is_empty = text.trim().is_empty();
        let text = if is_empty { with.title("message", TITLE, TEXT) } else { text };
        let url = Part::url(self.url.as_ref(), &self.url_file);
        Ok(Message::one(Request::post(vec![url], json!({"text": text}))))
    }

    fn http(&self) -> Option<&HttpClientConfig> {
        self.http_config.as_ref()
    }

    /// The thread stands in the URL, which is a secret.
    fn send<'a>(&'a self, message: &'a Message, link: &'a Link<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let Some(request) = message.requests().first() else { return give_up("nothing to send") };
            let mut request = request.clone();
            if self.threading {
                let given = match resolve_all(&request.url) {
                    Ok(url) => url,
                    Err(reason) => return retry(reason),
                };
                let Ok(mut url) = url::Url::parse(given.trim()) else {
                    return give_up("the receiver's URL is not valid");
                };
                url.query_pairs_mut()
                    .append_pair("threadKey", &hash(link.group_key))
                    .append_pair("messageReplyOption", "REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD");
                request.url = vec![Part::secret(&Secret::new(url.as_str()), "")];
            }
            match link.call(&request).await {
                Ok(reply) => self.judge(&reply),
                Err(failed) => failed,
            }
        })
    }
}
