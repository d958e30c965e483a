//! Cron expressions: minute, hour, day of the month, month, day of the week; each a list of values, ranges and steps.

use super::yaml::{Decode, Decoder, Node};

/// A cron expression of five fields, as sets of bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cron {
    /// Minutes of the hour.
    pub minutes: u64,
    /// Hours of the day.
    pub hours: u64,
    /// Days of the month, from 1.
    pub days: u64,
    /// Months, January 1.
    pub months: u64,
    /// Days of the week, Sunday 0.
    pub weekdays: u64,
    /// Whether a day need be in one of the two kinds of days only: both say which, as in cron.
    pub either_day: bool,
}

/// A field: its name, the least and the greatest value, and names of values from the least on.
struct Field {
    name: &'static str,
    least: u32,
    most: u32,
    names: &'static [&'static str],
}

const FIELDS: [Field; 5] = [
    Field { name: "minute", least: 0, most: 59, names: &[] },
    Field { name: "hour", least: 0, most: 23, names: &[] },
    Field { name: "day of the month", least: 1, most: 31, names: &[] },
    Field {
        name: "month",
        least: 1,
        most: 12,
        names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
    },
    // 7 is Sunday too.
    Field { name: "day of the week", least: 0, most: 7, names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"] },
];

const NICKNAMES: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

impl Field {
    fn value(&self, text: &str) -> Result<u32, String> {
        let named = || self.names.iter().position(|n| text.eq_ignore_ascii_case(n)).map(|at| at as u32 + self.least);
        let number = || text.parse::<u32>().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()));
        let value = number().or_else(named).filter(|v| (self.least..=self.most).contains(v));
        let Field { name, least, most, .. } = self;
        value.ok_or_else(|| format!("{name}: expected {least} to {most}, found {text:?}"))
    }

    /// One item of a list: `*`, `a`, `a-b`, each with `/step` or without.
    fn item(&self, text: &str) -> Result<u64, String> {
        let (range, step) = match text.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (text, None),
        };
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (self.least, self.most),
            Some((from, to)) => (self.value(from)?, self.value(to)?),
            // From a value on, where there is a step.
            None => (self.value(range)?, if step.is_some() { self.most } else { self.value(range)? }),
        };
        if from > to {
            return Err(format!("{}: {range:?} ends before it begins", self.name));
        }
        let step = match step.map(str::parse::<usize>) {
            None => 1,
            Some(Ok(step)) if step > 0 => step,
            Some(_) => return Err(format!("{}: {text:?} has no step of at least 1", self.name)),
        };
        Ok((from..=to).step_by(step).fold(0, |bits, value| bits | 1 << value))
    }

    fn read(&self, text: &str) -> Result<u64, String> {
        text.split(',').try_fold(0, |bits, item| Ok(bits | self.item(item)?))
    }
}

impl Cron {
    /// Reads an expression, or one of cron's nicknames such as `@daily`.
    ///
    /// # Errors
    /// Which field is wrong, what was found and what was expected.
    pub fn parse(text: &str) -> Result<Cron, String> {
        let text = NICKNAMES.iter().find(|(name, _)| *name == text.trim()).map_or(text, |(_, meaning)| meaning);
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minutes, hours, days, months, weekdays] = fields.as_slice() else {
            let found = fields.len();
            return Err(format!("a cron expression has 5 fields (minute hour day month weekday), found {found}"));
        };
        let either_day = !days.starts_with('*') && !weekdays.starts_with('*');
        let [minute, hour, day, month, weekday] = &FIELDS;
        let weekdays = weekday.read(weekdays)?;
        let cron = Cron {
            minutes: minute.read(minutes)?,
            hours: hour.read(hours)?,
            days: day.read(days)?,
            months: month.read(months)?,
            weekdays: (weekdays | weekdays >> 7) & 0x7f,
            either_day,
        };
        if !cron.either_day && !cron.has_a_day() {
            return Err(format!("no month of {months:?} has a day of {days:?}"));
        }
        Ok(cron)
    }

    fn has_a_day(&self) -> bool {
        let longest = |month: u32| match month {
            2 => 29,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        let in_month = |month: u32| (1..=longest(month)).any(|day| self.days >> day & 1 == 1);
        (1..=12).any(|month| self.months >> month & 1 == 1 && in_month(month))
    }

    /// Whether a day is one of its days: of the month and of the week, from 1 and Sunday 0.
    pub fn has_day(&self, month: u32, day: u32, weekday: u32) -> bool {
        let has = |bits: u64, n: u32| bits >> (n & 63) & 1 == 1;
        let (of_month, of_week) = (has(self.days, day), has(self.weekdays, weekday));
        has(self.months, month) && if self.either_day { of_month || of_week } else { of_month && of_week }
    }
}

impl Decode for Cron {
    fn decode(node: &Node, d: &Decoder) -> Option<Self> {
        let Some(text) = node.text() else { return d.mismatch(node, "a cron expression such as \"0 2 * * *\"") };
        Cron::parse(text).map_err(|e| d.error(node.position, e)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits(values: impl IntoIterator<Item = u32>) -> u64 {
        values.into_iter().fold(0, |all, n| all | 1 << n)
    }

    #[test]
    fn fields_are_lists_of_values_ranges_and_steps() {
        let cron = Cron::parse("*/15 1-3,22 1,15 jan-MAR,12 mon-fri").unwrap();
        assert_eq!((cron.minutes, cron.hours), (bits([0, 15, 30, 45]), bits([1, 2, 3, 22])));
        assert_eq!((cron.days, cron.months, cron.weekdays), (bits([1, 15]), bits([1, 2, 3, 12]), bits(1..=5)));
        assert!(cron.either_day, "as in cron: of the month or of the week");
        assert_eq!(Cron::parse("5/20 * * * 7").unwrap().minutes, bits([5, 25, 45]));
        assert_eq!(Cron::parse("0 0 * * 5-7").unwrap().weekdays, bits([0, 5, 6]));
        assert_eq!(Cron::parse("@weekly"), Cron::parse("0 0 * * sun"));
        for (bad, why) in [
            ("* * * *", "has 5 fields (minute hour day month weekday), found 4"),
            ("60 * * * *", "minute: expected 0 to 59, found \"60\""),
            ("0 5-2 * * *", "hour: \"5-2\" ends before it begins"),
            ("*/0 * * * *", "minute: \"*/0\" has no step of at least 1"),
            ("0 0 * * funday", "day of the week: expected 0 to 7, found \"funday\""),
            ("0 0 30 2 *", "no month of \"2\" has a day of \"30\""),
            ("+1 * * * *", "minute: expected 0 to 59, found \"+1\""),
        ] {
            let error = Cron::parse(bad).unwrap_err();
            assert!(error.contains(why), "{bad}: {error}");
        }
    }
}
