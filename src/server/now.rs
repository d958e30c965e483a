//! `GET /watchbell/v1/now`: what fires, grouped as its receivers see it, what is about to, what cannot be seen, and whether
//! receivers can be told: the page of now for programs, and for `watchbell top`.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::{Deserialize, Serialize};

use super::api::Params;
use super::app::App;
use super::error::ApiError;
use super::pages::alert_text::{Severity, summary};
use super::pages::now::filter::{Wanted, group_id};
use super::pages::now::groups::{self, Heard, Mute, Shown, Stand};
use super::pages::now::{blind, waiting};
use crate::engine::{Tellings, View};
use crate::history::{Number, Time};
use crate::model::{Labels, cut};

/// Alerts that are listed, and pending ones, where nobody says how many; and the most of them.
const USUAL: usize = 100;
const MOST: usize = 1_000;
/// The same of one group among others.
const USUAL_OF_GROUP: usize = 10;
/// Longest annotation and longest error, characters.
const LONGEST: usize = 400;

/// How it stands now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Now {
    /// The server's time.
    pub time: Time,
    /// Alerts that fire, each once however many groups it is in.
    pub firing: usize,
    /// Of them those that are muted.
    pub muted: usize,
    /// What cannot be seen or done, the worst first.
    pub blind: Vec<Blind>,
    /// Alerts by group, the worst first.
    pub groups: Vec<Group>,
    /// How many more groups there are than `limit` lets in.
    pub more_groups: usize,
    /// Alerts that wait for their rule's `for`, those that fire first in front.
    pub pending: Vec<Pending>,
    /// How many there are, whether listed or not.
    pub pending_count: usize,
    /// How deliveries stand, in the order of the configuration.
    pub receivers: Vec<Health>,
}

/// What cannot be seen or done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Blind {
    /// In one line.
    pub text: String,
    /// Why, or whom it is about.
    pub reasons: Vec<String>,
}

/// Alerts that are told together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Group {
    /// What the parameter `group` calls it: sixteen hexadecimal digits.
    pub id: String,
    /// The labels that they share.
    pub labels: Labels,
    /// Who sees them so.
    pub receivers: Vec<String>,
    /// When the group is looked at next.
    pub next_flush: Option<Time>,
    /// Alerts that fire in it.
    pub count: usize,
    /// Of them those that are muted.
    pub muted: usize,
    /// Who was told, and when they are told next.
    pub told: Vec<Told>,
    /// The alerts, those that may be told first.
    pub alerts: Vec<Alert>,
}

/// How it stands with telling an integration of a group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// The receiver's name.
    pub receiver: String,
    /// Which integration: `webhook`.
    pub integration: String,
    /// When it was told last.
    pub at: Option<Time>,
    /// The last decision, in a few words.
    pub why: Option<String>,
    /// Why it could not be told.
    pub error: Option<String>,
    /// When it is told or looked at next.
    pub next: Option<Time>,
}

/// An alert that fires.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// Sixteen hexadecimal digits.
    pub fingerprint: String,
    /// Its labels.
    pub labels: Labels,
    /// `critical`, `warning`, `info` or `other`, by the label `severity`.
    pub severity: String,
    /// Its annotation `summary`, `title` or `message`.
    pub summary: String,
    /// Since when it fires.
    pub since: Time,
    /// What was measured.
    pub value: Option<Number>,
    /// What keeps it from being told.
    pub mutes: Vec<MutedBy>,
}

/// What keeps an alert from being told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MutedBy {
    /// `silenced`, `acknowledged`, `inhibited` or `muted`.
    pub kind: String,
    /// Who made the silence; the name of the alert or the interval.
    pub by: String,
    /// When it ends, if it says so.
    pub until: Option<Time>,
}

/// An alert that waits for its rule's `for`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pending {
    /// Sixteen hexadecimal digits.
    pub fingerprint: String,
    /// Its labels.
    pub labels: Labels,
    /// As of an alert that fires.
    pub severity: String,
    /// What was measured.
    pub value: Number,
    /// Since when its expression holds.
    pub active_at: Time,
    /// When it fires if that stays so.
    pub fires_at: Time,
}

/// How deliveries to an integration stand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// The receiver's name.
    pub receiver: String,
    /// Which integration: `webhook`.
    pub integration: String,
    /// Which of the receiver's integrations, from 0.
    pub index: usize,
    /// Attempts since the start.
    pub attempts: u64,
    /// Of them those that failed.
    pub failures: u64,
    /// When it was told last.
    pub last_delivered: Option<Time>,
    /// Why the last attempt failed; empty when it did not.
    pub last_error: String,
}

/// Its routes.
pub fn routes() -> Router<Arc<App>> {
    Router::new().route("/watchbell/v1/now", get(show))
}

/// `filter`, `receiver`, `group`, `q` and `state` choose as the page does; `limit` and `group_limit` bound the alerts.
async fn show(State(app): State<Arc<App>>, params: Params) -> Result<Response, ApiError> {
    let (wanted, wrong) = Wanted::of(&params);
    if let Some(wrong) = wrong {
        return Err(ApiError::BadData(wrong));
    }
    if !["", "active", "suppressed"].contains(&wanted.state.as_str()) {
        let state = &wanted.state;
        return Err(ApiError::parameter("state", format!("expected active or suppressed, found {state:?}")));
    }
    let bounds = Bounds {
        all: Some(params.limit()?).filter(|n| *n > 0).unwrap_or(USUAL).min(MOST),
        of_group: match params.get("group_limit").map(|text| (text, text.parse::<usize>())) {
            None => USUAL_OF_GROUP,
            Some((_, Ok(n))) => n.clamp(1, MOST),
            Some((text, Err(e))) => return Err(ApiError::parameter("group_limit", format!("{text:?}: {e}"))),
        },
    };
    let made = tokio::task::spawn_blocking(move || {
        let now = now(&app, &wanted, &bounds);
        serde_json::to_string(&now)
    });
    let json = made.await.map_err(|e| ApiError::Internal(e.to_string()))?;
    let json = json.map_err(|e| ApiError::Internal(e.to_string()))?;
    Ok(([(header::CONTENT_TYPE, "application/json")], json + "\n").into_response())
}

/// How many alerts are listed.
struct Bounds {
    all: usize,
    of_group: usize,
}

fn now(app: &App, wanted: &Wanted, bounds: &Bounds) -> Now {
    let (view, now) = (app.engine.view(), app.engine.now());
    let shown = Shown::of(&view, wanted, now);
    let tellings = Tellings::of(&view);
    let mut left = bounds.all;
    let mut listed = Vec::new();
    for group in &shown.groups {
        let part = group.alerts.get(..left.min(bounds.of_group)).unwrap_or(&group.alerts);
        left -= part.len();
        if part.is_empty() {
            break;
        }
        listed.push(of_group(group, part, &tellings, &view, now));
    }
    let rules = view.rule_groups();
    let mut waiting = waiting(&rules);
    waiting.retain(|(_, alert)| wanted.matches(&alert.labels, &alert.annotations));
    Now {
        time: Time(now),
        firing: shown.firing,
        muted: shown.muted,
        blind: blind::all(app, &view).iter().map(of_blind).collect(),
        more_groups: shown.groups.len() - listed.len(),
        groups: listed,
        pending_count: waiting.len(),
        pending: waiting.iter().take(bounds.all).map(|(at, alert)| pending(*at, alert)).collect(),
        receivers: health(app),
    }
}

fn of_blind(entry: &serde_json::Value) -> Blind {
    let reasons = entry["reasons"].as_array().into_iter().flatten().filter_map(|reason| reason[0].as_str());
    Blind { text: entry["text"].as_str().unwrap_or("").to_owned(), reasons: reasons.map(str::to_owned).collect() }
}

fn of_group(group: &groups::Group, part: &[Stand], tellings: &Tellings<'_>, view: &View, now: i64) -> Group {
    let telling = group.telling(tellings);
    let labels = group.labels().cloned().unwrap_or_default();
    Group {
        id: group_id(&labels),
        labels,
        receivers: group.receivers().map(|name| name.to_string()).collect(),
        next_flush: telling.next_flush.map(Time),
        count: group.alerts.len(),
        muted: group.alerts.iter().filter(|(_, status)| status.is_muted()).count(),
        told: telling.heard(now).map(told).collect(),
        alerts: part.iter().map(|stand| alert(stand, view, now)).collect(),
    }
}

fn told(heard: Heard<'_>) -> Told {
    Told {
        receiver: heard.receiver.to_owned(),
        integration: heard.integration.to_owned(),
        at: heard.at.map(Time),
        why: heard.why.map(str::to_owned),
        error: heard.error.map(|error| cut(error, LONGEST)),
        next: heard.next.map(Time),
    }
}

fn alert((row, status): &Stand, view: &View, now: i64) -> Alert {
    let alert = &row.alert;
    let mutes = Mute::all(status, view).into_iter().map(|mute| MutedBy {
        kind: mute.kind().to_owned(),
        by: cut(mute.by(), LONGEST),
        until: mute.until(now).map(Time),
    });
    Alert {
        fingerprint: format!("{:016x}", row.known.fingerprint),
        labels: alert.labels.clone(),
        severity: Severity::of(&alert.labels).class().to_owned(),
        summary: cut(summary(&alert.annotations), LONGEST),
        since: Time(alert.starts_at),
        value: alert.value.map(|value| Number(value.get())),
        mutes: mutes.collect(),
    }
}

fn pending(fires_at: i64, alert: &crate::alerting::Alert) -> Pending {
    Pending {
        fingerprint: format!("{:016x}", alert.labels.fingerprint()),
        labels: alert.labels.clone(),
        severity: Severity::of(&alert.labels).class().to_owned(),
        value: Number(alert.value),
        active_at: Time(alert.active_at),
        fires_at: Time(fires_at),
    }
}

/// How deliveries stand, of every integration.
fn health(app: &App) -> Vec<Health> {
    let view = app.config.load();
    let all = view.receivers.iter().flat_map(|receiver| &receiver.integrations);
    let one = |id: &crate::notify::IntegrationId| {
        let status = app.deliveries.get(id);
        Health {
            receiver: id.receiver.to_string(),
            integration: id.kind.to_string(),
            index: id.index,
            attempts: status.attempts,
            failures: status.failures,
            last_delivered: status.last_delivered_at.map(Time),
            last_error: status.last_error.as_deref().map_or_else(String::new, |error| cut(error, LONGEST)),
        }
    };
    all.map(one).collect()
}
