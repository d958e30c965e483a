//! What is read and what is refused.

use super::*;

const SLOTH: &str = r#"version: "prometheus/v1"
service: checkout
labels: {owner: shop}
slos:
  - name: availability
    objective: 99.9
    description: Orders are taken.
    sli:
      events:
        error_query: sum(rate(http_requests_total{job="checkout", code=~"5.."}[{{.window}}]))
        total_query: sum(rate(http_requests_total{job="checkout"}[{{ .window }}]))
    alerting:
      name: CheckoutFails
      labels: {team: shop}
      annotations: {runbook_url: "https://example.com"}
      page_alert:
        labels: {severity: critical}
      ticket_alert: {disable: true}
"#;

/// With something in place of what is found in a good file, the file is refused for it.
fn assert_refused(good: &str, (found, replaced): (&str, &str), message: &str) {
    let refused = load_str("slo.yaml", &good.replacen(found, replaced, 1), 30).unwrap_err();
    let messages: Vec<String> = refused.iter().map(ToString::to_string).collect();
    assert!(messages.iter().any(|m| m == message), "{message}\n{messages:#?}");
}

#[test]
fn a_file_of_sloth_is_read() {
    let spec = load_str("slo.yaml", SLOTH, 30).unwrap();
    let [objective] = spec.objectives.as_slice() else { panic!("{spec:?}") };
    assert_eq!((objective.id().as_str(), objective.budget()), ("checkout-availability", 0.001));
    assert_eq!(objective.labels["owner"], "shop");
    assert_eq!(objective.page.as_ref().unwrap().labels.len(), 2);
    assert_eq!(objective.ticket, None);
    let Sli::Events { error, .. } = &objective.sli else { panic!("{objective:?}") };
    assert_eq!(error.over("1h"), "sum(rate(http_requests_total{job=\"checkout\", code=~\"5..\"}[1h]))");
}

#[test]
fn what_cannot_be_honoured_is_refused_where_it_stands() {
    for (found, replaced, message) in [
        (
            "objective: 99.9",
            "objective: 100",
            "slo.yaml:6:16: found 100 %, which leaves no budget to burn, expected more than 0 and less than 100",
        ),
        (
            "[{{.window}}]",
            "[5m]",
            "slo.yaml:10:22: the query names no window, expected {{.window}} where its range stands",
        ),
        ("[{{.window}}]))", "[{{.window}}])", "slo.yaml:10:93: unclosed left parenthesis"),
        ("{{ .window }}", "{{ .range }}", "slo.yaml:11:67: unknown template {{.range}}, expected {{.window}}"),
        (
            "events:",
            "plugin: {id: x}\n      events:",
            "slo.yaml:9:15: plugins are code of Sloth's and are not run here, expected events or raw",
        ),
        (
            "labels: {owner: shop}",
            "labels: {sloth_slo: shop}",
            "slo.yaml:3:9: label sloth_slo is one that the rules set themselves",
        ),
        (
            "      name: CheckoutFails\n",
            "",
            "slo.yaml:13:7: alerting needs a name, unless both of its alerts are disabled",
        ),
        ("description:", "descripton:", "slo.yaml:7:5: field descripton not found in slo, did you mean description?"),
        (
            "prometheus/v1",
            "prometheus/v2",
            "slo.yaml:1:1: neither Sloth's format nor OpenSLO's, expected version: prometheus/v1 or apiVersion: openslo/v1",
        ),
    ] {
        assert_refused(SLOTH, (found, replaced), message);
    }
}

const OPENSLO: &str = r#"apiVersion: openslo/v1
kind: SLI
metadata: {name: fast-enough}
spec:
  ratioMetric:
    counter: true
    good: {metricSource: {type: Prometheus, spec: {query: 'latency_bucket{le="0.5"}'}}}
    total: {metricSource: {type: Prometheus, spec: {query: latency_count}}}
---
apiVersion: openslo/v1
kind: SLO
metadata: {name: search-latency, displayName: Search is quick, labels: {owner: search}}
spec:
  service: search
  indicatorRef: fast-enough
  timeWindow: [{duration: 28d, isRolling: true}]
  budgetingMethod: Occurrences
  objectives:
    - {displayName: usual, target: 0.99}
    - {displayName: strict, targetPercent: 99.9}
"#;

#[test]
fn a_file_of_openslo_is_read() {
    let spec = load_str("slo.yaml", OPENSLO, 30).unwrap();
    let told: Vec<_> = spec.objectives.iter().map(|o| (o.id(), o.budget(), o.days, o.alert_name.clone())).collect();
    assert_eq!(
        told,
        [
            ("search-search-latency-0".to_owned(), 0.01, 28, "SearchLatency0BudgetBurns".to_owned()),
            ("search-search-latency-1".to_owned(), 0.001, 28, "SearchLatency1BudgetBurns".to_owned()),
        ]
    );
    let Sli::Good { good, .. } = &spec.objectives[0].sli else { panic!("{spec:?}") };
    assert_eq!(good.over("6h"), "sum(rate(latency_bucket{le=\"0.5\"}[6h]))");
}

#[test]
fn what_openslo_asks_for_and_cannot_be_had_is_refused() {
    for (found, replaced, message) in [
        (
            "Occurrences",
            "Timeslices",
            "slo.yaml:17:20: budgetingMethod \"Timeslices\" is not honoured, expected Occurrences",
        ),
        (
            "isRolling: true",
            "isRolling: false",
            "slo.yaml:16:43: a window by the calendar is not honoured, expected isRolling: true",
        ),
        ("duration: 28d", "duration: 7d", "slo.yaml:16:27: found 1w, expected whole days from 28d to 92d"),
        ("indicatorRef: fast-enough", "indicatorRef: fast", "slo.yaml:15:17: no SLI in this file is called \"fast\""),
        (
            "target: 0.99",
            "target: 1",
            "slo.yaml:19:36: found 100 %, which leaves no budget to burn, expected more than 0 and less than 100",
        ),
        (
            "query: latency_count",
            "query: sum(latency_count)",
            "slo.yaml:8:60: expected a selector of counters, or a query with {{.window}} where its range stands: ranges only allowed for vector selectors",
        ),
        (
            "type: Prometheus, spec: {query: latency_count",
            "type: Datadog, spec: {query: latency_count",
            "slo.yaml:8:34: a metricSource of type \"Datadog\" is not honoured, expected Prometheus",
        ),
        ("  ratioMetric:", "  description: x\n  ratio:", "slo.yaml:5:3: an SLI needs a ratioMetric"),
        (
            "  objectives:",
            "  alertPolicies: [{alertPolicyRef: x}]\n  objectives:",
            "slo.yaml:18:18: alertPolicies are not honoured: every objective gets the same alerts by burn rate",
        ),
    ] {
        assert_refused(OPENSLO, (found, replaced), message);
    }
}

#[test]
fn what_gives_no_rule_is_said() {
    let sli = OPENSLO.split("---").next().unwrap();
    let refused = load_str("slo.yaml", sli, 30).unwrap_err();
    assert_eq!(refused.iter().map(ToString::to_string).collect::<Vec<_>>(), ["slo.yaml: the file has no SLO"]);
    // With a fifth of all events bad, all of them are not bad enough to wake anybody within the hour.
    let spec = load_str("slo.yaml", &SLOTH.replace("99.9", "80"), 30).unwrap();
    let told: Vec<String> = spec.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains("checkout-availability: its page over 5m and 1h asks for more bad events"), "{told:?}");
    let tests = write_tests(&spec.objectives, "rules.yaml", "slo.yaml");
    assert!(!tests.contains("5m and 1h") && tests.contains("2h and 1d"), "{tests}");
}
