//! What the parts of the command say to each other: what is wished, what came of it, what is seen, in which lists.

use crate::history::Decision;
use crate::model::Matcher;
use crate::server::now::Now;

/// A list of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    Firing,
    Pending,
    Receivers,
    Decisions,
}

impl Section {
    /// In the order in which they stand.
    pub const ALL: [Section; 4] = [Section::Firing, Section::Pending, Section::Receivers, Section::Decisions];

    /// What stands above it.
    pub fn title(self) -> &'static str {
        match self {
            Section::Firing => "Firing",
            Section::Pending => "Pending",
            Section::Receivers => "Receivers",
            Section::Decisions => "Last decisions",
        }
    }
}

/// What keys ask for.
#[derive(Debug, PartialEq)]
pub(super) enum Wish {
    Nothing,
    Quit,
    /// To have the screen written anew: another program wrote to it.
    Redraw,
    /// A look at the service; at all alerts of each group.
    Look {
        all: bool,
    },
    /// Why an alert is told or not, by its fingerprint.
    Explain(String),
    Silence {
        matchers: Vec<Matcher>,
        millis: i64,
        comment: String,
    },
    Acknowledge {
        fingerprint: String,
        comment: String,
    },
}

/// What a look finds.
#[derive(Clone, Debug)]
pub(super) struct Looked {
    pub now: Now,
    /// The last decisions, the newest first; or why there are none.
    pub decisions: Result<Vec<Decision>, String>,
}

/// What came of a wish.
pub(super) enum Answer {
    Looked(Result<Looked, String>),
    Explained(Result<String, String>),
    /// Something was changed: what to say about it.
    Done(Result<String, String>),
}
