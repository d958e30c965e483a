//! `watchbell test capture`: a test file from an incident.

use std::io::Write;
use std::path::{Component, Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use crate::backtest::Window;
use crate::backtest::capture::{Capture, Captured, before, capture};
use crate::model::time::rfc3339;
use crate::promql::Features;
use crate::server::time::parse_time;

use super::arguments::duration_arg;
use super::backtest::load::Texts;
use super::backtest::source::SourceArgs;
use super::exit::{fail, written};

/// Write a test file of what rules did in a real incident, in promtool's format.
///
/// It holds the series that the rules read, and expects the alerts that fire over them: before the first one, whenever one
/// fires or ends, and at the end. It passes as it is written. What it leaves out is said in its first lines and on standard
/// error.
#[derive(Args, Debug)]
pub struct TestCapture {
    /// Rule files and globs.
    #[arg(long, required = true, value_name = "FILE", num_args = 1..)]
    rules: Vec<String>,
    #[command(flatten)]
    source: SourceArgs,
    /// The beginning, RFC 3339 or seconds. Samples are taken from as long before as the rules look back, a day at most.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    from: i64,
    /// The end, RFC 3339 or seconds.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    to: i64,
    /// The test file [default: standard output, with rule files as seen from here].
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// How often the test evaluates its rules [default: as the most frequent group, or 1m].
    #[arg(long, value_name = "DURATION", value_parser = duration_arg)]
    evaluation_interval: Option<i64>,
    /// The time between its samples [default: as they were scraped].
    #[arg(long, value_name = "DURATION", value_parser = duration_arg)]
    interval: Option<i64>,
    /// Replace the values of labels, the same by the same, but for those that the rules name.
    #[arg(long)]
    anonymize: bool,
    /// The most series; beyond them those are left out that share least with the alerts that fired.
    #[arg(long, value_name = "N", default_value_t = 500)]
    max_series: usize,
    /// The most samples of all series together.
    #[arg(long, value_name = "N", default_value_t = 500_000)]
    max_samples: usize,
    /// Comma-separated names of language features to switch on.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    enable_feature: Vec<String>,
}

/// Prometheus' `evaluation_interval` where nothing is said.
const INTERVAL: i64 = 60_000;
/// The longest time that is captured: a week.
const LONGEST: i64 = 7 * 86_400_000;

impl TestCapture {
    /// Reads, plays and writes.
    pub fn execute(&self) -> ExitCode {
        let captured = match self.capture() {
            Ok(captured) => captured,
            Err(e) => return fail(&e),
        };
        captured.notes.iter().for_each(|note| eprintln!("watchbell: {note}"));
        let Some(path) = &self.output else {
            return written(std::io::stdout().write_all(captured.text.as_bytes()).map(|()| 0));
        };
        if let Err(e) = std::fs::write(path, &captured.text) {
            return fail(&format!("{}: {e}", path.display()));
        }
        let Captured { series, expectations, .. } = captured;
        println!("{}: {series} series, {expectations} expectations", path.display());
        ExitCode::SUCCESS
    }

    fn capture(&self) -> Result<Captured, String> {
        let window = self.window()?;
        if self.interval.into_iter().chain(self.evaluation_interval).any(|d| d <= 0) {
            return Err("--interval and --evaluation-interval must be positive".to_owned());
        }
        let mut features = Features::default();
        for note in features.enable_all(self.enable_feature.iter().map(String::as_str)) {
            eprintln!("{note}");
        }
        let texts = Texts::read(&self.rules, None)?;
        let groups = texts.load(features, self.evaluation_interval.unwrap_or(INTERVAL))?.groups;
        let most_frequent = groups.iter().map(|g| g.interval).min().unwrap_or(INTERVAL);
        let earliest = window.from.saturating_sub(before(&groups));
        let source = self.source.open(Some(earliest), Some(window.to), &groups)?;
        let base = self.output.as_deref().and_then(Path::parent).unwrap_or(Path::new(""));
        let rule_files = texts.rules.iter().map(|(name, _)| seen_from(base, Path::new(name))).collect();
        let what = Capture {
            groups,
            rule_files,
            window,
            evaluation_interval: self.evaluation_interval.unwrap_or(most_frequent),
            interval: self.interval,
            anonymize: self.anonymize,
            max_series: self.max_series,
            max_samples: self.max_samples,
            features,
            // Its name is one too.
            source: if self.anonymize { "an incident".to_owned() } else { self.source.name() },
        };
        capture(&*source.series, &what)
    }

    fn window(&self) -> Result<Window, String> {
        let (from, to) = (self.from, self.to);
        match to.saturating_sub(from) {
            length if length <= 0 => {
                Err(format!("the end, {}, lies before the beginning, {}", rfc3339(to), rfc3339(from)))
            }
            length if length > LONGEST => {
                Err(format!("expected at most a week, found {} to {}", rfc3339(from), rfc3339(to)))
            }
            _ => Ok(Window { from, to }),
        }
    }
}

/// A file's path from a folder.
fn seen_from(base: &Path, file: &Path) -> String {
    let whole = |path: &Path| path.canonicalize().ok();
    let base = if base.as_os_str().is_empty() { Path::new(".") } else { base };
    let (Some(from), Some(to)) = (whole(base), whole(file)) else { return file.display().to_string() };
    let shared = from.components().zip(to.components()).take_while(|(a, b)| a == b).count();
    let up = from.components().skip(shared).map(|_| Component::ParentDir);
    let path: PathBuf = up.chain(to.components().skip(shared)).collect();
    path.display().to_string()
}
