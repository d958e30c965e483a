//! Reading a time by a layout, as Go's `time.Parse` does; what says no zone is in UTC.

use chrono::{FixedOffset, NaiveDate, TimeDelta};
use chrono_tz::Tz;

use super::print::quote;
use super::time::{MONTHS, Time, WEEKDAYS};

/// The elements of a layout. Of several that match at a place the first counts.
const ELEMENTS: [(&str, Element); 31] = [
    ("January", Element::MonthName(false)),
    ("Jan", Element::MonthName(true)),
    ("Monday", Element::Weekday(false)),
    ("Mon", Element::Weekday(true)),
    ("MST", Element::ZoneName),
    ("002", Element::YearDay),
    ("01", Element::Month(2)),
    ("02", Element::Day(2)),
    ("03", Element::Hour12(2)),
    ("04", Element::Minute(2)),
    ("05", Element::Second(2)),
    ("06", Element::Year2),
    ("15", Element::Hour),
    ("2006", Element::Year),
    ("PM", Element::Noon),
    ("pm", Element::Noon),
    ("Z07:00:00", Element::Zone { zulu: true, form: "hh:mm:ss" }),
    ("Z070000", Element::Zone { zulu: true, form: "hhmmss" }),
    ("Z07:00", Element::Zone { zulu: true, form: "hh:mm" }),
    ("Z0700", Element::Zone { zulu: true, form: "hhmm" }),
    ("Z07", Element::Zone { zulu: true, form: "hh" }),
    ("-07:00:00", Element::Zone { zulu: false, form: "hh:mm:ss" }),
    ("-070000", Element::Zone { zulu: false, form: "hhmmss" }),
    ("-07:00", Element::Zone { zulu: false, form: "hh:mm" }),
    ("-0700", Element::Zone { zulu: false, form: "hhmm" }),
    ("-07", Element::Zone { zulu: false, form: "hh" }),
    ("_2", Element::Day(0)),
    ("1", Element::Month(1)),
    ("2", Element::Day(1)),
    ("3", Element::Hour12(1)),
    ("4", Element::Minute(1)),
];

#[derive(Clone, Copy)]
enum Element {
    Year,
    Year2,
    /// In digits: so many at least.
    Month(usize),
    /// By name, or by three letters of it.
    MonthName(bool),
    Weekday(bool),
    Day(usize),
    YearDay,
    Hour,
    Hour12(usize),
    Minute(usize),
    Second(usize),
    Noon,
    Fraction(usize),
    Zone {
        zulu: bool,
        form: &'static str,
    },
    ZoneName,
}

/// What was read so far.
#[derive(Default)]
struct Read {
    year: Option<i32>,
    month: Option<u32>,
    day: Option<u32>,
    year_day: Option<u32>,
    hour: u32,
    minute: u32,
    second: u32,
    nanos: u32,
    afternoon: Option<bool>,
    offset: Option<i32>,
}

impl Time {
    /// Reads a time by a layout.
    ///
    /// # Errors
    /// Go's text: `parsing time "x" as "2006": cannot parse "x" as "2006"`.
    pub fn parse(layout: &str, text: &str) -> Result<Time, String> {
        let failed = |why: String| format!("parsing time {}{why}", quote(text));
        let (mut read, mut rest, mut left) = (Read::default(), text, layout);
        while !left.is_empty() {
            let Some((name, element)) = element_at(left, layout) else {
                let literal = literal_at(left, layout);
                let Some(after) = rest.strip_prefix(literal) else {
                    let why = format!(" as {}: cannot parse {} as {}", quote(layout), quote(rest), quote(literal));
                    return Err(failed(why));
                };
                (rest, left) = (after, left.get(literal.len()..).unwrap_or(""));
                continue;
            };
            let Some(after) = read.take(element, rest) else {
                let why = format!(" as {}: cannot parse {} as {}", quote(layout), quote(rest), quote(name));
                return Err(failed(why));
            };
            left = left.get(name.len()..).unwrap_or("");
            rest = after;
            // A fraction of a second is read though the layout has none.
            if matches!(element, Element::Second(_)) && !left.starts_with(['.', ',']) {
                rest = read.take(Element::Fraction(0), rest).unwrap_or(rest);
            }
        }
        if !rest.is_empty() {
            return Err(failed(format!(": extra text: {}", quote(rest))));
        }
        read.time().ok_or_else(|| failed(": day out of range".into()))
    }
}

/// What stands before the next element of a rest of a layout.
fn literal_at<'l>(left: &'l str, layout: &str) -> &'l str {
    let next = left.char_indices().find(|(at, _)| left.get(*at..).is_some_and(|l| element_at(l, layout).is_some()));
    next.and_then(|(at, _)| left.get(..at)).unwrap_or(left)
}

/// The element that a rest of a layout begins with, and its text there.
fn element_at<'l>(left: &'l str, layout: &str) -> Option<(&'l str, Element)> {
    if left.starts_with(['.', ',']) {
        let digit = left.get(1..)?.chars().next()?;
        let digits = left.get(1..)?.chars().take_while(|c| *c == digit).count();
        let ends = !left.get(1 + digits..)?.starts_with(|c: char| c.is_ascii_digit());
        if matches!(digit, '0' | '9') && ends && left.len() < layout.len() {
            let exactly = if digit == '0' { digits } else { 0 };
            return Some((left.get(..1 + digits)?, Element::Fraction(exactly)));
        }
    }
    if left.starts_with('5') {
        return Some((left.get(..1)?, Element::Second(1)));
    }
    ELEMENTS
        .iter()
        .find(|(name, _)| left.starts_with(name))
        .map(|(name, e)| (left.get(..name.len()).unwrap_or(name), *e))
}

/// Digits at the beginning: as many as there are up to `most`, at least `least`.
fn digits(text: &str, least: usize, most: usize) -> Option<(u32, &str)> {
    let count = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
    if count < least {
        return None;
    }
    Some((text.get(..count)?.parse().ok()?, text.get(count..)?))
}

/// A name of a list at the beginning, in any case; its place.
fn name<'t>(names: &[&str], short: bool, text: &'t str) -> Option<(usize, &'t str)> {
    let is = |name: &&str| {
        let name = if short { name.get(..3).unwrap_or(name) } else { name };
        let begins = text.get(..name.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(name));
        begins.then_some(name.len())
    };
    let (place, length) = names.iter().enumerate().find_map(|(i, n)| is(n).map(|length| (i, length)))?;
    Some((place, text.get(length..)?))
}

impl Read {
    /// Reads an element; what follows it, or nothing when it is not there.
    fn take<'t>(&mut self, element: Element, text: &'t str) -> Option<&'t str> {
        let ranged =
            |(n, rest): (u32, &'t str), range: std::ops::RangeInclusive<u32>| range.contains(&n).then_some((n, rest));
        let rest;
        match element {
            Element::Year => {
                let (year, after) = digits(text, 4, 4)?;
                (self.year, rest) = (i32::try_from(year).ok(), after);
            }
            Element::Year2 => {
                let (year, after) = digits(text, 2, 2)?;
                let century = if year >= 69 { 1900 } else { 2000 };
                (self.year, rest) = (i32::try_from(century + year).ok(), after);
            }
            Element::Month(least) => {
                let (month, after) = ranged(digits(text, least, 2)?, 1..=12)?;
                (self.month, rest) = (Some(month), after);
            }
            Element::MonthName(short) => {
                let (place, after) = name(&MONTHS, short, text)?;
                (self.month, rest) = (u32::try_from(place + 1).ok(), after);
            }
            // Go reads it and does not compare.
            Element::Weekday(short) => rest = name(&WEEKDAYS, short, text)?.1,
            Element::Day(least) => {
                let text = if least == 0 { text.trim_start_matches(' ') } else { text };
                let (day, after) = digits(text, least.max(1), 2)?;
                (self.day, rest) = (Some(day), after);
            }
            Element::YearDay => {
                let (day, after) = digits(text, 3, 3)?;
                (self.year_day, rest) = (Some(day), after);
            }
            Element::Hour => (self.hour, rest) = ranged(digits(text, 1, 2)?, 0..=23)?,
            Element::Hour12(least) => (self.hour, rest) = ranged(digits(text, least, 2)?, 0..=12)?,
            Element::Minute(least) => (self.minute, rest) = ranged(digits(text, least, 2)?, 0..=59)?,
            Element::Second(least) => (self.second, rest) = ranged(digits(text, least, 2)?, 0..=59)?,
            Element::Noon => {
                let half = text.get(..2)?;
                let afternoon = half.eq_ignore_ascii_case("pm");
                if !afternoon && !half.eq_ignore_ascii_case("am") {
                    return None;
                }
                (self.afternoon, rest) = (Some(afternoon), text.get(2..)?);
            }
            Element::Fraction(exactly) => rest = self.fraction(exactly, text)?,
            Element::Zone { zulu, form } => rest = self.zone(zulu, form, text)?,
            Element::ZoneName => {
                let length = text.bytes().take_while(u8::is_ascii_uppercase).count();
                // An abbreviation that is not known says nothing of the offset, in Go too.
                rest = (3..=5).contains(&length).then(|| text.get(length..)).flatten()?;
            }
        }
        Some(rest)
    }

    fn fraction<'t>(&mut self, exactly: usize, text: &'t str) -> Option<&'t str> {
        let Some(after) = text.strip_prefix(['.', ',']) else { return (exactly == 0).then_some(text) };
        let count = after.bytes().take_while(u8::is_ascii_digit).count();
        if (exactly > 0 && count != exactly) || count == 0 {
            return None;
        }
        let padded = format!("{:0<9}", after.get(..count)?);
        self.nanos = padded.get(..9)?.parse().ok()?;
        after.get(count..)
    }

    fn zone<'t>(&mut self, zulu: bool, form: &str, text: &'t str) -> Option<&'t str> {
        if zulu && let Some(after) = text.strip_prefix('Z') {
            self.offset = Some(0);
            return Some(after);
        }
        let sign = match text.chars().next()? {
            '+' => 1,
            '-' => -1,
            _ => return None,
        };
        let (mut rest, mut parts) = (text.get(1..)?, [0; 3]);
        for (part, piece) in parts.iter_mut().zip(["hh", "mm", "ss"]) {
            if !form.contains(piece) {
                break;
            }
            if piece != "hh" && form.contains(':') {
                rest = rest.strip_prefix(':')?;
            }
            (*part, rest) = digits(rest, 2, 2)?;
        }
        let [hours, minutes, seconds] = parts;
        self.offset = i32::try_from(hours * 3600 + minutes * 60 + seconds).ok().map(|s| sign * s);
        Some(rest)
    }

    fn time(&self) -> Option<Time> {
        let hour = match self.afternoon {
            Some(true) if self.hour < 12 => self.hour + 12,
            Some(false) if self.hour == 12 => 0,
            _ => self.hour,
        };
        let year = self.year.unwrap_or(0);
        let date = match self.year_day {
            Some(day) => NaiveDate::from_yo_opt(year, day)?,
            None => NaiveDate::from_ymd_opt(year, self.month.unwrap_or(1), self.day.unwrap_or(1))?,
        };
        let local = date.and_hms_nano_opt(hour, self.minute, self.second, self.nanos)?;
        let offset = self.offset.unwrap_or(0);
        let utc = local.checked_sub_signed(TimeDelta::seconds(i64::from(offset)))?.and_utc();
        let zone: Tz = match offset {
            0 => Tz::UTC,
            _ => fixed_zone(FixedOffset::east_opt(offset)?),
        };
        Some(Time(utc.with_timezone(&zone)))
    }
}

/// A zone of whole hours keeps its offset; another one is shown in UTC: the instant is what counts.
fn fixed_zone(offset: FixedOffset) -> Tz {
    let seconds = offset.local_minus_utc();
    let name = format!("Etc/GMT{:+}", -(seconds / 3600));
    if seconds % 3600 == 0 { name.parse().unwrap_or(Tz::UTC) } else { Tz::UTC }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_by_their_layouts() {
        for (layout, text, want) in [
            ("2006-01-02", "2026-03-04", "2026-03-04T00:00:00Z"),
            ("2006-01-02T15:04:05Z07:00", "2026-03-04T05:06:07.25Z", "2026-03-04T05:06:07.25Z"),
            ("2006-01-02T15:04:05Z07:00", "2026-03-04T05:06:07+02:00", "2026-03-04T05:06:07+02:00"),
            ("2006-01-02 15:04:05 -0700", "2026-03-04 05:06:07 +0530", "2026-03-03T23:36:07Z"),
            ("Mon, 02 Jan 2006 15:04:05 MST", "Wed, 04 Mar 2026 05:06:07 UTC", "2026-03-04T05:06:07Z"),
            ("January 2, 2006 at 3:04pm", "march 4, 2026 at 5:06pm", "2026-03-04T17:06:00Z"),
            ("_2/1/06 03PM", " 4/3/26 12AM", "2026-03-04T00:00:00Z"),
            ("2006-002 15:04:05.000", "2026-063 05:06:07.500", "2026-03-04T05:06:07.5Z"),
        ] {
            assert_eq!(Time::parse(layout, text).unwrap().rfc3339(), want, "{text}");
        }
        for (layout, text, want) in [
            (
                "2006-01-02",
                "yesterday",
                "parsing time \"yesterday\" as \"2006-01-02\": cannot parse \"yesterday\" as \"2006\"",
            ),
            ("2006-01-02", "2026-03-04x", "parsing time \"2026-03-04x\": extra text: \"x\""),
            ("2006-01-02", "2026-02-30", "parsing time \"2026-02-30\": day out of range"),
            ("2006-01-02", "2026/03", "parsing time \"2026/03\" as \"2006-01-02\": cannot parse \"/03\" as \"-\""),
        ] {
            assert_eq!(Time::parse(layout, text).map(|t| t.rfc3339()), Err(want.to_owned()), "{text}");
        }
    }
}
