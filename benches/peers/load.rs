//! What the servers are given: two data sets, and rule files and queries for each.

use std::path::{Path, PathBuf};

use serde_yaml::Value;
use watchbell::fleet::Fleet;

use crate::data;

/// A data set and the rules generated over it.
pub struct Load {
    pub name: &'static str,
    pub series: Vec<Source>,
    expression: fn(usize) -> (bool, String),
}

/// What the selectors of the generated rules have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selectors {
    /// A few selectors, and expressions over them, come again in many rules.
    Shared,
    /// Every rule has selectors that no other has, though they find much the same series.
    Own,
}

impl Selectors {
    pub fn name(self) -> &'static str {
        match self {
            Selectors::Shared => "shared selectors",
            Selectors::Own => "own selectors",
        }
    }
}

/// One series.
pub struct Source {
    /// Ascending by name, metric name included.
    pub labels: Vec<(String, String)>,
    /// The value at a time; times ascend.
    pub next: Box<dyn FnMut(i64) -> f64>,
}

/// An HTTP service's metrics and GPUs, `n` series.
pub fn synthetic(n: usize) -> Load {
    let source = |mut g: data::Generated| Source { labels: g.labels.clone(), next: Box::new(move |_| g.next()) };
    let series = data::series(n).into_iter().map(source).collect();
    Load { name: "synthetic", series, expression: over_synthetic }
}

/// The demo's fleet of models and GPUs, two hours into its incident, so that alerts come and fire.
pub fn fleet(begin: i64) -> Load {
    let fleet = std::rc::Rc::new(Fleet::new(7, begin - 86_400_000, begin - 65 * 60_000));
    let source = |i: usize| {
        let labels = fleet.series()[i].labels.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
        let fleet = fleet.clone();
        Source { labels, next: Box::new(move |t| fleet.series()[i].value(t)) }
    };
    let series = (0..fleet.series().len()).map(source).collect();
    Load { name: "fleet", series, expression: over_fleet }
}

impl Load {
    /// The mission's rules, kube-prometheus' where they are at hand, and `n` generated ones, all as plain rule files
    /// with one interval. Also gives the number of rules.
    pub fn rule_files(&self, dir: &Path, n: usize, selectors: Selectors) -> (Vec<PathBuf>, usize) {
        let mut sources = vec![PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/rules/ml-production-alerts.yaml"))];
        if let Some(shared) = std::env::var_os("WATCHBELL_SHARED") {
            let dir = Path::new(&shared).join("rules/kube-prometheus");
            sources.extend(std::fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path()));
        } else {
            println!("skipped: kube-prometheus' rules (WATCHBELL_SHARED is not set)");
        }
        let (mut files, mut rules) = (Vec::new(), n);
        for source in sources {
            let Ok(text) = std::fs::read_to_string(&source) else { continue };
            let object: Value = serde_yaml::from_str(&text).expect("YAML");
            let mut groups = object["spec"]["groups"].clone();
            for group in groups.as_sequence_mut().into_iter().flatten() {
                rules += group["rules"].as_sequence().map_or(0, Vec::len);
                if let Some(group) = group.as_mapping_mut() {
                    group.insert("interval".into(), "15s".into());
                }
            }
            let plain = Value::Mapping([(Value::from("groups"), groups)].into_iter().collect());
            let name = source.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let path = dir.join(format!("{name}.yml"));
            std::fs::write(&path, serde_yaml::to_string(&plain).expect("YAML")).expect("a rule file");
            files.push(path);
        }
        let path = dir.join("generated.yml");
        std::fs::write(&path, self.generated(n, selectors)).expect("a rule file");
        files.push(path);
        (files, rules)
    }

    /// `n` rules of the shapes that fleets have, 20 a group.
    fn generated(&self, n: usize, selectors: Selectors) -> String {
        let mut out = String::from("groups:\n");
        for i in 0..n {
            if i % 20 == 0 {
                out.push_str(&format!("  - name: generated-{}\n    interval: 15s\n    rules:\n", i / 20));
            }
            let (recording, mut expr) = (self.expression)(i);
            if selectors == Selectors::Own {
                // One target less, another for each rule: as much to read as with shared selectors.
                expr = own(&expr, &format!("10.0.{}.{}:9100", i / 250, i % 250));
            }
            if recording {
                out.push_str(&format!("      - record: generated:metric:{i}\n"));
            } else {
                let labels = "labels: {severity: warning}";
                out.push_str(&format!("      - alert: Generated{i}\n        for: 5m\n        {labels}\n"));
                out.push_str("        annotations: {summary: '{{ $labels.instance }} is at {{ $value }}'}\n");
            }
            out.push_str(&format!("        expr: '{expr}'\n"));
        }
        out
    }
}

/// The expression with an instance left out of each of its selectors.
fn own(expr: &str, instance: &str) -> String {
    let without = format!(r#"instance!="{instance}""#);
    let named = regex::Regex::new(r"\{([a-z]+[=!])").expect("a pattern");
    named.replace_all(expr, |c: &regex::Captures<'_>| format!("{{{without},{}", &c[1])).into_owned()
}

/// Rates by job and zone, ratios, thresholds, quantiles, aggregations. Whether it is a recording rule's, and the text.
fn over_synthetic(i: usize) -> (bool, String) {
    let (job, zone) = (i % 10, i % 3);
    let expr = match i % 8 {
        0 => format!(r#"sum by (zone) (rate(http_requests_total{{job="svc-{job}"}}[5m]))"#),
        1 => format!(
            r#"sum(rate(http_requests_total{{job="svc-{job}",status="500"}}[5m])) / sum(rate(http_requests_total{{job="svc-{job}"}}[5m])) > 0.9"#
        ),
        2 => format!(r#"avg_over_time(gpu_temperature_celsius{{job="svc-{job}"}}[10m]) > {}"#, 90 + i % 9),
        3 => format!(
            r#"histogram_quantile(0.99, sum by (le) (rate(request_duration_seconds_bucket{{job="svc-{job}"}}[5m]))) > 10"#
        ),
        4 => format!(r#"max by (instance) (gpu_temperature_celsius{{zone="zone-{zone}"}}) > {}"#, 95 + i % 7),
        5 => format!(r#"memory_used_bytes{{job="svc-{job}"}} / memory_total_bytes{{job="svc-{job}"}} > 0.99"#),
        6 => format!(r#"sum by (job) (rate(cpu_seconds_total{{zone="zone-{zone}"}}[5m]))"#),
        _ => format!(r#"count by (zone) (up{{job="svc-{job}"}} == 0)"#),
    };
    (matches!(i % 8, 0 | 6), expr)
}

/// The models' service levels, GPUs, machines, the cluster: per model, per node, and over all.
fn over_fleet(i: usize) -> (bool, String) {
    const MODELS: [&str; 8] = [
        "fraud-detector",
        "product-recommender",
        "search-ranker",
        "churn-predictor",
        "arabic-sentiment",
        "image-moderation",
        "demand-forecast",
        "speech-to-text",
    ];
    let model = MODELS[i / 10 % MODELS.len()];
    let (node, range, q) = (i / 10 % 8 + 1, [5, 10, 15, 30][i / 20 % 4], [0.5, 0.9, 0.95, 0.99][i / 80 % 4]);
    let expr = match i % 10 {
        0 => format!(r#"sum by (model, status) (rate(inference_requests_total{{model="{model}"}}[{range}m]))"#),
        1 => format!(
            r#"sum by (model) (rate(inference_requests_total{{status="error"}}[{range}m])) / sum by (model) (rate(inference_requests_total[{range}m])) > 0.01"#
        ),
        2 => format!(
            r#"histogram_quantile({q}, sum by (le, model) (rate(inference_latency_seconds_bucket{{model="{model}"}}[{range}m]))) > 2"#
        ),
        3 => format!(
            r#"histogram_quantile({q}, sum by (le, model) (rate(inference_latency_seconds_bucket[{range}m]))) > 2"#
        ),
        4 => format!(
            r#"avg_over_time(DCGM_FI_DEV_GPU_TEMP{{Hostname="gpu-node-{node:02}"}}[{range}m]) > {}"#,
            76 + i % 9
        ),
        5 => "DCGM_FI_DEV_FB_USED / (DCGM_FI_DEV_FB_USED + DCGM_FI_DEV_FB_FREE) > 0.55".to_owned(),
        6 => format!(r#"1 - avg by (instance) (rate(node_cpu_seconds_total{{mode="idle"}}[{range}m]))"#),
        7 => format!(r#"sum by (instance, mode) (rate(node_cpu_seconds_total[{range}m])) > 7.9"#),
        8 => format!(
            r#"kube_deployment_spec_replicas{{deployment="{model}"}} != kube_deployment_status_replicas_available{{deployment="{model}"}}"#
        ),
        _ => format!(r#"increase(kube_pod_container_status_restarts_total{{pod=~"{model}-.*"}}[{range}m]) > 0"#),
    };
    (matches!(i % 10, 0 | 6), expr)
}
