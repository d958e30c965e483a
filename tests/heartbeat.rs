//! The heartbeat: an outside watch is called while everything works, and not while something does not.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::support::http::{answer, serve};
use crate::support::peers::wait_for;
use crate::support::service::Home;

fn config(url: &str, datasource: &str) -> String {
    format!(
        "global: {{evaluation_interval: 200ms}}\nrule_files: ['*.rules']\n\
         watchbell:\n  datasource: {datasource}\n  heartbeat: {{url: '{url}/ping/token', interval: 100ms}}\n"
    )
}

const RULES: &str = "groups:\n  - name: g\n    rules: [{record: one, expr: vector(1)}]\n";

#[test]
fn an_outside_watch_is_called_while_everything_works_and_not_while_every_rule_fails() {
    let calls = Arc::new(AtomicU64::new(0));
    let seen = calls.clone();
    let address = serve(false, move |request| {
        assert!(request.line.starts_with("GET /ping/token "), "{}", request.line);
        seen.fetch_add(1, Ordering::Relaxed);
        Some(answer(200, &[], "OK"))
    });
    let url = format!("http://{address}");
    let home = Home::new(&[("watchbell.yaml", &config(&url, "local")), ("a.rules", RULES)]);
    let server = home.start();
    wait_for("two calls", || (calls.load(Ordering::Relaxed) >= 2).then_some(()));
    assert!(!server.get("/api/v1/status/config").1.contains("token"), "the URL is a secret");

    // Nothing listens at port 9.
    home.write("watchbell.yaml", &config(&url, "{url: 'http://127.0.0.1:9'}"));
    assert_eq!(server.post("/-/reload").0, 200);
    let withheld = |at_least: u64| {
        let (_, metrics) = server.get("/metrics");
        let line = metrics.lines().find(|l| l.starts_with("watchbell_heartbeats_total{result=\"withheld\"}"))?;
        line.rsplit(' ').next()?.parse::<u64>().ok().filter(|n| *n >= at_least)
    };
    let before = wait_for("a heartbeat that is withheld", || withheld(1));
    let called = calls.load(Ordering::Relaxed);
    wait_for("more of them", || withheld(before + 3));
    assert_eq!(calls.load(Ordering::Relaxed), called, "a call though every rule fails");

    home.write("watchbell.yaml", &config(&url, "local"));
    assert_eq!(server.post("/-/reload").0, 200);
    wait_for("calls again", || (calls.load(Ordering::Relaxed) > called).then_some(()));
}
