//! The linter's side of `watchbell check PATH...`: its flags, what is told, and the exit code.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, ValueEnum};

use super::changed_lines::Changed;
use super::check_data::DataFlags;
use super::exit::lines;
use super::terminal;
use crate::clock::{Clock, SystemClock};
use crate::config::read_text;
use crate::lint::format::{self, Style, Texts};
use crate::lint::settings::{self, Settings};
use crate::lint::{self, Corpus, Data, Finding, MOST_FINDINGS, Severity, baseline, fix};

/// How findings are told, and which.
#[derive(Args, Debug, Default)]
pub struct LintFlags {
    /// How findings are told.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Print a check's text and end; `all` for those of all checks.
    #[arg(long, value_name = "CHECK")]
    pub explain: Option<String>,
    /// Settings of checks; `.watchbell-lint.yaml` when it is there.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Findings of this severity and above end in exit code 1 [default: error].
    #[arg(long, value_enum, value_name = "SEVERITY")]
    fail_on: Option<Level>,
    /// Findings below this severity are not told [default: info].
    #[arg(long, value_enum, value_name = "SEVERITY")]
    min_severity: Option<Level>,
    /// Leave out the findings of a baseline.
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Write the findings into a baseline, and tell none.
    #[arg(long, value_name = "FILE", conflicts_with = "baseline")]
    write_baseline: Option<PathBuf>,
    /// Tell only findings on lines that changed since a revision of the git repository around the current folder.
    #[arg(long, value_name = "REF")]
    diff_base: Option<String>,
    #[command(flatten)]
    data: DataFlags,
    /// Put right what can be put right without changing what a file means.
    #[arg(long)]
    fix: bool,
}

/// How findings are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For a person, with the lines of the source.
    #[default]
    Text,
    /// A list of objects.
    Json,
    /// SARIF 2.1.0.
    Sarif,
    /// Annotations of a GitHub workflow.
    Github,
    /// Checkstyle's XML.
    Checkstyle,
}

/// A severity, as flags name it.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Level {
    /// Worth knowing.
    Info,
    /// Likely not what was meant.
    Warning,
    /// It cannot work as written.
    Error,
}

impl Level {
    fn severity(self) -> Severity {
        match self {
            Level::Info => Severity::Info,
            Level::Warning => Severity::Warning,
            Level::Error => Severity::Error,
        }
    }
}

/// Prints a check's text. Returns the exit code.
///
/// # Errors
/// When it cannot be written.
pub fn explain(name: &str, out: &mut dyn Write) -> io::Result<i32> {
    match lint::find(name) {
        None if name == "all" => {
            write!(out, "{}", lint::document())?;
            Ok(0)
        }
        Some(check) => {
            write!(out, "{}", check.page())?;
            Ok(0)
        }
        None => {
            let names: Vec<&str> = lint::all().map(|check| check.name).collect();
            eprintln!("watchbell check: no check {name:?}; there are {}", names.join(", "));
            Ok(1)
        }
    }
}

impl LintFlags {
    /// Lints what was read, and tells what was found, `found` while it was read included. Returns the exit code.
    ///
    /// # Errors
    /// When it cannot be written; and what is wrong with the flags' files.
    pub fn finish(
        &self,
        failed: bool,
        mut corpus: Corpus,
        mut found: Vec<Finding>,
        out: &mut dyn Write,
    ) -> io::Result<i32> {
        let settings = self.settings()?;
        let mut texts: Texts = corpus.rules.iter().map(|file| (file.name.clone(), file.text.clone())).collect();
        let opened = self.data.open(corpus.features).map_err(io::Error::other)?;
        // What runs its requests goes when all is asked.
        let (data, _runtime) = opened.map_or((None, None), |(data, runtime)| (Some(data), runtime));
        corpus.data = data;
        found.extend(lint::checks(&corpus, &settings));
        if let Some(why) = corpus.data.as_ref().and_then(Data::failure) {
            return Err(io::Error::other(format!("the data could not be asked: {why}")));
        }
        add_texts(&found, &mut texts);
        for file in &corpus.routing {
            add_text(&file.name, &mut texts);
        }
        let mut found = lint::finish(found, &texts, &settings, SystemClock.now());
        if let Some(base) = &self.diff_base {
            let changed = Changed::since(base).map_err(io::Error::other)?;
            found.retain(|finding| changed.touches(&finding.spot.file, finding.spot.around));
        }
        if let Some(path) = &self.write_baseline {
            std::fs::write(path, baseline::write(&found).map_err(io::Error::other)?)?;
            found.clear();
        }
        if let Some(path) = &self.baseline {
            let text = std::fs::read_to_string(path).map_err(|e| named(path, &e.to_string()))?;
            baseline::subtract(&mut found, &text).map_err(|e| named(path, &e))?;
        }
        if self.fix {
            put_right(&mut found, &texts, self.format, out)?;
        }
        let fails = failed || found.iter().any(|finding| finding.severity >= settings.fail_on);
        self.tell(found, &texts, out)?;
        Ok(i32::from(fails))
    }

    fn settings(&self) -> io::Result<Settings> {
        let default = Path::new(settings::FILE);
        let file = self.config.as_deref().or_else(|| default.exists().then_some(default));
        let mut settings = match file {
            Some(file) => Settings::load(file).map_err(|defects| io::Error::other(lines(&defects)))?,
            None => Settings::default(),
        };
        settings.fail_on = self.fail_on.map_or(settings.fail_on, Level::severity);
        settings.min_severity = self.min_severity.map_or(settings.min_severity, Level::severity);
        Ok(settings)
    }

    fn tell(&self, mut found: Vec<Finding>, texts: &Texts, out: &mut dyn Write) -> io::Result<()> {
        if found.len() >= MOST_FINDINGS {
            eprintln!("watchbell check: more than {MOST_FINDINGS} findings; the rest is not told");
            found.truncate(MOST_FINDINGS);
        }
        match self.format {
            Format::Text => {
                // What did not load was told file by file.
                found.retain(|finding| !finding.check.name.starts_with("read/"));
                format::text(&found, texts, Style { colour: terminal::colour() }, out)
            }
            Format::Json => format::json(&found, out),
            Format::Sarif => format::sarif(&found, out),
            Format::Github => format::github(&found, out),
            Format::Checkstyle => format::checkstyle(&found, out),
        }
    }
}

/// Carries out the changes that findings propose; those that are put right are gone.
fn put_right(found: &mut Vec<Finding>, texts: &Texts, format: Format, out: &mut dyn Write) -> io::Result<()> {
    let fixable: BTreeSet<Arc<str>> =
        found.iter().filter(|finding| finding.edit.is_some()).map(|finding| finding.spot.file.clone()).collect();
    for file in fixable {
        let Some(text) = texts.get(&file) else { continue };
        let of_file = found.iter().enumerate().filter(|(_, finding)| finding.spot.file == file);
        let (fixed, done) = fix::apply(text, of_file);
        if done.is_empty() {
            continue;
        }
        std::fs::write(&*file, fixed).map_err(|e| named(Path::new(&*file), &e.to_string()))?;
        let mut numbers = 0_usize..;
        found.retain(|_| numbers.next().is_none_or(|number| !done.contains(&number)));
        if format == Format::Text {
            writeln!(out, "{file}: {} put right", done.len())?;
        }
    }
    Ok(())
}

/// Texts of the files that findings speak of, where they can be read.
fn add_texts(found: &[Finding], texts: &mut Texts) {
    for finding in found {
        add_text(&finding.spot.file, texts);
    }
}

fn add_text(file: &Arc<str>, texts: &mut Texts) {
    if !texts.contains_key(file)
        && let Ok(text) = read_text(Path::new(&**file))
    {
        texts.insert(file.clone(), text.into());
    }
}

fn named(path: &Path, why: &str) -> io::Error {
    io::Error::other(format!("{}: {why}", path.display()))
}
