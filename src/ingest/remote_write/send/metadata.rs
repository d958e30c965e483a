//! What is known of metrics, for endpoints that are spoken to in 1.0: sent whole, now and then.

use std::sync::Arc;
use std::time::Duration;

use super::delivery::{Backoff, Verdict};
use super::progress::Progress;
use super::shard::Endpoint;
use crate::ingest::remote_write::Protocol;
use crate::ingest::remote_write::encode::encode_metadata;
use crate::tsdb::Metadata;

/// Tries of a request before its entries are left for the next time.
const TRIES: usize = 5;

/// Sends metadata for as long as the task lives.
pub(super) async fn send_metadata(endpoint: Arc<Endpoint>, progress: Arc<Progress>) {
    let settings = endpoint.settings.metadata.clone();
    let interval = Duration::from_millis(settings.interval.max(1_000).unsigned_abs());
    loop {
        tokio::time::sleep(interval).await;
        // In 2.0 each series brings its own.
        if endpoint.protocol() != Protocol::V1 {
            continue;
        }
        let all = endpoint.storage.all_metadata();
        let all: Vec<(String, Metadata)> =
            all.into_iter().filter_map(|(metric, known)| Some((metric, known.into_iter().next()?))).collect();
        for entries in all.chunks(settings.most.max(1)) {
            send(&endpoint, &progress, entries).await;
        }
    }
}

async fn send(endpoint: &Endpoint, progress: &Progress, entries: &[(String, Metadata)]) {
    let body = encode_metadata(entries);
    let queue = &endpoint.settings.queue;
    let mut backoff = Backoff::new(queue.min_backoff, queue.max_backoff);
    for _ in 0..TRIES {
        let (outcome, reason) = endpoint.post(Protocol::V1, body.clone(), progress).await;
        match outcome {
            Verdict::Sent => {
                progress.counters.metadata.add(entries.len() as u64);
                return;
            }
            Verdict::Retry { after } => {
                let pause = Duration::from_millis(backoff.pause(after).unsigned_abs());
                tokio::time::sleep(pause).await;
            }
            Verdict::Drop | Verdict::Encode => {
                let (remote, url) = (&progress.name, &progress.url);
                tracing::debug!(remote, url, reason, "remote write refused metadata");
                break;
            }
        }
    }
    progress.counters.metadata_failed.add(entries.len() as u64);
}
