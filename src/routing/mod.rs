//! Routing: which receivers hear of an alert, in which company, and when. Alertmanager's semantics throughout.
//!
//! An alert goes down the [`tree`], joins an aggregation [`group`] at every route it ends at, and leaves with that
//! group's next flush. What keeps it from being told (silences, inhibition, time intervals) is looked at when the group
//! flushes, not before. Nothing here decides whether a flush becomes a notification: that is `notify::dedup`.

pub mod alert;
pub mod alerts;
pub mod config;
pub mod drill;
mod from_config;
pub mod group;
pub mod inhibit;
pub mod marks;
pub mod matching;
pub mod muters;
mod muting;
pub mod name_limit;
mod news;
pub mod pages;
pub mod recurrence;
pub mod router;
pub mod silence;
mod silences;
pub mod time_interval;
mod timer;
pub mod tree;
pub mod watched;

pub use alert::{AlertStatus, ReceivedAlert, RoutedAlert, Stored};
pub use config::{IntegrationSpec, ReceiverSpec, RouteSpec, RoutingConfig};
pub use group::{Flush, FlushedAlert, GroupId, by_size, order as alert_order};
pub use muting::muting_intervals;
pub use news::RoutingNews;
pub use router::{Router, ToldOf};
pub use silence::{Configured, NewSilence, Silence, SilenceError, SilenceState};
pub use silences::{Acknowledgement, NEVER};
pub use time_interval::TimeInterval;
pub use timer::GroupTimer;
pub use tree::{RouteTree, SharedRoute};
