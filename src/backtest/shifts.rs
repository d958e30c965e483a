//! When people are told: the hours of a day, and whether they are office hours or a night.

use chrono::{DateTime, Datelike, Timelike, Utc};
use chrono_tz::Tz;

use super::window::Window;

/// What kind of an hour it is for whoever is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shift {
    /// Monday to Friday, 09:00 to 17:00.
    Office,
    /// Every day, 22:00 to 07:00.
    Night,
    /// Mornings, evenings and the days of weekends.
    Other,
}

impl Shift {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Shift; 3] = [Shift::Office, Shift::Other, Shift::Night];

    /// Its name in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Shift::Office => "office_hours",
            Shift::Night => "nights",
            Shift::Other => "other_hours",
        }
    }

    /// Its name for people.
    pub fn title(self) -> &'static str {
        match self {
            Shift::Office => "office hours",
            Shift::Night => "nights",
            Shift::Other => "other hours",
        }
    }
}

/// The hour of the day, and its shift, of a time in milliseconds.
pub fn hour_and_shift(at: i64, zone: Tz) -> (usize, Shift) {
    let time = DateTime::<Utc>::from_timestamp_millis(at).unwrap_or_default().with_timezone(&zone);
    let hour = time.hour();
    let is_weekend = time.weekday().num_days_from_monday() >= 5;
    let shift = match hour {
        22.. | ..7 => Shift::Night,
        9..17 if !is_weekend => Shift::Office,
        _ => Shift::Other,
    };
    (usize::try_from(hour).unwrap_or(0), shift)
}

/// Time zones differ by whole multiples of this, milliseconds.
const QUARTER: i64 = 15 * 60_000;

/// How many hours of each shift, in the order of [`Shift::ALL`], a window has: person-hours, where one person is on call.
pub fn person_hours(window: Window, zone: Tz) -> [f64; 3] {
    let mut hours = [0.0; 3];
    let mut t = window.from;
    while t < window.to {
        let next = (t.div_euclid(QUARTER) + 1).saturating_mul(QUARTER).min(window.to);
        let (_, shift) = hour_and_shift(t, zone);
        for (of, hours) in Shift::ALL.iter().zip(&mut hours) {
            *hours += if *of == shift { (next - t) as f64 / 3_600_000.0 } else { 0.0 };
        }
        t = next;
    }
    hours
}

#[cfg(test)]
mod tests {
    use super::*;

    const MONDAY: i64 = 1_772_409_600_000; // 2 March 2026, 00:00 UTC.
    const HOUR: i64 = 3_600_000;

    #[test]
    fn a_week_has_forty_office_hours_and_nine_hours_a_night() {
        let week = Window { from: MONDAY, to: MONDAY + 7 * 24 * HOUR };
        assert_eq!(person_hours(week, Tz::UTC), [40.0, 65.0, 63.0]);
        let part = Window { from: MONDAY + 16 * HOUR + 20 * 60_000, to: MONDAY + 17 * HOUR + 10 * 60_000 };
        let [office, other, night] = person_hours(part, Tz::UTC).map(|h| (h * 60.0).round());
        assert_eq!([office, other, night], [40.0, 10.0, 0.0]);
    }

    #[test]
    fn hours_are_those_of_the_zone() {
        for (hours, zone, want) in [
            (8, Tz::UTC, (8, Shift::Other)),
            (8, Tz::Asia__Riyadh, (11, Shift::Office)),
            (21, Tz::Asia__Kolkata, (2, Shift::Night)),
            (5 * 24 + 12, Tz::UTC, (12, Shift::Other)),
            (6, Tz::UTC, (6, Shift::Night)),
        ] {
            assert_eq!(hour_and_shift(MONDAY + hours * HOUR, zone), want, "{hours} {zone}");
        }
    }
}
