//! The messages of a configuration's receivers, rendered and never sent: no client, no secret and no file of one is needed.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value as Json;

use super::kind::{Kind, for_each_kind};
use super::message::Message;
use super::rendering::{Problem, RenderError, Rendering};
use crate::config::alertmanager::AlertmanagerConfig;
use crate::notify::plots::Illustration;
use crate::notify::route_labels::RouteLabels;
use crate::notify::{IntegrationId, Notification};
use crate::template::alertmanager::Templates;

/// What the receivers of a configuration are told.
pub struct Messages {
    kinds: HashMap<IntegrationId, Arc<dyn Kind>>,
    templates: Templates,
    routes: RouteLabels,
    external_url: String,
}

impl Messages {
    /// Those of a configuration. `external_url` is the server's address as users reach it.
    pub fn of(config: &AlertmanagerConfig, templates: Templates, external_url: &str) -> Self {
        let mut kinds = HashMap::new();
        for receiver in config.receivers.iter() {
            for_each_kind(receiver, |name, index, kind| {
                let id = IntegrationId { receiver: receiver.name.as_str().into(), kind: name.into(), index };
                kinds.insert(id, kind);
            });
        }
        let external_url = external_url.trim_end_matches('/').to_owned();
        Messages { kinds, templates, routes: RouteLabels::of(config), external_url }
    }

    /// Renders a notification with its plot as of `now`, milliseconds. It takes processor time: much, where thousands of
    /// alerts are to be told.
    pub fn render(&self, notification: &Notification, plot: Option<Illustration>, now: i64) -> Rendered {
        let Some(kind) = self.kinds.get(&notification.integration) else {
            return Rendered { message: Err(unknown(notification)), problems: Vec::new(), plot };
        };
        let mut with = Rendering::new(notification, &self.templates, &self.routes, &self.external_url, now);
        with.plot.clone_from(&plot);
        let message = kind.render(&with);
        Rendered { message, problems: with.into_problems(), plot }
    }
}

/// A message, and what is wrong with the templates of its fields.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// The message, unless nobody can be told.
    pub message: Result<Message, RenderError>,
    /// The fields whose templates failed; the message has something else there.
    pub problems: Vec<Problem>,
    /// Its plot, which is in the message or goes after it.
    pub plot: Option<Illustration>,
}

/// The error of an integration that the configuration does not have.
pub(super) fn unknown(notification: &Notification) -> RenderError {
    let IntegrationId { receiver, kind, index } = &notification.integration;
    RenderError::new(format!("receiver {receiver:?} has no {kind}[{index}]"))
}

/// Where in the payload of a kind of integration a reader finds the title and the text: the first place that holds a text
/// that is not empty counts.
struct Places {
    title: &'static [&'static str],
    text: &'static [&'static str],
}

fn places(kind: &str) -> Places {
    let (title, text): (&[&str], &[&str]) = match kind {
        "email" => (&["/headers/Subject"], &["/text", "/html"]),
        "pagerduty" => (&["/payload/summary", "/description"], &[]),
        // With update_alerts there are several requests, the first of which creates the alert.
        "opsgenie" => (&["/message", "/0/message"], &["/description", "/0/description"]),
        "slack" | "mattermost" => (&["/attachments/0/title"], &["/attachments/0/text", "/text"]),
        "rocketchat" => (&["/attachments/0/title"], &["/attachments/0/text"]),
        "victorops" => (&["/entity_display_name"], &["/state_message"]),
        "pushover" => (&["/title"], &["/message"]),
        "sns" => (&["/Subject"], &["/Message"]),
        // The first of two is the message as it is meant.
        "telegram" => (&[], &["/text", "/0/text"]),
        "discord" => (&["/embeds/0/title"], &["/embeds/0/description"]),
        "webex" => (&[], &["/markdown"]),
        "msteams" => (&["/title"], &["/text"]),
        "msteamsv2" => (&["/attachments/0/content/body/0/text"], &["/attachments/0/content/body/1/text"]),
        "jira" => (&["/fields/summary"], &["/fields/description"]),
        "googlechat" => (&[], &["/text"]),
        "wechat" => (&[], &["/text/content", "/markdown/content"]),
        // What a webhook's own payload calls so.
        "webhook" => (&["/title"], &["/text"]),
        _ => (&[], &[]),
    };
    Places { title, text }
}

/// The title of a message of this kind; `None` where it has none.
pub fn title<'p>(kind: &str, payload: &'p Json) -> Option<&'p str> {
    first(payload, places(kind).title)
}

/// The text of a message of this kind; `None` where it has none.
pub fn text<'p>(kind: &str, payload: &'p Json) -> Option<&'p str> {
    first(payload, places(kind).text)
}

fn first<'p>(payload: &'p Json, pointers: &[&str]) -> Option<&'p str> {
    pointers.iter().filter_map(|p| payload.pointer(p)?.as_str()).find(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Labels;
    use crate::notify::{NotifiedAlert, Reason};

    #[test]
    fn every_kind_of_receiver_has_a_title_or_a_text_but_those_that_send_data() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/receivers/every-receiver.yml");
        let text = std::fs::read_to_string(file).unwrap();
        let config = AlertmanagerConfig::load_str("every-receiver.yml", &text).unwrap().config;
        let messages = Messages::of(&config, Templates::default(), "http://localhost:9093/");
        let mut without = std::collections::BTreeSet::new();
        for receiver in config.receivers.iter() {
            for (kind, index, _) in receiver.integrations() {
                let integration = IntegrationId { receiver: receiver.name.as_str().into(), kind: kind.into(), index };
                let rendered = messages.render(&notification(integration), None, 0);
                let payload = rendered.message.unwrap().payload();
                let found = [title(kind, &payload), super::text(kind, &payload)];
                if !found.into_iter().flatten().any(|text| text.contains("GpuHot")) {
                    without.insert(kind);
                }
            }
        }
        assert_eq!(without.into_iter().collect::<Vec<_>>(), ["incidentio", "webhook"]);
    }

    fn notification(integration: IntegrationId) -> Notification {
        let labels = Labels::from_pairs([("alertname", "GpuHot"), ("severity", "critical")]);
        let alert = NotifiedAlert {
            labels: labels.clone(),
            annotations: Labels::from_pairs([("summary", "GpuHot on a")]),
            starts_at: 0,
            ends_at: None,
            generator_url: String::new(),
            value: None,
            resolved_value: None,
        };
        Notification {
            id: 0,
            integration,
            group_key: "{}:{}".into(),
            group_labels: labels,
            alerts: vec![alert],
            reason: Reason::FirstNotification,
            decided_at: 0,
            instead_of: None,
            place: None,
        }
    }
}
