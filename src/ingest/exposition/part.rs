//! A body in parts, as it comes in.

use rustc_hash::FxHashMap;

use crate::model::Labels;
use crate::tsdb::MetricType;

/// A part of a body.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// Its bytes, those first that were left over of the part before.
    pub bytes: &'a [u8],
    /// Whether the body ends with it.
    pub last: bool,
}

/// What a parser knows at the end of a part that matters for the next one.
#[derive(Clone, Debug, Default)]
pub struct Carried {
    /// Line feeds in the parts before.
    pub(super) lines: usize,
    /// The current family, its type, and its unit in OpenMetrics.
    pub(super) family: String,
    pub(super) kind: MetricType,
    pub(super) unit: String,
    /// Its created timestamps, once they were asked for.
    pub(super) created: Option<FxHashMap<Labels, i64>>,
    /// `# EOF` was read.
    pub(super) ended: bool,
}
