//! What a discovery finds: targets in groups.

use std::sync::Arc;

use crate::model::Labels;

/// The label that says where a target is.
pub const ADDRESS: &str = "__address__";

/// Targets that share labels, as one entry of `static_configs` or of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetGroup {
    /// The labels of each target, `__address__` among them.
    pub targets: Vec<Labels>,
    /// Labels of all of them; a target's own go before them.
    pub labels: Labels,
    /// Names the group among those of its scrape pool.
    pub source: Arc<str>,
}

impl TargetGroup {
    /// Targets of which nothing is known but where they are.
    pub fn of_addresses<A: AsRef<str>>(
        addresses: impl IntoIterator<Item = A>,
        labels: Labels,
        source: impl Into<Arc<str>>,
    ) -> Self {
        let target = |address: A| Labels::from_pairs([(ADDRESS, address.as_ref())]);
        TargetGroup { targets: addresses.into_iter().map(target).collect(), labels, source: source.into() }
    }
}

/// Host and port as an address: a host with colons is put in brackets.
pub(super) fn join_host_port(host: &str, port: impl std::fmt::Display) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// A name as a part of a label's: what is no letter, digit or underscore becomes one.
pub(super) fn sanitize(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }).collect()
}
