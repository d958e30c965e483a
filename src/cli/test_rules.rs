//! `watchbell test rules`: unit tests of rules.

use std::collections::BTreeSet;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use parking_lot::Mutex;
use serde_json::json;

use crate::promql::Features;
use crate::ruletest::coverage;
use crate::ruletest::report::{self, Style};
use crate::ruletest::{FileOutcome, Options, run_files};

use super::test_coverage::CoverageFlags;

/// Run promtool's unit-test files.
///
/// The last line is `N passed, N failed`, counting assertions. Exit code 0: all hold; 1: some do not, or tests reach less
/// than `--coverage-min`; 2: bad input.
#[derive(Args, Debug)]
pub struct TestRules {
    /// Test files, folders that hold them (any .yml or .yaml file with a `tests:` key), or globs.
    #[arg(required = true, value_name = "FILE|DIR|GLOB")]
    files: Vec<String>,
    /// Only run tests whose name matches this regular expression; may be repeated.
    #[arg(long, value_name = "REGEX")]
    run: Vec<String>,
    /// Show differences between expected and got; they are always shown, the flag is accepted for promtool's sake.
    #[arg(long)]
    diff: bool,
    /// Say which files and tests run, and how long each file took.
    #[arg(long)]
    debug: bool,
    /// Accept unknown fields in test files and rule files.
    #[arg(long)]
    ignore_unknown_fields: bool,
    /// Also write a JUnit report to this file.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// What to print; on GitHub Actions `github` unless said otherwise.
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Comma-separated names of language features to switch on.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    enable_feature: Vec<String>,
    /// Run again whatever a saved file touches, until interrupted.
    #[arg(long)]
    watch: bool,
    /// Only run the files of one share of several: 2/4 runs every fourth file, from the second on.
    #[arg(long, value_name = "N/OF", value_parser = shard)]
    shard: Option<Shard>,
    #[command(flatten)]
    coverage: CoverageFlags,
}

/// One share of several, from 1.
#[derive(Clone, Copy, Debug)]
struct Shard {
    number: usize,
    of: usize,
}

fn shard(text: &str) -> Result<Shard, String> {
    let parts = text.split_once('/').and_then(|(n, of)| Some((n.parse().ok()?, of.parse().ok()?)));
    match parts {
        Some((number, of)) if (1..=of).contains(&number) => Ok(Shard { number, of }),
        _ => Err(format!("expected a share such as 1/4, found {text:?}")),
    }
}

/// What to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// JSON, an object a line.
    Json,
    /// For people, with annotations for GitHub Actions.
    Github,
    /// TAP, the Test Anything Protocol.
    Tap,
}

impl TestRules {
    /// Runs the tests and prints the report.
    pub fn execute(&self) -> ExitCode {
        let options = match self.options() {
            Ok(options) => options,
            Err(message) => return refuse(&message),
        };
        let files = match find_files(&self.files) {
            Ok(files) => files,
            Err(message) => return refuse(&message),
        };
        let files = self.share(files);
        if self.watch {
            return super::watch::watch(&files, &|changed| self.report(changed, &options));
        }
        self.report(&files, &options)
    }

    /// The files of this shard. All files together are dealt out, whatever folder they are in.
    fn share(&self, files: Vec<PathBuf>) -> Vec<PathBuf> {
        let Some(Shard { number, of }) = self.shard else { return files };
        files.into_iter().skip(number - 1).step_by(of).collect()
    }

    fn options(&self) -> Result<Options, String> {
        let options = options(&self.run, self.ignore_unknown_fields, &self.enable_feature)?;
        Ok(Options { covers: self.coverage.is_on(), ..options })
    }

    fn format(&self) -> Format {
        let on_actions = std::env::var_os("GITHUB_ACTIONS").is_some_and(|v| v == "true");
        self.format.unwrap_or(if on_actions { Format::Github } else { Format::Text })
    }

    fn report(&self, files: &[PathBuf], options: &Options) -> ExitCode {
        let (format, style) = (self.format(), style());
        let progress = Progress::new(files.len(), matches!(format, Format::Text | Format::Github));
        // Files end in any order and are shown in theirs.
        let shown = Mutex::new(());
        let outcomes = run_files(files, options, &|outcome| {
            let _one_at_a_time = shown.lock();
            progress.step(&outcome.file);
            if self.debug {
                progress.clear();
                for test in &outcome.tests {
                    eprintln!("{}:{}: {}", outcome.file, test.position.line, test.name);
                }
            }
        });
        progress.clear();
        let mut out = std::io::stdout().lock();
        for outcome in &outcomes {
            let text = match format {
                Format::Text => report::file_text(outcome, style),
                Format::Json => report::json_lines(outcome),
                Format::Github => report::file_text(outcome, Style::Plain) + &report::annotations(outcome),
                // One document for all of them.
                Format::Tap => continue,
            };
            if out.write_all(text.as_bytes()).is_err() {
                return ExitCode::FAILURE;
            }
        }
        if format == Format::Tap && out.write_all(report::tap(&outcomes).as_bytes()).is_err() {
            return ExitCode::FAILURE;
        }
        if let Some(path) = &self.junit
            && let Err(e) = std::fs::write(path, report::junit(&outcomes))
        {
            return refuse(&format!("{}: {e}", path.display()));
        }
        let coverage = self.coverage.is_on().then(|| CoverageFlags::of(&outcomes));
        if let Some(coverage) = &coverage {
            if let Err(message) = self.coverage.write(coverage) {
                return refuse(&message);
            }
            let told = match format {
                Format::Text | Format::Github => write!(out, "{}", coverage::report::text(coverage)),
                Format::Json => writeln!(out, "{}", json!({ "coverage": coverage::report::json(coverage) })),
                Format::Tap => coverage::report::text(coverage).lines().try_for_each(|line| writeln!(out, "# {line}")),
            };
            if told.is_err() {
                return ExitCode::FAILURE;
            }
        }
        let summary = report::summary_line(&outcomes);
        // Standard output of --format json holds JSON only, and that of --format tap the document.
        let _ = match format {
            Format::Json | Format::Tap => writeln!(std::io::stderr(), "{summary}"),
            Format::Text | Format::Github => writeln!(out, "{summary}"),
        };
        verdict(&outcomes, coverage.is_none_or(|coverage| self.coverage.is_enough(&coverage)))
    }
}

/// How tests are run, as flags say it.
pub(super) fn options(run: &[String], ignore_unknown_fields: bool, features: &[String]) -> Result<Options, String> {
    let pattern = |p: &String| regex::Regex::new(p).map_err(|e| format!("--run {p:?}: {e}"));
    let run = run.iter().map(pattern).collect::<Result<_, _>>()?;
    let mut enabled = Features::default();
    for note in enabled.enable_all(features.iter().map(String::as_str)) {
        eprintln!("{note}");
    }
    Ok(Options { run, ignore_unknown_fields, features: enabled, ..Options::default() })
}

fn verdict(outcomes: &[FileOutcome], is_enough: bool) -> ExitCode {
    if outcomes.iter().any(|o| !o.bad_input.is_empty()) {
        ExitCode::from(2)
    } else if is_enough && outcomes.iter().all(FileOutcome::is_success) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn refuse(message: &str) -> ExitCode {
    eprintln!("watchbell test rules: {message}");
    ExitCode::from(2)
}

fn style() -> Style {
    if super::terminal::colour() { Style::Colour } else { Style::Plain }
}

/// The test files that arguments name, each once, in the order named; those of a folder sorted.
pub(super) fn find_files(arguments: &[String]) -> Result<Vec<PathBuf>, String> {
    let (mut out, mut seen) = (Vec::new(), BTreeSet::new());
    for argument in arguments {
        let path = Path::new(argument);
        let found = if path.is_dir() {
            let mut found = Vec::new();
            test_files_below(path, &mut found, 0);
            found
        } else if path.exists() || !argument.contains(['*', '?', '[']) {
            vec![path.to_owned()]
        } else {
            let matches = glob::glob(argument).map_err(|e| format!("bad pattern {argument:?}: {e}"))?;
            matches.filter_map(Result::ok).collect()
        };
        if found.is_empty() {
            return Err(format!("{argument}: no test file found"));
        }
        out.extend(found.into_iter().filter(|p| seen.insert(p.clone())));
    }
    Ok(out)
}

/// Collects the files of a folder that are YAML and have a `tests:` key at the top.
fn test_files_below(folder: &Path, out: &mut Vec<PathBuf>, depth: usize) {
    const DEEPEST: usize = 32;
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() && depth < DEEPEST {
            test_files_below(&path, out, depth + 1);
        } else if path.extension().is_some_and(|e| e == "yml" || e == "yaml") {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            if text.lines().any(|l| l.starts_with("tests:")) {
                out.push(path);
            }
        }
    }
}

/// A counter on standard error, only where that is a terminal.
struct Progress {
    done: Mutex<usize>,
    total: usize,
    active: bool,
}

impl Progress {
    fn new(total: usize, wanted: bool) -> Self {
        Progress { done: Mutex::new(0), total, active: wanted && total > 1 && std::io::stderr().is_terminal() }
    }

    fn step(&self, file: &str) {
        let mut done = self.done.lock();
        *done += 1;
        if self.active {
            eprint!("\r\x1b[K{}/{} {file}", *done, self.total);
        }
    }

    fn clear(&self) {
        if self.active {
            eprint!("\r\x1b[K");
        }
    }
}
