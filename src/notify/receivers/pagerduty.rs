//! PagerDuty: the Events API, version 2 with a routing key, version 1 with a service key.

use serde_json::{Map, Value as Json, json};

use super::http::Reply;
use super::message::{Fields, Message, Part, Request};
use super::rendering::{RenderError, Rendering, truncate};
use super::{HttpClientConfig, Kind};
use crate::config::alertmanager::receivers::PagerdutyConfig;
use crate::notify::Outcome;

/// Most characters of a description (version 1) or a summary (version 2).
const LONGEST_SUMMARY: usize = 1024;
/// Most bytes of an event.
const LARGEST_EVENT: usize = 512_000;
/// Where version 1 listens.
const V1_URL: &str = "https://events.pagerduty.com/generic/2010-04-15/create_event.json";
/// Where version 2 listens unless the configuration says otherwise.
const V2_URL: &str = "https://events.pagerduty.com/v2/enqueue";

impl PagerdutyConfig {
    fn is_v1(&self) -> bool {
        !self.service_key.is_empty() || !self.service_key_file.is_empty()
    }

    fn details(&self, with: &Rendering<'_>) -> Result<Json, RenderError> {
        let mut details = Map::new();
        for (name, template) in &self.details {
            details.insert(name.clone(), with.deep(template)?);
        }
        Ok(Json::Object(details))
    }

    fn v1(&self, with: &Rendering<'_>) -> Result<Request, RenderError> {
        let firing = with.is_firing();
        let client = |template: &str| if firing { with.text(template) } else { Ok(String::new()) };
        let text = |(name, value): (String, Json)| {
            // Version 1 knows texts only.
            let text = match value {
                Json::String(s) => s,
                Json::Null => String::new(),
                other => other.to_string(),
            };
            (name, Json::String(text))
        };
        let details = match self.details(with)? {
            Json::Object(fields) => Json::Object(fields.into_iter().map(text).collect()),
            other => other,
        };
        let body = Fields::default()
            .some("incident_key", with.key_hash())
            .some("event_type", if firing { "trigger" } else { "resolve" })
            .some("description", truncate(&with.text(&self.description)?, LONGEST_SUMMARY))
            .always("event_action", "")
            .always("payload", Json::Null)
            .some("client", client(&self.client)?)
            .some("client_url", client(&self.client_url)?)
            .some("details", details)
            .json();
        let url = self.url.as_ref().map(|u| u.as_str()).filter(|u| *u != V2_URL).unwrap_or(V1_URL);
        let key = Part::secret(&self.service_key, &self.service_key_file);
        Ok(Request::post(vec![Part::plain(url)], fit(body, "/details")).secret("service_key", key))
    }

    fn v2(&self, with: &Rendering<'_>) -> Result<Request, RenderError> {
        let payload = Fields::default()
            .always("summary", truncate(&with.text(&self.description)?, LONGEST_SUMMARY))
            .always("source", with.text(&self.source)?)
            .always("severity", with.text(&self.severity)?)
            .some("class", with.text(&self.class)?)
            .some("component", with.text(&self.component)?)
            .some("group", with.text(&self.group)?)
            .some("custom_details", self.details(with)?)
            .json();
        let body = Fields::default()
            .some("dedup_key", with.key_hash())
            .always("event_action", if with.is_firing() { "trigger" } else { "resolve" })
            .always("payload", payload)
            .some("client", with.text(&self.client)?)
            .some("client_url", with.text(&self.client_url)?)
            .some("images", self.images(with)?)
            .some("links", self.links(with)?)
            .json();
        let url = self.url.as_ref().map_or(V2_URL, |u| u.as_str());
        let key = Part::secret(&self.routing_key, &self.routing_key_file);
        Ok(Request::post(vec![Part::plain(url)], fit(body, "/payload/custom_details")).secret("routing_key", key))
    }

    /// Pictures; those whose source renders to nothing are left out.
    fn images(&self, with: &Rendering<'_>) -> Result<Vec<Json>, RenderError> {
        let mut images = Vec::new();
        for image in &self.images {
            let src = with.text(&image.src)?;
            if !src.is_empty() {
                images.push(json!({"src": src, "alt": with.text(&image.alt)?, "href": with.text(&image.href)?}));
            }
        }
        Ok(images)
    }

    /// Links; those that render to nothing are left out.
    fn links(&self, with: &Rendering<'_>) -> Result<Vec<Json>, RenderError> {
        let mut links = Vec::new();
        for link in &self.links {
            let href = with.text(&link.href)?;
            if !href.is_empty() {
                links.push(json!({"href": href, "text": with.text(&link.text)?}));
            }
        }
        Ok(links)
    }
}

/// An event that is too large goes without its details.
fn fit(mut body: Json, details: &str) -> Json {
    if body.to_string().len() > LARGEST_EVENT
        && let Some(details) = body.pointer_mut(details)
    {
        *details = json!({
            "error": "Custom details have been removed because the original event exceeds the maximum size of 512KB"
        });
    }
    body
}

impl Kind for PagerdutyConfig {
    fn render(&self, with: &Rendering<'_>) -> Result<Message, RenderError> {
        Ok(Message::one(if self.is_v1() { self.v1(with)? } else { self.v2(with)? }))
    }

    fn http(&self) -> Option<&HttpClientConfig> {
        self.http_config.as_ref()
    }

    fn timeout(&self) -> i64 {
        self.timeout.0
    }

    /// Version 1 says 403 to those who send too much.
    fn judge(&self, reply: &Reply) -> Outcome {
        reply.judge(if self.is_v1() { &[403] } else { &[] })
    }
}
