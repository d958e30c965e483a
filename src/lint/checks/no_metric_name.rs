//! Selectors that read everything.

use crate::lint::check::{Check, Severity};
use crate::lint::look::{Findings, Look, Row};
use crate::lint::site::Site;
use crate::lint::tree;
use crate::model::{METRIC_NAME, MatchOp};

pub(super) const ROW: Row = Row {
    check: &Check {
        name: "promql/no-metric-name",
        severity: Severity::Info,
        pint: &["promql/cost", "promql/selector"],
        what: "A selector names no metric, or any.",
        why: "Every series with these labels is read at every evaluation, of all metrics there are and will be.",
        fix: "Name the metric.",
        bad: "- alert: A\n  expr: count({job=\"api\"}) > 100000",
        good: "- alert: A\n  expr: scrape_samples_scraped{job=\"api\"} > 100000",
    },
    look: Look::Rule(look),
};

fn look(site: &Site<'_>, found: &mut Findings<'_>) {
    for (part, selector) in tree::selectors(site.expr) {
        let narrows = |value: &str| !matches!(value, ".*" | ".+");
        let names = selector
            .matchers
            .iter()
            .any(|m| m.name == METRIC_NAME && matches!(m.op, MatchOp::Equal | MatchOp::Regex) && narrows(&m.value));
        if !names {
            found.add(site.at(part), format!("`{}` reads the series of every metric", site.text(part)));
        }
    }
}
