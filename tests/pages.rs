//! Pages for people: what they show, that what alerts bring in stays text, how large they get, and where links from
//! Prometheus and Alertmanager lead.

use serde_json::json;

use crate::support::peers::{self, wait_for};
use crate::support::service::{Home, Server};

const CONFIG: &str = "watchbell: {alertmanager_config: am.yml}\n";
const ROUTING: &str = "route: {receiver: team, group_by: [alertname]}\nreceivers: [{name: team}, {name: other}]\n";

fn home() -> Home {
    Home::new(&[("watchbell.yaml", CONFIG), ("am.yml", ROUTING)])
}

fn post(server: &Server, alerts: &serde_json::Value) {
    let answer = peers::post(server.0.port, "/api/v2/alerts", "application/json", alerts.to_string().as_bytes());
    assert_eq!(answer.unwrap().0, 200);
}

/// The page, once it shows what is looked for.
fn page_with(server: &Server, path: &str, text: &str) -> String {
    wait_for(text, || Some(server.get(path).1).filter(|page| page.contains(text)))
}

/// Head and body of an answer as it came.
fn whole(server: &Server, path: &str) -> (String, String) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let answer = peers::raw(server.0.port, &request);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_ascii_lowercase(), body.to_owned())
}

#[test]
fn links_to_prometheus_pages_lead_to_ours() {
    let home = home();
    let server = home.start();
    for (path, want) in [
        ("/", "/alerts"),
        ("/graph?g0.expr=up%20%3D%3D%200&g0.tab=1", "query?g0.expr=up%20%3D%3D%200&g0.tab=1"),
        ("/config", "status#configuration"),
        ("/flags", "status#flags"),
    ] {
        let (head, _) = whole(&server, path);
        assert!(
            head.starts_with("http/1.1 303") && head.contains(&format!("location: {}\r\n", want.to_lowercase())),
            "{path}: {head}"
        );
    }
    for path in ["/alerts", "/rules", "/targets", "/status", "/tsdb-status", "/service-discovery", "/silences"] {
        let (head, body) = whole(&server, path);
        assert!(head.starts_with("http/1.1 200") && body.contains("</html>"), "{path}: {head}");
        assert!(head.contains("content-security-policy: default-src 'none'; script-src 'self';"), "{path}: {head}");
        assert!(head.contains("cache-control: no-store") && head.contains("nosniff"), "{path}: {head}");
        // Nothing that the policy would keep from working.
        assert!(!body.contains(" style=") && !body.contains("<style") && !body.contains(" onclick="), "{path}");
    }
}

#[test]
fn styles_and_scripts_are_kept_for_ever_by_names_that_say_their_content() {
    let home = home();
    let server = home.start();
    let page = server.get("/alerts").1;
    let names = page.split('"').filter(|s| s.starts_with("assets/"));
    let names: Vec<&str> = names.collect();
    assert_eq!(names.len(), 3, "{names:?}");
    for name in names {
        let (head, body) = whole(&server, &format!("/{name}"));
        assert!(head.contains("max-age=31536000, immutable") && !head.contains("content-encoding"), "{head}");
        assert!(body.len() > 100);
        let packed =
            format!("GET /{name} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAccept-Encoding: br, gzip\r\n\r\n");
        assert!(peers::raw(server.0.port, &packed).contains("content-encoding: gzip"));
    }
    assert_eq!(server.get("/assets/live.0000000000000000.js").0, 404);
    assert_eq!(server.get("/assets/..%2f..%2fCargo.toml").0, 404);
}

#[test]
fn what_alerts_bring_in_stays_text() {
    let home = home();
    let server = home.start();
    let evil = "\"><script>alert(1)</script>'\n<img src=x onerror=alert(2)>";
    post(
        &server,
        &json!([{
            "labels": { "alertname": evil, "severity": evil, "a.b": evil, "host": "ساعة" },
            "annotations": {
                "summary": evil, "runbook_url": "javascript:alert(1)", "dashboard_url": "https://dash.test/?a=\"><b>",
            },
            "generatorURL": "javascript:alert(3)",
        }]),
    );
    let page = page_with(&server, "/alerts", "1 firing");
    assert!(page.contains("&lt;script&gt;alert(1)&lt;&#x2F;script&gt;"), "{page}");
    for bad in ["<script>alert", "<img", "href=\"javascript", "<b>"] {
        assert!(!page.contains(bad), "{bad}: {page}");
    }
    assert!(page.contains("https:&#x2F;&#x2F;dash.test&#x2F;?a=%22%3E%3Cb%3E"), "{page}");
    assert!(page.contains("ساعة"));
    let asked =
        "/alerts?q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E&filter=%22%3E%3Cscript%3Ealert(1)&receiver=%3Cscript%3E";
    let page = server.get(asked).1;
    assert!(!page.contains("<script>alert") && page.contains("cannot be read"), "{page}");
}

#[test]
fn alerts_are_filtered_by_what_the_url_says() {
    let home = home();
    let server = home.start();
    let alert =
        |name: &str, team: &str| json!({ "labels": { "alertname": name, "team": team, "severity": "critical" } });
    post(&server, &json!([alert("A", "db"), alert("A", "web"), alert("B", "db")]));
    page_with(&server, "/alerts", "3 firing");
    for (query, want) in [
        ("filter=team%3D%22db%22", "2 firing"),
        ("filter=%7Bteam%3D%22db%22%2Calertname%3D~%22B%7CC%22%7D", "1 firing"),
        ("filter=team%3D%22db%22&filter=alertname%3D%22A%22", "1 firing"),
        ("q=WEB", "1 firing"),
        ("receiver=team", "3 firing"),
        ("receiver=tea", "No alert that fires is as asked for"),
        ("state=suppressed", "No alert that fires is as asked for"),
        ("silenced=false&inhibited=false&active=true", "3 firing"),
        ("active=false", "No alert that fires is as asked for"),
        ("filter=team%3D", "Show all"),
    ] {
        let page = server.get(&format!("/alerts?{query}")).1;
        assert!(page.contains(want), "{query}: {page}");
        assert!(!page.contains("All quiet"), "{query}");
    }
}

#[test]
fn ten_thousand_alerts_make_a_small_page() {
    let home = home();
    let server = home.start();
    let long = "a description that goes on for a while, as descriptions do, and says what is to be done ".repeat(4);
    let alert = |i: usize| {
        json!({
            "labels": {
                "alertname": format!("Alert{}", i % 100), "severity": "warning", "cluster": "a-cluster-in-some-region",
                "namespace": "inference-production", "pod": format!("model-server-6d4cf56db6-{i}"), "gpu": "7",
                "instance": format!("10.0.{}.{}:9400", i / 250, i % 250), "job": "dcgm-exporter",
            },
            "annotations": {
                "summary": format!("GPU {i} is hot"), "description": long, "runbook_url": "https://runbooks.test/gpu",
            },
            "generatorURL": "http://prometheus.test/graph?g0.expr=x&g0.tab=1",
        })
    };
    post(&server, &(0..10_000).map(alert).collect::<Vec<_>>().into());
    let page = page_with(&server, "/alerts", "10000 firing");
    assert!(page.len() < 100_000, "{} bytes", page.len());
    assert!(page.contains("100 groups") && page.contains("90 more of this group"), "{page}");
    assert!(page.contains("1 of 25") && page.contains("page=2"), "{page}");
    let one = server.get("/alerts?filter=alertname%3D%22Alert7%22&page=3").1;
    assert!(one.contains("100 firing") && one.contains("3 of 3") && one.len() < 100_000, "{one}");
}

#[test]
fn every_alert_of_a_group_without_labels_can_be_reached_among_other_groups() {
    let routing = "route: {receiver: team, group_by: [], routes: [{matchers: [kind=x], group_by: [alertname]}]}\n\
                   receivers: [{name: team}]\n";
    let home = Home::new(&[("watchbell.yaml", CONFIG), ("am.yml", routing)]);
    let server = home.start();
    let alert = |i: usize| json!({ "labels": { "alertname": format!("Alert{i}"), "n": i.to_string() } });
    let other = json!({ "labels": { "alertname": "Other", "kind": "x" } });
    post(&server, &(0..60).map(alert).chain([other]).collect::<Vec<_>>().into());
    let page = page_with(&server, "/alerts", "61 firing");
    let (before, _) = page.split_once("\">50 more of this group").unwrap();
    let (_, link) = before.rsplit_once("href=\"?").unwrap();
    let path = format!("/alerts?{}", link.replace("&amp;", "&").replace("&#x2F;", "/"));
    let first = server.get(&path).1;
    assert!(first.contains("60 firing") && first.contains("1 of 2") && !first.contains(">Other<"), "{first}");
    let second = server.get(&format!("{path}&page=2")).1;
    assert!(second.contains("2 of 2") && second.matches("class=\"group\"").count() == 1, "{second}");
}

#[test]
fn all_is_quiet_only_when_every_rule_was_evaluated() {
    let config = "global: {evaluation_interval: 1d}\nrule_files: [rules.yaml]\n";
    let rules = "groups: [{name: g, rules: [{alert: Down, expr: up == 0}]}]";
    let home = Home::new(&[("watchbell.yaml", config), ("rules.yaml", rules)]);
    let server = home.start();
    let page = server.get("/alerts").1;
    assert!(page.contains("1 of 1 rules have not been evaluated yet") && !page.contains("All quiet"), "{page}");
    home.write("watchbell.yaml", "global: {evaluation_interval: 100ms}\nrule_files: [rules.yaml]\n");
    assert_eq!(server.post("/-/reload").0, 200);
    let page = page_with(&server, "/alerts", "All quiet");
    assert!(!page.contains("class=\"trouble\""), "{page}");
    home.write("rules.yaml", "groups: []");
    assert_eq!(server.post("/-/reload").0, 200);
    page_with(&server, "/alerts", "No rules are loaded");
}

#[test]
fn all_is_not_quiet_while_discovery_fails_or_nobody_takes_what_is_sent_on() {
    let quiet = "global: {scrape_interval: 100ms, evaluation_interval: 100ms}\nrule_files: [rules.yaml]\n";
    // Nobody listens there.
    let away = format!("127.0.0.1:{}", peers::free_port());
    let sends = format!(
        "{quiet}remote_write: [{{url: 'http://{away}/write'}}]\n\
         alerting: {{alertmanagers: [{{static_configs: [{{targets: ['{away}']}}]}}]}}\n\
         scrape_configs: [{{job_name: j, http_sd_configs: [{{url: 'http://{away}/targets', refresh_interval: 1h}}]}}]\n"
    );
    let rules = "groups: [{name: g, rules: [{alert: A, expr: vector(1)}]}]";
    let home = Home::new(&[("watchbell.yaml", &sends), ("rules.yaml", rules)]);
    let server = home.start();
    page_with(&server, "/alerts", "A discovery fails: targets that came or went since are not known");
    page_with(&server, "/alerts", "Remote write is behind");
    let page = page_with(&server, "/alerts", "An external Alertmanager is not told of alerts");
    assert!(page.contains("http (j)") && page.contains(&format!("{away}&#x2F;write")), "{page}");
    home.write("watchbell.yaml", quiet);
    assert_eq!(server.post("/-/reload").0, 200);
    let page = server.get("/alerts").1;
    assert!(!page.contains("class=\"trouble\""), "{page}");
}

#[test]
fn a_page_that_follows_hears_of_news() {
    let home = home();
    let server = home.start();
    let request = "GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n";
    assert!(peers::beginning(server.0.port, request, "event: hello").contains("text/event-stream"));
    let told = std::thread::scope(|scope| {
        let told = scope.spawn(|| peers::beginning(server.0.port, request, "event: news"));
        let mut n = 0;
        while !told.is_finished() {
            n += 1;
            post(&server, &json!([{ "labels": { "alertname": format!("A{n}") } }]));
            peers::pause();
        }
        told.join().unwrap()
    });
    assert!(told.contains("event: news"));
}

#[test]
fn pages_find_each_other_below_a_prefix() {
    let home = home();
    let server = home.start_below("/watch/bell");
    let (head, _) = whole(&server, "/watch/bell/");
    assert!(head.contains("location: /watch/bell/alerts\r\n"), "{head}");
    let page = server.get("/watch/bell/alerts").1;
    assert!(page.contains("href=\"silences\"") && page.contains("href=\"assets/pages."), "{page}");
    let (head, _) = whole(&server, "/watch/bell/graph?g0.expr=up");
    assert!(head.contains("location: query?g0.expr=up\r\n"), "{head}");
    assert!(server.get("/watch/bell/silences/new").1.contains("href=\"../assets/pages."));
}
