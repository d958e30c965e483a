//! What is wrong with the storage now: writes that fail, maintenance that fails. DeliveredNotification once when it begins and once when it
//! ends, in the log; for readiness and metrics whenever they ask.

use parking_lot::Mutex;

use super::TsdbError;

/// The troubles of a database.
#[derive(Debug, Default)]
pub(super) struct Health {
    log: Trouble,
    maintenance: Trouble,
}

/// One thing that works, or does not.
#[derive(Debug, Default)]
struct Trouble(Mutex<Option<String>>);

impl Trouble {
    fn note<T>(&self, what: &str, result: &Result<T, TsdbError>) {
        let mut now = self.0.lock();
        match result {
            Ok(_) if now.is_none() => {}
            Ok(_) => {
                *now = None;
                tracing::info!("{what} works again");
            }
            Err(e) => {
                let text = e.to_string();
                if now.as_ref() != Some(&text) {
                    tracing::error!(error = %text, "{what} fails");
                    *now = Some(text);
                }
            }
        }
    }
}

impl Health {
    /// Notes how a write of the log went.
    pub(super) fn wrote(&self, result: &Result<(), TsdbError>) {
        self.log.note("writing samples to the log", result);
    }

    /// Notes how a maintenance went.
    pub(super) fn maintained(&self, result: &Result<(), TsdbError>) {
        self.maintenance.note("storage maintenance", result);
    }

    /// What is wrong now, if anything is.
    pub(super) fn trouble(&self) -> Option<String> {
        let log = self.log.0.lock().as_ref().map(|e| format!("samples are not written to the log: {e}"));
        log.or_else(|| self.maintenance.0.lock().as_ref().map(|e| format!("storage is not maintained: {e}")))
    }
}
