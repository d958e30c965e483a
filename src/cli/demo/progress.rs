//! Progress of the backfill, on standard error: a line that counts on a terminal, a few plain lines elsewhere.

use std::io::{IsTerminal, Write};

/// Shows how much is done.
pub struct Progress {
    total: usize,
    shown: usize,
    terminal: bool,
}

impl Progress {
    /// Of so many.
    pub fn new(total: usize) -> Self {
        Progress { total: total.max(1), shown: 0, terminal: std::io::stderr().is_terminal() }
    }

    /// So many are done.
    pub fn show(&mut self, done: usize) {
        let step = if self.terminal { 1 } else { 25 };
        let percent = done * 100 / self.total / step * step;
        if percent <= self.shown {
            return;
        }
        self.shown = percent;
        let mut err = std::io::stderr().lock();
        // Whoever closed standard error does not want to know.
        let _ = match self.terminal {
            true => {
                write!(err, "\rbackfilling 8 days of {} series: {percent:3} %", self.total).and_then(|()| err.flush())
            }
            false => writeln!(err, "backfilling 8 days of {} series: {percent} %", self.total),
        };
    }

    /// All is done.
    pub fn finish(&self, summary: &str) {
        let start = if self.terminal { "\r\x1b[K" } else { "" };
        let _ = writeln!(std::io::stderr().lock(), "{start}{summary}");
    }
}
