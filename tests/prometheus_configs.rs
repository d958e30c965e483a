//! Real Prometheus configurations get the verdicts that promtool gives.

use std::path::Path;

use watchbell::cli::check_config;
use watchbell::config::Config;
use watchbell::rules::LoadOptions;

use crate::support::http::tls_file;
use crate::support::{peers, shared};

fn check(path: &Path, lenient: bool) -> (bool, String) {
    let mut out = Vec::new();
    let code = check_config::run(&[path.to_owned()], &LoadOptions::default(), false, lenient, &mut out).unwrap();
    (code == 0, String::from_utf8(out).unwrap())
}

/// A copy of a configuration in a folder, beside which everything it names exists.
fn copy(text: &str, names: &str, dir: &Path) -> std::path::PathBuf {
    let mut text = text.to_owned();
    for (kind, name) in names.split('|').filter_map(|f| f.split_once(':')) {
        let inside = dir.join(name.trim_start_matches('/').replace('*', "x"));
        if name.starts_with('/') {
            text = text.replace(name, &dir.join(name.trim_start_matches('/')).display().to_string());
        }
        std::fs::create_dir_all(inside.parent().unwrap()).unwrap();
        match kind {
            "ca" | "cert" => drop(std::fs::copy(tls_file("server.pem"), inside).unwrap()),
            "key" => drop(std::fs::copy(tls_file("server.key"), inside).unwrap()),
            "rules" => std::fs::write(inside, "groups: []\n").unwrap(),
            "sd" => std::fs::write(inside, "[]\n").unwrap(),
            "scrape" => std::fs::write(inside, "scrape_configs: []\n").unwrap(),
            _ => std::fs::write(inside, "x").unwrap(),
        }
    }
    let path = dir.join("config.yml");
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn configurations_that_people_run_get_the_peers_verdict() {
    let Some(root) = shared("configs") else { return };
    let index = std::fs::read_to_string(root.join("INDEX.tsv")).unwrap();
    let (mut seen, mut wrong) = (0, Vec::new());
    for row in index.lines().map(|line| line.split('\t').collect::<Vec<_>>()).filter(|row| row[0] == "prometheus") {
        let (file, names, verdict) = (row[1], row[8], row[10]);
        let text = std::fs::read_to_string(root.join("prometheus").join(file)).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let (good, said) = check(&copy(&text, names, dir.path()), true);
        seen += 1;
        if good != (verdict == "ok") {
            wrong.push(format!("{file}: the peer says {verdict}\n{said}"));
        }
    }
    assert!(seen > 100 && wrong.is_empty(), "{} wrong of {seen}\n{}", wrong.len(), wrong.join("\n"));
}

/// Bodies of one scrape config beside its name, or whole configurations, and whether they are good.
fn cases() -> Vec<(bool, String)> {
    let text = include_str!("../fixtures/config/discovery-verdicts.txt");
    let case = |case: &str| {
        let (verdict, body) = case.split_once('\n').unwrap_or((case, ""));
        let body = match body.starts_with("  ") {
            true => format!("scrape_configs:\n- job_name: a\n{body}"),
            false => body.to_owned(),
        };
        (verdict == "ok", body)
    };
    text.split("=== ").skip(1).map(case).collect()
}

#[test]
fn verdicts_are_promtools_on_every_kind_of_discovery() {
    let wrong = |(good, text): (bool, String)| {
        let dir = tempfile::tempdir().unwrap();
        let (ours, said) = check(&copy(&text, "", dir.path()), true);
        (ours != good).then(|| format!("{text}\n{said}"))
    };
    let wrong: Vec<String> = cases().into_iter().filter_map(wrong).collect();
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n\n"));
}

#[test]
fn recorded_verdicts_are_those_of_the_promtool_at_hand() {
    let Some(promtool) = peers::find("promtool") else { return };
    // What that build lacks is not asked.
    let absent =
        ["azure_sd", "azuread", "consul_sd", "google_iam", "kuma_sd", "nomad_sd", "openstack_sd", "stackit_sd"];
    // All in one run: promtool says of each file whether it is good.
    let dir = tempfile::tempdir().unwrap();
    let mut cases = cases();
    cases.retain(|(_, text)| !absent.iter().any(|kind| text.contains(kind)));
    let mut command = std::process::Command::new(promtool);
    command.args(["check", "config", "--syntax-only"]).current_dir(dir.path());
    for (i, (_, text)) in cases.iter().enumerate() {
        std::fs::write(dir.path().join(format!("{i}.yml")), text).unwrap();
        command.arg(format!("{i}.yml"));
    }
    let said = command.output().unwrap();
    let said = [said.stdout, said.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let wrong: Vec<&str> = cases
        .iter()
        .enumerate()
        .filter(|(i, (good, _))| said.contains(&format!("SUCCESS: {i}.yml is valid")) != *good)
        .map(|(_, (_, text))| text.as_str())
        .collect();
    assert!(wrong.is_empty(), "{} wrong\n{}\n{said}", wrong.len(), wrong.join("\n---\n"));
}

#[test]
fn a_kind_that_is_not_spoken_is_refused_by_name_with_what_to_do_instead() {
    let dir = tempfile::tempdir().unwrap();
    let text = "scrape_configs:\n- job_name: a\n  hetzner_sd_configs:\n  - role: hcloud\n";
    let path = copy(text, "", dir.path());
    let (good, said) = check(&path, false);
    assert!(!good);
    let want = "config.yml:4:5: hetzner_sd_configs is not supported: let a program list these targets and give them to \
                file_sd_configs or http_sd_configs";
    assert!(said.contains(want), "{said}");
    let (good, said) = check(&path, true);
    assert!(good && said.contains(&format!("WARNING: {}/{want}", dir.path().display())), "{said}");
}

#[test]
fn what_has_no_effect_is_told() {
    let text = "runtime: {gogc: 50}\ntracing: {endpoint: 'x:1'}\nremote_write: [{url: MIMIR/push}]\n\
                storage: {tsdb: {retention: {size: 1GB}, chunk_encoding: {floats: xor2}}}\n\
                scrape_configs:\n- job_name: j\n  kubernetes_sd_configs:\n  - role: pod\n    \
                selectors: [{role: node, label: a=b}]\n";
    let notes = Config::load_str("c", text, &|_| None).unwrap().notes;
    let told: Vec<String> = notes.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "c:1:10: runtime has no effect: Watchbell has no garbage collector",
            "c:2:10: tracing over grpc is not supported: set client_type to http, and endpoint to the collector's HTTP port",
            "c:3:22: unsupported scheme \"\" for URL: no request can be made",
            "c:4:58: chunk_encoding has no effect: the storage chooses how each chunk is written",
            "c:9:16: a node selector of role pod has no effect without attach_metadata: {node: true}",
        ]
    );
}

#[test]
fn what_prometheus_refuses_since_its_twelfth_release_is_refused() {
    for (text, want) in [
        (
            "storage: {tsdb: {chunk_encoding: {floats: xor3}}}\n",
            "c:1:43: unknown encoding \"xor3\" of floats, expected xor or xor2",
        ),
        (
            "remote_write: [{url: 'http://a/', queue_config: {max_samples_per_send: 0}}]\n",
            "c:1:72: max_samples_per_send must be greater than 0",
        ),
        (
            "remote_write: [{url: 'http://a/', queue_config: {min_shards: 5, max_shards: 2}}]\n",
            "c:1:77: max_shards (2) must be at least min_shards (5)",
        ),
    ] {
        let defects = Config::load_str("c", text, &|_| None).unwrap_err();
        let told: Vec<String> = defects.iter().map(ToString::to_string).collect();
        assert_eq!(told, [want], "{text}");
    }
}
