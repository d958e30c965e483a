//! Values with all their decimals.

use crate::lint::check::{Check, Severity};
use crate::lint::look::{Findings, Look, Row};
use crate::lint::site::Site;
use crate::lint::units::{self, Unit};
use crate::template::prometheus::uses::{Used, uses};

pub(super) const ROW: Row = Row {
    check: &Check {
        name: "alert/raw-value",
        severity: Severity::Info,
        pint: &["alerts/template"],
        what: "An annotation shows a measured or computed value with all its decimals.",
        why: "`{{ $value }}` prints 85.33333333333333, which who is woken has to read.",
        fix: "Let a function write it: `humanize`, `humanizePercentage`, `humanizeDuration`, `printf \"%.1f\"`.",
        bad: "- alert: Hot\n  expr: node_hwmon_temp_celsius > 85\n  annotations: {summary: '{{ $labels.instance }} has {{ $value }}°C'}",
        good: "- alert: Hot\n  expr: node_hwmon_temp_celsius > 85\n  annotations: {summary: '{{ $labels.instance }} has {{ $value | printf \"%.0f\" }}°C'}",
    },
    look: Look::Rule(look),
};

fn look(site: &Site<'_>, found: &mut Findings<'_>) {
    let Some(alert) = site.alert() else { return };
    if !units::is_fractional(site.expr) {
        return;
    }
    let better = match units::of(site.expr) {
        Some(Unit::Seconds) => "humanizeDuration",
        Some(Unit::Ratio) => "humanizePercentage",
        Some(Unit::Bytes) => "humanize1024",
        _ => "printf \"%.1f\"",
    };
    for (name, text) in alert.annotations {
        let raw =
            uses(text).into_iter().find(|used| matches!(&used.what, Used::Value { through, .. } if through.is_empty()));
        if let Some(used) = raw {
            let message = format!("annotation {name:?} shows the value with all its decimals; `$value | {better}`");
            found.add(site.within("annotations", name, used.at, used.length), message);
        }
    }
}
