//! From text to groups.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::checks::{self, RuleHead};
use super::dialects::{self, Dialect};
use super::{PartialResponse, Rule, RuleGroup, RuleKind};
use crate::config::protocol::NameScheme;
use crate::config::yaml::{Decoder, Duration, MapReader, Node};
use crate::model::{Diagnostic, Position};
use crate::promql::{self, CompileOptions};

/// How rule files are read.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// Switches of the language that expressions may use.
    pub features: promql::Features,
    /// Accept keys nobody knows.
    pub ignore_unknown_fields: bool,
    /// Which names are valid: the configuration's `metric_name_validation_scheme`.
    pub names: NameScheme,
}

/// Reads a file's groups.
///
/// # Errors
/// Everything that is wrong with the file, in the order of its places.
pub fn load_str(file: &str, text: &str, options: &LoadOptions) -> Result<Vec<RuleGroup>, Vec<Diagnostic>> {
    let decoder = Decoder::new(file, text).ignoring_unknown_fields(options.ignore_unknown_fields);
    let reader = Reader { decoder: &decoder, options };
    let mut groups = Vec::new();
    for document in decoder.documents() {
        reader.document(&document, &mut groups);
    }
    reader.check_names(&groups);
    decoder.finish(Some(groups))
}

struct Reader<'a> {
    decoder: &'a Decoder<'a>,
    options: &'a LoadOptions,
}

impl Reader<'_> {
    /// One document: a rule file, a `PrometheusRule`, or a `List` of them.
    fn document(&self, node: &Node, groups: &mut Vec<RuleGroup>) {
        match node.get("kind").and_then(Node::text) {
            Some("PrometheusRule") => self.object(node, groups),
            Some("List" | "PrometheusRuleList") => {
                let items = node.get("items").and_then(Node::items).unwrap_or_default();
                for item in items {
                    // A list may hold other objects beside rules; they are none of our business.
                    if item.get("kind").and_then(Node::text) == Some("PrometheusRule") {
                        self.object(item, groups);
                    }
                }
            }
            Some(kind) if node.get("apiVersion").is_some() => {
                let message = format!("expected kind PrometheusRule or List, found {kind}");
                self.decoder.error(node.get("kind").map_or(node.position, |k| k.position), message);
            }
            _ => {
                let Some(m) = self.decoder.mapping(node, "rule file") else { return };
                self.groups(&m, groups);
                m.finish();
            }
        }
    }

    /// A Kubernetes object: what is beside `spec` belongs to the cluster.
    fn object(&self, node: &Node, groups: &mut Vec<RuleGroup>) {
        let Some(spec) = node.get("spec") else {
            self.decoder.error(node.position, "PrometheusRule without spec");
            return;
        };
        let Some(m) = self.decoder.mapping(spec, "spec of a PrometheusRule") else { return };
        self.groups(&m, groups);
        m.finish();
    }

    fn groups(&self, m: &MapReader, groups: &mut Vec<RuleGroup>) {
        let Some(node) = m.node_at("groups") else { return };
        let Some(items) = node.items() else {
            self.decoder.mismatch::<()>(node, "a list of groups");
            return;
        };
        groups.extend(items.iter().filter_map(|item| self.group(item)));
    }

    fn group(&self, node: &Node) -> Option<RuleGroup> {
        let m = self.decoder.mapping(node, "rule group")?;
        let name: String = m.get("name").unwrap_or_default();
        if name.is_empty() {
            m.error("name", "Groupname must not be empty");
        }
        let millis = |key: &'static str| m.get::<Duration>(key).map(Duration::millis);
        let interval = millis("interval").filter(|ms| *ms > 0);
        let Dialect { terms, eval_offset, eval_delay, mut notes } = dialects::group(&m, interval);
        let mut group = RuleGroup {
            name: name.into(),
            file: self.decoder.file().clone(),
            position: node.position,
            interval,
            query_offset: millis("query_offset").or(eval_delay),
            limit: m.get::<i64>("limit").and_then(|n| usize::try_from(n).ok()).unwrap_or(0),
            labels: self.pairs(&m, "labels"),
            partial_response: self.partial_response(&m).unwrap_or_default(),
            terms,
            eval_offset,
            notes: Vec::new(),
            rules: Vec::new(),
        };
        for (label, _) in &group.labels {
            if let Some(message) = checks::label_name(label, self.options.names) {
                m.error("labels", format!("group {:?}: {message}", group.name));
            }
        }
        if let Some(items) = m.node_at("rules").and_then(Node::items) {
            let rules =
                items.iter().enumerate().filter_map(|(i, item)| self.rule(item, &group.name, i + 1, &mut notes));
            group.rules = rules.collect();
        } else if let Some(other) = m.node_at("rules") {
            self.decoder.mismatch::<()>(other, "a list of rules");
        }
        m.finish();
        group.notes = notes;
        Some(group)
    }

    fn partial_response(&self, m: &MapReader) -> Option<PartialResponse> {
        let text: String = m.get("partial_response_strategy")?;
        match text.to_ascii_lowercase().as_str() {
            "" | "abort" => Some(PartialResponse::Abort),
            "warn" => Some(PartialResponse::Warn),
            _ => {
                let message = format!("expected partial_response_strategy warn or abort, found {text:?}");
                m.error("partial_response_strategy", message);
                None
            }
        }
    }

    /// A map of strings, ascending by key.
    fn pairs(&self, m: &MapReader, key: &'static str) -> Vec<(String, String)> {
        m.get::<BTreeMap<String, String>>(key).unwrap_or_default().into_iter().collect()
    }

    fn rule(&self, node: &Node, group: &str, number: usize, notes: &mut Vec<Diagnostic>) -> Option<Rule> {
        let m = self.decoder.mapping(node, "rule")?;
        dialects::rule(&m, notes);
        let text = |key: &'static str| m.get::<String>(key).unwrap_or_default();
        let (record, alert) = (text("record"), text("alert"));
        let annotations = self.pairs(&m, "annotations");
        let labels = self.pairs(&m, "labels");
        let millis = |key: &'static str| m.get::<Duration>(key).map_or(0, Duration::millis);
        let (hold, keep_firing) = (millis("for"), millis("keep_firing_for"));
        let head = RuleHead { record: &record, alert: &alert, group, number, names: self.options.names };
        let expr = self.expression(&m, &head);
        checks::rule(&m, &head, &labels, &annotations, hold, keep_firing);
        m.finish();
        let (expr, plan) = expr?;
        let (name, kind) = match record.is_empty() {
            true => (alert, RuleKind::Alerting { hold, keep_firing, annotations }),
            false => (record, RuleKind::Recording),
        };
        Some(Rule { name: name.into(), position: node.position, expr, plan, labels, kind })
    }

    /// The compiled expression; a defect is placed where it stands in the file.
    fn expression(&self, m: &MapReader, head: &RuleHead) -> Option<(Arc<str>, Arc<promql::Plan>)> {
        let node = m.node_at("expr").filter(|n| n.text() != Some(""));
        let Some(node) = node else {
            m.decoder().error(m.node().position, format!("{head}: field 'expr' must be set in rule"));
            return None;
        };
        let Some(text) = node.text() else { return self.decoder.mismatch(node, "a PromQL expression") };
        match promql::compile(text, &CompileOptions { features: self.options.features }) {
            Ok(plan) => Some((text.into(), plan)),
            Err(e) => {
                // An end that came too early is shown where the text ends, not on the lines that follow a block.
                let offset = (e.span.start as usize).min(text.trim_end().len());
                let at: Position = self.decoder.locate(node, offset);
                self.decoder.error(at, format!("{head}: could not parse expression: {e}"));
                None
            }
        }
    }

    fn check_names(&self, groups: &[RuleGroup]) {
        let mut seen = std::collections::BTreeSet::new();
        for group in groups {
            if !group.name.is_empty() && !seen.insert(&group.name) {
                let message = format!("groupname: {:?} is repeated in the same file", group.name);
                self.decoder.error(group.position, message);
            }
        }
    }
}
