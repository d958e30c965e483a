//! Thresholds that the history was never near.

use super::always_exceeded::conditions;
use crate::lint::check::{Check, Severity};
use crate::lint::look::{Findings, Look, Row};
use crate::lint::site::Site;
use crate::promql::ast::BinaryOp;

pub(super) const ROW: Row = Row {
    check: &Check {
        name: "data/never-reached",
        severity: Severity::Info,
        pint: &[],
        what: "Over the last day of the data, what an alert compares was always less than a tenth of its threshold, or more \
               than ten times it.",
        why: "It may be well so. But a threshold in other units than the metric has, milliseconds of seconds or per cent of a \
              ratio, looks the same, and that alert never fires.",
        fix: "Compare the threshold with the value that the finding names.",
        bad: "",
        good: "",
    },
    look: Look::Rule(look),
};

/// A value is near a threshold from this share of it on.
const NEAR: f64 = 0.1;

fn look(site: &Site<'_>, found: &mut Findings<'_>) {
    let Some(data) = site.corpus.data.as_ref().filter(|_| site.alert().is_some()) else { return };
    for (part, asked) in conditions(site.expr, true) {
        if asked.number <= 0.0 {
            continue;
        }
        let Some(course) = data.course(site.text(asked.vector)) else { continue };
        let message = match asked.op {
            // Where all is 0 there is nothing to compare: no errors are what is hoped for.
            BinaryOp::Gtr | BinaryOp::Gte if course.highest > 0.0 && course.highest < asked.number * NEAR => {
                format!("the highest value of the last day is {}", rounded(course.highest))
            }
            BinaryOp::Lss | BinaryOp::Lte if course.lowest > asked.number / NEAR => {
                format!("the lowest value of the last day is {}", rounded(course.lowest))
            }
            _ => continue,
        };
        found.add(site.at(part), message);
    }
}

/// A number with its first three digits, as people read it.
fn rounded(value: f64) -> f64 {
    format!("{value:.2e}").parse().unwrap_or(value)
}
