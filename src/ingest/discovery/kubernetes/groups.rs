//! Target groups of objects, with Prometheus' labels.

use std::collections::BTreeMap;

use super::objects::{
    Container, ContainerPort, Endpoint, EndpointAddress, EndpointPort, EndpointSlice, Endpoints, Ingress, Node,
    ObjectMeta, ObjectReference, Pod, Resource, Service, ServiceSpec, SlicePort,
};
use super::store::{Key, Store, World};
use crate::config::discovery::AttachMetadataConfig;
use crate::ingest::discovery::group::{ADDRESS, TargetGroup, join_host_port, sanitize};
use crate::model::{Labels, LabelsBuilder};

const PREFIX: &str = "__meta_kubernetes_";

/// Makes groups of what is known of a cluster.
pub(super) struct Grouping<'w> {
    attach: &'w AttachMetadataConfig,
    nodes: BTreeMap<Key, Labels>,
    namespaces: BTreeMap<Key, Labels>,
    /// Names of Deployments by their ReplicaSets.
    deployments: BTreeMap<Key, String>,
    /// Names of CronJobs by their Jobs.
    cronjobs: BTreeMap<Key, String>,
    world: &'w World,
}

/// Names of the controllers of a kind, by what they control.
fn controllers<T: Resource>(store: &Store<T>, kind: &str) -> BTreeMap<Key, String> {
    let controlled = store.lock();
    let named = controlled.iter().filter_map(|(key, object)| {
        let controller = object.meta().controller().filter(|c| c.kind == kind)?;
        Some((key.clone(), controller.name.clone()))
    });
    named.collect()
}

/// Sets `__meta_kubernetes_NAME`.
fn set(labels: &mut LabelsBuilder, name: &str, value: impl Into<String>) {
    labels.set(format!("{PREFIX}{name}"), value);
}

fn set_some(labels: &mut LabelsBuilder, name: &str, value: Option<impl Into<String>>) {
    if let Some(value) = value {
        set(labels, name, value);
    }
}

fn add(labels: &mut LabelsBuilder, more: &Labels) {
    for (name, value) in more.iter() {
        labels.set(name, value);
    }
}

/// Labels and annotations of an object, with its name unless it is a namespace's.
fn set_meta(labels: &mut LabelsBuilder, meta: &ObjectMeta, role: &str) {
    set(labels, &format!("{role}_name"), meta.name.as_str());
    set_texts(labels, meta, role);
}

fn set_texts(labels: &mut LabelsBuilder, meta: &ObjectMeta, role: &str) {
    for (kind, texts) in [("label", &meta.labels), ("annotation", &meta.annotations)] {
        for (name, value) in texts {
            let name = sanitize(name);
            set(labels, &format!("{role}_{kind}_{name}"), value.as_str());
            set(labels, &format!("{role}_{kind}present_{name}"), "true");
        }
    }
}

fn key(namespace: &str, name: &str) -> Key {
    (namespace.to_owned(), name.to_owned())
}

impl<'w> Grouping<'w> {
    /// With what else becomes labels.
    pub fn new(world: &'w World, attach: &'w AttachMetadataConfig) -> Self {
        let (mut nodes, mut namespaces) = (BTreeMap::new(), BTreeMap::new());
        if attach.node {
            for (key, node) in world.nodes.lock().iter() {
                let mut labels = LabelsBuilder::new();
                set_meta(&mut labels, &node.metadata, "node");
                nodes.insert(key.clone(), labels.build());
            }
        }
        if attach.namespace {
            for (key, namespace) in world.namespaces.lock().iter() {
                let mut labels = LabelsBuilder::new();
                set_texts(&mut labels, &namespace.metadata, "namespace");
                namespaces.insert(key.clone(), labels.build());
            }
        }
        // What is not watched is empty.
        let (deployments, cronjobs) =
            (controllers(&world.replica_sets, "Deployment"), controllers(&world.jobs, "CronJob"));
        Grouping { attach, nodes, namespaces, deployments, cronjobs, world }
    }

    fn add_node(&self, labels: &mut LabelsBuilder, name: &str) {
        if let Some(node) = self.nodes.get(&key("", name)) {
            add(labels, node);
        }
    }

    fn add_namespace(&self, labels: &mut LabelsBuilder, namespace: &str) {
        set(labels, "namespace", namespace);
        if let Some(found) = self.namespaces.get(&key("", namespace)) {
            add(labels, found);
        }
    }

    /// One target a node.
    pub fn nodes(&self) -> Vec<TargetGroup> {
        self.world.nodes.lock().values().filter_map(node).collect()
    }

    /// One target a container port, or a container.
    pub fn pods(&self) -> Vec<TargetGroup> {
        self.world.pods.lock().values().map(|pod| self.pod(pod)).collect()
    }

    fn pod(&self, pod: &Pod) -> TargetGroup {
        let ObjectMeta { namespace, name, .. } = &pod.metadata;
        let source = format!("pod/{namespace}/{name}").into();
        let ip = &pod.status.pod_ip;
        // It begins, was evicted, or is on a node that was not selected.
        let is_on_other_node = self.attach.node && !self.nodes.contains_key(&key("", &pod.spec.node_name));
        if ip.is_empty() || is_on_other_node {
            return TargetGroup { source, ..TargetGroup::default() };
        }
        let mut labels = self.pod_labels(pod).to_builder();
        self.add_namespace(&mut labels, namespace);
        self.add_node(&mut labels, &pod.spec.node_name);
        let mut targets = Vec::new();
        for (container, is_init) in containers(pod) {
            let statuses = if is_init { &pod.status.init_container_statuses } else { &pod.status.container_statuses };
            let id = statuses.iter().find(|s| s.name == container.name).map(|s| s.container_id.as_str());
            let target = |port: Option<&ContainerPort>| {
                let mut labels = container_labels(container, port);
                set_some(&mut labels, "pod_container_id", id);
                set(&mut labels, "pod_container_init", is_init.to_string());
                labels.set(ADDRESS, port.map_or(ip.clone(), |port| join_host_port(ip, port.container_port)));
                labels.build()
            };
            match container.ports.as_slice() {
                // Relabelling has to say which port.
                [] => targets.push(target(None)),
                ports => targets.extend(ports.iter().map(|port| target(Some(port)))),
            }
        }
        TargetGroup { targets, labels: labels.build(), source }
    }

    /// Labels of a pod, without its namespace.
    fn pod_labels(&self, pod: &Pod) -> Labels {
        let mut labels = LabelsBuilder::new();
        let (meta, status) = (&pod.metadata, &pod.status);
        set(&mut labels, "pod_ip", status.pod_ip.as_str());
        let ready = status.conditions.iter().find(|c| c.r#type == "Ready").map_or("unknown", |c| &*c.status);
        set(&mut labels, "pod_ready", ready.to_lowercase());
        set(&mut labels, "pod_phase", status.phase.as_str());
        set(&mut labels, "pod_node_name", pod.spec.node_name.as_str());
        set(&mut labels, "pod_host_ip", status.host_ip.as_str());
        set(&mut labels, "pod_uid", meta.uid.as_str());
        set_meta(&mut labels, meta, "pod");
        if let Some(controller) = meta.controller() {
            set(&mut labels, "pod_controller_kind", controller.kind.as_str());
            set(&mut labels, "pod_controller_name", controller.name.as_str());
            let controlled = key(&meta.namespace, &controller.name);
            match controller.kind.as_str() {
                "ReplicaSet" => {
                    set_some(&mut labels, "pod_deployment_name", self.deployments.get(&controlled).map(String::as_str));
                }
                "Job" => {
                    set_some(&mut labels, "pod_job_name", self.attach.job.then_some(controller.name.as_str()));
                    set_some(&mut labels, "pod_cronjob_name", self.cronjobs.get(&controlled).map(String::as_str));
                }
                _ => {}
            }
        }
        labels.build()
    }

    /// One target a service port.
    pub fn services(&self) -> Vec<TargetGroup> {
        self.world.services.lock().values().map(|service| self.service(service)).collect()
    }

    fn service(&self, service: &Service) -> TargetGroup {
        let (ObjectMeta { namespace, name, .. }, spec) = (&service.metadata, &service.spec);
        let mut labels = LabelsBuilder::new();
        set_meta(&mut labels, &service.metadata, "service");
        self.add_namespace(&mut labels, namespace);
        let target = |port: &super::objects::ServicePort| {
            let mut labels = LabelsBuilder::new();
            labels.set(ADDRESS, join_host_port(&format!("{name}.{namespace}.svc"), port.port));
            set(&mut labels, "service_port_name", port.name.as_str());
            set(&mut labels, "service_port_number", port.port.to_string());
            set(&mut labels, "service_port_protocol", port.protocol.as_str());
            set(&mut labels, "service_type", spec.r#type.as_str());
            match spec.r#type.as_str() {
                "ExternalName" => set(&mut labels, "service_external_name", spec.external_name.as_str()),
                _ => set(&mut labels, "service_cluster_ip", spec.cluster_ip.as_str()),
            }
            if spec.r#type == "LoadBalancer" {
                set(&mut labels, "service_loadbalancer_ip", spec.load_balancer_ip.as_str());
            }
            labels.build()
        };
        let targets = spec.ports.iter().map(target).collect();
        TargetGroup { targets, labels: labels.build(), source: format!("svc/{namespace}/{name}").into() }
    }

    /// One target an address and port, and one a port of the pods behind them that no endpoint names.
    pub fn endpoints(&self) -> Vec<TargetGroup> {
        let (endpoints, pods, services) =
            (self.world.endpoints.lock(), self.world.pods.lock(), self.world.services.lock());
        let group = |endpoints: &Endpoints| {
            let meta = &endpoints.metadata;
            let mut labels = LabelsBuilder::new();
            if let Some(service) = services.get(&key(&meta.namespace, &meta.name)) {
                set_meta(&mut labels, &service.metadata, "service");
            }
            set_meta(&mut labels, meta, "endpoints");
            self.add_namespace(&mut labels, &meta.namespace);
            let mut seen = SeenPods::new(self);
            let mut targets = Vec::new();
            for subset in &endpoints.subsets {
                for port in &subset.ports {
                    let ready = subset.addresses.iter().map(|a| (a, "true"));
                    let not_ready = subset.not_ready_addresses.iter().map(|a| (a, "false"));
                    for (address, ready) in ready.chain(not_ready) {
                        let mut target = self.endpoint(address, port, ready);
                        if let Some(pod) = pod_of(&pods, address.target_ref.as_ref()) {
                            seen.add(&mut target, pod, Some(port.port));
                        }
                        targets.push(target.build());
                    }
                }
            }
            targets.extend(seen.other_ports(|_| true));
            let source = format!("endpoints/{}/{}", meta.namespace, meta.name).into();
            TargetGroup { targets, labels: labels.build(), source }
        };
        endpoints.values().map(group).collect()
    }

    fn endpoint(&self, address: &EndpointAddress, port: &EndpointPort, ready: &str) -> LabelsBuilder {
        let mut target = LabelsBuilder::new();
        target.set(ADDRESS, join_host_port(&address.ip, port.port));
        set(&mut target, "endpoint_port_name", port.name.as_str());
        set(&mut target, "endpoint_port_protocol", port.protocol.as_str());
        set(&mut target, "endpoint_ready", ready);
        set(&mut target, "endpoint_hostname", address.hostname.as_str());
        set_some(&mut target, "endpoint_node_name", address.node_name.as_deref());
        if let Some(reference) = &address.target_ref {
            set(&mut target, "endpoint_address_target_kind", reference.kind.as_str());
            set(&mut target, "endpoint_address_target_name", reference.name.as_str());
        }
        let of_reference = address.target_ref.as_ref().filter(|r| r.kind == "Node").map(|r| r.name.as_str());
        if let Some(node) = address.node_name.as_deref().or(of_reference) {
            self.add_node(&mut target, node);
        }
        target
    }

    /// As [`Grouping::endpoints`], of slices.
    pub fn slices(&self) -> Vec<TargetGroup> {
        let (slices, pods, services) = (self.world.slices.lock(), self.world.pods.lock(), self.world.services.lock());
        let group = |slice: &EndpointSlice| {
            let meta = &slice.metadata;
            let source = format!("endpointslice/{}/{}", meta.namespace, meta.name).into();
            let mut labels = LabelsBuilder::new();
            let service = meta.labels.get("kubernetes.io/service-name");
            if let Some(service) = service.and_then(|name| services.get(&key(&meta.namespace, name))) {
                if is_of_second_family(slice, &service.spec) {
                    return TargetGroup { source, ..TargetGroup::default() };
                }
                set_meta(&mut labels, &service.metadata, "service");
            }
            set(&mut labels, "endpointslice_address_type", slice.address_type.as_str());
            set_meta(&mut labels, meta, "endpointslice");
            self.add_namespace(&mut labels, &meta.namespace);
            let mut seen = SeenPods::new(self);
            let mut targets = Vec::new();
            for endpoint in &slice.endpoints {
                for port in &slice.ports {
                    for address in &endpoint.addresses {
                        let mut target = self.slice_endpoint(address, endpoint, port);
                        if let Some(pod) = pod_of(&pods, endpoint.target_ref.as_ref()) {
                            seen.add(&mut target, pod, port.port);
                        }
                        targets.push(target.build());
                    }
                }
            }
            // A service of two families has two slices: other ports are those of the slice of the pod's own family.
            let is_v6 = slice.address_type == "IPv6";
            targets.extend(seen.other_ports(|pod| pod.status.pod_ip.contains(':') == is_v6));
            TargetGroup { targets, labels: labels.build(), source }
        };
        slices.values().map(group).collect()
    }

    fn slice_endpoint(&self, address: &str, endpoint: &Endpoint, port: &SlicePort) -> LabelsBuilder {
        let mut target = LabelsBuilder::new();
        target.set(ADDRESS, port.port.map_or(address.to_owned(), |port| join_host_port(address, port)));
        set_some(&mut target, "endpointslice_port_name", port.name.as_deref());
        set_some(&mut target, "endpointslice_port_protocol", port.protocol.as_deref());
        set_some(&mut target, "endpointslice_port", port.port.map(|p| p.to_string()));
        set_some(&mut target, "endpointslice_port_app_protocol", port.app_protocol.as_deref());
        let conditions = &endpoint.conditions;
        for (name, condition) in
            [("ready", conditions.ready), ("serving", conditions.serving), ("terminating", conditions.terminating)]
        {
            let name = format!("endpointslice_endpoint_conditions_{name}");
            set_some(&mut target, &name, condition.map(|c| c.to_string()));
        }
        set_some(&mut target, "endpointslice_endpoint_hostname", endpoint.hostname.as_deref());
        set_some(&mut target, "endpointslice_endpoint_node_name", endpoint.node_name.as_deref());
        set_some(&mut target, "endpointslice_endpoint_zone", endpoint.zone.as_deref());
        if let Some(reference) = &endpoint.target_ref {
            set(&mut target, "endpointslice_address_target_kind", reference.kind.as_str());
            set(&mut target, "endpointslice_address_target_name", reference.name.as_str());
        }
        for (name, value) in &endpoint.deprecated_topology {
            let name = sanitize(name);
            set(&mut target, &format!("endpointslice_endpoint_topology_{name}"), value.as_str());
            set(&mut target, &format!("endpointslice_endpoint_topology_present_{name}"), "true");
        }
        let of_reference = endpoint.target_ref.as_ref().filter(|r| r.kind == "Node").map(|r| r.name.as_str());
        if let Some(node) = of_reference.or(endpoint.node_name.as_deref()) {
            self.add_node(&mut target, node);
        }
        target
    }

    /// One target a path of an ingress.
    pub fn ingresses(&self) -> Vec<TargetGroup> {
        self.world.ingresses.lock().values().map(|ingress| self.ingress(ingress)).collect()
    }

    fn ingress(&self, ingress: &Ingress) -> TargetGroup {
        let (meta, spec) = (&ingress.metadata, &ingress.spec);
        let mut labels = LabelsBuilder::new();
        set_meta(&mut labels, meta, "ingress");
        set_some(&mut labels, "ingress_class_name", spec.ingress_class_name.as_deref());
        self.add_namespace(&mut labels, &meta.namespace);
        let mut targets = Vec::new();
        for rule in &spec.rules {
            let mut secured = spec.tls.iter().flat_map(|tls| &tls.hosts);
            let scheme = if secured.any(|pattern| covers(pattern, &rule.host)) { "https" } else { "http" };
            let paths: Vec<&str> = match &rule.http {
                None => vec!["/"],
                Some(http) => http.paths.iter().map(|p| if p.path.is_empty() { "/" } else { &*p.path }).collect(),
            };
            for path in paths {
                let mut target = LabelsBuilder::new();
                target.set(ADDRESS, rule.host.as_str());
                set(&mut target, "ingress_scheme", scheme);
                set(&mut target, "ingress_host", rule.host.as_str());
                set(&mut target, "ingress_path", path);
                targets.push(target.build());
            }
        }
        let source = format!("ingress/{}/{}", meta.namespace, meta.name).into();
        TargetGroup { targets, labels: labels.build(), source }
    }
}

/// The order in which a node's addresses are tried.
const ADDRESSES: [&str; 6] = ["InternalIP", "InternalDNS", "ExternalIP", "ExternalDNS", "LegacyHostIP", "Hostname"];

fn node(node: &Node) -> Option<TargetGroup> {
    let meta = &node.metadata;
    let addresses = &node.status.addresses;
    let Some(address) = ADDRESSES.iter().find_map(|kind| addresses.iter().find(|a| a.r#type == **kind)) else {
        // At each change of any node: no more than this.
        tracing::debug!(node = meta.name, "No node address found");
        return None;
    };
    let mut labels = LabelsBuilder::new();
    set(&mut labels, "node_provider_id", node.spec.provider_id.as_str());
    set_meta(&mut labels, meta, "node");
    let mut target = LabelsBuilder::new();
    target.set(ADDRESS, join_host_port(&address.address, node.status.daemon_endpoints.kubelet_endpoint.port));
    target.set("instance", meta.name.as_str());
    // Of several of one type the first counts.
    for address in addresses.iter().rev() {
        set(&mut target, &format!("node_address_{}", sanitize(&address.r#type)), address.address.as_str());
    }
    let source = format!("node/{}", meta.name).into();
    Some(TargetGroup { targets: vec![target.build()], labels: labels.build(), source })
}

/// Whether a slice has the pods of a service of two families once more, under their addresses of the second.
fn is_of_second_family(slice: &EndpointSlice, service: &ServiceSpec) -> bool {
    let has_two = ["PreferDualStack", "RequireDualStack"].contains(&service.ip_family_policy.as_str());
    has_two && service.ip_families.first().is_some_and(|first| *first != slice.address_type)
}

/// A pod's containers, and whether each is an init container.
fn containers(pod: &Pod) -> impl Iterator<Item = (&Container, bool)> {
    let init = pod.spec.init_containers.iter().map(|c| (c, true));
    pod.spec.containers.iter().map(|c| (c, false)).chain(init)
}

fn container_labels(container: &Container, port: Option<&ContainerPort>) -> LabelsBuilder {
    let mut labels = LabelsBuilder::new();
    set(&mut labels, "pod_container_name", container.name.as_str());
    set(&mut labels, "pod_container_image", container.image.as_str());
    if let Some(port) = port {
        set(&mut labels, "pod_container_port_name", port.name.as_str());
        set(&mut labels, "pod_container_port_number", port.container_port.to_string());
        set(&mut labels, "pod_container_port_protocol", port.protocol.as_str());
    }
    labels
}

fn pod_of<'p>(pods: &'p BTreeMap<Key, Pod>, reference: Option<&ObjectReference>) -> Option<&'p Pod> {
    let reference = reference.filter(|r| r.kind == "Pod")?;
    pods.get(&key(&reference.namespace, &reference.name))
}

/// The pods behind endpoints, and the ports that endpoints name.
struct SeenPods<'p> {
    grouping: &'p Grouping<'p>,
    pods: BTreeMap<&'p str, (&'p Pod, Vec<u32>)>,
}

impl<'p> SeenPods<'p> {
    fn new(grouping: &'p Grouping<'_>) -> Self {
        SeenPods { grouping, pods: BTreeMap::new() }
    }

    /// An endpoint leads to a pod: the target gets its labels.
    fn add(&mut self, target: &mut LabelsBuilder, pod: &'p Pod, port: Option<u32>) {
        add(target, &self.grouping.pod_labels(pod));
        for (container, is_init) in containers(pod) {
            let found = port.and_then(|port| container.ports.iter().find(|p| p.container_port == port));
            if let Some(port) = found {
                add(target, &container_labels(container, Some(port)).build());
                set(target, "pod_container_init", is_init.to_string());
            }
        }
        let seen = self.pods.entry(&pod.metadata.name).or_insert((pod, Vec::new()));
        seen.1.extend(port);
    }

    /// Targets of the ports that no endpoint names.
    fn other_ports(&self, of: impl Fn(&Pod) -> bool) -> Vec<Labels> {
        let mut targets = Vec::new();
        for (pod, named) in self.pods.values().filter(|(pod, _)| !pod.status.pod_ip.is_empty() && of(pod)) {
            for (container, is_init) in containers(pod) {
                for port in container.ports.iter().filter(|p| !named.contains(&p.container_port)) {
                    let mut target = container_labels(container, Some(port));
                    target.set(ADDRESS, join_host_port(&pod.status.pod_ip, port.container_port));
                    set(&mut target, "pod_container_init", is_init.to_string());
                    add(&mut target, &self.grouping.pod_labels(pod));
                    targets.push(target.build());
                }
            }
        }
        targets
    }
}

/// Whether a host of an ingress' TLS, which may begin with `*.`, stands for a host.
fn covers(pattern: &str, host: &str) -> bool {
    let rest = |text: &str| text.split_once('.').map(|(_, rest)| rest.to_owned());
    pattern == host || (pattern.starts_with("*.") && rest(pattern).is_some() && rest(pattern) == rest(host))
}
