//! The way down the route tree: where an alert ends, and why it takes no other route.

use crate::model::{Labels, Matcher};
use crate::routing::tree::{Route, RouteIndex, RouteTree};

use super::chain::{PassedBy, Unmatched};

/// Most routes that are told of which an alert does not take.
const MOST_PASSED: usize = 200;

/// Where an alert ends and what it passes by, both in the order of the configuration.
pub(super) fn way(tree: &RouteTree, alert: &Labels) -> (Vec<RouteIndex>, Vec<PassedBy>) {
    let mut way = Way { tree, alert, ends: Vec::new(), passed: Vec::new() };
    way.descend(0);
    way.passed.truncate(MOST_PASSED);
    (way.ends, way.passed)
}

struct Way<'a> {
    tree: &'a RouteTree,
    alert: &'a Labels,
    ends: Vec<RouteIndex>,
    passed: Vec<PassedBy>,
}

impl Way<'_> {
    /// As the router goes. Recursion is as deep as the configuration, whose reader limits it.
    fn descend(&mut self, index: RouteIndex) -> bool {
        let Some(route) = self.tree.route(index) else { return false };
        let unmatched: Vec<Unmatched> = route
            .matchers
            .iter()
            .filter(|m| !m.matches(self.alert.value(&m.name)))
            .map(|m| self.unmatched(m))
            .collect();
        if !unmatched.is_empty() {
            self.passed.push(PassedBy { unmatched, ..passed_by(route) });
            return false;
        }
        let before = self.ends.len();
        let mut taken = None;
        for child in route.children() {
            let Some(below) = self.tree.route(*child) else { continue };
            match &taken {
                Some(key) => {
                    self.passed.push(PassedBy { behind: Some(std::sync::Arc::clone(key)), ..passed_by(below) })
                }
                None if self.descend(*child) && !below.continues() => taken = Some(below.key.clone()),
                None => {}
            }
        }
        if self.ends.len() == before {
            self.ends.push(index);
        }
        true
    }

    fn unmatched(&self, matcher: &Matcher) -> Unmatched {
        Unmatched { matcher: matcher.to_string(), value: self.alert.value(&matcher.name).to_owned() }
    }
}

fn passed_by(route: &Route) -> PassedBy {
    PassedBy { route: route.key.clone(), receiver: route.receiver.clone(), unmatched: Vec::new(), behind: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::RouteSpec;
    use proptest::prelude::*;

    fn matcher() -> impl Strategy<Value = Matcher> {
        (prop::sample::select(vec!["a", "b", "c"]), prop::sample::select(vec!["1", "2"]))
            .prop_map(|(name, value)| Matcher::equal(name, value))
    }

    fn route() -> impl Strategy<Value = RouteSpec> {
        let leaf = (prop::collection::vec(matcher(), 0..2), any::<bool>()).prop_map(|(matchers, continues)| {
            RouteSpec { matchers, continue_matching: continues, ..RouteSpec::default() }
        });
        leaf.prop_recursive(3, 16, 4, |inner| {
            (prop::collection::vec(matcher(), 0..2), any::<bool>(), prop::collection::vec(inner, 0..4)).prop_map(
                |(matchers, continues, routes)| RouteSpec {
                    matchers,
                    continue_matching: continues,
                    routes,
                    ..RouteSpec::default()
                },
            )
        })
    }

    proptest! {
        #[test]
        fn the_way_is_the_routers(
            routes in prop::collection::vec(route(), 0..5),
            values in prop::collection::vec(prop::sample::select(vec!["", "1", "2"]), 3),
        ) {
            let tree = RouteTree::new(&RouteSpec { routes, ..RouteSpec::default() });
            let alert = Labels::from_pairs(["a", "b", "c"].into_iter().zip(values));
            let (ends, passed) = way(&tree, &alert);
            prop_assert_eq!(ends, tree.matching(&alert));
            for passed in passed {
                prop_assert_eq!(passed.behind.is_some(), passed.unmatched.is_empty(), "one reason: {:?}", passed);
            }
        }
    }
}
