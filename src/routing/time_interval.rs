//! Named intervals of time: minutes of the day, days, months, years, in a time zone.

use chrono::{DateTime, Datelike, Timelike, Utc};
use chrono_tz::Tz;

/// An inclusive range of days, months or years.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// First.
    pub begin: i32,
    /// Last.
    pub end: i32,
}

impl Span {
    fn contains(self, n: i32) -> bool {
        self.begin <= n && n <= self.end
    }
}

/// One interval: a time is in it when it is in every kind of range given; an empty list of a kind allows all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TimeInterval {
    /// Minutes of the day, from and up to but without.
    pub times: Vec<(u32, u32)>,
    /// Days of the week, Sunday 0.
    pub weekdays: Vec<Span>,
    /// Days of the month, from 1; negative ones count from the end, -1 being the last.
    pub days_of_month: Vec<Span>,
    /// Months, January 1.
    pub months: Vec<Span>,
    /// Years.
    pub years: Vec<Span>,
    /// The time zone; `None` is UTC.
    pub location: Option<Tz>,
}

impl TimeInterval {
    /// Whether a time (milliseconds) is in the interval. Times that no calendar has are in none.
    pub fn contains(&self, at: i64) -> bool {
        let Some(utc) = DateTime::<Utc>::from_timestamp_millis(at) else { return false };
        let t = utc.with_timezone(&self.location.unwrap_or(Tz::UTC));
        let minute = t.hour() * 60 + t.minute();
        let any = |spans: &[Span], n: i32| spans.is_empty() || spans.iter().any(|s| s.contains(n));
        (self.times.is_empty() || self.times.iter().any(|(from, to)| *from <= minute && minute < *to))
            && any(&self.weekdays, t.weekday().num_days_from_sunday() as i32)
            && any(&self.months, t.month() as i32)
            && any(&self.years, t.year())
            && (self.days_of_month.is_empty()
                || self.days_of_month.iter().any(|s| day_in(*s, t.day() as i32, days_in_month(t.year(), t.month()))))
    }
}

fn day_in(span: Span, day: i32, days: i32) -> bool {
    let from_end = |d: i32| if d < 0 { days + d + 1 } else { d };
    let (begin, end) = (from_end(span.begin), from_end(span.end));
    // A range that begins after the month's end does not wrap into it.
    begin <= days && begin.max(-days) <= day && day <= end.min(days)
}

fn days_in_month(year: i32, month: u32) -> i32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if (year % 4 == 0 && year % 100 != 0) || year % 400 == 0 => 29,
        2 => 28,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> i64 {
        DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis()
    }

    fn span(begin: i32, end: i32) -> Vec<Span> {
        vec![Span { begin, end }]
    }

    #[test]
    fn a_time_is_in_an_interval_when_every_range_has_it() {
        let any = TimeInterval::default();
        let office = TimeInterval { times: vec![(540, 1020)], weekdays: span(1, 5), ..any.clone() };
        let riyadh = TimeInterval { location: Some(Tz::Asia__Riyadh), ..office.clone() };
        let last_days = TimeInterval { days_of_month: span(-3, -1), ..any.clone() };
        let absent = TimeInterval { days_of_month: span(30, 31), ..any.clone() };
        let clamped =
            TimeInterval { days_of_month: span(28, 31), months: span(2, 2), years: span(2023, 2024), ..any.clone() };
        for (interval, time, want) in [
            (&any, "2026-11-24T00:00:00Z", true),
            (&office, "2026-11-24T09:00:00Z", true),
            (&office, "2026-11-24T16:59:59Z", true),
            (&office, "2026-11-24T17:00:00Z", false),
            (&office, "2026-11-22T10:00:00Z", false),
            (&riyadh, "2026-11-24T06:00:00Z", true),
            (&riyadh, "2026-11-24T15:00:00Z", false),
            (&last_days, "2024-02-27T00:00:00Z", true),
            (&last_days, "2024-02-26T23:59:59Z", false),
            (&last_days, "2023-02-26T00:00:00Z", true),
            (&absent, "2023-02-28T00:00:00Z", false),
            (&absent, "2023-03-30T00:00:00Z", true),
            (&clamped, "2024-02-29T00:00:00Z", true),
            (&clamped, "2023-02-28T00:00:00Z", true),
            (&clamped, "2025-02-28T00:00:00Z", false),
        ] {
            assert_eq!(interval.contains(at(time)), want, "{interval:?} at {time}");
        }
        assert!(!any.contains(i64::MAX));
    }
}
