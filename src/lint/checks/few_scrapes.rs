//! Rates over too few scrapes.

use crate::lint::check::{Check, Severity};
use crate::lint::look::{Findings, Look, Row};
use crate::lint::site::Site;
use crate::lint::tree;
use crate::model::duration;
use crate::promql::ast::ExprKind;

pub(super) const ROW: Row = Row {
    check: &Check {
        name: "promql/few-scrapes",
        severity: Severity::Warning,
        pint: &["promql/rate"],
        what: "A rate is taken over less than four scrape intervals, of the data or of the configuration beside the rules.",
        why: "With less than two samples in the range there is no rate, and one scrape that fails is enough for that: the \
              alert resolves, and fires again.",
        fix: "Take at least four scrape intervals: `rate(x[4m])` where targets are scraped every minute.",
        bad: "- alert: A\n  expr: rate(errors_total[1m]) > 1",
        good: "- alert: A\n  expr: rate(errors_total[5m]) > 1",
    },
    look: Look::Rule(look),
};

/// So many scrapes should be in a range.
const SCRAPES: i64 = 4;

fn look(site: &Site<'_>, found: &mut Findings<'_>) {
    tree::walk(site.expr, &mut |part, _| {
        let ExprKind::Call(call) = &part.kind else { return };
        if !matches!(call.func.name, "rate" | "irate" | "increase" | "deriv") {
            return;
        }
        let Some(arg) = call.args.first() else { return };
        let (Some(selector), Some(range)) = (tree::selector(arg), tree::range(arg)) else { return };
        let Some(interval) = site.scrapes(selector) else { return };
        if range < SCRAPES.saturating_mul(interval.least) {
            let (range, interval) = (duration::format(range), duration::format(interval.about));
            found.add(site.at(arg), format!("{}() over {range}, and scrapes are {interval} apart", call.func.name));
        }
    });
}
