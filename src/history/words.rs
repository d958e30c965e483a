//! Decisions in words, for people.

use super::decision::{Decision, RuleName, Told, What, Withheld};
use super::text::Time;
use crate::model::{ALERT_NAME, Labels};

impl Decision {
    /// What it is about: an alert, several, a group; empty for the whole service.
    pub fn subject(&self) -> String {
        let more = self.more_alerts + (self.alerts.len() as u64).saturating_sub(1);
        match self.alerts.first() {
            Some(alert) if more > 0 => format!("{} and {more} more", named(&alert.labels)),
            Some(alert) => named(&alert.labels),
            None => self.group_key.as_deref().unwrap_or_default().to_owned(),
        }
    }

    /// What was decided and why, in one line.
    pub fn words(&self) -> String {
        let to = self.receiver.as_deref().unwrap_or_default();
        let whom = match &self.integration {
            Some(integration) => format!("{to}/{integration}"),
            None => to.to_owned(),
        };
        let number = self.notification.map(|id| format!(" (notification {id})")).unwrap_or_default();
        match &self.what {
            What::Evaluation { rule, error: Some(error) } => format!("rule {} cannot be evaluated: {error}", of(rule)),
            What::Evaluation { rule, error: None } => format!("rule {} is evaluated again", of(rule)),
            What::Pending { value, fires_at, .. } => {
                format!("is active with value {value}; fires at {} if it stays so", at(*fires_at))
            }
            What::Inactive { active_at, .. } => format!("ended before it fired; was active since {}", at(*active_at)),
            What::Firing { value, active_at, .. } => {
                let value = value.map(|value| format!(" with value {value}")).unwrap_or_default();
                format!("fires{value}; is active since {}", at(*active_at))
            }
            What::KeptFiring { until: Some(until), .. } => {
                format!("does not hold any more and is kept firing until {}", at(*until))
            }
            What::KeptFiring { until: None, value, .. } => format!("holds again with value {value}"),
            What::Resolved { value, fired_at, timed_out, .. } => {
                let value = value.map(|value| format!(" at value {value}")).unwrap_or_default();
                let why = if *timed_out { ", because whoever posted it fell silent" } else { "" };
                format!("resolved{value}{why}; fired since {}", at(*fired_at))
            }
            What::Routed { routes } => {
                let routes: Vec<String> = routes.iter().map(|r| format!("{} by {}", r.receiver, r.route)).collect();
                format!("is routed to {}", if routes.is_empty() { "nobody".to_owned() } else { routes.join(", ") })
            }
            What::Grouped { flush_at } => {
                let group = self.group_key.as_deref().unwrap_or_default();
                format!("joins group {group} for {to}, which waits until {}", at(*flush_at))
            }
            What::Silenced { by, acknowledged: true } => format!("is acknowledged by silence {}", by.join(", ")),
            What::Silenced { by, .. } => format!("is silenced by {}", by.join(", ")),
            What::Inhibited { by, rule } => {
                let by: Vec<String> = by.iter().map(named).collect();
                let rule = rule.map(|rule| format!(" (inhibit_rules[{rule}])")).unwrap_or_default();
                format!("is inhibited by {}{rule}", by.join(", "))
            }
            What::Muted { by } => format!("the route to {to} is muted by time interval {}", by.join(", ")),
            What::Unmuted {} if self.group_key.is_some() => format!("the route to {to} is not muted any more"),
            What::Unmuted {} => "nothing mutes it any more".to_owned(),
            What::Deduplicated { against, told_at, repeat_after } => {
                let against = against.map(|id| format!(" by notification {id}")).unwrap_or_default();
                let told = told_at.map(|t| format!(" at {}", at(t))).unwrap_or_default();
                let again = repeat_after.map(|t| format!("; is told again after {}", at(t))).unwrap_or_default();
                format!("{whom} was told{told}{against} and knows all there is{again}")
            }
            What::Withheld { why } => format!("{whom} is not told: {}", because(*why)),
            What::Notify(told) | What::Repeated(told) | What::FellBack(told) => {
                let Told { reason, instead_of } = told;
                let instead = instead_of.as_ref().map(|other| format!(" instead of {other}")).unwrap_or_default();
                format!("{whom} is to be told{instead}: {}{number}", reason.replace('_', " "))
            }
            What::Withdrawn { replaced_by: Some(other) } => {
                format!("{whom} is told notification {other} instead{number}")
            }
            What::Withdrawn { replaced_by: None } => format!("{whom} need not be told any more{number}"),
            What::Rendered { title, text, problems } => {
                let said = title.as_deref().or(text.as_deref()).unwrap_or_default();
                let said = if said.is_empty() { String::new() } else { format!(": {}", said.replace('\n', " ")) };
                let failed: Vec<&str> = problems.iter().map(|p| p.field.as_str()).collect();
                let failed = if failed.is_empty() {
                    String::new()
                } else {
                    format!("; templates failed: {}", failed.join(", "))
                };
                format!("{whom} is sent a message{number}{said}{failed}")
            }
            What::Sent { attempt } => format!("{whom} was told, attempt {attempt}{number}"),
            What::Failed { attempt, error, next_attempt } => {
                format!("{whom} was not told, attempt {attempt}: {error}; next at {}{number}", at(*next_attempt))
            }
            What::GivenUp { attempt, error } => {
                format!("{whom} refused, attempt {attempt}: {error}; next at the group's next flush{number}")
            }
            What::Reloaded { groups, rules } => {
                format!("another configuration is in force: {groups} rule groups with {rules} rules")
            }
            What::Started { groups, rules, owed } => {
                format!("started with {groups} rule groups, {rules} rules and {owed} notifications owed from before")
            }
            What::Lost { decisions, error } => format!("{decisions} decisions before this were not recorded: {error}"),
            What::ClockStepped { by_ms } => format!("the clock leapt by {} s", *by_ms as f64 / 1000.0),
        }
    }
}

fn at(time: Time) -> String {
    crate::model::time::rfc3339(time.0)
}

fn of(rule: &RuleName) -> String {
    format!("{} of {}", rule.name, rule.group)
}

fn because(why: Withheld) -> &'static str {
    match why {
        Withheld::NeverTold => "it never heard that what resolved fired",
        Withheld::ResolvesUnwanted => "all is over, and it wants to hear of no resolve",
        Withheld::AllMuted => "all alerts are silenced or inhibited",
        Withheld::NotNeeded => "it stands in for a receiver that can be told",
        Withheld::Acknowledged => "all that there is to tell is acknowledged",
    }
}

/// An alert as people write it: its name before its other labels.
fn named(labels: &Labels) -> String {
    let name = labels.value(ALERT_NAME);
    let others = labels.filter(|n| n != ALERT_NAME);
    if others.is_empty() && !name.is_empty() { name.to_owned() } else { format!("{name}{others}") }
}
