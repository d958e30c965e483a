//! Prometheus configurations load as promtool loads them, our own section beside them, and every defect is placed.

use watchbell::config::{Config, Datasource, Loaded, QueryMethod};

use crate::support::peers;

fn load(text: &str) -> Result<Loaded, Vec<String>> {
    let env = |name: &str| (name == "ZONE").then(|| "eu-1".to_owned());
    Config::load_str("dir/w.yml", text, &env).map_err(|all| all.iter().map(ToString::to_string).collect())
}

fn config(text: &str) -> Config {
    load(text).unwrap().config
}

fn defects(text: &str) -> Vec<String> {
    load(text).err().unwrap_or_default()
}

fn cases() -> Vec<(bool, String)> {
    let text = include_str!("../fixtures/config/prometheus-verdicts.txt");
    let case = |case: &str| {
        let (verdict, body) = case.split_once('\n').unwrap_or((case, ""));
        (verdict == "ok", body.to_owned())
    };
    text.split("\n=== ").skip(1).map(case).collect()
}

#[test]
fn verdicts_are_promtools() {
    let cases = cases();
    assert!(cases.len() > 200, "{} cases", cases.len());
    let wrong: Vec<String> = cases
        .iter()
        .filter(|(ok, text)| load(text).is_ok() != *ok)
        .map(|(ok, text)| {
            format!("promtool says {}:\n{text}\nours: {:?}", if *ok { "ok" } else { "bad" }, defects(text))
        })
        .collect();
    assert!(wrong.is_empty(), "{} wrong of {}\n{}", wrong.len(), cases.len(), wrong.join("\n\n"));
}

#[test]
fn recorded_verdicts_are_those_of_the_promtool_at_hand() {
    let Some(promtool) = peers::find("promtool") else { return };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("p.yml");
    for (ok, text) in cases().into_iter().step_by(5) {
        std::fs::write(&path, &text).unwrap();
        let run = std::process::Command::new(&promtool).args(["check", "config"]).arg(&path).output().unwrap();
        assert_eq!(run.status.success(), ok, "{text}\n{}", String::from_utf8_lossy(&run.stderr));
    }
}

#[test]
fn every_defect_is_told_where_it_stands() {
    for (text, want) in [
        ("globl: {}", "1:1: field globl not found in configuration, did you mean global?"),
        (
            "x: 1",
            "1:1: field x not found in configuration, expected one of global, runtime, rule_files, scrape_config_files, scrape_configs, alerting, remote_write, remote_read, storage, tracing, otlp, watchbell",
        ),
        ("global:\n  scrape_interval: 5", "2:20: not a valid duration string: \"5\""),
        ("global: [a]", "1:9: expected a mapping (global config), found a sequence"),
        ("global:\n  sample_limit: many", "2:17: expected an integer not below 0, found string \"many\""),
        ("global:\n  sample_limit: -1", "2:17: expected an integer not below 0, found integer \"-1\""),
        (
            "global:\n  scrape_interval: 5s\n  scrape_timeout: 6s",
            "3:19: global scrape timeout greater than scrape interval",
        ),
        (
            "global:\n  scrape_interval: 5s\n  scrape_interval: 6s",
            "3:3: mapping key \"scrape_interval\" already defined at line 2",
        ),
        ("scrape_configs:\n  - static_configs: []", "2:5: job_name is empty"),
        (
            "scrape_configs:\n  - job_name: a\n  - job_name: a",
            "3:15: found multiple scrape configs with job name \"a\"",
        ),
        (
            "scrape_configs:\n  - job_name: a\n    honor_labels: 'yes'",
            "3:19: expected true or false, found string \"yes\"",
        ),
        (
            "scrape_configs:\n  - job_name: a\n    scrape_timeout: 2m",
            "3:21: scrape timeout greater than scrape interval for scrape config with job name \"a\"",
        ),
        (
            "scrape_configs:\n  - job_name: a\n    kubernetes_sd_configs:\n      - role: pods",
            "4:15: expected a Kubernetes SD role (pod, service, endpoints, endpointslice, node, ingress), found string \"pods\"",
        ),
        (
            "scrape_configs:\n  - job_name: a\n    static_configs:\n      - targets: ['http://x']",
            "4:18: \"http://x\" is not a valid hostname",
        ),
        (
            "scrape_configs:\n  - job_name: a\n    relabel_configs:\n      - {action: kep}",
            "4:18: unknown relabel action string \"kep\", expected one of replace, keep, drop, keepequal, dropequal, hashmod, labelmap, labeldrop, labelkeep, lowercase, uppercase",
        ),
        (
            "scrape_configs:\n  - job_name: a\n    basic_auth: {password: a, password_file: b}",
            "3:46: at most one of basic_auth password, password_file & password_ref must be configured",
        ),
        ("remote_write:\n  - url: 'http://a b'", "2:10: invalid character \" \" in host name"),
        ("remote_read:\n  - read_recent: true", "2:5: url for remote_read is empty"),
        ("scrape_config_files: [a/*/*]", "1:22: invalid scrape config file path \"a/*/*\""),
        ("rule_files:\n  - a*/b.yml", "2:3: invalid rule file path \"a*/b.yml\""),
        ("watchbell:\n  retention: 0", "2:14: retention cannot be zero"),
        ("watchbell:\n  listen_address: here", "2:19: expected host:port, found \"here\""),
        ("watchbell:\n  datasource: remote", "2:15: expected local, or a mapping with url, found string \"remote\""),
        (
            "watchbell:\n  datasource:\n    method: PUT\n    url: http://x",
            "3:13: expected GET or POST, found string \"PUT\"",
        ),
        ("watchbell:\n  datasource:\n    timeout: 5s", "3:5: datasource needs a url"),
        (
            "watchbell:\n  datasource:\n    url: http://thanos:9090/?dedup=true",
            "3:10: a datasource's url cannot hold a query; parameters of every query go under params",
        ),
        (
            "watchbell:\n  datasource:\n    url: http://x\n    params: {query: up}",
            "4:13: params cannot set query: each query has its own",
        ),
        (
            "watchbell:\n  datasource:\n    url: http://x\n    params: {dedup: {a: b}}",
            "4:21: expected a string or a list of strings, found a mapping",
        ),
        ("watchbell:\n  external_url: x", "2:17: unsupported scheme \"\" for URL"),
        ("global: {", "2:1: yaml: while parsing a flow node: did not find expected node content"),
        (
            "global:\n\tscrape_interval: 5s",
            "2:1: yaml: while scanning for the next token: found a tab where YAML wants spaces",
        ),
        ("global: *g", "1:9: yaml: unknown anchor \"g\" referenced"),
    ] {
        assert_eq!(defects(text), [format!("dir/w.yml:{want}")], "{text}");
    }
}

#[test]
fn all_defects_of_a_file_are_told_at_once_in_order() {
    let text =
        "watchbell:\n  retension: 1d\nglobal:\n  scrape_interval: x\nscrape_configs:\n- job_name: a\n  port: 1\n- {}\n";
    let places: Vec<String> = defects(text).iter().map(|d| d.split(": ").next().unwrap().to_owned()).collect();
    assert_eq!(places, ["dir/w.yml:2:3", "dir/w.yml:4:20", "dir/w.yml:7:3", "dir/w.yml:8:3"]);
}

#[test]
fn defaults_are_prometheus() {
    let config = config("scrape_configs: [{job_name: a}]");
    let job = &config.scrape_configs[0];
    assert_eq!((job.scrape_interval.0, job.scrape_timeout.0), (60_000, 10_000));
    assert_eq!((job.metrics_path.as_str(), job.scheme.as_str()), ("/metrics", "http"));
    assert!(job.honor_timestamps && !job.honor_labels && job.http.follow_redirects && job.enable_compression);
    assert_eq!(job.scrape_protocols.len(), 4);
    assert_eq!(config.global.evaluation_interval.0, 60_000);
    assert_eq!(config.watchbell.listen_address, "127.0.0.1:9095");
    assert_eq!(config.watchbell.datasource, Datasource::Local);
    assert_eq!(load("").unwrap().config.watchbell.retention, None);
}

#[test]
fn jobs_inherit_from_the_global_section() {
    let text = "
global: {scrape_interval: 5s, sample_limit: 7, external_labels: {zone: '$ZONE', price: '5$$'}}
scrape_configs:
- {job_name: a, scrape_interval: 1m}
- {job_name: b, sample_limit: 9, bearer_token_file: token}
";
    let config = config(text);
    let [a, b] = &config.scrape_configs[..] else { panic!("two jobs") };
    assert_eq!((a.scrape_interval.0, a.scrape_timeout.0, a.sample_limit), (60_000, 5_000, 7));
    assert_eq!((b.scrape_interval.0, b.scrape_timeout.0, b.sample_limit), (5_000, 5_000, 9));
    assert_eq!(b.http.authorization.as_ref().unwrap().credentials_file, "dir/token");
    assert_eq!(config.global.external_labels["zone"], "eu-1");
    assert_eq!(config.global.external_labels["price"], "5$");
}

#[test]
fn our_section_names_a_remote_datasource() {
    let text = "
watchbell:
  alertmanager_config: am.yml
  data_dir: /var/lib/watchbell
  retention: 30d
  datasource:
    url: https://mimir.example/
    path_prefix: /prometheus
    headers: {X-Scope-OrgID: ml}
    timeout: 5s
    method: get
    params: {dedup: true, 'storeMatch[]': [a, b]}
    basic_auth: {username: u, password_file: pw}
";
    let own = config(text).watchbell;
    assert_eq!((own.alertmanager_config.as_str(), own.data_dir.as_str()), ("dir/am.yml", "/var/lib/watchbell"));
    let Datasource::Remote(remote) = own.datasource else { panic!("remote") };
    assert_eq!((remote.url.as_str(), remote.path_prefix.as_str()), ("https://mimir.example/", "/prometheus"));
    assert_eq!((remote.method, remote.timeout.0), (QueryMethod::Get, 5_000));
    assert_eq!(remote.params["dedup"].0, ["true"]);
    assert_eq!(remote.params["storeMatch[]"].0, ["a", "b"]);
    assert_eq!(remote.headers["X-Scope-OrgID"].expose(), "ml");
    assert_eq!(remote.http.basic_auth.unwrap().password_file, "dir/pw");
}

#[test]
fn secrets_are_masked_where_the_file_is_shown() {
    let text = "# comments may hold hunter2 as well
scrape_configs:
  - job_name: a
    basic_auth:
      username: me
      password: \"zup\\\"ter2\" # hunter2
  - job_name: b
    authorization:
      credentials: |
        many
        lines
    tls_config: {cert_file: c, key: k3y}
";
    let loaded = load(text).unwrap();
    for secret in ["zup", "ter2", "many", "lines", "k3y"] {
        assert!(!loaded.masked.contains(secret), "{secret}");
        assert!(!format!("{:?}", loaded.config).contains(secret), "{secret}");
    }
    assert!(loaded.masked.contains("password: <secret>\n") && !loaded.masked.contains('#'), "{}", loaded.masked);
    // What is shown is still a configuration.
    assert_eq!(load(&loaded.masked).unwrap().config.scrape_configs.len(), 2);
}

#[test]
fn more_scrape_configs_come_from_files() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("w.yml");
    std::fs::write(&path, "scrape_config_files: ['jobs/*.yml']\nscrape_configs: [{job_name: a}]\n").unwrap();
    std::fs::create_dir(dir.path().join("jobs")).unwrap();
    let job = dir.path().join("jobs/b.yml");
    std::fs::write(&job, "scrape_configs: [{job_name: b, file_sd_configs: [{files: [t.json]}]}]\n").unwrap();
    let config = Config::load_file(&path).unwrap().config;
    assert_eq!(config.scrape_configs[1].scrape_interval.0, 60_000);
    assert_eq!(
        config.scrape_configs[1].discovery.file_sd_configs[0].files[0],
        dir.path().join("jobs/t.json").to_string_lossy()
    );
    std::fs::write(&job, "scrape_configs: [{job_name: a}]\n").unwrap();
    let defects = Config::load_file(&path).unwrap_err();
    assert!(defects[0].message.contains("found multiple scrape configs"), "{defects:?}");
}

#[test]
fn names_that_are_not_valid_everywhere_are_refused_where_the_scheme_says_so() {
    let job = |more: &str| {
        format!(
            "global: {{metric_name_validation_scheme: legacy}}
alerting: {{alert_relabel_configs: [{{target_label: a.b, replacement: x}}]}}
remote_write: [{{url: 'http://r/', write_relabel_configs: [{{target_label: a.b, replacement: x}}]}}]
scrape_configs:
  - job_name: j
    {more}
    relabel_configs:
      - {{target_label: a.b, replacement: x}}
      - {{target_label: 'a_${{1}}_$name', source_labels: [x]}}
      - {{target_label: 'a.$1', source_labels: [x]}}
      - {{action: labelmap, replacement: 'a.$1'}}
      - {{action: keep, source_labels: [a.b]}}
    metric_relabel_configs:
      - {{action: hashmod, modulus: 2, target_label: 'a b', source_labels: [x]}}
"
        )
    };
    let of_job = [
        "w.yml:8:24: \"a.b\" is invalid 'target_label' for replace action",
        "w.yml:10:24: \"a.$1\" is invalid 'target_label' for replace action",
        "w.yml:11:41: \"a.$1\" is invalid 'replacement' for labelmap action",
        "w.yml:14:51: \"a b\" is invalid 'target_label' for hashmod action",
    ];
    let elsewhere = [
        "w.yml:2:51: \"a.b\" is invalid 'target_label' for replace action",
        "w.yml:3:69: \"a.b\" is invalid 'target_label' for replace action",
    ];
    let without_places = |all: &[String]| {
        let mut all: Vec<String> = all.iter().map(|d| d.splitn(2, ": ").last().unwrap().to_owned()).collect();
        all.sort();
        all
    };
    let want: Vec<String> = of_job.iter().chain(&elsewhere).map(|d| (*d).to_owned()).collect();
    assert_eq!(without_places(&defects(&job(""))), without_places(&want), "{:?}", defects(&job("")));
    let own = defects(&job("metric_name_validation_scheme: utf8"));
    assert_eq!(without_places(&own), without_places(&elsewhere.map(str::to_owned)));

    let escaping = |text: &str| config(text).scrape_configs[0].metric_name_escaping_scheme.clone();
    assert_eq!(escaping("scrape_configs: [{job_name: j}]"), "allow-utf-8");
    assert_eq!(escaping("scrape_configs: [{job_name: j, metric_name_validation_scheme: legacy}]"), "underscores");
    assert_eq!(escaping("global: {metric_name_escaping_scheme: dots}\nscrape_configs: [{job_name: j}]"), "dots");
    let both = "scrape_configs: [{job_name: j, metric_name_validation_scheme: legacy, metric_name_escaping_scheme: allow-utf-8}]";
    assert!(defects(both)[0].contains("validation scheme is not set to UTF8"));
}
