//! In which unit the values of an expression are, by the names of its metrics.

use super::tree;
use crate::promql::ast::{AggregateOp, Binary, BinaryOp, Call, Expr, ExprKind};

/// A unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// `_seconds`
    Seconds,
    /// `_milliseconds`, `_ms`
    Milliseconds,
    /// `_bytes`
    Bytes,
    /// `_celsius`, `_temp`
    Celsius,
    /// `_ratio`, and what is divided by its like: 0 to 1
    Ratio,
    /// `_percent`, and a ratio times 100
    Percent,
}

impl Unit {
    /// What messages call it.
    pub fn as_str(self) -> &'static str {
        match self {
            Unit::Seconds => "seconds",
            Unit::Milliseconds => "milliseconds",
            Unit::Bytes => "bytes",
            Unit::Celsius => "degrees Celsius",
            Unit::Ratio => "a ratio",
            Unit::Percent => "per cent",
        }
    }
}

/// What may stand behind a unit in a name.
const TAILS: [&str; 8] = ["_total", "_sum", "_bucket", "_max", "_min", "_avg", "_mean", "_current"];
const SUFFIXES: [(&str, Unit); 12] = [
    ("_milliseconds", Unit::Milliseconds),
    ("_seconds", Unit::Seconds),
    ("_ms", Unit::Milliseconds),
    ("_bytes", Unit::Bytes),
    ("_celsius", Unit::Celsius),
    ("_temperature", Unit::Celsius),
    ("_temp", Unit::Celsius),
    ("_ratio", Unit::Ratio),
    ("_percentage", Unit::Percent),
    ("_percent", Unit::Percent),
    ("_pct", Unit::Percent),
    ("_gpu_util", Unit::Percent),
];

/// The unit that a metric's name tells.
pub fn of_metric(name: &str) -> Option<Unit> {
    // What a recording rule's name says of its operations stands behind the last colon.
    let name = match name.split(':').collect::<Vec<_>>().as_slice() {
        [_, metric, _] => *metric,
        _ => name,
    };
    let mut name = name.to_ascii_lowercase();
    if name.ends_with("_count") {
        return None;
    }
    while let Some(shorter) = TAILS.iter().find_map(|tail| name.strip_suffix(tail)) {
        name = shorter.to_owned();
    }
    SUFFIXES.iter().find(|(suffix, _)| name.ends_with(suffix)).map(|(_, unit)| *unit)
}

/// The unit of an expression's values, as far as it can be known.
pub fn of(expr: &Expr) -> Option<Unit> {
    match &expr.kind {
        ExprKind::Number(_) | ExprKind::String(_) => None,
        ExprKind::Paren(inner) | ExprKind::Negate(inner) => of(inner),
        ExprKind::Subquery(subquery) => of(&subquery.expr),
        ExprKind::Vector(selector) | ExprKind::Matrix(selector, _) => {
            // Buckets are counts, whatever they count.
            tree::metric(selector).filter(|name| !name.ends_with("_bucket")).and_then(of_metric)
        }
        ExprKind::Call(call) => of_call(call),
        ExprKind::Aggregate(aggregate) => match aggregate.op {
            AggregateOp::Count | AggregateOp::CountValues | AggregateOp::Group | AggregateOp::Stdvar => None,
            // A sum of shares is no share: of the time of 64 cores, of the load of all GPUs.
            AggregateOp::Sum => {
                of(&aggregate.expr).filter(|unit| !matches!(unit, Unit::Ratio | Unit::Percent | Unit::Celsius))
            }
            _ => of(&aggregate.expr),
        },
        ExprKind::Binary(binary) => of_binary(binary),
    }
}

fn of_call(call: &Call) -> Option<Unit> {
    let inner = || tree::input(call).and_then(of);
    match call.func.name {
        "histogram_quantile" | "histogram_avg" => {
            // The buckets are counts; what they count is in the unit of their name.
            let vector = tree::input(call).map(tree::selectors).unwrap_or_default();
            vector.first().and_then(|(_, selector)| tree::metric(selector)).and_then(of_metric)
        }
        "rate" | "irate" | "deriv" => match inner() {
            // Seconds in a second are a share of time.
            Some(Unit::Seconds) => Some(Unit::Ratio),
            _ => None,
        },
        "time" | "timestamp" => Some(Unit::Seconds),
        "increase" | "delta" | "idelta" | "abs" | "ceil" | "floor" | "round" | "clamp" | "clamp_min" | "clamp_max"
        | "sort" | "sort_desc" | "scalar" | "label_replace" | "label_join" | "predict_linear" | "histogram_sum" => {
            inner()
        }
        name if name.ends_with("_over_time") && !matches!(name, "count_over_time" | "present_over_time") => inner(),
        _ => None,
    }
}

fn of_binary(b: &Binary) -> Option<Unit> {
    let (left, right) = (of(&b.left), of(&b.right));
    match b.op {
        BinaryOp::And | BinaryOp::Unless => left,
        BinaryOp::Add | BinaryOp::Sub if b.left.as_number().is_some() => right,
        BinaryOp::Add | BinaryOp::Sub if b.right.as_number().is_some() => left,
        BinaryOp::Add | BinaryOp::Sub | BinaryOp::Or => left.filter(|unit| Some(*unit) == right),
        BinaryOp::Mul => match (b.left.as_number(), b.right.as_number()) {
            (Some(factor), None) => scaled(right, factor),
            (None, Some(factor)) => scaled(left, factor),
            _ => None,
        },
        BinaryOp::Div => match b.right.as_number() {
            Some(factor) => scaled(left, 1.0 / factor),
            None if is_share(b) => Some(Unit::Ratio),
            None => None,
        },
        op if op.is_comparison() && !b.modifiers.bool => {
            if tree::is_scalar(&b.left) {
                right
            } else {
                left
            }
        }
        _ => None,
    }
}

fn scaled(unit: Option<Unit>, factor: f64) -> Option<Unit> {
    match unit? {
        unit if factor == 1.0 => Some(unit),
        Unit::Ratio if factor == 100.0 => Some(Unit::Percent),
        Unit::Seconds if factor == 1_000.0 => Some(Unit::Milliseconds),
        Unit::Milliseconds if (factor - 0.001).abs() < 1e-12 => Some(Unit::Seconds),
        Unit::Percent if (factor - 0.01).abs() < 1e-12 => Some(Unit::Ratio),
        _ => None,
    }
}

/// Whether a division is one of a thing by its like: the same metric on both sides, or the same unit.
fn is_share(b: &Binary) -> bool {
    let names = |expr: &Expr| -> Vec<String> {
        tree::selectors(expr).iter().filter_map(|(_, s)| tree::metric(s)).map(str::to_owned).collect()
    };
    let (left, right) = (names(&b.left), names(&b.right));
    let same_unit = of(&b.left).is_some() && of(&b.left) == of(&b.right);
    same_unit || (!left.is_empty() && left.iter().all(|name| right.contains(name)))
}

/// Whether values have decimals that mean nothing to a reader, in most cases: what was divided, averaged, extrapolated or
/// measured.
pub fn is_fractional(expr: &Expr) -> bool {
    let expr = tree::value(expr);
    match &expr.kind {
        ExprKind::Paren(inner) | ExprKind::Negate(inner) => is_fractional(inner),
        ExprKind::Call(call) => match call.func.name {
            "rate" | "irate" | "increase" | "delta" | "deriv" | "predict_linear" | "histogram_quantile"
            | "histogram_avg" | "histogram_fraction" | "avg_over_time" | "quantile_over_time" | "stddev_over_time"
            | "stdvar_over_time" => true,
            "round" | "ceil" | "floor" | "count_over_time" | "changes" | "resets" | "absent" | "absent_over_time" => {
                false
            }
            _ => tree::input(call).is_some_and(is_fractional),
        },
        ExprKind::Aggregate(aggregate) => match aggregate.op {
            AggregateOp::Avg | AggregateOp::Quantile | AggregateOp::Stddev | AggregateOp::Stdvar => true,
            AggregateOp::Count | AggregateOp::CountValues | AggregateOp::Group => false,
            _ => is_fractional(&aggregate.expr),
        },
        ExprKind::Binary(b) if b.op == BinaryOp::Div => true,
        ExprKind::Binary(b) if b.op.is_comparison() => false,
        ExprKind::Binary(b) => is_fractional(&b.left) || is_fractional(&b.right),
        _ => matches!(of(expr), Some(Unit::Seconds | Unit::Celsius | Unit::Ratio)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::promql::{CompileOptions, parse};

    #[test]
    fn units_follow_names_and_operators() {
        for (query, want) in [
            ("x_seconds", Some(Unit::Seconds)),
            ("x_bytes_total", Some(Unit::Bytes)),
            ("x_seconds_count", None),
            ("rate(x_seconds_total[5m])", Some(Unit::Ratio)),
            ("increase(x_bytes_total[5m])", Some(Unit::Bytes)),
            ("x_bytes / y_bytes * 100", Some(Unit::Percent)),
            ("100 * (1 - a_bytes / b_bytes)", Some(Unit::Percent)),
            ("sum(rate(e_total{c='5'}[5m])) / sum(rate(e_total[5m]))", Some(Unit::Ratio)),
            ("time() - x_timestamp_seconds > 5", Some(Unit::Seconds)),
            ("histogram_quantile(0.9, sum by (le) (rate(x_ms_bucket[5m])))", Some(Unit::Milliseconds)),
            ("DCGM_FI_DEV_GPU_TEMP > 85", Some(Unit::Celsius)),
            ("job:x_seconds:avg", Some(Unit::Seconds)),
            ("a / b", None),
        ] {
            assert_eq!(of(&parse(query, &CompileOptions::default()).unwrap()), want, "{query}");
        }
    }

    #[test]
    fn counts_are_whole() {
        for (query, want) in [
            ("count(up == 0) > 3", false),
            ("up == 0", false),
            ("changes(x[5m]) > 2", false),
            ("a / b > 3", true),
            ("x_temp > 85 and y", true),
            ("y and x_temp > 85", false),
            ("sum(rate(x[5m])) > 3", true),
        ] {
            assert_eq!(is_fractional(&parse(query, &CompileOptions::default()).unwrap()), want, "{query}");
        }
    }
}
