//! Ranges and offsets that reach back further than the data does.

use crate::lint::check::{Check, Severity};
use crate::lint::look::{Findings, Look, Row};
use crate::lint::site::Site;
use crate::lint::tree;
use crate::model::duration;
use crate::promql::ast::{Expr, ExprKind, Timing};

pub(super) const ROW: Row = Row {
    check: &Check {
        name: "data/short-past",
        severity: Severity::Warning,
        pint: &["promql/range_query"],
        what: "A range or an offset of a day or more reaches back to where the data has nothing of the metric, though it has it now.",
        why: "A mean over seven days is one of the days that are there, and an offset gives nothing at all: the rule does not \
              compare what it says it does. Mostly the data is not kept that long, or the metric is younger.",
        fix: "Keep data as long as rules look back (`--storage.tsdb.retention.time`), or look back less far. Of a young metric the \
              finding goes away by itself.",
        bad: "",
        good: "",
    },
    look: Look::Rule(look),
};

/// What reaches back less far is not looked at, milliseconds.
const LEAST: i64 = 86_400_000;
/// Something must be there within so long of the furthest point, milliseconds.
const WINDOW: i64 = 6 * 3_600_000;

fn look(site: &Site<'_>, found: &mut Findings<'_>) {
    let Some(data) = site.corpus.data.as_ref().filter(|data| data.has_past()) else { return };
    tree::walk(site.expr, &mut |part, above| {
        let Some(selector) = tree::selector(part).filter(|_| !matches!(part.kind, ExprKind::Paren(_))) else { return };
        let Some((offset, range)) = reach(part, above) else { return };
        let furthest = offset.saturating_add(range);
        if furthest < LEAST || data.is_there(&selector.matchers, offset.max(furthest - WINDOW), WINDOW) != Some(false) {
            return;
        }
        if data.count(&selector.matchers).is_some_and(|count| count > 0) {
            let what = tree::metric(selector).unwrap_or("these series");
            found.add(site.at(part), format!("the data has nothing of {what} {} ago", duration::format(furthest)));
        }
    });
}

/// How far back the samples of a selector are, and over which time, milliseconds; nothing where that is not known.
fn reach(part: &Expr, above: &[&Expr]) -> Option<(i64, i64)> {
    let (mut offset, mut range) = (0_i64, 0_i64);
    for expr in above.iter().copied().chain([part]) {
        let (timing, over): (&Timing, _) = match &expr.kind {
            ExprKind::Vector(selector) => (&selector.timing, None),
            ExprKind::Matrix(selector, range) => (&selector.timing, Some(range)),
            ExprKind::Subquery(subquery) => (&subquery.timing, Some(&subquery.range)),
            _ => continue,
        };
        if timing.at.is_some() {
            return None;
        }
        if let Some(by) = &timing.offset {
            offset = offset.saturating_add(tree::millis(by)?);
        }
        if let Some(over) = over {
            range = range.saturating_add(tree::millis(over)?);
        }
    }
    Some((offset, range))
}
