//! Where rules and the API query: the local TSDB, or a Prometheus-compatible server.

mod json;
mod remote;

use crate::net::NetError;
use crate::promql::{EvalError, QueryValue};

pub use remote::{QueryMethod, RemoteQuerier, RemoteSettings};

/// A result with what there is to say about it, in Prometheus' words.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The result.
    pub value: QueryValue,
    /// Warnings, with their prefix and positions.
    pub warnings: Vec<String>,
    /// Infos, with their prefix and positions.
    pub infos: Vec<String>,
}

/// Why there is no result. No text holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The evaluation failed.
    #[error(transparent)]
    Eval(#[from] EvalError),
    /// The remote server could not be reached.
    #[error("{url}: {source}")]
    Transport {
        /// The server, without user information.
        url: String,
        /// What happened.
        source: NetError,
    },
    /// The remote server answered with a failure that is not in the API's form.
    #[error("{url}: server returned HTTP status {status}: {body}")]
    Status {
        /// The server, without user information.
        url: String,
        /// The HTTP status.
        status: u16,
        /// The start of the body.
        body: String,
    },
    /// The remote server refused or failed the query.
    #[error("{kind}: {message}")]
    Api {
        /// Prometheus' `errorType`.
        kind: String,
        /// Prometheus' `error`.
        message: String,
    },
    /// The remote server's answer is not in the API's form.
    #[error("{url}: unexpected answer: {reason}")]
    Malformed {
        /// The server, without user information.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl QueryError {
    /// Whether the same query may succeed later: the server was not reached or is in passing trouble.
    pub fn is_transient(&self) -> bool {
        match self {
            QueryError::Transport { .. } => true,
            QueryError::Status { status, .. } => *status >= 500 || *status == 429,
            QueryError::Api { kind, .. } => kind == "timeout" || kind == "unavailable" || kind == "internal",
            QueryError::Eval(_) | QueryError::Malformed { .. } => false,
        }
    }
}
