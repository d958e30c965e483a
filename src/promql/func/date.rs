//! Dates from seconds since the epoch, in UTC. The range of years is that of Go: out to the ends of 64 bits of seconds.

/// Seconds from the first day of the year -292,277,022,399 (a Monday, and the first year of a cycle of 400) to 1970.
const ABSOLUTE_EPOCH: u64 = 9_223_372_028_715_321_600;
const FIRST_YEAR: i64 = -292_277_022_399;
const DAY: u64 = 86_400;
const DAYS_PER_400_YEARS: u64 = 146_097;
const DAYS_PER_100_YEARS: u64 = 36_524;
const DAYS_PER_4_YEARS: u64 = 1_461;
/// Days before each month in a common year.
const BEFORE: [u64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];

/// Whole seconds as Go converts a float to them: what does not fit becomes the least number.
fn absolute(v: f64) -> u64 {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    let seconds = if (-LIMIT..LIMIT).contains(&v) { v as i64 } else { i64::MIN };
    (seconds as u64).wrapping_add(ABSOLUTE_EPOCH)
}

struct Date {
    year: i64,
    leap: bool,
    /// From 0.
    day_of_year: u64,
}

impl Date {
    fn of(v: f64) -> Self {
        let mut days = absolute(v) / DAY;
        let cycles = days / DAYS_PER_400_YEARS;
        days %= DAYS_PER_400_YEARS;
        // The last day of a cycle is that of its 400th year, not of a fifth century; likewise below.
        let centuries = (days / DAYS_PER_100_YEARS).min(3);
        days -= centuries * DAYS_PER_100_YEARS;
        let olympiads = days / DAYS_PER_4_YEARS;
        days %= DAYS_PER_4_YEARS;
        let years = (days / 365).min(3);
        days -= years * 365;
        let passed = cycles * 400 + centuries * 100 + olympiads * 4 + years;
        let year = FIRST_YEAR + passed as i64;
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        Date { year, leap, day_of_year: days }
    }

    /// Days of the year before a month, from 0.
    fn before(&self, month: usize) -> u64 {
        let days = BEFORE.get(month).copied().unwrap_or(365);
        if self.leap && month >= 2 { days + 1 } else { days }
    }

    /// From 0.
    fn month(&self) -> usize {
        (1..12).take_while(|m| self.before(*m) <= self.day_of_year).count()
    }
}

/// `minute(v)`
pub(super) fn minute(v: f64) -> f64 {
    (absolute(v) / 60 % 60) as f64
}

/// `hour(v)`
pub(super) fn hour(v: f64) -> f64 {
    (absolute(v) / 3_600 % 24) as f64
}

/// `day_of_week(v)`: Sunday is 0.
pub(super) fn day_of_week(v: f64) -> f64 {
    ((absolute(v) / DAY + 1) % 7) as f64
}

/// `day_of_month(v)`
pub(super) fn day_of_month(v: f64) -> f64 {
    let date = Date::of(v);
    (date.day_of_year - date.before(date.month()) + 1) as f64
}

/// `day_of_year(v)`
pub(super) fn day_of_year(v: f64) -> f64 {
    (Date::of(v).day_of_year + 1) as f64
}

/// `days_in_month(v)`
pub(super) fn days_in_month(v: f64) -> f64 {
    let date = Date::of(v);
    let month = date.month();
    (date.before(month + 1) - date.before(month)) as f64
}

/// `month(v)`
pub(super) fn month(v: f64) -> f64 {
    (Date::of(v).month() + 1) as f64
}

/// `year(v)`
pub(super) fn year(v: f64) -> f64 {
    Date::of(v).year as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_gregorian_calendar_in_utc() {
        let all = |v: f64| {
            [year(v), month(v), day_of_month(v), hour(v), minute(v), day_of_week(v), day_of_year(v), days_in_month(v)]
        };
        for (at, want) in [
            (0.0, [1970.0, 1.0, 1.0, 0.0, 0.0, 4.0, 1.0, 31.0]),
            (1136239445.9, [2006.0, 1.0, 2.0, 22.0, 4.0, 1.0, 2.0, 31.0]),
            (1230767999.0, [2008.0, 12.0, 31.0, 23.0, 59.0, 3.0, 366.0, 31.0]),
            (1456790399.0, [2016.0, 2.0, 29.0, 23.0, 59.0, 1.0, 60.0, 29.0]),
            (1456790400.0, [2016.0, 3.0, 1.0, 0.0, 0.0, 2.0, 61.0, 31.0]),
            (1485907200.0, [2017.0, 2.0, 1.0, 0.0, 0.0, 3.0, 32.0, 28.0]),
            (-1.0, [1969.0, 12.0, 31.0, 23.0, 59.0, 3.0, 365.0, 31.0]),
            (-30.5, [1969.0, 12.0, 31.0, 23.0, 59.0, 3.0, 365.0, 31.0]),
            (253402300800.0, [10000.0, 1.0, 1.0, 0.0, 0.0, 6.0, 1.0, 31.0]),
        ] {
            assert_eq!(all(at), want, "{at}");
        }
        assert_eq!([year(f64::NAN), year(1e20), year(f64::INFINITY)], [292277026596.0; 3]);
        assert_eq!((month(1e12), days_in_month(-1e9)), (9.0, 30.0));
    }
}
