//! docs/limits.md names the limits that are in force.

use watchbell::history::MOST_WAITING;
use watchbell::ingest::discovery::{MOST_PAGES, MOST_TARGETS};
use watchbell::ingest::otlp::MOST_STREAMS;
use watchbell::ingest::scrape::settings::{LONGEST_ITEM, MOST_BODY, MOST_HELD, MOST_SAMPLES};
use watchbell::instrument::MAX_CHILDREN;
use watchbell::instrument::log_file::{MOST_BYTES, MOST_LINES};
use watchbell::model::re2::QUERY_BUDGET;
use watchbell::promql::MAX_QUERY_LEN;
use watchbell::server::QueryOptions;
use watchbell::server::alertmanager::{LEAST_GETS, body};
use watchbell::server::api::{LONGEST_READ, MAX_PARAMS, MAX_SELECTORS};
use watchbell::server::connections::{ConnectionLimits, LONGEST_HEAD};
use watchbell::server::http::MAX_BODY;
use watchbell::template;

fn bytes(n: u64) -> String {
    if n.is_multiple_of(1 << 30) {
        return format!("{} GiB", n >> 30);
    }
    if n.is_multiple_of(1 << 20) { format!("{} MiB", n >> 20) } else { format!("{} KiB", n >> 10) }
}

#[test]
fn the_documented_limits_are_those_in_force() {
    let text = include_str!("../docs/limits.md");
    let rows: Vec<Vec<&str>> = text
        .lines()
        .filter(|l| l.starts_with("| ") && !l.contains("default"))
        .map(|l| l.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let connections = ConnectionLimits::default();
    let queries = QueryOptions::default();
    let templates = template::Limits::default();
    let want = [
        format!("{}, and a quarter of the file descriptors", connections.most),
        watchbell::model::duration::format(connections.read_timeout.as_millis() as i64),
        watchbell::model::duration::format(connections.head_timeout.as_millis() as i64),
        bytes(LONGEST_HEAD as u64),
        bytes(MAX_BODY as u64),
        bytes(body::MAX_BODY as u64),
        format!("{LEAST_GETS}, or the number of cores"),
        bytes(MOST_BODY),
        MOST_SAMPLES.to_string(),
        bytes(LONGEST_ITEM as u64),
        bytes(MOST_HELD as u64),
        queries.max_samples.to_string(),
        watchbell::model::duration::format(queries.timeout),
        bytes(MAX_QUERY_LEN as u64),
        bytes(QUERY_BUDGET as u64),
        format!("{MAX_PARAMS}, {MAX_SELECTORS}"),
        bytes(templates.output as u64),
        bytes(templates.work as u64),
        bytes(LONGEST_READ as u64),
        templates.steps.to_string(),
        format!("{MOST_LINES}, {}", bytes(MOST_BYTES as u64)),
        MOST_WAITING.to_string(),
        format!("{MOST_TARGETS}, {MOST_PAGES}"),
        MAX_CHILDREN.to_string(),
        MOST_STREAMS.to_string(),
    ];
    let documented: Vec<&str> = rows.iter().filter_map(|row| row.get(1).copied()).collect();
    assert_eq!(documented, want);
    assert_eq!(templates.text, templates.output);
}
