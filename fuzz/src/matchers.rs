//! Any text as a list of matchers.

use watchbell::config::alertmanager::matchers::parse_matchers;
use watchbell::model::Matcher;
use watchbell::routing::tree::matchers_text;

/// What is read is written so that it is read as the same.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(matchers) = parse_matchers(text) else { return };
    let written = matchers_text(&matchers);
    let again = parse_matchers(&written).unwrap_or_else(|e| panic!("{text:?} is written as {written:?}: {e}"));
    assert_eq!(sorted(&again), sorted(&matchers), "{text:?} is written as {written:?}");
    assert_eq!(matchers_text(&again), written);
}

fn sorted(matchers: &[Matcher]) -> Vec<(&str, &str, &str)> {
    let mut all: Vec<_> = matchers.iter().map(|m| (m.name.as_str(), m.op.as_str(), m.value.as_str())).collect();
    all.sort_unstable();
    all
}
