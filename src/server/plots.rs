//! The plots of messages: drawn for notifications of what the rules of their alerts measured, and served to whoever follows
//! the links in messages.

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures::FutureExt as _;
use futures::future::BoxFuture;

use super::api::Params;
use super::app::App;
use super::error::ApiError;
use super::pages::measure::{Measure, Span, as_raised};
use crate::alerting::{RuleKind, RuleSpec, RuleState};
use crate::clock::ZONE;
use crate::config::alertmanager::receivers::MessagePlot;
use crate::engine::View;
use crate::history::{DecidedAlert, Kind, Query};
use crate::model::{ALERT_NAME, Labels, METRIC_NAME};
use crate::notify::plots::{Artist, PlotKey, Sitter, Subject};
use crate::plot::{Line, MOST_LINES, Picture, Plot};
use crate::promql::RangeSeries;

/// Points of a line.
const POINTS: i64 = 180;
/// The longest that the query of a plot may take, milliseconds; whoever waits for the plot loses patience before.
const LONGEST_QUERY: i64 = 10_000;
/// Most records of a notification that are looked at.
const MOST_RECORDS: usize = 32;

/// Its routes; where no rules are evaluated there are no plots.
pub fn routes(app: &App) -> Router<Arc<App>> {
    match app.service.alertmanager_alone {
        true => Router::new(),
        false => Router::new().route("/watchbell/v1/plots/{file}", get(show)),
    }
}

/// `GET /watchbell/v1/plots/<notification>.png`, or `.svg`: the plot of a notification, as its message has it. What is not
/// kept any more is drawn again, as far as the history and the data reach. `range` says how much time.
async fn show(State(app): State<Arc<App>>, Path(file): Path<String>, params: Params) -> Result<Response, ApiError> {
    let unknown =
        || ApiError::NotFound(format!("there is no plot {file:?}: expected a notification's number and .png or .svg"));
    let (id, kind) = file.split_once('.').ok_or_else(unknown)?;
    let id: u64 = id.parse().map_err(|_| unknown())?;
    let range = params.duration("range")?.unwrap_or(MessagePlot::USUAL.0);
    let range = MessagePlot::of(range).map_err(|e| ApiError::parameter("range", e))?.0;
    if !["png", "svg"].contains(&kind) {
        return Err(unknown());
    }
    let picture = match app.plots.kept((id, range)) {
        Some(kept) => kept,
        None => again(&app, (id, range)).await?,
    };
    let (content_type, body) = match kind {
        "svg" => ("image/svg+xml", picture.svg.clone().into_bytes()),
        _ => ("image/png", picture.png.clone()),
    };
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, "private, max-age=3600"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Ok((headers, body).into_response())
}

/// Draws the plot of a notification by what the history has of it.
async fn again(app: &App, (id, range): PlotKey) -> Result<Arc<Picture>, ApiError> {
    let none = |why: &str| ApiError::NotFound(format!("there is no plot of notification {id}: {why}"));
    let Some(readers) = &app.history else { return Err(none("it is not kept any more, and no history is kept here")) };
    let query = Query {
        notification: Some(id),
        kinds: vec![Kind::Notify, Kind::Repeated, Kind::FellBack],
        limit: MOST_RECORDS,
        ..Query::default()
    };
    let decisions = readers.ask(query).await?.decisions;
    let Some(decided_at) = decisions.first().map(|newest| newest.decision.time) else {
        return Err(none("the history does not know it"));
    };
    // An id may have been given twice; of many alerts each record has some.
    let records = decisions.iter().filter(|r| r.decision.time == decided_at);
    let sitter = |alert: &DecidedAlert| Sitter {
        labels: alert.labels.clone(),
        summary: String::new(),
        starts_at: None,
        is_resolved: alert.resolved,
        ends_at: None,
    };
    let mut alerts: Vec<Sitter> = records.flat_map(|r| &r.decision.alerts).map(sitter).collect();
    alerts.sort_by_key(|alert| alert.is_resolved);
    let subject = Subject { alerts, until: decided_at.0, range };
    let drawn = app.plots.redraw((id, range), subject).await.map_err(ApiError::Unavailable)?;
    drawn.ok_or_else(|| none("no rule of its alerts is known, or nothing of what it measured"))
}

/// Draws by the queries and the rules of a service.
pub struct AppArtist(Weak<App>);

impl AppArtist {
    /// For a service, as long as it runs.
    pub fn of(app: &Arc<App>) -> Self {
        AppArtist(Arc::downgrade(app))
    }
}

impl Artist for AppArtist {
    fn draw(&self, subject: Subject) -> BoxFuture<'static, Result<Option<Picture>, String>> {
        let app = self.0.clone();
        async move {
            let app = app.upgrade().ok_or("the service ends")?;
            let Some(plot) = plot(&app, subject).await? else { return Ok(None) };
            let drawn = tokio::task::spawn_blocking(move || Picture::of(&plot)).await;
            drawn.unwrap_or_else(|_| Err("drawing panicked; this is a defect".into()))
        }
        .boxed()
    }
}

/// The rule of an alert and its interval, given the alert's labels as it left and as it was raised: the one that holds it,
/// else one of its name whose own labels it has, for the alert may be over.
fn rule_of(view: &View, labels: &Labels, raised: &Labels) -> Option<(Arc<RuleSpec>, i64)> {
    let groups = view.rule_groups();
    let find = |is_it: &dyn Fn(&RuleSpec, &RuleState) -> bool| {
        groups.iter().find_map(|group| {
            let mut rules = group.spec.rules.iter().zip(&group.state.rules);
            rules.find(|(spec, state)| is_it(spec, state)).map(|(spec, _)| (spec.clone(), group.spec.interval))
        })
    };
    let holds = |state: &RuleState| state.alerts.contains_key(raised) || state.alerts.contains_key(labels);
    let may_raise = |spec: &RuleSpec| {
        let is_own = |(name, value): &(String, String)| value.contains("{{") || raised.value(name) == value;
        matches!(spec.kind, RuleKind::Alerting { .. })
            && *spec.name == *raised.value(ALERT_NAME)
            && spec.labels.iter().all(is_own)
    };
    find(&|_, state| holds(state)).or_else(|| find(&|spec, _| may_raise(spec)))
}

/// What the rule of the first alert measured of all of its alerts.
async fn plot(app: &App, subject: Subject) -> Result<Option<Plot>, String> {
    let Subject { alerts, until, range } = subject;
    let view = app.engine.view();
    let inside: Vec<Labels> = alerts.iter().map(|alert| as_raised(app, &alert.labels)).collect();
    let found = alerts.iter().zip(&inside).find_map(|(alert, raised)| rule_of(&view, &alert.labels, raised));
    let Some((rule, interval)) = found else { return Ok(None) };
    let Some(measure) = Measure::of(app, &rule, interval) else { return Ok(None) };
    // The last point is what was measured when the message was decided.
    let step = (range / POINTS).max(1_000);
    let span = Span { from: until.saturating_sub(step * (range / step)), until, step };
    let all = measure.try_range(app, span, LONGEST_QUERY).await.map_err(|e| e.to_string())?;
    // Each series once, in the order of the alerts.
    let mut seen = BTreeSet::new();
    let mut drawn: Vec<(&Sitter, &RangeSeries)> = Vec::new();
    let of_its_name = |raised: &Labels| raised.value(ALERT_NAME) == &*rule.name;
    for (alert, raised) in alerts.iter().zip(&inside).filter(|(_, raised)| of_its_name(raised)) {
        let found = measure.series_of(&all, raised).or_else(|| measure.series_of(&all, &alert.labels));
        drawn.extend(found.filter(|series| seen.insert(&series.labels)).map(|series| (alert, series)));
    }
    if drawn.is_empty() {
        return Ok(None);
    }
    let of_rule: Vec<&Sitter> = drawn.iter().map(|(alert, _)| *alert).collect();
    Ok(Some(Plot {
        title: rule.name.to_string(),
        subtitle: subtitle(&of_rule),
        from: span.from,
        until: span.until,
        step: span.step,
        more: drawn.len().saturating_sub(MOST_LINES),
        lines: lines(&drawn),
        threshold: measure.threshold,
        firing: firing(&of_rule, span.until),
        zone: *ZONE,
    }))
}

/// The lines, each named by what tells it from the others.
fn lines(drawn: &[(&Sitter, &RangeSeries)]) -> Vec<Line> {
    let differs = |name: &str| {
        let mut values = drawn.iter().map(|(_, series)| series.labels.value(name));
        let first = values.next().unwrap_or("");
        values.any(|value| value != first)
    };
    let name = |labels: &Labels| {
        let own = labels.iter().filter(|(name, _)| *name != METRIC_NAME && differs(name));
        own.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
    };
    let line =
        |(_, series): &(&Sitter, &RangeSeries)| Line { name: name(&series.labels), points: series.floats.clone() };
    drawn.iter().take(MOST_LINES).map(line).collect()
}

/// What the alerts say: all the same, or the first and how many others.
fn subtitle(alerts: &[&Sitter]) -> String {
    let Some((first, rest)) = alerts.split_first() else { return String::new() };
    match rest.iter().all(|other| other.summary == first.summary) {
        true => first.summary.clone(),
        false => format!("{} (and {} more)", first.summary, rest.len()),
    }
}

/// Since when and until when any of the alerts fired, where it is known.
fn firing(alerts: &[&Sitter], until: i64) -> Option<(i64, i64)> {
    let since = alerts.iter().filter_map(|alert| alert.starts_at).min()?;
    let end = |alert: &&Sitter| if alert.is_resolved { alert.ends_at.unwrap_or(since) } else { until };
    let last = alerts.iter().map(end).max()?;
    Some((since, last.min(until)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sitter(summary: &str, starts_at: Option<i64>, ends_at: Option<i64>) -> Sitter {
        let labels = Labels::from_pairs([("alertname", "A")]);
        Sitter { labels, summary: summary.into(), starts_at, is_resolved: ends_at.is_some(), ends_at }
    }

    #[test]
    fn a_group_fired_from_its_first_alert_to_its_last() {
        let (a, b) = (sitter("a", Some(10), Some(50)), sitter("b", Some(20), None));
        assert_eq!(firing(&[&a, &b], 90), Some((10, 90)));
        assert_eq!(firing(&[&a], 90), Some((10, 50)));
        assert_eq!(firing(&[&sitter("a", None, None)], 90), None);
        assert_eq!(subtitle(&[&a, &b]), "a (and 1 more)");
        assert_eq!(subtitle(&[&a, &a]), "a");
    }

    #[test]
    fn lines_are_named_by_what_tells_them_apart() {
        let series = |gpu: &str, node: Option<&str>| RangeSeries {
            labels: Labels::from_pairs(
                [("__name__", "t"), ("gpu", gpu), ("job", "j")].into_iter().chain(node.map(|n| ("node", n))),
            ),
            floats: vec![(0, 1.0)],
            histograms: Vec::new(),
        };
        let (who, all) = (sitter("", None, None), [series("0", None), series("1", Some("n"))]);
        let drawn: Vec<(&Sitter, &RangeSeries)> = all.iter().map(|s| (&who, s)).collect();
        let names = |lines: Vec<Line>| lines.into_iter().map(|line| line.name).collect::<Vec<_>>();
        assert_eq!(names(lines(&drawn)), ["gpu=0", "gpu=1 node=n"]);
        assert_eq!(names(lines(&drawn[..1])), [""]);
    }
}
