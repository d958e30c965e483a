//! The page of rules: groups, states, errors, how long they take, and the way to their graphs.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde_json::{Value, json};

use crate::alerting::alert::rule_state;
use crate::alerting::{Health, RuleKind, RuleSpec, RuleState};
use crate::engine::GroupView;
use crate::model::{Labels, duration};
use crate::server::api::Params;
use crate::server::app::App;
use crate::server::fired::Tally;
use crate::server::rule_tests::RuleTests;

use super::frame::{Page, unhurried};
use super::now::blind;
use super::{links, rule_test, zone};

/// Most rules of a page.
const MOST: usize = 100;

const PAGE: Page = Page::new("rules", "rules.html");

/// `GET /rules`
pub(super) async fn page(State(app): State<Arc<App>>, params: Params) -> Response {
    unhurried(move || {
        let now = app.engine.now();
        let tally = app.history.as_ref().map(|readers| app.fired.count(&readers.history, now));
        PAGE.show(now, content(&app, &params, tally.as_ref()))
    })
    .await
}

fn content(app: &App, params: &Params, tally: Option<&Tally>) -> Value {
    let (now, all) = (app.engine.now(), app.engine.view().rule_groups());
    let text = params.get("q").unwrap_or("").trim();
    let wanted = Wanted { lower: text.to_lowercase(), state: params.get("state").unwrap_or("") };
    let page: usize = params.get("page").and_then(|p| p.parse().ok()).unwrap_or(1).clamp(1, usize::MAX / MOST);
    let (mut groups, mut found) = (Vec::new(), 0);
    let tests = app.config.load().tests.clone();
    let about = About { tally, tests: &tests, now };
    for group in &all {
        let pairs = group.spec.rules.iter().zip(&group.state.rules);
        let rules: Vec<_> = pairs.filter(|(spec, state)| wanted.is(group, spec, state)).collect();
        let from = ((page - 1) * MOST).saturating_sub(found).min(rules.len());
        let until = (page * MOST).saturating_sub(found).min(rules.len());
        found += rules.len();
        let part = rules.get(from..until).unwrap_or_default();
        if !part.is_empty() {
            groups.push(shown(group, part.iter().map(|(spec, state)| rule(group, spec, state, &about)).collect(), now));
        }
    }
    let pages = found.div_ceil(MOST);
    let at = |page: usize| links::query([("q", text), ("state", wanted.state), ("page", &page.to_string())]);
    json!({
        "fired_since": tally.and_then(|tally| tally.since).map(|since| zone::time(since, now)),
        "fired_is_whole": tally.is_none_or(|tally| tally.is_whole),
        "groups": groups, "found": found, "text": text, "state": wanted.state, "failing": blind::failing(&all),
        "page": page, "pages": pages,
        "before": (page > 1).then(|| at(page - 1)), "after": (page < pages).then(|| at(page + 1)),
    })
}

/// Which rules are asked for.
struct Wanted<'p> {
    lower: String,
    state: &'p str,
}

impl Wanted<'_> {
    fn is(&self, group: &GroupView, spec: &RuleSpec, state: &RuleState) -> bool {
        let has = |text: &str| text.to_lowercase().contains(&self.lower);
        let named =
            has(&spec.name) || has(&group.spec.key.name) || has(&group.spec.key.file) || has(spec.plan.source());
        named
            && match self.state {
                "" => true,
                "failing" => state.health == Health::Bad,
                "unknown" => state.health == Health::Unknown,
                other => spec.kind != RuleKind::Recording && rule_state(&state.alerts).as_str() == other,
            }
    }
}

fn shown(view: &GroupView, rules: Vec<Value>, now: i64) -> Value {
    json!({
        "name": view.spec.key.name,
        "file": view.spec.key.file,
        "interval": duration::format(view.spec.interval),
        "last": view.state.evaluated_at.map(|at| zone::time(at, now)),
        "next": zone::time(view.next_at, now),
        "took": took(view.state.duration),
        "missed": view.missed,
        "rules": rules,
    })
}

/// Seconds as people read them.
pub(super) fn took(seconds: f64) -> String {
    match seconds {
        s if s < 0.001 => format!("{:.0} µs", s * 1e6),
        s if s < 1.0 => format!("{:.1} ms", s * 1e3),
        s => format!("{s:.2} s"),
    }
}

/// What rules are shown with.
struct About<'a> {
    /// How often they fired.
    tally: Option<&'a Tally>,
    tests: &'a RuleTests,
    now: i64,
}

fn rule(group: &GroupView, spec: &RuleSpec, state: &RuleState, about: &About<'_>) -> Value {
    let About { tally, tests, now } = *about;
    let (hold, keep, annotations) = match &spec.kind {
        RuleKind::Alerting { hold, keep_firing, annotations } => (*hold, *keep_firing, annotations.as_slice()),
        RuleKind::Recording => (0, 0, [].as_slice()),
    };
    let count = |s: crate::alerting::AlertState| state.alerts.values().filter(|a| a.state == s).count();
    let is_alert = spec.kind != RuleKind::Recording;
    let of_name = links::equal_to(&Labels::from_pairs([("alertname", &*spec.name)]));
    let filter = links::query([("filter", of_name.as_str())]);
    json!({
        "name": spec.name,
        "is_alert": is_alert,
        "expr": spec.plan.source(),
        "graph": links::graph(spec.plan.source(), "graph"),
        "for": (hold > 0).then(|| duration::format(hold)),
        "keep": (keep > 0).then(|| duration::format(keep)),
        "labels": spec.labels,
        "annotations": annotations,
        "state": if is_alert { rule_state(&state.alerts).as_str() } else { "record" },
        "firing": count(crate::alerting::AlertState::Firing),
        "pending": count(crate::alerting::AlertState::Pending),
        "alerts": filter,
        "history": links::query([("filter", of_name.as_str()), ("kind", "firing")]),
        "fired": tally.map(|tally| tally.of(&group.spec.key.to_label(), &spec.name)),
        "tests": rule_test::links(tests, is_alert, &spec.name),
        "health": state.health.as_str(),
        "error": state.last_error.as_deref(),
        "took": took(state.duration),
        "last": state.evaluated_at.map(|at| zone::time(at, now)),
    })
}
