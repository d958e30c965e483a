//! Fractions compared for equality.

use crate::lint::check::{Check, Severity};
use crate::lint::look::{Findings, Look, Row};
use crate::lint::site::Site;
use crate::lint::{tree, units};
use crate::promql::ast::{BinaryOp, ExprKind};

pub(super) const ROW: Row = Row {
    check: &Check {
        name: "promql/float-equality",
        severity: Severity::Warning,
        pint: &["promql/fragile"],
        what: "What was divided, averaged or extrapolated is compared with `==`.",
        why: "`increase` is extrapolated: one event in five minutes is 1.07 or 0.94, and almost never 1.",
        fix: "Ask whether it is above or below: `increase(x_total[5m]) > 0.5`. `== 0` is sound.",
        bad: "- alert: A\n  expr: increase(errors_total[5m]) == 1",
        good: "- alert: A\n  expr: increase(errors_total[5m]) > 0",
    },
    look: Look::Rule(look),
};

fn look(site: &Site<'_>, found: &mut Findings<'_>) {
    tree::walk(site.expr, &mut |part, _| {
        let Some(asked) = tree::threshold(part).filter(|asked| asked.op == BinaryOp::Eql) else { return };
        let computed = tree::any(asked.vector, |p| match &p.kind {
            ExprKind::Call(call) => {
                matches!(call.func.name, "rate" | "irate" | "increase" | "deriv" | "stddev_over_time")
            }
            _ => false,
        });
        // A share of 0 or 1 is a whole number exactly.
        if computed && units::is_fractional(asked.vector) && asked.number != 0.0 && tree::binary(asked.vector).is_none()
        {
            let message = format!("`{}` is hardly ever exactly {}", site.text(asked.vector), asked.number);
            found.add(site.at(part), message);
        }
    });
}
