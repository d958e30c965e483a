//! What rendering a notification needs: its data as templates see it, and the ways to apply a template.

use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use crate::model::Labels;
use crate::notify::route_labels::RouteLabels;
use crate::notify::{Notification, NotifiedAlert, Reason};
use crate::template::alertmanager::{AlertData, Data, Templates};
use crate::template::{Host, TemplateError, Time, Value};

/// A template failed, or what it gave is of no use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RenderError(String);

impl RenderError {
    pub(super) fn new(text: impl Into<String>) -> Self {
        RenderError(text.into())
    }
}

impl From<TemplateError> for RenderError {
    fn from(e: TemplateError) -> Self {
        RenderError(e.to_string())
    }
}

/// One notification being rendered.
pub(super) struct Rendering<'a> {
    pub notification: &'a Notification,
    pub data: Data,
    templates: &'a Templates,
    value: Value,
    now: i64,
}

/// What a template may ask.
struct Told<'a> {
    now: i64,
    route_labels: &'a Labels,
}

impl Host for Told<'_> {
    fn now(&self) -> i64 {
        self.now
    }

    fn route_label(&self, name: &str) -> Result<String, String> {
        Ok(self.route_labels.value(name).to_owned())
    }
}

/// How deep payload templates may nest.
const MAX_DEPTH: usize = 32;

impl<'a> Rendering<'a> {
    pub fn new(
        notification: &'a Notification,
        templates: &'a Templates,
        routes: &RouteLabels,
        external_url: &str,
        now: i64,
    ) -> Self {
        let mut data = data_of(notification, &notification.alerts, external_url);
        let (route_labels, failed) = routes.render(&notification.group_key, &data, templates, now);
        data.route_labels = route_labels;
        for (label, error) in failed {
            tracing::warn!(group = &*notification.group_key, label, error, "a label of a route cannot be rendered");
        }
        let value = data.clone().into_value();
        Rendering { notification, data, templates, value, now }
    }

    fn told(&self) -> Told<'_> {
        Told { now: self.now, route_labels: &self.data.route_labels }
    }

    /// The data of the first alerts only, as receivers with a limit get it.
    pub fn data_of_first(&self, count: usize) -> Data {
        let alerts = self.notification.alerts.get(..count).unwrap_or(&self.notification.alerts);
        let route_labels = self.data.route_labels.clone();
        Data { route_labels, ..data_of(self.notification, alerts, &self.data.external_url) }
    }

    /// A field as text.
    pub fn text(&self, template: &str) -> Result<String, RenderError> {
        if !template.contains("{{") {
            return Ok(template.to_owned());
        }
        Ok(self.templates.text(template, &self.value, &self.told())?)
    }

    /// A field as HTML.
    pub fn html(&self, template: &str) -> Result<String, RenderError> {
        Ok(self.templates.html(template, &self.value, &self.told())?)
    }

    /// A structure with templates in its texts. A text that comes out as something else than a text in YAML becomes
    /// that: `{{ len .Alerts }}` a number, `{{ toJson .Alerts }}` a list.
    pub fn deep(&self, value: &Json) -> Result<Json, RenderError> {
        Ok(match value {
            Json::String(template) => reread(self.text(template)?, MAX_DEPTH),
            Json::Array(items) => Json::Array(items.iter().map(|i| self.deep(i)).collect::<Result<_, _>>()?),
            Json::Object(fields) => {
                let field = |(k, v): (&String, &Json)| Ok((self.text(k)?, self.deep(v)?));
                Json::Object(fields.iter().map(field).collect::<Result<_, RenderError>>()?)
            }
            other => other.clone(),
        })
    }

    pub fn is_firing(&self) -> bool {
        !self.notification.is_resolved()
    }

    /// The group's key as receivers take it: its SHA-256 in hexadecimal digits.
    pub fn key_hash(&self) -> String {
        hash(&self.notification.group_key)
    }
}

/// SHA-256 in hexadecimal digits.
pub(super) fn hash(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|b| format!("{b:02x}")).collect()
}

/// Rendered text as YAML reads it, unless it reads as text. What alerts brought in is not read as a template again.
fn reread(text: String, depth: usize) -> Json {
    match serde_yaml::from_str::<Json>(&text) {
        Ok(Json::String(_)) | Err(_) => Json::String(text),
        Ok(other) => reread_inner(other, depth),
    }
}

fn reread_inner(value: Json, depth: usize) -> Json {
    if depth == 0 {
        return value;
    }
    match value {
        Json::String(text) => reread(text, depth - 1),
        Json::Array(items) => Json::Array(items.into_iter().map(|i| reread_inner(i, depth - 1)).collect()),
        Json::Object(fields) => {
            Json::Object(fields.into_iter().map(|(k, v)| (k, reread_inner(v, depth - 1))).collect())
        }
        other => other,
    }
}

fn data_of(notification: &Notification, alerts: &[NotifiedAlert], external_url: &str) -> Data {
    let resolved = alerts.iter().all(NotifiedAlert::is_resolved);
    Data {
        receiver: notification.integration.receiver.to_string(),
        status: status(resolved).into(),
        alerts: alerts.iter().map(alert_data).collect(),
        notification_reason: reason_text(notification.reason).into(),
        group_labels: notification.group_labels.clone(),
        common_labels: common(alerts.iter().map(|a| &a.labels)),
        common_annotations: common(alerts.iter().map(|a| &a.annotations)),
        route_labels: Labels::empty(),
        external_url: external_url.to_owned(),
    }
}

fn status(resolved: bool) -> &'static str {
    if resolved { "resolved" } else { "firing" }
}

fn reason_text(reason: Reason) -> &'static str {
    match reason {
        Reason::FirstNotification => "first notification",
        Reason::NewAlertsInGroup => "new alerts in group",
        Reason::NewResolvedAlerts => "new resolved alerts",
        Reason::AllAlertsResolved => "all alerts resolved",
        Reason::RepeatIntervalElapsed => "repeat interval elapsed",
    }
}

fn alert_data(alert: &NotifiedAlert) -> AlertData {
    AlertData {
        status: status(alert.is_resolved()).into(),
        labels: alert.labels.clone(),
        annotations: alert.annotations.clone(),
        starts_at: Time::from_millis(alert.starts_at),
        ends_at: alert.ends_at.map_or_else(Time::zero, Time::from_millis),
        generator_url: alert.generator_url.clone(),
        fingerprint: format!("{:016x}", alert.labels.fingerprint()),
    }
}

/// What all sets have in common.
pub fn common<'l>(mut sets: impl Iterator<Item = &'l Labels>) -> Labels {
    let Some(first) = sets.next() else { return Labels::empty() };
    sets.fold(first.clone(), |shared, set| shared.filter(|name| set.get(name) == shared.get(name)))
}

/// At most so many characters, the last one an ellipsis when there were more.
pub(super) fn truncate(s: &str, most: usize) -> String {
    if s.chars().count() <= most {
        return s.to_owned();
    }
    if most <= 3 {
        return s.chars().take(most).collect();
    }
    s.chars().take(most - 1).chain(['…']).collect()
}

/// At most so many bytes, an ellipsis at the end when there were more.
pub(super) fn truncate_bytes(s: &str, most: usize) -> String {
    const ELLIPSIS: &str = "…";
    if s.len() <= most {
        return s.to_owned();
    }
    let mut end = most.saturating_sub(ELLIPSIS.len());
    while end > 0 && !s.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{ELLIPSIS}", s.get(..end).unwrap_or(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_prometheus() {
        let labels = [("alertname", "High <CPU> & \"more\""), ("instance", "a"), ("severity", "critical")];
        assert_eq!(format!("{:016x}", Labels::from_pairs(labels).fingerprint()), "c76ccb41742ff8e9");
        assert_eq!(
            hash("{}:{alertname=\"High <CPU> & \\\"more\\\"\"}"),
            "ce97082134292f0050ff2042fdbfaf4465a43a2a38d60cc9cf5366c3a263aace"
        );
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(truncate("abcdef", 6), "abcdef");
        assert_eq!(truncate("abcdef", 5), "abcd…");
        assert_eq!(truncate("سلام عليكم", 4), "سلا…");
        assert_eq!(truncate_bytes("سلام", 8), "سلام");
        assert_eq!(truncate_bytes("سلام", 7), "سل…");
    }

    #[test]
    fn rendered_text_becomes_what_it_reads_as() {
        for (text, want) in [
            ("2", serde_json::json!(2)),
            ("true", serde_json::json!(true)),
            ("", Json::Null),
            ("plain text", serde_json::json!("plain text")),
            ("{\"a\": [\"1\", \"x y\", \"\"]}", serde_json::json!({"a": [1, "x y", null]})),
            ("a: b: c", serde_json::json!("a: b: c")),
        ] {
            assert_eq!(reread(text.to_owned(), 5), want, "{text:?}");
        }
    }
}
