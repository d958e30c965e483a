//! Labels of routes, Alertmanager 0.34's: in templates, in the webhook's JSON and in the API.

use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::support::http::{answer, serve};
use crate::support::peers;

const CONFIG: &str = "
route:
  receiver: default
  group_by: [alertname]
  group_wait: 0s
  labels:
    reason: '{{ .GroupLabels.alertname }}'
    description: '{{ .CommonAnnotations.summary }} - {{ routeLabels \"reason\" }}'
  routes:
  - receiver: dba
    matchers: [service=\"database\"]
    group_by: [database]
    labels: {reason: 'database {{ .GroupLabels.database }}', broken: '{{ index .Alerts 7 }}'}
receivers:
- name: default
- name: dba
  webhook_configs:
  - url: http://ADDRESS/plain
  - url: http://ADDRESS/own
    payload: {text: '{{ routeLabels \"description\" }}', all: '{{ .RouteLabels.SortedPairs.Names | join \" \" }}'}
";

struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn they_are_rendered_for_each_group_wherever_it_is_told_of() {
    let (sender, received) = channel();
    let sender = std::sync::Mutex::new(sender);
    let address = serve(false, move |request| {
        let body: Json = serde_json::from_slice(&request.body).unwrap();
        let _ = sender.lock().unwrap().send((request.line.contains("/own"), body));
        Some(answer(200, &[], ""))
    });
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("am.yml"), CONFIG.replace("ADDRESS", &address)).unwrap();
    let port = peers::free_port();
    let mut command = Command::new(env!("CARGO_BIN_EXE_watchbell"));
    command
        .current_dir(home.path())
        .args(["alertmanager", "--config.file=am.yml", "--storage.path=data"])
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let _program = Program(command.spawn().unwrap());
    peers::wait_for("the program", || peers::get(port, "/-/ready").filter(|(status, _)| *status == 200));
    let alert = json!([{"labels": {"alertname": "DiskFull", "service": "database", "database": "orders"},
        "annotations": {"summary": "full"}}, {"labels": {"alertname": "Other"}}]);
    let (status, body) = peers::post(port, "/api/v2/alerts", "application/json", alert.to_string().as_bytes()).unwrap();
    assert_eq!(status, 200, "{body}");

    // What fails is left out, and keeps nobody from being told.
    let want = json!({"description": "full - database orders", "reason": "database orders"});
    for _ in 0..2 {
        let (own, body) = received.recv_timeout(Duration::from_secs(30)).unwrap();
        match own {
            false => assert_eq!(body["routeLabels"], want),
            true => assert_eq!(body, json!({"text": "full - database orders", "all": "description reason"})),
        }
    }
    let (_, groups) = peers::get(port, "/api/v2/alerts/groups").unwrap();
    let groups: Vec<Json> = serde_json::from_str(&groups).unwrap();
    let labels: Vec<&Json> = groups.iter().map(|group| &group["routeLabels"]).collect();
    assert_eq!(labels, [&want, &json!({"description": " - Other", "reason": "Other"})]);
}
