//! What there is to say of a change: for people, and as JSON.

use serde_json::{Value as Json, json};

use crate::backtest::compare::Comparison;
use crate::backtest::figures::Figures;
use crate::backtest::incidents::{Detection, Detections};
use crate::backtest::record::{Episode, Record};
use crate::backtest::shifts::Shift;
use crate::model::duration;
use crate::model::time::rfc3339;

use super::document::{Column, Document, counted};
use super::json::{episode, json as record_json};

/// So many alerts of each kind are listed; JSON has all.
const MOST: usize = 25;

/// One side of a comparison.
#[derive(Clone, Copy)]
pub struct Side<'a> {
    /// What was taken down.
    pub record: &'a Record,
    /// What was counted of it.
    pub figures: &'a Figures,
    /// How it did in incidents, where some are given.
    pub detections: Option<&'a Detections>,
}

/// The report on a change from `before` to `after`.
pub fn of_change(before: Side<'_>, after: Side<'_>, comparison: &Comparison<'_>) -> Document {
    let window = after.record.window;
    let long = duration::format((window.to - window.from) / 1_000 * 1_000);
    let title = format!("Backtest of a change over {long}, {} to {}", rfc3339(window.from), rfc3339(window.to));
    let mut doc = Document { title, ..Document::default() };
    doc.line(summary(before, after, comparison));
    counts(before, after, &mut doc);
    incidents(before, after, &mut doc);
    names("Rules that are gone", &comparison.removed_rules, &mut doc);
    names("New rules", &comparison.added_rules, &mut doc);
    listed("Lost: fired before, and would not now", &comparison.lost, after.record, &mut doc);
    listed("New: would fire now, and did not before", &comparison.gained, after.record, &mut doc);
    moved("Earlier", &comparison.earlier, &mut doc);
    moved("Later", &comparison.later, &mut doc);
    failed(after.record, &mut doc);
    doc
}

/// One sentence: "before 41 pages, after 9; 2 earlier, 1 lost: ...".
fn summary(before: Side<'_>, after: Side<'_>, c: &Comparison<'_>) -> String {
    let is_routed = before.record.is_routed || after.record.is_routed;
    let (old, new, noun) = match is_routed {
        true => (before.figures.pages, after.figures.pages, "page"),
        false => (before.figures.fired, after.figures.fired, "alert"),
    };
    let kinds =
        [("earlier", c.earlier.len()), ("later", c.later.len()), ("new", c.gained.len()), ("lost", c.lost.len())];
    let some: Vec<String> = kinds.iter().filter(|(_, n)| *n > 0).map(|(what, n)| format!("{n} {what}")).collect();
    let mut text = format!("Before {}, after {new}", counted(old, noun));
    match some.is_empty() {
        true => text.push_str("; every alert fires when it did"),
        false => text.push_str(&format!("; {}", some.join(", "))),
    }
    if let Some(lost) = c.lost.first() {
        let more = c.lost.len() - 1;
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        text.push_str(&format!(": {}{more}", lost.labels));
    }
    text + "."
}

fn counts(before: Side<'_>, after: Side<'_>, doc: &mut Document) {
    let row = |what: &str, of: &dyn Fn(&Figures) -> u64| {
        let (old, new) = (of(before.figures), of(after.figures));
        let change = i128::from(new) - i128::from(old);
        vec![
            what.to_owned(),
            old.to_string(),
            new.to_string(),
            if change == 0 { "0".into() } else { format!("{change:+}") },
        ]
    };
    let mut rows = vec![row("alerts that fired", &|f| f.fired), row("flaps", &|f| f.flaps)];
    if before.record.is_routed || after.record.is_routed {
        rows.push(row("pages", &|f| f.pages));
        for (place, shift) in Shift::ALL.into_iter().enumerate() {
            let of = |f: &Figures| f.by_shift.get(place).copied().unwrap_or(0);
            rows.push(row(&format!("pages in {}", shift.title()), &of));
        }
        let mut receivers: Vec<&str> =
            [before, after].iter().flat_map(|s| s.figures.receivers.iter().map(|r| &*r.receiver)).collect();
        receivers.sort_unstable();
        receivers.dedup();
        for receiver in receivers {
            let of = |f: &Figures| f.receivers.iter().find(|r| &*r.receiver == receiver).map_or(0, |r| r.pages);
            rows.push(row(&format!("pages to {receiver}"), &of));
        }
    }
    let columns = [Column::words(""), Column::numbers("before"), Column::numbers("after"), Column::numbers("change")];
    doc.table(&columns, rows, usize::MAX);
}

fn incidents(before: Side<'_>, after: Side<'_>, doc: &mut Document) {
    let (Some(old), Some(new)) = (before.detections, after.detections) else { return };
    doc.heading("Incidents");
    let after = |t: Option<i64>| t.map_or_else(|| "missed".to_owned(), |t| duration::format(t / 1_000 * 1_000));
    let row = |(old, new): (&Detection, &Detection)| {
        vec![new.incident.name.clone(), after(old.fired_after), after(new.fired_after)]
    };
    let columns =
        [Column::words("incident"), Column::numbers("detected before after"), Column::numbers("and now after")];
    doc.table(&columns, old.incidents.iter().zip(&new.incidents).map(row).collect(), MOST);
    if let (Some(old), Some(new)) = (old.outside, new.outside) {
        doc.line(format!("Pages outside of all incidents: before {old}, after {new}."));
    }
}

fn names(what: &str, names: &[&str], doc: &mut Document) {
    if !names.is_empty() {
        let shown = names.iter().take(MOST).copied().collect::<Vec<_>>().join(", ");
        let more = names.len().saturating_sub(MOST);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        doc.line(format!("{what}: {shown}{more}."));
    }
}

fn listed(what: &str, episodes: &[&Episode], record: &Record, doc: &mut Document) {
    if episodes.is_empty() {
        return;
    }
    doc.heading(what);
    let row = |e: &&Episode| {
        let fired = e.fired_at.unwrap_or(e.active_at);
        let long = (e.ended_at.unwrap_or(record.window.to) - fired) / 1_000 * 1_000;
        vec![rfc3339(fired), duration::format(long), e.labels.to_string()]
    };
    let columns = [Column::words("firing"), Column::numbers("for"), Column::words("labels")];
    doc.table(&columns, episodes.iter().map(row).collect(), MOST);
}

fn moved(what: &str, pairs: &[(&Episode, &Episode)], doc: &mut Document) {
    if pairs.is_empty() {
        return;
    }
    doc.heading(what);
    let row = |(old, new): &(&Episode, &Episode)| {
        let (was, is) = (old.fired_at.unwrap_or(old.active_at), new.fired_at.unwrap_or(new.active_at));
        let by = duration::format((is - was).abs() / 1_000 * 1_000);
        vec![rfc3339(was), rfc3339(is), by, new.labels.to_string()]
    };
    let columns = [Column::words("fired at"), Column::words("now at"), Column::numbers("by"), Column::words("labels")];
    doc.table(&columns, pairs.iter().map(row).collect(), MOST);
}

/// A rule that fails now fires nothing: that is no improvement.
fn failed(record: &Record, doc: &mut Document) {
    for (rule, failure) in record.rules.iter().filter_map(|r| Some((r, r.failure.as_ref()?))).take(MOST) {
        let (name, at) = (&rule.name, rfc3339(failure.at));
        doc.line(format!("{name} fails now, {} from {at} on: {}", counted(failure.times, "time"), failure.error));
    }
}

/// Both sides, and what differs.
pub fn json_of_change(before: Side<'_>, after: Side<'_>, c: &Comparison<'_>) -> Json {
    let list = |record: &Record, of: &[&Episode]| of.iter().map(|e| episode(record, e)).collect::<Vec<_>>();
    let pairs = |of: &[(&Episode, &Episode)]| {
        let pair = |(old, new): &(&Episode, &Episode)| json!({"before": episode(before.record, old), "after": episode(after.record, new)});
        of.iter().map(pair).collect::<Vec<_>>()
    };
    json!({
        "summary": summary(before, after, c),
        "same": c.same,
        "lost": list(before.record, &c.lost),
        "new": list(after.record, &c.gained),
        "earlier": pairs(&c.earlier),
        "later": pairs(&c.later),
        "removed_rules": c.removed_rules,
        "added_rules": c.added_rules,
        "before": record_json(before.record, before.figures, before.detections),
        "after": record_json(after.record, after.figures, after.detections),
    })
}
