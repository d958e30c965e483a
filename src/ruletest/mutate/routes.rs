//! Alterations of routing: routes, their conditions and their grouping, inhibitions.

use std::sync::Arc;

use crate::config::alertmanager::GroupBy;
use crate::routing::tree::{matcher_text, matchers_text};
use crate::routing::{RouteSpec, RoutingConfig};

use super::super::routing::Routing;

/// All alterations: of what, what became of it, and the routing with it.
pub fn altered(routing: &Routing) -> Vec<(String, String, Routing)> {
    let mut out = Vec::new();
    let mut push = |of: String, what: String, routes: RoutingConfig| {
        out.push((of, what, Routing { routes: Arc::new(routes), ..routing.clone() }));
    };
    let original = &*routing.routes;
    for path in paths(&original.route) {
        let Some(route) = at(&original.route, &path) else { continue };
        let of = format!("route {}", matchers_text(&route.matchers));
        for (what, change) in changes(route, path.is_empty()) {
            let mut routes = original.clone();
            edit(&mut routes.route, &path, &change);
            push(of.clone(), what, routes);
        }
        if let Some((last, above)) = path.split_last() {
            let mut routes = original.clone();
            edit(&mut routes.route, above, &|parent| drop(parent.routes.remove(*last)));
            push(of, "is taken away".to_owned(), routes);
        }
    }
    for (i, rule) in original.inhibit_rules.iter().enumerate() {
        let mut routes = original.clone();
        routes.inhibit_rules.remove(i);
        let of = format!("inhibition of {} by {}", matchers_text(&rule.target), matchers_text(&rule.source));
        push(of, "is taken away".to_owned(), routes);
    }
    out
}

type Change = Box<dyn Fn(&mut RouteSpec)>;

/// The alterations of a route that leave it where it is.
fn changes(route: &RouteSpec, is_root: bool) -> Vec<(String, Change)> {
    let mut out: Vec<(String, Change)> = Vec::new();
    for (i, matcher) in route.matchers.iter().enumerate().filter(|_| route.matchers.len() > 1) {
        let what = format!("{} is taken away", matcher_text(matcher));
        out.push((what, Box::new(move |r| drop(r.matchers.remove(i)))));
    }
    if !is_root {
        let to = !route.continue_matching;
        out.push((format!("continue becomes {to}"), Box::new(move |r| r.continue_matching = to)));
    }
    if let Some(GroupBy::Labels(labels)) = &route.group_by {
        for (i, label) in labels.iter().enumerate() {
            let mut fewer = labels.clone();
            fewer.remove(i);
            let what = format!("group_by loses {label}");
            out.push((what, Box::new(move |r| r.group_by = Some(GroupBy::Labels(fewer.clone())))));
        }
    }
    out
}

/// The ways from the root to every route: places among siblings.
fn paths(root: &RouteSpec) -> Vec<Vec<usize>> {
    let mut out = vec![Vec::new()];
    for (i, child) in root.routes.iter().enumerate() {
        out.extend(paths(child).into_iter().map(|below| [vec![i], below].concat()));
    }
    out
}

fn at<'r>(root: &'r RouteSpec, path: &[usize]) -> Option<&'r RouteSpec> {
    path.iter().try_fold(root, |route, i| route.routes.get(*i))
}

fn edit(root: &mut RouteSpec, path: &[usize], change: &dyn Fn(&mut RouteSpec)) {
    match path.split_first() {
        None => change(root),
        Some((first, rest)) => root.routes.get_mut(*first).into_iter().for_each(|child| edit(child, rest, change)),
    }
}
