//! A running service: configuration → database → scrape pools → engine → receivers → APIs, wired together.
//!
//! [`Prepared::read`] reads everything a configuration names and reports every defect; [`Service::start`] builds the
//! parts; [`Service::run`] keeps them going until someone ends the process, and puts new configurations in force.

mod alertmanagers;
mod auto_reload;
pub mod checks;
mod clock_watch;
mod configured;
mod engine_watch;
mod error;
mod first_data;
mod heartbeat;
pub mod listen;
mod log_files;
mod notifier;
mod options;
pub mod owner;
pub mod packs;
mod parts;
mod prepare;
pub mod renderer;
mod running;
mod shown;
mod traces;

pub use configured::{data_dir, history_limits, retention};
pub use error::ServiceError;
pub use notifier::ConfiguredNotifier;
pub use options::{Delivery, ServiceOptions, Source};
pub use parts::{HISTORY, Parts};
pub use prepare::Prepared;
pub use running::Service;
