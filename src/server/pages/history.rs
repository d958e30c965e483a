//! The page of the history: what was decided, the newest first, by matchers, receiver, kind and time; and decisions as other
//! pages list them.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde_json::{Value, json};

use crate::config::alertmanager::matchers::parse_matchers;
use crate::history::{Decision, Kind, Order, Query, Recorded, What};
use crate::model::labels::parse_fingerprint;
use crate::model::{cut, re2};
use crate::server::api::Params;
use crate::server::app::App;

use super::frame::Page;
use super::{links, zone};

/// Decisions of a page.
const OF_PAGE: usize = 100;
/// Longest text of a decision in a list, characters.
const LONGEST: usize = 1_000;

const PAGE: Page = Page::new("history", "history.html");

/// `GET /history`
pub(super) async fn page(State(app): State<Arc<App>>, params: Params) -> Response {
    let now = app.clock.now();
    let asked = Asked::of(&params);
    let found = match (&app.history, &asked.wrong) {
        (Some(readers), None) => readers.ask(asked.query.clone()).await.map_err(|e| e.to_string()),
        // Who asked for something else than was read is shown nothing rather than too much.
        (Some(_), Some(_)) => Ok(crate::history::Page::default()),
        (None, _) => Err("No history is kept here.".to_owned()),
    };
    let (found, trouble) = match found {
        Ok(found) => (found, None),
        Err(e) => (crate::history::Page::default(), Some(e)),
    };
    let kinds = Kind::ALL.iter().map(|k| json!({ "name": k.as_str(), "on": asked.query.kinds.contains(k) }));
    let shown: Vec<Value> = found.decisions.iter().map(|r| decision(r, now)).collect();
    PAGE.show(
        now,
        json!({
            "decisions": shown,
            "kinds": kinds.collect::<Vec<_>>(),
            "filter": asked.filter, "receiver": asked.receiver, "from": asked.from, "to": asked.to,
            "about": asked.about(),
            "wrong": asked.wrong, "trouble": trouble, "damage": found.damage,
            "newest": asked.query.cursor.map(|_| asked.link(None)),
            "older": found.next.map(|next| asked.link(Some(next))),
            "is_asked": asked.is_asked(),
        }),
    )
}

/// What is asked for, as it was written and as it was read.
#[derive(Default)]
struct Asked {
    filter: String,
    receiver: String,
    from: String,
    to: String,
    query: Query,
    wrong: Option<String>,
}

impl Asked {
    fn of(params: &Params) -> Asked {
        let text = |name: &str| params.get(name).unwrap_or("").trim().to_owned();
        let filters: Vec<&str> = params.all("filter").map(str::trim).filter(|f| !f.is_empty()).collect();
        let (filter, receiver, from, to) = (filters.join(", "), text("receiver"), text("from"), text("to"));
        let mut asked = Asked { filter, receiver, from, to, ..Asked::default() };
        asked.query = Query { order: Order::Newest, limit: OF_PAGE, ..Query::default() };
        asked.wrong = re2::within_budget(|| asked.read(params, &filters)).err();
        asked
    }

    fn read(&mut self, params: &Params, filters: &[&str]) -> Result<(), String> {
        let query = &mut self.query;
        let mut matchers = Vec::new();
        for filter in filters {
            matchers.extend(parse_matchers(filter)?);
        }
        query.selectors = if matchers.is_empty() { Vec::new() } else { vec![matchers] };
        query.receiver = Some(self.receiver.clone()).filter(|name| !name.is_empty());
        let kinds = params.all("kind").filter(|kind| !kind.is_empty()).map(str::parse);
        query.kinds = kinds.collect::<Result<BTreeSet<Kind>, _>>()?.into_iter().collect();
        let time = |text: &str| {
            let read = zone::read(text).filter(|_| !text.is_empty());
            match read {
                None if !text.is_empty() => Err(format!("{text:?} is no time, such as 2026-01-31 08:00")),
                read => Ok(read),
            }
        };
        (query.from, query.to) = (time(&self.from)?, time(&self.to)?);
        if query.from.zip(query.to).is_some_and(|(from, to)| from > to) {
            return Err("the end is before the beginning".into());
        }
        let number =
            |name: &str| params.get(name).map(|n| n.parse().map_err(|e| format!("{name} {n:?}: {e}"))).transpose();
        (query.cursor, query.notification) = (number("cursor")?, number("notification")?);
        query.group_key = params.get("group").map(str::to_owned);
        let fingerprint = |text: &str| parse_fingerprint(text).ok_or(format!("{text:?} is no fingerprint"));
        query.fingerprint = params.get("fingerprint").map(fingerprint).transpose()?;
        Ok(())
    }

    /// What links ask for beside the fields of the form.
    fn about(&self) -> Vec<Value> {
        let Query { fingerprint, notification, group_key, .. } = &self.query;
        let fingerprint = fingerprint.map(|f| ("fingerprint", format!("{f:016x}")));
        let notification = notification.map(|id| ("notification", id.to_string()));
        let group = group_key.clone().map(|key| ("group", key));
        let all = [fingerprint, notification, group].into_iter().flatten();
        all.map(|(name, value)| json!({ "name": name, "value": value })).collect()
    }

    fn is_asked(&self) -> bool {
        let is_written = [&self.filter, &self.receiver, &self.from, &self.to].into_iter().any(|text| !text.is_empty());
        is_written || !self.query.kinds.is_empty() || !self.about().is_empty()
    }

    /// The same, from a cursor on.
    fn link(&self, cursor: Option<u64>) -> String {
        let cursor = cursor.map(|cursor| cursor.to_string()).unwrap_or_default();
        let about = self.about();
        let about = about.iter().filter_map(|a| Some((a["name"].as_str()?, a["value"].as_str()?)));
        let kinds = self.query.kinds.iter().map(|kind| ("kind", kind.as_str()));
        let written = [
            ("filter", self.filter.as_str()),
            ("receiver", &self.receiver),
            ("from", &self.from),
            ("to", &self.to),
            ("cursor", &cursor),
        ];
        links::query(written.into_iter().chain(kinds).chain(about))
    }
}

/// A decision for a template.
pub(super) fn decision(recorded: &Recorded, now: i64) -> Value {
    let decision = &recorded.decision;
    let first = decision.alerts.first().filter(|_| decision.alerts.len() == 1 && decision.more_alerts == 0);
    json!({
        "time": zone::time(decision.time.0, now),
        "kind": decision.kind().as_str(),
        "class": class(decision),
        "subject": cut(&decision.subject(), LONGEST),
        "alert": first.map(|alert| alert.fingerprint()),
        "words": cut(&words(decision), LONGEST),
        "notification": decision.notification,
    })
}

/// The same in a list of decisions about one thing, which each need not name again.
pub(super) fn decisions_about_one<'r>(all: impl IntoIterator<Item = &'r Recorded>, now: i64) -> Vec<Value> {
    let without_subject = |recorded: &Recorded| {
        let mut shown = decision(recorded, now);
        shown["subject"] = Value::Null;
        shown["alert"] = Value::Null;
        shown
    };
    all.into_iter().map(without_subject).collect()
}

/// What was decided; a link beside it names the notification.
fn words(decision: &Decision) -> String {
    let words = decision.words();
    match decision.notification {
        Some(id) => words.replacen(&format!(" (notification {id})"), "", 1),
        None => words,
    }
}

/// How it looks: what wakes people, what did not go well, what keeps them asleep.
fn class(decision: &Decision) -> &'static str {
    match &decision.what {
        What::Firing { .. } | What::Failed { .. } | What::GivenUp { .. } | What::Lost { .. } => "firing",
        What::Evaluation { error: Some(_), .. } => "err",
        What::Pending { .. } => "pending",
        What::Sent { .. } | What::Resolved { .. } | What::Evaluation { .. } => "ok",
        _ => "other",
    }
}

/// A message as its receiver took it, for a template; nothing where it is none.
pub(super) fn message(decision: &Decision, now: i64) -> Option<Value> {
    let What::Rendered { title, text, problems } = &decision.what else { return None };
    let whom = [decision.receiver.as_deref(), decision.integration.as_deref()];
    let problems = problems.iter().map(|p| json!({ "field": p.field, "error": cut(&p.error, LONGEST) }));
    Some(json!({
        "notification": decision.notification,
        "time": zone::time(decision.time.0, now),
        "whom": whom.into_iter().flatten().collect::<Vec<_>>().join("/"),
        "title": title, "text": text,
        "problems": problems.collect::<Vec<_>>(),
    }))
}
