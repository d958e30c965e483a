//! One AlertmanagerConfig object, rewritten by the tables of its fields into what Alertmanager reads.

use std::cell::RefCell;
use std::collections::BTreeSet;

use super::field::{Field, Kind, Version};
use super::schema::{DAYS, EITHER, MATCHER, PAIR, REFERENCE, ROUTE, THREADING, TLS};
use super::secrets::{Lookup, STAND_IN};
use super::tree::Maker;
use crate::config::yaml::{Decoder, Node, Scalar, nearest};

/// What rewrites an object.
pub struct Converter<'a> {
    /// Who is told what is wrong.
    pub d: &'a Decoder<'a>,
    /// Who makes nodes.
    pub make: &'a Maker,
    /// Where values of Secrets are.
    pub lookup: &'a Lookup<'a>,
    /// The version of the object.
    pub version: Version,
    /// Its namespace.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Global settings that integrations count on and that nobody knows; `None` where all of them are known.
    pub unknown: Option<&'a RefCell<BTreeSet<&'static str>>>,
}

impl Converter<'_> {
    /// A mapping, field by field. `what` names it in messages.
    pub fn section(&self, node: &Node, fields: &[Field], what: &str) -> Option<Node> {
        let Some(entries) = node.entries() else { return self.d.mismatch(node, &format!("a mapping ({what})")) };
        let fields: Vec<&Field> = fields.iter().filter(|f| f.only.is_none_or(|only| only == self.version)).collect();
        let mut taken: Vec<(&Field, (Node, Node))> = Vec::new();
        for (key, value) in entries {
            let name = key.text().unwrap_or_default();
            match fields.iter().find(|field| field.name == name) {
                None => self.d.error(key.position, unknown(name, &fields, what)),
                Some(_) if value.is_null() => {}
                Some(field) => {
                    let to = field.alertmanager_name();
                    taken.extend(self.value(value, field).map(|value| (*field, (self.make.plain(&to, key), value))));
                }
            }
        }
        let is_set = |field: &Field| node.get(field.name).is_some_and(|value| !value.is_null());
        for field in fields.iter().filter(|field| !is_set(field)) {
            match (field.required, field.global, self.unknown) {
                (true, ..) => self.d.error(node.position, format!("expected {} in {what}, found none", field.name)),
                (_, Some(setting), Some(all)) => {
                    all.borrow_mut().insert(setting);
                    let message =
                        format!("no {}: the global {setting} that counts is not among these files", field.name);
                    self.d.warn(node.position, message);
                }
                _ => {}
            }
        }
        self.without_rivals(&mut taken);
        Some(self.make.mapping(taken.into_iter().map(|(_, entry)| entry).collect(), node))
    }

    /// Of two fields that are one for Alertmanager, the one counts whose row is first.
    fn without_rivals(&self, taken: &mut Vec<(&Field, (Node, Node))>) {
        let counts = |field: &Field, other: &Field| match (field.name, other.name) {
            ("url", "urlSecret") | ("proxyUrl", "proxyURL") => Some(other.name.to_owned()),
            _ => None,
        };
        let names: Vec<Field> = taken.iter().map(|(field, _)| **field).collect();
        taken.retain(|(field, (key, _))| {
            let Some(rival) = names.iter().find_map(|other| counts(field, other)) else { return true };
            self.d.warn(key.position, format!("{} has no effect beside {rival}", field.name));
            false
        });
    }

    fn value(&self, node: &Node, field: &Field) -> Option<Node> {
        let what = field.name;
        match field.kind {
            Kind::Text => self.text(node).map(|_| node.clone()),
            Kind::Word => self.word(node, what).map(|_| node.clone()),
            Kind::OneOf(words) => self.one_of(node, words),
            Kind::Flag => self.is(node, "a boolean", |s| matches!(s, Scalar::Bool(_))),
            Kind::Whole => self.is(node, "an integer", |s| matches!(s, Scalar::Int(_))),
            Kind::Texts => self.each(node, |item| self.text(item).map(|_| item.clone())),
            Kind::Names => self.each(node, |item| Some(self.make.text(&self.text(item)?.to_lowercase(), item))),
            Kind::Days => self.each(node, |item| self.days(item)),
            Kind::Secret => self.referred(node, "Secret", field),
            Kind::Either => self.either(node, field),
            Kind::Section(fields) => self.section(node, fields, what),
            Kind::Sections(fields) => self.each(node, |item| self.section(item, fields, what)),
            Kind::Tls => self.tls(node, what),
            Kind::Routes => self.each(node, |item| self.section(item, ROUTE, what)),
            Kind::Threading => {
                let enabled = self.make.plain("true", node);
                self.section(node, THREADING, what).map(|section| self.make.with(&section, "enabled", enabled))
            }
            Kind::Pairs => self.pairs(node, what),
            Kind::Map => self.map(node, what, |value| self.text(value).map(|_| value.clone())),
            Kind::SecretLists => {
                self.map(node, what, |list| self.each(list, |item| self.referred(item, "Secret", field)))
            }
            Kind::Own => self.own(node),
            Kind::Owns => self.each(node, |item| self.own(item)),
            Kind::Matchers => self.each(node, |item| self.matcher(item)),
        }
    }

    fn text<'n>(&self, node: &'n Node) -> Option<&'n str> {
        match (node.text(), node.scalar()) {
            (Some(text), Some(Scalar::Text)) => Some(text),
            _ => self.d.mismatch(node, "a string"),
        }
    }

    fn word<'n>(&self, node: &'n Node, what: &str) -> Option<&'n str> {
        let text = self.text(node)?;
        if text.is_empty() {
            self.d.error(node.position, format!("expected a text that is not empty as {what}"));
            return None;
        }
        Some(text)
    }

    fn one_of(&self, node: &Node, words: &[&str]) -> Option<Node> {
        let word = self.text(node)?;
        if !words.contains(&word) {
            return self.d.mismatch(node, &format!("one of {}", words.join(", ")));
        }
        Some(self.make.text(&word.to_lowercase(), node))
    }

    fn is(&self, node: &Node, what: &str, is_it: impl Fn(&Scalar) -> bool) -> Option<Node> {
        match node.scalar().is_some_and(|scalar| is_it(&scalar)) {
            true => Some(node.clone()),
            false => self.d.mismatch(node, what),
        }
    }

    /// The items of a list; those that are wrong are told of.
    fn each(&self, node: &Node, item: impl Fn(&Node) -> Option<Node>) -> Option<Node> {
        let Some(items) = node.items() else { return self.d.mismatch(node, "a list") };
        Some(self.make.sequence(items.iter().filter_map(item).collect(), node))
    }

    fn map(&self, node: &Node, what: &str, value: impl Fn(&Node) -> Option<Node>) -> Option<Node> {
        let Some(entries) = node.entries() else { return self.d.mismatch(node, &format!("a mapping ({what})")) };
        let entries = entries.iter().filter_map(|(k, v)| Some((k.clone(), value(v)?)));
        Some(self.make.mapping(entries.collect(), node))
    }

    /// Of two pairs with one key the last counts.
    fn pairs(&self, node: &Node, what: &str) -> Option<Node> {
        let Some(items) = node.items() else { return self.d.mismatch(node, "a list of key and value") };
        let mut entries: Vec<(Node, Node)> = Vec::new();
        for item in items {
            let Some(pair) = self.section(item, PAIR, what) else { continue };
            let (Some(key), Some(value)) = (pair.get("key"), pair.get("value")) else { continue };
            if let Some(first) = entries.iter().position(|(known, _)| known.text() == key.text()) {
                let (shadowed, _) = entries.remove(first);
                let name = key.text().unwrap_or_default();
                self.d.warn(shadowed.position, format!("the key {name} has no effect: it is there again"));
            }
            entries.push((key.clone(), value.clone()));
        }
        Some(self.make.mapping(entries, node))
    }

    /// `namespace/object/name`; what is empty stays so.
    fn own(&self, node: &Node) -> Option<Node> {
        match self.text(node)? {
            "" => Some(node.clone()),
            name => Some(self.make.text(&format!("{}/{}/{name}", self.namespace, self.name), node)),
        }
    }

    fn days(&self, node: &Node) -> Option<Node> {
        let days = self.section(node, DAYS, "daysOfMonth")?;
        let [Some(start), Some(end)] = ["start", "end"].map(|key| days.get(key).and_then(Node::text)) else {
            self.d.error(node.position, "expected start and end of days of a month");
            return None;
        };
        Some(self.make.text(&format!("{start}:{end}"), node))
    }

    /// A matcher as a text: `name="value"`.
    fn matcher(&self, node: &Node) -> Option<Node> {
        let matcher = self.section(node, MATCHER, "a matcher")?;
        let of = |key: &str| matcher.get(key).and_then(Node::text);
        let is_regex = matcher.get("regex").and_then(Node::scalar) == Some(Scalar::Bool(true));
        let op = of("match_type").unwrap_or(if is_regex { "=~" } else { "=" });
        Some(self.make.text(&matcher_text(of("name")?, op, of("value").unwrap_or_default()), node))
    }

    /// Without one of its parts the others are left out, too: they say nothing alone.
    fn tls(&self, node: &Node, what: &str) -> Option<Node> {
        let section = self.section(node, TLS, what)?;
        let entries = section.entries().unwrap_or_default();
        if entries.iter().all(|(_, value)| value.text() != Some(STAND_IN)) {
            return Some(section);
        }
        let kept = entries.iter().filter(|(key, _)| !matches!(key.text(), Some("ca" | "cert" | "key")));
        Some(self.make.mapping(kept.cloned().collect(), node))
    }

    fn either(&self, node: &Node, field: &Field) -> Option<Node> {
        let kinds = [("secret", "Secret"), ("configMap", "ConfigMap")];
        if let Some(entries) = node.entries() {
            let names: Vec<&Field> = EITHER.iter().collect();
            let strange = entries.iter().filter(|(key, _)| kinds.iter().all(|(name, _)| key.text() != Some(name)));
            for (key, _) in strange {
                self.d.error(key.position, unknown(key.text().unwrap_or_default(), &names, field.name));
            }
        }
        let mut found = kinds.iter().filter_map(|(name, kind)| Some((kind, node.get(name).filter(|n| !n.is_null())?)));
        match (found.next(), found.next()) {
            (Some((kind, reference)), None) => self.referred(reference, kind, field),
            _ => self.d.mismatch(node, "one of secret and configMap"),
        }
    }

    /// What a reference names.
    fn referred(&self, node: &Node, kind: &str, field: &Field) -> Option<Node> {
        let reference = self.section(node, REFERENCE, field.name)?;
        let of = |key: &str| reference.get(key).and_then(Node::text);
        let value = self.lookup.value(self.namespace, kind, of("name")?, of("key")?);
        let value = match value {
            Ok(value) => value,
            Err(missing) if missing.is_elsewhere => {
                self.d.warn(node.position, missing.message);
                STAND_IN.to_owned()
            }
            Err(missing) => {
                self.d.error(node.position, missing.message);
                return None;
            }
        };
        // As in the operator, blanks around an address are none of it.
        let is_address = field.alertmanager_name().ends_with("url");
        let made = self.make.text(if is_address { value.trim() } else { &value }, node);
        self.d.note_secret(&made);
        Some(made)
    }
}

fn unknown(name: &str, fields: &[&Field], what: &str) -> String {
    let names: Vec<&'static str> = fields.iter().map(|field| field.name).collect();
    let hint = match nearest(name, &names) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("expected one of {}", names.join(", ")),
    };
    format!("field {name} not found in {what}, {hint}")
}

/// A matcher as Alertmanager reads it.
pub fn matcher_text(name: &str, op: &str, value: &str) -> String {
    let value = value.replace('\\', "\\\\").replace('\n', "\\n").replace('"', "\\\"");
    format!("{name}{op}\"{value}\"")
}
