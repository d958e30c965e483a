//! `watchbell check PATH...`: files, folders and globs, each checked as what it is.

use std::process::Command;

const FILES: [(&str, &str); 8] = [
    ("rules/a.yml", "groups: [{name: g, rules: [{alert: A, expr: up == 0}]}]\n"),
    (
        "rules/object.yaml",
        "apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nspec: {groups: [{name: h, rules: [{record: 'a:b', expr: up}]}]}\n",
    ),
    (
        "rules/a_test.yml",
        "rule_files: [a.yml]\ntests: [{interval: 1m, input_series: [{series: up, values: '0 0'}], alert_rule_test: [{eval_time: 1m, alertname: A, exp_alerts: [{}]}]}]\n",
    ),
    ("prometheus.yml", "rule_files: ['rules/a.yml']\nscrape_configs: [{job_name: j}]\n"),
    ("alertmanager.yml", "route: {receiver: r}\nreceivers: [{name: r}]\n"),
    ("mail.tmpl", "{{ define \"subject\" }}x{{ end }}\n"),
    ("web.yml", "http_server_config: {headers: {X-Frame-Options: deny}}\n"),
    ("deploy/service.yaml", "apiVersion: v1\nkind: Service\n"),
];

fn home() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    for (name, text) in FILES {
        let file = home.path().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }
    home
}

/// Exit code and output of a check.
fn check(home: &tempfile::TempDir, paths: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_watchbell"));
    let ran = command.current_dir(home.path()).arg("check").args(paths).output().unwrap();
    (ran.status.code().unwrap(), String::from_utf8(ran.stdout).unwrap())
}

#[test]
fn every_file_of_a_folder_is_checked_as_what_it_is() {
    let home = home();
    let (code, told) = check(&home, &["."]);
    assert_eq!(code, 0, "{told}");
    for line in [
        "Checking ./rules/a.yml\n  SUCCESS: 1 rules found",
        "Checking ./rules/object.yaml\n  SUCCESS: 1 rules found",
        "Checking ./rules/a_test.yml\n  SUCCESS: 1 tests",
        "Checking ./prometheus.yml\n  SUCCESS: 1 rule files found",
        "Checking './alertmanager.yml'\n  SUCCESS:",
        "Checking ./mail.tmpl\n  SUCCESS: templates",
        "Checking ./web.yml\n  SUCCESS: web configuration",
        "Skipping ./deploy/service.yaml: a Kubernetes object of kind Service",
    ] {
        assert!(told.contains(line), "{line}\n{told}");
    }
}

#[test]
fn what_is_wrong_fails_wherever_it_is_found() {
    let home = home();
    std::fs::write(home.path().join("rules/bad.yml"), "groups: [{name: g, rules: [{alert: A, expr: 'up =='}]}]\n")
        .unwrap();
    for paths in [&["rules"][..], &["rules/*.yml"], &["rules/b?d.yml"], &["./rules/bad.yml"]] {
        // The old subcommand of that name stays.
        let paths: Vec<&str> = paths.iter().map(|p| if *p == "rules" { "./rules" } else { *p }).collect();
        let (code, told) = check(&home, &paths);
        assert!(code == 1 && told.contains("bad.yml:1:"), "{paths:?}: {told}");
    }
    let mut rules = Command::new(env!("CARGO_BIN_EXE_watchbell"));
    let ran = rules.current_dir(home.path()).args(["check", "rules", "rules/*ad.yml"]).output().unwrap();
    let (told, failed) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert_eq!(ran.status.code(), Some(1));
    assert!(told.contains("Checking rules/bad.yml\n") && failed.contains("bad.yml:1:"), "{told}{failed}");
    assert!(failed.contains("\n1 | groups: [{name: g, rules: [{alert: A, expr: 'up =='}]}]\n"), "{failed}");
    for (path, why) in [
        ("nosuch.yml", "no such file or folder"),
        ("rules/*.json", "no file matches"),
        ("deploy/service.yaml", "found a Kubernetes object of kind Service"),
    ] {
        let (code, told) = check(&home, &[path]);
        assert!(code == 1 && told.contains(why), "{path}: {told}");
    }
    let (code, told) = check(&home, &["rules/*_test.yml", "./rules/a.yml"]);
    assert_eq!((code, told.matches("SUCCESS").count()), (0, 2), "{told}");
}

#[test]
fn a_test_that_fails_is_told_with_what_was_expected() {
    let home = home();
    let test = FILES[2].1.replace("exp_alerts: [{}]", "exp_alerts: []");
    std::fs::write(home.path().join("rules/a_test.yml"), test).unwrap();
    let (code, told) = check(&home, &["rules/a_test.yml"]);
    assert!(code == 1 && told.contains("FAILED"), "{told}");
}
