//! `watchbell fmt` over the field's rule files: what it writes says the same, once and for all.

use std::path::{Path, PathBuf};
use std::process::Command;

use watchbell::cli::fmt::format_rules;
use watchbell::promql::{CompileOptions, Features, compile};
use watchbell::rules::{LoadOptions, load_str};

use crate::support::shared;

fn yaml_files(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            yaml_files(&path, out);
        } else if path.extension().is_some_and(|e| e == "yml" || e == "yaml") {
            out.push(path);
        }
    }
}

/// Everything that an expression's plan says of it.
fn meaning(expr: &str) -> String {
    let plan = compile(expr, &CompileOptions { features: Features::all() }).unwrap();
    let nodes: Vec<_> = plan.nodes().iter().map(|n| (&n.identity, n.value_type, n.invariant, n.one_name)).collect();
    format!("{nodes:?}\n{:?}", plan.outline())
}

#[test]
fn rule_files_of_the_field_say_the_same_when_they_are_laid_out() {
    let mut files = Vec::new();
    for folder in ["rules", "ruletests", "mission"] {
        let Some(dir) = shared(folder) else { return };
        yaml_files(&dir, &mut files);
    }
    let (mut laid_out, mut expressions) = (0, 0);
    for path in files {
        let name = path.display().to_string();
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        let Ok(before) = load_str(&name, &text, &LoadOptions::default()) else { continue };
        let new = format_rules(&name, &text).unwrap_or_else(|e| panic!("{e}"));
        assert!(new.left_alone.is_empty(), "{:?}", new.left_alone);
        assert_eq!(format_rules(&name, &new.text).unwrap().text, new.text, "{name}: a second time");
        let after = load_str(&name, &new.text, &LoadOptions::default()).unwrap();
        let rules = |groups: &[watchbell::rules::RuleGroup]| -> Vec<_> {
            groups.iter().flat_map(|g| g.rules.iter().map(|r| (r.name.clone(), r.expr.clone()))).collect()
        };
        let (before, after) = (rules(&before), rules(&after));
        assert_eq!(before.len(), after.len(), "{name}");
        for ((rule, old), (_, new)) in before.iter().zip(&after) {
            assert_eq!(meaning(old), meaning(new), "{name}: {rule}\n{old}\n{new}");
            expressions += 1;
        }
        laid_out += 1;
    }
    assert!(laid_out > 50 && expressions > 1_000, "{laid_out} files, {expressions} expressions");
}

#[test]
fn the_command_changes_files_only_when_it_may() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("r.yml");
    let text = "groups: [{name: g, rules: [{record: r, expr: a+b}]}]\n";
    let want = text.replace("a+b", "a + b");
    let run = |arguments: &[&str]| {
        let ran = Command::new(env!("CARGO_BIN_EXE_watchbell")).arg("fmt").args(arguments).arg(&file).output().unwrap();
        (ran.status.code().unwrap(), String::from_utf8(ran.stdout).unwrap())
    };
    let name = format!("{}\n", file.display());
    for (arguments, code, shown, then) in [
        (&["--check"][..], 1, name.as_str(), text),
        (&["--check", "--diff"], 1, "+groups", text),
        (&["--diff"], 0, "-groups", text),
        (&[], 0, name.as_str(), &want),
        (&["--check"], 0, "", &want),
        (&[], 0, "", &want),
    ] {
        if then == text {
            std::fs::write(&file, text).unwrap();
        }
        let (got, out) = run(arguments);
        assert!(got == code && out.contains(shown) && out.is_empty() == shown.is_empty(), "{arguments:?}: {got} {out}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), then, "{arguments:?}");
    }
}
