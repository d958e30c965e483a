//! Errors of the API: kinds, status codes and their JSON form.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::datasource::QueryError;
use crate::promql::EvalError;
use crate::tsdb::StorageError;

use super::json::Json;

/// An answer that is an error. Kinds and codes are Prometheus'.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// A request that cannot be understood.
    #[error("{0}")]
    BadData(String),
    /// A query that cannot be carried out.
    #[error("{0}")]
    Execution(String),
    /// A query that someone stopped.
    #[error("{0}")]
    Canceled(String),
    /// A query that took too long.
    #[error("{0}")]
    Timeout(String),
    /// Something of ours failed.
    #[error("{0}")]
    Internal(String),
    /// There is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// Not now, or not with these settings.
    #[error("{0}")]
    Unavailable(String),
}

impl ApiError {
    /// `bad_data` for a parameter.
    pub fn parameter(name: &str, why: impl std::fmt::Display) -> Self {
        ApiError::BadData(format!("invalid parameter {name:?}: {why}"))
    }

    /// The status it is answered with.
    pub fn status(&self) -> StatusCode {
        self.kind().1
    }

    fn kind(&self) -> (&'static str, StatusCode) {
        match self {
            ApiError::BadData(_) => ("bad_data", StatusCode::BAD_REQUEST),
            ApiError::Execution(_) => ("execution", StatusCode::UNPROCESSABLE_ENTITY),
            // The client has gone, says nginx's code; nobody else hears of it.
            ApiError::Canceled(_) => ("canceled", StatusCode::from_u16(499).unwrap_or(StatusCode::SERVICE_UNAVAILABLE)),
            ApiError::Timeout(_) => ("timeout", StatusCode::SERVICE_UNAVAILABLE),
            ApiError::Internal(_) => ("internal", StatusCode::INTERNAL_SERVER_ERROR),
            ApiError::NotFound(_) => ("not_found", StatusCode::NOT_FOUND),
            ApiError::Unavailable(_) => ("unavailable", StatusCode::SERVICE_UNAVAILABLE),
        }
    }
}

impl From<EvalError> for ApiError {
    fn from(e: EvalError) -> Self {
        match e {
            EvalError::Canceled => ApiError::Canceled(e.to_string()),
            EvalError::Timeout => ApiError::Timeout(e.to_string()),
            EvalError::Storage(e) => e.into(),
            e => ApiError::Execution(e.to_string()),
        }
    }
}

impl From<QueryError> for ApiError {
    fn from(e: QueryError) -> Self {
        match e {
            QueryError::Evaluation(e) => e.into(),
            QueryError::Remote { kind, message } => match kind.as_str() {
                "bad_data" => ApiError::BadData(message),
                "timeout" => ApiError::Timeout(message),
                "canceled" => ApiError::Canceled(message),
                _ => ApiError::Execution(message),
            },
            QueryError::Transport(message) => ApiError::Unavailable(message),
        }
    }
}

impl From<StorageError> for ApiError {
    fn from(e: StorageError) -> Self {
        match e {
            // A limit of queries, not a failure of the storage.
            StorageError::TooMany(_) => ApiError::Execution(e.to_string()),
            _ => ApiError::Internal(e.to_string()),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (kind, status) = self.kind();
        let mut json = Json::new();
        json.object(|j| {
            j.key("status").string("error");
            j.key("errorType").string(kind);
            j.key("error").string(&self.to_string());
        });
        (status, [(header::CONTENT_TYPE, "application/json")], json.finish()).into_response()
    }
}
