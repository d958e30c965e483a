//! Draws the model into a buffer of any size, or writes it down plainly.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;
use unicode_width::UnicodeWidthChar as _;

use super::model::{Asking, Model, Over};
use super::rows::{self, Row, safe};
use super::view::{Looked, Section};
use crate::model::duration::span;
use crate::server::now::{Blind, Now};

/// From how many rows on more than the chosen list is shown.
const ROOM_FOR_ALL: usize = 16;
/// Most rows of a list that is not chosen, and of what is blind.
const MOST_OF_OTHERS: usize = 6;
const MOST_BLIND: usize = 3;

const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);
const REVERSED: Style = Style::new().add_modifier(Modifier::REVERSED);
const ALARM: Style = Style::new().fg(Color::Red).add_modifier(Modifier::REVERSED);
const KEYS: &str = "? keys  q end  Tab list  ↑↓ row  e explain  s silence  a ack  m all  r look";
const FORM_KEYS: &str = "Enter sends it, Esc does not";

/// Rows that are written one below the other.
struct Page<'b> {
    buffer: &'b mut Buffer,
    area: Rect,
    colour: bool,
}

impl Page<'_> {
    fn left(&self) -> usize {
        usize::from(self.area.height)
    }

    /// Writes a row; what is too long is cut, and shows that.
    fn row(&mut self, line: &Line<'_>, style: Style) {
        let Rect { x, y, width, .. } = self.area;
        if self.area.height == 0 || width == 0 {
            return;
        }
        let row = Rect { height: 1, ..self.area };
        self.buffer.set_line(x, y, line, width);
        if line.width() > usize::from(width) {
            self.buffer.set_string(x + width - 1, y, "…", Style::new());
        }
        self.buffer.set_style(row, style);
        if !self.colour {
            self.buffer.set_style(row, Style::new().fg(Color::Reset).bg(Color::Reset));
        }
        self.area.y += 1;
        self.area.height -= 1;
    }

    fn text(&mut self, text: &str, style: Style) {
        self.row(&Line::raw(text.to_owned()), style);
    }

    /// Leaves rows empty, so that so many are left.
    fn skip_to(&mut self, left: usize) {
        let skipped = self.left().saturating_sub(left).min(usize::from(u16::MAX)) as u16;
        self.area.y += skipped;
        self.area.height -= skipped;
    }
}

/// Draws all of it. `now` is this machine's time, milliseconds.
pub(super) fn draw(model: &Model, (area, buffer): (Rect, &mut Buffer), colour: bool, now: i64) {
    let mut page = Page { buffer, area, colour };
    match &model.seen {
        Some(seen) => page.text(&head(&model.url, &seen.looked.now), BOLD),
        None => {
            let asking = if model.trouble.is_none() { "  asking…" } else { "" };
            page.text(&format!("watchbell top  {}{asking}", model.url), BOLD);
        }
    }
    if let Some((why, since)) = &model.trouble {
        let stale = model
            .seen
            .as_ref()
            .map_or(String::new(), |seen| format!("; what is below is {} old", span(now.saturating_sub(seen.at))));
        let for_long = span(now.saturating_sub(*since));
        page.text(&format!("no answer for {for_long}{stale}: {why}"), ALARM);
    }
    if let Some(age) = model.overdue(now) {
        page.text(&format!("an answer is awaited; what is below is {} old", span(age)), ALARM);
    }
    match &model.over {
        Over::Text(text, line) => over(&mut page, text, *line),
        Over::Nothing | Over::Form(..) => {
            let blind = model.seen.as_ref().map_or(&[][..], |seen| &seen.looked.now.blind);
            let shown = if page.left() > ROOM_FOR_ALL { MOST_BLIND } else { 1 };
            for (at, one) in blind.iter().take(shown).enumerate() {
                let more = if at + 1 == shown { blind.len() - shown } else { 0 };
                page.text(&told_blind(one, more), ALARM);
            }
            lists(&mut page, model);
        }
    }
    foot(&mut page, model);
}

/// What stands above all.
fn head(url: &str, now: &Now) -> String {
    let time = crate::model::time::rfc3339(now.time.0);
    let muted = if now.muted > 0 { format!(" ({} muted)", now.muted) } else { String::new() };
    let verb = if now.firing == 1 { "fires" } else { "fire" };
    format!("watchbell top  {} {verb}{muted}, {} pending  {time}  {url}", now.firing, now.pending_count)
}

/// What cannot be seen, and how much more of that there is no room for.
fn told_blind(blind: &Blind, more: usize) -> String {
    let reasons = blind.reasons.iter().map(|reason| safe(reason)).collect::<Vec<_>>().join("; ");
    let gap = if reasons.is_empty() { "" } else { ": " };
    let more = if more > 0 { format!("(and {more} more) ") } else { String::new() };
    format!("! {more}{}{gap}{reasons}", safe(&blind.text))
}

/// The last row: what is typed, what came of a wish, or the keys.
fn foot(page: &mut Page<'_>, model: &Model) {
    page.skip_to(1);
    match &model.over {
        Over::Form(asking, text) => {
            let what = match asking {
                Asking::Silence(labels) => format!("silence {} for, and why", safe(labels.value("alertname"))),
                Asking::Acknowledge(_) => "acknowledge, comment".into(),
            };
            let note = if model.note.is_empty() { FORM_KEYS } else { &model.note };
            page.text(&format!("{what}: {text}▏  ({note})"), REVERSED);
        }
        Over::Text(..) => page.text("↑↓ PgUp PgDn  Esc closes", REVERSED),
        Over::Nothing if !model.note.is_empty() => page.text(&model.note, REVERSED),
        Over::Nothing => page.text(KEYS, REVERSED),
    }
}

/// A text over the lists, from a line on.
fn over(page: &mut Page<'_>, text: &str, from: usize) {
    let width = usize::from(page.area.width);
    let lines = text.lines().skip(from).flat_map(|line| wrapped(line, width));
    for line in lines.take(page.left().saturating_sub(1)) {
        page.text(&line, Style::new());
    }
}

/// A line in as many rows as it takes.
fn wrapped(line: &str, width: usize) -> Vec<String> {
    let (mut rows, mut row, mut used) = (Vec::new(), String::new(), 0);
    for c in line.chars() {
        let needed = c.width().unwrap_or(0);
        if used + needed > width.max(1) && !row.is_empty() {
            rows.push(std::mem::take(&mut row));
            used = 0;
        }
        row.push(c);
        used += needed;
    }
    rows.push(row);
    rows
}

/// The lists: all of them where there is room, the chosen one with what the others leave; else the chosen one alone.
fn lists(page: &mut Page<'_>, model: &Model) {
    let all = Section::ALL.map(|section| (section, model.rows(section)));
    let room = page.left().saturating_sub(1);
    let shows_all = room >= ROOM_FOR_ALL;
    // Half of the room is the chosen one's, whatever the others have.
    let most = (room.saturating_sub(all.len()) / 6).clamp(1, MOST_OF_OTHERS);
    let others: usize = all.iter().filter(|(s, _)| *s != model.section).map(|(_, rows)| rows.len().min(most)).sum();
    for (section, rows) in &all {
        let is_chosen = *section == model.section;
        if !is_chosen && !shows_all {
            continue;
        }
        let height = match (is_chosen, shows_all) {
            (true, true) => room.saturating_sub(all.len() + others),
            (true, false) => room.saturating_sub(1),
            (false, _) => rows.len().min(most),
        };
        page.text(&title(*section, model), if is_chosen { REVERSED } else { BOLD });
        list(page, rows, height, is_chosen.then(|| model.cursor(*section)));
    }
}

fn title(section: Section, model: &Model) -> String {
    let count =
        model.seen.as_ref().map(|seen| rows::count(section, &seen.looked.now)).filter(|count| !count.is_empty());
    let count = count.map_or(String::new(), |count| format!(" ({count})"));
    format!("{} {}{count}", section as usize + 1, section.title())
}

/// Rows of a list, those around the cursor.
fn list(page: &mut Page<'_>, rows: &[Row], height: usize, cursor: Option<usize>) {
    let first = cursor.unwrap_or(0).saturating_sub(height / 2).min(rows.len().saturating_sub(height));
    for (index, row) in rows.iter().enumerate().skip(first).take(height) {
        let style = if cursor == Some(index) { REVERSED } else { Style::new() };
        page.row(&row.line, style);
    }
}

/// Everything, a line each, without style.
pub(super) fn plain(looked: &Looked, url: &str, time: &str) -> String {
    let now = &looked.now;
    let mut out = format!("{time}  {}\n", super::model::shown_url(url));
    now.blind.iter().for_each(|blind| out.extend([told_blind(blind, 0), "\n".into()]));
    for section in Section::ALL {
        let count = rows::count(section, now);
        let gap = if count.is_empty() { String::new() } else { format!(" ({count})") };
        out.extend(["\n", section.title(), &gap, "\n"]);
        for row in rows::of(section, looked) {
            out.extend([row.text().trim_end(), "\n"]);
        }
    }
    out
}
