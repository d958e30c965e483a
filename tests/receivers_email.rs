//! E-mail against a real server (aiosmtpd): encryption, authentication, and what a reader gets.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;

use serde_json::{Value as Json, json};
use watchbell::clock::VirtualClock;
use watchbell::config::alertmanager::AlertmanagerConfig;
use watchbell::model::Labels;
use watchbell::notify::receivers::Integrations;
use watchbell::notify::{IntegrationId, Notification, NotifiedAlert, Outcome, Reason};
use watchbell::template::alertmanager::Templates;

use crate::support::peers::python_with;

const NOW: i64 = 1_700_000_000_000;

struct Server {
    child: Child,
    lines: BufReader<ChildStdout>,
    port: u16,
    dir: tempfile::TempDir,
}

impl Server {
    /// `None` when aiosmtpd is not there, after saying so.
    fn start(mode: &str, mechanism: &str) -> Option<Server> {
        let python = python_with("aiosmtpd")?;
        python_with("cryptography")?;
        let dir = tempfile::tempdir().unwrap();
        let script = dir.path().join("server.py");
        std::fs::write(&script, include_str!("support/smtp_server.py")).unwrap();
        let mut command = Command::new(python);
        command.arg(&script).args([mode, mechanism]).arg(dir.path()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        let port = line.trim().parse().unwrap();
        Some(Server { child, lines, port, dir })
    }

    fn integrations(&self, more: &str) -> Integrations {
        let headers = "headers: {X-Team: '{{ .CommonLabels.team }}'}";
        self.mailing(&format!("to: 'a@example.org, b@example.org', {headers}, {more}"))
    }

    fn mailing(&self, more: &str) -> Integrations {
        let ca = self.dir.path().join("ca.pem");
        let text = format!(
            "route: {{receiver: team}}\nreceivers:\n- name: team\n  email_configs: [{{from: 'Watchbell <w@example.org>', \
             smarthost: 'localhost:{}', hello: watch.example, tls_config: {{ca_file: '{}'}}, {more}}}]",
            self.port,
            ca.display()
        );
        let config = AlertmanagerConfig::load_str("alertmanager.yml", &text).unwrap().config;
        let clock = Arc::new(VirtualClock::at(NOW));
        Integrations::new(&config, Templates::default(), "http://watchbell.example", clock).unwrap()
    }

    fn mail(&mut self) -> Json {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn notification() -> Notification {
    Notification {
        id: 9,
        integration: IntegrationId { receiver: "team".into(), kind: "email".into(), index: 0 },
        group_key: "{}:{alertname=\"ذاكرة\"}".into(),
        group_labels: Labels::from_pairs([("alertname", "ذاكرة")]),
        alerts: vec![NotifiedAlert {
            labels: Labels::from_pairs([("alertname", "ذاكرة"), ("team", "ml")]),
            annotations: Labels::from_pairs([("summary", "الذاكرة ممتلئة <b>")]),
            starts_at: NOW,
            ends_at: None,
            generator_url: String::new(),
            value: None,
            resolved_value: None,
        }],
        reason: Reason::FirstNotification,
        decided_at: NOW,
        instead_of: None,
        place: None,
    }
}

const PASSWORD: &str = "auth_username: watcher, auth_password: s3cret";
const SECRET: &str = "auth_username: watcher, auth_secret: s3cret";

#[tokio::test(flavor = "multi_thread")]
async fn mail_goes_out_encrypted_and_authenticated() {
    for (mode, mechanism, more) in [
        ("starttls", "PLAIN", PASSWORD.to_owned()),
        ("starttls", "LOGIN", PASSWORD.to_owned()),
        ("starttls", "CRAM-MD5", SECRET.to_owned()),
        ("implicit", "PLAIN", format!("{PASSWORD}, force_implicit_tls: true")),
        ("none", "PLAIN", "require_tls: false".to_owned()),
    ] {
        let Some(mut server) = Server::start(mode, mechanism) else { return };
        let outcome = server.integrations(&more).deliver(&notification()).await;
        assert_eq!(outcome, Outcome::Delivered, "{mode} {mechanism}");
        let mail = server.mail();
        assert_eq!(mail["tls"], mode != "none", "{mode}");
        assert_eq!(mail["from"], "w@example.org");
        assert_eq!(mail["to"], json!(["a@example.org", "b@example.org"]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_gets_arabic_text_as_it_was_written() {
    let Some(mut server) = Server::start("starttls", "PLAIN") else { return };
    let more = format!(
        "{PASSWORD}, text: '{{{{ .CommonAnnotations.summary }}}}', threading: {{enabled: true, thread_by_date: daily}}"
    );
    let to = server.integrations(&more);
    assert_eq!(to.deliver(&notification()).await, Outcome::Delivered);
    let mail = server.mail();
    let headers = &mail["headers"];
    assert_eq!(headers["Subject"], "[FIRING:1] ذاكرة (ml)");
    assert_eq!(headers["X-Team"], "ml");
    assert_eq!(headers["Date"], "Tue, 14 Nov 2023 22:13:20 +0000");
    assert!(headers["Message-Id"].as_str().unwrap().ends_with("@watch.example>"));
    assert!(headers["References"].as_str().unwrap().contains("2023-11-14"));
    assert_eq!(mail["parts"]["text/plain"].as_str().unwrap().trim_end(), "الذاكرة ممتلئة <b>");
    let html = mail["parts"]["text/html"].as_str().unwrap();
    assert!(html.contains("dir=\"auto\"") && html.contains("الذاكرة ممتلئة &lt;b&gt;"), "{html}");
    // The same notification once more is the same mail: its readers' programs can tell.
    assert_eq!(to.deliver(&notification()).await, Outcome::Delivered);
    assert_eq!(server.mail()["headers"]["Message-Id"], headers["Message-Id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plot_is_shown_below_the_text() {
    let Some(mut server) = Server::start("none", "NONE") else { return };
    for (more, parts) in [("text: hello", 3), ("html: '<p>x</p>'", 2)] {
        let to = server.mailing(&format!("require_tls: false, to: a@x.test, plot: true, {more}"));
        let rendered = to.prepare(&notification(), Some(crate::plots::illustration()));
        assert_eq!(to.attempt(&notification(), rendered).await.outcome, Outcome::Delivered);
        let mail = server.mail();
        let html = mail["parts"]["text/html"].as_str().unwrap();
        assert!(html.contains("src=\"cid:plot@watchbell\"") && html.contains("/notification/9\""), "{html}");
        assert_eq!(mail["parts"].as_object().unwrap().len(), parts, "{}", mail["parts"]);
        assert_eq!(mail["ids"], json!({"image/png": "<plot@watchbell>"}));
        let png = crate::plots::illustration().picture.png.len();
        assert_eq!(mail["parts"]["image/png"], format!("{png} bytes b'\\x89PNG'"));
    }
    let to = server.mailing("require_tls: false, to: a@x.test, plot: true");
    assert_eq!(to.deliver(&notification()).await, Outcome::Delivered);
    assert_eq!(server.mail()["ids"], json!({}), "without a plot it is as it always was");
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_told_from_what_may_pass() {
    let Some(server) = Server::start("starttls", "PLAIN") else { return };
    let to = server.integrations("auth_username: watcher, auth_password: wrong");
    let Outcome::Retry { reason, .. } = to.deliver(&notification()).await else { panic!("not retried") };
    assert!(reason.starts_with("PLAIN authentication") && !reason.contains("wrong"), "{reason}");

    let config = format!(
        "route: {{receiver: team}}\nreceivers:\n- name: team\n  email_configs: [{{to: nobody@example.org, from: w@example.org, \
         smarthost: 'localhost:{}', {PASSWORD}, tls_config: {{insecure_skip_verify: true}}}}]",
        server.port
    );
    let config = AlertmanagerConfig::load_str("alertmanager.yml", &config).unwrap().config;
    let clock = Arc::new(VirtualClock::at(NOW));
    let to = Integrations::new(&config, Templates::default(), "http://w", clock).unwrap();
    let Outcome::GiveUp { reason } = to.deliver(&notification()).await else { panic!("not given up") };
    assert!(reason.contains("no such user"), "{reason}");

    let Some(server) = Server::start("none", "PLAIN") else { return };
    let Outcome::Retry { reason, .. } = server.integrations(PASSWORD).deliver(&notification()).await else {
        panic!("not retried")
    };
    assert!(reason.contains("does not advertise the STARTTLS extension"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_envelope_comes_from_to_and_from_and_headers_are_for_show() {
    let Some(mut server) = Server::start("none", "PLAIN") else { return };
    let (oncall, both) = (json!(["oncall@x.test"]), json!(["a@x.test", "b@x.test"]));
    for (more, recipients, shown) in [
        ("to: oncall@x.test, headers: {To: team@x.test}", &oncall, ("To", "team@x.test")),
        ("to: oncall@x.test, headers: {To: 'undisclosed-recipients:;'}", &oncall, ("To", "undisclosed-recipients:;")),
        ("to: oncall@x.test, headers: {Cc: boss@x.test, Bcc: spy@x.test}", &oncall, ("Cc", "boss@x.test")),
        ("to: oncall@x.test, headers: {Sender: boss@x.test}", &oncall, ("Sender", "boss@x.test")),
        ("to: oncall@x.test, headers: {From: Monitoring}", &oncall, ("Subject", "[FIRING:1] ذاكرة (ml)")),
        ("to: 'a@x.test, ,\"B, b\" <b@x.test>,'", &both, ("Subject", "[FIRING:1] ذاكرة (ml)")),
    ] {
        let to = server.mailing(&format!("require_tls: false, {more}"));
        assert_eq!(to.deliver(&notification()).await, Outcome::Delivered, "{more}");
        let mail = server.mail();
        assert_eq!((&mail["to"], &mail["from"]), (recipients, &json!("w@example.org")), "{more}");
        assert_eq!(mail["headers"][shown.0], shown.1, "{more}: {}", mail["headers"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_that_is_refused_keeps_no_other_from_its_mail() {
    let Some(mut server) = Server::start("none", "NONE") else { return };
    let to = server.mailing("require_tls: false, to: 'nobody@x.test, no address, a@x.test'");
    let n = notification();
    let attempt = to.attempt(&n, to.prepare(&n, None)).await;
    assert_eq!(attempt.outcome, Outcome::Delivered);
    assert_eq!(server.mail()["to"], json!(["a@x.test"]));
    let problems: Vec<&str> = attempt.problems.iter().map(|p| p.error.as_str()).collect();
    assert!(problems.iter().any(|p| p.contains("\"no address\" is no mail address")), "{problems:?}");
    assert!(problems.iter().any(|p| p.contains("no such user")), "{problems:?}");
    // A relay that wants to know nobody gets the mail all the same.
    let open = server.mailing("require_tls: false, to: a@x.test, auth_username: u, auth_password: p");
    assert_eq!(open.deliver(&n).await, Outcome::Delivered);
    assert_eq!(server.mail()["to"], json!(["a@x.test"]));
    let later = server.mailing("require_tls: false, to: 'nobody@x.test, later@x.test'");
    assert!(matches!(later.deliver(&n).await, Outcome::Retry { .. }), "one of them may be taken later");
}
