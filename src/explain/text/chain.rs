//! The chain in words: a sentence for each alert and rule, and the whole for a terminal.

use std::fmt::Write as _;

use crate::explain::chain::{
    AlertChain, Explanation, InhibitedBy, IntegrationChain, PassedBy, RouteChain, RuleChain, SilencedBy, Stage,
};
use crate::explain::part::Part;
use crate::history::Time;
use crate::model::Labels;
use crate::model::time::rfc3339;

use super::then::{decision_lines, page_lines};
use super::{because, headline, named, tree, value};

/// Most routes that are listed of which an alert does not take.
const MOST_PASSED: usize = 10;

fn at(time: Time) -> String {
    rfc3339(time.0)
}

/// The whole answer in one sentence.
pub fn summary(e: &Explanation) -> String {
    match (e.alerts.as_slice(), e.rules.as_slice()) {
        ([alert], _) if e.more_alerts == 0 => alert.summary.clone(),
        ([first, ..], _) => {
            let all = e.alerts.len() + e.more_alerts;
            let counted = |state: &str| e.alerts.iter().filter(|a| a.state == state).count();
            let states = ["firing", "pending", "resolved", "inactive"].into_iter().map(|s| (counted(s), s));
            let states: Vec<String> = states.filter(|(n, _)| *n > 0).map(|(n, s)| format!("{n} {s}")).collect();
            format!("{all} alerts: {}; the first: {}", states.join(", "), first.summary)
        }
        ([], [rule]) => rule.summary.clone(),
        ([], [first, ..]) => {
            let all = e.rules.len() + e.more_rules;
            format!("no such alert; of {all} rules that could raise it the first: {}", first.summary)
        }
        ([], []) => {
            let meant = match e.did_you_mean.as_slice() {
                [] => String::new(),
                names => format!("; did you mean {}?", names.join(", ")),
            };
            format!("no alert is known as {}, and no rule raises it{meant}", e.asked)
        }
    }
}

/// How far an alert has come, in one sentence.
pub fn alert_summary(a: &AlertChain) -> String {
    let furthest = a.routes.iter().flat_map(|r| r.integrations.iter().map(move |i| (r, i)));
    let furthest = furthest.filter(|(_, i)| i.stage == a.stage).max_by_key(|(_, i)| i.told_at);
    let whom = furthest.map(|(_, i)| who(i)).unwrap_or_default();
    let next = |what: &str| a.next.map(|t| format!("; {what} {}", at(t))).unwrap_or_default();
    let resolved = a.state == "resolved";
    let what = match a.stage {
        Stage::Inactive => "it is not active: its rule's expression does not hold for it".to_owned(),
        Stage::Pending => {
            let since = a.active_at.map(|t| format!(" since {}", at(t))).unwrap_or_default();
            let fires = a.fires_at.map(|t| format!(" and fires after {}", at(t))).unwrap_or_default();
            format!("it is pending{since}{fires}{}", next("told then at"))
        }
        Stage::NoIntegration => {
            let receivers: Vec<&str> = a.routes.iter().map(|r| &*r.receiver).collect();
            format!("nobody is told: the receiver {} has no integrations", receivers.join(", "))
        }
        Stage::Silenced => format!("silenced by {}{}", silences(&a.silenced_by), next("told at")),
        Stage::Inhibited => format!("inhibited by {}", inhibitions(&a.inhibited_by)),
        Stage::Acknowledged => format!("acknowledged by {}", silences(&a.silenced_by)),
        Stage::Muted => {
            let by: Vec<&str> = a.routes.iter().flat_map(|r| r.muted_by.iter().map(String::as_str)).collect();
            format!("its route is mute: time interval {}{}", by.join(", "), next("told at"))
        }
        Stage::NeverTold => "it resolved before anybody was told of it".to_owned(),
        Stage::ResolveUnwanted => format!("it resolved, and {whom} wants to hear of no resolve"),
        Stage::NotNeeded => format!("{whom} stands in for a receiver that can be told"),
        Stage::GroupWait => {
            let sources = a.routes.iter().filter_map(|r| r.group.as_ref()).any(|g| g.waits_for_sources_since.is_some());
            let why = if sources { "the sources of its alerts" } else { "company" };
            format!("its group waits for {why}{}", next("told at"))
        }
        Stage::GroupInterval => format!("it is told with its group's next flush{}", next("at")),
        Stage::Refused => format!("{whom} refused it{}{}", error(furthest), next("decided again at")),
        Stage::Retrying => format!("{whom} could not be told{}{}", error(furthest), next("tried again at")),
        Stage::Queued => format!("it is about to be told to {whom}"),
        Stage::Sending => format!("it is being told to {whom}"),
        Stage::Delivered => {
            let told = furthest.and_then(|(_, i)| i.told_at).map(|t| format!(" at {}", at(t))).unwrap_or_default();
            format!("{whom} was told{}{told}{}", if resolved { " of its end" } else { "" }, next("told again at"))
        }
    };
    let state = match a.state.as_str() {
        "firing" => {
            let since = a.fired_at.map(|t| format!("fires since {}", at(t))).unwrap_or_else(|| "fires".to_owned());
            format!("{since}; ")
        }
        "resolved" => a.ends_at.map(|t| format!("resolved at {}; ", at(t))).unwrap_or_default(),
        _ => String::new(),
    };
    format!("{state}{what}")
}

fn error(of: Option<(&RouteChain, &IntegrationChain)>) -> String {
    let error = of.and_then(|(_, i)| i.owed.as_ref()).and_then(|o| o.last_error.as_deref());
    error.map(|e| format!(" ({e})")).unwrap_or_default()
}

fn who(i: &IntegrationChain) -> String {
    format!("{}/{}", i.receiver, i.integration)
}

fn silences(all: &[SilencedBy]) -> String {
    let one = |s: &SilencedBy| {
        let until = s.until.map(|t| format!(" until {}", at(t))).unwrap_or_default();
        let why = if s.comment.is_empty() { String::new() } else { format!(": {}", s.comment) };
        if s.created_by.is_empty() && s.matchers.is_empty() {
            return format!("{}, which is not kept any more", s.id);
        }
        format!("{} of {}{until}{why}", s.id, s.created_by)
    };
    all.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn inhibitions(all: &[InhibitedBy]) -> String {
    let one = |i: &InhibitedBy| format!("{} by rule {} of inhibit_rules", named(&i.alert), i.rule);
    all.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Why a rule raises nothing, or what it raises, in one sentence.
pub fn rule_summary(r: &RuleChain) -> String {
    let next = r.next_evaluation.map(|t| format!("; evaluated next at {}", at(t))).unwrap_or_default();
    let yet = if r.evaluated_at.is_none() {
        format!(", and the rule has not been evaluated yet{next}")
    } else {
        String::new()
    };
    match (&r.last_error, &r.expression) {
        (Some(error), _) if r.health == "err" => format!("{} cannot be evaluated: {error}{next}", r.name),
        (_, Some(part)) if part.holds => format!("{}: its expression holds{yet}", r.name),
        (_, Some(part)) => {
            let why = headline(part).map(|why| format!(": {why}")).unwrap_or_default();
            format!("{} does not fire: its expression gives nothing{why}{yet}", r.name)
        }
        (_, None) if r.firing + r.pending > 0 => {
            format!("{} raises {} firing and {} pending alerts", r.name, r.firing, r.pending)
        }
        (_, None) => format!("{} raises no such alert{yet}", r.name),
    }
}

/// The whole answer for a terminal.
pub fn explanation(e: &Explanation) -> String {
    let mut out = String::new();
    let when = e.at.map(|t| format!(" at {}", at(t))).unwrap_or_default();
    let _ = writeln!(out, "{}{when}: {}", e.asked, e.summary);
    for note in &e.notes {
        let _ = writeln!(out, "note: {note}");
    }
    if let Some(page) = &e.page {
        out.push('\n');
        page_lines(&mut out, page);
    }
    for alert in &e.alerts {
        out.push('\n');
        tell_alert(&mut out, e, alert);
    }
    if e.more_alerts > 0 {
        let _ = writeln!(out, "\n{} more alerts are not shown", e.more_alerts);
    }
    let mut of_alerts: Vec<usize> = e.alerts.iter().filter_map(|a| a.rule).collect();
    of_alerts.dedup();
    for (place, rule) in e.rules.iter().enumerate() {
        if !of_alerts.contains(&place) {
            out.push('\n');
            tell_rule(&mut out, rule);
        }
    }
    if e.more_rules > 0 {
        let _ = writeln!(out, "\n{} more rules are not shown", e.more_rules);
    }
    out
}

fn tell_rule(out: &mut String, r: &RuleChain) {
    let _ = writeln!(out, "rule {} ({}, {})", r.name, r.file, r.group);
    rule_lines(out, r);
    if let Some(part) = &r.expression {
        expression(out, part);
    }
    if let Some(why) = &r.not_examined {
        let _ = writeln!(out, "  its expression was not looked into: {why}");
    }
}

fn rule_lines(out: &mut String, r: &RuleChain) {
    let evaluated = match r.evaluated_at {
        Some(t) => format!("evaluated at {}, {}", at(t), r.health),
        None => "not evaluated yet".to_owned(),
    };
    let _ = writeln!(out, "  expression  {}", r.expr);
    let _ = writeln!(out, "  for {}, every {}: {evaluated}", r.hold, r.interval);
    if let Some(error) = &r.last_error {
        let _ = writeln!(out, "  error: {error}");
    }
    for source in &r.failing_sources {
        let _ = writeln!(
            out,
            "  it reads {}, which the group {} records and cannot: {}",
            source.record, source.group, source.error
        );
    }
}

fn tell_alert(out: &mut String, e: &Explanation, a: &AlertChain) {
    let _ = writeln!(out, "alert {}", named(&a.labels));
    if a.summary != e.summary {
        let _ = writeln!(out, "  {}", a.summary);
    }
    annotations(out, &a.annotations);
    match (a.rule.and_then(|place| e.rules.get(place)), &a.generator_url) {
        (Some(rule), _) => {
            let _ = writeln!(out, "  raised by {} ({}, {})", rule.name, rule.file, rule.group);
            rule_lines(out, rule);
        }
        (None, Some(url)) if !url.is_empty() => {
            let _ = writeln!(out, "  posted; its source: {url}");
        }
        // It says below why its rule is not told of.
        _ if a.not_examined.is_some() => {}
        _ => out.push_str("  posted\n"),
    }
    if let Some(part) = &a.expression {
        expression(out, part);
    }
    if let Some(why) = &a.not_examined {
        let _ = writeln!(out, "  its expression was not looked into: {why}");
    }
    state_lines(out, a);
    mute_lines(out, a);
    for route in &a.routes {
        tell_route(out, route);
    }
    passed_lines(out, &a.passed_by);
    decision_lines(out, &a.decisions);
}

fn expression(out: &mut String, part: &Part) {
    let _ = writeln!(out, "  because");
    out.push_str(&because(part, "    "));
    let _ = writeln!(out, "  its parts");
    out.push_str(&tree(part, "    "));
}

fn annotations(out: &mut String, all: &Labels) {
    for (name, text) in all.iter() {
        let _ = writeln!(out, "  {name}: {}", text.replace('\n', "\n    "));
    }
}

fn state_lines(out: &mut String, a: &AlertChain) {
    let mut line = format!("  state       {}", a.state);
    let mut add = |what: &str, time: Option<Time>| {
        if let Some(time) = time {
            let _ = write!(line, ", {what} {}", at(time));
        }
    };
    add("active since", a.active_at);
    add("fires after", a.fires_at);
    add("fired at", a.fired_at);
    add("kept firing until", a.kept_until);
    add("ends at", a.ends_at);
    if let Some(v) = a.value {
        let _ = write!(line, ", value {}", value(v));
    }
    let _ = writeln!(out, "{line}");
}

fn mute_lines(out: &mut String, a: &AlertChain) {
    for s in &a.silenced_by {
        let word = if s.acknowledgement { "acknowledged by" } else { "silenced by" };
        let matchers = if s.matchers.is_empty() { String::new() } else { format!(" ({})", s.matchers.join(", ")) };
        let _ = writeln!(out, "  {word} {}{matchers}", silences(std::slice::from_ref(s)));
    }
    for i in &a.inhibited_by {
        let _ = writeln!(out, "  inhibited by {}", named(&i.alert));
        let (source, target) = (i.source.join(", "), i.target.join(", "));
        let equal = if i.equal.is_empty() { String::new() } else { format!("; equal {}", i.equal.join(", ")) };
        let _ = writeln!(out, "    inhibit_rules[{}]: source {source}; target {target}{equal}", i.rule);
    }
}

fn tell_route(out: &mut String, r: &RouteChain) {
    let on = if r.continues { " (continue)" } else { "" };
    let _ = writeln!(out, "  route       {} -> {}{on}", r.route, r.receiver);
    let _ = match r.group_wait.as_str() {
        "" => writeln!(out, "    group {}; the route is not there any more", r.group_key),
        wait => writeln!(
            out,
            "    group {}: group_wait {wait}, group_interval {}, repeat_interval {}",
            named(&r.group_labels),
            r.group_interval,
            r.repeat_interval
        ),
    };
    if let Some(group) = &r.group {
        let flushed = if group.has_flushed { "next flush" } else { "first flush" };
        let waits = group.waits_for_sources_since.map(|_| ", for the sources of its alerts have not spoken yet");
        let _ = writeln!(out, "    {flushed} at {}{}", at(group.next_flush), waits.unwrap_or_default());
    }
    if !r.muted_by.is_empty() {
        let until = r.muted_until.map(|t| format!(" until {}", at(t))).unwrap_or_default();
        let _ = writeln!(out, "    mute by time interval {}{until}", r.muted_by.join(", "));
    }
    if r.integrations.is_empty() {
        let _ = writeln!(out, "    {} tells nobody: it has no integrations", r.receiver);
    }
    for i in &r.integrations {
        tell_integration(out, i);
    }
}

fn tell_integration(out: &mut String, i: &IntegrationChain) {
    let word = serde_json::to_value(i.stage).ok().and_then(|v| v.as_str().map(|s| s.replace('_', " ")));
    let _ = write!(out, "    {}: {}", who(i), word.unwrap_or_default());
    if let (Some(told), Some(time)) = (&i.told, i.told_at) {
        let _ = write!(out, "; told {} at {}", told.replace('_', " "), at(time));
    }
    if let Some(next) = i.next {
        let _ = write!(out, "; next at {}", at(next));
    }
    out.push('\n');
    if let Some(d) = &i.decision {
        let _ = writeln!(out, "      {}told at {}: {}", if d.tells { "" } else { "not " }, at(d.at), d.why);
    }
    if let Some(o) = &i.owed {
        let error = o.last_error.as_ref().map(|e| format!(": {e}")).unwrap_or_default();
        let _ = writeln!(
            out,
            "      notification {} is owed since {}, {} failed attempts{error}",
            o.notification,
            at(o.decided_at),
            o.attempts
        );
    }
}

fn passed_lines(out: &mut String, all: &[PassedBy]) {
    for p in all.iter().take(MOST_PASSED) {
        let why = match &p.behind {
            Some(taken) => format!("{taken} stands before it and takes the alert"),
            None => {
                let one = |u: &crate::explain::chain::Unmatched| match u.value.as_str() {
                    "" => format!("{}, and the alert has none", u.matcher),
                    value => format!("{}, and the alert has {value:?}", u.matcher),
                };
                p.unmatched.iter().map(one).collect::<Vec<_>>().join("; ")
            }
        };
        let _ = writeln!(out, "  not routed  {} -> {}: {why}", p.route, p.receiver);
    }
    if all.len() > MOST_PASSED {
        let _ = writeln!(out, "  and not to {} other routes", all.len() - MOST_PASSED);
    }
}
