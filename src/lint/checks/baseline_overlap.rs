//! A deviation that holds what is measured by it.

use crate::lint::check::{Check, Severity};
use crate::lint::look::{Findings, Look, Row};
use crate::lint::site::Site;
use crate::lint::tree;
use crate::promql::ast::{BinaryOp, ExprKind, Selector};

pub(super) const ROW: Row = Row {
    check: &Check {
        name: "promql/baseline-overlap",
        severity: Severity::Warning,
        pint: &[],
        what: "A shift is measured in deviations over a time that holds the shift itself.",
        why: "The shift widens the deviation by which it is measured, and the longer it lasts the smaller it looks: the alert \
              resolves while nothing is well.",
        fix: "Let the deviation end where what is looked at begins: `stddev_over_time(x[7d] offset 1h)`.",
        bad: "- alert: Shift\n  expr: abs(avg_over_time(x[1h]) - avg_over_time(x[1h] offset 7d)) / (stddev_over_time(x[7d]) > 0) > 3",
        good: "- alert: Shift\n  expr: abs(avg_over_time(x[1h]) - avg_over_time(x[1h] offset 7d)) / (stddev_over_time(x[7d] offset 1h) > 0) > 3",
    },
    look: Look::Rule(look),
};

fn offset(selector: &Selector) -> i64 {
    selector.timing.offset.as_ref().map_or(0, |offset| tree::millis(offset).unwrap_or(0))
}

fn look(site: &Site<'_>, found: &mut Findings<'_>) {
    tree::walk(site.expr, &mut |part, _| {
        let ExprKind::Binary(b) = &part.kind else { return };
        if b.op != BinaryOp::Div {
            return;
        }
        let divisor = tree::value(&b.right);
        let Some(call) =
            tree::call(divisor).filter(|call| matches!(call.func.name, "stddev_over_time" | "mad_over_time"))
        else {
            return;
        };
        let Some(deviation) = call.args.first().and_then(tree::selector) else { return };
        let over = call.args.first().and_then(tree::range).unwrap_or(0);
        // What is looked at is the youngest of the left side.
        let looked_at =
            tree::selectors(&b.left).into_iter().filter(|(_, s)| tree::metric(s) == tree::metric(deviation));
        let Some((range, at)) =
            looked_at.map(|(e, s)| (tree::range(e).unwrap_or(0), offset(s))).min_by_key(|(_, at)| *at)
        else {
            return;
        };
        // A deviation over the same time as what is looked at measures something else.
        if offset(deviation) < at + range && over > range {
            let message = format!("{} holds the time that is measured by it", site.text(divisor));
            found.add(site.at(divisor), message);
        }
    });
}
