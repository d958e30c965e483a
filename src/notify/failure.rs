//! Kinds of failures, as Alertmanager's metrics name them.

/// Why a notification failed for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FailureReason {
    /// The receiver refused it: a status of 400 to 499.
    ClientError,
    /// The receiver is broken: a status of 500 to 599.
    ServerError,
    /// It was no longer wanted.
    ContextCanceled,
    /// There was no answer in time.
    ContextDeadlineExceeded,
    /// Anything else.
    Other,
}

impl FailureReason {
    /// All of them, in the order of their names.
    pub const ALL: [FailureReason; 5] = [
        FailureReason::ClientError,
        FailureReason::ContextCanceled,
        FailureReason::ContextDeadlineExceeded,
        FailureReason::Other,
        FailureReason::ServerError,
    ];

    /// Alertmanager's name for it.
    pub fn as_str(self) -> &'static str {
        match self {
            FailureReason::ClientError => "clientError",
            FailureReason::ServerError => "serverError",
            FailureReason::ContextCanceled => "contextCanceled",
            FailureReason::ContextDeadlineExceeded => "contextDeadlineExceeded",
            FailureReason::Other => "other",
        }
    }

    /// The kind of what an attempt's [`Outcome`](super::Outcome) says went wrong.
    pub fn of(reason: &str) -> FailureReason {
        let status = reason.split("status code ").nth(1).and_then(|rest| rest.bytes().next());
        match status {
            Some(b'4') => FailureReason::ClientError,
            Some(b'5') => FailureReason::ServerError,
            _ if reason.contains("deadline exceeded") || reason.contains("timed out") => {
                FailureReason::ContextDeadlineExceeded
            }
            _ => FailureReason::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_told_apart() {
        for (text, want) in [
            ("unexpected status code 404: gone", FailureReason::ClientError),
            ("unexpected status code 503", FailureReason::ServerError),
            ("no answer within 30 s: context deadline exceeded", FailureReason::ContextDeadlineExceeded),
            ("operation timed out", FailureReason::ContextDeadlineExceeded),
            ("connection refused", FailureReason::Other),
        ] {
            assert_eq!(FailureReason::of(text), want, "{text}");
        }
    }
}
