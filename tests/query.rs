//! `watchbell query` as a command: its sources, its formats, its errors.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::service::Home;

struct Ran {
    out: String,
    err: String,
    code: i32,
}

fn query(dir: &Path, arguments: &[&str], stdin: &[u8]) -> Ran {
    let mut child = Command::new(env!("CARGO_BIN_EXE_watchbell"))
        .arg("query")
        .args(arguments)
        .current_dir(dir)
        .env_remove("COLUMNS")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that fails early does not read its input.
    let _ = child.stdin.take().unwrap().write_all(stdin);
    let ran = child.wait_with_output().unwrap();
    Ran {
        out: String::from_utf8(ran.stdout).unwrap(),
        err: String::from_utf8(ran.stderr).unwrap(),
        code: ran.status.code().unwrap(),
    }
}

/// Evaluates over an exposition given on standard input.
fn over(exposition: &[u8], arguments: &[&str]) -> Ran {
    let dir = tempfile::tempdir().unwrap();
    let arguments: Vec<&str> = ["--file", "-"].iter().chain(arguments).copied().collect();
    query(dir.path(), &arguments, exposition)
}

const TEXT: &[u8] = b"# HELP up Whether it is.
# TYPE up gauge
up{job=\"a\"} 1
up{job=\"b\"} 0
";

const HISTORY: &[u8] = b"# TYPE reqs counter
reqs_total{h=\"a\"} 0 1000
reqs_total{h=\"a\"} 60 1060
reqs_total{h=\"a\"} 180 1120
# TYPE lat histogram
lat_bucket{le=\"0.5\"} 2 1120
lat_bucket{le=\"+Inf\"} 4 1120
lat_count 4 1120
lat_sum 3 1120
# EOF
";

#[test]
fn a_file_is_queried_in_every_format() {
    for (arguments, want) in [
        (vec!["up"], "2 series at 1970-01-01T00:01:40Z\nup\n\njob  value\na        1\nb        0\n"),
        (
            vec!["up", "-o", "csv"],
            "__name__,job,timestamp,value\nup,a,1970-01-01T00:01:40Z,1\nup,b,1970-01-01T00:01:40Z,0\n",
        ),
        (
            vec!["up{job='a'}", "--json"],
            "{\"resultType\":\"vector\",\"result\":[{\"metric\":{\"__name__\":\"up\",\"job\":\"a\"},\"value\":[100,\"1\"]}]}\n",
        ),
        (vec!["up", "--format", "promql"], "up{job=\"a\"} => 1 @[100]\nup{job=\"b\"} => 0 @[100]\n"),
        (vec!["sum(up)", "--format", "promtool"], "{} => 1 @[100]\n"),
    ] {
        let ran = over(TEXT, &[&arguments[..], &["--time", "100"]].concat());
        assert_eq!((ran.out.as_str(), ran.err.as_str(), ran.code), (want, "", 0), "{arguments:?}");
    }
}

#[test]
fn a_file_with_timestamps_is_queried_at_its_newest() {
    for (arguments, want) in [
        (vec!["reqs_total"], "reqs_total{h=\"a\"} => 180 @[1120]\n"),
        (vec!["increase(reqs_total[2m])"], "{h=\"a\"} => 180 @[1120]\n"),
        (vec!["reqs_total[2m]"], "reqs_total{h=\"a\"} =>\n60 @[1060]\n180 @[1120]\n"),
        (vec!["histogram_quantile(0.25, lat_bucket)"], "{} => 0.25 @[1120]\n"),
        (
            vec!["reqs_total", "--last", "2m", "--step", "1m"],
            "reqs_total{h=\"a\"} =>\n0 @[1000]\n60 @[1060]\n180 @[1120]\n",
        ),
    ] {
        let ran = over(HISTORY, &[&arguments[..], &["-o", "promql"]].concat());
        assert_eq!((ran.out.as_str(), ran.err.as_str(), ran.code), (want, "", 0), "{arguments:?}");
    }
}

#[test]
fn native_histograms_are_read_from_protobuf() {
    // A family `h` of a histogram with three observations: schema 0, one bucket of (0.5, 1].
    let field = |n: u8, body: &[u8]| [&[n << 3 | 2, body.len() as u8][..], body].concat();
    let double = |n: u8, v: f64| [&[n << 3 | 1][..], &v.to_le_bytes()].concat();
    let span = field(12, &[1 << 3, 0, 2 << 3, 1]);
    let histogram = [&[1 << 3, 3][..], &double(2, 2.5), &[5 << 3, 0], &span, &[13 << 3, 6]].concat();
    let family = [field(1, b"h"), vec![3 << 3, 4], field(4, &field(7, &histogram))].concat();
    let body = [&[family.len() as u8][..], &family].concat();
    let ran = over(&body, &["h", "-o", "csv", "--time", "0"]);
    let want = "__name__,timestamp,value\nh,1970-01-01T00:00:00Z,\"{count:3, sum:2.5, (0.5,1]:3}\"\n";
    assert_eq!((ran.out.as_str(), ran.err.as_str()), (want, ""));
}

#[test]
fn bad_files_are_named_with_their_place() {
    for (body, want) in [
        (&b"up 1\nup{job=\"a} 2\n"[..], "standard input:2:"),
        (b"up one\n", "standard input:1:4: expected a value after the metric, found \"one\""),
        (
            b"# TYPE up gauge\nup 1 1.5\n",
            "standard input:2:6: expected a timestamp or the next line, found \"1.5\" (read as Prometheus' text format; OpenMetrics would end with \"# EOF\")",
        ),
        (b"up  1\n# EOF\n", "(read as OpenMetrics, for it ends with \"# EOF\")"),
        (b"\x05\x0a\x01xyz\x00", "(read as delimited protobuf)"),
    ] {
        let ran = over(body, &["up"]);
        assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{}", ran.err);
        assert!(ran.err.contains(want), "{want:?} in {:?}", ran.err);
    }
}

#[test]
fn repeated_and_missing_samples_are_said() {
    let ran = over(b"up 1\nup 2\nup 1\n", &["up", "-o", "csv", "--time", "0"]);
    assert_eq!(ran.out, "__name__,timestamp,value\nup,1970-01-01T00:00:00Z,1\n");
    assert_eq!(ran.err, "watchbell: standard input: left out 2 samples of a series and time seen before, such as up\n");
    let ran = over(b"", &["up", "--time", "0"]);
    assert_eq!((ran.out.as_str(), ran.code), ("no series at 1970-01-01T00:00:00Z\n", 0));
    assert_eq!(ran.err, "watchbell: standard input: holds no sample\n");
}

#[test]
fn arguments_that_do_not_fit_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    for (arguments, code, want) in [
        (&["up", "--file", "x", "--data", "y"][..], 2, "cannot be used with"),
        (&["up", "--file", "-", "--time", "1", "--last", "1h"], 2, "cannot be used with"),
        (&["up", "--file", "-", "--step", "1m"], 2, "required"),
        (&["up", "--file", "-", "--explain", "--json"], 2, "cannot be used with"),
        (&["up", "--file", "-", "--start", "10", "--end", "5"], 1, "lies before its start"),
        (&["up", "--file", "-", "--last", "0"], 1, "--last must be positive"),
        (&["up", "--file", "-", "--last", "1h", "--step", "0"], 1, "--step must be positive"),
        (&["sum(", "--file", "-"], 1, "    sum(\n"),
        (&["up", "--file", "absent.txt"], 1, "absent.txt: "),
        (&["up", "--data", "absent"], 1, "--data absent: expected the data directory of a service"),
        (&["up[5m]", "--file", "-", "-o", "plot"], 1, "invalid expression type"),
    ] {
        let ran = query(dir.path(), arguments, b"");
        assert!(ran.code == code && ran.err.contains(want), "{arguments:?}: {} {}", ran.code, ran.err);
    }
    assert!(!dir.path().join("absent").exists(), "asking must not make a database");
}

#[test]
fn a_plan_is_printed_with_what_it_cost() {
    let ran = over(HISTORY, &["sum(rate(reqs_total[2m]))", "--last", "2m", "--step", "1m", "--explain"]);
    let fields: Vec<Vec<&str>> = ran.out.lines().map(|l| l.split_whitespace().collect()).collect();
    assert_eq!(fields[1][..2], ["sum", "1"], "{}", ran.out);
    assert_eq!(fields[2][..7], ["└─", "rate", "over", "reqs_total[2m]", "1", "1", "3"], "{}", ran.out);
    assert_eq!(fields[3][..3], ["total", "1", "3"], "{}", ran.out);
    assert!(ran.out.contains("Result: 1 series in 3 steps from "), "{}", ran.out);
}

#[test]
fn a_data_directory_is_queried() {
    let dir = tempfile::tempdir().unwrap();
    let (tsdb, _) = watchbell::tsdb::Tsdb::open(dir.path().join("data/tsdb"), Default::default()).unwrap();
    let mut appender = tsdb.appender();
    let labels = watchbell::model::Labels::from_pairs([("__name__", "up")]);
    appender.append(&labels, 60_000, 1.0).unwrap();
    appender.commit().unwrap();
    let locked = query(dir.path(), &["up", "--data", "data", "--time", "60"], b"");
    assert!(locked.code == 1 && locked.err.contains("--url"), "{}", locked.err);
    drop(appender);
    drop(tsdb);
    let ran = query(dir.path(), &["up", "--data", "data", "--time", "60", "-o", "promql"], b"");
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("up => 1 @[60]\n", ""));
}

#[test]
fn a_server_is_queried_and_says_what_it_read() {
    let home = Home::new(&[("watchbell.yaml", "global: {scrape_interval: 1s}\nscrape_configs: []\n")]);
    let server = home.start();
    let url = format!("http://127.0.0.1:{}", server.0.port);
    for (arguments, want) in [
        (&["vector(3) + 4", "-o", "promql"][..], "{} => 7 @[60]\n"),
        (&["vector(3) + 4"], "1 series at 1970-01-01T00:01:00Z\n{}  7\n"),
        (&["no_such_metric", "-o", "csv"], "timestamp,value\n"),
    ] {
        let ran = query(home.path(), &[arguments, &["--url", &url, "--time", "60"]].concat(), b"");
        assert_eq!((ran.out.as_str(), ran.err.as_str(), ran.code), (want, "", 0), "{arguments:?}");
    }
    let ran = query(home.path(), &["vector(3) + 4", "--url", &url, "--explain"], b"");
    assert!(ran.out.starts_with("operator\nvector + scalar (once for all steps)\n├─ vector"), "{}", ran.out);
    assert!(ran.out.contains(&format!("Evaluated by {url}, which does not tell")), "{}", ran.out);
    drop(server);
    let gone = query(home.path(), &["up", "--url", &url], b"");
    assert!(gone.code == 1 && gone.err.contains("Connection refused"), "{}", gone.err);
}
