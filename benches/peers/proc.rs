//! Starting, measuring and stopping the servers.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::http::Client;

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Prometheus,
    VictoriaMetrics,
    Watchbell,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Prometheus => "prometheus",
            Kind::VictoriaMetrics => "victoria-metrics",
            Kind::Watchbell => "watchbell",
        }
    }
}

/// A running server; killed when dropped.
pub struct Server {
    pub kind: Kind,
    pub url: String,
    child: Child,
}

/// A command on `PATH`.
pub fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|d| d.join(name)).find(|p| p.is_file())
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port()
}

/// Starts a server with an empty data directory under `dir` and waits until it is ready. `rule_files` are absolute.
pub fn start(kind: Kind, dir: &Path, rule_files: &[PathBuf], client: &Client) -> Server {
    let port = free_port();
    let home = dir.join(format!("{}-{port}", kind.name()));
    std::fs::create_dir_all(&home).expect("a data directory");
    let data = home.join("data");
    let listen = format!("127.0.0.1:{port}");
    let mut command = match kind {
        Kind::VictoriaMetrics => {
            let mut c = Command::new(find("victoria-metrics").expect("victoria-metrics"));
            c.arg(format!("-storageDataPath={}", data.display())).arg(format!("-httpListenAddr={listen}"));
            // Its cache of range results would time a look-up, not an evaluation, and the peers have none.
            c.args(["-search.disableCache", "-search.latencyOffset=0s", "-loggerLevel=ERROR", "-retentionPeriod=1y"]);
            c
        }
        Kind::Prometheus => {
            let mut c = Command::new(find("prometheus").expect("prometheus"));
            c.arg(format!("--config.file={}", config(&home, rule_files, "").display()))
                .arg(format!("--storage.tsdb.path={}", data.display()))
                .arg(format!("--web.listen-address={listen}"))
                .args(["--web.enable-remote-write-receiver", "--log.level=error"]);
            c
        }
        Kind::Watchbell => {
            let own = format!("watchbell:\n  data_dir: {}\n", data.display());
            let mut c = Command::new(env!("CARGO_BIN_EXE_watchbell"));
            c.arg("run")
                .arg(format!("--config.file={}", config(&home, rule_files, &own).display()))
                .arg(format!("--web.listen-address={listen}"))
                .arg("--web.enable-remote-write-receiver");
            c
        }
    };
    let log = std::fs::File::create(home.join("log")).expect("a log file");
    let child = command
        .stdout(Stdio::null())
        .stderr(Stdio::from(log))
        .spawn()
        .unwrap_or_else(|e| panic!("{}: {e}", kind.name()));
    let mut server = Server { kind, url: format!("http://{listen}"), child };
    let health = if kind == Kind::VictoriaMetrics { "/health" } else { "/-/ready" };
    let begin = Instant::now();
    while !client.get(&format!("{}{health}", server.url), &[]).is_ok_and(|a| a.status == 200) {
        let dead = server.child.try_wait().expect("a child").is_some();
        assert!(
            !dead && begin.elapsed() < Duration::from_secs(60),
            "{} did not start; its log: {}",
            kind.name(),
            std::fs::read_to_string(home.join("log")).unwrap_or_default()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    server
}

fn config(home: &Path, rule_files: &[PathBuf], own: &str) -> PathBuf {
    let mut text = String::from("global:\n  scrape_interval: 15s\n  evaluation_interval: 15s\n");
    if !rule_files.is_empty() {
        text.push_str("rule_files:\n");
        for f in rule_files {
            text.push_str(&format!("  - {}\n", f.display()));
        }
    }
    text.push_str(own);
    let path = home.join("config.yml");
    std::fs::write(&path, text).expect("a configuration");
    path
}

impl Server {
    /// CPU seconds used so far, user and system.
    pub fn cpu_seconds(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        // Fields after the command's closing parenthesis: utime and stime are the 12th and 13th.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
        let ticks = |i: usize| fields.get(i).and_then(|f| f.parse::<f64>().ok()).unwrap_or(0.0);
        (ticks(11) + ticks(12)) / 100.0
    }

    /// Resident memory in bytes.
    pub fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap_or("");
        line.split_whitespace().nth(1).and_then(|n| n.parse::<u64>().ok()).unwrap_or(0) * 1024
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
