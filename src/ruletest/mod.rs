//! Unit tests of rules: promtool's files, promtool's verdicts.
//!
//! [`parse`] reads a test file, [`run`] plays its tests, [`report`] shows what became of them. A test is a replay of the one
//! engine ([`crate::engine::drive::Replay`]) in virtual time; its world is a
//! [`TimelineWorld`](crate::alerting::TimelineWorld) over the test's series, which are generated only where they are read
//! ([`input`]).

pub mod case;
pub mod compare;
pub mod files;
pub mod input;
pub mod outcome;
pub mod parse;
pub mod report;
pub mod run;

pub use files::{Options, run_files};
pub use outcome::FileOutcome;
