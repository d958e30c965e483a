//! Labels that say what a metric is: its name, and with `type-and-unit-labels` its type and unit.

use crate::model::{Labels, METRIC_NAME};

/// The labels of type and unit.
pub(crate) const METADATA: [&str; 2] = ["__type__", "__unit__"];
/// The label of a metric's type.
pub(crate) const TYPE: &str = "__type__";

/// The set without the labels that a function drops.
pub(crate) fn without_reserved(labels: &Labels, type_and_unit: bool) -> Labels {
    if type_and_unit { labels.filter(|n| n != METRIC_NAME && !METADATA.contains(&n)) } else { labels.without_name() }
}

/// Whether a label is one of those that a function drops.
pub(crate) fn is_reserved(name: &str, type_and_unit: bool) -> bool {
    name == METRIC_NAME || (type_and_unit && METADATA.contains(&name))
}
