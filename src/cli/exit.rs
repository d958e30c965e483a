//! How a command ends: its exit code, and why it failed.

use std::path::Path;
use std::process::ExitCode;

use crate::config::read_text;
use crate::model::{Diagnostic, excerpt};

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

/// Ends of keys and beginnings of values whose lines may hold a secret.
const SECRETS: [&str; 13] = [
    "password:",
    "secret:",
    "secrets:",
    "token:",
    "credentials:",
    "key:",
    "url:",
    "dsn:",
    "yaml:",
    "yml:",
    "$2a$",
    "$2b$",
    "$2y$",
];

/// A defect, and below it the line of its file with the spot underlined, unless that may hold a secret: what is told ends in
/// logs.
pub(super) fn pointed_out(defect: &Diagnostic) -> String {
    let at = defect.position;
    let text = match at.line {
        0 => None,
        _ => read_text(Path::new(&*defect.file)).ok(),
    };
    let lines = text.and_then(|text| excerpt(&text, at, at, ("", "")));
    let is_shown = |lines: &String| {
        let plain = lines.to_ascii_lowercase().replace(['"', '\''], "");
        !SECRETS.iter().any(|secret| plain.contains(secret))
    };
    let lines = lines.filter(is_shown).unwrap_or_default();
    format!("{defect}\n{lines}").trim_end().to_owned()
}

/// Defects, a line each.
pub(super) fn lines(defects: &[Diagnostic]) -> String {
    defects.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
