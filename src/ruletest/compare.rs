//! Comparing what was expected with what came, and finding what nearly matched.

use crate::config::yaml::nearest;
use crate::model::{Labels, Value};

use super::case::ExpectedSample;

/// Whether two sorted lists of samples are the same. NaN equals nothing, as in promtool.
pub fn samples_equal(expected: &[ExpectedSample], got: &[ExpectedSample], fuzzy: bool) -> bool {
    expected.len() == got.len()
        && expected.iter().zip(got).all(|(e, g)| e.labels == g.labels && values_equal(&e.value, &g.value, fuzzy))
}

fn values_equal(expected: &Value, got: &Value, fuzzy: bool) -> bool {
    match (expected, got) {
        (Value::Float(e), Value::Float(g)) => e == g || (fuzzy && nearly_equal(*e, *g)),
        // Histograms are compared by their notation, as promtool does: trailing empty buckets make no difference.
        (Value::Histogram(e), Value::Histogram(g)) => e.to_notation() == g.to_notation(),
        _ => false,
    }
}

/// promtool's `fuzzy_compare`: neighbouring floats are the same, which is what another machine's rounding makes of one.
fn nearly_equal(a: f64, b: f64) -> bool {
    a.next_up() == b || a.next_down() == b
}

/// Up to five remarks on samples that nearly matched, or on metrics that nearly have the name.
pub fn near_samples(expected: &[ExpectedSample], got: &[ExpectedSample], names: &[String], expr: &str) -> Vec<String> {
    let mut out = Vec::new();
    for e in expected {
        let closest = got
            .iter()
            .filter(|g| g.labels != e.labels)
            .min_by_key(|g| (distance(&e.labels, &g.labels), unshared_values(&e.labels, &g.labels)));
        let unmatched = !got.iter().any(|g| g.labels == e.labels);
        if let Some(g) = closest.filter(|g| unmatched && distance(&e.labels, &g.labels) <= 2) {
            out.push(format!("{} differs in {}", e.labels.to_series_string(), difference(&e.labels, &g.labels)));
        }
    }
    if got.is_empty() {
        out.extend(missing_metrics(expr, names));
    }
    out.truncate(5);
    out
}

fn missing_metrics(expr: &str, names: &[String]) -> Vec<String> {
    let Ok(plan) = crate::promql::compile(expr, &crate::promql::CompileOptions::default()) else { return Vec::new() };
    let metrics = plan.selectors().into_iter().filter_map(|s| s.metric);
    metrics
        .filter(|m| !names.contains(m))
        .map(|m| match nearest(&m, &names.iter().map(String::as_str).collect::<Vec<_>>()) {
            Some(other) => format!("no series is called {m}; there is {other}"),
            None => format!("no series is called {m}"),
        })
        .collect()
}

/// The remark on an alert that no rule defines.
pub fn unknown_alert(name: &str, known: Vec<&str>) -> String {
    match nearest(name, &known) {
        Some(other) => format!("no rule is called {name}; there is {other}"),
        None => format!("no rule is called {name}"),
    }
}

/// In how many labels two sets differ.
fn distance(a: &Labels, b: &Labels) -> usize {
    let missing = a.iter().filter(|(n, v)| b.get(n) != Some(v)).count();
    missing + b.iter().filter(|(n, _)| !a.has(n)).count()
}

/// How many values of one set the other does not have under any name: tells a misspelt name from another series.
fn unshared_values(a: &Labels, b: &Labels) -> usize {
    a.iter().filter(|(_, v)| !b.iter().any(|(_, w)| w == *v)).count()
}

fn difference(expected: &Labels, got: &Labels) -> String {
    let mut parts = Vec::new();
    for (name, value) in expected {
        match got.get(name) {
            Some(other) if other == value => {}
            Some(other) => parts.push(format!("{name}: expected {value:?}, got {other:?}")),
            None => parts.push(format!("{name}: expected {value:?}, got none")),
        }
    }
    let extra = got.iter().filter(|(n, _)| !expected.has(n));
    parts.extend(extra.map(|(n, v)| format!("{n}: expected none, got {v:?}")));
    parts.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(labels: &[(&str, &str)], value: f64) -> ExpectedSample {
        ExpectedSample { labels: Labels::from_pairs(labels.iter().copied()), value: Value::Float(value) }
    }

    #[test]
    fn floats_are_compared_to_the_last_bit_unless_fuzzy() {
        let (a, b) = ([sample(&[], 0.3)], [sample(&[], 0.1 + 0.2)]);
        assert!(!samples_equal(&a, &b, false));
        assert!(samples_equal(&a, &b, true));
        assert!(!samples_equal(&a, &[sample(&[], 0.300_000_000_000_001)], true));
        assert!(!samples_equal(&[sample(&[], f64::NAN)], &[sample(&[], f64::NAN)], true));
    }

    #[test]
    fn near_misses_name_the_label_or_the_metric() {
        let (e, g) = ([sample(&[("gpu", "0")], 1.0)], [sample(&[("gpu", "1")], 1.0)]);
        assert_eq!(near_samples(&e, &g, &[], "up"), [r#"{gpu="0"} differs in gpu: expected "0", got "1""#]);
        let names = ["node_load1".to_owned()];
        assert_eq!(
            near_samples(&e, &[], &names, "node_laod1"),
            ["no series is called node_laod1; there is node_load1"]
        );
    }
}
