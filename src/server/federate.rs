//! `/federate`: the newest sample of each selected series, for another Prometheus to scrape.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::instrument::Format;
use crate::model::labels::{is_legacy_label_name, is_legacy_metric_name, push_quoted};
use crate::model::number::push_float;
use crate::model::{Labels, METRIC_NAME, Matcher, Value};
use crate::tsdb::{Queryable, Tsdb};

use super::api::Params;
use super::app::App;
use super::error::ApiError;

/// A series' newest sample.
struct Newest {
    labels: Labels,
    t: i64,
    value: f64,
}

/// `GET /federate`
pub async fn federate(State(app): State<Arc<App>>, headers: HeaderMap, params: Params) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or("");
    let any_names = accept.contains("escaping=allow-utf-8");
    let sets = match params.matchers(&app.queries.options().features) {
        Ok(sets) => sets,
        Err(e) => return (StatusCode::BAD_REQUEST, format!("{e}\n")).into_response(),
    };
    let (storage, now, lookback) = (app.storage.clone(), app.clock.now(), app.queries.options().lookback);
    let external = app.config.load().external_labels.clone();
    let written =
        app.queries.run(None, move |_| Ok(write(&newest(&storage, &sets, now, lookback)?, &external, any_names)));
    match written.await {
        Ok(text) => ([(header::CONTENT_TYPE, Format::Text.content_type())], text).into_response(),
        Err(e) => {
            app.http.federation_errors.inc();
            (StatusCode::INTERNAL_SERVER_ERROR, format!("{e}\n")).into_response()
        }
    }
}

/// The newest samples of the series that any of the selectors selects, each series once, by name. The text format has no
/// form for native histograms: they are left out, and so is what has no name.
fn newest(storage: &Tsdb, sets: &[Vec<Matcher>], now: i64, lookback: i64) -> Result<Vec<Newest>, ApiError> {
    let (mut found, mut seen) = (Vec::new(), BTreeSet::new());
    let since = now.saturating_sub(lookback).saturating_add(1);
    for matchers in sets {
        for series in storage.select_shared(matchers, since, now)?.iter() {
            let Some((t, value)) = series.latest(since, now)? else { continue };
            let named = !series.labels().metric_name().is_empty();
            if let Value::Float(v) = value
                && !crate::model::is_stale(v)
                && named
                && seen.insert(series.labels().clone())
            {
                found.push(Newest { labels: series.labels().clone(), t, value: v });
            }
        }
    }
    found.sort_by(|a, b| (a.labels.metric_name(), &a.labels).cmp(&(b.labels.metric_name(), &b.labels)));
    Ok(found)
}

/// The samples as text, with external labels where a series lacks them. `instance` is written even when it is empty: else
/// whoever scrapes it would set its own. Who does not say that it reads any name gets names escaped.
fn write(samples: &[Newest], external: &Labels, any_names: bool) -> String {
    let mut more: Vec<(&str, &str)> = external.iter().collect();
    if !external.has("instance") {
        more.push(("instance", ""));
        more.sort_unstable();
    }
    let (mut out, mut family) = (String::new(), "");
    for Newest { labels, t, value } in samples {
        let name = labels.metric_name();
        if name != family {
            family = name;
            out.push_str("# TYPE ");
            push_name(&mut out, name, is_legacy_metric_name(name), any_names);
            out.push_str(" untyped\n");
        }
        let own = labels.iter().filter(|(label, value)| *label != METRIC_NAME && !value.is_empty());
        let lacking = more.iter().copied().filter(|(label, _)| !labels.has(label));
        let is_plain = is_legacy_metric_name(name) || !any_names;
        if is_plain {
            push_name(&mut out, name, is_legacy_metric_name(name), any_names);
        }
        let (mut separator, mut any) = ('{', false);
        if !is_plain {
            out.push('{');
            push_quoted(&mut out, name);
            (separator, any) = (',', true);
        }
        for (label, value) in own.chain(lacking) {
            out.push(separator);
            push_name(&mut out, label, is_legacy_label_name(label), any_names);
            out.push('=');
            push_quoted(&mut out, value);
            (separator, any) = (',', true);
        }
        out.push_str(if any { "} " } else { " " });
        push_float(&mut out, *value);
        let _ = writeln!(out, " {t}");
    }
    out
}

fn push_name(out: &mut String, name: &str, is_plain: bool, any_names: bool) {
    match (is_plain, any_names) {
        (true, _) => out.push_str(name),
        (false, true) => push_quoted(out, name),
        (false, false) => push_escaped(out, name),
    }
}

/// A name with an underscore for everything that is no letter and no digit.
fn push_escaped(out: &mut String, name: &str) {
    for (i, c) in name.chars().enumerate() {
        let is_plain = matches!(c, 'a'..='z' | 'A'..='Z' | '_' | ':') || (i > 0 && c.is_ascii_digit());
        out.push(if is_plain { c } else { '_' });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_written_with_what_they_lack() {
        let sample = |pairs: &[(&str, &str)], value| Newest { labels: Labels::from_pairs(pairs.to_vec()), t: 7, value };
        let samples = [
            sample(&[("__name__", "up"), ("job", "a"), ("instance", "x")], 1.0),
            sample(&[("__name__", "up"), ("zone", "own")], f64::INFINITY),
            sample(&[("__name__", "x.y"), ("b c", "\"")], 0.5),
        ];
        let external = Labels::from_pairs([("zone", "eu")]);
        let want = "# TYPE up untyped\nup{instance=\"x\",job=\"a\",zone=\"eu\"} 1 7\nup{zone=\"own\",instance=\"\"} +Inf 7\n\
            # TYPE \"x.y\" untyped\n{\"x.y\",\"b c\"=\"\\\"\",instance=\"\",zone=\"eu\"} 0.5 7\n";
        assert_eq!(write(&samples, &external, true), want);
        let escaped = write(&samples, &external, false);
        assert!(escaped.contains("\nx_y{b_c=\"\\\"\","), "{escaped}");
    }
}
