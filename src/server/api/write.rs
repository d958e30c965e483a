//! `write`: remote write, 1.0 and 2.0.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::ingest::remote_write::{ReceiveLimits, WriteHeaders, Written};
use crate::server::app::App;

/// The largest body, bytes.
pub fn max_body() -> usize {
    ReceiveLimits::default().body
}

/// `POST /api/v1/write`
pub async fn write(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Response {
    let text = |name: HeaderName| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or("").to_owned();
    let (content_type, content_encoding) = (text(header::CONTENT_TYPE), text(header::CONTENT_ENCODING));
    let received = tokio::task::spawn_blocking(move || {
        let headers = WriteHeaders { content_type: &content_type, content_encoding: &content_encoding };
        app.receiver.receive(headers, &body)
    });
    match received.await {
        Ok(Ok(written)) => counted(StatusCode::NO_CONTENT, &written, String::new()),
        Ok(Err(e)) => {
            let status = StatusCode::from_u16(e.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            counted(status, &e.written, format!("{e}\n"))
        }
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, "the write panicked; this is a defect\n").into_response(),
    }
}

fn counted(status: StatusCode, written: &Written, text: String) -> Response {
    let mut response = (status, text).into_response();
    for (name, count) in written.headers() {
        if let Ok(name) = HeaderName::try_from(name) {
            response.headers_mut().insert(name, count.into());
        }
    }
    response
}
