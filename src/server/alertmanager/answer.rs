//! How this API answers and refuses.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::server::json::Json;

/// An error of this API: a status code and a JSON string.
#[derive(Debug)]
pub struct Refusal(pub StatusCode, pub String);

impl Refusal {
    pub(super) fn bad(text: impl Into<String>) -> Self {
        Refusal(StatusCode::BAD_REQUEST, text.into())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut json = Json::new();
        json.string(&self.1);
        (self.0, [(header::CONTENT_TYPE, "application/json")], json.finish() + "\n").into_response()
    }
}

/// An answer in JSON.
pub(super) fn answer(write: impl FnOnce(&mut Json)) -> Response {
    let mut json = Json::new();
    write(&mut json);
    ([(header::CONTENT_TYPE, "application/json")], json.finish() + "\n").into_response()
}
