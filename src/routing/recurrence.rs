//! When a silence of the configuration mutes: time intervals, and cron expressions each with a duration.

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveDateTime, TimeZone, Utc};
use chrono_tz::Tz;

use crate::config::cron::Cron;

use super::time_interval::TimeInterval;

/// From each time of a cron expression on, for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CronWindow {
    /// When it begins.
    pub cron: Cron,
    /// For how long, milliseconds.
    pub duration: i64,
    /// The time zone.
    pub location: Tz,
}

/// A time is in it when it is in any of these.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recurrence {
    /// Time intervals.
    pub intervals: Vec<TimeInterval>,
    /// Cron expressions.
    pub crons: Vec<CronWindow>,
}

const DAY: i64 = 86_400_000;
/// So far ahead the next occurrence is looked for: a leap day is at most eight years away.
const LOOK_AHEAD_DAYS: u64 = 8 * 366;
/// So far ahead and back the edges of a time interval are looked for.
const EDGE_DAYS: u64 = 400;

impl Recurrence {
    /// Whether it mutes at a time, milliseconds.
    pub fn contains(&self, at: i64) -> bool {
        self.intervals.iter().any(|i| i.contains(at)) || self.crons.iter().any(|c| c.occurrence(at).is_some())
    }

    /// The occurrence that a time is in, else the next one, from and until: milliseconds; nothing when there will be none
    /// that anyone need know of.
    pub fn period(&self, at: i64) -> Option<(i64, i64)> {
        let current = self.crons.iter().filter_map(|c| c.occurrence(at));
        let current = current.chain(self.intervals.iter().filter(|i| i.contains(at)).map(|i| span(i, at)));
        if let Some(span) = current.max_by_key(|(_, end)| *end) {
            return Some(span);
        }
        let next = self.crons.iter().filter_map(|c| c.next(at));
        next.chain(self.intervals.iter().filter_map(|i| Some(span(i, edge(i, at, true)?)))).min()
    }
}

impl CronWindow {
    /// The occurrence that a time is in: of several that overlap the last.
    fn occurrence(&self, at: i64) -> Option<(i64, i64)> {
        let today = local_day(at, self.location)?;
        let back = u64::try_from(self.duration / DAY).unwrap_or(0) + 2;
        let begins = (0..=back).filter_map(|n| today.checked_sub_days(Days::new(n)));
        let begins = begins.filter_map(|day| self.begins(day).rfind(|begin| *begin <= at)).next()?;
        let end = begins.saturating_add(self.duration);
        (at < end).then_some((begins, end))
    }

    /// The first occurrence that begins later.
    fn next(&self, at: i64) -> Option<(i64, i64)> {
        let today = local_day(at, self.location)?;
        let days = (0..=LOOK_AHEAD_DAYS).filter_map(|n| today.checked_add_days(Days::new(n)));
        let begin = days.filter_map(|day| self.begins(day).find(|begin| *begin > at)).next()?;
        Some((begin, begin.saturating_add(self.duration)))
    }

    /// When it begins on a day, ascending. What the clocks leave out that day does not begin; what they say twice begins
    /// the first time.
    fn begins(&self, day: NaiveDate) -> impl DoubleEndedIterator<Item = i64> {
        let is_its = self.cron.has_day(day.month(), day.day(), day.weekday().num_days_from_sunday());
        let (minutes, hours, zone) = (self.cron.minutes, self.cron.hours, self.location);
        let hours = (0..if is_its { 24 } else { 0 }).filter(move |hour| hours >> hour & 1 == 1);
        let times = hours.flat_map(move |hour| {
            (0..60).filter(move |minute| minutes >> minute & 1 == 1).map(move |minute| (hour, minute))
        });
        times.filter_map(move |(hour, minute)| utc(day.and_hms_opt(hour, minute, 0)?, zone))
    }
}

fn local_day(at: i64, zone: Tz) -> Option<NaiveDate> {
    Some(DateTime::<Utc>::from_timestamp_millis(at)?.with_timezone(&zone).date_naive())
}

fn utc(local: NaiveDateTime, zone: Tz) -> Option<i64> {
    zone.from_local_datetime(&local).earliest().map(|time| time.timestamp_millis())
}

/// The time before or after `at` at which an interval begins or ends next; nothing when it does not in more than a year.
fn edge(interval: &TimeInterval, at: i64, ahead: bool) -> Option<i64> {
    let zone = interval.location.unwrap_or(Tz::UTC);
    let today = local_day(at, zone)?;
    let mut minutes: Vec<u32> = interval.times.iter().flat_map(|(from, to)| [*from, *to]).chain([0]).collect();
    minutes.retain(|minute| *minute < 24 * 60);
    minutes.sort_unstable();
    minutes.dedup();
    if !ahead {
        minutes.reverse();
    }
    let changes = |time: &i64| interval.contains(*time) != interval.contains(*time - 1);
    let day = |n: u64| if ahead { today.checked_add_days(Days::new(n)) } else { today.checked_sub_days(Days::new(n)) };
    let times = (0..=EDGE_DAYS).filter_map(day).flat_map(|day| {
        let on_day = |minute: &u32| utc(day.and_hms_opt(minute / 60, minute % 60, 0)?, zone);
        minutes.iter().filter_map(on_day).collect::<Vec<_>>()
    });
    let beyond = |time: &i64| if ahead { *time > at } else { *time <= at };
    times.filter(beyond).find(changes)
}

/// From when until when an interval holds a time that is in it.
fn span(interval: &TimeInterval, at: i64) -> (i64, i64) {
    let far = i64::try_from(EDGE_DAYS).unwrap_or(0) * DAY;
    let from = edge(interval, at, false).unwrap_or(at.saturating_sub(far));
    (from, edge(interval, at, true).unwrap_or(at.saturating_add(far)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::time_interval::Span;

    fn at(text: &str) -> i64 {
        DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis()
    }

    fn cron(text: &str, hours: i64, location: Tz) -> Recurrence {
        let window = CronWindow { cron: Cron::parse(text).unwrap(), duration: hours * 3_600_000, location };
        Recurrence { crons: vec![window], ..Recurrence::default() }
    }

    #[test]
    fn a_cron_window_lasts_from_each_of_its_times() {
        let nightly = cron("30 23 * * 1-5", 2, Tz::Europe__Berlin);
        // Thursday in winter: 23:30 is 22:30 UTC.
        for (time, want) in [
            ("2026-11-26T22:29:59Z", false),
            ("2026-11-26T22:30:00Z", true),
            ("2026-11-27T00:29:59Z", true),
            ("2026-11-27T00:30:00Z", false),
            ("2026-11-28T22:45:00Z", false),
            ("2026-07-02T21:30:00Z", true),
        ] {
            assert_eq!(nightly.contains(at(time)), want, "{time}");
        }
        let friday = (at("2026-11-27T22:30:00Z"), at("2026-11-28T00:30:00Z"));
        assert_eq!(nightly.period(at("2026-11-27T00:30:00Z")), Some(friday));
        assert_eq!(nightly.period(at("2026-11-27T23:00:00Z")), Some(friday));
        let leap_day = cron("0 0 29 2 *", 24, Tz::UTC);
        assert_eq!(leap_day.period(at("2026-03-01T00:00:00Z")).unwrap().0, at("2028-02-29T00:00:00Z"));
        let long = cron("0 0 1 * *", 24 * 10, Tz::UTC);
        assert!(long.contains(at("2026-11-10T23:00:00Z")) && !long.contains(at("2026-11-11T00:00:00Z")));
    }

    #[test]
    fn an_hour_that_the_clocks_leave_out_or_say_twice_is_taken_once() {
        let early = cron("30 2 * * *", 1, Tz::Europe__Berlin);
        assert_eq!(early.period(at("2026-03-28T12:00:00Z")).unwrap().0, at("2026-03-30T00:30:00Z"));
        assert_eq!(early.period(at("2026-10-24T12:00:00Z")).unwrap().0, at("2026-10-25T00:30:00Z"));
        assert!(!early.contains(at("2026-10-25T01:45:00Z")), "the second 02:45");
    }

    #[test]
    fn a_time_interval_shows_when_it_begins_and_ends() {
        let office = TimeInterval {
            times: vec![(540, 1020)],
            weekdays: vec![Span { begin: 1, end: 5 }],
            location: Some(Tz::Asia__Riyadh),
            ..TimeInterval::default()
        };
        let office = Recurrence { intervals: vec![office], ..Recurrence::default() };
        let monday = (at("2026-11-30T06:00:00Z"), at("2026-11-30T14:00:00Z"));
        for time in ["2026-11-28T00:00:00Z", "2026-11-30T06:00:00Z", "2026-11-30T13:59:59Z"] {
            assert_eq!(office.period(at(time)), Some(monday), "{time}");
        }
        let gone = TimeInterval { years: vec![Span { begin: 2020, end: 2021 }], ..TimeInterval::default() };
        assert_eq!(
            Recurrence { intervals: vec![gone], ..Recurrence::default() }.period(at("2026-01-01T00:00:00Z")),
            None
        );
    }
}
