//! From a decision to tell someone to the message delivered.

pub mod decision;
pub mod log;
pub mod notification;

pub use notification::{IntegrationId, Notification, NotifiedAlert, Reason};
