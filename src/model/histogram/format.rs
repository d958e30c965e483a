//! Histograms as text and JSON: the forms of Prometheus' messages, test scripts and HTTP API.

use std::fmt::{self, Write as _};

use super::{Bucket, CounterResetHint, FloatHistogram, Span};
use crate::model::number::{format_float, format_float_g};

/// Which ends belong to a bucket, as the HTTP API numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum BoundaryRule {
    /// `(a, b]`
    OpenLeft = 0,
    /// `[a, b)`
    OpenRight = 1,
    /// `(a, b)`
    OpenBoth = 2,
    /// `[a, b]`
    ClosedBoth = 3,
}

impl Bucket {
    /// Which ends belong to the bucket.
    pub fn boundary_rule(&self) -> BoundaryRule {
        match (self.lower_inclusive, self.upper_inclusive) {
            (false, true) => BoundaryRule::OpenLeft,
            (true, false) => BoundaryRule::OpenRight,
            (false, false) => BoundaryRule::OpenBoth,
            (true, true) => BoundaryRule::ClosedBoth,
        }
    }
}

/// `[-2,-1):3`
impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let open = if self.lower_inclusive { '[' } else { '(' };
        let close = if self.upper_inclusive { ']' } else { ')' };
        let [lower, upper, count] = [self.lower, self.upper, self.count].map(format_float_g);
        write!(f, "{open}{lower},{upper}{close}:{count}")
    }
}

/// `{count:4, sum:5, (0.5,1]:1, (1,2]:3}`, populated buckets only, ascending.
impl fmt::Display for FloatHistogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{count:{}, sum:{}", format_float_g(self.count), format_float_g(self.sum))?;
        let negative = self.negative().rev().map(|(i, c)| self.negative_bucket(i, c));
        let zero = std::iter::once(self.zero_bucket());
        let positive = self.positive().map(|(i, c)| self.positive_bucket(i, c));
        for b in negative.chain(zero).chain(positive).filter(|b| b.count != 0.0) {
            write!(f, ", {b}")?;
        }
        f.write_char('}')
    }
}

impl FloatHistogram {
    /// The histogram in series notation, `{{schema:1 count:4 sum:5 buckets:[1 3]}}`: what test scripts hold, and what a
    /// failed test shows. Leaves out what is zero.
    pub fn to_notation(&self) -> String {
        let mut h = self.clone();
        h.compact(usize::MAX);
        let mut parts: Vec<String> = Vec::new();
        if h.schema != 0 {
            parts.push(format!("schema:{}", h.schema));
        }
        let numbers =
            [("count", h.count), ("sum", h.sum), ("z_bucket", h.zero_count), ("z_bucket_w", h.zero_threshold)];
        parts.extend(numbers.iter().filter(|(_, v)| *v != 0.0).map(|(k, v)| format!("{k}:{}", format_float_g(*v))));
        if h.uses_custom_buckets() {
            parts.push(format!("custom_values:{}", list(&h.custom_values)));
        }
        match h.counter_reset_hint {
            CounterResetHint::Unknown => {}
            CounterResetHint::Reset => parts.push("counter_reset_hint:reset".into()),
            CounterResetHint::NotReset => parts.push("counter_reset_hint:not_reset".into()),
            CounterResetHint::Gauge => parts.push("counter_reset_hint:gauge".into()),
        }
        push_side(&mut parts, "", &h.positive_spans, &h.positive_buckets);
        push_side(&mut parts, "n_", &h.negative_spans, &h.negative_buckets);
        format!("{{{{{}}}}}", parts.join(" "))
    }

    /// The histogram as the HTTP API shows it: `{"count":"4","sum":"5","buckets":[[0,"0.5","1","1"],...]}`.
    pub fn to_api_json(&self) -> String {
        let mut out = format!("{{\"count\":\"{}\",\"sum\":\"{}\"", format_float(self.count), format_float(self.sum));
        let mut separator = ",\"buckets\":[";
        for b in self.buckets().filter(|b| b.count != 0.0) {
            let [lower, upper, count] = [b.lower, b.upper, b.count].map(format_float);
            let rule = b.boundary_rule() as u8;
            let _ = write!(out, "{separator}[{rule},\"{lower}\",\"{upper}\",\"{count}\"]");
            separator = ",";
        }
        if separator == "," {
            out.push(']');
        }
        out.push('}');
        out
    }
}

fn push_side(parts: &mut Vec<String>, prefix: &str, spans: &[Span], counts: &[f64]) {
    if let Some(offset) = spans.first().map(|s| s.offset).filter(|o| *o != 0) {
        parts.push(format!("{prefix}offset:{offset}"));
    }
    if !counts.is_empty() {
        parts.push(format!("{prefix}buckets:{}", list(counts)));
    }
}

fn list(values: &[f64]) -> String {
    let all: Vec<String> = values.iter().map(|v| format_float_g(*v)).collect();
    format!("[{}]", all.join(" "))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{custom, exponential};
    use super::*;

    #[test]
    fn histograms_are_written_as_prometheus_writes_them() {
        let h = FloatHistogram { sum: 1e6, ..exponential(0, 2.0, (1, &[1.0, 0.0, 2.5]), (0, &[3.0])) };
        assert_eq!(h.to_string(), "{count:8.5, sum:1e+06, [-1,-0.5):3, [-0.001,0.001]:2, (1,2]:1, (4,8]:2.5}");
        assert_eq!(
            h.to_notation(),
            "{{count:8.5 sum:1e+06 z_bucket:2 z_bucket_w:0.001 offset:1 buckets:[1 0 2.5] n_buckets:[3]}}"
        );
        assert_eq!(
            h.to_api_json(),
            "{\"count\":\"8.5\",\"sum\":\"1000000\",\"buckets\":[[1,\"-1\",\"-0.5\",\"3\"],\
             [3,\"-0.001\",\"0.001\",\"2\"],[0,\"1\",\"2\",\"1\"],[0,\"4\",\"8\",\"2.5\"]]}"
        );
        let custom =
            FloatHistogram { counter_reset_hint: CounterResetHint::Gauge, ..custom(&[5.0, 10.0], &[1.0, 2.0]) };
        let notation = "{{schema:-53 count:3 sum:1 custom_values:[5 10] counter_reset_hint:gauge buckets:[1 2]}}";
        assert_eq!(custom.to_notation(), notation);
        assert_eq!(custom.to_string(), "{count:3, sum:1, [-Inf,5]:1, (5,10]:2}");
        assert_eq!(FloatHistogram::default().to_notation(), "{{}}");
        assert_eq!(FloatHistogram::default().to_api_json(), "{\"count\":\"0\",\"sum\":\"0\"}");
    }
}
