//! Kubernetes objects in the documents of a file.

use crate::config::yaml::Node;

/// Where kubectl puts what names no namespace.
pub const DEFAULT_NAMESPACE: &str = "default";

/// What kind of object a node is, if it is one.
pub fn kind(node: &Node) -> Option<&str> {
    node.get("kind").and_then(Node::text).filter(|_| node.get("apiVersion").is_some())
}

/// The objects of all documents, those in lists too, and documents that are none.
pub fn objects(documents: &[Node]) -> Vec<&Node> {
    let of = |document| match kind(document) {
        Some("List" | "AlertmanagerConfigList" | "SecretList" | "ConfigMapList") => {
            document.get("items").and_then(Node::items).unwrap_or_default()
        }
        _ => std::slice::from_ref(document),
    };
    documents.iter().flat_map(of).collect()
}

/// Whether a node is an AlertmanagerConfig.
pub fn is_config(node: &Node) -> bool {
    let group = node.get("apiVersion").and_then(Node::text).and_then(|version| version.split_once('/'));
    kind(node) == Some("AlertmanagerConfig") && group.is_some_and(|(group, _)| group == "monitoring.coreos.com")
}

/// A text of an object's `metadata`.
pub fn metadata<'n>(object: &'n Node, key: &str) -> Option<&'n str> {
    object.get("metadata")?.get(key)?.text()
}

/// An object's namespace.
pub fn namespace_of(object: &Node) -> &str {
    metadata(object, "namespace").filter(|namespace| !namespace.is_empty()).unwrap_or(DEFAULT_NAMESPACE)
}
