//! AlertmanagerConfig objects of prometheus-operator (`monitoring.coreos.com/v1alpha1` and `v1beta1`), made a configuration
//! as the operator makes it: each object's route stands in front of the configuration's own, matches alerts of the object's
//! namespace only and lets them go on; names become `namespace/object/name`; inhibitions hold inside the namespace. An
//! Alertmanager object may say that namespaces do not count, and which object is the configuration that others are added to.
//!
//! Nodes keep places of the file, so that defects are told where they stand in the object.

mod convert;
mod field;
mod integrations;
mod object;
mod schema;
mod secrets;
mod tree;

use std::cell::RefCell;
use std::collections::BTreeSet;

use self::convert::{Converter, matcher_text};
use self::field::Version;
pub use self::object::{is_config, kind, objects};
use self::object::{metadata, namespace_of};
use self::schema::SPEC;
use self::secrets::Lookup;
pub use self::secrets::{Beside, Secrets};
pub use self::tree::Maker;
use crate::config::yaml::{Decoder, Node};

/// Global settings that integrations cannot do without, and what stands in for them where they are in no file.
const STAND_INS: [(&str, &str); 8] = [
    ("smtp_from", "nobody@elsewhere.invalid"),
    ("smtp_smarthost", "elsewhere.invalid:25"),
    ("opsgenie_api_key", "elsewhere"),
    ("slack_api_url", secrets::STAND_IN),
    ("telegram_bot_token", "elsewhere"),
    ("victorops_api_key", "elsewhere"),
    ("wechat_api_corp_id", "elsewhere"),
    ("wechat_api_secret", "elsewhere"),
];

/// How the operator takes objects in.
struct Strategy {
    /// Alerts of other namespaces are none of an object's, but for objects in this namespace.
    is_by_namespace: bool,
    exempt: Option<String>,
    /// The object that is the configuration the others are added to.
    root: Option<(String, String)>,
}

impl Strategy {
    /// What the Alertmanager object says, if there is one.
    fn of(objects: &[&Node], d: &Decoder) -> Self {
        let usual = Strategy { is_by_namespace: true, exempt: None, root: None };
        let mut all = objects.iter().filter(|object| kind(object) == Some("Alertmanager"));
        let (Some(alertmanager), None) = (all.next(), all.next()) else { return usual };
        let Some(spec) = alertmanager.get("spec") else { return usual };
        let namespace = namespace_of(alertmanager);
        let root = spec.get("alertmanagerConfiguration").and_then(|configuration| {
            for key in ["global", "templates"] {
                if let Some(node) = configuration.get(key) {
                    let message =
                        format!("{key} of alertmanagerConfiguration is not read, expected it in alertmanager.yaml");
                    d.error(node.position, message);
                }
            }
            Some((namespace.to_owned(), configuration.get("name")?.text()?.to_owned()))
        });
        let strategy = spec.get("alertmanagerConfigMatcherStrategy").and_then(|strategy| strategy.get("type"));
        match strategy.map(|node| (node, node.text().unwrap_or_default())) {
            None | Some((_, "OnNamespace")) => Strategy { root, ..usual },
            Some((_, "None")) => Strategy { is_by_namespace: false, exempt: None, root },
            Some((_, "OnNamespaceExceptForAlertmanagerNamespace")) => {
                Strategy { is_by_namespace: true, exempt: Some(namespace.to_owned()), root }
            }
            Some((node, _)) => {
                let expected = "OnNamespace, OnNamespaceExceptForAlertmanagerNamespace or None";
                d.error(node.position, format!("expected {expected}, found {}", node.describe()));
                usual
            }
        }
    }

    fn is_enforced(&self, namespace: &str) -> bool {
        self.is_by_namespace && self.exempt.as_deref() != Some(namespace)
    }
}

/// The configuration that the AlertmanagerConfigs among the objects come to; `base` is what they are added to, by default
/// one that tells nobody. `None` where something is wrong with them, which is reported.
pub fn configuration(
    objects: &[&Node],
    base: Option<Node>,
    d: &Decoder,
    make: &Maker,
    secrets: Secrets<'_>,
) -> Option<Node> {
    let before = d.defect_count();
    let beside = match secrets {
        Secrets::Needed => &Beside::default(),
        Secrets::Unread(beside) => beside,
    };
    let everywhere: Vec<&Node> = objects.iter().copied().chain(&beside.objects).collect();
    let strategy = Strategy::of(&everywhere, d);
    // The global section may be another file's.
    let global = match beside.configurations.as_slice() {
        [only] if base.is_none() => only.get("global"),
        _ => None,
    };
    if let Some((namespace, name)) = &strategy.root {
        let is_it = |node: &&&Node| metadata(node, "name") == Some(name) && namespace_of(node) == namespace;
        if !objects.iter().filter(|o| is_config(o)).any(|node| is_it(&node)) {
            let message =
                format!("the AlertmanagerConfig {namespace}/{name} that is the configuration is not in this file");
            d.warn(objects.iter().find(|o| is_config(o))?.position, message);
        }
    }
    let is_known = base.is_some() || global.is_some() || matches!(secrets, Secrets::Needed);
    let unknown = RefCell::new(BTreeSet::new());
    let lookup = Lookup { objects: everywhere, is_needed: matches!(secrets, Secrets::Needed) };
    let mut configs: Vec<Object> = objects.iter().filter(|o| is_config(o)).map(|node| Object::of(node, d)).collect();
    let first = configs.first()?.node;
    // In the operator's order.
    configs.sort_by_key(Object::key);
    for (one, next) in configs.iter().zip(configs.iter().skip(1)) {
        if one.key() == next.key() {
            let message = format!("expected one AlertmanagerConfig {}, found another", next.key());
            d.error(next.node.position, message);
        }
    }
    let mut merged = Merged::default();
    for config in &configs {
        let unknown = (!is_known).then_some(&unknown);
        let Object { version, namespace, name, .. } = *config;
        let converter = Converter { d, make, lookup: &lookup, version, namespace, name, unknown };
        config.add_to(&mut merged, &converter, &strategy);
    }
    if d.defect_count() > before {
        return None;
    }
    let base = merged.root.take().or(base).unwrap_or_else(|| nobody(make, first));
    let base = match global {
        Some(global) => {
            let start = make.reserve(beside_length(global));
            make.with(
                &base,
                "global",
                make.moved(global, start, &|node| Node { position: first.position, ..node.clone() }),
            )
        }
        None => with_stand_ins(base, &unknown.borrow(), make, first),
    };
    Some(merged.into_configuration(&base, make))
}

/// So many bytes a tree takes at most.
fn beside_length(node: &Node) -> usize {
    node.end
}

/// What the operator begins with: one that tells nobody.
fn nobody(make: &Maker, at: &Node) -> Node {
    let name = |key: &str| make.mapping(vec![make.entry(key, make.text("null", at))], at);
    let receivers = make.sequence(vec![name("name")], at);
    make.mapping(vec![make.entry("route", name("receiver")), make.entry("receivers", receivers)], at)
}

fn with_stand_ins(base: Node, unknown: &BTreeSet<&str>, make: &Maker, at: &Node) -> Node {
    let settings = STAND_INS.iter().filter(|(setting, _)| unknown.contains(setting));
    let entries: Vec<_> = settings.map(|(setting, value)| make.entry(setting, make.text(value, at))).collect();
    if entries.is_empty() { base } else { make.with(&base, "global", make.mapping(entries, at)) }
}

/// What objects add to a configuration.
#[derive(Default)]
struct Merged {
    root: Option<Node>,
    routes: Vec<Node>,
    receivers: Vec<Node>,
    inhibit_rules: Vec<Node>,
    time_intervals: Vec<Node>,
}

impl Merged {
    fn into_configuration(self, base: &Node, make: &Maker) -> Node {
        let others = |node: &Node, key: &str| node.get(key).and_then(Node::items).unwrap_or_default().to_vec();
        let mut root = base.clone();
        if let Some(route) = base.get("route") {
            let routes = make.sequence([self.routes, others(route, "routes")].concat(), route);
            root = make.with(&root, "route", make.with(route, "routes", routes));
        }
        let lists = [
            ("receivers", self.receivers),
            ("inhibit_rules", self.inhibit_rules),
            ("time_intervals", self.time_intervals),
        ];
        for (key, added) in lists {
            if !added.is_empty() {
                let all = [others(base, key), added].concat();
                root = make.with(&root, key, make.sequence(all, base));
            }
        }
        root
    }
}

/// One AlertmanagerConfig.
struct Object<'a> {
    node: &'a Node,
    version: Version,
    namespace: &'a str,
    name: &'a str,
}

impl<'a> Object<'a> {
    fn of(node: &'a Node, d: &Decoder) -> Self {
        let name = metadata(node, "name").unwrap_or_default();
        if name.is_empty() {
            d.error(node.position, "expected metadata.name in an AlertmanagerConfig, found none");
        }
        for (key, _) in node.entries().unwrap_or_default() {
            let known = ["apiVersion", "kind", "metadata", "spec", "status"];
            if !key.text().is_some_and(|key| known.contains(&key)) {
                let found = key.text().unwrap_or_default();
                d.error(
                    key.position,
                    format!("field {found} not found in an AlertmanagerConfig, expected one of {}", known.join(", ")),
                );
            }
        }
        let version = node.get("apiVersion").and_then(Node::text).unwrap_or_default();
        let version = match version {
            "monitoring.coreos.com/v1alpha1" => Version::Alpha,
            "monitoring.coreos.com/v1beta1" => Version::Beta,
            other => {
                let at = node.get("apiVersion").unwrap_or(node).position;
                d.error(at, format!("expected monitoring.coreos.com/v1alpha1 or v1beta1, found {other:?}"));
                Version::Beta
            }
        };
        let namespace = namespace_of(node);
        Object { node, version, namespace, name }
    }

    fn key(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    fn add_to(&self, merged: &mut Merged, converter: &Converter<'_>, strategy: &Strategy) {
        let Some(spec) = self.node.get("spec") else {
            converter.d.error(self.node.position, "expected spec in an AlertmanagerConfig, found none");
            return;
        };
        let Some(spec) = converter.section(spec, SPEC, "spec") else { return };
        let is_root =
            strategy.root.as_ref().is_some_and(|(namespace, name)| *namespace == self.namespace && *name == self.name);
        if is_root {
            // Namespaces do not count for it.
            merged.root = Some(spec);
            return;
        }
        let items = |key: &str| spec.get(key).and_then(Node::items).unwrap_or_default().iter().cloned();
        let is_enforced = strategy.is_enforced(self.namespace);
        let make = converter.make;
        let of_namespace = |node: &Node, keys: &[&str]| match is_enforced {
            true => keys.iter().fold(node.clone(), |node, key| self.in_namespace(make, &node, key)),
            false => node.clone(),
        };
        let inhibitions =
            items("inhibit_rules").map(|rule| of_namespace(&rule, &["source_matchers", "target_matchers"]));
        merged.inhibit_rules.extend(inhibitions);
        // Without a route nothing comes to the receivers.
        let Some(route) = spec.get("route") else { return };
        if route.get("receiver").and_then(Node::text).is_none_or(str::is_empty) {
            converter.d.error(route.position, "expected a receiver in the route of an AlertmanagerConfig, found none");
        }
        let route = make.with(&of_namespace(route, &["matchers"]), "continue", make.plain("true", route));
        merged.routes.push(route);
        merged.receivers.extend(items("receivers"));
        merged.time_intervals.extend(items("time_intervals"));
    }

    /// A mapping whose matchers under a key demand the namespace, too.
    fn in_namespace(&self, make: &Maker, node: &Node, key: &str) -> Node {
        let mut matchers = node.get(key).and_then(Node::items).unwrap_or_default().to_vec();
        matchers.push(make.text(&matcher_text("namespace", "=", self.namespace), node));
        make.with(node, key, make.sequence(matchers, node))
    }
}
