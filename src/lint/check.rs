//! What a check is: its name, how grave it is, and its texts.

use std::fmt::{self, Write};

/// How grave a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing; nothing may be wrong.
    Info,
    /// Likely not what was meant.
    Warning,
    /// It cannot work as written.
    Error,
}

impl Severity {
    /// As formats and configuration write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }

    /// The severity of a name; pint's names count too.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "info" | "information" => Some(Severity::Info),
            "warning" => Some(Severity::Warning),
            "error" | "bug" | "fatal" => Some(Severity::Error),
            _ => None,
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One check. Its texts are its page of the documents, and what `--explain` prints.
#[derive(Debug)]
pub struct Check {
    /// `promql/rate-on-gauge`
    pub name: &'static str,
    /// How grave its findings are, unless the configuration says otherwise.
    pub severity: Severity,
    /// The names of pint's checks whose comments switch it off too.
    pub pint: &'static [&'static str],
    /// What it reports, in one sentence.
    pub what: &'static str,
    /// Why that matters.
    pub why: &'static str,
    /// How to put it right.
    pub fix: &'static str,
    /// An example that it reports: rules, or an Alertmanager configuration. A test holds that it does.
    pub bad: &'static str,
    /// The example put right.
    pub good: &'static str,
}

impl Check {
    /// Whether a comment that names a check, by our name or one of pint's, speaks of this one.
    pub fn is_called(&self, name: &str) -> bool {
        self.name == name || self.pint.contains(&name)
    }

    /// Its page in Markdown.
    pub fn page(&self) -> String {
        let mut page = format!("## {}\n\n{} Severity: {}.", self.name, self.what, self.severity);
        if !self.pint.is_empty() {
            let _ = write!(page, " In pint: {}.", self.pint.join(", "));
        }
        let _ = write!(page, "\n\n**Why it matters.** {}\n\n**What to do.** {}\n", self.why, self.fix);
        for (word, example) in [("Reported", self.bad), ("Not reported", self.good)] {
            if !example.is_empty() {
                let _ = write!(page, "\n{word}:\n\n```yaml\n{}\n```\n", example.trim_end());
            }
        }
        page
    }
}
