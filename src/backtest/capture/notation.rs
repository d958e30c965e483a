//! Slots in the notation of tests: `1+0x20`, `_x3`, `stale`.

use std::fmt::Write as _;

use super::grid::Slot;

/// The shortest run of evenly spaced values that is written as one.
const EVEN: usize = 3;

/// The slots as a text that reads back as they are, bit by bit.
pub fn text(slots: &[Slot]) -> String {
    let mut out = String::new();
    let mut rest = slots;
    while let Some(first) = rest.first() {
        if !out.is_empty() {
            out.push(' ');
        }
        let taken = match first {
            Slot::Nothing => {
                let count = rest.iter().take_while(|s| **s == Slot::Nothing).count();
                out.push('_');
                if count > 1 {
                    let _ = write!(out, "x{count}");
                }
                count
            }
            Slot::Stale => {
                out.push_str("stale");
                1
            }
            Slot::Value(value) => push_values(&mut out, *value, rest),
        };
        rest = rest.get(taken.max(1)..).unwrap_or_default();
    }
    out
}

/// Writes the values at the front as one run; how many they are.
fn push_values(out: &mut String, first: f64, rest: &[Slot]) -> usize {
    push_number(out, first);
    let same = rest.iter().take_while(|s| is(s, first)).count();
    if same > 1 {
        let _ = write!(out, "x{}", same - 1);
        return same;
    }
    let Some(Slot::Value(second)) = rest.get(1) else { return 1 };
    let step = second - first;
    // Readers add the step again and again, and so it is done here.
    let mut next = first;
    let even = rest.iter().take_while(|slot| {
        let fits = is(slot, next);
        next += step;
        fits
    });
    let even = even.count();
    if even < EVEN || !is_plain(step) {
        return 1;
    }
    if step >= 0.0 {
        out.push('+');
    }
    push_number(out, step);
    let _ = write!(out, "x{}", even - 1);
    even
}

fn is(slot: &Slot, value: f64) -> bool {
    matches!(slot, Slot::Value(v) if v.to_bits() == value.to_bits() || (v.is_nan() && value.is_nan()))
}

/// Whether a number is one with a few digits: others are no step that a person meant.
fn is_plain(step: f64) -> bool {
    step.is_finite() && step != 0.0 && format!("{step}").len() <= 17
}

/// A number that reads back as it is. What is very large or small has an exponent.
fn push_number(out: &mut String, value: f64) {
    let size = value.abs();
    let _ = match value {
        v if v.is_nan() => write!(out, "NaN"),
        v if v.is_infinite() => write!(out, "{}Inf", if v < 0.0 { "-" } else { "" }),
        v if size != 0.0 && !(1e-7..1e17).contains(&size) => write!(out, "{v:e}"),
        v => write!(out, "{v}"),
    };
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::notation::parse_values;
    use crate::model::{Value, is_stale};

    #[test]
    fn runs_are_short() {
        let slots = |values: &[f64]| values.iter().map(|v| Slot::Value(*v)).collect::<Vec<_>>();
        assert_eq!(text(&slots(&[1.0; 21])), "1x20");
        assert_eq!(text(&slots(&[1.0, 3.0, 5.0, 7.0, 0.5, 0.0])), "1+2x3 0.5 0");
        assert_eq!(text(&slots(&[3.0, 2.0, 1.0])), "3-1x2");
        assert_eq!(text(&slots(&[f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 1e300])), "Inf -Inf NaN 1e300");
        let gaps = [Slot::Nothing, Slot::Value(-2.0), Slot::Stale, Slot::Nothing, Slot::Nothing, Slot::Nothing];
        assert_eq!(text(&gaps), "_ -2 stale _x3");
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_bit_by_bit(
            slots in proptest::collection::vec(
                prop_oneof![
                    3 => (0i32..5).prop_map(|v| Slot::Value(f64::from(v))),
                    2 => (0i32..50).prop_map(|v| Slot::Value(f64::from(v) * 0.1)),
                    2 => any::<f64>().prop_map(Slot::Value),
                    1 => Just(Slot::Nothing),
                    1 => Just(Slot::Stale),
                ],
                1..60,
            )
        ) {
            let values = parse_values(&text(&slots)).unwrap();
            let read: Vec<Slot> = values.iter().map(|v| match v {
                None => Slot::Nothing,
                Some(Value::Float(v)) if is_stale(v) => Slot::Stale,
                Some(Value::Float(v)) => Slot::Value(v),
                Some(Value::Histogram(_)) => unreachable!(),
            }).collect();
            prop_assert_eq!(read.len(), slots.len());
            for (read, slot) in read.iter().zip(&slots) {
                let same = match (read, slot) {
                    (Slot::Value(a), b) => is(b, *a),
                    (a, b) => a == b,
                };
                prop_assert!(same, "{:?} of {:?}: {}", read, slot, text(&slots));
            }
        }
    }
}
