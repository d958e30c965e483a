//! Reads test files: promtool's, and what Watchbell adds to them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::case::{AlertTest, ExpectedAlert, ExpectedSample, ExprTest, InputSeries, TestFile, TestGroup, TestedState};
use super::delivery::{Downs, Restarts};
use super::remarks::Remarks;
use super::wanted::{Expected, words};
use crate::config::yaml::{Decode, Decoder, Duration, MapReader, Node, nearest};
use crate::model::notation::{self, Content};
use crate::model::{ALERT_NAME, Diagnostic, Labels, Value, duration};

/// The default of `evaluation_interval` and of `interval`, milliseconds.
const DEFAULT_INTERVAL: i64 = 60_000;

/// Reads a test file.
///
/// # Errors
/// Everything that is wrong with it.
pub fn parse(file: &str, text: &str, ignore_unknown_fields: bool) -> Result<TestFile, Vec<Diagnostic>> {
    let decoder = Decoder::new(file, text).ignoring_unknown_fields(ignore_unknown_fields);
    let parsed = decoder.document().and_then(|root| Reader { d: &decoder }.file(&root));
    decoder.finish(parsed)
}

words!(
    TestedState,
    "pending, firing or resolved",
    { "pending" => TestedState::Pending, "firing" => TestedState::Firing, "resolved" => TestedState::Resolved }
);

struct Reader<'a> {
    d: &'a Decoder<'a>,
}

impl Reader<'_> {
    fn file(&self, root: &Node) -> Option<TestFile> {
        let m = self.d.mapping(root, "test file")?;
        let interval = m.get("evaluation_interval").map_or(0, Duration::millis);
        let evaluation_interval = if interval > 0 { interval } else { DEFAULT_INTERVAL };
        let group_eval_order = self.strings(&m, "group_eval_order");
        for (i, (name, at)) in group_eval_order.iter().enumerate() {
            if group_eval_order.iter().take(i).any(|(other, _)| other == name) {
                self.d.error(*at, format!("group name repeated in evaluation order: {name}"));
            }
        }
        let file = TestFile {
            file: Arc::clone(self.d.file()),
            rule_files: self.strings(&m, "rule_files"),
            evaluation_interval,
            group_eval_order,
            fuzzy_compare: m.get("fuzzy_compare").unwrap_or(false),
            alertmanager_config: self.one_or_several(&m, "alertmanager_config"),
            tests: self
                .list(&m, "tests")
                .iter()
                .filter_map(|n| self.test(n, evaluation_interval, m.has("alertmanager_config")))
                .collect(),
        };
        m.finish();
        Some(file)
    }

    fn strings(&self, m: &MapReader, key: &'static str) -> Vec<(String, crate::model::Position)> {
        let text = |n: &Node| n.text().map(|t| (t.to_owned(), n.position)).or_else(|| self.d.mismatch(n, "a string"));
        self.list(m, key).iter().filter_map(text).collect()
    }

    /// A text, or a list of them.
    fn one_or_several(&self, m: &MapReader, key: &'static str) -> Vec<(String, crate::model::Position)> {
        match m.node_at(key) {
            Some(node) if node.text().is_none() => self.strings(m, key),
            _ => m.get(key).map(|text| (text, m.at(key))).into_iter().collect(),
        }
    }

    /// The items of a list; absent and null are empty.
    fn list<'n>(&self, m: &MapReader<'n>, key: &'static str) -> &'n [Node] {
        let Some(node) = m.node_at(key) else { return &[] };
        node.items().unwrap_or_else(|| {
            self.d.mismatch::<()>(node, "a list");
            &[]
        })
    }

    fn test(&self, node: &Node, evaluation_interval: i64, routes: bool) -> Option<TestGroup> {
        let m = self.d.mapping(node, "test")?;
        let interval = m.get("interval").map_or(0, Duration::millis);
        let test = TestGroup {
            name: m.get("name").unwrap_or_default(),
            position: node.position,
            interval: if interval > 0 { interval } else { evaluation_interval },
            start: m.node_at("start_timestamp").and_then(|n| self.timestamp(n)).unwrap_or(0),
            input_series: self.list(&m, "input_series").iter().filter_map(|n| self.series(n)).collect(),
            external_labels: self.labels(&m, "external_labels"),
            external_url: m.get("external_url").unwrap_or_default(),
            alert_tests: self.list(&m, "alert_rule_test").iter().filter_map(|n| self.alert_test(n)).collect(),
            expr_tests: self.list(&m, "promql_expr_test").iter().filter_map(|n| self.expr_test(n)).collect(),
            silences: m.get("silences").unwrap_or_default(),
            receiver_down: m.get::<Downs>("receiver_down").unwrap_or_default().0,
            restarts: m.get::<Restarts>("restarts").unwrap_or_default().0,
            notification_tests: m.get("notification_test").unwrap_or_default(),
        };
        if m.has("notification_test") && !routes {
            m.error("notification_test", "notification_test needs alertmanager_config at the top of the file");
        }
        for key in ["silences", "receiver_down"] {
            if m.has(key) && test.notification_tests.is_empty() {
                m.error(key, format!("{key} has no effect without notification_test"));
            }
        }
        m.finish();
        Some(test)
    }

    /// RFC 3339, or seconds since the epoch.
    fn timestamp(&self, node: &Node) -> Option<i64> {
        let text = node.text().unwrap_or("");
        if let Ok(seconds) = text.parse::<f64>()
            && seconds.abs() < 1e12
        {
            return Some((seconds * 1e3).round() as i64);
        }
        match chrono::DateTime::parse_from_rfc3339(text) {
            Ok(t) => Some(t.timestamp_millis()),
            Err(_) => self.d.mismatch(node, "a time in RFC 3339 or in seconds since the epoch"),
        }
    }

    fn labels(&self, m: &MapReader, key: &'static str) -> Labels {
        Labels::from_pairs(m.get::<BTreeMap<String, String>>(key).unwrap_or_default())
    }

    fn series(&self, node: &Node) -> Option<InputSeries> {
        let m = self.d.mapping(node, "input series")?;
        let series = m.node_at("series").and_then(|n| {
            let text = n.text().or_else(|| self.d.mismatch(n, "a series such as up{job=\"x\"}"))?;
            self.notation(n, text, notation::parse_series(text))
        });
        let mut values = m.node_at("values").and_then(|n| {
            let text = n.text().or_else(|| self.d.mismatch(n, "samples such as 0+1x10"))?;
            self.notation(n, text, notation::parse_values(text))
        });
        m.finish();
        if !m.has("series") {
            m.error("series", "expected series, found an input series without one");
        }
        let notation::Series { labels, content } = series?;
        let Content::Samples(mut all) = content else {
            m.error("series", "expected a series, found start timestamps");
            return None;
        };
        // promtool reads both as one line.
        all.runs.append(&mut values.get_or_insert_default().runs);
        Some(InputSeries { labels, values: all })
    }

    /// Unwraps a text in series notation, or reports the defect where it stands in the file.
    fn notation<T>(&self, node: &Node, text: &str, parsed: Result<T, notation::NotationError>) -> Option<T> {
        match parsed {
            Ok(value) => Some(value),
            Err(e) => {
                let offset = text.char_indices().nth(e.column.saturating_sub(1)).map_or(text.len(), |(i, _)| i);
                self.d.error(self.d.locate(node, offset), e.message);
                None
            }
        }
    }

    /// A time after the test's start; it may be negative in no file.
    fn eval_time(&self, m: &MapReader) -> i64 {
        m.node_at("eval_time")
            .and_then(|n| {
                let text = n.text().unwrap_or("");
                duration::parse(text).map_err(|e| self.d.error(n.position, e)).ok()
            })
            .unwrap_or(0)
    }

    fn alert_test(&self, node: &Node) -> Option<AlertTest> {
        let m = self.d.mapping(node, "alert_rule_test")?;
        let alertname: String = m.get("alertname").unwrap_or_default();
        let eval_time = self.eval_time(&m);
        if alertname.is_empty() {
            let at = duration::format(eval_time);
            m.error(
                "alertname",
                format!("an item under alert_rule_test misses required attribute alertname at eval_time {at}"),
            );
        }
        let expected: Vec<ExpectedAlert> =
            self.list(&m, "exp_alerts").iter().filter_map(|n| self.expected_alert(n, &alertname)).collect();
        let test = AlertTest {
            position: node.position,
            eval_time,
            state: m.get("state").unwrap_or_default(),
            how: m.get("match").unwrap_or_default(),
            absent: m.node_at("alerts_absent").map(|n| self.absent(n)),
            remarks: Remarks::read(&m),
            is_listed: true,
            alertname,
            expected,
        };
        let says_more = test.absent.is_some() || !test.remarks.is_empty();
        let test = AlertTest { is_listed: m.raw("exp_alerts").is_some() || !says_more, ..test };
        for (labels, annotations) in test.expected.iter().map(|e| (&e.labels, &e.annotations)) {
            let of = |all: &Labels| all.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect::<Expected>();
            if let Some(defect) = test.how.defect(&of(labels)).or_else(|| test.how.defect(&of(annotations))) {
                m.error("exp_alerts", defect);
            }
        }
        if let Some(defect) = test.absent.iter().flatten().find_map(|labels| test.how.defect(labels)) {
            m.error("alerts_absent", defect);
        }
        m.finish();
        Some(test)
    }

    /// Labels that no alert has: `true` for no alert at all.
    fn absent(&self, node: &Node) -> Vec<Expected> {
        match node.text() {
            Some("true") => vec![Expected::new()],
            Some(_) => self.d.mismatch(node, "true, or a list of labels").unwrap_or_default(),
            None => Vec::decode(node, self.d).unwrap_or_default(),
        }
    }

    fn expected_alert(&self, node: &Node, alertname: &str) -> Option<ExpectedAlert> {
        let m = self.d.mapping(node, "exp_alerts")?;
        // As written: an empty label is expected to be there, which none is; an annotation may be.
        let as_written = |key| m.get::<BTreeMap<String, String>>(key).unwrap_or_default();
        let (mut labels, annotations) = (as_written("exp_labels"), as_written("exp_annotations"));
        labels.insert(ALERT_NAME.to_owned(), alertname.to_owned());
        let since = m.get("since").map(Duration::millis);
        m.finish();
        let packed = |all: &BTreeMap<String, String>| Labels::from_sorted(all.iter().map(|(n, v)| (&**n, &**v)));
        Some(ExpectedAlert { labels: packed(&labels), annotations: packed(&annotations), since })
    }

    fn expr_test(&self, node: &Node) -> Option<ExprTest> {
        let m = self.d.mapping(node, "promql_expr_test")?;
        let test = ExprTest {
            position: node.position,
            expr: m.get("expr").unwrap_or_default(),
            eval_time: self.eval_time(&m),
            expected: self.list(&m, "exp_samples").iter().filter_map(|n| self.expected_sample(n)).collect(),
            is_listed: true,
            remarks: Remarks::read(&m),
        };
        if test.remarks.error.is_some() && m.has("exp_samples") {
            m.error("exp_samples", "what fails has no samples: expected exp_error or exp_samples, found both");
        }
        let is_listed = m.raw("exp_samples").is_some() || test.remarks.is_empty();
        m.finish();
        Some(ExprTest { is_listed, ..test })
    }

    fn expected_sample(&self, node: &Node) -> Option<ExpectedSample> {
        let m = self.d.mapping(node, "exp_samples")?;
        let labels = m.node_at("labels").map_or(Some(Labels::empty()), |n| {
            let text = n.text().or_else(|| self.d.mismatch(n, "labels such as up{job=\"x\"}"))?;
            if text.trim().is_empty() {
                return Some(Labels::empty());
            }
            self.notation(n, text, notation::parse_metric(text))
        });
        let histogram = m.node_at("histogram").filter(|n| n.text() != Some("")).map(|n| {
            let text = n.text().or_else(|| self.d.mismatch(n, "a histogram such as {{sum:1 count:1}}"))?;
            self.notation(n, text, notation::parse_histogram(text))
        });
        let float = m.get::<f64>("value").unwrap_or(0.0);
        m.finish();
        let value = match histogram {
            Some(h) => Value::Histogram(Arc::new(h?)),
            None => Value::Float(float),
        };
        Some(ExpectedSample { labels: labels?, value })
    }
}
