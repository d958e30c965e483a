//! Kubernetes: what a cluster has becomes targets with Prometheus' labels, and stays known while the API server fails.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use watchbell::model::Labels;

use crate::support::discovery::Following;
use crate::support::kubernetes::ApiServer;
use crate::support::peers::{self, wait_for};

fn objects() -> Value {
    serde_json::from_str(include_str!("../fixtures/kubernetes/objects.json")).unwrap()
}

/// Follows what one `kubernetes_sd_configs` entry finds.
fn follow(entry: &str) -> Following {
    Following::start("kubernetes", entry)
}

impl Following {
    fn names(&self) -> Vec<String> {
        let label = |labels: &Labels| labels.value("__meta_kubernetes_pod_name").to_owned();
        let names: BTreeSet<String> = self.targets().unwrap_or_default().iter().map(label).collect();
        names.into_iter().collect()
    }

    fn wait_for_names(&self, want: &[&str]) {
        wait_for(&format!("pods {want:?}"), || (self.names() == want).then_some(()));
    }
}

fn pod(name: &str) -> Value {
    json!({"metadata": {"name": name, "namespace": "ml"}, "spec": {"containers": [{"name": "c"}]}, "status": {"podIP": "10.9.9.9"}})
}

fn lists(server: &ApiServer) -> usize {
    server.requests().iter().filter(|(path, status)| !path.contains("watch=") && *status == 200).count()
}

#[test]
fn targets_follow_what_comes_changes_and_goes() {
    let server = ApiServer::start(&objects());
    let following = follow(&format!("{{role: pod, api_server: '{}', namespaces: {{names: [ml]}}}}", server.url));
    following.wait_for_names(&["vllm-0"]);
    server.put("pods", pod("a"));
    following.wait_for_names(&["a", "vllm-0"]);
    let mut changed = pod("a");
    changed["metadata"]["labels"] = json!({"team": "ops"});
    server.put("pods", changed);
    wait_for("the label", || {
        following.targets()?.iter().any(|t| t.value("__meta_kubernetes_pod_label_team") == "ops").then_some(())
    });
    server.delete("pods", "ml", "vllm-0");
    following.wait_for_names(&["a"]);
    // Only what was asked for, in pages, and then watched.
    let (first, _) = server.requests()[0].clone();
    assert!(first.starts_with("/api/v1/namespaces/ml/pods?limit="), "{first}");
    let watches: Vec<String> = server.requests().into_iter().map(|(p, _)| p).filter(|p| p.contains("watch=")).collect();
    assert_eq!(watches.len(), 1, "{watches:?}");
    assert!(watches[0].contains("allowWatchBookmarks=true"));
}

#[test]
fn a_watch_that_breaks_goes_on_from_where_it_was() {
    let server = ApiServer::start(&objects());
    let following = follow(&format!("{{role: pod, api_server: '{}', namespaces: {{names: [ml]}}}}", server.url));
    following.wait_for_names(&["vllm-0"]);
    let before = lists(&server);
    // A bookmark moves the version on without an object.
    server.bookmark("pods");
    server.drop_watches();
    server.put("pods", pod("a"));
    following.wait_for_names(&["a", "vllm-0"]);
    assert_eq!(lists(&server), before, "nothing was listed anew");
}

#[test]
fn a_version_that_is_too_old_means_a_new_list() {
    let server = ApiServer::start(&objects());
    let following = follow(&format!("{{role: pod, api_server: '{}', namespaces: {{names: [ml]}}}}", server.url));
    following.wait_for_names(&["vllm-0"]);
    // Twice, so that both ways to say so come up: the version in between is of the other parity.
    for name in ["a", "b", "c"] {
        let before = lists(&server);
        server.put("pods", pod(name));
        server.forget();
        server.drop_watches();
        wait_for("the pod", || following.names().contains(&name.to_owned()).then_some(()));
        wait_for("a new list", || (lists(&server) > before).then_some(()));
    }
    // What went while nobody looked is gone.
    server.delete("pods", "ml", "a");
    server.forget();
    server.drop_watches();
    following.wait_for_names(&["b", "c", "vllm-0"]);
}

#[test]
fn targets_stay_while_the_token_is_refused_and_a_new_one_counts_at_once() {
    let server = ApiServer::start(&objects());
    let dir = tempfile::tempdir().unwrap();
    let token = dir.path().join("token");
    std::fs::write(&token, "one").unwrap();
    server.set_authorization("Bearer one");
    let authorization = format!("authorization: {{credentials_file: '{}'}}", token.display());
    let following =
        follow(&format!("{{role: pod, api_server: '{}', namespaces: {{names: [ml]}}, {authorization}}}", server.url));
    following.wait_for_names(&["vllm-0"]);
    server.set_authorization("Bearer two");
    server.drop_watches();
    server.put("pods", pod("a"));
    let refused = || server.requests().iter().any(|(_, status)| *status == 401).then_some(());
    wait_for("a refusal", refused);
    assert_eq!(following.names(), ["vllm-0"]);
    std::fs::write(&token, "two").unwrap();
    following.wait_for_names(&["a", "vllm-0"]);
}

#[test]
fn selectors_go_with_every_request() {
    let server = ApiServer::start(&objects());
    let selectors = "selectors: [{role: pod, label: 'app=vllm', field: 'status.phase=Running'}]";
    let following = follow(&format!("{{role: pod, api_server: '{}', {selectors}}}", server.url));
    following.wait_for_names(&["vllm-0"]);
    wait_for("a watch", || server.requests().iter().any(|(p, _)| p.contains("watch=")).then_some(()));
    for (path, _) in server.requests() {
        assert!(
            path.starts_with("/api/v1/pods?labelSelector=app%3Dvllm&fieldSelector=status.phase%3DRunning"),
            "{path}"
        );
    }
}

/// What a Prometheus finds, before relabelling.
fn found_by_prometheus(entry: &str, want: usize) -> Option<BTreeSet<Labels>> {
    // Without labels of their own, targets of one address would be one.
    let relabel = "  relabel_configs: [{action: labelmap, regex: '__meta_(.*)'}]";
    let config = format!(
        "scrape_configs:\n- job_name: j\n  scrape_interval: 1h\n  kubernetes_sd_configs:\n  - {entry}\n{relabel}\n"
    );
    let prometheus = peers::prometheus(&config)?;
    Some(wait_for("Prometheus' targets", || {
        let (_, body) = peers::get(prometheus.port, "/api/v1/targets?state=active")?;
        let answer: Value = serde_json::from_str(&body).ok()?;
        let targets = answer["data"]["activeTargets"].as_array()?.clone();
        let labels = |target: &Value| {
            let all: Labels = serde_json::from_value(target["discoveredLabels"].clone()).unwrap();
            all.filter(|name| name == "__address__" || name == "instance" || name.starts_with("__meta_"))
        };
        (targets.len() == want).then(|| targets.iter().map(labels).collect())
    }))
}

#[test]
fn labels_of_every_role_are_those_of_prometheus() {
    let server = ApiServer::start(&objects());
    for (role, more, want) in [
        ("node", "", 2),
        ("pod", ", attach_metadata: {node: true}", 5),
        ("service", "", 4),
        ("endpoints", ", attach_metadata: {node: true}", 5),
        ("endpointslice", ", attach_metadata: {node: true}", 4),
        ("ingress", "", 3),
    ] {
        let entry = format!("{{role: {role}, api_server: '{}'{more}}}", server.url);
        let following = follow(&entry);
        let ours = wait_for("targets", || following.targets().filter(|t| !t.is_empty()));
        assert_eq!(ours.len(), want, "{role}: {ours:#?}");
        let Some(theirs) = found_by_prometheus(&entry, want) else { continue };
        assert_eq!(ours, theirs, "{role}");
    }
}

#[test]
fn namespaces_give_their_labels_and_annotations() {
    let server = ApiServer::start(&objects());
    let following =
        follow(&format!("{{role: service, api_server: '{}', attach_metadata: {{namespace: true}}}}", server.url));
    let found = wait_for("targets", || following.targets().filter(|t| !t.is_empty()));
    let vllm = found.iter().find(|t| t.value("__meta_kubernetes_service_name") == "vllm").unwrap();
    for (name, want) in [
        ("label_team", "inference"),
        ("labelpresent_team", "true"),
        ("annotation_owner_mail", "ml@example.com"),
        ("annotationpresent_owner_mail", "true"),
    ] {
        assert_eq!(vllm.value(&format!("__meta_kubernetes_namespace_{name}")), want);
    }
}

/// An object that another one controls.
fn controlled(mut object: Value, kind: &str, name: &str) -> Value {
    object["metadata"]["ownerReferences"] = json!([
        {"kind": "Node", "name": "no-controller"},
        {"kind": kind, "name": name, "controller": true},
    ]);
    object
}

fn named(name: &str) -> Value {
    json!({"metadata": {"name": name, "namespace": "ml"}})
}

#[test]
fn pods_have_the_names_of_what_controls_their_controllers() {
    let server = ApiServer::start(&json!({
        "pods": [
            controlled(pod("web"), "ReplicaSet", "web-1"),
            controlled(pod("bare"), "ReplicaSet", "bare-1"),
            controlled(pod("nightly"), "Job", "nightly-1"),
            controlled(pod("once"), "Job", "once"),
        ],
        "replicasets": [controlled(named("web-1"), "Deployment", "web"), controlled(named("bare-1"), "Rollout", "bare")],
        "jobs": [controlled(named("nightly-1"), "CronJob", "nightly"), named("once")],
    }));
    let entry = |attach: &str| format!("{{role: pod, api_server: '{}', attach_metadata: {{{attach}}}}}", server.url);
    let following = follow(&entry("deployment: true, job: true, cronjob: true"));
    following.wait_for_names(&["bare", "nightly", "once", "web"]);
    let found = following.targets().unwrap();
    let of = |pod: &str| {
        let target = found.iter().find(|t| t.value("__meta_kubernetes_pod_name") == pod).unwrap();
        ["deployment", "job", "cronjob"]
            .map(|kind| target.value(&format!("__meta_kubernetes_pod_{kind}_name")).to_owned())
    };
    assert_eq!(of("web"), ["web", "", ""]);
    assert_eq!(of("bare"), ["", "", ""]);
    assert_eq!(of("nightly"), ["", "nightly-1", "nightly"]);
    assert_eq!(of("once"), ["", "once", ""]);
    // What is not asked for is neither told nor looked at.
    let server = ApiServer::start(&json!({"pods": [controlled(pod("nightly"), "Job", "nightly-1")]}));
    let following = follow(&format!("{{role: pod, api_server: '{}', attach_metadata: {{job: true}}}}", server.url));
    following.wait_for_names(&["nightly"]);
    let found = following.targets().unwrap();
    assert_eq!(found.first().unwrap().value("__meta_kubernetes_pod_job_name"), "nightly-1");
    assert!(server.requests().iter().all(|(path, _)| path.starts_with("/api/v1/pods?")), "{:?}", server.requests());
}

#[test]
fn a_service_of_two_families_has_each_target_once() {
    let slice = |name: &str, family: &str, address: &str| {
        json!({
            "metadata": {"name": name, "namespace": "ml", "labels": {"kubernetes.io/service-name": "s"}},
            "addressType": family, "ports": [{"port": 80}], "endpoints": [{"addresses": [address]}],
        })
    };
    for (spec, want) in [
        (json!({"ipFamilyPolicy": "PreferDualStack", "ipFamilies": ["IPv4", "IPv6"]}), &["10.0.0.7:80"] as &[&str]),
        (json!({"ipFamilyPolicy": "RequireDualStack", "ipFamilies": ["IPv6", "IPv4"]}), &["[fd00::7]:80"]),
        (json!({"ipFamilyPolicy": "SingleStack", "ipFamilies": ["IPv4"]}), &["10.0.0.7:80", "[fd00::7]:80"]),
        (json!({}), &["10.0.0.7:80", "[fd00::7]:80"]),
    ] {
        let server = ApiServer::start(&json!({
            "services": [{"metadata": {"name": "s", "namespace": "ml"}, "spec": spec}],
            "endpointslices": [slice("s-4", "IPv4", "10.0.0.7"), slice("s-6", "IPv6", "fd00::7")],
        }));
        let following = follow(&format!("{{role: endpointslice, api_server: '{}'}}", server.url));
        let found = wait_for("targets", || following.targets().filter(|t| !t.is_empty()));
        let addresses: Vec<&str> = found.iter().map(|t| t.value("__address__")).collect();
        assert_eq!(addresses, want, "{spec}");
    }
}

#[test]
fn pods_on_nodes_that_are_not_selected_are_no_targets() {
    let on = |name: &str, node: &str| {
        let mut pod = pod(name);
        pod["spec"]["nodeName"] = json!(node);
        pod
    };
    let server = ApiServer::start(&json!({
        "nodes": [{"metadata": {"name": "gpu-1", "labels": {"pool": "gpu"}}}, {"metadata": {"name": "cpu-1"}}],
        "pods": [on("trains", "gpu-1"), on("serves", "cpu-1"), pod("waits")],
    }));
    let entry = format!("role: pod, api_server: '{}', attach_metadata: {{node: true}}", server.url);
    let following = follow(&format!("{{{entry}, selectors: [{{role: node, label: 'pool=gpu'}}]}}"));
    following.wait_for_names(&["trains"]);
    // A selector is no condition: of pods on nodes that nobody knows the node's labels are not known.
    follow(&format!("{{{entry}}}")).wait_for_names(&["serves", "trains"]);
}
