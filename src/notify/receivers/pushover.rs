//! Pushover.

use super::fit::{Limit, Markup};
use super::message::{Body, Message, Part, Request};
use super::rendering::{RenderError, Rendering};
use super::{HttpClientConfig, Kind};
use crate::config::alertmanager::receivers::PushoverConfig;

const API: &str = "https://api.pushover.net/1/messages.json";
const TITLE: Limit = Limit::chars(250);
const MESSAGE: Limit = Limit::chars(1024);
const URL: Limit = Limit::chars(512);
const URL_TITLE: Limit = Limit::chars(100);
/// Between two repeats of an emergency at least, and how long it is repeated at most, seconds.
const LEAST_RETRY: i64 = 30;
const MOST_EXPIRE: i64 = 10_800;

impl PushoverConfig {
    /// From -2 to 2, or nothing; what is no such number would be refused.
    fn priority(&self, with: &Rendering<'_>) -> String {
        let default = if with.is_firing() { "2" } else { "0" };
        let priority = with.text_or("priority", &self.priority, default);
        match priority.trim() {
            "" => String::new(),
            number if number.parse::<i8>().is_ok_and(|n| (-2..=2).contains(&n)) => number.to_owned(),
            _ => default.to_owned(),
        }
    }
}

impl Kind for PushoverConfig {
    fn render(&self, with: &Rendering<'_>) -> Result<Message, RenderError> {
        let title = with.title("title", &self.title, TITLE);
        let priority = self.priority(with);
        // A link that is cut leads nowhere.
        let link = Some(with.text("url", &self.url)).filter(|url| URL.holds(url)).unwrap_or_default();
        let more = [
            ("url", link),
            ("url_title", with.line("url_title", &self.url_title, URL_TITLE)),
            ("device", with.text("device", &self.device)),
            ("sound", with.text("sound", &self.sound)),
            ("ttl", if self.ttl.0 > 0 { (self.ttl.0 / 1000).to_string() } else { String::new() }),
            ("html", if self.html { "1".into() } else { String::new() }),
            ("monospace", if self.monospace { "1".into() } else { String::new() }),
        ];
        let markup = if self.html { Markup::Html } else { Markup::Plain };
        let text = with.body("message", &self.message, MESSAGE.of(markup));
        let text = text.trim();
        let mut form = vec![
            ("title".to_owned(), title),
            // Pushover rejects empty messages.
            ("message".to_owned(), if text.is_empty() { "(no details)".into() } else { text.to_owned() }),
            ("priority".to_owned(), priority),
            ("retry".to_owned(), (self.retry.0 / 1000).max(LEAST_RETRY).to_string()),
            ("expire".to_owned(), (self.expire.0 / 1000).min(MOST_EXPIRE).to_string()),
        ];
        form.extend(more.into_iter().filter(|(_, value)| !value.is_empty()).map(|(n, v)| (n.to_owned(), v)));
        let mut request = Request::post(vec![Part::plain(API)], serde_json::Value::Null)
            .secret("token", with.secret("token", &self.token, &self.token_file)?)
            .secret("user", with.secret("user_key", &self.user_key, &self.user_key_file)?);
        request.body = Body::Form(form);
        Ok(Message::one(request))
    }

    fn http(&self) -> Option<&HttpClientConfig> {
        self.http_config.as_ref()
    }
}
