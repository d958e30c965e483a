//! Service discovery: where targets come from, before relabelling.

mod file;

use std::sync::Arc;

use crate::model::Labels;

pub use file::{FileDiscovery, FileDiscoveryError};

/// Targets that share labels, as one entry of `static_configs` or of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetGroup {
    /// Addresses, `host:port`.
    pub targets: Vec<String>,
    /// Labels of all of them; a file adds `__meta_filepath`.
    pub labels: Labels,
    /// Names the group among those of its scrape pool.
    pub source: Arc<str>,
}
