//! The table of functions, ascending by name.

use super::ValueType::{Matrix, Scalar, String, Vector};
use super::{
    BatchFn, Function, Kind, RangeFn, Special, ValueType, batch, changes, date, math, over_time, rate, regression,
};
use crate::model::FloatHistogram;

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

const fn range(
    name: &'static str,
    args: &'static [ValueType],
    experimental: bool,
    f: RangeFn,
    batch: Option<BatchFn>,
    keeps_name: bool,
) -> Function {
    Function { name, args, variadic: 0, returns: Vector, experimental, kind: Kind::Range { f, batch, keeps_name } }
}

const fn math(name: &'static str, args: &'static [ValueType], variadic: i32, f: fn(f64, &[f64]) -> f64) -> Function {
    Function { name, args, variadic, returns: Vector, experimental: false, kind: Kind::Math { f, empty: None } }
}

const fn date(name: &'static str, f: fn(f64) -> f64) -> Function {
    Function { name, args: &[Vector], variadic: 1, returns: Vector, experimental: false, kind: Kind::Date(f) }
}

const fn histogram(name: &'static str, f: fn(&FloatHistogram) -> f64) -> Function {
    Function { name, args: &[Vector], variadic: 0, returns: Vector, experimental: false, kind: Kind::Histogram(f) }
}

/// All functions, ascending by name.
pub static FUNCTIONS: &[Function] = &[
    math("abs", &[Vector], 0, math::abs),
    special("absent", &[Vector], 0, Vector, false, Special::Absent),
    special("absent_over_time", &[Matrix], 0, Vector, false, Special::AbsentOverTime),
    math("acos", &[Vector], 0, math::acos),
    math("acosh", &[Vector], 0, math::acosh),
    math("asin", &[Vector], 0, math::asin),
    math("asinh", &[Vector], 0, math::asinh),
    math("atan", &[Vector], 0, math::atan),
    math("atanh", &[Vector], 0, math::atanh),
    range("avg_over_time", &[Matrix], false, over_time::avg, Some(batch::avg), false),
    math("ceil", &[Vector], 0, math::ceil),
    range("changes", &[Matrix], false, changes::changes, Some(batch::changes), false),
    Function {
        name: "clamp",
        args: &[Vector, Scalar, Scalar],
        variadic: 0,
        returns: Vector,
        experimental: false,
        kind: Kind::Math { f: math::clamp, empty: Some(math::bounds_crossed) },
    },
    math("clamp_max", &[Vector, Scalar], 0, math::clamp_max),
    math("clamp_min", &[Vector, Scalar], 0, math::clamp_min),
    math("cos", &[Vector], 0, math::cos),
    math("cosh", &[Vector], 0, math::cosh),
    range("count_over_time", &[Matrix], false, over_time::count, Some(batch::count), false),
    date("day_of_month", date::day_of_month),
    date("day_of_week", date::day_of_week),
    date("day_of_year", date::day_of_year),
    date("days_in_month", date::days_in_month),
    math("deg", &[Vector], 0, math::deg),
    range("delta", &[Matrix], false, rate::delta, Some(batch::delta), false),
    range("deriv", &[Matrix], false, regression::deriv, Some(batch::deriv), false),
    range(
        "double_exponential_smoothing",
        &[Matrix, Scalar, Scalar],
        true,
        regression::double_exponential_smoothing,
        None,
        false,
    ),
    special("end", &[], 0, Scalar, true, Special::End),
    math("exp", &[Vector], 0, math::exp),
    range("first_over_time", &[Matrix], false, over_time::first, None, true),
    math("floor", &[Vector], 0, math::floor),
    histogram("histogram_avg", FloatHistogram::mean),
    histogram("histogram_count", |h| h.count),
    special("histogram_fraction", &[Scalar, Scalar, Vector], 0, Vector, false, Special::HistogramFraction),
    special("histogram_quantile", &[Scalar, Vector], 0, Vector, false, Special::HistogramQuantile),
    special("histogram_quantiles", &[Vector, String, Scalar, Scalar], 9, Vector, true, Special::HistogramQuantiles),
    histogram("histogram_stddev", FloatHistogram::stddev),
    histogram("histogram_stdvar", FloatHistogram::variance),
    histogram("histogram_sum", |h| h.sum),
    date("hour", date::hour),
    range("idelta", &[Matrix], false, rate::idelta, Some(batch::idelta), false),
    range("increase", &[Matrix], false, rate::increase, Some(batch::increase), false),
    special("info", &[Vector, Vector], 1, Vector, true, Special::Info),
    range("irate", &[Matrix], false, rate::irate, Some(batch::irate), false),
    special("label_join", &[Vector, String, String, String], -1, Vector, false, Special::LabelJoin),
    special("label_replace", &[Vector, String, String, String, String], 0, Vector, false, Special::LabelReplace),
    range("last_over_time", &[Matrix], false, over_time::last, Some(batch::last), true),
    math("ln", &[Vector], 0, math::ln),
    math("log10", &[Vector], 0, math::log10),
    math("log2", &[Vector], 0, math::log2),
    range("mad_over_time", &[Matrix], true, over_time::mad, None, false),
    special("max_of", &[Scalar, Scalar], 0, Scalar, true, Special::MaxOf),
    range("max_over_time", &[Matrix], false, over_time::max, Some(batch::max), false),
    special("min_of", &[Scalar, Scalar], 0, Scalar, true, Special::MinOf),
    range("min_over_time", &[Matrix], false, over_time::min, Some(batch::min), false),
    date("minute", date::minute),
    date("month", date::month),
    special("pi", &[], 0, Scalar, false, Special::Pi),
    range("predict_linear", &[Matrix, Scalar], false, regression::predict_linear, Some(batch::predict_linear), false),
    range("present_over_time", &[Matrix], false, over_time::present, Some(batch::present), false),
    range(
        "quantile_over_time",
        &[Scalar, Matrix],
        false,
        over_time::quantile_over_time,
        Some(batch::quantile_over_time),
        false,
    ),
    math("rad", &[Vector], 0, math::rad),
    special("range", &[], 0, Scalar, true, Special::Range),
    range("rate", &[Matrix], false, rate::rate, Some(batch::rate), false),
    range("resets", &[Matrix], false, changes::resets, Some(batch::resets), false),
    math("round", &[Vector, Scalar], 1, math::round),
    special("scalar", &[Vector], 0, Scalar, false, Special::Scalar),
    math("sgn", &[Vector], 0, math::sgn),
    math("sin", &[Vector], 0, math::sin),
    math("sinh", &[Vector], 0, math::sinh),
    special("sort", &[Vector], 0, Vector, false, Special::Sort),
    special("sort_by_label", &[Vector, String], -1, Vector, true, Special::SortByLabel),
    special("sort_by_label_desc", &[Vector, String], -1, Vector, true, Special::SortByLabelDesc),
    special("sort_desc", &[Vector], 0, Vector, false, Special::SortDesc),
    math("sqrt", &[Vector], 0, math::sqrt),
    special("start", &[], 0, Scalar, true, Special::Start),
    special("start_timestamp", &[Vector], 0, Vector, true, Special::StartTimestamp),
    range("stddev_over_time", &[Matrix], false, over_time::stddev, Some(batch::stddev), false),
    range("stdvar_over_time", &[Matrix], false, over_time::stdvar, Some(batch::stdvar), false),
    special("step", &[], 0, Scalar, true, Special::Step),
    range("sum_over_time", &[Matrix], false, over_time::sum, Some(batch::sum), false),
    math("tan", &[Vector], 0, math::tan),
    math("tanh", &[Vector], 0, math::tanh),
    special("time", &[], 0, Scalar, false, Special::Time),
    special("timestamp", &[Vector], 0, Vector, false, Special::Timestamp),
    range("ts_of_first_over_time", &[Matrix], true, over_time::ts_of_first, None, false),
    range("ts_of_last_over_time", &[Matrix], true, over_time::ts_of_last, None, false),
    range("ts_of_max_over_time", &[Matrix], true, over_time::ts_of_max, None, false),
    range("ts_of_min_over_time", &[Matrix], true, over_time::ts_of_min, None, false),
    special("vector", &[Scalar], 0, Vector, false, Special::Vector),
    date("year", date::year),
];
