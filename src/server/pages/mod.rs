//! Pages for people: alerts, rules, targets, status. Rendered here, complete in themselves, readable in both writing
//! directions.

mod silences;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use rustc_hash::FxHashMap;
use serde_json::{Value, json};
use tera::{Context, Tera};

use crate::alerting::alert::rule_state;
use crate::alerting::{Health, RuleKind, RuleState};
use crate::engine::{GroupView, View};
use crate::ingest::scrape::TargetHealth;
use crate::model::{Labels, duration};
use crate::net::redact_url;
use crate::routing::alerts::AlertRow;

use super::app::App;
use crate::model::time::rfc3339;

/// Most reasons why rules fail that a page shows.
const MOST_REASONS: usize = 5;

static TEMPLATES: LazyLock<Result<Tera, String>> = LazyLock::new(|| {
    let mut tera = Tera::default();
    let pages = [
        ("layout.html", include_str!("layout.html")),
        ("alerts.html", include_str!("alerts.html")),
        ("rules.html", include_str!("rules.html")),
        ("silences.html", include_str!("silences.html")),
        ("targets.html", include_str!("targets.html")),
        ("status.html", include_str!("status.html")),
    ];
    tera.add_raw_templates(pages).map_err(|e| e.to_string())?;
    Ok(tera)
});

/// The routes of the pages.
pub fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/alerts", get(alerts))
        .route("/rules", get(rules))
        .route("/silences", get(silences))
        .route("/targets", get(targets))
        .route("/status", get(status))
}

fn page(name: &str, data: &Value) -> Response {
    let rendered = TEMPLATES.as_ref().map_err(Clone::clone).and_then(|tera| {
        let context = Context::from_value(data.clone()).map_err(|e| e.to_string())?;
        tera.render(name, &context).map_err(|e| format!("{e:?}"))
    });
    match rendered {
        Ok(html) => Html(html).into_response(),
        Err(e) => {
            tracing::error!(page = name, error = %e, "a page could not be rendered");
            (StatusCode::INTERNAL_SERVER_ERROR, "the page could not be rendered\n").into_response()
        }
    }
}

async fn alerts(State(app): State<Arc<App>>) -> Response {
    let (view, now, down) = (app.engine.view(), app.engine.now(), down(&app));
    match tokio::task::spawn_blocking(move || alerts_page(&view, now, down)).await {
        Ok(page) => page,
        Err(e) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{e}\n")).into_response(),
    }
}

fn alerts_page(view: &View, now: i64, down: Value) -> Response {
    let groups = view.rule_groups();
    let active = || {
        let states = groups.iter().flat_map(|g| &g.state.rules);
        states.flat_map(|state| state.alerts.values()).filter(|a| a.is_active())
    };
    let mut routed: FxHashMap<&Labels, Option<&AlertRow>> = active().map(|a| (&a.labels, None)).collect();
    for row in view.alerts() {
        if let Some(told) = routed.get_mut(&row.alert.labels) {
            *told = Some(row);
        }
    }
    let mut list: Vec<Value> = Vec::new();
    for alert in active() {
        let told = routed.get(&alert.labels).copied().flatten();
        let status = told.map(|row| view.status(row, now)).unwrap_or_default();
        let acknowledged = status.acknowledged.as_ref().map(|s| json!({ "by": s.created_by, "comment": s.comment }));
        list.push(json!({
            "name": alert.labels.value("alertname"),
            "state": alert.state.as_str(),
            "since": rfc3339(alert.active_at),
            "age": duration::format((now - alert.active_at).max(0) / 1_000 * 1_000),
            "value": crate::model::number::format_float(alert.value),
            "labels": pairs(&alert.labels),
            "annotations": pairs(&alert.annotations),
            "receivers": told.map(|r| view.receivers(r)).unwrap_or_default(),
            "suppressed": status.is_hidden(),
            "acknowledged": acknowledged,
        }));
    }
    // Firing before pending, then by name and age.
    list.sort_by_key(|a| format!("{}{}{}", u8::from(a["state"] != "firing"), a["name"], a["since"]));
    let count = |state: &str| list.iter().filter(|a| a["state"] == state).count();
    let (firing, pending) = (count("firing"), count("pending"));
    page(
        "alerts.html",
        &json!({
            "page": "alerts",
            "alerts": list,
            "firing": firing,
            "pending": pending,
            "failing": failing(&groups),
            "down": down,
        }),
    )
}

/// How many rules fail and why; null when none does. What they would tell is not known meanwhile.
fn failing(groups: &[Arc<GroupView>]) -> Value {
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for rule in groups.iter().flat_map(|g| &g.state.rules).filter(|r| r.health == Health::Bad) {
        *reasons.entry(rule.last_error.as_deref().unwrap_or("")).or_default() += 1;
    }
    let rules: usize = reasons.values().sum();
    if rules == 0 {
        return Value::Null;
    }
    let mut reasons: Vec<(&str, usize)> = reasons.into_iter().collect();
    reasons.sort_by_key(|(_, rules)| std::cmp::Reverse(*rules));
    let more = reasons.len().saturating_sub(MOST_REASONS);
    reasons.truncate(MOST_REASONS);
    let of = groups.iter().map(|g| g.state.rules.len()).sum::<usize>();
    json!({ "rules": rules, "of": of, "reasons": reasons, "more": more })
}

/// How many targets are down, of how many.
fn down(app: &App) -> Value {
    let pools = app.scrapes.status();
    let targets = || pools.iter().flat_map(|pool| &pool.active);
    let down = targets().filter(|t| t.state.health == TargetHealth::Down).count();
    json!({ "targets": down, "of": targets().count() })
}

async fn rules(State(app): State<Arc<App>>) -> Response {
    let groups = app.engine.view().rule_groups();
    let failing = failing(&groups);
    let groups: Vec<Value> = groups.iter().map(|g| group(g)).collect();
    page("rules.html", &json!({ "page": "rules", "groups": groups, "failing": failing }))
}

fn group(view: &GroupView) -> Value {
    let rules: Vec<Value> =
        view.spec.rules.iter().zip(&view.state.rules).map(|(spec, state)| rule(spec, state)).collect();
    json!({
        "name": view.spec.key.name,
        "file": view.spec.key.file,
        "interval": duration::format(view.spec.interval),
        "last": view.state.evaluated_at.map(rfc3339),
        "took": format!("{:.1} ms", view.state.duration * 1_000.0),
        "missed": view.missed,
        "rules": rules,
    })
}

fn rule(spec: &crate::alerting::RuleSpec, state: &RuleState) -> Value {
    let hold = match spec.kind {
        RuleKind::Alerting { hold, .. } => Some(duration::format(hold)),
        RuleKind::Recording => None,
    };
    json!({
        "name": spec.name,
        "kind": spec.kind_name(),
        "expr": spec.expr,
        "for": hold,
        "labels": spec.labels,
        "state": rule_state(&state.alerts).as_str(),
        "health": state.health.as_str(),
        "error": state.last_error.as_deref(),
    })
}

async fn silences(State(app): State<Arc<App>>) -> Response {
    let (view, now) = (app.engine.view(), app.engine.now());
    match tokio::task::spawn_blocking(move || page("silences.html", &silences::data(&view, now))).await {
        Ok(page) => page,
        Err(e) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{e}\n")).into_response(),
    }
}

async fn targets(State(app): State<Arc<App>>) -> Response {
    let pools: Vec<Value> = app
        .scrapes
        .status()
        .iter()
        .map(|pool| {
            let targets: Vec<Value> = pool
                .active
                .iter()
                .map(|t| {
                    json!({
                        "url": redact_url(&t.target.url),
                        "labels": pairs(&t.target.labels),
                        "health": t.state.health.as_str(),
                        "error": t.state.last_error,
                        "last": Some(t.state.last_scrape).filter(|at| *at > 0).map(rfc3339),
                        "took": format!("{:.1} ms", t.state.last_duration * 1_000.0),
                    })
                })
                .collect();
            json!({ "name": pool.scrape_pool, "targets": targets, "dropped": pool.dropped.len() })
        })
        .collect();
    page("targets.html", &json!({ "page": "targets", "pools": pools }))
}

async fn status(State(app): State<Arc<App>>) -> Response {
    let view = app.config.load();
    let stats = app.storage.stats();
    let facts = [
        ("Version", env!("CARGO_PKG_VERSION").to_owned()),
        ("Started", rfc3339(app.service.started_at)),
        ("Configuration loaded", rfc3339(view.loaded_at)),
        ("Last reload succeeded", view.reload_succeeded.to_string()),
        ("Series", stats.series.to_string()),
        ("Chunks in memory", stats.chunks.to_string()),
        ("Retention", app.storage.retention().to_string()),
    ];
    let data = json!({
        "page": "status",
        "facts": facts,
        "flags": app.service.flags,
        "config": view.yaml,
        "routing": view.alertmanager_yaml,
    });
    page("status.html", &data)
}

fn pairs(labels: &Labels) -> Vec<(String, String)> {
    labels.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_compile_and_escape_what_they_show() {
        let tera = TEMPLATES.as_ref().unwrap();
        let alert = json!({
            "name": "X", "state": "firing", "since": "t", "age": "1m", "value": "1",
            "labels": [["alertname", "X"]], "annotations": [["summary", "<script>زمن"]],
            "receivers": ["r"], "suppressed": false, "acknowledged": { "by": "أمل", "comment": "<b>" },
        });
        let data = json!({ "page": "alerts", "alerts": [alert], "firing": 1, "pending": 0 });
        let html = tera.render("alerts.html", &Context::from_value(data).unwrap()).unwrap();
        assert!(!html.contains("class=\"trouble\""), "{html}");
        assert!(
            html.contains("acknowledged by <span dir=\"auto\">أمل</span>: <span dir=\"auto\">&lt;b&gt;</span>"),
            "{html}"
        );
        assert!(html.contains("&lt;script&gt;زمن") && !html.contains("<script>"), "{html}");
        assert!(html.contains("dir=\"auto\""));
    }
    #[test]
    fn a_page_on_which_rules_fail_is_not_quiet() {
        let tera = TEMPLATES.as_ref().unwrap();
        let failing = json!({ "rules": 3, "of": 4, "reasons": [["connection <refused>", 3]], "more": 0 });
        let down = json!({ "targets": 1, "of": 2 });
        let data = json!({
            "page": "alerts", "alerts": [], "firing": 0, "pending": 0, "failing": failing, "down": down,
        });
        let html = tera.render("alerts.html", &Context::from_value(data).unwrap()).unwrap();
        assert!(html.contains("3 of 4 rules fail") && html.contains("connection &lt;refused&gt;"), "{html}");
        assert!(html.contains("1 of 2 scrape targets are down") && !html.contains("All quiet"), "{html}");
        let quiet = json!({ "page": "alerts", "alerts": [], "firing": 0, "pending": 0, "failing": null });
        let html = tera.render("alerts.html", &Context::from_value(quiet).unwrap()).unwrap();
        assert!(html.contains("All quiet"), "{html}");
    }
}
