//! From a rule's result to alerts: evaluation of a group at one time, the pending → firing → resolved machine, the
//! series alerts leave behind, and what a restart restores.
//!
//! [`machine::step`] is the only place where an alert changes state. It is a pure function of the table before, the
//! instances that the rule's expression returned, and the evaluation's time.

pub mod alert;
pub mod append;
pub mod group;
pub mod identity;
mod leap;
pub mod machine;
mod naming;
pub mod restore;
pub mod rule;
pub mod schedule;
pub mod series;
pub mod spec;
pub mod timeline;
pub mod world;

pub use alert::{Alert, AlertState, AlertTable};
pub use group::{Evaluated, Evaluation, GroupState, Health, RuleState};
pub use identity::RulePlace;
pub use machine::{Instance, Transition};
pub use rule::{GroupKey, GroupSpec, RuleKey, RuleKind, RuleSpec};
pub use timeline::TimelineWorld;
pub use world::{Renderer, RuleContext, StorageWorld};
