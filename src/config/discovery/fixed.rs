//! `static_configs` and `file_sd_configs`.

use std::collections::BTreeMap;

use crate::config::yaml::{Duration, MapReader};
use crate::section;

section! {
    /// Targets and labels that are fixed.
    pub struct StaticConfig as "static config" with check {
        /// Addresses, `host:port`.
        targets: Vec<String>,
        /// Labels of all of them.
        labels: BTreeMap<String, String>,
    }
}

section! {
    /// Targets from JSON or YAML files that are read again when they change.
    pub struct FileSdConfig as "file_sd config" with check {
        /// Globs of files.
        files: Vec<String>,
        /// How often they are read again without a change.
        refresh_interval: Duration = Duration::seconds(300),
    }
}

impl StaticConfig {
    fn check(&mut self, m: &MapReader) {
        if self.labels.contains_key("") {
            m.error("labels", "\"\" is not a valid label name");
        }
    }
}

impl FileSdConfig {
    fn check(&mut self, m: &MapReader) {
        if self.files.is_empty() {
            m.error("files", "file service discovery config must contain at least one path name");
        }
        for name in self.files.iter().filter(|n| !is_discovery_path(n)) {
            m.error("files", format!("path name {name:?} is not valid for file discovery"));
        }
    }
}

/// `.json`, `.yml` or `.yaml`, with at most one `*`, in the last part of the path.
fn is_discovery_path(name: &str) -> bool {
    let Some((stem, extension)) = name.rsplit_once('.') else { return false };
    let starred = stem.split_once('*');
    ["json", "yml", "yaml", "JSON", "YML", "YAML"].contains(&extension)
        && starred.is_none_or(|(_, tail)| !tail.contains('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn discovery_files_have_known_extensions() {
        for (name, want) in [("a/*.yml", true), ("a.json", true), ("a*/b.yml", false), ("a.txt", false), ("a", false)] {
            assert_eq!(is_discovery_path(name), want, "{name}");
        }
    }
}
