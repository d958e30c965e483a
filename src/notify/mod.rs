//! From a decision to tell someone to the message delivered.

pub mod alert_set;
pub mod alertmanagers;
pub mod dedup;
pub mod drill;
pub mod failure;
pub mod log;
pub mod metrics;
pub mod notification;
pub mod outcome;
pub mod plots;
pub mod receivers;
pub mod retry;
pub mod route_labels;
pub mod said;
pub mod status;
pub mod templates;
pub mod test_message;

pub use notification::{IntegrationId, Notification, NotifiedAlert, Reason};
pub use outcome::Outcome;
