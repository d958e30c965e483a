//! Rules that read what no rule records.

use crate::lint::check::{Check, Severity};
use crate::lint::corpus::Corpus;
use crate::lint::look::{Findings, Look, Row};
use crate::lint::site::Site;
use crate::lint::tree;
use crate::rules::RuleKind;

pub(super) const ROW: Row = Row {
    check: &Check {
        name: "rule/unrecorded",
        severity: Severity::Info,
        pint: &["promql/series"],
        what: "A rule reads a metric whose name says that a rule records it, and no rule of the given files does, though they \
               record others of its kind.",
        why: "The metric does not exist, and the alert never fires. Mostly a rule was renamed, or not all rules are given.",
        fix: "Correct the name, or give all rules to the check.",
        bad: "- record: job:errors:rate5m\n  expr: sum by (job) (rate(errors_total[5m]))\n- alert: A\n  expr: job:errors:rate1m > 1",
        good: "- record: job:errors:rate5m\n  expr: sum by (job) (rate(errors_total[5m]))\n- alert: A\n  expr: job:errors:rate5m > 1",
    },
    look: Look::Rule(look),
};

fn look(site: &Site<'_>, found: &mut Findings<'_>) {
    for (part, selector) in tree::selectors(site.expr) {
        let Some(metric) = tree::metric(selector).filter(|metric| metric.contains(':')) else { continue };
        if !is_recorded(site.corpus, metric, false) && is_recorded(site.corpus, stem(metric), true) {
            found.add(site.at(part), format!("no rule of the given files records {metric}"));
        }
    }
}

/// Without its last part, which tells the operations.
fn stem(metric: &str) -> &str {
    metric.rsplit_once(':').map_or(metric, |(stem, _)| stem)
}

fn is_recorded(corpus: &Corpus, name: &str, as_stem: bool) -> bool {
    corpus.all().any(|(_, _, rule)| {
        let recorded = if as_stem { stem(&rule.name) } else { &rule.name };
        rule.kind == RuleKind::Recording && recorded == name
    })
}
