//! Plots in messages: drawn before a message is rendered, waited for no longer than is good for a page, kept for the
//! attempts that follow and for whoever follows the link to one.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::clock::Clock;
use crate::instrument::{Collect, CounterVec, Exposition};
use crate::model::Labels;
use crate::plot::Picture;

use super::{Notification, NotifiedAlert};

/// The longest that a message waits for its plot.
const PATIENCE: Duration = Duration::from_secs(2);
/// Plots that are drawn at once.
const AT_ONCE: usize = 4;
/// Most plots that are kept, and most bytes of them.
const MOST_KEPT: usize = 256;
const MOST_BYTES: usize = 16 << 20;
/// Between two lines of the log about plots that messages go without, milliseconds.
const BETWEEN_LINES: i64 = 60_000;

/// What is to be drawn. Times are milliseconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject {
    /// The alerts, of whose first the rule is plotted.
    pub alerts: Vec<Sitter>,
    /// The latest time.
    pub until: i64,
    /// How much time is shown.
    pub range: i64,
}

/// One alert that is drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Sitter {
    /// Its labels.
    pub labels: Labels,
    /// What it says; empty where that is not known.
    pub summary: String,
    /// When it began; nothing where that is not known.
    pub starts_at: Option<i64>,
    /// Whether it has resolved.
    pub is_resolved: bool,
    /// When it resolved.
    pub ends_at: Option<i64>,
}

/// Most alerts that are looked at.
const MOST_ALERTS: usize = 64;

impl Subject {
    /// Of a notification: its alerts that our rules raised, those that fire first.
    pub fn of(notification: &Notification, range: i64) -> Subject {
        let sitter = |alert: &NotifiedAlert| Sitter {
            labels: alert.labels.clone(),
            summary: ["summary", "description"].iter().find_map(|n| alert.annotations.get(n)).unwrap_or("").to_owned(),
            starts_at: Some(alert.starts_at),
            is_resolved: alert.is_resolved(),
            ends_at: alert.ends_at,
        };
        // A posted alert has no value.
        let own = || notification.alerts.iter().filter(|alert| alert.value.is_some());
        let firing = own().filter(|alert| !alert.is_resolved());
        let resolved = own().filter(|alert| alert.is_resolved());
        let alerts = firing.chain(resolved).take(MOST_ALERTS).map(sitter).collect();
        Subject { alerts, until: notification.decided_at, range }
    }
}

/// Draws plots.
pub trait Artist: Send + Sync {
    /// Draws; nothing where nothing is known of the alerts' rule or of what it measured.
    fn draw(&self, subject: Subject) -> BoxFuture<'static, Result<Option<Picture>, String>>;
}

/// A plot in a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Illustration {
    /// The plot.
    pub picture: Arc<Picture>,
    /// Where it is served, below the server's address.
    pub path: String,
}

/// Which plot: a notification's, of so much time in milliseconds.
pub type PlotKey = (u64, i64);

/// What was drawn, the newest last.
#[derive(Default)]
struct Kept {
    /// Nothing: it was tried, and the message went without.
    plots: VecDeque<(PlotKey, Option<Arc<Picture>>)>,
    bytes: usize,
}

impl Kept {
    fn find(&self, key: PlotKey) -> Option<Option<Arc<Picture>>> {
        self.plots.iter().rev().find(|(k, _)| *k == key).map(|(_, picture)| picture.clone())
    }

    fn keep(&mut self, key: PlotKey, picture: Option<Arc<Picture>>) {
        self.plots.retain(|(k, _)| *k != key);
        self.plots.push_back((key, picture));
        let size = |picture: &Option<Arc<Picture>>| picture.as_ref().map_or(0, |p| p.size());
        self.bytes = self.plots.iter().map(|(_, picture)| size(picture)).sum();
        while self.plots.len() > MOST_KEPT || self.bytes > MOST_BYTES {
            let Some((_, gone)) = self.plots.pop_front() else { return };
            self.bytes = self.bytes.saturating_sub(size(&gone));
        }
    }
}

/// When the log last told of plots that messages go without, and how many there were since.
#[derive(Default)]
struct Told {
    at: Option<i64>,
    since: u64,
}

/// The plots of messages.
pub struct Plots {
    clock: Arc<dyn Clock>,
    artist: OnceLock<Arc<dyn Artist>>,
    /// How long a message waits.
    patience: Duration,
    turns: Semaphore,
    kept: Mutex<Kept>,
    told: Mutex<Told>,
    outcomes: CounterVec,
}

/// What became of a plot that a message was to have.
const OUTCOMES: [&str; 4] = ["drawn", "empty", "failed", "late"];

impl Plots {
    /// None is drawn until [`Plots::set_artist`] says by whom.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let help =
            "Plots that messages were to have, by what became of them; a message does without one that is not drawn.";
        let outcomes = CounterVec::new("watchbell_notification_plots_total", help, &["outcome"]);
        OUTCOMES.iter().for_each(|outcome| drop(outcomes.with(&[outcome])));
        Plots {
            clock,
            artist: OnceLock::new(),
            patience: PATIENCE,
            turns: Semaphore::new(AT_ONCE),
            kept: Mutex::default(),
            told: Mutex::default(),
            outcomes,
        }
    }

    /// Who draws from now on. Only the first is heard.
    pub fn set_artist(&self, artist: Arc<dyn Artist>) {
        let _ = self.artist.set(artist);
    }

    /// The plot of a notification, of so much time in milliseconds; nothing where the message is to go without. It is
    /// tried once for all attempts to deliver.
    pub async fn of(&self, notification: &Notification, range: i64) -> Option<Illustration> {
        let (key, subject) = ((notification.id, range), Subject::of(notification, range));
        if subject.alerts.is_empty() {
            return None;
        }
        let known = self.kept.lock().find(key);
        let picture = match known {
            Some(known) => known,
            None => {
                let drawn = self.draw(subject, self.patience).await;
                let picture = self.note(notification.id, drawn);
                self.kept.lock().keep(key, picture.clone());
                picture
            }
        };
        Some(Illustration { picture: picture?, path: path(key) })
    }

    /// A plot that is kept.
    pub fn kept(&self, key: PlotKey) -> Option<Arc<Picture>> {
        self.kept.lock().find(key).flatten()
    }

    /// Draws a plot for whoever follows the link to one that is not kept any more, and keeps it.
    ///
    /// # Errors
    /// It failed, or took too long.
    pub async fn redraw(&self, key: PlotKey, subject: Subject) -> Result<Option<Arc<Picture>>, String> {
        let drawn = self.draw(subject, self.patience * 5).await;
        let drawn = drawn.map_err(|failed| failed.to_string())?.map(Arc::new);
        if let Some(picture) = &drawn {
            self.kept.lock().keep(key, Some(picture.clone()));
        }
        Ok(drawn)
    }

    async fn draw(&self, subject: Subject, patience: Duration) -> Result<Option<Picture>, Failed> {
        let Some(artist) = self.artist.get() else { return Err(Failed::Error("the service has just started".into())) };
        let drawn = async {
            // Whoever waits for a turn loses patience, too.
            let _turn = self.turns.acquire().await;
            artist.draw(subject).await
        };
        match tokio::time::timeout(patience, drawn).await {
            Ok(drawn) => drawn.map_err(Failed::Error),
            Err(_) => Err(Failed::Late(patience)),
        }
    }

    /// Counts what became of a plot, and tells of failures.
    fn note(&self, id: u64, drawn: Result<Option<Picture>, Failed>) -> Option<Arc<Picture>> {
        let outcome = match &drawn {
            Ok(Some(_)) => "drawn",
            Ok(None) => "empty",
            Err(Failed::Error(_)) => "failed",
            Err(Failed::Late(_)) => "late",
        };
        self.outcomes.with(&[outcome]).inc();
        match drawn {
            Ok(picture) => picture.map(Arc::new),
            Err(failed) => {
                self.tell(id, &failed);
                None
            }
        }
    }

    fn tell(&self, notification: u64, failed: &Failed) {
        let now = self.clock.now();
        let since = {
            let mut told = self.told.lock();
            if told.at.is_some_and(|at| now.saturating_sub(at) < BETWEEN_LINES) {
                told.since += 1;
                return;
            }
            told.at = Some(now);
            std::mem::take(&mut told.since)
        };
        tracing::warn!(notification, reason = %failed, others = since, "a message goes without its plot");
    }
}

impl Collect for Plots {
    fn collect(&self, out: &mut Exposition) {
        self.outcomes.expose(out);
    }
}

/// Why there is no plot.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("{0}")]
    Error(String),
    #[error("it was not drawn within {} s", .0.as_secs())]
    Late(Duration),
}

/// Where a plot is served as a PNG.
fn path((id, range): PlotKey) -> String {
    format!("/watchbell/v1/plots/{id}.png?range={}", crate::model::duration::format(range))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::clock::VirtualClock;
    use crate::model::Reading;
    use crate::notify::{IntegrationId, Reason};

    /// Draws what it is told, and counts.
    struct Fake(Result<Option<Picture>, String>, AtomicUsize);

    impl Artist for Fake {
        fn draw(&self, subject: Subject) -> BoxFuture<'static, Result<Option<Picture>, String>> {
            self.1.fetch_add(1, Ordering::Relaxed);
            let drawn = self.0.clone();
            Box::pin(async move {
                match subject.range {
                    7 => std::future::pending().await,
                    _ => drawn,
                }
            })
        }
    }

    fn plots(drawn: Result<Option<Picture>, String>) -> (Plots, Arc<Fake>) {
        let plots = Plots::new(Arc::new(VirtualClock::at(0)));
        let fake = Arc::new(Fake(drawn, AtomicUsize::new(0)));
        plots.set_artist(fake.clone());
        (plots, fake)
    }

    fn picture(bytes: usize) -> Picture {
        Picture { svg: String::new(), png: vec![0; bytes], alt: String::new() }
    }

    fn notification(id: u64, value: Option<f64>) -> Notification {
        let alert = NotifiedAlert {
            labels: Labels::from_pairs([("alertname", "GpuHot")]),
            annotations: Labels::empty(),
            starts_at: 0,
            ends_at: None,
            generator_url: String::new(),
            value: value.map(Reading::of),
            resolved_value: None,
        };
        Notification {
            id,
            integration: IntegrationId { receiver: "r".into(), kind: "webhook".into(), index: 0 },
            group_key: "{}:{}".into(),
            group_labels: Labels::empty(),
            alerts: vec![alert],
            reason: Reason::FirstNotification,
            decided_at: 0,
            instead_of: None,
            place: None,
        }
    }

    #[tokio::test]
    async fn a_plot_is_tried_once_for_all_attempts() {
        for (drawn, there) in [(Ok(Some(picture(10))), true), (Ok(None), false), (Err("no".into()), false)] {
            let (plots, fake) = plots(drawn);
            for _ in 0..3 {
                let shown = plots.of(&notification(1, Some(1.0)), 10_800_000).await;
                assert_eq!(shown.map(|s| s.path), there.then(|| "/watchbell/v1/plots/1.png?range=3h".to_owned()));
            }
            assert_eq!((fake.1.load(Ordering::Relaxed), plots.kept((1, 10_800_000)).is_some()), (1, there));
        }
    }

    #[tokio::test]
    async fn alerts_of_others_have_no_plot() {
        let (plots, fake) = plots(Ok(Some(picture(10))));
        assert_eq!(plots.of(&notification(1, None), 5).await, None);
        assert_eq!(fake.1.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn a_message_does_not_wait_for_a_plot_that_takes_long() {
        let (plots, _) = plots(Ok(Some(picture(10))));
        let plots = Plots { patience: Duration::from_millis(1), ..plots };
        assert_eq!(plots.of(&notification(1, Some(1.0)), 7).await, None);
        assert_eq!(plots.outcomes.with(&["late"]).get(), 1);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut kept = Kept::default();
        for id in 0..2_000 {
            kept.keep((id, 1), Some(Arc::new(picture(10))));
        }
        assert_eq!((kept.plots.len(), kept.bytes), (MOST_KEPT, 10 * MOST_KEPT));
        kept.keep((9_999, 1), Some(Arc::new(picture(MOST_BYTES - 5))));
        assert_eq!(kept.plots.len(), 1);
        assert!(kept.find((9_999, 1)).flatten().is_some() && kept.find((1, 1)).is_none());
    }
}
