//! Every page is delivered: templates that fail cost their field only, storms fit what services take, markup that is
//! refused goes as plain text.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value as Json, json};
use watchbell::config::alertmanager::AlertmanagerConfig;
use watchbell::model::Labels;
use watchbell::notify::receivers::Message;
use watchbell::notify::{Notification, Outcome};

use crate::support::receiver::{
    KINDS, Log, NOW, Seen, alert, content, integrations, json_answer, notification, of, one, receiver, server,
};

/// What the service gets: from the server where the kind's address may be configured, else as it is rendered.
async fn told(receiver: &str, log: &Log, notification: &Notification) -> Json {
    let to = integrations(receiver);
    let kind = &*notification.integration.kind;
    if matches!(kind, "pushover" | "email") {
        return to.render(notification).unwrap().payload();
    }
    assert_eq!(to.deliver(notification).await, Outcome::Delivered, "{kind}");
    let last = log.lock().drain(..).next_back();
    last.unwrap_or_else(|| panic!("{kind}: nothing was sent")).body
}

fn text_at(body: &Json, pointer: &str) -> String {
    body.pointer(pointer).and_then(Json::as_str).unwrap_or_else(|| panic!("nothing at {pointer}: {body}")).to_owned()
}

#[tokio::test]
async fn a_template_that_fails_costs_its_field_only() {
    let (url, log) = server(content).await;
    let failing = "{{ (index .Alerts 1).Annotations.summary }}";
    for (kind, config, field, pointer) in KINDS {
        let receiver = receiver(&url, kind, config, field, failing);
        let body = told(&receiver, &log, &one(kind)).await;
        let text = text_at(&body, pointer);
        let all = body.to_string();
        assert!(text.contains("Hot") && text.contains("critical"), "{kind}: {text}");
        assert!(all.contains(&format!("Template error in {field}: template: :1:4")), "{kind}: {all}");
        let rendered = integrations(&receiver).prepare(&one(kind), None);
        assert_eq!((rendered.problems.len(), rendered.problems[0].field.as_str()), (1, field), "{kind}");
    }
}

/// A group's alerts have summaries of their own, so that what they have in common is nothing, and these services refuse a
/// message without.
#[tokio::test]
async fn what_a_service_needs_is_never_empty() {
    let (url, log) = server(content).await;
    let needed = [
        ("jira", "summary", "/fields/summary"),
        ("opsgenie", "message", "/message"),
        ("pagerduty", "description", "/payload/summary"),
        ("webex", "message", "/markdown"),
        ("wechat", "message", "/text/content"),
    ];
    for (kind, field, pointer) in needed {
        let (_, config, ..) = KINDS.into_iter().find(|(known, ..)| *known == kind).unwrap();
        let receiver = receiver(&url, kind, config, field, "{{ .CommonAnnotations.summary }} ");
        let two = notification(kind, vec![alert("a", None), alert("b", None)]);
        let body = told(&receiver, &log, &two).await;
        assert!(text_at(&body, pointer).contains("FIRING:2"), "{kind}: {body}");
    }
}

#[tokio::test]
async fn an_address_that_cannot_be_rendered_is_given_up_with_its_error() {
    for (kind, config) in [
        (
            "webex",
            "room_id: '{{ .Nope }}', api_url: 'http://127.0.0.1:1/', http_config: {authorization: {credentials: T}}",
        ),
        ("email", "to: '{{ .Nope }}', from: w@x.test, smarthost: 'localhost:1'"),
        ("jira", "project: '{{ .Nope }}', issue_type: Bug, api_url: 'http://127.0.0.1:1/'"),
    ] {
        let to = integrations(&format!("  {kind}_configs: [{{{config}}}]"));
        let Outcome::GiveUp { reason } = to.deliver(&one(kind)).await else { panic!("{kind}: not given up") };
        assert!(reason.contains("can't evaluate field Nope in type template.Data"), "{kind}: {reason}");
    }
    // The text of a webhook's URL may be a secret.
    let to = integrations("  webhook_configs: [{url: 'http://127.0.0.1:1/SECRET/{{ .Nope }}'}]");
    let Outcome::GiveUp { reason } = to.deliver(&one("webhook")).await else { panic!("not given up") };
    assert!(!reason.contains("SECRET"), "{reason}");
}

/// What each service takes at most, as it counts.
fn fits(kind: &str, body: &Json, text: &str) -> bool {
    let chars = text.chars().count();
    let utf16: usize = text.chars().map(char::len_utf16).sum();
    match kind {
        "slack" => chars <= 40_000,
        "discord" | "telegram" => utf16 <= 4096,
        "pagerduty" => body.to_string().len() <= 512 * 1000,
        "opsgenie" => chars <= 15_000,
        "victorops" => chars <= 20_480,
        "wechat" => text.len() <= 2048,
        "msteams" | "msteamsv2" => body.to_string().len() <= 28 * 1024,
        "webex" => text.len() <= 7439,
        "jira" => chars <= 32_767,
        "rocketchat" => chars <= 5000,
        "mattermost" => chars <= 16_383,
        "googlechat" => body.to_string().len() <= 32_000,
        "sns" => text.len() <= 256 * 1024,
        "pushover" => chars <= 1024,
        "email" => text.len() <= 512 * 1024,
        _ => false,
    }
}

fn storm(kind: &str) -> Notification {
    let ends = |i: usize| i.is_multiple_of(10).then_some(NOW);
    notification(kind, (0..5000).map(|i| alert(&format!("host-{i:04}.example.org"), ends(i))).collect())
}

#[tokio::test]
async fn a_storm_arrives_as_one_message_that_says_how_much_it_leaves_out() {
    let (url, log) = server(content).await;
    for (kind, config, field, pointer) in KINDS {
        let each =
            "{{ range .Alerts }}{{ .Status }} {{ .Labels.instance }}: {{ .Annotations.summary }}{{ \"\\n\" }}{{ end }}";
        // YAML in single quotes knows no escapes, and the template's own text does.
        let receiver = receiver(&url, kind, config, field, each);
        let body = told(&receiver, &log, &storm(kind)).await;
        let text = text_at(&body, pointer);
        assert!(fits(kind, &body, &text), "{kind}: {} characters", text.chars().count());
        if kind == "pagerduty" {
            let firing = body.pointer("/payload/custom_details/firing").and_then(Json::as_array).unwrap();
            assert!((100..4500).contains(&firing.len()), "{}", firing.len());
            assert_eq!(body.pointer("/payload/custom_details/num_firing"), Some(&json!(4500)));
            assert!(text_at(&body, "/payload/custom_details/more_alerts").starts_with("and "), "{kind}");
            continue;
        }
        let tail = text.lines().next_back().unwrap();
        let more = tail.split_once("… and ").unwrap_or_else(|| panic!("{kind}: {tail}")).1;
        let (more, link) = more.split_once(" more: ").unwrap();
        let more: usize = more.parse().unwrap();
        let shown = text.lines().filter(|line| line.starts_with("firing ") || line.starts_with("resolved ")).count();
        assert_eq!(shown + more, 5000, "{kind}: {tail}");
        assert!(shown >= 8, "{kind}: {shown}");
        assert!(shown > 4500 || !text.contains("resolved host"), "{kind}: those that fire come first");
        assert!(link.contains("http://watchbell.example/#/alerts?receiver=team"), "{kind}: {link}");
    }
}

#[tokio::test]
async fn the_default_messages_of_a_storm_fit() {
    let (url, log) = server(content).await;
    for (kind, config, _, pointer) in KINDS {
        let receiver = format!("  {kind}_configs: [{{send_resolved: true, {}}}]", config.replace("URL", &url));
        let body = told(&receiver, &log, &storm(kind)).await;
        let text = body.pointer(pointer).and_then(Json::as_str).unwrap_or("");
        assert!(fits(kind, &body, text), "{kind}: {} characters", text.chars().count());
    }
    // HTML mail: a document that ends.
    let receiver = "  email_configs: [{to: a@x.test, from: w@x.test, smarthost: 'localhost:25'}]";
    let Message::Mail(mail) = integrations(receiver).render(&storm("email")).unwrap() else { panic!("no mail") };
    assert!(mail.html.len() < 300_000 && mail.html.trim_end().ends_with("</html>"), "{}", mail.html.len());
    let tail = mail.html.rsplit_once("… and ").unwrap().1;
    assert!(tail.contains(" more: <a href=\"http://watchbell.example/#/alerts?receiver=team\">"), "{tail}");
    assert!(mail.html.matches("<div").count() == mail.html.matches("</div>").count());
}

/// Whether what Telegram is told is well formed: tags it knows, closed in order, and no `<` or `&` beside.
fn is_telegram_html(text: &str) -> bool {
    let (mut open, mut rest) = (Vec::new(), text);
    while let Some(at) = rest.find(['<', '&']) {
        rest = &rest[at..];
        let Some(end) = rest.find([';', '>']) else { return false };
        let piece = &rest[1..end];
        rest = &rest[end + 1..];
        match piece.strip_prefix('/') {
            Some(name) => {
                if open.pop() != Some(name) {
                    return false;
                }
            }
            None if piece.starts_with("a href=") => open.push("a"),
            None if ["b", "i", "code", "pre"].contains(&piece) => open.push(piece),
            None if ["lt", "gt", "amp", "#34", "#39", "#43", "quot"].contains(&piece) => {}
            None => return false,
        }
    }
    open.is_empty()
}

fn telegram(seen: &Seen) -> Response {
    let text = seen.body["text"].as_str().unwrap_or("");
    let error = match seen.body.get("parse_mode").and_then(Json::as_str) {
        _ if text.chars().map(char::len_utf16).sum::<usize>() > 4096 => "message is too long",
        Some("HTML") if !is_telegram_html(text) => "can't parse entities: Unsupported start tag",
        Some("MarkdownV2") if text.contains('.') && !text.contains("\\.") => {
            "can't parse entities: Character '.' is reserved"
        }
        _ => return json_answer(json!({"ok": true})),
    };
    let body = json!({"ok": false, "error_code": 400, "description": format!("Bad Request: {error}")});
    (StatusCode::BAD_REQUEST, [("content-type", "application/json")], body.to_string()).into_response()
}

#[tokio::test]
async fn telegram_gets_markup_that_it_can_read() {
    let (url, log) = server(telegram).await;
    let config = |more: &str| format!("  telegram_configs: [{{api_url: '{url}', bot_token: T, chat_id: 1, {more}}}]");
    // One alert alone is too long: what is open is closed.
    let mut long = one("telegram");
    long.alerts[0].annotations = Labels::from_pairs([("summary", "<&> ".repeat(3000))]);
    let bold = config("message: '<b>{{ .CommonAnnotations.summary }}</b>'");
    assert_eq!(integrations(&bold).deliver(&long).await, Outcome::Delivered);
    let text = log.lock().pop().unwrap().body["text"].as_str().unwrap().to_owned();
    assert!(text.ends_with("…</b>") && is_telegram_html(&text), "{}", &text[text.len() - 60..]);
    // The template's own markup is wrong: said without it.
    let wrong = config("message: '<p>{{ .CommonLabels.alertname }}<br>{{ .CommonAnnotations.summary }}'");
    assert_eq!(integrations(&wrong).deliver(&one("telegram")).await, Outcome::Delivered);
    let seen = log.lock().pop().unwrap().body;
    assert_eq!((&seen["text"], seen.get("parse_mode")), (&json!("Hot\na is <hot> & \"burning\""), None));
    let reserved = config("parse_mode: MarkdownV2, message: 'at {{ .CommonLabels.instance }}.'");
    assert_eq!(integrations(&reserved).deliver(&one("telegram")).await, Outcome::Delivered);
    assert_eq!(log.lock().pop().unwrap().body["text"], "at a.");
    // What alerts bring in is escaped at once; annotations are when the message cannot be read otherwise.
    log.lock().clear();
    let dotted = config("parse_mode: MarkdownV2, message: '*at* {{ .CommonLabels.instance }}'");
    let mut notification = one("telegram");
    notification.alerts[0].labels = Labels::from_pairs([("alertname", "Hot"), ("instance", "10.0.0.1")]);
    assert_eq!(integrations(&dotted).deliver(&notification).await, Outcome::Delivered);
    let seen = log.lock().pop().unwrap().body;
    assert_eq!((&seen["text"], &seen["parse_mode"]), (&json!("*at* 10\\.0\\.0\\.1"), &json!("MarkdownV2")));
    assert!(log.lock().is_empty());
    let annotated = config("parse_mode: MarkdownV2, message: '*at* {{ .CommonAnnotations.summary }}'");
    notification.alerts[0].annotations = Labels::from_pairs([("summary", "a.b")]);
    assert_eq!(integrations(&annotated).deliver(&notification).await, Outcome::Delivered);
    assert_eq!(
        log.lock().drain(..).map(|seen| seen.body["text"].clone()).collect::<Vec<_>>(),
        ["*at* a.b", "*at* a\\.b"]
    );
    // Nothing to say is said.
    let silent = config("message: '{{ .CommonAnnotations.nosuch }}'");
    assert_eq!(integrations(&silent).deliver(&one("telegram")).await, Outcome::Delivered);
    assert_eq!(log.lock().pop().unwrap().body["text"], "[FIRING:1] Hot (a critical)");
}

#[tokio::test]
async fn what_alerts_bring_in_is_no_markup_in_slack() {
    let (url, log) = server(content).await;
    let config = format!(
        "  slack_configs: [{{api_url: '{url}/hook', channel: c, title: '{{{{ .CommonAnnotations.summary }}}}', \
         text: '<!here> <{{{{ (index .Alerts 0).GeneratorURL }}}}|graph> {{{{ .CommonLabels.instance }}}}'}}]"
    );
    let mut notification = one("slack");
    notification.alerts[0].labels =
        Labels::from_pairs([("alertname", "Hot"), ("instance", "<a> & b"), ("severity", "critical")]);
    assert_eq!(integrations(&config).deliver(&notification).await, Outcome::Delivered);
    let attachment = log.lock().pop().unwrap().body["attachments"][0].clone();
    assert_eq!(attachment["title"], "a is &lt;hot&gt; &amp; \"burning\"");
    assert_eq!(attachment["text"], "<!here> <http://prom/graph?g0.expr=up&g0.tab=1|graph> &lt;a&gt; &amp; b");
}

/// The kinds whose texts are markup, and what stands there of a hostile label between bold text and a link.
const MARKUPS: [(&str, &str); 8] = [
    (
        "discord",
        "**\\*x\\* \\<@\u{200b}&1> @\u{200b}everyone** [graph](http://h/%2Ax%2A%20%3C@&1%3E%20@everyone) \\[a\\](http\\://b)",
    ),
    ("msteams", ""),
    ("msteamsv2", ""),
    ("webex", ""),
    ("mattermost", ""),
    ("rocketchat", ""),
    ("slack", "***\u{200b}x\u{200b}* &lt;@\u{200b}&amp;1&gt; @\u{200b}everyone** [graph](http://h/"),
    ("googlechat", "***\u{200b}x\u{200b}* &lt;@\u{200b}&amp;1&gt; @\u{200b}everyone** [graph](http://h/"),
];

#[tokio::test]
async fn what_alerts_bring_in_is_no_markup_no_mention_and_no_link() {
    let (url, log) = server(content).await;
    let mut hostile = one("");
    hostile.alerts[0].labels =
        Labels::from_pairs([("alertname", "Hot"), ("job", "*x* <@&1> @everyone"), ("l", "[a](http://b)")]);
    hostile.alerts[0].annotations = Labels::from_pairs([("summary", "*so* <!here>")]);
    let template = "**{{ .CommonLabels.job }}** [graph](http://h/{{ .CommonLabels.job }}) {{ .CommonLabels.l }}";
    for (kind, want) in MARKUPS {
        let want = if want.is_empty() { MARKUPS[0].1 } else { want };
        let (_, config, field, pointer) = KINDS.into_iter().find(|row| row.0 == kind).unwrap();
        hostile.integration.kind = kind.into();
        let body = told(&receiver(&url, kind, config, field, template), &log, &hostile).await;
        let text = text_at(&body, pointer);
        assert!(text.starts_with(want), "{kind}: {text}\n{want}");
        // Annotations are written as markup.
        let body = told(&receiver(&url, kind, config, field, "{{ .CommonAnnotations.summary }}"), &log, &hostile).await;
        assert_eq!(text_at(&body, pointer), "*so* <!here>", "{kind}");
        // The default texts, and what is said where a template fails.
        for template in ["{{ template \"__text_alert_list\" .Alerts }}", "{{ .Nope }}"] {
            let body = told(&receiver(&url, kind, config, field, template), &log, &hostile).await;
            let text = text_at(&body, pointer);
            assert!(!text.contains(" @everyone") && !text.contains(" *x*") && !text.contains(" <@&"), "{kind}: {text}");
        }
    }
}

#[tokio::test]
async fn words_that_services_refuse_become_words_they_know() {
    let (url, log) = server(content).await;
    let pagerduty =
        format!("  pagerduty_configs: [{{routing_key: K, url: '{url}/pd', severity: '{{{{ .CommonLabels.team }}}}'}}]");
    let body = told(&pagerduty, &log, &one("pagerduty")).await;
    assert_eq!(body["payload"]["severity"], "error");
    let opsgenie =
        format!("  opsgenie_configs: [{{api_url: '{url}', api_key: K, priority: high, tags: '{}'}}]", "t,".repeat(40));
    let body = told(&opsgenie, &log, &one("opsgenie")).await;
    assert_eq!((body.get("priority"), body["tags"].as_array().unwrap().len()), (None, 20));
    let pushover = "  pushover_configs: [{user_key: U, token: T, priority: high, retry: 1s, expire: 5h}]";
    let body = integrations(pushover).render(&one("pushover")).unwrap().payload();
    assert_eq!((&body["priority"], &body["retry"], &body["expire"]), (&json!("2"), &json!("30"), &json!("10800")));
}

#[tokio::test]
async fn a_webhooks_own_payload_keeps_texts_as_they_are() {
    let (url, log) = server(content).await;
    let config = format!(
        "  webhook_configs: [{{url: '{url}/w', payload: {{labels: '{{{{ toJson .CommonLabels }}}}', \
         text: '{{{{ (index .Alerts 7).Status }}}}'}}}}]"
    );
    let mut notification = one("webhook");
    notification.alerts[0].labels = Labels::from_pairs([("alertname", "Hot"), ("id", "v1:"), ("num", "123")]);
    let to = integrations(&config);
    assert_eq!(to.deliver(&notification).await, Outcome::Delivered);
    let body = log.lock().pop().unwrap().body;
    assert_eq!(body["labels"], json!({"alertname": "Hot", "id": "v1:", "num": "123"}));
    assert_eq!(body["text"], "[FIRING:1] Hot (v1: 123)", "a text that fails is what the page is about");
    assert_eq!(to.prepare(&notification, None).problems[0].field, "payload.text");
}

#[tokio::test]
async fn google_chat_gets_a_text_and_a_thread() {
    let (url, log) = server(content).await;
    let config =
        format!("  googlechat_configs: [{{url: '{url}/v1/spaces/A/messages?key=K&token=SECRET', threading: true}}]");
    let to = integrations(&config);
    assert_eq!(to.deliver(&one("googlechat")).await, Outcome::Delivered);
    let seen = log.lock().pop().unwrap();
    let text = text_at(&seen.body, "/text");
    assert!(
        text.starts_with("*[FIRING:1] Hot (a critical)*\n") && text.contains(" - summary = a is &lt;hot&gt; &amp;"),
        "{text}"
    );
    assert!(seen.path.starts_with("/v1/spaces/A/messages?key=K&token=SECRET&threadKey="), "{}", seen.path);
    assert!(seen.path.ends_with("&messageReplyOption=REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD"), "{}", seen.path);
    assert!(!format!("{:?}", to.render(&one("googlechat"))).contains("SECRET"));
}

fn slack_api(seen: &Seen) -> Response {
    match seen.path.as_str() {
        "/chat.postMessage" => json_answer(json!({"ok": true, "channel": "C1", "ts": "12.5"})),
        _ if seen.body["ts"] == "gone" => json_answer(json!({"ok": false, "error": "message_not_found"})),
        _ => json_answer(json!({"ok": true, "channel": "C1", "ts": "12.5"})),
    }
}

#[tokio::test]
async fn slack_changes_or_answers_to_the_groups_message() {
    let (url, log) = server(slack_api).await;
    let text = format!(
        "route: {{receiver: team}}\nreceivers:\n- name: team\n  slack_configs: [{{app_token: xoxb-1, app_url: '{url}/chat.postMessage', \
         channel: '#ops', thread: true}}]"
    );
    let mut config = AlertmanagerConfig::load_str("alertmanager.yml", &text).unwrap().config;
    let seen = |log: &Log| -> Vec<(String, Json, Json)> {
        let brief = |s: Seen| {
            (
                s.path,
                s.body["channel"].clone(),
                s.body.get("thread_ts").or(s.body.get("ts")).cloned().unwrap_or_default(),
            )
        };
        log.lock().drain(..).map(brief).collect()
    };
    let at = |place: Option<&str>| Notification { place: place.map(str::to_owned), ..one("slack") };
    let (post, change) = ("/chat.postMessage".to_owned(), "/chat.update".to_owned());
    let first = (post.clone(), json!("#ops"), Json::Null);
    let answer = (post.clone(), json!("C1"), json!("9.1"));

    let placed = Outcome::DeliveredAt("C1 12.5".into());
    assert_eq!(of(&config).deliver(&at(None)).await, placed);
    assert_eq!(seen(&log), std::slice::from_ref(&first));
    assert_eq!(of(&config).deliver(&at(Some("C1 9.1"))).await, Outcome::Delivered);
    assert_eq!(seen(&log), std::slice::from_ref(&answer));

    config.receivers.0[0].slack_configs[0].update_message = true;
    assert_eq!(of(&config).deliver(&at(Some("C1 9.1"))).await, Outcome::Delivered);
    assert_eq!(seen(&log), [(change.clone(), json!("C1"), json!("9.1")), answer]);

    // What is not there any more is written anew.
    config.receivers.0[0].slack_configs[0].thread = false;
    assert_eq!(of(&config).deliver(&at(Some("C1 gone"))).await, placed);
    assert_eq!(seen(&log), [(change, json!("C1"), json!("gone")), first]);

    let webhook = "route: {receiver: t}\nreceivers: [{name: t, slack_configs: [{api_url: 'http://h/', channel: c, thread: true}]}]";
    let refused = AlertmanagerConfig::load_str("am.yml", webhook).unwrap_err();
    assert!(refused[0].message.contains("thread can only be used with bot tokens"), "{refused:?}");
}

#[tokio::test]
async fn jira_looks_for_issues_as_alertmanager_does() {
    let (url, log) = server(content).await;
    let searched = async |more: &str, notification: Notification| {
        let config = format!("  jira_configs: [{{api_url: '{url}/rest', project: P, issue_type: Bug, {more}}}]");
        assert_eq!(integrations(&config).deliver(&notification).await, Outcome::Delivered);
        let seen: Vec<Seen> = log.lock().drain(..).collect();
        let jql = text_at(&seen[0].body, "/jql");
        jql.split_once("project=").unwrap().0.to_owned()
    };
    let resolved = || notification("jira", vec![alert("a", Some(NOW))]);
    let reopens = "reopen_transition: Reopen, reopen_duration: 1h";
    let open = "statusCategory != Done and ";
    for (more, notification, want) in [
        ("", one("jira"), open.to_owned()),
        ("reopen_transition: Reopen", one("jira"), open.to_owned()),
        (reopens, one("jira"), "(resolutiondate is EMPTY OR resolutiondate >= -60m) and ".to_owned()),
        (reopens, resolved(), open.to_owned()),
        (
            "wont_fix_resolution: \"Won't Do\"",
            one("jira"),
            format!("(resolution is EMPTY or resolution != \"Won't Do\") and {open}"),
        ),
    ] {
        assert_eq!(searched(more, notification).await, want, "{more}");
    }
}
