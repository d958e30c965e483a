//! Results drawn in the terminal: a braille canvas with axes and a legend.
//!
//! Every series has a letter on its line and in the legend, so that they are told apart without colour too.

mod canvas;
mod time_axis;

use crate::model::Labels;
use crate::plot::Scale;
use crate::promql::{QueryValue, RangeSeries};

use super::answer::When;
use super::grid::{Column, Differences, lay_out};
use super::numbers::counted;
use super::screen::{Screen, width};
use super::summary::points;
use super::table::{heading, histogram_note, summary_columns};
use canvas::Canvas;

/// More series are not drawn.
const MOST: usize = 12;
/// The series' colours: SGR codes that are seen on dark and on light.
const COLOURS: [&str; 6] = ["32", "34", "33", "35", "36", "31"];
/// Rows between the ticks of the values' axis, about.
const ROWS_A_TICK: usize = 3;
/// Columns between the letters on a line, about.
const COLUMNS_A_LETTER: usize = 24;
/// Points that stand alone in a plot of one series.
const ALONE: char = '•';

/// The result of a range query as a drawing.
pub(super) fn plot(value: &QueryValue, when: When, screen: &Screen) -> Result<String, String> {
    let QueryValue::Matrix(series) = value else {
        return Err("only ranges can be drawn: give --last or --start".into());
    };
    let drawn = series.get(..MOST).unwrap_or(series);
    let labels: Vec<&Labels> = drawn.iter().map(|s| &s.labels).collect();
    let differences = Differences::of(&labels);
    let mut out = heading(&differences, series.len(), when);
    if series.is_empty() {
        return Ok(out);
    }
    out.push('\n');
    out.push_str(&Picture::new(drawn, when, screen).draw());
    out.push('\n');
    out.push_str(&legend(drawn, &labels, &differences, when, screen));
    if let Some(left_out) = series.len().checked_sub(drawn.len()).filter(|n| *n > 0) {
        let words = counted(left_out as u64, "series");
        out.push_str(&format!("({words} more not drawn: choose with topk or a narrower selector)\n"));
    }
    out.push_str(&histogram_note(drawn));
    out.push_str(&not_drawn(drawn));
    Ok(out)
}

fn colour(series: usize) -> &'static str {
    COLOURS.get(series % COLOURS.len()).copied().unwrap_or("")
}

/// The letter of a series.
fn letter(series: usize) -> char {
    char::from_digit(10 + series as u32, 36).unwrap_or('*')
}

fn legend(
    drawn: &[RangeSeries],
    labels: &[&Labels],
    differences: &Differences<'_>,
    when: When,
    screen: &Screen,
) -> String {
    let mut columns = differences.columns(labels);
    if drawn.len() > 1 {
        let letters = (0..drawn.len()).map(|i| letter(i).to_string()).collect();
        columns.insert(0, Column { shrinks: false, ..Column::words("", letters) });
    }
    columns.extend(summary_columns(drawn, when));
    let styles: Vec<&str> = if drawn.len() > 1 { (0..drawn.len()).map(colour).collect() } else { Vec::new() };
    lay_out(&columns, screen, &styles)
}

/// Says which points have no place on the axis.
fn not_drawn(drawn: &[RangeSeries]) -> String {
    let (mut nan, mut up, mut down) = (0, 0, 0);
    for (_, v) in drawn.iter().flat_map(|s| points(s).to_vec()) {
        nan += usize::from(v.is_nan());
        up += usize::from(v == f64::INFINITY);
        down += usize::from(v == f64::NEG_INFINITY);
    }
    let counts = [(nan, "NaN"), (up, "+Inf"), (down, "-Inf")];
    let found: Vec<String> = counts.iter().filter(|(n, _)| *n > 0).map(|(n, name)| format!("{n} {name}")).collect();
    if found.is_empty() { String::new() } else { format!("(not drawn: {})\n", found.join(", ")) }
}

/// A drawing and what it is of.
struct Picture<'a> {
    series: &'a [RangeSeries],
    when: When,
    screen: &'a Screen,
    scale: Scale,
    rows: usize,
}

impl<'a> Picture<'a> {
    fn new(series: &'a [RangeSeries], when: When, screen: &'a Screen) -> Self {
        let finite = || series.iter().flat_map(|s| points(s).to_vec()).map(|(_, v)| v).filter(|v| v.is_finite());
        let (min, max) = (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max));
        let (min, max) = if min <= max { (min, max) } else { (0.0, 0.0) };
        let rows = screen.plot_height;
        Picture { series, when, screen, scale: Scale::new(min, max, (rows / ROWS_A_TICK).max(1)), rows }
    }

    fn draw(&self) -> String {
        let ticks = self.tick_rows();
        let margin = ticks.iter().map(|t| width(t)).max().unwrap_or(0);
        let columns = self.screen.plot_width.saturating_sub(margin + 2).max(1);
        let mut canvas = Canvas::new(columns, self.rows);
        for i in 0..self.series.len() {
            self.draw_series(i, &mut canvas);
        }
        let mut out = String::new();
        for (row, tick) in ticks.iter().enumerate() {
            let bar = if tick.is_empty() { '│' } else { '┤' };
            out.push_str(&format!("{tick:>margin$} {bar}"));
            for (owner, text) in canvas.row(row) {
                out.push_str(&self.screen.styled(if text.trim().is_empty() { "" } else { colour(owner) }, &text));
            }
            out.push('\n');
        }
        let (start, end) = self.when.bounds();
        let (line, labels) = time_axis::axis(start, end, columns);
        let blank = " ".repeat(margin + 1);
        out.push_str(&format!("{blank}└{line}\n"));
        if !labels.is_empty() {
            out.push_str(&format!("{blank} {labels}\n"));
        }
        out
    }

    /// The text of the tick in every row, empty where there is none.
    fn tick_rows(&self) -> Vec<String> {
        let mut rows = vec![String::new(); self.rows];
        for (v, label) in self.scale.ticks() {
            if let Some(row) = rows.get_mut(self.scale.dot(v, self.rows * 4) / 4) {
                *row = label;
            }
        }
        rows
    }

    /// Draws a line through the points that follow each other, and marks those that stand alone.
    fn draw_series(&self, series: usize, canvas: &mut Canvas) {
        let Some(points) = self.series.get(series).map(points) else { return };
        let (start, end) = self.when.bounds();
        let (across, down) = canvas.dots();
        let place = |(t, v): (i64, f64)| (time_axis::position(t, start, end, across), self.scale.dot(v, down));
        let finite: Vec<(i64, f64)> = points.iter().copied().filter(|(_, v)| v.is_finite()).collect();
        let near = |a: Option<&(i64, f64)>, b: Option<&(i64, f64)>| match (a, b) {
            (Some(a), Some(b)) => b.0.saturating_sub(a.0) <= self.when.step().saturating_mul(3) / 2,
            _ => false,
        };
        // In which row the line is, column by column.
        let mut rows: Vec<Option<usize>> = vec![None; across / 2];
        let mut alone = Vec::new();
        for (i, point) in finite.iter().enumerate() {
            let before = i.checked_sub(1).and_then(|i| finite.get(i));
            let from = if near(before, Some(point)) { before.copied().map(place) } else { None };
            let to = place(*point);
            canvas.line(from.unwrap_or(to), to, series, &mut |x, y| {
                if let Some(row) = rows.get_mut(x / 2) {
                    *row = Some(y / 4);
                }
            });
            if from.is_none() && !near(Some(point), finite.get(i + 1)) {
                alone.push((to.0 / 2, to.1 / 4));
            }
        }
        self.mark(series, &rows, &alone, canvas);
    }

    /// Puts a series' letter on its line here and there, where no other stands, and on points that stand alone.
    fn mark(&self, series: usize, rows: &[Option<usize>], alone: &[(usize, usize)], canvas: &mut Canvas) {
        let several = self.series.len() > 1;
        let mark = if several { letter(series) } else { ALONE };
        for (column, row) in alone {
            canvas.mark(*column, *row, mark, series);
        }
        if !several {
            return;
        }
        let every = COLUMNS_A_LETTER.max(self.series.len() + 1);
        let first = (series + 1) * every / (self.series.len() + 1);
        let mut marked = !alone.is_empty();
        let mut put = |column: usize| match rows.get(column) {
            Some(Some(row)) if !canvas.is_marked(column, *row) => {
                canvas.mark(column, *row, mark, series);
                true
            }
            _ => false,
        };
        for column in (first..rows.len()).step_by(every) {
            marked |= put(column);
        }
        if !marked {
            let _ = (0..rows.len()).rev().any(put);
        }
    }
}
