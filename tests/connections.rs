//! Clients that hold connections and say nothing, or too slowly, or too much, do not keep others from being served nor
//! pages from being sent.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::sync::mpsc;

use crate::support::http::{answer, serve};
use crate::support::peers::{Peer, get};
use crate::support::service::Home;

const CONFIG: &str = "watchbell: {}\n";

/// Connects and sends the beginning of something.
fn connect(port: u16, beginning: &str) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(beginning.as_bytes()).unwrap();
    stream
}

#[test]
fn idle_connections_make_room_for_requests() {
    let home = Home::new(&[("watchbell.yaml", CONFIG)]);
    let server = home.start_with(&["--web.max-connections=4"]);
    let _idle: Vec<TcpStream> = (0..12)
        .map(|i| {
            let beginning = if i % 2 == 0 { "" } else { "GET /-/healthy HTTP/1.1\r\nHost: x\r\n" };
            let stream = connect(server.0.port, beginning);
            assert_eq!(server.get("/-/healthy").0, 200, "{i}");
            stream
        })
        .collect();
    let (_, metrics) = server.get("/metrics");
    assert!(metrics.contains("watchbell_http_connections_cut_total{reason=\"room\"}"), "{metrics}");
}

#[test]
fn connections_end_when_nothing_comes_of_them() {
    let home = Home::new(&[("watchbell.yaml", CONFIG)]);
    let server = home.start_with(&["--web.read-timeout=200ms"]);
    let body =
        "POST /api/v2/alerts HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n[";
    for beginning in ["", "GET /-/healthy HTTP/1.1\r\nHost:", body] {
        let mut left = String::new();
        // Closed, or reset: in any case this ends.
        let _ = connect(server.0.port, beginning).read_to_string(&mut left);
        assert_eq!(left, "", "{beginning:?}");
    }
    // A client that keeps asking keeps its connection.
    let mut stream = connect(server.0.port, "");
    for _ in 0..3 {
        stream.write_all(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut head = [0; 15];
        stream.read_exact(&mut head).unwrap();
        assert_eq!(&head, b"HTTP/1.1 200 OK");
        let mut rest = [0; 1024];
        assert!(stream.read(&mut rest).unwrap() > 0);
    }
}

#[test]
fn heads_that_are_too_long_are_refused() {
    let home = Home::new(&[("watchbell.yaml", CONFIG)]);
    let server = home.start_with(&[]);
    let long = "x".repeat(200 << 10);
    for (request, status) in [
        (format!("GET /-/healthy HTTP/1.1\r\nHost: x\r\nX-Long: {long}\r\n\r\n"), "HTTP/1.1 431"),
        (format!("GET /-/healthy?{} HTTP/1.1\r\nHost: x\r\n\r\n", &long[..100 << 10]), "HTTP/1.1 414"),
        (format!("GET /-/healthy HTTP/1.1\r\nHost: x\r\n{}\r\n", "X-Y: z\r\n".repeat(500)), "HTTP/1.1 431"),
    ] {
        let mut stream = TcpStream::connect(("127.0.0.1", server.0.port)).unwrap();
        // The answer may come before all is sent.
        let _ = stream.write_all(request.as_bytes());
        let mut head = [0; 12];
        stream.read_exact(&mut head).unwrap();
        assert_eq!(std::str::from_utf8(&head).unwrap(), status);
    }
}

#[test]
fn pages_go_out_however_many_connections_there_are() {
    let (paged, pages) = mpsc::channel();
    let receiver = serve(false, move |_| {
        let _ = paged.send(());
        Some(answer(200, &[], ""))
    });
    let home = Home::new(&[
        ("watchbell.yaml", "watchbell: {alertmanager_config: am.yml}\n"),
        (
            "am.yml",
            &format!(
                "route: {{receiver: a, group_wait: 0s}}\nreceivers: \
                 [{{name: a, webhook_configs: [{{url: 'http://{receiver}/'}}]}}]\n"
            ),
        ),
    ]);
    let port = crate::support::peers::free_port();
    // As many descriptors as a small container has; what is open before the first client is about thirty.
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -n 160 && exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_watchbell"), "run"])
        .arg(format!("--config.file={}", home.path().join("watchbell.yaml").display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .arg(format!("--storage.tsdb.path={}", home.path().join("data").display()));
    let server = Peer::start(&mut command, port, "/-/ready");
    let _idle: Vec<TcpStream> = (0..400).map(|_| connect(server.port, "")).collect();
    let alert = br#"[{"labels": {"alertname": "X"}}]"#;
    let posted = crate::support::peers::post(server.port, "/api/v2/alerts", "application/json", alert);
    assert_eq!(posted.unwrap().0, 200);
    pages.recv_timeout(std::time::Duration::from_secs(30)).unwrap();
    assert_eq!(get(server.port, "/-/healthy").unwrap().0, 200);
}

/// What a request line that clients write by hand is answered, on one connection.
#[test]
fn queries_need_not_be_escaped_in_a_url() {
    let home = Home::new(&[("watchbell.yaml", CONFIG)]);
    let server = home.start_with(&[]);
    let mut stream = connect(server.0.port, "");
    for (target, want) in [
        ("/api/v1/query?query=vector(1)=={\"a\"}&x=<#>", "\"result\":[]"),
        ("/api/v1/query?query=count(absent(up{job=\"gpu\"}))", "\"1\""),
        ("/api/v1/query?query=absent(up{job=\"مراجعة\"})", "{\"job\":\"مراجعة\"}"),
        ("/api/v1/query?query=label_replace(vector(1),\"a\",\"`^|\\\\\\\\<>\",\"\",\"\")", "`^|\\\\"),
    ] {
        write!(stream, "GET {target} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap().to_lowercase();
        let length = head.split("content-length: ").nth(1).and_then(|l| l.lines().next()?.parse().ok());
        let mut body = vec![0; length.unwrap_or_else(|| panic!("{target}: {head}"))];
        stream.read_exact(&mut body).unwrap();
        let body = String::from_utf8(body).unwrap();
        assert!(body.contains(want), "{target}: {body}");
    }
}
