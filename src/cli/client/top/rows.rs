//! What a view says, in rows: the same on the screen, in a plain view, and to the cursor.

use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::view::{Looked, Section};
use crate::history::{Number, Time};
use crate::model::duration::span;
use crate::model::number::brief;
use crate::model::{Labels, cut, printable};
use crate::server::now::{Alert, Group, Health, MutedBy, Now, Pending, Told};

/// What stands in a value's place where nothing was measured.
const NONE: &str = "-";
/// Longest text of one thing that a row has, characters.
const LONGEST: usize = 1_000;
/// Most columns of a summary that labels follow.
const LONGEST_SUMMARY: usize = 60;
/// Up to so many alerts of a group, the key that asks for all of them is told.
const FEW: usize = 10;

/// A row of a section.
pub(super) struct Row {
    pub line: Line<'static>,
    pub subject: Subject,
}

impl Row {
    /// All that it says.
    pub fn text(&self) -> String {
        self.line.spans.iter().map(|span| &*span.content).collect()
    }
}

/// Text from outside as a row may have it: bounded, and nothing in it drives the terminal.
pub(super) fn safe(text: &str) -> String {
    printable(&cut(text, LONGEST))
}

/// What a row is about.
pub(super) enum Subject {
    Alert { fingerprint: String, labels: Labels, group: String, fires: bool },
    Group(String),
    Other(String),
}

impl Subject {
    /// What tells it from others, now and in a later view; nothing for what is told by its place alone.
    pub fn key(&self) -> Option<String> {
        match self {
            Subject::Alert { fingerprint, group, .. } => Some(format!("{fingerprint} {group}")),
            Subject::Group(group) => Some(group.clone()),
            Subject::Other(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        }
    }
}

/// The rows of a section.
pub(super) fn of(section: Section, looked: &Looked) -> Vec<Row> {
    let now = &looked.now;
    match section {
        Section::Firing => firing(now),
        Section::Pending => {
            let mut rows: Vec<Row> = now.pending.iter().map(|alert| pending(alert, now.time)).collect();
            rows.extend(more(now.pending_count - now.pending.len().min(now.pending_count), "alerts"));
            rows
        }
        Section::Receivers => now.receivers.iter().map(|health| receiver(health, now.time)).collect(),
        Section::Decisions => decisions(looked),
    }
}

/// How many there are, for a section's title.
pub(super) fn count(section: Section, now: &Now) -> String {
    match section {
        Section::Firing => now.firing.to_string(),
        Section::Pending => now.pending_count.to_string(),
        Section::Receivers => {
            let failing = now.receivers.iter().filter(|health| !health.last_error.is_empty()).count();
            if failing > 0 { format!("{failing} cannot be told") } else { now.receivers.len().to_string() }
        }
        Section::Decisions => String::new(),
    }
}

fn firing(now: &Now) -> Vec<Row> {
    let mut rows = Vec::new();
    for group in &now.groups {
        let key = format!("{} {}", group.labels, group.receivers.join(","));
        rows.push(Row { line: head(group, now.time), subject: Subject::Group(key.clone()) });
        rows.extend(group.told.iter().map(|one| told(one, &key, now.time)));
        rows.extend(group.alerts.iter().map(|one| alert(one, group, &key, now.time)));
        let what = if group.alerts.len() > FEW { "alerts of this group" } else { "alerts of this group (m)" };
        rows.extend(more(group.count.saturating_sub(group.alerts.len()), what));
    }
    rows.extend(more(now.more_groups, "groups"));
    rows
}

fn more(n: usize, what: &str) -> Option<Row> {
    let row =
        || Row { line: Line::styled(format!("    … {n} more {what}"), DIM), subject: Subject::Other(String::new()) };
    (n > 0).then(row)
}

const DIM: Style = Style::new().add_modifier(Modifier::DIM);
const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);
const BAD: Style = Style::new().fg(Color::Red);

/// A group's labels, its receivers, how many alerts it has and when it is looked at next.
fn head(group: &Group, now: Time) -> Line<'static> {
    let labels = if group.labels.is_empty() { "(no labels)".to_owned() } else { safe(&group.labels.to_string()) };
    let receivers = safe(&group.receivers.join(", "));
    let muted = if group.muted > 0 { format!(", {} muted", group.muted) } else { String::new() };
    let plural = if group.count == 1 { "" } else { "s" };
    let next = group.next_flush.map_or(String::new(), |at| format!(", next flush {}", to_go(at, now)));
    Line::from(vec![
        Span::styled(labels, BOLD),
        Span::raw(format!(" → {receivers}")),
        Span::styled(format!("  {} alert{plural}{muted}{next}", group.count), DIM),
    ])
}

/// Who was told, and when they are told next; or why they cannot be.
fn told(told: &Told, group: &str, now: Time) -> Row {
    let whom = safe(&format!("{}/{}", told.receiver, told.integration));
    let last = told.at.map_or("not told yet".to_owned(), |at| format!("told {}", ago(at, now)));
    let why = told.why.as_ref().map_or(String::new(), |why| format!(": {}", safe(why)));
    let next = told.next.map_or(String::new(), |at| format!(", next {}", to_go(at, now)));
    let mut spans = vec![Span::styled(format!("    {whom} {last}{why}{next}"), DIM)];
    spans.extend(told.error.as_ref().map(|error| Span::styled(format!("  cannot be told: {}", safe(error)), BAD)));
    Row { line: Line::from(spans), subject: Subject::Other(format!("{group} {whom}")) }
}

fn alert(alert: &Alert, group: &Group, key: &str, now: Time) -> Row {
    let mut spans = columns(&alert.labels, &alert.severity, ago_short(alert.since, now), alert.value);
    let own: Vec<String> = own_labels(&alert.labels, &group.labels).collect();
    if !alert.summary.is_empty() {
        let summary = safe(&alert.summary);
        // Alerts of a group often say the same: what tells them apart is to be seen too.
        let summary = if own.is_empty() { summary } else { narrowed(&summary, LONGEST_SUMMARY) };
        spans.push(Span::raw(format!("  {summary}")));
    }
    if !own.is_empty() {
        spans.push(Span::styled(format!("  {}", own.join(" ")), DIM));
    }
    if !alert.mutes.is_empty() {
        let all: Vec<String> = alert.mutes.iter().map(|one| mute(one, now)).collect();
        spans.insert(3, Span::styled(format!("  [{}]", all.join("; ")), Style::new().fg(Color::Blue)));
    }
    let (fingerprint, labels) = (alert.fingerprint.clone(), alert.labels.clone());
    Row { line: Line::from(spans), subject: Subject::Alert { fingerprint, labels, group: key.to_owned(), fires: true } }
}

/// Severity, name, how long, value.
fn columns(labels: &Labels, severity: &str, when: String, value: Option<Number>) -> Vec<Span<'static>> {
    let style = match severity {
        "critical" => Style::new().fg(Color::Red).add_modifier(Modifier::BOLD),
        "warning" => Style::new().fg(Color::Yellow),
        "info" => Style::new().fg(Color::Cyan),
        _ => Style::new(),
    };
    let word = labels.value("severity");
    let word = if word.is_empty() { NONE.to_owned() } else { safe(word) };
    let value = value.map_or(NONE.to_owned(), |value| brief(value.0));
    vec![
        Span::styled(format!("  {} ", padded(&word, 8)), style),
        Span::styled(format!("{} ", padded(&safe(labels.value("alertname")), 28)), BOLD),
        Span::raw(format!("{when:>10} {value:>10}")),
    ]
}

fn own_labels<'a>(labels: &'a Labels, group: &'a Labels) -> impl Iterator<Item = String> + 'a {
    let is_own = |name: &str| !group.has(name) && name != "alertname" && name != "severity";
    labels.iter().filter(move |(name, _)| is_own(name)).map(|(name, value)| safe(&format!("{name}={value}")))
}

fn mute(mute: &MutedBy, now: Time) -> String {
    let until = mute.until.map_or(String::new(), |at| format!(", ends {}", to_go(at, now)));
    format!("{}{until}", safe(&format!("{} by {}", mute.kind, mute.by)))
}

fn pending(alert: &Pending, now: Time) -> Row {
    let mut spans = columns(&alert.labels, &alert.severity, ago_short(alert.active_at, now), Some(alert.value));
    let labels: Vec<String> = own_labels(&alert.labels, &Labels::empty()).collect();
    spans.push(Span::raw(format!("  fires {}", to_go(alert.fires_at, now))));
    spans.push(Span::styled(format!("  {}", labels.join(" ")), DIM));
    let (fingerprint, labels) = (alert.fingerprint.clone(), alert.labels.clone());
    let subject = Subject::Alert { fingerprint, labels, group: String::new(), fires: false };
    Row { line: Line::from(spans), subject }
}

fn receiver(health: &Health, now: Time) -> Row {
    let whom = safe(&format!("{}/{}[{}]", health.receiver, health.integration, health.index));
    let last = health.last_delivered.map_or("not told since start".to_owned(), |at| format!("told {}", ago(at, now)));
    let counts = format!("  {} {last}; {} of {} failed", padded(&whom, 32), health.failures, health.attempts);
    let mut spans = vec![Span::raw(counts)];
    if !health.last_error.is_empty() {
        spans.push(Span::styled(format!("  cannot be told: {}", safe(&health.last_error)), BAD));
    }
    Row { line: Line::from(spans), subject: Subject::Other(whom) }
}

fn decisions(looked: &Looked) -> Vec<Row> {
    let all = match &looked.decisions {
        Ok(all) => all,
        Err(why) => {
            let line = Line::styled(format!("  they are not known: {}", safe(why)), DIM);
            return vec![Row { line, subject: Subject::Other(String::new()) }];
        }
    };
    let row = |decision: &crate::history::Decision| {
        let (when, kind) = (ago(decision.time, looked.now.time), decision.kind().as_str());
        let (subject, words) = (safe(&decision.subject()), safe(&decision.words()));
        let gap = if subject.is_empty() { "" } else { ": " };
        let line = Line::from(vec![
            Span::styled(format!("  {when:>10}  "), DIM),
            Span::styled(format!("{kind:<13} "), BOLD),
            Span::raw(format!("{subject}{gap}{words}")),
        ]);
        Row { line, subject: Subject::Other(format!("{} {kind} {subject}", decision.time.0)) }
    };
    all.iter().map(row).collect()
}

fn ago_short(at: Time, now: Time) -> String {
    span(now.0.saturating_sub(at.0))
}

fn ago(at: Time, now: Time) -> String {
    format!("{} ago", ago_short(at, now))
}

fn to_go(at: Time, now: Time) -> String {
    if at.0 <= now.0 { "now".into() } else { format!("in {}", span(at.0 - now.0)) }
}

/// The text in so many columns: filled up, or cut at its end.
fn padded(text: &str, columns: usize) -> String {
    let mut out = narrowed(text, columns);
    out.extend(std::iter::repeat_n(' ', columns.saturating_sub(out.width())));
    out
}

/// The text in at most so many columns.
fn narrowed(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut left = columns.saturating_sub(1);
    let fits = |c: &char| {
        let needed = c.width().unwrap_or(0);
        let fits = needed <= left;
        left = left.saturating_sub(needed);
        fits
    };
    let mut out: String = text.chars().take_while(fits).collect();
    out.push('…');
    out
}
