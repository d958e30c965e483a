//! An Alertmanager configuration as checks see it: its tree of routes with what each inherits, and where it stands.

use std::sync::Arc;

use super::corpus::{Corpus, RoutingFile, lines_of};
use super::finding::Spot;
use crate::config::alertmanager::RouteConfig;
use crate::config::yaml::Node;
use crate::model::Matcher;

/// A configuration and its surroundings.
pub struct RoutingSite<'a> {
    /// All that is checked.
    pub corpus: &'a Corpus,
    /// The configuration.
    pub file: &'a RoutingFile,
    /// Its tree in the file.
    pub root: &'a Node,
}

/// A route with its place in the file.
pub struct RouteAt<'a> {
    /// The route.
    pub route: &'a RouteConfig,
    /// Its mapping.
    pub node: &'a Node,
    /// The routes around it, the outermost first.
    pub above: Vec<&'a RouteConfig>,
    /// The routes before it, of the same parent.
    pub before: &'a [RouteConfig],
    /// The routes behind it, of the same parent.
    pub behind: &'a [RouteConfig],
}

impl RouteAt<'_> {
    /// Everything an alert must match to come here.
    pub fn all_matchers(&self) -> Vec<Matcher> {
        self.above.iter().chain([&self.route]).flat_map(|route| route.all_matchers()).collect()
    }

    /// A duration, inherited or its own.
    pub fn inherited<T: Copy>(&self, get: impl Fn(&RouteConfig) -> Option<T>) -> Option<T> {
        self.above.iter().chain([&self.route]).rev().find_map(|route| get(route))
    }
}

impl<'a> RoutingSite<'a> {
    /// Every route, the root first.
    pub fn routes(&self) -> Vec<RouteAt<'a>> {
        let mut found = Vec::new();
        if let (Some(route), Some(node)) = (&self.file.config.route, self.root.get("route")) {
            below(RouteAt { route, node, above: Vec::new(), before: &[], behind: &[] }, &mut found);
        }
        found
    }

    /// The items of a list at the top of the file.
    pub fn items(&self, key: &str) -> &'a [Node] {
        self.root.get(key).and_then(Node::items).unwrap_or_default()
    }

    /// Whether a node stands in the file: what AlertmanagerConfig objects come to has others, too.
    pub fn is_written(&self, node: Option<&Node>) -> bool {
        node.is_some_and(|node| node.end <= self.file.text.len())
    }

    /// Where the value of a key of a mapping stands; where the mapping begins when it has none.
    pub fn key(&self, within: &Node, key: &str) -> Spot {
        self.spot(within.get(key).unwrap_or(within), within)
    }

    /// Where a node stands in a mapping that comments may speak of.
    pub fn spot(&self, node: &Node, within: &Node) -> Spot {
        let file: Arc<str> = self.file.name.clone();
        let from = node.position;
        let length = node.text().filter(|text| !text.contains('\n')).map_or(0, |text| text.chars().count());
        let mut to = from;
        to.column = to.column.saturating_add(u32::try_from(length).unwrap_or(0));
        Spot { file, from, to, around: lines_of(&self.file.text, within) }
    }
}

fn below<'a>(at: RouteAt<'a>, into: &mut Vec<RouteAt<'a>>) {
    let (route, node) = (at.route, at.node);
    let above: Vec<&RouteConfig> = at.above.iter().copied().chain([route]).collect();
    into.push(at);
    let nodes = node.get("routes").and_then(Node::items).unwrap_or_default();
    for (i, (child, node)) in route.routes.iter().zip(nodes).enumerate() {
        let (before, behind) = route.routes.split_at(i);
        below(
            RouteAt { route: child, node, above: above.clone(), before, behind: behind.get(1..).unwrap_or_default() },
            into,
        );
    }
}
