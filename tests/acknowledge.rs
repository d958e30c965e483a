//! `watchbell ack`: an alert that somebody looks after, over `kill -9`, until it resolves.

use std::process::Command;
use std::sync::{Arc, Mutex};

use serde_json::Value as Json;

use crate::alertmanager_program::{Program, start, start_in};
use crate::support::http;
use crate::support::peers::{self, wait_for};

/// A running service, and our command that asks it.
struct Desk {
    program: Program,
    port: u16,
}

impl Desk {
    fn open(program: Program) -> Desk {
        let port = program.port();
        wait_for("it to be ready", || peers::get(port, "/-/ready").filter(|(status, _)| *status == 200));
        Desk { program, port }
    }

    /// Exit code, standard output and standard error.
    fn ours(&self, arguments: &[&str]) -> (i32, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_watchbell"));
        command.current_dir(self.program.home.path()).env("HOME", self.program.home.path()).args(arguments);
        let output = command.arg(format!("--alertmanager.url=http://127.0.0.1:{}", self.port)).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }
}

#[test]
fn an_acknowledged_alert_is_quiet_over_kill_9_and_its_end_is_told() {
    let heard: Arc<Mutex<Vec<Json>>> = Arc::default();
    let hears = heard.clone();
    let address = http::serve(false, move |request| {
        hears.lock().unwrap().push(serde_json::from_slice(&request.body).unwrap());
        Some(http::answer(200, &[], ""))
    });
    let told = |status: &'static str| {
        wait_for("a message", || heard.lock().unwrap().iter().find(|body| body["status"] == status).cloned())
    };
    let config = format!(
        "route: {{receiver: x, group_wait: 0s, group_interval: 1s, repeat_interval: 1s}}\n\
         receivers: [{{name: x, webhook_configs: [{{url: 'http://{address}/'}}]}}]\n"
    );
    let flags = ["--web.listen-address=127.0.0.1:0", "--storage.path=data"];
    let mut desk = Desk::open(start(&config, &flags));
    assert_eq!(desk.ours(&["alert", "add", "foo", "--end=2126-01-02T03:04:05Z"]).0, 0);
    told("firing");
    let (code, id, errors) = desk.ours(&["ack", "foo", "-a", "أمل", "-c", "on it"]);
    assert_eq!((code, id.trim().len()), (0, 36), "{errors}");
    let (_, list, _) = desk.ours(&["alert", "query", "--silenced"]);
    assert!(list.contains("acknowledged by أمل: on it"), "{list}");
    assert!(desk.ours(&["silence", "query", "-q"]).1.contains(id.trim()));

    let home = desk.program.kill();
    desk = Desk::open(start_in(home, &config, &flags));
    let (_, list, _) = desk.ours(&["alert", "query", "--silenced"]);
    assert!(list.contains("acknowledged by أمل: on it"), "{list}");
    heard.lock().unwrap().clear();
    let (code, _, errors) = desk.ours(&["ack", "nosuch"]);
    assert!(code == 1 && errors.contains("no alert that fires matches"), "{errors}");
    let (code, _, errors) = desk.ours(&["ack", "0123456789abcdef", "-a", "amal"]);
    assert!(code == 1 && errors.contains("no alert with fingerprint"), "{errors}");

    let ended = ["alert", "add", "foo", "--start=2026-01-02T03:04:05Z", "--end=2026-01-02T03:04:06Z"];
    assert_eq!(desk.ours(&ended).0, 0);
    told("resolved");
    assert!(heard.lock().unwrap().iter().all(|body| body["status"] == "resolved"), "nothing was repeated meanwhile");
    assert_eq!(desk.ours(&["silence", "query", "-q"]).1, "", "it ended with the alert");
}

#[test]
fn an_acknowledgement_is_taken_over_and_taken_back() {
    let config = "route: {receiver: x}\nreceivers: [{name: x}]\n";
    let desk = Desk::open(start(config, &["--web.listen-address=127.0.0.1:0"]));
    for alert in ["foo", "bar"] {
        assert_eq!(desk.ours(&["alert", "add", alert, "team=x"]).0, 0);
    }
    let (code, ids, errors) = desk.ours(&["ack", "team=x", "-a", "amal", "-d", "2h"]);
    assert_eq!((code, ids.lines().count()), (0, 2), "{errors}");
    let (_, again, _) = desk.ours(&["ack", "foo", "-a", "basim"]);
    assert!(ids.contains(again.trim()), "{ids} {again}");
    let (_, list, _) = desk.ours(&["alert", "query", "--silenced", "foo"]);
    assert!(list.contains("acknowledged by basim"), "{list}");
    assert_eq!(desk.ours(&["ack", "--undo", "team=x"]).0, 0);
    assert!(!desk.ours(&["alert", "query", "team=x"]).1.contains("acknowledged"));
    let (code, _, errors) = desk.ours(&["ack", "--undo", "foo"]);
    assert!(code == 1 && errors.contains("nobody has acknowledged the alert"), "{errors}");
    let (status, body) =
        peers::post(desk.port, "/watchbell/v1/alerts/0123456789abcdef/ack", "application/json", b"{}").unwrap();
    assert!(status == 400 && body.contains("created"), "{status} {body}");
}
