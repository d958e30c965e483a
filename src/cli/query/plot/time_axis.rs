//! The axis of times: ticks at round times of day, in UTC.

use chrono::DateTime;

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Distances that ticks may have.
const STEPS: [i64; 31] = [
    1,
    10,
    100,
    SECOND,
    2 * SECOND,
    5 * SECOND,
    10 * SECOND,
    15 * SECOND,
    30 * SECOND,
    MINUTE,
    2 * MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    15 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    3 * HOUR,
    6 * HOUR,
    12 * HOUR,
    DAY,
    2 * DAY,
    5 * DAY,
    10 * DAY,
    30 * DAY,
    90 * DAY,
    365 * DAY,
    3_650 * DAY,
    36_500 * DAY,
    365_000 * DAY,
    3_650_000 * DAY,
];

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

/// The times of ticks. A range of no length has one.
fn ticks(start: i64, end: i64, step: i64) -> Vec<i64> {
    if end <= start {
        return vec![start];
    }
    let first = start.div_euclid(step).saturating_add(i64::from(start.rem_euclid(step) != 0)).saturating_mul(step);
    std::iter::successors(Some(first), |t| t.checked_add(step)).take_while(|t| *t <= end).take(1_000).collect()
}

/// The least distance at which labels do not touch.
fn tick_step(span: i64, columns: usize) -> i64 {
    if span <= 0 {
        return SECOND;
    }
    let fits = |step: &&i64| {
        let room = label_width(**step) + 4;
        **step as f64 / span as f64 * columns as f64 >= room as f64
    };
    STEPS.iter().find(fits).copied().unwrap_or(3_650_000 * DAY)
}

fn label_width(step: i64) -> usize {
    match step {
        ..SECOND => "00:00:00.000".len(),
        SECOND..MINUTE => "00:00:00".len(),
        MINUTE..DAY => "00:00".len(),
        DAY..=5_184_000_000 => "01-01".len(),
        _ => "2026-01-01".len(),
    }
}

/// A tick's text: the time of day, at midnight the date.
fn label(t: i64, step: i64) -> String {
    let format = match label_width(step) {
        12 => "%H:%M:%S%.3f",
        8 => "%H:%M:%S",
        5 if t.rem_euclid(DAY) == 0 => "%m-%d",
        5 => "%H:%M",
        _ => "%Y-%m-%d",
    };
    DateTime::from_timestamp_millis(t).map(|t| t.format(format).to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

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
