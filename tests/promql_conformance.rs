//! Prometheus' own PromQL scripts.

use std::path::{Path, PathBuf};

use watchbell::promql::script;

/// Runs every script of a folder; panics with all failures.
fn run_folder(folder: &Path) -> usize {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap_or_else(|e| panic!("{}: {e}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == "test"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no scripts in {}", folder.display());
    let (mut passed, mut failures) = (0, String::new());
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let report = script::run(&std::fs::read_to_string(&file).unwrap()).unwrap_or_else(|e| panic!("{name}: {e}"));
        passed += report.passed;
        for failure in report.failures {
            failures.push_str(&format!("{name}: {failure}"));
        }
    }
    assert!(failures.is_empty(), "{failures}\n{passed} passed");
    passed
}

#[test]
fn prometheus_scripts_pass() {
    let Some(shared) = std::env::var_os("WATCHBELL_SHARED") else {
        eprintln!("skipped: WATCHBELL_SHARED is not set");
        return;
    };
    let folder = Path::new(&shared).join("promqltest");
    if !folder.is_dir() {
        eprintln!("skipped: {} is not there", folder.display());
        return;
    }
    assert!(run_folder(&folder) > 1_000);
}
