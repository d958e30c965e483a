//! The alerts of one name at one time, beside those a test expects.

use std::sync::Arc;

use crate::alerting::rule::{RuleKind, RuleSpec};
use crate::alerting::{Alert, AlertState};
use crate::model::{Labels, duration};

use super::case::{AlertTest, ExpectedAlert, TestedState};
use super::compare;
use super::outcome::FailureKind;
use super::pairs;
use super::told::Compared;
use super::wanted::{Difference, Expected, Match};

/// What a test looks at.
pub struct Looked<'a> {
    /// What is expected.
    pub test: &'a AlertTest,
    /// Alerts of the name at that time, in any state.
    pub alerts: &'a [Alert],
    /// The time of the evaluation, milliseconds.
    pub at: i64,
    /// The test's start, milliseconds.
    pub start: i64,
    /// All rules.
    pub rules: &'a [&'a Arc<RuleSpec>],
}

impl Looked<'_> {
    /// What is not as expected; `None` when all is.
    pub fn check(&self) -> Option<FailureKind> {
        let test = self.test;
        let got: Vec<&Alert> = self.alerts.iter().filter(|a| test.state.is_of(a)).collect();
        let listed = if test.is_listed { self.check_list(&got) } else { None };
        listed.or_else(|| self.check_absent(&got))
    }

    fn check_list(&self, got: &[&Alert]) -> Option<FailureKind> {
        let test = self.test;
        if test.how == Match::Exact
            && test.state == TestedState::Firing
            && test.expected.iter().all(|e| e.since.is_none())
        {
            return self.check_as_promtool(got);
        }
        let mut pairing =
            pairs::pair(test.expected.len(), got.len(), |e, g| match (test.expected.get(e), got.get(g)) {
                (Some(e), Some(g)) => self.differences(e, g).len(),
                _ => usize::MAX,
            });
        pairing.sort_by_key(|(_, g)| g.unwrap_or(usize::MAX));
        let mut compared = Vec::new();
        for (e, g) in pairing {
            match (e.and_then(|e| test.expected.get(e)), g.and_then(|g| got.get(g))) {
                (Some(e), Some(g)) => compared.push(match self.differences(e, g) {
                    same if same.is_empty() => Compared::Same(self.line(g)),
                    different => Compared::Differs(self.line(g), test.position.line, different),
                }),
                (Some(e), None) => {
                    let line = format!("{} {}", e.labels, annotations(&e.annotations));
                    compared.push(Compared::Missing(line.trim_end().to_owned(), test.position.line));
                }
                (None, Some(g)) => compared.push(Compared::Unexpected(self.line(g))),
                (None, None) => {}
            }
        }
        let is_same = compared.iter().all(|c| matches!(c, Compared::Same(_)));
        if is_same { None } else { Some(self.differ(compared)) }
    }

    /// As promtool compares: the same labels and the same annotations.
    fn check_as_promtool(&self, got: &[&Alert]) -> Option<FailureKind> {
        let test = self.test;
        let alert =
            |a: &&Alert| ExpectedAlert { labels: a.labels.clone(), annotations: a.annotations.clone(), since: None };
        let mut got: Vec<ExpectedAlert> = got.iter().map(alert).collect();
        got.sort();
        let mut expected = test.expected.clone();
        expected.sort();
        if got == expected {
            return None;
        }
        Some(FailureKind::Alerts {
            alertname: test.alertname.clone(),
            time: test.eval_time,
            query: self.query(),
            near: self.near(),
            expected,
            got,
        })
    }

    fn check_absent(&self, got: &[&Alert]) -> Option<FailureKind> {
        let absent = self.test.absent.as_ref()?;
        let how = if self.test.how == Match::Exact { Match::Subset } else { self.test.how };
        let is_unwanted =
            |a: &&&Alert| absent.iter().any(|labels| how.differences("labels", labels, &a.labels).is_empty());
        let unwanted: Vec<Compared> =
            got.iter().filter(is_unwanted).map(|a| Compared::Unexpected(self.line(a))).collect();
        if unwanted.is_empty() { None } else { Some(self.differ(unwanted)) }
    }

    fn differ(&self, compared: Vec<Compared>) -> FailureKind {
        FailureKind::AlertsDiffer {
            alertname: self.test.alertname.clone(),
            time: self.test.eval_time,
            state: self.test.state,
            query: self.query(),
            compared,
            near: if self.test.state == TestedState::Firing { self.near() } else { Vec::new() },
        }
    }

    fn differences(&self, expected: &ExpectedAlert, got: &Alert) -> Vec<Difference> {
        let how = self.test.how;
        let as_expected =
            |labels: &Labels| -> Expected { labels.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect() };
        let mut out = how.differences("labels", &as_expected(&expected.labels), &got.labels);
        out.extend(how.differences("annotations", &as_expected(&expected.annotations), &got.annotations));
        let since = self.since(got);
        if let Some(wanted) = expected.since.filter(|wanted| Some(*wanted) != since) {
            let got = since.map_or_else(|| "unknown".to_owned(), duration::format);
            out.push(Difference { field: "since".to_owned(), expected: duration::format(wanted), got });
        }
        out
    }

    /// Since when an alert is in its state, milliseconds after the test's start.
    fn since(&self, alert: &Alert) -> Option<i64> {
        let at = match alert.state {
            AlertState::Pending => Some(alert.active_at),
            AlertState::Firing => alert.fired_at,
            AlertState::Inactive => alert.resolved_at,
        };
        at.map(|at| at - self.start)
    }

    fn line(&self, alert: &Alert) -> String {
        let since = self.since(alert).map_or_else(String::new, |s| format!(" since {}", duration::format(s)));
        let of = match annotations(&alert.annotations) {
            none if none.is_empty() => none,
            some => format!(" {some}"),
        };
        format!("{}{of}{since}", alert.labels)
    }

    fn query(&self) -> Option<String> {
        let is = |r: &&&Arc<RuleSpec>| *r.name == *self.test.alertname && matches!(r.kind, RuleKind::Alerting { .. });
        self.rules.iter().find(is).map(|r| r.expr.to_string())
    }

    /// Why an expected alert may not fire: it is pending, or no rule of its name exists.
    fn near(&self) -> Vec<String> {
        let test = self.test;
        let hold = self.rules.iter().find_map(|r| match &r.kind {
            RuleKind::Alerting { hold, .. } if *r.name == *test.alertname => Some(*hold),
            _ => None,
        });
        let Some(hold) = hold else {
            let alerts = self.rules.iter().filter(|r| matches!(r.kind, RuleKind::Alerting { .. }));
            return vec![compare::unknown_alert(&test.alertname, alerts.map(|r| &*r.name).collect())];
        };
        let pending = self.alerts.iter().filter(|a| a.state == AlertState::Pending);
        let mut out: Vec<String> = pending
            .map(|a| {
                let since = duration::format(self.at - a.active_at);
                format!("{} is pending for {since} of {}", a.labels, duration::format(hold))
            })
            .collect();
        out.sort();
        out.truncate(5);
        out
    }
}

/// Annotations on a line.
fn annotations(all: &Labels) -> String {
    let pairs: Vec<String> = all.iter().map(|(n, v)| format!("{n}={v:?}")).collect();
    pairs.join(", ")
}

impl TestedState {
    fn is_of(self, alert: &Alert) -> bool {
        match self {
            TestedState::Pending => alert.state == AlertState::Pending,
            TestedState::Firing => alert.state == AlertState::Firing,
            TestedState::Resolved => alert.state == AlertState::Inactive && alert.resolved_at.is_some(),
        }
    }
}
