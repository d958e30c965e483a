//! What is known of the terminal that standard output may be.

use std::io::IsTerminal;

/// Whether to use colour on standard output: only on a terminal, and not against `NO_COLOR`.
pub(super) fn colour() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}

/// Which of the two ends that a screen needs is no terminal; a program of a screen draws on the one and reads keys from
/// the other.
pub(super) fn missing() -> Option<&'static str> {
    let ends =
        [("standard input", std::io::stdin().is_terminal()), ("standard output", std::io::stdout().is_terminal())];
    ends.into_iter().find(|(_, is_terminal)| !is_terminal).map(|(name, _)| name)
}

/// Columns and rows of the terminal that standard output is; `COLUMNS` and `LINES` go before what it says itself.
pub(super) fn size() -> (Option<usize>, Option<usize>) {
    let told = |name: &str| std::env::var(name).ok()?.parse().ok().filter(|n| *n > 0);
    let asked = if std::io::stdout().is_terminal() { terminal_size::terminal_size() } else { None };
    let (width, height) = asked.map_or((None, None), |(w, h)| (Some(usize::from(w.0)), Some(usize::from(h.0))));
    (told("COLUMNS").or(width), told("LINES").or(height))
}
