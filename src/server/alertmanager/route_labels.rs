//! The labels of a group's route, rendered for the group as its messages have them.

use crate::engine::AlertGroupView;
use crate::model::{Labels, Reading};
use crate::notify::receivers::common;
use crate::notify::route_labels;
use crate::routing::alerts::AlertRow;
use crate::template::Time;
use crate::template::alertmanager::{AlertData, Data, Templates};

/// Empty where the route has none, which costs nothing. A label whose template fails is left out, as it is in messages.
pub(super) fn of(group: &AlertGroupView, templates: &Templates, external_url: &str, now: i64) -> Labels {
    if group.route.labels.is_empty() {
        return Labels::empty();
    }
    let rows = || group.alerts.iter().map(|row| &row.alert);
    let firing = rows().any(|alert| !alert.is_resolved(now));
    let data = Data {
        receiver: group.route.receiver.to_string(),
        status: if firing { "firing".into() } else { "resolved".into() },
        alerts: group.alerts.iter().map(|row| alert_data(row, now)).collect(),
        notification_reason: String::new(),
        group_labels: group.labels.clone(),
        common_labels: common(rows().map(|alert| &alert.labels)),
        common_annotations: common(rows().map(|alert| &alert.annotations)),
        route_labels: Labels::empty(),
        external_url: external_url.to_owned(),
    };
    route_labels::render(&group.route.labels, &data, templates, now).0
}

fn alert_data(row: &AlertRow, now: i64) -> AlertData {
    let alert = &row.alert;
    let firing = !alert.is_resolved(now);
    AlertData {
        status: if firing { "firing".into() } else { "resolved".into() },
        labels: alert.labels.clone(),
        annotations: alert.annotations.clone(),
        starts_at: Time::from_millis(alert.starts_at),
        ends_at: alert.ends_at.filter(|_| !firing).map_or_else(Time::zero, Time::from_millis),
        generator_url: alert.generator_url.to_string(),
        fingerprint: format!("{:016x}", row.known.fingerprint),
        value: alert.value.map(Reading::get),
        resolved_value: alert.resolved_value.map(Reading::get),
    }
}
