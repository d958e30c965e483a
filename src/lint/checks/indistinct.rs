//! Alerts that read alike.

use crate::lint::check::{Check, Severity};
use crate::lint::labels::LabelSet;
use crate::lint::look::{Findings, Look, Row};
use crate::lint::site::Site;
use crate::lint::tree;
use crate::model::MatchOp;
use crate::promql::ast::{ExprKind, Selector};
use crate::template::prometheus::uses::{Used, uses};

pub(super) const ROW: Row = Row {
    check: &Check {
        name: "alert/indistinct",
        severity: Severity::Info,
        pint: &[],
        what: "An alert that fires once for each of several series has annotations that name none of their labels.",
        why: "All its alerts read alike: who is woken does not learn which machine, model or service is meant. How many series a \
              metric has shows in data only; without, it is what an aggregation is by, `up`, and what is named after a thing of \
              which there are many, such as `model_accuracy`.",
        fix: "Name in an annotation the labels that tell the alerts apart: `{{ $labels.model }}`.",
        bad: "- alert: Drift\n  expr: model_accuracy < 0.9\n  annotations: {summary: the accuracy is too low}",
        good: "- alert: Drift\n  expr: model_accuracy < 0.9\n  annotations: {summary: 'the accuracy of {{ $labels.model }} is too low'}",
    },
    look: Look::Rule(look),
};

fn look(site: &Site<'_>, found: &mut Findings<'_>) {
    let Some(alert) = site.alert() else { return };
    if alert.annotations.is_empty() || is_single(site) {
        return;
    }
    let tells = |text: &String| {
        uses(text).iter().any(|used| matches!(used.what, Used::Label { .. } | Used::AllLabels | Used::Query(_)))
    };
    if !alert.annotations.iter().any(|(_, text)| tells(text)) {
        let which = match site.labels_of(site.expr) {
            LabelSet::Only(names) => {
                format!(", such as {}", names.iter().map(String::as_str).collect::<Vec<_>>().join(", "))
            }
            LabelSet::AnyBut(_) => String::new(),
        };
        found.add(site.key("annotations"), format!("no annotation names a label of the alert{which}"));
    }
}

/// Labels that are the same in all of what one Prometheus sees of a thing, mostly.
const AROUND: [&str; 5] = ["cluster", "job", "namespace", "service", "source_cluster"];
/// Things of which there are many: a metric that is named after one has a series for each.
const THINGS: [&str; 17] = [
    "container",
    "cpu",
    "dcgm",
    "device",
    "disk",
    "feature",
    "filesystem",
    "gpu",
    "interface",
    "model",
    "node",
    "pod",
    "prediction",
    "queue",
    "tenant",
    "topic",
    "volume",
];

/// Whether the expression gives one series, as far as can be seen.
fn is_single(site: &Site<'_>) -> bool {
    // A constant stands in for one series that may be gone.
    if tree::any(site.expr, |part| matches!(&part.kind, ExprKind::Call(call) if call.func.name == "vector")) {
        return true;
    }
    let selectors = tree::selectors(site.expr);
    // A label that a matcher fixes tells nothing apart.
    let is_fixed = |name: &str| {
        let fixes = |s: &Selector| s.matchers.iter().any(|m| m.name == name && m.op == MatchOp::Equal);
        !selectors.is_empty() && selectors.iter().all(|(_, s)| fixes(s))
    };
    match site.labels_of(site.expr) {
        LabelSet::Only(names) => names.iter().all(|name| AROUND.contains(&name.as_str()) || is_fixed(name)),
        LabelSet::AnyBut(_) if is_fixed("instance") => true,
        LabelSet::AnyBut(_) => !tree::selectors(tree::value(site.expr)).iter().any(|(_, s)| is_of_many(site, s)),
    }
}

/// Whether a selector selects a series for each of many things.
fn is_of_many(site: &Site<'_>, selector: &Selector) -> bool {
    if let Some(count) = site.corpus.data.as_ref().and_then(|data| data.count(&selector.matchers)) {
        return count > 1;
    }
    let Some(metric) = tree::metric(selector) else { return false };
    let mut words = metric.split(['_', ':']).map(str::to_ascii_lowercase).skip_while(|word| word == "kube");
    metric == "up" || words.next().is_some_and(|word| THINGS.contains(&word.as_str()))
}
