//! The rules that span sections, and the sections that are read only to be refused.

use std::collections::HashSet;

use super::AlertmanagerConfig;
use crate::config::http::{HttpClientConfig, TlsConfig};
use crate::config::secret::Secret;
use crate::config::traces::TracingConfig;
use crate::config::yaml::{Decoder, Duration, MapReader, Node, Place, nearest};
use crate::model::Diagnostic;
use crate::section;

section! {
    /// Read as Alertmanager reads it, and refused where a service is built.
    pub struct EventRecorder as "event recorder" {
        /// Files.
        file_outputs: Vec<FileOutput>,
        /// Standard output, since 0.34.
        stdout_outputs: Vec<StdoutOutput>,
        /// Webhooks.
        webhook_outputs: Vec<WebhookOutput>,
        /// Kafka.
        kafka_outputs: Vec<KafkaOutput>,
    }
    inline {
        /// Where it stands.
        place: Place,
    }
}

section! {
    /// A file that events would be written to.
    pub struct FileOutput as "event recorder file output" with check {
        /// Where.
        path: String,
    }
}

section! {
    /// Standard output, that events would be written to.
    pub struct StdoutOutput as "event recorder stdout output" {
        /// What metrics call it.
        name: String,
    }
}

section! {
    /// A webhook that events would be sent to.
    pub struct WebhookOutput as "event recorder webhook output" with check {
        /// Where.
        url: Secret,
        /// The HTTP client.
        http_config: Option<HttpClientConfig>,
        /// How long one request may take.
        timeout: Duration,
        /// Requests at a time.
        workers: i64,
        /// How often a request is tried again.
        max_retries: i64,
        /// The pause between tries.
        retry_backoff: Duration,
    }
}

section! {
    /// A Kafka topic that events would be sent to.
    pub struct KafkaOutput as "event recorder kafka output" {
        /// Where.
        brokers: Vec<String>,
        /// To which topic.
        topic: String,
        /// As whom.
        client_id: String,
        /// Which acknowledgement is waited for.
        acks: String,
        /// How messages are compressed.
        compression: String,
        /// How events are written.
        format: String,
        /// Events kept waiting.
        buffer_size: i64,
        /// TLS.
        tls_config: Option<TlsConfig>,
    }
}

impl FileOutput {
    fn check(&mut self, m: &MapReader) {
        if self.path.is_empty() {
            m.error("path", "event_recorder file output requires a path");
        }
    }
}

impl WebhookOutput {
    fn check(&mut self, m: &MapReader) {
        if self.url.is_empty() {
            m.error("url", "event_recorder webhook output requires a url");
        }
    }
}

impl AlertmanagerConfig {
    /// The sections that would have no effect, which a service does not start with.
    pub fn refused(&self) -> Vec<Diagnostic> {
        let why = "event_recorder is not supported: the log of notifications is in Watchbell's state and its API";
        let recorder = self.event_recorder.iter().map(|r| r.place.error("", why));
        self.tracing.iter().filter_map(TracingConfig::refused).chain(recorder).collect()
    }

    pub(super) fn check(&mut self, m: &MapReader) {
        self.check_receivers(m);
        // Prometheus' headers are texts; Alertmanager's are not.
        let headers = m.node_at("tracing").and_then(|tracing| tracing.get("headers")).and_then(Node::entries);
        for (_, header) in headers.unwrap_or_default().iter().filter(|(_, header)| header.entries().is_none()) {
            m.decoder().mismatch::<()>(header, "a mapping (header)");
        }
        let intervals = self.check_intervals(m);
        match (&self.route, m.node_at("route")) {
            (None, None) => m.error("route", "no routes provided"),
            (_, Some(root)) => self.check_route(root, &intervals, m.decoder()),
            _ => {}
        }
        for template in self.templates.iter().filter(|t| !is_glob(t)) {
            m.error("templates", format!("syntax error in pattern {template:?}"));
        }
    }

    /// Names are given once; receivers take from the global section what they lack.
    fn check_receivers(&mut self, m: &MapReader) {
        let nodes = m.node_at("receivers").and_then(Node::items).unwrap_or_default();
        let mut names = HashSet::new();
        for (receiver, node) in self.receivers.0.iter_mut().zip(nodes.iter().filter(|n| n.entries().is_some())) {
            if !receiver.name.is_empty() && !names.insert(receiver.name.clone()) {
                let message = format!("notification config name {:?} is not unique", receiver.name);
                m.decoder().error(node.get("name").unwrap_or(node).position, message);
            }
            receiver.fill(&self.global, node, m.decoder());
        }
    }

    fn check_intervals(&mut self, m: &MapReader) -> HashSet<String> {
        let mut names = HashSet::new();
        let lists = [
            ("mute_time_intervals", "mute time interval", &self.mute_time_intervals),
            ("time_intervals", "time interval", &self.time_intervals),
        ];
        for (key, what, list) in lists {
            let nodes = m.node_at(key).and_then(Node::items).unwrap_or_default();
            for (interval, node) in list.iter().zip(nodes.iter().filter(|n| n.entries().is_some())) {
                if interval.name.is_empty() {
                    m.decoder().error(node.position, format!("missing name in {what}"));
                } else if !names.insert(interval.name.clone()) {
                    let message = format!("{what} {:?} is not unique", interval.name);
                    m.decoder().error(node.get("name").unwrap_or(node).position, message);
                }
            }
        }
        self.time_intervals.0.append(&mut self.mute_time_intervals.0);
        names
    }

    fn check_route(&self, root: &Node, intervals: &HashSet<String>, d: &Decoder) {
        let at = |key: &str| root.get(key).unwrap_or(root).position;
        if let Some(route) = &self.route {
            if route.receiver.is_empty() {
                d.error(root.position, "root route must specify a default receiver");
            }
            if !route.all_matchers().is_empty() {
                let key = ["matchers", "match", "match_re"].into_iter().find(|k| root.get(k).is_some());
                d.error(at(key.unwrap_or_default()), "root route must not have any matchers");
            }
            if !route.mute_time_intervals.is_empty() {
                d.error(at("mute_time_intervals"), "root route must not have any mute time intervals");
            }
            if !route.active_time_intervals.is_empty() {
                d.error(at("active_time_intervals"), "root route must not have any active time intervals");
            }
            if route.continue_matching {
                d.error(at("continue"), "cannot have continue in root route");
            }
        }
        let names: HashSet<&str> = self.receivers.iter().map(|r| r.name.as_str()).collect();
        check_names(root, &names, intervals, d);
    }
}

/// Every receiver and interval that a route names must be defined. Walks the file's own tree, whose places are known.
fn check_names(route: &Node, receivers: &HashSet<&str>, intervals: &HashSet<String>, d: &Decoder) {
    for key in ["receiver", "fallback_receiver"] {
        let receiver = route.get(key).filter(|n| !n.is_null());
        if let Some((node, name)) = receiver.and_then(|n| Some((n, n.text()?)))
            && !name.is_empty()
            && !receivers.contains(name)
        {
            let known: Vec<&str> = receivers.iter().copied().collect();
            d.error(node.position, format!("undefined receiver {name:?} used in route{}", meant(name, &known)));
        }
    }
    for key in ["mute_time_intervals", "active_time_intervals"] {
        for node in route.get(key).and_then(Node::items).unwrap_or_default() {
            if let Some(name) = node.text().filter(|name| !intervals.contains(*name)) {
                let known: Vec<&str> = intervals.iter().map(String::as_str).collect();
                d.error(
                    node.position,
                    format!("undefined time interval {name:?} used in route{}", meant(name, &known)),
                );
            }
        }
    }
    for child in route.get("routes").and_then(Node::items).unwrap_or_default() {
        check_names(child, receivers, intervals, d);
    }
}

/// What is added of a name that is not there and was probably meant to be one that is.
fn meant(name: &str, known: &[&str]) -> String {
    nearest(name, known).map(|near| format!(", did you mean {near:?}?")).unwrap_or_default()
}

/// Whether Go's `filepath.Match` takes the pattern: brackets close and nothing is escaped at the end.
fn is_glob(pattern: &str) -> bool {
    let (mut chars, mut class) = (pattern.chars(), false);
    while let Some(c) = chars.next() {
        match c {
            '\\' if chars.next().is_none() => return false,
            '[' => class = true,
            ']' => class = false,
            _ => {}
        }
    }
    !class
}
