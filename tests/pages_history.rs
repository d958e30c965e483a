//! The pages of what was decided: the history, an alert's, a notification's, and how often rules fired.

use std::sync::{Arc, Mutex};

use serde_json::json;

use crate::support::http::{Request, answer, serve};
use crate::support::peers::{self, wait_for};
use crate::support::service::{Home, Server};

const EVIL: &str = "\"><script>alert(1)</script>";

/// A rule that fires at a receiver with texts, whose label is hostile; what was heard of the ids.
fn service() -> (Arc<Mutex<Vec<String>>>, Home, Server) {
    let heard: Arc<Mutex<Vec<String>>> = Arc::default();
    let hears = heard.clone();
    let address = serve(false, move |request: Request| {
        hears.lock().unwrap().push(request.header("x-watchbell-notification").to_owned());
        Some(answer(200, &[("content-type", "application/json")], "{\"ok\":true}"))
    });
    let config =
        "global: {evaluation_interval: 200ms}\nrule_files: [rules.yml]\nwatchbell: {alertmanager_config: am.yml}\n";
    let rules = format!(
        "groups:\n- name: g\n  rules:\n  - alert: Always\n    expr: vector(7) > 5\n    labels: {{evil: '{EVIL}'}}\n\
         \x20   annotations: {{summary: 'it is <b>always</b> so'}}\n  - {{alert: Never, expr: vector(7) > 9}}\n"
    );
    let routing = format!(
        "route: {{receiver: team, group_by: [alertname], group_wait: 0s, group_interval: 1s, repeat_interval: 4h}}\n\
         receivers:\n- name: team\n  webhook_configs: [{{url: 'http://{address}/hook'}}]\n\
         \x20 slack_configs: [{{api_url: 'http://{address}/slack', channel: '#a', send_resolved: true,\n\
         \x20   title: 'Look at this', text: '{{{{ .CommonAnnotations.summary }}}}'}}]\n"
    );
    let home = Home::new(&[("watchbell.yaml", config), ("rules.yml", &rules), ("am.yml", &routing)]);
    let server = home.start();
    wait_for("both are told", || (heard.lock().unwrap().len() >= 2).then_some(()));
    (heard, home, server)
}

fn page_with(server: &Server, path: &str, text: &str) -> String {
    let page = wait_for(text, || Some(server.get(path).1).filter(|page| page.contains(text)));
    for bad in ["<script>alert", "<b>always", "href=\"javascript"] {
        assert!(!page.contains(bad), "{path}: {bad}");
    }
    page
}

fn post(server: &Server, name: &str, count: usize, ends: Option<&str>) {
    let alert = |n: usize| {
        let mut alert = json!({ "labels": { "alertname": name, "n": n.to_string() } });
        if let Some(ends) = ends {
            alert["endsAt"] = ends.into();
        }
        alert
    };
    let body = serde_json::Value::from((0..count).map(alert).collect::<Vec<_>>()).to_string();
    assert_eq!(peers::post(server.0.port, "/api/v2/alerts", "application/json", body.as_bytes()).unwrap().0, 200);
}

/// The way that a link with this text leads.
fn link<'p>(page: &'p str, text: &str) -> &'p str {
    let before = page.split(&format!("\">{text}</a>")).next().unwrap();
    before.rsplit_once("href=\"").unwrap().1
}

#[test]
fn the_history_is_a_page_with_filters() {
    let (_heard, _home, server) = service();
    let all = page_with(&server, "/history", "team&#x2F;slack[0] was told");
    for text in ["fires with value 7", "is routed to team by {}", "state ok\">sent<", "Always{evil="] {
        assert!(all.contains(text), "{text} is not in {all}");
    }
    for (query, there, not) in [
        ("kind=sent", "was told", "fires with value"),
        ("kind=firing&kind=sent&filter=alertname%3DAlways", "fires with value", "is routed to"),
        ("filter=alertname%3D%22Other%22", "Nothing is recorded that is as asked for", "was told"),
        ("receiver=nobody", "Nothing is recorded that is as asked for", "was told"),
        ("from=2100-01-01+00:00", "Nothing is recorded that is as asked for", "was told"),
        ("to=2100-01-01T00:00:00Z&receiver=team", "was told", "fires with value"),
        ("filter=a%7B", "aria-invalid=\"true\"", "was told"),
        ("from=yesterday", "is no time, such as 2026-01-31 08:00", "was told"),
        ("from=2026-01-02+00:00&to=2026-01-01+00:00", "the end is before the beginning", "was told"),
        ("kind=x", "unknown kind", "was told"),
        ("fingerprint=1", "is no fingerprint", "was told"),
        ("notification=0", "<bdi>notification</bdi>=<bdi>0</bdi>", "fires with value"),
        ("filter=%22%3E%3Cscript%3Ealert(1)%3C/script%3E", "role=\"alert\"", "was told"),
    ] {
        let page = page_with(&server, &format!("/history?{query}"), there);
        assert!(!page.contains(not), "{query}: {page}");
    }

    // Page by page.
    post(&server, "Many", 130, None);
    wait_for("all of them", || {
        let found = server.api("/watchbell/v1/history?kind=firing&match[]={alertname=\"Many\"}&limit=1000");
        (found["decisions"].as_array().unwrap().len() == 130).then_some(())
    });
    let first = server.get("/history?kind=firing&filter=alertname%3DMany").1;
    assert_eq!(first.matches("<li><div class=\"line\">").count(), 100);
    let older = link(&first, "Older").replace("&amp;", "&");
    let second = server.get(&format!("/history{older}")).1;
    assert_eq!(second.matches("<li><div class=\"line\">").count(), 30, "{older}");
    assert!(second.contains(">Newest</a>") && !second.contains(">Older</a>"));
}

#[test]
fn a_message_leads_to_the_page_that_says_why_it_was_sent() {
    let (heard, _home, server) = service();
    let sent = wait_for("what was sent", || {
        let sent = server.api("/watchbell/v1/history?kind=sent")["decisions"].as_array().unwrap().clone();
        (sent.len() >= 2).then_some(sent)
    });
    let ids: Vec<String> = sent.iter().map(|d| d["notification"].to_string()).collect();
    assert!(ids.iter().any(|id| heard.lock().unwrap().contains(id)), "a webhook is told the id: {ids:?}");
    let pages: Vec<String> =
        ids.iter().map(|id| page_with(&server, &format!("/notification/{id}"), "state ok\">sent<")).collect();
    for page in &pages {
        for text in [
            "because the group had not been told before",
            "What was new",
            "none that told it of this group",
            "7 &gt; 5, by 2",
            "Always",
        ] {
            assert!(page.contains(text), "{text} is not in {page}");
        }
    }
    let told = pages.iter().find(|page| page.contains("by <code>slack[0]</code>")).expect("slack is told");
    assert!(
        told.contains("Look at this") && told.contains("it is &amp;lt;b&amp;gt;always&amp;lt;&#x2F;b&amp;gt; so"),
        "{told}"
    );
    assert_eq!(server.get("/notification/999999").0, 404);
    assert_eq!(server.get("/notification/x").0, 404);
}

#[test]
fn an_alert_shows_what_was_decided_and_said_while_it_fires_and_when_it_is_over() {
    let (_heard, _home, server) = service();
    let alert = server.api("/watchbell/v1/explain?alert=Always")["alerts"][0]["fingerprint"].clone();
    let page = page_with(&server, &format!("/alert/{}", alert.as_str().unwrap()), "What was said");
    for text in ["What was decided", "fires with value 7", "Look at this", "7 &gt; 5, by 2", "Its history"] {
        assert!(page.contains(text), "{text} is not in {page}");
    }

    post(&server, "Posted", 1, None);
    let found = wait_for("it is told", || {
        let found = server.api("/watchbell/v1/history?kind=sent&match[]={alertname=\"Posted\"}");
        found["decisions"].as_array().unwrap().first().cloned()
    });
    let id = found["alerts"][0]["fingerprint"].as_str().unwrap().to_owned();
    post(&server, "Posted", 1, Some("2020-01-01T00:00:00Z"));
    let page = page_with(&server, &format!("/alert/{id}"), "It is over");
    for text in ["state resolved\">resolved<", "resolved; fired since", "Posted"] {
        assert!(page.contains(text), "{text} is not in {page}");
    }
    assert_eq!(server.get("/alert/00000000000000aa").0, 404);
}

#[test]
fn rules_say_how_often_they_fired_and_lead_to_when() {
    let (_heard, _home, server) = service();
    let page = page_with(&server, "/rules", "fired 1 time since");
    assert!(page.contains("fired 0 times since"), "{page}");
    let way = page.split("\">fired 1 time").next().unwrap().rsplit_once("href=\"").unwrap().1.replace("&amp;", "&");
    assert!(page_with(&server, &format!("/{way}"), "fires with value 7").contains("Always"), "{way}");
}
