//! The page of one alert: what it is, what its rule measures, who is told, and what may be done about it.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::{Value, json};

use crate::alerting::{Alert, AlertState, RuleKind, RuleSpec};
use crate::engine::{GroupView, Tellings, View};
use crate::history::{DecidedAlert, Query};
use crate::model::labels::parse_fingerprint;
use crate::model::{Labels, duration};
use crate::routing::AlertStatus;
use crate::routing::alerts::AlertRow;
use crate::server::app::App;
use crate::server::explain;

use super::alert_text::{self, Severity};
use super::frame::{Page, unhurried};
use super::measure::{Measure, Span, as_raised};
use super::now::groups::{self, Telling};
use super::plot::Plot;
use super::{forms, history, links, notification, zone};

/// How much of the time before it began a plot shows at least, and how much time in all, milliseconds.
const BEFORE: i64 = 30 * 60_000;
const LEAST: i64 = 2 * 3_600_000;
const MOST: i64 = 7 * 24 * 3_600_000;
/// Points of a plot.
const POINTS: i64 = 240;
/// A plot that takes longer than this is left out, milliseconds.
const PATIENCE: i64 = 3_000;
/// Most decisions of its history, and most messages, that are shown.
const MOST_DECISIONS: usize = 50;
const MOST_MESSAGES: usize = 5;

const PAGE: Page = Page { section: "alerts", template: "alert.html", up: "../", is_live: true };

/// A rule and its group.
type Raised = (Arc<GroupView>, Arc<RuleSpec>, Alert);

/// `GET /alert/<fingerprint>`
pub(super) async fn page(State(app): State<Arc<App>>, headers: HeaderMap, Path(id): Path<String>) -> Response {
    let (view, now) = (app.engine.view(), app.engine.now());
    let wanted = parse_fingerprint(&id);
    let found = wanted.and_then(|wanted| {
        let row = view.alerts().find(|row| row.known.fingerprint == wanted).cloned();
        let inside = row.as_ref().map(|row| as_raised(&app, &row.alert.labels));
        let raised = raised(&view, |labels| match (&row, &inside) {
            (Some(row), Some(inside)) => labels == inside || *labels == row.alert.labels,
            _ => labels.fingerprint() == wanted,
        });
        (row.is_some() || raised.is_some()).then_some((row, raised))
    });
    let Some((row, raised)) = found else { return over(&app, wanted, now).await };
    let labels = row.as_ref().map(|row| row.alert.labels.clone());
    let plot = match &raised {
        Some(raised) => plot(&app, raised, &labels.unwrap_or_else(|| raised.2.labels.clone()), now).await,
        None => None,
    };
    let past = match wanted {
        Some(wanted) => Past::of(&app, wanted, None, now).await,
        None => Past::default(),
    };
    unhurried(move || {
        let mut content = content(&app, &headers, &view, row.as_deref(), raised.as_ref(), plot, now);
        past.put_into(&mut content);
        PAGE.show(now, content)
    })
    .await
}

/// The page of an alert that is over: what the history has of it.
async fn over(app: &App, wanted: Option<u64>, now: i64) -> Response {
    let past = match wanted {
        Some(wanted) => Past::of(app, wanted, Some(now), now).await,
        None => Past::default(),
    };
    let Some(labels) = past.labels.clone() else {
        let why = "No alert with this fingerprint is known now, and the history has none: it is long over, or its \
            labels have changed.";
        return PAGE.missing(now, "This alert is not there", why);
    };
    let mut content = json!({
        "id": format!("{:016x}", labels.fingerprint()),
        "name": labels.value("alertname"),
        "state": past.state.clone().unwrap_or_else(|| "resolved".to_owned()),
        "is_over": true,
        "severity": Severity::shown(&labels),
        "says": alert_text::says(&Labels::empty()),
        "labels": alert_text::labels(&labels, &[], usize::MAX),
        "mutes": [],
        "same_name": links::query([("filter", links::equal_to(&labels.keep(&["alertname"])).as_str())]),
    });
    past.put_into(&mut content);
    PAGE.show(now, content)
}

/// What was decided about an alert, what was said of it, and why it is or was so.
#[derive(Default)]
struct Past {
    labels: Option<Labels>,
    state: Option<String>,
    decisions: Vec<Value>,
    has_more: bool,
    messages: Vec<Value>,
    why: Option<Value>,
}

impl Past {
    /// Of a fingerprint; of one that is over, as it was `at` a time.
    async fn of(app: &App, fingerprint: u64, at: Option<i64>, now: i64) -> Past {
        let query = Query { fingerprint: Some(fingerprint), limit: MOST_DECISIONS, ..Query::default() };
        let found = match &app.history {
            Some(readers) => readers.ask(query).await.unwrap_or_default(),
            None => crate::history::Page::default(),
        };
        let is_it = |alert: &&DecidedAlert| alert.labels.fingerprint() == fingerprint;
        let labels =
            found.decisions.iter().find_map(|r| r.decision.alerts.iter().find(is_it)).map(|a| a.labels.clone());
        let mut told: Vec<u64> = Vec::new();
        for id in found.decisions.iter().filter_map(|r| r.decision.notification) {
            if !told.contains(&id) && told.len() < MOST_MESSAGES {
                told.push(id);
            }
        }
        let explained = match labels.is_some() || at.is_none() {
            true => explain::alert(app, fingerprint, at).await.ok(),
            false => None,
        };
        let chain = explained.and_then(|e| e.alerts.into_iter().next());
        Past {
            labels,
            state: chain.as_ref().map(|chain| chain.state.clone()),
            decisions: history::decisions_about_one(&found.decisions, now),
            has_more: found.next.is_some(),
            messages: notification::messages(app, &told, now).await,
            why: chain.map(|chain| notification::chain(&chain, now)),
        }
    }

    fn put_into(self, content: &mut Value) {
        let Some(content) = content.as_object_mut() else { return };
        content.insert("decisions".into(), self.decisions.into());
        content.insert("more_decisions".into(), self.has_more.into());
        content.insert("messages".into(), self.messages.into());
        content.insert("why".into(), self.why.into());
    }
}

/// The rule that has raised an alert, and the alert as it stands there.
fn raised(view: &View, is_it: impl Fn(&Labels) -> bool) -> Option<Raised> {
    for group in view.rule_groups() {
        for (spec, state) in group.spec.rules.iter().zip(&group.state.rules) {
            if let Some(alert) = state.alerts.values().find(|a| a.is_active() && is_it(&a.labels)) {
                let (spec, alert) = (spec.clone(), alert.clone());
                return Some((group, spec, alert));
            }
        }
    }
    None
}

fn content(
    app: &App,
    headers: &HeaderMap,
    view: &View,
    row: Option<&AlertRow>,
    raised: Option<&Raised>,
    plot: Option<Value>,
    now: i64,
) -> Value {
    let labels = row.map(|r| &r.alert.labels).or(raised.map(|(.., a)| &a.labels)).cloned().unwrap_or_default();
    let annotations = row.map(|r| &r.alert.annotations).or(raised.map(|(.., a)| &a.annotations)).cloned();
    let status = row.map(|row| view.status(row, now)).unwrap_or_default();
    let is_resolved = row.is_some_and(|r| r.alert.is_resolved(now));
    let state = match (row, raised) {
        (Some(_), _) if is_resolved => "resolved",
        (Some(_), _) => "firing",
        (None, Some((.., alert))) => alert.state.as_str(),
        (None, None) => "unknown",
    };
    let value = raised.map(|(.., a)| a.value).or(row.and_then(|r| r.alert.value).map(|v| v.get()));
    let since = row.map(|r| r.alert.starts_at).or(raised.map(|(.., a)| a.active_at));
    json!({
        "id": format!("{:016x}", labels.fingerprint()),
        "name": labels.value("alertname"),
        "state": state,
        "is_firing": state == "firing",
        "severity": Severity::shown(&labels),
        "says": alert_text::says(&annotations.unwrap_or_else(Labels::empty)),
        "labels": alert_text::labels(&labels, &[], usize::MAX),
        "value": value.map(alert_text::number),
        "since": since.map(|at| zone::time(at, now)),
        "mutes": groups::mutes(&status, view, now),
        "is_acknowledged": status.acknowledged.is_some(),
        "generator": row.and_then(|r| alert_text::generator(&r.alert.generator_url, &app.service.external_url)),
        "rule": raised.map(|raised| rule(raised, now)),
        "plot": plot,
        "groups": row.map(|row| told(view, row, now)),
        "same_name": links::query([("filter", links::equal_to(&labels.keep(&["alertname"])).as_str())]),
        "author": forms::author(headers),
        "token": forms::token(headers),
    })
}

/// The groups that an alert is told in, and how it stands with telling them.
fn told(view: &View, row: &AlertRow, now: i64) -> Vec<Value> {
    let (routes, tellings) = (view.routes(row).into_iter(), Tellings::of(view));
    routes
        .map(|route| {
            let labels = route.group_labels(&row.alert.labels);
            let telling = Telling::of(&tellings, route, &labels);
            let muted_by = view.muting_intervals(route, now);
            let status = AlertStatus { muted_by, ..AlertStatus::default() };
            json!({
                "receiver": &*route.receiver,
                "route": &*route.key,
                "labels": alert_text::labels(&labels, &[], 200),
                "mutes": groups::mutes(&status, view, now),
                "telling": groups::tell(&telling, now),
                "next": telling.next_flush.filter(|at| *at >= now).map(|at| zone::time(at, now)),
                "wait": duration::format(route.group_wait),
                "interval": duration::format(route.group_interval),
                "repeat": duration::format(route.repeat_interval),
            })
        })
        .collect()
}

fn rule((group, spec, alert): &Raised, now: i64) -> Value {
    let hold = if let RuleKind::Alerting { hold, .. } = &spec.kind { *hold } else { 0 };
    let fires_at = alert.active_at.saturating_add(hold).saturating_add(alert.unobserved);
    json!({
        "expr": spec.plan.source(),
        "graph": links::graph(spec.plan.source(), "graph"),
        "for": (hold > 0).then(|| duration::format(hold)),
        "group": group.spec.key.name,
        "file": group.spec.key.file,
        "active": zone::time(alert.active_at, now),
        "fired": alert.fired_at.map(|at| zone::time(at, now)),
        "fires": (alert.state == AlertState::Pending).then(|| zone::time(fires_at, now)),
    })
}

/// What the rule measures of this alert, over the time since before it began.
async fn plot(app: &App, (group, rule, alert): &Raised, labels: &Labels, now: i64) -> Option<Value> {
    let measure = Measure::of(app, rule, group.spec.interval)?;
    let length = (now - alert.active_at + BEFORE).clamp(LEAST, MOST);
    let span = Span::until(now, length, POINTS);
    let all = measure.range(app, span, PATIENCE).await;
    let points = measure.series_of(&all, labels)?.floats.clone();
    let (Span { from, until, step }, threshold) = (span, measure.threshold);
    let (active_at, fired_at) = (Some(alert.active_at), alert.fired_at);
    Plot { from, until, points, step, threshold, active_at, fired_at }.shown(now)
}
