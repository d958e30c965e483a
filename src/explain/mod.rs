//! "Why was I paged, and why was nobody?": the chain from samples to delivery of one alert, or of one that never was.
//!
//! [`expression`] says which part of a rule's expression decided, and by how much.

mod compare;
pub mod expression;
mod join;
mod lens;
mod missing;
pub mod part;
pub mod subject;
pub mod text;

pub use expression::{Question, examine};
pub use part::Part;
pub use subject::Subject;
