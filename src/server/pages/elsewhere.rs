//! Addresses of Prometheus' pages that ours have other names for: bookmarks and links in messages go on working.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, RawQuery};
use axum::response::Redirect;
use axum::routing::get;

use crate::server::app::App;

/// Prometheus' path, and ours. All stand beside each other, so that the way is relative.
const MOVED: [(&str, &str); 5] = [
    ("/graph", "query"),
    ("/config", "status#configuration"),
    ("/flags", "status#flags"),
    ("/alertmanager-discovery", "status#alertmanagers"),
    ("/runtimeinfo", "status"),
];

/// `GET /silences/<id>/edit`: Alertmanager's address of the form.
pub(super) async fn without_edit(Path(id): Path<String>) -> Redirect {
    Redirect::to(&format!("../{}", url::form_urlencoded::byte_serialize(id.as_bytes()).collect::<String>()))
}

/// Their routes. What was asked for goes along.
pub(super) fn routes() -> Router<Arc<App>> {
    MOVED.into_iter().fold(Router::new(), |all, (from, to)| {
        let go = move |RawQuery(query): RawQuery| async move {
            match query.filter(|_| !to.contains('#')) {
                Some(query) => Redirect::to(&format!("{to}?{query}")),
                None => Redirect::to(to),
            }
        };
        all.route(from, get(go))
    })
}
