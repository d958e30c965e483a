//! Progress of something long, on standard error: a line that counts on a terminal, a few plain lines elsewhere.

use std::io::{IsTerminal, Write};

/// Shows how much is done.
pub(super) struct Progress {
    what: String,
    total: usize,
    shown: usize,
    terminal: bool,
}

impl Progress {
    /// Of `what`, such as `backfilling`, so many.
    pub fn new(what: impl Into<String>, total: usize) -> Self {
        Progress { what: what.into(), total: total.max(1), shown: 0, terminal: std::io::stderr().is_terminal() }
    }

    /// So many are done.
    pub fn show(&mut self, done: usize) {
        let step = if self.terminal { 1 } else { 25 };
        let percent = (done as u128 * 100 / self.total as u128) as usize / step * step;
        if percent <= self.shown {
            return;
        }
        self.shown = percent;
        let mut err = std::io::stderr().lock();
        // Whoever closed standard error does not want to know.
        let _ = match self.terminal {
            true => write!(err, "\r{}: {percent:3} %", self.what).and_then(|()| err.flush()),
            false => writeln!(err, "{}: {percent} %", self.what),
        };
    }

    /// All is done.
    pub fn finish(&self, summary: &str) {
        self.clear();
        let _ = writeln!(std::io::stderr().lock(), "{summary}");
    }

    /// All is done, and there is nothing more to say: a terminal's line goes.
    pub fn clear(&self) {
        if self.terminal {
            let mut err = std::io::stderr().lock();
            let _ = write!(err, "\r\x1b[K").and_then(|()| err.flush());
        }
    }
}
