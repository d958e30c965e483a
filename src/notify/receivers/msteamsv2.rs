//! Microsoft Teams: workflows, which take adaptive cards.

use serde_json::{Value as Json, json};

use super::fit::{Limit, Markup};
use super::http::Reply;
use super::message::{Message, Part, Request};
use super::rendering::{RenderError, Rendering};
use super::{HttpClientConfig, Kind, msteams};
use crate::config::alertmanager::receivers::MsTeamsV2Config;
use crate::notify::Outcome;
use crate::notify::plots::Illustration;

/// Cards read Markdown in every text.
const TITLE: Limit = msteams::TITLE.of(Markup::Markdown);

impl Kind for MsTeamsV2Config {
    fn render(&self, with: &Rendering<'_>) -> Result<Message, RenderError> {
        let title = json!({
            "type": "TextBlock",
            "text": with.title("title", &self.title, TITLE),
            "weight": "Bolder",
            "size": "Medium",
            "wrap": true,
            "style": "heading",
            "color": if with.is_firing() { "Attention" } else { "Good" },
        });
        let text = json!({"type": "TextBlock", "text": with.body("text", &self.text, msteams::TEXT), "wrap": true});
        let image = |(plot, link): (&Illustration, String)| json!({"type": "Image", "url": link, "altText": plot.picture.alt, "size": "Stretch"});
        let shown = with.plot.as_ref().zip(with.plot_link()).map(image);
        let body: Vec<Json> = [title, text].into_iter().chain(shown).collect();
        let card = json!({
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "type": "AdaptiveCard",
            "version": "1.2",
            "body": body,
            "msteams": {"width": "full"},
        });
        let body = json!({
            "type": "message",
            "attachments": [{
                "contentType": "application/vnd.microsoft.card.adaptive",
                "contentUrl": Json::Null,
                "content": card,
            }],
        });
        let url = Part::url(self.webhook_url.as_ref(), &self.webhook_url_file);
        Ok(Message::one(Request::post(vec![url], body)))
    }

    fn http(&self) -> Option<&HttpClientConfig> {
        self.http_config.as_ref()
    }

    fn judge(&self, reply: &Reply) -> Outcome {
        msteams::judge(reply)
    }
}
