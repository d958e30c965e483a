use proptest::prelude::*;

use super::*;
use crate::model::histogram::testing::any_exponential;

/// Samples as text, `_` where there is none.
fn samples(values: &str) -> String {
    let show = |v: Option<Value>| match v {
        None => "_".to_owned(),
        Some(v) if v.is_stale() => "stale".to_owned(),
        Some(Value::Float(v)) => format_float(v),
        Some(Value::Histogram(h)) => h.to_notation(),
    };
    let all: Vec<String> = parse_values(values).unwrap().iter().map(show).collect();
    all.join(" ")
}

#[test]
fn samples_are_expanded_step_by_step() {
    for (notation, want) in [
        ("", ""),
        ("1 2 _ 3x2", "1 2 _ 3 3 3"),
        ("1+2x3 1-2x3", "1 3 5 7 1 -1 -3 -5"),
        ("_x4 stale 1e3 Inf -Inf NaN", "_ _ _ _ stale 1000 +Inf -Inf NaN"),
        ("0+0.1x3", "0 0.1 0.2 0.30000000000000004"),
        ("0x3 -5x1 -2+3x2", "0 0 0 0 -5 -5 -2 1 4"),
        ("1.5e-3 .5 +2 5. 1e3x1", "0.0015 0.5 2 5 1000 1000"),
        ("inf +inf nan INF -Inf", "+Inf +Inf NaN +Inf -Inf"),
        ("1_000 -1_0.5_0e0_1x1 Inf+1x1", "1000 -105 -105 +Inf +Inf"),
        ("stale+1x1", "stale NaN"),
        ("  7\t8  ", "7 8"),
        ("7 8\n", "7 8"),
        ("{{SUM:1 counter_reset_hint:Gauge }}", "{{sum:1 counter_reset_hint:gauge}}"),
        ("{{}}x1", "{{}} {{}}"),
        ("{{sum:1 count:2}}+{{sum:1 count:1}}x2", "{{count:2 sum:1}} {{count:3 sum:2}} {{count:4 sum:3}}"),
        ("{{count:5 buckets:[5]}}-{{count:2 buckets:[2]}}x1", "{{count:5 buckets:[5]}} {{count:3 buckets:[3]}}"),
        (
            "{{schema:1 sum:-0.3 count:3 z_bucket:1 z_bucket_w:0.1 buckets:[1 2 1] offset:1 n_buckets:[4 5] n_offset:-3}}",
            "{{schema:1 count:3 sum:-0.3 z_bucket:1 z_bucket_w:0.1 offset:1 buckets:[1 2 1] n_offset:-3 n_buckets:[4 5]}}",
        ),
        (
            "{{schema:-53 count:Inf sum:NaN custom_values:[-5 10 ] buckets:[1] counter_reset_hint:gauge }}",
            "{{schema:-53 count:+Inf sum:NaN custom_values:[-5 10] counter_reset_hint:gauge buckets:[1]}}",
        ),
    ] {
        assert_eq!(samples(notation), want, "{notation}");
    }
}

#[test]
fn a_long_series_is_one_run() {
    let values = parse_values("0+10x1000000000000").unwrap();
    assert_eq!(values.runs, [Run::Floats { start: 0.0, step: Some(10.0), count: 1_000_000_000_001 }]);
    assert_eq!(values.iter().nth(1000), Some(Some(Value::Float(10_000.0))));
}

#[test]
fn series_are_named_in_every_way() {
    for (text, want) in [
        ("up 1", "up"),
        ("up", "up"),
        ("{} 1", "{}"),
        ("a:b{job=\"x\", instance='y',} 1", "a:b{instance=\"y\", job=\"x\"}"),
        ("{__name__=`up`,x=\"a\\\"\\n\\u00e9\"} 1", "up{x=\"a\\\"\\né\"}"),
        ("{\"gpu.temp\", \"host name\"=\"a\"} 1", "{\"gpu.temp\", \"host name\"=\"a\"}"),
        ("stale{bool=\"x\", \"inf\"=\"y\"} 1", "stale{bool=\"x\", inf=\"y\"}"),
        ("{\"nan\"} 1", "nan"),
    ] {
        let series = parse_series(text).unwrap();
        assert_eq!(series.labels.to_series_string(), want, "{text}");
    }
    // Labels alone may be of several lines.
    let alone = parse_metric(" up {\n  src=\"a\",\n}\n").unwrap();
    assert_eq!(alone.to_series_string(), "up{src=\"a\"}");
}

#[test]
fn start_timestamps_are_offsets_from_their_steps() {
    for (text, want) in [
        ("s@st _ _ -30s-1mx2", vec![None, None, Some(-30_000), Some(-90_000), Some(-150_000)]),
        ("s{a=\"b\"}@st 0 1ms-1mx1 +1m", vec![Some(0), Some(1), Some(-59_999), Some(60_000)]),
        ("s@st  -0msx1 -1m30sx1", vec![Some(0), Some(0), Some(-90_000), Some(-90_000)]),
    ] {
        let Content::StartTimestamps(starts) = parse_series(text).unwrap().content else {
            panic!("{text} gives start timestamps");
        };
        assert_eq!(starts.iter().collect::<Vec<_>>(), want, "{text}");
    }
}

#[test]
fn errors_say_where_and_what_was_expected() {
    for (text, column, part) in [
        ("a{b=\"c\"} 1 foo", 12, "a number, a histogram"),
        ("a 1+2", 6, "\"x\""),
        ("a 1x", 5, "a whole number"),
        ("a Infinity", 3, "a number, a histogram"),
        ("a 1y", 4, "a space or the end"),
        ("a{b=c} 1", 5, "a quoted string"),
        ("a{b=\"c} 1", 5, "unterminated"),
        ("a{b} 1", 4, "\"=\""),
        ("1", 2, "not a metric name"),
        ("a {{foo:1}}", 5, "bad histogram descriptor"),
        ("a {{sum:1 sum:2}}", 14, "duplicate key"),
        ("a {{sum:1", 10, "or \"}}\""),
        ("a {{schema:9}}", 13, "unknown histogram schema"),
        ("a {{schema:1}}+{{schema:0}}x3", 28, "cannot merge from schema 0 to 1"),
        ("a {{}}+{{schema:-53}}x3", 22, "cannot merge"),
        ("a@st 5q", 7, "a space or the end"),
        ("é", 1, "a metric name"),
        ("a NaNx3", 3, "a number, a histogram"),
        ("a 1+Infx3", 5, "a number"),
        ("a 1e400", 3, "out of the range"),
        ("a 1__0", 4, "a space or the end"),
        ("a 1\n2", 4, "a space or the end"),
        ("a {b=\"c\"} 1", 3, "a number, a histogram"),
        ("inf 1", 1, "only in quotes"),
        ("On{a=\"b\"} 1", 1, "only in quotes"),
        ("a {{ sum:1}}", 6, "no space"),
        ("a {{sum:+1}}", 9, "a number"),
        ("a {{sum:.5}}", 9, "a digit before"),
        ("a {{z_bucket_w:-1}}", 16, "a number"),
        ("a {{offset:+1}}", 12, "a whole number"),
        ("a {{buckets:[]}}", 14, "a number"),
        ("a {{buckets:[ 1]}}", 14, "a number"),
        ("a {{buckets:[-Inf]}}", 14, "a number"),
    ] {
        let e = parse_series(text).unwrap_err();
        assert!(e.message.contains(part), "{text}: {e}");
        assert!(e.column == column, "{text}: {e}");
    }
}

fn any_run() -> impl Strategy<Value = Run> {
    let float = prop_oneof![any::<f64>().prop_filter("no NaN", |v| !v.is_nan()), (-50..50i32).prop_map(f64::from)];
    let finite = any::<f64>().prop_filter("finite", |v| v.is_finite());
    prop_oneof![
        (1..5u64).prop_map(|count| Run::Omitted { count }),
        Just(stale()),
        (float.clone(), 1..9u64).prop_map(|(start, count)| {
            Run::Floats { start, step: None, count: if start.is_finite() { count } else { 1 } }
        }),
        (float, finite, 1..9u64).prop_map(|(start, step, count)| Run::Floats { start, step: Some(step), count }),
        (any_exponential(), 1..4u64).prop_map(|(h, count)| {
            let start = Arc::new(parse_histogram(&h.to_notation()).unwrap());
            let step = Some(Step { subtract: count == 1, by: start.clone() });
            Run::Histograms { start, step: step.filter(|_| count > 1), count }
        }),
    ]
}

proptest! {
    #[test]
    fn what_is_printed_is_read_back(
        runs in prop::collection::vec(any_run(), 0..6),
        name in "[a-z_:]{0,5}",
        label in "\\PC{1,8}",
        value in "\\PC{1,8}",
    ) {
        let labels = Labels::from_pairs([(METRIC, name), (&*format!("l{label}"), value)].map(|(k, v)| (k.to_owned(), v)));
        let series = Series { labels, content: Content::Samples(Values { runs }) };
        // As text, since a staleness marker does not equal itself.
        let back = parse_series(&series.to_string()).unwrap();
        prop_assert_eq!(format!("{back:?}"), format!("{series:?}"));
    }

    #[test]
    fn no_text_makes_the_parser_fall_over(text in "\\PC{0,40}", values in "[0-9xe+\\-_.{} :\\[\\]sumz]{0,40}") {
        let _ = parse_series(&text);
        if let Ok(v) = parse_values(&values) {
            let _ = v.iter().take(100).count();
        }
    }

    #[test]
    fn start_timestamps_are_read_back(runs in prop::collection::vec((prop::option::of(-500_000..500_000i64), -90_000..90_000i64, 1..5u64), 1..5)) {
        let run = |(start, step, count): (Option<i64>, i64, u64)| {
            StartRun { start, step: if start.is_none() || count == 1 { 0 } else { step }, count }
        };
        let runs = runs.into_iter().map(run).collect();
        let series = Series { labels: Labels::from_pairs([("a", "b")]), content: Content::StartTimestamps(StartTimes { runs }) };
        prop_assert_eq!(parse_series(&series.to_string()).unwrap(), series);
    }
}

const METRIC: &str = crate::model::METRIC_NAME;
