//! Any text as YAML, and as each of the files that are written in it.

use watchbell::cli::fmt::format_rules;
use watchbell::config::Config;
use watchbell::config::alertmanager::AlertmanagerConfig;
use watchbell::config::yaml::{Limits, Node, Value, parse, print};
use watchbell::rules::{LoadOptions, load_str};

/// What is printed reads as the same. Files are read or refused, and a formatted file is formatted.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for root in parse(text, Limits::default()).map(|d| d.roots).unwrap_or_default() {
        printed(&root);
    }
    let _ = Config::load_str("f", text, &|_| None);
    let _ = AlertmanagerConfig::load_str("f", text);
    let _ = load_str("f", text, &LoadOptions::default());
    if let Ok(once) = format_rules("f", text) {
        let twice =
            format_rules("f", &once.text).unwrap_or_else(|e| panic!("{text:?} is laid out as {:?}: {e}", once.text));
        assert_eq!(twice.text, once.text, "{text:?}");
    }
}

/// Printing masks secrets, so that the first time may change what is said, and the second may not.
fn printed(root: &Node) {
    let once = print(root, &[]);
    let read = |text: &str| match parse(text, Limits::default()) {
        Ok(documents) => documents.roots.into_iter().next(),
        Err(e) => panic!("{once:?} does not read: {e:?}"),
    };
    let Some(again) = read(&once) else { return };
    let twice = print(&again, &[]);
    assert_eq!(twice, once);
    assert_eq!(read(&twice).map(|n| meaning(&n)), Some(meaning(&again)));
}

/// What a tree says, without its places.
fn meaning(node: &Node) -> String {
    match &node.value {
        Value::Scalar(text, _) => format!("{text:?}/{:?}", node.scalar()),
        Value::Sequence(items) => format!("{:?}", items.iter().map(meaning).collect::<Vec<_>>()),
        Value::Mapping(entries) => {
            format!("{:?}", entries.iter().map(|(k, v)| (meaning(k), meaning(v))).collect::<Vec<_>>())
        }
    }
}
