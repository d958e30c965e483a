//! Relabelling: what to do to a label set, step by step.

use std::fmt;

use super::protocol::NameScheme;
use super::yaml::{Decode, Decoder, MapReader, Node};
use crate::model::re2;
use crate::section;

section! {
    /// One step of relabelling.
    pub struct RelabelConfig as "relabel config" with check {
        /// Labels whose values are joined to be matched.
        source_labels: Vec<String>,
        /// What joins them.
        separator: String = ";".into(),
        /// What the joined value must match, anchored.
        regex: RelabelRegex,
        /// Divisor of `hashmod`.
        modulus: u64,
        /// The label that is written.
        target_label: String,
        /// What is written, with the regex's groups as `$1`.
        replacement: String = DEFAULT_REPLACEMENT.into(),
        /// What the step does.
        action: RelabelAction,
    }
}

const DEFAULT_REPLACEMENT: &str = "$1";

/// What a step of relabelling does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum RelabelAction {
    /// Writes `replacement` to `target_label` when the regex matches.
    #[default]
    Replace,
    /// Keeps the target only when the regex matches.
    Keep,
    /// Drops the target when the regex matches.
    Drop,
    /// Keeps the target only when the joined value equals `target_label`'s.
    KeepEqual,
    /// Drops the target when the joined value equals `target_label`'s.
    DropEqual,
    /// Writes the hash of the joined value modulo `modulus`.
    HashMod,
    /// Copies the labels whose names match to names made from `replacement`.
    LabelMap,
    /// Drops the labels whose names match.
    LabelDrop,
    /// Keeps only the labels whose names match.
    LabelKeep,
    /// Writes the joined value in lower case.
    Lowercase,
    /// Writes the joined value in upper case.
    Uppercase,
}

const ACTIONS: [(&str, RelabelAction); 11] = [
    ("replace", RelabelAction::Replace),
    ("keep", RelabelAction::Keep),
    ("drop", RelabelAction::Drop),
    ("keepequal", RelabelAction::KeepEqual),
    ("dropequal", RelabelAction::DropEqual),
    ("hashmod", RelabelAction::HashMod),
    ("labelmap", RelabelAction::LabelMap),
    ("labeldrop", RelabelAction::LabelDrop),
    ("labelkeep", RelabelAction::LabelKeep),
    ("lowercase", RelabelAction::Lowercase),
    ("uppercase", RelabelAction::Uppercase),
];

impl RelabelAction {
    /// The action of a name, in any case.
    fn named(node: &Node) -> Option<Self> {
        let given = node.text().unwrap_or_default().to_lowercase();
        ACTIONS.iter().find(|(name, _)| *name == given).map(|(_, action)| *action)
    }
}

impl fmt::Display for RelabelAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = ACTIONS.iter().find(|(_, a)| a == self).map_or("", |(n, _)| n);
        f.write_str(name)
    }
}

impl Decode for RelabelAction {
    fn decode(node: &Node, d: &Decoder) -> Option<Self> {
        match RelabelAction::named(node) {
            Some(action) => Some(action),
            None => {
                let names: Vec<&str> = ACTIONS.iter().map(|(n, _)| *n).collect();
                let found = node.describe();
                d.error(node.position, format!("unknown relabel action {found}, expected one of {}", names.join(", ")));
                None
            }
        }
    }
}

/// An anchored regular expression with groups.
#[derive(Clone)]
pub struct RelabelRegex {
    source: String,
    /// `None` is the default `(.*)`, which needs no engine.
    compiled: Option<regex::Regex>,
}

impl RelabelRegex {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(source: &str) -> Result<Self, String> {
        match re2::compile_anchored(source) {
            Ok(regex) => Ok(RelabelRegex { source: source.to_owned(), compiled: Some(regex) }),
            Err(e) => Err(format!("invalid regular expression {source:?}: {e}")),
        }
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.source
    }

    /// The compiled pattern; `None` for the default `(.*)`, whose only group is the whole value.
    pub fn compiled(&self) -> Option<&regex::Regex> {
        self.compiled.as_ref()
    }

    fn is_default(&self) -> bool {
        self.source == "(.*)"
    }
}

impl Default for RelabelRegex {
    fn default() -> Self {
        RelabelRegex { source: "(.*)".into(), compiled: None }
    }
}

impl PartialEq for RelabelRegex {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl fmt::Debug for RelabelRegex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.source, f)
    }
}

impl Decode for RelabelRegex {
    fn decode(node: &Node, d: &Decoder) -> Option<Self> {
        let Some(text) = node.text() else { return d.mismatch(node, "a regular expression") };
        RelabelRegex::new(text).map_err(|e| d.error(node.position, e)).ok()
    }
}

impl RelabelConfig {
    fn check(&mut self, m: &MapReader) {
        use RelabelAction::{
            DropEqual, HashMod, KeepEqual, LabelDrop, LabelKeep, LabelMap, Lowercase, Replace, Uppercase,
        };
        // What an action asks for cannot be told of one that is unknown, and that is reported.
        if m.node_at("action").is_some_and(|n| RelabelAction::named(n).is_none()) {
            return;
        }
        let action = self.action;
        if self.source_labels.iter().any(String::is_empty) {
            m.error("source_labels", "\"\" is not a valid label name");
        }
        if action == HashMod && self.modulus == 0 {
            m.error("modulus", "relabel configuration for hashmod requires non-zero modulus");
        }
        let needs_target = [Replace, HashMod, Lowercase, Uppercase, KeepEqual, DropEqual].contains(&action);
        if needs_target && self.target_label.is_empty() {
            m.error("target_label", format!("relabel configuration for {action} action requires 'target_label' value"));
        }
        let fixed_replacement = [Lowercase, Uppercase, KeepEqual, DropEqual].contains(&action);
        if fixed_replacement && self.replacement != DEFAULT_REPLACEMENT {
            m.error("replacement", format!("'replacement' can not be set for {action} action"));
        }
        if action == LabelMap && self.replacement.is_empty() {
            m.error("replacement", format!("\"\" is invalid 'replacement' for {action} action"));
        }
        let plain = self.modulus == 0 && self.separator == ";" && self.replacement == DEFAULT_REPLACEMENT;
        if [DropEqual, KeepEqual].contains(&action) && !(plain && self.regex.is_default()) {
            let message =
                format!("{action} action requires only 'source_labels' and `target_label`, and no other fields");
            m.error("action", message);
        }
        let bare = plain && self.source_labels.is_empty() && self.target_label.is_empty();
        if [LabelDrop, LabelKeep].contains(&action) && !bare {
            m.error("action", format!("{action} action requires only 'regex', and no other fields"));
        }
    }
}

/// What a label may be called whose name is made from groups, where only letters, digits and underscores are valid.
const LEGACY_TEMPLATE: &str = r"(?:(?:[a-zA-Z_]|\$(?:\{\w+\}|\w+))+\w*)+";

/// Reports labels that steps of relabelling would write under names that are not valid.
pub(super) fn check_names(configs: &[RelabelConfig], list: Option<&Node>, names: NameScheme, d: &Decoder) {
    use RelabelAction::{DropEqual, HashMod, KeepEqual, LabelMap, Lowercase, Replace, Uppercase};
    let template = match names {
        NameScheme::Utf8 => return,
        NameScheme::Legacy => RelabelRegex::new(LEGACY_TEMPLATE).ok().and_then(|regex| regex.compiled),
    };
    let is_template = |text: &str| template.as_ref().is_some_and(|regex| regex.is_match(text));
    let items = list.and_then(Node::items).unwrap_or_default();
    for (config, item) in configs.iter().zip(items) {
        let (key, text, is_valid) = match config.action {
            Replace if config.target_label.contains('$') => {
                ("target_label", &config.target_label, is_template(&config.target_label))
            }
            Replace | HashMod | Lowercase | Uppercase | KeepEqual | DropEqual => {
                ("target_label", &config.target_label, names.is_label_name(&config.target_label))
            }
            LabelMap => ("replacement", &config.replacement, is_template(&config.replacement)),
            _ => continue,
        };
        if !is_valid {
            let at = item.get(key).map_or(item.position, |n| n.position);
            d.error(at, format!("{text:?} is invalid '{key}' for {} action", config.action));
        }
    }
}
