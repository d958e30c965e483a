//! Damaged files of the storage: queries say so, and `watchbell tsdb verify` says what.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use serde_json::Value as Json;
use watchbell::datasource::{LocalQuerier, Querier};
use watchbell::model::Labels;
use watchbell::promql::{CompileOptions, EvalEnv, compile};
use watchbell::tsdb::{Tsdb, TsdbOptions};

const HOUR: i64 = 3_600_000;

/// Three series over five hours, two hours of which are in a block each.
fn database(dir: &Path) -> PathBuf {
    let (db, _) = Tsdb::open(dir.join("tsdb"), TsdbOptions::default()).unwrap();
    let ts: Vec<i64> = (0..5 * HOUR).step_by(15_000).collect();
    for i in 0..3 {
        let labels = Labels::from_pairs([("__name__", "m".to_owned()), ("i", i.to_string())]);
        db.append_column(db.series_ref(&labels).unwrap(), &ts, &vec![f64::from(i); ts.len()]).unwrap();
    }
    db.maintain(5 * HOUR).unwrap();
    let mut blocks: Vec<_> = std::fs::read_dir(dir.join("tsdb/blocks")).unwrap().map(|e| e.unwrap().path()).collect();
    blocks.sort();
    assert_eq!(blocks.len(), 2);
    blocks.remove(0)
}

fn verify(dir: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let ran = Command::new(env!("CARGO_BIN_EXE_watchbell")).args(["tsdb", "verify"]).arg(dir).args(arguments).output();
    let ran = ran.unwrap();
    (ran.status.code(), String::from_utf8(ran.stdout).unwrap())
}

#[test]
fn queries_over_damaged_chunks_answer_with_what_is_left_and_a_warning() {
    let dir = tempfile::tempdir().unwrap();
    let block = database(dir.path());
    let mut bytes = std::fs::read(&block).unwrap();
    bytes[12] ^= 1;
    std::fs::write(&block, bytes).unwrap();
    let (db, _) = Tsdb::open(dir.path().join("tsdb"), TsdbOptions::default()).unwrap();
    let querier = LocalQuerier::new(Arc::new(db.clone()));
    let warnings = |expr: &str, range: Option<(i64, i64)>, at: i64| {
        let plan = compile(expr, &CompileOptions::default()).unwrap();
        let env = EvalEnv::default();
        let answer = match range {
            Some((from, to)) => querier.range(&plan, from, to, 60_000, &env),
            None => querier.instant(&plan, at, &env),
        };
        answer.unwrap().annotations.warnings(expr)
    };
    let damaged = |texts: &[String]| matches!(texts, [t] if t.contains("storage is damaged: 0_7200000_00000000.block"));
    for (expr, range, at) in [
        ("m", None, HOUR),
        ("sum(count_over_time(m[3h]))", None, 3 * HOUR),
        ("m", Some((0, 4 * HOUR)), 0),
        ("sum by (i) (rate(m[5m]))", Some((0, 4 * HOUR)), 0),
    ] {
        let texts = warnings(expr, range, at);
        assert!(damaged(&texts), "{expr}: {texts:?}");
    }
    assert!(warnings("m", None, 3 * HOUR).is_empty());
    assert_eq!(db.damaged_blocks(), ["0_7200000_00000000.block"]);
}

#[test]
fn verify_says_what_is_damaged_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let block = database(dir.path());
    let (code, text) = verify(dir.path(), &[]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("nothing is damaged"), "{text}");
    let mut bytes = std::fs::read(&block).unwrap();
    bytes[12] ^= 1;
    std::fs::write(&block, &bytes).unwrap();
    let segment = dir.path().join("tsdb/wal/00000002");
    std::fs::write(&segment, b"").unwrap();
    std::fs::remove_file(dir.path().join("tsdb/checkpoint/00000002")).unwrap();
    let (code, text) = verify(&dir.path().join("tsdb"), &["--json"]);
    assert_eq!(code, Some(1));
    let found: Json = serde_json::from_str(&text).unwrap();
    let of = |file: &str| found["files"].as_array().unwrap().iter().find(|f| f["file"] == file).unwrap();
    let damaged = of("blocks/0_7200000_00000000.block");
    assert_eq!(
        (&damaged["series"], &damaged["samples"], &damaged["samples_lost"]),
        (&2.into(), &960.into(), &480.into())
    );
    assert_eq!(damaged["kept"], "960 of 1440 samples");
    assert_eq!(of("wal/00000002")["damages"][0], "the file was emptied at byte 0, 0 bytes");
    assert_eq!(of("checkpoint/00000002")["damages"][0], "it is gone");
    let (code, text) = verify(dir.path(), &[]);
    assert_eq!(code, Some(1));
    assert!(text.contains("3 of 4 files are damaged or gone"), "{text}");
    assert_eq!((std::fs::read(&block).unwrap(), std::fs::read(&segment).unwrap()), (bytes, Vec::new()));
}
