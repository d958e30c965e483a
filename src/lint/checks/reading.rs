//! What is found while files are read: the verdicts that `watchbell check` has without a linter.

use crate::lint::check::{Check, Severity};
use crate::lint::look::{Look, Row};

/// A check that finds nothing by itself.
const fn of(name: &'static str, severity: Severity, what: &'static str, why: &'static str, fix: &'static str) -> Check {
    Check { name, severity, pint: &[], what, why, fix, bad: "", good: "" }
}

static FILE: Check = of(
    "read/file",
    Severity::Error,
    "A file cannot be read, or is nothing that can be checked.",
    "What is in it is not known.",
    "Name files and folders that are there.",
);
static RULES: Check = of(
    "read/rules",
    Severity::Error,
    "A file of rules does not load.",
    "Prometheus and Watchbell refuse the whole file.",
    "Put right what the message names.",
);
static CONFIG: Check = of(
    "read/config",
    Severity::Error,
    "A Prometheus, web or Watchbell configuration, or a file of silences, does not load or cannot be carried out.",
    "The service does not start with it.",
    "Put right what the message names.",
);
static ROUTING: Check = of(
    "read/alertmanager",
    Severity::Error,
    "An Alertmanager configuration or its templates do not load, or its receivers cannot be built.",
    "The service does not start with it.",
    "Put right what the message names.",
);
static TEST: Check = of(
    "read/test",
    Severity::Error,
    "A test of rules fails, or does not load.",
    "The rules do not do what their tests say.",
    "Run `watchbell test rules` on the file, which shows what was expected and what came.",
);
static NOTE: Check = of(
    "read/note",
    Severity::Warning,
    "Something in a file that loads has no effect, or will fail when it is used.",
    "The author expected it to do something.",
    "Leave it out, or write what has the effect.",
);
/// Comments to the linter that say nothing.
pub static COMMENT: Check = of(
    "lint/comment",
    Severity::Warning,
    "A comment to the linter names no check, or is not understood.",
    "It switches nothing off.",
    "Name a check: `# watchbell disable promql/rate-on-gauge`.",
);

/// Their rows.
pub(super) const ROWS: [Row; 7] = [
    Row { check: &FILE, look: Look::Reading },
    Row { check: &RULES, look: Look::Reading },
    Row { check: &CONFIG, look: Look::Reading },
    Row { check: &ROUTING, look: Look::Reading },
    Row { check: &TEST, look: Look::Reading },
    Row { check: &NOTE, look: Look::Reading },
    Row { check: &COMMENT, look: Look::Reading },
];
