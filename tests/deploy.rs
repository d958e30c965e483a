//! The manifests say what they should: parsed as Kubernetes would, checked for the promises the README makes.

use serde_yaml::Value;

fn documents(path: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let read = |d| <Value as serde::Deserialize>::deserialize(d).unwrap();
    serde_yaml::Deserializer::from_str(&text).map(read).collect()
}

fn of_kind<'a>(all: &'a [Value], kind: &str) -> &'a Value {
    all.iter().find(|d| d["kind"] == kind).unwrap_or_else(|| panic!("no {kind}"))
}

#[test]
fn every_object_is_named_and_in_the_monitoring_namespace() {
    for path in ["deploy/kubernetes/watchbell.yaml", "deploy/kubernetes/rules.yaml"] {
        for object in documents(path) {
            assert!(object["apiVersion"].is_string() && object["kind"].is_string(), "{path}: {object:?}");
            assert!(object["metadata"]["name"].as_str().is_some_and(|n| n.starts_with("watchbell")), "{path}");
            assert_eq!(object["metadata"]["namespace"], "monitoring", "{path}");
        }
    }
}

#[test]
fn the_pod_runs_without_privileges_on_a_read_only_root() {
    let all = documents("deploy/kubernetes/watchbell.yaml");
    let pod = &of_kind(&all, "StatefulSet")["spec"]["template"]["spec"];
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    let container = &pod["containers"][0];
    assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
    assert_eq!(container["securityContext"]["allowPrivilegeEscalation"], false);
    assert_eq!(container["securityContext"]["capabilities"]["drop"][0], "ALL");
    for probe in ["livenessProbe", "readinessProbe"] {
        assert!(container[probe]["httpGet"]["path"].as_str().is_some_and(|p| p.starts_with("/-/")), "{probe}");
    }
}

#[test]
fn every_mount_has_its_volume_and_the_service_finds_the_pod() {
    let all = documents("deploy/kubernetes/watchbell.yaml");
    let set = of_kind(&all, "StatefulSet");
    let pod = &set["spec"]["template"];
    let mut volumes: Vec<&str> =
        pod["spec"]["volumes"].as_sequence().unwrap().iter().filter_map(|v| v["name"].as_str()).collect();
    let claims = set["spec"]["volumeClaimTemplates"].as_sequence().unwrap();
    volumes.extend(claims.iter().filter_map(|v| v["metadata"]["name"].as_str()));
    for mount in pod["spec"]["containers"][0]["volumeMounts"].as_sequence().unwrap() {
        let name = mount["name"].as_str().unwrap();
        assert!(volumes.contains(&name), "no volume for {name}");
    }
    let selector = of_kind(&all, "Service")["spec"]["selector"].as_mapping().unwrap();
    for (key, value) in selector {
        assert_eq!(pod["metadata"]["labels"][key], *value);
    }
    let port = &of_kind(&all, "Service")["spec"]["ports"][0];
    assert_eq!(of_kind(&all, "ServiceMonitor")["spec"]["endpoints"][0]["port"], port["name"]);
}

#[test]
fn the_mounted_configuration_and_rules_are_valid() {
    let all = documents("deploy/kubernetes/watchbell.yaml");
    let config = of_kind(&all, "ConfigMap")["data"]["watchbell.yaml"].as_str().unwrap();
    let parsed: Value = serde_yaml::from_str(config).unwrap();
    assert!(parsed["watchbell"]["datasource"]["url"].is_string());
    let rules = documents("deploy/kubernetes/rules.yaml");
    for (name, text) in of_kind(&rules, "ConfigMap")["data"].as_mapping().unwrap() {
        let name = name.as_str().unwrap();
        let groups = watchbell::rules::load_str(name, text.as_str().unwrap(), &Default::default()).unwrap();
        assert!(!groups.is_empty(), "{name}");
    }
}
