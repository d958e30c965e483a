//! The functions of PromQL: pure functions over slices and values, and the one table that names them.
//!
//! Nothing here reads storage or knows of labels: grouping, ordering and relabelling are operators ([`Special`]). A
//! function of a range sees a [`Window`]; one of an instant vector sees a value at a time.

/// The function of a name.
pub fn lookup(name: &str) -> Option<&'static Function> {
    table::FUNCTIONS.binary_search_by(|f| f.name.cmp(name)).ok().and_then(|i| table::FUNCTIONS.get(i))
}

/// All functions, ascending by name.
pub fn all() -> &'static [Function] {
    table::FUNCTIONS
}

mod about;
mod batch;
pub mod bucket;
mod changes;
mod cuts;
mod date;
pub mod extended;
mod extrapolate;
mod histogram_rate;
mod lanes;
mod math;
mod over_time;
mod rate;
mod regression;
mod signature;
mod sliding;
mod starts;
mod table;
#[cfg(test)]
mod tests;

pub use about::about;
pub use cuts::Cuts;
pub use over_time::quantile;
pub use signature::{
    BatchFn, EmptyFn, FnCtx, Function, Kind, MathFn, Out, RangeFn, RangeMode, Special, ValueType, Window, Windows,
};
