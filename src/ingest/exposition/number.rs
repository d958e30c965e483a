//! Numbers of the exposition formats.

use crate::model::number;
use crate::model::stale::NORMAL_NAN;

/// Reads a sample's value as Prometheus does: Go's decimal floats, `Inf` and `NaN` in any case, no hexadecimal form.
pub(super) fn parse_value(text: &[u8]) -> Option<f64> {
    if let Some(v) = parse_integer(text) {
        return Some(v);
    }
    if text.iter().any(|b| b"xXpP_".contains(b)) {
        return None;
    }
    let v = number::parse_float(std::str::from_utf8(text).ok()?)?;
    Some(if v.is_nan() { NORMAL_NAN } else { v })
}

/// Most values are small whole numbers: up to 15 digits are exact in a float.
#[inline]
fn parse_integer(text: &[u8]) -> Option<f64> {
    if text.is_empty() || text.len() > 15 {
        return None;
    }
    let mut n = 0u64;
    for &b in text {
        let digit = b.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        n = n * 10 + u64::from(digit);
    }
    Some(n as f64)
}

/// Reads a timestamp of the text format: whole milliseconds, without a sign.
pub(super) fn parse_millis(text: &[u8]) -> Option<i64> {
    if !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Reads a timestamp of OpenMetrics: seconds with a fraction. Milliseconds out.
pub(super) fn parse_seconds(text: &[u8]) -> Option<i64> {
    let seconds = parse_value(text)?;
    let millis = seconds * 1000.0;
    (millis.is_finite() && millis.abs() < 9.2e18).then_some(millis as i64)
}

/// A float as OpenMetrics writes it in `le` and `quantile`: always with a point or an exponent (`1.0`, `1e+06`).
pub fn format_openmetrics_float(v: f64) -> String {
    let mut s = number::format_float_g(v);
    if v.is_finite() && !s.contains(['e', '.']) {
        s.push_str(".0");
    }
    s
}
