//! Metrics that are not in the data.

use crate::lint::check::{Check, Severity};
use crate::lint::look::{Findings, Look, Row};
use crate::lint::site::Site;
use crate::lint::tree;
use crate::model::{METRIC_NAME, Matcher};
use crate::promql::ast::{BinaryOp, ExprKind, Selector};
use crate::rules::{Rule, RuleKind};

pub(super) const ROW: Row = Row {
    check: &Check {
        name: "data/no-series",
        severity: Severity::Warning,
        pint: &["promql/series"],
        what: "The data given with `--url`, `--data` or `--exposition` has no series that a selector selects.",
        why: "The rule reads nothing: its alert never fires. A metric was renamed, a label is misspelt, or an exporter is gone.",
        fix: "Compare the name and the labels with what targets expose. What only comes with the first error is rightly not there: \
              a comment says so (`# watchbell disable data/no-series(metric)`).",
        bad: "",
        good: "",
    },
    look: Look::Rule(look),
};

fn look(site: &Site<'_>, found: &mut Findings<'_>) {
    if site.corpus.data.is_none() {
        return;
    }
    tree::walk(site.expr, &mut |part, above| {
        let (ExprKind::Vector(selector) | ExprKind::Matrix(selector, _)) = &part.kind else { return };
        // What is asked to be absent should not be there, and what `or` adds and `unless` takes away need not be.
        let inner = above.iter().skip(1).copied().chain([part]);
        let may_lack = above.iter().zip(inner).any(|(outer, inner)| match &outer.kind {
            ExprKind::Call(call) => matches!(call.func.name, "absent" | "absent_over_time"),
            ExprKind::Binary(b) => b.op == BinaryOp::Or || (b.op == BinaryOp::Unless && std::ptr::eq(&b.right, inner)),
            _ => false,
        });
        if let Some(message) = missing(site, selector).filter(|_| !may_lack) {
            found.add(site.at(part), message);
        }
    });
}

/// What is not there, if it is so.
fn missing(site: &Site<'_>, selector: &Selector) -> Option<String> {
    let data = site.corpus.data.as_ref()?;
    let metric = tree::metric(selector)?;
    let records = |rule: &Rule| rule.kind == RuleKind::Recording && *rule.name == *metric;
    if metric.starts_with("ALERTS") || data.is_added(metric) || site.corpus.all().any(|(_, _, rule)| records(rule)) {
        return None;
    }
    if !data.has_metric(metric)? {
        return Some(format!("there is no series of {metric}"));
    }
    let kept: Vec<Matcher> = selector.matchers.iter().filter(|m| !data.is_added(&m.name)).cloned().collect();
    if data.count(&kept)? > 0 {
        return None;
    }
    let name = kept.iter().find(|m| m.name == METRIC_NAME)?;
    for matcher in kept.iter().filter(|m| m.name != METRIC_NAME) {
        if data.count(&[name.clone(), matcher.clone()])? == 0 {
            return Some(format!("no series of {metric} has {matcher}"));
        }
    }
    Some(format!("no series of {metric} has all of these labels"))
}
