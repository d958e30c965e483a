//! The line of a file that a message is about, with the spot underlined.

use unicode_width::UnicodeWidthStr;

use super::Position;

/// Longer lines are cut.
const WIDEST: usize = 160;

/// The line at `from` with its number in the margin, and carets below it from there up to `to` (up to the line's end where
/// that is in a later line; one where both are the same), with `on` and `off` around the carets. Nothing where the text has
/// no such line.
pub fn excerpt(text: &str, from: Position, to: Position, (on, off): (&str, &str)) -> Option<String> {
    let line = text.lines().nth((from.line as usize).checked_sub(1)?)?;
    let line: String = line.replace('\t', " ").chars().take(WIDEST).collect();
    let margin = from.line.to_string();
    let blank = " ".repeat(margin.len());
    let mut out = format!("{blank} |\n{margin} | {line}\n");
    let end = if to.line == from.line { to.column } else { u32::MAX };
    if let Some((before, under)) = underline(&line, from.column, end) {
        out.push_str(&format!("{blank} | {}{on}{}{off}\n", " ".repeat(before), "^".repeat(under)));
    }
    Some(out)
}

/// Columns before the spot and columns of the spot, as wide as a terminal shows them.
fn underline(line: &str, from: u32, end: u32) -> Option<(usize, usize)> {
    let start = (from as usize).checked_sub(1)?;
    let before: String = line.chars().take(start).collect();
    let length = (end.saturating_sub(from) as usize).max(1);
    let spot: String = line.chars().skip(start).take(length).collect();
    let spot = spot.trim_end();
    (before.chars().count() == start).then(|| (before.width(), spot.width().max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spot_is_underlined_where_it_is() {
        let at = |line, column| Position { line, column };
        let text = "a: 1\n\tb: ساعة c\n";
        for (from, to, want) in [
            (at(1, 4), at(1, 4), Some("  |\n1 | a: 1\n  |    ^\n")),
            (at(2, 5), at(2, 9), Some("  |\n2 |  b: ساعة c\n  |     ^^^^\n")),
            (at(2, 2), at(3, 1), Some("  |\n2 |  b: ساعة c\n  |  ^^^^^^^^^\n")),
            // Only the line is known.
            (at(1, 0), at(1, 0), Some("  |\n1 | a: 1\n")),
            (at(0, 0), at(0, 0), None),
            (at(9, 1), at(9, 1), None),
        ] {
            assert_eq!(excerpt(text, from, to, ("", "")).as_deref(), want, "{from:?}");
        }
    }
}
