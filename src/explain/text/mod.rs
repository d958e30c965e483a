//! The chain in words, for people at a terminal.

mod expression;

pub use expression::{because, tree};

use crate::history::Number;
use crate::model::Labels;
use crate::model::number::format_float;

/// A value for people: six digits are enough.
pub fn value(v: Number) -> String {
    format_float(format!("{:.5e}", v.0).parse().unwrap_or(v.0))
}

/// `1 series`, `3 series`: the field's word has no plural of its own.
fn series(count: usize) -> String {
    format!("{count} series")
}

fn named(labels: &Labels) -> String {
    labels.to_series_string()
}
