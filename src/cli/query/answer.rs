//! When a query is asked, and what it is answered.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::model::duration;
use crate::model::time::rfc3339;
use crate::promql::{Evaluated, Plan};

/// The time or times of a query, milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    At(i64),
    Range { start: i64, end: i64, step: i64 },
}

impl When {
    /// First and last time.
    pub fn bounds(self) -> (i64, i64) {
        match self {
            When::At(t) => (t, t),
            When::Range { start, end, .. } => (start, end),
        }
    }

    pub fn step(self) -> i64 {
        match self {
            When::At(_) => 1,
            When::Range { step, .. } => step.max(1),
        }
    }

    /// How many steps there are.
    pub fn steps(self) -> u64 {
        let (start, end) = self.bounds();
        match u64::try_from(end.saturating_sub(start)) {
            Ok(span) => span / self.step().unsigned_abs() + 1,
            Err(_) => 0,
        }
    }
}

/// `at 2026-01-02T03:04:05Z`, `from ... to ..., every 15s`
impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            When::At(t) => write!(f, "at {}", rfc3339(t)),
            When::Range { start, end, step } => {
                write!(f, "from {} to {}, every {}", rfc3339(start), rfc3339(end), duration::format(step))
            }
        }
    }
}

/// An evaluated query and what belongs to it.
pub(super) struct Answer {
    pub plan: Arc<Plan>,
    pub when: When,
    pub evaluated: Evaluated,
    /// The server that evaluated it, if one did.
    pub server: Option<String>,
    /// How long it took to compile and to evaluate.
    pub took: (Duration, Duration),
}
