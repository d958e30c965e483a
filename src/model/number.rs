//! Numbers as Go prints and reads them, which is what Prometheus' formats are defined by.

use std::fmt::Write as _;

/// Whole numbers below this are printed as the integers they are.
const WHOLE: f64 = 1e15;
const NEGATIVE_ZERO: u64 = 1 << 63;

/// Appends `v` as Prometheus' JSON and text formats write it: Go's shortest form that reads back the same, plain
/// notation for exponents from -6 to 20, else `1e+21`; `NaN`, `+Inf`, `-Inf`.
pub fn push_float(out: &mut String, v: f64) {
    let abs = v.abs();
    // Most samples are whole numbers or of a middling size, where the shortest form is the plain one.
    let whole = v as i64;
    if abs < WHOLE && whole as f64 == v && v.to_bits() != NEGATIVE_ZERO {
        return out.push_str(itoa::Buffer::new().format(whole));
    }
    if (1e-4..1e15).contains(&abs) {
        return out.push_str(zmij::Buffer::new().format_finite(v));
    }
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

/// The shortest digits that read back as a finite number, and the power of ten of the first: `-0.0125` is
/// `(true, "125", -2)`. Of several such digits the closest, and of two equally close the even ones, as Go has it.
fn shortest(v: f64) -> (bool, String, i32) {
    let mut buffer = zmij::Buffer::new();
    let text = buffer.format_finite(v);
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |t| (true, t));
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    let digits = all.trim_start_matches('0');
    let zeros = (all.len() - digits.len()) as i32;
    let digits = digits.trim_end_matches('0');
    let exponent = if digits.is_empty() { 0 } else { exponent + whole.len() as i32 - 1 - zeros };
    (negative, if digits.is_empty() { "0".into() } else { digits.into() }, exponent)
}

/// Appends `v` in plain notation (Go's `strconv.FormatFloat(v, 'f', -1, 64)`).
pub fn push_float_f(out: &mut String, v: f64) {
    if push_special(out, v) {
        return;
    }
    let (negative, digits, exponent) = shortest(v);
    if negative {
        out.push('-');
    }
    let zeros = |out: &mut String, n: usize| out.extend(std::iter::repeat_n('0', n));
    match usize::try_from(exponent) {
        Ok(places) if places + 1 >= digits.len() => {
            out.push_str(&digits);
            zeros(out, places + 1 - digits.len());
        }
        Ok(places) => {
            let (whole, fraction) = digits.split_at_checked(places + 1).unwrap_or((&digits, ""));
            let _ = write!(out, "{whole}.{fraction}");
        }
        Err(_) => {
            out.push_str("0.");
            zeros(out, exponent.unsigned_abs() as usize - 1);
            out.push_str(&digits);
        }
    }
}

/// Appends `v` in scientific notation with a signed exponent of at least two digits (Go's `'e', -1`).
pub fn push_float_e(out: &mut String, v: f64) {
    if push_special(out, v) {
        return;
    }
    let (negative, digits, exponent) = shortest(v);
    let (first, rest) = digits.split_at_checked(1).unwrap_or((&digits, ""));
    let point = if rest.is_empty() { "" } else { "." };
    let (minus, sign) = (if negative { "-" } else { "" }, if exponent < 0 { '-' } else { '+' });
    let _ = write!(out, "{minus}{first}{point}{rest}e{sign}{:02}", exponent.unsigned_abs());
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
/// (`0x1p-3`), `Inf` and `Infinity` with a sign and in any case, `NaN`. Underscores are not accepted, nor are digits that
/// say more than a float can hold (`1e999`).
pub fn parse_float(s: &str) -> Option<f64> {
    let (negative, body) = match s.as_bytes().first()? {
        b'-' => (true, s.get(1..)?),
        b'+' => (false, s.get(1..)?),
        _ => (false, s),
    };
    let magnitude = if let Some(hex) = body.strip_prefix("0x").or_else(|| body.strip_prefix("0X")) {
        parse_hex_float(hex).filter(|v| v.is_finite())?
    } else if body.eq_ignore_ascii_case("inf") || body.eq_ignore_ascii_case("infinity") {
        f64::INFINITY
    } else if body.eq_ignore_ascii_case("nan") {
        return (body.len() == s.len()).then_some(super::stale::NORMAL_NAN);
    } else if body.bytes().next().is_some_and(|b| b.is_ascii_digit() || b == b'.') {
        body.parse().ok().filter(|v: &f64| v.is_finite())?
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

/// A value in as many digits as say something.
pub fn brief(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e15 {
        return format!("{value:.0}");
    }
    let text = format_float_g(value);
    let short = format!("{value:.5e}").parse().map(format_float_g).unwrap_or_default();
    if short.len() < text.len() && !short.is_empty() { short } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
            (999_999_999_999_999.9, "999999999999999.9", "9.999999999999999e+14"),
            (0.00012345678901234567, "0.00012345678901234567", "0.00012345678901234567"),
            (9.999e-5, "0.00009999", "9.999e-05"),
            // Halfway between two texts of the same length: Go takes the even one.
            (572_662_618_894_300.0 + 0.25, "572662618894300.2", "5.726626188943002e+14"),
            (572_662_618_894_300.0 + 0.75, "572662618894300.8", "5.726626188943008e+14"),
            (f64::INFINITY, "+Inf", "+Inf"),
            (f64::NEG_INFINITY, "-Inf", "-Inf"),
            (f64::NAN, "NaN", "NaN"),
            (1.7976931348623157e308, "1.7976931348623157e+308", "1.7976931348623157e+308"),
        ] {
            assert_eq!(format_float(v), json);
            assert_eq!(format_float_g(v), g);
        }
    }

    proptest! {
        #[test]
        fn floats_are_printed_in_the_fewest_digits_that_read_back(v in prop_oneof![prop::num::f64::ANY, -1e16..1e16f64, (-1_000_000i64..1_000_000).prop_map(|i| i as f64 / 1000.0)]) {
            let digits = |s: &str| s.split('e').next().unwrap_or("").trim_matches(['-', '0']).replace('.', "").trim_matches('0').len();
            for text in [format_float(v), format_float_g(v)] {
                prop_assert_eq!(parse_float(&text).map(f64::to_bits), Some(if v.is_nan() { crate::model::stale::NORMAL_NAN } else { v }.to_bits()), "{}", &text);
                prop_assert!(v.is_nan() || v.is_infinite() || digits(&text) == digits(&format!("{v:e}")), "{}", text);
            }
            let mut plain = String::new();
            push_float_f(&mut plain, v);
            if (1e-6..1e21).contains(&v.abs()) {
                prop_assert_eq!(format_float(v), plain);
            }
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
            ("1.8e308", None),
            ("-1e999", None),
            ("0x1p1024", None),
            ("1.7976931348623157e308", Some(f64::MAX)),
            ("1e-999", Some(0.0)),
            ("-Infinity", Some(f64::NEG_INFINITY)),
        ] {
            assert_eq!(parse_float(s), want, "{s:?}");
        }
        assert!(parse_float("NaN").is_some_and(f64::is_nan));
    }
}
