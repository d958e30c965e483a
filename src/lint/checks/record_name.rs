//! Recorded metrics that look like exposed ones.

use crate::lint::check::{Check, Severity};
use crate::lint::look::{Findings, Look, Row};
use crate::lint::site::Site;
use crate::rules::RuleKind;

pub(super) const ROW: Row = Row {
    check: &Check {
        name: "rule/record-name",
        severity: Severity::Info,
        pint: &["rule/name"],
        what: "A recording rule's name has no colon.",
        why: "Colons tell what rules record from what targets expose: who reads the name knows where to look, and no exporter can \
              come to expose a metric of the same name.",
        fix: "Name it as Prometheus' conventions do, `level:metric:operations`, such as `job:http_requests:rate5m`.",
        bad: "- record: http_requests_rate\n  expr: sum by (job) (rate(http_requests_total[5m]))",
        good: "- record: job:http_requests:rate5m\n  expr: sum by (job) (rate(http_requests_total[5m]))",
    },
    look: Look::Rule(look),
};

fn look(site: &Site<'_>, found: &mut Findings<'_>) {
    if site.rule.kind == RuleKind::Recording && !site.rule.name.contains(':') {
        found.add(site.head(), format!("{} has no colon", site.rule.name));
    }
}
