//! The table of functions, ascending by name.

use super::ValueType::{Matrix, Scalar, String, Vector};
use super::{Function, Kind, Special, ValueType};

const fn special(
    name: &'static str,
    args: &'static [ValueType],
    variadic: i32,
    returns: ValueType,
    experimental: bool,
    kind: Special,
) -> Function {
    Function { name, args, variadic, returns, experimental, kind: Kind::Special(kind) }
}

/// All functions, ascending by name.
pub static FUNCTIONS: &[Function] = &[
    special("absent", &[Vector], 0, Vector, false, Special::Absent),
    special("absent_over_time", &[Matrix], 0, Vector, false, Special::AbsentOverTime),
    special("end", &[], 0, Scalar, true, Special::End),
    special("histogram_fraction", &[Scalar, Scalar, Vector], 0, Vector, false, Special::HistogramFraction),
    special("histogram_quantile", &[Scalar, Vector], 0, Vector, false, Special::HistogramQuantile),
    special("histogram_quantiles", &[Vector, String, Scalar, Scalar], 9, Vector, true, Special::HistogramQuantiles),
    special("info", &[Vector, Vector], 1, Vector, true, Special::Info),
    special("label_join", &[Vector, String, String, String], -1, Vector, false, Special::LabelJoin),
    special("label_replace", &[Vector, String, String, String, String], 0, Vector, false, Special::LabelReplace),
    special("max_of", &[Scalar, Scalar], 0, Scalar, true, Special::MaxOf),
    special("min_of", &[Scalar, Scalar], 0, Scalar, true, Special::MinOf),
    special("pi", &[], 0, Scalar, false, Special::Pi),
    special("range", &[], 0, Scalar, true, Special::Range),
    special("scalar", &[Vector], 0, Scalar, false, Special::Scalar),
    special("sort", &[Vector], 0, Vector, false, Special::Sort),
    special("sort_by_label", &[Vector, String], -1, Vector, true, Special::SortByLabel),
    special("sort_by_label_desc", &[Vector, String], -1, Vector, true, Special::SortByLabelDesc),
    special("sort_desc", &[Vector], 0, Vector, false, Special::SortDesc),
    special("start", &[], 0, Scalar, true, Special::Start),
    special("start_timestamp", &[Vector], 0, Vector, true, Special::StartTimestamp),
    special("step", &[], 0, Scalar, true, Special::Step),
    special("time", &[], 0, Scalar, false, Special::Time),
    special("timestamp", &[Vector], 0, Vector, false, Special::Timestamp),
    special("vector", &[Scalar], 0, Vector, false, Special::Vector),
];
