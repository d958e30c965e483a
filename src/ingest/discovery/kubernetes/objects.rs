//! Objects of the API, with what becomes labels of them and no more.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

/// A kind of object that is listed and watched.
pub(super) trait Resource: DeserializeOwned + Send + Sync + 'static {
    /// The path of its API group and version.
    const GROUP: &'static str;
    /// Its name in paths.
    const PLURAL: &'static str;
    /// The role that it stands for in metrics and selectors.
    const ROLE: &'static str;

    /// Its metadata.
    fn meta(&self) -> &ObjectMeta;
}

macro_rules! resources {
    ($($name:ident: $group:literal $plural:literal $role:literal;)*) => {$(
        impl Resource for $name {
            const GROUP: &'static str = $group;
            const PLURAL: &'static str = $plural;
            const ROLE: &'static str = $role;

            fn meta(&self) -> &ObjectMeta {
                &self.metadata
            }
        }
    )*};
}

resources! {
    Node: "api/v1" "nodes" "node";
    Pod: "api/v1" "pods" "pod";
    Service: "api/v1" "services" "service";
    Endpoints: "api/v1" "endpoints" "endpoints";
    EndpointSlice: "apis/discovery.k8s.io/v1" "endpointslices" "endpointslice";
    Ingress: "apis/networking.k8s.io/v1" "ingresses" "ingress";
    Namespace: "api/v1" "namespaces" "namespace";
    ReplicaSet: "apis/apps/v1" "replicasets" "replicaset";
    Job: "apis/batch/v1" "jobs" "job";
}

/// What is null is as what is not there.
fn lenient<'de, T: Default + Deserialize<'de>, D: Deserializer<'de>>(d: D) -> Result<T, D::Error> {
    Option::<T>::deserialize(d).map(Option::unwrap_or_default)
}

macro_rules! object {
    ($($name:ident { $($field:ident: $ty:ty),* $(,)? })*) => {$(
        #[derive(Debug, Default, Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        pub(super) struct $name {
            $(#[serde(deserialize_with = "lenient")] pub $field: $ty,)*
        }
    )*};
}

type Texts = BTreeMap<String, String>;

object! {
    ObjectMeta {
        name: String,
        namespace: String,
        uid: String,
        resource_version: String,
        labels: Texts,
        annotations: Texts,
        owner_references: Vec<OwnerReference>,
    }
    OwnerReference { kind: String, name: String, controller: bool }
    ObjectReference { kind: String, namespace: String, name: String }

    Node { metadata: ObjectMeta, spec: NodeSpec, status: NodeStatus }
    NodeStatus { addresses: Vec<NodeAddress>, daemon_endpoints: DaemonEndpoints }
    DaemonEndpoints { kubelet_endpoint: DaemonEndpoint }

    Pod { metadata: ObjectMeta, spec: PodSpec, status: PodStatus }
    PodSpec { node_name: String, containers: Vec<Container>, init_containers: Vec<Container> }
    Container { name: String, image: String, ports: Vec<ContainerPort> }
    ContainerPort { name: String, container_port: u32, protocol: String }
    PodCondition { r#type: String, status: String }

    Service { metadata: ObjectMeta, spec: ServiceSpec }
    ServicePort { name: String, port: u32, protocol: String }

    Endpoints { metadata: ObjectMeta, subsets: Vec<EndpointSubset> }
    EndpointSubset {
        addresses: Vec<EndpointAddress>,
        not_ready_addresses: Vec<EndpointAddress>,
        ports: Vec<EndpointPort>,
    }
    EndpointAddress { ip: String, hostname: String, node_name: Option<String>, target_ref: Option<ObjectReference> }
    EndpointPort { name: String, port: u32, protocol: String }

    EndpointSlice { metadata: ObjectMeta, address_type: String, endpoints: Vec<Endpoint>, ports: Vec<SlicePort> }
    Endpoint {
        addresses: Vec<String>,
        conditions: EndpointConditions,
        hostname: Option<String>,
        node_name: Option<String>,
        zone: Option<String>,
        target_ref: Option<ObjectReference>,
        deprecated_topology: Texts,
    }
    EndpointConditions { ready: Option<bool>, serving: Option<bool>, terminating: Option<bool> }
    SlicePort { name: Option<String>, port: Option<u32>, protocol: Option<String>, app_protocol: Option<String> }

    Ingress { metadata: ObjectMeta, spec: IngressSpec }
    IngressSpec { ingress_class_name: Option<String>, rules: Vec<IngressRule>, tls: Vec<IngressTls> }
    IngressRule { host: String, http: Option<IngressHttp> }
    IngressHttp { paths: Vec<IngressPath> }
    IngressPath { path: String }
    IngressTls { hosts: Vec<String> }

    Namespace { metadata: ObjectMeta }

    ReplicaSet { metadata: ObjectMeta }
    Job { metadata: ObjectMeta }
}

impl ObjectMeta {
    /// The owner that manages the object.
    pub fn controller(&self) -> Option<&OwnerReference> {
        self.owner_references.iter().find(|owner| owner.controller)
    }
}

/// Fields whose names are written otherwise than the rest.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct NodeSpec {
    #[serde(rename = "providerID", deserialize_with = "lenient")]
    pub provider_id: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct NodeAddress {
    #[serde(deserialize_with = "lenient")]
    pub r#type: String,
    #[serde(deserialize_with = "lenient")]
    pub address: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct DaemonEndpoint {
    #[serde(rename = "Port", deserialize_with = "lenient")]
    pub port: u32,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct PodStatus {
    #[serde(rename = "podIP", deserialize_with = "lenient")]
    pub pod_ip: String,
    #[serde(rename = "hostIP", deserialize_with = "lenient")]
    pub host_ip: String,
    #[serde(deserialize_with = "lenient")]
    pub phase: String,
    #[serde(deserialize_with = "lenient")]
    pub conditions: Vec<PodCondition>,
    #[serde(deserialize_with = "lenient")]
    pub container_statuses: Vec<ContainerStatus>,
    #[serde(deserialize_with = "lenient")]
    pub init_container_statuses: Vec<ContainerStatus>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ContainerStatus {
    #[serde(deserialize_with = "lenient")]
    pub name: String,
    #[serde(rename = "containerID", deserialize_with = "lenient")]
    pub container_id: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ServiceSpec {
    #[serde(rename = "clusterIP", deserialize_with = "lenient")]
    pub cluster_ip: String,
    #[serde(rename = "loadBalancerIP", deserialize_with = "lenient")]
    pub load_balancer_ip: String,
    #[serde(deserialize_with = "lenient")]
    pub external_name: String,
    #[serde(deserialize_with = "lenient")]
    pub r#type: String,
    #[serde(deserialize_with = "lenient")]
    pub ports: Vec<ServicePort>,
    #[serde(deserialize_with = "lenient")]
    pub ip_families: Vec<String>,
    #[serde(deserialize_with = "lenient")]
    pub ip_family_policy: String,
}
