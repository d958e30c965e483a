//! Results in every form, over a fixed width.

use std::sync::Arc;
use std::time::Duration;

use super::exposition::Exposition;
use super::*;
use crate::datasource::{LocalQuerier, Querier};
use crate::model::{FloatHistogram, Labels};
use crate::promql::script::MemoryStorage;
use crate::promql::{NodeStats, RangeSeries};

const RANGE: When = When::Range { start: 1_767_351_600_000, end: 1_767_355_200_000, step: 60_000 };

fn series(labels: &[(&str, &str)], values: impl Fn(i64) -> Option<f64>) -> RangeSeries {
    let (start, _) = RANGE.bounds();
    let floats = (0..=60).filter_map(|i| Some((start + i * 60_000, values(i)?))).collect();
    RangeSeries { labels: Labels::from_pairs(labels.iter().copied()), floats, histograms: vec![] }
}

fn wave(i: i64, phase: f64) -> f64 {
    50.0 + 40.0 * (i as f64 / 8.0 + phase).sin()
}

fn drawn(all: Vec<RangeSeries>, when: When, width: usize, height: usize) -> String {
    plot::plot(&QueryValue::Matrix(all), when, &Screen::plain(width, height)).unwrap()
}

/// Answers over a file in the text format, loaded at the query's time.
fn answer(file: &str, expr: &str, when: When) -> Answer {
    let features = Features::default();
    let storage: MemoryStorage =
        Exposition::parse("metrics.txt", file.as_bytes(), &features).unwrap().into_storage(when.bounds().1);
    let querier = LocalQuerier::new(Arc::new(storage));
    let plan = compile(expr, &CompileOptions { features }).unwrap();
    let env = EvalEnv { profile: true, ..EvalEnv::default() };
    let evaluated = match when {
        When::At(t) => querier.instant(&plan, t, &env),
        When::Range { start, end, step } => querier.range(&plan, start, end, step, &env),
    };
    let took = (Duration::from_micros(50), Duration::from_millis(2));
    let mut answer = Answer { plan, when, evaluated: evaluated.unwrap(), server: None, took };
    // Times are what a run makes them: give every operator that has one the same.
    for stats in answer.evaluated.profile.iter_mut().filter(|s| !s.time.is_zero()) {
        stats.time = Duration::from_micros(250);
    }
    answer
}

const FILE: &str = "\
# TYPE http_requests_total counter
http_requests_total{job=\"api\",code=\"200\",instance=\"10.0.0.1:8080\"} 1000000
http_requests_total{job=\"api\",code=\"500\",instance=\"10.0.0.1:8080\"} 12.5
http_requests_total{job=\"api\",code=\"200\",instance=\"10.0.0.2:8080\"} NaN
";

#[test]
fn one_series_is_drawn() {
    insta::assert_snapshot!(drawn(
        vec![series(&[("__name__", "load1"), ("job", "node")], |i| Some(wave(i, 0.0)))],
        RANGE,
        80,
        12
    ));
}

#[test]
fn several_series_have_letters_gaps_are_left_and_points_that_stand_alone_are_marked() {
    let all = vec![
        series(&[("host", "a")], |i| Some(wave(i, 0.0))),
        series(&[("host", "b")], |i| Some(wave(i, 2.0)).filter(|_| !(20..35).contains(&i))),
        series(&[("host", "c")], |i| Some(10.0).filter(|_| i % 20 == 10)),
    ];
    insta::assert_snapshot!(drawn(all, RANGE, 60, 12));
}

#[test]
fn plots_of_odd_values_are_sensible() {
    let one = |values: fn(i64) -> Option<f64>| drawn(vec![series(&[("__name__", "x")], values)], RANGE, 40, 5);
    let mut out = String::new();
    for (title, picture) in [
        ("all equal", one(|_| Some(1.0))),
        ("zero", one(|_| Some(0.0))),
        ("not numbers", one(|i| Some([1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY][(i % 4) as usize]))),
        ("no number at all", one(|_| Some(f64::NAN))),
        ("one point", one(|i| Some(3.5).filter(|_| i == 30))),
        ("extremes", one(|i| Some(if i < 30 { f64::MAX } else { f64::MIN }))),
        ("nothing", drawn(vec![], RANGE, 40, 5)),
        (
            "one step",
            drawn(
                vec![series(&[], |i| Some(i as f64).filter(|_| i == 0))],
                When::Range { start: RANGE.bounds().0, end: RANGE.bounds().0, step: 1_000 },
                40,
                5,
            ),
        ),
    ] {
        out.push_str(&format!("== {title}\n{picture}"));
    }
    insta::assert_snapshot!(out);
}

#[test]
fn too_many_series_are_not_drawn_and_said() {
    let hosts: Vec<String> = (0..20).map(|i| format!("host-{i:02}")).collect();
    let all = hosts.iter().enumerate().map(|(n, h)| series(&[("host", h)], move |i| Some(n as f64 + (i / 30) as f64)));
    let picture = drawn(all.collect(), RANGE, 60, 14);
    assert!(picture.ends_with("(8 series more not drawn: choose with topk or a narrower selector)\n"), "{picture}");
    for letter in 'a'..='l' {
        assert!(picture.lines().any(|l| l.starts_with(letter)), "{letter}: {picture}");
    }
}

#[test]
fn a_plot_never_exceeds_its_width() {
    for columns in [20, 21, 33, 60, 80, 160] {
        for last in [1_000, 90_000, 86_400_000, 40 * 86_400_000, 900 * 86_400_000] {
            let (start, step) = (RANGE.bounds().0, (last / 60).max(1));
            let when = When::Range { start, end: start + last, step };
            let floats = (0..=60).map(|i| (start + i * step, wave(i, 0.0) * 1e9)).collect();
            let s = RangeSeries { labels: Labels::empty(), floats, histograms: vec![] };
            let picture = plot::plot(&QueryValue::Matrix(vec![s]), when, &Screen::plain(columns, 6)).unwrap();
            for line in picture.lines().skip(2).take(8) {
                assert!(screen::width(line) <= columns, "{columns}: {line}");
            }
        }
    }
}

#[test]
fn colours_are_used_where_there_are_some() {
    let all = vec![series(&[("h", "a")], |i| Some(i as f64)), series(&[("h", "b")], |i| Some(60.0 - i as f64))];
    let screen = Screen { colour: true, ..Screen::plain(60, 6) };
    let picture = plot::plot(&QueryValue::Matrix(all), RANGE, &screen).unwrap();
    assert!(picture.contains("\x1b[32m") && picture.contains("\x1b[34mb\x1b[0m"), "{picture}");
}

#[test]
fn tables_of_instants() {
    let at = When::At(1_767_355_200_000);
    let mut out = String::new();
    for expr in [
        "http_requests_total",
        "http_requests_total{code='500'}",
        "topk(2, http_requests_total)",
        "absent(http_requests_total)",
        "1 / 3",
        "'a string'",
        "http_requests_total[5m]",
    ] {
        let mut a = answer(FILE, expr, at);
        order(&a.plan, &mut a.evaluated.value);
        let text = table::table(&a.evaluated.value, at, &Screen::plain(80, 10));
        out.push_str(&format!("== {expr}\n{text}"));
    }
    insta::assert_snapshot!(out);
}

#[test]
fn tables_of_ranges() {
    let mut all = vec![
        series(&[("__name__", "load1"), ("job", "node"), ("host", "a")], |i| Some(wave(i, 0.0) * 1e6)),
        series(&[("__name__", "load1"), ("job", "node"), ("host", "b")], |i| Some(0.5).filter(|_| i > 40)),
    ];
    let whole = table::table(&QueryValue::Matrix(all[..1].to_vec()), RANGE, &Screen::plain(80, 10));
    let gaps = table::table(&QueryValue::Matrix(all.clone()), RANGE, &Screen::plain(80, 10));
    let h = Arc::new(FloatHistogram { count: 7.0, sum: 3.5, ..FloatHistogram::default() });
    all[1].floats.clear();
    all[1].histograms = vec![(RANGE.bounds().0, h.clone()), (RANGE.bounds().1, h)];
    let histograms = table::table(&QueryValue::Matrix(all), RANGE, &Screen::plain(60, 10));
    insta::assert_snapshot!(format!("{whole}\n== gaps\n{gaps}\n== histograms\n{histograms}"));
}

#[test]
fn what_a_label_holds_cannot_move_the_cursor() {
    let labels = Labels::from_pairs([("a", "x\x1b[31m\nrow")]);
    let other = Labels::from_pairs([("a", "y")]);
    let sample = |labels: Labels| crate::promql::VectorSample { labels, t: 0, value: crate::model::Value::Float(1.0) };
    let value = QueryValue::Vector(vec![sample(labels), sample(other)]);
    let text = table::table(&value, When::At(0), &Screen::plain(80, 10));
    assert!(text.contains("x\\u{1b}[31m\\nrow") && text.lines().count() == 5, "{text}");
}

#[test]
fn plans_are_explained() {
    let when = When::Range { start: 1_767_355_140_000, end: 1_767_355_200_000, step: 15_000 };
    let expr = "sum by (job) (rate(http_requests_total{code!='500'}[5m] offset 1m)) / on (job) group_left () \
                max_over_time(vector(time())[1h:5m]) > bool 0.5 or absent(up @ end()) + scalar(sum(up))";
    let a = answer(FILE, expr, when);
    let mut out = explain::explain(&a, &Screen::plain(120, 10));
    let a = answer(FILE, "http_requests_total > 10", When::At(1_767_355_200_000));
    out.push_str("\n== instant\n");
    out.push_str(&explain::explain(&a, &Screen::plain(120, 10)));
    let remote = Answer { server: Some("http://prometheus:9090".into()), ..a };
    out.push_str("\n== by a server\n");
    out.push_str(&explain::explain(&remote, &Screen::plain(120, 10)));
    insta::assert_snapshot!(out);
}

#[test]
fn every_operator_has_words() {
    let at = When::At(0);
    for (expr, want) in [
        ("-up", "negate"),
        ("{job='a',__name__=~'b.*'}", "select {job=\"a\", __name__=~\"b.*\"}"),
        ("{job='a'}", "select {job=\"a\"}"),
        ("rate(up[5m])", "rate over up[5m]"),
        ("up[5m] @ 10", "select up[5m] @ 10"),
        ("sum without (a) (up)", "sum without (a)"),
        ("sum without () (up)", "sum without ()"),
        ("sum(up)", "sum"),
        ("a / ignoring (x) group_right (y) b", "vector / ignoring (x) group_right (y) vector"),
        ("a and on () b", "vector and on () vector"),
        ("a unless b", "vector unless vector"),
        ("2 > bool a", "scalar > bool vector"),
        ("timestamp(up)", "timestamp of up"),
        ("label_replace(up, 'a', '$1', 'b', '(.*)')", "label_replace \"a\" from \"b\""),
        ("histogram_quantile(0.9, up)", "histogram_quantile"),
        ("count_values('v', up)", "count_values \"v\""),
        ("abs(up)", "abs"),
        ("hour()", "hour"),
    ] {
        let outline = answer("", expr, at).plan.outline();
        let top = outline.iter().find(|l| !l.text.contains("merge series")).map(|l| l.text.trim_start_matches("└─ "));
        assert_eq!(top, Some(want), "{expr}");
    }
}

#[test]
fn no_figure_is_invented() {
    let a = answer(FILE, "1 + 1", When::At(0));
    assert!(a.evaluated.profile.iter().all(|s| *s == NodeStats::default()));
    let text = explain::explain(&a, &Screen::plain(120, 10));
    assert!(!text.contains("NaN") && text.contains("the scalar 2"), "{text}");
}

#[test]
fn numbers_in_labels_ascend() {
    let mut all: Vec<Labels> =
        ["10", "+Inf", "9", "1a", "0.5", "x"].iter().map(|v| Labels::from_pairs([("le", *v)])).collect();
    all.sort_by(by_value);
    let values: Vec<&str> = all.iter().map(|l| l.value("le")).collect();
    assert_eq!(values, ["0.5", "9", "10", "+Inf", "1a", "x"]);
    let (a, ab) = (Labels::from_pairs([("a", "1")]), Labels::from_pairs([("a", "1"), ("b", "1")]));
    assert_eq!(
        (by_value(&a, &ab), by_value(&ab, &a), by_value(&a, &a)),
        (Ordering::Less, Ordering::Greater, Ordering::Equal)
    );
}

proptest::proptest! {
    #[test]
    fn any_values_give_pictures_that_fit(
        values in proptest::collection::vec((0..3_600_000i64, proptest::num::f64::ANY), 0..40),
        columns in 72..130usize,
        rows in 3..20usize,
    ) {
        let (start, _) = RANGE.bounds();
        let mut floats: Vec<(i64, f64)> = values.into_iter().map(|(t, v)| (start + t, v)).collect();
        floats.sort_by_key(|(t, _)| *t);
        let other = RangeSeries { labels: Labels::from_pairs([("a", "b")]), floats: floats.clone(), histograms: vec![] };
        let value = QueryValue::Matrix(vec![RangeSeries { labels: Labels::empty(), floats, histograms: vec![] }, other]);
        let screen = Screen::plain(columns, rows);
        let picture = plot::plot(&value, RANGE, &screen).unwrap() + &table::table(&value, RANGE, &screen);
        // Headings may be longer than a narrow screen.
        for line in picture.lines().filter(|l| !l.contains("series from")) {
            proptest::prop_assert!(screen::width(line) <= columns, "{line}");
        }
    }
}

#[test]
fn errors_point_at_their_place() {
    for (expr, want) in [
        ("sum(", "1:5: parse error: unclosed left parenthesis\n    sum(\n        ^"),
        (
            "up{\n  job=a}",
            "2:7: parse error: unexpected identifier \"a\" in label matching, expected string\n      job=a}\n          ^",
        ),
    ] {
        let error = compile(expr, &CompileOptions::default()).unwrap_err();
        let got = pointed_out(&error, expr);
        assert_eq!(got, want, "{got}");
    }
}
