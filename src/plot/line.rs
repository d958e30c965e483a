//! A line through points.

use std::fmt::Write as _;

/// The path of an SVG through the finite points, which ascend in time. It breaks where points are more than two steps
/// apart; a point that stands alone is a line of no length, which has round ends where the style says so.
pub fn path(points: &[(i64, f64)], step: i64, x: impl Fn(i64) -> f64, y: impl Fn(f64) -> f64) -> String {
    let (mut path, mut before, mut is_alone) = (String::new(), None, false);
    for (t, v) in points.iter().filter(|(_, v)| v.is_finite()) {
        let goes_on = before.is_some_and(|before: i64| t.saturating_sub(before) <= step.saturating_mul(2));
        if is_alone && !goes_on {
            path.push_str("h0");
        }
        is_alone = !goes_on;
        let _ = write!(path, "{}{:.1} {:.1}", if goes_on { 'L' } else { 'M' }, x(*t), y(*v));
        before = Some(*t);
    }
    if is_alone {
        path.push_str("h0");
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_breaks_where_nothing_is_known() {
        let points = [(0, 1.0), (10, f64::NAN), (20, 2.0), (50, 3.0), (90, 4.0), (100, f64::INFINITY)];
        assert_eq!(path(&points, 10, |t| t as f64, |v| v), "M0.0 1.0L20.0 2.0M50.0 3.0h0M90.0 4.0h0");
        assert_eq!(path(&[], 10, |t| t as f64, |v| v), "");
    }
}
