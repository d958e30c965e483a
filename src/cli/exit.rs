//! How a command ends: its exit code, and why it failed.

use std::process::ExitCode;

use crate::model::Diagnostic;

/// The exit code of something that writes to standard output.
pub(super) fn written(result: std::io::Result<i32>) -> ExitCode {
    match result {
        Ok(code) => ExitCode::from(u8::try_from(code).unwrap_or(1)),
        // The reader has seen enough.
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(e) => fail(&e),
    }
}

/// Says on standard error why a command failed.
pub(super) fn fail(error: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("watchbell: {error}");
    ExitCode::FAILURE
}

/// Defects, a line each.
pub(super) fn lines(defects: &[Diagnostic]) -> String {
    defects.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
