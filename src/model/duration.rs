//! Durations in Prometheus' notation: `1h30m`, `15s`, `100ms`; milliseconds inside.

/// The longest duration accepted, in milliseconds: Go's `time.Duration` ends at about 292 years.
pub const MAX_MILLIS: i64 = i64::MAX / 1_000_000;

const UNITS: [(&str, i64); 7] = [
    ("y", 365 * 24 * 3_600_000),
    ("w", 7 * 24 * 3_600_000),
    ("d", 24 * 3_600_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Reads a duration such as `1h30m` into milliseconds, as Prometheus' `model.ParseDuration`: units in descending order,
/// each at most once, whole numbers, `0` without a unit, no sign.
///
/// # Errors
/// A text in Prometheus' words: `empty duration string`, `not a valid duration string: "5"`, `duration out of range`.
pub fn parse(s: &str) -> Result<i64, String> {
    match s {
        "" => return Err("empty duration string".into()),
        "0" => return Ok(0),
        _ => {}
    }
    let invalid = || format!("not a valid duration string: {s:?}");
    let mut total: i64 = 0;
    let mut units = UNITS.iter();
    let mut rest = s;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, tail) = rest.split_at(digits);
        let letters = tail.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, tail) = tail.split_at(letters);
        if number.is_empty() {
            return Err(invalid());
        }
        let (_, scale) = units.find(|(name, _)| *name == unit).ok_or_else(invalid)?;
        total = number
            .parse::<i64>()
            .ok()
            .and_then(|n| n.checked_mul(*scale))
            .and_then(|n| n.checked_add(total))
            .filter(|n| *n <= MAX_MILLIS)
            .ok_or("duration out of range")?;
        rest = tail;
    }
    Ok(total)
}

/// Writes milliseconds as Prometheus' `model.Duration.String`: `0s`, `1h30m`, `1d`; weeks and years only when whole.
pub fn format(millis: i64) -> String {
    if millis == 0 {
        return "0s".into();
    }
    let mut out = String::new();
    let mut rest = millis.unsigned_abs();
    if millis < 0 {
        out.push('-');
    }
    for (unit, scale) in UNITS {
        let scale = scale.unsigned_abs();
        // `1w` and `1y` read well only when they say all there is.
        if (unit == "y" || unit == "w") && !rest.is_multiple_of(scale) {
            continue;
        }
        if rest >= scale {
            out.push_str(&format!("{}{unit}", rest / scale));
            rest %= scale;
        }
    }
    out
}

/// A span of time in its two largest units: `2d 3h`, `4m 10s`. Nothing is less than no time.
pub fn span(millis: i64) -> String {
    let seconds = millis.max(0) / 1_000;
    let unit = if seconds >= 172_800 {
        3_600
    } else if seconds >= 7_200 {
        60
    } else {
        1
    };
    let text = format(seconds / unit * unit * 1_000);
    // `2h3m` reads better apart.
    let mut out = String::with_capacity(text.len() + 2);
    let mut before = ' ';
    for c in text.chars() {
        if before.is_ascii_alphabetic() && c.is_ascii_digit() {
            out.push(' ');
        }
        out.push(c);
        before = c;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_written_as_prometheus_does() {
        for (s, ms, back) in [
            ("0", 0, "0s"),
            ("0s", 0, "0s"),
            ("324ms", 324, "324ms"),
            ("3s", 3_000, "3s"),
            ("5m", 300_000, "5m"),
            ("1h", 3_600_000, "1h"),
            ("4d", 345_600_000, "4d"),
            ("4d1h", 349_200_000, "4d1h"),
            ("14d", 1_209_600_000, "2w"),
            ("3w", 1_814_400_000, "3w"),
            ("3w2d1h", 1_990_800_000, "23d1h"),
            ("10y", 315_360_000_000, "10y"),
            ("1h30m", 5_400_000, "1h30m"),
        ] {
            assert_eq!(parse(s), Ok(ms), "{s}");
            assert_eq!(format(ms), back, "{s}");
        }
        for bad in ["", "1", "1y1m1d", "-1w", "1.5d", "d", "294y", "200y10400w", "107675d", "1m1m", "1h 5m", "5µs"] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn spans_are_told_in_what_matters_of_them() {
        for (millis, want) in [(-5, "0s"), (61_000, "1m 1s"), (7_265_000, "2h 1m"), (266_460_000, "3d 2h")] {
            assert_eq!(span(millis), want);
        }
    }
}
