//! What people do on pages: silence, acknowledge, ask. Without scripts, and only from our own pages.

use serde_json::json;
use url::form_urlencoded;

use crate::support::peers::{self, wait_for};
use crate::support::service::{Home, Server};

const CONFIG: &str = "watchbell: {alertmanager_config: am.yml}\n";
const ROUTING: &str = "route: {receiver: team, group_by: [alertname]}\nreceivers: [{name: team}]\n";
const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");

fn home() -> Home {
    Home::new(&[("watchbell.yaml", CONFIG), ("am.yml", ROUTING)])
}

/// Posts a form: status and body.
fn post(server: &Server, path: &str, fields: &[(&str, &str)], headers: &[(&str, &str)]) -> (u16, String) {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    peers::send(server.0.port, "POST", path, &[headers, &[FORM]].concat(), body.as_bytes()).unwrap()
}

/// What stands between two texts of a page.
fn between<'p>(page: &'p str, before: &str, after: &str) -> &'p str {
    let (_, rest) = page.split_once(before).unwrap_or_else(|| panic!("no {before} in {page}"));
    rest.split_once(after).unwrap().0
}

fn token(page: &str) -> String {
    between(page, "name=\"token\" value=\"", "\"").to_owned()
}

/// Raises alerts, and gives the first one's fingerprint.
fn raise(server: &Server, alerts: &serde_json::Value) -> String {
    let body = alerts.to_string();
    let answer = peers::post(server.0.port, "/api/v2/alerts", "application/json", body.as_bytes());
    assert_eq!(answer.unwrap().0, 200);
    let name = alerts[0]["labels"]["alertname"].as_str().unwrap();
    wait_for("the alert", || {
        let listed = server.api("/api/v2/alerts");
        let found = listed.as_array()?.iter().find(|a| a["labels"]["alertname"] == name)?;
        Some(found["fingerprint"].as_str()?.to_owned())
    })
}

fn silences(server: &Server) -> Vec<serde_json::Value> {
    server.api("/api/v2/silences").as_array().unwrap().clone()
}

#[test]
fn an_alert_is_silenced_in_two_steps_and_the_silence_changed_and_ended() {
    let home = home();
    let server = home.start();
    let disk = |host: &str| json!({ "labels": { "alertname": "Disk \"full\"", "host": host } });
    let id = raise(&server, &json!([disk("a\nb"), disk("c")]));
    assert!(server.get("/alerts").1.contains(&format!("silences/new?alert={id}")));
    let page = server.get(&format!("/silences/new?alert={id}")).1;
    assert!(page.contains("It matches 1 alert that fires now"), "{page}");
    let written = between(&page, "<textarea", "</textarea>").split_once('>').unwrap().1;
    let matchers = written.trim().replace("&quot;", "\"").replace("&#x27;", "'");
    let fields = [("token", token(&page)), ("matchers", matchers), ("lasts", "2h".into()), ("author", "أمل".into())];
    let mut fields: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (*n, v.as_str())).collect();
    let (status, body) = post(&server, "/silences/new", &fields, &[("Sec-Fetch-Site", "same-origin")]);
    assert_eq!(status, 303, "{body}");
    let made = silences(&server);
    assert_eq!(
        (made.len(), &made[0]["createdBy"], &made[0]["matchers"][0]["value"]),
        (1, &"أمل".into(), &"Disk \"full\"".into())
    );
    let silence = made[0]["id"].as_str().unwrap();
    let now = wait_for("the alert to be muted", || Some(server.get("/alerts").1).filter(|p| p.contains("1 muted")));
    assert!(now.contains(&format!("silences#s-{silence}")) && now.contains("أمل"), "{now}");

    // Changed: it matches both now, and is the same one.
    let page = server.get(&format!("/silences/{silence}")).1;
    assert!(page.contains("Change a silence") && page.contains(silence), "{page}");
    // Whoever changes it is its author from then on.
    let cookie = [("Cookie", "watchbell_author=basim")];
    let of_other = peers::send(server.0.port, "GET", &format!("/silences/{silence}"), &cookie, b"").unwrap().1;
    assert!(of_other.contains("name=\"author\" value=\"basim\""), "{of_other}");
    fields.retain(|(name, _)| *name != "matchers");
    let changed =
        [&fields[..], &[("id", silence), ("matchers", "alertname=~\"Disk.*\""), ("comment", "<b>moved</b>")]].concat();
    assert_eq!(post(&server, "/silences/new", &changed, &[]).0, 303);
    let page = wait_for("both to be muted", || Some(server.get("/silences").1).filter(|p| p.contains("mutes 2")));
    assert!(page.contains("&lt;b&gt;moved") && !page.contains("<b>moved"), "{page}");
    // A change of the matchers makes another one, as in Alertmanager.
    let active = || silences(&server).into_iter().filter(|s| s["status"]["state"] == "active").collect::<Vec<_>>();
    let id = active()[0]["id"].as_str().unwrap().to_owned();
    assert_eq!((active().len(), &active()[0]["comment"]), (1, &"<b>moved</b>".into()));
    assert_eq!(post(&server, &format!("/silences/{id}/expire"), &[("token", &token(&page))], &[]).0, 303);
    assert!(active().is_empty());
}

fn fields(token: &str) -> [(&str, &str); 4] {
    [("token", token), ("matchers", "a=b"), ("lasts", "1h"), ("author", "me")]
}

#[test]
fn a_form_that_is_not_ours_changes_nothing() {
    let home = home();
    let server = home.start();
    let id = raise(&server, &json!([{ "labels": { "alertname": "A" } }]));
    let good = token(&server.get("/silences/new").1);
    let elsewhere = [("Origin", "http://evil.test"), ("Sec-Fetch-Site", "cross-site")];
    for (path, want) in [("/silences/new", 400), ("/silences/x/expire", 403), (&format!("/alert/{id}/ack"), 403)] {
        let other = good.replace('a', "b").replace('1', "2");
        for wrong in ["", "0123", other.as_str()] {
            let (status, body) = post(&server, path, &fields(wrong), &[]);
            assert_eq!(status, want, "{path}: {body}");
            assert!(body.contains("not from here"), "{body}");
        }
        assert_eq!(post(&server, path, &fields(&good), &elsewhere).0, 403, "{path}");
        assert_eq!(post(&server, path, &fields(&good), &[("Sec-Fetch-Site", "same-site")]).0, 403, "{path}");
    }
    assert!(silences(&server).is_empty());
    // What was written is not lost with a token that is old.
    let (_, body) = post(&server, "/silences/new", &fields("old"), &[]);
    assert!(body.contains("a=b") && token(&body) == good, "{body}");
}

#[test]
fn what_is_wrong_in_a_form_is_told_beside_it() {
    let home = home();
    let server = home.start();
    let good = token(&server.get("/silences/new").1);
    let base = [("matchers", "a=b"), ("lasts", "1h"), ("author", "me"), ("starts", "")];
    for (name, value, want) in [
        ("matchers", "a=~\"(\"", "aria-invalid"),
        ("matchers", "</textarea><script>alert(1)</script>", "&lt;&#x2F;textarea&gt;&lt;script&gt;"),
        ("matchers", "", "at least one matcher"),
        ("matchers", "a=~\".*\"", "must not match the empty string"),
        ("lasts", "soon", "is no duration"),
        ("starts", "tomorrow", "is no time"),
        ("author", "", "somebody who made it"),
    ] {
        let fields = base.map(|(n, v)| if n == name { (n, value) } else { (n, v) });
        let fields = [&fields[..], &[("token", good.as_str())]].concat();
        let (status, body) = post(&server, "/silences/new", &fields, &[]);
        assert!(status == 400 && body.contains(want) && !body.contains("<script>alert"), "{name}={value}: {body}");
    }
    assert!(silences(&server).is_empty());
    let shown = server.get("/silences/preview?matchers=alertname%3D%22X%22").1;
    assert!(shown.contains("It matches no alert"), "{shown}");
}

#[test]
fn an_alert_is_acknowledged_on_its_page() {
    let home = home();
    let server = home.start();
    let evil = "</h1><script>alert(1)</script>";
    let id = raise(&server, &json!([{ "labels": { "alertname": evil, "team": "db" } }]));
    let page = server.get(&format!("/alert/{id}")).1;
    assert!(page.contains("Acknowledge") && page.contains("firing") && !page.contains("<script>alert"), "{page}");
    assert!(page.contains("→ <bdi>team</bdi>") && page.contains("href=\"../silences/new?alert="), "{page}");
    let token = token(&page);
    let path = format!("/alert/{id}/ack");
    let said = [("token", token.as_str()), ("author", "basim"), ("comment", "on it"), ("do", "ack")];
    assert_eq!(post(&server, &path, &said, &[]).0, 303);
    let shown = wait_for("it", || Some(server.get(&format!("/alert/{id}")).1).filter(|p| p.contains("End the ack")));
    assert!(shown.contains("basim") && shown.contains("on it"), "{shown}");
    assert_eq!(post(&server, &path, &[("token", &token), ("do", "end")], &[]).0, 303);
    wait_for("its end", || server.get(&format!("/alert/{id}")).1.contains(">Acknowledge<").then_some(()));
    for unknown in ["0000000000000000", "x", "%3Cscript%3E"] {
        let (status, page) = server.get(&format!("/alert/{unknown}"));
        assert!(status == 404 && page.contains("is not there"), "{page}");
    }
}

#[test]
fn queries_are_answered_without_scripts_and_errors_show_their_place() {
    let home = home();
    let server = home.start();
    let asked = form_urlencoded::Serializer::new(String::new())
        .append_pair("g0.expr", "label_replace(vector(7), \"x\", \"<b>\", \"\", \"\")")
        .append_pair("g1.expr", "sum(up")
        .append_pair("g2.expr", "</textarea><script>alert(1)</script>")
        .finish();
    let page = server.get(&format!("/query?{asked}")).1;
    assert!(page.contains("{x=&quot;&lt;b&gt;&quot;}") && page.contains(">7<"), "{page}");
    assert!(page.contains("parse error") && page.contains("sum(up\n"), "{page}");
    assert!(!page.contains("<script>alert") && !page.contains("<b>"), "{page}");
    assert!(server.get("/query").1.contains("name=\"g0.expr\""));
    let plan = server.get("/query?g0.expr=sum(up)&g0.tab=explain").1;
    assert!(plan.contains("select up"), "{plan}");
    assert!(server.get("/query?g0.expr=1&add=1").1.contains("name=\"g1.expr\""));
}

#[test]
fn the_tree_of_routes_shows_the_way_of_labels() {
    let routing = "route:\n  receiver: root\n  routes:\n  - {matchers: [team=db], receiver: db}\n\
                   \x20 - {matchers: [severity=critical], receiver: pager}\nreceivers: [{name: root}, {name: db}, {name: pager}]\n";
    let home = Home::new(&[("watchbell.yaml", CONFIG), ("am.yml", routing)]);
    let server = home.start();
    let page = server.get("/routes?labels=team%3Ddb,severity%3Dcritical").1;
    assert!(page.contains("These labels go to <strong dir=\"auto\">db</strong>."), "{page}");
    assert!(page.contains("class=\"passes\"") && page.contains("class=\"ends\""), "{page}");
    assert!(page.contains("matches, but a route before it takes them"), "{page}");
    assert!(server.get("/routes?labels=team%3D~%22%3Cscript%3E%22").1.contains("is no label"));
}

#[test]
fn a_receiver_is_tested_from_its_page() {
    let hook = format!("http://127.0.0.1:{}/", peers::free_port());
    let routing =
        format!("route: {{receiver: hook}}\nreceivers: [{{name: hook, webhook_configs: [{{url: '{hook}'}}]}}]\n");
    let home = Home::new(&[("watchbell.yaml", CONFIG), ("am.yml", &routing)]);
    let server = home.start();
    let page = server.get("/receivers").1;
    assert!(page.contains("webhook") && page.contains("Send a test"), "{page}");
    let told = post(&server, "/receivers", &[("token", &token(&page)), ("name", "hook")], &[]);
    assert!(
        told.0 == 200 && told.1.contains("the test was not delivered") && !told.1.contains("data-live"),
        "{}",
        told.1
    );
    assert_eq!(post(&server, "/receivers", &[("token", "x"), ("name", "hook")], &[]).0, 403);
    let unknown = post(&server, "/receivers", &[("token", &token(&page)), ("name", "nobody")], &[]);
    assert!(unknown.0 == 404 && unknown.1.contains("nobody"), "{}", unknown.1);
}
