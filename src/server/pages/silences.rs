//! The page of silences: those that people made, acknowledgements, and those that the configuration keeps.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use rustc_hash::FxHashMap;
use serde_json::{Value, json};

use crate::engine::View;
use crate::routing::{NEVER, Silence, SilenceState};
use crate::server::app::App;

use super::frame::{Page, unhurried};
use super::{forms, zone};

/// Most silences that the page shows, and most that are over.
const MOST: usize = 500;
const MOST_OVER: usize = 20;
/// What ends within this time is said to, milliseconds.
const SOON: i64 = 3_600_000;

const PAGE: Page = Page::new("silences", "silences.html");

/// `GET /silences`
pub(super) async fn page(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    unhurried(move || {
        let now = app.engine.now();
        PAGE.show(now, content(&app.engine.view(), &forms::token(&headers), now))
    })
    .await
}

/// What the page shows: what is in force, then what will be, then what was lately.
fn content(view: &View, token: &str, now: i64) -> Value {
    let mut shown: Vec<(SilenceState, (i64, i64), &Silence)> =
        view.silences().map(|s| (s.state(now), s.period(now), &**s)).collect();
    let active = shown.iter().filter(|(state, ..)| *state == SilenceState::Active).count();
    shown.sort_by_key(|(state, (from, until), s)| match state {
        SilenceState::Active => (0, *until, &s.id),
        SilenceState::Pending => (1, *from, &s.id),
        SilenceState::Expired => (2, until.saturating_neg(), &s.id),
    });
    let (over, kept): (Vec<_>, Vec<_>) = shown.into_iter().partition(|(state, ..)| *state == SilenceState::Expired);
    let muted = muted(view, now);
    let rows = |all: &[(SilenceState, (i64, i64), &Silence)], most: usize| -> Vec<Value> {
        all.iter().take(most).map(|(state, period, s)| row((*state, *period), s, &muted, now)).collect()
    };
    json!({
        "token": token,
        "active": active,
        "silences": rows(&kept, MOST),
        "more": kept.len().saturating_sub(MOST),
        "over": rows(&over, MOST_OVER),
    })
}

/// How many alerts that fire each silence speaks of. Each alert remembers those: no matcher is tried.
fn muted(view: &View, now: i64) -> FxHashMap<String, usize> {
    let mut muted: FxHashMap<String, usize> = FxHashMap::default();
    for alert in view.alerts().filter(|row| !row.alert.is_resolved(now)) {
        view.status(alert, now).silenced_by.into_iter().for_each(|id| *muted.entry(id).or_default() += 1);
    }
    muted
}

fn row(
    (state, (from, until)): (SilenceState, (i64, i64)),
    s: &Silence,
    muted: &FxHashMap<String, usize>,
    now: i64,
) -> Value {
    let configured = s.configured.as_ref();
    let is_active = state == SilenceState::Active;
    json!({
        "id": s.id,
        "state": state.as_str(),
        "matchers": s.matchers.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "from": zone::time(from, now),
        "until": (until < NEVER).then(|| zone::time(until, now)),
        "soon": is_active && until.saturating_sub(now) < SOON,
        "matches": is_active.then(|| muted.get(s.id.as_str()).copied().unwrap_or(0)),
        "by": s.created_by,
        "comment": s.comment,
        "acknowledges": s.acknowledges.is_some(),
        "name": configured.map(|c| &c.name),
        "file": configured.map(|c| &c.file),
        "recurs": configured.is_some_and(|c| c.recurrence.is_some()),
    })
}
