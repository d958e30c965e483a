//! Answers of Prometheus' HTTP API, read into results.

use std::borrow::Cow;
use std::sync::Arc;

use serde::Deserialize;

use crate::model::histogram::{CUSTOM_BUCKETS_SCHEMA, Span, bound};
use crate::model::{FloatHistogram, Labels, Value, number};
use crate::promql::{Annotations, EvalStats, Evaluated, QueryValue, RangeSeries, Severity, VectorSample};

/// What VictoriaMetrics says by `isPartial`.
const IS_PARTIAL: &str = "the datasource answered from a part of its data (isPartial)";

/// The frame of every answer.
#[derive(Deserialize)]
pub(super) struct Envelope<'a> {
    pub status: Cow<'a, str>,
    #[serde(default, rename = "errorType")]
    pub error_type: String,
    #[serde(default)]
    pub error: String,
    #[serde(borrow, default)]
    data: Option<Data<'a>>,
    #[serde(default)]
    warnings: Option<Vec<String>>,
    #[serde(default)]
    infos: Option<Vec<String>>,
    /// VictoriaMetrics: some of its storage did not answer.
    #[serde(default, rename = "isPartial")]
    is_partial: bool,
}

#[derive(Deserialize)]
#[serde(tag = "resultType", content = "result", rename_all = "lowercase")]
enum Data<'a> {
    #[serde(borrow)]
    Vector(Vec<VectorJson<'a>>),
    #[serde(borrow)]
    Matrix(Vec<MatrixJson<'a>>),
    #[serde(borrow)]
    Scalar(Point<'a>),
    #[serde(borrow)]
    String(Point<'a>),
}

/// Seconds and a value in a string.
#[derive(Deserialize)]
struct Point<'a>(f64, #[serde(borrow)] Cow<'a, str>);

#[derive(Deserialize)]
struct HistogramPoint<'a>(f64, #[serde(borrow)] HistogramJson<'a>);

#[derive(Deserialize)]
struct VectorJson<'a> {
    metric: Labels,
    #[serde(borrow, default)]
    value: Option<Point<'a>>,
    #[serde(borrow, default)]
    histogram: Option<HistogramPoint<'a>>,
}

#[derive(Deserialize)]
struct MatrixJson<'a> {
    metric: Labels,
    #[serde(borrow, default)]
    values: Vec<Point<'a>>,
    #[serde(borrow, default)]
    histograms: Vec<HistogramPoint<'a>>,
}

#[derive(Deserialize)]
struct HistogramJson<'a> {
    #[serde(borrow)]
    count: Cow<'a, str>,
    #[serde(borrow)]
    sum: Cow<'a, str>,
    #[serde(borrow, default)]
    buckets: Vec<BucketJson<'a>>,
}

/// What a server that was asked for it says a query cost.
#[derive(Deserialize)]
struct StatsEnvelope {
    data: StatsData,
}

#[derive(Deserialize)]
struct StatsData {
    stats: StatsJson,
}

#[derive(Deserialize)]
struct StatsJson {
    samples: SamplesJson,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SamplesJson {
    #[serde(default)]
    total_queryable_samples: u64,
    #[serde(default)]
    peak_samples: u64,
}

/// What a body says that the query cost; nothing where it does not.
pub(super) fn stats(body: &[u8]) -> EvalStats {
    let Ok(envelope) = serde_json::from_slice::<StatsEnvelope>(body) else { return EvalStats::default() };
    let samples = envelope.data.stats.samples;
    EvalStats { series: 0, samples: samples.total_queryable_samples, peak_samples: samples.peak_samples }
}

/// Reads a body; the result of a success is still to be taken with [`Envelope::answer`].
pub(super) fn parse(body: &[u8]) -> Result<Envelope<'_>, String> {
    serde_json::from_slice(body).map_err(|e| e.to_string())
}

impl Envelope<'_> {
    /// The result of a successful query.
    pub fn answer(self) -> Result<Evaluated, String> {
        let partial = self.partial();
        let value = match self.data.ok_or("no data")? {
            Data::Scalar(Point(_, v)) => QueryValue::Scalar(float(&v)?),
            Data::String(Point(_, s)) => QueryValue::String(s.into_owned()),
            Data::Vector(all) => QueryValue::Vector(all.into_iter().map(vector_sample).collect::<Result<_, _>>()?),
            Data::Matrix(all) => QueryValue::Matrix(all.into_iter().map(range_series).collect::<Result<_, _>>()?),
        };
        let mut annotations = Annotations::default();
        if self.is_partial {
            annotations.add_text(Severity::Warning, IS_PARTIAL);
        }
        for (severity, texts) in [(Severity::Warning, self.warnings), (Severity::Info, self.infos)] {
            texts.into_iter().flatten().for_each(|text| annotations.add_text(severity, text));
        }
        Ok(Evaluated { value, annotations, partial, stats: EvalStats::default(), profile: Vec::new() })
    }

    /// Why the answer was made from a part of the data. Warnings of a query engine begin as Prometheus' do; any other
    /// comes from what it reads: Thanos' stores, a remote read. Thanos tells them apart in the same way.
    fn partial(&self) -> Option<String> {
        if self.is_partial {
            return Some(IS_PARTIAL.into());
        }
        self.warnings.iter().flatten().find(|text| !text.starts_with("PromQL ")).cloned()
    }
}

fn float(s: &str) -> Result<f64, String> {
    number::parse_float(s).ok_or_else(|| format!("expected a number, found {s:?}"))
}

fn millis(seconds: f64) -> i64 {
    (seconds * 1000.0).round() as i64
}

fn vector_sample(json: VectorJson<'_>) -> Result<VectorSample, String> {
    let (t, value) = match (json.value, json.histogram) {
        (Some(Point(t, v)), _) => (t, Value::Float(float(&v)?)),
        (None, Some(HistogramPoint(t, h))) => (t, Value::Histogram(Arc::new(histogram(&h)?))),
        (None, None) => return Err("a vector's element without value".into()),
    };
    Ok(VectorSample { labels: json.metric, t: millis(t), value })
}

fn range_series(json: MatrixJson<'_>) -> Result<RangeSeries, String> {
    let floats = json.values.iter().map(|Point(t, v)| Ok((millis(*t), float(v)?))).collect::<Result<_, String>>()?;
    let histograms = json
        .histograms
        .iter()
        .map(|HistogramPoint(t, h)| Ok((millis(*t), Arc::new(histogram(h)?))))
        .collect::<Result<_, String>>()?;
    Ok(RangeSeries { labels: json.metric, floats, histograms })
}

/// Boundary rule, lower and upper bound, count.
type BucketJson<'a> = (u8, Cow<'a, str>, Cow<'a, str>, Cow<'a, str>);

struct JsonBucket {
    lower: f64,
    upper: f64,
    count: f64,
}

/// The histogram whose buckets the API printed. The API leaves the schema out; it is found again from the bounds.
/// Buckets of no exponential schema become custom ones.
fn histogram(json: &HistogramJson<'_>) -> Result<FloatHistogram, String> {
    let mut h = FloatHistogram { count: float(&json.count)?, sum: float(&json.sum)?, ..FloatHistogram::default() };
    let mut buckets = Vec::with_capacity(json.buckets.len());
    for (rule, lower, upper, count) in &json.buckets {
        let bucket = JsonBucket { lower: float(lower)?, upper: float(upper)?, count: float(count)? };
        // Closed at both ends and around zero: the zero bucket.
        if *rule == 3 && bucket.lower == -bucket.upper {
            (h.zero_threshold, h.zero_count) = (bucket.upper, bucket.count);
        } else {
            buckets.push(bucket);
        }
    }
    match exponential_schema(&buckets, h.zero_threshold) {
        Some(schema) => fill_exponential(&mut h, schema, &buckets),
        None => fill_custom(&mut h, &mut buckets),
    }
    Ok(h)
}

/// The schema by which all bounds are powers; 0 when there are no buckets. A bound at the edge of the zero bucket was
/// cut there and says nothing.
fn exponential_schema(buckets: &[JsonBucket], zero_threshold: f64) -> Option<i32> {
    let whole = |b: &&JsonBucket| magnitudes(b).0 != zero_threshold;
    let Some(first) = buckets.iter().find(whole).or(buckets.first()) else { return Some(0) };
    let (near, far) = magnitudes(first);
    let schema = -(far / near).log2().log2().round();
    if !(-4.0..=8.0).contains(&schema) {
        return None;
    }
    let schema = schema as i32;
    let close = |a: f64, b: f64| (a - b).abs() <= a.abs() * 1e-9;
    let fits = |b: &JsonBucket| {
        let (near, far) = magnitudes(b);
        let index = index_of(far, schema);
        close(far, bound(index, schema, &[])) && (near == zero_threshold || close(near, bound(index - 1, schema, &[])))
    };
    buckets.iter().all(fits).then_some(schema)
}

/// The bounds of a bucket by their distance from zero.
fn magnitudes(b: &JsonBucket) -> (f64, f64) {
    let (a, b) = (b.lower.abs(), b.upper.abs());
    (a.min(b), a.max(b))
}

fn index_of(far: f64, schema: i32) -> i32 {
    (far.log2() * f64::from(schema).exp2()).round() as i32
}

fn fill_exponential(h: &mut FloatHistogram, schema: i32, buckets: &[JsonBucket]) {
    h.schema = schema;
    let side = |negative: bool| {
        let mut side: Vec<(i32, f64)> = buckets
            .iter()
            .filter(|b| (b.upper <= 0.0) == negative)
            .map(|b| (index_of(magnitudes(b).1, schema), b.count))
            .collect();
        side.sort_by_key(|(index, _)| *index);
        spans(&side)
    };
    (h.positive_spans, h.positive_buckets) = side(false);
    (h.negative_spans, h.negative_buckets) = side(true);
}

fn fill_custom(h: &mut FloatHistogram, buckets: &mut [JsonBucket]) {
    h.schema = CUSTOM_BUCKETS_SCHEMA;
    buckets.sort_by(|a, b| a.upper.total_cmp(&b.upper));
    let mut bounds: Vec<f64> =
        buckets.iter().flat_map(|b| [b.lower, b.upper]).filter(|bound| bound.is_finite()).collect();
    bounds.sort_by(f64::total_cmp);
    bounds.dedup();
    // A first bucket from zero has no bound below it.
    if buckets.first().is_some_and(|b| b.lower == 0.0) && bounds.first() == Some(&0.0) {
        bounds.remove(0);
    }
    let index = |upper: f64| bounds.iter().position(|b| *b == upper).unwrap_or(bounds.len()) as i32;
    let side: Vec<(i32, f64)> = buckets.iter().map(|b| (index(b.upper), b.count)).collect();
    (h.positive_spans, h.positive_buckets) = spans(&side);
    h.custom_values = bounds;
}

fn spans(side: &[(i32, f64)]) -> (Vec<Span>, Vec<f64>) {
    let mut spans: Vec<Span> = Vec::new();
    let mut next = 0;
    for (index, _) in side {
        match spans.last_mut() {
            Some(span) if *index == next => span.length += 1,
            _ => spans.push(Span { offset: index - next, length: 1 }),
        }
        next = index + 1;
    }
    (spans, side.iter().map(|(_, count)| *count).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(body: &str) -> Evaluated {
        parse(body.as_bytes()).unwrap().answer().unwrap()
    }

    #[test]
    fn results_of_every_type_are_read() {
        let vector = answer(
            r#"{"status":"success","data":{"resultType":"vector","result":[
                {"metric":{"__name__":"up","job":"الرياض"},"value":[1435781451.781,"+Inf"]}]},
                "warnings":["w"],"infos":["i"]}"#,
        );
        let labels = Labels::from_pairs([("__name__", "up"), ("job", "الرياض")]);
        let sample = VectorSample { labels: labels.clone(), t: 1_435_781_451_781, value: Value::Float(f64::INFINITY) };
        assert_eq!(vector.value, QueryValue::Vector(vec![sample]));
        assert_eq!(vector.annotations.warnings(""), ["w"]);
        assert_eq!(vector.annotations.infos(""), ["i"]);
        let matrix = answer(
            r#"{"status":"success","data":{"resultType":"matrix","result":[
                {"metric":{},"values":[[1,"1"],[2.5,"-0"]]}]}}"#,
        );
        let series =
            RangeSeries { labels: Labels::empty(), floats: vec![(1000, 1.0), (2500, -0.0)], histograms: vec![] };
        assert_eq!(matrix.value, QueryValue::Matrix(vec![series]));
        let scalar = answer(r#"{"status":"success","data":{"resultType":"scalar","result":[1,"2"]}}"#);
        assert_eq!(scalar.value, QueryValue::Scalar(2.0));
        let string = answer(r#"{"data":{"result":[1,"a\n\"b\""],"resultType":"string"},"status":"success"}"#);
        assert_eq!(string.value, QueryValue::String("a\n\"b\"".into()));
    }

    #[test]
    fn a_partial_answer_is_told_from_remarks_of_the_query_engine() {
        let partial = |rest: &str| {
            let body = format!(r#"{{"status":"success","data":{{"resultType":"vector","result":[]}}{rest}}}"#);
            answer(&body).partial
        };
        let remarks = r#","warnings":["PromQL warning: quantile value should be between 0 and 1, got 2 (1:10)"],
            "infos":["PromQL info: metric might not be a counter (1:6)","anything"],"isPartial":false"#;
        for whole in ["", remarks, r#","warnings":null"#] {
            assert_eq!(partial(whole), None, "{whole}");
        }
        assert_eq!(partial(r#","isPartial":true"#).as_deref(), Some(IS_PARTIAL));
        let store = "receive series from Addr: store:10901: rpc error: code = Unavailable desc = connection refused";
        let mixed = format!(r#","warnings":["PromQL warning: bucket label (1:2)","{store}"]"#);
        assert_eq!(partial(&mixed).as_deref(), Some(store));
        let shown = answer(r#"{"status":"success","isPartial":true,"data":{"resultType":"vector","result":[]}}"#);
        assert_eq!(shown.annotations.warnings(""), [IS_PARTIAL]);
    }

    #[test]
    fn what_a_query_cost_is_read_where_it_is_said() {
        let told = br#"{"status":"success","data":{"resultType":"vector","result":[],
            "stats":{"timings":{"evalTotalTime":0.1},"samples":{"totalQueryableSamples":7,"peakSamples":3}}}}"#;
        assert_eq!(stats(told), EvalStats { series: 0, samples: 7, peak_samples: 3 });
        assert_eq!(parse(told).unwrap().answer().unwrap().value, QueryValue::Vector(vec![]));
        assert_eq!(stats(br#"{"status":"success","data":{}}"#), EvalStats::default());
    }

    #[test]
    fn damaged_answers_are_errors() {
        assert!(parse(b"<html>").is_err());
        for body in [
            r#"{"status":"success"}"#,
            r#"{"status":"success","data":{"resultType":"scalar","result":[1,"x"]}}"#,
            r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{}}]}}"#,
        ] {
            assert!(parse(body.as_bytes()).unwrap().answer().is_err(), "{body}");
        }
    }

    /// A histogram as the API prints it.
    fn printed(h: &FloatHistogram) -> String {
        let bucket = |b: crate::model::histogram::Bucket| {
            let rule = match (b.lower_inclusive, b.upper_inclusive) {
                (false, true) => 0,
                (true, false) => 1,
                (false, false) => 2,
                (true, true) => 3,
            };
            let f = number::format_float;
            format!("[{rule},{:?},{:?},{:?}]", f(b.lower), f(b.upper), f(b.count))
        };
        let buckets: Vec<String> = h.buckets().filter(|b| b.count != 0.0).map(bucket).collect();
        format!(
            r#"{{"status":"success","data":{{"resultType":"vector","result":[{{"metric":{{}},"histogram":[1,
                {{"count":"{}","sum":"{}","buckets":[{}]}}]}}]}}}}"#,
            h.count,
            h.sum,
            buckets.join(",")
        )
    }

    #[test]
    fn the_schema_of_a_histogram_is_found_again() {
        let base = FloatHistogram { count: 10.0, sum: 3.5, ..FloatHistogram::default() };
        for schema in [-4, -1, 0, 3, 8] {
            let h = FloatHistogram {
                schema,
                zero_threshold: 1e-30,
                zero_count: 1.0,
                positive_spans: vec![Span { offset: -1, length: 2 }, Span { offset: 3, length: 1 }],
                positive_buckets: vec![1.0, 2.0, 3.0],
                negative_spans: vec![Span { offset: 2, length: 1 }],
                negative_buckets: vec![3.0],
                ..base.clone()
            };
            let QueryValue::Vector(got) = answer(&printed(&h)).value else { panic!("not a vector") };
            assert_eq!(got[0].value, Value::Histogram(Arc::new(h)), "schema {schema}");
        }
        let custom = FloatHistogram {
            schema: CUSTOM_BUCKETS_SCHEMA,
            custom_values: vec![0.5, 1.0, 5.0, 7.0],
            positive_spans: vec![Span { offset: 0, length: 2 }, Span { offset: 1, length: 2 }],
            positive_buckets: vec![1.0, 2.0, 3.0, 4.0],
            ..base
        };
        let QueryValue::Vector(got) = answer(&printed(&custom)).value else { panic!("not a vector") };
        assert_eq!(got[0].value, Value::Histogram(Arc::new(custom)));
    }
}
