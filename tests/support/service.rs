//! Our own server as a process of its own, which tests may kill and start again.

use std::path::Path;
use std::process::Command;

use serde_json::Value as Json;

use super::peers::{self, Peer, free_port, wait_for};

/// A folder with a configuration and data, and the port its server listens on.
pub struct Home {
    dir: tempfile::TempDir,
    port: u16,
}

impl Home {
    /// A folder with files in it; `watchbell.yaml` is the configuration.
    pub fn new(files: &[(&str, &str)]) -> Home {
        let home = Home { dir: tempfile::tempdir().unwrap(), port: free_port() };
        files.iter().for_each(|(name, text)| home.write(name, text));
        home
    }

    /// Writes a file.
    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).unwrap();
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The port its server listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Starts the server and waits until it is ready.
    pub fn start(&self) -> Server {
        self.start_with(&["--web.enable-lifecycle", "--web.enable-remote-write-receiver"])
    }

    /// The same with other flags than usual.
    pub fn start_with(&self, flags: &[&str]) -> Server {
        self.start_by(&self.path().join("watchbell.yaml"), flags)
    }

    /// The same, with all paths below a prefix.
    pub fn start_below(&self, prefix: &str) -> Server {
        let url = format!("--web.external-url=http://localhost{prefix}");
        self.start_until(&self.path().join("watchbell.yaml"), &[&url], &format!("{prefix}/-/ready"))
    }

    /// The same, in the folder, with a configuration called by any path.
    pub fn start_by(&self, config: &Path, flags: &[&str]) -> Server {
        self.start_until(config, flags, "/-/ready")
    }

    fn start_until(&self, config: &Path, flags: &[&str], ready: &str) -> Server {
        let mut command = Command::new(env!("CARGO_BIN_EXE_watchbell"));
        command
            .current_dir(self.path())
            .arg("run")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--web.listen-address=127.0.0.1:{}", self.port))
            .arg(format!("--storage.tsdb.path={}", self.path().join("data").display()))
            .args(flags);
        Server(Peer::start(&mut command, self.port, ready))
    }
}

/// A running server.
pub struct Server(pub Peer);

impl Server {
    /// An answer of the API.
    pub fn api(&self, path: &str) -> Json {
        let (_, body) = peers::get(self.0.port, path).unwrap_or_else(|| panic!("{path}: no answer"));
        serde_json::from_str(&body).unwrap_or_else(|e| panic!("{path}: {e}: {body}"))
    }

    /// Status and body of a page.
    pub fn get(&self, path: &str) -> (u16, String) {
        peers::get(self.0.port, path).unwrap_or_else(|| panic!("{path}: no answer"))
    }

    /// Status and body of a POST without a body.
    pub fn post(&self, path: &str) -> (u16, String) {
        peers::post(self.0.port, path, "text/plain", b"").unwrap_or_else(|| panic!("{path}: no answer"))
    }

    /// Status and body of a DELETE.
    pub fn delete(&self, path: &str) -> (u16, String) {
        peers::delete(self.0.port, path).unwrap_or_else(|| panic!("{path}: no answer"))
    }

    /// Waits for an alert of a state, and gives it.
    pub fn wait_for_alert(&self, state: &str) -> Json {
        wait_for(&format!("a {state} alert"), || {
            let answer = self.api("/api/v1/alerts");
            let alerts = answer["data"]["alerts"].as_array()?;
            alerts.iter().find(|a| a["state"] == state).cloned()
        })
    }

    /// Waits until every group has been evaluated so many times more.
    pub fn wait_for_evaluations(&self, more: u64) {
        let count = || -> u64 {
            let (_, text) = self.get("/metrics");
            let all = text.lines().filter(|l| l.starts_with("watchbell_rule_group_iterations_total"));
            all.filter_map(|l| l.rsplit(' ').next()?.parse::<u64>().ok()).min().unwrap_or(0)
        };
        let goal = count() + more;
        wait_for("evaluations", || (count() >= goal).then_some(()));
    }

    /// Sends the process a signal, by name.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.0.pid().to_string()]).status();
        assert!(sent.unwrap().success());
    }
}
