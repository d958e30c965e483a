//! The page of silences: those that people made, acknowledgements, and those that the configuration keeps.

use serde_json::{Value, json};

use crate::engine::View;
use crate::model::time::rfc3339;
use crate::routing::{NEVER, Silence, SilenceState};

/// Most silences that the page shows.
const MOST: usize = 1000;

/// What the page shows: what is in force, then what will be.
pub(super) fn data(view: &View, now: i64) -> Value {
    let mut shown: Vec<(SilenceState, (i64, i64), &Silence)> = view
        .silences()
        .map(|s| (s.state(now), s.period(now), &**s))
        .filter(|(state, ..)| *state != SilenceState::Expired)
        .collect();
    let active = shown.iter().filter(|(state, ..)| *state == SilenceState::Active).count();
    shown.sort_by_key(|(state, (from, until), s)| match state {
        SilenceState::Active => (0, *until, &s.id),
        SilenceState::Pending | SilenceState::Expired => (1, *from, &s.id),
    });
    let more = shown.len().saturating_sub(MOST);
    let rows: Vec<Value> = shown.iter().take(MOST).map(|(state, period, s)| row(*state, *period, s)).collect();
    json!({ "page": "silences", "active": active, "silences": rows, "more": more })
}

fn row(state: SilenceState, (from, until): (i64, i64), s: &Silence) -> Value {
    json!({
        "id": s.id,
        "state": state.as_str(),
        "matchers": s.matchers.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "from": rfc3339(from),
        "until": (until < NEVER).then(|| rfc3339(until)),
        "by": s.created_by,
        "comment": s.comment,
        "acknowledges": s.acknowledges.is_some(),
        "name": s.configured.as_ref().map(|c| &c.name),
        "file": s.configured.as_ref().map(|c| &c.file),
    })
}
