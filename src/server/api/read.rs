//! `read`: remote read, as samples or as streamed chunks.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::sync::mpsc;

use crate::ingest::remote_read::{CHUNKS, Frame, ReadQuery, ReadRequest, SAMPLES, encode_samples, encode_series};
use crate::model::{Labels, MatchOp, Matcher, SampleBuf};
use crate::server::app::App;
use crate::tsdb::{Queryable, Series, Tsdb};

/// The largest message, bytes, as it comes and decompressed: selectors take little.
pub const MOST_BYTES: usize = 1 << 20;
/// Frames that are made ahead of the one being sent.
const FRAMES_AHEAD: usize = 16;
/// Samples of a frame: about a megabyte at worst.
const SAMPLES_OF_FRAME: usize = 60_000;

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
    let request = Arc::new(request);
    // Where histograms are among them, samples are as good.
    let in_chunks = match (request.prefers_chunks, request.takes_samples) {
        (false, _) => false,
        (true, false) => true,
        (true, true) => {
            let (storage, request, external) = (storage.clone(), request.clone(), external.clone());
            let floats = tokio::task::spawn_blocking(move || only_floats(&storage, &request.queries, &external));
            floats.await.unwrap_or(false)
        }
    };
    if in_chunks {
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

/// Whether the series of all queries end with floats.
fn only_floats(storage: &Tsdb, queries: &[ReadQuery], external: &Labels) -> bool {
    queries.iter().all(|query| {
        let found = storage.select_shared(&own_matchers(query, external), query.start, query.end);
        found.is_ok_and(|found| {
            let is_float = |series: &Arc<dyn Series>| {
                let newest = series.latest(query.start, query.end);
                newest.is_ok_and(|newest| newest.is_none_or(|(_, value)| value.as_float().is_some()))
            };
            found.iter().all(is_float)
        })
    })
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
            if !samples.hists.is_empty() {
                return Err(format!("{labels}: native histograms are read as samples, not as chunks"));
            }
            for (ts, vs) in samples.ts.chunks(SAMPLES_OF_FRAME).zip(samples.vs.chunks(SAMPLES_OF_FRAME)) {
                let Frame(frame) = Frame::of(i, &labels, ts, vs);
                out.blocking_send(Ok(frame)).map_err(|_| "the client has gone".to_owned())?;
            }
            Ok(())
        })?;
    }
    Ok(())
}
