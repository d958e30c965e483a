//! `alerts` and `alerts/groups`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use crate::config::alertmanager::matchers::{Syntax, syntax};
use crate::engine::{AlertGroupView, View};
use crate::model::labels::is_legacy_label_name;
use crate::model::labels_serde::annotations;
use crate::model::time::rfc3339_millis;
use crate::model::{Labels, MatchOp, Matcher};
use crate::routing::alerts::AlertRow;
use crate::routing::{AlertStatus, ReceivedAlert, SharedRoute};
use crate::server::api::Params;
use crate::server::app::{App, ReceiverView};
use crate::server::json::Json;

use super::answer::Refusal;
use super::{body, filter, lists, route_labels, strfmt};

/// go-openapi's code for a value that is not of its format.
const WRONG_FORMAT: u16 = 601;

/// `GET /api/v2/alerts`: ascending by fingerprint.
pub async fn list(State(app): State<Arc<App>>, params: Params) -> Result<Response, Refusal> {
    let wanted = Wanted::of(&params, &app.config.load().receivers)?;
    let (view, now) = (app.engine.view(), app.engine.now());
    let shown = view.clone();
    let gather = move || {
        let of_receiver = |row: &AlertRow| {
            let all = wanted.receiver.is_none() && wanted.labelled.is_none();
            all || view.receivers(row).into_iter().any(|r| wanted.is_receiver(r))
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
    let wanted = Wanted::of(&params, &app.config.load().receivers)?;
    let (view, now) = (app.engine.view(), app.engine.now());
    let shown = view.clone();
    let (templates, external_url) = (app.config.load().templates.clone(), app.service.external_url.clone());
    let gather = move || {
        let at = |route: &SharedRoute| wanted.is_receiver(&route.receiver);
        let mut groups = view.alert_groups(|row| wanted.speaks_of(row, now), at);
        groups.retain_mut(|group| {
            let muted_by = view.muting_intervals(&group.route, now);
            let status = |row: &AlertRow| AlertStatus { muted_by: muted_by.clone(), ..view.status(row, now) };
            group.alerts.retain(|row| wanted.is_content(|| status(row)));
            !group.alerts.is_empty()
        });
        groups
    };
    let write = move |j: &mut Json, group: &AlertGroupView| {
        let route_labels = route_labels::of(group, &templates, &external_url, now);
        write_group(j, &shown, group, &route_labels, now);
    };
    lists::list(gather, |group| group.alerts.len(), write).await
}

fn write_group(j: &mut Json, view: &View, group: &AlertGroupView, route_labels: &Labels, now: i64) {
    let muted_by = view.muting_intervals(&group.route, now);
    j.object(|j| {
        j.key("alerts").array_of(&group.alerts, |j, row| alert(j, view, row, &muted_by, now));
        j.key("labels").labels(&group.labels);
        j.key("receiver").object(|j| j.key("name").string(&group.route.receiver));
        j.key("routeLabels").labels(route_labels);
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
            if let Some(silence) = &status.acknowledged {
                j.key("acknowledged").object(|j| {
                    j.key("comment").string(&silence.comment);
                    j.key("createdBy").string(&silence.created_by);
                    j.key("silenceID").string(&silence.id);
                });
            }
            j.key("inhibitedBy").strings(status.inhibited_by.iter().map(|source| hex(source.fingerprint())));
            if let Some(rule) = view.inhibited_by_rule(&status) {
                j.key("inhibitedByRule").string(rule);
            }
            j.key("mutedBy").strings(&status.muted_by);
            j.key("silencedBy").strings(&status.silenced_by);
            j.key("state").string(status.state());
        });
        j.key("updatedAt").string(&rfc3339_millis(a.updated_at));
        if !a.generator_url.is_empty() {
            j.key("generatorURL").string(&a.generator_url);
        }
        j.key("labels").labels(&a.labels);
    });
}

/// Which alerts are wanted.
struct Wanted {
    matchers: Vec<Matcher>,
    receiver: Option<Matcher>,
    // The names of the receivers that have the labels asked for, when some are.
    labelled: Option<Vec<String>>,
    active: bool,
    silenced: bool,
    inhibited: bool,
    muted: bool,
}

impl Wanted {
    fn of(params: &Params, receivers: &[ReceiverView]) -> Result<Wanted, Refusal> {
        let receiver = params.get("receiver").map(|pattern| Matcher::of_alerts(MatchOp::Regex, "receiver", pattern));
        let receiver = receiver.transpose();
        let asked = filter::receiver_matchers(params)?;
        let has_all = |r: &&ReceiverView| asked.iter().all(|m| m.matches(r.labels.value(&m.name)));
        let labelled = || receivers.iter().filter(has_all).map(|r| r.name.clone()).collect();
        let labelled = (!asked.is_empty()).then(labelled);
        Ok(Wanted {
            matchers: filter::matchers(params)?,
            receiver: receiver.map_err(|e| Refusal::bad(format!("failed to parse receiver param: {e}")))?,
            labelled,
            active: filter::switch(params, "active"),
            silenced: filter::switch(params, "silenced"),
            inhibited: filter::switch(params, "inhibited"),
            muted: filter::switch(params, "muted"),
        })
    }

    /// Whether a receiver is asked for: by its name, and by its labels.
    fn is_receiver(&self, name: &str) -> bool {
        self.receiver.as_ref().is_none_or(|m| m.matches(name))
            && self.labelled.as_ref().is_none_or(|names| names.iter().any(|r| **r == *name))
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

/// Annotations as posted: those that are empty are there.
#[derive(Deserialize)]
struct Annotations(#[serde(deserialize_with = "annotations")] Labels);

/// An alert as posted. Names of fields are read in any case, as Go does; what is `null` is absent.
#[derive(Debug, Default)]
pub struct PostedAlert {
    labels: Option<Labels>,
    annotations: Option<Labels>,
    starts_at: Option<String>,
    ends_at: Option<String>,
    generator_url: Option<String>,
}

impl<'de> Deserialize<'de> for PostedAlert {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Fields;

        impl<'de> Visitor<'de> for Fields {
            type Value = PostedAlert;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an alert")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<PostedAlert, A::Error> {
                let mut alert = PostedAlert::default();
                while let Some(key) = map.next_key::<std::borrow::Cow<'_, str>>()? {
                    let is = |name: &str| key.eq_ignore_ascii_case(name);
                    if is("labels") {
                        alert.labels = map.next_value()?;
                    } else if is("annotations") {
                        alert.annotations = map.next_value::<Option<Annotations>>()?.map(|Annotations(labels)| labels);
                    } else if is("startsAt") {
                        alert.starts_at = map.next_value()?;
                    } else if is("endsAt") {
                        alert.ends_at = map.next_value()?;
                    } else if is("generatorURL") {
                        alert.generator_url = map.next_value()?;
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(alert)
            }
        }

        d.deserialize_map(Fields)
    }
}

/// Why an alert of a request, the `usize`th, makes all of it wrong.
fn defect(i: usize, alert: &PostedAlert) -> Option<Refusal> {
    if alert.labels.is_none() {
        return Some(body::missing(&format!("{i}.labels")));
    }
    let url = alert.generator_url.as_deref().filter(|url| !url.is_empty() && !strfmt::is_request_uri(url))?;
    let text = format!("{i}.generatorURL in body must be of type uri: {url:?}");
    Some(Refusal::coded(StatusCode::UNPROCESSABLE_ENTITY, WRONG_FORMAT, text))
}

impl PostedAlert {
    fn read(self) -> Result<ReceivedAlert, String> {
        // Go's zero time means that nothing was said.
        let time = |text: Option<String>| match text.as_deref().map(strfmt::time).transpose()? {
            Some(strfmt::ZERO_TIME) | None => Ok::<_, String>(None),
            said => Ok(said),
        };
        Ok(ReceivedAlert {
            labels: self.labels.unwrap_or_default(),
            annotations: self.annotations.unwrap_or_default(),
            starts_at: time(self.starts_at)?,
            ends_at: time(self.ends_at)?,
            generator_url: self.generator_url.unwrap_or_default(),
        })
    }
}

/// Decodes a batch. What is wrong with its form, be it of one alert, is wrong with all of it.
fn decode(posted: body::Posted) -> Result<Vec<ReceivedAlert>, Refusal> {
    let posted: Vec<PostedAlert> = posted.decode::<Option<Vec<_>>>()?.unwrap_or_default();
    let mut alerts = Vec::with_capacity(posted.len());
    let mut first_defect = None;
    for (i, alert) in posted.into_iter().enumerate() {
        first_defect = first_defect.or_else(|| defect(i, &alert));
        let unreadable = |e| {
            let text = format!("parsing alerts body from \"\" failed, because {e}");
            Refusal::coded(StatusCode::BAD_REQUEST, 400, text)
        };
        alerts.push(alert.read().map_err(unreadable)?);
    }
    first_defect.map_or(Ok(alerts), Err)
}

/// In classic mode names of labels are of ASCII letters, digits and underscores.
fn check_names(alert: &ReceivedAlert) -> Result<(), String> {
    if syntax() != Syntax::Classic {
        return Ok(());
    }
    for (what, labels) in [("label set", &alert.labels), ("annotations", &alert.annotations)] {
        if let Some((name, _)) = labels.iter().find(|(name, _)| !is_legacy_label_name(name)) {
            return Err(format!("invalid {what}: invalid name {name:?}"));
        }
    }
    Ok(())
}

/// `POST /api/v2/alerts`: valid ones are taken in even when others are not.
pub async fn receive(State(app): State<Arc<App>>, headers: HeaderMap, body: Body) -> Result<Response, Refusal> {
    let posted = body::read(&app.posts, &headers, body, "alerts").await?;
    let decoded = tokio::task::spawn_blocking(move || decode(posted)).await;
    let decoded = decoded.map_err(|e| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, e.to_string()))??;
    let (now, resolve_timeout) = (app.engine.now(), app.engine.view().resolve_timeout());
    let (mut good, mut defects) = (Vec::with_capacity(decoded.len()), Vec::new());
    for alert in decoded {
        // What is wrong with an alert is told here; the engine settles the good ones with its own timeout.
        let checked = alert.check(now, resolve_timeout).and_then(|()| check_names(&alert));
        app.api_metrics.posted(&alert, checked.is_ok(), now);
        match checked {
            Ok(()) => good.push(alert),
            Err(defect) => defects.push(defect),
        }
    }
    let stored = app.engine.receive_alerts(good).await;
    stored.map_err(|e| Refusal::new(StatusCode::SERVICE_UNAVAILABLE, e.to_string()))?;
    if !defects.is_empty() {
        return Err(Refusal::bad(defects.join("\n")));
    }
    Ok(StatusCode::OK.into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_posted_alert_may_leave_its_times_out() {
        let text = r#"{"labels":{"alertname":"X","empty":""},"annotations":{"a":""},"startsAt":"2026-01-02T03:04:05.5Z","endsAt":"0001-01-01T00:00:00Z"}"#;
        let alert: PostedAlert = serde_json::from_str(text).unwrap();
        let alert = alert.read().unwrap();
        assert_eq!(alert.labels, Labels::from_pairs([("alertname", "X")]));
        assert_eq!(alert.annotations.get("a"), Some(""), "as in Alertmanager, an empty annotation is there");
        assert_eq!((alert.starts_at, alert.ends_at), (Some(1_767_323_045_500), None));
        let bad: PostedAlert = serde_json::from_str(r#"{"startsAt":"yesterday"}"#).unwrap();
        assert!(bad.read().is_err());
    }
}
