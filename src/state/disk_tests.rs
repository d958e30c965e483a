//! Damage of every kind to every file of a store: it opens, and nothing that was acknowledged is lost.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::disk::DiskStore;
use super::{Batch, Snapshot, StateStore, Table};

#[allow(dead_code)]
#[path = "../../tests/simulator/dice.rs"]
mod dice;

use dice::Dice;

/// A store of some hundred records, some of them large, a few changed and deleted, opened twice.
fn fill(dir: &Path) -> BTreeMap<Vec<u8>, String> {
    let mut model = BTreeMap::new();
    let mut dice = Dice(1);
    for round in 0..2 {
        let store = DiskStore::open(dir).unwrap();
        for number in 0..60 {
            let mut batch = Batch::default();
            for _ in 0..4 {
                let key = format!("key {}", dice.index(150)).into_bytes();
                let durable = dice.index(3) > 0;
                if dice.index(5) == 0 {
                    batch.delete(Table::RoutedAlert, key.clone(), durable);
                    model.remove(&key);
                } else {
                    let value = format!("{round} {number} {}", "v".repeat(dice.index(400)));
                    batch.put(Table::RoutedAlert, key.clone(), &value, durable);
                    model.insert(key, value);
                }
            }
            store.apply(&batch).unwrap();
        }
        store.settle().unwrap();
    }
    model
}

fn records(snapshot: &Snapshot) -> BTreeMap<Vec<u8>, String> {
    snapshot.read::<String>(Table::RoutedAlert).into_iter().collect()
}

fn files(dir: &Path, out: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() { files(&path, out) } else { out.push(path) }
    }
}

fn files_of(dir: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    files(dir, &mut out);
    out
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() { copy_tree(&path, &target) } else { assert!(fs::copy(&path, &target).is_ok()) }
    }
}

/// Opens a damaged copy, looks, writes, closes and opens again.
fn survives(dir: &Path, model: &BTreeMap<Vec<u8>, String>, what: &str) -> bool {
    let store = DiskStore::open(dir).unwrap_or_else(|e| panic!("{what}: {e}"));
    let found = records(&store.load().unwrap());
    assert!(found == *model, "{what}: {} records of {}", found.len(), model.len());
    let health = store.health();
    assert_eq!(health.damage.is_some(), health.set_aside > 0, "{what}: {health:?}");
    let mut batch = Batch::default();
    batch.put(Table::RoutedAlert, "afterwards", &"written", true);
    store.apply(&batch).unwrap();
    drop(store);
    let again = DiskStore::open(dir).unwrap_or_else(|e| panic!("{what}, again: {e}"));
    assert_eq!(again.health().damage, None, "{what}: it is whole again");
    assert_eq!(records(&again.load().unwrap()).len(), model.len() + 1, "{what}, again");
    health.set_aside > 0
}

/// Damages one file of a copy of a store.
fn damage(dice: &mut Dice, path: &Path, how: usize) -> String {
    let mut bytes = fs::read(path).unwrap();
    // What sled's file holds is at its beginning; the rest is room.
    let used = bytes.iter().rposition(|b| *b != 0).map_or(0, |at| at + 1);
    let what = match how {
        0 if !bytes.is_empty() => {
            let bit = dice.index(used.max(1) * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            format!("bit {bit} flipped")
        }
        1 => {
            bytes.truncate(dice.index(used));
            format!("cut to {}", bytes.len())
        }
        2 => {
            bytes.clear();
            "emptied".into()
        }
        _ => {
            fs::remove_file(path).unwrap();
            return format!("{} deleted", path.display());
        }
    };
    fs::write(path, bytes).unwrap();
    format!("{} {what}", path.display())
}

#[test]
fn no_damage_to_one_file_costs_what_was_acknowledged() {
    let whole = tempfile::tempdir().unwrap();
    let model = fill(whole.path());
    let names = files_of(whole.path());
    assert!(names.len() >= 5, "{names:?}");
    let seeds: u64 = std::env::var("WATCHBELL_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(24);
    let mut set_aside = 0;
    for seed in 0..seeds {
        let mut dice = Dice(seed);
        let file = &names[seed as usize % names.len()];
        let how = [0, 0, 0, 1, 2, 3][(seed as usize / names.len()) % 6];
        let dir = tempfile::tempdir().unwrap();
        copy_tree(whole.path(), dir.path());
        let path = dir.path().join(file.strip_prefix(whole.path()).unwrap());
        let what = format!("seed {seed}: {}", damage(&mut dice, &path, how));
        set_aside += usize::from(survives(dir.path(), &model, &what));
    }
    assert!(set_aside > 0, "some damage is seen");
}

#[test]
fn files_taken_away_while_running_are_told_and_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let model = fill(dir.path());
    let store = DiskStore::open(dir.path()).unwrap();
    let write = |key: &str| {
        let mut batch = Batch::default();
        batch.put(Table::Silence, key, &key, true);
        store.apply(&batch)
    };
    write("before").unwrap();
    for name in ["state", "state.rescue"] {
        fs::remove_dir_all(dir.path().join(name)).unwrap();
    }
    // The database is made again within the same write: the disk takes bytes.
    write("after").unwrap();
    let health = store.health();
    assert!(health.damage.is_some_and(|d| d.contains("gone")) && health.failure.is_none());
    drop(store);
    let again = DiskStore::open(dir.path()).unwrap();
    let snapshot = again.load().unwrap();
    assert_eq!((records(&snapshot), snapshot.read::<String>(Table::Silence).len()), (model, 2));
}

/// One record more, and the rescue copy alone has all of them.
fn the_copy_is_written_again(dir: &Path, store: DiskStore, mut model: BTreeMap<Vec<u8>, String>, durable: bool) {
    let mut batch = Batch::default();
    batch.put(Table::RoutedAlert, "after", &"x", durable);
    model.insert(b"after".to_vec(), "x".into());
    store.apply(&batch).unwrap();
    store.settle().unwrap();
    assert_eq!(store.health().rescue_failure, None);
    drop(store);
    fs::remove_dir_all(dir.join("state")).unwrap();
    let again = DiskStore::open(dir).unwrap();
    assert_eq!(records(&again.load().unwrap()), model, "the copy has all of it");
}

#[test]
fn a_rescue_copy_taken_away_is_written_again() {
    let dir = tempfile::tempdir().unwrap();
    let model = fill(dir.path());
    let store = DiskStore::open(dir.path()).unwrap();
    fs::remove_dir_all(dir.path().join("state.rescue")).unwrap();
    the_copy_is_written_again(dir.path(), store, model, false);
}

#[test]
fn a_rescue_copy_that_cannot_be_read_keeps_no_whole_database_from_being_opened() {
    let dir = tempfile::tempdir().unwrap();
    let model = fill(dir.path());
    // A directory is no file that could be read.
    let copy = dir.path().join("state.rescue");
    let snapshot =
        files_of(&copy).into_iter().filter(|p| p.extension().is_some_and(|e| e == "snapshot")).max().unwrap();
    fs::remove_file(&snapshot).unwrap();
    fs::create_dir(&snapshot).unwrap();
    let store = DiskStore::open(dir.path()).unwrap();
    assert_eq!((records(&store.load().unwrap()), store.health().rescue_failure), (model.clone(), None));
    drop(store);
    // Nor can one be written where a file is in the way.
    fs::remove_dir_all(&copy).unwrap();
    fs::write(&copy, "in the way").unwrap();
    let store = DiskStore::open(dir.path()).unwrap();
    assert_eq!(records(&store.load().unwrap()), model);
    let health = store.health();
    assert!(health.rescue_failure.is_some() && health.damage.is_none() && health.failure.is_none(), "{health:?}");
    fs::remove_file(&copy).unwrap();
    the_copy_is_written_again(dir.path(), store, model, true);
}

#[test]
fn a_killed_process_loses_nothing_it_was_told() {
    let (dir, dead) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut model = fill(dir.path());
    let store = DiskStore::open(dir.path()).unwrap();
    for number in 0..20 {
        let mut batch = Batch::default();
        batch.put(Table::RoutedAlert, "same", &number.to_string(), number % 2 == 0);
        store.apply(&batch).unwrap();
        copy_tree(dir.path(), &dead.path().join(number.to_string()));
    }
    for number in 0..20 {
        model.insert(b"same".to_vec(), number.to_string());
        let again = DiskStore::open(&dead.path().join(number.to_string())).unwrap();
        assert_eq!(again.health().damage, None, "{number}");
        assert_eq!(records(&again.load().unwrap()), model, "{number}");
    }
}

#[test]
fn a_long_log_is_replaced_by_a_snapshot_beside_the_batches() {
    let dir = tempfile::tempdir().unwrap();
    let store = DiskStore::open(dir.path()).unwrap();
    let value = "v".repeat(100_000);
    for number in 0..100 {
        let mut batch = Batch::default();
        batch.put(Table::RoutedAlert, format!("{}", number % 7), &format!("{number} {value}"), false);
        store.apply(&batch).unwrap();
    }
    store.settle().unwrap();
    let size: u64 = files_of(&dir.path().join("state.rescue")).iter().map(|p| fs::metadata(p).unwrap().len()).sum();
    assert!(size < 8 << 20, "{size} bytes for 700 kB of records");
    let before = records(&store.load().unwrap());
    drop(store);
    fs::remove_dir_all(dir.path().join("state")).unwrap();
    let again = DiskStore::open(dir.path()).unwrap();
    assert_eq!(records(&again.load().unwrap()), before);
}
