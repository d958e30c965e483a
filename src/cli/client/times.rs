//! Times on the command line, and in what is written.

use chrono::{DateTime, SecondsFormat, Utc};

use super::flags::Settings;
use crate::clock::{Clock as _, SystemClock};
use crate::template::Time;

/// Now, milliseconds.
pub(in crate::cli) fn now() -> i64 {
    SystemClock.now()
}

/// Reads a time in RFC 3339, milliseconds.
///
/// # Errors
/// It is none.
pub(in crate::cli) fn parse(text: &str) -> Result<i64, String> {
    let parsed = DateTime::parse_from_rfc3339(text);
    parsed.map(|t| t.timestamp_millis()).map_err(|e| format!("{text:?} is no time in RFC 3339: {e}"))
}

/// A time as the API takes it.
pub(in crate::cli) fn rfc3339(millis: i64) -> String {
    let time: DateTime<Utc> = DateTime::from_timestamp_millis(millis).unwrap_or_default();
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// A time of the API as people are shown it.
pub(in crate::cli) fn shown(text: &str, settings: &Settings) -> String {
    parse(text).map_or_else(|_| text.to_owned(), |at| Time::from_millis(at).format(&settings.date_format))
}
