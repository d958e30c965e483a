//! Expected against got, within Prometheus' tolerance.

use std::sync::Arc;

use super::parse::{Eval, timed};
use crate::model::histogram::CounterResetHint;
use crate::model::number::format_float;
use crate::model::{FloatHistogram, Labels, Value, is_stale};
use crate::promql::{QueryValue, RangeSeries, VectorSample};

/// Relative tolerance.
const EPSILON: f64 = 1e-6;

/// Whether two floats are equal within the tolerance; NaN equals NaN.
pub(super) fn almost_equal(a: f64, b: f64) -> bool {
    if is_stale(a) || is_stale(b) {
        return is_stale(a) && is_stale(b);
    }
    if a == b || (a.is_nan() && b.is_nan()) {
        return true;
    }
    let (sum, difference) = (a.abs() + b.abs(), (a - b).abs());
    if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < EPSILON * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < EPSILON
}

fn values_match(expected: &Value, got: &Value) -> bool {
    match (expected, got) {
        (Value::Float(a), Value::Float(b)) => almost_equal(*a, *b),
        (Value::Histogram(a), Value::Histogram(b)) => histograms_match(a, b),
        _ => false,
    }
}

fn histograms_match(expected: &Arc<FloatHistogram>, got: &Arc<FloatHistogram>) -> bool {
    let (mut a, mut b) = (FloatHistogram::clone(expected), FloatHistogram::clone(got));
    a.compact(0);
    b.compact(0);
    let close = |x: &[f64], y: &[f64]| x.len() == y.len() && x.iter().zip(y).all(|(x, y)| almost_equal(*x, *y));
    // A hint that is not written down is not compared.
    let hint = a.counter_reset_hint == CounterResetHint::Unknown || a.counter_reset_hint == b.counter_reset_hint;
    hint && a.schema == b.schema
        && almost_equal(a.count, b.count)
        && almost_equal(a.sum, b.sum)
        && a.zero_threshold == b.zero_threshold
        && almost_equal(a.zero_count, b.zero_count)
        && a.positive_spans == b.positive_spans
        && a.negative_spans == b.negative_spans
        && close(&a.positive_buckets, &b.positive_buckets)
        && close(&a.negative_buckets, &b.negative_buckets)
        && a.custom_values == b.custom_values
}

fn show(value: &Value) -> String {
    match value {
        Value::Float(v) => format_float(*v),
        Value::Histogram(h) => h.to_notation(),
    }
}

/// Compares a result with what an evaluation expects.
pub(super) fn compare(eval: &Eval, got: &QueryValue) -> Result<(), String> {
    let expect = &eval.expect;
    match got {
        QueryValue::String(s) => match &expect.string {
            Some(want) if want == s => Ok(()),
            Some(want) => Err(format!("expected string {want:?}\n     got string {s:?}")),
            None => Err(format!("expected no string\n     got {s:?}")),
        },
        _ if expect.string.is_some() => Err(format!("expected string {:?}\n     got {}", expect.string, describe(got))),
        QueryValue::Scalar(v) => match expect.scalar {
            Some(want) if almost_equal(want, *v) => Ok(()),
            Some(want) => Err(format!("expected {}\n     got {}", format_float(want), format_float(*v))),
            None => Err(format!("expected a vector or matrix\n     got scalar {}", format_float(*v))),
        },
        QueryValue::Matrix(series) if eval.step.is_some() => {
            if expect.ordered {
                return Err("expected ordered result, but a range query has no order".into());
            }
            if let Some(want) = expect.scalar {
                return Err(format!("expected scalar {want}\n     got {}", describe(got)));
            }
            matrix(eval, series, (eval.start, eval.end, eval.step.unwrap_or(1)))
        }
        QueryValue::Matrix(series) => match expect.range_vector {
            Some(times) => matrix(eval, series, times),
            None => Err(format!("expected an instant vector or scalar\n     got range vector {}", describe(got))),
        },
        QueryValue::Vector(_) if expect.scalar.is_some() => {
            Err(format!("expected scalar {}\n     got {}", expect.scalar.unwrap_or_default(), describe(got)))
        }
        QueryValue::Vector(_) if expect.range_vector.is_some() => {
            Err(format!("expected a range vector\n     got {}", describe(got)))
        }
        QueryValue::Vector(samples) => vector(eval, samples),
    }
}

fn vector(eval: &Eval, got: &[VectorSample]) -> Result<(), String> {
    let mut faults = Vec::new();
    let mut seen = vec![false; eval.expect.series.len()];
    for (position, sample) in got.iter().enumerate() {
        let found = eval.expect.series.iter().enumerate().find(|(_, (labels, _))| *labels == sample.labels);
        let Some((at, (labels, values))) = found else {
            faults.push(line("expected nothing", &sample.labels, &show(&sample.value)));
            continue;
        };
        if let Some(flag) = seen.get_mut(at) {
            if *flag {
                faults.push(format!("{labels} is twice in the result"));
            }
            *flag = true;
        }
        if eval.expect.ordered && at != position {
            faults.push(format!("expected {labels} at position {}\n     got it at {}", at + 1, position + 1));
        }
        let want = values.iter().next().flatten();
        if !want.as_ref().is_some_and(|w| values_match(w, &sample.value)) {
            let want = want.as_ref().map_or_else(|| "_".into(), show);
            faults.push(line(&format!("expected {labels} {want}"), &sample.labels, &show(&sample.value)));
        }
    }
    for ((labels, values), _) in eval.expect.series.iter().zip(&seen).filter(|(_, seen)| !**seen) {
        faults.push(format!("expected {labels} {values}\n     got nothing"));
    }
    if faults.is_empty() { Ok(()) } else { Err(faults.join("\n")) }
}

fn line(expected: &str, labels: &Labels, got: &str) -> String {
    format!("{expected}\n     got {labels} {got}")
}

/// The samples of a series in order of time.
fn samples_of(series: &RangeSeries) -> Vec<(i64, Value)> {
    let floats = series.floats.iter().map(|(t, v)| (*t, Value::Float(*v)));
    let histograms = series.histograms.iter().map(|(t, h)| (*t, Value::Histogram(h.clone())));
    let mut all: Vec<(i64, Value)> = floats.chain(histograms).collect();
    all.sort_by_key(|(t, _)| *t);
    all
}

fn show_all(samples: &[(i64, Value)]) -> String {
    let parts: Vec<String> = samples.iter().map(|(t, v)| format!("{} @[{t}]", show(v))).collect();
    parts.join(", ")
}

fn matrix(eval: &Eval, got: &[RangeSeries], (start, end, step): (i64, i64, i64)) -> Result<(), String> {
    if !got.is_sorted_by(|a, b| a.labels < b.labels) {
        return Err("the series of the result are not in order of their labels".into());
    }
    let mut faults = Vec::new();
    for series in got {
        let samples = samples_of(series);
        let Some((labels, values)) = eval.expect.series.iter().find(|(labels, _)| *labels == series.labels) else {
            faults.push(line("expected nothing", &series.labels, &show_all(&samples)));
            continue;
        };
        let most = if end < start { 0 } else { (end - start) / step.max(1) + 1 };
        if i64::try_from(values.len()).is_ok_and(|n| n > most) {
            faults.push(format!("expected {labels} at {} steps\n     got no more than {most}", values.len()));
            continue;
        }
        let want: Vec<(i64, Value)> = timed(values, start, step).collect();
        let same = want.len() == samples.len()
            && want.iter().zip(&samples).all(|((t, w), (u, g))| t == u && values_match(w, g));
        if !same {
            faults.push(format!("expected {labels} {}\n     got {labels} {}", show_all(&want), show_all(&samples)));
        }
    }
    for (labels, values) in &eval.expect.series {
        if !got.iter().any(|s| s.labels == *labels) {
            faults.push(format!("expected {labels} {values}\n     got nothing"));
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(faults.join("\n")) }
}

/// A result in one line.
pub(super) fn describe(value: &QueryValue) -> String {
    match value {
        QueryValue::Scalar(v) => format!("scalar {}", format_float(*v)),
        QueryValue::String(s) => format!("string {s:?}"),
        QueryValue::Vector(all) => {
            let parts: Vec<String> = all.iter().map(|s| format!("{} {}", s.labels, show(&s.value))).collect();
            format!("vector [{}]", parts.join("; "))
        }
        QueryValue::Matrix(all) => {
            let parts: Vec<String> = all.iter().map(|s| format!("{} {}", s.labels, show_all(&samples_of(s)))).collect();
            format!("matrix [{}]", parts.join("; "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::almost_equal;

    #[test]
    fn the_tolerance_is_relative() {
        for (a, b, want) in [
            (1.0, 1.0 + 1e-7, true),
            (1.0, 1.0 + 1e-5, false),
            (f64::NAN, f64::NAN, true),
            (f64::INFINITY, f64::INFINITY, true),
            (f64::INFINITY, f64::NEG_INFINITY, false),
            (f64::INFINITY, 1.0, false),
            (0.0, 1e-9, false),
            (0.0, -0.0, true),
        ] {
            assert_eq!(almost_equal(a, b), want, "{a} {b}");
        }
    }
}
