//! The page of one notification, to which its message leads: why it was sent, what was new in it, what it said, what became
//! of it, and the chain of each of its alerts.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use serde_json::{Value, json};

use crate::explain::Explanation;
use crate::explain::chain::{AlertChain, PageChain};
use crate::explain::text;
use crate::history::{DecidedAlert, Kind, Query};
use crate::server::app::App;
use crate::server::error::ApiError;
use crate::server::explain;

use super::alert_text::{self, Severity};
use super::frame::Page;
use super::{history, links, zone};

/// Most alerts of each list.
const MOST: usize = 50;

const PAGE: Page = Page { section: "history", template: "notification.html", up: "../", is_live: false };

/// `GET /notification/<id>`
pub(super) async fn page(State(app): State<Arc<App>>, Path(id): Path<String>) -> Response {
    let now = app.clock.now();
    let missing = |why: &str| PAGE.missing(now, "This notification is not there", why);
    let Ok(id) = id.parse::<u64>() else { return missing("A notification has a number.") };
    let explained = match explain::notification(&app, id).await {
        Ok(explained) => explained,
        Err(e @ ApiError::NotFound(_)) => return missing(&e.to_string()),
        Err(e) => {
            let mut response = PAGE.missing(now, "This notification cannot be explained now", &e.to_string());
            *response.status_mut() = e.status();
            return response;
        }
    };
    let Some(page) = &explained.page else { return missing("The history does not know it.") };
    let messages = messages(&app, &[id], now).await;
    PAGE.show(now, content(&explained, page, messages, now))
}

/// What messages said, as far as it is kept, the newest first.
pub(super) async fn messages(app: &App, ids: &[u64], now: i64) -> Vec<Value> {
    let Some(readers) = &app.history else { return Vec::new() };
    let mut found = Vec::new();
    for id in ids {
        let query = Query { notification: Some(*id), kinds: vec![Kind::Rendered], limit: 1, ..Query::default() };
        if let Ok(page) = readers.ask(query).await {
            found.extend(page.decisions.iter().filter_map(|r| history::message(&r.decision, now)));
        }
    }
    found
}

fn content(explained: &Explanation, page: &PageChain, messages: Vec<Value>, now: i64) -> Value {
    let time = |t: crate::history::Time| zone::time(t.0, now);
    json!({
        "id": page.notification,
        "summary": explained.summary,
        "notes": explained.notes,
        "receiver": &*page.receiver,
        "integration": &*page.integration,
        "instead_of": page.instead_of.as_deref(),
        "group": &*page.group_key,
        "group_link": links::query([("group", &*page.group_key)]),
        "reason": page.reason.replace('_', " "),
        "outcome": page.outcome,
        "decided": time(page.decided_at),
        "before": page.before.as_ref().map(|b| json!({ "id": b.notification, "told": time(b.told_at) })),
        "new": alerts(&page.new), "resolved": alerts(&page.resolved), "still": alerts(&page.still),
        "more_new": page.new.len().saturating_sub(MOST),
        "more_resolved": page.resolved.len().saturating_sub(MOST),
        "more_still": page.still.len().saturating_sub(MOST),
        "attempts": history::decisions_about_one(&page.attempts, now),
        "messages": messages,
        "chains": explained.alerts.iter().map(|chain| self::chain(chain, now)).collect::<Vec<_>>(),
        "more": explained.more_alerts,
    })
}

fn alerts(all: &[DecidedAlert]) -> Vec<Value> {
    let shown = all.iter().take(MOST).map(|alert| {
        json!({
            "id": alert.fingerprint(),
            "name": alert.labels.value("alertname"),
            "labels": alert_text::labels(&alert.labels, &["alertname"], 100),
        })
    });
    shown.collect()
}

/// The chain of an alert, for a template.
pub(super) fn chain(chain: &AlertChain, now: i64) -> Value {
    json!({
        "id": chain.fingerprint,
        "name": chain.labels.value("alertname"),
        "severity": Severity::shown(&chain.labels),
        "labels": alert_text::labels(&chain.labels, &["alertname"], 100),
        "state": chain.state,
        "summary": chain.summary,
        "because": chain.expression.as_ref().map(|part| text::because(part, "")),
        "tree": chain.expression.as_ref().map(|part| text::tree(part, "")),
        "not_examined": chain.not_examined,
        "decisions": history::decisions_about_one(&chain.decisions, now),
    })
}
