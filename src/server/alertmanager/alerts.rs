//! `alerts` and `alerts/groups`.

use std::sync::Arc;

use axum::Json as Body;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use crate::engine::{AlertGroupView, RoutedAlertView};
use crate::model::{Labels, MatchOp, Matcher};
use crate::routing::ReceivedAlert;
use crate::server::api::Params;
use crate::server::app::App;
use crate::server::json::Json;
use crate::server::time::rfc3339_millis;

use super::{Refusal, answer, filter};

/// The most alerts of one request.
const MAX_ALERTS: usize = 100_000;
/// How long an alert that says nothing of its end is shown to last, milliseconds, when nothing else is known.
const DEFAULT_RESOLVE_TIMEOUT: i64 = 300_000;

/// `GET /api/v2/alerts`
pub async fn list(State(app): State<Arc<App>>, params: Params) -> Result<Response, Refusal> {
    let wanted = Wanted::of(&params)?;
    let now = app.engine.now();
    let (alerts, timeout) = app.engine.with(|e| (e.routed_alerts(now), e.router().resolve_timeout()));
    Ok(answer(|j| {
        let listed = alerts.iter().filter(|a| wanted.accepts(a, &a.receivers));
        j.array_of(listed, |j, a| alert(j, a, &a.receivers, now, timeout));
    }))
}

/// `GET /api/v2/alerts/groups`
pub async fn groups(State(app): State<Arc<App>>, params: Params) -> Result<Response, Refusal> {
    let wanted = Wanted::of(&params)?;
    let now = app.engine.now();
    let (groups, timeout) = app.engine.with(|e| (e.alert_groups(now), e.router().resolve_timeout()));
    Ok(answer(|j| {
        j.array(|j| {
            for group in &groups {
                let receiver = std::slice::from_ref(&group.receiver);
                let listed: Vec<_> = group.alerts.iter().filter(|a| wanted.accepts(a, receiver)).collect();
                if !listed.is_empty() {
                    write_group(j, group, &listed, now, timeout);
                }
            }
        });
    }))
}

fn write_group(j: &mut Json, group: &AlertGroupView, alerts: &[&RoutedAlertView], now: i64, timeout: i64) {
    j.object(|j| {
        j.key("alerts").array_of(alerts, |j, a| alert(j, a, &a.receivers, now, timeout));
        j.key("labels").labels(&group.labels);
        j.key("receiver").object(|j| j.key("name").string(&group.receiver));
    });
}

fn alert(j: &mut Json, view: &RoutedAlertView, receivers: &[Arc<str>], now: i64, timeout: i64) {
    let a = &view.alert;
    let timeout = if timeout > 0 { timeout } else { DEFAULT_RESOLVE_TIMEOUT };
    let ends_at = a.ends_at.unwrap_or(now.max(a.updated_at) + timeout);
    let fingerprints = |all: &[Labels]| all.iter().map(fingerprint).collect::<Vec<_>>();
    j.object(|j| {
        j.key("annotations").labels(&a.annotations);
        j.key("endsAt").string(&rfc3339_millis(ends_at));
        j.key("fingerprint").string(&fingerprint(&a.labels));
        j.key("receivers").array_of(receivers, |j, name| j.object(|j| j.key("name").string(name)));
        j.key("startsAt").string(&rfc3339_millis(a.starts_at));
        j.key("status").object(|j| {
            j.key("inhibitedBy").strings(fingerprints(&view.status.inhibited_by));
            j.key("mutedBy").strings(&view.status.muted_by);
            j.key("silencedBy").strings(&view.status.silenced_by);
            j.key("state").string(view.status.state());
        });
        j.key("updatedAt").string(&rfc3339_millis(a.updated_at));
        j.key("generatorURL").string(&a.generator_url);
        j.key("labels").labels(&a.labels);
    });
}

/// Alertmanager's fingerprint of a label set: FNV-1a of names and values with separators, as 16 hexadecimal digits.
fn fingerprint(labels: &Labels) -> String {
    const PRIME: u64 = 0x100_0000_01b3;
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut add = |byte: u8| hash = (hash ^ u64::from(byte)).wrapping_mul(PRIME);
    for (name, value) in labels {
        name.bytes().for_each(&mut add);
        add(0xff);
        value.bytes().for_each(&mut add);
        add(0xff);
    }
    format!("{hash:016x}")
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

    fn accepts(&self, view: &RoutedAlertView, receivers: &[Arc<str>]) -> bool {
        let status = &view.status;
        !view.resolved
            && (self.active || status.state() != "active")
            && (self.silenced || status.silenced_by.is_empty())
            && (self.inhibited || status.inhibited_by.is_empty())
            && (self.muted || status.muted_by.is_empty())
            && self.matchers.iter().all(|m| m.matches(view.alert.labels.value(&m.name)))
            && self.receiver.as_ref().is_none_or(|m| receivers.iter().any(|r| m.matches(r)))
    }
}

/// An alert as posted.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PostedAlert {
    #[serde(default)]
    labels: std::collections::BTreeMap<String, String>,
    #[serde(default)]
    annotations: std::collections::BTreeMap<String, String>,
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
            labels: Labels::from_pairs(self.labels),
            annotations: Labels::from_pairs(self.annotations),
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
    let (now, timeout) = (app.engine.now(), DEFAULT_RESOLVE_TIMEOUT);
    for posted in posted {
        // What is wrong with an alert is told here; the engine settles the good ones with its own timeout.
        match posted.read().and_then(|a| a.clone().settle(now, timeout).map(|_| a)) {
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
    fn fingerprints_are_alertmanagers() {
        // As a real Alertmanager prints it for an alert with the one label.
        assert_eq!(fingerprint(&Labels::empty()), "cbf29ce484222325");
        let one = Labels::from_pairs([("a", "b")]);
        let mut want: u64 = 0xcbf2_9ce4_8422_2325;
        for byte in [b'a', 0xff, b'b', 0xff] {
            want = (want ^ u64::from(byte)).wrapping_mul(1_099_511_628_211);
        }
        assert_eq!(fingerprint(&one), format!("{want:016x}"));
    }

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
