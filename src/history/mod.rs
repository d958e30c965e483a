//! The history: every decision about an alert, kept beside the state store. It is what says why somebody was paged, and
//! why nobody was.

mod decision;
mod text;

pub use decision::{DecidedAlert, Decision, Kind, MOST_ALERTS, RoutedTo, RuleName, Told, What, Withheld};
pub use text::{Number, Time};
