//! Results as comma-separated values.
//!
//! A column for every label of any series, sorted by name, then `timestamp` (RFC 3339, UTC) and `value`; a row a sample.
//! Fields are quoted as RFC 4180 says; lines end in a line feed, as every tool here expects. Histograms have their text
//! form.

use std::collections::BTreeSet;

use crate::model::number::push_float;
use crate::model::time::push_rfc3339;
use crate::model::{Labels, Value};
use crate::promql::QueryValue;

use super::table::in_time;

/// The result as CSV. `at` is the time of scalars and strings.
pub(super) fn csv(value: &QueryValue, at: i64) -> String {
    let mut names: BTreeSet<&str> = BTreeSet::new();
    match value {
        QueryValue::Vector(samples) => names.extend(samples.iter().flat_map(|s| s.labels.iter().map(|(n, _)| n))),
        QueryValue::Matrix(series) => names.extend(series.iter().flat_map(|s| s.labels.iter().map(|(n, _)| n))),
        QueryValue::Scalar(_) | QueryValue::String(_) => {}
    }
    let mut csv = Csv { names: names.into_iter().collect(), out: String::new() };
    csv.head();
    match value {
        QueryValue::Scalar(v) => csv.row(&Labels::empty(), at, &Value::Float(*v)),
        QueryValue::String(s) => csv.text_row(&Labels::empty(), at, s),
        QueryValue::Vector(samples) => samples.iter().for_each(|s| csv.row(&s.labels, s.t, &s.value)),
        QueryValue::Matrix(series) => {
            for s in series {
                in_time(s).iter().for_each(|(t, value)| csv.row(&s.labels, *t, value));
            }
        }
    }
    csv.out
}

struct Csv<'a> {
    names: Vec<&'a str>,
    out: String,
}

impl Csv<'_> {
    fn head(&mut self) {
        for name in &self.names {
            push_field(&mut self.out, name);
            self.out.push(',');
        }
        self.out.push_str("timestamp,value\n");
    }

    fn row(&mut self, labels: &Labels, t: i64, value: &Value) {
        match value {
            Value::Float(v) => {
                self.front(labels, t);
                push_float(&mut self.out, *v);
                self.out.push('\n');
            }
            Value::Histogram(h) => self.text_row(labels, t, &h.to_string()),
        }
    }

    fn text_row(&mut self, labels: &Labels, t: i64, text: &str) {
        self.front(labels, t);
        push_field(&mut self.out, text);
        self.out.push('\n');
    }

    /// What stands before a value.
    fn front(&mut self, labels: &Labels, t: i64) {
        for name in &self.names {
            push_field(&mut self.out, labels.value(name));
            self.out.push(',');
        }
        push_rfc3339(&mut self.out, t);
        self.out.push(',');
    }
}

fn push_field(out: &mut String, text: &str) {
    if !text.contains([',', '"', '\n', '\r']) {
        out.push_str(text);
        return;
    }
    out.push('"');
    out.push_str(&text.replace('"', "\"\""));
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::promql::{RangeSeries, VectorSample};

    #[test]
    fn labels_are_columns_and_fields_are_quoted_where_they_must() {
        let a = Labels::from_pairs([("__name__", "x"), ("path", "a,\"b\"\n"), ("zone", "ü")]);
        let b = Labels::from_pairs([("__name__", "x"), ("job", " j ")]);
        let samples = vec![
            VectorSample { labels: a, t: 1_500, value: Value::Float(1e6) },
            VectorSample { labels: b, t: 1_500, value: Value::Float(f64::NEG_INFINITY) },
        ];
        let want = "__name__,job,path,zone,timestamp,value
x,,\"a,\"\"b\"\"\n\",ü,1970-01-01T00:00:01.5Z,1000000
x, j ,,,1970-01-01T00:00:01.5Z,-Inf
";
        assert_eq!(csv(&QueryValue::Vector(samples), 0), want);
    }

    #[test]
    fn every_type_of_result_has_its_rows() {
        for (value, want) in [
            (QueryValue::Scalar(f64::NAN), "timestamp,value\n1970-01-01T00:00:00Z,NaN\n"),
            (QueryValue::String("a,b".into()), "timestamp,value\n1970-01-01T00:00:00Z,\"a,b\"\n"),
            (QueryValue::Vector(vec![]), "timestamp,value\n"),
            (
                QueryValue::Matrix(vec![RangeSeries {
                    labels: Labels::from_pairs([("a", "b")]),
                    floats: vec![(0, 1.0), (2_000, 2.5)],
                    histograms: vec![(1_000, std::sync::Arc::default())],
                }]),
                "a,timestamp,value\nb,1970-01-01T00:00:00Z,1\nb,1970-01-01T00:00:01Z,\"{count:0, sum:0}\"\n\
                 b,1970-01-01T00:00:02Z,2.5\n",
            ),
        ] {
            assert_eq!(csv(&value, 0), want);
        }
    }
}
