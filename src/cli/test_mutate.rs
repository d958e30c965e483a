//! `watchbell test mutate`: alterations of rules and routes that no test notices.

use std::io::Write;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde_json::json;

use crate::ruletest::mutate::{MutateError, Verdict, mutate};

use super::test_rules::{find_files, options};

/// Alter rules and routes one at a time, and tell which alterations no test notices.
///
/// Of rules: thresholds, operators, conditions (`and`, `or`, `unless`), `for`, `keep_firing_for`, labels. Of routing, where
/// a file has notification tests: routes, matchers, `continue`, `group_by`, inhibitions. Exit code 0: as many are noticed
/// as are asked for; 1: fewer, or tests fail as they are; 2: bad input.
#[derive(Args, Debug)]
pub struct TestMutate {
    /// Test files, folders that hold them (any .yml or .yaml file with a `tests:` key), or globs.
    #[arg(required = true, value_name = "FILE|DIR|GLOB")]
    files: Vec<String>,
    /// Only run tests whose name matches this regular expression; may be repeated.
    #[arg(long, value_name = "REGEX")]
    run: Vec<String>,
    /// The least share of alterations that tests must notice, per cent.
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0)]
    min: f64,
    /// What to print.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Accept unknown fields in test files and rule files.
    #[arg(long)]
    ignore_unknown_fields: bool,
    /// Comma-separated names of language features to switch on.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    enable_feature: Vec<String>,
}

/// What to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// One JSON object.
    Json,
}

impl TestMutate {
    /// Alters, runs, and prints what no test noticed.
    pub fn execute(&self) -> ExitCode {
        let prepared = options(&self.run, self.ignore_unknown_fields, &self.enable_feature)
            .and_then(|options| Ok((options, find_files(&self.files)?)));
        let (options, files) = match prepared {
            Ok(prepared) => prepared,
            Err(message) => {
                eprintln!("watchbell test mutate: {message}");
                return ExitCode::from(2);
            }
        };
        let verdict = match mutate(&files, &options) {
            Ok(verdict) => verdict,
            Err(MutateError::BadInput(defects)) => {
                defects.iter().for_each(|d| eprintln!("{d}"));
                return ExitCode::from(2);
            }
            Err(MutateError::Failing(file)) => {
                eprintln!("watchbell test mutate: {} fails as it is: see watchbell test rules", file.display());
                return ExitCode::FAILURE;
            }
        };
        let text = match self.format {
            Format::Text => text(&verdict),
            Format::Json => json_text(&verdict),
        };
        let written = std::io::stdout().lock().write_all(text.as_bytes());
        if written.is_err() || verdict.percent() < self.min { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }
}

fn text(verdict: &Verdict) -> String {
    let mut out = String::new();
    for alteration in verdict.unnoticed() {
        out.push_str(&format!("{}: {}: {}\n", alteration.file, alteration.of, alteration.what));
    }
    let (noticed, all) = (verdict.noticed(), verdict.alterations.len());
    out.push_str(&format!("{noticed} of {all} alterations noticed ({:.0} %)\n", verdict.percent().floor()));
    out
}

fn json_text(verdict: &Verdict) -> String {
    let unnoticed: Vec<_> =
        verdict.unnoticed().map(|a| json!({"file": &*a.file, "of": a.of, "alteration": a.what})).collect();
    let all = json!({
        "alterations": verdict.alterations.len(), "noticed": verdict.noticed(), "unnoticed": unnoticed,
    });
    format!("{all}\n")
}
