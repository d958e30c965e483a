//! `alerts` and `alerts/groups`.

use std::sync::Arc;

use axum::Json as Body;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use crate::engine::{AlertGroupView, View};
use crate::model::{Labels, MatchOp, Matcher};
use crate::routing::alerts::AlertRow;
use crate::routing::{AlertStatus, ReceivedAlert, SharedRoute};
use crate::server::api::Params;
use crate::server::app::App;
use crate::server::json::Json;
use crate::server::time::rfc3339_millis;

use super::answer::Refusal;
use super::{filter, lists};

/// The most alerts of one request.
const MAX_ALERTS: usize = 100_000;

/// `GET /api/v2/alerts`: ascending by fingerprint.
pub async fn list(State(app): State<Arc<App>>, params: Params) -> Result<Response, Refusal> {
    let wanted = Wanted::of(&params)?;
    let (view, now) = (app.engine.view(), app.engine.now());
    let shown = view.clone();
    let gather = move || {
        let of_receiver = |row: &AlertRow| {
            wanted.receiver.as_ref().is_none_or(|m| view.receivers(row).into_iter().any(|r| m.matches(r)))
        };
        let by_labels = view.alerts().filter(|row| wanted.speaks_of(row, now) && of_receiver(row));
        let listed = by_labels.filter(|row| wanted.is_content(|| view.status(row, now)));
        let mut listed: Vec<Arc<AlertRow>> = listed.cloned().collect();
        listed.sort_by(|a, b| {
            a.known.fingerprint.cmp(&b.known.fingerprint).then_with(|| a.alert.labels.cmp(&b.alert.labels))
        });
        listed
    };
    lists::list(gather, |_| 1, move |j, row| alert(j, &shown, row, &[], now)).await
}

/// `GET /api/v2/alerts/groups`
pub async fn groups(State(app): State<Arc<App>>, params: Params) -> Result<Response, Refusal> {
    let wanted = Wanted::of(&params)?;
    let (view, now) = (app.engine.view(), app.engine.now());
    let shown = view.clone();
    let gather = move || {
        let at = |route: &SharedRoute| wanted.receiver.as_ref().is_none_or(|m| m.matches(&route.receiver));
        let mut groups = view.alert_groups(|row| wanted.speaks_of(row, now), at);
        groups.retain_mut(|group| {
            let muted_by = view.muting_intervals(&group.route, now);
            let status = |row: &AlertRow| AlertStatus { muted_by: muted_by.clone(), ..view.status(row, now) };
            group.alerts.retain(|row| wanted.is_content(|| status(row)));
            !group.alerts.is_empty()
        });
        groups
    };
    lists::list(gather, |group| group.alerts.len(), move |j, group| write_group(j, &shown, group, now)).await
}

fn write_group(j: &mut Json, view: &View, group: &AlertGroupView, now: i64) {
    let muted_by = view.muting_intervals(&group.route, now);
    j.object(|j| {
        j.key("alerts").array_of(&group.alerts, |j, row| alert(j, view, row, &muted_by, now));
        j.key("labels").labels(&group.labels);
        j.key("receiver").object(|j| j.key("name").string(&group.route.receiver));
    });
}

fn alert(j: &mut Json, view: &View, row: &AlertRow, muted_by: &[String], now: i64) {
    let a = &row.alert;
    let status = AlertStatus { muted_by: muted_by.to_vec(), ..view.status(row, now) };
    let ends_at = a.ends_at.unwrap_or(now.max(a.updated_at) + view.resolve_timeout());
    let hex = |fingerprint: u64| format!("{fingerprint:016x}");
    j.object(|j| {
        j.key("annotations").labels(&a.annotations);
        j.key("endsAt").string(&rfc3339_millis(ends_at));
        j.key("fingerprint").string(&hex(row.known.fingerprint));
        j.key("receivers").array_of(view.receivers(row), |j, name| j.object(|j| j.key("name").string(name)));
        j.key("startsAt").string(&rfc3339_millis(a.starts_at));
        j.key("status").object(|j| {
            j.key("inhibitedBy").strings(status.inhibited_by.iter().map(|source| hex(source.fingerprint())));
            j.key("mutedBy").strings(&status.muted_by);
            j.key("silencedBy").strings(&status.silenced_by);
            j.key("state").string(status.state());
        });
        j.key("updatedAt").string(&rfc3339_millis(a.updated_at));
        j.key("generatorURL").string(&a.generator_url);
        j.key("labels").labels(&a.labels);
    });
}

/// Which alerts are wanted.
struct Wanted {
    matchers: Vec<Matcher>,
    receiver: Option<Matcher>,
    active: bool,
    silenced: bool,
    inhibited: bool,
    muted: bool,
}

impl Wanted {
    fn of(params: &Params) -> Result<Wanted, Refusal> {
        let receiver = params.get("receiver").map(|pattern| Matcher::new(MatchOp::Regex, "receiver", pattern));
        let receiver = receiver.transpose();
        Ok(Wanted {
            matchers: filter::matchers(params)?,
            receiver: receiver.map_err(|e| Refusal::bad(format!("failed to parse receiver param: {e}")))?,
            active: filter::switch(params, "active")?,
            silenced: filter::switch(params, "silenced")?,
            inhibited: filter::switch(params, "inhibited")?,
            muted: filter::switch(params, "muted")?,
        })
    }

    /// Whether an alert fires and has the labels asked for.
    fn speaks_of(&self, row: &AlertRow, now: i64) -> bool {
        let labels = &row.alert.labels;
        !row.alert.is_resolved(now) && self.matchers.iter().all(|m| m.matches(labels.value(&m.name)))
    }

    /// Whether what mutes an alert is as asked for. Who asks for everything is content without a look.
    fn is_content(&self, status: impl FnOnce() -> AlertStatus) -> bool {
        if self.active && self.silenced && self.inhibited && self.muted {
            return true;
        }
        let status = status();
        (self.active || status.state() != "active")
            && (self.silenced || status.silenced_by.is_empty())
            && (self.inhibited || status.inhibited_by.is_empty())
            && (self.muted || status.muted_by.is_empty())
    }
}

/// An alert as posted.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PostedAlert {
    #[serde(default)]
    labels: Labels,
    #[serde(default)]
    annotations: Labels,
    #[serde(default)]
    starts_at: Option<String>,
    #[serde(default)]
    ends_at: Option<String>,
    #[serde(default, rename = "generatorURL")]
    generator_url: Option<String>,
}

impl PostedAlert {
    fn read(self) -> Result<ReceivedAlert, String> {
        // Go's zero time means that nothing was said.
        let time = |text: Option<String>| match text.as_deref() {
            None | Some("" | "0001-01-01T00:00:00Z" | "0001-01-01T00:00:00.000Z") => Ok(None),
            Some(text) => crate::server::time::parse_time(text).map(Some),
        };
        Ok(ReceivedAlert {
            labels: self.labels,
            annotations: self.annotations,
            starts_at: time(self.starts_at)?,
            ends_at: time(self.ends_at)?,
            generator_url: self.generator_url.unwrap_or_default(),
        })
    }
}

/// `POST /api/v2/alerts`: valid ones are taken in even when others are not.
pub async fn receive(
    State(app): State<Arc<App>>,
    body: Result<Body<Vec<PostedAlert>>, JsonRejection>,
) -> Result<Response, Refusal> {
    let Body(posted) = body.map_err(|e| Refusal::bad(e.body_text()))?;
    if posted.len() > MAX_ALERTS {
        return Err(Refusal::bad(format!("more than {MAX_ALERTS} alerts in one request")));
    }
    let (mut good, mut defects) = (Vec::with_capacity(posted.len()), Vec::new());
    for posted in posted {
        // What is wrong with an alert is told here; the engine settles the good ones with its own timeout.
        match posted.read().and_then(|a| a.check().map(|()| a)) {
            Ok(alert) => good.push(alert),
            Err(defect) => defects.push(defect),
        }
    }
    let stored = app.engine.receive_alerts(good).await;
    stored.map_err(|e| Refusal(StatusCode::SERVICE_UNAVAILABLE, e.to_string()))?;
    if !defects.is_empty() {
        return Err(Refusal::bad(defects.join("; ")));
    }
    Ok(StatusCode::OK.into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_posted_alert_may_leave_its_times_out() {
        let text = r#"{"labels":{"alertname":"X","empty":""},"startsAt":"2026-01-02T03:04:05.5Z","endsAt":"0001-01-01T00:00:00Z"}"#;
        let alert: PostedAlert = serde_json::from_str(text).unwrap();
        let alert = alert.read().unwrap();
        assert_eq!(alert.labels, Labels::from_pairs([("alertname", "X")]));
        assert_eq!((alert.starts_at, alert.ends_at), (Some(1_767_323_045_500), None));
        let bad: PostedAlert = serde_json::from_str(r#"{"startsAt":"yesterday"}"#).unwrap();
        assert!(bad.read().is_err());
    }
}
