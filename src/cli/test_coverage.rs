//! `watchbell test rules --coverage`: what the tests reached.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::ruletest::FileOutcome;
use crate::ruletest::coverage::{Coverage, html, report};

/// What of coverage is wanted. Each of these flags switches it on.
#[derive(Args, Debug)]
pub struct CoverageFlags {
    /// Tell what no test reached: rules, alerts' transitions, sides of `and`, `or` and `unless`, routes, receivers,
    /// inhibitions, templates.
    #[arg(long)]
    coverage: bool,
    /// Exit with 1 when tests reach less than this share, per cent.
    #[arg(long, value_name = "PERCENT", value_parser = share)]
    coverage_min: Option<f64>,
    /// Also write the coverage as one JSON object to this file.
    #[arg(long, value_name = "FILE")]
    coverage_json: Option<PathBuf>,
    /// Also write it as LCOV.
    #[arg(long, value_name = "FILE")]
    coverage_lcov: Option<PathBuf>,
    /// Also write it as an HTML page with the source of rules and templates.
    #[arg(long, value_name = "FILE")]
    coverage_html: Option<PathBuf>,
}

fn share(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|share| (0.0..=100.0).contains(share)).ok_or_else(|| "expected 0 to 100".to_owned())
}

impl CoverageFlags {
    /// Whether coverage is asked for.
    pub fn is_on(&self) -> bool {
        let CoverageFlags { coverage, coverage_min, coverage_json, coverage_lcov, coverage_html } = self;
        *coverage
            || coverage_min.is_some()
            || [coverage_json, coverage_lcov, coverage_html].into_iter().any(Option::is_some)
    }

    /// The coverage of all files together.
    pub fn of(outcomes: &[FileOutcome]) -> Coverage {
        let mut all = Coverage::default();
        outcomes.iter().for_each(|outcome| all.merge(&outcome.coverage));
        all
    }

    /// Writes the files that are asked for.
    pub fn write(&self, coverage: &Coverage) -> Result<(), String> {
        let write = |path: &Option<PathBuf>, text: &dyn Fn() -> String| match path {
            Some(path) => std::fs::write(path, text()).map_err(|e| told(path, &e)),
            None => Ok(()),
        };
        write(&self.coverage_json, &|| format!("{}\n", report::json(coverage)))?;
        write(&self.coverage_lcov, &|| report::lcov(coverage))?;
        write(&self.coverage_html, &|| html(coverage))
    }

    /// Whether as much is reached as is asked for; says on standard error when it is not.
    pub fn is_enough(&self, coverage: &Coverage) -> bool {
        let percent = coverage.percent();
        let Some(least) = self.coverage_min.filter(|least| percent < *least) else { return true };
        let found = (percent * 10.0).floor() / 10.0;
        eprintln!("watchbell test rules: tests reach {found} %, --coverage-min asks for {least} %");
        false
    }
}

fn told(path: &Path, e: &std::io::Error) -> String {
    format!("{}: {e}", path.display())
}
