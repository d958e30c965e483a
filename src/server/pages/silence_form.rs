//! Making, changing and ending silences, and acknowledging alerts, from the browser.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde_json::{Value, json};

use crate::config::alertmanager::matchers::parse_matchers;
use crate::engine::View;
use crate::model::{Matcher, cut, duration, re2};
use crate::routing::{Acknowledgement, NEVER, NewSilence, Silence, SilenceState};
use crate::server::api::Params;
use crate::server::app::App;
use crate::server::{acknowledge, silencing};

use super::alert_text::{self, Severity};
use super::frame::{Page, unhurried};
use super::{forms, links, zone};

/// Alerts that a preview names.
const MOST_NAMED: usize = 10;
/// How long a silence lasts where nobody says.
const USUAL: &str = "2h";

const FORM: Page = Page { section: "silences", template: "silence_form.html", up: "../", is_live: false };
/// What is said of changes that did not come about, at addresses one step further down.
const DEEP: Page = Page { up: "../../", ..FORM };

/// What stands in the form, as it was written.
#[derive(Clone, Debug, Default)]
struct Draft {
    id: String,
    matchers: String,
    starts: String,
    lasts: String,
    author: String,
    comment: String,
}

impl Draft {
    /// What a form, or a link to it, says.
    fn of(params: &Params) -> Draft {
        let text = |name: &str| params.get(name).unwrap_or("").trim().to_owned();
        let filters: Vec<&str> = params.all("filter").map(str::trim).collect();
        let matchers = if filters.is_empty() { text("matchers") } else { lines(&filters.join(", ")) };
        Draft {
            id: text("id"),
            matchers,
            starts: text("starts"),
            lasts: Some(text("lasts")).filter(|l| !l.is_empty()).unwrap_or_else(|| USUAL.into()),
            author: text("author"),
            comment: text("comment"),
        }
    }

    /// What a silence says, to be changed. One that is over is made anew, as it was.
    fn of_silence(silence: &Silence, now: i64) -> Draft {
        let state = silence.state(now);
        let from = if state == SilenceState::Pending { silence.starts_at } else { now };
        let lasts = match state {
            SilenceState::Expired => silence.ends_at.saturating_sub(silence.starts_at),
            SilenceState::Active | SilenceState::Pending => silence.ends_at.saturating_sub(from),
        };
        let minutes = lasts.max(60_000).saturating_add(59_999) / 60_000 * 60_000;
        Draft {
            id: silence.id.clone(),
            matchers: silence.matchers.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
            starts: if state == SilenceState::Pending { zone::written(from) } else { String::new() },
            lasts: duration::format(minutes),
            author: silence.created_by.clone(),
            comment: silence.comment.clone(),
        }
    }

    /// The matchers: several in a line, or one in each.
    fn matchers(&self) -> Result<Vec<Matcher>, String> {
        // All of them share one bound on compiled patterns.
        re2::within_budget(|| {
            let mut all = Vec::new();
            for line in self.matchers.lines().map(str::trim).filter(|line| !line.is_empty()) {
                all.extend(parse_matchers(line)?);
            }
            Ok(all)
        })
    }

    /// The silence that is meant.
    ///
    /// # Errors
    /// The field that is wrong, and what of it.
    fn silence(&self, view: &View, now: i64) -> Result<NewSilence, (&'static str, String)> {
        let matchers = self.matchers().map_err(|e| ("matchers", e))?;
        if matchers.is_empty() {
            return Err(("matchers", "at least one matcher is needed".into()));
        }
        let starts_at = match self.starts.as_str() {
            "" => now,
            text => zone::read(text).ok_or(("starts", format!("{text:?} is no time: such as 2026-03-29 18:30")))?,
        };
        let lasts = duration::parse(&self.lasts).ok().filter(|ms| *ms > 0);
        let lasts = lasts.ok_or(("lasts", format!("{:?} is no duration: such as 30m, 2h or 1d12h", self.lasts)))?;
        if self.author.is_empty() {
            return Err(("author", "a silence has somebody who made it".into()));
        }
        // One that is in force goes on from where it began: only then it is changed and not made anew.
        let known = view.silence(&self.id).filter(|s| s.state(now) == SilenceState::Active && self.starts.is_empty());
        Ok(NewSilence {
            id: Some(self.id.clone()).filter(|id| !id.is_empty()),
            matchers,
            starts_at: known.map_or(starts_at, |s| s.starts_at),
            ends_at: starts_at.saturating_add(lasts).min(NEVER),
            created_by: self.author.clone(),
            comment: self.comment.clone(),
            annotations: view.silence(&self.id).map(|s| s.annotations.clone()).unwrap_or_default(),
        })
    }
}

/// Matchers as they stand in the form, one a line; what cannot be read stays as it is.
fn lines(filter: &str) -> String {
    match re2::within_budget(|| parse_matchers(filter)) {
        Ok(all) => all.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
        Err(_) => filter.to_owned(),
    }
}

/// What a draft matches now.
fn preview(draft: &Draft, view: &View, now: i64) -> Value {
    let matchers = match draft.matchers() {
        Ok(matchers) if !matchers.is_empty() => matchers,
        Ok(_) => return json!({ "count": 0, "alerts": [], "more": 0 }),
        Err(e) => return json!({ "wrong": e, "count": 0, "alerts": [], "more": 0 }),
    };
    let speaks_of = |labels: &crate::model::Labels| matchers.iter().all(|m| m.matches(labels.value(&m.name)));
    let matched = || view.alerts().filter(|a| !a.alert.is_resolved(now) && speaks_of(&a.alert.labels));
    let count = matched().count();
    let named = matched().take(MOST_NAMED).map(|row| {
        json!({
            "id": format!("{:016x}", row.known.fingerprint),
            "name": cut(row.alert.labels.value("alertname"), 100),
            "severity": Severity::shown(&row.alert.labels),
            "labels": alert_text::labels(&row.alert.labels, &["alertname", "severity"], 60),
        })
    });
    json!({ "count": count, "alerts": named.collect::<Vec<_>>(), "more": count.saturating_sub(MOST_NAMED) })
}

fn show(app: &App, headers: &HeaderMap, draft: &Draft, wrong: Option<(&str, String)>) -> Response {
    let (view, now) = (app.engine.view(), app.engine.now());
    let content = json!({
        "id": draft.id,
        "matchers": draft.matchers,
        "starts": draft.starts,
        "lasts": draft.lasts,
        "author": draft.author,
        "comment": draft.comment,
        "token": forms::token(headers),
        "preview": preview(draft, &view, now),
        "field": wrong.as_ref().map(|(field, _)| *field),
        "wrong": wrong.as_ref().map(|(_, why)| why),
        "rows": draft.matchers.lines().count().clamp(3, 12),
    });
    let mut response = FORM.show(now, content);
    if wrong.is_some() && response.status() == StatusCode::OK {
        *response.status_mut() = StatusCode::BAD_REQUEST;
    }
    response
}

/// `GET /silences/new`: an empty form, or one for what the link says: `alert` names one by its fingerprint.
pub(super) async fn new(State(app): State<Arc<App>>, headers: HeaderMap, params: Params) -> Response {
    unhurried(move || {
        let mut draft = Draft::of(&params);
        if let Some(labels) = params.get("alert").and_then(|id| acknowledge::find(&app, id).ok()) {
            draft.matchers = lines(&links::equal_to(&labels));
        }
        if draft.author.is_empty() {
            draft.author = forms::author(&headers);
        }
        show(&app, &headers, &draft, None)
    })
    .await
}

/// `GET /silences/<id>`: the form with a silence in it, to be changed.
pub(super) async fn edit(State(app): State<Arc<App>>, headers: HeaderMap, Path(id): Path<String>) -> Response {
    let (view, now) = (app.engine.view(), app.engine.now());
    match view.silence(&id) {
        Some(silence) if silence.configured.is_none() && silence.acknowledges.is_none() => {
            let mut draft = Draft::of_silence(silence, now);
            // Whoever changes it answers for it from then on.
            let mine = forms::author(&headers);
            if !mine.is_empty() {
                draft.author = mine;
            }
            unhurried(move || show(&app, &headers, &draft, None)).await
        }
        // What is kept elsewhere is to be looked at alone.
        Some(_) => Redirect::to(&format!("../silences#s-{id}")).into_response(),
        None => FORM.missing(now, "There is no such silence", "It may have been over for long."),
    }
}

/// `GET /silences/preview`: what the matchers match, for the script of the form.
pub(super) async fn matched(State(app): State<Arc<App>>, params: Params) -> Response {
    unhurried(move || {
        let content = preview(&Draft::of(&params), &app.engine.view(), app.engine.now());
        Page { template: "preview.html", ..FORM }.show(app.engine.now(), json!({ "preview": content }))
    })
    .await
}

/// `POST /silences/new`: makes or changes one.
pub(super) async fn save(State(app): State<Arc<App>>, headers: HeaderMap, form: Params) -> Response {
    let draft = Draft::of(&form);
    if !forms::is_ours(&headers, &form) {
        let why = "this form is not from here, or from before a restart: look at it, and send it again".to_owned();
        return again(app, headers, draft, ("token", why)).await;
    }
    if form.get("do") == Some("preview") {
        return unhurried(move || show(&app, &headers, &draft, None)).await;
    }
    let meant = draft.silence(&app.engine.view(), app.engine.now());
    let new = match meant {
        Ok(new) => new,
        Err(wrong) => return again(app, headers, draft, wrong).await,
    };
    match silencing::set(&app, new).await {
        Ok(id) => done(&format!("../silences#s-{id}"), &draft.author),
        Err(e) => again(app, headers, draft, ("form", e.to_string())).await,
    }
}

/// The form once more, with what is wrong.
async fn again(app: Arc<App>, headers: HeaderMap, draft: Draft, wrong: (&'static str, String)) -> Response {
    unhurried(move || show(&app, &headers, &draft, Some(wrong))).await
}

/// To where the change is seen; who made it is remembered.
fn done(to: &str, author: &str) -> Response {
    let mut response = Redirect::to(to).into_response();
    if let Some(cookie) = forms::remember(author) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

/// `POST /silences/<id>/expire`
pub(super) async fn expire(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Path(id): Path<String>,
    form: Params,
) -> Response {
    if !forms::is_ours(&headers, &form) {
        return forms::foreign();
    }
    match silencing::expire(&app, &id).await {
        Ok(()) => Redirect::to("../../silences").into_response(),
        Err(e) => DEEP.missing(app.engine.now(), "The silence was not ended", &e.to_string()),
    }
}

/// `POST /alert/<fingerprint>/ack`: somebody looks after it, or nobody does any more.
pub(super) async fn acknowledge(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Path(fingerprint): Path<String>,
    form: Params,
) -> Response {
    if !forms::is_ours(&headers, &form) {
        return forms::foreign();
    }
    let text = |name: &str| form.get(name).unwrap_or("").trim().to_owned();
    let author = text("author");
    let refused = |why: &str| DEEP.missing(app.engine.now(), "The alert was not acknowledged", why);
    if form.get("do") == Some("end") {
        return match acknowledge::give_up(&app, &fingerprint).await {
            Ok(()) => Redirect::to(&format!("../{fingerprint}")).into_response(),
            Err(e) => refused(&e.to_string()),
        };
    }
    if author.is_empty() {
        return refused("An acknowledgement has an owner: say who you are.");
    }
    let alert = match acknowledge::find(&app, &fingerprint) {
        Ok(alert) => alert,
        Err(e) => return refused(&e.to_string()),
    };
    let new = Acknowledgement { alert, created_by: author.clone(), comment: text("comment"), ends_at: None };
    match acknowledge::make(&app, new).await {
        Ok(_) => done(&format!("../{fingerprint}"), &author),
        Err(e) => refused(&e.to_string()),
    }
}
