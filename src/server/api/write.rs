//! `write`: remote write, 1.0 and 2.0.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;

use crate::ingest::admission::Admitted;
use crate::ingest::remote_write::{Protocol, ReceiveLimits, WriteError, WriteHeaders, Written, accepted_protocol};
use crate::server::app::App;

/// The largest body, bytes.
pub fn max_body() -> usize {
    ReceiveLimits::default().body
}

/// Seconds after which a sender that found no room may try again.
const RETRY_AFTER: &str = "1";
/// How long a body may take to come: until then it holds memory that others wait for.
pub(super) const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// `POST /api/v1/write`
pub async fn write(State(app): State<Arc<App>>, headers: HeaderMap, body: Body) -> Response {
    if !app.service.remote_write_receiver {
        let text = "remote write receiver needs to be enabled with --web.enable-remote-write-receiver\n";
        return (StatusCode::NOT_FOUND, text).into_response();
    }
    let text = |name: HeaderName| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or("").to_owned();
    let (content_type, content_encoding) = (text(header::CONTENT_TYPE), text(header::CONTENT_ENCODING));
    // What is refused by its headers is not read.
    let protocol = match accepted_protocol(&content_type) {
        Ok(protocol) => protocol,
        Err(e) => return refused(&e, Protocol::V1),
    };
    if !is_taken(&app.service.write_protocols, protocol) {
        let names: Vec<&str> = app.service.write_protocols.iter().map(|p| p.message()).collect();
        let (message, names) = (protocol.message(), names.join(", "));
        let text = format!("{message} protobuf message is not accepted by this server; only accepts {names}\n");
        return (StatusCode::UNSUPPORTED_MEDIA_TYPE, text).into_response();
    }
    let mut admitted = app.receiver.admit();
    let read = tokio::time::timeout(READ_TIMEOUT, read(&app, body, &mut admitted)).await;
    let body = match read {
        Ok(Ok(body)) => body,
        Ok(Err(e)) => return refused(&e, protocol),
        Err(_) => return (StatusCode::REQUEST_TIMEOUT, "the body did not come in time\n").into_response(),
    };
    let worker = app.clone();
    let received = tokio::task::spawn_blocking(move || {
        let headers = WriteHeaders { content_type: &content_type, content_encoding: &content_encoding };
        worker.receiver.receive_admitted(headers, &body, &mut admitted)
    });
    match received.await {
        Ok(Ok(written)) => counted(StatusCode::NO_CONTENT, &written, protocol, String::new()),
        Ok(Err(e)) => refused(&e, protocol),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, "the write panicked; this is a defect\n").into_response(),
    }
}

fn is_taken(taken: &[Protocol], protocol: Protocol) -> bool {
    taken.is_empty() || taken.contains(&protocol)
}

/// Reads a body, piece by piece as room is found for it.
pub(super) async fn read(app: &App, body: Body, admitted: &mut Admitted) -> Result<Vec<u8>, WriteError> {
    let refusal = |status, message: String| WriteError { status, message, written: Written::default() };
    let (mut whole, limit) = (Vec::new(), app.receiver.limits().body);
    let mut pieces = body.into_data_stream();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|e| refusal(400, format!("reading the body: {e}")))?;
        if whole.len() + piece.len() > limit {
            return Err(refusal(413, format!("the body is over the limit of {limit} bytes")));
        }
        app.receiver.reserve(admitted, piece.len())?;
        whole.extend_from_slice(&piece);
    }
    Ok(whole)
}

pub(super) fn refused(e: &WriteError, protocol: Protocol) -> Response {
    let status = StatusCode::from_u16(e.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = counted(status, &e.written, protocol, format!("{e}\n"));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
    }
    response
}

/// An answer; one to a 2.0 request says what was written.
fn counted(status: StatusCode, written: &Written, protocol: Protocol, text: String) -> Response {
    let mut response = (status, text).into_response();
    let headers = (protocol == Protocol::V2).then(|| written.headers());
    for (name, count) in headers.into_iter().flatten() {
        if let Ok(name) = HeaderName::try_from(name) {
            response.headers_mut().insert(name, count.into());
        }
    }
    response
}
