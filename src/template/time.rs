//! Points in time as templates see Go's `time.Time`: layouts and zones; and the text of a `time.Duration`.

use std::fmt::{self, Write as _};

use chrono::{DateTime, Datelike, NaiveDate, Offset, TimeDelta, Timelike, Utc};
use chrono_tz::{OffsetName, Tz};

/// A point in time with the zone it is shown in.
#[derive(Clone, Copy)]
pub struct Time(pub(super) DateTime<Tz>);

impl PartialEq for Time {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
pub(super) const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

impl Time {
    /// From milliseconds since the epoch, in UTC.
    pub fn from_millis(millis: i64) -> Self {
        Time::from_utc(DateTime::from_timestamp_millis(millis).unwrap_or_default())
    }

    /// From seconds and nanoseconds since the epoch, in UTC.
    pub fn from_parts(seconds: i64, nanos: u32) -> Self {
        Time::from_utc(DateTime::from_timestamp(seconds, nanos).unwrap_or_default())
    }

    /// Go's zero time, the first of January of year 1.
    pub fn zero() -> Self {
        let midnight = NaiveDate::from_ymd_opt(1, 1, 1).and_then(|d| d.and_hms_opt(0, 0, 0)).unwrap_or_default();
        Time::from_utc(midnight.and_utc())
    }

    fn from_utc(t: DateTime<Utc>) -> Self {
        Time(t.with_timezone(&Tz::UTC))
    }

    /// Milliseconds since the epoch.
    pub fn millis(&self) -> i64 {
        self.0.timestamp_millis()
    }

    /// The same time in another zone of the IANA database.
    ///
    /// # Errors
    /// `unknown time zone X`.
    pub fn in_zone(&self, name: &str) -> Result<Self, String> {
        let name = if name.is_empty() { "UTC" } else { name };
        let zone: Tz = name.parse().map_err(|_| format!("unknown time zone {name}"))?;
        Ok(Time(self.0.with_timezone(&zone)))
    }

    /// `2006-01-02T15:04:05.999999999Z07:00`: how JSON carries times.
    pub fn rfc3339(&self) -> String {
        self.format("2006-01-02T15:04:05.999999999Z07:00")
    }

    /// Formats by a layout: the reference time Mon Jan 2 15:04:05 MST 2006 written as the result shall look.
    pub fn format(&self, layout: &str) -> String {
        let mut out = String::with_capacity(layout.len() + 8);
        let mut rest = layout;
        while let Some(c) = rest.chars().next() {
            let previous = layout.get(..layout.len() - rest.len()).unwrap_or("");
            match self.element(rest, previous, &mut out) {
                Some(length) => rest = rest.get(length..).unwrap_or(""),
                None => {
                    out.push(c);
                    rest = rest.get(c.len_utf8()..).unwrap_or("");
                }
            }
        }
        out
    }

    /// Writes the element of a layout that `rest` begins with; its length in the layout.
    fn element(&self, rest: &str, previous: &str, out: &mut String) -> Option<usize> {
        let t = &self.0;
        let starts = |p: &str| rest.starts_with(p);
        let name = |table: &[&'static str], index: u32| -> &'static str {
            usize::try_from(index).ok().and_then(|i| table.get(i)).copied().unwrap_or("")
        };
        let month = name(&MONTHS, t.month0());
        let weekday = name(&WEEKDAYS, t.weekday().num_days_from_sunday());
        let short = |s: &'static str| s.get(..3).unwrap_or(s);
        let (pm, hour12) = t.hour12();
        let written = |out: &mut String, length: usize, args: fmt::Arguments<'_>| {
            // Writing to a string cannot fail.
            let _ = out.write_fmt(args);
            Some(length)
        };
        if let Some(length) = fraction(rest, previous, t.nanosecond() % 1_000_000_000, out) {
            return Some(length);
        }
        if let Some(length) = self.zone(rest, out) {
            return Some(length);
        }
        match () {
            () if starts("January") => written(out, 7, format_args!("{month}")),
            () if starts("Jan") => written(out, 3, format_args!("{}", short(month))),
            () if starts("Monday") => written(out, 6, format_args!("{weekday}")),
            () if starts("Mon") => written(out, 3, format_args!("{}", short(weekday))),
            () if starts("MST") => written(out, 3, format_args!("{}", self.zone_name())),
            () if starts("2006") => written(out, 4, format_args!("{:04}", t.year())),
            () if starts("002") => written(out, 3, format_args!("{:03}", t.ordinal())),
            () if starts("01") => written(out, 2, format_args!("{:02}", t.month())),
            () if starts("02") => written(out, 2, format_args!("{:02}", t.day())),
            () if starts("03") => written(out, 2, format_args!("{hour12:02}")),
            () if starts("04") => written(out, 2, format_args!("{:02}", t.minute())),
            () if starts("05") => written(out, 2, format_args!("{:02}", t.second())),
            () if starts("06") => written(out, 2, format_args!("{:02}", t.year().rem_euclid(100))),
            () if starts("15") => written(out, 2, format_args!("{:02}", t.hour())),
            () if starts("PM") => written(out, 2, format_args!("{}", if pm { "PM" } else { "AM" })),
            () if starts("pm") => written(out, 2, format_args!("{}", if pm { "pm" } else { "am" })),
            () if starts("_2006") => written(out, 5, format_args!("_{:04}", t.year())),
            () if starts("__2") => written(out, 3, format_args!("{:>3}", t.ordinal())),
            () if starts("_2") => written(out, 2, format_args!("{:>2}", t.day())),
            () if starts("1") => written(out, 1, format_args!("{}", t.month())),
            () if starts("2") => written(out, 1, format_args!("{}", t.day())),
            () if starts("3") => written(out, 1, format_args!("{hour12}")),
            () if starts("4") => written(out, 1, format_args!("{}", t.minute())),
            () if starts("5") => written(out, 1, format_args!("{}", t.second())),
            () => None,
        }
    }

    fn offset_seconds(&self) -> i32 {
        self.0.offset().fix().local_minus_utc()
    }

    /// The zone's abbreviation, or its offset where it has none.
    fn zone_name(&self) -> String {
        match self.0.offset().abbreviation() {
            Some(name) => name.to_owned(),
            None => self.format("-07"),
        }
    }

    fn zone(&self, rest: &str, out: &mut String) -> Option<usize> {
        const FORMS: [(&str, bool, u8); 5] =
            [("07:00:00", true, 3), ("070000", false, 3), ("07:00", true, 2), ("0700", false, 2), ("07", false, 1)];
        let sign = rest.chars().next().filter(|c| matches!(c, 'Z' | '-'))?;
        let body = rest.get(1..)?;
        let (form, colons, parts) = FORMS.iter().find(|(form, ..)| body.starts_with(form))?;
        let offset = self.offset_seconds();
        if sign == 'Z' && offset == 0 {
            out.push('Z');
            return Some(1 + form.len());
        }
        let (h, m, s) = (offset.abs() / 3600, offset.abs() / 60 % 60, offset.abs() % 60);
        let colon = if *colons { ":" } else { "" };
        let _ = write!(out, "{}{h:02}", if offset < 0 { '-' } else { '+' });
        if *parts > 1 {
            let _ = write!(out, "{colon}{m:02}");
        }
        if *parts > 2 {
            let _ = write!(out, "{colon}{s:02}");
        }
        Some(1 + form.len())
    }

    pub(super) fn plus(&self, nanos: i64) -> Self {
        Time(self.0.checked_add_signed(TimeDelta::nanoseconds(nanos)).unwrap_or(self.0))
    }

    /// The time since the zero time as a multiple of `d` nanoseconds, at most this one or the nearest.
    pub(super) fn truncated(&self, d: i64, nearest: bool) -> Self {
        if d <= 0 {
            return *self;
        }
        let since = self.0.signed_duration_since(Time::zero().0);
        let total = i128::from(since.num_seconds()) * 1_000_000_000 + i128::from(since.subsec_nanos());
        let over = i64::try_from(total.rem_euclid(i128::from(d))).unwrap_or(0);
        if nearest && over >= d - over { self.plus(d - over) } else { self.plus(-over) }
    }

    pub(super) fn add_date(&self, years: i64, months: i64, days: i64) -> Self {
        let months = years.saturating_mul(12).saturating_add(months).clamp(-120_000, 120_000);
        let month0 = i64::from(self.0.year()) * 12 + i64::from(self.0.month0()) + months;
        let (year, month) = (month0.div_euclid(12), month0.rem_euclid(12) + 1);
        let first = i32::try_from(year).ok().zip(u32::try_from(month).ok());
        let first = first.and_then(|(y, m)| NaiveDate::from_ymd_opt(y, m, 1));
        // A day beyond the month's end runs over into the next, as in Go.
        let days = days.clamp(-4_000_000, 4_000_000) + i64::from(self.0.day()) - 1;
        let date = first.and_then(|d| d.checked_add_signed(TimeDelta::days(days)));
        let local =
            date.map(|d| d.and_time(self.0.time())).and_then(|n| n.and_local_timezone(self.0.timezone()).earliest());
        Time(local.unwrap_or(self.0))
    }
}

/// `.000`, `,999` and their like, only after seconds or anywhere when written with zeros.
fn fraction(rest: &str, previous: &str, nanos: u32, out: &mut String) -> Option<usize> {
    let point = rest.chars().next().filter(|c| matches!(c, '.' | ','))?;
    let digit = rest.get(1..)?.chars().next().filter(|c| matches!(c, '0' | '9'))?;
    let digits = rest.get(1..)?.chars().take_while(|c| *c == digit).count();
    let followed_by_digit = rest.get(1 + digits..)?.starts_with(|c: char| c.is_ascii_digit());
    if followed_by_digit || previous.is_empty() || digits > 9 {
        return None;
    }
    let text = format!("{nanos:09}");
    let text = text.get(..digits)?;
    let text = if digit == '9' { text.trim_end_matches('0') } else { text };
    if !text.is_empty() {
        out.push(point);
        out.push_str(text);
    }
    Some(1 + digits)
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.format("2006-01-02 15:04:05.999999999 -0700 MST"))
    }
}

/// Go's `time.Duration.String`: `1h2m3.5s`, `1.5ms`, `0s`.
pub fn duration(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let n = nanos.unsigned_abs();
    let fraction = |whole: u64, part: u64, digits: usize| {
        let mut text = format!("{whole}");
        if part > 0 {
            let padded = format!("{part:0digits$}");
            text.push('.');
            text.push_str(padded.trim_end_matches('0'));
        }
        text
    };
    if n == 0 {
        return "0s".into();
    }
    let body = match n {
        0..1_000 => format!("{n}ns"),
        1_000..1_000_000 => format!("{}µs", fraction(n / 1_000, n % 1_000, 3)),
        1_000_000..1_000_000_000 => format!("{}ms", fraction(n / 1_000_000, n % 1_000_000, 6)),
        _ => {
            let seconds = n / 1_000_000_000;
            let tail = fraction(seconds % 60, n % 1_000_000_000, 9);
            let minutes = seconds / 60;
            match (minutes / 60, minutes % 60) {
                (0, 0) => format!("{tail}s"),
                (0, m) => format!("{m}m{tail}s"),
                (h, m) => format!("{h}h{m}m{tail}s"),
            }
        }
    };
    format!("{sign}{body}")
}
