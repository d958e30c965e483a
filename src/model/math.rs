//! Elementary functions that round as Go's do, which is what Prometheus' results are made with. The algorithms are
//! those of FreeBSD's msun, on which Go's library is built.

#![allow(clippy::excessive_precision)] // Constants as the algorithms give them.

use std::f64::consts::{FRAC_1_SQRT_2, LOG2_E, LOG10_E};

const LN2_HI: f64 = 6.931_471_803_691_238_164_90e-01;
const LN2_LO: f64 = 1.908_214_929_270_587_700_02e-10;

/// Splits a positive finite number into a fraction in 0.5..1 and a power of two.
fn frexp(x: f64) -> (f64, i32) {
    const BIAS: i32 = 1022;
    let exponent = |bits: u64| ((bits >> 52) & 0x7ff) as i32;
    let fraction = |bits: u64| f64::from_bits((bits & !(0x7ff << 52)) | ((BIAS as u64) << 52));
    let bits = x.to_bits();
    match exponent(bits) {
        0 => {
            let scaled = (x * (1u64 << 52) as f64).to_bits();
            (fraction(scaled), exponent(scaled) - BIAS - 52)
        }
        e => (fraction(bits), e - BIAS),
    }
}

/// `fraction * 2^exponent` for a fraction of normal size.
fn scale(fraction: f64, exponent: i32) -> f64 {
    let power = |e: i32| f64::from_bits(((e + 1023) as u64) << 52);
    match exponent {
        1024.. => fraction * power(1023) * power((exponent - 1023).min(1023)),
        -1022..=1023 => fraction * power(exponent),
        _ => fraction * power(-1022) * power((exponent + 1022).max(-1022)),
    }
}

/// The natural logarithm.
pub fn ln(x: f64) -> f64 {
    if x.is_nan() || x == f64::INFINITY {
        return x;
    }
    if x < 0.0 {
        return f64::NAN;
    }
    if x == 0.0 {
        return f64::NEG_INFINITY;
    }
    let (mut fraction, mut exponent) = frexp(x);
    if fraction < FRAC_1_SQRT_2 {
        fraction *= 2.0;
        exponent -= 1;
    }
    let (f, k) = (fraction - 1.0, f64::from(exponent));
    let s = f / (2.0 + f);
    let s2 = s * s;
    let s4 = s2 * s2;
    let odd = 2.857_142_874_366_239_149e-01 + s4 * (1.818_357_216_161_805_012e-01 + s4 * 1.479_819_860_511_658_591e-01);
    let even = 2.222_219_843_214_978_396e-01 + s4 * 1.531_383_769_920_937_332e-01;
    let t1 = s2 * (6.666_666_666_666_735_130e-01 + s4 * odd);
    let t2 = s4 * (3.999_999_999_940_941_908e-01 + s4 * even);
    let half_square = 0.5 * f * f;
    k * LN2_HI - ((half_square - (s * (half_square + (t1 + t2)) + k * LN2_LO)) - f)
}

/// The logarithm to base 2, exact for powers of two.
pub fn log2(x: f64) -> f64 {
    if !x.is_finite() || x <= 0.0 {
        return ln(x);
    }
    let (fraction, exponent) = frexp(x);
    if fraction == 0.5 {
        return f64::from(exponent - 1);
    }
    ln(fraction) * LOG2_E + f64::from(exponent)
}

/// The logarithm to base 10.
pub fn log10(x: f64) -> f64 {
    ln(x) * LOG10_E
}

/// Two to the power of `x`.
pub fn exp2(x: f64) -> f64 {
    if x.is_nan() || x == f64::INFINITY {
        return x;
    }
    if x > 1024.0 {
        return f64::INFINITY;
    }
    if x < -1075.0 {
        return 0.0;
    }
    let k = if x > 0.0 { (x + 0.5).trunc() } else { (x - 0.5).trunc() };
    let t = x - k;
    let (hi, lo) = (t * LN2_HI, -t * LN2_LO);
    let r = hi - lo;
    let t = r * r;
    let p = -1.653_390_220_546_525_153_90e-06 + t * 4.138_136_797_057_238_460_39e-08;
    let p = -2.777_777_777_701_559_338_42e-03 + t * (6.613_756_321_437_934_361_17e-05 + t * p);
    let c = r - t * (1.666_666_666_666_666_574_15e-01 + t * p);
    let y = 1.0 - ((lo - (r * c) / (2.0 - c)) - hi);
    scale(y, k as i32)
}

#[cfg(test)]
#[allow(clippy::approx_constant)] // What Go gives is the point.
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn special_values_are_those_of_go() {
        for (x, want) in [(0.0, f64::NEG_INFINITY), (1.0, 0.0), (f64::INFINITY, f64::INFINITY)] {
            assert_eq!((ln(x), log2(x), log10(x)), (want, want, want));
        }
        assert!(ln(-1.0).is_nan() && log2(f64::NAN).is_nan() && log10(-0.5).is_nan());
        assert_eq!((log2(8.0), log2(5e-324), exp2(-1074.0), exp2(0.5)), (3.0, -1074.0, 5e-324, 1.414213562373095));
        assert_eq!((exp2(1024.0), exp2(2000.0), exp2(-2000.0)), (f64::INFINITY, f64::INFINITY, 0.0));
        assert_eq!((ln(3.0), log2(3.0), log10(3.0)), (1.0986122886681096, 1.5849625007211563, 0.4771212547196624));
        assert_eq!((log10(10.0), log10(100.0), log10(0.5)), (1.0, 2.0, -0.3010299956639812));
    }

    proptest! {
        #[test]
        fn results_are_close_to_those_of_the_platform(x in prop::num::f64::POSITIVE | prop::num::f64::SUBNORMAL, y in -1070.0..1023.0f64) {
            let close = |a: f64, b: f64| (a - b).abs() <= 4.0 * f64::EPSILON * b.abs().max(1.0);
            prop_assert!(close(ln(x.abs()), x.abs().ln()) && close(log2(x.abs()), x.abs().log2()));
            prop_assert!((exp2(y) - y.exp2()).abs() <= 4.0 * f64::EPSILON * y.exp2() + 5e-324, "{} {}", exp2(y), y.exp2());
        }
    }
}
