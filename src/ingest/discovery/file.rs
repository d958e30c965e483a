//! `file_sd_configs`: target groups in JSON or YAML files, named by globs and read anew at intervals, and soon after they
//! change. A file that cannot be read keeps the groups it had.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use futures::future::BoxFuture;
use serde::Deserialize;

use super::entries;
use super::group::TargetGroup;
use super::site::{Discover, Site};
use crate::clock::Stopwatch;
use crate::config::FileSdConfig;

/// The largest file that is read, in bytes.
const MAX_FILE_SIZE: u64 = 64 << 20;
/// How often it is looked whether a file has changed.
const GLANCE: Duration = Duration::from_secs(3);

/// The label that names the file a target was found in.
const META_FILEPATH: &str = "__meta_filepath";

/// A file that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {reason}", path.display())]
struct FileError {
    path: PathBuf,
    /// What is wrong, with line and column where the format's parser gives them.
    reason: String,
}

impl Discover for FileSdConfig {
    const MECHANISM: &'static str = "file";

    fn run(self, site: Site) -> BoxFuture<'static, ()> {
        Box::pin(follow(self, site))
    }
}

async fn follow(config: FileSdConfig, site: Site) {
    let interval = config.refresh_interval.as_std().max(Duration::from_millis(1));
    let mut files = Files::new(config.files);
    loop {
        let watch = Stopwatch::start();
        let errors;
        (files, errors) = match apart(files, Files::refresh, &site).await {
            Ok(read) => read,
            // It begins anew; what was found last counts meanwhile.
            Err(anew) => {
                files = anew;
                tokio::time::sleep(interval).await;
                continue;
            }
        };
        site.counts.refreshed(watch.elapsed());
        for error in &errors {
            site.counters.file_read_errors.inc();
            site.tell("", &error.to_string(), "Error reading file");
        }
        match site.publish(files.groups().cloned().collect()) {
            Err(error) => site.failed(&error),
            Ok(()) if errors.is_empty() => site.works(),
            Ok(()) => {}
        }
        while watch.elapsed() < interval {
            tokio::time::sleep(GLANCE.min(interval.saturating_sub(watch.elapsed()))).await;
            let changed;
            (files, changed) = match apart(files, |files| files.have_changed(), &site).await {
                Ok(looked) => looked,
                Err(anew) => (anew, true),
            };
            if changed {
                break;
            }
        }
    }
}

/// Does something on a thread that may wait. A panic, which is a defect, is told, and gives files of which nothing has been
/// read yet.
async fn apart<T: Send + 'static>(
    mut files: Files,
    work: impl FnOnce(&mut Files) -> T + Send + 'static,
    site: &Site,
) -> Result<(Files, T), Files> {
    let patterns = files.patterns.clone();
    let done = tokio::task::spawn_blocking(move || {
        let done = work(&mut files);
        (files, done)
    });
    match done.await {
        Ok(done) => Ok(done),
        Err(error) => {
            site.failed(&format!("reading files ended badly; this is a defect: {error}"));
            Err(Files::new(patterns))
        }
    }
}

/// What tells a file from what it was: when it was written, and how long it is.
type Stamp = (Option<SystemTime>, u64);

/// The files of one `file_sd_configs` entry and what was last read from each.
#[derive(Debug)]
struct Files {
    patterns: Vec<String>,
    files: BTreeMap<PathBuf, Vec<TargetGroup>>,
    stamps: BTreeMap<PathBuf, Stamp>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    #[serde(default)]
    targets: Vec<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

impl Files {
    /// Nothing has been read yet. The patterns are paths whose last part may hold `*`, `?` and `[...]`.
    fn new(patterns: Vec<String>) -> Self {
        Files { patterns, files: BTreeMap::new(), stamps: BTreeMap::new() }
    }

    fn paths(&self) -> impl Iterator<Item = PathBuf> {
        self.patterns.iter().flat_map(|p| expand(p))
    }

    fn stamps(&self) -> BTreeMap<PathBuf, Stamp> {
        let stamp = |path: PathBuf| {
            let data = std::fs::metadata(&path).ok();
            (path, (data.as_ref().and_then(|d| d.modified().ok()), data.map_or(0, |d| d.len())))
        };
        self.paths().map(stamp).collect()
    }

    /// Whether files have come, gone or been written since they were read.
    fn have_changed(&self) -> bool {
        self.stamps() != self.stamps
    }

    /// Reads all files anew. Files that are gone lose their groups; files that cannot be read keep them and are reported.
    fn refresh(&mut self) -> Vec<FileError> {
        let mut errors = Vec::new();
        let mut files = BTreeMap::new();
        // What is written while it is read differs from its stamp.
        self.stamps = self.stamps();
        for path in self.stamps.keys().cloned() {
            match read_groups(&path) {
                Ok(groups) => {
                    files.insert(path, groups);
                }
                Err(reason) => {
                    if let Some(last_good) = self.files.remove(&path) {
                        files.insert(path.clone(), last_good);
                    }
                    errors.push(FileError { path, reason });
                }
            }
        }
        self.files = files;
        errors
    }

    /// The groups of all files, in the order of their paths.
    fn groups(&self) -> impl Iterator<Item = &TargetGroup> {
        self.files.values().flatten()
    }
}

fn expand(pattern: &str) -> Vec<PathBuf> {
    glob::glob(pattern).map(|paths| paths.flatten().filter(|p| p.is_file()).collect()).unwrap_or_default()
}

fn read_groups(path: &Path) -> Result<Vec<TargetGroup>, String> {
    let size = std::fs::metadata(path).map_err(|e| e.to_string())?.len();
    if size > MAX_FILE_SIZE {
        return Err(format!("{size} bytes are more than {MAX_FILE_SIZE}"));
    }
    let text = std::fs::read_to_string(path).map_err(|e| e.to_string())?;
    let shown = path.display().to_string();
    let meta = (META_FILEPATH, shown.as_str());
    match path.extension().and_then(|e| e.to_str()) {
        Some("json") => entries::of_json::<Entry>(text.as_bytes(), meta),
        Some("yml" | "yaml") if text.trim().is_empty() => Ok(Vec::new()),
        Some("yml" | "yaml") => entries::of_yaml::<Entry>(&text, meta),
        _ => Err("expected an extension .json, .yml or .yaml".into()),
    }
}

impl entries::Entry for Entry {
    fn parts(self) -> (Vec<String>, BTreeMap<String, String>) {
        (self.targets, self.labels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(d: &Files) -> Vec<String> {
        let name = |g: &TargetGroup| {
            let file = Path::new(g.labels.value(META_FILEPATH)).file_name().unwrap().to_str().unwrap().to_owned();
            let targets: Vec<&str> = g.targets.iter().map(|t| t.value(super::super::group::ADDRESS)).collect();
            format!("{file} {} {}", targets.join(","), g.labels.value("team"))
        };
        d.groups().map(name).collect()
    }

    #[test]
    fn files_come_change_break_and_go() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        write("a.json", r#"[{"targets": ["h:1", "h:2"], "labels": {"team": "ml"}}]"#);
        write("b.yml", "- targets: ['h:3']\n  labels: {team: فريق}\n");
        write("c.txt", "not a target file");
        let mut d =
            Files::new(vec![format!("{}/*.json", dir.path().display()), format!("{}/*.yml", dir.path().display())]);
        assert_eq!(seen(&d), Vec::<String>::new());
        assert_eq!(d.refresh(), []);
        assert_eq!(seen(&d), ["a.json h:1,h:2 ml", "b.yml h:3 فريق"]);

        write("a.json", "[{\"targets\": [\"h:1\"]}, nonsense]");
        let errors = d.refresh();
        assert!(errors[0].to_string().contains("a.json: ") && errors[0].reason.contains("line 1"), "{errors:?}");
        assert_eq!(seen(&d), ["a.json h:1,h:2 ml", "b.yml h:3 فريق"]);

        write("a.json", "[null]");
        assert_eq!(d.refresh()[0].reason, "nil target group item found (index 0)");
        write("a.json", r#"[{"targets": [], "lables": {}}]"#);
        assert!(d.refresh()[0].reason.contains("lables"));

        std::fs::remove_file(dir.path().join("b.yml")).unwrap();
        write("a.json", r#"[{"targets": ["h:9"]}]"#);
        assert_eq!(d.refresh(), []);
        assert_eq!(seen(&d), ["a.json h:9 "]);
    }
}
