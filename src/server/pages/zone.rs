//! Times as pages show them: in the server's zone, with UTC beside.

use chrono::{DateTime, Offset as _, TimeZone as _, Utc};
use chrono_tz::Tz;
use serde_json::{Value, json};

use crate::clock::ZONE;
use crate::model::duration::span;
use crate::model::time::rfc3339;

/// How forms have times.
const WRITTEN: &str = "%Y-%m-%d %H:%M";

fn local(t: i64, zone: Tz) -> Option<DateTime<Tz>> {
    Some(DateTime::<Utc>::from_timestamp_millis(t)?.with_timezone(&zone))
}

/// A time for a template: to be read by people, and by machines, and how far it is from `now`.
pub(super) fn time(t: i64, now: i64) -> Value {
    time_in(t, now, *ZONE)
}

fn time_in(t: i64, now: i64, zone: Tz) -> Value {
    let (at, today) = (local(t, zone), local(now, zone));
    let is_today = at.map(|t| t.date_naive()) == today.map(|t| t.date_naive());
    let format = if is_today { "%H:%M:%S" } else { "%Y-%m-%d %H:%M" };
    let text = at.map_or_else(|| rfc3339(t), |t| t.format(format).to_string());
    json!({ "utc": rfc3339(t), "text": text, "ago": span(now.saturating_sub(t)), "to_go": span(t.saturating_sub(now)) })
}

/// A time as forms have it, in the server's zone: [`read`] takes it back.
pub(super) fn written(t: i64) -> String {
    local(t, *ZONE).map_or_else(|| rfc3339(t), |at| at.format(WRITTEN).to_string())
}

/// A time of a form: of the clock on the server's wall, or RFC 3339.
pub(super) fn read(text: &str) -> Option<i64> {
    read_in(text, *ZONE)
}

/// A time as Prometheus' links have it: in UTC.
pub(super) fn read_utc(text: &str) -> Option<i64> {
    read_in(text, Tz::UTC)
}

fn read_in(text: &str, zone: Tz) -> Option<i64> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.timestamp_millis());
    }
    let text = text.replace('T', " ");
    let read = |format: &str| chrono::NaiveDateTime::parse_from_str(&text, format).ok();
    let naive = read(WRITTEN).or_else(|| read("%Y-%m-%d %H:%M:%S"))?;
    // Of an hour that comes twice the first is meant; one that is left out in spring is none.
    zone.from_local_datetime(&naive).earliest().map(|at| at.timestamp_millis())
}

/// The time of the page: of the clock on the wall, with the zone's name and offset.
pub(super) fn clock(now: i64) -> Value {
    let at = local(now, *ZONE);
    let offset = at.map_or(0, |t| t.offset().fix().local_minus_utc());
    let (sign, minutes) = (if offset < 0 { '-' } else { '+' }, offset.abs() / 60);
    let offset = format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60);
    let text = at.map_or_else(|| rfc3339(now), |t| t.format("%Y-%m-%d %H:%M:%S").to_string());
    json!({ "utc": rfc3339(now), "text": text, "zone": ZONE.name(), "offset": offset })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_the_zone_and_in_utc() {
        let (noon, hour) = (1_767_268_800_000, 3_600_000);
        let told = time_in(noon, noon + 2 * hour, Tz::Europe__Berlin);
        assert_eq!(told, json!({ "utc": "2026-01-01T12:00:00Z", "text": "13:00:00", "ago": "2h", "to_go": "0s" }));
        let other_day = time_in(noon, noon + 48 * hour, Tz::Asia__Kolkata);
        assert_eq!((other_day["text"].as_str(), other_day["ago"].as_str()), (Some("2026-01-01 17:30"), Some("2d")));
    }

    #[test]
    fn times_of_forms_are_of_the_servers_zone() {
        let noon = Some(1_767_268_800_000);
        for text in ["2026-01-01 13:00", "2026-01-01T13:00", "2026-01-01 13:00:00", "2026-01-01T12:00:00Z"] {
            assert_eq!(read_in(text, Tz::Europe__Berlin), noon, "{text}");
        }
        assert_eq!(read_in("2026-03-29 02:30", Tz::Europe__Berlin), None);
        assert_eq!(read_in("tomorrow", Tz::UTC), None);
        assert_eq!(read(&written(1_767_268_800_000)), noon);
    }
}
