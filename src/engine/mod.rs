//! The core: a state machine from events and time to effects. It never waits, never reads a clock and does no input or
//! output. A driver performs the effects in order and hands the outcomes back; see [`drive`] for the loop that all
//! drivers share.
//!
//! - *Persist before deliver*: the effects of one event begin with everything that must outlive the process. A driver
//!   performs it, flushed, before what follows leaves the process.
//! - *One of everything*: the live server, the replay, the demo and the fault simulator drive this one engine, with a real
//!   or a virtual clock; unit tests of rules are a replay.
//! - *One heap of deadlines*: evaluations, flushes, retries and housekeeping. No timer or task belongs to a group.

mod backlog;
mod core;
mod data;
mod deadlines;
mod dispatch;
pub mod drive;
mod event;
mod external;
mod failing;
mod idle;
mod keeper;
mod leap;
pub mod live;
mod metrics;
mod outbox;
mod pool;
mod pulse;
mod recording;
mod records;
mod reload;
mod setup;
mod slot;
mod startup;
mod suppressed;
mod tellings;
mod values;
pub mod view;
mod waiting;

pub use self::core::{Counters, Engine};
pub use backlog::Backlog;
pub use data::{DataAtStart, MOST_ROUNDS};
pub use event::{Effect, Event, SilenceAnswer, SilenceChange, Ticket};
pub use external::OutgoingAlert;
pub use keeper::StoreView;
pub use outbox::{OwedView, Owing, OwingStage, Tallies, Tally, TellingView};
pub use setup::{Options, Outgoing, Relabel, Setup};
pub use slot::GroupView;
pub use suppressed::Suppressed;
pub use tellings::{Tellings, Told};
pub use view::{AlertGroupView, View};
