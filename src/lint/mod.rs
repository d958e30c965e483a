//! `watchbell check` as a linter: what loads and yet may not do what was meant.
//!
//! A check is a file in `checks/` and a row of its table: a name, its texts, and a function that looks at one rule, at all
//! rules, or at an Alertmanager configuration. The texts are what `--explain` prints and what docs/lint.md is made of; their
//! examples are the check's tests.
//!
//! ```text
//! files ──► corpus ──► checks ──► findings ──► comments, settings, baseline, changes ──► format
//!              │
//!     labels · units · kinds (what can be known of an expression without data)
//! ```

pub mod baseline;
mod check;
mod checks;
mod comments;
mod corpus;
mod data;
mod finding;
pub mod fix;
pub mod format;
mod joins;
mod kinds;
mod labels;
mod look;
mod matching;
mod required;
mod routing;
mod run;
pub mod settings;
mod site;
pub mod tree;
mod units;

pub use check::{Check, Severity};
pub use checks::{all, document, find};
pub use corpus::Corpus;
pub use data::Data;
pub use finding::{Edit, Finding, Spot};
pub use kinds::{MetricKind, of_name as kind_of_name};
pub use look::MOST_FINDINGS;
pub use run::{checks, finish};
