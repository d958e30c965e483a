//! Functions of single numbers.

use std::f64::consts::{LN_2, PI};

use crate::model::math;

/// Beyond this, the inverse hyperbolic functions are logarithms of twice the number, which itself may be too large.
const LARGE: f64 = (1u64 << 28) as f64;

/// `ceil`, `floor`, `sqrt`, ...: functions of one number that the platform has.
macro_rules! plain {
    ($($name:ident: $f:expr;)*) => {
        $(pub(super) fn $name(v: f64, _: &[f64]) -> f64 {
            let f: fn(f64) -> f64 = $f;
            f(v)
        })*
    };
}

plain! {
    abs: f64::abs;
    acos: f64::acos;
    acosh: |v| if v > LARGE { math::ln(v) + LN_2 } else { v.acosh() };
    asin: f64::asin;
    asinh: |v| if v.abs() > LARGE { (math::ln(v.abs()) + LN_2).copysign(v) } else { v.asinh() };
    atan: f64::atan;
    atanh: f64::atanh;
    ceil: f64::ceil;
    cos: f64::cos;
    cosh: f64::cosh;
    deg: |v| v * 180.0 / PI;
    exp: f64::exp;
    floor: f64::floor;
    ln: math::ln;
    log10: math::log10;
    log2: math::log2;
    rad: |v| v * PI / 180.0;
    sgn: |v| if v < 0.0 { -1.0 } else if v > 0.0 { 1.0 } else { v };
    sin: f64::sin;
    sinh: f64::sinh;
    sqrt: f64::sqrt;
    tan: f64::tan;
    tanh: f64::tanh;
}

/// The lesser of two as Go's `math.Min`: NaN when either is, unless the other is
/// infinite the right way.
pub fn min(a: f64, b: f64) -> f64 {
    if a == f64::NEG_INFINITY || b == f64::NEG_INFINITY {
        f64::NEG_INFINITY
    } else if a.is_nan() || b.is_nan() {
        f64::NAN
    } else if a == 0.0 && b == 0.0 {
        if a.is_sign_negative() { a } else { b }
    } else if a < b {
        a
    } else {
        b
    }
}

/// The greater of two as Go's `math.Max`: NaN when either is, unless the other is
/// infinite the right way.
pub fn max(a: f64, b: f64) -> f64 {
    if a == f64::INFINITY || b == f64::INFINITY {
        f64::INFINITY
    } else if a.is_nan() || b.is_nan() {
        f64::NAN
    } else if a == 0.0 && b == 0.0 {
        if a.is_sign_negative() { b } else { a }
    } else if a > b {
        a
    } else {
        b
    }
}

fn arg(args: &[f64], i: usize, default: f64) -> f64 {
    args.get(i).copied().unwrap_or(default)
}

/// Whether the bounds of `clamp` leave no room, so that nothing is left of a vector.
pub(super) fn bounds_crossed(args: &[f64]) -> bool {
    matches!(args, [min, max] if max < min)
}

/// `clamp(v, min, max)`
pub(super) fn clamp(v: f64, args: &[f64]) -> f64 {
    max(arg(args, 0, f64::NAN), min(arg(args, 1, f64::NAN), v))
}

/// `clamp_min(v, min)`
pub(super) fn clamp_min(v: f64, args: &[f64]) -> f64 {
    max(arg(args, 0, f64::NAN), v)
}

/// `clamp_max(v, max)`
pub(super) fn clamp_max(v: f64, args: &[f64]) -> f64 {
    min(arg(args, 0, f64::NAN), v)
}

/// `round(v, to_nearest)`: ties go up. Works on the inverse, which is exact for the decimal fractions people write.
pub(super) fn round(v: f64, args: &[f64]) -> f64 {
    let inverse = 1.0 / arg(args, 0, 1.0);
    (v * inverse + 0.5).floor() / inverse
}
