//! How values of flags are read.

use regex::Regex;

use crate::config::yaml::{parse_bytes, parse_go_duration};
use crate::model::{duration, re2};

/// A duration in Prometheus' notation, milliseconds.
pub(super) fn duration_arg(text: &str) -> Result<i64, String> {
    duration::parse(text)
}

/// A duration as Alertmanager's flags have it, in Go's notation (`1.5h`, `-1s`, `0`); or in Prometheus' (`5d`).
pub(super) fn go_duration_arg(text: &str) -> Result<i64, String> {
    parse_go_duration(text).map_or_else(|| duration::parse(text), Ok)
}

/// A number of bytes with its unit, as Prometheus reads it.
pub(super) fn size_arg(text: &str) -> Result<u64, String> {
    parse_bytes(text).ok_or_else(|| format!("expected a size such as 512MB, found {text:?}"))
}

/// A whole number, which may be written with an exponent.
pub(super) fn count_arg(text: &str) -> Result<usize, String> {
    let number = text.parse::<f64>().ok().filter(|n| n.fract() == 0.0 && (0.0..=1e15).contains(n));
    number.map(|n| n as usize).ok_or_else(|| format!("expected a whole number, found {text:?}"))
}

/// A regular expression in Go's notation, anchored at both ends.
#[derive(Clone, Debug)]
pub(super) struct Anchored {
    /// As it was given.
    pub text: String,
    /// Compiled.
    pub regex: Regex,
}

/// Reads one.
pub(super) fn anchored_arg(text: &str) -> Result<Anchored, String> {
    Ok(Anchored { text: text.to_owned(), regex: re2::compile_anchored(text)? })
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
