//! A database's directory as it is found at a start.

use std::collections::BTreeMap;
use std::path::Path;

use tempfile::TempDir;
use watchbell::model::SampleBuf;
use watchbell::tsdb::verify::verify;
use watchbell::tsdb::{Queryable, Tsdb, TsdbOptions};

/// A new directory, in memory where the system offers that.
pub(crate) fn directory() -> TempDir {
    let shm = Path::new("/dev/shm");
    if shm.is_dir() { tempfile::tempdir_in(shm) } else { tempfile::tempdir() }.unwrap()
}

/// Whatever lies in a directory: looking at it changes nothing, opening it succeeds, and what was read then is read after
/// each later start, with nothing damaged left but blocks.
pub(crate) fn survives(dir: &Path) {
    let seen = verify(dir).unwrap();
    assert_eq!(verify(dir).unwrap(), seen);
    let (db, _) = open(dir);
    let first = contents(&db);
    // Everything is kept: the retention's bound lies before all that can be.
    db.hold_retention(true);
    db.maintain(0).unwrap();
    assert_eq!(contents(&db), first, "after maintenance");
    db.close().unwrap();
    drop(db);
    let (db, recovery) = open(dir);
    // A block that lost its labels stays as it is, and is told at each start.
    assert!(recovery.damages.iter().all(|d| d.file.starts_with("blocks/")), "{recovery:?}");
    assert_eq!(contents(&db), first, "after a restart");
    drop(db);
    let left = verify(dir).unwrap();
    assert!(left.files.iter().all(|f| f.kind == "block" || f.damages.is_empty()), "{left:#?}");
}

fn open(dir: &Path) -> (Tsdb, watchbell::tsdb::Recovery) {
    Tsdb::open(dir, TsdbOptions::default()).unwrap()
}

/// All samples by series, as text: times, bits of floats, histograms.
fn contents(db: &Tsdb) -> BTreeMap<String, Vec<String>> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for series in db.select(&[], i64::MIN, i64::MAX).unwrap() {
        let mut buf = SampleBuf::default();
        // A chunk that its checksum calls whole, and that is none, is an error of whoever asks for it.
        if series.read(i64::MIN, i64::MAX, true, &mut buf).is_err() {
            continue;
        }
        let newest = series.latest(i64::MIN, i64::MAX).ok().flatten().map(|(t, _)| t);
        if buf.damaged.is_none() {
            assert_eq!(newest, buf.ts.last().copied().max(buf.hists.last().map(|h| h.0)), "{}", series.labels());
        }
        let floats = buf.ts.iter().zip(&buf.vs).map(|(t, v)| format!("{t}: {:x}", v.to_bits()));
        let histograms = buf.hists.iter().map(|(t, h)| format!("{t}: {h:?}"));
        let samples = floats.chain(histograms).collect::<Vec<_>>();
        if !samples.is_empty() {
            all.entry(series.labels().to_string()).or_default().extend(samples);
        }
    }
    all
}
