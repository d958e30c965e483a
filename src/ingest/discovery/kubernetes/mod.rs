//! `kubernetes_sd_configs`: objects of a cluster, listed once and watched from then on.

mod api;
mod cluster;
mod groups;
mod objects;
mod store;

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use self::api::{Reflector, Scope};
use self::cluster::Cluster;
use self::groups::Grouping;
use self::objects::Resource;
use self::store::{Store, World};
use super::group::TargetGroup;
use super::site::{Discover, Site};
use crate::clock::Stopwatch;
use crate::config::discovery::{KubernetesRole, KubernetesSdConfig};
use crate::net::HttpClient;

/// How long until it is looked for the cluster again that could not be found.
const AGAIN: Duration = Duration::from_secs(10);
/// Between two updates lies at least so much, and at most so much: what is handed on is looked at target by target.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Targets that are worth a millisecond of pause.
const TARGETS_A_MILLISECOND: usize = 10;

impl Discover for KubernetesSdConfig {
    const MECHANISM: &'static str = "kubernetes";

    fn run(self, site: Site) -> BoxFuture<'static, ()> {
        Box::pin(follow(self, Arc::new(site)))
    }
}

async fn follow(config: KubernetesSdConfig, site: Arc<Site>) {
    let (cluster, client) = loop {
        let cluster = Cluster::of(&config);
        let built = cluster.and_then(|c| Ok((HttpClient::new(&c.http).map_err(|e| e.to_string())?, c)));
        match built {
            Ok((client, cluster)) => break (cluster, client),
            Err(error) => {
                site.counters.kubernetes_failures.inc();
                site.failed(&error);
            }
        }
        tokio::time::sleep(AGAIN).await;
    };
    site.works();
    let (world, changed) = (World::default(), Arc::new(Notify::new()));
    let base = cluster.server.as_str().into();
    let mut watches =
        Watches { config: &config, client, base, site: site.clone(), changed: changed.clone(), tasks: JoinSet::new() };
    watches.begin(&world, cluster.own_namespace);
    loop {
        changed.notified().await;
        if !world.is_complete() {
            continue;
        }
        let watch = Stopwatch::start();
        let groups = groups(&config, &world);
        let targets: usize = groups.iter().map(|g| g.targets.len()).sum();
        site.counts.refreshed(watch.elapsed());
        match site.publish(groups) {
            Ok(()) => site.part_works(""),
            Err(error) => site.failed(&error),
        }
        let pause = Duration::from_millis((targets / TARGETS_A_MILLISECOND) as u64);
        tokio::time::sleep(pause.clamp(SHORTEST_PAUSE, LONGEST_PAUSE)).await;
    }
}

fn groups(config: &KubernetesSdConfig, world: &World) -> Vec<TargetGroup> {
    let grouping = Grouping::new(world, &config.attach_metadata);
    match config.role {
        None => Vec::new(),
        Some(KubernetesRole::Node) => grouping.nodes(),
        Some(KubernetesRole::Pod) => grouping.pods(),
        Some(KubernetesRole::Service) => grouping.services(),
        Some(KubernetesRole::Endpoints) => grouping.endpoints(),
        Some(KubernetesRole::EndpointSlice) => grouping.slices(),
        Some(KubernetesRole::Ingress) => grouping.ingresses(),
    }
}

/// What is watched for a role. The watches end with it.
struct Watches<'c> {
    config: &'c KubernetesSdConfig,
    client: HttpClient,
    base: Arc<str>,
    site: Arc<Site>,
    changed: Arc<Notify>,
    tasks: JoinSet<()>,
}

impl Watches<'_> {
    fn begin(&mut self, world: &World, own_namespace: Option<String>) {
        use KubernetesRole::{EndpointSlice, Endpoints, Ingress, Node, Pod, Service};
        let mut namespaces: Vec<Option<String>> = self.config.namespaces.names.iter().cloned().map(Some).collect();
        namespaces.extend(own_namespace.map(Some));
        namespaces.sort();
        namespaces.dedup();
        if namespaces.is_empty() {
            namespaces.push(None);
        }
        let Some(role) = self.config.role else { return };
        let behind = matches!(role, Endpoints | EndpointSlice);
        for namespace in &namespaces {
            match role {
                Endpoints => self.watch(&world.endpoints, Some(role), namespace),
                EndpointSlice => self.watch(&world.slices, Some(role), namespace),
                Ingress => self.watch(&world.ingresses, Some(role), namespace),
                Node | Pod | Service => {}
            }
            if behind || role == Pod {
                self.watch(&world.pods, Some(Pod), namespace);
                // A pod says which Job it is of, but not what that one or its ReplicaSet is of.
                if self.config.attach_metadata.deployment {
                    self.watch(&world.replica_sets, None, namespace);
                }
                if self.config.attach_metadata.cronjob {
                    self.watch(&world.jobs, None, namespace);
                }
            }
            if behind || role == Service {
                self.watch(&world.services, Some(Service), namespace);
            }
        }
        // These are in no namespace.
        if role == Node || (self.config.attach_metadata.node && (behind || role == Pod)) {
            self.watch(&world.nodes, Some(Node), &None);
        }
        if role != Node && self.config.attach_metadata.namespace {
            self.watch(&world.namespaces, None, &None);
        }
    }

    fn watch<T: Resource>(
        &mut self,
        store: &Arc<Store<T>>,
        selected: Option<KubernetesRole>,
        namespace: &Option<String>,
    ) {
        let selector = self.config.selectors.iter().find(|s| s.role == selected && selected.is_some());
        let scope = Scope {
            namespace: namespace.clone(),
            label: selector.map(|s| s.label.clone()).unwrap_or_default(),
            field: selector.map(|s| s.field.clone()).unwrap_or_default(),
        };
        store.expect_list();
        let reflector = Reflector {
            client: self.client.clone(),
            base: self.base.clone(),
            scope,
            store: store.clone(),
            site: self.site.clone(),
            changed: self.changed.clone(),
        };
        self.tasks.spawn(reflector.run());
    }
}
