//! Times as the APIs read them.

use chrono::DateTime;

use crate::model::{duration, number};

/// The earliest and the latest time that a query may name, milliseconds: what Go's times and our arithmetic both hold.
pub const MIN_TIME: i64 = -(1 << 53);
/// See [`MIN_TIME`].
pub const MAX_TIME: i64 = 1 << 53;

/// Reads a time: seconds since the epoch, or RFC 3339. Go's two extreme times, which clients send to mean all there is,
/// are taken for the limits.
///
/// # Errors
/// Prometheus' text.
pub fn parse_time(s: &str) -> Result<i64, String> {
    if let Some(seconds) = number::parse_float(s).filter(|v| v.is_finite()) {
        let millis = (seconds * 1_000.0).round();
        if millis.abs() <= MAX_TIME as f64 {
            return Ok(millis as i64);
        }
        return Err(format!("cannot parse {s:?} to a valid timestamp"));
    }
    match s {
        "-292273086-05-16T16:47:06Z" => return Ok(MIN_TIME),
        "292277025-08-18T07:12:54.999999999Z" => return Ok(MAX_TIME),
        _ => {}
    }
    let time = DateTime::parse_from_rfc3339(s).map_err(|_| format!("cannot parse {s:?} to a valid timestamp"))?;
    Ok(time.timestamp_millis())
}

/// Reads a duration: seconds, or Prometheus' notation. Milliseconds come out.
///
/// # Errors
/// Prometheus' text.
pub fn parse_duration(s: &str) -> Result<i64, String> {
    if let Some(seconds) = number::parse_float(s).filter(|v| !v.is_nan()) {
        let millis = seconds * 1_000.0;
        if millis.abs() > duration::MAX_MILLIS as f64 {
            return Err(format!("cannot parse {s:?} to a valid duration. It overflows int64"));
        }
        return Ok(millis as i64);
    }
    duration::parse(s).map_err(|_| format!("cannot parse {s:?} to a valid duration"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_both_forms() {
        for (s, want) in [
            ("0", Some(0)),
            ("1.5", Some(1_500)),
            ("-1", Some(-1_000)),
            ("1e3", Some(1_000_000)),
            ("2015-06-03T13:21:58.555Z", Some(1_433_337_718_555)),
            ("2015-06-03T14:21:58.555+01:00", Some(1_433_337_718_555)),
            ("-292273086-05-16T16:47:06Z", Some(MIN_TIME)),
            ("292277025-08-18T07:12:54.999999999Z", Some(MAX_TIME)),
            ("", None),
            ("30s", None),
            ("NaN", None),
            ("1e300", None),
        ] {
            assert_eq!(parse_time(s).ok(), want, "{s:?}");
        }
    }

    #[test]
    fn durations_are_read_in_both_forms() {
        for (s, want) in [
            ("15", Some(15_000)),
            ("0.25", Some(250)),
            ("1h30m", Some(5_400_000)),
            ("-1", Some(-1_000)),
            ("x", None),
            ("", None),
            ("1e30", None),
        ] {
            assert_eq!(parse_duration(s).ok(), want, "{s:?}");
        }
    }
}
