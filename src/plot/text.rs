//! Texts in a drawing: cleaned of what would disturb it, cut to the room there is.

use unicode_width::UnicodeWidthChar;

/// More of a text is not looked at.
const MOST: usize = 500;

/// A text from outside on one line: nothing that controls, and nothing that turns the text around it.
pub(super) fn clean(text: &str) -> String {
    let shown = text.chars().take(MOST).map(|c| if c.is_whitespace() { ' ' } else { c });
    let kept: String =
        shown.filter(|c| !c.is_control() && !turns(*c) && !matches!(*c, '\u{fffe}' | '\u{ffff}')).collect();
    kept.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

fn turns(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Whether a text reads from right to left: its first letter says so.
pub(super) fn is_rtl(text: &str) -> bool {
    let rtl = |c: char| matches!(c, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}');
    text.chars().find(|c| c.is_alphabetic()).is_some_and(rtl)
}

/// About how wide a text is in our font, in the units of its size; rather more than less.
pub(super) fn width(text: &str, size: f64) -> f64 {
    text.chars().map(em).sum::<f64>() * size
}

/// The width of a letter of our font, by its class.
fn em(c: char) -> f64 {
    match c {
        'i' | 'j' | 'l' | 'I' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' | ' ' | '/' => 0.34,
        'f' | 't' | 'r' | '(' | ')' | '[' | ']' | '-' | '"' | 'J' => 0.42,
        'm' | 'w' | 'M' | 'W' | '%' | '@' | '…' => 1.0,
        'A'..='Z' | '+' | '=' | '<' | '>' | '~' | '^' | '#' | '&' => 0.84,
        ' '..='~' => 0.65,
        c => match c.width().unwrap_or(0) {
            0 => 0.0,
            1 => 0.8,
            _ => 1.0,
        },
    }
}

/// As much of a text as there is room for.
pub(super) fn fit(text: &str, size: f64, room: f64) -> String {
    if width(text, size) <= room {
        return text.to_owned();
    }
    let mut left = room - width("…", size);
    let fits = |c: &char| {
        left -= em(*c) * size;
        left >= 0.0
    };
    let kept: String = text.chars().take_while(fits).collect();
    format!("{}…", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_one_harmless_line() {
        assert_eq!(clean("a\n\tb  c\u{202e}d\u{1b}[2J\u{0}"), "a b cd[2J");
        assert_eq!(clean(&"x".repeat(9_999)).len(), MOST);
        assert!(is_rtl("12 حرارة GPU") && !is_rtl("GPU حرارة") && !is_rtl("12"));
    }

    #[test]
    fn long_texts_are_cut_to_their_room() {
        assert_eq!(fit("short", 10.0, 100.0), "short");
        let cut = fit(&"long ".repeat(50), 10.0, 100.0);
        assert!(cut.ends_with("g…") || cut.ends_with("l…") || cut.ends_with('…'), "{cut}");
        assert!(width(&cut, 10.0) <= 100.0);
        assert_eq!(fit("abc", 10.0, 0.0), "…");
    }
}
