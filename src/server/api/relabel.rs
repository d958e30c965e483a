//! `targets/relabel_steps`: what each relabelling rule of a scrape pool makes of labels.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use crate::config::{RelabelAction, RelabelConfig};
use crate::ingest::relabel;
use crate::model::Labels;
use crate::server::app::App;
use crate::server::error::ApiError;
use crate::server::json::Json;

use super::Params;
use super::envelope::{Notes, respond, success};

/// `GET /api/v1/targets/relabel_steps`
pub async fn steps(State(app): State<Arc<App>>, params: Params) -> Result<Response, ApiError> {
    let given = params.get("labels").unwrap_or("");
    let labels: BTreeMap<String, String> =
        serde_json::from_str(given).map_err(|e| ApiError::BadData(format!("error parsing labels: {e}")))?;
    let pool = params.get("scrapePool").unwrap_or("");
    let unknown = || ApiError::BadData(format!("error retrieving scrape config: scrape pool {pool:?} not found"));
    let rules = app.scrapes.relabelling(pool).ok_or_else(unknown)?;
    let (steps, none) = (walk(Labels::from_pairs(labels), &rules), Labels::empty());
    Ok(respond(success(&Notes::none(), |j| {
        j.object(|j| {
            j.key("steps").array_of(rules.iter().zip(&steps), |j, (rule, output)| {
                j.object(|j| {
                    j.key("rule").object(|j| members(j, rule));
                    j.key("output").labels(output.as_ref().unwrap_or(&none));
                    j.key("keep").bool(output.is_some());
                });
            });
        });
    })))
}

/// The labels after each rule; nothing once one of them has dropped them.
fn walk(labels: Labels, rules: &[RelabelConfig]) -> Vec<Option<Labels>> {
    let mut labels = Some(labels);
    let step = |rule: &RelabelConfig| {
        labels = labels.take().and_then(|labels| relabel::process(&labels, std::slice::from_ref(rule)));
        labels.clone()
    };
    rules.iter().map(step).collect()
}

/// The members of a rule; what says nothing is left out.
fn members(j: &mut Json, rule: &RelabelConfig) {
    if !rule.source_labels.is_empty() {
        j.key("source_labels").strings(&rule.source_labels);
    }
    for (name, text) in [("separator", rule.separator.as_str()), ("regex", rule.regex.as_str())] {
        j.key(name).string(text);
    }
    if rule.action == RelabelAction::HashMod {
        j.key("modulus").int(i64::try_from(rule.modulus).unwrap_or(i64::MAX));
    }
    if !rule.target_label.is_empty() {
        j.key("target_label").string(&rule.target_label);
    }
    j.key("replacement").string(&rule.replacement);
    j.key("action").string(&rule.action.to_string());
}
