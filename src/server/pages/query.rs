//! The page of queries: several panels, each a table or a graph. The table of an expression is here without scripts; the
//! script of the page brings the editor and the graph.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde_json::{Value, json};

use crate::model::number::format_float;
use crate::model::{self, Labels, cut};
use crate::promql::{Evaluated, QueryValue};
use crate::server::api::Params;
use crate::server::app::App;
use crate::server::error::ApiError;
use crate::server::time::parse_time;

use super::frame::Page;
use super::zone;

/// Most panels of a page, rows of a table, and samples of a row.
const MOST_PANELS: usize = 10;
const MOST_ROWS: usize = 500;
const MOST_SAMPLES: usize = 10;

/// A query that reads more samples than this is said to read much.
const MUCH: u64 = 1_000_000;

const PAGE: Page = Page { is_live: false, ..Page::new("query", "query.html") };

/// A panel as its link says it, in Prometheus' parameters.
#[derive(Clone, Debug, PartialEq)]
struct Panel {
    expr: String,
    /// `graph`, `table` or `explain`.
    tab: &'static str,
    range: String,
    end: String,
    step: String,
}

impl Panel {
    fn of(params: &Params, i: usize) -> Panel {
        let text = |name: &str| params.get(&format!("g{i}.{name}")).unwrap_or("").to_owned();
        let or = |first: String, second: String| if first.is_empty() { second } else { first };
        Panel {
            expr: text("expr"),
            // Before version 3 the graph was 0 and the table 1.
            tab: match text("tab").as_str() {
                "graph" | "0" => "graph",
                "explain" => "explain",
                _ => "table",
            },
            range: or(text("range_input"), "1h".into()),
            end: or(text("end_input"), text("moment_input")),
            step: or(text("step_input"), text("step")),
        }
    }

    /// The panels of a link: those up to the last that says something, one at least.
    fn all(params: &Params) -> Vec<Panel> {
        let last = (0..MOST_PANELS).rev().find(|i| params.get(&format!("g{i}.expr")).is_some()).unwrap_or(0);
        let more = usize::from(params.get("add").is_some());
        (0..=(last + more).min(MOST_PANELS - 1)).map(|i| Panel::of(params, i)).collect()
    }
}

/// `GET /query`
pub(super) async fn page(State(app): State<Arc<App>>, params: Params) -> Response {
    let now = app.clock.now();
    let panels = Panel::all(&params);
    let mut shown = Vec::with_capacity(panels.len());
    for (i, panel) in panels.iter().enumerate() {
        shown.push(json!({
            "i": i, "expr": panel.expr, "tab": panel.tab, "range": panel.range, "end": panel.end, "step": panel.step,
            "rows": panel.expr.lines().count().clamp(1, 12),
            "answer": answer(&app, panel, now).await,
        }));
    }
    PAGE.show(now, json!({ "panels": shown, "may_add": panels.len() < MOST_PANELS }))
}

/// The table of a panel; nothing for an empty one.
async fn answer(app: &Arc<App>, panel: &Panel, now: i64) -> Option<Value> {
    if panel.expr.trim().is_empty() {
        return None;
    }
    Some(match ask(app, panel, now).await {
        Ok(table) => table,
        Err(Wrong { why, place }) => json!({ "error": why, "place": place }),
    })
}

/// What is wrong with a query, and where, as lines of text with the place below it.
struct Wrong {
    why: String,
    place: Option<String>,
}

impl From<ApiError> for Wrong {
    fn from(e: ApiError) -> Self {
        Wrong { why: e.to_string(), place: None }
    }
}

async fn ask(app: &Arc<App>, panel: &Panel, now: i64) -> Result<Value, Wrong> {
    let asked = app.queries.compiled(&panel.expr).map_err(|e| {
        let place = underlined(&panel.expr, e.span.start as usize, e.span.end as usize);
        Wrong { why: e.to_string(), place: Some(place) }
    })?;
    if panel.tab == "explain" {
        let outline: Vec<String> = asked.plan.outline().into_iter().map(|line| line.text).collect();
        return Ok(json!({ "outline": outline }));
    }
    let at = match panel.end.as_str() {
        "" => now,
        text => zone::read_utc(text)
            .or_else(|| parse_time(text).ok())
            .ok_or_else(|| Wrong { why: format!("{text:?} is no time"), place: None })?,
    };
    let (querier, plan) = (app.querier.load_full(), asked.plan.clone());
    let evaluated = app.queries.run(None, move |env| Ok(querier.instant(&plan, at, &env)?)).await?;
    let source = asked.plan.source();
    let mut notes = evaluated.annotations.warnings(source);
    notes.extend(evaluated.annotations.infos(source));
    Ok(table(evaluated, notes, now))
}

/// The line of a text that a span begins in, and below it what the span covers.
fn underlined(text: &str, start: usize, end: usize) -> String {
    let start = text.floor_char_boundary(start.min(text.len()));
    let (before, after) = text.split_at(start);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line_end = after.find('\n').map_or(text.len(), |at| start + at);
    let line = text.get(line_start..line_end).unwrap_or("");
    let width = |s: &str| unicode_width::UnicodeWidthStr::width(s);
    let lead = width(text.get(line_start..start).unwrap_or(""));
    let end = text.floor_char_boundary(end.clamp(start, line_end.max(start)));
    let covered = width(text.get(start..end).unwrap_or("")).max(1);
    format!("{line}\n{}{}", " ".repeat(lead), "^".repeat(covered))
}

fn table(evaluated: Evaluated, notes: Vec<String>, now: i64) -> Value {
    let row = |labels: &Labels, value: String| json!({ "series": labels.to_series_string(), "value": value });
    let (samples, series) = (evaluated.stats.samples, evaluated.stats.series);
    let count = match &evaluated.value {
        QueryValue::Vector(all) => all.len(),
        QueryValue::Matrix(all) => all.len(),
        QueryValue::Scalar(_) | QueryValue::String(_) => 1,
    };
    let rows: Vec<Value> = match &evaluated.value {
        QueryValue::Scalar(v) => vec![json!({ "series": "scalar", "value": format_float(*v) })],
        QueryValue::String(s) => vec![json!({ "series": "string", "value": cut(s, 1_000) })],
        QueryValue::Vector(all) => all.iter().take(MOST_ROWS).map(|s| row(&s.labels, value(&s.value))).collect(),
        QueryValue::Matrix(all) => {
            let samples = |s: &crate::promql::RangeSeries| {
                let last = s.floats.iter().rev().take(MOST_SAMPLES).rev();
                let mut lines: Vec<String> = last
                    .map(|(t, v)| {
                        format!("{} @ {}", format_float(*v), zone::time(*t, now)["text"].as_str().unwrap_or(""))
                    })
                    .collect();
                let more = s.floats.len().saturating_sub(MOST_SAMPLES) + s.histograms.len();
                if more > 0 {
                    lines.insert(0, format!("{more} more"));
                }
                lines.join("\n")
            };
            all.iter().take(MOST_ROWS).map(|s| row(&s.labels, samples(s))).collect()
        }
    };
    json!({ "rows": rows, "count": count, "more": count.saturating_sub(MOST_ROWS), "notes": notes,
        "samples": samples, "series": series, "reads_much": samples > MUCH,
    })
}

fn value(value: &model::Value) -> String {
    match value {
        model::Value::Float(v) => format_float(*v),
        model::Value::Histogram(h) => h.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_of_both_generations_of_prometheus_are_read() {
        let old =
            [("g0.expr", "up"), ("g0.tab", "0"), ("g0.range_input", "2h"), ("g1.expr", "sum(up)"), ("g1.tab", "1")];
        let panels = Panel::all(&Params::from_pairs(&old));
        let read: Vec<_> = panels.iter().map(|p| (p.expr.as_str(), p.tab, p.range.as_str())).collect();
        assert_eq!(read, [("up", "graph", "2h"), ("sum(up)", "table", "1h")]);
        let new = [("g0.expr", "up"), ("g0.tab", "graph"), ("g0.end_input", "2026-01-01 12:00"), ("add", "1")];
        let panels = Panel::all(&Params::from_pairs(&new));
        assert_eq!((panels.len(), panels[0].end.as_str(), panels[1].expr.as_str()), (2, "2026-01-01 12:00", ""));
        assert_eq!(Panel::all(&Params::from_pairs(&[("g9999.expr", "up")])).len(), 1);
    }

    #[test]
    fn a_panel_may_ask_how_it_is_evaluated() {
        let panels = Panel::all(&Params::from_pairs(&[("g0.expr", "up"), ("g0.tab", "explain")]));
        assert_eq!(panels[0].tab, "explain");
    }

    #[test]
    fn what_is_wrong_is_underlined_where_it_is() {
        assert_eq!(underlined("sum(up", 3, 4), "sum(up\n   ^");
        assert_eq!(underlined("a +\n  b c\n+ d", 8, 9), "  b c\n    ^");
        assert_eq!(underlined("x", 50, 60), "x\n ^");
        assert_eq!(underlined("\"ساعة\" y", 11, 12), "\"ساعة\" y\n       ^");
    }
}
