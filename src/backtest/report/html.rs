//! A report as one HTML page that needs nothing else: no script, no font, no image from elsewhere. Plots are SVG in the page.

use std::fmt::Write as _;

use crate::model::time::rfc3339;
use crate::template::escape;

use super::document::{Bar, Block, Document, Span, Table, Timeline};

/// Colours by the reader's choice of dark or light.
const STYLE: &str = "
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #fff; --faint: #6a737d; --line: #d8dee4; --bar: #0969da; --fire: #cf222e; --wait: #d4a72c; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --paper: #0d1117; --faint: #8b949e; --line: #30363d; --bar: #58a6ff; --fire: #ff7b72; --wait: #d29922; } }
body { color: var(--ink); background: var(--paper); font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; } th, td { text-align: start; padding: .2rem .8rem .2rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td { overflow-wrap: break-word; } .n { text-align: end; font-variant-numeric: tabular-nums; white-space: nowrap; } th { color: var(--faint); font-weight: 600; }
svg { max-width: 100%; height: auto; display: block; margin: .6rem 0; } text { fill: var(--ink); font: 12px system-ui, sans-serif; } .faint { fill: var(--faint); } .small { font-size: 10px; }
.bar { fill: var(--bar); } .fire { fill: var(--fire); } .wait { fill: var(--wait); } .axis { stroke: var(--line); }
";

/// The document as a page.
pub fn html(document: &Document) -> String {
    let title = escape::html(&document.title);
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n"
    );
    for block in &document.blocks {
        match block {
            Block::Heading(heading) => out.push_str(&format!("<h2>{}</h2>\n", escape::html(heading))),
            Block::Line(line) => out.push_str(&format!("<p>{}</p>\n", escape::html(line))),
            Block::Table(table) => push_table(&mut out, table),
            Block::Bars(bars) => push_bars(&mut out, bars),
            Block::Timeline(timeline) => push_timeline(&mut out, timeline),
        }
    }
    out + "</main>\n</body>\n</html>\n"
}

fn push_table(out: &mut String, table: &Table) {
    let row = |out: &mut String, tag: &str, cells: &mut dyn Iterator<Item = &str>| {
        out.push_str("<tr>");
        for (cell, column) in cells.zip(&table.columns) {
            let class = if column.number { " class=\"n\"" } else { "" };
            let _ = write!(out, "<{tag}{class} dir=\"auto\">{}</{tag}>", escape::html(cell));
        }
        out.push_str("</tr>\n");
    };
    out.push_str("<div class=\"scroll\"><table>\n<thead>");
    row(out, "th", &mut table.columns.iter().map(|c| c.title));
    out.push_str("</thead>\n<tbody>\n");
    for cells in &table.rows {
        row(out, "td", &mut cells.iter().map(String::as_str));
    }
    out.push_str("</tbody>\n</table></div>\n");
    if table.more > 0 {
        let _ = writeln!(out, "<p>and {} more</p>", table.more);
    }
}

/// Rows, each with its name before and its number behind.
fn push_rows(out: &mut String, bars: &[Bar]) {
    const LONGEST: u64 = 560;
    let most = bars.iter().map(|b| b.count).max().unwrap_or(0).max(1);
    let (width, height) = (LEFT + COLUMNS, bars.len() * 22);
    let _ = writeln!(out, "<svg role=\"img\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\">");
    for (place, Bar { name, count }) in bars.iter().enumerate() {
        let (y, long) = (place * 22, (count * LONGEST).div_ceil(most));
        let _ = writeln!(
            out,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text><rect class=\"bar\" x=\"{LEFT}\" y=\"{}\" width=\"{long}\" height=\"15\"/><text x=\"{}\" y=\"{}\">{count}</text>",
            LEFT - 8,
            y + 15,
            escape::html(name),
            y + 3,
            LEFT as u64 + long + 6,
            y + 15
        );
    }
    out.push_str("</svg>\n");
}

/// Columns side by side, each with its number above; rows where names are long.
fn push_bars(out: &mut String, bars: &[Bar]) {
    if bars.iter().any(|b| b.name.chars().count() > SHORT_NAME) {
        return push_rows(out, bars);
    }
    const WIDTH: usize = 36;
    const HEIGHT: u64 = 120;
    let most = bars.iter().map(|b| b.count).max().unwrap_or(0).max(1);
    let (width, height) = (WIDTH * bars.len(), HEIGHT + 40);
    let _ = writeln!(out, "<svg role=\"img\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\">");
    for (place, Bar { name, count }) in bars.iter().enumerate() {
        let tall = (count * HEIGHT).div_ceil(most);
        let (x, y, name) = (place * WIDTH, HEIGHT - tall + 18, escape::html(name));
        let middle = x + WIDTH / 2;
        let _ = write!(
            out,
            "<g><title>{name}: {count}</title><rect class=\"bar\" x=\"{}\" y=\"{y}\" width=\"{}\" height=\"{tall}\"/>",
            x + 4,
            WIDTH - 8
        );
        if *count > 0 {
            let _ = write!(out, "<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">{count}</text>", y - 4);
        }
        let _ = writeln!(
            out,
            "<text class=\"faint small\" x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">{name}</text></g>",
            HEIGHT + 34
        );
    }
    out.push_str("</svg>\n");
}

/// Names up to so many characters stand below a column.
const SHORT_NAME: usize = 6;
/// Columns of a timeline: what is shorter than one is seen all the same.
const COLUMNS: usize = 720;
/// Where they begin.
const LEFT: usize = 240;

/// A row a rule, in which time runs to the right.
fn push_timeline(out: &mut String, timeline: &Timeline) {
    let (width, height) = (LEFT + COLUMNS, timeline.rows.len() * 20 + 30);
    let _ = writeln!(out, "<svg role=\"img\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\">");
    for (place, row) in timeline.rows.iter().enumerate() {
        let y = place * 20;
        let name = escape::html(&row.name);
        let _ = writeln!(
            out,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{name}</text><line class=\"axis\" x1=\"{LEFT}\" x2=\"{width}\" y1=\"{}\" y2=\"{}\"/>",
            LEFT - 8,
            y + 14,
            y + 19,
            y + 19
        );
        for (from, to, is_firing) in runs(&columns(timeline, &row.spans)) {
            let class = if is_firing { "fire" } else { "wait" };
            let (x, long) = (LEFT + from, to - from);
            let _ = writeln!(
                out,
                "<rect class=\"{class}\" x=\"{x}\" y=\"{}\" width=\"{long}\" height=\"13\"><title>{name}</title></rect>",
                y + 3
            );
        }
    }
    let y = timeline.rows.len() * 20 + 18;
    let (from, to) = (rfc3339(timeline.from), rfc3339(timeline.to));
    let _ = writeln!(
        out,
        "<text class=\"faint\" x=\"{LEFT}\" y=\"{y}\">{from}</text><text class=\"faint\" x=\"{width}\" y=\"{y}\" text-anchor=\"end\">{to}</text>\n</svg>"
    );
}

/// What there is in each column of a row: nothing, something pending, something firing.
fn columns(timeline: &Timeline, spans: &[Span]) -> Vec<Option<bool>> {
    let long = (timeline.to - timeline.from).max(1) as f64;
    let column = |t: i64| ((t - timeline.from) as f64 / long * COLUMNS as f64).clamp(0.0, COLUMNS as f64) as usize;
    let mut columns = vec![None; COLUMNS];
    for span in spans {
        let begin = column(span.from).min(COLUMNS - 1);
        let end = column(span.to).max(begin + 1);
        for cell in columns.iter_mut().take(end).skip(begin) {
            *cell = Some(span.is_firing || *cell == Some(true));
        }
    }
    columns
}

/// Columns with the same in them, as (first, end, whether it fires).
fn runs(columns: &[Option<bool>]) -> Vec<(usize, usize, bool)> {
    let mut runs: Vec<(usize, usize, bool)> = Vec::new();
    for (place, cell) in columns.iter().enumerate() {
        let Some(is_firing) = *cell else { continue };
        match runs.last_mut() {
            Some((_, end, before)) if *end == place && *before == is_firing => *end = place + 1,
            _ => runs.push((place, place + 1, is_firing)),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::super::document::{Column, TimelineRow};
    use super::*;

    #[test]
    fn a_page_stands_alone_and_nothing_from_outside_is_markup_in_it() {
        let mut doc = Document { title: "<script>alert(1)</script>".into(), ..Document::default() };
        let evil = "\"'><img src=x onerror=alert(1)>&";
        doc.heading(evil);
        doc.line(evil);
        doc.table(&[Column::words("labels"), Column::numbers("n")], vec![vec![evil.into(), evil.into()]], 9);
        doc.blocks.push(Block::Bars(vec![Bar { name: evil.into(), count: 3 }, Bar { name: "b".into(), count: 0 }]));
        doc.blocks.push(Block::Bars(vec![Bar { name: "<b".into(), count: 3 }, Bar { name: "c".into(), count: 0 }]));
        let spans = vec![Span { from: 0, to: 50, is_firing: false }, Span { from: 50, to: 100, is_firing: true }];
        let rows = vec![TimelineRow { name: evil.into(), spans }];
        doc.blocks.push(Block::Timeline(Timeline { from: 0, to: 200, rows }));
        let page = html(&doc);
        assert!(!page.contains("<script") && !page.contains("<img"), "{page}");
        // Nothing is fetched.
        assert!(!page.contains("http://") && !page.contains("https://") && !page.contains("url("), "{page}");
        assert!(page.contains("width=\"180\" height=\"13\"") && page.contains("prefers-color-scheme: dark"), "{page}");
        // The page is well-formed, but for the tags that have no end.
        let xml = page.replace("<!doctype html>", "").replace("charset=\"utf-8\">", "charset=\"utf-8\"/>");
        let xml = xml
            .replace("width=device-width\">", "width=device-width\"/>")
            .replace("unsafe-inline'\">", "unsafe-inline'\"/>");
        roxmltree::Document::parse(&xml).unwrap();
    }

    #[test]
    fn what_is_shorter_than_a_column_is_seen_and_firing_covers_pending() {
        let timeline = Timeline { from: 0, to: 720_000, rows: Vec::new() };
        let spans = [
            Span { from: 5_000, to: 5_001, is_firing: false },
            Span { from: 100_000, to: 200_000, is_firing: true },
            Span { from: 90_000, to: 150_000, is_firing: false },
            Span { from: 720_000, to: 720_000, is_firing: true },
        ];
        assert_eq!(
            runs(&columns(&timeline, &spans)),
            [(5, 6, false), (90, 100, false), (100, 200, true), (719, 720, true)]
        );
    }
}
