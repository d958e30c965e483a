//! Remote write, versions 1.0 and 2.0: decoding what is received, sending what is stored.

mod encode;
mod ingestion;
mod memo;
mod metrics;
mod receive;
mod request;
mod row;
pub mod send;

pub use encode::{Protocol, encode, encode_v1, encode_v2};
pub use receive::{Receiver, accepted_protocol};
pub use request::{ReceiveLimits, WriteError, WriteHeaders, Written};
