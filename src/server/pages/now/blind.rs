//! What cannot be seen now: rules that fail or were never evaluated, targets that are down or not found, samples that are
//! not kept or not sent on, receivers that cannot be told. While there is any of it, that no alert fires says little.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::alerting::Health;
use crate::engine::{GroupView, View};
use crate::ingest::scrape::TargetHealth;
use crate::model::cut;
use crate::net::redact_url;
use crate::server::app::App;

/// Most reasons, targets or receivers that are named.
const MOST: usize = 5;
/// Longest reason, characters.
const LONGEST: usize = 400;

/// All of it, the worst first; each with the page that tells more.
pub(in crate::server) fn all(app: &App, view: &View) -> Vec<Value> {
    let groups = view.rule_groups();
    let mut all = Vec::new();
    all.extend(failing(&groups));
    all.extend(unevaluated(app, view, &groups));
    all.extend(troubles(app));
    all.extend(unreachable(app));
    all.extend(untold(app));
    all.extend(down(app));
    all.extend(unkept(app));
    all.extend(undiscovered(app));
    all.extend(behind(app));
    all
}

/// One entry of several things, each with a reason; nothing where there is none.
fn entry_of(all: Vec<(String, String)>, page: &str, text: impl FnOnce(usize) -> String) -> Option<Value> {
    let (n, more) = (all.len(), all.len().saturating_sub(MOST));
    let named = all.into_iter().take(MOST).map(|(what, why)| (what, cut(&why, LONGEST))).collect();
    (n > 0).then(|| entry(text(n), page, named, more))
}

fn entry(text: String, page: &str, reasons: Vec<(String, String)>, more: usize) -> Value {
    json!({ "text": text, "page": page, "reasons": reasons, "more": more })
}

/// That rules fail, and why.
pub(in crate::server::pages) fn failing(groups: &[Arc<GroupView>]) -> Option<Value> {
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for rule in groups.iter().flat_map(|g| &g.state.rules).filter(|r| r.health == Health::Bad) {
        *reasons.entry(rule.last_error.as_deref().unwrap_or("")).or_default() += 1;
    }
    let rules: usize = reasons.values().sum();
    if rules == 0 {
        return None;
    }
    let mut reasons: Vec<(&str, usize)> = reasons.into_iter().collect();
    reasons.sort_by_key(|(_, rules)| std::cmp::Reverse(*rules));
    let more = reasons.len().saturating_sub(MOST);
    let reasons = reasons.into_iter().take(MOST).map(|(text, n)| (cut(text, LONGEST), n.to_string())).collect();
    let of: usize = groups.iter().map(|g| g.state.rules.len()).sum();
    let text = format!("{rules} of {of} rules fail: what they would tell is not known");
    Some(entry(text, "rules", reasons, more))
}

/// That there are no rules, or that some have not been evaluated since the start.
fn unevaluated(app: &App, view: &View, groups: &[Arc<GroupView>]) -> Option<Value> {
    if app.service.alertmanager_alone {
        return None;
    }
    let of: usize = groups.iter().map(|g| g.state.rules.len()).sum();
    if of == 0 {
        return Some(entry("No rules are loaded: nothing is watched here".into(), "rules", Vec::new(), 0));
    }
    let waiting = groups.iter().flat_map(|g| &g.state.rules).filter(|r| r.health == Health::Unknown).count();
    let why = match view.waits_for_data_since() {
        Some(_) => "they wait for the first samples",
        None => "their turn comes",
    };
    (waiting > 0).then(|| {
        let text = format!("{waiting} of {of} rules have not been evaluated yet: {why}");
        entry(text, "rules", Vec::new(), 0)
    })
}

/// What the service itself cannot do.
fn troubles(app: &App) -> Vec<Value> {
    let told = crate::server::api::troubles(app);
    told.into_iter().map(|text| entry(text, "status", Vec::new(), 0)).collect()
}

/// That receivers cannot be told.
fn unreachable(app: &App) -> Option<Value> {
    let view = app.config.load();
    let all = view.receivers.iter().flat_map(|r| &r.integrations);
    let failing = all.filter_map(|id| {
        let error = app.deliveries.get(id).last_error?;
        Some((format!("{} ({})", id.receiver, id.kind), error))
    });
    entry_of(failing.collect(), "receivers", |n| match n {
        1 => "A receiver cannot be told".into(),
        n => format!("{n} integrations cannot be told"),
    })
}

/// That external Alertmanagers take no alerts.
fn untold(app: &App) -> Option<Value> {
    let (mut failing, dropping) = app.forwarder.failing();
    // Where none of them is known, there is none to name.
    failing.extend(dropping.filter(|_| failing.is_empty()).map(|why| ("alerts are dropped".to_owned(), why)));
    entry_of(failing, "status", |n| match n {
        1 => "An external Alertmanager is not told of alerts".into(),
        n => format!("{n} external Alertmanagers are not told of alerts"),
    })
}

/// That discoveries fail: targets that came since are not known.
fn undiscovered(app: &App) -> Option<Value> {
    let failing = app.scrapes.discoveries().failing();
    entry_of(failing, "service-discovery", |n| match n {
        1 => "A discovery fails: targets that came or went since are not known".into(),
        n => format!("{n} discoveries fail: targets that came or went since are not known"),
    })
}

/// That remote write is behind.
fn behind(app: &App) -> Option<Value> {
    entry_of(app.writers.behind(), "status", |n| match n {
        1 => "Remote write is behind: its endpoint does not take samples as they come".into(),
        n => format!("Remote write is behind to {n} endpoints, which do not take samples as they come"),
    })
}

/// That what targets answered is not stored.
fn unkept(app: &App) -> Option<Value> {
    let pools = app.scrapes.status();
    let targets = pools.iter().flat_map(|pool| &pool.active);
    let lost = targets.filter(|t| t.state.health == TargetHealth::Up && !t.state.last_error.is_empty());
    let named = lost.map(|t| (redact_url(&t.target.url), t.state.last_error.clone()));
    entry_of(named.collect(), "targets", |n| format!("Samples of {n} scrape targets are not stored"))
}

/// That targets are down.
fn down(app: &App) -> Option<Value> {
    let pools = app.scrapes.status();
    let targets = || pools.iter().flat_map(|pool| &pool.active);
    let down = targets().filter(|t| t.state.health == TargetHealth::Down).count();
    let text = || format!("{down} of {} scrape targets are down", targets().count());
    (down > 0).then(|| entry(text(), "targets", Vec::new(), 0))
}
