//! `rules` and `alerts`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use sha2::{Digest, Sha256};

use crate::alerting::alert::rule_state;
use crate::alerting::{Alert, RuleKind, RuleSpec, RuleState};
use crate::engine::GroupView;
use crate::model::number::push_float_e;
use crate::model::{Labels, Matcher};
use crate::server::app::App;
use crate::server::error::ApiError;
use crate::server::json::Json;

use super::Params;
use super::envelope::{Notes, respond, success};

/// `GET /api/v1/rules`
pub async fn rules(State(app): State<Arc<App>>, params: Params) -> Result<Response, ApiError> {
    let filter = Filter::of(&app, &params)?;
    let view = app.engine.view();
    Ok(respond(unhurried(move || encode(&view.rule_groups(), &filter)).await??))
}

/// `GET /api/v1/alerts`
pub async fn alerts(State(app): State<Arc<App>>) -> Result<Response, ApiError> {
    let view = app.engine.view();
    Ok(respond(unhurried(move || encode_alerts(&view.rule_groups())).await?))
}

/// Writes on a thread that may take its time: there may be many alerts.
async fn unhurried<T: Send + 'static>(write: impl FnOnce() -> T + Send + 'static) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(write).await.map_err(|e| ApiError::Internal(e.to_string()))
}

fn encode_alerts(groups: &[Arc<GroupView>]) -> String {
    success(&Notes::none(), |j| {
        j.object(|j| {
            j.key("alerts").array(|j| {
                for state in groups.iter().flat_map(|g| &g.state.rules) {
                    active(state).into_iter().for_each(|a| alert(j, a));
                }
            });
        });
    })
}

/// Which rules are wanted.
#[derive(Default)]
struct Filter {
    alerting: bool,
    recording: bool,
    names: Vec<String>,
    groups: Vec<String>,
    files: Vec<String>,
    matchers: Vec<Vec<Matcher>>,
    exclude_alerts: bool,
    limit: usize,
    next_token: Option<String>,
}

impl Filter {
    fn of(app: &App, params: &Params) -> Result<Filter, ApiError> {
        let kind = params.get("type").unwrap_or("").to_lowercase();
        let (alerting, recording) = match kind.as_str() {
            "" => (true, true),
            "alert" => (true, false),
            "record" => (false, true),
            other => return Err(ApiError::parameter("type", format!("not supported value {other:?}"))),
        };
        let all = |name: &str| params.all(name).map(str::to_owned).collect::<Vec<_>>();
        let limit = match params.get("group_limit") {
            None => 0,
            Some(s) => s
                .parse::<usize>()
                .map_err(|_| ApiError::BadData(format!("group_limit needs to be a valid number, got {s:?}")))?,
        };
        let next_token = params.get("group_next_token").map(str::to_owned);
        if limit == 0 && next_token.is_some() {
            let text = "group_limit needs to be present in order to paginate over the groups";
            return Err(ApiError::BadData(text.into()));
        }
        Ok(Filter {
            alerting,
            recording,
            names: all("rule_name[]"),
            groups: all("rule_group[]"),
            files: all("file[]"),
            matchers: params.matchers(&app.queries.options().features)?,
            exclude_alerts: params.get("exclude_alerts") == Some("true"),
            limit,
            next_token,
        })
    }

    fn wants_group(&self, group: &GroupView) -> bool {
        let listed = |list: &[String], name: &str| list.is_empty() || list.iter().any(|l| l == name);
        listed(&self.groups, &group.spec.key.name) && listed(&self.files, &group.spec.key.file)
    }

    fn wants(&self, rule: &RuleSpec) -> bool {
        let kind = match rule.kind {
            RuleKind::Alerting { .. } => self.alerting,
            RuleKind::Recording => self.recording,
        };
        kind && (self.names.is_empty() || self.names.iter().any(|n| **n == *rule.name)) && self.matches_labels(rule)
    }

    fn matches_labels(&self, rule: &RuleSpec) -> bool {
        if self.matchers.is_empty() {
            return true;
        }
        let labels = Labels::from_pairs(rule.labels.iter().map(|(n, v)| (n.as_str(), v.as_str())));
        self.matchers.iter().any(|set| set.iter().all(|m| m.matches(labels.value(&m.name))))
    }
}

/// Names a group in `groupNextToken`.
fn token(group: &GroupView) -> String {
    let digest = Sha256::digest(group.spec.key.to_label().as_bytes());
    digest.iter().take(20).map(|b| format!("{b:02x}")).collect()
}

fn encode(groups: &[Arc<GroupView>], filter: &Filter) -> Result<String, ApiError> {
    let mut rest: Vec<&GroupView> = groups.iter().map(|g| &**g).collect();
    if let Some(wanted) = &filter.next_token {
        let at = groups.iter().position(|g| token(g) == *wanted).ok_or_else(|| {
            ApiError::BadData(format!("invalid group_next_token '{wanted}'. were rule groups changed?"))
        })?;
        rest.drain(..at);
    }
    rest.retain(|g| filter.wants_group(g) && g.spec.rules.iter().any(|r| filter.wants(r)));
    let mut next = None;
    if filter.limit > 0 && rest.len() > filter.limit {
        next = rest.get(filter.limit).map(|g| token(g));
        rest.truncate(filter.limit);
    }
    Ok(success(&Notes::none(), |j| {
        j.object(|j| {
            j.key("groups").array_of(rest, |j, g| group(j, g, filter));
            if let Some(token) = next {
                j.key("groupNextToken").string(&token);
            }
        });
    }))
}

fn group(j: &mut Json, view: &GroupView, filter: &Filter) {
    j.object(|j| {
        j.key("name").string(&view.spec.key.name);
        j.key("file").string(&view.spec.key.file);
        j.key("rules").array(|j| {
            for (rule, state) in view.spec.rules.iter().zip(&view.state.rules).filter(|(r, _)| filter.wants(r)) {
                j.object(|j| match &rule.kind {
                    RuleKind::Alerting { hold, keep_firing, annotations } => {
                        j.key("state").string(rule_state(&state.alerts).as_str());
                        head(j, rule);
                        j.key("duration").number(*hold as f64 / 1_000.0);
                        j.key("keepFiringFor").number(*keep_firing as f64 / 1_000.0);
                        pairs(j.key("labels"), &rule.labels);
                        pairs(j.key("annotations"), annotations);
                        match filter.exclude_alerts {
                            true => j.key("alerts").null(),
                            false => j.key("alerts").array_of(active(state), alert),
                        }
                        tail(j, state, "alerting");
                    }
                    RuleKind::Recording => {
                        head(j, rule);
                        if !rule.labels.is_empty() {
                            pairs(j.key("labels"), &rule.labels);
                        }
                        tail(j, state, "recording");
                    }
                });
            }
        });
        j.key("interval").number(view.spec.interval as f64 / 1_000.0);
        j.key("limit").int(i64::try_from(view.spec.limit).unwrap_or(i64::MAX));
        j.key("evaluationTime").number(view.state.duration);
        j.key("lastEvaluation").rfc3339(view.state.evaluated_at);
    });
}

fn head(j: &mut Json, rule: &RuleSpec) {
    j.key("name").string(&rule.name);
    j.key("query").string(&rule.expr);
}

fn tail(j: &mut Json, state: &RuleState, kind: &str) {
    j.key("health").string(state.health.as_str());
    if let Some(error) = &state.last_error {
        j.key("lastError").string(error);
    }
    j.key("evaluationTime").number(state.duration);
    j.key("lastEvaluation").rfc3339(state.evaluated_at);
    j.key("type").string(kind);
}

fn pairs(j: &mut Json, pairs: &[(String, String)]) {
    j.object(|j| pairs.iter().for_each(|(name, value)| j.key(name).plain_string(value)));
}

/// Alerts that are pending or firing, ascending by labels.
fn active(state: &RuleState) -> Vec<&Alert> {
    let mut alerts: Vec<&Alert> = state.alerts.values().filter(|a| a.is_active()).collect();
    alerts.sort_by(|a, b| a.labels.cmp(&b.labels));
    alerts
}

fn alert(j: &mut Json, alert: &Alert) {
    j.object(|j| {
        j.key("labels").labels(&alert.labels);
        j.key("annotations").labels(&alert.annotations);
        j.key("state").string(alert.state.as_str());
        j.key("activeAt").rfc3339(Some(alert.active_at));
        if alert.keep_firing_since.is_some() {
            j.key("keepFiringSince").rfc3339(alert.keep_firing_since);
        }
        let mut value = String::new();
        push_float_e(&mut value, alert.value);
        j.key("value").string(&value);
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerting::{AlertState, AlertTable, GroupKey, GroupSpec, GroupState, Health};
    use crate::rules::PartialResponse;

    fn view(name: &str) -> Arc<GroupView> {
        let kind =
            RuleKind::Alerting {
                hold: 10_000, keep_firing: 60_000, annotations: vec![("s".into(), "زمن <x>".into())]
            };
        let labels = vec![("severity".to_owned(), "page".to_owned())];
        let spec = |name: &str, expr: &str, labels, kind| {
            let plan = crate::promql::compile(expr, &Default::default()).unwrap();
            RuleSpec { name: name.into(), expr: expr.into(), plan, labels, kind, terms: None }
        };
        let rule = spec("Down", "up == 0", labels, kind);
        let record = spec("r:s", "sum(up) > 1", vec![], RuleKind::Recording);
        let mut state = GroupState::new(2);
        let mut alert = Alert::begin(Labels::from_pairs([("alertname", "Down")]), Labels::empty(), 0.0, 1_500);
        alert.state = AlertState::Firing;
        state.rules[0].alerts = Arc::new(AlertTable::from_iter([(alert.labels.clone(), alert)]));
        state.rules[0].health = Health::Good;
        state.rules[0].evaluated_at = Some(2_000);
        let spec = GroupSpec {
            key: GroupKey { file: "f.yml".into(), name: name.into() },
            interval: 15_000,
            query_offset: 0,
            eval_offset: None,
            limit: 0,
            partial_response: PartialResponse::Abort,
            rules: vec![Arc::new(rule), Arc::new(record)],
        };
        Arc::new(GroupView {
            spec: Arc::new(spec),
            state: Arc::new(state),
            iterations: 1,
            missed: 0,
            evaluations: 2,
            failures: 0,
            next_at: 0,
        })
    }

    fn everything() -> Filter {
        Filter { alerting: true, recording: true, ..Filter::default() }
    }

    #[test]
    fn a_group_has_prometheus_form() {
        let json = encode(&[view("g")], &everything()).unwrap();
        let want = concat!(
            r#"{"status":"success","data":{"groups":[{"name":"g","file":"f.yml","rules":["#,
            r#"{"state":"firing","name":"Down","query":"up == 0","duration":10,"keepFiringFor":60,"#,
            r#""labels":{"severity":"page"},"annotations":{"s":"زمن <x>"},"alerts":[{"labels":{"alertname":"Down"},"#,
            r#""annotations":{},"state":"firing","activeAt":"1970-01-01T00:00:01.5Z","value":"0e+00"}],"health":"ok","#,
            r#""evaluationTime":0,"lastEvaluation":"1970-01-01T00:00:02Z","type":"alerting"},"#,
            r#"{"name":"r:s","query":"sum(up) \u003e 1","health":"unknown","evaluationTime":0,"#,
            r#""lastEvaluation":"0001-01-01T00:00:00Z","type":"recording"}],"interval":15,"limit":0,"#,
            r#""evaluationTime":0,"lastEvaluation":"0001-01-01T00:00:00Z"}]}}"#
        );
        assert_eq!(json, want);
    }

    #[test]
    fn groups_are_paged_and_filtered() {
        let groups = [view("a"), view("b"), view("c")];
        let page = |next_token| encode(&groups, &Filter { limit: 2, next_token, ..everything() });
        let first = page(None).unwrap();
        assert!(first.contains(&format!("\"groupNextToken\":\"{}\"", token(&groups[2]))), "{first}");
        let second = page(Some(token(&groups[2]))).unwrap();
        assert!(second.contains("\"name\":\"c\"") && !second.contains("groupNextToken"));
        assert!(page(Some("nope".into())).is_err());
        let none = encode(&groups, &Filter { alerting: true, names: vec!["r:s".into()], ..Filter::default() }).unwrap();
        assert_eq!(none, r#"{"status":"success","data":{"groups":[]}}"#);
    }
}
