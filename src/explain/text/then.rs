//! What is past in words: a notification, and what was decided about an alert.

use std::fmt::Write as _;

use crate::explain::chain::PageChain;
use crate::history::{DecidedAlert, Recorded};
use crate::model::time::rfc3339;

use super::named;

/// Most alerts of a notification that are listed.
const MOST_LISTED: usize = 10;

/// A notification in one sentence: whether it was delivered, why it was decided, what was new in it.
pub fn page_summary(p: &PageChain) -> String {
    let whom = format!("{}/{}", p.receiver, p.integration);
    let last = p.attempts.last().map_or(p.decided_at, |r| r.decision.time);
    let last = rfc3339(last.0);
    let became = match p.outcome.as_str() {
        "delivered" => format!("{whom} was told at {last}"),
        "refused" => format!("{whom} refused it at {last}"),
        "withdrawn" => format!("{whom} did not have to be told any more at {last}"),
        "retrying" => format!("{whom} could not be told by {last}"),
        _ => format!("what became of telling {whom} is not recorded"),
    };
    let instead = p.instead_of.as_ref().map(|other| format!(" instead of {other}")).unwrap_or_default();
    let new = match p.new.as_slice() {
        [] => String::new(),
        [one] => format!(": {}", named(&one.labels)),
        [first, rest @ ..] => format!(": {} and {} more", named(&first.labels), rest.len()),
    };
    let before = match &p.before {
        Some(before) => format!("; the one before, {}, was told at {}", before.notification, rfc3339(before.told_at.0)),
        None => String::new(),
    };
    format!("{became}{instead}, because {}{new}{before}", because(&p.reason))
}

/// A reason of the history.
fn because(reason: &str) -> String {
    match reason {
        "first_notification" => "the group had not been told before".to_owned(),
        "new_alerts_in_group" => "new alerts fired in the group".to_owned(),
        "new_resolved_alerts" => "alerts of the group resolved".to_owned(),
        "all_alerts_resolved" => "all alerts of the group resolved".to_owned(),
        "repeat_interval_elapsed" => "the repeat interval was over".to_owned(),
        other => other.replace('_', " "),
    }
}

pub(super) fn page_lines(out: &mut String, p: &PageChain) {
    let _ = writeln!(out, "notification {} to {}/{}", p.notification, p.receiver, p.integration);
    let _ = writeln!(out, "  group       {}", p.group_key);
    let _ = writeln!(out, "  decided     {}, because {}", rfc3339(p.decided_at.0), because(&p.reason));
    if let Some(other) = &p.instead_of {
        let _ = writeln!(out, "  instead of  {other}, which could not be told");
    }
    match &p.before {
        Some(before) => {
            let at = rfc3339(before.told_at.0);
            let _ = writeln!(out, "  before it   notification {}, told at {at}", before.notification);
        }
        None => out.push_str("  before it   none is recorded that told it of this group\n"),
    }
    for (what, alerts) in [("new", &p.new), ("resolved", &p.resolved), ("still", &p.still)] {
        alert_lines(out, what, alerts);
    }
    for Recorded { decision, .. } in &p.attempts {
        let _ = writeln!(out, "  {}  {}", rfc3339(decision.time.0), decision.words());
    }
}

fn alert_lines(out: &mut String, what: &str, alerts: &[DecidedAlert]) {
    for alert in alerts.iter().take(MOST_LISTED) {
        let _ = writeln!(out, "  {what:<11} {}", named(&alert.labels));
    }
    if alerts.len() > MOST_LISTED {
        let _ = writeln!(out, "  {what:<11} and {} more", alerts.len() - MOST_LISTED);
    }
}

pub(super) fn decision_lines(out: &mut String, decisions: &[Recorded]) {
    if !decisions.is_empty() {
        out.push_str("  decided\n");
    }
    for Recorded { decision, .. } in decisions {
        let (time, kind) = (rfc3339(decision.time.0), decision.kind().as_str());
        let _ = writeln!(out, "    {time}  {kind:<13} {}", decision.words());
    }
}
