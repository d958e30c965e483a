//! The test file as text. Strings are quoted as in JSON, which YAML reads as it is.

use std::fmt::Write as _;

use serde_json::Value as Json;

use crate::model::time::rfc3339;
use crate::model::{ALERT_NAME, Labels, duration};
use crate::ruletest::case::AlertTest;

use super::contents::Contents;
use super::notation;

/// The file.
pub fn file(contents: &Contents, expected: &[AlertTest]) -> String {
    let Contents { source, notes, rule_files, groups, evaluation_interval, interval, start, is_dated, to, series } =
        contents;
    let mut out = format!("# Captured from {}, {} to {}.\n", source.replace('\n', " "), rfc3339(*start), rfc3339(*to));
    for note in notes {
        let _ = writeln!(out, "# {}", note.replace('\n', " "));
    }
    let files: Vec<String> = rule_files.iter().map(|f| quoted(f)).collect();
    let _ = writeln!(out, "rule_files: [{}]", files.join(", "));
    let _ = writeln!(out, "evaluation_interval: {}", duration::format(*evaluation_interval));
    if groups.len() > 1 {
        // promtool evaluates groups in any order where none is said, now in this one and now in that.
        let groups: Vec<String> = groups.iter().map(|g| quoted(g)).collect();
        let _ = writeln!(out, "group_eval_order: [{}]", groups.join(", "));
    }
    let _ = writeln!(out, "tests:\n  - interval: {}", duration::format(*interval));
    if *is_dated {
        let _ = writeln!(out, "    start_timestamp: {}", rfc3339(*start));
    }
    out.push_str("    input_series:\n");
    for one in series {
        let values = notation::text(&one.slots);
        let _ =
            writeln!(out, "      - series: {}\n        values: {}", quoted(&one.labels.to_string()), quoted(&values));
    }
    if expected.is_empty() {
        return out;
    }
    out.push_str("    alert_rule_test:\n");
    for test in expected {
        let (at, name) = (duration::format(test.eval_time), quoted(&test.alertname));
        let _ = writeln!(out, "      - eval_time: {at}\n        alertname: {name}");
        if test.expected.is_empty() {
            out.push_str("        exp_alerts: []\n");
            continue;
        }
        out.push_str("        exp_alerts:\n");
        for alert in &test.expected {
            let labels = alert.labels.filter(|name| name != ALERT_NAME);
            let _ = writeln!(out, "          - exp_labels: {}", mapping(&labels));
            if !alert.annotations.is_empty() {
                let _ = writeln!(out, "            exp_annotations: {}", mapping(&alert.annotations));
            }
        }
    }
    out
}

fn mapping(labels: &Labels) -> String {
    let pairs: Vec<String> = labels.iter().map(|(n, v)| format!("{}: {}", quoted(n), quoted(v))).collect();
    format!("{{{}}}", pairs.join(", "))
}

fn quoted(text: &str) -> String {
    Json::from(text).to_string()
}
