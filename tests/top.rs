//! `watchbell top` over a real service: the plain view, and the screen in a terminal.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::FromRawFd as _;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::Value as Json;

use crate::support::peers::{free_port, wait_for};
use crate::support::service::{Home, Server};

const RULES: &str = "groups:
- name: g
  rules:
  - alert: Fires
    expr: vector(0.5) < 1
    labels: {severity: critical, evil: \"\\e[2Jx\"}
    annotations: {summary: \"it \\e]0;owned\\a fires\"}
  - alert: Waits
    expr: vector(2)
    for: 1h
";

/// A service one of whose alerts fires and one waits, and whose receiver is nobody.
fn service() -> (Home, Server) {
    let config =
        "global: {evaluation_interval: 1s}\nrule_files: [rules.yml]\nwatchbell: {alertmanager_config: am.yml}\n";
    let nobody = free_port();
    let routes = format!(
        "route: {{receiver: team, group_by: [alertname], group_wait: 0s}}\n\
         receivers: [{{name: team, webhook_configs: [{{url: 'http://127.0.0.1:{nobody}/'}}]}}]\n"
    );
    let home = Home::new(&[("watchbell.yaml", config), ("rules.yml", RULES), ("am.yml", &routes)]);
    let server = home.start();
    wait_for("an alert that fires and one that waits", || {
        let now = server.api("/watchbell/v1/now");
        let told = now["groups"][0]["told"][0]["error"].is_string();
        (now["firing"] == 1 && now["pendingCount"] == 1 && told).then_some(())
    });
    (home, server)
}

fn top(home: &Home) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_watchbell"));
    command.env("HOME", home.path()).env("USER", "tester").env("TERM", "xterm");
    command.args(["top", &format!("--url=http://127.0.0.1:{}", home.port())]);
    command
}

fn output(command: &mut Command) -> (Option<i32>, String, String) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn one_plain_view_is_written_without_a_terminal() {
    let (home, server) = service();
    let (code, text, errors) = output(&mut top(&home));
    let refused = "watchbell: top: standard input is no terminal; --once writes one plain view, -o json one as JSON\n";
    assert_eq!((code, text.as_str(), errors.as_str()), (Some(2), "", refused));

    let (code, text, errors) = output(top(&home).arg("--once"));
    assert_eq!(code, Some(0), "{errors}");
    for said in [
        "Firing (1)\n",
        "{alertname=\"Fires\"} → team  1 alert",
        "cannot be told: ",
        "critical Fires",
        "it \\u{1b}]0;owned\\u{7} fires  evil=\\u{1b}[2Jx\n",
        "Pending (1)\n",
        "fires in 59m",
        "Receivers (1 cannot be told)\n",
        "team/webhook[0]",
        "Last decisions\n",
        "failed        Fires",
    ] {
        assert!(text.contains(said), "{said}\n{text}");
    }
    assert!(!text.contains('\u{1b}'), "{text}");

    let json = |arguments: &[&str]| -> Json {
        let (code, text, errors) = output(top(&home).args(arguments));
        assert_eq!(code, Some(0), "{errors}");
        serde_json::from_str(&text).unwrap()
    };
    let found = json(&["Fires", "--output=json"]);
    assert_eq!((&found["firing"], &found["pendingCount"]), (&1.into(), &0.into()));
    assert_eq!(found["groups"][0]["alerts"][0]["value"], "0.5");
    assert_eq!(json(&["severity!~crit.*", "--receiver=te.m", "--output=json"])["pendingCount"], 1);
    assert_eq!(json(&["--receiver=other", "--output=json"])["firing"], 0);

    assert_eq!(server.get("/watchbell/v1/now?filter=a%3D~%22(%22").0, 400);
    assert_eq!(server.get("/watchbell/v1/now?group_limit=x").0, 400);
    assert_eq!(server.get("/watchbell/v1/now?state=firing").0, 400);
    let group = found["groups"][0]["id"].as_str().unwrap();
    assert_eq!(server.api(&format!("/watchbell/v1/now?group={group}"))["firing"], 1);
    assert_eq!(server.api("/watchbell/v1/now?group=0")["firing"], 0);
    let (code, _, errors) = output(top(&home).arg("--interval=100ms"));
    assert!(code == Some(2) && errors.contains("expected 250ms or more, found 100ms"), "{errors}");
    drop(server);
    let (code, text, errors) = output(top(&home).arg("--once"));
    assert!(code == Some(1) && text.is_empty() && errors.starts_with("watchbell: "), "{errors}");
}

/// A terminal without a screen: its two ends.
fn terminal() -> (File, File) {
    let (mut ours, mut theirs) = (0, 0);
    let size = libc::winsize { ws_row: 30, ws_col: 110, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: `openpty` writes two file descriptors to where it is told; null stands for what is not asked for.
    let opened = unsafe {
        libc::openpty(&raw mut ours, &raw mut theirs, std::ptr::null_mut(), std::ptr::null(), &raw const size)
    };
    assert_eq!(opened, 0, "{}", std::io::Error::last_os_error());
    // SAFETY: both are open and nobody else's.
    unsafe { (File::from_raw_fd(ours), File::from_raw_fd(theirs)) }
}

/// What a terminal is set to do with what is typed and written.
fn modes(terminal: &File) -> String {
    let stty = Command::new("stty").arg("-a").stdin(terminal.try_clone().unwrap()).output().unwrap();
    String::from_utf8(stty.stdout).unwrap()
}

#[test]
fn in_a_terminal_it_draws_takes_keys_and_gives_the_terminal_back() {
    let (home, server) = service();
    for ends in ["q", "\u{3}", "TERM", "HUP"] {
        let (ours, theirs) = terminal();
        let before = modes(&theirs);
        let end = || Stdio::from(theirs.try_clone().unwrap());
        let mut command = top(&home);
        command.env("NO_COLOR", "1").stdin(end()).stdout(end()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let written: Arc<Mutex<Vec<u8>>> = Arc::default();
        let (heard, mut reads) = (written.clone(), ours.try_clone().unwrap());
        // It ends when the last of the other ends is closed.
        let reader = std::thread::spawn(move || {
            let mut part = [0; 4_096];
            while let Ok(n @ 1..) = reads.read(&mut part) {
                heard.lock().unwrap().extend(&part[..n]);
            }
        });
        let has = |text: &str| String::from_utf8_lossy(&written.lock().unwrap()).contains(text);
        wait_for("the screen", || has("Fires").then_some(()));
        assert!(modes(&theirs) != before && !has("\u{1b}[2Jx"));
        match ends {
            "TERM" | "HUP" => {
                let pid = child.id().to_string();
                assert!(Command::new("kill").args(["-s", ends, &pid]).status().unwrap().success());
            }
            "q" => {
                // Anew, down to the alert, then what its form asks for.
                (&ours).write_all(b"\x0cjjswhy\r").unwrap();
                wait_for("the silence", || (server.api("/api/v2/silences") != Json::Array(Vec::new())).then_some(()));
                (&ours).write_all(b"q").unwrap();
            }
            keys => (&ours).write_all(keys.as_bytes()).unwrap(),
        }
        assert!(child.wait().unwrap().success(), "{ends}");
        assert_eq!(modes(&theirs), before, "{ends}");
        wait_for("the screen that was before", || has("\u{1b}[?1049l").then_some(()));
        drop(theirs);
        drop(ours);
        drop(reader);
    }
    let silences = server.api("/api/v2/silences");
    assert_eq!((&silences[0]["comment"], &silences[0]["createdBy"]), (&"why".into(), &"tester".into()), "{silences}");
}
