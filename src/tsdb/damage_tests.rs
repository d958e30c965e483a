//! Damaged, missing and unwritable files: what is readable is kept, and what is not is told.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk_tests::{DAY, HOUR, Model, append, contents, copy, files, labels, open};
use super::*;
use crate::model::SampleBuf;

/// Two series in one block of two hours, two chunks each, and the samples of each.
fn small_block(dir: &Path) -> (PathBuf, Vec<SampleBuf>) {
    let (db, _) = open(dir);
    let ts: Vec<i64> = (0..720).map(|i| i * 10_000).collect();
    for i in 0..2 {
        let vs: Vec<f64> = ts.iter().map(|t| ((t / 10_000 * 7919 + i) % 1013) as f64 / 8.0).collect();
        db.append_column(db.series_ref(&labels(i as usize)).unwrap(), &ts, &vs).unwrap();
    }
    db.maintain(3 * HOUR).unwrap();
    let all = db.select(&[], 0, DAY).unwrap();
    let read = |s: &Arc<dyn Series>| {
        let mut buf = SampleBuf::default();
        s.read(0, DAY, false, &mut buf).unwrap();
        buf
    };
    (files(dir, "blocks").pop().unwrap(), all.iter().map(read).collect())
}

#[test]
fn one_damaged_byte_of_a_block_costs_at_most_the_chunk_it_is_in() {
    let dir = tempfile::tempdir().unwrap();
    let (path, whole) = small_block(dir.path());
    let bytes = fs::read(&path).unwrap();
    let aside = tempfile::tempdir().unwrap();
    let copied = aside.path().join(path.file_name().unwrap());
    let mut chunks_lost = 0;
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        fs::write(&copied, &damaged).unwrap();
        let block = block::Block::open(&copied).unwrap_or_else(|e| panic!("damaged at {at}: {e}"));
        let labels_lost = block.labels().iter().any(Option::is_none);
        let mut lost = 0;
        for (id, want) in (0..).zip(&whole) {
            let mut got = SampleBuf::default();
            block.read(SeriesRef(id), 0, DAY, false, &mut got);
            lost += want.len() - got.len();
            assert_eq!(got.damaged.is_some(), got.len() < want.len(), "damaged at {at}");
            let there =
                |(t, v): (&i64, &f64)| want.ts.binary_search(t).is_ok_and(|i| want.vs[i].to_bits() == v.to_bits());
            assert!(got.ts.iter().zip(&got.vs).all(there), "damaged at {at}");
        }
        assert!([0, 240, 480].contains(&lost), "damaged at {at}: {lost} samples lost");
        chunks_lost += usize::from(lost > 0);
        let told = labels_lost || block.index_is_damaged() || !block.defects().is_empty();
        assert!(lost > 0 || told, "damaged at {at}: not told");
        // An index that is damaged is made anew.
        let found = block.index().unwrap().with_labels(&labels(1));
        assert!(found == [1] || labels_lost, "damaged at {at}: {found:?}");
    }
    assert!(chunks_lost > 100, "{chunks_lost}");
}

/// A copy of the files that version 0.1 wrote: a block of the first form, one of the second, and a checkpoint and a log of
/// 32-bit ids. Of series 0 to 2 a sample a minute for five hours, then ten more of series 1 and 9.
fn old_files() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/tsdb/formats-1-and-2");
    copy(&from, dir.path());
    fs::copy(from.join("manifest"), dir.path().join("manifest")).unwrap();
    dir
}

fn old_contents() -> Model {
    let mut all = Model::new();
    for i in 0..3i64 {
        let value = |t: i64| (((t / 60_000 * 7919 + i) % 1013) as f64 / 8.0).to_bits();
        all.insert(labels(i as usize).to_string(), (0..5 * HOUR).step_by(60_000).map(|t| (t, value(t))).collect());
    }
    for i in [1, 9] {
        let more = (0..10).map(|k| (5 * HOUR + k * 60_000, (k as f64).to_bits()));
        all.entry(labels(i).to_string()).or_default().extend(more);
    }
    all
}

#[test]
fn what_older_versions_wrote_is_read_merged_and_left() {
    let dir = old_files();
    let magic = |path: &PathBuf| fs::read(path).unwrap()[..8].to_vec();
    assert_eq!(files(dir.path(), "blocks").iter().map(magic).collect::<Vec<_>>(), [b"WBBLOCK1", b"WBBLOCK2"]);
    assert!(!verify::verify(dir.path()).unwrap().damaged);
    let (db, recovery) = open(dir.path());
    assert!(recovery.is_clean(), "{recovery:?}");
    assert_eq!(contents(&db), old_contents());
    // All of its series leave, so that nothing but the blocks knows them; these are merged.
    db.let_leave_for_test(6 * HOUR);
    assert_eq!((db.stats().series, db.stats().blocks), (0, 3));
    assert_eq!(contents(&db), old_contents());
    db.maintain(DAY + 3 * HOUR).unwrap();
    drop(db);
    let (db, recovery) = open(dir.path());
    assert!(recovery.is_clean(), "{recovery:?}");
    assert_eq!(contents(&db), old_contents());
    append(&db, 10, DAY, 1.0);
    assert_eq!(db.series_ref(&labels(10)).unwrap(), SeriesRef(4), "ids go on behind those of 32 bits");
}

#[test]
fn a_damaged_chunk_of_the_first_version_costs_its_series_there() {
    let dir = old_files();
    let path = files(dir.path(), "blocks").remove(0);
    let mut bytes = fs::read(&path).unwrap();
    bytes[12] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let block = block::Block::open(&path).unwrap();
    assert!(block.defects().is_empty(), "{:?}", block.defects());
    for id in 0..3 {
        let mut got = SampleBuf::default();
        block.read(SeriesRef(id), 0, DAY, false, &mut got);
        assert_eq!((got.len(), got.damaged.is_some()), if id == 0 { (0, true) } else { (120, false) });
    }
}

#[test]
fn a_block_cut_short_goes_aside_and_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let (path, _) = small_block(dir.path());
    let bytes = fs::read(&path).unwrap();
    for cut in [0, 1, 8, bytes.len() / 2, bytes.len() - 200, bytes.len() - 85] {
        fs::write(&path, &bytes[..cut]).unwrap();
        let (db, recovery) = open(dir.path());
        let [damage] = &recovery.damages[..] else { panic!("cut at {cut}: {recovery:?}") };
        assert!(damage.what.contains("set aside as blocks/"), "cut at {cut}: {damage}");
        drop(db);
        // Put back, it is found again.
        fs::write(&path, &bytes).unwrap();
        assert!(open(dir.path()).1.is_clean(), "cut at {cut}");
    }
}

#[test]
fn damaged_blocks_do_not_keep_maintenance_from_its_work() {
    let dir = tempfile::tempdir().unwrap();
    let options = TsdbOptions { retention_ms: 3 * DAY };
    let (db, _) = Tsdb::open(dir.path(), options.clone()).unwrap();
    let fill = |db: &Tsdb, from: i64, to: i64| {
        let ts: Vec<i64> = (from..to).step_by(60_000).collect();
        for i in 0..2 {
            db.append_column(db.series_ref(&labels(i)).unwrap(), &ts, &vec![i as f64; ts.len()]).unwrap();
        }
    };
    // Window by window, so that the day is merged at its end.
    for hour in (2..=22).step_by(2) {
        fill(&db, (hour - 2) * HOUR, hour * HOUR);
        db.maintain((hour + 1) * HOUR).unwrap();
    }
    drop(db);
    let blocks = files(dir.path(), "blocks");
    assert_eq!(blocks.len(), 11);
    let mut bytes = fs::read(&blocks[3]).unwrap();
    bytes[20] ^= 1;
    fs::write(&blocks[3], bytes).unwrap();
    let (db, _) = Tsdb::open(dir.path(), options.clone()).unwrap();
    fill(&db, 22 * HOUR, 30 * HOUR);
    db.maintain(31 * HOUR).unwrap();
    let stats = db.stats();
    assert_eq!((stats.damaged_chunks, stats.maintenance_failures), (1, 0));
    let left = contents(&db);
    assert_eq!(left[&labels(0).to_string()].len(), 28 * 60, "two hours of one series are lost");
    assert_eq!(left[&labels(1).to_string()].len(), 30 * 60);
    let of =
        |extension: &str| files(dir.path(), "blocks").iter().filter(|f| f.extension().unwrap() == extension).count();
    assert_eq!((of("damaged"), of("tmp")), (1, 0));
    assert!(stats.blocks < 6, "the day was merged: {stats:?}");
    // What was set aside goes with its time.
    append(&db, 1, 5 * DAY, 0.0);
    db.maintain(5 * DAY).unwrap();
    assert_eq!(of("damaged"), 0);
    drop(db);
    assert!(Tsdb::open(dir.path(), options).unwrap().1.is_clean());
}

#[test]
fn a_file_that_is_gone_or_emptied_is_told_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    drop(small_block(dir.path()));
    // Three segments behind the checkpoint, the last one of a start without a sample.
    for n in 0..2 {
        append(&open(dir.path()).0, 0, DAY + n, 1.0);
    }
    drop(open(dir.path()));
    assert!(open(dir.path()).1.is_clean());
    let all = ["wal", "checkpoint", "blocks"].map(|sub| files(dir.path(), sub)).concat();
    assert!(all.len() > 5, "{all:?}");
    for file in &all {
        for emptied in [false, true] {
            let copied = tempfile::tempdir().unwrap();
            copy(dir.path(), copied.path());
            fs::copy(dir.path().join("manifest"), copied.path().join("manifest")).unwrap();
            let target = copied.path().join(file.strip_prefix(dir.path()).unwrap());
            match emptied {
                true => fs::write(&target, b"").unwrap(),
                false => fs::remove_file(&target).unwrap(),
            }
            let (db, recovery) = open(copied.path());
            let name = file.strip_prefix(dir.path()).unwrap().display().to_string();
            assert!(recovery.damages.iter().any(|d| d.file == name), "{name} {emptied}: {recovery:?}");
            let samples = contents(&db).values().map(Vec::len).sum::<usize>();
            let least = if name.starts_with("blocks") { 2 } else { 1440 };
            assert!(samples >= least, "{name}: {samples}");
            // The next maintenance makes it good.
            db.maintain(DAY).unwrap();
            drop(db);
            let again = open(copied.path()).1;
            assert!(again.is_clean(), "{name} {emptied}: {again:?}");
        }
    }
}

#[test]
fn a_directory_that_is_deleted_or_locked_is_told_at_the_next_write() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("tsdb");
    let (db, _) = open(&root);
    let write = |t: i64| {
        let mut a = db.appender();
        a.append(&labels(0), t, t as f64).unwrap();
        a.commit()
    };
    write(1).unwrap();
    assert_eq!(db.trouble(), None);
    // Read-only, and writable again.
    let lock = |readonly: bool| {
        let mut permissions = fs::metadata(root.join("wal")).unwrap().permissions();
        #[allow(clippy::permissions_set_readonly_false, reason = "a directory of this test alone")]
        permissions.set_readonly(readonly);
        fs::set_permissions(root.join("wal"), permissions).unwrap();
    };
    lock(true);
    assert!(write(2).is_err());
    assert!(db.trouble().is_some_and(|t| t.contains("read-only")), "{:?}", db.trouble());
    lock(false);
    write(3).unwrap();
    assert_eq!(db.trouble(), None);
    // Moved away and back.
    let away = dir.path().join("away");
    fs::rename(&root, &away).unwrap();
    assert!(write(4).is_err());
    assert!(db.maintain(HOUR).is_err());
    fs::rename(&away, &root).unwrap();
    write(5).unwrap();
    db.maintain(HOUR).unwrap();
    // Deleted: told until somebody makes it again; then all that is in memory is written.
    fs::remove_dir_all(&root).unwrap();
    assert!(write(6).is_err());
    assert!(write(7).is_err());
    assert!(db.maintain(HOUR).is_err());
    assert!(db.trouble().is_some());
    fs::create_dir(&root).unwrap();
    let _ = db.maintain(HOUR);
    assert!(write(8).is_err());
    write(9).unwrap();
    db.maintain(HOUR).unwrap();
    assert_eq!(db.trouble(), None);
    assert_eq!(db.stats().wal_failures, 5);
    drop(db);
    let (db, _) = open(&root);
    assert_eq!(contents(&db)[&labels(0).to_string()].len(), 9);
}

#[test]
fn half_written_files_go_at_once_and_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let (db, _) = open(dir.path());
    append(&db, 0, 1, 1.0);
    // A directory where the checkpoint would be keeps it from getting its name.
    let number = files(dir.path(), "wal").len() + 1;
    fs::create_dir(dir.path().join("checkpoint").join(format!("{number:08}"))).unwrap();
    assert!(db.close().is_err());
    assert!(files(dir.path(), "checkpoint").iter().all(|f| f.extension().is_none()));
    drop(db);
    fs::remove_dir(dir.path().join("checkpoint").join(format!("{number:08}"))).unwrap();
    for sub in ["wal", "checkpoint", "blocks", "."] {
        fs::write(dir.path().join(sub).join("left.tmp"), b"x").unwrap();
    }
    drop(open(dir.path()));
    for sub in ["wal", "checkpoint", "blocks", "."] {
        assert!(!dir.path().join(sub).join("left.tmp").exists(), "{sub}");
    }
}
