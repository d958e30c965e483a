//! Numbers as Go prints and reads them, which is what Prometheus' formats are defined by.

use std::fmt::Write as _;

/// Appends `v` as Prometheus' JSON and text formats write it: Go's shortest form that reads back the same, plain
/// notation for exponents from -6 to 20, else `1e+21`; `NaN`, `+Inf`, `-Inf`.
pub fn push_float(out: &mut String, v: f64) {
    let abs = v.abs();
    if v.is_finite() && abs != 0.0 && !(1e-6..1e21).contains(&abs) {
        push_float_e(out, v)
    } else {
        push_float_f(out, v)
    }
}

/// `v` as [`push_float`] writes it.
pub fn format_float(v: f64) -> String {
    let mut out = String::new();
    push_float(&mut out, v);
    out
}

/// Appends `v` in plain notation (Go's `strconv.FormatFloat(v, 'f', -1, 64)`).
pub fn push_float_f(out: &mut String, v: f64) {
    if !push_special(out, v) {
        let _ = write!(out, "{v}");
    }
}

/// Appends `v` in scientific notation with a signed exponent of at least two digits (Go's `'e', -1`).
pub fn push_float_e(out: &mut String, v: f64) {
    if push_special(out, v) {
        return;
    }
    let s = format!("{v:e}");
    let (mantissa, exponent) = s.split_once('e').unwrap_or((&s, "0"));
    let (sign, digits) = match exponent.strip_prefix('-') {
        Some(d) => ('-', d),
        None => ('+', exponent),
    };
    let _ = write!(out, "{mantissa}e{sign}{digits:0>2}");
}

/// `v` as Go's `%v` and `strconv.FormatFloat(v, 'g', -1, 64)` write it: scientific when the exponent is below -4 or at
/// least 6 (`2.135608e+06`). Go templates and most of Prometheus' messages use it.
pub fn format_float_g(v: f64) -> String {
    let mut out = String::new();
    let abs = v.abs();
    if v.is_finite() && abs != 0.0 && !(1e-4..1e6).contains(&abs) {
        push_float_e(&mut out, v);
    } else {
        push_float_f(&mut out, v);
    }
    out
}

fn push_special(out: &mut String, v: f64) -> bool {
    if v.is_nan() {
        out.push_str("NaN");
    } else if v == f64::INFINITY {
        out.push_str("+Inf");
    } else if v == f64::NEG_INFINITY {
        out.push_str("-Inf");
    } else {
        return false;
    }
    true
}

/// Reads a float as Go's `strconv.ParseFloat` does in the places Prometheus uses it: decimal or hexadecimal
/// (`0x1p-3`), `Inf` and `Infinity` with a sign and in any case, `NaN`. Underscores are not accepted.
pub fn parse_float(s: &str) -> Option<f64> {
    let (negative, body) = match s.as_bytes().first()? {
        b'-' => (true, s.get(1..)?),
        b'+' => (false, s.get(1..)?),
        _ => (false, s),
    };
    let magnitude = if let Some(hex) = body.strip_prefix("0x").or_else(|| body.strip_prefix("0X")) {
        parse_hex_float(hex)?
    } else if body.eq_ignore_ascii_case("inf") || body.eq_ignore_ascii_case("infinity") {
        f64::INFINITY
    } else if body.eq_ignore_ascii_case("nan") {
        return (body.len() == s.len()).then_some(super::sample::NORMAL_NAN);
    } else if body.bytes().next().is_some_and(|b| b.is_ascii_digit() || b == b'.') {
        body.parse().ok()?
    } else {
        return None;
    };
    Some(if negative { -magnitude } else { magnitude })
}

/// `1.8p-3` without its `0x`; the exponent may be missing, as PromQL's number literals allow.
fn parse_hex_float(s: &str) -> Option<f64> {
    let (mantissa, exponent) = match s.find(['p', 'P']) {
        Some(i) => (s.get(..i)?, s.get(i + 1..)?.parse::<i32>().ok()?),
        None => (s, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut value = 0.0f64;
    for d in whole.chars() {
        value = value * 16.0 + f64::from(d.to_digit(16)?);
    }
    let mut scale = 1.0 / 16.0;
    for d in fraction.chars() {
        value += f64::from(d.to_digit(16)?) * scale;
        scale /= 16.0;
    }
    Some(value * 2f64.powi(exponent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_printed_as_go_prints_them() {
        for (v, json, g) in [
            (0.0, "0", "0"),
            (-0.0, "-0", "-0"),
            (1.0, "1", "1"),
            (0.1 + 0.2, "0.30000000000000004", "0.30000000000000004"),
            (1e21, "1e+21", "1e+21"),
            (1e20, "100000000000000000000", "1e+20"),
            (2_135_608.0, "2135608", "2.135608e+06"),
            (999_999.0, "999999", "999999"),
            (1e-6, "0.000001", "1e-06"),
            (1.5e-7, "1.5e-07", "1.5e-07"),
            (5e-324, "5e-324", "5e-324"),
            (f64::INFINITY, "+Inf", "+Inf"),
            (f64::NEG_INFINITY, "-Inf", "-Inf"),
            (f64::NAN, "NaN", "NaN"),
            (1.7976931348623157e308, "1.7976931348623157e+308", "1.7976931348623157e+308"),
        ] {
            assert_eq!(format_float(v), json);
            assert_eq!(format_float_g(v), g);
        }
    }

    #[test]
    fn floats_are_read_as_go_reads_them() {
        for (s, want) in [
            ("1", Some(1.0)),
            ("-1.5e3", Some(-1500.0)),
            (".5", Some(0.5)),
            ("5.", Some(5.0)),
            ("0x1p-3", Some(0.125)),
            ("0x1.8", Some(1.5)),
            ("+Inf", Some(f64::INFINITY)),
            ("-inf", Some(f64::NEG_INFINITY)),
            ("", None),
            ("-", None),
            ("1_000", None),
            ("-nan", None),
            ("abc", None),
            ("0x", None),
        ] {
            assert_eq!(parse_float(s), want, "{s:?}");
        }
        assert!(parse_float("NaN").is_some_and(f64::is_nan));
    }
}
