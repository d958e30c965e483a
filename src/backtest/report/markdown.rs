//! A report as GitHub's and GitLab's Markdown, for a comment on a pull request.

use crate::model::printable;

use super::document::{Bar, Block, Document, Table};

/// The document as Markdown, with a line feed at the end.
pub fn markdown(document: &Document) -> String {
    let mut out = format!("### {}\n", escaped(&document.title));
    for block in document.blocks.iter().filter(|b| !matches!(b, Block::Timeline(_))) {
        out.push('\n');
        match block {
            Block::Heading(heading) => out.push_str(&format!("**{}**\n", escaped(heading))),
            Block::Line(line) => out.push_str(&(escaped(line) + "\n")),
            Block::Table(table) => push_table(&mut out, table),
            Block::Bars(bars) => push_bars(&mut out, bars),
            Block::Timeline(_) => {}
        }
    }
    out
}

fn push_table(out: &mut String, table: &Table) {
    let mut row = |cells: &mut dyn Iterator<Item = String>| {
        out.push('|');
        for cell in cells {
            out.push_str(&format!(" {cell} |"));
        }
        out.push('\n');
    };
    row(&mut table.columns.iter().map(|c| escaped(c.title)));
    row(&mut table.columns.iter().map(|c| if c.number { "---:" } else { "---" }.to_owned()));
    for cells in &table.rows {
        row(&mut cells.iter().map(|c| escaped(c)));
    }
    if table.more > 0 {
        out.push_str(&format!("\nand {} more\n", table.more));
    }
}

/// The places that have something, in one line.
fn push_bars(out: &mut String, bars: &[Bar]) {
    let some: Vec<String> =
        bars.iter().filter(|b| b.count > 0).map(|b| format!("{} {}", escaped(&b.name), b.count)).collect();
    out.push_str(&(some.join(" · ") + "\n"));
}

/// Text in which nothing is markup: labels and errors come from outside, and a comment is read by people who trust it.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for c in printable(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // An entity mentions nobody.
            '@' => out.push_str("&#64;"),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '#' | '|' | '~' | '!' | '$' => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    // What looks like an address would become a link.
    out.replace("://", ":&#8203;//").replace("www.", "www&#46;")
}

#[cfg(test)]
mod tests {
    use super::super::document::Column;
    use super::*;

    #[test]
    fn what_comes_from_outside_is_no_markup() {
        let mut doc = Document { title: "Backtest".into(), ..Document::default() };
        doc.heading("Alerts");
        let labels = "{a=\"<b>|*x* @team\\n`y` http://evil\"}\n";
        doc.table(&[Column::numbers("n"), Column::words("labels")], vec![vec!["1".into(), labels.into()]; 3], 2);
        doc.blocks.push(Block::Bars(vec![
            Bar { name: "00:00".into(), count: 0 },
            Bar { name: "01:00".into(), count: 2 },
            Bar { name: "02:00".into(), count: 1 },
        ]));
        let cell = r#"\{a="&lt;b&gt;\|\*x\* &#64;team\\n\`y\` http:&#8203;//evil"\}\\n"#;
        let want = format!(
            "### Backtest\n\n**Alerts**\n\n| n | labels |\n| ---: | --- |\n| 1 | {cell} |\n| 1 | {cell} |\n\nand 1 more\n\n01:00 2 · 02:00 1\n"
        );
        assert_eq!(markdown(&doc), want);
    }
}
