//! PagerDuty.

use std::collections::BTreeMap;

use super::{MessagePlot, integration};
use crate::config::alertmanager::Global;
use crate::config::http::HttpClientConfig;
use crate::config::secret::Secret;
use crate::config::url::HttpUrl;
use crate::config::yaml::{GoDuration, MapReader};
use crate::section;

section! {
    /// Events in PagerDuty: API v2 with a routing key, v1 with a service key.
    pub struct PagerdutyConfig as "pagerduty config" with check {
        /// Tell of resolved alerts.
        send_resolved: bool = true,
        /// The HTTP client.
        http_config: Option<HttpClientConfig>,
        /// Key of API v1.
        service_key: Secret,
        /// File with that.
        service_key_file: String,
        /// Key of API v2.
        routing_key: Secret,
        /// File with that.
        routing_key_file: String,
        /// The API.
        url: Option<HttpUrl>,
        /// The client's name.
        client: String = "{{ template \"pagerduty.default.client\" . }}".into(),
        /// The client's link.
        client_url: String = "{{ template \"pagerduty.default.clientURL\" . }}".into(),
        /// Title.
        description: String = "{{ template \"pagerduty.default.description\" .}}".into(),
        /// More fields; templates stand in texts at any depth.
        details: BTreeMap<String, serde_json::Value>,
        /// Pictures.
        images: Vec<PagerdutyImage>,
        /// Links.
        links: Vec<PagerdutyLink>,
        /// A plot of what the rule measured, linked as a picture; API v2 only: `true` for the last 3h, or how much time. Ours.
        plot: MessagePlot,
        /// What the event is about; the client by default.
        source: String,
        /// `critical`, `error`, `warning` or `info`.
        severity: String = "error".into(),
        /// Class.
        class: String,
        /// Component.
        component: String,
        /// Group.
        group: String,
        /// How long one request may take, 0 for no limit.
        timeout: GoDuration,
    }
}

section! {
    /// A picture.
    pub struct PagerdutyImage as "pagerduty image" {
        /// Where it is.
        src: String,
        /// Text in its place.
        alt: String,
        /// Its link.
        href: String,
    }
}

section! {
    /// A link.
    pub struct PagerdutyLink as "pagerduty link" {
        /// Where it leads.
        href: String,
        /// Its text.
        text: String,
    }
}

integration!(PagerdutyConfig as "pagerduty", paths: [service_key_file, routing_key_file], fill: fill_api, plot: plot);

/// Details that every event has unless a configuration sets them itself.
const DEFAULT_DETAILS: [(&str, &str); 4] = [
    ("firing", "{{ .Alerts.Firing | toJson }}"),
    ("resolved", "{{ .Alerts.Resolved | toJson }}"),
    ("num_firing", "{{ .Alerts.Firing | len }}"),
    ("num_resolved", "{{ .Alerts.Resolved | len }}"),
];

impl PagerdutyConfig {
    fn check(&mut self, m: &MapReader) {
        m.at_most_one("routing_key", "routing_key_file");
        m.at_most_one("service_key", "service_key_file");
        if !["routing_key", "routing_key_file", "service_key", "service_key_file"].iter().any(|k| m.is_set(k)) {
            m.error("routing_key", "missing service or routing key in PagerDuty config");
        }
        if self.plot.is_on() && (m.is_set("service_key") || m.is_set("service_key_file")) {
            m.error("plot", "events of API v1 carry no picture: use a routing_key");
        }
        for (key, template) in DEFAULT_DETAILS {
            self.details.entry(key.to_owned()).or_insert_with(|| template.into());
        }
        if self.source.is_empty() {
            self.source.clone_from(&self.client);
        }
    }

    fn fill_api(&mut self, global: &Global) -> Result<(), String> {
        self.url.get_or_insert_with(|| global.pagerduty_url.clone());
        Ok(())
    }
}
