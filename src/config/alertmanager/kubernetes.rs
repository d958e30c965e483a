//! A Kubernetes Secret that carries an Alertmanager configuration, in `stringData` or base64 `data`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::config::yaml::{Decoder, Node};

/// Where the configuration inside the Secret is found, in order of preference.
const KEYS: [&str; 2] = ["alertmanager.yaml", "alertmanager.yml"];

/// What a Secret carries.
pub enum Carried {
    /// The text stands in the file, under this node; its places can be told.
    Text(Node),
    /// The text was encoded.
    Decoded(String),
}

/// Whether a document is a Kubernetes Secret.
pub fn is_secret(node: &Node) -> bool {
    node.get("kind").and_then(Node::text) == Some("Secret") && node.get("apiVersion").is_some()
}

/// Takes the configuration out of a Secret; reports why there is none. Of several keys the well-known ones win, else the
/// only one counts.
pub fn take(secret: &Node, d: &Decoder) -> Option<Carried> {
    // As in Kubernetes, stringData overrides data.
    if let Some(node) = secret.get("stringData").and_then(pick) {
        return Some(Carried::Text(node.clone()));
    }
    let Some(node) = secret.get("data").and_then(pick) else {
        d.error(secret.position, "expected alertmanager.yaml in the Secret's stringData or data, found neither");
        return None;
    };
    let encoded: String = node.text().unwrap_or_default().split_whitespace().collect();
    let decoded = STANDARD.decode(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    match decoded {
        Some(text) => {
            d.note_secret(node);
            Some(Carried::Decoded(text))
        }
        None => {
            d.error(node.position, "expected base64 of UTF-8 text in the Secret's data");
            None
        }
    }
}

fn pick(data: &Node) -> Option<&Node> {
    let known = KEYS.iter().find_map(|key| data.get(key));
    let only = || match data.entries() {
        Some([(_, value)]) => Some(value),
        _ => None,
    };
    known.or_else(only).filter(|n| n.text().is_some())
}
