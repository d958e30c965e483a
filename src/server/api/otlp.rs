//! `otlp/v1/metrics`: OpenTelemetry's metrics.

use std::io::Read;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::write::{READ_TIMEOUT, read, refused};
use crate::ingest::otlp;
use crate::ingest::remote_write::{Protocol, WriteError, Written};
use crate::server::app::App;

/// What samples take on their way to the store, for each byte of a message.
const HELD_PER_BYTE: usize = 8;
/// How much longer than in JSON a message can be in protobuf: `1,` is a word with its tag.
const GROWTH_OF_JSON: usize = 5;
const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";

/// `POST /api/v1/otlp/v1/metrics`
pub async fn metrics(State(app): State<Arc<App>>, headers: HeaderMap, body: Body) -> Response {
    if !app.service.otlp_receiver {
        let text = "OTLP receiver needs to be enabled with --web.enable-otlp-receiver\n";
        return (StatusCode::NOT_FOUND, text).into_response();
    }
    let text = |name: HeaderName| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or("").to_ascii_lowercase();
    let (media, encoding) = (text(header::CONTENT_TYPE), text(header::CONTENT_ENCODING));
    let media = media.split(';').next().unwrap_or("").trim();
    if media != PROTOBUF && media != JSON {
        let text = format!("unsupported content type: {media}, supported: [{JSON}, {PROTOBUF}]\n");
        return (StatusCode::UNSUPPORTED_MEDIA_TYPE, text).into_response();
    }
    if !["", "identity", "gzip"].contains(&encoding.as_str()) {
        let text = format!("unsupported compression: {encoding}. Only \"gzip\" or no compression supported\n");
        return (StatusCode::UNSUPPORTED_MEDIA_TYPE, text).into_response();
    }
    let mut admitted = app.receiver.admit();
    let body = match tokio::time::timeout(READ_TIMEOUT, read(&app, body, &mut admitted)).await {
        Ok(Ok(body)) => body,
        Ok(Err(e)) => return refused(&e, Protocol::V1),
        Err(_) => return (StatusCode::REQUEST_TIMEOUT, "the body did not come in time\n").into_response(),
    };
    let (worker, is_json) = (app.clone(), media == JSON);
    let received = tokio::task::spawn_blocking(move || -> Result<Written, WriteError> {
        let message = if encoding == "gzip" { inflated(&worker, &body)? } else { body };
        let message = match is_json {
            true => {
                worker.receiver.reserve(&mut admitted, message.len().saturating_mul(GROWTH_OF_JSON))?;
                from_json(&message)?
            }
            false => message,
        };
        worker.receiver.reserve(&mut admitted, message.len().saturating_mul(HELD_PER_BYTE))?;
        let settings = worker.otlp.load();
        otlp::receive(&worker.storage, (&settings, &worker.cumulative), worker.clock.now(), &message)
    });
    match received.await {
        Ok(Ok(_)) => StatusCode::OK.into_response(),
        Ok(Err(e)) => refused(&e, Protocol::V1),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, "the write panicked; this is a defect\n").into_response(),
    }
}

fn from_json(message: &[u8]) -> Result<Vec<u8>, WriteError> {
    otlp::to_protobuf(message).map_err(|e| WriteError {
        status: 400,
        message: format!("OTLP message: {e}"),
        written: Written::default(),
    })
}

fn inflated(app: &App, body: &[u8]) -> Result<Vec<u8>, WriteError> {
    let refusal = |status, message: String| WriteError { status, message, written: Written::default() };
    let limit = app.receiver.limits().decompressed;
    let mut message = Vec::new();
    let mut reader = flate2::read::MultiGzDecoder::new(body).take(limit as u64 + 1);
    reader.read_to_end(&mut message).map_err(|e| refusal(400, format!("gzip: {e}")))?;
    if message.len() > limit {
        return Err(refusal(413, format!("the message is over the limit of {limit} bytes")));
    }
    Ok(message)
}
