//! Any text as a template: of a rule, and of a message, as text and as HTML.

use std::sync::LazyLock;

use watchbell::model::{Labels, Value as SampleValue};
use watchbell::template::alertmanager::{AlertData, Data, Templates};
use watchbell::template::func::QuerySample;
use watchbell::template::prometheus::{AlertTemplate, Expansion};
use watchbell::template::{NoHost, Time, Value};

static TEMPLATES: LazyLock<Templates> = LazyLock::new(Templates::default);

/// What a template may write: its output's limit, and a sentence around an error.
const LONGEST: usize = (1 << 20) + (64 << 10);

/// A template ends, with an output or an error within its limits, and says the same each time.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    of_a_rule(text);
    of_a_message(text);
}

fn labels() -> Labels {
    Labels::from_pairs([("__name__", "up"), ("instance", "<b>\"h'\u{1F600}</b>:9100"), ("job", "node")])
}

fn of_a_rule(text: &str) {
    let labels = labels();
    let query = |query: &str, _: i64| match query {
        "error" => Err("no such thing".to_owned()),
        _ => Ok(vec![QuerySample { labels: labels.clone(), value: SampleValue::Float(1.5) }]),
    };
    let with = Expansion {
        labels: &labels,
        value: &SampleValue::Float(f64::NAN),
        external_labels: &Labels::default(),
        external_url: "http://bell/?a=b",
        at: 1_700_000_000_123,
        query: &query,
    };
    let template = AlertTemplate::new("a", text);
    let out = template.expand(&with);
    assert!(out.len() <= LONGEST.max(text.len() * 2 + 1024), "{} bytes", out.len());
    assert_eq!(template.expand(&with), out);
}

fn of_a_message(text: &str) {
    let alert = AlertData {
        status: "firing".into(),
        labels: labels(),
        annotations: Labels::from_pairs([("summary", "</script>`${x}`")]),
        starts_at: Time::from_millis(1_700_000_000_000),
        ends_at: Time::zero(),
        generator_url: "javascript:alert(1)".into(),
        fingerprint: "0123456789abcdef".into(),
        value: Some(0.5),
        resolved_value: None,
    };
    let data = Data {
        receiver: "team".into(),
        status: "firing".into(),
        alerts: vec![alert.clone(), alert],
        notification_reason: String::new(),
        group_labels: Labels::default(),
        common_labels: labels(),
        common_annotations: Labels::default(),
        route_labels: Labels::default(),
        external_url: "http://bell".into(),
    };
    let data: Value = data.into_value();
    for out in [TEMPLATES.text(text, &data, &NoHost), TEMPLATES.html(text, &data, &NoHost)].into_iter().flatten() {
        assert!(out.len() <= LONGEST.max(text.len()), "{} bytes", out.len());
    }
}
