//! `watchbell alertmanager`: Alertmanager's command line, its addresses and paths, its reloads, and amtool.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

use serde_json::Value as Json;

use crate::support::http;
use crate::support::peers::{self, wait_for};

pub const CONFIG: &str = "route: {receiver: default, group_by: [alertname], group_wait: 0s, routes: [{receiver: x, matchers: [team=x]}]}\n\
    receivers: [{name: default, webhook_configs: [{url: 'http://ADDRESS/'}]}, {name: x}]\n";

/// The program, and its lines on standard error as they come.
pub struct Program {
    child: Child,
    lines: mpsc::Receiver<String>,
    /// Where it runs.
    pub home: tempfile::TempDir,
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(home: &std::path::Path, flags: &[&str]) -> Command {
    command_of(home, "alertmanager", flags)
}

fn command_of(home: &std::path::Path, program: &str, flags: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_watchbell"));
    command.current_dir(home).arg(program).args(flags).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// Starts it with a configuration.
pub fn start(config: &str, flags: &[&str]) -> Program {
    start_in(tempfile::tempdir().unwrap(), config, flags)
}

/// Starts it in a folder.
pub fn start_in(home: tempfile::TempDir, config: &str, flags: &[&str]) -> Program {
    std::fs::write(home.path().join("alertmanager.yml"), config).unwrap();
    watched(home, "alertmanager", flags)
}

/// Starts the whole service in a folder.
pub fn start_service(home: tempfile::TempDir, flags: &[&str]) -> Program {
    watched(home, "run", flags)
}

fn watched(home: tempfile::TempDir, program: &str, flags: &[&str]) -> Program {
    let mut child = command_of(home.path(), program, flags).spawn().unwrap();
    let (sender, lines) = mpsc::channel();
    let stderr = BufReader::new(child.stderr.take().unwrap());
    std::thread::spawn(move || stderr.lines().map_while(Result::ok).all(|line| sender.send(line).is_ok()));
    Program { child, lines, home }
}

impl Program {
    /// The next line that contains `text`.
    pub fn line(&self, text: &str) -> String {
        let patience = std::time::Duration::from_secs(60);
        loop {
            let line = self.lines.recv_timeout(patience).unwrap_or_else(|_| panic!("no line with {text:?}"));
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Ends it by SIGKILL, and gives its folder back.
    pub fn kill(mut self) -> tempfile::TempDir {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        std::mem::replace(&mut self.home, tempfile::tempdir().unwrap())
    }

    /// The next port that it says it listens on.
    pub fn port(&self) -> u16 {
        let line = self.line("msg=\"Listening on\" address=127.0.0.1:");
        line.rsplit(':').next().unwrap().parse().unwrap()
    }
}

fn json((status, text): (u16, String)) -> Json {
    assert_eq!(status, 200, "{text}");
    serde_json::from_str(&text).unwrap()
}

#[test]
fn it_says_where_it_listens_serves_below_its_prefix_and_delivers() {
    let (told, hears) = mpsc::channel();
    let told = std::sync::Mutex::new(told);
    let address = http::serve(false, move |request| {
        let _ = told.lock().unwrap().send(String::from_utf8_lossy(&request.body).into_owned());
        Some(http::answer(200, &[], ""))
    });
    let listen = "--web.listen-address=127.0.0.1:0";
    let flags =
        [listen, listen, "--web.external-url=http://alerts.test/am/", "--log.level=debug", "--cluster.peer=a:1"];
    let program = start(&CONFIG.replace("ADDRESS", &address), &flags);
    program.line("there is no cluster");
    let (port, other) = (program.port(), program.port());
    assert_ne!(port, other);
    wait_for("both addresses", || {
        [port, other]
            .map(|p| peers::get(p, "/am/-/ready"))
            .into_iter()
            .all(|a| a.is_some_and(|(s, _)| s == 200))
            .then_some(())
    });
    let status = json(peers::get(port, "/am/api/v2/status").unwrap());
    assert_eq!(status["cluster"]["status"], "ready");
    assert_eq!(status["cluster"]["peers"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&status["versionInfo"]["version"], &status["versionInfo"]["watchbell"]),
        (&"0.33.1".into(), &env!("CARGO_PKG_VERSION").into())
    );
    assert_eq!(peers::get(port, "/api/v2/status").unwrap().0, 404);
    assert_eq!(peers::get(port, "/am/api/v1/alerts").unwrap().0, 410);
    // The menu has what is there, and what is not in it is not.
    let (status, menu) = peers::get(port, "/am/silences").unwrap();
    assert!(status == 200 && menu.contains(">History</a>") && menu.contains(">Receivers</a>"), "{menu}");
    for (name, page) in [("Query", "query"), ("Rules", "rules"), ("Targets", "targets")] {
        assert!(!menu.contains(&format!(">{name}</a>")), "{name}");
        assert_eq!(peers::get(port, &format!("/am/{page}")).unwrap().0, 404, "{page}");
    }
    assert_eq!(peers::get(port, "/am/-/healthy").unwrap(), (200, "OK".into()));

    let alerts = br#"[{"labels": {"alertname": "A"}}]"#;
    assert_eq!(peers::post(other, "/am/api/v2/alerts", "application/json", alerts).unwrap().0, 200);
    let page = hears.recv_timeout(std::time::Duration::from_secs(60)).unwrap();
    assert!(
        page.contains("\"externalURL\":\"http://alerts.test/am\"") && page.contains("\"alertname\":\"A\""),
        "{page}"
    );
}

#[test]
fn it_reloads_at_a_hangup_and_at_a_request_without_a_flag() {
    let config = CONFIG.replace("ADDRESS", "127.0.0.1:1");
    let program = start(&config, &["--web.listen-address=127.0.0.1:0", "--cluster.listen-address="]);
    let port = program.port();
    wait_for("it to be ready", || peers::get(port, "/-/ready").filter(|(status, _)| *status == 200));
    let status = json(peers::get(port, "/api/v2/status").unwrap());
    assert_eq!((&status["cluster"]["status"], &status["cluster"]["peers"]), (&"disabled".into(), &Json::Array(vec![])));
    let receivers = || json(peers::get(port, "/api/v2/receivers").unwrap()).as_array().unwrap().len();
    let file = program.home.path().join("alertmanager.yml");
    std::fs::write(&file, config.replace("{name: x}", "{name: x}, {name: y}")).unwrap();
    assert_eq!(peers::post(port, "/-/reload", "text/plain", b"").unwrap().0, 200);
    assert_eq!(receivers(), 3);
    std::fs::write(&file, "route: {receiver: nobody}\n").unwrap();
    assert_eq!(peers::post(port, "/-/reload", "text/plain", b"").unwrap().0, 500);
    assert_eq!(receivers(), 3);
    std::fs::write(&file, &config).unwrap();
    let hup = Command::new("kill").args(["-HUP", &program.child.id().to_string()]).status().unwrap();
    assert!(hup.success());
    wait_for("the reload", || (receivers() == 2).then_some(()));
}

#[test]
fn what_is_not_there_is_refused_by_name() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("alertmanager.yml"), CONFIG.replace("ADDRESS", "127.0.0.1:1")).unwrap();
    for (flag, said) in [
        ("--enable-feature=nosuch", "unknown option \"nosuch\" for --enable-feature; known: alert-names-in-metrics"),
        ("--config.file=nosuch.yml", "nosuch.yml"),
        ("--web.external-url=am", "\"am\": invalid \"\" scheme, only 'http' and 'https' are supported"),
        ("--web.external-url=ftp://a", "\"ftp://a\": invalid \"ftp\" scheme"),
    ] {
        let output = command(home.path(), &[flag]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && text.contains(said), "{flag}: {text}");
    }
}

#[test]
fn silences_are_bounded_where_it_is_asked_for() {
    let flags = [
        "--web.listen-address=127.0.0.1:0",
        "--silences.max-silences=1",
        "--silences.max-silence-size-bytes=200",
        "--log.silences",
    ];
    let program = start(&CONFIG.replace("ADDRESS", "127.0.0.1:1"), &flags);
    let port = program.port();
    wait_for("it to be ready", || peers::get(port, "/-/ready").filter(|(status, _)| *status == 200));
    let ask = |id: &str, value: &str, comment: &str| {
        let body = format!(
            r#"{{"id":"{id}","matchers":[{{"name":"a","value":"{value}","isRegex":false}}],"startsAt":"2020-01-01T00:00:00Z","endsAt":"2120-01-01T00:00:00Z","createdBy":"me","comment":"{comment}"}}"#
        );
        peers::post(port, "/api/v2/silences", "application/json", body.as_bytes()).unwrap()
    };
    let set = |comment: &str| ask("", "b", comment);
    // As many as Alertmanager counts: the message that it would send to its peers.
    assert!(set(&"c".repeat(100)).1.contains("silence exceeded maximum size: 201 bytes (limit: 200 bytes)"));
    let (status, first) = set("first");
    assert_eq!(status, 200, "{first}");
    program.line("first");
    let (status, text) = set("second");
    assert!(status == 400 && text.contains("exceeded maximum number of silences: 1 (limit: 1)"), "{text}");
    // An update with other matchers makes another silence.
    let first: Json = serde_json::from_str(&first).unwrap();
    let (status, text) = ask(first["silenceID"].as_str().unwrap(), "other", "third");
    assert!(status == 400 && text.contains("exceeded maximum number of silences: 1 (limit: 1)"), "{text}");
}

/// What Alertmanager takes has to be taken, though there is no cluster.
const ALONE: &str = "--no-cluster.allow-insecure-public-advertise-address-discovery";

#[test]
fn amtool_works_in_every_subcommand_and_warns_of_nothing() {
    let Some(amtool) = peers::find("amtool") else { return };
    let program = start(&CONFIG.replace("ADDRESS", "127.0.0.1:1"), &["--web.listen-address=127.0.0.1:0", ALONE]);
    let url = format!("http://127.0.0.1:{}", program.port());
    wait_for("it to be ready", || {
        peers::get(url.rsplit(':').next()?.parse().ok()?, "/-/ready").filter(|(s, _)| *s == 200)
    });
    let run = |arguments: &[&str], stdin: &str| -> String {
        let mut child = Command::new(&amtool)
            .arg(format!("--alertmanager.url={url}"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), stdin.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && errors.is_empty(), "amtool {arguments:?}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    };
    run(&["alert", "add", "alertname=foo", "node=bar", "team=x", "--annotation=summary=s"], "");
    for format in ["simple", "extended", "json"] {
        let shown = run(&["alert", "query", "-o", format], "");
        assert!(shown.contains("foo"), "{shown}");
    }
    assert!(run(&["alert", "query", "-o", "simple", "alertname=~f.*", "--receiver=x"], "").contains("foo"));
    let other = run(&["silence", "add", "env!=prod", "--comment=c", "--author=me", "--duration=1h"], "");
    let id = run(&["silence", "add", "alertname=foo", "--comment=c", "--author=me", "--duration=1h"], "");
    assert!(run(&["alert", "query", "-o", "json", "--silenced"], "").contains(id.trim()));
    assert!(run(&["silence", "query", "--within=2h"], "").contains("foo"));
    let exported = run(&["silence", "query", "-o", "json", "alertname=foo"], "");
    let updated = run(&["silence", "update", "--duration=3h", "--comment=longer", id.trim()], "");
    assert!(updated.contains("longer"), "{updated}");
    run(&["silence", "expire", id.trim(), other.trim()], "");
    assert!(run(&["silence", "query", "--expired"], "").contains("foo"));
    assert!(run(&["silence", "import"], &exported).trim().len() == 36);
    assert!(run(&["silence", "query", "-q"], "").len() > 30);
    assert!(run(&["config", "show"], "").contains("receiver: default"));
    assert!(run(&["config", "routes", "show"], "").contains("receiver: x"));
    assert_eq!(run(&["config", "routes", "test", "team=x"], "").trim(), "x");
    assert!(run(&["cluster", "show"], "").contains("ready"));
}

#[test]
fn a_page_of_another_place_may_make_silences() {
    let program = start(&CONFIG.replace("ADDRESS", "127.0.0.1:1"), &["--web.listen-address=127.0.0.1:0"]);
    let port = program.port();
    wait_for("it to be ready", || peers::get(port, "/-/ready").filter(|(status, _)| *status == 200));
    let asked = "OPTIONS /api/v2/silences HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nOrigin: http://karma.test\r\n\
        Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: authorization,content-type\r\n\r\n";
    let answer = peers::raw(port, asked).to_ascii_lowercase();
    assert!(answer.starts_with("http/1.1 20"), "{answer}");
    for header in [
        "access-control-allow-origin: *",
        "access-control-allow-methods: post",
        "access-control-allow-headers: authorization,content-type",
    ] {
        assert!(answer.contains(header), "{header}: {answer}");
    }
}

#[test]
fn alerts_of_one_name_are_bounded_where_it_is_asked_for() {
    let flags = [
        "--web.listen-address=127.0.0.1:0",
        "--alerts.per-alertname-limit=2",
        "--enable-feature=alert-names-in-metrics",
    ];
    let program = start(&CONFIG.replace("ADDRESS", "127.0.0.1:1"), &flags);
    let port = program.port();
    wait_for("it to be ready", || peers::get(port, "/-/ready").filter(|(status, _)| *status == 200));
    for i in 0..4 {
        let alert =
            format!(r#"[{{"labels": {{"alertname": "A", "i": "{i}"}}}}, {{"labels": {{"alertname": "B{i}"}}}}]"#);
        assert_eq!(peers::post(port, "/api/v2/alerts", "application/json", alert.as_bytes()).unwrap().0, 200);
    }
    assert_eq!(json(peers::get(port, "/api/v2/alerts?filter=alertname=A").unwrap()).as_array().unwrap().len(), 2);
    assert_eq!(json(peers::get(port, "/api/v2/alerts").unwrap()).as_array().unwrap().len(), 6);
    let (_, metrics) = peers::get(port, "/metrics").unwrap();
    assert!(metrics.contains("alertmanager_alerts_limited_total{alertname=\"A\"} 2\n"), "{metrics}");
    assert!(metrics.contains("alertmanager_alerts_per_alert_limit 2\n"));
    // Of eight alerts two went no further.
    let written = "alertmanager_alerts_subscriber_channel_writes_total{subscriber=\"dispatcher\"} 6\n";
    assert!(metrics.contains(written), "{metrics}");
}
