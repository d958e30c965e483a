//! Where external Alertmanagers are: what the sets of a configuration find, followed while it is in force.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures::FutureExt;
use futures::future::select_all;
use parking_lot::Mutex;
use tokio::task::AbortHandle;

use super::notifier::ConfiguredNotifier;
use crate::config::{AlertmanagerClientConfig, RelabelConfig};
use crate::ingest::discovery::{DiscoveryManager, Groups, Source, Subscription, TargetGroup};
use crate::ingest::relabel;
use crate::model::{Diagnostic, Labels};
use crate::net::{self, Auth, HttpClient, HttpSettings};
use crate::notify::alertmanagers::{Destination, SetRelabel};

/// How long the first answer of discoveries is waited for: an alert that fires at once should find somebody.
const FIRST_ANSWER: Duration = Duration::from_secs(1);

/// A set of Alertmanagers, ready to be followed.
pub struct Set {
    config: AlertmanagerClientConfig,
    client: HttpClient,
    sources: Vec<Source>,
}

/// The sets of a configuration.
///
/// # Errors
/// A client cannot be built; where the set is wrong.
pub fn sets(configs: &[AlertmanagerClientConfig]) -> Result<Vec<Set>, Diagnostic> {
    let set = |config: &AlertmanagerClientConfig| {
        let mut settings = HttpSettings::from(&config.http);
        if let Some(sigv4) = &config.sigv4 {
            settings.auth = Some(Auth::SigV4(Box::new(sigv4.clone())));
        }
        let client = HttpClient::new(&settings).map_err(|e| net::describe(&config.http, &e))?;
        Ok(Set { config: config.clone(), client, sources: Source::of(&config.discovery) })
    };
    configs.iter().map(set).collect()
}

/// Follows Alertmanagers, and tells the notifier and the API where they are.
pub struct Alertmanagers {
    discoveries: Arc<DiscoveryManager>,
    notifier: Arc<ConfiguredNotifier>,
    /// Their URLs without secrets.
    pub known: Arc<ArcSwap<Vec<String>>>,
    following: Mutex<Option<AbortHandle>>,
}

impl Alertmanagers {
    /// Follows nobody yet.
    pub fn new(discoveries: Arc<DiscoveryManager>, notifier: Arc<ConfiguredNotifier>) -> Self {
        Alertmanagers { discoveries, notifier, known: Arc::default(), following: Mutex::default() }
    }

    /// Follows these sets from now on.
    pub async fn apply(self: &Arc<Self>, sets: Vec<Set>) {
        if sets.is_empty() {
            self.notifier.forwarder.stand_down();
        }
        let follow = |(i, set): (usize, Set)| {
            let found = self.discoveries.subscribe(&set.sources, &format!("config-{i}"));
            (set, found)
        };
        let mut followed: Vec<(Set, Subscription)> = sets.into_iter().enumerate().map(follow).collect();
        let complete = async {
            while !followed.iter().all(|(_, found)| found.is_complete()) {
                changed(&mut followed).await;
            }
        };
        // Who is not known by then is told of later.
        let _ = tokio::time::timeout(FIRST_ANSWER, complete).await;
        self.tell(&followed);
        let this = self.clone();
        let task = tokio::spawn(async move {
            loop {
                changed(&mut followed).await;
                this.tell(&followed);
            }
        });
        if let Some(former) = self.following.lock().replace(task.abort_handle()) {
            former.abort();
        }
    }

    fn tell(&self, followed: &[(Set, Subscription)]) {
        let all: Vec<Destination> =
            followed.iter().flat_map(|(set, found)| destinations(set, &found.groups())).collect();
        self.known.store(Arc::new(all.iter().map(|d| net::redact_url(&d.url)).collect()));
        self.notifier.forwarder.set_destinations(all);
    }
}

impl Drop for Alertmanagers {
    fn drop(&mut self) {
        if let Some(task) = self.following.lock().take() {
            task.abort();
        }
    }
}

/// Waits until any set has found something else.
async fn changed(followed: &mut [(Set, Subscription)]) {
    let each: Vec<_> = followed.iter_mut().map(|(_, found)| found.changed().boxed()).collect();
    if each.is_empty() {
        return std::future::pending().await;
    }
    select_all(each).await;
}

fn destinations(set: &Set, found: &[Groups]) -> Vec<Destination> {
    let destination = |url| Destination {
        url,
        client: set.client.clone(),
        timeout: Duration::from_millis(u64::try_from(set.config.timeout.millis()).unwrap_or(0)),
        relabel: relabelling(&set.config.alert_relabel_configs),
    };
    urls(&set.config, found.iter().flat_map(|groups| groups.iter())).into_iter().map(destination).collect()
}

fn relabelling(rules: &[RelabelConfig]) -> Option<SetRelabel> {
    let rules = rules.to_vec();
    (!rules.is_empty()).then(|| Arc::new(move |labels: &Labels| relabel::process(labels, &rules)) as SetRelabel)
}

/// Addresses by Prometheus' rules: `__scheme__`, `__address__` and `__alerts_path__` after relabelling.
fn urls<'g>(set: &AlertmanagerClientConfig, groups: impl Iterator<Item = &'g TargetGroup>) -> Vec<String> {
    let path = format!("{}/api/v2/alerts", set.path_prefix.trim_end_matches('/'));
    let path = if path.starts_with('/') { path } else { format!("/{path}") };
    let mut urls = Vec::new();
    for group in groups {
        for target in &group.targets {
            let mut builder = group.labels.to_builder();
            for (name, value) in target.iter() {
                builder.set(name, value);
            }
            builder.set("__scheme__", set.scheme.as_str());
            builder.set("__alerts_path__", path.as_str());
            let Some(resolved) = relabel::process(&builder.build(), &set.relabel_configs) else { continue };
            let part = |name: &str| resolved.value(name).to_owned();
            let url = format!("{}://{}{}", part("__scheme__"), part("__address__"), part("__alerts_path__"));
            if !urls.contains(&url) {
                urls.push(url);
            }
        }
    }
    urls
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn urls_follow_scheme_prefix_and_relabelling() {
        let text = "alerting:\n  alertmanagers:\n    - scheme: https\n      path_prefix: /am/\n      static_configs: [{targets: ['a:1', 'b:2']}]\n      \
                    relabel_configs: [{source_labels: [__address__], regex: 'b:.*', action: drop}]\n    \
                    - static_configs: [{targets: ['c:3']}]\n";
        let config = Config::load_str("t", text, &|_| None).unwrap().config;
        let group = |targets: &[&str]| TargetGroup::of_addresses(targets, Labels::empty(), "0");
        let sets = &config.alerting.alertmanagers;
        assert_eq!(urls(&sets[0], [group(&["a:1", "b:2"])].iter()), ["https://a:1/am/api/v2/alerts"]);
        assert_eq!(urls(&sets[1], [group(&["c:3"])].iter()), ["http://c:3/api/v2/alerts"]);
    }
}
