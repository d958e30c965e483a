//! Text in aligned columns, and label sets as columns.

use std::collections::BTreeSet;

use crate::model::Labels;

use super::screen::{Screen, cut, printable, width};

/// A column that is cut is not cut further.
pub(super) const NARROWEST: usize = 8;
/// Between columns.
const GAP: usize = 2;

/// To which side cells go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    /// To the left.
    Left,
    /// To the right, as numbers do.
    Right,
}

/// A column of a table.
#[derive(Debug)]
pub(super) struct Column {
    /// Above the cells.
    pub title: String,
    /// To which side cells go.
    pub align: Align,
    /// One a row.
    pub cells: Vec<String>,
    /// Whether cells may be cut where the table is too wide. Numbers may not.
    pub shrinks: bool,
}

impl Column {
    /// A column of words.
    pub fn words(title: impl Into<String>, cells: Vec<String>) -> Self {
        Column { title: title.into(), align: Align::Left, cells, shrinks: true }
    }

    /// A column of numbers.
    pub fn numbers(title: impl Into<String>, cells: Vec<String>) -> Self {
        Column { title: title.into(), align: Align::Right, cells, shrinks: false }
    }

    fn widest(&self) -> usize {
        self.cells.iter().map(|c| width(c)).max().unwrap_or(0).max(width(&self.title))
    }
}

/// Lays columns out in rows below their titles. `styles` colours the first cell of every row.
pub(super) fn lay_out(columns: &[Column], screen: &Screen, styles: &[&str]) -> String {
    let widths = widths(columns, screen.table_width);
    let row = |cells: &mut dyn Iterator<Item = &str>, style: &str| {
        let mut line = String::new();
        for (i, ((cell, column), room)) in cells.zip(columns).zip(&widths).enumerate() {
            let text = cut(cell, *room);
            let blank = " ".repeat(room.saturating_sub(width(&text)));
            let text = if i == 0 { screen.styled(style, &text) } else { text };
            line.push_str(&" ".repeat(if i == 0 { 0 } else { GAP }));
            match column.align {
                Align::Left => line.push_str(&(text + &blank)),
                Align::Right => line.push_str(&(blank + &text)),
            }
        }
        line.truncate(line.trim_end().len());
        line
    };
    let head = row(&mut columns.iter().map(|c| c.title.as_str()), "");
    let mut out = screen.styled("1", &head) + "\n";
    let rows = columns.iter().map(|c| c.cells.len()).max().unwrap_or(0);
    for i in 0..rows {
        let mut cells = columns.iter().map(|c| c.cells.get(i).map_or("", String::as_str));
        out.push_str(&row(&mut cells, styles.get(i).copied().unwrap_or("")));
        out.push('\n');
    }
    if columns.iter().zip(&widths).any(|(c, w)| c.widest() > *w) {
        out.push_str(&screen.styled("2", "(cut to fit; --width 0 shows everything)"));
        out.push('\n');
    }
    out
}

/// The columns that a table takes uncut.
pub(super) fn total_width(columns: &[Column]) -> usize {
    columns.iter().map(|c| c.widest()).sum::<usize>() + GAP * columns.len().saturating_sub(1)
}

/// The columns' widths: where they are too wide together, the widest ones that may shrink do.
fn widths(columns: &[Column], limit: Option<usize>) -> Vec<usize> {
    let mut widths: Vec<usize> = columns.iter().map(Column::widest).collect();
    let Some(limit) = limit else { return widths };
    let mut excess = total_width(columns).saturating_sub(limit);
    while excess > 0 {
        let shrinkable = widths.iter_mut().zip(columns).filter(|(w, c)| c.shrinks && **w > NARROWEST);
        let Some((widest, _)) = shrinkable.max_by_key(|(w, _)| **w) else { break };
        *widest -= 1;
        excess -= 1;
    }
    widths
}

/// What label sets have in common, and the names of the labels in which they differ, sorted.
pub(super) struct Differences<'a> {
    /// Labels that all have with the same value.
    pub common: Labels,
    /// The others.
    pub names: Vec<&'a str>,
}

impl<'a> Differences<'a> {
    /// Compares label sets. One alone differs from nothing.
    pub fn of(all: &[&'a Labels]) -> Self {
        let Some(first) = all.first() else { return Differences { common: Labels::empty(), names: Vec::new() } };
        let mut common: Vec<(&str, &str)> = first.iter().collect();
        let mut names: BTreeSet<&str> = BTreeSet::new();
        for labels in all {
            common.retain(|(n, v)| labels.get(n) == Some(v));
            names.extend(labels.iter().map(|(n, _)| n));
        }
        for (name, _) in &common {
            names.remove(name);
        }
        Differences { common: Labels::from_sorted(common), names: names.into_iter().collect() }
    }

    /// A line that says what is common; empty when nothing is.
    pub fn line(&self) -> String {
        if self.common.is_empty() { String::new() } else { format!("{}\n", printable(&self.common.to_series_string())) }
    }

    /// A column for each label that differs.
    pub fn columns(&self, all: &[&Labels]) -> Vec<Column> {
        let cells = |name: &str| all.iter().map(|l| printable(l.value(name))).collect();
        self.names.iter().map(|name| Column::words(printable(name), cells(name))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_that_differ_become_columns() {
        let a = Labels::from_pairs([("__name__", "up"), ("job", "a"), ("zone", "x")]);
        let b = Labels::from_pairs([("__name__", "up"), ("job", "b")]);
        let all = [&a, &b];
        let d = Differences::of(&all);
        assert_eq!((d.line().as_str(), d.names.as_slice()), ("up\n", &["job", "zone"][..]));
        let one = Differences::of(&all[..1]);
        assert_eq!((one.line().as_str(), one.names.len()), ("up{job=\"a\", zone=\"x\"}\n", 0));
        assert_eq!(Differences::of(&[]).line(), "");
    }

    #[test]
    fn the_widest_words_shrink_first_and_numbers_never() {
        let columns = [
            Column::words("pod", vec!["a-very-long-pod-name-1".into(), "a-very-long-pod-name-2".into()]),
            Column::words("zone", vec!["x".into(), "y".into()]),
            Column::numbers("value", vec!["123456789012".into(), "1".into()]),
        ];
        let got = lay_out(&columns, &Screen::plain(36, 10), &[]);
        let want = "pod               zone         value
a-very-l…-name-1  x     123456789012
a-very-l…-name-2  y                1
(cut to fit; --width 0 shows everything)
";
        assert_eq!(got, want);
        let whole = lay_out(&columns, &Screen { table_width: None, ..Screen::plain(36, 10) }, &[]);
        assert!(whole.contains("a-very-long-pod-name-1") && !whole.contains("cut"), "{whole}");
    }
}
