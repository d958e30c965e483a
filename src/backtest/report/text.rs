//! A report as plain text.

use unicode_width::UnicodeWidthStr;

use crate::model::printable;

use super::document::{Bar, Block, Document, Table};

/// Columns of the longest bar.
const BAR: u64 = 40;

/// The document as text, with a line feed at the end.
pub fn text(document: &Document) -> String {
    let mut out = printable(&document.title) + "\n";
    let mut tight = false;
    for block in document.blocks.iter().filter(|b| !matches!(b, Block::Timeline(_))) {
        if !tight {
            out.push('\n');
        }
        tight = matches!(block, Block::Heading(_));
        match block {
            Block::Heading(heading) => out.push_str(&(printable(heading) + "\n")),
            Block::Line(line) => out.push_str(&(printable(line) + "\n")),
            Block::Table(table) => push_table(&mut out, table),
            Block::Bars(bars) => push_bars(&mut out, bars),
            Block::Timeline(_) => {}
        }
    }
    out
}

fn push_table(out: &mut String, table: &Table) {
    let cells: Vec<Vec<String>> = table.rows.iter().map(|r| r.iter().map(|c| printable(c)).collect()).collect();
    let widest = |column: usize, title: &str| {
        cells.iter().filter_map(|r| r.get(column)).map(|c| c.width()).fold(title.width(), usize::max)
    };
    let widths: Vec<usize> = table.columns.iter().enumerate().map(|(i, c)| widest(i, c.title)).collect();
    let mut row = |cells: &mut dyn Iterator<Item = &str>| {
        let mut line = String::from("  ");
        for ((cell, column), width) in cells.zip(&table.columns).zip(&widths) {
            let blank = " ".repeat(width.saturating_sub(cell.width()));
            line.push_str(&if column.number { blank + cell } else { cell.to_owned() + &blank });
            line.push_str("  ");
        }
        out.push_str(line.trim_end());
        out.push('\n');
    };
    row(&mut table.columns.iter().map(|c| c.title));
    for line in &cells {
        row(&mut line.iter().map(String::as_str));
    }
    if table.more > 0 {
        out.push_str(&format!("  and {} more\n", table.more));
    }
}

/// The bars from the first to the last of which there is something.
fn push_bars(out: &mut String, bars: &[Bar]) {
    let first = bars.iter().position(|b| b.count > 0).unwrap_or(0);
    let end = bars.iter().rposition(|b| b.count > 0).map_or(0, |last| last + 1);
    let bars = bars.get(first..end).unwrap_or_default();
    let most = bars.iter().map(|b| b.count).max().unwrap_or(0).max(1);
    let digits = most.to_string().len();
    let widest = bars.iter().map(|b| b.name.width()).max().unwrap_or(0);
    for Bar { name, count } in bars {
        // What is there is seen.
        let length = usize::try_from((count * BAR).div_ceil(most)).unwrap_or(0);
        let (name, blank) = (printable(name), " ".repeat(widest.saturating_sub(name.width())));
        let line = format!("  {name}{blank}  {count:>digits$}  {}", "█".repeat(length));
        out.push_str(line.trim_end());
        out.push('\n');
    }
}
