//! `watchbell check config` and `check alertmanager` follow a configuration into the files it names.

use watchbell::cli::check_config;
use watchbell::rules::LoadOptions;

use crate::support::peers;

fn check(files: &[(&str, &str)]) -> (i32, String) {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    let mut out = Vec::new();
    let first = dir.path().join(files[0].0);
    let code = check_config::run(&[first], &LoadOptions::default(), false, false, &mut out).unwrap();
    let shown = String::from_utf8(out).unwrap().replace(&format!("{}/", dir.path().display()), "");
    (code, shown)
}

const RULES: &str = "groups: [{name: a, rules: [{record: x, expr: up}]}]\n";
const ROUTES: &str = "route: {receiver: a}\nreceivers: [{name: a}]\ntemplates: ['*.tmpl']\n";
const CONFIG: &str = "rule_files: ['*.rules']\nwatchbell: {alertmanager_config: am.yml}\n";

#[test]
fn a_good_configuration_and_all_it_names() {
    let (code, shown) = check(&[
        ("w.yml", CONFIG),
        ("a.rules", RULES),
        ("am.yml", ROUTES),
        ("x.tmpl", "{{ define \"x\" }}{{ .Status | toUpper }}{{ end }}"),
    ]);
    let want = "Checking w.yml
  SUCCESS: 1 rule files found
 SUCCESS: w.yml is valid watchbell config file syntax

Checking a.rules
  SUCCESS: 1 rules found

Checking 'am.yml'
  SUCCESS: 0 inhibit rules, 1 receivers, 0 time intervals

";
    assert_eq!((code, shown.as_str()), (0, want));
}

#[test]
fn a_rule_file_named_without_a_star_must_be_there() {
    let config = "rule_files:\n- '*.none'\n- a.rules\n- nothere.yml\n- ./other?.yml\n";
    let (code, shown) = check(&[("w.yml", config), ("a.rules", RULES)]);
    let want = "Checking w.yml
  FAILED:
w.yml:4:3: \"nothere.yml\" does not point to an existing file
  |
4 | - nothere.yml
  |   ^
w.yml:5:3: \"./other?.yml\" does not point to an existing file
  |
5 | - ./other?.yml
  |   ^

";
    assert_eq!((code, shown.as_str()), (1, want));
}

#[test]
fn templates_of_receivers_that_fail_are_warnings_with_their_places() {
    let routes = "\
route: {receiver: a}
receivers:
- name: a
  slack_configs:
  - api_url: http://slack.example/
    channel: c
    title: '{{ template \"nosuch\" . }}'
    text: '{{ (index .Alerts 1).Annotations.summary }}'
";
    let (code, shown) = check(&[("w.yml", CONFIG), ("am.yml", routes)]);
    assert_eq!(code, 0, "{shown}");
    for want in [
        "  WARNING: am.yml:7:12: receiver \"a\": slack_configs[0].title fails for one alert that fires: template: :1:12:",
        "  WARNING: am.yml:8:11: receiver \"a\": slack_configs[0].text fails for one alert that fires: template: :1:4:",
    ] {
        assert!(shown.contains(want), "{want} in {shown}");
    }
}

/// What passes starts: matchers are read as the service is to read them. amtool says the same.
#[test]
fn a_check_reads_matchers_as_the_features_say() {
    let dir = tempfile::tempdir().unwrap();
    let write = |matcher: &str| {
        let path = dir.path().join("am.yml");
        let text = format!("route: {{receiver: a, routes: [{{matchers: ['{matcher}']}}]}}\nreceivers: [{{name: a}}]\n");
        std::fs::write(path, text).unwrap();
        std::fs::write(dir.path().join("w.yml"), CONFIG).unwrap();
    };
    let passes = |program: &std::path::Path, arguments: &[&str]| {
        let mut command = std::process::Command::new(program);
        command.current_dir(dir.path()).args(arguments).output().unwrap().status.success()
    };
    let watchbell = std::path::Path::new(env!("CARGO_BIN_EXE_watchbell"));
    let amtool = peers::find("amtool");
    for (matcher, feature, want) in [
        ("🙂=b", "", true),
        ("🙂=b", "classic-mode", false),
        ("🙂=b", "utf8-strict-mode", true),
        ("a=b\\c", "", true),
        ("a=b\\c", "classic-mode", true),
        ("a=b\\c", "utf8-strict-mode", false),
        ("a=b", "nosuch", false),
    ] {
        write(matcher);
        let feature = format!("--enable-feature={feature}");
        assert_eq!(passes(watchbell, &["check", "alertmanager", &feature, "am.yml"]), want, "{matcher} {feature}");
        // To Prometheus a feature that nobody knows is worth a warning.
        let of_prometheus = want || feature.ends_with("=nosuch");
        assert_eq!(passes(watchbell, &["check", "config", &feature, "w.yml"]), of_prometheus, "{matcher} {feature}");
        if let Some(amtool) = &amtool {
            assert_eq!(passes(amtool, &["check-config", &feature, "am.yml"]), want, "{matcher} {feature}: amtool");
        }
    }
}

#[test]
fn defects_of_every_file_are_told() {
    let (code, shown) = check(&[
        ("w.yml", CONFIG),
        ("a.rules", "groups: [{name: a, rules: [{record: x, expr: up +}]}]\n"),
        ("am.yml", &ROUTES.replace("receiver: a", "receiver: b")),
    ]);
    assert_eq!(code, 1);
    for want in ["a.rules:1:", "could not parse expression", "am.yml:1:19: undefined receiver \"b\" used in route"] {
        assert!(shown.contains(want), "{want} in {shown}");
    }
    // What may be a secret is not shown.
    let routes = "route: {receiver: a}\nreceivers:\n- name: a\n  slack_configs:\n  - api_url: ftp://hunter2\n";
    let (code, shown) = check(&[("w.yml", CONFIG), ("am.yml", routes)]);
    assert!(code == 1 && shown.contains("am.yml:5:14: ") && !shown.contains("hunter2"), "{shown}");
    let (code, shown) = check(&[("w.yml", CONFIG), ("am.yml", ROUTES), ("x.tmpl", "a\n{{ nofunc }}")]);
    assert!(code == 1 && shown.contains("x.tmpl:2: function \"nofunc\" not defined"), "{shown}");
    let (code, shown) = check(&[("w.yml", CONFIG)]);
    assert!(code == 1 && shown.contains("am.yml: No such file"), "{shown}");
    let (code, shown) = check(&[("w.yml", "globl: {}")]);
    assert!(code == 1 && shown.contains("w.yml:1:1: field globl not found"), "{shown}");
}

#[test]
fn what_a_service_could_not_build_is_a_defect_with_its_place() {
    let scrape = "scrape_configs:\n- job_name: a\n  tls_config: {ca_file: none.pem}\n";
    let (code, shown) = check(&[("w.yml", scrape)]);
    assert_eq!(code, 1, "{shown}");
    assert!(shown.contains("\nw.yml:3:25: unable to read file none.pem"), "{shown}");
    let routes = "global:\n  http_config:\n    authorization: {credentials_ref: x}\nroute: {receiver: a}\nreceivers:\n\
                  - name: a\n  webhook_configs: [{url: 'http://a/'}, {url: 'http://b/'}]\n";
    let (code, shown) = check(&[("w.yml", CONFIG), ("am.yml", routes)]);
    assert_eq!((code, shown.matches("am.yml:3:38: credentials_ref").count()), (1, 1), "{shown}");
    let routes = "route: {receiver: a}\nreceivers:\n- name: a\n  webhook_configs: [{url_file: none.url}]\n";
    let (code, shown) = check(&[("w.yml", CONFIG), ("am.yml", routes)]);
    assert!(code == 1 && shown.contains("am.yml:4:32: unable to read file none.url: no such file"), "{shown}");
    // Only of a file without defects it is said that it is good.
    assert!(shown.contains("Checking 'am.yml'\n  FAILED:\nam.yml:4:32:"), "{shown}");
    let refused = "route: {receiver: a}\nreceivers: [{name: a}]\ntracing:\n  endpoint: x:1\n";
    let (code, shown) = check(&[("w.yml", CONFIG), ("am.yml", refused)]);
    assert!(code == 1 && shown.contains("am.yml:4:3: tracing over grpc is not supported"), "{shown}");
}

#[test]
fn the_check_of_run_builds_what_run_builds_and_run_says_where_too() {
    let dir = tempfile::tempdir().unwrap();
    let routes = "route: {receiver: a}\nreceivers:\n- name: a\n  webhook_configs:\n  - url: 'http://a/'\n    \
                  http_config: {tls_config: {ca_file: none.pem}}\n";
    std::fs::write(dir.path().join("am.yml"), routes).unwrap();
    std::fs::write(dir.path().join("w.yml"), "watchbell: {alertmanager_config: am.yml}\n").unwrap();
    let run = |flags: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_watchbell"));
        command.current_dir(dir.path()).args(["run", "--config.file=w.yml", "--web.listen-address=127.0.0.1:0"]);
        let output = command.args(flags).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for flags in [&["--config.check"][..], &[]] {
        let (good, told) = run(flags);
        assert!(!good && told.contains("am.yml:6:41: ") && told.contains("unable to read file none.pem"), "{told}");
    }
    std::fs::copy(crate::support::http::tls_file("own.pem"), dir.path().join("none.pem")).unwrap();
    assert!(run(&["--config.check"]).0);
}
