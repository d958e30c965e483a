//! The chain in words, for people at a terminal.

mod chain;
mod expression;
mod then;

pub use chain::{alert_summary, explanation, rule_summary, summary};
pub use expression::{because, headline, tree};
pub use then::page_summary;

use crate::history::Number;
use crate::model::number::format_float;
use crate::model::{ALERT_NAME, Labels};

/// A value for people: six digits are enough.
pub fn value(v: Number) -> String {
    format_float(format!("{:.5e}", v.0).parse().unwrap_or(v.0))
}

/// `1 series`, `3 series`: the field's word has no plural of its own.
fn series(count: usize) -> String {
    format!("{count} series")
}

/// A series by its metric's name, an alert by its own, before the other labels.
fn named(labels: &Labels) -> String {
    let series = labels.to_series_string();
    match labels.get(ALERT_NAME) {
        Some(name) if series.starts_with('{') => {
            let others = labels.filter(|label| label != ALERT_NAME).to_series_string();
            format!("{name}{}", if others == "{}" { "" } else { &others })
        }
        _ => series,
    }
}
