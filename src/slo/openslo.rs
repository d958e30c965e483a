//! OpenSLO's format, `apiVersion: openslo/v1`: objects of the kinds SLO and SLI.

use std::collections::BTreeMap;

use super::burn::rounded;
use super::objective::{AlertMeta, Objective, PERIODS, Sli, add, labels, percent};
use super::template::WindowedQuery;
use crate::config::yaml::{Decoder, Duration, MapReader, Node};

const DAY_MS: i64 = 86_400_000;

/// The SLI objects of a file, by name.
#[derive(Default)]
pub(super) struct Indicators<'n>(BTreeMap<&'n str, &'n Node>);

impl<'n> Indicators<'n> {
    /// Finds the SLI objects among a file's documents.
    pub(super) fn collect(documents: &'n [Node], d: &Decoder) -> Self {
        let mut all = Indicators::default();
        for document in documents.iter().filter(|o| o.get("kind").and_then(Node::text) == Some("SLI")) {
            let Some(name) = document.get("metadata").and_then(|m| m.get("name")) else { continue };
            let (Some(key), Some(spec)) = (name.text(), document.get("spec")) else { continue };
            if all.0.insert(key, spec).is_some() {
                d.error(name.position, format!("a second SLI is called {key}"));
            }
        }
        all
    }
}

/// Reads an object.
pub(super) fn read(m: &MapReader, known: &Indicators, into: &mut Vec<Objective>) {
    m.raw("apiVersion");
    let kind: String = m.get("kind").unwrap_or_default();
    match kind.as_str() {
        "SLO" => slo(m, known, into),
        // Read where an SLO refers to it.
        "SLI" => {}
        "Service" | "DataSource" => m.warn("kind", format!("a {kind} changes nothing in the rules")),
        "AlertPolicy" | "AlertCondition" | "AlertNotificationTarget" => {
            m.error("kind", format!("a {kind} is not honoured: every objective gets the same alerts by burn rate"));
        }
        other => m.error("kind", format!("unknown kind {other:?}, expected SLO or SLI")),
    }
}

/// What the `metadata` of an object says.
struct Metadata {
    name: String,
    title: String,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

fn metadata(object: &MapReader) -> Option<Metadata> {
    let Some(m) = object.node_at("metadata").and_then(|node| object.decoder().mapping(node, "metadata")) else {
        object.error("metadata", "an SLO needs metadata with a name");
        return None;
    };
    let name: String = m.get("name").unwrap_or_default();
    if name.is_empty() {
        m.error("name", "name is missing");
    }
    let title: String = m.get("displayName").unwrap_or_default();
    let found =
        Metadata { name, title, labels: labels(&m, "labels"), annotations: m.get("annotations").unwrap_or_default() };
    m.finish();
    Some(found)
}

fn slo(object: &MapReader, known: &Indicators, into: &mut Vec<Objective>) {
    let d = object.decoder();
    let meta = metadata(object);
    let Some(spec) = object.node_at("spec").and_then(|node| d.mapping(node, "SLO spec")) else {
        return object.error("spec", "an SLO needs a spec");
    };
    object.finish();
    let service: String = spec.get("service").unwrap_or_default();
    if service.is_empty() {
        spec.error("service", "service is missing");
    }
    let description: String = spec.get("description").unwrap_or_default();
    let method: String = spec.get("budgetingMethod").unwrap_or_default();
    if method != "Occurrences" {
        spec.error("budgetingMethod", format!("budgetingMethod {method:?} is not honoured, expected Occurrences"));
    }
    if spec.node_at("alertPolicies").and_then(Node::items).is_some_and(|all| !all.is_empty()) {
        spec.error(
            "alertPolicies",
            "alertPolicies are not honoured: every objective gets the same alerts by burn rate",
        );
    }
    let days = period(&spec);
    let sli = indicator(&spec, known);
    let targets = objectives(&spec);
    spec.finish();
    let (Some(meta), Some(sli)) = (meta, sli) else { return };
    let several = targets.len() > 1;
    for (i, target) in targets.into_iter().enumerate() {
        let name = if several { format!("{}-{i}", meta.name) } else { meta.name.clone() };
        let alert = AlertMeta { labels: BTreeMap::new(), annotations: meta.annotations.clone() };
        let objective = Objective {
            service: service.clone(),
            alert_name: format!("{}BudgetBurns", pascal(&name)),
            name,
            description: if description.is_empty() { meta.title.clone() } else { description.clone() },
            percent: target,
            days,
            labels: meta.labels.clone(),
            sli: sli.clone(),
            page: Some(alert.clone()),
            ticket: Some(alert),
        };
        add(object, objective, into);
    }
}

/// `foo-bar` as alerts are named: `FooBar`.
fn pascal(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_ascii_uppercase().to_string() + letters.as_str()).unwrap_or_default()
    };
    words.map(capital).collect()
}

fn period(spec: &MapReader) -> u32 {
    let windows = spec.node_at("timeWindow").and_then(Node::items).unwrap_or_default();
    let [window] = windows else {
        spec.error("timeWindow", format!("expected a list of one timeWindow, found {}", windows.len()));
        return *PERIODS.start();
    };
    let Some(m) = spec.decoder().mapping(window, "timeWindow") else { return *PERIODS.start() };
    if m.get::<bool>("isRolling") != Some(true) {
        m.error("isRolling", "a window by the calendar is not honoured, expected isRolling: true");
    }
    m.raw("isRolling");
    if m.has("calendar") {
        m.error("calendar", "a window by the calendar is not honoured, expected isRolling: true");
    }
    m.raw("calendar");
    let Duration(length) = m.get("duration").unwrap_or_default();
    let days = u32::try_from(length / DAY_MS).unwrap_or(0);
    if length % DAY_MS != 0 || !PERIODS.contains(&days) {
        let (least, most) = (PERIODS.start(), PERIODS.end());
        m.error("duration", format!("found {}, expected whole days from {least}d to {most}d", Duration(length)));
    }
    m.finish();
    days
}

/// What each objective promises, in per cent.
fn objectives(spec: &MapReader) -> Vec<f64> {
    let list = spec.node_at("objectives").and_then(Node::items).unwrap_or_default();
    if list.is_empty() {
        spec.error("objectives", "expected a list of at least one objective");
    }
    let mut out = Vec::new();
    for node in list {
        let Some(m) = spec.decoder().mapping(node, "objective") else { continue };
        for key in ["op", "value", "timeSliceTarget", "timeSliceWindow", "indicator", "indicatorRef", "compositeWeight"]
        {
            if m.has(key) {
                m.error(key, format!("{key} of an objective is not honoured, expected target or targetPercent alone"));
            }
            m.raw(key);
        }
        m.raw("displayName");
        m.at_most_one("target", "targetPercent");
        match (m.get::<f64>("target"), m.get::<f64>("targetPercent")) {
            (Some(share), _) => out.push(percent(&m, "target", rounded(share * 100.0))),
            (None, Some(found)) => out.push(percent(&m, "targetPercent", found)),
            (None, None) => m.error("target", "an objective needs a target, or a targetPercent"),
        }
        m.finish();
    }
    out
}

fn indicator(spec: &MapReader, known: &Indicators) -> Option<Sli> {
    let d = spec.decoder();
    spec.at_most_one("indicator", "indicatorRef");
    spec.raw("indicator");
    if let Some(node) = spec.node_at("indicatorRef") {
        let name = node.text().unwrap_or_default();
        return match known.0.get(name) {
            Some(found) => sli(found, d),
            None => {
                d.error(node.position, format!("no SLI in this file is called {name:?}"));
                None
            }
        };
    }
    let Some(m) = spec.node_at("indicator").and_then(|node| d.mapping(node, "indicator")) else {
        spec.error("indicator", "an SLO needs an indicator or an indicatorRef");
        return None;
    };
    m.raw("metadata");
    let node = m.node_at("spec");
    m.finish();
    match node {
        Some(node) => sli(node, d),
        None => {
            m.error("spec", "an indicator needs a spec");
            None
        }
    }
}

fn sli(node: &Node, d: &Decoder) -> Option<Sli> {
    let m = d.mapping(node, "SLI spec")?;
    m.raw("description");
    if m.has("thresholdMetric") {
        m.error("thresholdMetric", "a thresholdMetric is not honoured, expected a ratioMetric");
    } else if !m.has("ratioMetric") {
        m.error("ratioMetric", "an SLI needs a ratioMetric");
    }
    m.raw("thresholdMetric");
    let ratio = m.node_at("ratioMetric").and_then(|node| d.mapping(node, "ratioMetric"));
    m.finish();
    let ratio = ratio?;
    let counter: bool = ratio.get("counter").unwrap_or_default();
    let [good, bad, total, raw] = ["good", "bad", "total", "raw"].map(|key| source(&ratio, key, counter));
    let kind: Option<String> = ratio.get("rawType");
    ratio.finish();
    match ["good", "bad", "total", "raw"].map(|key| ratio.has(key)) {
        [false, true, true, false] => Some(Sli::Events { error: bad?, total: total? }),
        [true, false, true, false] => Some(Sli::Good { good: good?, total: total? }),
        [false, false, false, true] => match kind.as_deref() {
            Some("failure") => raw.map(Sli::ErrorRatio),
            Some("success") => raw.map(Sli::SuccessRatio),
            _ => {
                ratio.error("rawType", "raw needs a rawType: success or failure");
                None
            }
        },
        _ => {
            d.error(ratio.node().position, "expected good or bad and total, or raw alone");
            None
        }
    }
}

/// The query of one part of a ratio.
fn source(ratio: &MapReader, key: &'static str, counter: bool) -> Option<WindowedQuery> {
    let d = ratio.decoder();
    let part = d.mapping(ratio.node_at(key)?, key)?;
    let Some(metric) = part.node_at("metricSource").and_then(|node| d.mapping(node, "metricSource")) else {
        part.error("metricSource", format!("{key} needs a metricSource"));
        return None;
    };
    part.finish();
    metric.raw("metricSourceRef");
    metric.warn("metricSourceRef", "the rules read the datasource of whoever loads them");
    if let Some(kind) = metric.get::<String>("type").filter(|kind| !kind.eq_ignore_ascii_case("prometheus")) {
        metric.error("type", format!("a metricSource of type {kind:?} is not honoured, expected Prometheus"));
    }
    let spec = metric.node_at("spec").and_then(|node| d.mapping(node, "metricSource spec"));
    metric.finish();
    let Some(spec) = spec else {
        metric.error("spec", "a metricSource needs a spec with a query");
        return None;
    };
    let found = match spec.node_at("query") {
        Some(node) if counter => WindowedQuery::read_counter(node, d),
        Some(node) => WindowedQuery::read(node, d),
        None => {
            spec.error("query", "query is missing");
            None
        }
    };
    spec.finish();
    found
}
