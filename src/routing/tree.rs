//! The route tree, compiled: options inherited, keys formed.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::{Labels, MatchOp, Matcher};

use super::config::{Fallback, GroupBy, RouteSpec};
use super::drill::{DRILL_LABEL, is_drill};

/// A route's place in its tree, in order of the configuration; the root is 0.
pub type RouteIndex = usize;

const DEFAULT_GROUP_WAIT: i64 = 30_000;
const DEFAULT_GROUP_INTERVAL: i64 = 5 * 60_000;
const DEFAULT_REPEAT_INTERVAL: i64 = 4 * 3_600_000;

/// One route with everything it inherits.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// Alertmanager's route key: the matchers from the root down, `{}/{severity="critical"}`.
    pub key: Arc<str>,
    /// What an alert must match here.
    pub matchers: Vec<Matcher>,
    /// Whom to tell.
    pub receiver: Arc<str>,
    /// Whom to tell when that one refuses, or goes on failing; another one.
    pub fallback: Option<Arc<str>>,
    /// By which labels to group.
    pub group_by: GroupBy,
    /// How long a new group waits for company, milliseconds.
    pub group_wait: i64,
    /// How long a group waits between flushes, milliseconds.
    pub group_interval: i64,
    /// After how long an unchanged group is told again, milliseconds.
    pub repeat_interval: i64,
    /// Intervals in which the route is mute.
    pub mute_time_intervals: Vec<String>,
    /// Intervals outside which the route is mute.
    pub active_time_intervals: Vec<String>,
    /// Labels, as templates.
    pub labels: Arc<BTreeMap<String, String>>,
    continue_matching: bool,
    children: Vec<RouteIndex>,
}

/// A route shared between the tree and the groups at it.
pub type SharedRoute = Arc<Route>;

impl Route {
    /// The labels by which an alert is grouped here.
    pub fn group_labels(&self, alert: &Labels) -> Labels {
        match &self.group_by {
            GroupBy::All => alert.clone(),
            GroupBy::Labels(names) if is_drill(alert) => {
                alert.filter(|name| name == DRILL_LABEL || names.iter().any(|n| n == name))
            }
            GroupBy::Labels(names) => alert.keep(names),
        }
    }

    /// Alertmanager's group key: `{}/{severity="critical"}:{alertname="X"}`.
    pub fn group_key(&self, group_labels: &Labels) -> String {
        let mut out = self.key.to_string();
        push_group_labels(&mut out, group_labels);
        out
    }

    /// The route of a group of this receiver whose route is gone, with this one's timers. Nobody stands in for it, and no
    /// time interval mutes it.
    pub(super) fn in_place_of(&self, group_key: &str, group_labels: &Labels, receiver: Arc<str>) -> Option<Route> {
        let mut suffix = String::new();
        push_group_labels(&mut suffix, group_labels);
        let key = group_key.strip_suffix(&suffix)?.into();
        let (mute_time_intervals, active_time_intervals) = (Vec::new(), Vec::new());
        Some(Route { key, receiver, fallback: None, mute_time_intervals, active_time_intervals, ..self.clone() })
    }

    /// Whether siblings behind it are looked at when it matches.
    pub fn continues(&self) -> bool {
        self.continue_matching
    }

    /// The places of those below it.
    pub fn children(&self) -> &[RouteIndex] {
        &self.children
    }

    /// Whether an alert matches here, whatever stands above.
    pub fn matches(&self, alert: &Labels) -> bool {
        self.matchers.iter().all(|m| m.matches(alert.value(&m.name)))
    }
}

fn push_group_labels(out: &mut String, group_labels: &Labels) {
    out.push_str(":{");
    for (i, (name, value)) in group_labels.iter().enumerate() {
        out.push_str(if i > 0 { ", " } else { "" });
        out.push_str(name);
        out.push('=');
        crate::model::labels::push_quoted(out, value);
    }
    out.push('}');
}

/// The tree.
#[derive(Clone, Debug, PartialEq)]
pub struct RouteTree {
    routes: Vec<SharedRoute>,
}

impl RouteTree {
    /// Compiles a configuration's routes.
    pub fn new(root: &RouteSpec) -> Self {
        let mut routes = Vec::new();
        add(&mut routes, None, root);
        RouteTree { routes: routes.into_iter().map(Arc::new).collect() }
    }

    /// The route at a place.
    pub fn route(&self, index: RouteIndex) -> Option<&SharedRoute> {
        self.routes.get(index)
    }

    /// All routes, from the root down.
    pub fn routes(&self) -> impl Iterator<Item = &SharedRoute> {
        self.routes.iter()
    }

    /// The routes at which an alert ends, in order: the deepest that match. The first of several siblings that match
    /// takes it, and the next ones too where that says `continue`.
    pub fn matching(&self, alert: &Labels) -> Vec<RouteIndex> {
        let mut found = Vec::new();
        self.descend(0, alert, &mut found);
        found
    }

    fn descend(&self, index: RouteIndex, alert: &Labels, found: &mut Vec<RouteIndex>) -> bool {
        let Some(route) = self.routes.get(index).filter(|r| r.matches(alert)) else { return false };
        let before = found.len();
        for child in &route.children {
            let goes_on = self.routes.get(*child).is_some_and(|c| c.continue_matching);
            if self.descend(*child, alert, found) && !goes_on {
                break;
            }
        }
        if found.len() == before {
            found.push(index);
        }
        true
    }
}

/// Adds a route and those below it, parents first. Recursion is as deep as the configuration, whose reader limits it.
fn add(routes: &mut Vec<Route>, parent: Option<RouteIndex>, spec: &RouteSpec) -> RouteIndex {
    let index = routes.len();
    let above = parent.and_then(|p| routes.get(p));
    let key = match above {
        Some(parent) => format!("{}/{}", parent.key, matchers_text(&spec.matchers)),
        None => matchers_text(&spec.matchers),
    };
    let group_by = spec.group_by.clone().or_else(|| above.map(|p| p.group_by.clone()));
    let inherit = |own: Option<i64>, get: fn(&Route) -> i64, default| own.or(above.map(get)).unwrap_or(default);
    let mut labels = above.map(|p| (*p.labels).clone()).unwrap_or_default();
    labels.extend(spec.labels.clone());
    let receiver = spec.receiver.clone().or_else(|| above.map(|p| p.receiver.clone())).unwrap_or_default();
    let fallback = match &spec.fallback {
        Some(Fallback::Receiver(name)) => Some(name.clone()),
        Some(Fallback::Parent) => above.map(|p| p.receiver.clone()),
        None => above.and_then(|p| p.fallback.clone()),
    };
    let route = Route {
        key: key.into(),
        matchers: spec.matchers.clone(),
        // Nobody stands in for himself.
        fallback: fallback.filter(|name| *name != receiver),
        receiver,
        group_by: group_by.unwrap_or(GroupBy::Labels(Vec::new())),
        group_wait: inherit(spec.group_wait, |p| p.group_wait, DEFAULT_GROUP_WAIT),
        group_interval: inherit(spec.group_interval, |p| p.group_interval, DEFAULT_GROUP_INTERVAL).max(1),
        repeat_interval: inherit(spec.repeat_interval, |p| p.repeat_interval, DEFAULT_REPEAT_INTERVAL),
        mute_time_intervals: spec.mute_time_intervals.clone(),
        active_time_intervals: spec.active_time_intervals.clone(),
        labels: labels.into(),
        continue_matching: spec.continue_matching,
        children: Vec::new(),
    };
    routes.push(route);
    let children = spec.routes.iter().map(|child| add(routes, Some(index), child)).collect();
    if let Some(route) = routes.get_mut(index) {
        route.children = children;
    }
    index
}

/// Matchers as Alertmanager writes them in keys: sorted, `{a="b",c=~"d"}`.
pub fn matchers_text(matchers: &[Matcher]) -> String {
    let mut sorted: Vec<&Matcher> = matchers.iter().collect();
    let rank = |op: MatchOp| match op {
        MatchOp::Equal => 0,
        MatchOp::NotEqual => 1,
        MatchOp::Regex => 2,
        MatchOp::NotRegex => 3,
    };
    sorted.sort_by_key(|m| (&m.name, &m.value, rank(m.op)));
    let texts: Vec<String> = sorted.into_iter().map(matcher_text).collect();
    format!("{{{}}}", texts.join(","))
}

/// One matcher as Alertmanager writes it: the value escaped as in OpenMetrics, the name quoted only where it must be.
pub fn matcher_text(m: &Matcher) -> String {
    let reserved = |c: char| c.is_whitespace() || "{}!=~,\\\"'`".contains(c);
    let value = m.value.replace('\\', "\\\\").replace('\n', "\\n").replace('"', "\\\"");
    if m.name.is_empty() || m.name.contains(reserved) {
        let mut name = String::new();
        crate::model::labels::push_quoted(&mut name, &m.name);
        format!("{name}{}\"{value}\"", m.op.as_str())
    } else {
        format!("{}{}\"{value}\"", m.name, m.op.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn equal(name: &str, value: &str) -> Matcher {
        Matcher::equal(name, value)
    }

    #[test]
    fn a_fallback_is_inherited_and_may_be_the_receiver_above() {
        let fallback = |name: &str| Some(Fallback::Receiver(name.into()));
        let leaf =
            |receiver: &str, fallback| RouteSpec { receiver: Some(receiver.into()), fallback, ..RouteSpec::default() };
        let root = RouteSpec {
            routes: vec![
                leaf("a", None),
                leaf("b", Some(Fallback::Parent)),
                leaf("c", fallback("a")),
                leaf("mail", None),
            ],
            ..leaf("root", fallback("mail"))
        };
        let tree = RouteTree::new(&root);
        let fallbacks: Vec<Option<&str>> = tree.routes().map(|r| r.fallback.as_deref()).collect();
        assert_eq!(
            fallbacks,
            [Some("mail"), Some("mail"), Some("root"), Some("a"), None],
            "nobody stands in for himself"
        );
    }

    fn tree() -> RouteTree {
        let leaf = |receiver: &str, matchers: Vec<Matcher>| RouteSpec {
            matchers,
            receiver: Some(receiver.into()),
            ..RouteSpec::default()
        };
        let critical = RouteSpec {
            continue_matching: true,
            group_wait: Some(10_000),
            group_by: Some(GroupBy::All),
            routes: vec![
                leaf("gpu", vec![equal("kind", "gpu")]),
                RouteSpec { matchers: vec![equal("x", "1")], ..leaf("", vec![]) },
            ],
            ..leaf("pager", vec![equal("severity", "critical")])
        };
        let mut inheriting =
            leaf("", vec![Matcher::new(MatchOp::Regex, "team", "^(?:ml|data)$").unwrap(), equal("a", "\"q\"\n")]);
        inheriting.receiver = None;
        RouteTree::new(&RouteSpec {
            receiver: Some("default".into()),
            group_by: Some(GroupBy::Labels(vec!["alertname".into(), "model".into()])),
            group_interval: Some(60_000),
            routes: vec![critical, leaf("team", vec![equal("team", "ml")]), inheriting],
            ..RouteSpec::default()
        })
    }

    fn receivers(labels: &[(&str, &str)]) -> Vec<String> {
        let (tree, labels) = (tree(), Labels::from_pairs(labels.iter().copied()));
        tree.matching(&labels).into_iter().map(|i| tree.route(i).unwrap().receiver.to_string()).collect()
    }

    #[test]
    fn an_alert_ends_at_the_deepest_routes_that_match() {
        for (labels, want) in [
            (vec![("severity", "warning")], vec!["default"]),
            (vec![("severity", "critical")], vec!["pager"]),
            (vec![("severity", "critical"), ("kind", "gpu")], vec!["gpu"]),
            (vec![("severity", "critical"), ("team", "ml")], vec!["pager", "team"]),
            (vec![("team", "ml")], vec!["team"]),
            (vec![("team", "data"), ("a", "\"q\"\n")], vec!["default"]),
        ] {
            assert_eq!(receivers(&labels), want, "{labels:?}");
        }
    }

    #[test]
    fn options_are_inherited_and_keys_name_the_way_down() {
        let tree = tree();
        let gpu = tree.routes().find(|r| &*r.receiver == "gpu").unwrap();
        assert_eq!((gpu.group_wait, gpu.group_interval, gpu.repeat_interval), (10_000, 60_000, 14_400_000));
        assert_eq!(gpu.group_by, GroupBy::All);
        assert_eq!(&*gpu.key, r#"{}/{severity="critical"}/{kind="gpu"}"#);
        let last = tree.routes().last().unwrap();
        assert_eq!(&*last.key, "{}/{a=\"\\\"q\\\"\\n\",team=~\"^(?:ml|data)$\"}");
        let alert = Labels::from_pairs([("alertname", "حرارة"), ("model", "a\"b"), ("pod", "p")]);
        let group = last.group_labels(&alert);
        assert_eq!(last.group_key(&group), format!("{}:{{alertname=\"حرارة\", model=\"a\\\"b\"}}", last.key));
    }
}
