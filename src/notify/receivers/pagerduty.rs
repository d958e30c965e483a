//! PagerDuty: the Events API, version 2 with a routing key, version 1 with a service key.

use serde_json::{Map, Value as Json, json};

use super::fit::{self, Limit};
use super::http::Reply;
use super::message::{Fields, Message, Part, Request};
use super::rendering::{RenderError, Rendering};
use super::{HttpClientConfig, Kind};
use crate::config::alertmanager::receivers::{PagerdutyConfig, PagerdutyImage, PagerdutyLink};
use crate::notify::Outcome;

/// Of a description (version 1) or a summary (version 2).
const SUMMARY: Limit = Limit::chars(1024);
const DEFAULT_SEVERITY: &str = "error";
/// Most bytes of an event, a little less than PagerDuty takes: the key comes on top.
const LARGEST_EVENT: usize = 511_000;
/// The details that say which notification it is, and where that is explained.
const NOTIFICATION: &str = "watchbell_notification";
const EXPLANATION: &str = "watchbell_explanation";
/// Where version 1 listens.
const V1_URL: &str = "https://events.pagerduty.com/generic/2010-04-15/create_event.json";
/// Where version 2 listens unless the configuration says otherwise.
const V2_URL: &str = "https://events.pagerduty.com/v2/enqueue";

impl PagerdutyConfig {
    fn is_v1(&self) -> bool {
        !self.service_key.is_empty() || !self.service_key_file.is_empty()
    }

    fn details(&self, with: &Rendering<'_>) -> Map<String, Json> {
        let deep = |(name, template): (&String, &Json)| (name.clone(), with.deep(&format!("details.{name}"), template));
        let mut details: Map<String, Json> = self.details.iter().map(deep).collect();
        let own = [(NOTIFICATION, json!(with.notification.id)), (EXPLANATION, json!(with.explanation()))];
        for (name, value) in own {
            // What the configuration says under this name stays.
            details.entry(name).or_insert(value);
        }
        details
    }

    fn v1(&self, with: &Rendering<'_>) -> Json {
        let firing = with.is_firing();
        let client = |field: &str, template: &str| if firing { with.text(field, template) } else { String::new() };
        // Version 1 knows texts only.
        let text = |(name, value): (String, Json)| match value {
            Json::String(_) => (name, value),
            Json::Null => (name, json!("")),
            other => (name, json!(other.to_string())),
        };
        let description = with.needed_title("description", &self.description, SUMMARY);
        let (name, url) = (client("client", &self.client), client("client_url", &self.client_url));
        let mut details: Map<String, Json> = self.details(with).into_iter().map(text).collect();
        note(&mut details, json!(with.notes().join("\n")));
        Fields::default()
            .some("incident_key", with.key_hash())
            .some("event_type", if firing { "trigger" } else { "resolve" })
            .some("description", description)
            .always("event_action", "")
            .always("payload", Json::Null)
            .some("client", name)
            .some("client_url", url)
            .some("details", details)
            .json()
    }

    fn v2(&self, with: &Rendering<'_>) -> Json {
        let summary = with.needed_title("description", &self.description, SUMMARY);
        let source = with.text_or("source", &self.source, "Watchbell");
        let severity = with.text_or("severity", &self.severity, DEFAULT_SEVERITY);
        let class = with.text("class", &self.class);
        let component = with.text("component", &self.component);
        let group = with.text("group", &self.group);
        let client = with.text("client", &self.client);
        let client_url = with.text("client_url", &self.client_url);
        let (images, links) = (self.images(with), self.links(with));
        let mut details = self.details(with);
        note(&mut details, json!(with.notes()));
        let payload = Fields::default()
            .always("summary", summary)
            .always("source", source)
            .always("severity", known_severity(&severity))
            .some("class", class)
            .some("component", component)
            .some("group", group)
            .some("custom_details", details)
            .json();
        Fields::default()
            .some("dedup_key", with.key_hash())
            .always("event_action", if with.is_firing() { "trigger" } else { "resolve" })
            .always("payload", payload)
            .some("client", client)
            .some("client_url", client_url)
            .some("images", images)
            .some("links", links)
            .json()
    }

    /// Pictures, the plot first; those whose source renders to nothing are left out.
    fn images(&self, with: &Rendering<'_>) -> Vec<Json> {
        let text = |field: &str, template: &str| with.text(&format!("images.{field}"), template);
        let image = |i: &PagerdutyImage| {
            let src = text("src", &i.src);
            (!src.is_empty()).then(|| json!({"src": src, "alt": text("alt", &i.alt), "href": text("href", &i.href)}))
        };
        let plot = with.plot.iter().zip(with.plot_link());
        let plot = plot.map(|(plot, src)| json!({"src": src, "alt": plot.picture.alt, "href": with.explanation()}));
        plot.chain(self.images.iter().filter_map(image)).collect()
    }

    /// Links; those that render to nothing are left out.
    fn links(&self, with: &Rendering<'_>) -> Vec<Json> {
        let text = |field: &str, template: &str| with.text(&format!("links.{field}"), template);
        let link = |l: &PagerdutyLink| {
            let href = text("href", &l.href);
            (!href.is_empty()).then(|| json!({"href": href, "text": text("text", &l.text)}))
        };
        self.links.iter().filter_map(link).collect()
    }

    fn event(&self, with: &Rendering<'_>) -> Json {
        if self.is_v1() { self.v1(with) } else { self.v2(with) }
    }

    /// An event that is too large has fewer alerts in its details, and in the end none.
    fn fit(&self, with: &Rendering<'_>) -> Json {
        let whole = self.event(with);
        let size = whole.to_string().len();
        if size <= LARGEST_EVENT {
            return whole;
        }
        let all = with.data.alerts.len();
        let details = if self.is_v1() { "/details" } else { "/payload/custom_details" };
        let summary = if self.is_v1() { "/description" } else { "/payload/summary" };
        let make = |kept: usize| {
            let mut event = self.event(&with.with_first(kept));
            let of_all = whole.pointer(details)?.as_object()?;
            let of_some = event.pointer_mut(details)?.as_object_mut()?;
            // What is short, such as a count, is told of all.
            of_some.extend(of_all.iter().filter(|(_, v)| is_short(v)).map(|(n, v)| (n.clone(), v.clone())));
            of_some.insert("more_alerts".into(), json!(format!("and {} more: {}", all - kept, with.link())));
            *event.pointer_mut(summary)? = whole.pointer(summary)?.clone();
            (event.to_string().len() <= LARGEST_EVENT).then_some(event)
        };
        if let Some((_, event)) = fit::most_that_fits(all, all.saturating_mul(LARGEST_EVENT) / size, make) {
            return event;
        }
        let mut bare = whole;
        if let Some(details) = bare.pointer_mut(details) {
            *details = json!({
                "error": "Custom details have been removed because the original event exceeds the maximum size of 512KB",
                "all_alerts": with.link(),
                NOTIFICATION: with.notification.id,
                EXPLANATION: with.explanation(),
            });
        }
        bare
    }
}

/// What PagerDuty takes; another word would be refused.
fn known_severity(severity: &str) -> &str {
    let known = ["critical", "error", "warning", "info"].into_iter().find(|s| s.eq_ignore_ascii_case(severity.trim()));
    known.unwrap_or(DEFAULT_SEVERITY)
}

fn is_short(value: &Json) -> bool {
    match value {
        Json::String(text) => text.len() <= 1024,
        Json::Array(_) | Json::Object(_) => false,
        Json::Null | Json::Bool(_) | Json::Number(_) => true,
    }
}

/// Tells of templates that failed among the details.
fn note(details: &mut Map<String, Json>, notes: Json) {
    let is_empty = notes.as_str().is_some_and(str::is_empty) || notes.as_array().is_some_and(Vec::is_empty);
    if !is_empty {
        details.insert("watchbell_notes".into(), notes);
    }
}

impl Kind for PagerdutyConfig {
    fn render(&self, with: &Rendering<'_>) -> Result<Message, RenderError> {
        let event = self.fit(with);
        Ok(Message::one(if self.is_v1() {
            let url = self.url.as_ref().map(|u| u.as_str()).filter(|u| *u != V2_URL).unwrap_or(V1_URL);
            let key = with.secret("service_key", &self.service_key, &self.service_key_file)?;
            Request::post(vec![Part::plain(url)], event).secret("service_key", key)
        } else {
            let url = self.url.as_ref().map_or(V2_URL, |u| u.as_str());
            let key = with.secret("routing_key", &self.routing_key, &self.routing_key_file)?;
            Request::post(vec![Part::plain(url)], event).secret("routing_key", key)
        }))
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
