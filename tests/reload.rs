//! Reloads: a bad configuration changes nothing, a good one keeps what it does not change; and a clean end.

use std::process::{Command, Stdio};

use serde_json::Value as Json;

use crate::support::peers::wait_for;
use crate::support::service::{Home, Server};

const CONFIG: &str = "global: {evaluation_interval: 200ms}\nrule_files: ['*.rules']\n";
const FIRST: &str = "groups:\n  - name: first\n    rules: [{alert: Always, expr: vector(1)}]\n";
const SECOND: &str = "groups:\n  - name: second\n    rules: [{record: one, expr: vector(1)}]\n";

fn groups(server: &Server) -> Vec<String> {
    let answer = server.api("/api/v1/rules");
    let groups = answer["data"]["groups"].as_array().cloned().unwrap_or_default();
    groups.iter().map(|g| g["name"].as_str().unwrap_or("").to_owned()).collect()
}

fn last_reload_succeeded(server: &Server) -> bool {
    let info: Json = server.api("/api/v1/status/runtimeinfo");
    info["data"]["reloadConfigSuccess"] == true
}

#[test]
fn the_last_good_configuration_stays_in_force_and_unchanged_groups_keep_their_state() {
    let home = Home::new(&[("watchbell.yaml", CONFIG), ("a.rules", FIRST)]);
    let server = home.start();
    let before = server.wait_for_alert("firing");

    home.write("b.rules", "groups:\n  - name: bad\n    rules: [{record: x, expr: 'sum('}]\n");
    let (status, body) = server.post("/-/reload");
    assert_eq!(status, 500);
    assert!(body.contains("b.rules:3:") && body.contains("unclosed left parenthesis"), "{body}");
    assert_eq!(groups(&server), ["first"]);
    assert!(!last_reload_succeeded(&server));
    let (_, metrics) = server.get("/metrics");
    assert!(metrics.contains("watchbell_config_last_reload_successful 0\n"));

    home.write("b.rules", SECOND);
    assert_eq!(server.post("/-/reload").0, 200);
    assert_eq!(groups(&server), ["first", "second"]);
    assert!(last_reload_succeeded(&server));
    let after = server.wait_for_alert("firing");
    assert_eq!(after["activeAt"], before["activeAt"]);

    std::fs::remove_file(home.path().join("a.rules")).unwrap();
    server.signal("HUP");
    wait_for("the reload", || (groups(&server) == ["second"]).then_some(()));
}

#[test]
fn a_process_that_is_asked_to_end_ends_well() {
    let home = Home::new(&[("watchbell.yaml", CONFIG), ("a.rules", FIRST)]);
    let binary = env!("CARGO_BIN_EXE_watchbell");
    let config = home.path().join("watchbell.yaml");
    let mut child = Command::new(binary)
        .args(["run", "--web.listen-address=127.0.0.1:0", "--config.file"])
        .arg(&config)
        .arg(format!("--storage.tsdb.path={}", home.path().join("data").display()))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = std::io::BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("ready to receive web requests") {
        line.clear();
        assert!(std::io::BufRead::read_line(&mut log, &mut line).unwrap() > 0, "it ended before it was ready");
    }
    let sent = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_configuration_can_be_checked_without_running() {
    let home = Home::new(&[("watchbell.yaml", CONFIG), ("a.rules", FIRST)]);
    let check = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_watchbell"));
        command.args(["run", "--config.check", "--config"]).arg(home.path().join("watchbell.yaml"));
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert_eq!(check().0, Some(0));
    home.write("watchbell.yaml", "global: {scrape_intervall: 5s, evaluation_interval: soon}\n");
    let (code, errors) = check();
    assert_eq!(code, Some(1));
    assert!(errors.contains("scrape_intervall") && errors.contains("watchbell.yaml:1:"), "{errors}");
    assert_eq!(errors.lines().filter(|l| l.contains("watchbell.yaml:")).count(), 2, "{errors}");
}
