//! Named time intervals: `times`, `weekdays`, `days_of_month`, `months`, `years`, `location`.

use chrono_tz::Tz;

use crate::config::yaml::{Decode, Decoder, Filled, MapReader, Node, Shape};
use crate::section;

section! {
    /// A name for a list of intervals.
    pub struct NamedTimeInterval as "time interval" {
        /// What routes call it.
        name: String,
        /// A time is in it when it is in any of these.
        time_intervals: Filled<TimeIntervalConfig>,
    }
}

section! {
    /// One interval: a time is in it when every kind of range given has it.
    pub struct TimeIntervalConfig as "time interval" {
        /// Minutes of the day.
        times: Vec<TimeRange>,
        /// Days of the week, Sunday 0.
        weekdays: Vec<WeekdayRange>,
        /// Days of the month, from 1; negative ones count from the end.
        days_of_month: Vec<DayRange>,
        /// Months, January 1.
        months: Vec<MonthRange>,
        /// Years.
        years: Vec<YearRange>,
        /// The time zone; `None` is UTC.
        location: Option<Location>,
    }
}

/// From one minute of the day up to but without another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeRange {
    /// First minute.
    pub start: u32,
    /// Minute after the last.
    pub end: u32,
}

/// An inclusive range of days of the week, Sunday 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WeekdayRange(pub i32, pub i32);

/// An inclusive range of days of the month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayRange(pub i32, pub i32);

/// An inclusive range of months, January 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MonthRange(pub i32, pub i32);

/// An inclusive range of years.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct YearRange(pub i32, pub i32);

/// A time zone by its IANA name. `Local` is UTC: the engine's results must not depend on the machine it runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location(pub Tz);

const WEEKDAYS: [&str; 7] = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

impl Decode for TimeRange {
    fn decode(node: &Node, d: &Decoder) -> Option<Self> {
        let m = d.mapping(node, "time range")?;
        let (start, end) = (minute(&m, "start_time"), minute(&m, "end_time"));
        m.finish();
        if !m.is_set("start_time") || !m.is_set("end_time") {
            d.error(node.position, "both start and end times must be provided");
            return None;
        }
        let (start, end) = (start?, end?);
        if start >= end {
            m.error("start_time", "start time cannot be equal or greater than end time");
            return None;
        }
        Some(TimeRange { start, end })
    }

    fn shape() -> Shape {
        Shape::Value("`start_time` and `end_time`, such as '09:00'".into())
    }
}

/// `HH:MM`, up to `24:00`.
fn minute(m: &MapReader, key: &'static str) -> Option<u32> {
    let text: String = m.get(key)?;
    let two =
        |s: &str| (s.len() == 2 && s.bytes().all(|b| b.is_ascii_digit())).then(|| s.parse::<u32>().ok()).flatten();
    let parsed = text.split_once(':').and_then(|(h, min)| Some((two(h)?, two(min)?)));
    match parsed {
        Some((hour, minute)) if (hour < 24 && minute < 60) || (hour, minute) == (24, 0) => Some(hour * 60 + minute),
        _ => {
            m.error(key, format!("couldn't parse timestamp {text}, invalid format"));
            None
        }
    }
}

/// `a` or `a:b`, in lower case.
fn bounds(node: &Node, d: &Decoder) -> Option<(String, String)> {
    let text = String::decode(node, d)?.to_lowercase();
    let mut parts = text.split(':');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(one), None, _) => Some((one.to_owned(), one.to_owned())),
        (Some(from), Some(to), None) => Some((from.to_owned(), to.to_owned())),
        _ => {
            d.error(node.position, format!("couldn't parse range {text}, invalid format"));
            None
        }
    }
}

/// Reads both ends of a range and reports what `of` has against them.
fn range(node: &Node, d: &Decoder, of: impl Fn(&str) -> Result<i32, String>) -> Option<(i32, i32)> {
    let (from, to) = bounds(node, d)?;
    let end = |text: &str| of(text).map_err(|e| d.error(node.position, e)).ok();
    Some((end(&from)?, end(&to)?))
}

fn whole(text: &str) -> Result<i32, String> {
    text.parse().map_err(|_| format!("{text:?} is not a whole number"))
}

/// Gives the range, or reports it as reversed.
fn ordered(node: &Node, d: &Decoder, (from, to): (i32, i32), reversed: String) -> Option<(i32, i32)> {
    if from <= to {
        return Some((from, to));
    }
    d.error(node.position, reversed);
    None
}

impl Decode for WeekdayRange {
    fn decode(node: &Node, d: &Decoder) -> Option<Self> {
        let day = |text: &str| match WEEKDAYS.iter().position(|w| *w == text) {
            Some(i) => Ok(i as i32),
            None => Err(format!("{text} is not a valid weekday")),
        };
        let both = range(node, d, day)?;
        ordered(node, d, both, "start day cannot be before end day".into()).map(|(a, b)| WeekdayRange(a, b))
    }
}

impl Decode for DayRange {
    fn decode(node: &Node, d: &Decoder) -> Option<Self> {
        let day = |text: &str| match whole(text)? {
            0 | ..-31 | 32.. => Err(format!("{text} is not a valid day of the month: out of range")),
            n => Ok(n),
        };
        let (from, to) = range(node, d, day)?;
        if from < 0 && to > 0 {
            d.error(node.position, "end day must be negative if start day is negative");
            return None;
        }
        // A range from the start to the end of a month must make sense in the shortest one.
        const SHORTEST: i32 = 28;
        if from > if from > 0 && to < 0 { SHORTEST + to } else { to } {
            d.error(node.position, format!("end day {to} is always before start day {from}"));
            return None;
        }
        Some(DayRange(from, to))
    }
}

impl Decode for MonthRange {
    fn decode(node: &Node, d: &Decoder) -> Option<Self> {
        let month = |text: &str| match MONTHS.iter().position(|m| *m == text) {
            Some(i) => Ok(i as i32 + 1),
            None => whole(text).map_err(|_| format!("{text} is not a valid month")),
        };
        let both = range(node, d, month)?;
        let name =
            |n: i32| usize::try_from(n - 1).ok().and_then(|i| MONTHS.get(i)).map_or(n.to_string(), |m| (*m).into());
        let reversed = format!("end month {} is before start month {}", name(both.1), name(both.0));
        ordered(node, d, both, reversed).map(|(a, b)| MonthRange(a, b))
    }
}

impl Decode for YearRange {
    fn decode(node: &Node, d: &Decoder) -> Option<Self> {
        let both = range(node, d, whole)?;
        let reversed = format!("end year {} is before start year {}", both.1, both.0);
        ordered(node, d, both, reversed).map(|(a, b)| YearRange(a, b))
    }
}

impl Decode for Location {
    fn decode(node: &Node, d: &Decoder) -> Option<Self> {
        match node.text() {
            Some("" | "Local" | "UTC") => Some(Location(Tz::UTC)),
            Some(name) => match name.parse() {
                Ok(tz) => Some(Location(tz)),
                Err(_) => {
                    d.error(node.position, format!("unknown time zone {name}"));
                    None
                }
            },
            None => d.mismatch(node, "a time zone such as Europe/Berlin"),
        }
    }
}
