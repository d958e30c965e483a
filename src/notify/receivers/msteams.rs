//! Microsoft Teams: connectors, which take message cards.

use serde_json::json;

use super::fit::{Limit, Markup};
use super::http::{Reply, give_up, retry};
use super::message::{Message, Part, Request};
use super::rendering::{RenderError, Rendering};
use super::{HttpClientConfig, Kind};
use crate::config::alertmanager::receivers::MsTeamsConfig;
use crate::notify::Outcome;

/// A message may have 28 KB, all of it; less has been refused.
pub(super) const TEXT: Limit = Limit::json(20_000).of(Markup::Markdown);
pub(super) const TITLE: Limit = Limit::chars(1024);
const RED: &str = "8C1A1A";
const GREEN: &str = "2DC72D";

impl Kind for MsTeamsConfig {
    fn render(&self, with: &Rendering<'_>) -> Result<Message, RenderError> {
        let (title, summary) = (with.title("title", &self.title, TITLE), with.title("summary", &self.summary, TITLE));
        let body = json!({
            "@context": "http://schema.org/extensions",
            "type": "MessageCard",
            "title": title,
            "summary": summary,
            "text": with.body("text", &self.text, TEXT),
            "themeColor": if with.is_firing() { RED } else { GREEN },
        });
        let url = Part::url(self.webhook_url.as_ref(), &self.webhook_url_file);
        Ok(Message::one(Request::post(vec![url], body)))
    }

    fn http(&self) -> Option<&HttpClientConfig> {
        self.http_config.as_ref()
    }

    fn judge(&self, reply: &Reply) -> Outcome {
        judge(reply)
    }
}

/// Teams hides the failure of what is behind it in an answer with status 200.
pub(super) fn judge(reply: &Reply) -> Outcome {
    const HIDDEN: &str = "Microsoft Teams endpoint returned HTTP error ";
    let outcome = reply.judge(&[]);
    let Some((_, rest)) = reply.body.split_once(HIDDEN) else { return outcome };
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    match digits.parse::<u16>() {
        Ok(code) if code == 429 || code >= 500 => retry(format!("Teams answered with HTTP error {code}")),
        _ if outcome.is_delivered() => give_up(format!("Teams refused the message: {}", reply.quote())),
        _ => outcome,
    }
}
