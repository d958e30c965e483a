//! `rate`, `increase`, `irate`, `resets` of what is no counter.

use crate::lint::check::{Check, Severity};
use crate::lint::kinds::{self, MetricKind};
use crate::lint::look::{Findings, Look, Row};
use crate::lint::site::Site;
use crate::lint::tree;
use crate::promql::ast::ExprKind;

pub(super) const ROW: Row = Row {
    check: &Check {
        name: "promql/rate-on-gauge",
        severity: Severity::Warning,
        pint: &["promql/rate"],
        what: "A function of counters is given a gauge, or a metric that holds the code of the last event.",
        why: "Each fall of a gauge counts as a counter's reset, so that its whole value is added; the result is no rate of \
              anything. The difference of two codes means nothing at all.",
        fix: "Use `delta` or `deriv` for what goes up and down. For a metric of codes ask whether it is not 0 and changed \
              (`changes`), or take the exporter's count of events where it has one.",
        bad: "- alert: GPUXIDErrors\n  expr: increase(DCGM_FI_DEV_XID_ERRORS[1h]) > 0",
        good: "- alert: GPUXIDErrors\n  expr: DCGM_FI_DEV_XID_ERRORS != 0 and changes(DCGM_FI_DEV_XID_ERRORS[1h]) > 0",
    },
    look: Look::Rule(look),
};

fn look(site: &Site<'_>, found: &mut Findings<'_>) {
    tree::walk(site.expr, &mut |part, _| {
        let ExprKind::Call(call) = &part.kind else { return };
        let function = call.func.name;
        let Some(metric) = call.args.first().and_then(tree::selector).and_then(tree::metric) else { return };
        if !tree::is_of_counters(function) {
            return;
        }
        match kinds::of_name(metric) {
            Some(MetricKind::Gauge) => {
                found.add(site.at(part), format!("{function}() of {metric}, which is a gauge"));
            }
            Some(MetricKind::Code) => {
                let message = format!("{function}() of {metric}, a gauge that holds the code of the last event");
                found.add(site.at(part), message);
            }
            Some(MetricKind::Counter) | None => {}
        }
    });
}
