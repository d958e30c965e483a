//! A world whose data is there already: the series of a unit test, history that is backtested. Any replay may be given it.
//!
//! Evaluations come tick by tick, as in a server. What makes them fast is that a rule's expression is evaluated ahead, over
//! a stretch of ticks, as one range query ([`column`]); the evaluations then only take their tick's elements from it. This
//! is possible where everything that the expression reads is known for the stretch: the data, and what rules before it
//! record, whose evaluation is likewise done ahead ([`ahead`]). [`reads`] tells which rules these are; every other rule is
//! evaluated at its ticks. Nobody can tell the difference, except by the time it takes.

mod ahead;
mod column;
mod history;
mod reads;
mod samples;
mod world;

pub use reads::{reach, selectors};
pub use samples::{copy_range, latest_in, unknown_starts};
pub use world::{MOST_TICKS, Terms, TimelineWorld};
