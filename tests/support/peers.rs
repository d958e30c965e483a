//! Real servers and tools of the field: found on `PATH`, started on a free port, killed when dropped.
//!
//! A test whose peer is missing passes and says what it skipped, unless `WATCHBELL_REQUIRE_PEERS=1`.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use watchbell::clock::Stopwatch;

/// A program on `PATH`, or `None` after saying what is skipped.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|dir| dir.join(program)).find(|p| p.is_file());
    require(found.is_some(), program);
    found
}

/// Whether a Python module can be imported by the `python3` on `PATH`; says what is skipped when not.
pub fn python_with(module: &str) -> Option<PathBuf> {
    let python = find("python3")?;
    let imported = Command::new(&python).args(["-c", &format!("import {module}")]).stderr(Stdio::null()).status();
    let there = imported.is_ok_and(|s| s.success());
    require(there, &format!("python3's module {module}"));
    there.then_some(python)
}

fn require(there: bool, what: &str) {
    if there {
        return;
    }
    assert!(std::env::var_os("WATCHBELL_REQUIRE_PEERS").is_none_or(|v| v != "1"), "{what} is required and missing");
    eprintln!("skipped: {what} is not there");
}

/// Between two looks at a condition: lets the processes that are waited for have the processor.
pub fn pause() {
    std::thread::park_timeout(Duration::from_millis(10));
}

/// Asks again and again, for a minute at most, until there is an answer.
pub fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let begin = Stopwatch::start();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "{what}: nothing after a minute");
        pause();
    }
}

/// A Prometheus with this configuration, the remote-write receiver and native histograms.
pub fn prometheus(config: &str) -> Option<Peer> {
    prometheus_with(config, &["--enable-feature=native-histograms"])
}

/// A Prometheus with this configuration, the remote-write receiver and these flags.
pub fn prometheus_with(config: &str, flags: &[&str]) -> Option<Peer> {
    let program = find("prometheus")?;
    let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
    let file = dir.path().join("prometheus.yml");
    std::fs::write(&file, config).unwrap();
    let mut command = Command::new(program);
    command
        .arg(format!("--config.file={}", file.display()))
        .arg(format!("--storage.tsdb.path={}", dir.path().join("data").display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .arg("--web.enable-remote-write-receiver")
        .args(flags);
    Some(Peer::start(&mut command, port, "/-/ready").with_files(dir))
}

/// Where Debian's build of Alertmanager looks for its templates; it does not start without them.
const ALERTMANAGER_TEMPLATES: &str = "/usr/share/prometheus/alertmanager/default.tmpl";

/// An Alertmanager with this configuration, alone in its cluster.
pub fn alertmanager(config: &str, flags: &[&str]) -> Option<Peer> {
    let program = find("alertmanager")?;
    if !std::path::Path::new(ALERTMANAGER_TEMPLATES).exists() {
        assert!(std::env::var_os("WATCHBELL_REQUIRE_PEERS").is_none(), "no {ALERTMANAGER_TEMPLATES}");
        eprintln!("skipped: no {ALERTMANAGER_TEMPLATES}");
        return None;
    }
    let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
    let file = dir.path().join("alertmanager.yml");
    std::fs::write(&file, config).unwrap();
    let mut command = Command::new(program);
    command
        .arg(format!("--config.file={}", file.display()))
        .arg(format!("--storage.path={}", dir.path().join("data").display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .args(["--cluster.listen-address=127.0.0.1:0", "--cluster.settle-timeout=0s"])
        .args(flags);
    Some(Peer::start(&mut command, port, "/-/ready").with_files(dir))
}

/// A single-node VictoriaMetrics that shows samples at once.
pub fn victoria_metrics() -> Option<Peer> {
    let program = find("victoria-metrics")?;
    let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
    let mut command = Command::new(program);
    command
        .arg(format!("-storageDataPath={}", dir.path().join("data").display()))
        .arg(format!("-httpListenAddr=127.0.0.1:{port}"))
        .args(["-search.latencyOffset=0s", "-search.disableCache"]);
    Some(Peer::start(&mut command, port, "/health").with_files(dir))
}

/// A node-exporter.
pub fn node_exporter() -> Option<Peer> {
    let (program, port) = (find("prometheus-node-exporter")?, free_port());
    let mut command = Command::new(program);
    command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
    Some(Peer::start(&mut command, port, "/metrics"))
}

/// The mission's Python exporter.
pub fn ml_exporter() -> Option<Peer> {
    let (script, python, port) =
        (super::shared("mission/ml_exporter.py")?, python_with("prometheus_client")?, free_port());
    let mut command = Command::new(python);
    command.arg(script).arg(port.to_string());
    Some(Peer::start(&mut command, port, "/metrics"))
}

/// A port nobody listens on now.
pub fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|l| l.local_addr()).unwrap().port()
}

/// A process that is killed when dropped.
pub struct Peer {
    /// The port it listens on.
    pub port: u16,
    child: Child,
    /// Its configuration and data, gone with it.
    _files: Option<tempfile::TempDir>,
}

impl Peer {
    /// Starts a command and waits until `ready_path` on `port` answers with 200.
    pub fn start(command: &mut Command, port: u16, ready_path: &str) -> Peer {
        Peer::start_within(Duration::from_secs(60), command, port, ready_path)
    }

    /// The same, of something that takes its time.
    pub fn start_within(patience: Duration, command: &mut Command, port: u16, ready_path: &str) -> Peer {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut peer = Peer { port, child: child.unwrap_or_else(|e| panic!("{command:?}: {e}")), _files: None };
        let begin = Stopwatch::start();
        while get(port, ready_path).is_none_or(|(status, _)| status != 200) {
            if let Some(status) = peer.child.try_wait().unwrap() {
                panic!("{command:?} ended with {status}");
            }
            assert!(begin.elapsed() < patience, "{command:?} is not ready after {patience:?}");
            pause();
        }
        peer
    }

    /// Keeps its files as long as it runs.
    fn with_files(mut self, dir: tempfile::TempDir) -> Peer {
        self._files = Some(dir);
        self
    }

    /// `http://127.0.0.1:PORT` and a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills the process with SIGKILL and waits for its end.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// GET over a plain connection: status and body, `None` when nobody answers.
pub fn get(port: u16, path: &str) -> Option<(u16, String)> {
    request(port, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"), &[])
}

/// GET over a plain connection of what is no text: status, headers and bytes, `None` when nobody answers.
pub fn get_bytes(port: u16, path: &str) -> Option<(u16, String, Vec<u8>)> {
    let answer = answer(port, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"), &[])?;
    let at = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&answer[..at]).into_owned();
    Some((head.split_whitespace().nth(1)?.parse().ok()?, head, answer[at + 4..].to_vec()))
}

/// DELETE over a plain connection: status and body, `None` when nobody answers.
pub fn delete(port: u16, path: &str) -> Option<(u16, String)> {
    request(port, &format!("DELETE {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"), &[])
}

/// POST over a plain connection: status and body, `None` when nobody answers.
pub fn post(port: u16, path: &str, content_type: &str, body: &[u8]) -> Option<(u16, String)> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: {content_type}\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    request(port, &head, body)
}

/// Any request over a plain connection: status and body, `None` when nobody answers.
pub fn send(port: u16, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Option<(u16, String)> {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    let fixed = format!("Host: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n");
    request(port, &format!("{method} {path} HTTP/1.1\r\n{fixed}{headers}\r\n"), body)
}

/// Whatever is sent: the whole answer as it came.
pub fn raw(port: u16, request: &str) -> String {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// What an answer that does not end begins with, up to `until`, which it must hold.
pub fn beginning(port: u16, request: &str, until: &str) -> String {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let (mut answer, mut piece) = (String::new(), [0; 4096]);
    while !answer.contains(until) {
        let n = stream.read(&mut piece).unwrap();
        assert!(n > 0, "{answer}");
        answer.push_str(&String::from_utf8_lossy(&piece[..n]));
    }
    answer
}

fn request(port: u16, head: &str, body: &[u8]) -> Option<(u16, String)> {
    let text = String::from_utf8_lossy(&answer(port, head, body)?).into_owned();
    let (headers, content) = text.split_once("\r\n\r\n")?;
    let status = headers.split_whitespace().nth(1)?.parse().ok()?;
    let chunked = headers.to_ascii_lowercase().contains("transfer-encoding: chunked");
    Some((status, if chunked { unchunk(content) } else { content.to_owned() }))
}

/// The whole answer as it came.
fn answer(port: u16, head: &str, body: &[u8]) -> Option<Vec<u8>> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(body).ok()?;
    let mut answer = Vec::new();
    // Who answers before it has read everything may reset the connection behind its answer.
    let _ = stream.read_to_end(&mut answer);
    Some(answer)
}

fn unchunk(mut rest: &str) -> String {
    let mut out = String::new();
    while let Some((size, tail)) = rest.split_once("\r\n") {
        let n = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        let Some((chunk, next)) = tail.split_at_checked(n).filter(|_| n > 0) else { break };
        out.push_str(chunk);
        rest = next.strip_prefix("\r\n").unwrap_or(next);
    }
    out
}
