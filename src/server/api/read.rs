//! `read`: remote read, as samples or as streamed chunks.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::sync::mpsc;

use crate::ingest::remote_read::{
    CHUNKS, ReadQuery, ReadRequest, SAMPLES, chunks, encode_samples, encode_series, frame,
};
use crate::model::{Labels, MatchOp, Matcher, SampleBuf};
use crate::server::app::App;
use crate::tsdb::{Queryable, Tsdb};

/// The largest message, bytes, as it comes and decompressed: selectors take little.
pub const MOST_BYTES: usize = 1 << 20;
/// Frames that are made ahead of the one being sent.
const FRAMES_AHEAD: usize = 16;
/// Bytes of chunks from which on a frame is sent.
const BYTES_OF_FRAME: usize = 1 << 20;

fn refuse(status: StatusCode, text: impl std::fmt::Display) -> Response {
    (status, format!("{text}\n")).into_response()
}

/// `POST /api/v1/read`
pub async fn read(State(app): State<Arc<App>>, body: Bytes) -> Response {
    let request = match ReadRequest::decode(&body, MOST_BYTES) {
        Ok(request) => request,
        Err(e) => return refuse(StatusCode::BAD_REQUEST, e),
    };
    let Ok(place) = app.reads.clone().acquire_owned().await else {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "the server is shutting down");
    };
    let external = app.config.load().external_labels.clone();
    let (storage, limit) = (app.storage.clone(), app.service.reads.samples);
    if !request.takes_samples && !request.takes_chunks {
        return refuse(StatusCode::BAD_REQUEST, "none of the accepted response types is supported");
    }
    if request.prefers_chunks {
        let (sender, mut frames) = mpsc::channel::<Result<Vec<u8>, std::io::Error>>(FRAMES_AHEAD);
        tokio::task::spawn_blocking(move || {
            let _place = place;
            if let Err(e) = stream(&storage, &request.queries, &external, &sender) {
                // Whoever reads hears that the answer is not whole, unless it has gone.
                let _ = sender.blocking_send(Err(std::io::Error::other(e)));
            }
        });
        let body = futures::stream::poll_fn(move |context| frames.poll_recv(context));
        return ([(header::CONTENT_TYPE, CHUNKS)], Body::from_stream(body)).into_response();
    }
    let sampled = tokio::task::spawn_blocking(move || {
        let _place = place;
        sampled(&storage, &request.queries, &external, limit)
    });
    match sampled.await {
        Ok(Ok(body)) => {
            let headers = [(header::CONTENT_TYPE, SAMPLES), (header::CONTENT_ENCODING, "snappy")];
            (headers, body).into_response()
        }
        Ok(Err(e)) => refuse(StatusCode::BAD_REQUEST, e),
        Err(e) => refuse(StatusCode::INTERNAL_SERVER_ERROR, e),
    }
}

/// The conditions without those that ask for what this instance adds to everything.
fn own_matchers(query: &ReadQuery, external: &Labels) -> Vec<Matcher> {
    let is_external = |m: &&Matcher| m.op == MatchOp::Equal && external.get(&m.name) == Some(m.value.as_ref());
    query.matchers.iter().filter(|m| !is_external(m)).cloned().collect()
}

/// A series' labels with those of this instance, where it lacks them.
fn with_external(labels: &Labels, external: &Labels) -> Labels {
    let mut builder = labels.to_builder();
    for (name, value) in external.iter().filter(|(name, _)| !labels.has(name)) {
        builder.set(name, value);
    }
    builder.build()
}

/// Gives every series of a query with its samples, by labels.
fn each(
    storage: &Tsdb,
    query: &ReadQuery,
    external: &Labels,
    mut see: impl FnMut(Labels, &SampleBuf) -> Result<(), String>,
) -> Result<(), String> {
    let found = storage.select_shared(&own_matchers(query, external), query.start, query.end);
    let mut series: Vec<_> = found.map_err(|e| e.to_string())?.iter().cloned().collect();
    series.sort_by(|a, b| a.labels().cmp(b.labels()));
    let mut samples = SampleBuf::default();
    for series in series {
        samples.clear();
        series.read(query.start, query.end, false, &mut samples).map_err(|e| e.to_string())?;
        if !samples.is_empty() {
            see(with_external(series.labels(), external), &samples)?;
        }
    }
    Ok(())
}

fn sampled(storage: &Tsdb, queries: &[ReadQuery], external: &Labels, limit: usize) -> Result<Vec<u8>, String> {
    let (mut results, mut count) = (Vec::with_capacity(queries.len()), 0);
    for query in queries {
        let mut all = Vec::new();
        each(storage, query, external, |labels, samples| {
            count += samples.len();
            if limit > 0 && count > limit {
                return Err(format!("exceeded sample limit ({limit})"));
            }
            all.extend(encode_series(&labels, samples));
            Ok(())
        })?;
        results.push(all);
    }
    Ok(encode_samples(&results))
}

fn stream(
    storage: &Tsdb,
    queries: &[ReadQuery],
    external: &Labels,
    out: &mpsc::Sender<Result<Vec<u8>, std::io::Error>>,
) -> Result<(), String> {
    for (i, query) in queries.iter().enumerate() {
        each(storage, query, external, |labels, samples| {
            let send = |chunks: &[_]| {
                let sent = out.blocking_send(Ok(frame(i, &labels, chunks)));
                sent.map_err(|_| "the client has gone".to_owned())
            };
            let (mut held, mut size) = (Vec::new(), 0);
            for chunk in chunks(samples) {
                size += chunk.bytes.len();
                held.push(chunk);
                if size >= BYTES_OF_FRAME {
                    send(&held)?;
                    held.clear();
                    size = 0;
                }
            }
            if !held.is_empty() {
                send(&held)?;
            }
            Ok(())
        })?;
    }
    Ok(())
}
