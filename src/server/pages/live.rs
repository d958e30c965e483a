//! `GET /live`: tells a page that what it shows has changed, so that it asks for itself again when there is news, and never
//! because time has passed.

use std::convert::Infallible;
use std::hash::{Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use rustc_hash::FxHasher;
use tokio::sync::OwnedSemaphorePermit;

use crate::engine::View;
use crate::server::app::App;

/// How often it is looked whether there is news.
const LOOK: Duration = Duration::from_secs(1);
/// Looks after which a client hears that the connection stands, though there is nothing to tell.
const LOOKS_OF_SILENCE: u32 = 15;

/// What there is to see, as a number: the view shares what did not change, so that its places in memory say whether
/// anything did.
fn seen(app: &App, view: &View) -> u64 {
    let mut hasher = FxHasher::default();
    view.alerts().for_each(|row| Arc::as_ptr(row).hash(&mut hasher));
    view.rule_groups().iter().for_each(|group| Arc::as_ptr(group).hash(&mut hasher));
    view.silences().for_each(|silence| Arc::as_ptr(silence).hash(&mut hasher));
    let now = app.engine.now();
    let counts = view.silence_counts(now);
    format!("{:?} {:?} {}", view.counters(), counts, app.config.load().loaded_at).hash(&mut hasher);
    hasher.finish()
}

/// A page that follows.
struct Follower {
    app: Arc<App>,
    seen: Option<u64>,
    // What `seen` was found of is kept: its places in memory are not given to others meanwhile.
    view: Arc<View>,
    silent: u32,
    _place: OwnedSemaphorePermit,
}

impl Follower {
    /// The next event.
    async fn next(&mut self) -> &'static str {
        loop {
            if self.seen.is_some() {
                tokio::time::sleep(LOOK).await;
                self.silent += 1;
            }
            let view = self.app.engine.view();
            let seen = Some(seen(&self.app, &view));
            self.view = view;
            let before = std::mem::replace(&mut self.seen, seen);
            if before != seen {
                self.silent = 0;
                return if before.is_none() { "event: hello\ndata: 1\n\n" } else { "event: news\ndata: 1\n\n" };
            }
            if self.silent >= LOOKS_OF_SILENCE {
                self.silent = 0;
                return ":\n\n";
            }
        }
    }
}

/// `GET /live`
pub(super) async fn follow(State(app): State<Arc<App>>) -> Response {
    // An `EventSource` that is told that there is no content does not ask again.
    let Ok(place) = app.notices.places.clone().try_acquire_owned() else {
        return StatusCode::NO_CONTENT.into_response();
    };
    let follower = Follower { view: app.engine.view(), app, seen: None, silent: 0, _place: place };
    let events = futures::stream::unfold(follower, |mut follower| async move {
        let event = follower.next().await;
        Some((Ok::<_, Infallible>(Bytes::from_static(event.as_bytes())), follower))
    });
    let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")];
    (headers, Body::from_stream(events)).into_response()
}
