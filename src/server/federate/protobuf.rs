//! The form of `io.prometheus.client.MetricFamily`, which carries native histograms too.

use crate::ingest::histogram_wire::{self, Counts};
use crate::ingest::wire::WireWriter;
use crate::model::histogram::CounterResetHint;
use crate::model::labels::{is_legacy_label_name, is_legacy_metric_name};
use crate::model::{FloatHistogram, Value};

use super::sample::{Lacking, Newest, escaped};

/// Kinds of families, as the protocol numbers them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Untyped = 3,
    Histogram = 4,
    GaugeHistogram = 5,
}

impl Kind {
    fn of(value: &Value) -> Kind {
        match value {
            Value::Float(_) => Kind::Untyped,
            Value::Histogram(h) if h.counter_reset_hint == CounterResetHint::Gauge => Kind::GaugeHistogram,
            Value::Histogram(_) => Kind::Histogram,
        }
    }
}

/// A family for each run of samples of one name and kind.
pub(super) fn write(samples: &[Newest], lacking: &Lacking<'_>, any_names: bool) -> Vec<u8> {
    let mut out = WireWriter::default();
    let is_same = |a: &Newest, b: &Newest| {
        a.labels.metric_name() == b.labels.metric_name() && Kind::of(&a.value) == Kind::of(&b.value)
    };
    for family in samples.chunk_by(is_same) {
        let Some(first) = family.first() else { continue };
        let mut message = WireWriter::default();
        let name = first.labels.metric_name();
        message.bytes(1, readable(name, is_legacy_metric_name(name) || any_names).as_bytes());
        message.uint(3, Kind::of(&first.value) as u64);
        for sample in family {
            message.message(4, |metric| write_metric(metric, sample, lacking, any_names));
        }
        out.varint(message.buf.len() as u64);
        out.buf.extend_from_slice(&message.buf);
    }
    out.buf
}

fn readable(name: &str, as_it_is: bool) -> std::borrow::Cow<'_, str> {
    if as_it_is { name.into() } else { escaped(name).into() }
}

fn write_metric(metric: &mut WireWriter, sample: &Newest, lacking: &Lacking<'_>, any_names: bool) {
    for (label, value) in lacking.complete(&sample.labels) {
        metric.message(1, |pair| {
            pair.bytes(1, readable(label, is_legacy_label_name(label) || any_names).as_bytes());
            pair.bytes(2, value.as_bytes());
        });
    }
    match &sample.value {
        Value::Float(v) => metric.message(5, |untyped| untyped.double(1, *v)),
        Value::Histogram(h) if h.uses_custom_buckets() => metric.message(7, |w| write_classic(w, h)),
        Value::Histogram(h) => metric.message(7, |w| write_native(w, h)),
    }
    metric.uint(6, sample.t as u64);
}

/// The protocol has no custom bounds in native histograms: their buckets are classic ones, which is what they were made of.
fn write_classic(w: &mut WireWriter, h: &FloatHistogram) {
    w.double(2, h.sum);
    w.double(4, h.count);
    let (mut seen, mut at) = (0.0, 0_i64);
    let mut counts = h.positive_buckets.iter();
    let mut cumulative = vec![0.0; h.custom_values.len()];
    for span in &h.positive_spans {
        at += i64::from(span.offset);
        for count in counts.by_ref().take(span.length as usize) {
            if let Some(bucket) = usize::try_from(at).ok().and_then(|at| cumulative.get_mut(at)) {
                *bucket = *count;
            }
            at += 1;
        }
    }
    for (bound, count) in h.custom_values.iter().zip(cumulative) {
        seen += count;
        w.message(3, |bucket| {
            bucket.double(2, *bound);
            bucket.double(4, seen);
        });
    }
}

fn write_native(w: &mut WireWriter, h: &FloatHistogram) {
    histogram_wire::write(w, h, &histogram_wire::CLIENT, Counts::WholeWherePossible);
    if h.positive_spans.is_empty() && h.negative_spans.is_empty() {
        // Without any span it would be taken for a classic histogram.
        w.message(12, |span| {
            span.sint(1, 0);
            span.uint(2, 0);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::exposition::{Event, Format, ParseOptions, ParsedValue, Parser};
    use crate::model::Labels;
    use crate::model::histogram::{CUSTOM_BUCKETS_SCHEMA, Span};

    /// What a scrape of the answer finds.
    fn scraped(samples: &[Newest]) -> Vec<(String, i64, Value)> {
        let external = Labels::from_pairs([("zone", "eu")]);
        let body = write(samples, &Lacking::of(&external), true);
        let options = ParseOptions::default();
        let mut parser = Parser::new(Format::Protobuf, &body, options);
        let mut found = Vec::new();
        while let Some(event) = parser.next(None).unwrap() {
            let Event::Sample(sample) = event else { continue };
            let value = match &sample.value {
                ParsedValue::Float(v) => Value::Float(*v),
                ParsedValue::Histogram(h) => Value::Histogram(h.clone()),
                ParsedValue::Defective(defect) => panic!("{defect}"),
            };
            let t = sample.timestamp.unwrap();
            found.push((parser.labels().unwrap().to_string(), t, value));
        }
        found
    }

    #[test]
    fn whoever_scrapes_it_reads_the_samples_that_are_here() {
        let sample =
            |pairs: &[(&str, &str)], value| Newest { labels: Labels::from_pairs(pairs.to_vec()), t: -7, value };
        let native = FloatHistogram {
            schema: 3,
            zero_threshold: 0.001,
            zero_count: 2.0,
            count: 12.5,
            sum: 18.25,
            positive_spans: vec![Span { offset: -2, length: 2 }, Span { offset: 1, length: 1 }],
            positive_buckets: vec![1.0, 2.0, 3.5],
            negative_spans: vec![Span { offset: 4, length: 1 }],
            negative_buckets: vec![4.0],
            ..FloatHistogram::default()
        };
        let gauge = FloatHistogram { counter_reset_hint: CounterResetHint::Gauge, ..native.clone() };
        let empty = FloatHistogram { schema: 1, ..FloatHistogram::default() };
        let of = |h: &FloatHistogram| Value::Histogram(h.clone().into());
        let samples = [
            sample(&[("__name__", "a.b"), ("c d", "\"")], Value::Float(0.5)),
            sample(&[("__name__", "h"), ("job", "a"), ("zone", "own")], of(&native)),
            sample(&[("__name__", "h"), ("job", "b")], of(&empty)),
            sample(&[("__name__", "h"), ("job", "c")], of(&gauge)),
            sample(&[("__name__", "h"), ("job", "d")], Value::Float(1.0)),
        ];
        let found = scraped(&samples);
        let want = [
            ("{__name__=\"a.b\", \"c d\"=\"\\\"\", zone=\"eu\"}", Value::Float(0.5)),
            ("{__name__=\"h\", job=\"a\", zone=\"own\"}", of(&native)),
            (
                "{__name__=\"h\", job=\"b\", zone=\"eu\"}",
                of(&FloatHistogram { positive_spans: vec![Span::default()], ..empty }),
            ),
            ("{__name__=\"h\", job=\"c\", zone=\"eu\"}", of(&gauge)),
            ("{__name__=\"h\", job=\"d\", zone=\"eu\"}", Value::Float(1.0)),
        ];
        assert_eq!(found, want.map(|(labels, value)| (labels.to_owned(), -7, value)));
    }

    #[test]
    fn custom_bounds_become_classic_buckets() {
        let h = FloatHistogram {
            schema: CUSTOM_BUCKETS_SCHEMA,
            count: 9.0,
            sum: 20.0,
            positive_spans: vec![Span { offset: 1, length: 2 }],
            positive_buckets: vec![4.0, 5.0],
            custom_values: vec![0.5, 2.0],
            ..FloatHistogram::default()
        };
        let labels = Labels::from_pairs([("__name__", "h")]);
        let found = scraped(&[Newest { labels, t: 1, value: Value::Histogram(h.into()) }]);
        let buckets = found.iter().filter(|(labels, ..)| labels.contains("h_bucket"));
        let counts: Vec<f64> = buckets.filter_map(|(.., value)| value.as_float()).collect();
        assert_eq!(counts, [0.0, 4.0, 9.0], "{found:?}");
    }
}
