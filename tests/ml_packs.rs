//! The packs for machine-learning fleets: their alerts fire when they should here and in promtool, say what to do, have a
//! page each, and hold on a real GPU's minutes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use watchbell::rules::{LoadOptions, Rule, RuleKind, load_str};
use watchbell::ruletest::report::{self, Style};
use watchbell::ruletest::{Options, run_files};

use crate::support::{peers, shared};

/// The packs for fleets. `watchbell` is about Watchbell itself, and has tests of its own beside the pages.
const PACKS: [&str; 6] = ["gpu", "inference", "training", "model-quality", "cost", "exporters"];

fn shipped(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(shipped(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The rules of a pack, in order.
fn rules(pack: &str) -> Vec<Rule> {
    let path = format!("rules/{pack}.yaml");
    load_str(&path, &read(&path), &LoadOptions::default()).unwrap().into_iter().flat_map(|g| g.rules).collect()
}

/// The alerts of a pack with their annotations.
fn alerts(pack: &str) -> Vec<(Rule, BTreeMap<String, String>)> {
    let annotated = |rule: Rule| match &rule.kind {
        RuleKind::Alerting { annotations, .. } => {
            let annotations = annotations.iter().map(|(n, text)| (n.to_string(), text.to_string())).collect();
            Some((rule, annotations))
        }
        _ => None,
    };
    rules(pack).into_iter().filter_map(annotated).collect()
}

fn label<'a>(rule: &'a Rule, name: &str) -> Option<&'a str> {
    rule.labels.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
}

/// The files with a pack's unit tests.
fn test_files(pack: &str) -> Vec<PathBuf> {
    let names = [format!("rules/tests/{pack}.yaml"), format!("rules/tests/{pack}-days.yaml")];
    names.iter().map(|name| shipped(name)).filter(|path| path.exists()).collect()
}

#[test]
fn each_pack_passes_its_unit_tests_here_and_in_promtool() {
    let files: Vec<PathBuf> = PACKS.iter().flat_map(|pack| test_files(pack)).collect();
    for outcome in run_files(&files, &Options::default(), &|_| {}) {
        assert!(outcome.is_success(), "{}", report::file_text(&outcome, Style::Plain));
    }
    let Some(promtool) = peers::find("promtool") else { return };
    let rules: Vec<PathBuf> = PACKS.iter().map(|pack| shipped(&format!("rules/{pack}.yaml"))).collect();
    let run = |arguments: &[&str], files: &[PathBuf]| {
        let ran = std::process::Command::new(&promtool).args(arguments).args(files).output().unwrap();
        let said = [ran.stdout, ran.stderr].concat();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&said));
    };
    run(&["check", "rules", "--lint=all"], &rules);
    std::thread::scope(|scope| {
        for file in &files {
            let run = &run;
            scope.spawn(move || run(&["test", "rules"], std::slice::from_ref(file)));
        }
    });
}

#[test]
fn each_alert_is_tested_as_it_is_rendered_and_says_whom_it_concerns() {
    let mut names = BTreeSet::new();
    for pack in PACKS {
        let tests: String = test_files(pack).iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
        for (rule, annotations) in alerts(pack) {
            let name = &*rule.name;
            assert!(names.insert(name.to_owned()), "two alerts are called {name}");
            assert!(matches!(label(&rule, "severity"), Some("critical" | "warning" | "info")), "{name}");
            assert!(matches!(label(&rule, "team"), Some("ml-platform" | "ml-engineering")), "{name}");
            assert!(annotations["dashboard"].starts_with("https://grafana.example.com/d/watchbell-"), "{name}");
            let about = ["$labels.", "$value"].iter().any(|word| annotations["summary"].contains(word));
            assert!(about, "{name} does not say what it is about");
            assert!(annotations["description"].len() > 20, "{name} does not say what to do");
            let rendered = format!("alertname: {name}\n        exp_alerts:\n          - exp_labels");
            assert!(tests.contains(&rendered), "{name} has no test of its text");
            assert!(tests.contains(&format!("alertname: {name}, exp_alerts: []")), "{name} has no test of its silence");
        }
    }
}

#[test]
fn every_alert_has_its_page_and_every_page_its_alert() {
    let mut pages = BTreeSet::new();
    for (rule, annotations) in PACKS.iter().chain(&["watchbell"]).flat_map(|pack| alerts(pack)) {
        assert!(annotations.contains_key("summary") && annotations.contains_key("description"), "{}", rule.name);
        assert!(matches!(label(&rule, "severity"), Some("critical" | "warning" | "info" | "none")), "{}", rule.name);
        let name = format!("docs/runbooks/{}.md", rule.name);
        let url = format!("https://github.com/watchbell/watchbell/blob/main/{name}");
        assert_eq!(annotations.get("runbook_url"), Some(&url));
        let page = read(&name);
        let heads: Vec<&str> = page.lines().filter(|l| l.starts_with('#')).collect();
        let title = format!("# {}", rule.name);
        assert_eq!(heads, [title.as_str(), "## What it means", "## How to look", "## How to mend"]);
        pages.insert(shipped(&name));
    }
    let there = std::fs::read_dir(shipped("docs/runbooks")).unwrap().map(|entry| entry.unwrap().path());
    assert_eq!(there.collect::<BTreeSet<_>>(), pages, "a page without its alert");
}

/// The columns of a real GPU's readings, and the metrics that dcgm-exporter makes of them.
const COLUMNS: [(&str, &str); 6] = [
    ("temperature_c", "DCGM_FI_DEV_GPU_TEMP"),
    ("fb_used_mib", "DCGM_FI_DEV_FB_USED"),
    ("fb_free_mib", "DCGM_FI_DEV_FB_FREE"),
    ("gpu_util_percent", "DCGM_FI_DEV_GPU_UTIL"),
    ("power_w", "DCGM_FI_DEV_POWER_USAGE"),
    ("sm_clock_mhz", "DCGM_FI_DEV_SM_CLOCK"),
];

/// The series of a rule test in which each reading of the file stands for `interval`.
fn readings(csv: &str, interval: &str) -> String {
    let mut lines = csv.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let head = lines.next().unwrap();
    let rows: Vec<Vec<&str>> = lines.collect();
    assert!(rows.len() > 150);
    let mut out = format!("  - interval: {interval}\n    input_series:\n");
    let mut series = |metric: &str, values: &str| {
        let labels = "Hostname=\"h200\", gpu=\"0\", UUID=\"u\"";
        writeln!(out, "      - {{series: '{metric}{{{labels}}}', values: '{values}'}}").unwrap();
    };
    for (column, metric) in COLUMNS {
        let at = head.iter().position(|name| *name == column).unwrap();
        series(metric, &rows.iter().map(|row| row[at]).collect::<Vec<_>>().join(" "));
    }
    // What the board is built for.
    series("DCGM_FI_DEV_ENFORCED_POWER_LIMIT", &format!("700x{}", rows.len() - 1));
    series("DCGM_FI_DEV_POWER_MGMT_LIMIT_DEF", &format!("700x{}", rows.len() - 1));
    out
}

#[test]
fn a_real_gpu_under_load_raises_nothing_at_its_pace_and_its_full_memory_when_it_lasts() {
    let Some(file) = shared("gpu/h200-load.csv") else { return };
    let csv = std::fs::read_to_string(file).unwrap();
    let fired = |eval_time: &str, expected: &str| {
        let expr = "count by (alertname) (count_over_time(ALERTS{alertstate=\"firing\"}[3h]))";
        format!("      - {{expr: '{expr}', eval_time: {eval_time}, exp_samples: {expected}}}\n")
    };
    let full = "[{labels: '{alertname=\"GPUMemoryNearlyFull\"}', value: 1}]";
    let mut text =
        format!("rule_files: ['{}']\nevaluation_interval: 1s\ntests:\n", shipped("rules/gpu.yaml").display());
    text += &readings(&csv, "1s");
    text += "    promql_expr_test:\n";
    text += &fired("164s", "[]");
    // 138,953 of 143,157 MiB. The mission's rule, used over free, calls it 3,305 %.
    text += "      - {expr: 'round(gpu:memory_used:ratio, 0.0001)', eval_time: 80s, exp_samples: [{labels: \
             '{Hostname=\"h200\", gpu=\"0\", UUID=\"u\"}', value: 0.9706}]}\n";
    // A reading stands for fifteen seconds, then for a minute: full for a quarter of an hour, then for an hour.
    text += &readings(&csv, "15s");
    text += &format!("    promql_expr_test:\n{}", fired("41m", full));
    text += &readings(&csv, "1m");
    text += &format!("    promql_expr_test:\n{}", fired("164m", full));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("h200.yaml");
    std::fs::write(&path, text).unwrap();
    let outcomes = run_files(&[path], &Options::default(), &|_| {});
    assert!(outcomes[0].is_success(), "{}", report::file_text(&outcomes[0], Style::Plain));
}
