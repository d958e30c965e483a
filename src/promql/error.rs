//! Why a query does not compile, and why it cannot be carried out.

use super::annotations::Span;
use crate::tsdb::StorageError;

/// A query that is not PromQL. `Display` is Prometheus' form: `1:5: parse error: ...`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{position}: parse error: {message}")]
pub struct PromqlError {
    /// What is wrong.
    pub message: String,
    /// Where in the query.
    pub span: Span,
    /// `line:column` of the span's start, from 1.
    pub position: String,
}

impl PromqlError {
    /// An error at a place in `source`.
    pub fn new(source: &str, span: Span, message: impl Into<String>) -> Self {
        PromqlError { message: message.into(), span, position: span.position(source) }
    }
}

/// A defect found while compiling, before its position is written out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub message: String,
    pub span: Span,
}

impl Fault {
    pub fn new(span: Span, message: impl Into<String>) -> Self {
        Fault { message: message.into(), span }
    }

    pub fn locate(self, source: &str) -> PromqlError {
        PromqlError::new(source, self.span, self.message)
    }
}

/// Why an evaluation failed.
#[derive(Debug, thiserror::Error)]
pub enum EvalError {
    /// More samples than the limit allows would be held at once.
    #[error("query processing would load too many samples into memory in query execution")]
    TooManySamples,
    /// The columns of the query have more places than the limit allows, most of them empty.
    #[error("query processing would need columns of more than {0} places, series by steps, in query execution")]
    TooManyPlaces(usize),
    /// The deadline passed.
    #[error("query timed out in expression evaluation")]
    Timeout,
    /// Someone cancelled the query.
    #[error("query was canceled in expression evaluation")]
    Canceled,
    /// The expression cannot be evaluated over these series, in Prometheus' words.
    #[error("{0}")]
    Execution(String),
    /// Storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl EvalError {
    /// An execution error with a text.
    pub fn execution(text: impl Into<String>) -> Self {
        EvalError::Execution(text.into())
    }
}
