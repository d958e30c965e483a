//! Pushover.

use super::message::{Body, Message, Part, Request};
use super::rendering::{RenderError, Rendering, truncate};
use super::{HttpClientConfig, Kind};
use crate::config::alertmanager::receivers::PushoverConfig;

const API: &str = "https://api.pushover.net/1/messages.json";
/// Most characters of a title, a message, a URL and a URL's title.
const LONGEST: [usize; 4] = [250, 1024, 512, 100];

impl Kind for PushoverConfig {
    fn render(&self, with: &Rendering<'_>) -> Result<Message, RenderError> {
        let [title, message, url, url_title] = LONGEST;
        let text = if self.html { with.html(&self.message)? } else { with.text(&self.message)? };
        let text = truncate(text.trim(), message);
        let mut form = vec![
            ("title".to_owned(), truncate(&with.text(&self.title)?, title)),
            // Pushover rejects empty messages.
            ("message".to_owned(), if text.is_empty() { "(no details)".into() } else { text }),
            ("priority".to_owned(), with.text(&self.priority)?),
            ("retry".to_owned(), (self.retry.0 / 1000).to_string()),
            ("expire".to_owned(), (self.expire.0 / 1000).to_string()),
        ];
        for (name, value) in [
            ("url", truncate(&with.text(&self.url)?, url)),
            ("url_title", truncate(&with.text(&self.url_title)?, url_title)),
            ("device", with.text(&self.device)?),
            ("sound", with.text(&self.sound)?),
            ("ttl", if self.ttl.0 > 0 { (self.ttl.0 / 1000).to_string() } else { String::new() }),
            ("html", if self.html { "1".into() } else { String::new() }),
            ("monospace", if self.monospace { "1".into() } else { String::new() }),
        ] {
            if !value.is_empty() {
                form.push((name.to_owned(), value));
            }
        }
        let mut request = Request::post(vec![Part::plain(API)], serde_json::Value::Null)
            .secret("token", Part::secret(&self.token, &self.token_file))
            .secret("user", Part::secret(&self.user_key, &self.user_key_file));
        request.body = Body::Form(form);
        Ok(Message::one(request))
    }

    fn http(&self) -> Option<&HttpClientConfig> {
        self.http_config.as_ref()
    }
}
