//! What tests share: the field's data beside the checkout, and real peers.

pub mod discovery;
pub mod exposition;
pub mod fleet;
pub mod http;
pub mod kubernetes;
#[allow(dead_code)]
pub mod peers;
pub mod receiver;
pub mod service;

use std::path::PathBuf;

/// A folder or file of the field's own test data (`WATCHBELL_SHARED`), or `None` after saying what is skipped.
pub fn shared(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("WATCHBELL_SHARED").map(|dir| PathBuf::from(dir).join(name));
    let there = path.filter(|p| p.exists());
    if there.is_none() {
        eprintln!("skipped: no {name} (WATCHBELL_SHARED does not name a folder that has it)");
    }
    there
}
