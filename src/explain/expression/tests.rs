//! What is said of expressions, as golden texts.

use super::*;
use crate::datasource::LocalQuerier;
use crate::explain::{Subject, text};
use crate::model::notation;
use crate::promql::script::MemoryStorage;
use crate::promql::{EvalEnv, compile};
use std::sync::Arc;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

/// Series of one sample a minute from the epoch, each a line of a rule test's notation.
fn storage(series: &[(&str, &str)]) -> LocalQuerier {
    let mut storage = MemoryStorage::default();
    for (labels, values) in series {
        let labels = notation::parse_metric(labels).unwrap();
        for (place, value) in notation::parse_values(values).unwrap().iter().enumerate() {
            if let Some(value) = value {
                storage.append(&labels, place as i64 * MINUTE, 0, value);
            }
        }
    }
    LocalQuerier::new(Arc::new(storage))
}

fn look(querier: &LocalQuerier, query: &str, at: i64, subject: Option<&str>) -> Part {
    let plan = compile(query, &CompileOptions::default()).unwrap();
    let subject = subject.map(|text| Subject::new(&notation::parse_metric(text).unwrap(), []));
    let env = EvalEnv::default();
    let question = Question { querier, env: &env, at, subject: subject.as_ref(), most_rows: 3 };
    examine(&plan, question).unwrap()
}

fn told(querier: &LocalQuerier, query: &str, at: i64, subject: Option<&str>) -> String {
    let part = look(querier, query, at, subject);
    let json: Part = serde_json::from_str(&serde_json::to_string(&part).unwrap()).unwrap();
    assert_eq!(json, part, "what is said in JSON is what is said");
    format!("{}\n{}", text::because(&part, ""), text::tree(&part, ""))
}

/// GPUs as the mission's rules see them: memory in MiB, one card near its limit.
fn gpus() -> LocalQuerier {
    storage(&[
        (r#"DCGM_FI_DEV_FB_USED{gpu="0", instance="n1", job="dcgm"}"#, "100x1000"),
        (r#"DCGM_FI_DEV_FB_FREE{gpu="0", instance="n1", job="dcgm"}"#, "200x1000"),
        (r#"DCGM_FI_DEV_FB_USED{gpu="1", instance="n1", job="dcgm"}"#, "190x1000"),
        (r#"DCGM_FI_DEV_FB_FREE{gpu="1", instance="n1", job="dcgm"}"#, "209x1000"),
        (r#"DCGM_FI_DEV_FB_USED{gpu="2", instance="n2", job="dcgm"}"#, "300x500"),
        (r#"DCGM_FI_DEV_FB_FREE{gpu="2", instance="n2", job="dcgm"}"#, "100x500"),
        (r#"up{instance="n1", job="dcgm"}"#, "1x1000"),
        (r#"up{instance="n2", job="dcgm"}"#, "1x500 0x500"),
        (r#"inference_requests_total{status="ok", model="a"}"#, "0+60x1000"),
        (r#"inference_requests_total{status="error", model="b"}"#, "0+60x1000"),
        (r#"inference_requests_total{status="ok", model="b"}"#, "0+540x1000"),
        (r#"once_total{model="a"}"#, "_x60 5 _x100"),
    ])
}

/// What is told of each query at a time, one below the other.
fn all(querier: &LocalQuerier, asked: &[(&str, i64, Option<&str>)]) -> String {
    let one = |(query, at, subject): &(&str, i64, Option<&str>)| {
        let of = subject.map(|s| format!(" of {s}")).unwrap_or_default();
        format!("## {query}{of} after {}m\n{}", at / MINUTE, told(querier, query, *at, *subject))
    };
    asked.iter().map(one).collect::<Vec<_>>().join("\n")
}

const MEMORY: &str = "DCGM_FI_DEV_FB_USED / DCGM_FI_DEV_FB_FREE > 0.95";

#[test]
fn a_comparison_says_by_how_much() {
    let gpus = gpus();
    let asked = [
        (MEMORY, HOUR, None),
        (MEMORY, HOUR, Some(r#"{gpu="1"}"#)),
        (MEMORY, 10 * HOUR, None),
        ("200 <= DCGM_FI_DEV_FB_FREE", HOUR, None),
        ("up == 0", HOUR, None),
        ("DCGM_FI_DEV_FB_USED > DCGM_FI_DEV_FB_FREE", 10 * HOUR, None),
    ];
    insta::assert_snapshot!(all(&gpus, &asked));
}

#[test]
fn a_series_that_went_is_told_with_its_target() {
    let gpus = gpus();
    let asked = [
        (MEMORY, 10 * HOUR, Some(r#"{gpu="2"}"#)),
        ("DCGM_FI_DEV_FB_USED{job=\"dcgm-exporter\"} > 1", HOUR, None),
        ("DCGM_FI_DEV_GPU_TEMP > 85", HOUR, None),
        ("increase(once_total[5m]) > 0", HOUR, None),
        ("increase(once_total[5m]) > 0", 2 * HOUR, None),
    ];
    insta::assert_snapshot!(all(&gpus, &asked));
}

#[test]
fn operators_say_which_side_decided() {
    let gpus = gpus();
    let asked = [
        ("up == 1 and on (instance) DCGM_FI_DEV_FB_USED > 1000", HOUR, None),
        ("DCGM_FI_DEV_FB_USED > 100 and up == 1", HOUR, None),
        ("DCGM_FI_DEV_FB_USED > 100 and on (instance) up == 1", HOUR, None),
        ("up == 0 or DCGM_FI_DEV_FB_USED > 1000", HOUR, None),
        ("up == 1 unless on (job) DCGM_FI_DEV_FB_USED > 100", HOUR, None),
        ("DCGM_FI_DEV_FB_USED / up > 0", HOUR, None),
        ("DCGM_FI_DEV_FB_USED * on (job) up > 0", HOUR, None),
        ("absent(up)", HOUR, None),
        ("count(up == 0) > 0", HOUR, None),
    ];
    insta::assert_snapshot!(all(&gpus, &asked));
}

#[test]
fn a_rate_of_errors_is_followed_to_its_samples() {
    let gpus = gpus();
    let rule = r#"sum(rate(inference_requests_total{status="error"}[5m])) by (model) / sum(rate(inference_requests_total[5m])) by (model) > 0.01"#;
    let asked = [(rule, HOUR, None), (rule, HOUR, Some(r#"{model="a"}"#))];
    insta::assert_snapshot!(all(&gpus, &asked));
}

#[test]
fn an_expression_has_as_many_parts_as_are_looked_at() {
    let many = vec!["up"; 100].join(" + ");
    let part = look(&gpus(), &many, HOUR, None);
    let text = text::tree(&part, "");
    assert!(text.contains("not looked at"), "{text}");
    assert!(text.lines().count() <= 2 * MOST_PARTS + 1, "{}", text.lines().count());
}

#[test]
fn the_time_of_the_last_sample_is_found() {
    let querier = storage(&[("m", "1x77")]);
    let part = look(&querier, "m > 0", 20 * HOUR, None);
    let found = part.deciding()[0].findings.iter().find_map(|f| match f {
        Finding::Missing(m) => m.last_seen.clone(),
        _ => None,
    });
    assert_eq!(found.unwrap().at.0, 77 * MINUTE);
}
