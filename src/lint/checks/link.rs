//! Links that lead nowhere.

use crate::lint::check::{Check, Severity};
use crate::lint::look::{Findings, Look, Row};
use crate::lint::site::Site;

pub(super) const ROW: Row = Row {
    check: &Check {
        name: "alert/link",
        severity: Severity::Warning,
        pint: &["rule/link"],
        what: "An annotation that is called a URL (`runbook_url`) holds no address.",
        why: "Messages make a link of it, and who is woken and follows it gets nowhere.",
        fix: "Write an address with its scheme: `https://...`. Whether there is a page is not looked at.",
        bad: "- alert: A\n  expr: a > 1\n  annotations: {runbook_url: TODO}",
        good: "- alert: A\n  expr: a > 1\n  annotations: {runbook_url: 'https://runbooks.example.com/a'}",
    },
    look: Look::Rule(look),
};

/// `url`, `runbook_url`, `runbookURL`; `curl` may be a command.
fn is_link(name: &str) -> bool {
    name.eq_ignore_ascii_case("url") || ["_url", "-url", "Url", "URL"].iter().any(|end| name.ends_with(end))
}

fn look(site: &Site<'_>, found: &mut Findings<'_>) {
    let Some(alert) = site.alert() else { return };
    for (name, text) in alert.annotations.iter().filter(|(name, _)| is_link(name)) {
        let text = text.trim();
        let begins = text.split_once("://").is_some_and(|(scheme, rest)| {
            !scheme.is_empty() && scheme.bytes().all(|b| b.is_ascii_alphanumeric()) && !rest.is_empty()
        });
        // A template may give all of it, and what is empty is no link.
        if begins && !text.contains(char::is_whitespace) || text.contains("{{") || text.is_empty() {
            continue;
        }
        found.add(
            site.within("annotations", name, 0, text.len()),
            format!("annotation {name:?} is no address: {text:?}"),
        );
    }
}
