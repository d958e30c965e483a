//! A series over time in a few figures and one line.

use std::borrow::Cow;

use crate::promql::RangeSeries;

use super::answer::When;

/// Eighths of a line's height.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The points of a series; of a histogram its count of observations.
pub(super) fn points(series: &RangeSeries) -> Cow<'_, [(i64, f64)]> {
    if series.histograms.is_empty() {
        return Cow::Borrowed(&series.floats);
    }
    let counts = series.histograms.iter().map(|(t, h)| (*t, h.count));
    let mut all: Vec<(i64, f64)> = series.floats.iter().copied().chain(counts).collect();
    all.sort_by_key(|(t, _)| *t);
    Cow::Owned(all)
}

/// A series' figures. What is not a number counts as a point and for nothing else.
pub(super) struct Summary {
    /// How many points there are.
    pub points: usize,
    /// The least value.
    pub min: f64,
    /// The mean.
    pub avg: f64,
    /// The greatest value.
    pub max: f64,
    /// The last value.
    pub last: f64,
}

impl Summary {
    /// Of points ascending in time.
    pub fn of(points: &[(i64, f64)]) -> Self {
        let numbers = || points.iter().map(|(_, v)| *v).filter(|v| !v.is_nan());
        let n = numbers().count();
        // The mean grows step by step: a sum of large values would overflow.
        let mean = numbers().enumerate().fold(0.0, |mean, (i, v)| {
            let weight = (i + 1) as f64;
            if v.is_infinite() || f64::is_infinite(mean) { mean + v } else { mean + (v / weight - mean / weight) }
        });
        let or_nan = |v: f64| if n == 0 { f64::NAN } else { v };
        Summary {
            points: points.len(),
            min: or_nan(numbers().fold(f64::INFINITY, f64::min)),
            avg: or_nan(mean),
            max: or_nan(numbers().fold(f64::NEG_INFINITY, f64::max)),
            last: points.last().map_or(f64::NAN, |(_, v)| *v),
        }
    }
}

/// The course of a series in one line of so many columns, between its own least and greatest value. Blank where there is
/// nothing.
pub(super) fn trend(points: &[(i64, f64)], when: When, columns: usize) -> String {
    let (start, end) = when.bounds();
    let columns = columns.min(usize::try_from(when.steps()).unwrap_or(usize::MAX)).max(1);
    let mut cells = vec![(0.0, 0u32); columns];
    for (t, v) in points.iter().filter(|(_, v)| v.is_finite()) {
        let share = (t - start) as f64 / (end - start).max(1) as f64;
        let at = ((share * columns as f64) as usize).min(columns - 1);
        if let Some((mean, n)) = cells.get_mut(at) {
            *n += 1;
            *mean += v / f64::from(*n) - *mean / f64::from(*n);
        }
    }
    let seen = || cells.iter().filter(|(_, n)| *n > 0).map(|(v, _)| *v);
    let (low, high) = (seen().fold(f64::INFINITY, f64::min), seen().fold(f64::NEG_INFINITY, f64::max));
    let bar = |(v, n): &(f64, u32)| {
        if *n == 0 {
            return ' ';
        }
        // Halves, so that the distance of the extremes is a number too.
        let share = (v / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0);
        let level = if share.is_finite() { (share * 7.0).round() as usize } else { 3 };
        BARS.get(level).copied().unwrap_or(' ')
    };
    cells.iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHEN: When = When::Range { start: 0, end: 7_000, step: 1_000 };

    fn of(values: &[f64]) -> Vec<(i64, f64)> {
        values.iter().enumerate().map(|(i, v)| (i as i64 * 1_000, *v)).collect()
    }

    #[test]
    fn figures_leave_out_what_is_no_number() {
        let s = Summary::of(&of(&[1.0, f64::NAN, 3.0]));
        assert_eq!((s.points, s.min, s.avg, s.max, s.last), (3, 1.0, 2.0, 3.0, 3.0));
        let s = Summary::of(&of(&[f64::MAX, f64::MAX]));
        assert_eq!(s.avg, f64::MAX);
        let s = Summary::of(&of(&[1.0, f64::INFINITY, 2.0]));
        assert_eq!((s.avg, s.max), (f64::INFINITY, f64::INFINITY));
        assert!(Summary::of(&of(&[f64::NAN])).min.is_nan());
        assert!(Summary::of(&[]).last.is_nan());
    }

    #[test]
    fn a_trend_has_a_bar_a_column() {
        let rise: Vec<f64> = (0..8).map(f64::from).collect();
        assert_eq!(trend(&of(&rise), WHEN, 8), "▁▂▃▄▅▆▇█");
        assert_eq!(trend(&of(&rise), WHEN, 4), "▁▃▆█");
        assert_eq!(trend(&of(&[5.0; 8]), WHEN, 4), "▄▄▄▄");
        assert_eq!(trend(&[(0, 1.0), (7_000, 2.0)], WHEN, 8), "▁      █");
        assert_eq!(trend(&of(&[f64::NAN, f64::INFINITY]), WHEN, 3), "   ");
        assert_eq!(trend(&of(&[-f64::MAX, f64::MAX]), When::Range { start: 0, end: 1_000, step: 1_000 }, 2), "▁█");
    }
}
