//! `/federate`: the newest sample of each selected series, for another Prometheus to scrape.

mod negotiation;
mod protobuf;
mod sample;
mod text;

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::model::Matcher;
use crate::tsdb::{Queryable, Tsdb};

use super::api::Params;
use super::app::App;
use super::error::ApiError;
use negotiation::{Answer, Form};
use sample::{Lacking, Newest};

/// `GET /federate`
pub async fn federate(State(app): State<Arc<App>>, headers: HeaderMap, params: Params) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or("");
    let Answer { form, any_names } = Answer::accepted(accept);
    let sets = match params.matchers(&app.queries.options().features) {
        Ok(sets) => sets,
        Err(e) => return (StatusCode::BAD_REQUEST, format!("{e}\n")).into_response(),
    };
    let (storage, now, lookback) = (app.storage.clone(), app.clock.now(), app.queries.options().lookback);
    let external = app.config.load().external_labels.clone();
    let written = app.queries.run(None, move |_| {
        let (samples, lacking) = (newest(&storage, &sets, now, lookback)?, Lacking::of(&external));
        Ok(match form {
            Form::Text => text::write(&samples, &lacking, any_names).into_bytes(),
            Form::Protobuf => protobuf::write(&samples, &lacking, any_names),
        })
    });
    match written.await {
        Ok(body) => ([(header::CONTENT_TYPE, form.content_type())], body).into_response(),
        Err(e) => {
            app.http.federation_errors.inc();
            (StatusCode::INTERNAL_SERVER_ERROR, format!("{e}\n")).into_response()
        }
    }
}

/// The newest samples of the series that any of the selectors selects, each series once, by name. What has no name is left
/// out.
fn newest(storage: &Tsdb, sets: &[Vec<Matcher>], now: i64, lookback: i64) -> Result<Vec<Newest>, ApiError> {
    let (mut found, mut seen) = (Vec::new(), BTreeSet::new());
    let since = now.saturating_sub(lookback).saturating_add(1);
    for matchers in sets {
        for series in storage.select_shared(matchers, since, now)?.iter() {
            let Some((t, value)) = series.latest(since, now)? else { continue };
            let named = !series.labels().metric_name().is_empty();
            if !value.is_stale() && named && seen.insert(series.labels().clone()) {
                found.push(Newest { labels: series.labels().clone(), t, value });
            }
        }
    }
    found.sort_by(|a, b| (a.labels.metric_name(), &a.labels).cmp(&(b.labels.metric_name(), &b.labels)));
    Ok(found)
}
