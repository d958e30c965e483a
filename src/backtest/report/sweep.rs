//! What there is to say of a sweep: for people, and as JSON.

use serde_json::{Value as Json, json};

use crate::backtest::Window;
use crate::backtest::figures::Figures;
use crate::backtest::incidents::{Detection, Detections};
use crate::backtest::sweep::Point;
use crate::model::duration;
use crate::model::number::format_float;
use crate::model::time::rfc3339;

use super::document::{Bar, Block, Column, Document};

/// What one set of values gave.
pub struct Outcome {
    /// The values.
    pub point: Point,
    /// When it was played.
    pub window: Window,
    /// Whether routing was part of it.
    pub is_routed: bool,
    /// What was counted of it.
    pub figures: Figures,
    /// How it did in incidents, where some are given.
    pub detections: Option<Detections>,
}

impl Outcome {
    /// The values as people write them.
    fn name(&self) -> String {
        let hold = self.point.hold.map(|ms| format!("for {}", duration::format(ms)));
        let threshold = self.point.threshold.map(|v| format!("threshold {}", format_float(v)));
        hold.into_iter().chain(threshold).collect::<Vec<_>>().join(", ")
    }

    /// How many incidents were told, of how many, and how late the middle one of those was, milliseconds.
    fn detected(&self) -> Option<(usize, usize, Option<i64>)> {
        let incidents = &self.detections.as_ref()?.incidents;
        let mut after: Vec<i64> = incidents.iter().filter_map(|d: &Detection| d.fired_after).collect();
        after.sort_unstable();
        Some((after.len(), incidents.len(), after.get(after.len() / 2).copied()))
    }
}

/// The report on a sweep of an alert.
pub fn of_sweep(alert: &str, outcomes: &[Outcome]) -> Document {
    let window = outcomes.first().map(|o| o.window);
    let when = window.map(|w| format!(", {} to {}", rfc3339(w.from), rfc3339(w.to))).unwrap_or_default();
    let mut doc = Document { title: format!("Sweep of {alert}{when}"), ..Document::default() };
    let is_routed = outcomes.iter().any(|o| o.is_routed);
    let has_incidents = outcomes.iter().any(|o| o.detections.is_some());
    let mut columns = vec![Column::words("values"), Column::numbers("fired"), Column::numbers("flaps")];
    columns.extend(is_routed.then_some(Column::numbers("pages")));
    if has_incidents {
        columns.extend([Column::numbers("incidents detected"), Column::numbers("median after")]);
        columns.extend(is_routed.then_some(Column::numbers("pages outside")));
    }
    let row = |o: &Outcome| {
        let mut row = vec![o.name(), o.figures.fired.to_string(), o.figures.flaps.to_string()];
        row.extend(is_routed.then(|| o.figures.pages.to_string()));
        if let Some((detected, all, after)) = o.detected() {
            let after = after.map_or_else(|| "-".to_owned(), |t| duration::format(t / 1_000 * 1_000));
            row.extend([format!("{detected} of {all}"), after]);
            let outside = o.detections.as_ref().and_then(|d| d.outside);
            row.extend(is_routed.then(|| outside.unwrap_or(0).to_string()));
        }
        row
    };
    doc.table(&columns, outcomes.iter().map(row).collect(), usize::MAX);
    doc.heading(if is_routed { "Pages" } else { "Alerts that fired" });
    let count = |o: &Outcome| if is_routed { o.figures.pages } else { o.figures.fired };
    doc.blocks.push(Block::Bars(outcomes.iter().map(|o| Bar { name: o.name(), count: count(o) }).collect()));
    doc
}

/// The same for programs.
pub fn json_of_sweep(alert: &str, outcomes: &[Outcome]) -> Json {
    let one = |o: &Outcome| {
        let (detected, all, after) = o.detected().unwrap_or((0, 0, None));
        json!({
            "for_seconds": o.point.hold.map(|ms| ms / 1_000),
            "threshold": o.point.threshold,
            "fired": o.figures.fired,
            "flaps": o.figures.flaps,
            "pages": o.is_routed.then_some(o.figures.pages),
            "incidents": o.detections.as_ref().map(|_| all),
            "incidents_detected": o.detections.as_ref().map(|_| detected),
            "median_detected_after_seconds": after.map(|t| t / 1_000),
            "pages_outside_incidents": o.detections.as_ref().and_then(|d| d.outside),
        })
    };
    json!({"alert": alert, "points": outcomes.iter().map(one).collect::<Vec<_>>()})
}
