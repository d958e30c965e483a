//! A stage for the engine: a world in which every alert is up or down as the test says, and the configurations that
//! tests of routing share. Everything else on it is the real thing.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use watchbell::alerting::group::{Appended, Element, RuleResult, TemplateInput, World};
use watchbell::alerting::series::RuleSample;
use watchbell::alerting::{GroupKey, GroupSpec, RuleKind, RuleSpec};
use watchbell::engine::Setup;
use watchbell::model::{Labels, Matcher, Value};
use watchbell::promql::{CompileOptions, compile};
use watchbell::routing::config::GroupBy;
use watchbell::routing::{IntegrationSpec, ReceiverSpec, RouteSpec, RoutingConfig};
use watchbell::rules::PartialResponse;

/// One second.
pub const S: i64 = 1000;
/// One minute.
pub const M: i64 = 60 * S;

/// For each expression, the instances that are up now.
#[derive(Default)]
pub struct Stage {
    up: Mutex<BTreeMap<String, Vec<String>>>,
    /// What rules wrote.
    pub written: Mutex<Vec<RuleSample>>,
}

impl Stage {
    /// Says which instances an expression has from now on.
    pub fn set(&self, expr: &str, instances: &[&str]) {
        self.up.lock().insert(expr.into(), instances.iter().map(|i| (*i).to_owned()).collect());
    }
}

impl World for Stage {
    fn query(&self, rule: &RuleSpec, _at: i64) -> Result<RuleResult, String> {
        let up = self.up.lock();
        let instances = up.get(&*rule.expr).map(Vec::as_slice).unwrap_or_default();
        if instances.iter().any(|i| i == "error") {
            return Err("connection refused".into());
        }
        let element =
            |i: &String| Element { labels: Labels::from_pairs([("instance", i.as_str())]), value: Value::Float(1.0) };
        Ok(RuleResult { elements: instances.iter().map(element).collect(), ..RuleResult::default() })
    }

    fn render(&self, input: TemplateInput<'_>) -> String {
        input.text.replace("{{ $labels.instance }}", input.labels.value("instance"))
    }

    fn append(&self, samples: &[RuleSample]) -> Result<Appended, String> {
        self.written.lock().extend_from_slice(samples);
        Ok(Appended::default())
    }
}

/// An alerting rule whose expression is its name.
pub fn rule(name: &str, hold: i64, severity: &str) -> Arc<RuleSpec> {
    Arc::new(RuleSpec {
        terms: None,
        name: name.into(),
        expr: name.into(),
        plan: compile(name, &CompileOptions::default()).unwrap(),
        labels: vec![("severity".into(), severity.into())],
        kind: RuleKind::Alerting {
            hold,
            keep_firing: 0,
            annotations: vec![("summary".into(), "تعطل {{ $labels.instance }}".into())],
        },
    })
}

/// A group of rules, evaluated every 15 seconds.
pub fn group(name: &str, rules: Vec<Arc<RuleSpec>>) -> Arc<GroupSpec> {
    let key = GroupKey { file: "rules.yaml".into(), name: name.into() };
    Arc::new(GroupSpec {
        key,
        interval: 15 * S,
        query_offset: 0,
        eval_offset: None,
        limit: 0,
        partial_response: PartialResponse::Abort,
        rules,
    })
}

/// Critical alerts go to `pager` and on, everything goes to `default`; grouped by `alertname`.
pub fn routing() -> Arc<RoutingConfig> {
    let integration = |kind: &str, send_resolved| IntegrationSpec { kind: kind.into(), index: 0, send_resolved };
    let receiver = |kind: &str, send_resolved| ReceiverSpec { integrations: vec![integration(kind, send_resolved)] };
    let critical = RouteSpec {
        matchers: vec![Matcher::equal("severity", "critical")],
        receiver: Some("pager".into()),
        continue_matching: true,
        ..RouteSpec::default()
    };
    let all = RouteSpec { receiver: Some("chat".into()), ..RouteSpec::default() };
    Arc::new(RoutingConfig {
        route: RouteSpec {
            receiver: Some("chat".into()),
            group_by: Some(GroupBy::Labels(vec!["alertname".into()])),
            group_wait: Some(30 * S),
            group_interval: Some(5 * M),
            repeat_interval: Some(60 * M),
            routes: vec![critical, all],
            ..RouteSpec::default()
        },
        receivers: [("pager".into(), receiver("pagerduty", true)), ("chat".into(), receiver("slack", false))].into(),
        ..RoutingConfig::default()
    })
}

/// Rules with routing.
pub fn setup(groups: Vec<Arc<GroupSpec>>) -> Setup {
    Setup { groups, routing: Some(routing()), external_url: "http://watchbell".into(), ..Setup::default() }
}
