//! What an endpoint's answer means, and how long to wait before the next try.

/// What to do after a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The samples arrived.
    Sent,
    /// Try again, not before this many milliseconds when the endpoint says so.
    Retry {
        /// From `Retry-After`.
        after: Option<i64>,
    },
    /// Try again at once, in the older version of the protocol.
    Encode,
    /// The endpoint will never take these samples.
    Drop,
}

/// The meaning of an HTTP status: 5xx and, where the configuration wants it, 429 are passing troubles, other refusals
/// are final.
pub fn verdict(status: u16, retry_after: Option<&str>, retry_on_429: bool) -> Verdict {
    match status {
        200..=299 => Verdict::Sent,
        429 if !retry_on_429 => Verdict::Drop,
        429 | 500..=599 => Verdict::Retry { after: retry_after.and_then(parse_retry_after) },
        _ => Verdict::Drop,
    }
}

/// Why an endpoint did not take what it was sent: the status, and the first line of what it says.
pub async fn reason_of(mut response: reqwest::Response) -> String {
    let status = response.status();
    let said = response.chunk().await.ok().flatten().unwrap_or_default();
    let said = String::from_utf8_lossy(said.get(..said.len().min(1024)).unwrap_or_default());
    match said.lines().next().unwrap_or_default() {
        "" => format!("server returned HTTP status {status}"),
        line => format!("server returned HTTP status {status}: {line}"),
    }
}

/// The longest pause an endpoint may ask for, in milliseconds.
const MAX_RETRY_AFTER: i64 = 10 * 60_000;

/// Seconds as `Retry-After` gives them. Its other form, a date, falls back to the usual pause.
fn parse_retry_after(header: &str) -> Option<i64> {
    let seconds: i64 = header.trim().parse().ok().filter(|s| *s >= 0)?;
    Some(seconds.saturating_mul(1000).min(MAX_RETRY_AFTER))
}

/// Pauses that double from try to try.
#[derive(Clone, Debug)]
pub struct Backoff {
    min: i64,
    max: i64,
    next: i64,
}

impl Backoff {
    /// Pauses from `min` to `max` milliseconds.
    pub fn new(min: i64, max: i64) -> Self {
        let min = min.max(1);
        Backoff { min, max: max.max(min), next: min }
    }

    /// The next pause; the endpoint's own wish replaces ours.
    pub fn pause(&mut self, asked: Option<i64>) -> i64 {
        let pause = asked.unwrap_or(self.next);
        self.next = self.next.saturating_mul(2).min(self.max);
        pause
    }

    /// After a success.
    pub fn reset(&mut self) {
        self.next = self.min;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passing_troubles_are_retried_and_refusals_are_final() {
        for (status, header, want) in [
            (200, None, Verdict::Sent),
            (204, Some("5"), Verdict::Sent),
            (400, None, Verdict::Drop),
            (404, None, Verdict::Drop),
            (429, Some("7"), Verdict::Retry { after: Some(7_000) }),
            (429, None, Verdict::Retry { after: None }),
            (500, Some("soon"), Verdict::Retry { after: None }),
            (503, Some("999999999"), Verdict::Retry { after: Some(MAX_RETRY_AFTER) }),
            (302, None, Verdict::Drop),
        ] {
            assert_eq!(verdict(status, header, true), want, "{status} {header:?}");
        }
        assert_eq!(verdict(429, None, false), Verdict::Drop);
    }

    #[test]
    fn pauses_double_up_to_the_limit() {
        let mut backoff = Backoff::new(30, 200);
        let pauses: Vec<i64> = (0..5).map(|_| backoff.pause(None)).collect();
        assert_eq!(pauses, [30, 60, 120, 200, 200]);
        assert_eq!(backoff.pause(Some(5)), 5);
        backoff.reset();
        assert_eq!(backoff.pause(None), 30);
    }
}
