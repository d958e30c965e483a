//! Times and numbers as they stand in JSON: people read them.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::model::number::{format_float, parse_float};
use crate::model::time::rfc3339_millis;

/// Milliseconds since the epoch; in JSON RFC 3339 with three decimals, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub i64);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&rfc3339_millis(self.0))
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(d)?;
        let time = chrono::DateTime::parse_from_rfc3339(&text);
        time.map(|t| Time(t.timestamp_millis())).map_err(|e| D::Error::custom(format_args!("time {text:?}: {e}")))
    }
}

/// A number; in JSON a string, as Prometheus writes samples: `"93.5"`, `"NaN"`, `"+Inf"`.
#[derive(Clone, Copy, Debug)]
pub struct Number(pub f64);

/// The same number, be it none.
impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0 || self.0.is_nan() && other.0.is_nan()
    }
}

impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&format_float(self.0))
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(d)?;
        parse_float(&text).map(Number).ok_or_else(|| D::Error::custom(format_args!("{text:?} is not a number")))
    }
}
