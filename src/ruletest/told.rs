//! What receivers were told in a test, and how it compares with what was expected.

use serde_json::Value as Json;

use crate::model::duration;
use crate::notify::receivers::messages::{self, Rendered};
use crate::notify::{Notification, NotifiedAlert, Reason};

use super::delivery::{ExpectedNotification, ExpectedNotified, NotificationTest, Status};
use super::pairs;
use super::wanted::{Difference, Match, shown};

/// A notification that arrived.
pub struct Told {
    /// When, milliseconds after the test's start.
    pub at: i64,
    /// What it was about.
    pub notification: Notification,
    /// What the receiver's service got; `None` when nobody could be told.
    pub payload: Option<Json>,
}

/// A template that failed while a notification was rendered, or the reason why nobody could be told.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TemplateProblem {
    /// The receiver.
    pub receiver: String,
    /// The field of the integration, `slack_configs[0].title`; the integration alone where nobody could be told.
    pub field: String,
    /// What the template engine said.
    pub error: String,
}

/// One line of the comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Compared {
    /// Expected, and told.
    Same(String),
    /// Told, and not quite as expected: which, where it is expected, and in what they differ.
    Differs(String, u32, Vec<Difference>),
    /// Expected, and not told.
    Missing(String, u32),
    /// Told, and not expected.
    Unexpected(String),
}

impl Told {
    /// A notification, at a time after the test's start, as it was rendered; and what was wrong with its templates.
    pub fn new(at: i64, notification: &Notification, rendered: Rendered) -> (Told, Vec<TemplateProblem>) {
        let integration = &notification.integration;
        let list = format!("{}_configs[{}]", integration.kind, integration.index);
        let problem =
            |field: String, error: String| TemplateProblem { receiver: integration.receiver.to_string(), field, error };
        let mut problems: Vec<TemplateProblem> =
            rendered.problems.into_iter().map(|p| problem(format!("{list}.{}", p.field), p.error)).collect();
        let payload = match rendered.message {
            Ok(message) => Some(message.payload()),
            Err(e) => {
                problems.push(problem(list, e.to_string()));
                None
            }
        };
        (Told { at, notification: notification.clone(), payload }, problems)
    }

    fn title(&self) -> Option<&str> {
        messages::title(&self.notification.integration.kind, self.payload.as_ref()?)
    }

    fn text(&self) -> Option<&str> {
        messages::text(&self.notification.integration.kind, self.payload.as_ref()?)
    }

    /// The notification on a line.
    fn line(&self) -> String {
        let Notification { integration, group_labels, alerts, reason, .. } = &self.notification;
        let mut out = format!("{} {} {}", duration::format(self.at), integration.receiver, integration.kind);
        if integration.index > 0 {
            out.push_str(&format!("[{}]", integration.index));
        }
        let (status, reason) = (self.notification.status(), reason.as_str());
        out.push_str(&format!(": {status}, {reason}, group {group_labels}"));
        let names: Vec<String> = alerts.iter().map(|a| a.labels.to_string()).collect();
        const MOST: usize = 3;
        out.push_str(&format!(", alerts {}", names.iter().take(MOST).cloned().collect::<Vec<_>>().join(" ")));
        if let Some(more) = names.len().checked_sub(MOST).filter(|more| *more > 0) {
            out.push_str(&format!(" and {more} more"));
        }
        if let Some(title) = self.title() {
            out.push_str(&format!(", title {title:?}"));
        }
        out
    }

    /// In what it is not as expected.
    fn differences(&self, expected: &ExpectedNotification) -> Vec<Difference> {
        let notification = &self.notification;
        let integration = &notification.integration;
        let mut out = Vec::new();
        let mut compare = |field: &str, expected: Option<&str>, got: &str| {
            if let Some(expected) = expected.filter(|e| *e != got) {
                let (expected, got) = (expected.to_owned(), got.to_owned());
                out.push(Difference { field: field.to_owned(), expected, got });
            }
        };
        compare("receiver", Some(&expected.receiver), &integration.receiver);
        if let Some(wanted) = &expected.integration {
            match wanted.index {
                None => compare("integration", Some(&wanted.kind), &integration.kind),
                Some(index) => compare(
                    "integration",
                    Some(&format!("{}[{index}]", wanted.kind)),
                    &format!("{}[{}]", integration.kind, integration.index),
                ),
            }
        }
        let at = expected.at.map(|at| at.to_string());
        compare("at", at.as_deref(), &duration::format(self.at));
        compare("status", expected.status.map(Status::as_str), notification.status());
        compare("reason", expected.reason.map(Reason::as_str), notification.reason.as_str());
        compare("instead_of", expected.instead_of.as_deref(), notification.instead_of.as_deref().unwrap_or("none"));
        if let Some(labels) = &expected.group_labels {
            out.extend(Match::Exact.differences("group_labels", labels, &notification.group_labels));
        }
        if let Some(alerts) = &expected.alerts {
            out.extend(alert_differences(alerts, &notification.alerts, expected.labels_match));
        }
        out.extend(expected.title.iter().flat_map(|t| t.differences("title", self.title())));
        out.extend(expected.text.iter().flat_map(|t| t.differences("text", self.text())));
        let none = Json::Null;
        let payload = self.payload.as_ref().unwrap_or(&none);
        out.extend(expected.payload.iter().flat_map(|p| p.json_differences("payload", payload)));
        out
    }
}

/// In what the alerts of a notification are not as expected.
fn alert_differences(expected: &[ExpectedNotified], got: &[NotifiedAlert], how: Match) -> Vec<Difference> {
    let differences = |e: &ExpectedNotified, g: &NotifiedAlert| {
        let mut out = how.differences("labels", &e.labels, &g.labels);
        out.extend(how.differences("annotations", &e.annotations, &g.annotations));
        let status = Status::of(g.is_resolved());
        if let Some(wanted) = e.status.filter(|wanted| *wanted != status) {
            let (expected, got) = (wanted.as_str().to_owned(), status.as_str().to_owned());
            out.push(Difference { field: "status".to_owned(), expected, got });
        }
        out
    };
    let pairing = pairs::pair(expected.len(), got.len(), |e, g| match (expected.get(e), got.get(g)) {
        (Some(e), Some(g)) => differences(e, g).len(),
        _ => usize::MAX,
    });
    let mut out = Vec::new();
    for (e, g) in pairing {
        match (e.and_then(|e| expected.get(e)), g.and_then(|g| got.get(g))) {
            (Some(e), Some(g)) => {
                let within = |d: Difference| Difference { field: format!("alert {}: {}", g.labels, d.field), ..d };
                out.extend(differences(e, g).into_iter().map(within));
            }
            (Some(e), None) => {
                let labels: Vec<String> = e.labels.iter().map(|(n, v)| format!("{n}={v:?}")).collect();
                let expected = format!("{{{}}}", labels.join(", "));
                out.push(Difference { field: "alerts".to_owned(), expected, got: shown(None) });
            }
            (None, Some(g)) => {
                out.push(Difference { field: "alerts".to_owned(), expected: shown(None), got: g.labels.to_string() });
            }
            (None, None) => {}
        }
    }
    out
}

/// Compares what was told with what a test expects; `None` where they agree.
pub fn compare(test: &NotificationTest, all: &[Told]) -> Option<Vec<Compared>> {
    let (after, until) = (test.since.map_or(-1, |s| s.millis()), test.until());
    let is_of_test = |t: &&Told| {
        let is_receiver = test.receiver.as_ref().is_none_or(|r| **r == *t.notification.integration.receiver);
        is_receiver && t.at > after && t.at <= until
    };
    let told: Vec<&Told> = all.iter().filter(is_of_test).collect();
    let expected = test.expected();
    // Another receiver is another message, whatever else they have in common.
    const OTHER_RECEIVER: usize = 1_000_000;
    let cost = |e: usize, g: usize| match (expected.get(e), told.get(g)) {
        (Some(e), Some(g)) if e.receiver == *g.notification.integration.receiver => g.differences(e).len(),
        _ => OTHER_RECEIVER,
    };
    let mut pairing = pairs::pair(expected.len(), told.len(), cost);
    pairing.sort_by_key(|(_, g)| g.unwrap_or(usize::MAX));
    let mut is_same = true;
    let mut out = Vec::new();
    for (e, g) in pairing {
        let (e, g) = (e.and_then(|e| expected.get(e)), g.and_then(|g| told.get(g)));
        let compared = match (e, g) {
            (Some(e), Some(g)) if e.receiver == *g.notification.integration.receiver => match g.differences(e) {
                same if same.is_empty() => Compared::Same(g.line()),
                different => Compared::Differs(g.line(), e.place.position().line, different),
            },
            (e, g) => {
                // Not one message: one is missing, another unexpected.
                out.extend(e.map(|e| Compared::Missing(wanted_line(e), e.place.position().line)));
                match g {
                    Some(g) => Compared::Unexpected(g.line()),
                    None => {
                        is_same = false;
                        continue;
                    }
                }
            }
        };
        is_same &= matches!(compared, Compared::Same(_));
        out.push(compared);
    }
    if is_same { None } else { Some(out) }
}

/// What is expected, on a line.
fn wanted_line(e: &ExpectedNotification) -> String {
    let mut out = e.at.map_or_else(String::new, |at| format!("{at} "));
    out.push_str(&e.receiver);
    if let Some(integration) = &e.integration {
        out.push_str(&format!(" {}", integration.kind));
    }
    let mut parts: Vec<String> = Vec::new();
    parts.extend(e.status.map(|s| s.as_str().to_owned()));
    parts.extend(e.reason.map(|r| r.as_str().to_owned()));
    let labels = |labels: &super::wanted::Expected| {
        let pairs: Vec<String> = labels.iter().map(|(n, v)| format!("{n}={v:?}")).collect();
        format!("{{{}}}", pairs.join(", "))
    };
    parts.extend(e.group_labels.as_ref().map(|l| format!("group {}", labels(l))));
    parts.extend(e.alerts.as_ref().map(|alerts| {
        let all: Vec<String> = alerts.iter().map(|a| labels(&a.labels)).collect();
        format!("alerts {}", all.join(" "))
    }));
    parts.extend(e.title.as_ref().and_then(|t| t.0.exact.as_ref()).map(|t| format!("title {t:?}")));
    if !parts.is_empty() {
        out.push_str(&format!(": {}", parts.join(", ")));
    }
    out
}
