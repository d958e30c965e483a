//! How values of flags are read.

use crate::model::duration;

/// A duration in Prometheus' notation, milliseconds.
pub(super) fn duration_arg(text: &str) -> Result<i64, String> {
    duration::parse(text)
}
