//! What commands about silences have in common.

use std::io::{self, Write};

use serde_json::{Value as Json, json};

use super::flags::{Output, Settings};
use super::{table, times};
use crate::model::{MatchOp, Matcher};

/// A matcher as the API takes it.
fn matcher_json(m: &Matcher) -> Json {
    json!({
        "name": &*m.name,
        "value": &*m.value,
        "isRegex": matches!(m.op, MatchOp::Regex | MatchOp::NotRegex),
        "isEqual": matches!(m.op, MatchOp::Equal | MatchOp::Regex),
    })
}

/// A silence as the API takes it.
pub(super) fn body(matchers: &[Matcher], (starts, ends): (i64, i64), author: &str, comment: &str) -> Json {
    json!({
        "matchers": matchers.iter().map(matcher_json).collect::<Vec<_>>(),
        "startsAt": times::rfc3339(starts),
        "endsAt": times::rfc3339(ends),
        "createdBy": author,
        "comment": comment,
    })
}

/// The matchers of a silence, each as text.
fn matchers(silence: &Json) -> Vec<String> {
    let text = |m: &Json| {
        let op = match (m["isEqual"].as_bool().unwrap_or(true), m["isRegex"].as_bool().unwrap_or(false)) {
            (true, false) => "=",
            (false, false) => "!=",
            (true, true) => "=~",
            (false, true) => "!~",
        };
        format!("{}{op}{:?}", table::text(m, "name"), table::text(m, "value"))
    };
    silence["matchers"].as_array().into_iter().flatten().map(text).collect()
}

/// Writes silences: as the server lists them in JSON, else those that end first first.
pub(super) fn write(mut silences: Vec<Json>, settings: &Settings) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if settings.output != Output::Json {
        silences.sort_by(|a, b| table::text(a, "endsAt").cmp(table::text(b, "endsAt")));
    }
    let field = |silence: &Json, name: &str| table::text(silence, name).to_owned();
    let time = |silence: &Json, name: &str| times::shown(table::text(silence, name), settings);
    match settings.output {
        Output::Json => writeln!(out, "{}", Json::from(silences)),
        Output::Simple => {
            let row = |s: &Json| {
                vec![
                    field(s, "id"),
                    matchers(s).join(" "),
                    time(s, "endsAt"),
                    field(s, "createdBy"),
                    field(s, "comment"),
                ]
            };
            let rows: Vec<Vec<String>> = silences.iter().map(row).collect();
            table::write(&mut out, &["ID", "Matchers", "Ends At", "Created By", "Comment"], &rows)
        }
        Output::Extended => {
            let row = |s: &Json| {
                vec![
                    field(s, "id"),
                    format!("{{{}}}", matchers(s).join(",")),
                    time(s, "startsAt"),
                    time(s, "endsAt"),
                    time(s, "updatedAt"),
                    field(s, "createdBy"),
                    field(s, "comment"),
                ]
            };
            let rows: Vec<Vec<String>> = silences.iter().map(row).collect();
            let head = ["ID", "Matchers", "Starts At", "Ends At", "Updated At", "Created By", "Comment"];
            table::write(&mut out, &head, &rows)
        }
    }
}

/// Writes the ids of silences, a line each.
pub(super) fn write_ids<'a>(ids: impl IntoIterator<Item = &'a str>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    ids.into_iter().try_for_each(|id| writeln!(out, "{id}"))
}
