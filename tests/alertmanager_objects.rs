//! AlertmanagerConfig objects of prometheus-operator: what configuration they come to, and tests of rules with them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use watchbell::config::alertmanager::{AlertmanagerConfig, Beside, Secrets};
use watchbell::config::yaml::{Limits, Node, parse};
use watchbell::routing::RoutingConfig;
use watchbell::routing::tree::{RouteTree, matchers_text};

use crate::support::shared;

const OBJECTS: &str = r#"apiVersion: v1
kind: Secret
metadata: {name: chat, namespace: ml}
stringData: {url: "http://chat/ "}
---
apiVersion: monitoring.coreos.com/v1beta1
kind: AlertmanagerConfig
metadata: {name: gpu, namespace: ml}
spec:
  route:
    receiver: chat
    groupBy: [alertname]
    groupWait: 10s
    matchers: [{name: team, value: 'a"b', matchType: "="}]
    routes:
      - {receiver: mail, matchers: [{name: severity, value: page|critical, matchType: "=~"}], muteTimeIntervals: [nights]}
  receivers:
    - name: chat
      slackConfigs:
        - apiURL: {name: chat, key: url}
          channel: '#gpu'
          title: '{{ .CommonLabels.alertname }}'
          fields: [{title: a, value: b}]
          httpConfig: {followRedirects: false, tlsConfig: {insecureSkipVerify: true}}
    - name: mail
      emailConfigs:
        - {to: a@example.com, from: b@example.com, smarthost: 'mail:25', requireTLS: false, headers: [{key: Subject, value: x}]}
  inhibitRules:
    - sourceMatch: [{name: severity, value: critical, matchType: "="}]
      targetMatch: [{name: severity, value: warning, matchType: "!="}]
      equal: [gpu]
  timeIntervals:
    - name: nights
      timeIntervals: [{times: [{startTime: '22:00', endTime: '24:00'}], weekdays: [Saturday, 'monday:friday'], daysOfMonth: [{start: 1, end: 28}]}]
---
apiVersion: monitoring.coreos.com/v1alpha1
kind: AlertmanagerConfig
metadata: {name: web, namespace: apps}
spec:
  route:
    receiver: hook
    matchers: [{name: job, value: web.*, regex: true}, {name: x, value: 'y'}]
  receivers:
    - name: hook
      webhookConfigs: [{url: 'http://hook/', maxAlerts: 3}]
"#;

fn routing(text: &str) -> RoutingConfig {
    RoutingConfig::of(&AlertmanagerConfig::load_str("am.yml", text).unwrap().config)
}

/// What is told of objects that are alone.
fn told(text: &str) -> Vec<String> {
    let beside = Beside::default();
    let found = match AlertmanagerConfig::load("am.yml", text, Secrets::Unread(&beside)) {
        Ok(loaded) => loaded.notes,
        Err(defects) => defects,
    };
    found.iter().map(ToString::to_string).collect()
}

fn watchbell(arguments: &[&str], dir: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_watchbell"));
    command.args(arguments).current_dir(dir).env_remove("GITHUB_ACTIONS").output().unwrap()
}

#[test]
fn objects_come_to_what_the_operator_makes_of_them() {
    let config = routing(OBJECTS);
    let tree = RouteTree::new(&config.route);
    let routes: Vec<String> =
        tree.routes().map(|r| format!("{} {} continue={}", r.key, r.receiver, r.continues())).collect();
    assert_eq!(
        routes,
        [
            r#"{} null continue=false"#,
            r#"{}/{job=~"web.*",namespace="apps",x="y"} apps/web/hook continue=true"#,
            r#"{}/{namespace="ml",team="a\"b"} ml/gpu/chat continue=true"#,
            r#"{}/{namespace="ml",team="a\"b"}/{severity=~"page|critical"} ml/gpu/mail continue=false"#,
        ]
        .map(str::to_owned)
    );
    let receivers: Vec<&str> = config.receivers.keys().map(|name| &**name).collect();
    assert_eq!(receivers, ["apps/web/hook", "ml/gpu/chat", "ml/gpu/mail", "null"]);
    let inhibition = &config.inhibit_rules[0];
    assert_eq!(matchers_text(&inhibition.source), r#"{namespace="ml",severity="critical"}"#);
    assert_eq!(matchers_text(&inhibition.target), r#"{namespace="ml",severity!="warning"}"#);
    assert_eq!(config.time_intervals.keys().collect::<Vec<_>>(), ["ml/gpu/nights"]);
    let loaded = AlertmanagerConfig::load_str("am.yml", OBJECTS).unwrap();
    insta::assert_snapshot!("alertmanager_objects", loaded.masked);
}

#[test]
fn objects_are_added_to_the_configuration_beside_them() {
    let base = "---\napiVersion: v1\nkind: Secret\nmetadata: {name: alertmanager-main}\nstringData:\n  alertmanager.yaml: |\n    route: {receiver: all, routes: [{matchers: [a=b], receiver: all}]}\n    receivers: [{name: all}]\n";
    let config = routing(&(OBJECTS.to_owned() + base));
    let tree = RouteTree::new(&config.route);
    let receivers: Vec<&str> = tree.routes().map(|r| &*r.receiver).collect();
    assert_eq!(receivers, ["all", "apps/web/hook", "ml/gpu/chat", "ml/gpu/mail", "all"]);
    // What is wrong with it is told where it stands.
    let broken = OBJECTS.to_owned() + &base.replace("receiver: all, routes", "receiver: nobody, routes");
    let defects = AlertmanagerConfig::load_str("am.yml", &broken).unwrap_err();
    let line = broken.lines().position(|l| l.contains("nobody")).unwrap() as u32 + 1;
    assert_eq!(defects.iter().map(|d| d.position.line).collect::<Vec<_>>(), [line], "{defects:?}");
}

#[test]
fn a_configuration_that_is_encoded_counts_too() {
    // route: {receiver: all}; receivers: [{name: all}]; global: {slack_api_url: "http://hooks/T/B"}
    let text = "route: {receiver: all}\nreceivers: [{name: all}]\nglobal: {slack_api_url: 'http://hooks/T/B'}\n";
    let encoded = base64(text);
    let base = |data: &str| {
        format!("---\napiVersion: v1\nkind: Secret\nmetadata: {{name: main}}\ndata: {{alertmanager.yaml: {data}}}\n")
    };
    let objects = OBJECTS.replace("        - apiURL: {name: chat, key: url}\n          channel", "        - channel");
    let loaded = AlertmanagerConfig::load_str("am.yml", &(objects.clone() + &base(&encoded))).unwrap();
    assert_eq!(loaded.config.receivers.iter().next().unwrap().name, "all");
    assert!(!loaded.masked.contains("hooks"), "{}", loaded.masked);
    // What is wrong in it is told of the value's place.
    let broken = objects + &base(&base64("route: [\n"));
    let defects = AlertmanagerConfig::load_str("am.yml", &broken).unwrap_err();
    let line = broken.lines().position(|l| l.contains("alertmanager.yaml")).unwrap() as u32 + 1;
    assert_eq!(defects.iter().map(|d| d.position.line).collect::<Vec<_>>(), [line], "{defects:?}");
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

#[test]
fn an_alertmanager_object_says_how_namespaces_count() {
    let with = |spec: &str| {
        let object = format!(
            "---\napiVersion: monitoring.coreos.com/v1\nkind: Alertmanager\nmetadata: {{name: main, namespace: ml}}\nspec: {{{spec}}}\n"
        );
        OBJECTS.to_owned() + &object
    };
    let keys = |spec: &str| {
        let tree = RouteTree::new(&routing(&with(spec)).route);
        tree.routes().map(|r| format!("{} {}", r.key, r.receiver)).collect::<Vec<_>>()
    };
    let strategy = |name: &str| keys(&format!("alertmanagerConfigMatcherStrategy: {{type: {name}}}"));
    assert_eq!(strategy("OnNamespace"), keys(""));
    assert_eq!(strategy("None")[1..3], [r#"{}/{job=~"web.*",x="y"} apps/web/hook"#, r#"{}/{team="a\"b"} ml/gpu/chat"#]);
    assert_eq!(
        strategy("OnNamespaceExceptForAlertmanagerNamespace")[1..3],
        [r#"{}/{job=~"web.*",namespace="apps",x="y"} apps/web/hook"#, r#"{}/{team="a\"b"} ml/gpu/chat"#]
    );
    let defects = AlertmanagerConfig::load_str("am.yml", &with("alertmanagerConfigMatcherStrategy: {type: Some}"));
    assert!(defects.unwrap_err()[0].message.contains("OnNamespaceExceptForAlertmanagerNamespace or None, found"));
    // One of the objects may be what the others are added to.
    let root = with("alertmanagerConfiguration: {name: gpu}")
        .replace("    matchers: [{name: team, value: 'a\"b', matchType: \"=\"}]\n", "");
    let tree = RouteTree::new(&routing(&root).route);
    let receivers: Vec<&str> = tree.routes().map(|r| &*r.receiver).collect();
    assert_eq!(receivers, ["ml/gpu/chat", "apps/web/hook", "ml/gpu/mail"]);
    let defects = AlertmanagerConfig::load_str("am.yml", &with("alertmanagerConfiguration: {name: gpu, global: {}}"));
    assert!(defects.unwrap_err()[0].message.contains("global of alertmanagerConfiguration is not read"));
}

#[test]
fn defects_stand_where_they_are_in_the_object() {
    let (_, without) = OBJECTS.split_once("---\n").unwrap();
    let text = without
        .replace("groupWait: 10s", "groupWaits: 10s")
        .replace("matchType: \"=~\"", "matchType: \"~\"")
        .replace("channel: '#gpu'", "chanel: '#gpu'")
        .replace("to: a@example.com", "to: 1")
        .replace("maxAlerts: 3", "max_alerts: 3")
        .replace("{start: 1, end: 28}", "{start: 1}")
        .replace("regex: true", "regex: yes please");
    let defects = AlertmanagerConfig::load_str("am.yml", &text).unwrap_err();
    let told: Vec<String> = defects.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!("alertmanager_objects_defects", told.join("\n"));
    // In a list they stand where they are, too.
    let indented: String = OBJECTS.split("---\n").skip(1).map(indented).collect();
    let list = format!("apiVersion: v1\nkind: List\nitems:\n{indented}").replace("groupWait: 10s", "groupWaits: 10s");
    let line = list.lines().position(|l| l.contains("groupWaits")).unwrap() + 1;
    let defects = AlertmanagerConfig::load_str("am.yml", &list).unwrap_err();
    assert!(defects.iter().any(|d| d.position.line as usize == line), "{defects:?}");
    // What Alertmanager's own reader refuses is told of the object as well.
    let unknown = OBJECTS.replace("{receiver: mail,", "{receiver: post,");
    let defects = AlertmanagerConfig::load_str("am.yml", &unknown).unwrap_err();
    let line = unknown.lines().position(|l| l.contains("receiver: post")).unwrap() as u32 + 1;
    assert_eq!(defects.iter().map(|d| d.position.line).collect::<Vec<_>>(), [line], "{defects:?}");
}

/// A document as an item of a list.
fn indented(document: &str) -> String {
    let lines = document.lines().enumerate();
    lines.map(|(i, line)| format!("{}{line}\n", if i == 0 { "- " } else { "  " })).collect()
}

#[test]
fn secrets_that_are_missing_are_told_and_never_empty() {
    let (_, without) = OBJECTS.split_once("---\n").unwrap();
    let elsewhere = "am.yml:15:19: the Secret ml/chat is not among these files: its value for url is not checked";
    assert_eq!(told(without), [elsewhere]);
    let needed = AlertmanagerConfig::load_str("am.yml", without).unwrap_err();
    assert!(needed[0].message.contains("expected the Secret ml/chat with the key url in the same file"), "{needed:?}");
    for (from, to, wanted) in [
        ("url: \"http://chat/ \"", "token: a, more: b", "the Secret ml/chat has no key url, found token, more"),
        ("url: \"http://chat/ \"", "url: ''", "the Secret ml/chat has nothing under url"),
        ("stringData: {url: \"http://chat/ \"}", "data: {url: '*'}", "the Secret ml/chat has no base64 under url"),
    ] {
        let defects = told(&OBJECTS.replace(from, to));
        assert!(matches!(defects.as_slice(), [one] if one.ends_with(wanted)), "{defects:?}");
    }
    // A global setting that nobody can know is told, and is no defect.
    let slack = OBJECTS.replace("        - apiURL: {name: chat, key: url}\n          channel", "        - channel");
    let told = told(&slack);
    assert!(matches!(told.as_slice(), [one] if one.contains("the global slack_api_url that counts")), "{told:?}");
    assert!(AlertmanagerConfig::load_str("am.yml", &slack).is_err());
}

#[test]
fn files_that_are_checked_together_know_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let (secret, without) = OBJECTS.split_once("---\n").unwrap();
    let slack = without
        .replace("metadata: {name: gpu,", "metadata: {name: more,")
        .replace("apiURL: {name: chat, key: url}", "color: red");
    let base = "route: {receiver: all}\nreceivers: [{name: all}]\nglobal: {slack_api_url: 'http://hooks/T/B'}\n";
    for (name, text) in [("secret.yml", secret), ("gpu.yml", without), ("more.yml", &slack), ("alertmanager.yml", base)]
    {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    let all = watchbell(&["check", "."], dir.path());
    let told = String::from_utf8_lossy(&all.stdout);
    assert!(all.status.success(), "{told}");
    assert!(!told.contains("not among these files") && !told.contains("gpu.yml:"), "{told}");
    let one = watchbell(&["check", "gpu.yml", "more.yml"], dir.path());
    let told = String::from_utf8_lossy(&one.stdout);
    assert!(one.status.success(), "{told}");
    assert!(told.contains("WARNING: gpu.yml:15:19: the Secret ml/chat is not among these files"), "{told}");
    assert!(told.contains("WARNING: more.yml:15:11: no apiURL: the global slack_api_url"), "{told}");
}

#[test]
fn rules_are_tested_up_to_the_message_with_objects() {
    let dir = tempfile::tempdir().unwrap();
    let (_, without) = OBJECTS.split_once("---\n").unwrap();
    let rules = "groups: [{name: g, rules: [{alert: Hot, expr: temp > 85, labels: {team: 'a\"b'}}]}]\n";
    let test = r#"rule_files: [rules.yml]
alertmanager_config: objects.yml
tests:
  - input_series:
      - {series: 'temp{namespace="ml"}', values: 90x10}
      - {series: 'temp{namespace="other"}', values: 90x10}
    notification_test:
      - {eval_time: 5m, exp_notifications: [{receiver: ml/gpu/chat, at: 10s, title: Hot, alerts: [{labels: {namespace: ml}}]}]}
"#;
    let base = "route: {receiver: all}\nreceivers: [{name: all, webhook_configs: [{url: 'http://all/'}]}]\n";
    let several = test.replace("objects.yml", "[alertmanager.yml, 'object*.yml']").replace(
        "alerts: [{labels: {namespace: ml}}]}]}",
        "alerts: [{labels: {namespace: ml}}]}, {receiver: all, at: 30s, alerts: [{labels: {namespace: other}}]}]}",
    );
    let apps =
        "apiVersion: v1\nkind: Secret\nmetadata: {name: chat, namespace: ml}\nstringData: {url: 'http://chat/'}\n";
    for (name, text) in [
        ("rules.yml", rules),
        ("objects.yml", without),
        ("objects2.yml", apps),
        ("alertmanager.yml", base),
        ("test.yml", test),
        ("several.yml", &several),
        ("plain.yml", &test.replace("objects.yml", "[alertmanager.yml, rules.yml]")),
    ] {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    let commands = [
        ["test", "rules", "test.yml"].as_slice(),
        &["test", "rules", "several.yml"],
        &["check", "objects.yml", "--syntax-only"],
    ];
    for arguments in commands {
        let ran = watchbell(arguments, dir.path());
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stdout));
    }
    // What is covered stands where it is in each of the files.
    let covered = watchbell(&["test", "rules", "several.yml", "--coverage"], dir.path());
    let told = String::from_utf8_lossy(&covered.stdout);
    assert!(told.contains("never: objects.yml:22: receiver ml/gpu/mail: email[0]"), "{told}");
    let first = watchbell(&["test", "rules", "plain.yml"], dir.path());
    let told = String::from_utf8_lossy(&first.stdout);
    assert!(told.contains("rules.yml: expected one file, or AlertmanagerConfig objects among several"), "{told}");
    // What is wrong is told of its own file.
    std::fs::write(dir.path().join("objects.yml"), without.replace("groupWait: 10s", "groupWaits: 10s")).unwrap();
    let ran = watchbell(&["test", "rules", "several.yml"], dir.path());
    let told = String::from_utf8_lossy(&ran.stdout);
    assert!(told.contains("objects.yml:8:5: field groupWaits not found in route"), "{told}");
}

/// Every field that the CustomResourceDefinition knows is read; no other one is.
#[test]
fn every_field_of_the_definition_is_read() {
    let Some(file) = shared("configs/crds/alertmanagerconfigs.yaml") else { return };
    let text = std::fs::read_to_string(file).unwrap();
    let documents = parse(&text, Limits::default()).unwrap();
    let versions = documents.roots[0].get("spec").unwrap().get("versions").unwrap();
    let mut count = 0;
    for version in versions.items().unwrap() {
        let name = version.get("name").unwrap().text().unwrap();
        let spec =
            ["schema", "openAPIV3Schema", "properties", "spec"].iter().fold(version, |n, key| n.get(key).unwrap());
        let properties = spec.get("properties").unwrap().entries().unwrap();
        let receivers = spec.get("properties").unwrap().get("receivers").unwrap().get("items").unwrap();
        let kinds = receivers.get("properties").unwrap().entries().unwrap();
        let others = properties.iter().filter(|(key, _)| key.text() != Some("receivers"));
        let specs =
            others.map(|(key, schema)| format!("{{{}: {}}}", key.text().unwrap(), sample(schema, "", &mut count)));
        let mut specs: Vec<String> = specs.collect();
        specs.extend(kinds.iter().filter(|(key, _)| key.text() != Some("name")).map(|(key, schema)| {
            let sample = sample(schema, "", &mut count);
            format!("{{route: {{receiver: x}}, receivers: [{{name: x, {}: {sample}}}]}}", key.text().unwrap())
        }));
        for spec in specs {
            let object = format!(
                "apiVersion: monitoring.coreos.com/{name}\nkind: AlertmanagerConfig\nmetadata: {{name: a}}\nspec: {spec}\n"
            );
            let told = told(&object);
            let strange = |line: &&String| line.contains("not found in") || line.contains("expected a");
            let strange: Vec<&String> = told.iter().filter(strange).collect();
            assert!(strange.is_empty(), "{strange:#?}\n{object}");
        }
    }
    assert!(count > 3000, "{count}");
}

/// A value that a schema allows, with every field it knows.
fn sample(schema: &Node, name: &str, count: &mut usize) -> String {
    *count += 1;
    let of = |key: &str| schema.get(key).and_then(Node::text);
    let pattern = of("pattern").unwrap_or_default();
    let words = schema.get("enum").and_then(Node::items).and_then(|all| all.first()?.text());
    match of("type") {
        Some("object") => {
            if let Some(values) = schema.get("additionalProperties") {
                return format!("{{k: {}}}", sample(values, "", count));
            }
            let fields = schema.get("properties").and_then(Node::entries).unwrap_or_default();
            // Of two that are one only one is given.
            let alternatives = fields.iter().any(|(key, _)| key.text() == Some("configMap"));
            let fields = fields.iter().filter(|(key, _)| !(alternatives && key.text() == Some("configMap")));
            let fields = fields.map(|(key, value)| {
                let name = key.text().unwrap();
                format!("{name}: {}", sample(value, name, count))
            });
            format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
        }
        Some("array") => format!("[{}]", sample(schema.get("items").unwrap(), name, count)),
        Some("boolean") => "true".into(),
        Some("integer") => "1".into(),
        // Routes below a route have no schema of their own.
        None => "{receiver: x}".into(),
        Some(_) => match (words, pattern) {
            (Some(word), _) => format!("{word:?}"),
            (_, p) if p.contains("ms)") => "1m".into(),
            (_, p) if p.contains("january") => "January".into(),
            (_, p) if p.contains("sun|mon") => "Monday".into(),
            (_, p) if p.starts_with("^2") => "'2030'".into(),
            (_, p) if p.contains("24:00") => if name == "startTime" { "'00:00'" } else { "'24:00'" }.into(),
            (_, p) if p.contains("http") => "http://x/".into(),
            _ => "x".into(),
        },
    }
}

#[test]
fn the_objects_of_the_field_are_read() {
    let Some(root) = shared("configs") else { return };
    let index = std::fs::read_to_string(root.join("INDEX.tsv")).unwrap();
    let rows = index.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let rows = rows.filter(|row| row[0] == "objects" && row[7].contains("AlertmanagerConfig"));
    let mut read = 0;
    for row in rows {
        let file: PathBuf = root.join("objects").join(row[1]);
        let text = std::fs::read_to_string(file).unwrap();
        let loaded = AlertmanagerConfig::load("objects.yml", &text, Secrets::Unread(&Beside::default()));
        assert_eq!(loaded.is_ok(), row[10] == "ok", "{}: {:?}", row[1], loaded.err());
        read += 1;
    }
    assert!(read >= 6, "{read}");
}
