//! How values of flags are read.

use crate::config::yaml::parse_go_duration;
use crate::model::duration;

/// A duration in Prometheus' notation, milliseconds.
pub(super) fn duration_arg(text: &str) -> Result<i64, String> {
    duration::parse(text)
}

/// A duration as Alertmanager's flags have it, in Go's notation (`1.5h`, `-1s`, `0`); or in Prometheus' (`5d`).
pub(super) fn go_duration_arg(text: &str) -> Result<i64, String> {
    parse_go_duration(text).map_or_else(|| duration::parse(text), Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_of_both_notations_are_read() {
        for (text, want) in [
            ("1.5h", Ok(5_400_000)),
            ("0", Ok(0)),
            ("-1s", Ok(-1_000)),
            ("100us", Ok(0)),
            ("1h30m", Ok(5_400_000)),
            ("5d", Ok(432_000_000)),
            ("1w", Ok(604_800_000)),
        ] {
            assert_eq!(go_duration_arg(text), want, "{text}");
        }
        for bad in ["", "5", "1 h", "h"] {
            assert!(go_duration_arg(bad).is_err(), "{bad}");
        }
    }
}
