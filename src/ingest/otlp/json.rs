//! OTLP's JSON encoding. It is written as protobuf while it is read, and then taken like any other message: keys are the
//! names of protobuf's fields, in camel case as the protocol has them or as the `.proto` files do, 64-bit numbers are text or
//! numbers, ids are hexadecimal. Keys that nobody knows are passed over.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use serde::de::{self, DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::ingest::wire::WireWriter;

/// How a value is written.
#[derive(Clone, Copy)]
enum Shape {
    Text,
    /// Bytes, as hexadecimal digits.
    Hex,
    /// Bytes, as base64.
    Base64,
    Bool,
    /// A varint.
    Whole,
    /// A zigzag varint.
    Signed,
    /// A word of 64 bits without a sign.
    Fixed,
    /// The same with one.
    SignedFixed,
    Double,
    /// One of these, or its number.
    Enum(&'static [&'static str]),
    Message(&'static [Field]),
}

/// A field: its name in JSON, in protobuf, its number and what it holds.
struct Field(&'static str, &'static str, u32, Shape);

use Shape::{Base64, Bool, Double, Enum, Fixed, Hex, Message, Signed, SignedFixed, Text, Whole};

static REQUEST: [Field; 1] = [Field("resourceMetrics", "resource_metrics", 1, Message(&RESOURCE_METRICS))];
static RESOURCE_METRICS: [Field; 2] = [
    Field("resource", "resource", 1, Message(&RESOURCE)),
    Field("scopeMetrics", "scope_metrics", 2, Message(&SCOPE_METRICS)),
];
static RESOURCE: [Field; 1] = [Field("attributes", "attributes", 1, Message(&KEY_VALUE))];
static SCOPE_METRICS: [Field; 3] = [
    Field("scope", "scope", 1, Message(&SCOPE)),
    Field("metrics", "metrics", 2, Message(&METRIC)),
    Field("schemaUrl", "schema_url", 3, Text),
];
static SCOPE: [Field; 3] = [
    Field("name", "name", 1, Text),
    Field("version", "version", 2, Text),
    Field("attributes", "attributes", 3, Message(&KEY_VALUE)),
];
static METRIC: [Field; 8] = [
    Field("name", "name", 1, Text),
    Field("description", "description", 2, Text),
    Field("unit", "unit", 3, Text),
    Field("gauge", "gauge", 5, Message(&NUMBERS)),
    Field("sum", "sum", 7, Message(&NUMBERS)),
    Field("histogram", "histogram", 9, Message(&HISTOGRAMS)),
    Field("exponentialHistogram", "exponential_histogram", 10, Message(&EXPONENTIALS)),
    Field("summary", "summary", 11, Message(&SUMMARIES)),
];
const TEMPORALITY: Field = Field(
    "aggregationTemporality",
    "aggregation_temporality",
    2,
    Enum(&[
        "AGGREGATION_TEMPORALITY_UNSPECIFIED",
        "AGGREGATION_TEMPORALITY_DELTA",
        "AGGREGATION_TEMPORALITY_CUMULATIVE",
    ]),
);
static NUMBERS: [Field; 3] = [
    Field("dataPoints", "data_points", 1, Message(&NUMBER)),
    TEMPORALITY,
    Field("isMonotonic", "is_monotonic", 3, Bool),
];
static HISTOGRAMS: [Field; 2] = [Field("dataPoints", "data_points", 1, Message(&HISTOGRAM)), TEMPORALITY];
static EXPONENTIALS: [Field; 2] = [Field("dataPoints", "data_points", 1, Message(&EXPONENTIAL)), TEMPORALITY];
static SUMMARIES: [Field; 1] = [Field("dataPoints", "data_points", 1, Message(&SUMMARY))];
const START: Field = Field("startTimeUnixNano", "start_time_unix_nano", 2, Fixed);
const TIME: Field = Field("timeUnixNano", "time_unix_nano", 3, Fixed);
const COUNT: Field = Field("count", "count", 4, Fixed);
const SUM: Field = Field("sum", "sum", 5, Double);
static NUMBER: [Field; 7] = [
    START,
    TIME,
    Field("asDouble", "as_double", 4, Double),
    Field("exemplars", "exemplars", 5, Message(&EXEMPLAR)),
    Field("asInt", "as_int", 6, SignedFixed),
    Field("attributes", "attributes", 7, Message(&KEY_VALUE)),
    Field("flags", "flags", 8, Whole),
];
static HISTOGRAM: [Field; 9] = [
    START,
    TIME,
    COUNT,
    SUM,
    Field("bucketCounts", "bucket_counts", 6, Fixed),
    Field("explicitBounds", "explicit_bounds", 7, Double),
    Field("exemplars", "exemplars", 8, Message(&EXEMPLAR)),
    Field("attributes", "attributes", 9, Message(&KEY_VALUE)),
    Field("flags", "flags", 10, Whole),
];
static EXPONENTIAL: [Field; 11] = [
    Field("attributes", "attributes", 1, Message(&KEY_VALUE)),
    START,
    TIME,
    COUNT,
    SUM,
    Field("scale", "scale", 6, Signed),
    Field("zeroCount", "zero_count", 7, Fixed),
    Field("positive", "positive", 8, Message(&BUCKETS)),
    Field("negative", "negative", 9, Message(&BUCKETS)),
    Field("flags", "flags", 10, Whole),
    Field("exemplars", "exemplars", 11, Message(&EXEMPLAR)),
];
static BUCKETS: [Field; 2] = [Field("offset", "offset", 1, Signed), Field("bucketCounts", "bucket_counts", 2, Whole)];
static SUMMARY: [Field; 7] = [
    START,
    TIME,
    COUNT,
    SUM,
    Field("quantileValues", "quantile_values", 6, Message(&QUANTILE)),
    Field("attributes", "attributes", 7, Message(&KEY_VALUE)),
    Field("flags", "flags", 8, Whole),
];
static QUANTILE: [Field; 2] = [Field("quantile", "quantile", 1, Double), Field("value", "value", 2, Double)];
static EXEMPLAR: [Field; 6] = [
    Field("timeUnixNano", "time_unix_nano", 2, Fixed),
    Field("asDouble", "as_double", 3, Double),
    Field("spanId", "span_id", 4, Hex),
    Field("traceId", "trace_id", 5, Hex),
    Field("asInt", "as_int", 6, SignedFixed),
    Field("filteredAttributes", "filtered_attributes", 7, Message(&KEY_VALUE)),
];
static KEY_VALUE: [Field; 2] = [Field("key", "key", 1, Text), Field("value", "value", 2, Message(&ANY_VALUE))];
static ANY_VALUE: [Field; 7] = [
    Field("stringValue", "string_value", 1, Text),
    Field("boolValue", "bool_value", 2, Bool),
    Field("intValue", "int_value", 3, Whole),
    Field("doubleValue", "double_value", 4, Double),
    Field("arrayValue", "array_value", 5, Message(&ARRAY)),
    Field("kvlistValue", "kvlist_value", 6, Message(&MAP)),
    Field("bytesValue", "bytes_value", 7, Base64),
];
static ARRAY: [Field; 1] = [Field("values", "values", 1, Message(&ANY_VALUE))];
static MAP: [Field; 1] = [Field("values", "values", 1, Message(&KEY_VALUE))];

/// An `ExportMetricsServiceRequest` in JSON as one in protobuf.
///
/// # Errors
/// What is wrong with it, and where.
pub fn to_protobuf(json: &[u8]) -> Result<Vec<u8>, serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_slice(json);
    let mut out = WireWriter::default();
    reader.deserialize_map(Members { fields: &REQUEST, out: &mut out })?;
    reader.end()?;
    Ok(out.buf)
}

/// Reads an object whose members are fields.
struct Members<'w> {
    fields: &'static [Field],
    out: &'w mut WireWriter,
}

impl<'de> Visitor<'de> for Members<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            match self.fields.iter().find(|field| field.0 == key || field.1 == key) {
                None => drop(map.next_value::<IgnoredAny>()?),
                Some(Field(name, _, number, shape)) => {
                    map.next_value_seed(One { name, number: *number, shape: *shape, out: self.out })?;
                }
            }
        }
        Ok(())
    }
}

/// Reads a value of a field, or an array of such.
struct One<'w> {
    name: &'static str,
    number: u32,
    shape: Shape,
    out: &'w mut WireWriter,
}

impl One<'_> {
    fn whole<E: de::Error>(self, n: i128) -> Result<(), E> {
        let out_of_range = |_| E::custom(format!("{n} is out of range for {}", self.name));
        let two_complement = || i64::try_from(n).map(|n| n as u64).or_else(|_| u64::try_from(n));
        match self.shape {
            Whole | Enum(_) => self.out.uint(self.number, two_complement().map_err(out_of_range)?),
            Signed => self.out.sint(self.number, i64::try_from(n).map_err(out_of_range)?),
            Fixed => self.out.fixed64(self.number, u64::try_from(n).map_err(out_of_range)?),
            SignedFixed => self.out.fixed64(self.number, i64::try_from(n).map_err(out_of_range)? as u64),
            Double => self.out.double(self.number, n as f64),
            _ => return Err(E::custom(format!("{} is not a number", self.name))),
        }
        Ok(())
    }

    fn bytes<E: de::Error>(self, bytes: Option<Vec<u8>>) -> Result<(), E> {
        let bytes = bytes.ok_or_else(|| E::custom(format!("{} does not read as bytes", self.name)))?;
        self.out.bytes(self.number, &bytes);
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for One<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        value.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for One<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a value of {}", self.name)
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: de::Error>(self, v: bool) -> Result<(), E> {
        match self.shape {
            Bool => self.out.uint(self.number, v.into()),
            _ => return Err(E::custom(format!("{} is not a boolean", self.name))),
        }
        Ok(())
    }

    fn visit_u64<E: de::Error>(self, n: u64) -> Result<(), E> {
        self.whole(n.into())
    }

    fn visit_i64<E: de::Error>(self, n: i64) -> Result<(), E> {
        self.whole(n.into())
    }

    fn visit_f64<E: de::Error>(self, v: f64) -> Result<(), E> {
        match self.shape {
            Double => self.out.double(self.number, v),
            // `1e3`
            _ if v.fract() == 0.0 => return self.whole(v as i128),
            _ => return Err(E::custom(format!("{v} is not a whole number, which {} is", self.name))),
        }
        Ok(())
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<(), E> {
        match self.shape {
            Text => self.out.bytes(self.number, text.as_bytes()),
            Hex => return self.bytes(unhex(text)),
            Base64 => return self.bytes(base64::engine::general_purpose::STANDARD.decode(text).ok()),
            Enum(names) if names.contains(&text) => {
                let n = names.iter().position(|name| *name == text).unwrap_or(0);
                self.out.uint(self.number, n as u64);
            }
            Double => {
                let v = text.parse().map_err(|_| E::custom(format!("{text:?} of {} is not a number", self.name)))?;
                self.out.double(self.number, v);
            }
            Bool | Message(_) => return Err(E::custom(format!("{text:?} is no value of {}", self.name))),
            Whole | Signed | Fixed | SignedFixed | Enum(_) => {
                let n: i64 = match text.parse() {
                    Ok(n) => n,
                    Err(_) => match text.parse::<u64>() {
                        Ok(n) => return self.whole(n.into()),
                        Err(_) => return Err(E::custom(format!("{text:?} of {} is not a number", self.name))),
                    },
                };
                return self.whole(n.into());
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let One { name, number, shape, out } = self;
        while elements.next_element_seed(One { name, number, shape, out: &mut *out })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        let Message(fields) = self.shape else {
            return Err(A::Error::custom(format!("{} is not an object", self.name)));
        };
        let mut inner = WireWriter::default();
        Members { fields, out: &mut inner }.visit_map(map)?;
        self.out.bytes(self.number, &inner.buf);
        Ok(())
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.chars().map(|c| c.to_digit(16).map(|d| d as u8)).collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

#[cfg(test)]
mod tests {
    use super::super::message::{Kind, Metric, PointValue, Temporality, attributes, scope, submessages};
    use super::*;

    const REQUEST: &str = r#"{"resourceMetrics": [{"resource": {"attributes": [
        {"key": "service.name", "value": {"stringValue": "svc"}}, {"key": "n", "value": {"intValue": "-7"}},
        {"key": "deep", "value": {"arrayValue": {"values": [{"boolValue": true}, {"kvlistValue": {"values": [
            {"key": "b", "value": {"bytesValue": "AQI="}}]}}]}}}]},
      "scopeMetrics": [{"scope": {"name": "lib", "version": "1"}, "later": {"unknown": [1]}, "metrics": [
        {"name": "s", "unit": "By", "sum": {"aggregationTemporality": 2, "isMonotonic": true, "dataPoints": [
            {"asInt": "-3", "timeUnixNano": "1700000000000000000", "flags": 1, "exemplars": [
                {"asDouble": 0.5, "timeUnixNano": 1700000000000000000, "spanId": "00ff", "traceId": ""}]},
            {"as_double": "Infinity", "time_unix_nano": 1700000000000000000, "attributes": null}]}},
        {"name": "h", "histogram": {"aggregationTemporality": "AGGREGATION_TEMPORALITY_DELTA", "dataPoints": [
            {"count": "18446744073709551615", "sum": 1, "bucketCounts": ["1", 2], "explicitBounds": [0.5]}]}},
        {"name": "e", "exponentialHistogram": {"dataPoints": [
            {"scale": -2, "zeroCount": 1, "positive": {"offset": -3, "bucketCounts": [1e3, "2"]}}]}},
        {"name": "q", "summary": {"dataPoints": [{"count": 2, "sum": 3.5, "quantileValues": [{"quantile": 0.5, "value": 1}]}]}}
      ]}]}]}"#;

    #[test]
    fn a_request_in_json_reads_as_the_same_in_protobuf() {
        let message = to_protobuf(REQUEST.as_bytes()).unwrap();
        let resource_metrics = submessages(&message, 1).unwrap()[0];
        let of_resource = attributes(submessages(resource_metrics, 1).unwrap()[0], 1).unwrap();
        let pairs: Vec<(&str, &str)> = of_resource.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        assert_eq!(pairs, [("service.name", "svc"), ("n", "-7"), ("deep", r#"[true,{"b":"AQI="}]"#)]);
        let scope_metrics = submessages(resource_metrics, 2).unwrap()[0];
        assert_eq!(scope(scope_metrics).unwrap().name, "lib");
        let mut metrics = submessages(scope_metrics, 2).unwrap().into_iter().map(|m| Metric::read(m).unwrap().unwrap());

        let mut sum = metrics.next().unwrap();
        assert_eq!((sum.name, sum.unit, sum.temporality), ("s", "By", Temporality::Cumulative));
        assert_eq!(sum.kind, Kind::Sum { is_monotonic: true });
        let (point, value) = sum.next_point().unwrap().unwrap();
        assert!(matches!(value, PointValue::Number(v) if v == -3.0) && point.is_missing);
        assert_eq!((point.t, point.exemplars[0].value), (1_700_000_000_000, 0.5));
        assert_eq!(point.exemplars[0].ids, [("span_id".to_owned(), "00ff".to_owned())]);
        let (_, value) = sum.next_point().unwrap().unwrap();
        assert!(matches!(value, PointValue::Number(f64::INFINITY)));

        let mut histogram = metrics.next().unwrap();
        assert_eq!(histogram.temporality, Temporality::Delta);
        let (_, value) = histogram.next_point().unwrap().unwrap();
        let PointValue::Histogram { count, sum, counts, bounds } = value else { panic!("{value:?}") };
        assert_eq!((count, sum, counts, bounds), (u64::MAX, Some(1.0), vec![1, 2], vec![0.5]));

        let (_, value) = metrics.next().unwrap().next_point().unwrap().unwrap();
        let PointValue::Exponential { scale, zero_count, positive, .. } = value else { panic!("{value:?}") };
        assert_eq!((scale, zero_count, positive), (-2, 1, (-3, vec![1000, 2])));

        let (_, value) = metrics.next().unwrap().next_point().unwrap().unwrap();
        assert!(
            matches!(value, PointValue::Summary { count: 2, sum, quantiles } if sum == 3.5 && quantiles == [(0.5, 1.0)])
        );
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (json, why) in [
            ("[]", "invalid type: sequence, expected an object at line 1 column 0"),
            ("{", "EOF while parsing an object at line 1 column 1"),
            ("{} x", "trailing characters at line 1 column 4"),
            (r#"{"resourceMetrics": 7}"#, "resourceMetrics is not a number at line 1 column 21"),
            (r#"{"resourceMetrics": "x"}"#, r#""x" is no value of resourceMetrics at line 1 column 23"#),
            (r#"{"resourceMetrics": [{"scopeMetrics": {"metrics": {"name": {}}}}]}"#, "name is not an object"),
        ] {
            let error = to_protobuf(json.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with(why), "{json}: {error}");
        }
        let point = |point: &str| {
            let json = format!(
                r#"{{"resourceMetrics":{{"scopeMetrics":{{"metrics":{{"gauge":{{"dataPoints":{point}}}}}}}}}}}"#
            );
            to_protobuf(json.as_bytes()).map_err(|e| e.to_string())
        };
        assert!(point(r#"[{"timeUnixNano": "7"}, null]"#).is_ok());
        for (bad, why) in [
            (r#"{"timeUnixNano": -1}"#, "-1 is out of range for timeUnixNano"),
            (r#"{"timeUnixNano": 1.5}"#, "1.5 is not a whole number, which timeUnixNano is"),
            (r#"{"asDouble": "one"}"#, r#""one" of asDouble is not a number"#),
            (r#"{"exemplars": {"spanId": "0"}}"#, "spanId does not read as bytes"),
            (r#"{"flags": true}"#, "flags is not a boolean"),
        ] {
            assert!(point(bad).unwrap_err().starts_with(why), "{bad}: {:?}", point(bad));
        }
    }

    /// A thread of a test has 2 MiB of stack, as those that answer requests have.
    #[test]
    fn what_is_nested_deeply_is_refused_or_passed_over_and_never_overflows_the_stack() {
        const DEEP: usize = 100_000;
        let nested = |open: &str, inner: &str, close: &str| open.repeat(DEEP) + inner + &close.repeat(DEEP);
        for unknown in [nested("[", "", "]"), nested(r#"{"a":"#, "1", "}"), nested(r#"[{"values":"#, "[]", "}]")] {
            assert!(to_protobuf(format!(r#"{{"later":{unknown}}}"#).as_bytes()).unwrap().is_empty());
            let inside = format!(r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"later":{unknown}}}]}}]}}"#);
            assert!(to_protobuf(inside.as_bytes()).is_ok());
        }
        let value =
            |value: &str| format!(r#"{{"resourceMetrics":{{"resource":{{"attributes":{{"value":{value}}}}}}}}}"#);
        for (known, why) in [
            (format!(r#"{{"later":{}"#, "[".repeat(DEEP)), "EOF while parsing"),
            (format!(r#"{{"resourceMetrics":{}}}"#, nested("[", "", "]")), "recursion limit exceeded"),
            (value(&nested(r#"{"arrayValue":{"values":["#, "", "]}}")), "recursion limit exceeded"),
            (value(&nested(r#"{"kvlistValue":{"values":{"value":"#, "{}", "}}}")), "recursion limit exceeded"),
        ] {
            let error = to_protobuf(known.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with(why), "{error}");
        }
    }
}
