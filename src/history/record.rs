//! A decision in the log: a line of JSON, the decision with its number.

use serde::{Deserialize, Serialize};

use super::decision::Decision;

/// A decision with its number. Numbers ascend in the order in which decisions were recorded, with gaps where some were
/// lost; each is given once in the life of a history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    /// The number.
    pub seq: u64,
    /// The decision.
    #[serde(flatten)]
    pub decision: Decision,
}

impl Recorded {
    /// Reads a line.
    ///
    /// # Errors
    /// It is no decision that this version knows.
    pub fn parse(line: &str) -> Result<Recorded, String> {
        serde_json::from_str(line).map_err(|e| e.to_string())
    }

    /// The line, without its end.
    pub fn to_line(&self) -> String {
        // Strings and numbers, whose encoding cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// The lines of a text that are not empty.
pub(super) fn lines(text: &str) -> impl DoubleEndedIterator<Item = &str> {
    text.split('\n').filter(|line| !line.is_empty())
}
