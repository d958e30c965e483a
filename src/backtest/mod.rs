//! Rules and routing over history: what would have fired, and who would have been told.
//!
//! A backtest is a [`Replay`](crate::engine::drive::Replay) of the one engine in virtual time over a
//! [`TimelineWorld`](crate::alerting::TimelineWorld), so `for`, `keep_firing_for`, grouping, inhibition, time intervals and
//! repeats count as they do in a server. Notifications are decided and taken down, never rendered or sent.
//!
//! Memory is bounded by what is read and what is told, not by the length of the window: what rules write is forgotten once
//! no rule looks back to it, what is evaluated ahead is limited in points, and of alerts and notifications so many are
//! taken down, beyond which they are counted ([`record::MOST`]).
//!
//! - `run`: the replay; `record`: what it saw; `unwritten`: the source without what the rules write themselves.
//! - `figures`, `shifts`: what is counted of a record; `compare`: what a change does; `sweep`: other values of
//!   `for` and threshold;
//!   `incidents`: what was wrong, and how soon it was told. `report`: as text, Markdown, JSON.
//! - `openmetrics`, `prometheus`, `remote`: samples from a file, Prometheus' data directory, a server; `intake`: which samples are read.
//! - `write`: what recording rules give, into a data directory or to a server.
//! - `capture`: a test file of what the rules did.

pub mod capture;
mod compare;
mod figures;
pub mod incidents;
mod intake;
pub mod openmetrics;
pub mod prometheus;
pub mod record;
pub mod remote;
pub mod report;
mod run;
pub mod shifts;
pub mod sweep;
mod unwritten;
mod window;
pub mod write;

pub use compare::{Comparison, compare};
pub use figures::{Figures, ReceiverFigures, RuleFigures};
pub use record::{Episode, Record, RuleRecord, Told};
pub use run::{Backtest, reach, run, run_writing};
pub use window::Window;
