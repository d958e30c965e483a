//! Discovery that asks a service: HTTP, Consul, Docker. What it finds has Prometheus' labels, and stays while it fails.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::json;
use watchbell::ingest::discovery::MOST_TARGETS;

use crate::support::discovery::Following;
use crate::support::http::{Answer, Request, answer, serve};
use crate::support::peers::wait_for;

fn json_answer(headers: &[(&'static str, &str)], body: &serde_json::Value) -> Option<Answer> {
    let headers: Vec<_> =
        headers.iter().copied().chain([("Content-Type", "application/json; charset=utf-8")]).collect();
    Some(answer(200, &headers, body.to_string()))
}

/// A server that remembers what it was asked.
fn remembering(
    respond: impl Fn(&Request) -> Option<Answer> + Send + Sync + 'static,
) -> (String, Arc<Mutex<Vec<Request>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let memory = asked.clone();
    let address = serve(false, move |request| {
        memory.lock().unwrap().push(request.clone());
        respond(&request)
    });
    (address, asked)
}

#[test]
fn http_targets_follow_the_server_and_stay_while_it_fails() {
    let (fails, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let (is_failing, so_far) = (fails.clone(), count.clone());
    let (address, asked) = remembering(move |_| {
        if is_failing.load(Ordering::SeqCst) {
            return Some(answer(503, &[], "no"));
        }
        let targets: Vec<String> = (0..=so_far.load(Ordering::SeqCst)).map(|i| format!("host-{i}:80")).collect();
        json_answer(&[], &json!([{"targets": targets, "labels": {"zone": "eu"}}, {"targets": ["other:1"]}]))
    });
    let entry =
        format!("{{url: 'http://{address}/targets', refresh_interval: 50ms, authorization: {{credentials: s3cret}}}}");
    let following = Following::start("http", &entry);
    let of =
        |host: &str, zone: &str| format!(r#"{{__address__="{host}", __meta_url="http://{address}/targets"{zone}}}"#);
    let (first, other) = (of("host-0:80", r#", zone="eu""#), of("other:1", ""));
    wait_for("the targets", || (following.texts() == [first.clone(), other.clone()]).then_some(()));
    count.store(1, Ordering::SeqCst);
    wait_for("another target", || (following.texts().len() == 3).then_some(()));
    fails.store(true, Ordering::SeqCst);
    let before = asked.lock().unwrap().len();
    wait_for("refusals", || (asked.lock().unwrap().len() > before + 2).then_some(()));
    assert_eq!(following.texts().len(), 3);
    let metrics = following.metrics();
    let value = |name: &str| {
        let line = metrics.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).unwrap_or(-1.0)
    };
    assert!(value("prometheus_sd_http_failures_total ") >= 1.0, "{metrics}");
    assert!(value(r#"prometheus_sd_refresh_failures_total{mechanism="http",config="j"}"#) >= 1.0, "{metrics}");
    assert!(value("prometheus_sd_received_updates_total{name=\"scrape\"} ") >= 2.0, "{metrics}");
    let asked = asked.lock().unwrap();
    assert_eq!(asked[0].line, "GET /targets HTTP/1.1");
    assert_eq!(asked[0].header("authorization"), "Bearer s3cret");
    assert_eq!(asked[0].header("x-prometheus-refresh-interval-seconds"), "0.05");
}

#[test]
fn an_answer_that_is_no_list_of_targets_is_a_failure() {
    for (status, kind, body) in [
        (200, "text/html", "[]"),
        (200, "application/json", "{}"),
        (200, "application/json", "[null]"),
        (200, "application/json", r#"[{"targets": [1]}]"#),
        (302, "application/json", "[]"),
    ] {
        let address = serve(false, move |_| Some(answer(status, &[("Content-Type", kind)], body)));
        let following = Following::start("http", &format!("{{url: 'http://{address}', refresh_interval: 1h}}"));
        let failed = || following.metrics().contains("\nprometheus_sd_http_failures_total 1\n").then_some(());
        wait_for(&format!("a failure for {status} {kind} {body}"), failed);
        assert_eq!(following.targets(), None);
    }
}

#[test]
fn groups_without_targets_are_no_groups() {
    let empty = format!(r#"[{}{{"targets": ["h:1"]}}]"#, r#"{"targets": []},"#.repeat(MOST_TARGETS + 1));
    let address = serve(false, move |_| Some(answer(200, &[("Content-Type", "application/json")], empty.as_str())));
    let following = Following::start("http", &format!("{{url: 'http://{address}', refresh_interval: 1h}}"));
    let found = wait_for("a target", || following.targets());
    let addresses: Vec<&str> = found.iter().map(|labels| labels.value("__address__")).collect();
    assert_eq!(addresses, ["h:1"]);
}

/// A Consul agent with one service; the index changes when `changes` does.
fn consul(changes: Arc<AtomicUsize>) -> (String, Arc<Mutex<Vec<Request>>>) {
    remembering(move |request| {
        let path = request.line.split(' ').nth(1).unwrap_or_default();
        let index = changes.load(Ordering::SeqCst) + 7;
        let has = [("X-Consul-Index", index.to_string())];
        let has: Vec<(&'static str, &str)> = has.iter().map(|(n, v)| (*n, v.as_str())).collect();
        if path.starts_with("/v1/agent/self") {
            return json_answer(&[], &json!({"Config": {"Datacenter": "dc1"}}));
        }
        // A blocking query waits for something newer.
        if path.contains(&format!("index={index}")) {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        if path.starts_with("/v1/catalog/services") {
            return json_answer(&has, &json!({"consul": [], "web": ["a", "prod"], "db": ["b"]}));
        }
        let status = if index > 7 { "critical" } else { "passing" };
        let node = json!({"Node": "n1", "Address": "10.0.0.1", "TaggedAddresses": {"wan": "203.0.113.1"}, "Meta": {"rack-id": "r1"}});
        let service = json!({"ID": "web-1", "Service": "web", "Tags": ["a", "prod"], "Address": "", "Port": 8080, "Meta": {"v": "2"}});
        json_answer(&has, &json!([{"Node": node, "Service": service, "Checks": [{"CheckID": "c", "Status": status}]}]))
    })
}

#[test]
fn consul_services_are_followed_with_their_health() {
    let changes = Arc::new(AtomicUsize::new(0));
    let (address, asked) = consul(changes.clone());
    let entry = format!("{{server: '{address}', token: t0ken, tags: [prod], refresh_interval: 20ms}}");
    let following = Following::start("consul", &entry);
    let want = |health: &str| {
        format!(
            r#"{{__address__="10.0.0.1:8080", __meta_consul_address="10.0.0.1", __meta_consul_dc="dc1", __meta_consul_health="{health}", __meta_consul_metadata_rack_id="r1", __meta_consul_node="n1", __meta_consul_service="web", __meta_consul_service_id="web-1", __meta_consul_service_metadata_v="2", __meta_consul_service_port="8080", __meta_consul_tagged_address_wan="203.0.113.1", __meta_consul_tags=",a,prod,"}}"#
        )
    };
    let has = |texts: &[String]| (following.texts() == texts).then_some(());
    wait_for("the service", || has(&[want("passing")]));
    changes.store(1, Ordering::SeqCst);
    wait_for("its health", || has(&[want("critical")]));
    let asked = asked.lock().unwrap();
    assert!(asked.iter().all(|r| r.header("x-consul-token") == "t0ken"));
    let lines: Vec<&str> = asked.iter().map(|r| r.line.as_str()).collect();
    assert!(
        lines.iter().any(|l| l.contains("/v1/health/service/web?") && l.contains("tag=prod") && l.contains("index=7"))
    );
    assert!(!lines.iter().any(|l| l.contains("/v1/health/service/db")), "{lines:?}");
}

#[test]
fn docker_containers_have_a_target_a_port() {
    let (address, asked) = remembering(|request| {
        let containers = json!([
            {"Id": "c1", "Names": ["/web"], "Labels": {"com.team": "ops"}, "HostConfig": {"NetworkMode": "net"},
             "NetworkSettings": {"Networks": {"net": {"NetworkID": "n1", "IPAddress": "172.18.0.2"}}},
             "Ports": [{"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"},
                       {"PrivatePort": 53, "Type": "udp"}, {"PrivatePort": 9100, "Type": "tcp"}]},
            {"Id": "c2", "Names": ["/side"], "HostConfig": {"NetworkMode": "container:c1"}, "NetworkSettings": {"Networks": {}}},
            {"Id": "c3", "Names": ["/host"], "HostConfig": {"NetworkMode": "host"},
             "NetworkSettings": {"Networks": {"host": {"NetworkID": "h"}}}},
        ]);
        let networks = json!([{"Id": "n1", "Name": "net", "Scope": "local", "Internal": false, "Ingress": false, "Labels": {"l": "v"}}]);
        json_answer(&[], if request.line.contains("/networks") { &networks } else { &containers })
    });
    let filters = "filters: [{name: status, values: [running]}]";
    let following = Following::start(
        "docker",
        &format!("{{host: 'tcp://{address}', refresh_interval: 50ms, port: 81, {filters}}}"),
    );
    wait_for("the containers", || (following.texts().len() == 4).then_some(()));
    let network = r#"__meta_docker_network_id="n1", __meta_docker_network_ingress="false", __meta_docker_network_internal="false", __meta_docker_network_ip="172.18.0.2", __meta_docker_network_label_l="v", __meta_docker_network_name="net", __meta_docker_network_scope="local""#;
    let want = [
        r#"{__address__="localhost", __meta_docker_container_id="c3", __meta_docker_container_name="/host", __meta_docker_container_network_mode="host"}"#.to_owned(),
        format!(r#"{{__address__="172.18.0.2:80", __meta_docker_container_id="c1", __meta_docker_container_label_com_team="ops", __meta_docker_container_name="/web", __meta_docker_container_network_mode="net", {network}, __meta_docker_port_private="80", __meta_docker_port_public="8080", __meta_docker_port_public_ip="0.0.0.0"}}"#),
        format!(r#"{{__address__="172.18.0.2:9100", __meta_docker_container_id="c1", __meta_docker_container_label_com_team="ops", __meta_docker_container_name="/web", __meta_docker_container_network_mode="net", {network}, __meta_docker_port_private="9100"}}"#),
        format!(r#"{{__address__="172.18.0.2:81", __meta_docker_container_id="c2", __meta_docker_container_name="/side", __meta_docker_container_network_mode="container:c1", {network}}}"#),
    ];
    let found = following.texts();
    for target in &want {
        assert!(found.contains(target), "{target}\nis not in\n{found:#?}");
    }
    let line = asked.lock().unwrap()[0].line.clone();
    assert_eq!(line, "GET /containers/json?filters=%7B%22status%22%3A%5B%22running%22%5D%7D HTTP/1.1");
}
