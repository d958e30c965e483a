//! Remote write, versions 1.0 and 2.0: decoding what is received, sending what is stored.

pub(crate) mod encode;
mod ingestion;
mod memo;
mod metrics;
mod receive;
mod request;
pub(crate) mod row;
pub mod send;

pub use encode::{Protocol, encode};
pub use receive::{Receiver, accepted_protocol};
pub use request::{ReceiveLimits, WRITTEN_HEADERS, WriteError, WriteHeaders, Written};
