//! `watchbell backtest --write`: what recording rules give stays, in a data directory or on a server.

use std::path::Path;
use std::process::Command;

use serde_json::Value as Json;
use watchbell::clock::{Clock as _, SystemClock};
use watchbell::model::{Labels, METRIC_NAME, SampleBuf};
use watchbell::tsdb::{Queryable as _, Tsdb};

use crate::support::peers;

const S: i64 = 1_000;
const RULES: &str = "groups:
- name: g
  rules:
  - {record: 'host:load:max', expr: 'max by (host) (load)'}
  - {record: 'load:all', expr: 'sum(host:load:max)', labels: {of: all}}
  - {alert: Loaded, expr: 'load:all > 100'}
";

/// Half an hour of two hosts, one of which falls silent after twenty minutes.
fn data(dir: &Path, begin: i64) {
    std::fs::write(dir.join("rules.yml"), RULES).unwrap();
    let (tsdb, _) = Tsdb::open(dir.join("data/tsdb"), Default::default()).unwrap();
    let mut appender = tsdb.appender();
    for step in 0..=60 {
        for (host, silent) in [("a", false), ("b", step > 40)] {
            let labels = Labels::from_pairs([(METRIC_NAME, "load"), ("host", host)]);
            if !silent {
                appender
                    .append(&labels, begin + step * 30 * S, step as f64 * if host == "a" { 1.0 } else { 2.0 })
                    .unwrap();
            }
        }
    }
    appender.commit().unwrap();
    tsdb.close().unwrap();
}

/// What it says, and whether it succeeded.
fn backtest(dir: &Path, arguments: &[&str]) -> (String, bool) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_watchbell"));
    command.current_dir(dir).args(["backtest", "--rules", "rules.yml", "--data", "data", "--interval", "1m"]);
    let ran = command.args(arguments).output().unwrap();
    (String::from_utf8_lossy(&ran.stderr).into_owned(), ran.status.success())
}

/// The samples of a data directory, staleness markers as such.
fn samples(dir: &Path) -> Vec<(String, i64, String)> {
    let (tsdb, _) = Tsdb::open(dir.join("tsdb"), Default::default()).unwrap();
    let mut all = Vec::new();
    for series in tsdb.select(&[], i64::MIN, i64::MAX).unwrap() {
        let mut buffer = SampleBuf::default();
        series.read(i64::MIN, i64::MAX, true, &mut buffer).unwrap();
        let name = series.labels().to_string();
        all.extend(buffer.ts.iter().zip(&buffer.vs).map(|(t, v)| (name.clone(), *t, v.to_string())));
    }
    all.sort();
    all
}

#[test]
fn what_recording_rules_give_is_written_into_a_data_directory() {
    let dir = tempfile::tempdir().unwrap();
    // Last March.
    let begin = 1_772_409_600_000;
    data(dir.path(), begin);
    let (told, ok) = backtest(dir.path(), &["--write", "out"]);
    assert!(ok && told.contains("to out\n"), "{told}");
    let written = samples(&dir.path().join("out"));
    // 31 evaluations of a host and of all, and of the other host until the lookback is over, with one marker of its end.
    let of = |name: &str| written.iter().filter(|(series, ..)| series == name).collect::<Vec<_>>();
    let all = of(r#"{__name__="load:all", of="all"}"#);
    assert_eq!((all.len(), all[10].1, all[10].2.as_str()), (31, begin + 600 * S, "60"));
    assert_eq!(of(r#"{__name__="host:load:max", host="a"}"#).len(), 31);
    let silent = of(r#"{__name__="host:load:max", host="b"}"#);
    assert_eq!((silent.len(), silent.last().unwrap().2.as_str()), (26, "NaN"));
    // No alert is written, nor anything else.
    assert_eq!(written.len(), 31 + 31 + 26, "{written:?}");
    // The same again are repeats. Others at their times are told of.
    let (told, ok) = backtest(dir.path(), &["--write", "out"]);
    assert!(ok && !told.contains("not taken"), "{told}");
    assert_eq!(samples(&dir.path().join("out")), written);
    std::fs::write(dir.path().join("rules.yml"), RULES.replace("max by", "min by").replace("(load)", "(load + 1)"))
        .unwrap();
    let (told, ok) = backtest(dir.path(), &["--write", "out"]);
    assert!(ok && told.contains("of them were not taken: other values are there already"), "{told}");
    // Behind newer samples, into the directory that was read.
    std::fs::write(dir.path().join("rules.yml"), RULES).unwrap();
    let before = samples(&dir.path().join("data")).len();
    let (told, ok) = backtest(dir.path(), &["--write", "data"]);
    assert!(ok, "{told}");
    assert_eq!(samples(&dir.path().join("data")).len(), before + written.len());
    // One that is in use is left alone.
    let (tsdb, _) = Tsdb::open(dir.path().join("out/tsdb"), Default::default()).unwrap();
    let (told, ok) = backtest(dir.path(), &["--write", "out"]);
    assert!(!ok && told.contains("out: "), "{told}");
    drop(tsdb);
}

#[test]
fn what_recording_rules_give_is_written_to_a_server() {
    let Some(program) = peers::find("prometheus") else { return };
    let (dir, port) = (tempfile::tempdir().unwrap(), peers::free_port());
    std::fs::write(dir.path().join("prometheus.yml"), "scrape_configs: []\n").unwrap();
    let mut command = Command::new(program);
    command.current_dir(dir.path()).args(["--config.file=prometheus.yml", "--storage.tsdb.path=prometheus"]);
    command.args(["--web.enable-remote-write-receiver", &format!("--web.listen-address=127.0.0.1:{port}")]);
    let server = peers::Peer::start(&mut command, port, "/-/ready");
    let begin = SystemClock.now() / (60 * S) * 60 * S - 3_600 * S;
    data(dir.path(), begin);
    let url = format!("http://127.0.0.1:{port}/api/v1/write");
    let (told, ok) = backtest(dir.path(), &["--write", &url]);
    assert!(ok && told.contains(&format!("to {url}\n")), "{told}");
    let (told, ok) = backtest(dir.path(), &["--write", "out"]);
    assert!(ok, "{told}");
    let at = begin / S + 1_800;
    let (status, body) =
        peers::get(port, &format!("/api/v1/query?query=%7B__name__!%3D%22%22%7D%5B2h%5D&time={at}")).unwrap();
    assert_eq!(status, 200, "{body}");
    let answer: Json = serde_json::from_str(&body).unwrap();
    let mut got = Vec::new();
    for series in answer["data"]["result"].as_array().unwrap() {
        let metric = series["metric"].as_object().unwrap().iter().map(|(k, v)| (k.as_str(), v.as_str().unwrap()));
        let name = Labels::from_pairs(metric).to_string();
        got.extend(series["values"].as_array().unwrap().iter().map(|sample| {
            let t = (sample[0].as_f64().unwrap() * 1_000.0) as i64;
            (name.clone(), t, sample[1].as_str().unwrap().to_owned())
        }));
    }
    got.sort();
    // Prometheus shows no marker.
    let mut wanted = samples(&dir.path().join("out"));
    wanted.retain(|(.., value)| value != "NaN");
    assert_eq!(got, wanted);
    // What is refused is told, and nothing is tried again.
    let (told, ok) = backtest(dir.path(), &["--write", &format!("http://127.0.0.1:{port}/wrong")]);
    assert!(!ok && told.contains("/wrong: server returned HTTP status 404"), "{told}");
    drop(server);
}
