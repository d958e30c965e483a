//! Templates that fail when they are expanded.

use crate::lint::check::{Check, Severity};
use crate::lint::look::{Findings, Look, Row};
use crate::lint::site::Site;
use crate::model::{Labels, LabelsBuilder, Value};
use crate::template::func::QuerySample;
use crate::template::prometheus::uses::{Used, uses};
use crate::template::prometheus::{AlertTemplate, Expansion};

pub(super) const ROW: Row = Row {
    check: &Check {
        name: "alert/template-fails",
        severity: Severity::Error,
        pint: &["alerts/template"],
        what: "A template of an alert fails for an ordinary alert.",
        why: "The message says `<error expanding template: ...>` where the text should be.",
        fix: "Put right what the message names.",
        bad: "- alert: A\n  expr: a > 1\n  annotations: {summary: '{{ index $labels 5 }}'}",
        good: "- alert: A\n  expr: a > 1\n  annotations: {summary: '{{ index $labels \"job\" }}'}",
    },
    look: Look::Rule(look),
};

/// When the sample fires, milliseconds.
const AT: i64 = 1_700_000_000_000;

fn look(site: &Site<'_>, found: &mut Findings<'_>) {
    let Some(alert) = site.alert() else { return };
    for (key, pairs) in [("labels", site.rule.labels.as_slice()), ("annotations", alert.annotations)] {
        for (name, text) in pairs.iter().filter(|(_, text)| text.contains("{{")) {
            if let Err(why) = expand(&site.rule.name, text) {
                found.add(site.within(key, name, 0, text.lines().next().map_or(0, str::len)), why);
            }
        }
    }
}

/// Expands a template for a series that has all the labels it names.
fn expand(alert: &str, text: &str) -> Result<String, String> {
    let mut labels = LabelsBuilder::default();
    for used in uses(text) {
        if let Used::Label { name, .. } = &used.what {
            labels.set(name, "sample");
        }
    }
    let labels = labels.build();
    // What a query gives is not known; what asks for its first sample must not fail here.
    let query = |_: &str, _: i64| Ok(vec![QuerySample { labels: labels.clone(), value: Value::Float(1.0) }]);
    let none = Labels::empty();
    let with = Expansion {
        labels: &labels,
        value: &Value::Float(1.0),
        external_labels: &none,
        external_url: "http://prometheus.example.org",
        at: AT,
        query: &query,
    };
    AlertTemplate::new(alert, text).try_expand(&with)
}
