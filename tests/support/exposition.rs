//! What an exposition of metrics holds.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;

/// The families of an exposition with a prefix: their kinds, and the label names of their samples.
pub fn families(text: &str, prefix: &str) -> BTreeMap<String, (String, BTreeSet<String>)> {
    let mut families: BTreeMap<String, (String, BTreeSet<String>)> = BTreeMap::new();
    let label = Regex::new(r#"([a-z_]+)="(?:[^"\\]|\\.)*""#).unwrap();
    let mut name = String::new();
    for line in text.lines() {
        if let Some(said) = line.strip_prefix("# TYPE ") {
            let (family, kind) = said.split_once(' ').unwrap();
            name = family.to_owned();
            families.insert(name.clone(), (kind.to_owned(), BTreeSet::new()));
        } else if line.starts_with(&name) && !name.is_empty() {
            let names = label.captures_iter(line).map(|found| found[1].to_owned());
            families.get_mut(&name).unwrap().1.extend(names);
        }
    }
    families.retain(|name, _| name.starts_with(prefix));
    families
}
