//! "Why was I paged, and why was nobody?": the chain from samples to delivery of one alert, or of one that never was.
//!
//! ```text
//! Asked ──► rules and alerts of the published view ──► expression (its parts, through a Querier)
//!                                                  ──► state ──► mute ──► route ──► delivery
//! ```
//!
//! [`expression`] says which part of a rule's expression decided, and by how much; [`chain`] is the shape of the answer.
//! Nothing here waits for the engine: what it showed after its last turn is what is explained. A time that is past is
//! explained by the series and the history ([`explain_at`]), and so is a notification ([`explain_page`]).

mod answer;
mod asked;
pub mod chain;
mod compare;
mod delivery;
pub mod expression;
mod join;
mod lens;
mod missing;
mod mute;
mod page;
pub mod part;
mod past;
mod route;
mod sources;
pub mod subject;
pub mod text;
mod then;
mod told;

pub use answer::explain;
pub use asked::Asked;
pub use chain::{Explanation, Stage};
pub use expression::{Question, examine};
pub use part::Part;
pub use sources::Sources;
pub use subject::Subject;
pub use then::{explain_at, explain_page};
