//! `watchbell slo`: rules, and their tests, from a file of objectives.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::exit::{fail, written};
use crate::model::duration;
use crate::slo::{self, PERIODS};

/// Make burn-rate rules from objectives, and unit tests of their alerts.
///
/// Reads Sloth's prometheus/v1 and OpenSLO's openslo/v1. Prints the rules, or writes rules and tests into a folder.
/// Exit code 0: done; 1: something in the file cannot be done; nothing is written then.
#[derive(Args, Debug)]
pub struct Slo {
    /// The file of objectives.
    #[arg(value_name = "SPEC")]
    spec: PathBuf,
    /// Write NAME.rules.yaml and NAME.tests.yaml into this folder, NAME being the file's.
    #[arg(long, short, value_name = "DIR")]
    output: Option<PathBuf>,
    /// What a budget is for, in a file that does not say it.
    #[arg(long, value_name = "DURATION", default_value = "30d", value_parser = days)]
    period: u32,
}

/// A number of days as a duration.
fn days(text: &str) -> Result<u32, String> {
    let (least, most) = (PERIODS.start(), PERIODS.end());
    let millis = duration::parse(text)?;
    let days = u32::try_from(millis / 86_400_000).unwrap_or(0);
    match millis % 86_400_000 == 0 && PERIODS.contains(&days) {
        true => Ok(days),
        false => Err(format!("expected whole days from {least}d to {most}d")),
    }
}

impl Slo {
    /// Reads the file and writes what it comes to.
    pub fn execute(&self) -> ExitCode {
        let text = match std::fs::read_to_string(&self.spec) {
            Ok(text) => text,
            Err(e) => return fail(&format!("{}: {e}", self.spec.display())),
        };
        let spec = match slo::load_str(&self.spec.display().to_string(), &text, self.period) {
            Ok(spec) => spec,
            Err(defects) => {
                defects.iter().for_each(|defect| eprintln!("{defect}"));
                return ExitCode::FAILURE;
            }
        };
        spec.warnings.iter().for_each(|warning| eprintln!("{warning}"));
        let source = file_name(&self.spec);
        let rules = slo::write_rules(&spec.objectives, &source);
        let Some(folder) = &self.output else {
            return written(std::io::stdout().lock().write_all(rules.as_bytes()).map(|()| 0));
        };
        let stem = self.spec.file_stem().unwrap_or_default().to_string_lossy();
        let (rule_file, test_file) = (format!("{stem}.rules.yaml"), format!("{stem}.tests.yaml"));
        let tests = slo::write_tests(&spec.objectives, &rule_file, &source);
        for (name, text) in [(rule_file, rules), (test_file, tests)] {
            let path = folder.join(name);
            if let Err(e) = std::fs::write(&path, text) {
                return fail(&format!("{}: {e}", path.display()));
            }
            println!("{}", path.display());
        }
        ExitCode::SUCCESS
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
