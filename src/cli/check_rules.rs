//! `watchbell check rules`: promtool's verdicts, with places.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use crate::promql::Features;
use crate::rules::{self, LoadOptions, RuleGroup};

use super::check_paths::{find, is_pattern};
use super::exit::pointed_out;

/// Check rule files and PrometheusRule objects.
///
/// Exit code 0: they load; 1: some do not; 3: they load, lint finds something, and `--lint-fatal` is given.
#[derive(Args, Debug)]
pub struct CheckRules {
    /// Rule files; standard input when none is given.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Which lints to apply.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "duplicate-rules")]
    lint: Vec<Lint>,
    /// Exit with code 3 when a lint finds something.
    #[arg(long)]
    lint_fatal: bool,
    /// Accept unknown fields.
    #[arg(long)]
    ignore_unknown_fields: bool,
    /// Comma-separated names of language features to switch on.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    enable_feature: Vec<String>,
}

/// What `--lint` may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Lint {
    /// Every lint.
    All,
    /// Rules of one name with the same labels.
    DuplicateRules,
    /// No lint.
    None,
}

/// Exit code of a lint that is fatal.
const LINT_FAILED: u8 = 3;

impl CheckRules {
    /// Checks the files and prints what was found.
    pub fn execute(&self) -> ExitCode {
        let mut features = Features::default();
        for note in features.enable_all(self.enable_feature.iter().map(String::as_str)) {
            eprintln!("{note}");
        }
        let options =
            LoadOptions { features, ignore_unknown_fields: self.ignore_unknown_fields, ..LoadOptions::default() };
        let (mut failed, mut linted) = (false, false);
        let stdin = [PathBuf::from("-")];
        let files = if self.files.is_empty() { &stdin[..] } else { &self.files };
        let files: Vec<PathBuf> = files.iter().flat_map(|file| named(file)).collect();
        for file in &files {
            let name = if file == Path::new("-") { "standard input".to_owned() } else { file.display().to_string() };
            println!("Checking {name}");
            match read(file).map_err(|e| vec![e]).and_then(|text| load(&name, &text, &options)) {
                Ok(groups) => linted |= self.report(&groups),
                Err(messages) => {
                    failed = true;
                    report_failure(&messages);
                }
            }
            println!();
        }
        match (failed, linted && self.lint_fatal) {
            (true, _) => ExitCode::FAILURE,
            (false, true) => ExitCode::from(LINT_FAILED),
            (false, false) => ExitCode::SUCCESS,
        }
    }

    /// Prints what was found in a file that loads; true when a lint found something.
    fn report(&self, groups: &[RuleGroup]) -> bool {
        groups.iter().flat_map(|g| &g.notes).for_each(|note| println!("  WARNING: {note}"));
        let wanted = self.lint.iter().any(|l| matches!(l, Lint::All | Lint::DuplicateRules));
        let wanted = wanted && !self.lint.contains(&Lint::None);
        let duplicates = if wanted { rules::duplicate_rules(groups) } else { Vec::new() };
        if duplicates.is_empty() {
            let count: usize = groups.iter().map(|g| g.rules.len()).sum();
            println!("  SUCCESS: {count} rules found");
            return false;
        }
        let mut text = format!("lint error {} duplicate rule(s) found.\n", duplicates.len());
        for duplicate in &duplicates {
            text.push_str(&format!("Metric: {}\nLabel(s):\n", duplicate.name));
            for (name, value) in &duplicate.labels {
                text.push_str(&format!("\t{name}: {value}\n"));
            }
        }
        report_failure(&[text + "Might cause inconsistency while recording expressions"]);
        true
    }
}

fn report_failure(messages: &[String]) {
    // The two streams often end in one log; what belongs together stays together.
    let _ = std::io::stdout().flush();
    eprintln!("  FAILED:");
    for message in messages {
        eprintln!("{message}");
    }
}

fn load(name: &str, text: &str, options: &LoadOptions) -> Result<Vec<RuleGroup>, Vec<String>> {
    rules::load_str(name, text, options).map_err(|all| all.iter().map(pointed_out).collect())
}

/// The files that an argument names: a pattern that no shell has replaced names those it matches.
fn named(file: &Path) -> Vec<PathBuf> {
    let path = file.to_string_lossy();
    match find(&path) {
        Ok(found) if is_pattern(&path) => found.into_iter().map(|(file, _)| file).collect(),
        // What is not there fails when it is read.
        _ => vec![file.to_owned()],
    }
}

fn read(file: &Path) -> Result<String, String> {
    if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map_err(|e| format!("standard input: {e}"))?;
        return Ok(text);
    }
    std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))
}
