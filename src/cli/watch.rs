//! `--watch`: runs again what a saved file touches.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

/// How often files are looked at.
const EVERY: Duration = Duration::from_millis(300);

/// Runs all files once, then again those that changed or whose neighbours did, until interrupted.
pub fn watch(files: &[PathBuf], run: &dyn Fn(&[PathBuf]) -> ExitCode) -> ExitCode {
    let mut known = stamps(files);
    run(files);
    loop {
        std::thread::sleep(EVERY);
        let now = stamps(files);
        let changed: Vec<&PathBuf> = now.iter().filter(|(p, t)| known.get(*p) != Some(t)).map(|(p, _)| p).collect();
        let touched: Vec<PathBuf> = files.iter().filter(|f| touches(f, &changed)).cloned().collect();
        if !touched.is_empty() {
            println!();
            run(&touched);
        }
        known = now;
    }
}

/// Whether a test file must run again: it changed itself, or a rule file did that it may load.
fn touches(test: &Path, changed: &[&PathBuf]) -> bool {
    let names: Vec<&str> = changed.iter().filter_map(|p| p.file_name()?.to_str()).collect();
    if changed.iter().any(|p| p.as_path() == test) {
        return true;
    }
    // A rule file is named by its path or matched by a pattern; a test that says neither its name nor a wildcard does
    // not load it.
    let text = std::fs::read_to_string(test).unwrap_or_default();
    let head: Vec<&str> = text.lines().take_while(|l| !l.starts_with("tests:")).collect();
    let wild = head.iter().any(|l| l.contains('*'));
    !names.is_empty() && (wild || names.iter().any(|n| head.iter().any(|l| l.contains(n))))
}

/// When the test files, and every YAML file up to two folders around them, were last written.
fn stamps(files: &[PathBuf]) -> BTreeMap<PathBuf, SystemTime> {
    let mut out = BTreeMap::new();
    for file in files {
        let near = file.parent().into_iter().flat_map(|p| [Some(p), p.parent()]).flatten();
        for folder in near {
            let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                let yaml = path.extension().is_some_and(|e| e == "yml" || e == "yaml" || e == "rules");
                if let Some(time) =
                    entry.metadata().ok().filter(|m| yaml && m.is_file()).and_then(|m| m.modified().ok())
                {
                    out.insert(path, time);
                }
            }
        }
    }
    out
}
