//! The axis of times: ticks at round times of day, in UTC.

use crate::plot::time_ticks::{label, tick_step, ticks};

/// The column of a time, of so many from `start` to `end`, in dots or characters.
pub(super) fn position(t: i64, start: i64, end: i64, columns: usize) -> usize {
    let last = columns.saturating_sub(1);
    if end <= start {
        return last / 2;
    }
    let share = (t as f64 - start as f64) / (end as f64 - start as f64);
    ((share.clamp(0.0, 1.0) * last as f64).round() as usize).min(last)
}

/// The axis and its labels: two lines, each of so many columns.
pub(super) fn axis(start: i64, end: i64, columns: usize) -> (String, String) {
    let step = tick_step(end.saturating_sub(start), columns);
    let mut line: Vec<char> = vec!['─'; columns];
    let mut labels = String::new();
    let mut taken = 0;
    for t in ticks(start, end, step) {
        let at = position(t, start, end, columns);
        let label = label(t, step);
        let width = label.chars().count();
        let from = at.saturating_sub(width / 2).min(columns.saturating_sub(width));
        if (taken > 0 && from < taken + 1) || width > columns {
            continue;
        }
        if let Some(c) = line.get_mut(at) {
            *c = '┬';
        }
        labels.push_str(&" ".repeat(from - taken));
        labels.push_str(&label);
        taken = from + width;
    }
    (line.into_iter().collect(), labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;
    const DAY: i64 = 24 * HOUR;

    #[test]
    fn ticks_are_round_times() {
        let day = 1_767_312_000_000; // 2026-01-02T00:00:00Z
        let mut out = String::new();
        for (start, end, columns) in [
            (day, day + HOUR, 60),
            (day - HOUR, day + HOUR, 40),
            (day + 1, day + 60_000, 40),
            (day, day + 7 * DAY, 50),
            (day, day + 400 * DAY, 50),
            (day, day + 900, 40),
            (day, day, 11),
            (day, day, 3),
        ] {
            let (line, labels) = axis(start, end, columns);
            assert_eq!(line.chars().count(), columns);
            out.push_str(&format!("{line}\n{labels}\n"));
        }
        insta::assert_snapshot!(out);
    }

    #[test]
    fn any_range_has_an_axis() {
        for (start, end) in [(i64::MIN, i64::MAX), (i64::MAX, i64::MAX), (0, 1), (-(1 << 53), 1 << 53)] {
            for columns in [1, 7, 300] {
                let (line, labels) = axis(start, end, columns);
                assert_eq!(line.chars().count(), columns);
                assert!(labels.chars().count() <= columns);
            }
        }
    }
}
