//! What surrounds an evaluation.

use std::sync::Arc;

use super::limits::{CancelToken, Helpers, Limits};
use super::shared::TickCache;

/// What surrounds an evaluation. Switches of the language are the plan's ([`super::Features`], given to `compile`).
#[derive(Clone, Debug)]
pub struct EvalEnv {
    /// How far back an instant selector looks for a sample, milliseconds (`--query.lookback-delta`).
    pub lookback_ms: i64,
    /// The default step of subqueries, milliseconds: the global evaluation interval.
    pub default_step_ms: i64,
    /// Bounds.
    pub limits: Limits,
    /// Stops the evaluation.
    pub cancel: CancelToken,
    /// Results shared with other evaluations at the same time, over the same storage.
    pub shared: Option<Arc<TickCache>>,
    /// Measure what every operator costs.
    pub profile: bool,
    /// Threads for the leaves of large queries; without, an evaluation stays on its thread.
    pub helpers: Option<Arc<Helpers>>,
    /// What is said to a remote server; nothing that is evaluated here looks at it.
    pub terms: Option<Arc<RequestTerms>>,
}

/// What a query says to a remote server beside itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestTerms {
    /// More parameters.
    pub params: Vec<(String, String)>,
    /// Headers, in the place of the datasource's own of the same names.
    pub headers: Vec<(String, String)>,
    /// The tenant of a VictoriaMetrics cluster, which stands in the path.
    pub tenant: Option<String>,
}

impl Default for EvalEnv {
    fn default() -> Self {
        EvalEnv {
            lookback_ms: 300_000,
            default_step_ms: 60_000,
            limits: Limits::default(),
            cancel: CancelToken::default(),
            shared: None,
            profile: false,
            helpers: None,
            terms: None,
        }
    }
}
