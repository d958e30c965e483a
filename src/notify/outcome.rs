//! What became of one attempt to deliver a notification.

/// The outcome of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver took it.
    Delivered,
    /// The receiver took it and said where it is, in a text of its own; the group's next message is told.
    DeliveredAt(String),
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

impl Outcome {
    /// Whether the receiver took it.
    pub fn is_delivered(&self) -> bool {
        matches!(self, Outcome::Delivered | Outcome::DeliveredAt(_))
    }

    /// What went wrong, if anything did.
    pub fn error(&self) -> Option<&str> {
        match self {
            Outcome::Delivered | Outcome::DeliveredAt(_) => None,
            Outcome::Retry { reason, .. } | Outcome::GiveUp { reason } => Some(reason),
        }
    }
}
