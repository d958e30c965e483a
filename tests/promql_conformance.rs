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
        let report = script::run(&std::fs::read_to_string(&file).unwrap());
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

#[test]
fn our_own_scripts_pass() {
    assert!(run_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/promql")) > 50);
}

#[test]
fn altered_expectations_fail() {
    for (script, line) in [
        ("load 1m\n  m 1\n\neval instant at 0 m\n  m 2\n", 4),
        ("load 1m\n  m 1\n\neval instant at 0 m\n  m 1.00001\n", 4),
        ("load 1m\n  m 1\n\neval instant at 0 m\n", 4),
        ("load 1m\n  m 1\n\neval instant at 0 m\n  m 1\n  n 1\n", 4),
        ("load 1m\n  m 1 2\n\neval range from 0 to 1m step 1m m\n  m 1 3\n", 4),
        ("load 1m\n  m 1 2\n\neval range from 0 to 1m step 1m m\n  m 1\n", 4),
        ("eval instant at 0 1 + 1\n  3\n", 1),
        ("eval instant at 0 \"a\"\n  expect string \"b\"\n", 1),
        ("eval instant at 0 1 + 1\n  expect fail\n", 1),
        ("eval instant at 0 nothing{\n  expect fail msg: another text\n", 1),
        ("load 1m\n  m 1\n\neval instant at 0 quantile(2, m)\n  expect no_warn\n  {} +Inf\n", 4),
        ("load 1m\n  m 1\n\neval instant at 0 m\n  expect warn\n  m 1\n", 4),
        (
            "load 1m\n  m{i=\"1\"} 1\n  m{i=\"2\"} 2\n\neval instant at 0 sort(m)\n  expect ordered\n  m{i=\"2\"} 2\n  m{i=\"1\"} 1\n",
            5,
        ),
        ("load 1m\n  m {{sum:1 count:1 buckets:[1]}}\n\neval instant at 0 m\n  m {{sum:1 count:1 buckets:[0 1]}}\n", 4),
    ] {
        let report = script::run(script);
        let lines: Vec<usize> = report.failures.iter().map(|f| f.line).collect();
        assert_eq!(lines, [line], "{script}");
    }
}
