//! Sends alerts on to external Alertmanagers, as Prometheus' notifier does: a bounded queue, batches, every Alertmanager
//! told side by side, nothing repeated on failure (the engine sends a firing alert again in time).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::Notify;

use crate::clock::Stopwatch;
use crate::instrument::{Collect, Exposition, Fails, Figure, Trouble, WorksAgain, counter, gauge};
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
    begun: Stopwatch,
    /// What fails, for the log and for whoever asks.
    troubles: Mutex<Troubles>,
}

#[derive(Default)]
struct Troubles {
    /// By Alertmanager, its URL without secrets.
    destinations: BTreeMap<String, Trouble>,
    /// Alerts that no Alertmanager is told of.
    dropping: Trouble,
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
            begun: Stopwatch::start(),
            troubles: Mutex::default(),
        }
    }

    /// Sets whom to tell from now on.
    pub fn set_destinations(&self, destinations: Vec<Destination>) {
        let known: BTreeSet<String> = destinations.iter().map(|d| redact_url(&d.url)).collect();
        let mut counts = self.counts.lock();
        counts.destinations.retain(|url, _| known.contains(url));
        self.troubles.lock().destinations.retain(|url, _| known.contains(url));
        for url in known {
            counts.destinations.entry(url).or_default();
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
        if excess > 0 {
            self.dropped(excess, "the queue is full");
        }
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
        if told.contains(&true) {
            self.works_again();
        } else {
            let why = if told.is_empty() { "no Alertmanager is known" } else { "no Alertmanager took them" };
            self.dropped(batch.len(), why);
        }
        true
    }

    fn dropped(&self, alerts: usize, error: &str) {
        let dropped = {
            let mut counts = self.counts.lock();
            counts.dropped += alerts as u64;
            counts.dropped
        };
        let told = self.troubles.lock().dropping.failed("", error, self.begun.elapsed());
        if let Some(Fails { seconds, .. }) = told {
            tracing::error!(
                alerts,
                dropped,
                error,
                for_seconds = seconds,
                "alerts were dropped; those that fire are sent again"
            );
        }
    }

    fn works_again(&self) {
        if let Some(WorksAgain { seconds, .. }) = self.troubles.lock().dropping.all_work(self.begun.elapsed()) {
            tracing::info!(after_seconds = seconds, "alerts are sent to Alertmanagers again");
        }
    }

    /// What became of a batch for one Alertmanager: counted, and told where that is news.
    fn note(&self, url: String, alerts: u64, result: &Result<(), String>) {
        let now = self.begun.elapsed();
        let mut counts = self.counts.lock();
        // It may have been taken out of the configuration meanwhile.
        let Some(counts) = counts.destinations.get_mut(&url) else { return };
        counts.sent += if result.is_ok() { alerts } else { 0 };
        counts.errors += if result.is_err() { alerts } else { 0 };
        let mut troubles = self.troubles.lock();
        let trouble = troubles.destinations.entry(url.clone()).or_default();
        match result {
            Ok(()) => {
                if let Some(WorksAgain { failures, seconds }) = trouble.all_work(now) {
                    tracing::info!(alertmanager = %url, failures, after_seconds = seconds, "alerts are sent again");
                }
            }
            Err(error) => {
                if let Some(Fails { failures, seconds, .. }) = trouble.failed("", error, now) {
                    tracing::warn!(alertmanager = %url, alerts, error, failures, for_seconds = seconds, "alerts were not sent");
                }
            }
        }
    }

    /// No Alertmanager is configured any more: nothing fails.
    pub fn stand_down(&self) {
        *self.troubles.lock() = Troubles::default();
    }

    /// Which Alertmanagers take no alerts now, by URL without secrets, and why; and why alerts are told to none, if so.
    pub fn failing(&self) -> (Vec<(String, String)>, Option<String>) {
        let troubles = self.troubles.lock();
        let of = |(url, trouble): (&String, &Trouble)| Some((url.clone(), trouble.error()?.to_owned()));
        (troubles.destinations.iter().filter_map(of).collect(), troubles.dropping.error().map(str::to_owned))
    }

    async fn tell(&self, destination: &Destination, batch: &[OutgoingAlert]) -> bool {
        let posted: Vec<Posted> = batch.iter().filter_map(|a| Posted::of(a, destination.relabel.as_ref())).collect();
        if posted.is_empty() {
            return true;
        }
        let (url, count) = (redact_url(&destination.url), posted.len() as u64);
        let result = post(destination, &posted).await;
        self.note(url, count, &result);
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
    use crate::net::HttpSettings;

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

    #[tokio::test]
    async fn who_takes_no_alerts_is_known_until_it_does_or_is_gone() {
        let to = |port: u16| Destination {
            url: format!("http://u:secret@127.0.0.1:{port}/api/v2/alerts"),
            client: HttpClient::new(&HttpSettings::default()).unwrap(),
            timeout: Duration::from_secs(10),
            relabel: None,
        };
        // Nobody listens where a listener was.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let forwarder = Forwarder::new(10, 10);
        assert_eq!(forwarder.failing(), (Vec::new(), None));
        forwarder.set_destinations(vec![to(port)]);
        forwarder.send(vec![alert(0)]);
        forwarder.drain().await;
        let (failing, dropping) = forwarder.failing();
        assert_eq!(dropping.as_deref(), Some("no Alertmanager took them"));
        assert!(failing.len() == 1 && !failing[0].0.contains("secret"), "{failing:?}");
        let counts = forwarder.counts();
        assert_eq!((counts.dropped, counts.destinations[&failing[0].0].errors), (1, 1));
        forwarder.set_destinations(Vec::new());
        assert_eq!((forwarder.failing().0, forwarder.counts().destinations.len()), (Vec::new(), 0));
        forwarder.send(vec![alert(1)]);
        forwarder.drain().await;
        assert_eq!(forwarder.failing().1.as_deref(), Some("no Alertmanager is known"));
    }
}
