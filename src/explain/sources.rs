//! What an explanation is made from.

use crate::datasource::Querier;
use crate::engine::View;
use crate::history::{Page, Query};
use crate::promql::EvalEnv;

/// What an explanation is made from. Nobody waits for the engine: it is what the engine showed after its last turn.
pub struct Sources<'a> {
    /// The engine as it was after its last turn.
    pub view: &'a View,
    /// Answers the rules' queries.
    pub querier: &'a dyn Querier,
    /// Has the series that rules write: how alerts stood.
    pub own: &'a dyn Querier,
    /// What surrounds every evaluation; its deadline is that of all together.
    pub env: &'a EvalEnv,
    /// The time, milliseconds.
    pub now: i64,
    /// Most alerts that are told of, and most series of each part.
    pub most: usize,
    /// Answers what was decided; nothing where no history is kept.
    pub past: Option<&'a dyn Fn(&Query) -> Page>,
}
