//! Findings that were there before: a file of them, by file, check and message, so that lines may move.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::finding::Finding;

/// One entry of a baseline.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    file: String,
    check: String,
    message: String,
    /// How often it is there.
    count: usize,
}

/// The text of a baseline that holds these findings.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn write(found: &[Finding]) -> Result<String, String> {
    let mut counts: BTreeMap<(String, String, String), usize> = BTreeMap::new();
    for finding in found {
        *counts.entry(key(finding)).or_default() += 1;
    }
    let known: Vec<Known> =
        counts.into_iter().map(|((file, check, message), count)| Known { file, check, message, count }).collect();
    serde_json::to_string_pretty(&known).map(|text| text + "\n").map_err(|e| e.to_string())
}

/// Leaves out the findings that a baseline holds.
///
/// # Errors
/// What is wrong with the baseline.
pub fn subtract(found: &mut Vec<Finding>, baseline: &str) -> Result<(), String> {
    let known: Vec<Known> = serde_json::from_str(baseline).map_err(|e| e.to_string())?;
    let mut left: BTreeMap<(String, String, String), usize> =
        known.into_iter().map(|k| ((k.file, k.check, k.message), k.count)).collect();
    found.retain(|finding| match left.get_mut(&key(finding)) {
        Some(count) if *count > 0 => {
            *count -= 1;
            false
        }
        _ => true,
    });
    Ok(())
}

fn key(finding: &Finding) -> (String, String, String) {
    (finding.spot.file.to_string(), finding.check.name.to_owned(), finding.message.clone())
}
