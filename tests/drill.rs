//! `watchbell drill`: a marked alert and its end through the real routing.

use std::process::Command;
use std::sync::{Arc, Mutex};

use serde_json::Value as Json;

use crate::alertmanager_program::start;
use crate::support::http;
use crate::support::peers::{self, wait_for};

#[test]
fn a_drill_tells_whom_an_alert_would_tell_and_touches_no_other_alert() {
    let heard: Arc<Mutex<Vec<(String, Json)>>> = Arc::default();
    let hears = heard.clone();
    let address = http::serve(false, move |request| {
        let path = request.line.split(' ').nth(1).unwrap().to_owned();
        hears.lock().unwrap().push((path, serde_json::from_slice(&request.body).unwrap()));
        Some(http::answer(200, &[], ""))
    });
    let config = format!(
        "route: {{receiver: default, group_by: [alertname], group_wait: 0s, group_interval: 1s, routes: [\n\
         \x20 {{receiver: x, matchers: [team=x]}}, {{receiver: nobody, matchers: [team=y]}}, {{receiver: z, matchers: [team=z], mute_time_intervals: [always]}}]}}\n\
         inhibit_rules: [{{source_matchers: [severity=critical], target_matchers: [severity=warning]}}]\n\
         time_intervals: [{{name: always, time_intervals: [{{}}]}}]\n\
         receivers: [{{name: default}}, {{name: nobody}}, {{name: z, webhook_configs: [{{url: 'http://{address}/z'}}]}},\n\
         \x20 {{name: x, webhook_configs: [{{url: 'http://{address}/a'}}, {{url: 'http://{address}/b', send_resolved: false}}]}}]\n"
    );
    let program = start(&config, &["--web.listen-address=127.0.0.1:0"]);
    let port = program.port();
    wait_for("it to be ready", || peers::get(port, "/-/ready").filter(|(status, _)| *status == 200));
    let drill = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_watchbell"));
        command.current_dir(program.home.path()).env("HOME", program.home.path()).arg("drill").args(arguments);
        let output = command.arg(format!("--alertmanager.url=http://127.0.0.1:{port}")).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    };
    // Real alerts of the same name, one of which the drill's would mute if it were real.
    let alerts = br#"[{"labels": {"alertname": "Down", "team": "x", "severity": "warning"}}]"#;
    assert_eq!(peers::post(port, "/api/v2/alerts", "application/json", alerts).unwrap().0, 200);
    wait_for("the real page", || (heard.lock().unwrap().len() == 2).then_some(()));
    heard.lock().unwrap().clear();

    let (code, said, errors) = drill(&["Down", "team=x", "severity=critical", "--annotation=summary=a node is down"]);
    assert_eq!(code, 0, "{said}{errors}");
    assert!(said.starts_with("to x: firing after 0s, resolved 1s later\n"), "{said}");
    for line in ["firing x/webhook[0]: delivered", "firing x/webhook[1]: delivered", "resolved x/webhook[0]: delivered"]
    {
        assert!(said.contains(line), "{line}: {said}");
    }
    assert!(!said.contains("resolved x/webhook[1]"), "{said}");
    let told: Vec<(String, Json)> = heard.lock().unwrap().drain(..).collect();
    let mut lines: Vec<String> = told.iter().map(|(path, body)| format!("{path} {}", body["status"])).collect();
    lines.sort();
    assert_eq!(lines, ["/a \"firing\"", "/a \"resolved\"", "/b \"firing\""]);
    for (_, body) in &told {
        assert_eq!(body["alerts"].as_array().unwrap().len(), 1, "no other alert is in its group");
        assert!(body["commonLabels"]["watchbell_drill"].is_string(), "{body}");
        assert_eq!(body["commonAnnotations"]["summary"], "DRILL: this is an exercise. a node is down");
    }
    let (_, real) = peers::get(port, "/api/v2/alerts?filter=severity=warning").unwrap();
    assert!(real.contains(r#""inhibitedBy":[]"#), "{real}");

    for (labels, why) in [
        (["Down", "team=x", "severity=warning"], None),
        (["Down", "team=y", "severity=none"], Some("nobody tells nobody: it has no integrations")),
        (["Down", "team=z", "severity=none"], Some("muted by time interval always")),
    ] {
        let (code, said, errors) = drill(&labels);
        assert_eq!(code, i32::from(why.is_some()), "{said}{errors}");
        assert!(said.contains(why.unwrap_or("resolved x/webhook[0]: delivered")), "{said}");
    }
    let (code, _, errors) = drill(&["Down", "watchbell_drill=me"]);
    assert!(code == 1 && errors.contains("marks drills"), "{errors}");
}
