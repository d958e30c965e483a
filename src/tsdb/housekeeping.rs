//! What housekeeping remembers.

/// What housekeeping remembers from one run to the next.
#[derive(Debug, Default)]
pub(super) struct Housekeeping {
    /// Windows before this were flushed; `None` before the first flush.
    pub(super) flushed: Option<i64>,
    /// The same of late samples.
    pub(super) late_flushed: Option<i64>,
    /// The number of the next block.
    pub(super) next_block: u64,
}
