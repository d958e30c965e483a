//! The endpoints of a configuration, and the shards that send.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use super::RemoteWriteSettings;
use super::feed::Feeder;
use super::metadata::send_metadata;
use super::metrics::{ENDPOINT, SendCounters};
use super::progress::Progress;
use super::shard::Endpoint;
use crate::clock::Clock;
use crate::instrument::{Collect, Exposition};
use crate::net::{HttpClient, NetError, redact_url};
use crate::tsdb::{Tsdb, TsdbError};

struct Writer {
    settings: Arc<RemoteWriteSettings>,
    /// The name under which it follows the log.
    follower: String,
    progress: Arc<Progress>,
    give_up: watch::Sender<bool>,
    /// Done when all is sent, or given up.
    sending: Option<JoinHandle<()>>,
    metadata: Option<JoinHandle<()>>,
}

impl Writer {
    /// Ends once what is in the log has been sent.
    fn end(&self) {
        self.metadata.iter().for_each(JoinHandle::abort);
        self.progress.ending.store(true, Ordering::Relaxed);
    }

    /// Ends now. What was not sent stays in the log.
    fn give_up(&self) {
        self.metadata.iter().for_each(JoinHandle::abort);
        self.progress.given_up.store(true, Ordering::Relaxed);
        self.progress.queues().iter().for_each(|q| q.close());
        self.give_up.send_replace(true);
    }
}

/// The endpoints in force. Each follows the database's log, so that nothing needs to be told to it, and what was not sent
/// when the process ends is sent after the next start.
pub struct RemoteWriters {
    writers: Mutex<Vec<Writer>>,
    ending: Mutex<Vec<Writer>>,
    storage: Tsdb,
    clock: Arc<dyn Clock>,
    handle: Handle,
}

/// Why an endpoint was not started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its client cannot be built.
    #[error(transparent)]
    Net(#[from] NetError),
    /// The log cannot be followed.
    #[error(transparent)]
    Log(#[from] TsdbError),
    /// Its thread cannot be started.
    #[error("remote write: {0}")]
    Thread(std::io::Error),
    /// The database has no log.
    #[error("remote write sends what is in the log of the data directory, and there is none")]
    NoLog,
}

impl RemoteWriters {
    /// No endpoints; they will send what `storage` logs, on `handle`.
    pub fn new(storage: Tsdb, clock: Arc<dyn Clock>, handle: Handle) -> Self {
        RemoteWriters { writers: Mutex::default(), ending: Mutex::default(), storage, clock, handle }
    }

    /// Takes a configuration into force: unchanged endpoints go on, others end (once what is in the log is sent) or start.
    /// One whose settings changed goes on where it was.
    ///
    /// # Errors
    /// Endpoints that cannot be started; the others are in force.
    pub fn apply(&self, configuration: Vec<RemoteWriteSettings>) -> Vec<StartError> {
        let mut writers = self.writers.lock();
        let mut old = std::mem::take(&mut *writers);
        let names = follower_names(&configuration);
        let stays = |w: &Writer| configuration.iter().zip(&names).any(|(s, n)| *w.settings == *s && w.follower == *n);
        for gone in old.iter().filter(|w| !stays(w)) {
            // Its heir, or a twin that is sent the same, reads again what it leaves behind.
            let goes_on = configuration.iter().any(|settings| settings.url == gone.settings.url);
            if names.contains(&gone.follower) || goes_on { gone.give_up() } else { gone.end() }
        }
        let mut errors = Vec::new();
        for (settings, name) in configuration.into_iter().zip(&names) {
            match old.iter().position(|w| *w.settings == settings && w.follower == *name) {
                Some(i) => writers.push(old.swap_remove(i)),
                None => match self.start(settings, name) {
                    Ok(writer) => writers.push(writer),
                    Err(e) => errors.push(e),
                },
            }
        }
        let mut ending = self.ending.lock();
        ending.retain(|w| w.sending.as_ref().is_some_and(|sending| !sending.is_finished()));
        ending.extend(old);
        errors.extend(self.storage.keep_followers(&names).err().map(StartError::from));
        errors
    }

    fn start(&self, settings: RemoteWriteSettings, name: &str) -> Result<Writer, StartError> {
        let client = HttpClient::new(&settings.http)?;
        let follower = self.storage.follow(name)?.ok_or(StartError::NoLog)?;
        let follower = if settings.send_exemplars { follower.with_exemplars() } else { follower };
        let (give_up, gave_up) = watch::channel(false);
        let settings = Arc::new(settings);
        let told = (settings.name.clone(), redact_url(&settings.url));
        let progress = Arc::new(Progress::new(told, Arc::new(SendCounters::default()), &follower));
        let endpoint = Arc::new(Endpoint {
            settings: settings.clone(),
            client,
            storage: self.storage.clone(),
            clock: self.clock.clone(),
            gave_up,
            speaks_v1_only: AtomicBool::new(false),
        });
        let metadata =
            settings.metadata.send.then(|| self.handle.spawn(send_metadata(endpoint.clone(), progress.clone())));
        let feeder = Feeder::start(endpoint, progress.clone(), self.handle.clone());
        // A thread of its own: it waits, and reads files.
        let (done, is_done) = oneshot::channel();
        let run = move || {
            feeder.run(follower);
            // Nobody may wait for it.
            let _ = done.send(());
        };
        std::thread::Builder::new().name("remote-write".into()).spawn(run).map_err(StartError::Thread)?;
        let sending = self.handle.spawn(async move { _ = is_done.await });
        Ok(Writer { settings, follower: name.to_owned(), progress, give_up, sending: Some(sending), metadata })
    }

    /// Name, redacted URL and counters of each endpoint.
    pub fn counters(&self) -> Vec<(String, String, Arc<SendCounters>)> {
        let one = |w: &Writer| {
            let (counters, pending) =
                (w.progress.counters.clone(), w.progress.queues().iter().map(|q| q.len()).sum::<usize>());
            counters.pending.set(pending as f64);
            counters.behind_bytes.set(w.progress.behind_bytes() as f64);
            (w.progress.name.clone(), w.progress.url.clone(), counters)
        };
        self.writers.lock().iter().map(one).collect()
    }

    /// The endpoints to which samples do not go as they come, by name or redacted URL, and why.
    pub fn behind(&self) -> Vec<(String, String)> {
        let one = |w: &Writer| {
            let Progress { name, url, .. } = &*w.progress;
            Some((if name.is_empty() { url.clone() } else { name.clone() }, w.progress.behind_because()?))
        };
        self.writers.lock().iter().filter_map(one).collect()
    }

    /// Sends what is in the log, for at most `patience`, and ends. What was not sent is sent after the next start.
    pub async fn shutdown(&self, patience: Duration) {
        let mut all = std::mem::take(&mut *self.writers.lock());
        all.append(&mut *self.ending.lock());
        all.iter().for_each(Writer::end);
        let sending: Vec<_> = all.iter_mut().filter_map(|w| w.sending.take()).collect();
        let ended = futures::future::join_all(sending);
        tokio::pin!(ended);
        if tokio::time::timeout(patience, &mut ended).await.is_err() {
            all.iter().for_each(Writer::give_up);
            ended.await;
        }
    }
}

impl Collect for RemoteWriters {
    fn collect(&self, out: &mut Exposition) {
        let endpoints = self.counters();
        if endpoints.is_empty() {
            return;
        }
        let labels = |name, url| vec![("remote_name", name), ("url", url)];
        let named = endpoints.iter().map(|(name, url, counters)| (labels(name.as_str(), url.as_str()), &**counters));
        out.figures_by(&ENDPOINT, &named.collect::<Vec<_>>());
    }
}

impl Drop for RemoteWriters {
    fn drop(&mut self) {
        self.writers.lock().iter().chain(&*self.ending.lock()).for_each(Writer::give_up);
    }
}

/// Names under which endpoints follow the log: the same after a restart, whatever else changes in their settings, and no
/// secret in them.
fn follower_names(configuration: &[RemoteWriteSettings]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for settings in configuration {
        let of = if settings.name.is_empty() { &settings.url } else { &settings.name };
        let hash = twox_hash::XxHash64::oneshot(0, of.as_bytes());
        let twins = names.iter().filter(|n| n.starts_with(&format!("{hash:016x}"))).count();
        names.push(if twins == 0 { format!("{hash:016x}") } else { format!("{hash:016x}-{twins}") });
    }
    names
}
