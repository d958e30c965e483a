//! The page of now: what fires, grouped as its receivers see it, and why who is told.

pub(in crate::server) mod blind;
pub(in crate::server) mod filter;
pub(in crate::server) mod groups;
mod sparks;

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::alerting::{Alert, AlertState, RuleKind};
use crate::engine::{GroupView, Tellings, View};
use crate::model::{Labels, cut};
use crate::server::api::Params;
use crate::server::app::App;
use crate::server::error::ApiError;

use super::alert_text::{self, Severity};
use super::frame::{Page, unhurried};
use super::zone;
use filter::Wanted;
use groups::{About, Shown};
use sparks::Sparks;

/// Most pending alerts that are named.
const MOST_PENDING: usize = 20;

const PAGE: Page = Page::new("alerts", "now.html");

/// What the page is made of, found before it is written.
struct Found {
    view: Arc<View>,
    now: i64,
    wanted: Wanted,
    wrong: Option<String>,
    shown: Shown,
}

impl Found {
    fn of(app: &App, params: &Params) -> Found {
        let (view, now) = (app.engine.view(), app.engine.now());
        let (wanted, wrong) = Wanted::of(params);
        let shown = match wrong {
            None => Shown::of(&view, &wanted, now),
            // Who asked for something else than was read is shown nothing rather than too much.
            Some(_) => Shown { groups: Vec::new(), firing: 0, muted: 0 },
        };
        Found { view, now, wanted, wrong, shown }
    }

    /// The labels of the alerts that the page shows.
    fn alerts(&self) -> Vec<Labels> {
        let (part, _) = self.shown.page(self.wanted.page);
        let all = part.into_iter().flat_map(|(_, alerts)| alerts);
        let labels: BTreeSet<Labels> = all.map(|(row, _)| row.alert.labels.clone()).collect();
        labels.into_iter().collect()
    }
}

/// `GET /alerts`
pub(super) async fn page(State(app): State<Arc<App>>, params: Params) -> Response {
    let finding = app.clone();
    let found = tokio::task::spawn_blocking(move || {
        let found = Found::of(&finding, &params);
        let alerts = found.alerts();
        (found, alerts)
    });
    let (found, alerts) = match found.await {
        Ok(found) => found,
        Err(e) => return ApiError::Internal(e.to_string()).into_response(),
    };
    let sparks = sparks::draw(&app, &found.view, &alerts, found.now).await;
    unhurried(move || PAGE.show(found.now, content(&app, &found, &sparks))).await
}

fn content(app: &App, found: &Found, sparks: &Sparks) -> Value {
    let Found { view, now, wanted, wrong, shown } = found;
    let now = *now;
    let blind = blind::all(app, view);
    let (part, pages) = shown.page(wanted.page);
    let about = About { app, view, tellings: &Tellings::of(view), sparks, now };
    let groups: Vec<Value> = part.into_iter().map(|(group, part)| group.shown(part, &about)).collect();
    let (pending, waiting) = pending(view, now);
    let receivers: Vec<Value> = app.config.load().receivers.iter().map(|r| {
        let pattern = regex::escape(&r.name);
        json!({ "name": r.name, "is_chosen": wanted.receiver == pattern || wanted.receiver == r.name, "pattern": pattern })
    }).collect();
    let is_known = receivers.iter().any(|r| r["is_chosen"] == true);
    json!({
        "blind": blind,
        "wrong": wrong,
        "filter": {
            "filter": wanted.filter, "receiver": wanted.receiver, "group": wanted.group, "text": wanted.text, "state": wanted.state,
            "is_all": wanted.is_all(), "is_known_receiver": is_known || wanted.receiver.is_empty(),
        },
        "receivers": receivers,
        "firing": shown.firing,
        "muted": shown.muted,
        "group_count": shown.groups.len(),
        "groups": groups,
        "pending": if wanted.is_all() { pending } else { Vec::new() },
        "pending_count": waiting,
        "page": wanted.page + 1,
        "pages": pages,
        "before": (wanted.page > 0).then(|| wanted.query(wanted.page.min(pages).saturating_sub(1))),
        "after": (wanted.page + 1 < pages).then(|| wanted.query(wanted.page + 1)),
        "quiet": !app.service.alertmanager_alone && blind.is_empty() && shown.firing == 0 && waiting == 0 && wanted.is_all(),
    })
}

/// The alerts that wait for their rule's `for`, those that will fire first in front, each with the time it fires.
pub(in crate::server) fn waiting(groups: &[Arc<GroupView>]) -> Vec<(i64, &Alert)> {
    let rules = groups.iter().flat_map(|g| g.spec.rules.iter().zip(&g.state.rules));
    let mut waiting = Vec::new();
    for (spec, state) in rules {
        let RuleKind::Alerting { hold, .. } = &spec.kind else { continue };
        let pending = state.alerts.values().filter(|a| a.state == AlertState::Pending);
        waiting.extend(pending.map(|a| (a.active_at.saturating_add(*hold).saturating_add(a.unobserved), a)));
    }
    waiting.sort_by(|(at, a), (bt, b)| at.cmp(bt).then_with(|| a.labels.cmp(&b.labels)));
    waiting
}

/// Those that wait, for a template, and how many there are.
fn pending(view: &View, now: i64) -> (Vec<Value>, usize) {
    let groups = view.rule_groups();
    let waiting = waiting(&groups);
    let shown = waiting.iter().take(MOST_PENDING).map(|(fires_at, alert)| {
        json!({
            "name": cut(alert.labels.value("alertname"), 100),
            "severity": Severity::shown(&alert.labels),
            "labels": alert_text::labels(&alert.labels, &["alertname", "severity"], 60),
            "value": alert_text::number(alert.value),
            "fires": zone::time(*fires_at, now),
        })
    });
    (shown.collect(), waiting.len())
}
