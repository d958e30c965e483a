//! Where queries are answered: by our own operators over local series, or by a remote Prometheus-compatible API.

mod json;
mod local;
pub mod query_log;
mod remote;
mod remote_read;

pub use local::LocalQuerier;
pub use remote::{RemoteQuerier, RemoteSettings};
pub use remote_read::{FanoutQuerier, FanoutStorage, RemoteReadSettings};

use crate::promql::{EvalEnv, EvalError, Evaluated, Plan};

/// Why a query was not answered.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// Our own evaluation failed.
    #[error(transparent)]
    Evaluation(#[from] EvalError),
    /// The remote API answered with an error: its type and its text.
    #[error("{kind}: {message}")]
    Remote {
        /// `errorType` of the API, such as `execution` or `timeout`.
        kind: String,
        /// Its text.
        message: String,
    },
    /// The remote API could not be reached, or what it answered is no answer. Without secrets.
    #[error("{0}")]
    Transport(String),
}

/// Something that answers compiled queries. Calls block; drivers make them from worker threads.
pub trait Querier: Send + Sync {
    /// Evaluates at one time, milliseconds.
    ///
    /// # Errors
    /// Why there is no answer.
    fn instant(&self, plan: &Plan, at: i64, env: &EvalEnv) -> Result<Evaluated, QueryError>;

    /// Evaluates at every step from `start` to `end` (inclusive), milliseconds.
    ///
    /// # Errors
    /// Why there is no answer.
    fn range(&self, plan: &Plan, start: i64, end: i64, step: i64, env: &EvalEnv) -> Result<Evaluated, QueryError>;

    /// Whether answers come from elsewhere, so that a call waits: it needs a thread that may block.
    fn waits(&self) -> bool {
        true
    }
}
