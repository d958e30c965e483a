//! The list of target groups that a file or a server gives. It is read group by group, so that a list of nothing much
//! takes no memory, and one of too much is refused before it has taken it all.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};

use super::group::TargetGroup;
use super::site::too_many;
use crate::model::Labels;

/// A group as it is written.
pub(super) trait Entry: for<'de> Deserialize<'de> {
    /// Addresses, and labels.
    fn parts(self) -> (Vec<String>, BTreeMap<String, String>);
}

/// The groups of a list in JSON, each with one more label, whose value and its place in the list name it. Groups without
/// targets are left out.
pub(super) fn of_json<E: Entry>(text: &[u8], meta: (&str, &str)) -> Result<Vec<TargetGroup>, String> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let groups = deserializer.deserialize_seq(List::<E> { meta, entry: PhantomData }).map_err(|e| e.to_string())?;
    deserializer.end().map_err(|e| e.to_string())?;
    groups
}

/// As [`of_json`], in YAML.
pub(super) fn of_yaml<E: Entry>(text: &str, meta: (&str, &str)) -> Result<Vec<TargetGroup>, String> {
    let list = List::<E> { meta, entry: PhantomData };
    serde_yaml::Deserializer::from_str(text).deserialize_seq(list).map_err(|e| e.to_string())?
}

struct List<'m, E> {
    meta: (&'m str, &'m str),
    entry: PhantomData<E>,
}

impl<'de, E: Entry> Visitor<'de> for List<'_, E> {
    /// An error is one of what is written, not of how.
    type Value = Result<Vec<TargetGroup>, String>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a list of target groups")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let (name, shown) = self.meta;
        let (mut groups, mut targets) = (Vec::new(), 0);
        for index in 0_usize.. {
            let Some(entry) = list.next_element::<Option<E>>()? else { break };
            let Some((addresses, labels)) = entry.map(E::parts) else {
                return refused(list, format!("nil target group item found (index {index})"));
            };
            if addresses.is_empty() {
                continue;
            }
            targets += addresses.len();
            if let Err(error) = too_many(targets) {
                return refused(list, error);
            }
            let labels = Labels::from_pairs(labels.into_iter().chain([(name.to_owned(), shown.to_owned())]));
            let source: Arc<str> = Arc::from(format!("{shown}:{index}"));
            groups.push(TargetGroup::of_addresses(&addresses, labels, source));
        }
        Ok(Ok(groups))
    }
}

/// An error, unless what is left is not written as it should be.
fn refused<'de, A: SeqAccess<'de>, T>(mut list: A, error: String) -> Result<Result<T, String>, A::Error> {
    while list.next_element::<IgnoredAny>()?.is_some() {}
    Ok(Err(error))
}

#[cfg(test)]
mod tests {
    use super::super::site::MOST_TARGETS;
    use super::*;

    #[derive(Deserialize)]
    struct Plain {
        targets: Vec<String>,
    }

    impl Entry for Plain {
        fn parts(self) -> (Vec<String>, BTreeMap<String, String>) {
            (self.targets, BTreeMap::new())
        }
    }

    fn read(text: &str) -> Result<Vec<String>, String> {
        let groups = of_json::<Plain>(text.as_bytes(), ("m", "u"))?;
        assert_eq!(of_yaml::<Plain>(text, ("m", "u")).as_ref(), Ok(&groups));
        let shown = |g: &TargetGroup| format!("{} {} {}", g.source, g.labels, g.targets.len());
        Ok(groups.iter().map(shown).collect())
    }

    #[test]
    fn groups_are_named_by_their_places_and_those_without_targets_left_out() {
        let text = r#"[{"targets": []}, {"targets": ["h:1", "h:2"]}, {"targets": []}, {"targets": ["h:3"]}]"#;
        assert_eq!(read(text), Ok(vec![r#"u:1 {m="u"} 2"#.to_owned(), r#"u:3 {m="u"} 1"#.to_owned()]));
        assert_eq!(read("[]"), Ok(Vec::new()));
    }

    #[test]
    fn what_is_no_list_of_groups_is_refused_in_words() {
        let nil = "nil target group item found (index 1)";
        assert_eq!(read(r#"[{"targets": []}, null, {"targets": []}]"#), Err(nil.to_owned()));
        let error = |text: &str| of_json::<Plain>(text.as_bytes(), ("m", "u")).unwrap_err();
        assert!(error("{}").contains("expected a list of target groups at line 1"), "{}", error("{}"));
        assert!(error("[null, nonsense]").contains("line 1 column"));
        assert!(error("[] []").contains("trailing characters"));
    }

    #[test]
    fn more_targets_than_can_be_kept_are_refused() {
        let all = vec![r#"{"targets": ["h"]}"#; MOST_TARGETS + 1].join(",");
        assert_eq!(
            of_json::<Plain>(format!("[{all}]").as_bytes(), ("m", "u")),
            Err(format!("more than {MOST_TARGETS} targets"))
        );
    }
}
