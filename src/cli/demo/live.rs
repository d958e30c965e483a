//! After the play: a server over the fleet, in real time.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use crate::alerting::schedule;
use crate::cli::log::{self, LogFormat, LogLevel};
use crate::cli::signals::{asked_to_end, hangups};
use crate::clock::{Clock, SystemClock};
use crate::fleet::SCRAPE_INTERVAL;
use crate::history::History;
use crate::promql::Features;
use crate::service::{Delivery, Parts, Prepared, Service, ServiceError, ServiceOptions, Source};
use crate::state::MemoryStore;

use super::backfill::Stage;
use super::cast::Cast;

/// Serves until the process is asked to end. The fleet's series go on, and so do the engine's alerts.
///
/// # Errors
/// The service does not start, or stops.
pub fn serve(
    stage: Stage,
    cast: Cast,
    (store, history): (MemoryStore, Option<History>),
    listen: &str,
) -> Result<ExitCode, ServiceError> {
    log::init(LogFormat::Logfmt, LogLevel::Warn);
    let options = ServiceOptions {
        listen_addresses: vec![listen.to_owned()],
        source: Source::Demo,
        delivery: Delivery::Print,
        lifecycle: true,
        ..ServiceOptions::default()
    };
    let mut prepared =
        Prepared::read(&Source::Demo, Features::default(), Some(listen)).map_err(ServiceError::Config)?;
    prepared.alertmanager = Some((cast.routing, cast.routing_text));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let (end, reload) = (asked_to_end()?, hangups()?);
        let parts = Parts { storage: stage.storage().clone(), store: Arc::new(store), history, unrecorded: None };
        let service = Service::start(options, prepared, parts).await?;
        eprintln!("serving the fleet on http://{}; interrupt to end", service.address());
        let rows = tokio::spawn(go_on(Arc::new(stage)));
        let served = service.run(end, reload).await;
        rows.abort();
        served?;
        Ok(ExitCode::SUCCESS)
    })
}

/// Stores a row of the fleet whenever one is due; what was missed meanwhile is made up for.
async fn go_on(stage: Arc<Stage>) {
    let mut next = (SystemClock.now() / SCRAPE_INTERVAL + 1) * SCRAPE_INTERVAL;
    loop {
        let wait = u64::try_from(next - SystemClock.now()).unwrap_or(0);
        tokio::time::sleep(Duration::from_millis(wait)).await;
        let (at, stage) = (next, stage.clone());
        let stored = tokio::task::spawn_blocking(move || stage.row(at)).await;
        if let Ok(Err(e)) = stored {
            tracing::warn!(error = %e, "a row of the fleet was not stored");
        }
        next = schedule::due(next, SCRAPE_INTERVAL, next).1;
    }
}
