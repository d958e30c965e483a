//! Starting, measuring and stopping the servers.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Options;
use crate::http::Client;

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Alertmanager,
    Watchbell,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Alertmanager => "alertmanager",
            Kind::Watchbell => "watchbell",
        }
    }
}

/// A running server; killed when dropped.
pub struct Server {
    pub url: String,
    child: Child,
}

/// One group of rules that is due every second: what it misses, the engine was late for.
const RULES: &str = "groups:\n- name: every second\n  interval: 1s\n  rules:\n  - record: one\n    expr: vector(1)\n";

pub fn start(kind: Kind, routing: &str, o: &Options, client: &Client) -> Server {
    let home = o.dir.join(kind.name());
    std::fs::create_dir_all(&home).expect("a data directory");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port");
    let write = |name: &str, text: &str| std::fs::write(home.join(name), text).expect("a configuration");
    write("am.yml", routing);
    let mut command = match kind {
        Kind::Alertmanager => {
            let mut c = Command::new("alertmanager");
            c.arg(file("--config.file", &home, "am.yml")).arg(file("--storage.path", &home, "data"));
            c.args(["--cluster.listen-address=", "--log.level=error"]);
            c
        }
        Kind::Watchbell => {
            write("rules.yml", RULES);
            let data = home.join("data");
            let own = "rule_files: [rules.yml]\nwatchbell: {alertmanager_config: am.yml, data_dir: ";
            write("watchbell.yml", &format!("{own}{}}}\n", data.display()));
            let mut c = Command::new(&o.watchbell);
            c.arg("run").arg(file("--config.file", &home, "watchbell.yml"));
            c
        }
    };
    let log = std::fs::File::create(home.join("log")).expect("a log file");
    command.arg(format!("--web.listen-address={listener}")).stdout(Stdio::null()).stderr(Stdio::from(log));
    let child = command.spawn().unwrap_or_else(|e| panic!("{}: {e}", kind.name()));
    let server = Server { url: format!("http://{listener}"), child };
    let begin = Instant::now();
    while !client.get(&format!("{}/-/ready", server.url), &[]).is_ok_and(|a| a.status == 200) {
        assert!(begin.elapsed() < Duration::from_secs(30), "{} did not start", kind.name());
        std::thread::sleep(Duration::from_millis(50));
    }
    server
}

fn file(flag: &str, home: &Path, name: &str) -> String {
    format!("{flag}={}", home.join(name).display())
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

    /// Resident memory, MB.
    pub fn resident(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap_or("");
        line.split_whitespace().nth(1).and_then(|n| n.parse::<f64>().ok()).unwrap_or(0.0) / 1000.0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
