//! The drawing: title, axes, threshold, the time it fired, lines, legend.

use std::fmt::Write as _;

use chrono::{DateTime, Offset as _, TimeZone as _};

use super::number::short;
use super::png::FAMILY;
use super::scale::Scale;
use super::subject::{Line, MOST_LINES, MOST_POINTS, Plot};
use super::text::{clean, fit, is_rtl, width};
use super::{line, time_ticks};
use crate::template::escape;

/// The drawing's size, and how near its edge anything comes.
const SIZE: (f64, f64) = (600.0, 240.0);
const EDGE: f64 = 12.0;
/// Where the axes' room begins at the top; what is below it: the times, and a row of the legend.
const TOP: f64 = 52.0;
const TIMES: f64 = 24.0;
const ROW: f64 = 16.0;
/// Entries of the legend in a row.
const COLUMNS: usize = 3;
/// Sizes of texts.
const TITLE: f64 = 14.0;
const SUBTITLE: f64 = 12.0;
const SMALL: f64 = 11.0;
/// The widest that the texts of the values' axis may be.
const WIDEST_VALUE: f64 = 90.0;
/// About how wide a character of a time is.
const TIME_CHAR: f64 = 7.0;

const INK: &str = "#1f2328";
const FAINT: &str = "#57606a";
const GRID: &str = "#d8dee4";
const ALARM: &str = "#c11d28";
/// Colours that are told apart by those who do not tell red from green.
const COLOURS: [&str; MOST_LINES] = ["#0072b2", "#d98200", "#009e73", "#9a4fb5", "#3aa5e0", "#6b6b00"];

/// The SVG and what it says in words; nothing where there is no point to draw.
pub(super) fn draw(plot: &Plot) -> Option<(String, String)> {
    let drawing = Drawing::new(plot)?;
    Some((drawing.svg(), drawing.alt()))
}

/// A text's place: its start, middle or end is at x.
#[derive(Clone, Copy)]
enum Anchor {
    Start,
    Middle,
    End,
}

struct Drawing<'a> {
    plot: &'a Plot,
    title: String,
    subtitle: String,
    /// The lines that are drawn, each with its name.
    lines: Vec<(String, &'a Line)>,
    more: usize,
    scale: Scale,
    bounds: (f64, f64),
    /// The room of the lines.
    left: f64,
    bottom: f64,
}

impl<'a> Drawing<'a> {
    fn new(plot: &'a Plot) -> Option<Self> {
        let all = plot.lines.iter().filter(|line| values(line).next().is_some());
        let mut lines: Vec<(String, &Line)> = all.map(|line| (clean(&line.name), line)).collect();
        // What is left out takes the place of one.
        let room = if plot.more > 0 || lines.len() > MOST_LINES { MOST_LINES - 1 } else { MOST_LINES };
        let more = plot.more + lines.len().saturating_sub(room);
        lines.truncate(room);
        let all = lines.iter().flat_map(|(_, line)| values(line));
        let bounds = all.fold(None, |bounds, v| {
            let (low, high) = bounds.unwrap_or((v, v));
            Some((v.min(low), v.max(high)))
        })?;
        let scale =
            scale(plot.threshold.filter(|v| v.is_finite()).map_or(bounds, |v| (bounds.0.min(v), bounds.1.max(v))));
        let widest = scale.ticks().iter().map(|(_, label)| width(label, SMALL)).fold(0.0, f64::max);
        let left = EDGE + widest.clamp(24.0, WIDEST_VALUE) + 6.0;
        let (title, subtitle) = (clean(&plot.title), clean(&plot.subtitle));
        let mut drawing = Drawing { plot, title, subtitle, lines, more, scale, bounds, left, bottom: 0.0 };
        drawing.bottom = SIZE.1 - TIMES - drawing.legend_rows() as f64 * ROW;
        Some(drawing)
    }

    /// Entries of the legend: a line that is alone needs none.
    fn entries(&self) -> usize {
        match (self.lines.len(), self.more) {
            (1, 0) => 0,
            (lines, more) => lines + usize::from(more > 0),
        }
    }

    fn legend_rows(&self) -> usize {
        self.entries().div_ceil(COLUMNS)
    }

    fn right(&self) -> f64 {
        SIZE.0 - EDGE
    }

    fn x(&self, t: i64) -> f64 {
        let length = self.plot.until.saturating_sub(self.plot.from).max(1) as f64;
        let share = t.saturating_sub(self.plot.from) as f64 / length;
        self.left + share.clamp(0.0, 1.0) * (self.right() - self.left)
    }

    fn y(&self, v: f64) -> f64 {
        TOP + self.scale.share(v) * (self.bottom - TOP)
    }

    /// What it shows, in words.
    fn alt(&self) -> String {
        let (low, high) = (short(self.bounds.0), short(self.bounds.1));
        let mut alt = format!("{}: ", self.title);
        match self.lines.as_slice() {
            [_] if self.more == 0 => {
                let _ = write!(alt, "the last value is {}, between {low} and {high}", self.last());
            }
            lines => {
                let _ = write!(alt, "{} series between {low} and {high}", lines.len() + self.more);
            }
        }
        if let Some(threshold) = self.plot.threshold {
            let _ = write!(alt, ", threshold {}", short(threshold));
        }
        alt
    }

    fn svg(&self) -> String {
        let (wide, high) = SIZE;
        let alt = escape::html(&self.alt());
        let mut out = String::with_capacity(16_384);
        let _ = write!(
            out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{wide}\" height=\"{high}\" viewBox=\"0 0 {wide} {high}\" role=\"img\" \
             aria-label=\"{alt}\" font-family=\"{FAMILY}, Verdana, sans-serif\">\n<rect width=\"{wide}\" height=\"{high}\" fill=\"#fff\"/>\n"
        );
        self.head(&mut out);
        self.values_axis(&mut out);
        self.times_axis(&mut out);
        self.fired(&mut out);
        self.through(&mut out);
        self.threshold(&mut out);
        self.legend(&mut out);
        out.push_str("</svg>\n");
        out
    }

    /// Title, the time of the right edge, subtitle. What reads from the right stands at the right.
    fn head(&self, out: &mut String) {
        let stamp = self.stamp();
        let room = self.right() - EDGE;
        let rtl = is_rtl(&self.title);
        let (start, end) = if rtl { (self.right(), EDGE) } else { (EDGE, self.right()) };
        let title = fit(&self.title, TITLE, room - width(&stamp, SMALL) - 10.0);
        heading(out, (start, 22.0), (TITLE, INK), &title);
        text(out, (end, 22.0), (SMALL, FAINT), if rtl { Anchor::Start } else { Anchor::End }, &stamp);
        let last =
            Some(self.last()).filter(|last| !last.is_empty()).map(|last| format!("last {last}")).unwrap_or_default();
        let rtl = is_rtl(&self.subtitle);
        let (start, end) = if rtl { (self.right(), EDGE) } else { (EDGE, self.right()) };
        let subtitle = fit(&self.subtitle, SUBTITLE, room - width(&last, SUBTITLE) - 10.0);
        heading(out, (start, 40.0), (SUBTITLE, FAINT), &subtitle);
        text(out, (end, 40.0), (SUBTITLE, INK), if rtl { Anchor::Start } else { Anchor::End }, &last);
    }

    /// The last value of a line that is alone: the legend says those of others.
    fn last(&self) -> String {
        match self.lines.as_slice() {
            [(_, line)] if self.more == 0 => values(line).last().map(short).unwrap_or_default(),
            _ => String::new(),
        }
    }

    /// The time of the right edge, with its zone.
    fn stamp(&self) -> String {
        let at = self.plot.zone.timestamp_millis_opt(self.plot.until).single();
        at.map(|at| at.format("%Y-%m-%d %H:%M %Z").to_string()).unwrap_or_default()
    }

    fn values_axis(&self, out: &mut String) {
        for (v, label) in self.scale.ticks() {
            let y = self.y(v);
            rule(out, (self.left, y), (self.right(), y), GRID);
            text(out, (self.left - 6.0, y + 4.0), (SMALL, FAINT), Anchor::End, &fit(&label, SMALL, WIDEST_VALUE));
        }
    }

    fn times_axis(&self, out: &mut String) {
        let Plot { from, until, zone, .. } = *self.plot;
        let columns = ((self.right() - self.left) / TIME_CHAR) as usize;
        let step = time_ticks::tick_step(until.saturating_sub(from), columns);
        // Round times of the zone.
        let at = DateTime::from_timestamp_millis(until).map(|t| zone.offset_from_utc_datetime(&t.naive_utc()).fix());
        let offset = at.map_or(0, |offset| i64::from(offset.local_minus_utc()) * 1_000);
        for t in time_ticks::ticks(from.saturating_add(offset), until.saturating_add(offset), step) {
            let x = self.x(t.saturating_sub(offset));
            rule(out, (x, TOP), (x, self.bottom), GRID);
            let label = time_ticks::label(t, step);
            let half = width(&label, SMALL) / 2.0;
            let y = self.bottom + 17.0;
            match x + half > SIZE.0 - 4.0 {
                true => text(out, (self.right(), y), (SMALL, FAINT), Anchor::End, &label),
                false => text(out, (x, y), (SMALL, FAINT), Anchor::Middle, &label),
            }
        }
        rule(out, (self.left, self.bottom), (self.right(), self.bottom), FAINT);
    }

    /// The time it fired: shaded, and marked below for those who see no shade.
    fn fired(&self, out: &mut String) {
        let Some((from, until)) = self.plot.firing else { return };
        if until <= self.plot.from || from > self.plot.until {
            return;
        }
        // What has just begun is seen, too.
        let right = self.x(until);
        let left = self.x(from).min(right - 3.0);
        let (wide, high, bar) = (right - left, self.bottom - TOP, self.bottom - 1.5);
        let _ = writeln!(
            out,
            "<rect x=\"{left:.1}\" y=\"{TOP}\" width=\"{wide:.1}\" height=\"{high:.1}\" fill=\"{ALARM}\" fill-opacity=\"0.1\"/>\n\
             <rect x=\"{left:.1}\" y=\"{bar:.1}\" width=\"{wide:.1}\" height=\"3\" fill=\"{ALARM}\"/>"
        );
        let label = "firing";
        if wide > width(label, SMALL) + 8.0 {
            haloed(out, (left + 4.0, self.bottom - 6.0), (SMALL, ALARM), Anchor::Start, label);
        }
    }

    fn through(&self, out: &mut String) {
        for ((_, line), colour) in self.lines.iter().zip(COLOURS) {
            let path = line::path(shown(line), self.plot.step, |t| self.x(t), |v| self.y(v));
            let _ = writeln!(
                out,
                "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" stroke-linejoin=\"round\" stroke-linecap=\"round\"/>"
            );
        }
    }

    fn threshold(&self, out: &mut String) {
        let Some(threshold) = self.plot.threshold.filter(|v| v.is_finite()) else { return };
        let (left, y, right) = (self.left, self.y(threshold), self.right());
        let _ = writeln!(
            out,
            "<path d=\"M{left:.1} {y:.1}H{right:.1}\" fill=\"none\" stroke=\"{ALARM}\" stroke-width=\"1.3\" stroke-dasharray=\"6 4\"/>"
        );
        // Above the line where there is room; at the left, for what matters is at the right.
        let at = if y - SMALL - 4.0 > TOP { y - 4.0 } else { y + SMALL + 2.0 };
        haloed(out, (left + 4.0, at), (SMALL, ALARM), Anchor::Start, &format!("threshold {}", short(threshold)));
    }

    fn legend(&self, out: &mut String) {
        let entries = self.entries();
        if entries == 0 {
            return;
        }
        let column = (self.right() - EDGE) / entries.min(COLUMNS) as f64;
        let place = |i: usize| {
            let (row, at) = (i / COLUMNS, i % COLUMNS);
            (EDGE + at as f64 * column, self.bottom + TIMES + row as f64 * ROW + 9.0)
        };
        for (i, ((name, line), colour)) in self.lines.iter().zip(COLOURS).enumerate() {
            let (x, y) = place(i);
            let middle = y - 4.0;
            let _ = writeln!(
                out,
                "<path d=\"M{x:.1} {middle:.1}h12\" stroke=\"{colour}\" stroke-width=\"3\" stroke-linecap=\"round\"/>"
            );
            let last = values(line).last().map(|v| format!("  {}", short(v))).unwrap_or_default();
            let room = column - 18.0 - 8.0 - width(&last, SMALL);
            // The value stands behind the name, whichever way that reads.
            let name = fit(name, SMALL, room);
            let name = if is_rtl(&name) { embedded(&name) } else { name };
            text(out, (x + 18.0, y), (SMALL, INK), Anchor::Start, &(name + &last));
        }
        if self.more > 0 {
            let (x, y) = place(self.lines.len());
            text(out, (x, y), (SMALL, FAINT), Anchor::Start, &format!("and {} more", self.more));
        }
    }
}

/// The points that are drawn.
fn shown(line: &Line) -> &[(i64, f64)] {
    let skipped = line.points.len().saturating_sub(MOST_POINTS);
    line.points.get(skipped..).unwrap_or_default()
}

fn values(line: &Line) -> impl Iterator<Item = f64> {
    shown(line).iter().map(|(_, v)| *v).filter(|v| v.is_finite())
}

/// An axis with some air above and below; what is never negative begins at no less than 0.
fn scale((low, high): (f64, f64)) -> Scale {
    let air = (high / 2.0 - low / 2.0) * 0.12;
    let bottom = if low >= 0.0 { (low - air).max(0.0) } else { low - air };
    let (bottom, top) = (bottom, high + air);
    let within = |v: f64| v.clamp(f64::MIN, f64::MAX);
    Scale::new(within(bottom), within(top), 4)
}

fn rule(out: &mut String, from: (f64, f64), to: (f64, f64), colour: &str) {
    let ((x1, y1), (x2, y2)) = (from, to);
    let _ = writeln!(out, "<path d=\"M{x1:.1} {y1:.1}L{x2:.1} {y2:.1}\" stroke=\"{colour}\" stroke-width=\"1\"/>");
}

fn text(out: &mut String, place: (f64, f64), style: (f64, &str), anchor: Anchor, content: &str) {
    element(out, place, style, anchor, "", content);
}

/// Text that may stand on lines.
fn haloed(out: &mut String, place: (f64, f64), style: (f64, &str), anchor: Anchor, content: &str) {
    let halo = " stroke=\"#fff\" stroke-width=\"3\" stroke-linejoin=\"round\" paint-order=\"stroke\"";
    element(out, place, style, anchor, halo, content);
}

/// A line of text that begins at a place, in the direction it reads.
fn heading(out: &mut String, place: (f64, f64), style: (f64, &str), content: &str) {
    match is_rtl(content) {
        true => text(out, place, style, Anchor::End, &embedded(content)),
        false => text(out, place, style, Anchor::Start, content),
    }
}

/// A text that reads from right to left, whatever stands around it.
fn embedded(content: &str) -> String {
    format!("\u{202b}{content}\u{202c}")
}

fn element(out: &mut String, (x, y): (f64, f64), (size, fill): (f64, &str), anchor: Anchor, more: &str, content: &str) {
    if content.is_empty() {
        return;
    }
    let anchor = match anchor {
        Anchor::Start => "start",
        Anchor::Middle => "middle",
        Anchor::End => "end",
    };
    let content = escape::html(content);
    let _ = writeln!(
        out,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{size}\" fill=\"{fill}\" text-anchor=\"{anchor}\"{more} xml:space=\"preserve\">{content}</text>"
    );
}

#[cfg(test)]
#[path = "draw_tests.rs"]
mod tests;
