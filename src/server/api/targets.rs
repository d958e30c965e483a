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
    pools.sort_by(|a, b| a.scrape_pool.cmp(&b.scrape_pool));
    let state = params.get("state").unwrap_or("any").to_lowercase();
    let (active, dropped) = match state.as_str() {
        "active" => (true, false),
        "dropped" => (false, true),
        _ => (true, true),
    };
    let wanted = params.get("scrapePool");
    let of_wanted = || pools.iter().filter(|p| wanted.is_none_or(|wanted| p.scrape_pool == wanted));
    let here = Here::of(&app);
    let json = success(&Notes::none(), |j| {
        j.object(|j| {
            let listed = of_wanted().filter(|_| active).flat_map(|p| &p.active);
            j.key("activeTargets").array_of(listed, |j, status| target(j, status, &here));
            let listed = of_wanted().filter(|_| dropped).flat_map(|p| p.dropped.iter().map(move |d| (p, d)));
            j.key("droppedTargets").array_of(listed, |j, (pool, discovered)| {
                j.object(|j| {
                    j.key("discoveredLabels").labels(&self::discovered(discovered));
                    j.key("scrapePool").string(&pool.scrape_pool);
                });
            });
            // Of all pools, whichever is asked for, as in Prometheus.
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

/// Where others reach this host and this program.
struct Here {
    external: Option<url::Url>,
    port: Option<u16>,
}

impl Here {
    fn of(app: &App) -> Here {
        Here { external: url::Url::parse(&app.service.external_url).ok(), port: app.service.port }
    }

    /// The URL by which others reach a target: a loopback address means this host, and with our own port this program.
    fn global_url(&self, text: &str) -> String {
        let replaced = || {
            let (external, mut url) = (self.external.as_ref()?, url::Url::parse(text).ok()?);
            let is_loopback = ["127.0.0.1", "localhost", "[::1]"].contains(&url.host_str()?);
            // As in Prometheus, what has no port stays as it is.
            let port = url.port().filter(|_| is_loopback)?;
            url.set_host(external.host_str()).ok()?;
            if self.port == Some(port) {
                url.set_scheme(external.scheme()).ok()?;
                url.set_port(external.port()).ok()?;
            }
            Some(url.to_string())
        };
        replaced().unwrap_or_else(|| text.to_owned())
    }
}

fn target(j: &mut Json, status: &TargetStatus, here: &Here) {
    let url = redact_url(&status.target.url);
    j.object(|j| {
        j.key("discoveredLabels").labels(&self::discovered(&status.target.discovered));
        j.key("labels").labels(&status.target.labels);
        j.key("scrapePool").string(&status.scrape_pool);
        j.key("scrapeUrl").string(&url);
        j.key("globalUrl").string(&here.global_url(&url));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_addresses_are_those_by_which_others_reach_us() {
        let here = |external: &str| Here { external: url::Url::parse(external).ok(), port: Some(9095) };
        let external = here("https://mon.example/prefix");
        for (url, want) in [
            ("http://localhost:9100/metrics", "http://mon.example:9100/metrics"),
            ("http://127.0.0.1:9100/x?a=b", "http://mon.example:9100/x?a=b"),
            ("http://[::1]:9100/metrics", "http://mon.example:9100/metrics"),
            // Our own port: the program itself.
            ("http://localhost:9095/metrics", "https://mon.example/metrics"),
            ("http://localhost/metrics", "http://localhost/metrics"),
            ("http://node:9100/metrics", "http://node:9100/metrics"),
        ] {
            assert_eq!(external.global_url(url), want);
        }
        assert_eq!(here("").global_url("http://localhost:9100/"), "http://localhost:9100/");
        assert_eq!(here("http://h:9095").global_url("http://localhost:9095/"), "http://h:9095/");
    }
}
