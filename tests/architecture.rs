//! Imports run one way: a module never names one above it.

use std::path::{Path, PathBuf};

/// From the ground up. A module may name those before it.
const ORDER: [&str; 21] = [
    "clock",
    "model",
    "template",
    "config",
    "state",
    "net",
    "fleet",
    "tsdb",
    "ingest",
    "promql",
    "datasource",
    "rules",
    "alerting",
    "routing",
    "notify",
    "engine",
    "ruletest",
    "backtest",
    "server",
    "service",
    "cli",
];

fn sources(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

/// The top-level modules that a source names: `crate::NAME` and `use crate::{NAME::...}`.
fn named(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            None => names.push(identifier(rest)),
            Some(list) => {
                let list = list.split(';').next().unwrap_or("");
                names.extend(list.split([',', '{']).map(|item| identifier(item.trim_start())));
            }
        }
    }
    names
}

fn identifier(text: &str) -> String {
    text.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()
}

fn rank(module: &str) -> Option<usize> {
    ORDER.iter().position(|m| *m == module)
}

#[test]
fn a_module_never_names_one_above_it() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    assert!(files.len() > 100, "{}", files.len());
    let mut wrong = Vec::new();
    for file in files {
        let relative = file.strip_prefix(&src).unwrap();
        let top = relative.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
        let top = top.trim_end_matches(".rs").to_owned();
        if top == "lib" || top == "main" {
            continue;
        }
        let own = rank(&top).unwrap_or_else(|| panic!("{top} has no place in the order"));
        let text = std::fs::read_to_string(&file).unwrap();
        // What a test of a module uses is its own affair.
        let code = text.split("#[cfg(test)]").next().unwrap_or("");
        for name in named(code) {
            if rank(&name).is_some_and(|r| r > own) {
                wrong.push(format!("{} names {name}", relative.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn names_are_found_in_every_form_of_import() {
    let text = "use crate::model::Labels;\nuse crate::{clock, tsdb::{Tsdb, X}};\nfn f() { crate::engine::go() }";
    let found = named(text);
    for name in ["model", "clock", "tsdb", "engine"] {
        assert!(found.iter().any(|n| n == name), "{name}: {found:?}");
    }
}
