//! `watchbell test promql FILE...`: Prometheus' PromQL test scripts.

use std::io::{self, Write};
use std::path::PathBuf;

use crate::promql::script;

/// Runs scripts and reports every evaluation that does not come to what its script expects: line, query, expected
/// beside got. The last line counts. Returns the exit code: 0 when all passed, else 1.
///
/// # Errors
/// When the report cannot be written.
pub fn run(files: &[PathBuf], out: &mut dyn Write) -> io::Result<i32> {
    let (mut passed, mut failed) = (0, 0);
    for file in files {
        let name = file.display();
        let outcome = match std::fs::read_to_string(file) {
            Ok(text) => Ok(script::run(&text)),
            Err(e) => Err(e.to_string()),
        };
        match outcome {
            Ok(report) => {
                passed += report.passed;
                failed += report.failures.len();
                for failure in &report.failures {
                    write!(out, "{name}: {failure}")?;
                }
            }
            Err(e) => {
                failed += 1;
                writeln!(out, "{name}: {e}")?;
            }
        }
    }
    writeln!(out, "{passed} passed, {failed} failed")?;
    Ok(i32::from(failed > 0))
}
