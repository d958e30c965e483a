//! The rules of an objective, as a rule file.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::burn::{Burn, PAGE, TICKET, rounded};
use super::objective::{AlertMeta, Objective, Sli};

/// The windows over which bad events are recorded.
pub(super) const WINDOWS: [&str; 7] = ["5m", "30m", "1h", "2h", "6h", "1d", "3d"];

/// The two alerts of an objective that are not switched off: severity, burn rates, and what they carry.
pub(super) fn alerts(objective: &Objective) -> impl Iterator<Item = (&'static str, &'static [Burn; 2], &AlertMeta)> {
    let page = objective.page.as_ref().map(|meta| ("page", &PAGE, meta));
    let ticket = objective.ticket.as_ref().map(|meta| ("ticket", &TICKET, meta));
    page.into_iter().chain(ticket)
}

/// Writes the rules of objectives as a rule file; `source` is the file that they come from.
pub fn write(objectives: &[Objective], source: &str) -> String {
    let mut out = format!("# Written by `watchbell slo` from {source}. Change that file, not this one.\ngroups:\n");
    for objective in objectives {
        indicators(&mut out, objective);
        metadata(&mut out, objective);
        if objective.page.is_some() || objective.ticket.is_some() {
            burn_alerts(&mut out, objective);
        }
    }
    out
}

/// A scalar that YAML reads as this text, whatever it holds.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn group(out: &mut String, kind: &str, objective: &Objective) {
    let _ = writeln!(out, "  - name: {}\n    rules:", quoted(&format!("slo-{kind}-{}", objective.id())));
}

/// Writes a recording rule with its labels.
fn record(out: &mut String, name: &str, expr: &str, labels: &BTreeMap<String, String>) {
    let _ = writeln!(out, "      - record: {name}");
    expression(out, expr);
    mapping(out, "labels", labels);
}

fn expression(out: &mut String, expr: &str) {
    out.push_str("        expr: |\n");
    for line in expr.lines().filter(|line| !line.trim().is_empty()) {
        let _ = writeln!(out, "          {line}");
    }
}

fn mapping(out: &mut String, key: &str, entries: &BTreeMap<String, String>) {
    if entries.is_empty() {
        return;
    }
    let _ = writeln!(out, "        {key}:");
    for (name, value) in entries {
        let _ = writeln!(out, "          {}: {}", quoted(name), quoted(value));
    }
}

/// The labels that tell an objective's series from others'.
fn identity(objective: &Objective) -> BTreeMap<String, String> {
    let own = [("sloth_id", objective.id()), ("sloth_service", objective.service.clone())];
    let own = own.into_iter().chain([("sloth_slo", objective.name.clone())]).map(|(k, v)| (k.to_owned(), v));
    objective.labels.clone().into_iter().chain(own).collect()
}

/// The same as a selector.
pub(super) fn selector(objective: &Objective) -> String {
    let (id, service, slo) = (quoted(&objective.id()), quoted(&objective.service), quoted(&objective.name));
    format!("{{sloth_id={id}, sloth_service={service}, sloth_slo={slo}}}")
}

/// A query as one operand. A comment at its end must not take the bracket with it.
fn bracketed(query: &str) -> String {
    let end = if query.contains('#') { "\n" } else { "" };
    format!("({}{end})", query.trim())
}

fn indicators(out: &mut String, objective: &Objective) {
    group(out, "sli", objective);
    for window in WINDOWS {
        let over = |a: &str, b: &str| format!("{}\n/\n{}", bracketed(a), bracketed(b));
        let expr = match &objective.sli {
            Sli::Events { error, total } => over(&error.over(window), &total.over(window)),
            Sli::Good { good, total } => format!("1 -\n{}", over(&good.over(window), &total.over(window))),
            Sli::ErrorRatio(ratio) => bracketed(&ratio.over(window)),
            Sli::SuccessRatio(ratio) => format!("1 - {}", bracketed(&ratio.over(window))),
        };
        let mut labels = identity(objective);
        labels.insert("sloth_window".into(), window.into());
        record(out, &format!("slo:sli_error:ratio_rate{window}"), &expr, &labels);
    }
    // A mean of what is recorded already: a query over a whole month would read all of its samples each time.
    let (period, own) = (format!("{}d", objective.days), selector(objective));
    let expr = format!(
        "sum_over_time(slo:sli_error:ratio_rate5m{own}[{period}])\n/ ignoring (sloth_window)\n\
         count_over_time(slo:sli_error:ratio_rate5m{own}[{period}])"
    );
    let mut labels = identity(objective);
    labels.insert("sloth_window".into(), period.clone());
    record(out, &format!("slo:sli_error:ratio_rate{period}"), &expr, &labels);
}

fn metadata(out: &mut String, objective: &Objective) {
    group(out, "meta", objective);
    let (own, labels, period) = (selector(objective), identity(objective), format!("{}d", objective.days));
    let ratio = rounded(objective.percent / 100.0);
    record(out, "slo:objective:ratio", &format!("vector({ratio})"), &labels);
    record(out, "slo:error_budget:ratio", &format!("vector({})", objective.budget()), &labels);
    record(out, "slo:time_period:days", &format!("vector({})", objective.days), &labels);
    for (name, window) in [("current", "5m"), ("period", period.as_str())] {
        let expr = format!(
            "slo:sli_error:ratio_rate{window}{own}\n/ on (sloth_id, sloth_slo, sloth_service) group_left ()\n\
             slo:error_budget:ratio{own}"
        );
        record(out, &format!("slo:{name}_burn_rate:ratio"), &expr, &labels);
    }
    record(out, "slo:period_error_budget_remaining:ratio", &format!("1 - slo:period_burn_rate:ratio{own}"), &labels);
    let mut info = labels;
    info.insert("sloth_version".into(), "watchbell".into());
    info.insert("sloth_spec".into(), "prometheus/v1".into());
    info.insert("sloth_objective".into(), objective.percent.to_string());
    record(out, "sloth_slo_info", "vector(1)", &info);
}

fn burn_alerts(out: &mut String, objective: &Objective) {
    group(out, "alerts", objective);
    let (own, budget) = (selector(objective), objective.budget());
    for (severity, burns, meta) in alerts(objective) {
        let side = |burn: &Burn| {
            let factor = burn.factor(objective.days);
            let over = |window: &str| {
                format!("max without (sloth_window) (slo:sli_error:ratio_rate{window}{own} > {factor} * {budget})")
            };
            format!("{}\nand\n{}", over(burn.short), over(burn.long))
        };
        let [fast, slow] = burns;
        let _ = writeln!(out, "      - alert: {}", quoted(&objective.alert_name));
        expression(out, &format!("{}\nor\n{}", side(fast), side(slow)));
        let mut labels = meta.labels.clone();
        labels.insert("sloth_severity".into(), severity.into());
        mapping(out, "labels", &labels);
        mapping(out, "annotations", &annotations(objective, severity, meta));
    }
}

/// The file's own annotations, and a summary and a title where it has none.
fn annotations(objective: &Objective, severity: &str, meta: &AlertMeta) -> BTreeMap<String, String> {
    let mut all = meta.annotations.clone();
    let what = match severity {
        "page" => "burns its error budget so fast that it is gone within days",
        _ => "burns its error budget faster than the period allows",
    };
    let mut own = |name: &str, text: String| {
        all.entry(name.to_owned()).or_insert(text);
    };
    own("summary", format!("{{{{ $labels.sloth_service }}}} {what} ({{{{ $labels.sloth_slo }}}})"));
    own(
        "title",
        format!("({severity}) {{{{ $labels.sloth_service }}}} {{{{ $labels.sloth_slo }}}} burns its error budget"),
    );
    if !objective.description.is_empty() {
        // A description is text for people, and no template.
        own("description", objective.description.replace("{{", r#"{{ "{{" }}"#));
    }
    all
}
