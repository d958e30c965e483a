//! Secrets and ConfigMaps whose values AlertmanagerConfig objects name.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::object::{DEFAULT_NAMESPACE, kind, metadata, objects};
use crate::config::alertmanager::kubernetes::{self, Carried};
use crate::config::yaml::{Decoder, Node};

/// What stands in for a value that is not there. It is an address, because some of them have to be.
pub const STAND_IN: &str = "http://elsewhere.invalid/";

/// What becomes of a value that stands in a Secret or a ConfigMap.
#[derive(Clone, Copy, Debug)]
pub enum Secrets<'a> {
    /// It is needed: an object that is not in the file is an error.
    Needed,
    /// Nobody is told anything: it may be in other files, and for what is in none of them something stands in, with a note.
    Unread(&'a Beside),
}

/// What other files hold that AlertmanagerConfig objects may name or count on.
#[derive(Clone, Debug, Default)]
pub struct Beside {
    pub(super) objects: Vec<Node>,
    pub(super) configurations: Vec<Node>,
}

impl Beside {
    /// Takes Secrets, ConfigMaps, Alertmanagers and configurations out of a file's text; what cannot be read holds none.
    pub fn add(&mut self, text: &str) {
        let d = Decoder::new("", text);
        let documents = d.documents();
        for object in objects(&documents) {
            if matches!(kind(object), Some("Secret" | "ConfigMap" | "Alertmanager")) {
                self.objects.push(object.clone());
            }
            let root = match kubernetes::among(&[object], &d) {
                Some((_, Carried::Plain(root))) => Some(root.clone()),
                Some((_, Carried::Text(node))) => Decoder::new("", node.text().unwrap_or_default()).document(),
                Some((_, Carried::Encoded(_, text))) => Decoder::new("", &text).document(),
                None => None,
            };
            self.configurations.extend(root.filter(|root| root.get("route").is_some()));
        }
    }
}

/// Finds values.
pub struct Lookup<'a> {
    /// The objects of the file, and of others.
    pub objects: Vec<&'a Node>,
    /// An object that is not among them is an error.
    pub is_needed: bool,
}

/// Why there is no value.
pub struct Missing {
    /// What was expected, and what is there.
    pub message: String,
    /// The object is not among these files and need not be.
    pub is_elsewhere: bool,
}

impl Lookup<'_> {
    /// The value under a key of a Secret or ConfigMap, which is never empty.
    pub fn value(&self, namespace: &str, of_kind: &str, name: &str, key: &str) -> Result<String, Missing> {
        let named = |object: &&&Node| kind(object) == Some(of_kind) && metadata(object, "name") == Some(name);
        let is_there = |object: &&&Node| metadata(object, "namespace") == Some(namespace);
        // What says no namespace goes where its files are applied to.
        let may_be = |object: &&&Node| metadata(object, "namespace").is_none() || namespace == DEFAULT_NAMESPACE;
        let all = || self.objects.iter().filter(named);
        let Some(object) = all().find(is_there).or_else(|| all().find(may_be)) else {
            let (what, is_elsewhere) = (format!("{of_kind} {namespace}/{name}"), !self.is_needed);
            let message = match is_elsewhere {
                true => format!("the {what} is not among these files: its value for {key} is not checked"),
                false => format!("expected the {what} with the key {key} in the same file, found none"),
            };
            return Err(Missing { message, is_elsewhere });
        };
        let wrong =
            |why: String| Missing { message: format!("the {of_kind} {namespace}/{name} {why}"), is_elsewhere: false };
        match value_of(object, key) {
            Some(Ok(value)) if value.is_empty() => Err(wrong(format!("has nothing under {key}"))),
            Some(Ok(value)) => Ok(value),
            Some(Err(why)) => Err(wrong(format!("has no {why} under {key}"))),
            None => Err(wrong(format!("has no key {key}, found {}", keys_of(object)))),
        }
    }
}

/// As in Kubernetes, `stringData` overrides `data`.
fn value_of(object: &Node, key: &str) -> Option<Result<String, &'static str>> {
    let of = |part: &str| object.get(part)?.get(key)?.text();
    let is_secret = kind(object) == Some("Secret");
    let (plain, encoded) = if is_secret { ("stringData", "data") } else { ("data", "binaryData") };
    if let Some(plain) = of(plain) {
        return Some(Ok(plain.to_owned()));
    }
    let encoded: String = of(encoded)?.split_whitespace().collect();
    let Ok(bytes) = STANDARD.decode(encoded) else { return Some(Err("base64")) };
    Some(String::from_utf8(bytes).map_err(|_| "UTF-8 text"))
}

fn keys_of(object: &Node) -> String {
    let parts = ["stringData", "data", "binaryData"].into_iter().filter_map(|part| object.get(part)?.entries());
    let keys: Vec<&str> = parts.flatten().filter_map(|(key, _)| key.text()).collect();
    if keys.is_empty() { "none".into() } else { keys.join(", ") }
}
