//! A record as JSON: all of it, and its figures.

use serde_json::{Value as Json, json};

use crate::backtest::figures::{Figures, ReceiverFigures, RuleFigures};
use crate::backtest::incidents::{Detection, Detections};
use crate::backtest::record::{Episode, Record, RuleRecord, Told};
use crate::backtest::shifts::Shift;
use crate::model::time::rfc3339;

/// The record and its figures; with incidents, how it did in them.
pub fn json(record: &Record, figures: &Figures, detections: Option<&Detections>) -> Json {
    let failed = record.rules.iter().filter_map(|rule| {
        let failure = rule.failure.as_ref()?;
        Some(json!({
            "rule": &*rule.name, "group": &*rule.group.name, "file": &*rule.group.file,
            "times": failure.times, "first_at": rfc3339(failure.at), "error": &*failure.error,
        }))
    });
    let name = |i: usize| record.rules.get(i).map(|r| &*r.name);
    json!({
        "from": rfc3339(record.window.from),
        "to": rfc3339(record.window.to),
        "timezone": figures.zone.name(),
        "totals": {
            "rules": record.rules.len(),
            "fired": figures.fired,
            "pending_only": figures.pending_only,
            "flaps": figures.flaps,
            "pages": record.is_routed.then_some(figures.pages),
            "resolved_notifications": record.is_routed.then_some(figures.resolves),
            "alerts_left_out": record.episodes_left_out,
            "notifications_left_out": record.told_left_out,
        },
        "rules": figures.rules.iter().filter_map(|f| Some(rule(record.rules.get(f.rule)?, f))).collect::<Vec<_>>(),
        "never_fired": figures.never_fired().into_iter().filter_map(name).collect::<Vec<_>>(),
        "failed": failed.collect::<Vec<_>>(),
        "receivers": figures.receivers.iter().map(receiver).collect::<Vec<_>>(),
        "pages_by_hour": figures.by_hour,
        "pages_by_shift": by_shift(figures.by_shift),
        "person_hours": by_shift(figures.person_hours),
        "incidents": detections.map(incidents),
        "pages_outside_incidents": detections.map(|d| d.outside),
        "alerts": record.episodes.iter().map(|e| episode(record, e)).collect::<Vec<_>>(),
        "notifications": record.told.iter().map(told).collect::<Vec<_>>(),
    })
}

fn incidents(detections: &Detections) -> Json {
    let one = |d: &Detection| {
        let seconds = |t: Option<i64>| t.map(|t| t / 1_000);
        json!({
            "name": d.incident.name, "from": rfc3339(d.incident.from), "to": rfc3339(d.incident.to),
            "expected": d.incident.alerts, "missed": d.missed,
            "detected_after_seconds": seconds(d.fired_after), "paged_after_seconds": seconds(d.paged_after),
        })
    };
    detections.incidents.iter().map(one).collect()
}

/// Of each shift its number, by its name.
fn by_shift<T: Into<Json>>(numbers: [T; 3]) -> Json {
    let named = Shift::ALL.iter().zip(numbers).map(|(shift, n)| (shift.as_str().to_owned(), n.into()));
    Json::Object(named.collect())
}

fn rule(rule: &RuleRecord, f: &RuleFigures) -> Json {
    json!({
        "rule": &*rule.name, "group": &*rule.group.name, "file": &*rule.group.file,
        "pages": f.pages, "fired": f.fired, "pending_only": f.pending_only, "flaps": f.flaps,
        "firing_seconds": f.firing_for / 1_000,
    })
}

fn receiver(f: &ReceiverFigures) -> Json {
    json!({
        "receiver": &*f.receiver, "pages": f.pages, "repeats": f.repeats, "resolved": f.resolves,
        "pages_by_shift": by_shift(f.by_shift),
    })
}

/// An alert; one that only was pending has not fired.
pub(super) fn episode(record: &Record, e: &Episode) -> Json {
    let group = record.rules.get(e.rule).map(|r| &*r.group.name);
    json!({
        "labels": e.labels, "group": group, "value": crate::model::number::format_float(e.value),
        "pending_at": rfc3339(e.active_at), "fired_at": e.fired_at.map(rfc3339), "ended_at": e.ended_at.map(rfc3339),
    })
}

fn told(t: &Told) -> Json {
    json!({
        "at": rfc3339(t.at), "receiver": &*t.receiver, "integration": &*t.integration, "reason": t.reason,
        "group_labels": t.group_labels, "alertnames": t.alertnames.iter().map(|n| &**n).collect::<Vec<_>>(),
        "firing": t.firing, "resolved": t.resolved,
    })
}
