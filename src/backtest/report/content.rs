//! What there is to say of a record.

use std::collections::BTreeMap;

use crate::backtest::figures::{FLAP, Figures, ReceiverFigures, RuleFigures};
use crate::backtest::incidents::{Detection, Detections};
use crate::backtest::record::{Episode, Failure, Record, RuleRecord};
use crate::backtest::shifts::Shift;
use crate::model::duration;
use crate::model::time::rfc3339;

use super::document::{Bar, Block, Column, Document, Span, Timeline, TimelineRow, counted};

/// So many alerts are listed; JSON has all.
const MOST_ALERTS: usize = 50;
/// So many rules are listed.
const MOST_RULES: usize = 50;

/// The report on a record; with incidents, on how it did in them.
pub fn of_record(record: &Record, figures: &Figures, detections: Option<&Detections>) -> Document {
    let mut doc = Document { title: title(record), ..Document::default() };
    doc.line(summary(record, figures));
    left_out(record, &mut doc);
    failures(record, &mut doc);
    if let Some(detections) = detections {
        incidents(detections, &mut doc);
    }
    rules(record, figures, &mut doc);
    never_fired(record, figures, &mut doc);
    timeline(record, figures, &mut doc);
    receivers(figures, &mut doc);
    hours(figures, &mut doc);
    alerts(record, &mut doc);
    doc
}

fn title(record: &Record) -> String {
    let rules = record.rules.len() as u64;
    let long = duration::format((record.window.to - record.window.from) / 1_000 * 1_000);
    format!(
        "Backtest of {} over {long}, {} to {}",
        counted(rules, "rule"),
        rfc3339(record.window.from),
        rfc3339(record.window.to)
    )
}

fn summary(record: &Record, figures: &Figures) -> String {
    let Figures { fired, pending_only, flaps, pages, resolves, .. } = figures;
    let mut text = format!("{} fired, {pending_only} ended or stayed pending", counted(*fired, "alert"));
    if *flaps > 0 {
        text.push_str(&format!("; {flaps} fired again within {} of their end", duration::format(FLAP)));
    }
    match record.is_routed {
        true => text.push_str(&format!(
            ". {}, and {} of resolved alerts only.",
            counted(*pages, "page"),
            counted(*resolves, "notification")
        )),
        false => text.push_str(". Without an Alertmanager configuration nobody is told."),
    }
    text
}

fn left_out(record: &Record, doc: &mut Document) {
    let Record { episodes_left_out, told_left_out, .. } = record;
    if episodes_left_out + told_left_out > 0 {
        doc.line(format!(
            "That is not all: {} and {} more were too many to be taken down, and are in no figure.",
            counted(*episodes_left_out, "alert"),
            counted(*told_left_out, "notification")
        ));
    }
}

fn failures(record: &Record, doc: &mut Document) {
    let failed: Vec<_> = record.rules.iter().filter_map(|r| Some((r, r.failure.as_ref()?))).collect();
    if failed.is_empty() {
        return;
    }
    doc.heading("Rules that failed");
    let row = |(rule, failure): (&RuleRecord, &Failure)| {
        let (name, at) = (rule.name.to_string(), rfc3339(failure.at));
        vec![name, rule.group.name.to_string(), failure.times.to_string(), at, failure.error.to_string()]
    };
    let columns = [
        Column::words("rule"),
        Column::words("group"),
        Column::numbers("times"),
        Column::words("first at"),
        Column::words("error"),
    ];
    doc.table(&columns, failed.into_iter().map(row).collect(), MOST_RULES);
}

fn incidents(detections: &Detections, doc: &mut Document) {
    doc.heading("Incidents");
    let after = |t: Option<i64>| t.map_or_else(|| "-".to_owned(), |t| duration::format(t / 1_000 * 1_000));
    let row = |d: &Detection| {
        let missed = if d.missed.is_empty() { "-".to_owned() } else { d.missed.join(", ") };
        vec![d.incident.name.clone(), rfc3339(d.incident.from), after(d.fired_after), after(d.paged_after), missed]
    };
    let columns = [
        Column::words("incident"),
        Column::words("began"),
        Column::numbers("detected after"),
        Column::numbers("paged after"),
        Column::words("missed"),
    ];
    match detections.incidents.is_empty() {
        true => doc.line("None began in this time."),
        false => doc.table(&columns, detections.incidents.iter().map(row).collect(), MOST_RULES),
    }
    if let Some(outside) = detections.outside {
        doc.line(format!("Outside of all incidents: {}.", counted(outside, "page")));
    }
}

fn rules(record: &Record, figures: &Figures, doc: &mut Document) {
    let loud = figures.rules.iter().filter(|f| f.fired + f.pending_only > 0);
    let rows: Vec<Vec<String>> = loud
        .filter_map(|f| {
            let name = record.rules.get(f.rule)?.name.to_string();
            let firing = duration::format(f.firing_for / 1_000 * 1_000);
            let numbers = [f.pages, f.fired, f.pending_only, f.flaps].map(|n| n.to_string());
            Some([vec![name], numbers.to_vec(), vec![firing]].concat())
        })
        .collect();
    if rows.is_empty() {
        return;
    }
    doc.heading("Alerts by rule, the noisiest first");
    let columns = [
        Column::words("rule"),
        Column::numbers("pages"),
        Column::numbers("fired"),
        Column::numbers("only pending"),
        Column::numbers("flaps"),
        Column::numbers("firing for"),
    ];
    doc.table(&columns, rows, MOST_RULES);
}

/// A row a rule that had something to say, the noisiest first.
fn timeline(record: &Record, figures: &Figures, doc: &mut Document) {
    let mut spans: BTreeMap<usize, Vec<Span>> = BTreeMap::new();
    for e in &record.episodes {
        let (end, of) = (e.ended_at.unwrap_or(record.window.to), spans.entry(e.rule).or_default());
        of.push(Span { from: e.active_at, to: e.fired_at.unwrap_or(end), is_firing: false });
        of.extend(e.fired_at.map(|from| Span { from, to: end, is_firing: true }));
    }
    let row = |f: &RuleFigures| {
        let spans = spans.remove(&f.rule)?;
        Some(TimelineRow { name: record.rules.get(f.rule)?.name.to_string(), spans })
    };
    let rows: Vec<TimelineRow> = figures.rules.iter().filter_map(row).take(MOST_RULES).collect();
    if !rows.is_empty() {
        doc.blocks.push(Block::Timeline(Timeline { from: record.window.from, to: record.window.to, rows }));
    }
}

fn never_fired(record: &Record, figures: &Figures, doc: &mut Document) {
    let never: Vec<&str> =
        figures.never_fired().into_iter().filter_map(|i| record.rules.get(i)).map(|r| &*r.name).collect();
    if !never.is_empty() {
        let shown = never.iter().take(MOST_RULES).copied().collect::<Vec<_>>().join(", ");
        let more = never.len().saturating_sub(MOST_RULES);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        doc.line(format!("Never fired: {shown}{more}."));
    }
}

fn receivers(figures: &Figures, doc: &mut Document) {
    if figures.receivers.is_empty() {
        return;
    }
    doc.heading("Notifications by receiver");
    let row = |f: &ReceiverFigures| {
        let mut row = vec![f.receiver.to_string()];
        row.extend([f.pages, f.repeats, f.resolves].map(|n| n.to_string()));
        row.extend(f.by_shift.map(|n| n.to_string()));
        row
    };
    let mut columns = vec![
        Column::words("receiver"),
        Column::numbers("pages"),
        Column::numbers("of them repeats"),
        Column::numbers("resolved"),
    ];
    columns.extend(Shift::ALL.map(|s| Column::numbers(s.title())));
    doc.table(&columns, figures.receivers.iter().map(row).collect(), MOST_RULES);
}

fn hours(figures: &Figures, doc: &mut Document) {
    if figures.pages == 0 {
        return;
    }
    doc.heading(format!("Pages by the hour of the day, {}", figures.zone.name()));
    let of = |(hour, count): (usize, &u64)| Bar { name: format!("{hour:02}:00"), count: *count };
    doc.blocks.push(Block::Bars(figures.by_hour.iter().enumerate().map(of).collect()));
    let of = |((shift, pages), hours): ((Shift, u64), f64)| {
        // An hour of a shift that the window does not have is none.
        let rate = if hours > 0.0 { pages as f64 / hours } else { 0.0 };
        vec![shift.title().to_owned(), format!("{hours:.1}"), pages.to_string(), format!("{rate:.3}")]
    };
    let rows = Shift::ALL.into_iter().zip(figures.by_shift).zip(figures.person_hours).map(of).collect();
    let columns = [
        Column::words("person-hours"),
        Column::numbers("hours"),
        Column::numbers("pages"),
        Column::numbers("pages an hour"),
    ];
    doc.table(&columns, rows, Shift::ALL.len());
}

fn alerts(record: &Record, doc: &mut Document) {
    let fired: Vec<&Episode> = record.episodes.iter().filter(|e| e.fired_at.is_some()).collect();
    if fired.is_empty() {
        return;
    }
    doc.heading("Alerts that fired");
    let time = |t: Option<i64>| t.map_or_else(|| "-".to_owned(), rfc3339);
    let row = |e: &&Episode| {
        let long = e.ended_at.unwrap_or(record.window.to) - e.fired_at.unwrap_or(e.active_at);
        let long = duration::format(long / 1_000 * 1_000);
        vec![time(Some(e.active_at)), time(e.fired_at), time(e.ended_at), long, e.labels.to_string()]
    };
    let columns = [
        Column::words("pending"),
        Column::words("firing"),
        Column::words("resolved"),
        Column::numbers("firing for"),
        Column::words("labels"),
    ];
    doc.table(&columns, fired.iter().map(row).collect(), MOST_ALERTS);
}
