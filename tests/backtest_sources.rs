//! Where backtests get their history from: data directories of Watchbell and of a real Prometheus, servers, dumps.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use watchbell::alerting::GroupSpec;
use watchbell::alerting::spec::GroupDefaults;
use watchbell::backtest::{openmetrics, prometheus};
use watchbell::clock::{Clock as _, SystemClock};
use watchbell::ingest::remote_write::{Protocol, encode};
use watchbell::ingest::store::SampleRow;
use watchbell::model::histogram::{CUSTOM_BUCKETS_SCHEMA, Span};
use watchbell::model::{FloatHistogram, Labels, METRIC_NAME, SampleBuf, Value};
use watchbell::rules::{LoadOptions, load_str};
use watchbell::tsdb::{Queryable as _, Tsdb};

use crate::backtest::{RULES, S, ZERO, backtest, dump, home};
use crate::support::peers;

#[test]
fn what_promtool_dumps_is_played() {
    let Some(promtool) = peers::find("promtool") else { return };
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("rules.yml"), RULES).unwrap();
    std::fs::write(dir.path().join("in.txt"), dump()).unwrap();
    let tool = |arguments: &[&str]| {
        let ran = Command::new(&promtool).arg("tsdb").args(arguments).current_dir(dir.path()).output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        ran.stdout
    };
    tool(&["create-blocks-from", "openmetrics", "in.txt", "data"]);
    std::fs::create_dir(dir.path().join("data/wal")).unwrap();
    std::fs::write(dir.path().join("out.txt"), tool(&["dump-openmetrics", "data"])).unwrap();
    let of =
        |file: &str| backtest(dir.path(), &["--rules", "rules.yml", "--openmetrics", file, "--format", "json"]).out;
    let (given, dumped) = (of("in.txt"), of("out.txt"));
    assert!(given.contains("\"fired_at\": \"2026-03-02T00:22:00Z\""), "{given}");
    assert_eq!(given, dumped);
}

#[test]
fn the_data_of_a_service_that_runs_is_played_and_left_alone() {
    let dir = home();
    let (tsdb, _) = Tsdb::open(dir.path().join("data/tsdb"), Default::default()).unwrap();
    let labels = Labels::from_pairs([(METRIC_NAME, "temperature"), ("host", "a")]);
    let mut appender = tsdb.appender();
    for minute in 0..=60 {
        let value = if (20..40).contains(&minute) { 95.0 } else { 60.0 };
        appender.append(&labels, ZERO + minute * 60 * S, value).unwrap();
    }
    appender.commit().unwrap();
    // The database is open, and locked.
    let arguments = |source: [&'static str; 2]| [&["--rules", "rules.yml", "--format", "json"][..], &source].concat();
    let of_data = backtest(dir.path(), &arguments(["--data", "data"]));
    assert_eq!(
        of_data.err.replace(|c: char| c.is_ascii_digit(), ""),
        "playing:  %\nplaying:  %\nplaying:  %\nplaying:  %\n"
    );
    assert_eq!(of_data.out, backtest(dir.path(), &arguments(["--openmetrics", "dump.txt"])).out);
    let absent = backtest(dir.path(), &arguments(["--data", "absent"]));
    assert!(absent.code == 1 && absent.err.contains("expected the data directory of a service"), "{}", absent.err);
}

const FROM: &str = "2026-03-02T00:00:00Z";

/// What promtool makes of an OpenMetrics file: blocks.
fn blocks_of(promtool: &Path, dir: &Path, file: &str) {
    let arguments = ["tsdb", "create-blocks-from", "openmetrics", file, "data"];
    let ran = Command::new(promtool).args(arguments).current_dir(dir).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}

#[test]
fn a_server_gives_what_the_rules_read() {
    let (Some(promtool), Some(prometheus)) = (peers::find("promtool"), peers::find("prometheus")) else { return };
    let dir = home();
    blocks_of(&promtool, dir.path(), "dump.txt");
    std::fs::write(dir.path().join("prometheus.yml"), "scrape_configs: []\n").unwrap();
    let port = peers::free_port();
    let mut command = Command::new(prometheus);
    command.current_dir(dir.path()).args(["--config.file=prometheus.yml", "--storage.tsdb.path=data"]);
    command.args(["--storage.tsdb.retention.time=100y", &format!("--web.listen-address=127.0.0.1:{port}")]);
    let server = peers::Peer::start(&mut command, port, "/-/ready");
    let window = ["--from", FROM, "--to", "2026-03-02T01:00:00Z", "--format", "json"];
    let of = |source: [&str; 2]| backtest(dir.path(), &[&["--rules", "rules.yml"][..], &source, &window].concat());
    let (given, served) = (of(["--openmetrics", "dump.txt"]), of(["--url", &server.url("")]));
    assert!(given.out.contains("\"fired_at\": \"2026-03-02T00:22:00Z\""), "{}", given.err);
    assert_eq!(given.out, served.out, "{}", served.err);
    assert!(!served.err.contains("no remote read"), "{}", served.err);
    drop(server);
    let gone = of(["--url", &format!("http://127.0.0.1:{port}")]);
    assert!(gone.code == 1 && gone.err.contains("Connection refused"), "{}", gone.err);
}

#[test]
fn a_server_without_remote_read_is_queried() {
    let Some(program) = peers::find("victoria-metrics") else { return };
    let (dir, port) = (home(), peers::free_port());
    let mut command = Command::new(program);
    command.arg(format!("-storageDataPath={}", dir.path().join("vm").display()));
    command.args(["-retentionPeriod=100y", &format!("-httpListenAddr=127.0.0.1:{port}")]);
    let server = peers::Peer::start(&mut command, port, "/health");
    let text = dump().replace("# EOF\n", "");
    // VictoriaMetrics takes milliseconds.
    let text: String = text.lines().map(|l| l.strip_suffix(".000").unwrap_or(l).to_owned() + "000\n").collect();
    let (status, _) = peers::post(server.port, "/api/v1/import/prometheus", "text/plain", text.as_bytes()).unwrap();
    assert_eq!(status, 204);
    peers::wait_for("what was imported", || {
        let (_, body) = peers::get(server.port, "/api/v1/query?query=temperature&time=1772413200")?;
        body.contains("\"host\":\"a\"").then_some(())
    });
    let window = ["--from", FROM, "--to", "2026-03-02T01:00:00Z", "--format", "json"];
    let of = |source: [&str; 2]| backtest(dir.path(), &[&["--rules", "rules.yml"][..], &source, &window].concat());
    let (given, served) = (of(["--openmetrics", "dump.txt"]), of(["--url", &server.url("")]));
    assert_eq!(given.out, served.out, "{}", served.err);
    assert!(served.err.contains("no remote read there"), "{}", served.err);
}

/// Rules that read everything.
fn everything() -> Vec<Arc<GroupSpec>> {
    let rules = "groups: [{name: g, rules: [{alert: A, expr: '{__name__=~\".+\"} > 1'}]}]";
    let loaded = load_str("r", rules, &LoadOptions::default()).unwrap();
    loaded.iter().map(|g| Arc::new(GroupSpec::of(g, &GroupDefaults::default()))).collect()
}

/// All samples of a storage, a line each, sorted.
fn lines(storage: &Tsdb) -> Vec<String> {
    let mut lines = Vec::new();
    for series in storage.select(&[], i64::MIN, i64::MAX).unwrap() {
        let mut samples = SampleBuf::default();
        series.read(i64::MIN, i64::MAX, false, &mut samples).unwrap();
        let name = series.labels().to_series_string();
        lines.extend(samples.ts.iter().zip(&samples.vs).map(|(t, v)| format!("{name} {v:?} {t}")));
        lines.extend(samples.hists.iter().map(|(t, h)| format!("{name} {h} {t}")));
    }
    lines.sort();
    lines
}

fn read_prometheus(dir: &Path) -> prometheus::Loaded {
    prometheus::read(dir, None, None, &everything()).unwrap()
}

#[test]
fn blocks_that_promtool_made_hold_what_it_was_given() {
    let Some(promtool) = peers::find("promtool") else { return };
    let dir = tempfile::tempdir().unwrap();
    let mut text = String::new();
    // Ten hours in several blocks, with values and times that compress well and badly.
    let mut dice = 1_u64;
    for i in 0..1_200 {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let value = if dice >> 62 == 0 { f64::from_bits(dice & !(0x7ff << 52) | 0x3ff << 52) } else { (i / 7) as f64 };
        let t = ZERO / S + i * 30 + (dice >> 60) as i64;
        text.push_str(&format!("a_total{{x=\"\u{e9}\"}} {value:?} {t}.{:03}\n", dice >> 55 & 511));
    }
    let odd = [1e300, -5e-324, f64::INFINITY, 0.0];
    odd.iter().enumerate().for_each(|(i, v)| text.push_str(&format!("odd{{i=\"{i}\"}} {v:?} {}.000\n", ZERO / S)));
    text.push_str("# EOF\n");
    std::fs::write(dir.path().join("in.txt"), text.replace("inf ", "+Inf ")).unwrap();
    blocks_of(&promtool, dir.path(), "in.txt");
    let data = dir.path().join("data");
    let read = read_prometheus(&data);
    let given = openmetrics::read("in.txt", std::fs::File::open(dir.path().join("in.txt")).unwrap()).unwrap();
    assert_eq!((read.samples, read.damaged), (1_204, 0));
    assert_eq!(lines(&read.storage), lines(&given.storage));
    // As a source of the command.
    std::fs::write(dir.path().join("rules.yml"), "groups: [{name: g, rules: [{alert: A, expr: a_total > 100}]}]")
        .unwrap();
    let of = |source: [&str; 2]| {
        backtest(dir.path(), &[&["--rules", "rules.yml", "--format", "json", "--from", FROM][..], &source].concat())
    };
    let (blocks, file) = (of(["--prometheus-data", "data"]), of(["--openmetrics", "in.txt"]));
    assert!(blocks.out.contains("\"fired_at\": \"2026-03-02T"), "{} {}", blocks.out, blocks.err);
    assert_eq!(blocks.out, file.out);
    damaged_files_are_read_as_far_as_it_goes(&data);
}

/// A page of a log of Prometheus: records, each as a whole.
fn log(records: &[Vec<u8>]) -> Vec<u8> {
    let page = |data: &Vec<u8>| {
        [&[1][..], &(data.len() as u16).to_be_bytes(), &watchbell::model::crc32c(data).to_be_bytes(), data].concat()
    };
    records.iter().flat_map(page).collect()
}

/// A number as Go's `binary.AppendVarint` writes it.
fn varint(n: i64) -> Vec<u8> {
    let (mut n, mut out) = (((n << 1) ^ (n >> 63)) as u64, Vec::new());
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
    out
}

#[test]
fn of_a_head_beside_blocks_what_came_late_is_read_and_what_was_deleted_is_not() {
    let Some(promtool) = peers::find("promtool") else { return };
    let dir = tempfile::tempdir().unwrap();
    let at = ZERO / S;
    std::fs::write(dir.path().join("in.txt"), format!("a 1 {at}.000\na 2 {}.000\n# EOF\n", at + 120)).unwrap();
    blocks_of(&promtool, dir.path(), "in.txt");
    let series = |reference: u64| [&[1][..], &reference.to_be_bytes(), &[1, 8], b"__name__", &[1], b"a"].concat();
    let sample = |second: i64, value: f64| {
        let t = (ZERO + second * S) as u64;
        [&[2][..], &1_u64.to_be_bytes(), &t.to_be_bytes(), &[0, 0], &value.to_be_bytes()].concat()
    };
    // A series that came back has two references; one sample of it is deleted by the other one.
    let gone = ZERO + 600 * S;
    let deleted = [vec![3], 2_u64.to_be_bytes().to_vec(), varint(gone), varint(gone)].concat();
    // What the log has of the time of a block is there in the block, or deleted of it.
    let wal = [series(1), series(2), sample(30, 7.0), sample(300, 3.0), sample(600, 4.0), deleted];
    for (folder, records) in [("wal", &wal[..]), ("wbl", &[sample(60, 9.0)][..])] {
        let folder = dir.path().join("data").join(folder);
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("00000000"), log(records)).unwrap();
    }
    let data = dir.path().join("data");
    let wanted = |all: &[(i64, f64)]| -> Vec<String> {
        all.iter().map(|(second, value)| format!("a {value:?} {}", ZERO + second * S)).collect()
    };
    let read = read_prometheus(&data);
    assert_eq!((read.samples, read.damaged, read.refused), (4, 0, 0));
    assert_eq!(lines(&read.storage), wanted(&[(0, 1.0), (120, 2.0), (300, 3.0), (60, 9.0)]));
    // A block of what came late says nothing of what came in order.
    for meta in glob::glob(&format!("{}/*/meta.json", data.display())).unwrap().map(Result::unwrap) {
        let text = std::fs::read_to_string(&meta).unwrap();
        std::fs::write(
            &meta,
            text.replace("\"compaction\": {", "\"compaction\": {\"hints\": [\"from-out-of-order\"],"),
        )
        .unwrap();
    }
    let read = read_prometheus(&data);
    assert_eq!(lines(&read.storage), wanted(&[(0, 1.0), (120, 2.0), (300, 3.0), (30, 7.0), (60, 9.0)]));
}

/// Turns bytes of every file, one at a time: reading ends, with what can be read or with an error that names the file.
fn damaged_files_are_read_as_far_as_it_goes(data: &Path) {
    let mut files: Vec<_> = glob::glob(&format!("{}/*/*", data.display())).unwrap().map(Result::unwrap).collect();
    files.extend(glob::glob(&format!("{}/*/chunks/*", data.display())).unwrap().map(Result::unwrap));
    let mut told = 0;
    for file in files.iter().filter(|f| f.is_file()) {
        let whole = std::fs::read(file).unwrap();
        for at in (0..whole.len()).step_by(whole.len() / 12 + 1) {
            let mut bytes = whole.clone();
            bytes[at] ^= 0xff;
            std::fs::write(file, &bytes).unwrap();
            match prometheus::read(data, None, None, &everything()) {
                Ok(read) => told += u64::from(read.damaged > 0),
                Err(e) => {
                    assert!(e.contains(data.to_str().unwrap()), "{e}");
                    told += 1;
                }
            }
        }
        std::fs::write(file, &whole[..whole.len() / 2]).unwrap();
        let _ = prometheus::read(data, None, None, &everything());
        std::fs::write(file, &whole).unwrap();
    }
    assert!(told > 50, "{told}");
    assert_eq!(read_prometheus(data).damaged, 0);
}

#[test]
fn the_log_of_a_prometheus_that_runs_holds_what_it_was_sent() {
    let Some(program) = peers::find("prometheus") else { return };
    let (dir, port) = (tempfile::tempdir().unwrap(), peers::free_port());
    std::fs::write(dir.path().join("prometheus.yml"), "scrape_configs: []\n").unwrap();
    let mut command = Command::new(program);
    command.current_dir(dir.path()).args(["--config.file=prometheus.yml", "--storage.tsdb.path=data"]);
    command.args(["--web.enable-remote-write-receiver", "--web.enable-admin-api"]);
    command.args(["--enable-feature=native-histograms", &format!("--web.listen-address=127.0.0.1:{port}")]);
    let server = peers::Peer::start(&mut command, port, "/-/ready");
    let begin = SystemClock.now() / S * S - 3_600 * S;
    let mut sent = Vec::new();
    for batch in 0..5 {
        let rows: Vec<SampleRow> = (0..160).flat_map(|i| rows_at(begin, batch * 160 + i)).collect();
        let body = encode(Protocol::V1, &rows);
        let answer = peers::post(port, "/api/v1/write", "application/x-protobuf", &body);
        assert_eq!(answer.as_ref().map(|(status, _)| *status), Some(204), "{answer:?}");
        sent.extend(rows);
    }
    let data = dir.path().join("data");
    let of_log = read_prometheus(&data);
    assert_eq!((of_log.samples, of_log.damaged), (sent.len() as u64, 0));
    let kept = Tsdb::in_memory();
    let mut appender = kept.appender();
    for row in &sent {
        appender.append_with_st(&row.labels, 0, row.t, row.value.clone()).unwrap();
    }
    appender.commit().unwrap();
    assert_eq!(lines(&of_log.storage), lines(&kept));
    // The same in a block: histograms in chunks.
    let (status, _) = peers::post(port, "/api/v1/admin/tsdb/snapshot", "", b"").unwrap();
    assert_eq!(status, 200);
    let snapshot = std::fs::read_dir(data.join("snapshots")).unwrap().next().unwrap().unwrap().path();
    let of_block = read_prometheus(&snapshot);
    assert_eq!((of_block.samples, of_block.damaged), (sent.len() as u64, 0));
    assert_eq!(lines(&of_block.storage), lines(&kept));
    drop(server);
    assert_eq!(lines(&read_prometheus(&data).storage), lines(&kept));
}

/// A float, and histograms of whole counts, of others, and of custom buckets.
fn rows_at(begin: i64, i: i64) -> Vec<SampleRow> {
    let (t, n) = (begin + i * 4 * S, i as f64);
    let row = |name: &str, value: Value| SampleRow {
        labels: Labels::from_pairs([(METRIC_NAME, name)]),
        series: None,
        t,
        st: 0,
        value,
    };
    let spans = vec![Span { offset: -2, length: 2 }, Span { offset: 1, length: 1 }];
    let whole = FloatHistogram {
        schema: 1,
        zero_threshold: 0.001,
        zero_count: n,
        count: n * 4.0,
        sum: n.sqrt(),
        positive_spans: spans,
        positive_buckets: vec![n; 3],
        ..FloatHistogram::default()
    };
    let part = FloatHistogram { zero_count: n + 0.5, zero_threshold: 0.3, ..whole.clone() };
    let custom = FloatHistogram {
        schema: CUSTOM_BUCKETS_SCHEMA,
        count: n * 3.0,
        sum: n,
        positive_spans: vec![Span { offset: 0, length: 3 }],
        positive_buckets: vec![n; 3],
        custom_values: vec![0.5, 2.25, 1e9],
        ..FloatHistogram::default()
    };
    let histogram = |h: FloatHistogram| Value::Histogram(Arc::new(h));
    vec![
        row("f", Value::Float(n.sqrt())),
        row("h", histogram(whole)),
        row("fh", histogram(part)),
        row("custom", histogram(custom)),
    ]
}
