//! Unit tests of rules: promtool's files, promtool's verdicts.
//!
//! [`parse`] reads a test file, [`run`] takes its rules through virtual time, [`report`] shows what became of it. Rules
//! are loaded, evaluated, and their alerts stepped by the code that `run` uses: [`crate::rules`],
//! [`crate::alerting::group::Evaluation`] and [`crate::template`]. What differs is the world around it
//! ([`world::SuiteWorld`]): series come from their notation and are generated only where they are read, and an
//! expression that reads only the past is evaluated over the whole timeline as one range query ([`order`]).

pub mod case;
pub mod compare;
pub mod files;
pub mod order;
pub mod outcome;
pub mod parse;
pub mod report;
pub mod run;
pub mod storage;
pub mod world;

pub use files::{Options, run_files};
pub use outcome::FileOutcome;
