//! The routing tree and the inhibition rules.

use std::collections::BTreeMap;

use super::matchers::parse_matchers;
use crate::config::yaml::{Decode, Decoder, Duration, MapReader, Node};
use crate::model::labels::is_legacy_label_name;
use crate::model::{MatchOp, Matcher};
use crate::section;
use crate::template::alertmanager::Templates;

section! {
    /// A route: which alerts, to whom, grouped how. What is `None` or empty is inherited, but for the intervals.
    pub struct RouteConfig as "route" with check {
        /// Whom to tell.
        receiver: String,
        /// Whom to tell when the receiver refuses, or goes on failing; inherited. Ours.
        fallback_receiver: String,
        /// The same, with the receiver of the route above. Ours.
        fallback_to_parent: bool,
        /// By which labels to group, as written; an empty list groups by none.
        group_by: Option<Vec<String>>,
        /// Deprecated equality matchers.
        match_equal as "match": MatchEqual,
        /// Deprecated matchers by regular expression.
        match_re: MatchRegex,
        /// Matchers.
        matchers: Matchers,
        /// Intervals in which the route is mute.
        mute_time_intervals: Vec<String>,
        /// Intervals outside which the route is mute.
        active_time_intervals: Vec<String>,
        /// Go on to the next sibling after a match.
        continue_matching as "continue": bool,
        /// Routes below.
        routes: Vec<RouteConfig>,
        /// How long a new group waits for company.
        group_wait: Option<Duration>,
        /// How long a group waits between flushes.
        group_interval: Option<Duration>,
        /// After how long an unchanged group is told again.
        repeat_interval: Option<Duration>,
        /// Labels of the route, templates over each group; those of a route above that it does not name are its own too.
        labels: BTreeMap<String, String>,
    }
}

section! {
    /// A firing source mutes the targets with which it shares the values of `equal`.
    pub struct InhibitRule as "inhibit rule" with check {
        /// A name for metrics.
        name: String,
        /// Deprecated matchers of sources.
        source_match: MatchEqual,
        /// Deprecated matchers of sources.
        source_match_re: MatchRegex,
        /// Matchers of sources.
        source_matchers: Matchers,
        /// Deprecated matchers of targets.
        target_match: MatchEqual,
        /// Deprecated matchers of targets.
        target_match_re: MatchRegex,
        /// Matchers of targets.
        target_matchers: Matchers,
        /// Labels that must agree.
        equal: Vec<String>,
        /// Several sources, which must all fire: in place of the matchers of sources and `equal`.
        sources: Vec<InhibitSource>,
    }
}

section! {
    /// One of the sources that must all fire.
    pub struct InhibitSource as "inhibit rule source" with check {
        /// What it matches.
        matchers: Matchers,
        /// Labels in which it must agree with the target.
        equal: Vec<String>,
    }
}

/// By which labels alerts are grouped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupBy {
    /// By all labels (`...`): every alert alone.
    All,
    /// By these labels, ascending.
    Labels(Vec<String>),
}

impl RouteConfig {
    /// Everything an alert must match, in all three forms.
    pub fn all_matchers(&self) -> Vec<Matcher> {
        [&self.match_equal.0, &self.match_re.0, &self.matchers.0].into_iter().flatten().cloned().collect()
    }

    /// How to group; `None` inherits.
    pub fn grouping(&self) -> Option<GroupBy> {
        let mut labels = self.group_by.clone()?;
        if labels.first().is_some_and(|l| l == "...") {
            return Some(GroupBy::All);
        }
        labels.sort();
        Some(GroupBy::Labels(labels))
    }

    fn check(&mut self, m: &MapReader) {
        let (wildcards, labels): (Vec<&String>, Vec<&String>) =
            self.group_by.iter().flatten().partition(|l| *l == "...");
        if !wildcards.is_empty() && !labels.is_empty() {
            m.error("group_by", "cannot have wildcard group_by (`...`) and other labels at the same time");
        }
        for (i, label) in labels.iter().enumerate() {
            if label.is_empty() {
                m.error("group_by", "invalid label name \"\" in group_by list");
            } else if labels.iter().take(i).any(|l| l == label) {
                m.error("group_by", format!("duplicated label {label:?} in group_by"));
            }
        }
        let nodes = m.node_at("labels").and_then(Node::entries).unwrap_or_default();
        for (key, value) in nodes {
            let (name, template) = (key.text().unwrap_or_default(), value.text().unwrap_or_default());
            if name.is_empty() {
                m.decoder().error(key.position, "invalid label name \"\" in labels");
            }
            if let Err(e) = Templates::default().parse(template) {
                m.decoder().error(value.position, format!("invalid template syntax: {e}"));
            }
        }
        if self.fallback_to_parent && !self.fallback_receiver.is_empty() {
            m.error("fallback_to_parent", "at most one of fallback_receiver & fallback_to_parent must be configured");
        }
        for (key, value) in [("group_interval", self.group_interval), ("repeat_interval", self.repeat_interval)] {
            if value == Some(Duration(0)) {
                m.error(key, format!("{key} cannot be zero"));
            }
        }
    }
}

impl InhibitRule {
    /// What the muting alert matches, in all three forms.
    pub fn source(&self) -> Vec<Matcher> {
        [&self.source_match.0, &self.source_match_re.0, &self.source_matchers.0]
            .into_iter()
            .flatten()
            .cloned()
            .collect()
    }

    /// What the muted alert matches, in all three forms.
    pub fn target(&self) -> Vec<Matcher> {
        [&self.target_match.0, &self.target_match_re.0, &self.target_matchers.0]
            .into_iter()
            .flatten()
            .cloned()
            .collect()
    }

    fn check(&mut self, m: &MapReader) {
        if self.equal.iter().any(String::is_empty) {
            m.error("equal", "invalid label name \"\" in equal list");
        }
        let alone = self.source().is_empty() && self.equal.is_empty();
        if !self.sources.is_empty() && !alone {
            let message = "sources cannot be combined with source_match, source_match_re, source_matchers, or equal";
            m.error("sources", message);
        }
    }
}

impl InhibitSource {
    fn check(&mut self, m: &MapReader) {
        if self.matchers.0.is_empty() {
            m.error("matchers", "a source's matchers must not be empty");
        } else if self.matchers.0.iter().all(|matcher| matcher.matches("")) {
            m.error("matchers", "at least one matcher of a source must not match the empty string");
        }
        if self.equal.iter().any(String::is_empty) {
            m.error("equal", "invalid label name \"\" in source equal list");
        }
    }
}

/// `match`: label to value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MatchEqual(pub Vec<Matcher>);

/// `match_re`: label to regular expression.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MatchRegex(pub Vec<Matcher>);

/// `matchers`: a list of texts, each with one or more matchers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Matchers(pub Vec<Matcher>);

fn decode_map(node: &Node, d: &Decoder, op: MatchOp) -> Option<Vec<Matcher>> {
    let Some(entries) = node.entries() else { return d.mismatch(node, "a mapping of labels to values") };
    let mut matchers = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        let name = key.text().unwrap_or_default();
        if !is_legacy_label_name(name) {
            d.error(key.position, format!("invalid label name {name:?}"));
        }
        if op == MatchOp::Regex && value.is_null() {
            d.error(key.position, format!("invalid regexp value for {name:?}"));
            continue;
        }
        let Some(text) = String::decode(value, d) else { continue };
        match Matcher::of_alerts(op, name, text) {
            Ok(matcher) => matchers.push(matcher),
            Err(e) => d.error(value.position, format!("error parsing regexp: {e}")),
        }
    }
    matchers.sort_by(|a, b| a.name.cmp(&b.name));
    Some(matchers)
}

impl Decode for MatchEqual {
    fn decode(node: &Node, d: &Decoder) -> Option<Self> {
        decode_map(node, d, MatchOp::Equal).map(MatchEqual)
    }
}

impl Decode for MatchRegex {
    fn decode(node: &Node, d: &Decoder) -> Option<Self> {
        decode_map(node, d, MatchOp::Regex).map(MatchRegex)
    }
}

impl Decode for Matchers {
    fn decode(node: &Node, d: &Decoder) -> Option<Self> {
        let Some(items) = node.items() else { return d.mismatch(node, "a list of matchers") };
        let mut all = Vec::new();
        for item in items {
            let Some(text) = String::decode(item, d) else { continue };
            match parse_matchers(&text) {
                Ok(matchers) => all.extend(matchers),
                Err(e) => d.error(item.position, e),
            }
        }
        Some(Matchers(all))
    }
}
