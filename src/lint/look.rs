//! How a check looks, and where it puts what it finds.

use std::fmt;

use super::check::Check;
use super::corpus::Corpus;
use super::finding::{Edit, Finding, Spot};
use super::routing::RoutingSite;
use super::site::Site;

/// A row of the table of checks.
#[derive(Debug)]
pub struct Row {
    /// Its texts.
    pub check: &'static Check,
    /// What it looks at.
    pub look: Look,
}

/// What a check looks at.
pub enum Look {
    /// At what is found while files are read: there is nothing to call.
    Reading,
    /// At each rule.
    Rule(fn(&Site<'_>, &mut Findings<'_>)),
    /// At all rules together.
    Rules(fn(&Corpus, &mut Findings<'_>)),
    /// At each Alertmanager configuration, with the rules beside it.
    Routing(fn(&RoutingSite<'_>, &mut Findings<'_>)),
}

impl fmt::Debug for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Look::Reading => "Reading",
            Look::Rule(_) => "Rule",
            Look::Rules(_) => "Rules",
            Look::Routing(_) => "Routing",
        })
    }
}

/// Where a check puts what it finds.
pub struct Findings<'a> {
    check: &'static Check,
    all: &'a mut Vec<Finding>,
}

/// So many findings are kept in one run.
pub const MOST_FINDINGS: usize = 10_000;

impl<'a> Findings<'a> {
    /// For one check.
    pub fn new(check: &'static Check, all: &'a mut Vec<Finding>) -> Self {
        Findings { check, all }
    }

    /// Adds a finding.
    pub fn add(&mut self, spot: Spot, message: impl Into<String>) {
        if self.all.len() < MOST_FINDINGS {
            self.all.push(Finding::new(self.check, spot, message));
        }
    }

    /// Adds a finding that is put right by a change of the text.
    pub fn add_with_edit(&mut self, spot: Spot, message: impl Into<String>, edit: Option<Edit>) {
        if self.all.len() < MOST_FINDINGS {
            self.all.push(Finding { edit, ..Finding::new(self.check, spot, message) });
        }
    }
}
