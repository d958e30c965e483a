//! The series rules write: recorded ones, `ALERTS` and `ALERTS_FOR_STATE`, and the staleness markers when they end.

use crate::model::{ALERT_NAME, Labels, METRIC_NAME, STALE_NAN, Value};

use super::alert::{Alert, AlertTable};

/// The metric that says which alerts are active, by `alertstate`.
pub const ALERTS: &str = "ALERTS";
/// The metric that says since when an alert is active, in seconds.
pub const ALERTS_FOR_STATE: &str = "ALERTS_FOR_STATE";
/// The label of `ALERTS` that says whether an alert is pending or firing.
pub const ALERT_STATE: &str = "alertstate";

/// One sample a rule writes.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleSample {
    /// The series, metric name included.
    pub labels: Labels,
    /// When, milliseconds.
    pub t: i64,
    /// What.
    pub value: Value,
}

impl RuleSample {
    /// A staleness marker.
    pub fn stale(labels: Labels, t: i64) -> Self {
        RuleSample { labels, t, value: Value::Float(STALE_NAN) }
    }
}

/// `base` without the metric name, with `extra` (ascending by name) put over it; an empty value removes a label.
pub fn overlay<'a>(base: &'a Labels, extra: &[(&'a str, &'a str)]) -> Labels {
    let mut pairs: Vec<(&str, &str)> = Vec::with_capacity(16 + extra.len());
    let mut extra = extra.iter().copied().peekable();
    for (name, value) in base.iter() {
        while let Some(pair) = extra.next_if(|(n, _)| *n < name) {
            pairs.push(pair);
        }
        match extra.next_if(|(n, _)| *n == name) {
            Some(pair) => pairs.push(pair),
            None if name == METRIC_NAME => {}
            None => pairs.push((name, value)),
        }
    }
    pairs.extend(extra);
    Labels::from_sorted(pairs.into_iter().filter(|(_, v)| !v.is_empty()))
}

/// The identity of an alert: a result's labels under the rule's rendered labels and the alert's name.
pub fn alert_labels(result: &Labels, rule_labels: &[(&str, String)], name: &str) -> Labels {
    let mut extra: Vec<(&str, &str)> =
        rule_labels.iter().map(|(n, v)| (*n, v.as_str())).filter(|(n, _)| *n != ALERT_NAME).collect();
    extra.push((ALERT_NAME, name));
    extra.sort_by_key(|(n, _)| *n);
    overlay(result, &extra)
}

/// The labels of a recorded series.
pub fn recorded_labels(result: &Labels, rule_labels: &[(String, String)], name: &str) -> Labels {
    let mut extra: Vec<(&str, &str)> = rule_labels.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    // Labels of rules are set after the name, so one called `__name__` wins; rule files may not have it.
    if !extra.iter().any(|(n, _)| *n == METRIC_NAME) {
        extra.push((METRIC_NAME, name));
        extra.sort_by_key(|(n, _)| *n);
    }
    overlay(result, &extra)
}

/// The samples of a rule's active alerts at `t`, ascending by the alerts' labels.
pub fn alert_samples(alerts: &AlertTable, t: i64) -> Vec<RuleSample> {
    let mut active: Vec<&Alert> = alerts.values().filter(|a| a.is_active()).collect();
    active.sort_by(|a, b| a.labels.cmp(&b.labels));
    let mut samples = Vec::with_capacity(active.len() * 2);
    for alert in active {
        let [state, since] = alert_series(alert);
        samples.push(RuleSample { labels: state, t, value: Value::Float(1.0) });
        // Whole seconds, as Prometheus writes and reads them.
        let seconds = alert.active_at.div_euclid(1000) as f64;
        samples.push(RuleSample { labels: since, t, value: Value::Float(seconds) });
    }
    samples
}

/// The `ALERTS` and the `ALERTS_FOR_STATE` series of an alert.
pub fn alert_series(alert: &Alert) -> [Labels; 2] {
    [
        overlay(&alert.labels, &[(METRIC_NAME, ALERTS), (ALERT_STATE, alert.state.as_str())]),
        overlay(&alert.labels, &[(METRIC_NAME, ALERTS_FOR_STATE)]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_laid_over_a_result() {
        let base = Labels::from_pairs([("__name__", "up"), ("instance", "a"), ("job", "j"), ("z", "1")]);
        for (extra, want) in [
            (vec![], r#"{instance="a", job="j", z="1"}"#),
            (vec![("a", "0"), ("job", "k")], r#"{a="0", instance="a", job="k", z="1"}"#),
            (vec![("job", ""), ("zz", "9")], r#"{instance="a", z="1", zz="9"}"#),
            (vec![("__name__", "r")], r#"{__name__="r", instance="a", job="j", z="1"}"#),
        ] {
            assert_eq!(overlay(&base, &extra).to_string(), want);
        }
    }

    #[test]
    fn an_alert_is_named_by_its_rule_whatever_its_labels_say() {
        let result = Labels::from_pairs([("__name__", "up"), ("alertname", "other"), ("job", "j")]);
        let rendered = [("alertname", "third".to_owned()), ("severity", "page".to_owned())];
        let labels = alert_labels(&result, &rendered, "Down");
        assert_eq!(labels.to_string(), r#"{alertname="Down", job="j", severity="page"}"#);
    }

    #[test]
    fn active_alerts_write_their_state_and_since_when() {
        let mut alert =
            Alert::begin(Labels::from_pairs([("alertname", "Down"), ("job", "j")]), Labels::empty(), 1.0, 90_500);
        let mut table = AlertTable::default();
        table.insert(alert.labels.clone(), alert.clone());
        let written: Vec<_> =
            alert_samples(&table, 120_000).iter().map(|s| (s.labels.to_series_string(), s.value.as_float())).collect();
        let want = [
            (r#"ALERTS{alertname="Down", alertstate="pending", job="j"}"#.to_owned(), Some(1.0)),
            (r#"ALERTS_FOR_STATE{alertname="Down", job="j"}"#.to_owned(), Some(90.0)),
        ];
        assert_eq!(written, want);
        alert.state = super::super::AlertState::Inactive;
        table.insert(alert.labels.clone(), alert);
        assert!(alert_samples(&table, 120_000).is_empty());
    }
}
