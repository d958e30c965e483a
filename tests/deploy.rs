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
    assert_eq!(container["livenessProbe"]["tcpSocket"]["port"], "http");
    assert_eq!(container["readinessProbe"]["exec"]["command"][1], "health");
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
    // A file that is mounted by itself never changes.
    let mounts = pod["spec"]["containers"][0]["volumeMounts"].as_sequence().unwrap();
    assert!(mounts.iter().all(|m| m["subPath"].is_null()));
    assert_eq!(
        of_kind(&all, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
        set["spec"]["selector"]["matchLabels"]
    );
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

/// The words of a container's command that begins a process of ours.
fn args(path: &str) -> Vec<String> {
    let all = documents(path);
    let args = &of_kind(&all, "StatefulSet")["spec"]["template"]["spec"]["containers"][0]["args"];
    args.as_sequence().unwrap().iter().map(|a| a.as_str().unwrap().to_owned()).collect()
}

fn watchbell(args: &[&str], dir: &std::path::Path) -> std::process::Output {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_watchbell"));
    command.args(args).current_dir(dir).output().unwrap()
}

#[test]
fn what_the_image_runs_where_nothing_is_mounted_is_good() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("rules")).unwrap();
    std::fs::copy(root.join("deploy/watchbell.yaml"), dir.path().join("watchbell.yaml")).unwrap();
    std::fs::copy(root.join("rules/watchbell.yaml"), dir.path().join("rules/watchbell.yaml")).unwrap();
    let checked = watchbell(&["check", "config", "watchbell.yaml"], dir.path());
    assert!(checked.status.success(), "{checked:?}");
    // The image copies these files, and its command begins the server.
    for dockerfile in ["deploy/Dockerfile", "deploy/Dockerfile.release"] {
        let dockerfile = std::fs::read_to_string(root.join(dockerfile)).unwrap();
        for line in ["COPY deploy/watchbell.yaml /etc/watchbell/watchbell.yaml", "--web.listen-address=0.0.0.0:9095"] {
            assert!(dockerfile.contains(line), "{line}");
        }
    }
}

#[test]
fn the_pods_arguments_begin_a_server_that_asks_who_is_there() {
    let dir = tempfile::tempdir().unwrap();
    // Of `password`, with the fewest rounds.
    let users = "basic_auth_users: {watchbell: $2y$04$ZRy5QmmrWtBaQk4RHFJvEOCjSTyrj1s4vvpWrW/Zb3rjFzDLZMKre}\n";
    std::fs::write(dir.path().join("web.yml"), users).unwrap();
    std::fs::write(dir.path().join("watchbell.yaml"), "global: {}\n").unwrap();
    let place = dir.path().display().to_string();
    let args: Vec<String> = args("deploy/kubernetes/watchbell.yaml")
        .into_iter()
        .map(|a| {
            a.replace("/etc/watchbell/config", &place).replace("/etc/watchbell/web", &place).replace("/data", &place)
        })
        .chain(["--config.check".to_owned()])
        .collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let checked = watchbell(&args, dir.path());
    assert!(checked.status.success(), "{checked:?}");
}

#[test]
fn health_names_the_url_and_the_cause() {
    let asked = watchbell(&["health", "--url", "http://user:secret@127.0.0.1:1"], std::path::Path::new("."));
    let said = String::from_utf8_lossy(&asked.stderr).into_owned();
    assert!(!asked.status.success() && said.contains("127.0.0.1:1/-/ready") && said.contains("refused"), "{said}");
    assert!(!said.contains("secret"), "{said}");
}
