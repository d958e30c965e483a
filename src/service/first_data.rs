//! What rules over local data wait for after a start, and when it has come.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::config::Datasource;
use crate::engine::{DataAtStart, MOST_ROUNDS};
use crate::server::App;
use crate::tsdb::Tsdb;

use super::options::ServiceOptions;
use super::prepare::Prepared;

/// How long senders of remote write have to come back. Prometheus tries again after 5 s at most.
const REMOTE_WRITE: i64 = 15_000;
/// How often it is looked whether scrapes have been made.
const LOOK: Duration = Duration::from_millis(100);

/// How things stand with local data; `None` when rules have nothing to wait for. A pool whose targets are scraped less
/// often than the lookback never shows them all the time: it is not waited for.
pub(super) fn at_start(options: &ServiceOptions, prepared: &Prepared, storage: &Tsdb, now: i64) -> Option<DataAtStart> {
    if !matches!(prepared.config.watchbell.datasource, Datasource::Local) {
        return None;
    }
    let lookback = options.query.lookback;
    let pools = prepared.config.scrape_configs.iter();
    let pools = pools.map(|c| (c.scrape_interval.millis(), c.scrape_timeout.millis()));
    let pools = || pools.clone().filter(|(interval, _)| *interval <= lookback);
    let interval = pools().map(|(interval, _)| interval).max();
    let scraped = pools().map(|(interval, timeout)| interval + timeout).max().map(|round| {
        // A round may begin an interval after the start.
        (i64::from(MOST_ROUNDS) * round).min(lookback)
    });
    let newest = storage.stats().head_maxt.map_or(i64::MIN, |t| t.min(now));
    let sent = sent(options, newest).then_some(REMOTE_WRITE);
    let wait = scraped.max(sent)?;
    Some(DataAtStart { newest, lookback, interval: interval.unwrap_or(0), until: now + wait })
}

/// Whether senders of remote write are to be waited for: nobody comes back to an empty database.
fn sent(options: &ServiceOptions, newest: i64) -> bool {
    options.remote_write_receiver && newest != i64::MIN
}

/// Tells the engine of every round of scrapes, until none is waited for.
pub(super) async fn watch(app: Arc<App>, data: DataAtStart, options: ServiceOptions, mut ended: watch::Receiver<bool>) {
    let waiting = app.engine.with(|engine| engine.groups_without_data());
    if waiting == 0 {
        return;
    }
    let at_most = (data.until - app.clock.now()).max(0) / 1000;
    tracing::info!(groups = waiting, at_most_seconds = at_most, "rule groups wait for the first data since the start");
    let not_before = app.clock.now() + if sent(&options, data.newest) { REMOTE_WRITE } else { 0 };
    let mut seen = 0;
    while app.clock.now() < data.until && app.engine.with(|engine| engine.groups_without_data()) > 0 {
        tokio::select! {
            _ = ended.wait_for(|e| *e) => return,
            () = tokio::time::sleep(LOOK) => {}
        }
        let rounds = app.scrapes.rounds(data.lookback).min(u64::from(MOST_ROUNDS)) as u8;
        if rounds > seen && app.clock.now() >= not_before {
            seen = rounds;
            app.engine.data_came(rounds);
        }
    }
    tracing::info!("rule groups no longer wait for data");
}
