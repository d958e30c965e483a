//! Silences that the configuration keeps: shown beside others, reloaded, told before they end.

use crate::alertmanager_program;
use crate::support::peers::{self, wait_for};
use crate::support::service::Home;

const CONFIG: &str = "\
watchbell:
  alertmanager_config: am.yml
  silences: [silences/*.yml]
";

const ROUTING: &str = "route: {receiver: x}\nreceivers: [{name: x}]\n";

const SILENCES: &str = "\
silences:
- name: حرارة
  matchers: [alertname=foo]
  owner: storage
  reason: being rebuilt
- name: weekend
  matchers: [alertname=bar]
  schedule:
    time_intervals: [{years: ['2150']}]
    cron: [{expression: '0 0 1 1 *', duration: 1s}]
  owner: storage
  reason: nobody works
  expires: 2199-01-01T00:00:00Z
  expiry_notice: 200y
";

fn home() -> Home {
    let home = Home::new(&[("watchbell.yaml", CONFIG), ("am.yml", ROUTING)]);
    std::fs::create_dir(home.path().join("silences")).unwrap();
    home.write("silences/a.yml", SILENCES);
    home
}

#[test]
fn silences_of_the_configuration_are_shown_and_are_changed_there_alone() {
    let home = home();
    let server = home.start();
    let listed = || {
        let silences = server.api("/api/v2/silences");
        let line = |s: &serde_json::Value| {
            format!("{} {} {}", s["annotations"]["configured_as"], s["status"]["state"], s["createdBy"])
        };
        (silences.as_array().unwrap().iter().map(line).collect::<Vec<_>>(), silences)
    };
    let (lines, silences) = listed();
    assert_eq!(lines, [r#""حرارة" "active" "storage""#, r#""weekend" "pending" "storage""#]);
    assert_eq!(silences[0]["endsAt"], "9999-12-31T23:59:59.000Z");
    let id = silences[0]["id"].as_str().unwrap().to_owned();

    let alert = br#"[{"labels": {"alertname": "foo"}, "endsAt": "2126-01-01T00:00:00Z"}]"#;
    assert_eq!(peers::post(home.port(), "/api/v2/alerts", "application/json", alert).unwrap().0, 200);
    let silenced = |wanted: bool| {
        wait_for("the alert", || {
            let alerts = server.api("/api/v2/alerts?filter=alertname=foo");
            let by = alerts[0]["status"]["silencedBy"].as_array()?;
            (by.contains(&id.clone().into()) == wanted).then_some(())
        });
    };
    silenced(true);
    let notice = wait_for("the notice", || {
        let alerts = server.api("/api/v2/alerts?filter=alertname=WatchbellSilenceExpires");
        alerts.as_array()?.first().cloned()
    });
    assert_eq!((&notice["labels"]["silence"], &notice["labels"]["owner"]), (&"weekend".into(), &"storage".into()));
    let (status, body) = server.delete(&format!("/api/v2/silence/{id}"));
    assert!(status == 409 && body.contains("is configured in") && body.contains("a.yml"), "{status} {body}");
    let (_, page) = server.get("/silences");
    assert!(page.contains("حرارة") && page.contains("being rebuilt") && page.contains("no end"), "{page}");

    home.write("silences/a.yml", &SILENCES.replace("alertname=foo", "alertname=other"));
    assert_eq!(server.post("/-/reload").0, 200);
    silenced(false);
    assert_eq!(listed().1[0]["id"], id.as_str(), "it has the same id");
    home.write("silences/a.yml", "silences: [{name: a}]");
    let (status, body) = server.post("/-/reload");
    assert!(status == 500 && body.contains("a.yml:1:12: a silence needs"), "{status} {body}");
    assert_eq!(listed().0.len(), 2, "the last good ones stay");
    home.write("silences/a.yml", "silences: []");
    assert_eq!(server.post("/-/reload").0, 200);
    assert!(listed().0.is_empty());
}

#[test]
fn the_check_names_what_is_wrong_with_files_of_silences() {
    let home = home();
    let check = || {
        let program = env!("CARGO_BIN_EXE_watchbell");
        let mut command = std::process::Command::new(program);
        let output = command.current_dir(home.path()).args(["check", "config", "watchbell.yaml"]).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, said) = check();
    assert!(code == Some(0) && said.contains("SUCCESS: 2 silences found"), "{said}");
    home.write("silences/a.yml", &SILENCES.replace("years: ['2150']", "years: ['x']"));
    let (code, said) = check();
    assert!(code == Some(1) && said.contains("a.yml:9:31: \"x\" is not a whole number"), "{said}");
}

#[test]
fn an_alertmanager_configuration_names_silences_too() {
    let extras = "watchbell: {silences: [silences/*.yml]}\n";
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("silences")).unwrap();
    let file = home.path().join("silences/a.yml");
    std::fs::write(&file, SILENCES).unwrap();
    let program =
        alertmanager_program::start_in(home, &format!("{ROUTING}{extras}"), &["--web.listen-address=127.0.0.1:0"]);
    let port = program.port();
    wait_for("it to be ready", || peers::get(port, "/-/ready").filter(|(status, _)| *status == 200));
    let count = || {
        let (_, text) = peers::get(port, "/api/v2/silences").unwrap();
        serde_json::from_str::<Vec<serde_json::Value>>(&text).unwrap().len()
    };
    assert_eq!(count(), 2);
    let file = program.home.path().join("silences/a.yml");
    std::fs::write(&file, "silences: [{name: a}]").unwrap();
    let (status, text) = peers::post(port, "/-/reload", "text/plain", b"").unwrap();
    assert!(status == 500 && text.contains("a.yml:1:12: a silence needs") && count() == 2, "{status} {text}");
    std::fs::write(&file, "silences: []").unwrap();
    assert_eq!(peers::post(port, "/-/reload", "text/plain", b"").unwrap().0, 200);
    assert_eq!(count(), 0);
}

#[test]
fn silences_of_both_configurations_are_kept_and_checked_together() {
    let home = home();
    home.write("am.yml", &format!("{ROUTING}watchbell: {{silences: [more.yml]}}\n"));
    home.write("more.yml", &SILENCES.replace("name: weekend", "name: more").replace("حرارة", "b"));
    let server = home.start();
    assert_eq!(server.api("/api/v2/silences").as_array().unwrap().len(), 4);
    home.write("more.yml", SILENCES);
    let (status, body) = server.post("/-/reload");
    assert!(status == 500 && body.contains("found multiple silences with name"), "{status} {body}");
    for (what, file, code) in [("config", "watchbell.yaml", 1), ("alertmanager", "am.yml", 0)] {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_watchbell"));
        let output = command.current_dir(home.path()).args(["check", what, file]).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(
            said.contains(if code == 1 { "found multiple silences" } else { "SUCCESS: 2 silences found" }),
            "{said}"
        );
    }
}
