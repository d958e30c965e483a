//! What kube-state-metrics says of the cluster.

use super::build::{Builder, CPU_NODES, GPU_NODES, MODELS, PODS_PER_MODEL, Target, node_name, pod_name};
use super::incident::BAD_MODEL;
use super::shape::{Curve, Envelope};
use super::signal::{Counter, Signal};

const TARGET: Target<'static> =
    Target { job: "kube-state-metrics", instance: "kube-state-metrics.monitoring.svc:8080" };
const NAMESPACE: (&str, &str) = ("namespace", "ml-serving");

pub(super) fn describe(build: &mut Builder<'_>) {
    build.add(&TARGET, "up", &[], Signal::Constant(1.0));
    for (model, _) in MODELS {
        deployment(build, model);
        for ordinal in 0..PODS_PER_MODEL {
            pod(build, model, ordinal);
        }
    }
    for index in 0..GPU_NODES + CPU_NODES {
        let labels = [("node", &*node_name(index)), ("condition", "Ready"), ("status", "true")];
        build.add(&TARGET, "kube_node_status_condition", &labels, Signal::Constant(1.0));
    }
}

fn deployment(build: &mut Builder<'_>, model: &str) {
    let labels = [("deployment", model), NAMESPACE];
    for name in ["kube_deployment_spec_replicas", "kube_deployment_status_replicas_available"] {
        build.add(&TARGET, name, &labels, Signal::Constant(PODS_PER_MODEL as f64));
    }
}

fn pod(build: &mut Builder<'_>, model: &str, ordinal: usize) {
    let pod = pod_name(build.seed, model, ordinal);
    let node = node_name(ordinal % GPU_NODES);
    let labels = [("pod", pod.as_str()), NAMESPACE];
    let info = [labels[0], labels[1], ("node", &*node), ("created_by_kind", "ReplicaSet")];
    build.add(&TARGET, "kube_pod_info", &info, Signal::Constant(1.0));
    for (phase, on) in [("Running", 1.0), ("Pending", 0.0), ("Failed", 0.0)] {
        let labels = [labels[0], labels[1], ("phase", phase)];
        build.add(&TARGET, "kube_pod_status_phase", &labels, Signal::Constant(on));
    }
    // The rollout restarts each of the bad model's containers once.
    let rollout = build.incident.shifted_predictions.start + ordinal as i64 * 60_000;
    let restart = Envelope { start: rollout, rise: 0, end: rollout + 1_000, fall: 0 };
    let rate = Curve { base: 0.0, swing: 0.0, wander: 0.0, seed: 0 };
    let effect = (model == BAD_MODEL).then_some((restart, 1.0));
    let restarts = Counter::new(rate, build.origin, 1.0, 1.0).with(effect);
    let labels = [labels[0], labels[1], ("container", "server")];
    build.add(&TARGET, "kube_pod_container_status_restarts_total", &labels, Signal::Counter(restarts));
}
