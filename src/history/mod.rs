//! The history: every decision about an alert, kept beside the state store and never loaded whole. It is what says why
//! somebody was paged, and why nobody was.
//!
//! The engine hands decisions out with the effects of its turn; [`History::record`] writes them before anything of that turn
//! leaves the process. [`History::query`] reads them by time, alert, receiver, group, notification and kind.

mod decision;
mod followers;
mod log;
mod metrics;
mod pieces;
mod query;
mod queue;
mod record;
mod segment;
mod terms;
mod text;
mod words;
mod written;

pub use decision::{
    DecidedAlert, Decision, Kind, MOST_ALERTS, RenderedProblem, RoutedTo, RuleName, Told, What, Withheld,
};
pub use followers::News;
pub use log::{Health, History, OpenError, query_dir};
pub use metrics::Unrecorded;
pub use query::{MOST_RESULTS, Order, Page, Query};
pub use queue::MOST_WAITING;
pub use record::Recorded;
pub use text::{Number, Time};
pub use written::Limits;
