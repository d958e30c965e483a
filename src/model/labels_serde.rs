//! Label sets as maps of strings: how they stand in JSON and in records.

use std::fmt;

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::labels::Labels;

impl Serialize for Labels {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(None)?;
        for (n, v) in self.iter() {
            map.serialize_entry(n, v)?;
        }
        map.end()
    }
}

impl<'de> serde::Deserialize<'de> for Labels {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_map(LabelsVisitor { keeps_empty: false })
    }
}

/// Reads annotations: unlike labels they may be empty and there.
///
/// # Errors
/// It is no map of strings.
pub fn annotations<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Labels, D::Error> {
    d.deserialize_map(LabelsVisitor { keeps_empty: true })
}

/// Reads a map of strings into one text, and packs that: alerts are posted by the hundred thousand.
struct LabelsVisitor {
    keeps_empty: bool,
}

impl<'de> serde::de::Visitor<'de> for LabelsVisitor {
    type Value = Labels;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Labels, A::Error> {
        let mut text = String::with_capacity(256);
        // Where each name and value ends.
        let mut ends: Vec<(usize, usize)> = Vec::with_capacity(16);
        while map.next_key_seed(Append(&mut text))?.is_some() {
            let name = text.len();
            map.next_value_seed(Append(&mut text))?;
            ends.push((name, text.len()));
        }
        let starts = std::iter::once(0).chain(ends.iter().map(|(_, end)| *end));
        let part = |from: usize, to: usize| text.get(from..to).unwrap_or("");
        let mut pairs: Vec<(&str, &str)> =
            starts.zip(&ends).map(|(start, (name, end))| (part(start, *name), part(*name, *end))).collect();
        // Of several of one name the last counts, which a stable sort leaves last.
        pairs.sort_by(|a, b| a.0.cmp(b.0));
        let keeps_empty = self.keeps_empty;
        let next = pairs.iter().skip(1).map(|(name, _)| Some(*name)).chain([None]);
        let kept = pairs
            .iter()
            .zip(next)
            .filter(|((name, value), next)| *next != Some(*name) && (keeps_empty || !value.is_empty()));
        Ok(Labels::from_sorted(kept.map(|(pair, _)| *pair)))
    }
}

/// Appends a string to a text.
struct Append<'a>(&'a mut String);

impl<'de> serde::de::DeserializeSeed<'de> for Append<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        // As Go does: no value is an empty one.
        d.deserialize_any(self)
    }
}

impl serde::de::Visitor<'_> for Append<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E>(self, s: &str) -> Result<(), E> {
        self.0.push_str(s);
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}
