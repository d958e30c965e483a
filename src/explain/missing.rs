//! Why a selector gives nothing: the condition that no series fulfils, when there were some last, and the targets that
//! used to expose them.

use crate::config::yaml::distance;
use crate::history::{Number, Time};
use crate::model::labels::is_legacy_metric_name;
use crate::model::{Labels, METRIC_NAME, MatchOp, Matcher, duration};
use crate::promql::ast::Selector;

use super::lens::{Answer, Lens};
use super::part::{LastSeen, Missing, RemovedBy, TargetState};

/// How far back is looked for a selector that gives nothing, milliseconds, step by step.
const BACK: [i64; 9] = {
    const MINUTE: i64 = 60_000;
    const HOUR: i64 = 60 * MINUTE;
    [5 * MINUTE, 15 * MINUTE, HOUR, 3 * HOUR, 12 * HOUR, 24 * HOUR, 72 * HOUR, 168 * HOUR, 720 * HOUR]
};
/// How well the time of the last sample is found, milliseconds.
const WELL: i64 = 15_000;
/// What was there within this time of the last sample counts as having been there then, milliseconds.
const AROUND: i64 = 300_000;
/// Most targets that are told of.
const MOST_TARGETS: usize = 5;
/// Most values of a label that are told.
const MOST_VALUES: usize = 8;

/// Most values of a label that are compared with the wanted one, and how long they may be for that, bytes.
const MOST_COMPARED: usize = 1_000;
const LONGEST_COMPARED: usize = 64;

/// A search for what is missing.
pub(super) struct Search<'a> {
    pub lens: &'a Lens<'a>,
    /// The range of a range selector, `5m`.
    pub range: Option<&'a str>,
    /// When the selector reads, milliseconds.
    pub at: i64,
}

impl Search<'_> {
    /// Looks into a selector that gives nothing, or nothing of the alert that is asked for; then `there` is a series that
    /// it does give.
    pub fn of(&self, selector: &Selector, there: Option<&Labels>) -> Missing {
        let mut matchers = selector.matchers.clone();
        if let (Some(subject), Some(there)) = (self.lens.question.subject, there) {
            let own = subject.labels().iter().filter(|(name, _)| there.has(name));
            matchers.extend(own.map(|(name, value)| Matcher::equal(name, value)));
        }
        let is_name = |m: &Matcher| m.name == METRIC_NAME && m.op == MatchOp::Equal;
        let named: Vec<Matcher> = matchers.iter().filter(|m| is_name(m)).cloned().collect();
        let of_name = (!named.is_empty()).then(|| self.count(&named, self.at));
        let removed_by = if of_name == Some(0) { None } else { self.removed_by(&matchers) };
        let last_seen = self.last_seen(&matchers).or_else(|| match of_name {
            Some(0) => self.last_seen(&named),
            _ => None,
        });
        let targets = last_seen.as_ref().map(|seen| self.targets(&matchers, seen)).unwrap_or_default();
        Missing { selector: text(&matchers), of_name, removed_by, last_seen, targets }
    }

    fn query(&self, matchers: &[Matcher]) -> String {
        match self.range {
            Some(range) => format!("last_over_time({}[{range}])", text(matchers)),
            None => text(matchers),
        }
    }

    fn count(&self, matchers: &[Matcher], at: i64) -> usize {
        self.lens.number(&format!("count({})", self.query(matchers)), at).map_or(0, |n| n as usize)
    }

    /// The one condition without which there are series.
    fn removed_by(&self, matchers: &[Matcher]) -> Option<RemovedBy> {
        let conditions =
            matchers.iter().enumerate().filter(|(_, m)| !(m.name == METRIC_NAME && m.op == MatchOp::Equal));
        for (place, culprit) in conditions {
            let others: Vec<Matcher> =
                matchers.iter().enumerate().filter(|(other, _)| *other != place).map(|(_, m)| m.clone()).collect();
            // A selector needs a condition that does not match what is empty.
            if others.iter().all(Matcher::matches_empty) {
                continue;
            }
            let without = self.count(&others, self.at);
            if without > 0 {
                return Some(RemovedBy {
                    matcher: culprit.to_string(),
                    without,
                    values: self.values(&others, culprit),
                });
            }
        }
        None
    }

    /// The values that series have of a label, those that are most like the wanted one first.
    fn values(&self, matchers: &[Matcher], wanted: &Matcher) -> Vec<String> {
        let name = &wanted.name;
        if !crate::model::labels::is_legacy_label_name(name) {
            return Vec::new();
        }
        let answer = self.lens.ask(&format!("group by ({name}) ({})", self.query(matchers)), self.at);
        let rows = answer.rows().iter().take(MOST_COMPARED);
        let mut values: Vec<String> = rows.map(|row| row.labels.value(name).to_owned()).collect();
        let is_long = |text: &str| text.len() > LONGEST_COMPARED;
        let unlike = |value: &str| match is_long(value) || is_long(&wanted.value) {
            true => usize::MAX,
            false => distance(&wanted.value, value),
        };
        values.sort_by_cached_key(|value| (unlike(value), value.clone()));
        values.truncate(MOST_VALUES);
        values
    }

    /// When there was something last, as far as was looked: window by window into the past, then ever closer.
    fn last_seen(&self, matchers: &[Matcher]) -> Option<LastSeen> {
        let selector = text(matchers);
        // The series with samples from `until` back to `from`, both milliseconds before the time asked for.
        let within = |until: i64, from: i64| {
            let window = duration::format(from - until);
            self.lens.ask(&format!("last_over_time({selector}[{window}])"), self.at.saturating_sub(until))
        };
        let mut newest = 0;
        let mut oldest = None;
        for back in BACK {
            match within(newest, back) {
                // Too much to read, or too late: nothing is known of what lies before.
                Answer::Failed(_) => return None,
                answer if answer.rows().is_empty() => newest = back,
                _ => {
                    oldest = Some(back);
                    break;
                }
            }
        }
        let mut oldest = oldest?;
        while oldest - newest > WELL {
            let middle = newest + (oldest - newest) / 2;
            match within(newest, middle).rows().is_empty() {
                true => newest = middle,
                false => oldest = middle,
            }
        }
        let around = within(newest, newest.saturating_add(AROUND));
        let end = self.at.saturating_sub(newest);
        let last = self.lens.number(&format!("max(timestamp({selector}))"), end);
        let at = last.map_or(end, |seconds| (seconds * 1000.0) as i64);
        Some(LastSeen { at: Time(at), count: around.rows().len(), example: around.rows().first()?.labels.clone() })
    }

    /// The targets that exposed what was seen last.
    fn targets(&self, matchers: &[Matcher], seen: &LastSeen) -> Vec<TargetState> {
        let window = duration::format(AROUND);
        let query = format!("group by (job, instance) (last_over_time({}[{window}]))", text(matchers));
        let mut targets = Vec::new();
        for row in self.lens.ask(&query, seen.at.0).rows().iter().take(MOST_TARGETS) {
            let (job, instance) = (row.labels.value("job"), row.labels.value("instance"));
            if job.is_empty() || instance.is_empty() {
                continue;
            }
            let up =
                [Matcher::equal(METRIC_NAME, "up"), Matcher::equal("job", job), Matcher::equal("instance", instance)];
            let up = self.lens.number(&text(&up), self.at).map(Number);
            targets.push(TargetState { job: job.to_owned(), instance: instance.to_owned(), up });
        }
        targets
    }
}

/// A selector with these conditions.
fn text(matchers: &[Matcher]) -> String {
    let is_name = |m: &&Matcher| m.name == METRIC_NAME && m.op == MatchOp::Equal && is_legacy_metric_name(&m.value);
    let name = matchers.iter().find(is_name);
    let others: Vec<String> =
        matchers.iter().filter(|m| name.is_none_or(|n| *m != n)).map(ToString::to_string).collect();
    let name = name.map(|m| m.value.as_str()).unwrap_or_default();
    if others.is_empty() && !name.is_empty() { name.to_owned() } else { format!("{name}{{{}}}", others.join(",")) }
}
