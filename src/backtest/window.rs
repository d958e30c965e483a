//! The time that is played.

/// The time that is played, milliseconds, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The first evaluation of every group.
    pub from: i64,
    /// Nothing is evaluated after it.
    pub to: i64,
}
