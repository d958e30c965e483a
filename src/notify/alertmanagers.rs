//! Sends alerts on to external Alertmanagers, as Prometheus' notifier does: a bounded queue, batches, every Alertmanager
//! told side by side, nothing repeated on failure (the engine sends a firing alert again in time).

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::Notify;

use crate::instrument::{Collect, Exposition, Figure, counter, gauge};
use crate::model::Labels;
use crate::model::time::rfc3339_millis;
use crate::net::{HttpClient, redact_url};

/// An alert as it leaves for an external Alertmanager. Times are milliseconds.
#[derive(Clone, Debug, PartialEq)]
pub struct OutgoingAlert {
    /// Labels, external ones included, relabelled.
    pub labels: Labels,
    /// Rendered annotations.
    pub annotations: Labels,
    /// When it fired.
    pub starts_at: i64,
    /// When it resolved, or until when it is to be believed.
    pub ends_at: i64,
    /// Link to the expression that raised it.
    pub generator_url: String,
}

/// A function from an alert's labels to those one set of Alertmanagers sees; `None` drops the alert.
pub type SetRelabel = Arc<dyn Fn(&Labels) -> Option<Labels> + Send + Sync>;

/// One Alertmanager.
#[derive(Clone)]
pub struct Destination {
    /// Its `/api/v2/alerts`, complete.
    pub url: String,
    /// How to reach it.
    pub client: HttpClient,
    /// How long one request may take.
    pub timeout: Duration,
    /// The set's `alert_relabel_configs`.
    pub relabel: Option<SetRelabel>,
}

/// Counts for one Alertmanager.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DestinationCounts {
    /// Alerts sent.
    pub sent: u64,
    /// Alerts that could not be sent.
    pub errors: u64,
}

/// Counts of the forwarder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ForwarderCounts {
    /// Alerts dropped: the queue was full, or no Alertmanager took them.
    pub dropped: u64,
    /// Alerts that wait.
    pub queued: usize,
    /// Alerts that may wait.
    pub capacity: usize,
    /// Alertmanagers there are.
    pub discovered: usize,
    /// By Alertmanager, its URL without secrets.
    pub destinations: BTreeMap<String, DestinationCounts>,
}

/// The queue in front of the Alertmanagers.
pub struct Forwarder {
    queue: Mutex<VecDeque<OutgoingAlert>>,
    capacity: usize,
    batch: usize,
    wake: Notify,
    /// Held while a batch is under way.
    sending: tokio::sync::Mutex<()>,
    destinations: ArcSwap<Vec<Destination>>,
    counts: Mutex<ForwarderCounts>,
}

impl Forwarder {
    /// A forwarder without Alertmanagers yet. `capacity` bounds the queue (Prometheus: 10000), `batch` a request
    /// (Prometheus: 256).
    pub fn new(capacity: usize, batch: usize) -> Self {
        Forwarder {
            queue: Mutex::new(VecDeque::new()),
            capacity: capacity.max(1),
            batch: batch.max(1),
            wake: Notify::new(),
            sending: tokio::sync::Mutex::default(),
            destinations: ArcSwap::default(),
            counts: Mutex::default(),
        }
    }

    /// Sets whom to tell from now on.
    pub fn set_destinations(&self, destinations: Vec<Destination>) {
        let mut counts = self.counts.lock();
        for destination in &destinations {
            counts.destinations.entry(redact_url(&destination.url)).or_default();
        }
        drop(counts);
        self.destinations.store(Arc::new(destinations));
    }

    /// Takes alerts in. When they are too many, the oldest are dropped.
    pub fn send(&self, alerts: Vec<OutgoingAlert>) {
        let mut queue = self.queue.lock();
        queue.extend(alerts);
        let excess = queue.len().saturating_sub(self.capacity);
        queue.drain(..excess);
        drop(queue);
        self.counts.lock().dropped += excess as u64;
        self.wake.notify_one();
    }

    /// Sends what is queued, for ever.
    pub async fn run(&self) {
        loop {
            self.wake.notified().await;
            self.drain().await;
        }
    }

    /// Sends all that waits, what is under way included.
    pub async fn drain(&self) {
        while self.send_batch().await {}
    }

    /// Sends one batch. Returns whether there was one.
    pub async fn send_batch(&self) -> bool {
        let _turn = self.sending.lock().await;
        let batch: Vec<OutgoingAlert> = {
            let mut queue = self.queue.lock();
            let count = queue.len().min(self.batch);
            queue.drain(..count).collect()
        };
        if batch.is_empty() {
            return false;
        }
        let destinations = self.destinations.load_full();
        let told = futures::future::join_all(destinations.iter().map(|d| self.tell(d, &batch))).await;
        if !told.contains(&true) {
            self.counts.lock().dropped += batch.len() as u64;
        }
        true
    }

    async fn tell(&self, destination: &Destination, batch: &[OutgoingAlert]) -> bool {
        let posted: Vec<Posted> = batch.iter().filter_map(|a| Posted::of(a, destination.relabel.as_ref())).collect();
        if posted.is_empty() {
            return true;
        }
        let (url, count) = (redact_url(&destination.url), posted.len() as u64);
        let result = post(destination, &posted).await;
        if let Err(reason) = &result {
            tracing::warn!(alertmanager = %url, alerts = count, error = %reason, "alerts were not sent");
        }
        let mut counts = self.counts.lock();
        let counts = counts.destinations.entry(url).or_default();
        counts.sent += if result.is_ok() { count } else { 0 };
        counts.errors += if result.is_err() { count } else { 0 };
        result.is_ok()
    }

    /// Counts for metrics.
    pub fn counts(&self) -> ForwarderCounts {
        ForwarderCounts {
            queued: self.queue.lock().len(),
            capacity: self.capacity,
            discovered: self.destinations.load().len(),
            ..self.counts.lock().clone()
        }
    }
}

const DESTINATION: [Figure<DestinationCounts>; 2] = [
    counter("watchbell_notifications_sent_total", "Total number of alerts sent.", |c| c.sent as f64),
    counter("watchbell_notifications_errors_total", "Total number of sent alerts affected by errors.", |c| {
        c.errors as f64
    }),
];

const QUEUE: [Figure<ForwarderCounts>; 4] = [
    counter(
        "watchbell_notifications_dropped_total",
        "Total number of alerts dropped due to errors when sending to Alertmanager.",
        |c| c.dropped as f64,
    ),
    gauge("watchbell_notifications_queue_length", "The number of alert notifications in the queue.", |c| {
        c.queued as f64
    }),
    gauge("watchbell_notifications_queue_capacity", "The capacity of the alert notifications queue.", |c| {
        c.capacity as f64
    }),
    gauge("watchbell_notifications_alertmanagers_discovered", "The number of external Alertmanagers.", |c| {
        c.discovered as f64
    }),
];

impl Collect for Forwarder {
    fn collect(&self, out: &mut Exposition) {
        let counts = self.counts();
        let destinations = counts.destinations.iter().map(|(url, c)| (vec![("alertmanager", url.as_str())], c));
        out.figures_by(&DESTINATION, &destinations.collect::<Vec<_>>());
        out.figures(&QUEUE, &counts);
    }
}

async fn post(destination: &Destination, posted: &[Posted]) -> Result<(), String> {
    let body = serde_json::to_vec(posted).map_err(|e| e.to_string())?;
    let request = destination.client.request(reqwest::Method::POST, &destination.url).map_err(|e| e.to_string())?;
    let request = request.header("content-type", "application/json").body(body).timeout(destination.timeout);
    match destination.client.send(request).await {
        Ok(response) if response.status().is_success() => Ok(()),
        Ok(response) => Err(format!("bad response status {}", response.status())),
        Err(e) => Err(e.to_string()),
    }
}

/// An alert in the form of `POST /api/v2/alerts`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Posted {
    annotations: Labels,
    ends_at: String,
    starts_at: String,
    #[serde(rename = "generatorURL")]
    generator_url: String,
    labels: Labels,
}

impl Posted {
    fn of(alert: &OutgoingAlert, relabel: Option<&SetRelabel>) -> Option<Self> {
        let labels = match relabel {
            Some(relabel) => relabel(&alert.labels)?,
            None => alert.labels.clone(),
        };
        Some(Posted {
            annotations: alert.annotations.clone(),
            ends_at: rfc3339_millis(alert.ends_at),
            starts_at: rfc3339_millis(alert.starts_at),
            generator_url: alert.generator_url.clone(),
            labels,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(n: i64) -> OutgoingAlert {
        OutgoingAlert {
            labels: Labels::from_pairs([("alertname", "حرارة"), ("n", &n.to_string())]),
            annotations: Labels::from_pairs([("summary", "s")]),
            starts_at: 1_700_000_000_123,
            ends_at: 1_700_000_060_000 + n,
            generator_url: "http://w/graph?g0.expr=up&g0.tab=1".into(),
        }
    }

    #[test]
    fn alerts_are_posted_in_the_form_of_the_api() {
        let keep = |labels: &Labels| Some(labels.without(&["n"]));
        let relabel: SetRelabel = Arc::new(keep);
        let posted = Posted::of(&alert(0), Some(&relabel)).unwrap();
        let want = concat!(
            r#"{"annotations":{"summary":"s"},"endsAt":"2023-11-14T22:14:20.000Z","startsAt":"2023-11-14T22:13:20.123Z","#,
            r#""generatorURL":"http://w/graph?g0.expr=up&g0.tab=1","labels":{"alertname":"حرارة"}}"#
        );
        assert_eq!(serde_json::to_string(&posted).unwrap(), want);
        let drop: SetRelabel = Arc::new(|_: &Labels| None);
        assert!(Posted::of(&alert(0), Some(&drop)).is_none());
    }

    #[tokio::test]
    async fn a_full_queue_drops_the_oldest_and_nobody_to_tell_drops_the_rest() {
        let forwarder = Forwarder::new(3, 2);
        forwarder.send((0..5).map(alert).collect());
        let queued: Vec<i64> = forwarder.queue.lock().iter().map(|a| a.ends_at % 1000).collect();
        assert_eq!((queued, forwarder.counts().dropped), (vec![2, 3, 4], 2));
        assert!(forwarder.send_batch().await);
        assert_eq!((forwarder.counts().queued, forwarder.counts().dropped), (1, 4));
        assert!(forwarder.send_batch().await && !forwarder.send_batch().await);
        forwarder.send((0..3).map(alert).collect());
        forwarder.drain().await;
        assert_eq!(forwarder.counts().queued, 0);
    }
}
