//! What became of one attempt to deliver a notification.

/// The outcome of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver took it.
    Delivered,
    /// It may be taken later: the network failed, or the receiver is overloaded or broken.
    Retry {
        /// Not before this many milliseconds from now, if the receiver said so (`Retry-After`).
        after: Option<i64>,
        /// What went wrong; carries no secret.
        reason: String,
    },
    /// It will never be taken as it is.
    GiveUp {
        /// What went wrong; carries no secret.
        reason: String,
    },
}
