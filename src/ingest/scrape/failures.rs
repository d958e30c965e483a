//! Logs of scrapes that failed (`scrape_failure_log_file`): a line of JSON each, with Prometheus' fields.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use serde::Serialize;

use crate::instrument::{Counter, LogFile};
use crate::model::time::rfc3339_millis;

/// The logs, by the file that the configuration names.
#[derive(Debug, Default)]
pub struct FailureLogs {
    files: ArcSwap<HashMap<String, LogFile>>,
    /// Lines that could not be written.
    pub failures: Arc<Counter>,
}

#[derive(Serialize)]
struct Line<'a> {
    time: String,
    level: &'static str,
    source: &'static str,
    msg: &'a str,
    job_name: &'a str,
    target: &'a str,
}

impl FailureLogs {
    /// Writes to these files from now on.
    pub fn write_to(&self, files: HashMap<String, LogFile>) {
        self.files.store(Arc::new(files));
    }

    /// Notes a scrape that failed at `at` in the file that the job names, if any.
    pub(super) fn note(&self, file: &str, job_name: &str, target: &str, at: i64, error: &str) {
        let files = self.files.load();
        let Some(file) = files.get(file) else { return };
        let (time, source) = (rfc3339_millis(at), concat!("failures.rs:", line!()));
        match serde_json::to_string(&Line { time, level: "ERROR", source, msg: error, job_name, target }) {
            Ok(line) => file.append(line),
            Err(_) => self.failures.inc(),
        }
    }
}
