//! `targets`, `targets/metadata`, `scrape_pools`, `alertmanagers`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use crate::config::redact::MASK;
use crate::config::redact::names_secret;
use crate::ingest::scrape::{PoolStatus, TargetStatus};
use crate::model::{Labels, duration};
use crate::net::redact_url;
use crate::server::app::App;
use crate::server::error::ApiError;
use crate::server::json::Json;

use super::Params;
use super::envelope::{Notes, respond, success};

/// `GET /api/v1/targets`
pub async fn targets(State(app): State<Arc<App>>, params: Params) -> Response {
    let mut pools = app.scrapes.status();
    if let Some(wanted) = params.get("scrapePool") {
        pools.retain(|p| p.scrape_pool == wanted);
    }
    pools.sort_by(|a, b| a.scrape_pool.cmp(&b.scrape_pool));
    let state = params.get("state").unwrap_or("any").to_lowercase();
    let (active, dropped) = match state.as_str() {
        "active" => (true, false),
        "dropped" => (false, true),
        _ => (true, true),
    };
    let json = success(&Notes::none(), |j| {
        j.object(|j| {
            let listed = pools.iter().filter(|_| active).flat_map(|p| &p.active);
            j.key("activeTargets").array_of(listed, target);
            let listed = pools.iter().filter(|_| dropped).flat_map(|p| p.dropped.iter().map(move |d| (p, d)));
            j.key("droppedTargets").array_of(listed, |j, (pool, discovered)| {
                j.object(|j| {
                    j.key("discoveredLabels").labels(&self::discovered(discovered));
                    j.key("scrapePool").string(&pool.scrape_pool);
                });
            });
            j.key("droppedTargetCounts");
            if dropped { counts(j, &pools) } else { j.null() }
        });
    });
    respond(json)
}

fn counts(j: &mut Json, pools: &[PoolStatus]) {
    j.object(|j| {
        for pool in pools {
            j.key(&pool.scrape_pool).int(i64::try_from(pool.dropped.len()).unwrap_or(i64::MAX));
        }
    });
}

/// A target's labels before relabelling, with parameters that carry secrets masked.
pub(in crate::server) fn discovered(discovered: &Labels) -> Labels {
    let secret = |name: &str| name.strip_prefix("__param_").is_some_and(names_secret);
    if !discovered.iter().any(|(name, _)| secret(name)) {
        return discovered.clone();
    }
    Labels::from_pairs(discovered.iter().map(|(name, value)| (name, if secret(name) { MASK } else { value })))
}

fn target(j: &mut Json, status: &TargetStatus) {
    let url = redact_url(&status.target.url);
    j.object(|j| {
        j.key("discoveredLabels").labels(&self::discovered(&status.target.discovered));
        j.key("labels").labels(&status.target.labels);
        j.key("scrapePool").string(&status.scrape_pool);
        j.key("scrapeUrl").string(&url);
        j.key("globalUrl").string(&url);
        j.key("lastError").string(&status.state.last_error);
        j.key("lastScrape").rfc3339(Some(status.state.last_scrape).filter(|t| *t > 0));
        j.key("lastScrapeDuration").number(status.state.last_duration);
        j.key("health").string(status.state.health.as_str());
        j.key("scrapeInterval").string(&duration::format(status.target.interval));
        j.key("scrapeTimeout").string(&duration::format(status.target.timeout));
    });
}

/// `GET /api/v1/targets/metadata`
pub async fn metadata(State(app): State<Arc<App>>, params: Params) -> Result<Response, ApiError> {
    let limit = match params.get("limit") {
        None => usize::MAX,
        Some(s) => {
            let number = s.parse::<i64>().map_err(|_| ApiError::BadData("limit must be a number".into()))?;
            usize::try_from(number).unwrap_or(usize::MAX)
        }
    };
    let sets = match params.get("match_target") {
        None => Vec::new(),
        Some(_) => params.matchers_of("match_target", &app.queries.options().features)?,
    };
    let metric = params.get("metric");
    let pools = app.scrapes.status();
    let matches = |t: &&TargetStatus| {
        let labels = &t.target.labels;
        sets.is_empty() || sets.iter().any(|set| set.iter().all(|m| m.matches(labels.value(&m.name))))
    };
    // The limit counts targets; those that know nothing of the metric do not count.
    let targets = pools.iter().flat_map(|p| &p.active).filter(matches);
    let known = |t: &&TargetStatus| t.state.metadata.iter().any(|(name, _)| metric.is_none_or(|want| want == *name));
    let targets: Vec<&TargetStatus> = targets.filter(known).take(limit).collect();
    let json = success(&Notes::none(), |j| {
        j.array(|j| {
            let all = targets.iter().flat_map(|t| t.state.metadata.iter().map(move |(name, m)| (t, name, m)));
            for (t, name, m) in all.filter(|(_, name, _)| metric.is_none_or(|want| want == *name)) {
                j.object(|j| {
                    j.key("target").labels(&t.target.labels);
                    if metric.is_none() {
                        j.key("metric").string(name);
                    }
                    j.key("type").string(m.kind.as_str());
                    j.key("help").string(&m.help);
                    j.key("unit").string(&m.unit);
                });
            }
        });
    });
    Ok(respond(json))
}

/// `GET /api/v1/scrape_pools`
pub async fn pools(State(app): State<Arc<App>>) -> Response {
    let mut names: Vec<String> = app.scrapes.status().into_iter().map(|p| p.scrape_pool).collect();
    names.sort();
    respond(success(&Notes::none(), |j| j.object(|j| j.key("scrapePools").strings(&names))))
}

/// `GET /api/v1/alertmanagers`
pub async fn alertmanagers(State(app): State<Arc<App>>) -> Response {
    let view = app.config.load();
    respond(success(&Notes::none(), |j| {
        j.object(|j| {
            j.key("activeAlertmanagers").array_of(&**view.alertmanagers.load(), |j, url| {
                j.object(|j| j.key("url").string(&redact_url(url)));
            });
            j.key("droppedAlertmanagers").array(|_| {});
        });
    }))
}
