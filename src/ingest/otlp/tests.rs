use proptest::prelude::*;

use super::*;
use crate::ingest::wire::WireWriter;
use crate::model::{Matcher, SampleBuf};
use crate::tsdb::Queryable;

const NOW: i64 = 1_700_000_000_000;

fn packed(n: &[u64]) -> Vec<f64> {
    n.iter().map(|n| f64::from_bits(*n)).collect()
}

fn attribute(w: &mut WireWriter, number: u32, key: &str, value: impl Fn(&mut WireWriter)) {
    w.message(number, |kv| {
        kv.bytes(1, key.as_bytes());
        kv.message(2, value);
    });
}

fn text(value: &str) -> impl Fn(&mut WireWriter) {
    move |w: &mut WireWriter| w.bytes(1, value.as_bytes())
}

/// Name, unit, field of the data, whether it is monotonic, the point.
type Case = (&'static str, &'static str, u32, bool, Box<dyn Fn(&mut WireWriter)>);

fn at(w: &mut WireWriter) {
    w.fixed64(3, NOW as u64 * 1_000_000);
}

fn value_of(v: f64) -> Box<dyn Fn(&mut WireWriter)> {
    Box::new(move |w| {
        at(w);
        w.double(4, v);
    })
}

fn exponential(scale: i64) -> Box<dyn Fn(&mut WireWriter)> {
    Box::new(move |w| {
        at(w);
        w.fixed64(4, 16);
        w.double(5, 12.5);
        w.sint(6, scale);
        w.fixed64(7, 3);
        w.message(8, |b| {
            b.sint(1, -2);
            [1u64, 0, 0, 0, 2, 4].into_iter().for_each(|n| b.uint(2, n));
        });
        w.message(9, |b| {
            b.sint(1, 3);
            [1u64, 5].into_iter().for_each(|n| b.uint(2, n));
        });
    })
}

fn cases() -> Vec<Case> {
    let with_attributes = Box::new(|w: &mut WireWriter| {
        attribute(w, 7, "http.route", text("/a b"));
        attribute(w, 7, "http_route", text("/c"));
        attribute(w, 7, "_hidden", text("x"));
        attribute(w, 7, "9lives", text("y"));
        attribute(w, 7, "double..under", text("z"));
        attribute(w, 7, "is.it", |w| w.uint(2, 1));
        attribute(w, 7, "n", |w| w.uint(3, 42));
        attribute(w, 7, "f", |w| w.double(4, 0.25));
        attribute(w, 7, "empty", text(""));
        value_of(0.5)(w);
    });
    let histogram = Box::new(|w: &mut WireWriter| {
        at(w);
        w.fixed64(4, 10);
        w.double(5, 12.5);
        w.doubles(6, &packed(&[1, 2, 3, 4]));
        w.doubles(7, &[0.5, 1.0, 2.5]);
        w.message(8, |e| {
            e.fixed64(2, NOW as u64 * 1_000_000);
            e.double(3, 0.75);
            e.bytes(5, &[0xab, 0xcd]);
        });
    });
    let summary = Box::new(|w: &mut WireWriter| {
        at(w);
        w.fixed64(4, 9);
        w.double(5, 3.25);
        for (q, v) in [(0.5, 1.0), (0.999, 2.0)] {
            w.message(6, |quantile| {
                quantile.double(1, q);
                quantile.double(2, v);
            });
        }
    });
    vec![
        ("cpu.utilization", "1", 5, false, with_attributes),
        ("disk.io-bytes", "By/s", 5, false, value_of(1.0)),
        ("requests", "{request}", 7, true, value_of(3.0)),
        ("in.flight", "1", 7, false, value_of(5.0)),
        ("2xx..latency", "ms", 9, false, histogram),
        ("sizes", "KiBy", 10, false, exponential(2)),
        ("fine sizes", "", 10, false, exponential(9)),
        ("gc.pauses", "us", 11, false, summary),
    ]
}

/// A request with points of all kinds, of a service.
fn request_of_all() -> Vec<u8> {
    let mut w = WireWriter::default();
    w.message(1, |resource_metrics| {
        resource_metrics.message(1, |resource| {
            attribute(resource, 1, "service.name", text("checkout"));
            attribute(resource, 1, "service.namespace", text("shop"));
            attribute(resource, 1, "service.instance.id", text("i-1"));
            attribute(resource, 1, "k8s.pod.name", text("pod-0"));
        });
        resource_metrics.message(2, |scope_metrics| {
            scope_metrics.message(1, |scope| {
                scope.bytes(1, b"lib");
                attribute(scope, 3, "scope.attr", text("s"));
            });
            for (name, unit, field, is_monotonic, point) in cases() {
                scope_metrics.message(2, |metric| {
                    metric.bytes(1, name.as_bytes());
                    metric.bytes(2, b"help");
                    metric.bytes(3, unit.as_bytes());
                    metric.message(field, |data| {
                        data.message(1, point);
                        data.uint(2, 2);
                        data.uint(3, u64::from(is_monotonic));
                    });
                });
            }
        });
    });
    w.buf
}

/// All series with their values, without what all have in common.
fn stored(settings: &OtlpSettings) -> String {
    let tsdb = Tsdb::in_memory();
    receive(&tsdb, (settings, &Cumulative::default()), NOW, &request_of_all()).unwrap();
    let mut lines = Vec::new();
    for series in tsdb.select(&[Matcher::new(crate::model::MatchOp::Regex, "__name__", ".+").unwrap()], 0, NOW).unwrap()
    {
        let mut buf = SampleBuf::default();
        series.read(0, NOW, false, &mut buf).unwrap();
        let floats = buf.vs.iter().map(f64::to_string);
        let all: Vec<String> = floats.chain(buf.hists.iter().map(|(_, h)| h.to_notation())).collect();
        let labels = series.labels().to_string().replace(r#", instance="i-1", job="shop/checkout""#, "");
        lines.push(format!("{labels} {}", all.join(" ")));
    }
    lines.sort();
    for (series, found) in tsdb.exemplars(&[vec![]], 0, NOW) {
        let found = found.iter().map(|e| format!("{} {}", e.labels, e.value)).collect::<String>();
        lines.push(format!("exemplar of {}: {found}", series.value("le")));
    }
    lines.join("\n")
}

#[test]
fn points_of_all_kinds_are_stored_as_by_prometheus() {
    insta::assert_snapshot!("default", stored(&OtlpSettings::default()));
    let escaped = OtlpSettings::default().label_names;
    insta::assert_snapshot!(
        "promoted",
        stored(&OtlpSettings {
            promoted: Promoted::AllBut(vec!["service.name".into()]),
            strategy: TranslationStrategy::NoTranslation,
            label_names: LabelNames { escapes: false, ..escaped },
            keep_identifying: true,
            to_custom_buckets: true,
            promote_scope: true,
            deltas: Deltas::LeaveOut,
        })
    );
}

/// A request with one metric of one point.
fn request(name: &str, kind: u32, temporality: u64, point: impl Fn(&mut WireWriter)) -> Vec<u8> {
    let mut w = WireWriter::default();
    w.message(1, |resource| {
        resource.message(2, |scope| {
            scope.message(2, |metric| {
                metric.bytes(1, name.as_bytes());
                metric.message(kind, |data| {
                    data.message(1, &point);
                    data.uint(2, temporality);
                    data.uint(3, 1);
                });
            });
        });
    });
    w.buf
}

#[test]
fn attributes_are_written_as_the_collector_writes_them() {
    let of = |value: &dyn Fn(&mut WireWriter)| {
        let mut w = WireWriter::default();
        attribute(&mut w, 1, "a", value);
        attributes(&w.buf, 1).unwrap().remove(0).1
    };
    for (v, wanted) in [
        (1.0, "1"),
        (123_456_789.0, "123456789"),
        (0.25, "0.25"),
        (-0.0, "-0"),
        (1e-6, "0.000001"),
        (1.5e-7, "1.5e-7"),
        (1e-10, "1e-10"),
        (1e21, "1e+21"),
        (f64::NAN, "json: unsupported value: NaN"),
        (f64::INFINITY, "json: unsupported value: +Inf"),
    ] {
        assert_eq!(of(&|w| w.double(4, v)), wanted);
    }
    assert_eq!(of(&|w| w.uint(3, 1 << 60)), "1152921504606846976");
    assert_eq!((of(&text("<&>")), of(&|_| ())), ("<&>".into(), String::new()));
    let list = |number: f64| {
        of(&move |w: &mut WireWriter| {
            w.message(5, |list| {
                list.message(1, |one| one.double(4, number));
                list.message(1, |one| one.bytes(1, b"<a&\"b\">"));
                list.message(1, |one| {
                    one.message(6, |map| {
                        attribute(map, 1, "z", |w| w.uint(3, 1));
                        attribute(map, 1, "a", |w| w.uint(2, 1));
                        attribute(map, 1, "n", |_| ());
                    });
                });
            });
        })
    };
    let rest = r#","\u003ca\u0026\"b\"\u003e",{"a":true,"n":null,"z":1}]"#;
    assert_eq!(list(1.0), format!("[1{rest}"));
    assert_eq!(list(1e-7), format!("[1e-7{rest}"));
    assert_eq!(list(f64::NAN), "");
}

#[test]
fn the_labels_of_an_exemplar_that_are_too_long_leave_the_ids_of_trace_and_span() {
    for (length, wanted) in [(61, 3), (62, 2)] {
        let tsdb = Tsdb::in_memory();
        let message = request("m", 5, 0, |w| {
            value_of(1.0)(w);
            w.message(5, |e| {
                e.fixed64(2, NOW as u64 * 1_000_000);
                e.double(3, 1.0);
                e.bytes(4, &[1; 8]);
                e.bytes(5, &[2; 16]);
                attribute(e, 7, "user", text(&"\u{e9}".repeat(length)));
            });
        });
        receive(&tsdb, (&OtlpSettings::default(), &Cumulative::default()), NOW, &message).unwrap();
        let found = tsdb.exemplars(&[vec![]], 0, NOW);
        let labels = &found[0].1[0].labels;
        assert_eq!((labels.len(), labels.value("span_id")), (wanted, "0101010101010101"), "{length}");
    }
}

#[test]
fn histograms_that_do_not_count_what_is_in_their_buckets_are_not_stored() {
    let stored = |settings: &OtlpSettings, kind: u32, point: &dyn Fn(&mut WireWriter)| {
        let tsdb = Tsdb::in_memory();
        let received = receive(&tsdb, (settings, &Cumulative::default()), NOW, &request("m", kind, 2, point));
        received.map(|written| written.histograms).map_err(|e| (e.status, e.message))
    };
    let exponential = |count: u64, sum: f64| {
        move |w: &mut WireWriter| {
            at(w);
            w.fixed64(4, count);
            w.double(5, sum);
            w.fixed64(7, 3);
        }
    };
    let default = OtlpSettings::default();
    assert_eq!(stored(&default, 10, &exponential(3, 1.0)), Ok(1));
    assert_eq!(stored(&default, 10, &exponential(4, f64::NAN)), Ok(1));
    let (status, told) = stored(&default, 10, &exponential(4, 1.0)).unwrap_err();
    assert!(status == 400 && told.starts_with("3 observations found in buckets, but the Count field is 4"), "{told}");
    let explicit = |count: u64| {
        move |w: &mut WireWriter| {
            at(w);
            w.fixed64(4, count);
            w.double(5, 1.0);
            w.doubles(6, &packed(&[1, 2]));
            w.doubles(7, &[0.5]);
        }
    };
    let custom = OtlpSettings { to_custom_buckets: true, ..OtlpSettings::default() };
    assert_eq!(stored(&custom, 9, &explicit(3)), Ok(1));
    assert_eq!(stored(&custom, 9, &explicit(4)), Ok(0));
}

fn number(t: i64, v: f64, flags: u64) -> impl Fn(&mut WireWriter) {
    move |w: &mut WireWriter| {
        w.fixed64(3, t as u64 * 1_000_000);
        w.double(4, v);
        w.uint(8, flags);
    }
}

fn values(tsdb: &Tsdb, name: &str) -> Vec<(i64, u64)> {
    let mut buf = SampleBuf::default();
    for series in tsdb.select(&[Matcher::equal("__name__", name)], i64::MIN, i64::MAX).unwrap() {
        series.read(i64::MIN, i64::MAX, false, &mut buf).unwrap();
    }
    buf.ts.iter().copied().zip(buf.vs.iter().map(|v| v.to_bits())).collect()
}

fn store(tsdb: &Tsdb, message: &[u8]) -> Result<Written, WriteError> {
    receive(tsdb, (&OtlpSettings::default(), &Cumulative::default()), NOW, message)
}

#[test]
fn a_point_without_a_value_ends_its_series() {
    let tsdb = Tsdb::in_memory();
    store(&tsdb, &request("m", 5, 0, number(NOW, 7.0, 0))).unwrap();
    store(&tsdb, &request("m", 5, 0, number(NOW + 1, 0.0, 1))).unwrap();
    assert_eq!(values(&tsdb, "m"), [(NOW, 7f64.to_bits()), (NOW + 1, STALE_NAN.to_bits())]);
}

#[test]
fn deltas_are_left_out_and_what_is_beside_them_is_stored() {
    let tsdb = Tsdb::in_memory();
    let both = [request("d", 7, 1, number(NOW, 7.0, 0)), request("c", 7, 2, number(NOW, 7.0, 0))].concat();
    assert_eq!(store(&tsdb, &both).unwrap().samples, 1);
    assert_eq!((values(&tsdb, "d_total").len(), values(&tsdb, "c_total").len()), (0, 1));
}

#[test]
fn deltas_are_stored_as_they_are_or_added_up_where_that_is_wanted() {
    let exponential = |t: i64| {
        let point = exponential(1);
        move |w: &mut WireWriter| {
            point(w);
            w.fixed64(3, t as u64 * 1_000_000);
        }
    };
    for (deltas, numbers, count, kind) in [
        (Deltas::Keep, [7f64, 5.0], 16.0, MetricType::Unknown),
        (Deltas::AddUp, [7.0, 12.0], 32.0, MetricType::Counter),
    ] {
        let (tsdb, cumulative) = (Tsdb::in_memory(), Cumulative::default());
        let settings = OtlpSettings { deltas, ..OtlpSettings::default() };
        for (t, v) in [(NOW, 7.0), (NOW + 10, 5.0)] {
            let both = [request("d", 7, 1, number(t, v, 0)), request("e", 10, 1, exponential(t))].concat();
            receive(&tsdb, (&settings, &cumulative), NOW, &both).unwrap();
        }
        // What says nothing of how its values follow each other is left out still.
        receive(&tsdb, (&settings, &cumulative), NOW, &request("u", 7, 0, number(NOW, 1.0, 0))).unwrap();
        let want = [(NOW, numbers[0].to_bits()), (NOW + 10, numbers[1].to_bits())];
        assert_eq!((values(&tsdb, "d_total").as_slice(), values(&tsdb, "u_total").len()), (&want[..], 0));
        assert_eq!(tsdb.metadata("d_total")[0].kind, kind);
        let series = tsdb.select(&[Matcher::equal("__name__", "e")], 0, NOW + 10).unwrap();
        let (_, newest) = series[0].latest(0, NOW + 10).unwrap().unwrap();
        let Value::Histogram(h) = newest else { panic!("{newest:?}") };
        assert_eq!(h.count, count);
        assert_eq!(h.counter_reset_hint == CounterResetHint::Gauge, deltas == Deltas::Keep);
    }
}

#[test]
fn one_sample_that_is_refused_refuses_the_request() {
    let tsdb = Tsdb::in_memory();
    store(&tsdb, &request("m", 5, 0, number(NOW, 7.0, 0))).unwrap();
    for (t, why) in [(NOW - 1, "out of order sample"), (NOW + 11 * 60_000, "too far in the future")] {
        let both = [request("n", 5, 0, number(NOW, 7.0, 0)), request("m", 5, 0, number(t, 7.0, 0))].concat();
        let error = store(&tsdb, &both).unwrap_err();
        assert!(error.status == 400 && error.message.contains(why), "{error}");
        assert_eq!(values(&tsdb, "n"), []);
    }
}

#[test]
fn lists_and_maps_are_json_and_nesting_has_an_end() {
    let nested = |depth: usize| {
        let mut value = WireWriter::default();
        value.bytes(1, b"x");
        for _ in 0..depth {
            let inner = std::mem::take(&mut value);
            value.message(5, |list| list.bytes(1, &inner.buf));
        }
        let attribute = move |w: &mut WireWriter| {
            number(NOW, 1.0, 0)(w);
            w.message(7, |kv| {
                kv.bytes(1, b"a.b");
                kv.bytes(2, &value.buf);
            });
        };
        request("m", 5, 0, attribute)
    };
    let tsdb = Tsdb::in_memory();
    store(&tsdb, &nested(2)).unwrap();
    let found = tsdb.select(&[Matcher::equal("a_b", "[[\"x\"]]")], i64::MIN, i64::MAX).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(store(&tsdb, &nested(1_000)).unwrap_err().status, 400);
}

proptest! {
    #[test]
    fn any_message_ends_in_an_answer(message: Vec<u8>, at in 0usize..120, byte: u8) {
        let tsdb = Tsdb::in_memory();
        let _ = store(&tsdb, &message);
        for kind in [5, 7, 9, 10, 11] {
            let mut message = request("m", kind, 2, number(NOW, 7.0, 0));
            if let Some(b) = message.get_mut(at) {
                *b = byte;
            }
            let _ = store(&tsdb, &message);
        }
    }
}
