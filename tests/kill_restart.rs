//! A real process, killed with SIGKILL at bad moments and started again: nothing owed is lost, nothing told is told
//! twice.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::Value as Json;

use crate::support::http::{Answer, Request, answer, serve};
use crate::support::peers::wait_for;
use crate::support::service::Home;

/// A world outside: something to scrape, and someone to tell.
#[derive(Default)]
struct Outside {
    level: AtomicU64,
    /// Whether whoever is told gives no answer.
    silent: AtomicBool,
    attempts: AtomicU64,
    told: Mutex<Vec<Json>>,
}

impl Outside {
    fn respond(&self, request: &Request) -> Option<Answer> {
        if request.line.starts_with("GET") {
            let text = format!("level {}\n", self.level.load(Ordering::SeqCst));
            return Some(answer(200, &[("Content-Type", "text/plain; version=0.0.4")], text));
        }
        self.attempts.fetch_add(1, Ordering::SeqCst);
        if self.silent.load(Ordering::SeqCst) {
            wait_for("an end of the silence", || (!self.silent.load(Ordering::SeqCst)).then_some(()));
            return None;
        }
        self.told.lock().unwrap().push(serde_json::from_slice(&request.body).unwrap());
        Some(answer(200, &[], ""))
    }

    /// Statuses of what was told, in order.
    fn statuses(&self) -> Vec<String> {
        self.told.lock().unwrap().iter().map(|n| n["status"].as_str().unwrap_or("").to_owned()).collect()
    }
}

/// A server that watches the world outside; alerts hold for `hold`, groups wait for `group_wait`.
fn scene(hold: &str, group_wait: &str) -> (Arc<Outside>, Home) {
    let outside = Arc::new(Outside::default());
    let seen = outside.clone();
    let address = serve(false, move |request| seen.respond(&request));
    let config = format!(
        "global: {{scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 200ms}}\n\
         rule_files: [rules.yml]\n\
         scrape_configs:\n  - job_name: outside\n    static_configs: [{{targets: ['{address}']}}]\n\
         watchbell: {{alertmanager_config: am.yml}}\n"
    );
    let rules = format!(
        "groups:\n  - name: g\n    rules:\n      - {{alert: High, expr: level > 5, for: {hold}, annotations: {{summary: مرتفع}}}}\n"
    );
    let routing = format!(
        "route: {{receiver: hook, group_by: [alertname], group_wait: {group_wait}, group_interval: 1s, repeat_interval: 4h}}\n\
         receivers:\n  - name: hook\n    webhook_configs: [{{url: 'http://{address}/hook', send_resolved: true}}]\n"
    );
    let home = Home::new(&[("watchbell.yaml", &config), ("rules.yml", &rules), ("am.yml", &routing)]);
    (outside, home)
}

#[test]
fn a_pending_alert_keeps_its_beginning() {
    let (outside, home) = scene("5s", "0s");
    outside.level.store(9, Ordering::SeqCst);
    let mut server = home.start();
    let before = server.wait_for_alert("pending");
    // By the second evaluation the first one's outcome is on disk.
    server.wait_for_evaluations(2);
    server.0.kill();
    let server = home.start();
    let after = server.wait_for_alert("firing");
    assert_eq!(after["activeAt"], before["activeAt"]);
    wait_for("a page", || outside.statuses().first().cloned());
    server.wait_for_evaluations(10);
    assert_eq!(outside.statuses(), ["firing"]);
}

#[test]
fn an_alert_that_resolved_while_nobody_watched_sends_its_resolve_and_no_second_page() {
    let (outside, home) = scene("0s", "0s");
    outside.level.store(9, Ordering::SeqCst);
    let mut server = home.start();
    wait_for("a page", || outside.statuses().first().cloned());
    server.wait_for_evaluations(3);
    server.0.kill();
    let mut server = home.start();
    server.wait_for_evaluations(10);
    assert_eq!(outside.statuses(), ["firing"], "a restart alone tells nobody anything");
    server.0.kill();
    outside.level.store(1, Ordering::SeqCst);
    let server = home.start();
    wait_for("the resolve", || outside.statuses().get(1).cloned());
    server.wait_for_evaluations(10);
    assert_eq!(outside.statuses(), ["firing", "resolved"]);
}

#[test]
fn a_group_that_waits_is_told_once_after_the_restart() {
    let (outside, home) = scene("0s", "3s");
    outside.level.store(9, Ordering::SeqCst);
    let mut server = home.start();
    server.wait_for_alert("firing");
    server.0.kill();
    assert!(outside.statuses().is_empty(), "killed before the group was told");
    let server = home.start();
    wait_for("a page", || outside.statuses().first().cloned());
    server.wait_for_evaluations(10);
    assert_eq!(outside.statuses(), ["firing"]);
}

#[test]
fn a_delivery_that_was_cut_is_made_again() {
    let (outside, home) = scene("0s", "0s");
    outside.silent.store(true, Ordering::SeqCst);
    outside.level.store(9, Ordering::SeqCst);
    let mut server = home.start();
    wait_for("an attempt", || (outside.attempts.load(Ordering::SeqCst) > 0).then_some(()));
    server.0.kill();
    outside.silent.store(false, Ordering::SeqCst);
    let server = home.start();
    wait_for("a page", || outside.statuses().first().cloned());
    server.wait_for_evaluations(10);
    assert_eq!(outside.statuses(), ["firing"]);
}

#[test]
fn an_alert_goes_on_when_its_files_are_called_by_another_path_or_another_name() {
    let (outside, home) = scene("0s", "0s");
    outside.level.store(9, Ordering::SeqCst);
    let mut server = home.start_by(std::path::Path::new("watchbell.yaml"), &[]);
    wait_for("a page", || outside.statuses().first().cloned());
    let before = server.wait_for_alert("firing");
    server.wait_for_evaluations(3);
    server.0.kill();
    let mut server = home.start();
    server.wait_for_evaluations(10);
    server.0.kill();
    // As an operator does it: another file, and here another group too.
    let config = std::fs::read_to_string(home.path().join("watchbell.yaml")).unwrap();
    let rules = std::fs::read_to_string(home.path().join("rules.yml")).unwrap();
    home.write("rules-1b2c.yml", &rules.replace("name: g", "name: renamed"));
    home.write("watchbell.yaml", &config.replace("rules.yml", "rules-1b2c.yml"));
    let server = home.start();
    server.wait_for_evaluations(10);
    assert_eq!(server.wait_for_alert("firing")["activeAt"], before["activeAt"]);
    assert_eq!(outside.statuses(), ["firing"]);
}
