//! Reads the configuration again when one of its files changes: a look at their contents every so often, which works on
//! volumes of Kubernetes and on network file systems, where nobody is told of changes.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;

use crate::config;
use crate::server::App;

use super::options::Source;
use super::prepare::Prepared;

/// The files a configuration is made of, by globs: a file that is added counts too.
#[derive(Debug, Default)]
pub(super) struct Watched(Vec<String>);

impl Watched {
    /// Those of a configuration in force.
    pub fn of(source: &Source, prepared: &Prepared) -> Watched {
        let Source::File(path) = source else { return Watched::default() };
        let config = &prepared.config;
        let routing = Some(&config.watchbell.alertmanager_config).filter(|path| !path.is_empty());
        let templates = prepared.alertmanager.iter().flat_map(|(routing, _)| &routing.templates);
        let file = path.to_string_lossy();
        let named = [&*file].into_iter().chain(routing.map(String::as_str));
        let mut patterns: Vec<String> = named.map(glob::Pattern::escape).collect();
        let own = config.watchbell.silences.iter().chain(&config.watchbell.test_files);
        let globs = config.rule_files.iter().chain(&config.scrape_config_files).chain(own);
        patterns.extend(globs.chain(templates).cloned());
        Watched(patterns)
    }

    /// What the files hold now, in short. Two that are alike are of the same files with the same contents.
    fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        for path in config::expand_globs(&self.0) {
            let held = std::fs::read(&path).unwrap_or_default();
            for part in [path.as_bytes(), &held] {
                digest.update((part.len() as u64).to_le_bytes());
                digest.update(part);
            }
        }
        digest.finalize().into()
    }
}

/// Looks every `interval` until the service ends.
pub(super) async fn run(
    app: Arc<App>,
    watched: Arc<ArcSwap<Watched>>,
    interval: Duration,
    mut ended: watch::Receiver<bool>,
) {
    let look = || {
        let watched = watched.load_full();
        tokio::task::spawn_blocking(move || watched.digest())
    };
    // What was read at the start is what the files held a moment ago.
    let (mut in_force, mut failed) = (look().await.ok(), false);
    loop {
        tokio::select! {
            _ = ended.wait_for(|e| *e) => return,
            () = tokio::time::sleep(interval) => {}
        }
        let found = look().await.ok();
        // What was in force before a change that failed is taken again, so that nothing says any more that it failed.
        if found.is_none() || (found == in_force && !failed) {
            continue;
        }
        tracing::info!("a file of the configuration has changed");
        // What is wrong with it is told there, and it is tried again at the next look, as in Prometheus.
        failed = app.control.reload().await.is_err();
        if !failed {
            // There may be other files now.
            in_force = look().await.ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::promql::Features;

    #[test]
    fn every_file_of_a_configuration_counts() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        write("w.yaml", "rule_files: ['r*.yml']\nwatchbell: {alertmanager_config: am.yml, silences: ['s*.yml']}\n");
        write("r1.yml", "groups: []\n");
        write("am.yml", "route: {receiver: x}\nreceivers: [{name: x}]\ntemplates: ['*.tmpl']\n");
        write("t.tmpl", "{{ define \"x\" }}{{ end }}");
        write("s0.yml", "silences: []\n");
        let source = Source::File(dir.path().join("w.yaml"));
        let watched = Watched::of(&source, &Prepared::read(&source, Features::default(), None).unwrap());
        let mut before = watched.digest();
        assert_eq!(watched.digest(), before);
        for (name, text) in [
            ("w.yaml", "rule_files: ['r*.yml']\n"),
            ("r1.yml", "groups: [] # changed\n"),
            ("r2.yml", "groups: []\n"),
            ("s0.yml", "silences: [] # changed\n"),
            ("am.yml", "route: {receiver: y}\nreceivers: [{name: y}]\n"),
            ("t.tmpl", ""),
        ] {
            write(name, text);
            let after = watched.digest();
            assert_ne!(after, before, "{name}");
            before = after;
        }
    }
}
