//! Unit tests of rules: promtool's files, promtool's verdicts; and beyond it from series to the message that a receiver
//! gets ([`delivery`]).
//!
//! [`parse`] reads a test file, [`run`] plays its tests, [`report`] shows what became of them. A test is a replay of the one
//! engine ([`crate::engine::drive::Replay`]) in virtual time; its world is a
//! [`TimelineWorld`](crate::alerting::TimelineWorld) over the test's series, which are generated only where they are read
//! ([`input`]).

mod alerts;
pub mod case;
pub mod compare;
pub mod coverage;
pub mod delivery;
pub mod files;
pub mod groups;
pub mod input;
pub mod mutate;
pub mod outcome;
mod pairs;
pub mod parse;
pub mod remarks;
pub mod report;
pub mod routing;
pub mod run;
mod short;
mod timeline;
pub mod told;
pub mod wanted;
mod witness;

pub use files::{Options, run_files};
pub use outcome::FileOutcome;
