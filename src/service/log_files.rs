//! The log files that a configuration names: opened anew whenever it is read, so that whoever rotates them reloads.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::datasource::query_log::QueryLog;
use crate::ingest::scrape::FailureLogs;
use crate::instrument::{Counter, LogFile, LogWriter};

use super::error::ServiceError;
use super::prepare::Prepared;

/// Most files of scrapes that failed.
const MOST_FILES: usize = 1_000;
/// How long the last lines have to be written when the service ends.
const PATIENCE: Duration = Duration::from_secs(2);

/// Who writes them.
pub(super) struct LogFiles {
    writer: LogWriter,
    /// Queries.
    pub queries: Arc<QueryLog>,
    /// Scrapes that failed.
    pub scrapes: Arc<FailureLogs>,
}

/// The files of a configuration, open.
pub(super) struct Opened {
    queries: Option<LogFile>,
    scrapes: HashMap<String, LogFile>,
}

impl LogFiles {
    /// No file yet.
    pub fn new(clock: Arc<dyn Clock>) -> Result<LogFiles, ServiceError> {
        Ok(LogFiles { writer: LogWriter::start()?, queries: Arc::new(QueryLog::new(clock)), scrapes: Arc::default() })
    }

    /// Opens what a configuration names.
    ///
    /// # Errors
    /// A file cannot be opened; there are too many.
    pub fn open(&self, prepared: &Prepared) -> Result<Opened, ServiceError> {
        let config = &prepared.config;
        let queries = Some(&config.global.query_log_file).filter(|path| !path.is_empty());
        let queries = queries.map(|path| self.open_one("query_log_file", path, &self.queries.failures)).transpose()?;
        let mut scrapes = HashMap::new();
        for path in config.scrape_configs.iter().map(|job| &job.scrape_failure_log_file).filter(|path| !path.is_empty())
        {
            if scrapes.contains_key(path) {
                continue;
            }
            if scrapes.len() == MOST_FILES {
                return Err(ServiceError::LogFiles(MOST_FILES));
            }
            let file = self.open_one("scrape_failure_log_file", path, &self.scrapes.failures)?;
            scrapes.insert(path.clone(), file);
        }
        Ok(Opened { queries, scrapes })
    }

    fn open_one(&self, key: &'static str, path: &str, failures: &Arc<Counter>) -> Result<LogFile, ServiceError> {
        let failed = |source| ServiceError::LogFile { key, path: path.to_owned(), source };
        self.writer.open(Path::new(path), failures.clone()).map_err(failed)
    }

    /// Writes to these from now on.
    pub fn put_in_force(&self, opened: Opened) {
        self.queries.write_to(opened.queries);
        self.scrapes.write_to(opened.scrapes);
    }

    /// Waits a moment for the last lines to be written.
    pub fn finish(&self) {
        self.writer.finish(PATIENCE);
    }
}
