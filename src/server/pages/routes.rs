//! The page of routes: the tree as it is, how many alerts end where, and the way that given labels take.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde_json::{Value, json};

use crate::config::alertmanager::matchers::parse_matchers;
use crate::engine::View;
use crate::model::{Labels, MatchOp, duration, re2};
use crate::routing::config::GroupBy;
use crate::routing::tree::{RouteIndex, RouteTree};
use crate::server::acknowledge;
use crate::server::api::Params;
use crate::server::app::App;

use super::frame::{Page, unhurried};
use super::links;

const PAGE: Page = Page::new("routes", "routes.html");

/// `GET /routes`: `labels` names those to try, `alert` an alert that fires.
pub(super) async fn page(State(app): State<Arc<App>>, params: Params) -> Response {
    unhurried(move || {
        let found = params.get("alert").and_then(|id| acknowledge::find(&app, id).ok());
        let text = found.as_ref().map_or_else(|| params.get("labels").unwrap_or("").to_owned(), links::equal_to);
        PAGE.show(app.engine.now(), content(&app.engine.view(), text.trim(), app.engine.now()))
    })
    .await
}

fn content(view: &View, text: &str, now: i64) -> Value {
    let tried = if text.is_empty() { None } else { Some(labels(text)) };
    let (labels, wrong) = match tried {
        Some(Ok(labels)) => (Some(labels), None),
        Some(Err(e)) => (None, Some(e)),
        None => (None, None),
    };
    let tree = view.tree();
    let ends = labels.as_ref().map(|labels| tree.matching(labels));
    let mut counts = vec![0_usize; tree.routes().count()];
    for row in view.alerts().filter(|row| !row.alert.is_resolved(now)) {
        for index in &row.known.routes {
            if let Some(count) = counts.get_mut(*index) {
                *count += 1;
            }
        }
    }
    let look = Look { tree, counts, labels: labels.as_ref(), ends: ends.as_deref() };
    let receivers = ends.iter().flatten().filter_map(|end| tree.route(*end)).map(|route| &*route.receiver);
    json!({
        "text": text,
        "wrong": wrong,
        "receivers": ends.as_ref().map(|_| receivers.collect::<Vec<_>>()),
        "root": look.route(0, true, 0),
    })
}

/// Labels as they are written: `severity="critical", team=db`.
fn labels(text: &str) -> Result<Labels, String> {
    let matchers = re2::within_budget(|| parse_matchers(text))?;
    match matchers.iter().find(|m| m.op != MatchOp::Equal) {
        Some(m) => Err(format!("{m} is no label: such as severity=\"critical\"")),
        None => Ok(Labels::from_pairs(matchers.iter().map(|m| (m.name.as_str(), m.value.as_str())))),
    }
}

struct Look<'a> {
    tree: &'a RouteTree,
    counts: Vec<usize>,
    labels: Option<&'a Labels>,
    ends: Option<&'a [RouteIndex]>,
}

/// Deeper than a reader of configurations lets a tree be.
const DEEPEST: usize = 200;

impl Look<'_> {
    /// A route and those below it. `is_reached`: the route above takes the labels.
    fn route(&self, index: RouteIndex, is_reached: bool, depth: usize) -> Value {
        let Some(route) = self.tree.route(index).filter(|_| depth < DEEPEST) else { return Value::Null };
        let matches = is_reached && self.labels.is_some_and(|labels| route.matches(labels));
        let below: Vec<Value> = route.children().iter().map(|child| self.route(*child, matches, depth + 1)).collect();
        let ends_here = self.ends.is_some_and(|ends| ends.contains(&index));
        let is_on_way = below.iter().any(|b| b["way"] == "ends" || b["way"] == "passes");
        let way = match (self.ends, ends_here, is_on_way, matches) {
            (None, ..) => "",
            (_, true, ..) => "ends",
            (_, _, true, _) => "passes",
            // An earlier route has taken them, and does not say `continue`.
            (_, _, _, true) => "taken",
            _ => "off",
        };
        let group_by = match &route.group_by {
            GroupBy::All => "all labels".to_owned(),
            GroupBy::Labels(names) if names.is_empty() => "nothing".to_owned(),
            GroupBy::Labels(names) => names.join(", "),
        };
        let receiver = regex::escape(&route.receiver);
        json!({
            "way": way,
            "receiver": &*route.receiver,
            "fallback": route.fallback.as_deref(),
            "matchers": route.matchers.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "group_by": group_by,
            "wait": duration::format(route.group_wait),
            "interval": duration::format(route.group_interval),
            "repeat": duration::format(route.repeat_interval),
            "mute": route.mute_time_intervals,
            "only": route.active_time_intervals,
            "continues": route.continues(),
            "alerts": self.counts.get(index).copied().unwrap_or(0),
            "filter": links::query([("receiver", receiver.as_str())]),
            "below": below,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_read_and_patterns_are_none() {
        let read = labels("severity=critical, team=\"a b\"").unwrap();
        assert_eq!((read.value("severity"), read.value("team")), ("critical", "a b"));
        assert!(labels("severity=~\"a|b\"").unwrap_err().contains("is no label"));
        assert!(labels("x").is_err());
    }
}
