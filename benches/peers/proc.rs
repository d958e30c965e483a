//! Starting, measuring and stopping the servers.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::http::Client;

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Prometheus,
    /// With vmalert beside it when there are rules: what both use counts.
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
    /// Where it tells of its rules.
    pub metrics: String,
    children: Vec<Child>,
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
    let command = match kind {
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
    let child = spawn(command, log);
    let url = format!("http://{listen}");
    let mut server = Server { kind, metrics: format!("{url}/metrics"), url, children: vec![child] };
    let health = if kind == Kind::VictoriaMetrics { "/health" } else { "/-/ready" };
    server.wait_until_ready(client, &format!("{}{health}", server.url), &home.join("log"));
    if kind == Kind::VictoriaMetrics && !rule_files.is_empty() {
        server.add_vmalert(&home, rule_files, client);
    }
    server
}

fn spawn(mut command: Command, log: std::fs::File) -> Child {
    let what = command.get_program().to_string_lossy().into_owned();
    command.stdout(Stdio::null()).stderr(Stdio::from(log)).spawn().unwrap_or_else(|e| panic!("{what}: {e}"))
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
    /// Starts vmalert with rules over this server, which takes their output too.
    fn add_vmalert(&mut self, home: &Path, rule_files: &[PathBuf], client: &Client) {
        let listen = format!("127.0.0.1:{}", free_port());
        let mut command = Command::new(find("vmalert").expect("vmalert"));
        command
            .args(rule_files.iter().map(|f| format!("-rule={}", f.display())))
            .arg(format!("-datasource.url={}", self.url))
            .arg(format!("-remoteWrite.url={}", self.url))
            .arg(format!("-httpListenAddr={listen}"))
            .args(["-notifier.blackhole", "-evaluationInterval=15s", "-loggerLevel=ERROR"])
            // Rules written for Prometheus may have templates that it does not know.
            .arg("-rule.validateTemplates=false");
        let log = home.join("vmalert.log");
        self.children.push(spawn(command, std::fs::File::create(&log).expect("a log file")));
        self.metrics = format!("http://{listen}/metrics");
        self.wait_until_ready(client, &format!("http://{listen}/health"), &log);
    }

    fn wait_until_ready(&mut self, client: &Client, url: &str, log: &Path) {
        let begin = Instant::now();
        while !client.get(url, &[]).is_ok_and(|a| a.status == 200) {
            let dead = self.children.iter_mut().any(|c| c.try_wait().expect("a child").is_some());
            assert!(
                !dead && begin.elapsed() < Duration::from_secs(60),
                "{} did not start; its log: {}",
                self.kind.name(),
                std::fs::read_to_string(log).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// CPU seconds used so far, user and system.
    pub fn cpu_seconds(&self) -> f64 {
        self.children.iter().map(cpu_seconds).sum()
    }

    /// Resident memory in bytes.
    pub fn resident_bytes(&self) -> u64 {
        self.children.iter().map(resident_bytes).sum()
    }
}

fn cpu_seconds(child: &Child) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap_or_default();
    // Fields after the command's closing parenthesis: utime and stime are the 12th and 13th.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks = |i: usize| fields.get(i).and_then(|f| f.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

fn resident_bytes(child: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap_or("");
    line.split_whitespace().nth(1).and_then(|n| n.parse::<u64>().ok()).unwrap_or(0) * 1024
}

impl Drop for Server {
    fn drop(&mut self) {
        for child in self.children.iter_mut().rev() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
