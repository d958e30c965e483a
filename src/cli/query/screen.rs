//! The room a result has, and text that fits into it.

use std::io::IsTerminal;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::cli::terminal;
pub(super) use crate::model::printable;

/// Columns of a plot where nothing says how many there are.
const DEFAULT_WIDTH: usize = 80;
/// Rows of a plot.
const DEFAULT_HEIGHT: usize = 16;
/// Rows of a terminal that a plot leaves for what stands around it.
const AROUND: usize = 10;
/// No plot is smaller.
const SMALLEST: (usize, usize) = (20, 3);
/// No plot is larger.
const LARGEST: (usize, usize) = (1_000, 200);

/// The room a result has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Screen {
    /// Columns a table must fit into; `None`: it may be as wide as it is.
    pub table_width: Option<usize>,
    /// Columns of a plot, its axis included.
    pub plot_width: usize,
    /// Rows of a plot, without its axis and its legend.
    pub plot_height: usize,
    /// Whether to use colour.
    pub colour: bool,
}

impl Screen {
    /// The room that arguments ask for, else that of the terminal. Tables that go elsewhere are never cut; a width of 0
    /// asks for that on a terminal too.
    pub fn new(width: Option<usize>, height: Option<usize>) -> Self {
        let (columns, rows) = terminal::size();
        let table_width = match width {
            Some(width) => Some(width).filter(|w| *w > 0),
            None => columns.filter(|_| std::io::stdout().is_terminal()),
        };
        let plot_width = width.filter(|w| *w > 0).or(columns).unwrap_or(DEFAULT_WIDTH);
        let fits = rows.map_or(DEFAULT_HEIGHT, |rows| rows.saturating_sub(AROUND).min(DEFAULT_HEIGHT));
        let plot_height = height.unwrap_or(fits);
        Screen {
            table_width,
            plot_width: plot_width.clamp(SMALLEST.0, LARGEST.0),
            plot_height: plot_height.clamp(SMALLEST.1, LARGEST.1),
            colour: terminal::colour(),
        }
    }

    /// A screen of a fixed width without colour.
    #[cfg(test)]
    pub fn plain(width: usize, height: usize) -> Self {
        Screen { table_width: Some(width), plot_width: width, plot_height: height, colour: false }
    }

    /// Text in a style, where there is colour.
    pub fn styled(&self, style: &str, text: &str) -> String {
        if self.colour && !style.is_empty() { format!("\x1b[{style}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Columns that a text takes on a terminal.
pub(super) fn width(text: &str) -> usize {
    text.width()
}

/// The text in so many columns: what is too long loses its middle, for names differ at either end.
pub(super) fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let room = columns.saturating_sub(1);
    let head: String = take_columns(text.chars(), room.div_ceil(2));
    let tail: String = take_columns(text.chars().rev(), room / 2);
    head + "…" + &tail.chars().rev().collect::<String>()
}

fn take_columns(chars: impl Iterator<Item = char>, columns: usize) -> String {
    let mut left = columns;
    let fits = |c: &char| {
        let needed = c.width().unwrap_or(0);
        let fits = needed <= left;
        left = left.saturating_sub(needed);
        fits
    };
    chars.take_while(fits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_loses_its_middle() {
        for (text, columns, want) in [
            ("short", 5, "short"),
            ("prometheus-0", 8, "prom…s-0"),
            ("日本語の名前です", 8, "日本…す"),
            ("abc", 1, "…"),
            ("", 0, ""),
        ] {
            assert_eq!(cut(text, columns), want);
            assert!(width(&cut(text, columns)) <= columns);
        }
    }
}
