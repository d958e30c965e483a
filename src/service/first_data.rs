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
    Some(DataAtStart { newest, lookback, interval: interval.unwrap_or(0), patience: wait })
}

/// Whether senders of remote write are to be waited for: nobody comes back to an empty database.
fn sent(options: &ServiceOptions, newest: i64) -> bool {
    options.remote_write_receiver && newest != i64::MIN
}

/// Tells the engine of every round of scrapes while data is waited for: after the start, and whenever the machine slept or
/// the clock leapt.
pub(super) async fn watch(app: Arc<App>, data: DataAtStart, options: ServiceOptions, mut ended: watch::Receiver<bool>) {
    let mut wait = Wait::default();
    loop {
        match app.engine.view().waits_for_data_since() {
            Some(since) => wait.look(since, &app, &data, &options),
            None => wait.end(),
        }
        tokio::select! {
            _ = ended.wait_for(|e| *e) => return,
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

/// One wait for data.
#[derive(Default)]
struct Wait {
    since: Option<i64>,
    seen: u8,
    is_told: bool,
    // Not the first: rounds that were made before it do not count.
    again: bool,
}

impl Wait {
    fn look(&mut self, since: i64, app: &App, data: &DataAtStart, options: &ServiceOptions) {
        if self.since != Some(since) {
            self.begin(since, app, data);
        }
        let not_before = since + if sent(options, data.newest) { REMOTE_WRITE } else { 0 };
        let rounds = app.scrapes.rounds(data.lookback).min(u64::from(MOST_ROUNDS)) as u8;
        if rounds > self.seen && app.clock.now() >= not_before {
            self.seen = rounds;
            app.engine.data_came(rounds);
        }
    }

    fn begin(&mut self, since: i64, app: &App, data: &DataAtStart) {
        (self.since, self.seen) = (Some(since), 0);
        if std::mem::replace(&mut self.again, true) {
            app.scrapes.count_rounds_anew();
        }
        let groups = app.engine.with(|engine| engine.groups_without_data());
        if groups > 0 {
            self.is_told = true;
            let at_most = data.patience / 1000;
            tracing::info!(
                groups,
                at_most_seconds = at_most,
                "rule groups wait for data: nothing was scraped until now"
            );
        }
    }

    fn end(&mut self) {
        self.since = None;
        if std::mem::take(&mut self.is_told) {
            tracing::info!("rule groups no longer wait for data");
        }
    }
}
