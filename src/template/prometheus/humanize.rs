//! Numbers for people.

use crate::template::print::float_text;
use crate::template::value::{CallError, Value};

/// A number out of a number, a duration (seconds) or a text.
pub(crate) fn to_float(value: &Value) -> Result<f64, CallError> {
    match value {
        Value::Float(f) => Ok(*f),
        Value::Int(i) => Ok(*i as f64),
        Value::Byte(b) => Ok(f64::from(*b)),
        Value::Duration(nanos) => Ok(*nanos as f64 / 1e9),
        Value::Str(s) => crate::model::number::parse_float(s).ok_or_else(|| {
            CallError::failed(format!(
                "strconv.ParseFloat: parsing {}: invalid syntax",
                crate::template::print::quote(s)
            ))
        }),
        other => Err(format!("can't convert {} to float", other.type_name()).into()),
    }
}

fn four_digits(v: f64) -> String {
    float_text(v, 'g', Some(4))
}

/// As it is, to four significant digits.
pub(super) fn plain(v: f64) -> String {
    four_digits(v)
}

/// With metric prefixes.
pub(super) fn metric(v: f64) -> String {
    if v == 0.0 || !v.is_finite() {
        return four_digits(v);
    }
    let (scaled, prefix) =
        if v.abs() >= 1.0 { scale_up(v, 1000.0, &["", "k", "M", "G", "T", "P", "E", "Z", "Y"]) } else { scale_down(v) };
    format!("{}{prefix}", four_digits(scaled))
}

/// With binary prefixes.
pub(super) fn binary(v: f64) -> String {
    if v.abs() <= 1.0 || !v.is_finite() {
        return four_digits(v);
    }
    let (scaled, prefix) = scale_up(v, 1024.0, &["", "ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"]);
    format!("{}{prefix}", four_digits(scaled))
}

fn scale_up(v: f64, base: f64, prefixes: &[&'static str]) -> (f64, &'static str) {
    let mut scaled = v;
    let mut prefix = "";
    for (i, p) in prefixes.iter().enumerate() {
        if i > 0 {
            scaled /= base;
        }
        prefix = p;
        if scaled.abs() < base {
            break;
        }
    }
    (scaled, prefix)
}

fn scale_down(v: f64) -> (f64, &'static str) {
    let mut scaled = v;
    let mut prefix = "";
    for p in ["m", "u", "n", "p", "f", "a", "z", "y"] {
        if scaled.abs() >= 1.0 {
            break;
        }
        prefix = p;
        scaled *= 1000.0;
    }
    (scaled, prefix)
}

/// Seconds as `1d 2h 3m 4s`, or with a metric prefix below a second.
pub(crate) fn duration(v: f64) -> String {
    if !v.is_finite() {
        return four_digits(v);
    }
    if v == 0.0 {
        return format!("{}s", four_digits(v));
    }
    if v.abs() < 1.0 {
        let (scaled, prefix) = scale_down(v);
        return format!("{}{prefix}s", four_digits(scaled));
    }
    let sign = if v < 0.0 { "-" } else { "" };
    let whole = v.abs() as i64;
    let (days, hours, minutes, seconds) = (whole / 86_400, whole / 3600 % 24, whole / 60 % 60, whole % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{sign}{}s", four_digits(v.abs())),
        (0, 0, m) => format!("{sign}{m}m {seconds}s"),
        (0, h, m) => format!("{sign}{h}h {m}m {seconds}s"),
        (d, h, m) => format!("{sign}{d}d {h}h {m}m {seconds}s"),
    }
}

/// A share as a percentage.
pub(super) fn percentage(v: f64) -> String {
    format!("{}%", four_digits(v * 100.0))
}
