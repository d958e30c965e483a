//! What ships in `rules/` and `receivers/` loads here and in the field's own tools, and does what its comments say.

use std::path::{Path, PathBuf};

use watchbell::config::AlertmanagerConfig;
use watchbell::promql::script;
use watchbell::rules::{LoadOptions, RuleGroup, RuleKind, load_str};

use crate::support::{peers, shared};

fn shipped(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn rules(name: &str) -> Vec<RuleGroup> {
    let text = std::fs::read_to_string(shipped("rules").join(name)).unwrap();
    load_str(name, &text, &LoadOptions::default()).unwrap()
}

fn expr(pack: &str, alert: &str) -> String {
    let all = rules(pack);
    let rule = all.iter().flat_map(|g| &g.rules).find(|r| &*r.name == alert).unwrap();
    // A script holds a query on one line.
    rule.expr.split_whitespace().collect::<Vec<_>>().join(" ")
}

const GIVEN: &str = "ml-production-alerts.yaml";
const CORRECTED: &str = "ml-production-alerts-corrected.yaml";

#[test]
fn the_packs_as_given_are_the_missions() {
    let Some(mission) = shared("mission") else { return };
    for (ours, theirs) in
        [("rules/ml-production-alerts.yaml", GIVEN), ("receivers/alertmanager-config.yaml", "alertmanager-config.yaml")]
    {
        let read = |path: PathBuf| std::fs::read_to_string(path).unwrap();
        assert_eq!(read(shipped(ours)), read(mission.join(theirs)), "{ours}");
    }
}

#[test]
fn the_corrected_pack_keeps_names_and_severities_and_gives_every_alert_a_team() {
    let heads = |pack: &str| {
        let one = |g: &RuleGroup, r: &watchbell::rules::Rule| {
            let severity = r.labels.iter().find(|(n, _)| n == "severity").map(|(_, v)| v.clone());
            (g.name.clone(), r.name.clone(), severity)
        };
        rules(pack).iter().flat_map(|g| g.rules.iter().map(move |r| one(g, r))).collect::<Vec<_>>()
    };
    assert_eq!(heads(GIVEN), heads(CORRECTED));
    for rule in rules(CORRECTED).iter().flat_map(|g| &g.rules) {
        assert!(rule.labels.iter().any(|(n, _)| n == "team"), "{}", rule.name);
        let RuleKind::Alerting { annotations, .. } = &rule.kind else { panic!("an alert") };
        let (_, summary) = annotations.iter().find(|(n, _)| n == "summary").unwrap();
        assert!(summary.contains("$labels.model") || summary.contains("$labels.Hostname"), "{summary}");
    }
}

#[test]
fn promtool_takes_the_packs() {
    let Some(promtool) = peers::find("promtool") else { return };
    let dir = tempfile::tempdir().unwrap();
    for pack in [GIVEN, CORRECTED] {
        // promtool reads no Kubernetes objects: it gets what stands under `spec`.
        let text = std::fs::read_to_string(shipped("rules").join(pack)).unwrap();
        let object: serde_yaml::Value = serde_yaml::from_str(&text).unwrap();
        let path = dir.path().join(pack);
        std::fs::write(&path, serde_yaml::to_string(&object["spec"]).unwrap()).unwrap();
        let run = std::process::Command::new(&promtool).args(["check", "rules", "--lint=all"]).arg(&path).output();
        let run = run.unwrap();
        assert!(run.status.success(), "{pack}: {}", String::from_utf8_lossy(&run.stderr));
    }
}

/// Runs both packs' expressions of an alert over the same series: what the given one says and what the corrected one.
fn compare(alert: &str, load: &str, at: &str, given: &str, corrected: &str) {
    for (pack, want) in [(GIVEN, given), (CORRECTED, corrected)] {
        let text = format!("{load}\n\neval instant at {at} {}\n{want}\n", expr(pack, alert));
        let report = script::run(&text);
        assert!(report.failures.is_empty() && report.passed == 1, "{pack}\n{text}\n{:?}", report.failures);
    }
}

#[test]
fn used_over_free_is_no_share_of_memory() {
    let load = "load 1m\n  DCGM_FI_DEV_FB_USED{gpu=\"0\"} 50x10\n  DCGM_FI_DEV_FB_FREE{gpu=\"0\"} 50x10\n  \
                DCGM_FI_DEV_FB_USED{gpu=\"1\"} 96x10\n  DCGM_FI_DEV_FB_FREE{gpu=\"1\"} 4x10";
    compare("GPUMemoryExhausted", load, "10m", "  {gpu=\"0\"} 1\n  {gpu=\"1\"} 24", "  {gpu=\"1\"} 0.96");
}

#[test]
fn a_gauge_of_error_codes_does_not_increase() {
    // gpu 0 recovers to 0; gpu 1 got code 43; gpu 2 appears with code 79; gpu 3 has had code 31 all along.
    let load = "load 10m\n  DCGM_FI_DEV_XID_ERRORS{gpu=\"0\"} 43x5 0x6\n  DCGM_FI_DEV_XID_ERRORS{gpu=\"1\"} 0x5 43x6\n  \
                DCGM_FI_DEV_XID_ERRORS{gpu=\"2\"} _x9 79x2\n  DCGM_FI_DEV_XID_ERRORS{gpu=\"3\"} 31x12";
    let want = "  DCGM_FI_DEV_XID_ERRORS{gpu=\"1\"} 43\n  DCGM_FI_DEV_XID_ERRORS{gpu=\"2\"} 79";
    compare("GPUXIDErrors", load, "100m", "  {gpu=\"1\"} 43", want);
}

#[test]
fn a_constant_prediction_has_no_infinite_shift() {
    let load = "load 1h\n  prediction_mean{model=\"a\"} 1x168 2x30";
    compare("PredictionDistributionShift", load, "169h", "  {model=\"a\"} 13.0002303065735", "");
}

#[test]
fn an_accuracy_that_was_zero_is_no_drift() {
    let load = "load 30m\n  model_accuracy{model=\"a\"} 0x48 -1x2\n  model_accuracy{model=\"b\"} 0.9x48 0.8x6";
    compare("ModelAccuracyDrift", load, "26h", "  {model=\"b\"} -0.111111111111", "  {model=\"b\"} -0.111111111111");
}

#[test]
fn every_kind_of_receiver_has_an_example() {
    let path = shipped("receivers/every-receiver.yml");
    let config = AlertmanagerConfig::load_file(&path).unwrap().config;
    let used: std::collections::BTreeSet<&str> =
        config.receivers.iter().flat_map(|r| r.integrations()).map(|i| i.0).collect();
    assert_eq!(used.len(), 18, "{used:?}");
    let Some(amtool) = peers::find("amtool") else { return };
    let run = std::process::Command::new(amtool).arg("check-config").arg(&path).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
}
