//! How this API answers and refuses.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::server::error::ApiError;
use crate::server::json::Json;

/// An error of this API: a status code and a JSON string, or the object that go-openapi makes of what it refuses.
#[derive(Debug)]
pub struct Refusal(StatusCode, String);

impl Refusal {
    /// A request that Alertmanager itself refuses.
    pub(super) fn bad(text: impl Into<String>) -> Self {
        Refusal::new(StatusCode::BAD_REQUEST, text)
    }

    pub(super) fn new(status: StatusCode, text: impl Into<String>) -> Self {
        let mut json = Json::new();
        json.string(&text.into());
        Refusal(status, json.finish())
    }

    /// A request that is not of the API's form; `code` is go-openapi's.
    pub(super) fn coded(status: StatusCode, code: u16, message: String) -> Self {
        let mut json = Json::new();
        json.object(|j| {
            j.key("code").int(code.into());
            j.key("message").string(&message);
        });
        Refusal(status, json.finish())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, [(header::CONTENT_TYPE, "application/json")], self.1 + "\n").into_response()
    }
}

impl From<ApiError> for Refusal {
    fn from(e: ApiError) -> Self {
        Refusal::bad(e.to_string())
    }
}

/// An answer in JSON.
pub(super) fn answer(write: impl FnOnce(&mut Json)) -> Response {
    let mut json = Json::new();
    write(&mut json);
    ([(header::CONTENT_TYPE, "application/json")], json.finish() + "\n").into_response()
}
