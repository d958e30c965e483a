//! Times in text: RFC 3339.

use chrono::{DateTime, SecondsFormat, Utc};

/// Appends milliseconds as RFC 3339 in UTC, with as many decimals as needed: `2026-01-02T03:04:05.6Z`.
pub fn push_rfc3339(out: &mut String, t: i64) {
    let Some(time) = DateTime::<Utc>::from_timestamp_millis(t) else {
        out.push_str("0001-01-01T00:00:00Z");
        return;
    };
    let text = time.to_rfc3339_opts(SecondsFormat::Millis, true);
    match text.strip_suffix('Z').and_then(|t| t.split_once('.')) {
        Some((whole, decimals)) => {
            out.push_str(whole);
            let decimals = decimals.trim_end_matches('0');
            if !decimals.is_empty() {
                out.push('.');
                out.push_str(decimals);
            }
            out.push('Z');
        }
        None => out.push_str(&text),
    }
}

/// Milliseconds as RFC 3339, see [`push_rfc3339`].
pub fn rfc3339(t: i64) -> String {
    let mut out = String::with_capacity(24);
    push_rfc3339(&mut out, t);
    out
}

/// Milliseconds with exactly three decimals, as Alertmanager's API writes times.
pub fn rfc3339_millis(t: i64) -> String {
    DateTime::<Utc>::from_timestamp_millis(t)
        .map_or_else(|| "0001-01-01T00:00:00.000Z".into(), |t| t.to_rfc3339_opts(SecondsFormat::Millis, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_without_idle_decimals() {
        assert_eq!(rfc3339(1_433_337_718_500), "2015-06-03T13:21:58.5Z");
        assert_eq!(rfc3339(1_433_337_718_000), "2015-06-03T13:21:58Z");
        assert_eq!(rfc3339_millis(1_433_337_718_000), "2015-06-03T13:21:58.000Z");
    }
}
