//! Scraping: targets, when they are due, what a scrape's body becomes, and the loop that does it.
//!
//! The parts that decide are pure and know no network and no clock: [`target`] makes targets of discovered labels,
//! [`schedule`] says when one is due, [`digest`] turns a body into samples through a [`cache`] of series. [`pool`] drives
//! them.

pub mod cache;
mod classic;
mod client;
pub mod digest;
mod down;
mod failures;
mod fetch;
mod metrics;
pub mod pool;
mod reading;
mod report;
mod run;
pub mod schedule;
pub mod settings;
pub mod target;

pub use failures::FailureLogs;
pub use pool::{PoolStatus, ScrapeManager, TargetStatus};
pub use run::{ScrapeState, TargetHealth};
pub use settings::{ScrapeFeatures, ScrapeLimits, ScrapeSettings};
pub use target::Target;
