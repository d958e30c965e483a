//! `series`, `labels`, `label/<name>/values`, `metadata`.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;

use crate::model::Matcher;
use crate::server::app::App;
use crate::server::error::ApiError;
use crate::tsdb::{Queryable, StorageError};

use super::Params;
use super::envelope::{Notes, respond, success};

/// `GET|POST /api/v1/series`
pub async fn series(State(app): State<Arc<App>>, params: Params) -> Result<Response, ApiError> {
    let sets = params.matchers(&app.queries.options().features)?;
    if sets.is_empty() {
        return Err(ApiError::BadData("no match[] parameter provided".into()));
    }
    let ((start, end), limit) = (params.interval()?, params.limit()?);
    let storage = app.storage.clone();
    let json = app.queries.run(None, move |_| {
        let mut found = storage.series(&sets, start, end)?;
        let notes = truncate(&mut found, limit);
        Ok(success(&notes, |j| j.array_of(&found, |j, labels| j.labels(labels))))
    });
    Ok(respond(json.await?))
}

/// `GET|POST /api/v1/labels`
pub async fn labels(State(app): State<Arc<App>>, params: Params) -> Result<Response, ApiError> {
    let sets = params.matchers(&app.queries.options().features)?;
    let ((start, end), limit) = (params.interval()?, params.limit()?);
    let storage = app.storage.clone();
    let json = app.queries.run(None, move |_| {
        let names = union(&sets, |matchers| storage.label_names(matchers, start, end))?;
        Ok(strings(names, limit))
    });
    Ok(respond(json.await?))
}

/// `GET /api/v1/label/<name>/values`
pub async fn label_values(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    params: Params,
) -> Result<Response, ApiError> {
    let name = unescape_name(&name);
    if name.is_empty() {
        return Err(ApiError::BadData("invalid label name: \"\"".into()));
    }
    let sets = params.matchers(&app.queries.options().features)?;
    let ((start, end), limit) = (params.interval()?, params.limit()?);
    let storage = app.storage.clone();
    let json = app.queries.run(None, move |_| {
        let values = union(&sets, |matchers| storage.label_values(&name, matchers, start, end))?;
        Ok(strings(values, limit))
    });
    Ok(respond(json.await?))
}

/// `GET /api/v1/metadata`
pub async fn metadata(State(app): State<Arc<App>>, params: Params) -> Result<Response, ApiError> {
    let limit = match params.get("limit") {
        None => 0,
        Some(s) => s.parse::<usize>().map_err(|_| ApiError::BadData("limit must be a number".into()))?,
    };
    let per_metric = match params.get("limit_per_metric") {
        None => usize::MAX,
        Some(s) => s.parse().map_err(|_| ApiError::BadData("limit_per_metric must be a number".into()))?,
    };
    let per_metric = if per_metric == 0 { usize::MAX } else { per_metric };
    let mut metrics = match params.get("metric") {
        Some(metric) => vec![(metric.to_owned(), app.storage.metadata(metric))],
        None => app.storage.all_metadata(),
    };
    metrics.retain(|(_, known)| !known.is_empty());
    if limit > 0 {
        metrics.truncate(limit);
    }
    let json = success(&Notes::none(), |j| {
        j.object(|j| {
            for (metric, known) in &metrics {
                j.key(metric).array_of(known.iter().take(per_metric), |j, m| {
                    j.object(|j| {
                        j.key("type").string(m.kind.as_str());
                        j.key("unit").string(&m.unit);
                        j.key("help").string(&m.help);
                    });
                });
            }
        });
    });
    Ok(respond(json))
}

/// What any of the selectors finds; without selectors, what there is.
fn union(
    sets: &[Vec<Matcher>],
    mut find: impl FnMut(&[Matcher]) -> Result<Vec<String>, StorageError>,
) -> Result<Vec<String>, ApiError> {
    if let [] | [_] = sets {
        return Ok(find(sets.first().map_or(&[], Vec::as_slice))?);
    }
    let mut all = BTreeSet::new();
    for matchers in sets {
        all.extend(find(matchers)?);
    }
    Ok(all.into_iter().collect())
}

fn strings(mut items: Vec<String>, limit: usize) -> String {
    let notes = truncate(&mut items, limit);
    success(&notes, |j| j.strings(&items))
}

fn truncate<T>(items: &mut Vec<T>, limit: usize) -> Notes {
    if limit == 0 || items.len() <= limit {
        return Notes::none();
    }
    items.truncate(limit);
    Notes::warning("results truncated due to limit")
}

/// Undoes the escaping that lets any name stand in a path: `U__` in front, then `__` for `_` and `_hex_` for another
/// character. What is not escaped so is the name itself.
fn unescape_name(name: &str) -> String {
    let Some(escaped) = name.strip_prefix("U__") else { return name.to_owned() };
    let mut out = String::with_capacity(escaped.len());
    let mut rest = escaped;
    while let Some((plain, tail)) = rest.split_once('_') {
        out.push_str(plain);
        let Some((code, after)) = tail.split_once('_') else { return name.to_owned() };
        if code.is_empty() {
            out.push('_');
        } else {
            let decoded = u32::from_str_radix(code, 16).ok().filter(|_| code.len() <= 6).and_then(char::from_u32);
            let Some(c) = decoded else { return name.to_owned() };
            out.push(c);
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_names_are_undone() {
        for (escaped, name) in [
            ("job", "job"),
            ("U__host_2e_name", "host.name"),
            ("U__a__b", "a_b"),
            ("U___632__645_", "زم"),
            ("U__broken_zz_x", "U__broken_zz_x"),
            ("U__open_2e", "U__open_2e"),
        ] {
            assert_eq!(unescape_name(escaped), name, "{escaped}");
        }
    }

    #[test]
    fn what_is_beyond_the_limit_is_cut_with_a_warning() {
        assert_eq!(strings(vec!["a".into(), "b".into()], 2), r#"{"status":"success","data":["a","b"]}"#);
        assert_eq!(
            strings(vec!["a".into(), "b".into()], 1),
            r#"{"status":"success","data":["a"],"warnings":["results truncated due to limit"]}"#
        );
    }
}
