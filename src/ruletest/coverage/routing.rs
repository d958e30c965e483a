//! What there is to reach of an Alertmanager configuration: routes, integrations, inhibition rules, templates.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use regex::Regex;

use crate::config::alertmanager::SourceTree;
use crate::config::read_text;
use crate::config::yaml::Node;
use crate::routing::tree::{RouteTree, matchers_text};

use super::super::groups::LoadedGroups;
use super::super::routing::Routing;
use super::item::{Coverage, Item, Kind, tidy};
use super::seen::Seen;

/// Notes what a test reached of the routing.
pub fn note(coverage: &mut Coverage, groups: &LoadedGroups, seen: &Seen) {
    let Some(routing) = &groups.routing else { return };
    let source = Source::of(routing);
    let mut put = |kind: Kind, line: u32, what: String, reached: bool| {
        let (file, line) = source.place(line);
        coverage.note(Item { file, line, kind, what }, reached);
    };
    let tree = RouteTree::new(&routing.routes.route);
    let reached = reached_routes(&tree, seen);
    for ((route, line), reached) in tree.routes().zip(source.routes()).zip(reached) {
        put(Kind::Route, line, format!("route {}", route.key), reached);
    }
    for (name, receiver) in &routing.routes.receivers {
        for i in &receiver.integrations {
            let told = seen.told.iter().any(|id| id.receiver == *name && id.kind == i.kind && id.index == i.index);
            let line = source.integration(name, &i.kind, i.index);
            put(Kind::Receiver, line, format!("receiver {name}: {}[{}]", i.kind, i.index), told);
        }
    }
    for ((rule, line), place) in routing.routes.inhibit_rules.iter().zip(source.inhibitions()).zip(0u64..) {
        let what = format!("inhibition of {} by {}", matchers_text(&rule.target), matchers_text(&rule.source));
        put(Kind::Inhibition, line, what, seen.inhibited.contains(&place));
    }
    note_templates(coverage, routing, seen);
}

/// Of each route whether an alert ended at it or below it.
fn reached_routes(tree: &RouteTree, seen: &Seen) -> Vec<bool> {
    let mut reached: Vec<bool> =
        tree.routes().map(|r| seen.routes.contains(&(r.key.clone(), r.receiver.clone()))).collect();
    // Parents stand before their children.
    for (place, route) in tree.routes().enumerate().collect::<Vec<_>>().into_iter().rev() {
        let below = route.children().iter().any(|child| reached.get(*child) == Some(&true));
        if let Some(slot) = reached.get_mut(place) {
            *slot |= below;
        }
    }
    reached
}

/// Template files are few and small: each is looked through for what it defines.
fn note_templates(coverage: &mut Coverage, routing: &Routing, seen: &Seen) {
    static DEFINE: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r#"\{\{-?\s*(?:define|block)\s+["`]([^"`]+)["`]"#).ok());
    let entered = seen.entered.lock();
    for path in routing.config.template_paths() {
        let file = tidy(&path.as_str().into());
        let text = read_text(Path::new(&path)).unwrap_or_default();
        for (line, text) in (1u32..).zip(text.lines()) {
            for name in DEFINE.iter().flat_map(|d| d.captures_iter(text)).filter_map(|c| c.get(1)) {
                let name = name.as_str();
                // What a comment defines does not exist.
                if routing.templates.contains(name) {
                    let item =
                        Item { file: file.clone(), line, kind: Kind::Template, what: format!("template {name}") };
                    coverage.note(item, entered.contains(name));
                }
            }
        }
    }
}

/// Where things stand in the configuration's text.
struct Source {
    /// The first of its files.
    file: Arc<str>,
    /// `None` where the text is encoded in an object: it has no lines of the file's.
    tree: Option<SourceTree>,
}

impl Source {
    fn of(routing: &Routing) -> Self {
        let file = routing.paths.first().map(|path| path.display().to_string()).unwrap_or_default();
        let tree = SourceTree::of_files(&routing.paths).filter(|tree| tree.file == file);
        Source { file: file.into(), tree }
    }

    /// The file and the line in it of a line of the tree.
    fn place(&self, line: u32) -> (Arc<str>, u32) {
        match &self.tree {
            Some(tree) if line > 0 => {
                let (file, line) = tree.line(line);
                (tidy(&file), line)
            }
            _ => (tidy(&self.file), line),
        }
    }

    fn root(&self) -> Option<&Node> {
        self.tree.as_ref().map(|tree| &tree.root)
    }

    /// The lines of all routes, from the root down; 0 for those beyond what the text has.
    fn routes(&self) -> impl Iterator<Item = u32> {
        let mut lines = Vec::new();
        if let Some(root) = self.root().and_then(|root| root.get("route")) {
            push_routes(root, &mut lines);
        }
        lines.into_iter().chain(std::iter::repeat(0))
    }

    fn inhibitions(&self) -> impl Iterator<Item = u32> {
        let rules = self.root().and_then(|root| root.get("inhibit_rules")?.items()).unwrap_or_default();
        let lines: Vec<u32> = rules.iter().filter(|n| !n.is_null()).map(|n| n.position.line).collect();
        lines.into_iter().chain(std::iter::repeat(0))
    }

    fn integration(&self, receiver: &str, kind: &str, index: usize) -> u32 {
        let receivers = self.root().and_then(|root| root.get("receivers")?.items()).unwrap_or_default();
        let Some(named) = receivers.iter().find(|r| r.get("name").and_then(Node::text) == Some(receiver)) else {
            return 0;
        };
        let list = named.get(&format!("{kind}_configs")).and_then(Node::items).unwrap_or_default();
        list.iter().filter(|n| !n.is_null()).nth(index).unwrap_or(named).position.line
    }
}

/// Recursion is as deep as the configuration, whose reader limits it.
fn push_routes(route: &Node, out: &mut Vec<u32>) {
    out.push(route.position.line);
    for child in route.get("routes").and_then(Node::items).unwrap_or_default().iter().filter(|n| !n.is_null()) {
        push_routes(child, out);
    }
}
