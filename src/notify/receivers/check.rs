//! Looks whether the templates of receivers work: renders sample notifications of several shapes.

use std::collections::BTreeSet;

use super::rendering::Rendering;
use super::{Problem, for_each_kind};
use crate::config::alertmanager::AlertmanagerConfig;
use crate::model::{Diagnostic, Labels, Reading};
use crate::notify::route_labels::RouteLabels;
use crate::notify::{IntegrationId, Notification, NotifiedAlert, Reason};
use crate::template::alertmanager::Templates;

/// A template that fails on a sample.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The receiver's name.
    pub receiver: String,
    /// The integration's kind.
    pub kind: &'static str,
    /// Its place among its kind.
    pub index: usize,
    /// What failed.
    pub problem: Problem,
    /// On what.
    pub sample: &'static str,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Finding { receiver, kind, index, problem, sample } = self;
        let Problem { field, error } = problem;
        write!(f, "receiver {receiver:?}: {kind}_configs[{index}].{field} fails for {sample}: {error}")
    }
}

/// When the samples are told, milliseconds.
const AT: i64 = 1_700_000_000_000;

/// What fails in the templates of a configuration's receivers, each failure once, with the first sample it failed for.
pub fn templates(config: &AlertmanagerConfig, templates: &Templates) -> Vec<Finding> {
    let routes = RouteLabels::of(config);
    let mut findings = Vec::new();
    for receiver in config.receivers.iter() {
        let mut known = BTreeSet::new();
        for_each_kind(receiver, |kind, index, integration| {
            for (sample, alerts) in samples() {
                let id = IntegrationId { receiver: receiver.name.as_str().into(), kind: kind.into(), index };
                let notification = notification(id, alerts);
                let with = Rendering::new(&notification, templates, &routes, "http://localhost:9093", AT);
                // That an address cannot be rendered is among the problems.
                let _ = integration.render(&with);
                for problem in with.into_problems() {
                    if known.insert((kind, index, problem.clone())) {
                        let receiver = receiver.name.clone();
                        findings.push(Finding { receiver, kind, index, problem, sample });
                    }
                }
            }
        });
    }
    findings
}

/// The same as warnings about a file of this name and text.
pub fn warnings(file: &str, text: &str, config: &AlertmanagerConfig, templates: &Templates) -> Vec<Diagnostic> {
    let file = file.into();
    let found = self::templates(config, templates).into_iter().map(|finding| {
        let list = format!("{}_configs", finding.kind);
        let field = &finding.problem.field;
        let at = AlertmanagerConfig::position_of(text, &finding.receiver, &list, finding.index, field);
        Diagnostic::new(&file, at, finding.to_string())
    });
    found.collect()
}

fn samples() -> [(&'static str, Vec<NotifiedAlert>); 4] {
    let (firing, resolved) = (alert("a", None), alert("b", Some(AT)));
    let bare =
        NotifiedAlert { annotations: Labels::empty(), generator_url: String::new(), value: None, ..alert("a", None) };
    [
        ("one alert that fires", vec![firing.clone()]),
        ("two alerts, one of them resolved", vec![firing, resolved.clone()]),
        ("one resolved alert", vec![resolved]),
        ("an alert without annotations", vec![bare]),
    ]
}

fn alert(instance: &str, ends_at: Option<i64>) -> NotifiedAlert {
    let labels = [
        ("alertname", "SampleAlert"),
        ("instance", instance),
        ("job", "sample"),
        ("namespace", "default"),
        ("severity", "critical"),
    ];
    NotifiedAlert {
        labels: Labels::from_pairs(labels),
        annotations: Labels::from_pairs([
            ("description", "This alert is made up."),
            ("runbook_url", "https://runbooks.example.org/SampleAlert"),
            ("summary", "A sample"),
        ]),
        starts_at: AT - 60_000,
        ends_at,
        generator_url: "http://prometheus.example.org/graph?g0.expr=up&g0.tab=1".into(),
        value: Some(Reading::of(0.97)),
        resolved_value: ends_at.map(|_| Reading::of(0.5)),
    }
}

fn notification(integration: IntegrationId, alerts: Vec<NotifiedAlert>) -> Notification {
    Notification {
        id: 0,
        integration,
        group_key: "{}:{alertname=\"SampleAlert\"}".into(),
        group_labels: Labels::from_pairs([("alertname", "SampleAlert")]),
        alerts,
        reason: Reason::FirstNotification,
        decided_at: AT,
        instead_of: None,
        place: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(receiver: &str) -> Vec<String> {
        let text = format!("route: {{receiver: team}}\nreceivers:\n- name: team\n{receiver}");
        let config = AlertmanagerConfig::load_str("am.yml", &text).unwrap().config;
        templates(&config, &Templates::default()).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_fails_is_named_with_its_field_and_the_sample() {
        let slack = |field: &str| format!("  slack_configs: [{{api_url: 'http://x/', channel: c, {field}}}]");
        for (field, want) in [
            (
                "title: '{{ template \"nosuch\" . }}'",
                "slack_configs[0].title fails for one alert that fires: template: :1:12: executing \"\" at \
                 <{{template \"nosuch\" .}}>: template \"nosuch\" not defined",
            ),
            (
                "text: '{{ shout .Status }}'",
                "slack_configs[0].text fails for one alert that fires: template: :1: function \"shout\" not defined",
            ),
            (
                "text: '{{ (index .Alerts 1).Annotations.summary }}'",
                "slack_configs[0].text fails for one alert that fires: template: :1:4: executing \"\" at <index .Alerts 1>: \
                 error calling index: index out of range: 1",
            ),
            (
                "fields: [{title: t, value: '{{ (index .Alerts.Firing 0).Labels.x }}'}]",
                "slack_configs[0].fields.value fails for one resolved alert: template: :1:4: executing \"\" at <index \
                 .Alerts.Firing 0>: error calling index: index out of range: 0",
            ),
        ] {
            assert_eq!(found(&slack(field)), [format!("receiver \"team\": {want}")], "{field}");
        }
        assert!(found(&slack("text: '{{ range .Alerts }}{{ .Annotations.nosuch }}{{ end }}'")).is_empty());
    }
}
