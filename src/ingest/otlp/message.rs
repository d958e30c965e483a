//! OTLP's metrics as protobuf carries them: `opentelemetry.proto.collector.metrics.v1.ExportMetricsServiceRequest` and what is
//! in it. Messages are read where they lie; what a point holds is read when it is its turn.

use base64::Engine as _;

use crate::ingest::wire::{Field, Fields, WireError};
use crate::model::html_safe_json;
use crate::model::number::format_float;

/// Attributes with their values as text, as they came.
pub type Attributes = Vec<(String, String)>;

/// Lists and maps within each other are read this deep.
const DEEPEST: usize = 32;

/// Who measured.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// The library's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Where its schema is described.
    pub schema_url: String,
    /// More about it.
    pub attributes: Attributes,
}

/// How the values of points follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Temporality {
    /// Nobody says.
    #[default]
    Unspecified,
    /// Each counts what came since the one before.
    Delta,
    /// Each counts what came since the start.
    Cumulative,
}

/// What kind of points a metric has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Values of the moment.
    Gauge,
    /// Sums.
    Sum {
        /// Whether they only grow.
        is_monotonic: bool,
    },
    /// Histograms with bounds.
    Histogram,
    /// Histograms with a scale.
    Exponential,
    /// Quantiles.
    Summary,
}

/// A metric; its points are read one by one.
#[derive(Clone, Debug)]
pub struct Metric<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it is about.
    pub description: &'a str,
    /// Its unit.
    pub unit: &'a str,
    /// What its points are.
    pub kind: Kind,
    /// How they follow each other.
    pub temporality: Temporality,
    points: Fields<'a>,
}

/// What all kinds of points have in common.
#[derive(Clone, Debug, Default)]
pub struct Point {
    /// What tells the series from others of the metric.
    pub attributes: Attributes,
    /// Milliseconds.
    pub t: i64,
    /// When counting began, milliseconds; 0 when unknown.
    pub start: i64,
    /// Whether the point says that there is no value.
    pub is_missing: bool,
    /// Examples.
    pub exemplars: Vec<OtlpExemplar>,
}

/// An example of what was measured.
#[derive(Clone, Debug, Default)]
pub struct OtlpExemplar {
    /// Attributes that are not those of the series.
    pub attributes: Attributes,
    /// The ids of trace and span.
    pub ids: Attributes,
    /// Milliseconds.
    pub t: i64,
    /// The value.
    pub value: f64,
}

/// The value of a point.
#[derive(Clone, Debug)]
pub enum PointValue {
    /// Of a gauge or a sum.
    Number(f64),
    /// Of a histogram with bounds: counts are one more than bounds.
    Histogram {
        /// Observations.
        count: u64,
        /// Their sum.
        sum: Option<f64>,
        /// Observations by bucket.
        counts: Vec<u64>,
        /// Upper bounds.
        bounds: Vec<f64>,
    },
    /// Of a histogram with a scale.
    Exponential {
        /// Observations.
        count: u64,
        /// Their sum.
        sum: Option<f64>,
        /// The resolution.
        scale: i32,
        /// Observations that are zero, or close to it.
        zero_count: u64,
        /// Buckets of positive values: the first one's index, and counts.
        positive: (i32, Vec<u64>),
        /// The same of negative ones.
        negative: (i32, Vec<u64>),
    },
    /// Of a summary.
    Summary {
        /// Observations.
        count: u64,
        /// Their sum.
        sum: f64,
        /// Quantiles and their values.
        quantiles: Vec<(f64, f64)>,
    },
}

/// The submessages of one field.
pub fn submessages(message: &[u8], number: u32) -> Result<Vec<&[u8]>, WireError> {
    let (mut found, mut fields) = (Vec::new(), Fields::new(message));
    while let Some(field) = fields.next_field()? {
        if field.number == number {
            found.push(field.bytes()?);
        }
    }
    Ok(found)
}

/// The attributes of a message.
pub fn attributes(message: &[u8], number: u32) -> Result<Attributes, WireError> {
    submessages(message, number)?.into_iter().map(key_value).collect()
}

/// Reads the scope of a `ScopeMetrics`.
pub fn scope(scope_metrics: &[u8]) -> Result<Scope, WireError> {
    let mut scope = Scope::default();
    let mut fields = Fields::new(scope_metrics);
    while let Some(field) = fields.next_field()? {
        match field.number {
            1 => {
                let message = field.bytes()?;
                scope.attributes = attributes(message, 3)?;
                let mut fields = Fields::new(message);
                while let Some(field) = fields.next_field()? {
                    match field.number {
                        1 => scope.name = field.str()?.to_owned(),
                        2 => scope.version = field.str()?.to_owned(),
                        _ => {}
                    }
                }
            }
            3 => scope.schema_url = field.str()?.to_owned(),
            _ => {}
        }
    }
    Ok(scope)
}

impl<'a> Metric<'a> {
    /// Reads a metric; `None` when it has no points of a kind that is known.
    pub fn read(message: &'a [u8]) -> Result<Option<Self>, WireError> {
        let (mut name, mut description, mut unit, mut data) = ("", "", "", None);
        let mut fields = Fields::new(message);
        while let Some(field) = fields.next_field()? {
            match field.number {
                1 => name = field.str()?,
                2 => description = field.str()?,
                3 => unit = field.str()?,
                5 => data = Some((Kind::Gauge, field.bytes()?)),
                7 => data = Some((Kind::Sum { is_monotonic: false }, field.bytes()?)),
                9 => data = Some((Kind::Histogram, field.bytes()?)),
                10 => data = Some((Kind::Exponential, field.bytes()?)),
                11 => data = Some((Kind::Summary, field.bytes()?)),
                _ => {}
            }
        }
        let Some((mut kind, data)) = data else { return Ok(None) };
        let mut temporality = Temporality::Unspecified;
        let mut fields = Fields::new(data);
        while let Some(field) = fields.next_field()? {
            match (field.number, &mut kind) {
                (2, _) => {
                    temporality = match field.u64()? {
                        1 => Temporality::Delta,
                        2 => Temporality::Cumulative,
                        _ => Temporality::Unspecified,
                    };
                }
                (3, Kind::Sum { is_monotonic }) => *is_monotonic = field.u64()? != 0,
                _ => {}
            }
        }
        Ok(Some(Metric { name, description, unit, kind, temporality, points: Fields::new(data) }))
    }

    /// The next point.
    pub fn next_point(&mut self) -> Result<Option<(Point, PointValue)>, WireError> {
        while let Some(field) = self.points.next_field()? {
            if field.number == 1 {
                return point(self.kind, field.bytes()?).map(Some);
            }
        }
        Ok(None)
    }
}

fn point(kind: Kind, message: &[u8]) -> Result<(Point, PointValue), WireError> {
    match kind {
        Kind::Gauge | Kind::Sum { .. } => number(message),
        Kind::Histogram => histogram(message),
        Kind::Exponential => exponential(message),
        Kind::Summary => summary(message),
    }
}

/// The field numbers of what points have in common; attributes, exemplars and flags have others in each kind.
struct Common {
    attributes: u32,
    exemplars: u32,
    flags: u32,
}

impl Common {
    fn take(&self, field: &Field<'_>, point: &mut Point) -> Result<(), WireError> {
        match field.number {
            2 => point.start = millis(field.fixed64()?),
            3 => point.t = millis(field.fixed64()?),
            n if n == self.attributes => point.attributes.push(key_value(field.bytes()?)?),
            n if n == self.exemplars => point.exemplars.push(exemplar(field.bytes()?)?),
            n if n == self.flags => point.is_missing = field.u64()? & 1 != 0,
            _ => {}
        }
        Ok(())
    }
}

fn number(message: &[u8]) -> Result<(Point, PointValue), WireError> {
    let (common, mut point, mut value) = (Common { attributes: 7, exemplars: 5, flags: 8 }, Point::default(), 0.0);
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next_field()? {
        match field.number {
            4 => value = field.f64()?,
            6 => value = field.fixed64()? as i64 as f64,
            _ => common.take(&field, &mut point)?,
        }
    }
    Ok((point, PointValue::Number(value)))
}

fn histogram(message: &[u8]) -> Result<(Point, PointValue), WireError> {
    let (common, mut point) = (Common { attributes: 9, exemplars: 8, flags: 10 }, Point::default());
    let (mut count, mut sum, mut counts, mut bounds) = (0, None, Vec::new(), Vec::new());
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next_field()? {
        match field.number {
            4 => count = field.fixed64()?,
            5 => sum = Some(field.f64()?),
            6 => field.fixed64s(&mut counts)?,
            7 => field.doubles(&mut bounds)?,
            _ => common.take(&field, &mut point)?,
        }
    }
    Ok((point, PointValue::Histogram { count, sum, counts, bounds }))
}

fn exponential(message: &[u8]) -> Result<(Point, PointValue), WireError> {
    let (common, mut point) = (Common { attributes: 1, exemplars: 11, flags: 10 }, Point::default());
    let (mut count, mut sum, mut scale, mut zero_count) = (0, None, 0, 0);
    let (mut positive, mut negative) = ((0, Vec::new()), (0, Vec::new()));
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next_field()? {
        match field.number {
            4 => count = field.fixed64()?,
            5 => sum = Some(field.f64()?),
            6 => scale = field.sint()? as i32,
            7 => zero_count = field.fixed64()?,
            8 => positive = buckets(field.bytes()?)?,
            9 => negative = buckets(field.bytes()?)?,
            _ => common.take(&field, &mut point)?,
        }
    }
    Ok((point, PointValue::Exponential { count, sum, scale, zero_count, positive, negative }))
}

fn buckets(message: &[u8]) -> Result<(i32, Vec<u64>), WireError> {
    let (mut offset, mut counts) = (0, Vec::new());
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next_field()? {
        match field.number {
            1 => offset = field.sint()? as i32,
            2 => field.varints(&mut counts, |n| n)?,
            _ => {}
        }
    }
    Ok((offset, counts))
}

fn summary(message: &[u8]) -> Result<(Point, PointValue), WireError> {
    let (common, mut point) = (Common { attributes: 7, exemplars: 0, flags: 8 }, Point::default());
    let (mut count, mut sum, mut quantiles) = (0, 0.0, Vec::new());
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next_field()? {
        match field.number {
            4 => count = field.fixed64()?,
            5 => sum = field.f64()?,
            6 => {
                let (mut quantile, mut fields) = ((0.0, 0.0), Fields::new(field.bytes()?));
                while let Some(field) = fields.next_field()? {
                    match field.number {
                        1 => quantile.0 = field.f64()?,
                        2 => quantile.1 = field.f64()?,
                        _ => {}
                    }
                }
                quantiles.push(quantile);
            }
            _ => common.take(&field, &mut point)?,
        }
    }
    Ok((point, PointValue::Summary { count, sum, quantiles }))
}

fn exemplar(message: &[u8]) -> Result<OtlpExemplar, WireError> {
    let mut e = OtlpExemplar { attributes: attributes(message, 7)?, ..OtlpExemplar::default() };
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next_field()? {
        match field.number {
            2 => e.t = millis(field.fixed64()?),
            3 => e.value = field.f64()?,
            4 => push_id(&mut e.ids, "span_id", field.bytes()?),
            5 => push_id(&mut e.ids, "trace_id", field.bytes()?),
            6 => e.value = field.fixed64()? as i64 as f64,
            _ => {}
        }
    }
    Ok(e)
}

fn push_id(attributes: &mut Attributes, name: &str, id: &[u8]) {
    if !id.is_empty() {
        attributes.push((name.to_owned(), id.iter().map(|b| format!("{b:02x}")).collect()));
    }
}

fn millis(nanos: u64) -> i64 {
    (nanos / 1_000_000) as i64
}

fn key_value(message: &[u8]) -> Result<(String, String), WireError> {
    let (key, value) = key_and_value(message)?;
    Ok((key.to_owned(), as_text(value)?))
}

fn key_and_value(message: &[u8]) -> Result<(&str, &[u8]), WireError> {
    let (mut key, mut value): (&str, &[u8]) = ("", &[]);
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next_field()? {
        match field.number {
            1 => key = field.str()?,
            2 => value = field.bytes()?,
            _ => {}
        }
    }
    Ok((key, value))
}

/// The text of an `AnyValue`, as OpenTelemetry's collector has it: lists and maps are JSON.
fn as_text(message: &[u8]) -> Result<String, WireError> {
    use serde_json::Value;
    Ok(match any_value(message, 0)? {
        Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text,
        Some(other) => html_safe_json(&json_text(&other)),
        // JSON has no word for numbers that are not finite: nothing is left of what holds one.
        None => {
            let mut number = None;
            let mut fields = Fields::new(message);
            while let Some(field) = fields.next_field()? {
                number = if field.number == 4 { Some(field.f64()?) } else { None };
            }
            let told = |v| format!("json: unsupported value: {}", format_float(v));
            number.map_or_else(String::new, told)
        }
    })
}

/// JSON as Go writes it: without blanks, members sorted by name, numbers as JavaScript writes them.
fn json_text(value: &serde_json::Value) -> String {
    use serde_json::Value;
    match value {
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(json_text).collect();
            format!("[{}]", items.join(","))
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(name, _)| *name);
            let member =
                |(name, value): (&String, &Value)| format!("{}:{}", Value::from(name.as_str()), json_text(value));
            let members: Vec<String> = members.into_iter().map(member).collect();
            format!("{{{}}}", members.join(","))
        }
        Value::Number(n) if n.is_f64() => {
            let text = format_float(n.as_f64().unwrap_or(0.0));
            text.split_once("e-0").map_or_else(|| text.clone(), |(digits, exponent)| format!("{digits}e-{exponent}"))
        }
        other => other.to_string(),
    }
}

/// An `AnyValue`; `None` when JSON cannot say it.
fn any_value(message: &[u8], depth: usize) -> Result<Option<serde_json::Value>, WireError> {
    use serde_json::Value;
    if depth > DEEPEST {
        return Err(WireError::TooMany(DEEPEST));
    }
    let mut value = Some(Value::Null);
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next_field()? {
        value = match field.number {
            1 => Some(field.str()?.into()),
            2 => Some((field.u64()? != 0).into()),
            3 => Some(field.i64()?.into()),
            4 => serde_json::Number::from_f64(field.f64()?).map(Value::Number),
            5 => {
                let all = submessages(field.bytes()?, 1)?.into_iter().map(|one| any_value(one, depth + 1));
                all.collect::<Result<Option<_>, _>>()?.map(Value::Array)
            }
            6 => {
                let all = submessages(field.bytes()?, 1)?.into_iter().map(|one| {
                    let (key, value) = key_and_value(one)?;
                    Ok(any_value(value, depth + 1)?.map(|value| (key.to_owned(), value)))
                });
                all.collect::<Result<Option<_>, WireError>>()?.map(Value::Object)
            }
            7 => Some(base64::engine::general_purpose::STANDARD.encode(field.bytes()?).into()),
            _ => continue,
        };
    }
    Ok(value)
}
