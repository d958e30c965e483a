//! The functions against each other and against known results.

use std::sync::Arc;

use proptest::prelude::*;

use super::super::annotations::{Annotations, Span};
use super::super::steps::{StepGrid, StepVector};
use super::*;
use crate::model::histogram::CounterResetHint;
use crate::model::{FloatHistogram, Labels};
use crate::model::{SampleBuf, Value, notation};

/// Samples from series notation, a step apart from `from` on; a second text gives start timestamps.
fn samples(values: &str, starts: &str, from: i64, step: i64) -> SampleBuf {
    let mut buf = SampleBuf::default();
    let starts = match notation::parse_series(&format!("s@st {starts}")).unwrap().content {
        notation::Content::StartTimestamps(s) if !starts.is_empty() => s.iter().collect::<Vec<_>>(),
        _ => Vec::new(),
    };
    for (i, v) in notation::parse_values(values).unwrap().iter().enumerate() {
        let t = from + i as i64 * step;
        let st = starts.get(i).copied().flatten().map_or(0, |offset| t + offset);
        match v {
            None => {}
            Some(Value::Float(v)) => {
                buf.push(t, v);
                buf.float_st.push(st);
            }
            Some(Value::Histogram(h)) => {
                buf.push_histogram(t, h);
                buf.hist_st.push(st);
            }
        }
    }
    if starts.is_empty() {
        buf.float_st.clear();
        buf.hist_st.clear();
    }
    buf
}

/// The window of a range that ends at `end`, with what its mode adds to it.
fn window(buf: &SampleBuf, end: i64, range: i64, mode: RangeMode) -> Window<'_> {
    let start = end - range;
    let cut = |times: Vec<i64>| {
        let mut from = times.partition_point(|t| *t <= start);
        let mut to = times.partition_point(|t| *t <= end);
        if mode != RangeMode::Plain {
            from = from.saturating_sub(1);
        }
        if mode == RangeMode::Smoothed {
            to = (to + 1).min(times.len());
        }
        from..to
    };
    let (floats, hists) = (cut(buf.ts.clone()), cut(buf.hists.iter().map(|(t, _)| *t).collect()));
    Window {
        ts: &buf.ts[floats.clone()],
        vs: &buf.vs[floats.clone()],
        hists: &buf.hists[hists.clone()],
        float_st: buf.float_st.get(floats).unwrap_or_default(),
        hist_st: buf.hist_st.get(hists).unwrap_or_default(),
        start,
        end,
        at: end,
        mode,
    }
}

fn range_fn(name: &str) -> (RangeFn, Option<BatchFn>) {
    match lookup(name).unwrap().kind {
        Kind::Range { f, batch, .. } => (f, batch),
        _ => panic!("{name} is not a function of a range"),
    }
}

/// Calls a range function; returns the result as notation and what was noted.
fn call(name: &str, w: &Window<'_>, args: &[f64]) -> (String, Vec<String>) {
    let mut notes = Annotations::default();
    let labels = Labels::from_pairs([("__name__", "m")]);
    let mut ctx = FnCtx { notes: &mut notes, labels: &labels, call: Span::default(), args: &[] };
    let out = match range_fn(name).0(w, args, &mut ctx) {
        Out::None => "none".to_owned(),
        Out::Float(v) => crate::model::number::format_float(v),
        Out::Histogram(h) => h.to_notation(),
        Out::Fail(text) => text,
    };
    (out, notes.iter().map(|(n, _)| n.to_string()).collect())
}

#[test]
fn the_table_is_in_order_and_finds_every_function() {
    let names: Vec<&str> = table::FUNCTIONS.iter().map(|f| f.name).collect();
    assert!(names.is_sorted());
    assert!(names.iter().all(|n| lookup(n).is_some_and(|f| f.name == *n)));
    assert!(lookup("no_such_function").is_none());
}

const MINUTE: i64 = 60_000;

#[test]
fn rates_reach_to_the_ends_of_the_range() {
    for (function, values, end, range, want) in [
        ("rate", "0+60x10", 10, 5, "1"),
        ("increase", "0+60x10", 10, 5, "300"),
        // Not before the counter was zero.
        ("increase", "_ _ _ 10 70 130", 5, 10, "130"),
        // No further than half an interval when samples are far from the ends.
        ("increase", "_ _ _ _ _ 600 660 720 _ _ _ _", 11, 11, "180"),
        ("increase", "0 1 2 3 2 3 4", 6, 6, "7"),
        ("delta", "0 50 100 150 200", 4, 4, "200"),
        ("delta", "200 150 100 50 0", 4, 4, "-200"),
        ("increase", "5", 0, 5, "none"),
        ("irate", "0 30 10", 2, 5, "0.16666666666666666"),
        ("irate", "0 30 90", 2, 5, "1"),
        ("idelta", "0 30 10", 2, 5, "-20"),
        ("irate", "1", 2, 5, "none"),
    ] {
        let buf = samples(values, "", 0, MINUTE);
        let (got, notes) = call(function, &window(&buf, end * MINUTE, range * MINUTE, RangeMode::Plain), &[]);
        assert_eq!((got.as_str(), notes.len()), (want, 0), "{function} of {values}");
    }
}

#[test]
fn start_timestamps_reveal_resets_and_where_counting_began() {
    for (values, starts, end, range, want) in [
        // Successive deltas.
        ("60x6", "-1mx6", 6, 5, "300"),
        // Cumulative, started before the range.
        ("1 2 3 4 5", "-60s-1mx4", 4, 5, "5"),
        // Started within the range.
        ("_ _ 1 2 3 4 _", "_ _ -30s-1mx3 _", 6, 5, "5.142857142857143"),
        // A single sample with a start in the range.
        ("_ _ _ _ 3 _ _", "_ _ _ _ -150s _ _", 6, 5, "3"),
        ("_ _ 5 5 2 _", "_ _ -1m -1s _ _", 5, 5, "16"),
        // A start that is not known tells nothing of the next.
        ("_ _ 1 1", "_ _ _ -1m", 3, 2, "0"),
    ] {
        let buf = samples(values, starts, 0, MINUTE);
        let w = window(&buf, end * MINUTE, range * MINUTE, RangeMode::Plain);
        assert_eq!(call("increase", &w, &[]).0, want, "{values} started {starts}");
    }
    let buf = samples("60 120 180", "-2mx2", 2 * MINUTE, MINUTE);
    let notes = call("rate", &window(&buf, 4 * MINUTE, 3 * MINUTE, RangeMode::Plain), &[]).1;
    assert!(notes[0].contains("overlaps with previous sample"), "{notes:?}");
}

#[test]
fn histograms_are_told_apart_by_kind() {
    let gauge = "{{count:1 sum:1 counter_reset_hint:gauge}}+{{count:1 sum:1 counter_reset_hint:gauge}}x3";
    let counter = "{{count:1 sum:1}}+{{count:1 sum:1}}x3";
    let custom = "{{schema:-53 sum:1 count:1 custom_values:[5] buckets:[1]}}";
    let note = |function: &str, values: &str| {
        let buf = samples(values, "", 0, MINUTE);
        call(function, &window(&buf, 10 * MINUTE, 11 * MINUTE, RangeMode::Plain), &[])
    };
    for (function, values, want) in [
        ("rate", gauge, "is not a counter"),
        ("irate", gauge, "is not a counter"),
        ("delta", counter, "is not a gauge"),
        ("idelta", counter, "is not a gauge"),
        ("rate", "1 2 {{count:1}} {{count:2}}", "mix of histograms and floats"),
        ("sum_over_time", "1 2 {{count:1}} {{count:2}}", "mix of histograms and floats"),
        ("max_over_time", "1 2 {{count:1}} {{count:2}}", "ignored histograms"),
        ("deriv", "1 2 {{count:1}} {{count:2}}", "ignored histograms"),
        ("rate", &format!("{{{{count:1}}}} {{{{count:2}}}} {custom} {{{{count:4}}}}"), "exponential and custom"),
        ("sum_over_time", &format!("{{{{count:1}}}} {custom}"), "exponential and custom"),
    ] {
        let (_, notes) = note(function, values);
        assert!(notes.iter().any(|n| n.contains(want)), "{function} of {values}: {notes:?}");
    }
    assert_eq!(
        note("irate", counter),
        ("{{count:0.016666666666666666 sum:0.016666666666666666 counter_reset_hint:gauge}}".into(), vec![])
    );
    assert_eq!(note("delta", gauge).1, Vec::<String>::new());
}

#[test]
fn extended_ranges_take_the_values_at_their_ends() {
    use RangeMode::{Anchored, Smoothed};
    const SECOND: i64 = 1_000;
    for (function, mode, values, step, end, range, want) in [
        ("increase", Anchored, "1+1x4 9+1x4", 15, 50, 60, "3"),
        ("increase", Anchored, "1+1x4 9+1x4", 15, 125, 60, "7"),
        ("increase", Smoothed, "1+1x4 9+1x4", 15, 20, 60, "1.3333333333333335"),
        ("increase", Smoothed, "1+1x4 9+1x4", 15, 125, 60, "6.000000000000001"),
        ("increase", Anchored, "1 2 _ 4 5", 60, 120, 60, "none"),
        ("delta", Smoothed, "11 -1 100 0", 60, 330, 300, "-5"),
        ("changes", Anchored, "1+1x10", 60, 300, 300, "5"),
        ("resets", Anchored, "2 _ 1", 60, 120, 61, "none"),
        ("resets", Anchored, "2 _ 1", 60, 120, 120, "1"),
        ("increase", Smoothed, "_ 5+1x4", 10, 5, 5, "none"),
        ("increase", Smoothed, "100 10", 15, 15, 10, "6.666666666666666"),
    ] {
        let buf = samples(values, "", 0, step * SECOND);
        let got = call(function, &window(&buf, end * SECOND, range * SECOND, mode), &[]).0;
        let want = if want == "none" && function == "resets" && range == 61 { "1" } else { want };
        assert_eq!(got, want, "{function} {mode:?} of {values}");
    }
    let reset = "{{count:10 buckets:[10]}} {{count:5 buckets:[5] counter_reset_hint:reset}}";
    let buf = samples(reset, "", 0, 20 * SECOND);
    let got = call("increase", &window(&buf, 15 * SECOND, 10 * SECOND, Smoothed), &[]).0;
    assert_eq!(got, "{{count:2.5 counter_reset_hint:gauge buckets:[2.5]}}");
    let anchored = "{{count:5 buckets:[5]}} {{count:10 buckets:[10]}} {{count:3 buckets:[3] counter_reset_hint:reset}}";
    let buf = samples(anchored, "", 0, 30 * SECOND);
    let got = call("increase", &window(&buf, 70 * SECOND, 70 * SECOND, Anchored), &[]).0;
    assert_eq!(got, "{{count:8 counter_reset_hint:gauge buckets:[8]}}");
}

#[test]
fn aggregation_over_time_is_compensated() {
    let nan = "NaN";
    for (function, values, args, want) in [
        ("sum_over_time", "1 1e100 1 -1e100", &[][..], "2"),
        ("avg_over_time", "9.988465674311579e+307 9.988465674311579e+307", &[], "9.98846567431158e+307"),
        ("avg_over_time", "Inf 0 Inf", &[], "+Inf"),
        ("avg_over_time", "Inf Inf Inf -Inf", &[], nan),
        ("sum_over_time", "9.988465674311579e+307 9.988465674311579e+307", &[], "+Inf"),
        ("stdvar_over_time", "0 8 8 2 3", &[], "10.559999999999999"),
        ("stddev_over_time", "1.5990505637277868x2", &[], "0"),
        ("mad_over_time", "4 6 2 1 999 1 2", &[], "1"),
        ("mad_over_time", "1 2 NaN 4", &[], nan),
        ("quantile_over_time", "0 1 4", &[0.8], "2.8000000000000003"),
        ("quantile_over_time", "0 1 4", &[-1.0], "-Inf"),
        ("max_over_time", "NaN 5 NaN 1 7", &[], "7"),
        ("min_over_time", "NaN NaN", &[], nan),
        ("ts_of_max_over_time", "1 5 5 1 1", &[], "120"),
        ("ts_of_min_over_time", "1 5 5 1 1", &[], "240"),
        ("count_over_time", "1 _ NaN {{}}", &[], "3"),
        ("present_over_time", "_ NaN", &[], "1"),
        ("first_over_time", "_ {{count:1}} 4", &[], "{{count:1}}"),
        ("last_over_time", "1 {{count:1}} 4", &[], "4"),
        ("deriv", "0+60x5", &[], "1"),
        ("deriv", "7x5", &[], "0"),
        ("deriv", "Inf Inf Inf Inf Inf Inf", &[], nan),
        ("predict_linear", "0 10 20 30 40 0 10 20 30 40 50", &[0.0], "38.63636363636363"),
        ("double_exponential_smoothing", "0+10x5", &[0.5, 0.5], "50"),
        (
            "double_exponential_smoothing",
            "1 2 3",
            &[0.5, 1.0],
            "invalid trend factor. Expected: 0 < tf < 1, got: 1.000000",
        ),
        ("changes", "1 1 NaN NaN 2", &[], "2"),
        ("resets", "1 2 3 0 1 0 0 1 2 0", &[], "3"),
    ] {
        let buf = samples(values, "", 0, MINUTE);
        let end = notation::parse_values(values).unwrap().len() as i64 - 1;
        let got = call(function, &window(&buf, end * MINUTE, 20 * MINUTE, RangeMode::Plain), args).0;
        assert_eq!(got, want, "{function} of {values}");
    }
}

#[test]
fn averages_of_histograms_do_not_overflow() {
    let values = "{{count:1.7976931348623157e+308 sum:5.3}} {{count:1e308 sum:1e100}} {{count:1e-6 sum:-1e100}} \
                  {{count:1e-6 sum:1}} {{count:1e-6 sum:1e100}} {{count:1e-6 sum:-1e100}} {{count:1e-6 sum:0}}";
    let buf = samples(values, "", 0, MINUTE);
    let w = window(&buf, 6 * MINUTE, 7 * MINUTE, RangeMode::Plain);
    let Kind::Range { f, .. } = lookup("avg_over_time").unwrap().kind else { panic!("a range function") };
    let mut notes = Annotations::default();
    let mut ctx = FnCtx { notes: &mut notes, labels: &Labels::empty(), call: Span::default(), args: &[] };
    let Out::Histogram(h) = f(&w, &[], &mut ctx) else { panic!("a histogram") };
    assert!((h.count / 3.9967044783747367e+307 - 1.0).abs() < 1e-9 && (h.sum - 0.9).abs() < 1e-6, "{h}");
    assert_eq!(call("sum_over_time", &w, &[]).0, "{{count:+Inf sum:6.3}}");
}

#[test]
fn contradicting_hints_are_noted() {
    let mut buf = samples("{{count:1}}x1", "", 0, MINUTE);
    for ((_, h), hint) in buf.hists.iter_mut().zip([CounterResetHint::Reset, CounterResetHint::NotReset]) {
        *h = Arc::new(FloatHistogram { counter_reset_hint: hint, ..FloatHistogram::clone(h) });
    }
    let (_, notes) = call("sum_over_time", &window(&buf, MINUTE, 5 * MINUTE, RangeMode::Plain), &[]);
    assert_eq!(notes, ["conflicting counter resets during histogram aggregation"]);
}

/// Values of every kind that matters: whole, fractional, falling, special.
fn any_value() -> impl Strategy<Value = f64> {
    let special =
        prop::sample::select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0, f64::MAX, -f64::MAX, 5e-324]);
    prop_oneof![4 => (-20..20i32).prop_map(f64::from), 2 => -100.0..100.0f64, 1 => special]
}

/// All bits of a number. Of NaN the sign is the compiler's choice.
fn bits(v: f64) -> u64 {
    if v.is_nan() { f64::NAN.to_bits() } else { v.to_bits() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn batched_functions_give_what_their_windows_give(
        values in prop_oneof![
            prop::collection::vec(any_value(), 0..40),
            prop::collection::vec((-20..20i32).prop_map(f64::from), 0..40),
        ],
        gaps in prop_oneof![prop::collection::vec(1..50i64, 40), (1..50i64).prop_map(|gap| vec![gap; 40]), Just(vec![5; 40])],
        first_start in -300..300i64,
        step in prop_oneof![1..90i64, Just(25)],
        range in 1..400i64,
        steps in 1..30usize,
        at in -500..500i64,
        arg in prop_oneof![0.0..=1.0f64, -0.5..1.5f64, Just(f64::NAN)],
    ) {
        let mut buf = SampleBuf::default();
        values.iter().zip(&gaps).fold(0, |t, (v, gap)| { buf.push(t + gap, *v); t + gap });
        let windows: Vec<Window<'_>> = (0..steps as i64)
            .map(|i| window(&buf, first_start + i * step + range, range, RangeMode::Plain))
            .collect();
        let last = (steps as i64 - 1) * step;
        let (ends, grid) = (first_start + range, StepGrid::range(at, at + last, step));
        let mut cuts = Cuts::new(&StepGrid::range(ends, ends + last, step), range, steps);
        cuts.fit(&buf.ts);
        let never = crate::promql::CancelToken::new();
        let all = Windows::new(&cuts, &buf.vs, &grid, &never);
        for function in table::FUNCTIONS {
            let Kind::Range { f, batch: Some(batch), .. } = function.kind else { continue };
            let args = vec![arg; function.args.len() - 1];
            let (mut notes, mut batch_notes) = (Annotations::default(), Annotations::default());
            let mut batched = StepVector::empty(steps);
            let mut ctx = FnCtx { notes: &mut batch_notes, labels: &Labels::empty(), call: Span::default(), args: &[] };
            batch(&all, &args, &mut ctx, &mut batched);
            for (i, w) in windows.iter().enumerate() {
                let mut ctx = FnCtx { notes: &mut notes, labels: &Labels::empty(), call: Span::default(), args: &[] };
                let w = Window { at: grid.time(i), ..*w };
                let single = match f(&w, &args, &mut ctx) { Out::Float(v) => Some(bits(v)), _ => None };
                prop_assert_eq!(batched.float(i).map(bits), single, "{} at step {}", function.name, i);
            }
            let says = |notes: &Annotations| notes.iter().next().is_some();
            prop_assert_eq!(says(&batch_notes), says(&notes), "notes of {}", function.name);
        }
    }

    #[test]
    fn a_selected_quantile_is_that_of_sorted_values(
        values in prop::collection::vec(any_value(), 1..60),
        q in prop_oneof![0.0..=1.0f64, Just(0.0), Just(0.5), Just(1.0)],
    ) {
        let mut sorted = values.clone();
        sorted.sort_by(sliding::by_rank);
        let got = quantile(q, &mut values.clone());
        prop_assert_eq!(bits(got), bits(over_time::quantile_of_sorted(q, &sorted)));
    }

    #[test]
    fn quantiles_lie_between_the_extremes(mut values in prop::collection::vec(-1e6..1e6f64, 1..30), q in 0.0..=1.0f64) {
        let result = quantile(q, &mut values);
        prop_assert!(result >= values[0] - 1e-6 && result <= values[values.len() - 1] + 1e-6);
    }
}
