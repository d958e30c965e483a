//! Floats and integers as Go's `strconv` writes them.

use crate::model::number::{push_float_e, push_float_f};

/// A float with a verb (`e E f F g G b x X`) and a precision; `None`: as many digits as read back the same.
pub(crate) fn float_text(v: f64, verb: char, precision: Option<usize>) -> String {
    if !v.is_finite() {
        let name = if v.is_nan() { "NaN" } else { "+Inf" };
        return if v == f64::NEG_INFINITY { "-Inf".into() } else { name.into() };
    }
    // Beyond this many digits a double holds nothing but zeros.
    let precision = precision.map(|p| p.min(1100));
    let text = match verb.to_ascii_lowercase() {
        'e' => scientific(v, precision),
        'f' => plain(v, precision),
        'b' => binary(v),
        'x' => hexadecimal(v, precision),
        _ => general(v, precision),
    };
    if verb.is_ascii_uppercase() { text.to_ascii_uppercase() } else { text }
}

fn plain(v: f64, precision: Option<usize>) -> String {
    match precision {
        Some(p) => format!("{v:.p$}"),
        None => {
            let mut out = String::new();
            push_float_f(&mut out, v);
            out
        }
    }
}

fn scientific(v: f64, precision: Option<usize>) -> String {
    let Some(p) = precision else {
        let mut out = String::new();
        push_float_e(&mut out, v);
        return out;
    };
    let text = format!("{v:.p$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |d| ('-', d));
    format!("{mantissa}e{sign}{digits:0>2}")
}

/// `%g`: scientific when the exponent is below -4 or not below the precision (6 when none is given: Go decides so for the shortest digits).
fn general(v: f64, precision: Option<usize>) -> String {
    let shortest = scientific(v, None);
    let Some(p) = precision else {
        let exponent = exponent_of(&shortest);
        return if v != 0.0 && !(-4..6).contains(&exponent) { shortest } else { plain(v, None) };
    };
    let p = p.max(1);
    let rounded = scientific(v, Some(p - 1));
    let exponent = exponent_of(&rounded);
    let digits = rounded.split('e').next().unwrap_or("").bytes().filter(u8::is_ascii_digit).count();
    let significant = digits - trailing_zeros(&rounded).min(digits.saturating_sub(1));
    let mut limit = i64::try_from(p).unwrap_or(i64::MAX);
    let significant = i64::try_from(significant).unwrap_or(i64::MAX);
    if limit > significant && significant > exponent {
        limit = significant;
    }
    if exponent < -4 || exponent >= limit {
        let (mantissa, tail) = rounded.split_once('e').unwrap_or((&rounded, "+00"));
        return format!("{}e{tail}", trim_fraction(mantissa));
    }
    let decimals = usize::try_from(limit.max(significant) - 1 - exponent).unwrap_or(0);
    let exact = usize::try_from(i64::try_from(p).unwrap_or(i64::MAX) - 1 - exponent).unwrap_or(decimals);
    trim_fraction(&format!("{v:.exact$}")).to_owned()
}

fn exponent_of(scientific: &str) -> i64 {
    scientific.split_once('e').and_then(|(_, e)| e.parse().ok()).unwrap_or(0)
}

fn trailing_zeros(scientific: &str) -> usize {
    let mantissa = scientific.split('e').next().unwrap_or("");
    mantissa.bytes().rev().take_while(|b| *b == b'0' || *b == b'.').filter(|b| *b == b'0').count()
}

fn trim_fraction(s: &str) -> &str {
    if s.contains('.') { s.trim_end_matches('0').trim_end_matches('.') } else { s }
}

fn decompose(v: f64) -> (bool, u64, i64) {
    let bits = v.to_bits();
    let mantissa = bits & ((1 << 52) - 1);
    let exponent = i64::try_from((bits >> 52) & 0x7ff).unwrap_or(0);
    match exponent {
        0 => (v.is_sign_negative(), mantissa, -1074),
        e => (v.is_sign_negative(), mantissa | (1 << 52), e - 1075),
    }
}

/// `%b`: mantissa and power of two.
fn binary(v: f64) -> String {
    let (negative, mantissa, exponent) = decompose(v);
    format!("{}{mantissa}p{exponent:+}", if negative { "-" } else { "" })
}

/// `%x`: `0x1.8p+00`.
fn hexadecimal(v: f64, precision: Option<usize>) -> String {
    let (negative, mut mantissa, mut exponent) = decompose(v);
    let sign = if negative { "-" } else { "" };
    if mantissa == 0 {
        let zeros = precision.filter(|p| *p > 0).map_or(String::new(), |p| format!(".{}", "0".repeat(p)));
        return format!("{sign}0x0{zeros}p+00");
    }
    // One hexadecimal digit before the point, thirteen after it.
    while mantissa < 1 << 52 {
        mantissa <<= 1;
        exponent -= 1;
    }
    exponent += 52;
    if let Some(p) = precision.filter(|p| *p < 13) {
        let drop = 52 - 4 * p;
        let half = 1u64 << (drop - 1);
        let rest = mantissa & ((1 << drop) - 1);
        mantissa >>= drop;
        if rest > half || (rest == half && mantissa & 1 == 1) {
            mantissa += 1;
        }
        mantissa <<= drop;
        if mantissa >= 1 << 53 {
            mantissa >>= 1;
            exponent += 1;
        }
    }
    let digits = format!("{:013x}", mantissa & ((1 << 52) - 1));
    let fraction = match precision {
        Some(p) => digits.chars().chain(std::iter::repeat('0')).take(p).collect::<String>(),
        None => digits.trim_end_matches('0').to_owned(),
    };
    let point = if fraction.is_empty() { "" } else { "." };
    let exponent_sign = if exponent < 0 { '-' } else { '+' };
    format!("{sign}0x{}{point}{fraction}p{exponent_sign}{:02}", mantissa >> 52, exponent.unsigned_abs())
}

/// An integer's digits in a base, without a sign.
pub(super) fn digits(magnitude: u64, verb: char) -> String {
    match verb {
        'b' => format!("{magnitude:b}"),
        'o' | 'O' => format!("{magnitude:o}"),
        'x' => format!("{magnitude:x}"),
        'X' => format!("{magnitude:X}"),
        _ => magnitude.to_string(),
    }
}
