use proptest::prelude::*;

use super::*;
use crate::ingest::wire::{WireWriter, zigzag};
use crate::model::METRIC_NAME;
use crate::model::Position;
use crate::model::histogram::Span;

/// A body as lines: `series value @timestamp start`, or `# family kind help unit`. Whichever parts it comes in, they are
/// the same.
fn walk(format: Format, body: &[u8], options: ParseOptions) -> Result<Vec<String>, ParseError> {
    let whole = walk_in_parts(format, &[body], options);
    for size in [1, 7, 50].into_iter().filter(|size| body.len() < size * 1000) {
        let parts = walk_in_parts(format, &body.chunks(size).collect::<Vec<_>>(), options);
        match (&whole, &parts) {
            (Err(a), Err(b)) => assert_eq!((a.position, &a.expected), (b.position, &b.expected)),
            _ => assert_eq!(whole, parts, "in parts of {size} bytes"),
        }
    }
    whole
}

fn walk_in_parts(format: Format, parts: &[&[u8]], options: ParseOptions) -> Result<Vec<String>, ParseError> {
    let (mut out, mut window, mut carried) = (Vec::new(), Vec::new(), Carried::default());
    for i in 0..parts.len().max(1) {
        window.extend_from_slice(parts.get(i).copied().unwrap_or_default());
        let part = Part { bytes: &window, last: i + 1 >= parts.len() };
        let mut parser = Parser::of_part(format, part, options, std::mem::take(&mut carried));
        walk_part(&mut parser, &mut out)?;
        let read;
        (read, carried) = parser.end();
        window.drain(..read);
    }
    Ok(out)
}

fn walk_part(parser: &mut Parser<'_>, out: &mut Vec<String>) -> Result<(), ParseError> {
    loop {
        let line = match parser.next(None)? {
            None => return Ok(()),
            Some(Event::Metadata(m)) => {
                let text = [
                    m.kind.map(|k| k.as_str().to_owned()),
                    m.help.map(|h| h.into_owned()),
                    m.unit.map(|u| u.into_owned()),
                ];
                let text: Vec<_> = text.into_iter().flatten().filter(|t| !t.is_empty()).collect();
                out.push(format!("# {} {}", m.family, text.join(" ")));
                continue;
            }
            Some(Event::Sample(s)) => (s.value, s.timestamp),
        };
        let labels = parser.labels()?;
        let value = match line.0 {
            ParsedValue::Float(v) => crate::model::number::format_float(v),
            ParsedValue::Histogram(h) => format!("histogram(count {} sum {})", h.count, h.sum),
            ParsedValue::Defective(defect) => format!("defective({defect})"),
        };
        let mut text = format!("{} {value}", labels.to_series_string());
        if let Some(t) = line.1 {
            text.push_str(&format!(" @{t}"));
        }
        if let Some(st) = parser.start_timestamp(&labels) {
            text.push_str(&format!(" st {st}"));
        }
        out.push(text);
    }
}

fn text(body: &str) -> Result<Vec<String>, ParseError> {
    walk(Format::Text, body.as_bytes(), ParseOptions::default())
}

fn openmetrics(body: &str) -> Result<Vec<String>, ParseError> {
    walk(Format::OpenMetrics, body.as_bytes(), ParseOptions::default())
}

#[test]
fn the_text_format_is_read() {
    let body = concat!(
        "# HELP go_gc_duration_seconds A summary of the \\\\ pauses\\n\n",
        "# TYPE go_gc_duration_seconds summary\n",
        "go_gc_duration_seconds{quantile=\"0\"} 4.9351e-05\n",
        "go_gc_duration_seconds{quantile=\"0.25\",} 7.424100000000001e-05\n",
        "go_gc_duration_seconds{ quantile = \"1\" , a = \"b\" }  8.3835e-05\n",
        "# a comment\n#another\n# HELPLESS too\n\n",
        "  \t\n",
        "some:aggregate:rate5m{a_b=\"c\"}\t1\n",
        "# TYPE hist histogram\n",
        "hist_bucket{le=\"1\"} 3\nhist_bucket{le=\"+Inf\"} 4\n",
        "metric_with_ts{a=\"x\\\"y\\\\z\\n{}\"} -Inf 123123\n",
        "minimal 1\n",
        "nan Nan\n",
        "{\"gpu.temp\",\"host name\"=\"رياض\"} 71.5 5\n",
        "{\"braces first\"} 1\n",
        "spaced {a=\"1\"} 2\n",
        "empty{a=\"\"} 0\n",
        "last 2e3",
    );
    let want = [
        "# go_gc_duration_seconds A summary of the \\ pauses\n",
        "# go_gc_duration_seconds summary",
        r#"go_gc_duration_seconds{quantile="0.0"} 0.000049351"#,
        r#"go_gc_duration_seconds{quantile="0.25"} 0.00007424100000000001"#,
        r#"go_gc_duration_seconds{a="b", quantile="1.0"} 0.000083835"#,
        r#"some:aggregate:rate5m{a_b="c"} 1"#,
        "# hist histogram",
        r#"hist_bucket{le="1.0"} 3"#,
        r#"hist_bucket{le="+Inf"} 4"#,
        r#"metric_with_ts{a="x\"y\\z\n{}"} -Inf @123123"#,
        "minimal 1",
        "nan NaN",
        r#"{"gpu.temp", "host name"="رياض"} 71.5 @5"#,
        r#"{"braces first"} 1"#,
        r#"spaced{a="1"} 2"#,
        "empty 0",
        "last 2000",
    ];
    assert_eq!(text(body).unwrap(), want);
}

#[test]
fn errors_of_the_text_format_say_where_what_and_what_instead() {
    for (body, want) in [
        ("a\n", "line 1, column 2: expected a value after the metric, found the end of the line"),
        ("ok 1\na{b='c'} 1\n", "line 2, column 5: expected a label value in quotes, found \"'c'}\""),
        ("a{b=\n", "line 1, column 2: expected labels with a closing brace, found \"{b=\""),
        ("a{b=\"c} 1\n", "line 1, column 5: expected a string with a closing quote, found \"\\\"c}\""),
        ("a{b\"c\"} 1\n", "line 1, column 4: expected '=' after a label name, found \"\\\"c\\\"}\""),
        ("a{b=\"c\" d=\"e\"} 1\n", "line 1, column 9: expected ',' or '}' after a label, found \"d=\\\"e\\\"}\""),
        ("a{b=\"c\",b=\"d\"} 1\n", "line 1, column 1: expected label \"b\" once, found \"a{b=\\\"c\\\",b=\\\"d\\\"}\""),
        ("a{\"b\"} 1\n", "line 1, column 1: expected one metric name, found \"a{\\\"b\\\"}\""),
        ("a 1 x\n", "line 1, column 5: expected a timestamp or the next line, found \"x\""),
        ("a 1 -5\n", "line 1, column 5: expected a timestamp or the next line, found \"-5\""),
        ("a 1 +5\n", "line 1, column 5: expected a timestamp or the next line, found \"+5\""),
        ("a 1e999\n", "line 1, column 3: expected a value after the metric, found \"1e999\""),
        ("a 1 2 3\n", "line 1, column 7: expected the next line after the timestamp, found \"3\""),
        ("a 0x1p3\n", "line 1, column 3: expected a value after the metric, found \"0x1p3\""),
        ("a 1_000\n", "line 1, column 3: expected a value after the metric, found \"1_000\""),
        ("9 1\n", "line 1, column 1: expected a metric name, '{' or '#', found \"9\""),
        (
            "# TYPE a number\n",
            "line 1, column 10: expected a metric type (counter, gauge, histogram, summary or untyped), found \"number\"",
        ),
        ("زمن 1\n", "line 1, column 1: expected a metric name, '{' or '#', found \"زمن\""),
    ] {
        assert_eq!(text(body).unwrap_err().to_string(), want, "{body:?}");
    }
    let invalid = walk(Format::Text, b"a{b=\"\xff\"} 1\n", ParseOptions::default()).unwrap_err();
    assert_eq!(invalid.position, Position { line: 1, column: 6 });
}

#[test]
fn openmetrics_is_read() {
    let body = concat!(
        "# HELP foo A counter \\\"quoted\\\"\n# TYPE foo counter\n",
        "foo_total{a=\"b\"} 17.0 1520879607.789 # {id=\"counter-test\"} 5 1520879607.7\n",
        "foo_created{a=\"b\"} 1520872607.123\n",
        "# TYPE rpc_seconds summary\n# UNIT rpc_seconds seconds\n",
        "rpc_seconds{quantile=\"1\"} 1 # {} 3\n",
        "# TYPE st stateset\nst{st=\"on\"} 1\n",
        "{\"utf8 name\",x=\"y\"} 1 1.5\n",
        "# EOF\n",
    );
    let plain = [
        "# foo A counter \"quoted\"",
        "# foo counter",
        r#"foo_total{a="b"} 17 @1520879607789"#,
        r#"foo_created{a="b"} 1520872607.123"#,
        "# rpc_seconds summary",
        "# rpc_seconds seconds",
        r#"rpc_seconds{quantile="1.0"} 1"#,
        "# st stateset",
        r#"st{st="on"} 1"#,
        r#"{"utf8 name", x="y"} 1 @1500"#,
    ];
    assert_eq!(openmetrics(body).unwrap(), plain);
    let options = ParseOptions { start_timestamps: true, ..ParseOptions::default() };
    let started = walk(Format::OpenMetrics, body.as_bytes(), options).unwrap();
    assert_eq!(started[2], r#"foo_total{a="b"} 17 @1520879607789 st 1520872607123"#);
    assert!(!started.iter().any(|l| l.contains("_created")));
}

#[test]
fn created_timestamps_are_found_wherever_they_stand_in_the_family() {
    let body = concat!(
        "# TYPE h histogram\n",
        "h_bucket{a=\"1\",le=\"1\"} 1\nh_bucket{a=\"1\",le=\"+Inf\"} 1\nh_count{a=\"1\"} 1\nh_sum{a=\"1\"} 1\n",
        "h_created{a=\"1\"} 1\n",
        "h_bucket{a=\"2\",le=\"+Inf\"} 1\nh_created{a=\"2\"} 2\n",
        "# TYPE other counter\nother_total 1\n# EOF\n",
    );
    let options = ParseOptions { start_timestamps: true, ..ParseOptions::default() };
    let lines = walk(Format::OpenMetrics, body.as_bytes(), options).unwrap();
    assert_eq!(
        lines,
        [
            "# h histogram",
            r#"h_bucket{a="1", le="1.0"} 1 st 1000"#,
            r#"h_bucket{a="1", le="+Inf"} 1 st 1000"#,
            r#"h_count{a="1"} 1 st 1000"#,
            r#"h_sum{a="1"} 1 st 1000"#,
            r#"h_bucket{a="2", le="+Inf"} 1 st 2000"#,
            "# other counter",
            "other_total 1",
        ]
    );
}

#[test]
fn openmetrics_is_strict() {
    for (body, want) in [
        ("", "line 1, column 1: expected \"# EOF\" at the end, found the end of the body"),
        ("a 1\n", "line 2, column 1: expected \"# EOF\" at the end, found the end of the body"),
        ("# EOF\n\n", "line 2, column 1: expected nothing after \"# EOF\", found the end of the line"),
        ("# EOFx", "line 1, column 6: expected nothing after \"# EOF\", found \"x\""),
        ("\n# EOF\n", "line 1, column 1: expected a metric name, '{' or '#', found the end of the line"),
        (
            "# comment\n# EOF\n",
            "line 1, column 1: expected \"# HELP \", \"# TYPE \", \"# UNIT \" or \"# EOF\", found \"#\"",
        ),
        (
            "# UNIT a seconds\n# EOF\n",
            "line 1, column 10: expected a unit that is a suffix of \"a\", found \"seconds\"",
        ),
        ("a  1\n# EOF\n", "line 1, column 3: expected a value after the metric, found a blank"),
        ("a 1 1 1\n# EOF\n", "line 1, column 6: expected the end of the line, found a blank"),
        ("a 1 NaN\n# EOF\n", "line 1, column 5: expected a timestamp in seconds, found \"NaN\""),
        ("a{b=\"c\", d=\"e\"} 1\n# EOF\n", "line 1, column 9: expected a label name, found a blank"),
    ] {
        assert_eq!(openmetrics(body).unwrap_err().to_string(), want, "{body:?}");
    }
    assert!(openmetrics("a 1\n# EOF").is_ok());
}

#[test]
fn type_and_unit_labels_are_added_when_asked_for() {
    let body = "# TYPE a_seconds gauge\n# UNIT a_seconds seconds\na_seconds{__type__=\"x\"} 1\n# EOF\n";
    let options = ParseOptions { type_and_unit_labels: true, ..ParseOptions::default() };
    let lines = walk(Format::OpenMetrics, body.as_bytes(), options).unwrap();
    assert_eq!(lines[2], r#"a_seconds{__type__="gauge", __unit__="seconds"} 1"#);
}

#[test]
fn an_expected_key_gives_the_same_samples() {
    let body = "a{x=\"1\"} 1\na{x=\"2\"} 2\na 3\nab 4\na {x=\"1\"} 5\n";
    let keys: [&[u8]; 4] = [b"a", b"a{x=\"1\"}", b"ab", b"zz"];
    let plain = text(body).unwrap();
    for key in keys {
        let mut parser = Parser::new(Format::Text, body.as_bytes(), ParseOptions::default());
        let mut got = Vec::new();
        while let Some(Event::Sample(s)) = parser.next(Some(key)).unwrap() {
            let ParsedValue::Float(v) = s.value else { panic!("{s:?}") };
            got.push(format!("{} {v}", parser.labels().unwrap().to_series_string()));
        }
        assert_eq!(got, plain, "{:?}", String::from_utf8_lossy(key));
    }
}

fn family(name: &str, kind: u64, metrics: &[&dyn Fn(&mut WireWriter)]) -> Vec<u8> {
    let mut w = WireWriter::default();
    w.bytes(1, name.as_bytes());
    w.bytes(2, b"help");
    w.uint(3, kind);
    for metric in metrics {
        w.message(4, |w| metric(w));
    }
    let mut out = WireWriter::default();
    out.varint(w.buf.len() as u64);
    out.buf.extend_from_slice(&w.buf);
    out.buf
}

fn label(w: &mut WireWriter, name: &str, value: &str) {
    w.message(1, |w| {
        w.bytes(1, name.as_bytes());
        w.bytes(2, value.as_bytes());
    });
}

fn native(w: &mut WireWriter) {
    label(w, "a", "b");
    w.message(7, |w| {
        w.uint(1, 6);
        w.double(2, 7.5);
        for (bound, count) in [(1.0, 2), (5.0, 6)] {
            w.message(3, |w| {
                w.uint(1, count);
                w.double(2, bound);
            });
        }
        w.sint(5, 3);
        w.double(6, 0.001);
        w.uint(7, 1);
        w.message(12, |w| {
            w.sint(1, -2);
            w.uint(2, 2);
        });
        w.uint(13, zigzag(2));
        w.uint(13, zigzag(1));
        w.message(15, |w| w.uint(1, 100));
    });
}

#[test]
fn protobuf_families_become_samples() {
    let mut body = family(
        "c_total",
        0,
        &[&|w| {
            label(w, "z", "1");
            label(w, "a", "2");
            w.message(3, |w| {
                w.double(1, 5.0);
                w.message(3, |w| {
                    w.uint(1, 1);
                    w.uint(2, 500_000_000);
                });
            });
            w.uint(6, 77);
        }],
    );
    body.extend(family(
        "s",
        2,
        &[&|w| {
            w.message(4, |w| {
                w.uint(1, 3);
                w.double(2, 4.0);
                w.message(3, |w| {
                    w.double(1, 1.0);
                    w.double(2, f64::NAN);
                });
            });
        }],
    ));
    body.extend(family("h", 4, &[&native]));
    let options = ParseOptions { start_timestamps: true, ..ParseOptions::default() };
    let want = [
        "# c_total counter help",
        r#"c_total{a="2", z="1"} 5 @77 st 1500"#,
        "# s summary help",
        "s_count 3",
        "s_sum 4",
        r#"s{quantile="1.0"} NaN"#,
        "# h histogram help",
        r#"h{a="b"} histogram(count 6 sum 7.5) st 100000"#,
    ];
    assert_eq!(walk(Format::Protobuf, &body, options).unwrap(), want);
    let classic = ParseOptions { ignore_native_histograms: true, ..ParseOptions::default() };
    let lines = walk(Format::Protobuf, &family("h", 4, &[&native]), classic).unwrap();
    let want = [
        "# h histogram help",
        r#"h_count{a="b"} 6"#,
        r#"h_sum{a="b"} 7.5"#,
        r#"h_bucket{a="b", le="1.0"} 2"#,
        r#"h_bucket{a="b", le="5.0"} 6"#,
        r#"h_bucket{a="b", le="+Inf"} 6"#,
    ];
    assert_eq!(lines, want);
}

#[test]
fn a_float_counts_in_protobuf_where_it_is_above_zero_and_else_the_whole_number() {
    // Whole numbers and floats of the count, the zero bucket and a bucket, in both orders.
    let histogram = |(whole, float): (u64, f64), float_first: bool| {
        move |w: &mut WireWriter| {
            let number = |w: &mut WireWriter, at: u32, float_at: u32| {
                if float_first {
                    w.double(float_at, float);
                }
                w.uint(at, whole);
                if !float_first {
                    w.double(float_at, float);
                }
            };
            w.message(7, |w| {
                number(w, 1, 4);
                number(w, 7, 8);
                w.message(3, |w| {
                    number(w, 1, 4);
                    w.double(2, 1.0);
                });
                w.double(6, 0.5);
            });
        }
    };
    let classic = ParseOptions { ignore_native_histograms: true, ..ParseOptions::default() };
    for (numbers, wanted) in [((3, 0.0), 3.0), ((3, 2.5), 2.5), ((0, 2.5), 2.5)] {
        for float_first in [true, false] {
            let body = family("h", 4, &[&histogram(numbers, float_first)]);
            let lines = walk(Format::Protobuf, &body, ParseOptions::default()).unwrap();
            assert_eq!(lines[1], format!("h histogram(count {wanted} sum 0)"));
            let lines = walk(Format::Protobuf, &body, classic).unwrap();
            assert_eq!(lines[1], format!("h_count {wanted}"));
            assert_eq!(lines[3], format!("h_bucket{{le=\"1.0\"}} {wanted}"));
        }
    }
}

/// A histogram with classic buckets alone, of which the second may hold less than the first.
fn classic_alone(second: u64) -> impl Fn(&mut WireWriter) {
    move |w| {
        w.message(7, |w| {
            w.uint(1, 6);
            for (bound, count) in [(1.0, 2), (5.0, second)] {
                w.message(3, |w| {
                    w.uint(1, count);
                    w.double(2, bound);
                });
            }
        });
    }
}

/// A histogram without classic buckets, of which two in the zero bucket count.
fn native_alone(count: u64) -> impl Fn(&mut WireWriter) {
    move |w| {
        w.message(7, |w| {
            w.uint(1, count);
            w.double(6, 0.001);
            w.uint(7, 2);
        });
    }
}

#[test]
fn what_becomes_of_histograms_in_protobuf_depends_on_what_they_have_and_are() {
    let names = |kind, histogram: &dyn Fn(&mut WireWriter), converts, always| {
        let options = ParseOptions {
            classic_to_custom_buckets: converts,
            always_classic_histograms: always,
            ..ParseOptions::default()
        };
        let lines = walk(Format::Protobuf, &family("h", kind, &[histogram]), options).unwrap();
        lines.iter().skip(1).map(|l| l.split(' ').next().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
    };
    let series = "h_count h_sum h_bucket{le=\"1.0\"} h_bucket{le=\"5.0\"} h_bucket{le=\"+Inf\"}";
    let (histogram, gauge) = (4, 5);
    for (kind, second, converts, always, wanted) in [
        (histogram, 4, false, false, series.to_owned()),
        (histogram, 4, true, false, "h".to_owned()),
        (histogram, 4, true, true, format!("h {series}")),
        // One that is none is left out; its series are, where they are wanted.
        (histogram, 1, true, false, String::new()),
        (histogram, 1, true, true, series.to_owned()),
        (gauge, 4, true, false, series.to_owned()),
    ] {
        assert_eq!(
            names(kind, &classic_alone(second), converts, always),
            wanted,
            "{kind} {second} {converts} {always}"
        );
    }
    // Classic series are made of classic buckets, of which there are none.
    assert_eq!(names(histogram, &native_alone(2), false, true), "h");
    assert_eq!(names(histogram, &native_alone(3), false, false), "h");
    let lines = walk(Format::Protobuf, &family("h", 4, &[&native_alone(3)]), ParseOptions::default()).unwrap();
    assert!(lines[1].starts_with("h defective(2 observations found in buckets, but the Count field is 3"), "{lines:?}");
}

#[test]
fn protobuf_histograms_carry_absolute_buckets() {
    let body = family("h", 5, &[&native]);
    let mut parser = Parser::new(Format::Protobuf, &body, ParseOptions::default());
    parser.next(None).unwrap();
    let Some(Event::Sample(s)) = parser.next(None).unwrap() else { panic!("no sample") };
    let ParsedValue::Histogram(h) = s.value else { panic!("not a histogram") };
    assert_eq!(h.positive_spans, [Span { offset: -2, length: 2 }]);
    assert_eq!(h.positive_buckets, [2.0, 3.0]);
    assert_eq!((h.schema, h.zero_count, h.zero_threshold), (3, 1.0, 0.001));
    assert_eq!(h.counter_reset_hint, crate::model::histogram::CounterResetHint::Gauge);
}

#[test]
fn content_types_name_their_format() {
    for (header, want) in [
        ("text/plain; version=0.0.4; charset=utf-8", Some(Format::Text)),
        ("application/openmetrics-text; version=1.0.0", Some(Format::OpenMetrics)),
        (
            "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited",
            Some(Format::Protobuf),
        ),
        ("text/html", None),
        ("", None),
    ] {
        assert_eq!(Format::from_content_type(header), want, "{header}");
    }
}

fn quoted(s: &str) -> String {
    format!("\"{}\"", s.replace('\\', "\\\\").replace('\n', "\\n").replace('"', "\\\""))
}

proptest! {
    #[test]
    fn what_is_written_in_either_text_format_is_read_back(
        name in "[a-zA-Z_:][a-zA-Z0-9_:]{0,8}|.{1,8}",
        pairs in prop::collection::btree_map("[a-z][a-z0-9_]{0,5}|.{1,6}", ".{1,12}", 0..4),
        v in prop::num::f64::ANY,
        t in prop::option::of(-1_000_000_000_000i64..4_000_000_000_000),
    ) {
        prop_assume!(!pairs.contains_key(METRIC_NAME));
        let body: Vec<String> = pairs.iter().map(|(n, v)| format!("{}={}", quoted(n), quoted(v))).collect();
        let series = format!("{{{}}}", std::iter::once(quoted(&name)).chain(body).collect::<Vec<_>>().join(","));
        let number = crate::model::number::format_float(v);
        let stamp = |t: Option<String>| t.map_or(String::new(), |t| format!(" {t}"));
        let plain = format!("{series} {number}{}\n", stamp(t.map(|t| t.to_string())));
        let om = format!("{series} {number}{}\n# EOF\n", stamp(t.map(|t| format!("{}", t / 1000))));
        // Times before 1970 are none in the plain format.
        prop_assert!(t.is_none_or(|t| t >= 0) || text(&plain).is_err());
        let formats = [(Format::Text, plain, 1), (Format::OpenMetrics, om, 1000)];
        for (format, body, factor) in formats.into_iter().skip(usize::from(t.is_some_and(|t| t < 0))) {
            let mut parser = Parser::new(format, body.as_bytes(), ParseOptions::default());
            let Some(Event::Sample(s)) = parser.next(None).unwrap() else { panic!("no sample in {body:?}") };
            prop_assert_eq!(s.timestamp, t.map(|t| t / factor * factor));
            let ParsedValue::Float(got) = s.value else { panic!("not a float") };
            prop_assert!(got == v || (got.is_nan() && v.is_nan()));
            let labels = parser.labels().unwrap();
            let mut want = pairs.clone();
            want.insert(METRIC_NAME.into(), name.clone());
            prop_assert_eq!(labels, Labels::from_pairs(want));
            prop_assert_eq!(parser.next(None).unwrap(), None);
        }
    }

    #[test]
    fn any_bytes_end_in_an_error_or_an_end(body: Vec<u8>) {
        for format in [Format::Text, Format::OpenMetrics, Format::Protobuf] {
            let _ = walk(format, &body, ParseOptions { start_timestamps: true, ..ParseOptions::default() });
        }
    }

    #[test]
    fn any_text_ends_in_an_error_or_an_end(body in "([a-c{}\",=# 01.\n\\\\]|# TYPE |# EOF|_created|_total){0,60}") {
        for format in [Format::Text, Format::OpenMetrics] {
            let _ = walk(format, body.as_bytes(), ParseOptions { start_timestamps: true, ..ParseOptions::default() });
        }
    }
}
