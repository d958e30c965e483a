//! `watchbell receiver test`: a marked message, by the running service or from a configuration file.

use std::process::Command;
use std::sync::{Arc, Mutex};

use serde_json::Value as Json;

use crate::alertmanager_program::start;
use crate::support::http;
use crate::support::peers::{self, wait_for};

#[test]
fn every_integration_hears_a_marked_message_and_its_end() {
    let heard: Arc<Mutex<Vec<(String, Json)>>> = Arc::default();
    let hears = heard.clone();
    let address = http::serve(false, move |request| {
        let path = request.line.split(' ').nth(1).unwrap().to_owned();
        let status = if path == "/bad" { 404 } else { 200 };
        hears.lock().unwrap().push((path, serde_json::from_slice(&request.body).unwrap()));
        Some(http::answer(status, &[], "gone"))
    });
    let config = format!(
        "route: {{receiver: on call}}\nreceivers:\n- name: on call\n  webhook_configs: [{{url: 'http://{address}/a'}}, {{url: 'http://{address}/b', send_resolved: false}}]\n\
         - name: bad\n  webhook_configs: [{{url: 'http://{address}/bad'}}]\n"
    );
    let program = start(&config, &["--web.listen-address=127.0.0.1:0"]);
    let port = program.port();
    wait_for("it to be ready", || peers::get(port, "/-/ready").filter(|(status, _)| *status == 200));
    let url = format!("--alertmanager.url=http://127.0.0.1:{port}");
    let test = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_watchbell"));
        command.current_dir(program.home.path()).env("HOME", program.home.path());
        let output = command.args(["receiver", "test"]).args(arguments).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    };
    for how in [url.as_str(), "--config.file=alertmanager.yml"] {
        let (code, said, errors) = test(&["on call", how]);
        assert_eq!((code, said.as_str()), (0, "webhook[0]: delivered\nwebhook[1]: delivered\n"), "{errors}");
        let told: Vec<(String, Json)> = heard.lock().unwrap().drain(..).collect();
        let lines: Vec<String> = told.iter().map(|(path, body)| format!("{path} {}", body["status"])).collect();
        assert_eq!(lines, ["/a \"firing\"", "/a \"resolved\"", "/b \"firing\""]);
        let alert = &told[0].1["alerts"][0];
        assert_eq!(alert["labels"]["alertname"], "WatchbellTest");
        assert!(alert["annotations"]["summary"].as_str().unwrap().contains("This is a test"), "{alert}");

        let (code, said, _) = test(&["bad", how]);
        assert_eq!((code, said.as_str()), (1, "webhook[0]: unexpected status code 404: gone\n"));
        let (code, _, errors) = test(&["nobody", how]);
        assert!(code == 1 && errors.contains("there is no receiver \"nobody\""), "{errors}");
        heard.lock().unwrap().clear();
    }
    let (status, alerts) = peers::get(port, "/api/v2/alerts").unwrap();
    assert_eq!((status, alerts.as_str()), (200, "[]\n"), "a test is no alert");
}
