//! Ratios shown as percentages, and percentages as ratios.

use crate::lint::check::{Check, Severity};
use crate::lint::look::{Findings, Look, Row};
use crate::lint::site::Site;
use crate::lint::units::{self, Unit};
use crate::template::prometheus::uses::{Used, uses};

pub(super) const ROW: Row = Row {
    check: &Check {
        name: "alert/percent",
        severity: Severity::Warning,
        pint: &["alerts/template"],
        what: "An annotation writes a ratio with a % sign, or a percentage, bytes or degrees through a function of another unit.",
        why: "0.97% full is not 97% full, and 97 through `humanizePercentage` is 9700%.",
        fix: "`{{ $value | humanizePercentage }}` for 0 to 1, `{{ $value | printf \"%.1f\" }}%` for 0 to 100.",
        bad: "- alert: A\n  expr: used_bytes / total_bytes > 0.9\n  annotations: {summary: '{{ $labels.job }} is {{ $value }}% full'}",
        good: "- alert: A\n  expr: used_bytes / total_bytes > 0.9\n  annotations: {summary: '{{ $labels.job }} is {{ $value | humanizePercentage }} full'}",
    },
    look: Look::Rule(look),
};

fn look(site: &Site<'_>, found: &mut Findings<'_>) {
    let (Some(alert), Some(unit)) = (site.alert(), units::of(site.expr)) else { return };
    for (name, text) in alert.annotations {
        for used in uses(text) {
            let Used::Value { through, followed_by } = &used.what else { continue };
            let plain = through.iter().all(|f| *f == "printf" || *f == "humanize");
            let wrong = match unit {
                Unit::Ratio if plain && followed_by.trim_start().starts_with('%') => {
                    "a ratio, from 0 to 1, before a % sign"
                }
                Unit::Percent if through.contains(&"humanizePercentage") => {
                    "per cent already, through humanizePercentage"
                }
                Unit::Bytes | Unit::Celsius if through.contains(&"humanizePercentage") => {
                    "no ratio, through humanizePercentage"
                }
                Unit::Bytes | Unit::Celsius | Unit::Ratio | Unit::Percent if through.contains(&"humanizeDuration") => {
                    "no time, through humanizeDuration"
                }
                Unit::Milliseconds if through.contains(&"humanizeDuration") => {
                    "milliseconds, through humanizeDuration, which takes seconds"
                }
                _ => continue,
            };
            let message = format!("annotation {name:?} shows {wrong}");
            found.add(site.within("annotations", name, used.at, used.length), message);
        }
    }
}
