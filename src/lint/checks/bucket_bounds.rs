//! Thresholds that buckets cannot tell.

use crate::lint::check::{Check, Severity};
use crate::lint::look::{Findings, Look, Row};
use crate::lint::site::Site;
use crate::lint::tree;
use crate::model::BUCKET_LABEL;
use crate::promql::ast::{BinaryOp, ExprKind};

pub(super) const ROW: Row = Row {
    check: &Check {
        name: "data/bucket-bounds",
        severity: Severity::Error,
        pint: &[],
        what: "A quantile is asked to be above what the histogram's largest bucket in the data can tell.",
        why: "A quantile that falls into the last bucket, which has no bound, is given as the largest bound: it is never above it, \
              and the alert never fires.",
        fix: "Give the histogram a bucket above the threshold, or lower the threshold.",
        bad: "",
        good: "",
    },
    look: Look::Rule(look),
};

fn look(site: &Site<'_>, found: &mut Findings<'_>) {
    let Some(data) = &site.corpus.data else { return };
    tree::walk(site.expr, &mut |part, _| {
        let Some(asked) = tree::threshold(part) else { return };
        let ExprKind::Call(call) = &asked.vector.bare().kind else { return };
        if call.func.name != "histogram_quantile" {
            return;
        }
        let buckets = call.args.get(1).map(tree::selectors).unwrap_or_default();
        let [(_, selector)] = buckets.as_slice() else { return };
        let Some(bounds) = data.values(&selector.matchers, BUCKET_LABEL) else { return };
        let finite = bounds.iter().filter_map(|bound| bound.parse::<f64>().ok()).filter(|bound| bound.is_finite());
        let Some(largest) = finite.max_by(f64::total_cmp) else { return };
        let never = match asked.op {
            BinaryOp::Gtr => asked.number >= largest,
            BinaryOp::Gte => asked.number > largest,
            _ => false,
        };
        if never {
            found.add(site.at(part), format!("never true: the largest bucket's bound is {largest}"));
        }
    });
}
