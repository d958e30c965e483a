//! Numbers on axes and in legends.

use crate::model::number::format_float;

/// Powers of a thousand by their SI prefixes.
const PREFIXES: [(f64, &str); 5] = [(1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M")];

/// A value to four significant digits, with an SI prefix from a million on: for summaries and legends, where the size of
/// a number matters more than its last digit.
pub fn short(v: f64) -> String {
    let abs = v.abs();
    if !v.is_finite() || v == 0.0 {
        return format_float(v);
    }
    if !(1e-5..1e21).contains(&abs) {
        return scientific(v);
    }
    match PREFIXES.iter().find(|(scale, _)| abs >= *scale) {
        Some((scale, prefix)) => rounded(v / scale) + prefix,
        None => rounded(v),
    }
}

/// Four significant digits, never fewer than the whole part has, without idle zeros.
fn rounded(v: f64) -> String {
    let whole_digits = v.abs().log10().floor() as i32 + 1;
    let decimals = usize::try_from(4 - whole_digits).unwrap_or(0);
    let text = format!("{v:.decimals$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

fn scientific(v: f64) -> String {
    let text = format!("{v:.3e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    format!("{}e{exponent}", mantissa.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_numbers_keep_four_digits() {
        for (v, want) in [
            (0.0, "0"),
            (1.0, "1"),
            (-1.5, "-1.5"),
            (0.123456, "0.1235"),
            (0.000123456, "0.0001235"),
            (1.23456e-7, "1.235e-7"),
            (1234.5678, "1235"),
            (123_456.7, "123457"),
            (1_234_567.0, "1.235M"),
            (8_589_934_592.0, "8.59G"),
            (1e21, "1e21"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Inf"),
            (f64::MAX, "1.798e308"),
        ] {
            assert_eq!(short(v), want, "{v:e}");
        }
    }
}
