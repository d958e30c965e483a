//! What rendering costs: an alert's annotation, and a notification's Slack title.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use watchbell::model::{Labels, Value};
use watchbell::template::prometheus::{AlertTemplate, Expansion};

fn annotations(c: &mut Criterion) {
    let labels =
        Labels::from_pairs([("__name__", "up"), ("instance", "gpu-7:9100"), ("job", "node"), ("model", "bert")]);
    let (value, external) = (Value::Float(0.987), Labels::empty());
    let with = Expansion {
        labels: &labels,
        value: &value,
        external_labels: &external,
        external_url: "http://watchbell:9090",
        at: 0,
        query: &|_, _| Ok(Vec::new()),
    };
    for (name, text) in [
        ("constant", "critical"),
        ("one_label", "{{ $labels.instance }} is down"),
        ("humanized", "{{ $labels.model }} on {{ $labels.instance }}: {{ $value | humanizePercentage }}"),
    ] {
        let template = AlertTemplate::new("Down", text);
        c.bench_function(&format!("expand/{name}"), |b| b.iter(|| black_box(template.expand(&with))));
    }
    let text = "{{ $labels.model }} on {{ $labels.instance }}: {{ $value | humanizePercentage }}";
    c.bench_function("parse/humanized", |b| b.iter(|| black_box(AlertTemplate::new("Down", text))));
}

criterion_group!(benches, annotations);
criterion_main!(benches);
