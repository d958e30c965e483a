//! What fuzzing found, and what it begins with, keeps every promise.

use std::path::Path;

#[path = "../fuzz/src/lib.rs"]
#[allow(dead_code)]
mod fuzz;

#[test]
fn every_stored_input_keeps_the_promises_of_its_target() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for (name, run) in fuzz::TARGETS {
        let mut inputs: Vec<_> = std::fs::read_dir(corpus.join(name)).unwrap().map(|e| e.unwrap().path()).collect();
        inputs.sort();
        assert!(!inputs.is_empty(), "{name} has no input");
        for input in inputs {
            let bytes = std::fs::read(&input).unwrap();
            let kept = std::panic::catch_unwind(|| run(&bytes));
            assert!(kept.is_ok(), "{} breaks a promise", input.display());
        }
    }
}
