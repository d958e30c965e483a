//! Series of every kind, with all that goes wrong in real ones: resets, gaps, staleness markers, NaN and infinities,
//! histograms that change their layout, buckets with odd bounds.

use std::sync::Arc;

use watchbell::ingest::store::SampleRow;
use watchbell::model::histogram::{CUSTOM_BUCKETS_SCHEMA, CounterResetHint, Span};
use watchbell::model::{FloatHistogram, Labels, METRIC_NAME, STALE_NAN, Value};

use super::random::Random;

/// The time of the first samples.
pub const BEGIN: i64 = 1_700_000_040_000;
/// Samples of a series.
const SAMPLES: i64 = 80;
/// Milliseconds between samples.
const INTERVAL: i64 = 15_000;

/// A series' samples at their places; gaps are `None`.
type Column = Vec<Option<Value>>;

/// All series, in order of their labels.
pub fn rows(random: &mut Random) -> Vec<SampleRow> {
    let mut all: Vec<(Labels, Column)> = Vec::new();
    for (job, instance) in [("a", "x"), ("a", "y"), ("b", "x"), ("b", "z")] {
        let labels = |name: &str| labels(&[(METRIC_NAME, name), ("instance", instance), ("job", job)]);
        all.push((labels("c_total"), counter(random)));
        all.push((labels("g"), gauge(random)));
        all.push((labels("odd"), oddities(random)));
        all.push((labels("h"), histograms(random, Layout::Exponential, false)));
        all.push((labels("hg"), histograms(random, Layout::Exponential, true)));
        all.push((labels("hc"), histograms(random, Layout::Custom, false)));
        all.push((labels("hx"), histograms(random, Layout::Any, false)));
        all.push((labels("mix"), mixed(random)));
        let kind = [("__type__", if job == "a" { "gauge" } else { "counter" }), ("__unit__", "bytes")];
        all.push((
            self::labels(&[&[(METRIC_NAME, "typed"), ("instance", instance)], &kind[..]].concat()),
            counter(random),
        ));
        let version = if job == "a" { "1" } else { "2" };
        let info = [(METRIC_NAME, "target_info"), ("instance", instance), ("job", job), ("version", version)];
        all.push((self::labels(&info), steady(random, 1.0)));
        for le in ["0.1", "1", "10", "+Inf"] {
            all.push((classic(job, instance, le), counter(random)));
        }
    }
    for (le, odd) in [("Hello", "le"), ("1.0", "le"), ("-5", "le"), ("NaN", "le"), ("5", "no_inf"), ("7", "no_inf")] {
        all.push((labels(&[(METRIC_NAME, "cb_bucket"), ("le", le), ("odd", odd)]), counter(random)));
    }
    all.push((labels(&[(METRIC_NAME, "cb_bucket"), ("job", "a"), ("instance", "x")]), {
        histograms(random, Layout::Exponential, false)
    }));
    all.push((labels(&[(METRIC_NAME, "g"), ("instance", "y"), ("job", "c"), ("extra", "1")]), gauge(random)));
    all.push((labels(&[(METRIC_NAME, "utf8.name"), ("lä bel", "x y")]), gauge(random)));
    all.push((labels(&[(METRIC_NAME, "حرارة"), ("job", "a")]), gauge(random)));
    all.push((labels(&[(METRIC_NAME, "few")]), few(random)));
    all.push((labels(&[(METRIC_NAME, "huge"), ("i", "1")]), steady(random, 1.7e308)));
    all.push((labels(&[(METRIC_NAME, "huge"), ("i", "2")]), steady(random, 1.6e308)));
    all.push((labels(&[(METRIC_NAME, "huge"), ("i", "3")]), steady(random, -1.5e308)));
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all.into_iter().flat_map(|(labels, column)| timed(labels, column)).collect()
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    Labels::from_pairs(pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())))
}

fn classic(job: &str, instance: &str, le: &str) -> Labels {
    labels(&[(METRIC_NAME, "cb_bucket"), ("instance", instance), ("job", job), ("le", le)])
}

fn timed(labels: Labels, column: Column) -> impl Iterator<Item = SampleRow> {
    let places = column.into_iter().enumerate();
    places.filter_map(move |(i, value)| {
        let t = BEGIN + i as i64 * INTERVAL;
        Some(SampleRow { labels: labels.clone(), series: None, t, st: 0, value: value? })
    })
}

/// Takes samples away and marks the series stale in places.
fn torn(random: &mut Random, mut column: Column) -> Column {
    if random.one_in(2) {
        let (from, length) = (random.below(SAMPLES as usize), random.below(30));
        for (i, slot) in column.iter_mut().enumerate().skip(from).take(length) {
            *slot = (i == from && random.one_in(2)).then_some(Value::Float(STALE_NAN));
        }
    }
    for slot in &mut column {
        if random.one_in(25) {
            *slot = None;
        }
    }
    column
}

fn floats(random: &mut Random, mut next: impl FnMut(&mut Random) -> f64) -> Column {
    let column = (0..SAMPLES).map(|_| Some(Value::Float(next(random)))).collect();
    torn(random, column)
}

fn counter(random: &mut Random) -> Column {
    let mut value = random.below(50) as f64;
    let fractions = random.one_in(2);
    floats(random, move |random| {
        if random.one_in(20) {
            value = 0.0;
        }
        if !random.one_in(5) {
            value += if fractions { random.fraction() * 10.0 } else { random.below(20) as f64 };
        }
        value
    })
}

fn gauge(random: &mut Random) -> Column {
    let mut value = random.fraction() * 10.0 - 5.0;
    floats(random, move |random| {
        if !random.one_in(4) {
            value += random.fraction() * 4.0 - 2.0;
        }
        if random.one_in(8) { value.round() } else { value }
    })
}

fn oddities(random: &mut Random) -> Column {
    floats(random, |random| match random.below(12) {
        0 => f64::NAN,
        1 => f64::INFINITY,
        2 => f64::NEG_INFINITY,
        3 => -0.0,
        4 => 0.0,
        5 => 1e300,
        6 => 1e-300,
        _ => random.below(7) as f64 - 3.0,
    })
}

fn steady(random: &mut Random, value: f64) -> Column {
    floats(random, |_| value)
}

/// A series that is hardly there.
fn few(random: &mut Random) -> Column {
    let mut column = vec![None; SAMPLES as usize];
    for _ in 0..4 {
        let at = random.below(SAMPLES as usize);
        column[at] = Some(Value::Float(random.below(9) as f64));
    }
    column
}

#[derive(Clone, Copy, PartialEq)]
enum Layout {
    Exponential,
    Custom,
    Any,
}

/// A histogram series: it grows, is reset, and changes its layout now and then.
fn histograms(random: &mut Random, layout: Layout, gauge: bool) -> Column {
    let mut now = fresh(random, layout, gauge);
    let mut column = Column::new();
    for _ in 0..SAMPLES {
        if random.one_in(15) {
            now = fresh(random, layout, gauge);
        } else {
            grow(random, &mut now, gauge);
        }
        column.push(Some(Value::Histogram(Arc::new(now.clone()))));
    }
    let mut column = torn(random, column);
    // What marks a histogram series as stale may be a histogram or a float.
    for slot in &mut column {
        if slot.as_ref().is_some_and(Value::is_stale) && random.one_in(2) {
            *slot = Some(Value::Histogram(Arc::new(FloatHistogram::stale_marker())));
        }
    }
    column
}

fn fresh(random: &mut Random, layout: Layout, gauge: bool) -> FloatHistogram {
    let custom = layout == Layout::Custom || (layout == Layout::Any && random.one_in(2));
    let counter_reset_hint = if gauge { CounterResetHint::Gauge } else { CounterResetHint::Unknown };
    let mut h = FloatHistogram { counter_reset_hint, ..FloatHistogram::default() };
    if custom {
        h.schema = CUSTOM_BUCKETS_SCHEMA;
        h.custom_values =
            random.pick(&[&[1.0, 2.0, 5.0][..], &[1.0, 5.0], &[-1.0, 2.0, 5.0], &[0.5, 1.0, 2.0, 5.0, 10.0]]).to_vec();
        let length = 1 + random.below(h.custom_values.len() + 1);
        h.positive_spans = vec![Span { offset: 0, length: length as u32 }];
        h.positive_buckets = vec![0.0; length];
    } else {
        h.schema = random.pick(&[0, 0, 1, 2, -1]);
        h.zero_threshold = random.pick(&[0.001, 0.001, 0.5, 2.0]);
        // Buckets begin beyond the zero bucket.
        let first = 3 + random.below(3) as i32 * 2;
        h.positive_spans =
            vec![Span { offset: first, length: 1 + random.below(3) as u32 }, Span { offset: 2, length: 2 }];
        h.positive_buckets = vec![0.0; h.positive_spans.iter().map(|s| s.length as usize).sum()];
        if random.one_in(2) {
            h.negative_spans = vec![Span { offset: first, length: 2 }];
            h.negative_buckets = vec![0.0; 2];
        }
    }
    grow(random, &mut h, gauge);
    h
}

fn grow(random: &mut Random, h: &mut FloatHistogram, gauge: bool) {
    let step = |slot: &mut f64, random: &mut Random| {
        let by = random.below(5) as f64;
        *slot = if gauge && random.one_in(3) { (*slot - by).max(0.0) } else { *slot + by };
    };
    if h.schema != CUSTOM_BUCKETS_SCHEMA {
        step(&mut h.zero_count, random);
    }
    h.positive_buckets.iter_mut().chain(&mut h.negative_buckets).for_each(|b| step(b, random));
    h.count = h.zero_count + h.positive_buckets.iter().chain(&h.negative_buckets).sum::<f64>();
    h.sum += random.fraction() * 20.0 - 2.0;
    if random.one_in(60) {
        // An observation of NaN is in no bucket, and spoils the sum.
        h.count += 1.0;
        h.sum = f64::NAN;
    } else if h.sum.is_nan() {
        h.sum = 0.0;
    }
}

/// Floats and histograms in turns.
fn mixed(random: &mut Random) -> Column {
    let (histograms, floats) = (histograms(random, Layout::Any, false), counter(random));
    let mut histogram = true;
    let both = histograms.into_iter().zip(floats);
    both.map(|(h, f)| {
        if random.one_in(6) {
            histogram = !histogram;
        }
        if histogram { h } else { f }
    })
    .collect()
}
