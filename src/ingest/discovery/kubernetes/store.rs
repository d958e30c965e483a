//! What is known of a cluster: objects by namespace and name, and whether all that there is has been seen.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::{Mutex, MutexGuard};

use super::objects::{EndpointSlice, Endpoints, Ingress, Job, Namespace, Node, Pod, ReplicaSet, Resource, Service};

/// The most objects of one kind.
pub(super) const MOST_OBJECTS: usize = 500_000;

/// Namespace and name.
pub(super) type Key = (String, String);

/// Objects of one kind.
pub(super) struct Store<T> {
    objects: Mutex<BTreeMap<Key, T>>,
    /// Lists that have not been had yet.
    missing: AtomicUsize,
}

impl<T> Default for Store<T> {
    fn default() -> Self {
        Store { objects: Mutex::default(), missing: AtomicUsize::new(0) }
    }
}

/// What a list or an event changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    pub added: u64,
    pub updated: u64,
    pub deleted: u64,
}

fn key<T: Resource>(object: &T) -> Key {
    (object.meta().namespace.clone(), object.meta().name.clone())
}

/// That there are more objects of a kind than can be kept.
pub(super) fn too_many_objects<T: Resource>() -> String {
    format!("more than {MOST_OBJECTS} {}", T::PLURAL)
}

impl<T: Resource> Store<T> {
    /// One list more is needed before everything is known.
    pub fn expect_list(&self) {
        self.missing.fetch_add(1, Ordering::Relaxed);
    }

    /// A list that was needed is there.
    pub fn had_list(&self) {
        self.missing.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether all lists are there.
    pub fn is_complete(&self) -> bool {
        self.missing.load(Ordering::Relaxed) == 0
    }

    /// Everything there is in a namespace, or in all.
    ///
    /// # Errors
    /// There are more objects than can be kept; what was known stays.
    pub fn replace(&self, namespace: Option<&str>, objects: Vec<T>) -> Result<Changes, String> {
        let mut known = self.objects.lock();
        let is_ours = |key: &Key| namespace.is_none_or(|n| key.0 == n);
        let others = known.keys().filter(|key| !is_ours(key)).count();
        if others + objects.len() > MOST_OBJECTS {
            return Err(too_many_objects::<T>());
        }
        let fresh: BTreeMap<Key, T> = objects.into_iter().map(|object| (key(&object), object)).collect();
        let before = known.len();
        known.retain(|key, _| !is_ours(key) || fresh.contains_key(key));
        let mut changes = Changes { deleted: (before - known.len()) as u64, ..Changes::default() };
        for (key, object) in fresh {
            match known.insert(key, object) {
                Some(_) => changes.updated += 1,
                None => changes.added += 1,
            }
        }
        Ok(changes)
    }

    /// An object is there, or has changed.
    ///
    /// # Errors
    /// There are more objects than can be kept.
    pub fn put(&self, object: T) -> Result<Changes, String> {
        let mut known = self.objects.lock();
        let key = key(&object);
        if known.len() >= MOST_OBJECTS && !known.contains_key(&key) {
            return Err(too_many_objects::<T>());
        }
        Ok(match known.insert(key, object) {
            Some(_) => Changes { updated: 1, ..Changes::default() },
            None => Changes { added: 1, ..Changes::default() },
        })
    }

    /// An object is gone.
    pub fn remove(&self, object: &T) -> Changes {
        let gone = self.objects.lock().remove(&key(object)).is_some();
        Changes { deleted: u64::from(gone), ..Changes::default() }
    }

    /// The objects as they are, until the guard is dropped.
    pub fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, T>> {
        self.objects.lock()
    }
}

/// All that is known of a cluster. What is not watched is empty and complete.
#[derive(Default)]
pub(super) struct World {
    pub nodes: Arc<Store<Node>>,
    pub pods: Arc<Store<Pod>>,
    pub services: Arc<Store<Service>>,
    pub endpoints: Arc<Store<Endpoints>>,
    pub slices: Arc<Store<EndpointSlice>>,
    pub ingresses: Arc<Store<Ingress>>,
    pub namespaces: Arc<Store<Namespace>>,
    pub replica_sets: Arc<Store<ReplicaSet>>,
    pub jobs: Arc<Store<Job>>,
}

impl World {
    /// Whether everything that is watched has been listed.
    pub fn is_complete(&self) -> bool {
        self.nodes.is_complete()
            && self.pods.is_complete()
            && self.services.is_complete()
            && self.endpoints.is_complete()
            && self.slices.is_complete()
            && self.ingresses.is_complete()
            && self.namespaces.is_complete()
            && self.replica_sets.is_complete()
            && self.jobs.is_complete()
    }
}
