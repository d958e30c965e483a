//! What comes into the core, and what goes out of it.

use crate::alerting::series::RuleSample;
use crate::alerting::{Evaluated, Evaluation};
use crate::history::Decision;
use crate::notify::alertmanagers::OutgoingAlert;
use crate::notify::{Notification, Outcome};
use crate::routing::{Acknowledgement, NewSilence, ReceivedAlert, SilenceError};
use crate::state::Batch;

use super::setup::Setup;

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
    /// So many rounds of scrapes have been made since data is waited for.
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
    /// Make one that ends with its alert.
    Acknowledge(Acknowledgement),
}

/// Something to do. The order of effects is the order in which they are done.
#[derive(Debug)]
pub enum Effect {
    /// Record decisions, before anything else: what is stored or leaves has its reason in the history. What cannot be
    /// recorded keeps nothing back.
    Record(Vec<Decision>),
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
