//! Runs discoveries: each once, however many ask for it, and as long as somebody does.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use futures::future::{FutureExt, select_all};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::group::TargetGroup;
use super::metrics::{self, Counts, MechanismCounters, Sums};
use super::site::{Groups, Site, SiteTrouble};
use super::source::Source;
use crate::instrument::{Collect, Exposition};

/// The discoveries that run.
pub struct DiscoveryManager {
    handle: Handle,
    running: Mutex<Vec<Weak<Running>>>,
    counters: Arc<MechanismCounters>,
}

/// One discovery. It ends when nobody holds it any more.
struct Running {
    source: Source,
    config: Arc<str>,
    groups: watch::Receiver<Option<Groups>>,
    counts: Arc<Counts>,
    trouble: Arc<SiteTrouble>,
    task: AbortHandle,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl DiscoveryManager {
    /// A manager whose discoveries run on `handle`.
    pub fn new(handle: Handle) -> Self {
        DiscoveryManager { handle, running: Mutex::default(), counters: Arc::default() }
    }

    /// Follows these discoveries for `config`, a job or a set of Alertmanagers. One that runs already is joined, so that
    /// what it has found is there at once.
    pub fn subscribe(&self, sources: &[Source], config: &str) -> Subscription {
        let mut all = self.running.lock();
        all.retain(|running| running.strong_count() > 0);
        let mut of = Vec::with_capacity(sources.len());
        for source in sources {
            let known = all.iter().filter_map(Weak::upgrade).find(|running| running.source == *source);
            let running = known.unwrap_or_else(|| {
                let running = Arc::new(self.start(source, config));
                all.push(Arc::downgrade(&running));
                running
            });
            let groups = running.groups.clone();
            of.push(Followed { groups, _running: running });
        }
        Subscription { of }
    }

    fn start(&self, source: &Source, config: &str) -> Running {
        let (out, groups) = watch::channel(None);
        let (config, counts): (Arc<str>, Arc<Counts>) = (config.into(), Arc::default());
        let trouble = Arc::new(SiteTrouble::default());
        let site = Site {
            mechanism: source.mechanism(),
            config: config.clone(),
            out,
            counts: counts.clone(),
            counters: self.counters.clone(),
            trouble: trouble.clone(),
        };
        let task = self.handle.spawn(source.clone().run(site)).abort_handle();
        Running { source: source.clone(), config, groups, counts, trouble, task }
    }

    /// Which discoveries fail now, as `KIND (who asked first)`, and why.
    pub fn failing(&self) -> Vec<(String, String)> {
        let running: Vec<Arc<Running>> = self.running.lock().iter().filter_map(Weak::upgrade).collect();
        let one = |r: &Arc<Running>| Some((format!("{} ({})", r.source.mechanism(), r.config), r.trouble.error()?));
        running.iter().filter_map(one).collect()
    }
}

impl Collect for DiscoveryManager {
    fn collect(&self, out: &mut Exposition) {
        let running: Vec<Arc<Running>> = self.running.lock().iter().filter_map(Weak::upgrade).collect();
        // Several discoveries of one kind and job are one series.
        let mut all: BTreeMap<(&'static str, &str), Sums> = BTreeMap::new();
        for r in running.iter().filter(|r| !matches!(r.source, Source::Static(_))) {
            all.entry((r.source.mechanism(), &*r.config)).or_default().add(&r.counts);
        }
        metrics::collect(&all, out);
        self.counters.collect(out);
    }
}

/// Discoveries that somebody follows.
#[derive(Default)]
pub struct Subscription {
    of: Vec<Followed>,
}

struct Followed {
    groups: watch::Receiver<Option<Groups>>,
    _running: Arc<Running>,
}

impl Subscription {
    /// Waits until any of them has found something else. What was found before the first call counts as news.
    pub async fn changed(&mut self) {
        let each = self.of.iter_mut().map(|followed| {
            async {
                if followed.groups.changed().await.is_err() {
                    // It has said all that it will ever say.
                    std::future::pending::<()>().await;
                }
            }
            .boxed()
        });
        let each: Vec<_> = each.collect();
        if each.is_empty() {
            return std::future::pending().await;
        }
        select_all(each).await;
    }

    /// What all of them have found last.
    pub fn groups(&self) -> Vec<Groups> {
        self.of.iter().filter_map(|followed| followed.groups.borrow().clone()).collect()
    }

    /// Whether each of them has found something, be it nothing.
    pub fn is_complete(&self) -> bool {
        self.of.iter().all(|followed| followed.groups.borrow().is_some())
    }

    /// How many targets they have found.
    pub fn target_count(&self) -> usize {
        let count = |groups: &Groups| groups.iter().map(|g: &TargetGroup| g.targets.len()).sum::<usize>();
        self.of.iter().filter_map(|followed| followed.groups.borrow().as_ref().map(count)).sum()
    }
}
