//! Kubernetes objects that carry an Alertmanager configuration: a Secret, as people and the operator write it, or a
//! ConfigMap; among other documents of a file, or in a `List`.

use std::io::Read;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::config::yaml::{Decoder, Limits, Node};

/// The keys under which a configuration is found, in order of preference.
const KEYS: [&str; 4] = ["alertmanager.yaml", "alertmanager.yml", "alertmanager.yaml.gz", "alertmanager.yml.gz"];

/// What the documents of a file carry.
pub enum Carried<'a> {
    /// A configuration as it is.
    Plain(&'a Node),
    /// The text stands in the file, under this node; its places can be told.
    Text(&'a Node),
    /// The text under a key was encoded, so that its places are not the file's.
    Encoded(String, String),
}

/// A value that carries a configuration.
struct Entry<'a> {
    key: &'a str,
    value: &'a Node,
    base64: bool,
}

/// Finds the configuration; reports why there is none. A file that begins with anything but a Kubernetes object is a
/// configuration, and as in Go's readers its first document counts.
pub fn find<'a>(documents: &'a [Node], d: &Decoder) -> Option<Carried<'a>> {
    let first = documents.first()?;
    if !is_object(first) {
        return Some(Carried::Plain(first));
    }
    let objects = || {
        documents.iter().flat_map(|document| match kind(document) {
            Some("List") => document.get("items").and_then(Node::items).unwrap_or_default(),
            _ => std::slice::from_ref(document),
        })
    };
    let carriers: Vec<&Node> = objects().filter(|o| matches!(kind(o), Some("Secret" | "ConfigMap"))).collect();
    let mut found: Vec<Entry> = carriers.iter().filter_map(|object| pick(object, true)).collect();
    if found.is_empty() {
        found = carriers.iter().filter_map(|object| pick(object, false)).collect();
    }
    match found.as_slice() {
        [] => {
            let message =
                "expected alertmanager.yaml in a Secret's stringData or data or in a ConfigMap's data, found neither";
            d.error(carriers.first().copied().unwrap_or(first).position, message);
            None
        }
        [entry] => take(entry, d),
        [_, second, ..] => {
            d.error(second.value.position, "expected one Alertmanager configuration, found another in the same file");
            None
        }
    }
}

/// The configuration among objects: one under a well-known key, or a document that is no object; and the node that carries
/// it. Several are reported.
pub fn among<'a>(objects: &[&'a Node], d: &Decoder) -> Option<(&'a Node, Carried<'a>)> {
    let of = |object: &&'a Node| match kind(object) {
        Some("Secret" | "ConfigMap") => pick(object, true).map(|entry| (entry.value, Some(entry))),
        None => object.entries().filter(|entries| !entries.is_empty()).map(|_| (*object, None)),
        Some(_) => None,
    };
    let mut found = objects.iter().filter_map(of);
    let (node, entry) = found.next()?;
    if let Some((second, _)) = found.next() {
        d.error(second.position, "expected one Alertmanager configuration, found another in the same file");
    }
    let carried = entry.map_or(Some(Carried::Plain(node)), |entry| take(&entry, d))?;
    Some((node, carried))
}

fn is_object(node: &Node) -> bool {
    kind(node).is_some() && node.get("apiVersion").is_some()
}

fn kind(node: &Node) -> Option<&str> {
    node.get("kind").and_then(Node::text)
}

/// The entry of an object under a well-known key, or under the only key there is, or the only one of a YAML file. As in
/// Kubernetes, `stringData` overrides `data`.
fn pick(object: &Node, known: bool) -> Option<Entry<'_>> {
    let secret = kind(object) == Some("Secret");
    let parts = if secret { [("stringData", false), ("data", true)] } else { [("data", false), ("binaryData", true)] };
    parts.into_iter().find_map(|(part, base64)| {
        let entries = object.get(part)?.entries()?.iter().filter_map(|(k, v)| Some((k.text()?, v)));
        let entries: Vec<_> = entries.filter(|(_, v)| v.text().is_some()).collect();
        let is_yaml = |key: &str| [".yaml", ".yml", ".yaml.gz", ".yml.gz"].iter().any(|end| key.ends_with(end));
        let found = match known {
            true => KEYS.iter().find_map(|key| entries.iter().find(|(k, _)| k == key)),
            false => match entries.as_slice() {
                [only] => Some(only),
                several => {
                    let mut files = several.iter().filter(|(k, _)| is_yaml(k));
                    files.next().filter(|_| files.next().is_none())
                }
            },
        };
        found.map(|(key, value)| Entry { key, value, base64 })
    })
}

fn take<'a>(entry: &Entry<'a>, d: &Decoder) -> Option<Carried<'a>> {
    if !entry.base64 {
        return Some(Carried::Text(entry.value));
    }
    let failed = |message: String| {
        d.error(entry.value.position, message);
        None
    };
    let encoded: String = entry.value.text().unwrap_or_default().split_whitespace().collect();
    let Ok(bytes) = STANDARD.decode(encoded) else { return failed(format!("expected base64 under {}", entry.key)) };
    let bytes = match entry.key.ends_with(".gz") {
        false => bytes,
        true => match unpacked(&bytes) {
            Ok(bytes) => bytes,
            Err(e) => return failed(format!("expected gzip under {}: {e}", entry.key)),
        },
    };
    match String::from_utf8(bytes) {
        Ok(text) => Some(Carried::Encoded(entry.key.to_owned(), text)),
        Err(_) => failed(format!("expected UTF-8 text under {}", entry.key)),
    }
}

/// Unpacks up to one byte more than a configuration may have, so that a longer one is refused for its length.
fn unpacked(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let most = Limits::default().bytes as u64 + 1;
    flate2::read::MultiGzDecoder::new(bytes).take(most).read_to_end(&mut text)?;
    Ok(text)
}
