//! What is absent, and of whom nobody learns.

use crate::lint::check::{Check, Severity};
use crate::lint::look::{Findings, Look, Row};
use crate::lint::site::Site;
use crate::lint::tree;
use crate::promql::ast::ExprKind;

pub(super) const ROW: Row = Row {
    check: &Check {
        name: "promql/absent-without-labels",
        severity: Severity::Info,
        pint: &["promql/absent"],
        what: "`absent` is of a selector without labels, or of an aggregation by labels.",
        why: "It is true only when no series of the metric is left anywhere: one job that is gone is not seen while another has the               metric. An aggregation's labels do not reach the result.",
        fix: "Name what must be there: `absent(up{job=\"api\"})`, one rule for each.",
        bad: "- alert: Gone\n  expr: absent(up)",
        good: "- alert: Gone\n  expr: absent(up{job=\"api\"})",
    },
    look: Look::Rule(look),
};

fn look(site: &Site<'_>, found: &mut Findings<'_>) {
    tree::walk(site.expr, &mut |part, _| {
        let ExprKind::Call(call) = &part.kind else { return };
        let Some(arg) = call.args.first().filter(|_| matches!(call.func.name, "absent" | "absent_over_time")) else {
            return;
        };
        match &arg.bare().kind {
            ExprKind::Vector(s) | ExprKind::Matrix(s, _) => {
                // A metric of one exporter only is there once.
                let is_common = tree::metric(s).is_some_and(|metric| metric == "up" || metric.contains(':'));
                if s.matchers.iter().all(|m| m.name == crate::model::METRIC_NAME) && is_common {
                    found.add(site.at(part), "absent only when no such series is left anywhere: no label is asked for");
                }
            }
            ExprKind::Aggregate(a) if !a.grouping.labels.is_empty() => {
                let labels = a.grouping.labels.join(", ");
                found.add(
                    site.at(part),
                    format!("{}() of an aggregation has no labels, and not {labels}", call.func.name),
                );
            }
            _ => {}
        }
    });
}
