//! Quantiles of buckets whose bounds are gone.

use crate::lint::check::{Check, Severity};
use crate::lint::labels::LabelSet;
use crate::lint::look::{Findings, Look, Row};
use crate::lint::site::Site;
use crate::lint::tree;
use crate::promql::ast::ExprKind;

pub(super) const ROW: Row = Row {
    check: &Check {
        name: "promql/quantile-without-le",
        severity: Severity::Error,
        pint: &["promql/aggregate"],
        what: "`histogram_quantile` is given buckets without `le`.",
        why: "The label holds the buckets' bounds. Without it there is no result, and the alert never fires.",
        fix: "Keep it in the aggregation: `sum by (le, job) (rate(x_bucket[5m]))`. Native histograms have no buckets of their \
              own and need none.",
        bad: "- alert: Slow\n  expr: histogram_quantile(0.99, sum by (job) (rate(latency_seconds_bucket[5m]))) > 2",
        good: "- alert: Slow\n  expr: histogram_quantile(0.99, sum by (le, job) (rate(latency_seconds_bucket[5m]))) > 2",
    },
    look: Look::Rule(look),
};

fn look(site: &Site<'_>, found: &mut Findings<'_>) {
    tree::walk(site.expr, &mut |part, _| {
        let ExprKind::Call(call) = &part.kind else { return };
        let Some(buckets) = call.args.get(1).filter(|_| call.func.name == "histogram_quantile") else { return };
        let classic = tree::selectors(buckets)
            .iter()
            .any(|(_, s)| tree::metric(s).is_some_and(|metric| metric.ends_with("_bucket")));
        let labels: LabelSet = site.labels_of(buckets);
        if classic && !labels.may_have("le") {
            found
                .add(site.at(buckets), format!("these buckets have no `le`: the aggregation keeps {}", labels.shown()));
        }
    });
}
