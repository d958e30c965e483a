//! The core: a state machine from events and time to effects. It never waits, never reads a clock and does no input or
//! output. A driver performs the effects in order and hands the outcomes back; see [`drive`] for the loop that all
//! drivers share.
//!
//! - *Persist before deliver*: the effects of one event begin with everything that must outlive the process. A driver
//!   performs it, flushed, before what follows leaves the process.
//! - *One of everything*: the live server, the replay, the demo and the fault simulator drive this one engine, with a real
//!   or a virtual clock. Unit tests of rules do not yet: they share its evaluation, not its turns.
//! - *One heap of deadlines*: evaluations, flushes, retries and housekeeping. No timer or task belongs to a group.

mod backlog;
mod core;
mod data;
mod deadlines;
mod dispatch;
pub mod drive;
mod external;
mod failing;
mod keeper;
mod leap;
pub mod live;
mod outbox;
mod pool;
mod reload;
mod startup;
pub mod view;

use std::sync::Arc;

pub use self::core::{Counters, Engine};
pub use backlog::Backlog;
pub use data::{DataAtStart, MOST_ROUNDS};
pub use external::OutgoingAlert;
pub use keeper::StoreView;
pub use outbox::OwedView;
pub use view::{AlertGroupView, GroupView, View};

use crate::alerting::schedule::Schedule;
use crate::alerting::series::RuleSample;
use crate::alerting::{Evaluated, Evaluation, GroupSpec};
use crate::model::Labels;
use crate::notify::{Notification, Outcome};
use crate::routing::{NewSilence, ReceivedAlert, RoutingConfig, SilenceError};
use crate::state::Batch;

/// Something that happened.
#[derive(Debug)]
pub enum Event {
    /// Time passed.
    Tick,
    /// A group was evaluated.
    Evaluated(Box<Evaluated>),
    /// Alerts were posted.
    AlertsReceived(Vec<ReceivedAlert>),
    /// Someone wants to make, change or end a silence. [`Effect::Answer`] says whether it was accepted.
    SilenceChanged(Ticket, SilenceChange),
    /// An attempt to deliver a notification ended.
    Delivered {
        /// The notification's id.
        id: u64,
        /// What became of it.
        outcome: Outcome,
    },
    /// So many rounds of scrapes have been made since the start.
    DataCame(u8),
    /// Another configuration is to be in force.
    Reloaded(Box<Setup>),
}

/// By which whoever asked finds the answer. The engine only hands it back.
pub type Ticket = u64;

/// The id of the silence that was made, changed or ended, or why nothing was changed.
pub type SilenceAnswer = Result<String, SilenceError>;

/// A change of a silence.
#[derive(Clone, Debug, PartialEq)]
pub enum SilenceChange {
    /// Make or change.
    Set(NewSilence),
    /// End the one with this id.
    Expire(String),
}

/// Something to do. The order of effects is the order in which they are done.
#[derive(Debug)]
pub enum Effect {
    /// Apply to the state store, flushed when durable, before anything that follows.
    Persist(Batch),
    /// Tell whoever asked, once what they asked for is stored.
    Answer(Ticket, SilenceAnswer),
    /// Write samples (staleness markers of rules that are gone).
    Append(Vec<RuleSample>),
    /// Evaluate a group and hand back [`Event::Evaluated`]. Groups are evaluated side by side; the order among them does
    /// not matter.
    Evaluate(Box<Evaluation>),
    /// Attempt to deliver and hand back [`Event::Delivered`].
    Deliver(Box<Notification>),
    /// Send alerts to the external Alertmanagers; nothing comes back, they are sent again in time.
    SendToAlertmanagers(Vec<OutgoingAlert>),
}

/// How an engine is run, for its whole life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How evaluation times are chosen.
    pub schedule: Schedule,
    /// The least time between two sendings of an alert to external Alertmanagers, milliseconds.
    pub resend_delay: i64,
    /// The driver lets the engine know the time at least this often, milliseconds: what a clock leaps over is told from
    /// what merely passed by it.
    pub heartbeat: i64,
    /// How things stand with local data at the start; `None` where rules have nothing to wait for.
    pub data: Option<DataAtStart>,
}

impl Default for Options {
    fn default() -> Self {
        Options { schedule: Schedule::default(), resend_delay: 60_000, heartbeat: i64::MAX, data: None }
    }
}

/// What the engine works on: everything a reload can change.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// Rule groups.
    pub groups: Vec<Arc<GroupSpec>>,
    /// Routing; `None` routes nothing.
    pub routing: Option<Arc<RoutingConfig>>,
    /// What happens to an alert's labels before it leaves the rules.
    pub outgoing: Outgoing,
    /// Whether alerts also go to external Alertmanagers.
    pub external_alertmanagers: bool,
    /// Where users reach this server, without a slash at the end: the beginning of alerts' generator URLs.
    pub external_url: Arc<str>,
}

/// A function from an alert's labels to those it leaves with; `None` drops the alert.
pub type Relabel = Arc<dyn Fn(&Labels) -> Option<Labels> + Send + Sync>;

/// What happens to an alert's labels before it leaves: external labels are added, then `alert_relabel_configs` apply, for
/// our own routing as for external Alertmanagers.
#[derive(Clone, Default)]
pub struct Outgoing {
    /// Labels added where the alert has none of the name.
    pub external_labels: Labels,
    /// `alert_relabel_configs`.
    pub relabel: Option<Relabel>,
}

impl Outgoing {
    /// The labels an alert leaves with.
    pub fn apply(&self, labels: &Labels) -> Option<Labels> {
        let labelled = match self.external_labels.is_empty() {
            true => labels.clone(),
            false => {
                let mut builder = self.external_labels.to_builder();
                for (name, value) in labels {
                    builder.set(name, value);
                }
                builder.build()
            }
        };
        match &self.relabel {
            Some(relabel) => relabel(&labelled).filter(|l| !l.is_empty()),
            None => Some(labelled),
        }
    }
}

impl std::fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Outgoing { external_labels, relabel } = self;
        write!(f, "Outgoing {{ {external_labels}, relabel: {} }}", relabel.is_some())
    }
}
