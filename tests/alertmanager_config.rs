//! Alertmanager configurations get the verdicts that amtool gives, with the place of every defect.

use std::path::Path;

use watchbell::config::alertmanager::{AlertmanagerConfig, GroupBy};

use crate::support::{peers, shared};

fn defects(text: &str) -> Vec<String> {
    match AlertmanagerConfig::load_str("am.yml", text) {
        Ok(_) => Vec::new(),
        Err(all) => all.iter().map(ToString::to_string).collect(),
    }
}

fn config(text: &str) -> AlertmanagerConfig {
    AlertmanagerConfig::load_str("am.yml", text).unwrap().config
}

/// The recorded cases: amtool's verdict and the configuration.
fn cases() -> Vec<(bool, String)> {
    let text = include_str!("../fixtures/config/alertmanager-verdicts.txt");
    text.split("\n=== ")
        .skip(1)
        .map(|case| {
            let (verdict, body) = case.split_once('\n').unwrap_or((case, ""));
            (verdict == "ok", body.to_owned())
        })
        .collect()
}

#[test]
fn verdicts_are_amtools_on_every_rule_of_the_schema() {
    let cases = cases();
    assert!(cases.len() > 500, "{} cases", cases.len());
    let wrong: Vec<String> = cases
        .iter()
        .filter(|(ok, text)| defects(text).is_empty() != *ok)
        .map(|(ok, text)| {
            format!("amtool says {}:\n{text}\nours: {:#?}", if *ok { "ok" } else { "bad" }, defects(text))
        })
        .collect();
    assert!(wrong.is_empty(), "{} wrong of {}\n{}", wrong.len(), cases.len(), wrong.join("\n\n"));
}

#[test]
fn every_defect_has_a_place() {
    for (_, text) in cases() {
        for defect in AlertmanagerConfig::load_str("am.yml", &text).err().unwrap_or_default() {
            assert!(defect.position.line > 0 || text.trim().is_empty(), "{defect}\n{text}");
        }
    }
}

#[test]
fn recorded_verdicts_are_those_of_the_amtool_at_hand() {
    let Some(amtool) = peers::find("amtool") else { return };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("am.yml");
    // Every seventh: the whole list takes amtool a while, and a change of its rules shows in a part of it.
    for (ok, text) in cases().into_iter().step_by(7) {
        std::fs::write(&path, &text).unwrap();
        assert_eq!(amtool_says(&amtool, &path), ok, "{text}");
    }
}

fn amtool_says(amtool: &Path, file: &Path) -> bool {
    std::process::Command::new(amtool).arg("check-config").arg(file).output().unwrap().status.success()
}

#[test]
fn verdicts_are_those_of_the_fields_files() {
    let Some(folder) = shared("alertmanager-config") else { return };
    let verdicts = std::fs::read_to_string(folder.join("VERDICTS.tsv")).unwrap();
    for line in verdicts.lines() {
        let (name, verdict) = line.split_once('\t').unwrap();
        let loaded = AlertmanagerConfig::load_file(&folder.join(name));
        assert_eq!(loaded.is_ok(), verdict == "ok", "{name}: {:?}", loaded.err());
    }
}

#[test]
fn all_defects_are_told_at_once_with_their_places() {
    let text = "global:
  resolve_timeout: 5x
  smtp_smarthost: mail
route:
  receiver: nobody
  group_by: [a, a]
  group_intervall: 1m
  routes:
    - matchers:
        - a=b
        - c
      mute_time_intervals: [nights]
    - match_re:
        service: (
receivers:
  - name: a
    slack_configs:
      - channel: '#x'
  - name: a
    webhook_configs:
      - url: ftp://x
        send_resolved: maybe
";
    assert_eq!(
        defects(text),
        [
            "am.yml:2:20: not a valid duration string: \"5x\"",
            "am.yml:3:19: address mail: missing port in address",
            "am.yml:5:13: undefined receiver \"nobody\" used in route",
            "am.yml:6:13: duplicated label \"a\" in group_by",
            "am.yml:7:3: field group_intervall not found in route, did you mean group_interval?",
            "am.yml:11:11: bad matcher format: c",
            "am.yml:12:29: undefined time interval \"nights\" used in route",
            defects(text)[7].as_str(),
            "am.yml:18:9: no Slack API URL nor App token set either inline or in a file",
            "am.yml:19:11: notification config name \"a\" is not unique",
            "am.yml:21:14: unsupported scheme \"ftp\" for URL",
            "am.yml:22:24: expected true or false, found string \"maybe\"",
        ]
    );
    assert!(defects(text)[7].starts_with("am.yml:14:18: error parsing regexp: "), "{}", defects(text)[7]);
}

#[test]
fn receivers_take_from_the_global_section_what_they_lack() {
    let text = "
global: {smtp_smarthost: 'mail:25', smtp_from: a@b, smtp_require_tls: false, opsgenie_api_key: key,
         opsgenie_api_url: 'https://og.example/api', http_config: {follow_redirects: false}}
route: {receiver: a, group_by: ['...']}
receivers:
- name: a
  email_configs: [{to: c@d, headers: {x-team: ml}}]
  opsgenie_configs: [{}]
  webhook_configs: [{url: 'http://hook.example/secret', http_config: {bearer_token: t0k}}]
  pagerduty_configs: [{routing_key: r, details: {firing: mine}}]
";
    let config = config(text);
    let receiver = &config.receivers[0];
    let email = &receiver.email_configs[0];
    assert_eq!(
        (email.smarthost.to_string(), email.from.as_str(), email.require_tls),
        ("mail:25".into(), "a@b", Some(false))
    );
    assert_eq!(email.headers["X-Team"], "ml");
    assert!(!email.send_resolved);
    let opsgenie = &receiver.opsgenie_configs[0];
    assert_eq!(opsgenie.api_key.expose(), "key");
    assert_eq!(opsgenie.api_url.as_ref().unwrap().as_str(), "https://og.example/api/");
    assert!(!opsgenie.http_config.as_ref().unwrap().follow_redirects);
    let webhook = &receiver.webhook_configs[0];
    let http = webhook.http_config.as_ref().unwrap();
    assert!(http.follow_redirects && webhook.send_resolved);
    assert_eq!(http.authorization.as_ref().unwrap().credentials.expose(), "t0k");
    let pagerduty = &receiver.pagerduty_configs[0];
    assert_eq!(pagerduty.details["firing"], "mine");
    assert_eq!(pagerduty.details["num_firing"], "{{ .Alerts.Firing | len }}");
    assert_eq!(config.route.as_ref().unwrap().grouping(), Some(GroupBy::All));
    let kinds: Vec<&str> = receiver.integrations().iter().map(|i| i.0).collect();
    assert_eq!(kinds, ["webhook", "email", "pagerduty", "opsgenie"]);
}

#[test]
fn secrets_are_neither_printed_nor_shown() {
    let text = "
global: {slack_api_url: 'https://hooks.example/T0P', http_config: {basic_auth: {username: u, password: hunter2}}}
route: {receiver: a}
receivers:
- name: a
  slack_configs: [{channel: x}]
  pagerduty_configs: [{service_key: k3y}]
  webhook_configs: [{url: 'http://hook.example/p4th'}]
";
    let loaded = AlertmanagerConfig::load_str("am.yml", text).unwrap();
    for shown in [format!("{:?}", loaded.config), loaded.masked] {
        for secret in ["T0P", "hunter2", "k3y", "p4th"] {
            assert!(!shown.contains(secret), "{secret} in {shown}");
        }
        assert!(shown.contains("<secret>"));
    }
    let told =
        defects("global: {slack_api_url: 'ftp://hooks.example/T0P'}\nroute: {receiver: a}\nreceivers: [{name: a}]");
    assert!(told.len() == 1 && !told[0].contains("T0P"), "{told:?}");
}

#[test]
fn a_kubernetes_secret_carries_a_configuration() {
    use base64::Engine;
    let plain = "route: {receiver: a}\nreceivers:\n- name: a\n- name: زمن\n";
    let head = "apiVersion: v1\nkind: Secret\nmetadata: {name: alertmanager-config}\n";
    let indented: String = plain.lines().map(|l| format!("    {l}\n")).collect();
    let encoded = base64::engine::general_purpose::STANDARD.encode(plain);
    for text in [
        format!("{head}stringData:\n  alertmanager.yaml: |\n{indented}"),
        format!("{head}data:\n  alertmanager.yaml: {encoded}\n"),
        format!("{head}data:\n  alertmanager.yml: {encoded}\n  other.tmpl: eA==\n"),
        format!("{head}data:\n  config: {encoded}\n"),
    ] {
        assert_eq!(config(&text).receivers[1].name, "زمن", "{text}");
    }
    // Places are those in the Secret's file.
    let broken =
        format!("{head}stringData:\n  alertmanager.yaml: |\n{}", indented.replace("receiver: a", "receiver: b"));
    assert_eq!(defects(&broken), ["am.yml:6:23: undefined receiver \"b\" used in route"]);
    assert_eq!(defects(&format!("{head}data: {{}}\n")).len(), 1);
    assert_eq!(defects(&format!("{head}data: {{alertmanager.yaml: '%'}}\n")).len(), 1);
}

fn gzip(text: &str) -> String {
    use base64::Engine;
    use std::io::Write;
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    writer.write_all(text.as_bytes()).unwrap();
    base64::engine::general_purpose::STANDARD.encode(writer.finish().unwrap())
}

#[test]
fn objects_carry_a_configuration_as_the_operator_writes_them_and_among_others() {
    let plain = "route: {receiver: a}\nreceivers:\n- name: a\n";
    let packed = gzip(plain);
    let secret = |data: &str| format!("apiVersion: v1\nkind: Secret\n{data}");
    let indent = |text: &str, by: &str| text.lines().map(|l| format!("{by}{l}\n")).collect::<String>();
    let map =
        format!("apiVersion: v1\nkind: ConfigMap\ndata:\n  slack.tmpl: x\n  config.yml: |\n{}", indent(plain, "    "));
    let other = "apiVersion: v1\nkind: Service\nmetadata: {name: x}\n";
    let operators = secret(&format!("data:\n  alertmanager.yaml.gz: {packed}\n  x.tmpl.gz: {packed}\n"));
    let list = format!("apiVersion: v1\nkind: List\nitems:\n-\n{}-\n{}", indent(other, "  "), indent(&operators, "  "));
    for text in [
        operators.clone(),
        map.clone(),
        format!("{other}---\n{operators}"),
        format!("{other}---\n{map}"),
        list,
        // A configuration's first document counts, as in Alertmanager.
        format!("{plain}---\n{other}"),
    ] {
        assert_eq!(config(&text).receivers[0].name, "a", "{text}");
    }
    let told = |text: &str| defects(text).join("; ");
    let broken = format!("{other}---\n{}", map.replace("receiver: a", "receiver: b"));
    assert_eq!(told(&broken), "am.yml:10:23: undefined receiver \"b\" used in route");
    let inside =
        secret(&format!("data: {{alertmanager.yaml.gz: {}}}", gzip(&plain.replace("receiver: a", "receiver: b"))));
    assert_eq!(told(&inside), "am.yml[alertmanager.yaml.gz]:1:19: undefined receiver \"b\" used in route");
    assert!(told(&format!("{operators}---\n{operators}")).contains("found another in the same file"));
    assert!(told(other).starts_with("am.yml:1:1: expected alertmanager.yaml in a Secret's"));
    assert!(told(&secret("data: {alertmanager.yaml.gz: aGVsbG8=}")).contains("expected gzip under"));
}

#[test]
fn a_fallback_is_a_receiver_that_is_there() {
    let told = |route: &str| defects(&format!("route: {{receiver: a, {route}}}\nreceivers: [{{name: a}}]")).join("; ");
    assert_eq!(told("fallback_receiver: b"), "am.yml:1:41: undefined receiver \"b\" used in route");
    let both = "at most one of fallback_receiver & fallback_to_parent must be configured";
    assert!(told("fallback_receiver: a, fallback_to_parent: true").ends_with(both));
}

#[test]
fn an_empty_group_by_groups_by_nothing_and_is_not_inherited_over() {
    let config = config(
        "route: {receiver: a, group_by: [x], routes: [{group_by: []}, {group_by: null}]}\nreceivers: [{name: a}]",
    );
    let route = config.route.unwrap();
    let grouping: Vec<_> = route.routes.iter().map(|r| r.grouping()).collect();
    assert_eq!(grouping, [Some(GroupBy::Labels(vec![])), None]);
}

#[test]
fn several_sources_of_an_inhibition_stand_alone() {
    let rule =
        |text: &str| defects(&format!("route: {{receiver: a}}\nreceivers: [{{name: a}}]\ninhibit_rules:\n- {text}"));
    let sources = "sources: [{matchers: [a=b], equal: [c]}, {matchers: [d=e]}]";
    assert!(rule(&format!("{{name: x, target_matchers: [f=g], {sources}}}")).is_empty());
    for (text, want) in [
        (format!("{{equal: [x], {sources}}}"), "am.yml:4:25: sources cannot be combined with"),
        ("{sources: [{equal: [c]}]}".to_owned(), "am.yml:4:14: a source's matchers must not be empty"),
        ("{sources: [{matchers: ['a=~\".*\"']}]}".to_owned(), "am.yml:4:25: at least one matcher of a source"),
    ] {
        let told = rule(&text);
        assert!(told.len() == 1 && told[0].starts_with(want), "{told:?}");
    }
}

#[test]
fn labels_of_routes_are_templates() {
    let route =
        |labels: &str| defects(&format!("route: {{receiver: a, labels: {{{labels}}}}}\nreceivers: [{{name: a}}]"));
    assert!(route("team: ml, why: '{{ .GroupLabels.alertname }} {{ routeLabels \"team\" }}'").is_empty());
    let told = route("why: '{{ nofunc }}'");
    assert!(told.len() == 1 && told[0].starts_with("am.yml:1:36: invalid template syntax"), "{told:?}");
}

#[test]
fn the_missions_secret_loads() {
    let Some(folder) = shared("mission") else { return };
    let config = AlertmanagerConfig::load_file(&folder.join("alertmanager-config.yaml")).unwrap().config;
    let names: Vec<&str> = config.receivers.iter().map(|r| r.name.as_str()).collect();
    assert_eq!(names, ["default", "pagerduty-ml", "slack-ml-platform", "slack-ml-engineering"]);
    assert_eq!(config.receivers[1].pagerduty_configs[0].service_key.expose(), "<pagerduty-key>");
}

#[test]
fn a_configuration_is_shown_with_its_defaults_and_may_be_read_again() {
    let text = "route: {receiver: r, group_by: [a]}\nreceivers:\n- name: r\n  webhook_configs: [{url: 'http://u:secret@h/'}]\n\
        \x20 slack_configs: [{api_url: 'https://h/secret', channel: c, send_resolved: true}]\n";
    let shown = AlertmanagerConfig::load_str("am.yml", text).unwrap().masked;
    for line in [
        "  resolve_timeout: 5m\n",
        "  smtp_require_tls: true\n",
        "  pagerduty_url: https://events.pagerduty.com/v2/enqueue\n",
        "    follow_redirects: true\n",
        "    title: '{{ template \"slack.default.title\" . }}'\n",
        "    send_resolved: true\n",
    ] {
        assert!(shown.contains(line), "{line}\n{shown}");
    }
    assert!(!shown.contains("secret@") && !shown.contains("h/secret"), "{shown}");
    // A receiver shows what it has from the global section.
    let text = "global: {smtp_smarthost: 'mail:25', smtp_from: w@x, smtp_auth_password: hush, opsgenie_api_key_file: k, \
        jira_api_url: 'https://u:hush@jira/', http_config: {basic_auth: {username: u, password: hush}}}\n\
        route: {receiver: r}\nreceivers:\n- name: r\n  email_configs: [{to: a@x}]\n  opsgenie_configs: [{}]\n\
        \x20 jira_configs: [{project: p, issue_type: t}]\n";
    let given = AlertmanagerConfig::load_str("am.yml", text).unwrap().masked;
    for line in ["smarthost: mail:25", "from: 'w@x'", "require_tls: true", "api_key_file: k", "follow_redirects: true"]
    {
        assert!(given.contains(&format!("    {line}\n")), "{line}\n{given}");
    }
    assert!(!given.contains("hush"), "{given}");
    assert_eq!(given.matches("jira/").count(), 2, "{given}");
    assert_eq!(AlertmanagerConfig::load_str("am.yml", &given).unwrap().masked, given);
    let again = AlertmanagerConfig::load_str("am.yml", &shown).unwrap().masked;
    assert_eq!(again, shown);
}

#[test]
fn what_is_shown_of_the_fields_files_is_good_again() {
    let Some(folder) = crate::support::shared("alertmanager-config") else { return };
    let (mut seen, mut bad) = (0, Vec::new());
    for file in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        // Two URLs that must be one can no longer be told apart when they are masked.
        if file.ends_with("conf.slack-default-app-token.yml") {
            continue;
        }
        let Ok(loaded) = AlertmanagerConfig::load_file(&file) else { continue };
        seen += 1;
        if let Err(defects) = AlertmanagerConfig::load_str("again.yml", &loaded.masked) {
            bad.push(format!("{}: {defects:?}\n{}", file.display(), loaded.masked));
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
    assert!(seen > 5, "{seen}");
}
