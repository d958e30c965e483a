//! `notifications` and `notifications/live`.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::sync::OwnedSemaphorePermit;

use crate::server::app::App;
use crate::server::json::Json;
use crate::server::notices::Told;

use super::envelope::{Notes, respond, success};

/// How often it is looked what there is to tell.
const LOOK: Duration = Duration::from_secs(1);
/// Looks after which a client hears that the connection stands, though there is nothing to tell.
const LOOKS_OF_SILENCE: u32 = 15;

/// What is to be told of the service now.
fn look(app: &App) -> Told {
    app.notices.tell(troubles(app), app.clock.now())
}

/// What the service itself cannot do now.
pub(in crate::server) fn troubles(app: &App) -> Vec<String> {
    let mut all = Vec::new();
    if !app.config.load().reload_succeeded {
        // Prometheus' words: tools look for them.
        all.push("Configuration reload has failed.".to_owned());
    }
    all.extend(app.engine.trouble().map(|trouble| format!("Nothing is evaluated and nobody is told: {trouble}")));
    let state = app.engine.store().trouble();
    all.extend(state.map(|trouble| format!("State is not stored: {trouble}")));
    let storage = app.storage.trouble();
    all.extend(storage.map(|trouble| format!("Samples are not stored: {trouble}")));
    all.extend(unrecorded(app).map(|trouble| format!("Decisions are not recorded: {trouble}")));
    all
}

/// Why decisions are not recorded, where they should be.
pub(in crate::server) fn unrecorded(app: &App) -> Option<String> {
    let failing = app.history.as_ref().and_then(|readers| readers.history.health().failure);
    failing.or_else(|| app.unrecorded.clone())
}

/// `GET /api/v1/notifications`
pub async fn notifications(State(app): State<Arc<App>>) -> Response {
    let told = look(&app);
    respond(success(&Notes::none(), |j| {
        j.array_of(&told, |j, (text, since)| notification(j, text, *since, true));
    }))
}

fn notification(j: &mut Json, text: &str, since: i64, is_active: bool) {
    j.object(|j| {
        j.key("text").string(text);
        j.key("date").rfc3339(Some(since));
        j.key("active").bool(is_active);
    });
}

/// `GET /api/v1/notifications/live`: what is told now, then each change, as server-sent events.
pub async fn follow(State(app): State<Arc<App>>) -> Response {
    // An `EventSource` that is told that there is no content does not ask again.
    let Ok(place) = app.notices.places.clone().try_acquire_owned() else {
        return StatusCode::NO_CONTENT.into_response();
    };
    let follower =
        Follower { app, told: Told::new(), ready: VecDeque::new(), silent: 0, is_first: true, _place: place };
    let events = futures::stream::unfold(follower, |mut follower| async move {
        let event = follower.next().await;
        Some((Ok::<_, Infallible>(Bytes::from(event)), follower))
    });
    let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-cache")];
    (headers, Body::from_stream(events)).into_response()
}

/// A client, and what it has been told.
struct Follower {
    app: Arc<App>,
    told: Told,
    ready: VecDeque<String>,
    silent: u32,
    is_first: bool,
    _place: OwnedSemaphorePermit,
}

impl Follower {
    /// The next event.
    async fn next(&mut self) -> String {
        loop {
            if let Some(event) = self.ready.pop_front() {
                self.silent = 0;
                return event;
            }
            if !std::mem::take(&mut self.is_first) {
                tokio::time::sleep(LOOK).await;
                self.silent += 1;
            }
            let now = look(&self.app);
            self.ready = changes(&self.told, &now);
            self.told = now;
            if self.ready.is_empty() && self.silent >= LOOKS_OF_SILENCE {
                self.silent = 0;
                return ":\n\n".to_owned();
            }
        }
    }
}

/// Events for what is over and for what is new.
fn changes(before: &Told, now: &Told) -> VecDeque<String> {
    let event = |(text, since): (&String, &i64), is_active| {
        let mut json = Json::new();
        notification(&mut json, text, *since, is_active);
        format!("data: {}\n\n", json.finish())
    };
    let over = before.iter().filter(|(text, _)| !now.contains_key(*text)).map(|told| event(told, false));
    let new = now.iter().filter(|(text, _)| !before.contains_key(*text)).map(|told| event(told, true));
    over.chain(new).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_told_once_and_so_is_their_end() {
        let told = Told::from([("broken".to_owned(), 1_500)]);
        let begun = changes(&Told::new(), &told);
        assert_eq!(begun, ["data: {\"text\":\"broken\",\"date\":\"1970-01-01T00:00:01.5Z\",\"active\":true}\n\n"]);
        assert!(changes(&told, &told).is_empty());
        assert!(changes(&told, &Told::new())[0].contains("\"active\":false"));
    }
}
