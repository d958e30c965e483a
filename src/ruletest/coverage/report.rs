//! Coverage as text, JSON and LCOV. The page is in a file of its own.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::item::{Coverage, Item, Kind};

/// For people: the share, by kind too, and what no test reached.
pub fn text(coverage: &Coverage) -> String {
    let mut out = String::new();
    for (item, _) in coverage.items().filter(|(_, reached)| !reached) {
        let _ = writeln!(out, "never: {}: {}", place(item), item.what);
    }
    let (reached, all) = coverage.count(None);
    let _ = writeln!(out, "coverage {}: {reached} of {all} ({})", share(coverage), by_kind(coverage));
    out
}

/// The share that was reached, rounded down: 100 % is all.
pub(super) fn share(coverage: &Coverage) -> String {
    format!("{:.0} %", coverage.percent().floor())
}

/// How many of each kind there are, and were reached: `transitions 3 of 4, routes 1 of 2`.
pub(super) fn by_kind(coverage: &Coverage) -> String {
    let counts = Kind::ALL.into_iter().map(|kind| (kind, coverage.count(Some(kind)))).filter(|(_, (_, all))| *all > 0);
    let parts: Vec<String> = counts.map(|(kind, (r, all))| format!("{} {r} of {all}", kind.plural())).collect();
    if parts.is_empty() { "nothing to reach".to_owned() } else { parts.join(", ") }
}

fn place(item: &Item) -> String {
    match item.line {
        0 => item.file.to_string(),
        line => format!("{}:{line}", item.file),
    }
}

/// One JSON object: the share, and every item with whether it was reached.
pub fn json(coverage: &Coverage) -> Json {
    let items = coverage.items().map(|(item, reached)| {
        json!({
            "file": &*item.file, "line": item.line, "kind": item.kind.as_str(), "what": item.what, "reached": reached,
        })
    });
    let (reached, total) = coverage.count(None);
    json!({
        "reached": reached, "total": total, "percent": coverage.percent(), "items": items.collect::<Vec<_>>(),
    })
}

pub(super) type ByFile<'c> = BTreeMap<&'c Arc<str>, Vec<(&'c Item, bool)>>;

pub(super) fn by_file(coverage: &Coverage) -> ByFile<'_> {
    let mut files = ByFile::new();
    for (item, reached) in coverage.items() {
        files.entry(&item.file).or_default().push((item, reached));
    }
    files
}

/// LCOV: each thing to reach is a branch of its line, and a line is hit when any of its things was reached. What has no line
/// is left out.
pub fn lcov(coverage: &Coverage) -> String {
    let mut out = String::new();
    for (file, items) in by_file(coverage) {
        let items: Vec<_> = items.into_iter().filter(|(item, _)| item.line > 0).collect();
        if items.is_empty() {
            continue;
        }
        let _ = writeln!(out, "TN:\nSF:{file}");
        let mut lines: BTreeMap<u32, bool> = BTreeMap::new();
        for (i, (item, reached)) in items.iter().enumerate() {
            let _ = writeln!(out, "BRDA:{},0,{i},{}", item.line, u8::from(*reached));
            *lines.entry(item.line).or_default() |= reached;
        }
        let hit = items.iter().filter(|(_, reached)| *reached).count();
        let _ = writeln!(out, "BRF:{}\nBRH:{hit}", items.len());
        for (line, reached) in &lines {
            let _ = writeln!(out, "DA:{line},{}", u8::from(*reached));
        }
        let hit = lines.values().filter(|reached| **reached).count();
        let _ = writeln!(out, "LF:{}\nLH:{hit}\nend_of_record", lines.len());
    }
    out
}
