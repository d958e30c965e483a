use proptest::prelude::*;

use super::*;

/// serde_yaml's value of a tree, where YAML 1.1 and 1.2 agree.
fn to_serde(node: &Node) -> serde_yaml::Value {
    use serde_yaml::Value as Yaml;
    if let Some(items) = node.items() {
        return Yaml::Sequence(items.iter().map(to_serde).collect());
    }
    if let Some(entries) = node.entries() {
        return Yaml::Mapping(entries.iter().map(|(k, v)| (to_serde(k), to_serde(v))).collect());
    }
    Yaml::String(node.text().unwrap_or_default().to_owned())
}

/// Text whose plain scalars are words, so that both readers mean the same by them.
fn words() -> impl Strategy<Value = String> {
    let token = prop_oneof![
        "[a-z]{1,4}",
        Just("- ".to_owned()),
        Just(": ".to_owned()),
        Just(":\n  ".to_owned()),
        Just("\n".to_owned()),
        Just("\n  ".to_owned()),
        Just("\n    ".to_owned()),
        Just("'it''s'".to_owned()),
        Just("\"q\\\"\\u0041\"".to_owned()),
        Just("|\n  a\n  b".to_owned()),
        Just(">-\n    a\n\n    b\n".to_owned()),
        Just("[a, b]".to_owned()),
        Just("{a: b}".to_owned()),
        Just(" # note\n".to_owned()),
        Just("زمن".to_owned()),
    ];
    prop::collection::vec(token, 0..24).prop_map(|v| v.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_text_is_read_or_refused(text in r#"[\-:,\[\]{}&*!|>'"%#?\\ \n\t\ra-c0-2éِ]{0,60}"#) {
        let _ = parse(&text, Limits::default());
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&String::from_utf8_lossy(&bytes), Limits::default());
    }

    #[test]
    fn values_are_those_that_serde_reads(text in words()) {
        let Ok(documents) = parse(&text, Limits::default()) else { return Ok(()) };
        if !documents.defects.is_empty() || documents.roots.len() != 1 {
            return Ok(());
        }
        let Ok(want) = serde_yaml::from_str::<serde_yaml::Value>(&text) else { return Ok(()) };
        let got = to_serde(&documents.roots[0]);
        prop_assert_eq!(plain(got), plain(want));
    }
}

/// Null and an empty string are told apart by type only.
fn plain(value: serde_yaml::Value) -> serde_yaml::Value {
    use serde_yaml::Value as Yaml;
    match value {
        Yaml::Null => Yaml::String(String::new()),
        Yaml::Sequence(items) => Yaml::Sequence(items.into_iter().map(plain).collect()),
        Yaml::Mapping(map) => Yaml::Mapping(map.into_iter().map(|(k, v)| (plain(k), plain(v))).collect()),
        other => other,
    }
}

fn read(text: &str) -> Node {
    parse(text, Limits::default()).unwrap().roots.remove(0)
}

#[test]
fn aliases_and_merge_keys_are_resolved() {
    let node = read("a: &x {k: 1, m: 2}\nb: *x\nc:\n  <<: *x\n  k: 3\nd: {<<: [{k: 4}, *x]}\n");
    let value = |path: [&str; 2]| node.get(path[0]).unwrap().get(path[1]).unwrap().text().unwrap().to_owned();
    assert_eq!(value(["b", "k"]), "1");
    assert_eq!(value(["c", "k"]), "3");
    assert_eq!(value(["c", "m"]), "2");
    assert_eq!(value(["d", "k"]), "4");
    assert_eq!(value(["d", "m"]), "2");
}

#[test]
fn block_scalars_end_as_written() {
    for (text, want) in [
        ("a: |\n  x", "x"),
        ("a: |\n  x\n", "x\n"),
        ("a: |-\n  x\n", "x"),
        ("a: |+\n  x\n\n", "x\n\n"),
        ("a: >\n  x\n  y\n", "x y\n"),
        ("a: x", "x"),
    ] {
        assert_eq!(read(text).get("a").unwrap().text(), Some(want), "{text:?}");
    }
}

#[test]
fn defects_of_syntax_have_places() {
    for (text, line, column, message) in [
        ("a: b\n\tc: d", 2, 1, "found a tab character"),
        ("groups:\n- rules:\n\t- alert: X\n", 3, 1, "found a tab where YAML wants spaces"),
        ("a:\n  b:\n    \tc: d", 3, 5, "found a tab where YAML wants spaces"),
        ("a: @b", 1, 4, "found character that cannot start any token"),
        ("a: [1, 2", 2, 1, "did not find expected ',' or ']'"),
        ("a: 'x", 2, 1, "unexpected end of stream"),
        ("a: b\n c: d", 2, 3, "mapping values are not allowed"),
        ("a: *nope", 1, 4, "unknown anchor \"nope\" referenced"),
        ("a: &a [*a]", 1, 8, "unknown anchor \"a\" referenced"),
    ] {
        let (at, found) = parse(text, Limits::default()).unwrap_err();
        assert!(found.contains(message), "{text:?}: {found}");
        assert_eq!((at.line, at.column), (line, column), "{text:?}: {found}");
    }
}

#[test]
fn duplicate_keys_are_defects_and_the_first_counts() {
    let documents = parse("a: 1\nb: 2\na: 3\n", Limits::default()).unwrap();
    assert_eq!(documents.roots[0].get("a").unwrap().text(), Some("1"));
    let (at, message) = &documents.defects[0];
    assert_eq!((at.line, at.column, message.as_str()), (3, 1, "mapping key \"a\" already defined at line 1"));
}

#[test]
fn what_a_file_may_cost_is_limited() {
    let mut laughs = "a0: &a0 [x, x]\n".to_owned();
    for i in 1..64 {
        laughs.push_str(&format!("a{i}: &a{i} [*a{0}, *a{0}]\n", i - 1));
    }
    assert!(parse(&laughs, Limits::default()).unwrap_err().1.contains("aliases expanded"));
    let deep = "[".repeat(10_000);
    assert!(parse(&deep, Limits::default()).unwrap_err().1.contains("nested deeper"));
    let limits = Limits { bytes: 3, ..Limits::default() };
    assert!(parse("a: b", limits).unwrap_err().1.contains("longer than 3"));
}
