//! What of Prometheus' API no peer is needed for: what it says of itself, and what only some may do.

use serde_json::Value as Json;

use crate::support::peers;
use crate::support::service::Home;

#[test]
fn the_api_describes_every_path_it_serves_and_clients_take_it_for_a_current_prometheus() {
    let home = Home::new(&[("watchbell.yaml", "")]);
    let server = home.start();
    let (status, text) = server.get("/api/v1/openapi.yaml");
    assert_eq!(status, 200);
    let described: serde_yaml::Value = serde_yaml::from_str(&text).unwrap();
    let paths = described["paths"].as_mapping().unwrap();
    assert!(paths.len() >= 28, "{}", paths.len());
    let routes = include_str!("../src/server/api/mod.rs").split("route(\"").skip(1).filter_map(|r| r.split('"').next());
    for route in routes {
        let route = route.strip_prefix("/api/v1").unwrap_or(route);
        assert!(paths.contains_key(route), "{route} is not described");
    }
    for (path, methods) in paths {
        let path = format!("/api/v1{}", path.as_str().unwrap().replace("{name}", "job"));
        for method in methods.as_mapping().unwrap().keys() {
            let method = method.as_str().unwrap().to_uppercase();
            if path.ends_with("/live") {
                continue;
            }
            let (status, body) = peers::send(server.0.port, &method, &path, &[], b"").unwrap();
            assert!(status != 405 && !body.contains("page not found"), "{method} {path}: {status} {body}");
        }
    }
    let build = server.api("/api/v1/status/buildinfo");
    assert_eq!(build["data"]["version"], "3.14.0");
    assert_eq!(build["data"]["watchbell"], env!("CARGO_PKG_VERSION"));
    let features = server.api("/api/v1/features");
    assert_eq!(features["data"]["promql_functions"]["rate"], true);
    assert_eq!(features["data"]["api"]["lifecycle"], true);
    assert_eq!(features["data"]["api"]["admin"], false);
}

#[test]
fn a_query_as_deep_as_it_may_be_is_laid_out_and_taken_apart() {
    let home = Home::new(&[("watchbell.yaml", "")]);
    let server = home.start();
    for path in ["/api/v1/parse_query", "/api/v1/format_query"] {
        let query = format!("query=x{}", "%2Bx".repeat(3_900));
        let form = "application/x-www-form-urlencoded";
        let (status, body) = peers::post(server.0.port, path, form, query.as_bytes()).unwrap();
        assert!(status == 200 && body.starts_with("{\"status\":\"success\""), "{path}: {status}");
    }
}

#[test]
fn opentelemetrys_metrics_are_taken_in_json_and_deltas_as_the_features_say() {
    let request = |n: i64, t: u64| {
        format!(
            r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{{"name":"paid","sum":{{"aggregationTemporality":1,
            "isMonotonic":true,"dataPoints":[{{"asInt":"{n}","timeUnixNano":"{t}"}}]}}}}]}}]}}]}}"#
        )
    };
    let now = watchbell::clock::Clock::now(&watchbell::clock::SystemClock).unsigned_abs() * 1_000_000;
    for (features, want) in [("otlp-deltatocumulative", "12"), ("otlp-native-delta-ingestion", "5")] {
        let home = Home::new(&[("watchbell.yaml", "")]);
        let server = home.start_with(&["--web.enable-otlp-receiver", &format!("--enable-feature={features}")]);
        let post = |media: &str, body: &str| {
            peers::post(server.0.port, "/api/v1/otlp/v1/metrics", media, body.as_bytes()).unwrap()
        };
        for (n, t) in [(7, now - 2_000_000_000), (5, now - 1_000_000_000)] {
            assert_eq!(post("application/json; charset=utf-8", &request(n, t)), (200, String::new()));
        }
        let answer = server.api("/api/v1/query?query=paid_total");
        assert_eq!(answer["data"]["result"][0]["value"][1], want, "{features}: {answer}");
        let (status, body) = post("application/json", r#"{"resourceMetrics":7}"#);
        assert!(status == 400 && body.contains("OTLP message: resourceMetrics is not a number"), "{status} {body}");
        let (status, body) = post("text/plain", "{}");
        assert!(
            status == 415 && body.contains("supported: [application/json, application/x-protobuf]"),
            "{status} {body}"
        );
    }
    let both = std::process::Command::new(env!("CARGO_BIN_EXE_watchbell"))
        .args(["run", "--enable-feature=otlp-deltatocumulative,otlp-native-delta-ingestion"])
        .output()
        .unwrap();
    assert!(!both.status.success());
    assert!(String::from_utf8_lossy(&both.stderr).contains("cannot be enabled together"));
}

#[test]
fn a_pools_relabelling_is_shown_rule_by_rule() {
    let config = "scrape_configs:\n- job_name: j\n  relabel_configs:\n  - {source_labels: [a], target_label: b}\n  \
        - {source_labels: [a], regex: x, action: drop}\n";
    let home = Home::new(&[("watchbell.yaml", config)]);
    let server = home.start();
    let ask = |labels: &str| {
        let labels = url::form_urlencoded::byte_serialize(labels.as_bytes()).collect::<String>();
        server.api(&format!("/api/v1/targets/relabel_steps?scrapePool=j&labels={labels}"))
    };
    let steps = ask(r#"{"a": "y"}"#)["data"]["steps"].clone();
    assert_eq!(steps[0]["output"], serde_json::json!({"a": "y", "b": "y"}));
    assert_eq!((&steps[0]["rule"]["action"], &steps[1]["keep"]), (&Json::from("replace"), &Json::from(true)));
    let steps = ask(r#"{"a": "x"}"#)["data"]["steps"].clone();
    assert_eq!((&steps[1]["keep"], &steps[1]["output"]), (&Json::from(false), &serde_json::json!({})));
    let (status, _) = server.get("/api/v1/targets/relabel_steps?scrapePool=nosuch&labels={}");
    assert_eq!(status, 400);
}

#[test]
fn one_pool_is_listed_and_the_dropped_targets_of_all_are_counted() {
    let pool = |name: &str| {
        format!("- job_name: {name}\n  scrape_interval: 1h\n  static_configs: [{{targets: ['localhost:1']}}]\n")
    };
    let config = format!("scrape_configs:\n{}{}  relabel_configs: [{{action: drop}}]\n", pool("a"), pool("b"));
    let home = Home::new(&[("watchbell.yaml", &config)]);
    let server = home.start_with(&["--web.external-url=http://mon.example/"]);
    let data = crate::support::peers::wait_for("targets", || {
        let data = server.api("/api/v1/targets?scrapePool=a")["data"].clone();
        (data["droppedTargetCounts"]["b"] == 1 && !data["activeTargets"].as_array()?.is_empty()).then_some(data)
    });
    assert_eq!(data["droppedTargetCounts"], serde_json::json!({"a": 0, "b": 1}));
    assert_eq!(data["droppedTargets"], serde_json::json!([]));
    let target = &data["activeTargets"][0];
    assert_eq!(target["globalUrl"], "http://mon.example:1/metrics");
    assert_eq!(target["discoveredLabels"]["__scrape_native_histograms__"], "false");
    let (status, version) = server.get("/version");
    assert!(status == 200 && version.starts_with("{\"version\":\"3.14.0\""), "{version}");
}

#[test]
fn a_snapshot_is_made_where_it_is_allowed() {
    let home = Home::new(&[("watchbell.yaml", "")]);
    let server = home.start();
    let (status, body) = server.post("/api/v1/admin/tsdb/snapshot");
    assert_eq!(status, 503);
    assert!(body.contains("\"errorType\":\"unavailable\"") && body.contains("admin APIs disabled"), "{body}");
    drop(server);
    let server = home.start_with(&["--web.enable-admin-api"]);
    let (status, body) = server.post("/api/v1/admin/tsdb/snapshot");
    assert_eq!(status, 200, "{body}");
    let name = serde_json::from_str::<Json>(&body).unwrap()["data"]["name"].as_str().unwrap().to_owned();
    assert!(home.path().join("data/snapshots").join(name).join("tsdb/manifest").is_file());
    assert_eq!(server.post("/api/v1/admin/tsdb/snapshot?skip_head=maybe").0, 400);
    assert_eq!(server.post("/api/v1/admin/tsdb/delete_series").0, 400);
    assert_eq!(server.post("/api/v1/admin/tsdb/delete_series?match[]=up").0, 204);
    assert_eq!(server.post("/api/v1/admin/tsdb/clean_tombstones").0, 204);
}
