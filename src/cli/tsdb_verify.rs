//! `watchbell tsdb verify`: what is damaged in a database, and what can be read of it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use crate::tsdb::verify::{Verification, VerifiedFile, verify};

use super::exit::{fail, written};

/// Look at the files of a database: what is damaged, what can be read, what a repair would keep. Changes nothing.
///
/// Exits with 1 when something is damaged or missing.
#[derive(Args, Debug)]
pub struct TsdbVerify {
    /// The data directory of a service, or the database's own in it.
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl TsdbVerify {
    /// Looks, and prints what it found.
    pub fn execute(&self) -> ExitCode {
        let found = match verify(&database_in(&self.dir)) {
            Ok(found) => found,
            Err(e) => return fail(&e),
        };
        let text = if self.json { serde_json::to_string_pretty(&found).unwrap_or_default() } else { table(&found) };
        written(writeln!(std::io::stdout(), "{}", text.trim_end()).map(|()| i32::from(found.damaged)))
    }
}

/// The database in a service's data directory, or the directory itself.
fn database_in(dir: &Path) -> PathBuf {
    let inner = dir.join("tsdb");
    if inner.join("wal").is_dir() { inner } else { dir.to_owned() }
}

fn table(found: &Verification) -> String {
    let head = ["FILE", "BYTES", "SERIES", "SAMPLES", "LOST", "A REPAIR KEEPS"].map(str::to_owned);
    let row = |f: &VerifiedFile| {
        let numbers = [f.bytes, f.series, f.samples, f.samples_lost].map(|n| n.to_string());
        let [bytes, series, samples, lost] = numbers;
        [f.file.clone(), bytes, series, samples, lost, f.kept.clone()]
    };
    let rows: Vec<[String; 6]> = std::iter::once(head).chain(found.files.iter().map(row)).collect();
    let width = |i: usize| rows.iter().filter_map(|r| r.get(i)).map(|c| c.chars().count()).max().unwrap_or(0);
    let mut out = String::new();
    for (n, [file, bytes, series, samples, lost, kept]) in rows.iter().enumerate() {
        out.push_str(&format!(
            "{file:<f$}  {bytes:>b$}  {series:>s$}  {samples:>n$}  {lost:>l$}  {kept}\n",
            f = width(0),
            b = width(1),
            s = width(2),
            n = width(3),
            l = width(4),
        ));
        let damages = n.checked_sub(1).and_then(|n| found.files.get(n)).map_or(&[][..], |f| &f.damages);
        damages.iter().for_each(|d| out.push_str(&format!("    damaged: {d}\n")));
    }
    if found.in_use {
        out.push_str("a process has this database open: the newest segment was not judged\n");
    }
    let damaged = found.files.iter().filter(|f| !f.damages.is_empty()).count();
    out.push_str(&match damaged {
        0 => "nothing is damaged\n".to_owned(),
        n => format!("{n} of {} files are damaged or gone; opening the database repairs it\n", found.files.len()),
    });
    out
}
