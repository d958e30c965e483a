//! `docs/api.md`: every path that is served, with its parameters, made of the OpenAPI documents that are served too.

use std::fmt::Write as _;

use serde_yaml::Value;

use crate::docs::check_generated;

const INTRODUCTION: &str = "# HTTP API

Written by a test from the OpenAPI documents, which are served at `/api/v1/openapi.yaml` and `/api/v2/openapi.yaml`.

All paths stand below `--web.route-prefix`. Parameters of a `POST` may be a form. Errors of `/api/v1` and `/watchbell/v1` are
Prometheus' `{\"status\": \"error\", \"errorType\": ..., \"error\": ...}`, those of `/api/v2` a JSON string. Times are RFC 3339 or
seconds since the epoch. Who may ask is said in the [web configuration](prometheus.md#pages-in-browsers); `watchbell alertmanager`
serves `/api/v2` and what is Watchbell's own but `/federate`, and none of Prometheus' API.
";

/// What is Watchbell's own, or of no API: path, methods, parameters, what it does.
const OWN: [(&str, &str, &str, &str); 17] = [
    (
        "/watchbell/v1/now",
        "GET",
        "`filter`, `receiver`, `group`, `q`, `state` (`active`, `suppressed`), `limit`, `group_limit`",
        "[What fires](top.md), by group, and what is pending; what cannot be seen; how deliveries stand.",
    ),
    (
        "/watchbell/v1/explain",
        "GET",
        "`alert` (a name, matchers, a fingerprint), `at`, `page`, `format` (`text`), `limit`, `timeout`",
        "[Why an alert was told](explain.md), was not, or never was.",
    ),
    (
        "/watchbell/v1/history",
        "GET",
        "`match[]`, `fingerprint`, `receiver`, `group`, `notification`, `kind`, `from`, `to`, `order` (`newest`, `oldest`), `limit`, `cursor`, `format` (`json`, `lines`, `events`)",
        "[What was decided](history.md).",
    ),
    (
        "/watchbell/v1/alerts/{fingerprint}/ack",
        "POST, DELETE",
        "body: `createdBy`, `comment`, `endsAt`",
        "[Acknowledges](silences.md) an alert; takes that back.",
    ),
    (
        "/watchbell/v1/plots/{file}",
        "GET",
        "`range`",
        "The [plot](receivers.md#plots) of a notification: its number and `.png` or `.svg`.",
    ),
    ("/watchbell/v1/receivers", "GET", "", "Receivers and how their deliveries stand."),
    ("/watchbell/v1/receivers/{name}/test", "POST", "", "Sends a marked test message."),
    (
        "/watchbell/v1/drills",
        "POST",
        "body: `labels`, `annotations`",
        "Begins a drill: a marked alert that is told as it would be.",
    ),
    ("/watchbell/v1/drills/{name}", "GET, DELETE", "", "Who got what of a drill, and when; ends it."),
    ("/version", "GET", "", "The build, as Prometheus tells it."),
    ("/federate", "GET", "`match[]`", "The newest samples of series, as text, or in protobuf with native histograms."),
    ("/metrics", "GET", "", "[Its own metrics](metrics.md)."),
    ("/-/healthy", "GET, HEAD", "", "200 while it runs."),
    ("/-/ready", "GET, HEAD", "", "200 when it can be used."),
    ("/-/reload", "POST, PUT", "", "Reads the configuration again, with `--web.enable-lifecycle`."),
    ("/-/quit", "POST, PUT", "", "Ends it, with `--web.enable-lifecycle`."),
    ("/live", "GET", "", "Tells the pages when something has changed."),
];

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or("")
}

/// Names of the parameters of an operation, with those of its form and its body.
fn parameters(document: &Value, path: &Value, operation: &Value) -> Vec<String> {
    let mut names = Vec::new();
    for parameter in [path, operation].iter().flat_map(|of| of["parameters"].as_sequence().into_iter().flatten()) {
        let shared = text(parameter, "$ref").rsplit('/').next().map(|name| &document["parameters"][name]);
        let name = match text(parameter, "in") {
            "path" => continue,
            "body" => format!("body: `{}`", text(parameter, "name")),
            "" => format!("`{}`", shared.map_or("", |shared| text(shared, "name"))),
            _ => format!("`{}`", text(parameter, "name")),
        };
        names.push(name);
    }
    names
}

/// The paths of a document, in its order: those that do the same by several methods are one line.
fn table(base: &str, source: &str) -> String {
    let document: Value = serde_yaml::from_str(source).unwrap();
    let mut out = String::from("\n| path | methods | parameters | |\n|---|---|---|---|\n");
    for (path, operations) in document["paths"].as_mapping().unwrap() {
        let mut rows: Vec<(String, String, String)> = Vec::new();
        for (method, operation) in operations.as_mapping().unwrap() {
            let method = method.as_str().unwrap().to_uppercase();
            if method == "PARAMETERS" {
                continue;
            }
            let names = parameters(&document, operations, operation).join(", ");
            let told = [text(operation, "summary"), text(operation, "description")].into_iter().find(|t| !t.is_empty());
            let told = told.unwrap_or("").replace(" The parameters may be a form.", "");
            match rows.iter_mut().find(|(_, of, what)| *what == told && (*of == names || names.is_empty())) {
                Some((methods, ..)) => *methods += &format!(", {method}"),
                None => rows.push((method, names, told)),
            }
        }
        for (methods, names, told) in rows {
            let _ = writeln!(out, "| `{base}{}` | {methods} | {names} | {told} |", path.as_str().unwrap());
        }
    }
    out
}

#[test]
fn the_page_of_the_api_is_what_is_served() {
    let mut page = INTRODUCTION.to_owned();
    page += "\n## Prometheus' API\n";
    page += &table("/api/v1", include_str!("../src/server/api/openapi.yaml"));
    page += "\n## Alertmanager's API\n";
    page += &table("/api/v2", include_str!("../src/server/alertmanager/openapi.yaml"));
    page += "\n## Watchbell's own\n\n| path | methods | parameters | |\n|---|---|---|---|\n";
    for (path, methods, parameters, what) in OWN {
        let _ = writeln!(page, "| `{path}` | {methods} | {parameters} | {what} |");
    }
    page += "\nThe pages for people ([pages.md](pages.md)) have paths of their own.\n";
    check_generated("api.md", &page);
}

/// What routers of `src/server` serve, as their sources name it; pages and the two APIs have lists of their own.
#[test]
fn no_path_of_our_own_is_missing() {
    let mut paths = Vec::new();
    for file in glob::glob(concat!(env!("CARGO_MANIFEST_DIR"), "/src/server/*.rs")).unwrap().map(Result::unwrap) {
        // Whichever way it is laid out.
        let source: String = std::fs::read_to_string(&file).unwrap().split_whitespace().collect();
        paths.extend(source.split("route(\"").skip(1).filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())));
    }
    assert!(paths.len() >= 12, "{paths:?}");
    for path in paths.iter().filter(|path| *path != "/" && !path.starts_with("/api/v1/{")) {
        assert!(OWN.iter().any(|(known, ..)| known == path), "{path} is not described");
    }
    // The pages' own path is made beside them.
    for (known, ..) in OWN.iter().filter(|(known, ..)| *known != "/live") {
        assert!(paths.iter().any(|path| path == known), "{known} is served no more");
    }
}
