//! `watchbell.history`: how much of the history of decisions is kept.

use super::yaml::{ByteSize, Duration, MapReader};
use crate::section;

section! {
    /// How much of the history of decisions is kept.
    pub struct HistoryConfig as "history" with check {
        /// For how long.
        retention: Duration = Duration::seconds(30 * 24 * 3600),
        /// How much room it takes at most; where nothing says how much, 1GB.
        size: ByteSize = ByteSize(1 << 30),
    }
}

impl HistoryConfig {
    fn check(&mut self, m: &MapReader) {
        if self.retention.0 == 0 {
            m.error("retention", "retention cannot be zero");
        }
        if self.size.0 == 0 {
            m.error("size", "size cannot be zero");
        }
    }
}
