//! The pages of targets and of discovery.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde_json::{Value, json};

use crate::ingest::scrape::TargetHealth;
use crate::net::redact_url;
use crate::server::api::Params;
use crate::server::app::App;

use super::alert_text::labels;
use super::frame::{Page, unhurried};
use super::rules::took;
use super::zone;

/// Most targets of a pool that a page shows.
const MOST: usize = 200;

/// `GET /targets`
pub(super) async fn page(State(app): State<Arc<App>>, params: Params) -> Response {
    unhurried(move || Page::new("targets", "targets.html").show(app.clock.now(), content(&app, &params))).await
}

fn content(app: &App, params: &Params) -> Value {
    let now = app.clock.now();
    let (health, text) = (params.get("health").unwrap_or(""), params.get("q").unwrap_or("").trim());
    let lower = text.to_lowercase();
    let mut pools = Vec::new();
    for pool in app.scrapes.status() {
        let count = |health: TargetHealth| pool.active.iter().filter(|t| t.state.health == health).count();
        let has_text = |url: &str, all: &crate::model::Labels| {
            url.to_lowercase().contains(&lower) || all.iter().any(|(_, value)| value.to_lowercase().contains(&lower))
        };
        let wanted = pool.active.iter().filter(|t| {
            (health.is_empty() || t.state.health.as_str() == health)
                && has_text(&redact_url(&t.target.url), &t.target.labels)
        });
        let mut wanted: Vec<_> = wanted.collect();
        // What is down stands first.
        wanted.sort_by_key(|t| t.state.health != TargetHealth::Down);
        let shown = wanted.iter().take(MOST).map(|t| {
            json!({
                "url": redact_url(&t.target.url),
                "labels": labels(&t.target.labels, &[], 200),
                "health": t.state.health.as_str(),
                "error": t.state.last_error,
                "last": Some(t.state.last_scrape).filter(|at| *at > 0).map(|at| zone::time(at, now)),
                "took": took(t.state.last_duration),
            })
        });
        let shown: Vec<Value> = shown.collect();
        if !shown.is_empty() || (health.is_empty() && text.is_empty()) {
            pools.push(json!({
                "name": pool.scrape_pool, "up": count(TargetHealth::Up), "down": count(TargetHealth::Down),
                "of": pool.active.len(), "dropped": pool.dropped.len(), "more": wanted.len() - shown.len(),
                "targets": shown,
            }));
        }
    }
    json!({ "pools": pools, "health": health, "text": text })
}

/// `GET /service-discovery`
pub(super) async fn discovery(State(app): State<Arc<App>>) -> Response {
    unhurried(move || {
        let pools: Vec<Value> = app.scrapes.status().iter().map(|pool| {
            let active = pool.active.iter().take(MOST).map(|t| {
                json!({
                    "discovered": labels(&crate::server::api::discovered(&t.target.discovered), &[], 200),
                    "labels": labels(&t.target.labels, &[], 200),
                })
            });
            let dropped = pool.dropped.iter().take(MOST).map(|t| {
                json!({ "discovered": labels(&crate::server::api::discovered(t), &[], 200), "labels": [] })
            });
            let shown: Vec<Value> = active.chain(dropped).collect();
            json!({
                "name": pool.scrape_pool, "active": pool.active.len(), "dropped": pool.dropped.len(), "targets": shown,
                "more": pool.active.len().saturating_sub(MOST) + pool.dropped.len().saturating_sub(MOST),
            })
        }).collect();
        Page::new("targets", "discovery.html").show(app.clock.now(), json!({ "pools": pools }))
    })
    .await
}
