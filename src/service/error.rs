//! Why a service did not start, or stopped.

use crate::model::Diagnostic;
use crate::notify::receivers::SetupError;
use crate::state::StateError;
use crate::tsdb::TsdbError;

/// Why a service did not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The configuration is not good.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Config(Vec<Diagnostic>),
    /// Receivers cannot be set up.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Receivers(Vec<SetupError>),
    /// The database cannot be opened.
    #[error(transparent)]
    Storage(#[from] TsdbError),
    /// The state store cannot be opened.
    #[error(transparent)]
    State(#[from] StateError),
    /// The web configuration is not good.
    #[error("web configuration: {0}")]
    Web(String),
    /// The address cannot be listened on.
    #[error("listen on {address}: {source}")]
    Listen {
        /// The address.
        address: String,
        /// Why.
        source: std::io::Error,
    },
    /// A log file cannot be opened.
    #[error("{key}: cannot open {path}: {source}")]
    LogFile {
        /// The key of the configuration that names it.
        key: &'static str,
        /// Which.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// Too many log files are named.
    #[error("scrape_failure_log_file: more than {0} different files are named")]
    LogFiles(usize),
    /// The engine's thread has ended by a defect: nothing would be evaluated any more, and nobody told.
    #[error("the engine has stopped after a defect; what was stored is there at the next start")]
    Engine,
    /// The operating system refused something.
    #[error(transparent)]
    System(#[from] std::io::Error),
}
