//! Labels of routes: templates that the configuration gives a route and the routes below it, rendered for each group.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::AlertmanagerConfig;
use crate::model::Labels;
use crate::routing::{RouteTree, RoutingConfig};
use crate::template::alertmanager::{Data, Templates};
use crate::template::{Host, Value};

/// How many labels may be built one out of another.
const DEEPEST: u8 = 16;

/// The labels of all routes that have any, as the configuration writes them.
#[derive(Clone, Debug, Default)]
pub struct RouteLabels(Vec<RouteWithLabels>);

#[derive(Clone, Debug)]
struct RouteWithLabels {
    key: Arc<str>,
    receiver: Arc<str>,
    labels: Arc<BTreeMap<String, String>>,
}

impl RouteLabels {
    /// Those of a configuration.
    pub fn of(config: &AlertmanagerConfig) -> Self {
        let tree = RouteTree::new(&RoutingConfig::of(config).route);
        let with_labels = tree.routes().filter(|route| !route.labels.is_empty()).map(|route| RouteWithLabels {
            key: route.key.clone(),
            receiver: route.receiver.clone(),
            labels: route.labels.clone(),
        });
        RouteLabels(with_labels.collect())
    }

    /// The labels of the route of a group, found by the group's key, which begins with the route's.
    fn at(&self, group_key: &str, receiver: &str) -> Option<&BTreeMap<String, String>> {
        let begins = |route: &&RouteWithLabels| {
            *route.receiver == *receiver
                && group_key.strip_prefix(&*route.key).is_some_and(|rest| rest.starts_with(":{"))
        };
        // A label's value may look like the end of a key.
        self.0.iter().filter(begins).max_by_key(|route| route.key.len()).map(|route| &*route.labels)
    }

    /// The labels of a group's route, and what failed, by label. `data` is what templates see of the group.
    pub fn render(
        &self,
        group_key: &str,
        data: &Data,
        templates: &Templates,
        now: i64,
    ) -> (Labels, Vec<(String, String)>) {
        match self.at(group_key, &data.receiver) {
            Some(labels) => render(labels, data, templates, now),
            None => (Labels::empty(), Vec::new()),
        }
    }
}

/// Labels of a route for a group, and what failed, by label.
pub fn render(
    labels: &BTreeMap<String, String>,
    data: &Data,
    templates: &Templates,
    now: i64,
) -> (Labels, Vec<(String, String)>) {
    let nested = Nested { labels, value: data.clone().into_value(), templates, now, depth: Cell::default() };
    let (mut rendered, mut failed) = (Vec::new(), Vec::new());
    for name in labels.keys() {
        match nested.route_label(name) {
            Ok(text) => rendered.push((name.as_str(), text)),
            Err(error) => failed.push((name.clone(), error)),
        }
    }
    (Labels::from_pairs(rendered), failed)
}

/// What a label's template may ask: the other labels.
struct Nested<'a> {
    labels: &'a BTreeMap<String, String>,
    value: Value,
    templates: &'a Templates,
    now: i64,
    depth: Cell<u8>,
}

impl Host for Nested<'_> {
    fn now(&self) -> i64 {
        self.now
    }

    fn route_label(&self, name: &str) -> Result<String, String> {
        let Some(template) = self.labels.get(name) else { return Ok(String::new()) };
        if self.depth.get() >= DEEPEST {
            return Err(format!("route label {name:?} is built out of itself"));
        }
        self.depth.set(self.depth.get() + 1);
        let text = self.templates.text(template, &self.value, self);
        self.depth.set(self.depth.get() - 1);
        text.map_err(|e| e.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(receiver: &str) -> Data {
        Data {
            receiver: receiver.into(),
            status: "firing".into(),
            alerts: Vec::new(),
            notification_reason: String::new(),
            group_labels: Labels::from_pairs([("alertname", "DiskFull"), ("database", "orders")]),
            common_labels: Labels::empty(),
            common_annotations: Labels::empty(),
            route_labels: Labels::empty(),
            external_url: String::new(),
        }
    }

    #[test]
    fn labels_are_inherited_and_built_out_of_each_other() {
        let text = r#"
route:
  receiver: default
  labels:
    reason: '{{ .GroupLabels.alertname }}'
    description: '{{ .GroupLabels.alertname }} firing ({{ routeLabels "reason" }}{{ routeLabels "none" }})'
  routes:
  - {receiver: dba, matchers: [service="database"], labels: {reason: 'database {{ .GroupLabels.database }}'}}
  - {receiver: loop, matchers: [x="1"], labels: {a: '{{ routeLabels "b" }}', b: '{{ routeLabels "a" }}', reason: r}}
receivers: [{name: default}, {name: dba}, {name: loop}]
"#;
        let config = AlertmanagerConfig::load_str("am.yml", text).unwrap().config;
        let labels = RouteLabels::of(&config);
        let render = |key: &str, receiver: &str| labels.render(key, &data(receiver), &Templates::default(), 0);
        let of = |key: &str, receiver: &str| render(key, receiver).0.to_string();
        assert_eq!(of("{}:{}", "default"), r#"{description="DiskFull firing (DiskFull)", reason="DiskFull"}"#);
        let database = r#"{}/{service="database"}:{database="orders"}"#;
        let want = r#"{description="DiskFull firing (database orders)", reason="database orders"}"#;
        assert_eq!(of(database, "dba"), want);
        let (rendered, failed) = render(r#"{}/{x="1"}:{}"#, "loop");
        assert_eq!(rendered.to_string(), r#"{description="DiskFull firing (r)", reason="r"}"#);
        assert_eq!(failed.iter().map(|(label, _)| label.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert!(failed[0].1.contains("is built out of itself"), "{failed:?}");
        assert_eq!(render("{}:{}", "somebody").0, Labels::empty());
    }
}
