//! Sloth's file format, `version: prometheus/v1`.

use super::objective::{AlertMeta, Objective, Sli, add, labels, percent};
use super::template::WindowedQuery;
use crate::config::yaml::{MapReader, Node};

/// Reads a file's objectives.
pub(super) fn read(m: &MapReader, days: u32, into: &mut Vec<Objective>) {
    m.raw("version");
    let service = required(m, "service");
    let shared = labels(m, "labels");
    if m.has("slo_plugins") {
        m.error("slo_plugins", "plugins are code of Sloth's and are not run here");
    }
    m.raw("slo_plugins");
    let slos = m.node_at("slos").and_then(Node::items).unwrap_or_default();
    if slos.is_empty() {
        m.error("slos", "expected a list of at least one SLO");
    }
    for node in slos {
        let Some(slo) = m.decoder().mapping(node, "slo") else { continue };
        let alerting = slo.node_at("alerting").and_then(|node| m.decoder().mapping(node, "alerting"));
        let name = required(&slo, "name");
        let description: String = slo.get("description").unwrap_or_default();
        let own = labels(&slo, "labels");
        let objective = match slo.get::<f64>("objective") {
            Some(found) => percent(&slo, "objective", found),
            None => {
                if !slo.has("objective") {
                    slo.error("objective", "an SLO needs an objective, in per cent");
                }
                0.0
            }
        };
        if slo.has("plugins") {
            slo.error("plugins", "plugins are code of Sloth's and are not run here");
        }
        slo.raw("plugins");
        let sli = sli(&slo);
        let (alert_name, page, ticket) = match &alerting {
            Some(alerting) => alerts(alerting),
            None => {
                slo.error("alerting", "an SLO needs alerting, with a name");
                (String::new(), None, None)
            }
        };
        slo.finish();
        let Some(sli) = sli else { continue };
        let labels = shared.clone().into_iter().chain(own).collect();
        let service = service.clone();
        let objective =
            Objective { service, name, description, percent: objective, days, labels, sli, alert_name, page, ticket };
        add(&slo, objective, into);
    }
    m.finish();
}

fn required(m: &MapReader, key: &'static str) -> String {
    let found: String = m.get(key).unwrap_or_default();
    if found.is_empty() {
        m.error(key, format!("{key} is missing"));
    }
    found
}

fn sli(slo: &MapReader) -> Option<Sli> {
    let Some(m) = slo.node_at("sli").and_then(|node| slo.decoder().mapping(node, "sli")) else {
        slo.error("sli", "an SLO needs an sli: events or raw");
        return None;
    };
    if m.has("plugin") {
        m.error("plugin", "plugins are code of Sloth's and are not run here, expected events or raw");
    }
    m.raw("plugin");
    m.at_most_one("events", "raw");
    let d = slo.decoder();
    let found = if let Some(events) = m.node_at("events").and_then(|node| d.mapping(node, "events")) {
        let error = query(&events, "error_query");
        let total = query(&events, "total_query");
        events.finish();
        error.zip(total).map(|(error, total)| Sli::Events { error, total })
    } else if let Some(raw) = m.node_at("raw").and_then(|node| d.mapping(node, "raw")) {
        let ratio = query(&raw, "error_ratio_query");
        raw.finish();
        ratio.map(Sli::ErrorRatio)
    } else {
        if !m.has("plugin") {
            slo.error("sli", "an SLO needs an sli: events or raw");
        }
        None
    };
    m.raw("events");
    m.raw("raw");
    m.finish();
    found
}

fn query(m: &MapReader, key: &'static str) -> Option<WindowedQuery> {
    match m.node_at(key) {
        Some(node) => WindowedQuery::read(node, m.decoder()),
        None => {
            m.error(key, format!("{key} is missing"));
            None
        }
    }
}

/// The alerts' name, and both alerts.
fn alerts(m: &MapReader) -> (String, Option<AlertMeta>, Option<AlertMeta>) {
    let shared = AlertMeta { labels: labels(m, "labels"), annotations: m.get("annotations").unwrap_or_default() };
    let page = alert(m, "page_alert", &shared);
    let ticket = alert(m, "ticket_alert", &shared);
    let name: String = m.get("name").unwrap_or_default();
    if name.is_empty() && (page.is_some() || ticket.is_some()) {
        m.error("name", "alerting needs a name, unless both of its alerts are disabled");
    }
    m.finish();
    (name, page, ticket)
}

fn alert(m: &MapReader, key: &'static str, shared: &AlertMeta) -> Option<AlertMeta> {
    let Some(own) = m.node_at(key).and_then(|node| m.decoder().mapping(node, key)) else {
        return Some(shared.clone());
    };
    let disabled: bool = own.get("disable").unwrap_or_default();
    let mut meta = shared.clone();
    meta.labels.extend(labels(&own, "labels"));
    let annotations: std::collections::BTreeMap<String, String> = own.get("annotations").unwrap_or_default();
    meta.annotations.extend(annotations);
    own.finish();
    (!disabled).then_some(meta)
}
