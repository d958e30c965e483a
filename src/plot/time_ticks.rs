//! Ticks at round times of day.

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

/// The times of ticks, milliseconds, `step` apart. A range of no length has one.
pub fn ticks(start: i64, end: i64, step: i64) -> Vec<i64> {
    if end <= start {
        return vec![start];
    }
    let first = start.div_euclid(step).saturating_add(i64::from(start.rem_euclid(step) != 0)).saturating_mul(step);
    std::iter::successors(Some(first), |t| t.checked_add(step)).take_while(|t| *t <= end).take(1_000).collect()
}

/// The least distance at which labels do not touch on an axis of so many characters, milliseconds.
pub fn tick_step(span: i64, columns: usize) -> i64 {
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
pub fn label(t: i64, step: i64) -> String {
    let format = match label_width(step) {
        12 => "%H:%M:%S%.3f",
        8 => "%H:%M:%S",
        5 if t.rem_euclid(DAY) == 0 => "%m-%d",
        5 => "%H:%M",
        _ => "%Y-%m-%d",
    };
    DateTime::from_timestamp_millis(t).map(|t| t.format(format).to_string()).unwrap_or_default()
}
