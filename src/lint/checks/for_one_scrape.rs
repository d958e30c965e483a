//! Times shorter than the scrape interval.

use crate::lint::check::{Check, Severity};
use crate::lint::look::{Findings, Look, Row};
use crate::lint::site::Site;
use crate::lint::tree;
use crate::model::duration;

pub(super) const ROW: Row = Row {
    check: &Check {
        name: "alert/for-one-scrape",
        severity: Severity::Warning,
        pint: &[],
        what: "`for` is shorter than the scrape interval, of the data or of the configuration beside the rules.",
        why: "Between two scrapes the value does not change: one bad sample decides, as if there were no `for`.",
        fix: "Let it last several scrapes.",
        bad: "- alert: A\n  expr: errors > 1\n  for: 30s",
        good: "- alert: A\n  expr: errors > 1\n  for: 5m",
    },
    look: Look::Rule(look),
};

fn look(site: &Site<'_>, found: &mut Findings<'_>) {
    let Some(hold) = site.alert().map(|alert| alert.hold).filter(|hold| *hold > 0) else { return };
    let selectors = tree::selectors(site.expr);
    // What is scraped most often decides: a join may read what changes once a day.
    let intervals = selectors.iter().filter_map(|(_, selector)| site.scrapes(selector));
    let Some(interval) = intervals.min_by_key(|interval| interval.least) else { return };
    if hold < interval.least {
        let (hold, interval) = (duration::format(hold), duration::format(interval.about));
        found.add(site.key("for"), format!("`for: {hold}`, and scrapes are {interval} apart"));
    }
}
