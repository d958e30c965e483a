use super::*;
use crate::config::relabel::RelabelRegex;
use crate::config::{RelabelAction, RelabelConfig};
use crate::ingest::wire::WireWriter;

fn target() -> Labels {
    Labels::from_pairs([("instance", "h:1"), ("job", "j")])
}

#[test]
fn without_a_sample_limit_what_is_read_is_bounded_all_the_same() {
    let mut scraper = Scraper::new();
    // What relabelling drops was read, too.
    let all = RelabelRegex::new(".*").unwrap();
    scraper.settings.metric_relabel =
        vec![RelabelConfig { action: RelabelAction::Drop, regex: all, ..RelabelConfig::default() }];
    let body = "a 1\n".repeat(MOST_SAMPLES as usize + 1);
    assert_eq!(scraper.scrape(&body), Err(DigestError::TooManySamples));
    // The operator's limit rules where there is one.
    scraper.settings.limits.samples = 1;
    assert_eq!(scraper.scrape(&body), Ok(vec!["2000001 0 0".to_owned()]));
}

#[test]
fn names_that_the_scheme_does_not_allow_fail_a_scrape() {
    let odd = "a 1\n{\"b.c\"} 1\n";
    let mut scraper = Scraper::new();
    assert!(scraper.scrape(odd).is_ok());
    let mut scraper = Scraper::new();
    scraper.settings.names = crate::config::protocol::NameScheme::Legacy;
    let error = scraper.scrape(odd).unwrap_err().to_string();
    assert_eq!(error, "invalid metric name or label names: {__name__=\"b.c\", instance=\"h:1\", job=\"j\"}");
    assert!(scraper.scrape("a{\"x y\"=\"1\"} 1\n").is_err());
    assert!(scraper.scrape("a:b{x=\"1\"} 1\n").is_ok());
}

#[test]
fn what_a_failed_scrape_leaves_behind_is_forgotten() {
    let mut cache = SeriesCache::new();
    let settings = ScrapeSettings::new("j");
    let fail = |cache: &mut SeriesCache, series: std::ops::Range<usize>| {
        let body: String = series.map(|i| format!("a{{i=\"{i}\"}} 1\n")).chain(["!".into()]).collect();
        assert!(digest(cache, &settings, &target(), Format::Text, body.as_bytes(), 0).is_err());
        let read = cache.remembered();
        cache.recover();
        (read, cache.remembered())
    };
    assert_eq!(fail(&mut cache, 0..20_000), (20_000, 0));
    // A little each time is much in the end.
    for n in 0..20 {
        let (read, kept) = fail(&mut cache, n * 9_900..(n + 1) * 9_900);
        assert!(read <= 19_800 && kept <= 10_000, "{n}: {read} {kept}");
    }
    // A target of many series is not learnt anew because it failed once.
    let body: String = (0..30_000).map(|i| format!("b{{i=\"{i}\"}} 1\n")).collect();
    let mut cache = SeriesCache::new();
    digest(&mut cache, &settings, &target(), Format::Text, body.as_bytes(), 0).unwrap();
    cache.settle();
    assert_eq!(fail(&mut cache, 0..20_000), (50_000, 50_000));
    assert_eq!(fail(&mut cache, 20_000..45_000), (75_000, 0));
    // What a target says of its families is bounded, however often it says something else.
    for i in 0..40 {
        let help = format!("# HELP m{i} {}\n", "x".repeat(1 << 20));
        digest(&mut cache, &settings, &target(), Format::Text, help.as_bytes(), 0).unwrap();
    }
    let held: usize = cache.metadata().values().map(|m| m.help.len()).sum();
    assert!(held <= 16 << 20 && cache.metadata().contains_key("m39"));
}

struct Scraper {
    cache: SeriesCache,
    settings: ScrapeSettings,
    now: i64,
}

impl Scraper {
    fn new() -> Self {
        Scraper { cache: SeriesCache::new(), settings: ScrapeSettings::new("j"), now: 0 }
    }

    /// A scrape's outcome: `series value @t`, then the series that went.
    fn scrape(&mut self, body: &str) -> Result<Vec<String>, DigestError> {
        self.scrape_as(Format::Text, body.as_bytes())
    }

    fn scrape_as(&mut self, format: Format, body: &[u8]) -> Result<Vec<String>, DigestError> {
        self.now += 1000;
        let out = digest(&mut self.cache, &self.settings, &target(), format, body, self.now)?;
        let mut lines = Vec::new();
        for s in &out.samples {
            let labels = self.cache.get(s.entry).unwrap().labels.clone().unwrap();
            let value = match &s.value {
                Value::Float(v) => v.to_string(),
                Value::Histogram(h) => format!("{:?} {:?}", h.custom_values, h.positive_buckets),
            };
            lines.push(format!("{} {value} @{}", labels.to_series_string(), s.t));
        }
        let gone = self.cache.settle();
        lines.extend(gone.iter().map(|(_, l)| format!("gone {}", l.to_series_string())));
        lines.push(format!("{} {} {}", out.scraped, out.kept, out.added));
        Ok(lines)
    }
}

#[test]
fn series_come_stay_and_go() {
    let mut s = Scraper::new();
    assert_eq!(
        s.scrape("a{x=\"1\"} 1\na{x=\"2\"} 2\nb 3 77\n").unwrap(),
        [
            r#"a{instance="h:1", job="j", x="1"} 1 @1000"#,
            r#"a{instance="h:1", job="j", x="2"} 2 @1000"#,
            r#"b{instance="h:1", job="j"} 3 @77"#,
            "3 3 3"
        ]
    );
    // Another order, one gone, one new: the expectation of what follows may be wrong, the answer may not.
    assert_eq!(
        s.scrape("a{x=\"2\"} 5\nc 1\n").unwrap(),
        [
            r#"a{instance="h:1", job="j", x="2"} 5 @2000"#,
            r#"c{instance="h:1", job="j"} 1 @2000"#,
            r#"gone a{instance="h:1", job="j", x="1"}"#,
            "2 2 1"
        ]
    );
    assert_eq!(s.scrape("c 1\n").unwrap()[1], r#"gone a{instance="h:1", job="j", x="2"}"#);
    assert!(s.scrape("c 1\nbroken").is_err());
    assert_eq!(s.cache.lose_all().len(), 1);
    assert_eq!(s.cache.lose_all().len(), 0);
    assert_eq!(s.scrape("c 2\n").unwrap(), [r#"c{instance="h:1", job="j"} 2 @5000"#, "1 1 0"]);
    for _ in 0..5 {
        s.scrape("c 2\n").unwrap();
    }
    assert_eq!(s.cache.find(b"a{x=\"1\"}"), None);
    assert_eq!(s.scrape("a{x=\"1\"} 1\n").unwrap().last().unwrap(), "1 1 1");
}

#[test]
fn timestamps_are_honored_or_not_and_tracked_or_not() {
    let mut s = Scraper::new();
    assert_eq!(s.scrape("b 3 77\n").unwrap()[0], r#"b{instance="h:1", job="j"} 3 @77"#);
    assert_eq!(s.scrape("").unwrap(), ["0 0 0"]);
    s.settings.track_timestamps_staleness = true;
    s.scrape("b 3 78\n").unwrap();
    assert_eq!(s.scrape("").unwrap()[0], r#"gone b{instance="h:1", job="j"}"#);
    s.settings.honor_timestamps = false;
    assert_eq!(s.scrape("b 3 79\n").unwrap()[0], r#"b{instance="h:1", job="j"} 3 @5000"#);
}

#[test]
fn labels_of_target_and_sample_are_merged() {
    let exposed = Labels::from_pairs([("__name__", "m"), ("job", "theirs"), ("exported_job", "older"), ("x", "y")]);
    let merged = |honor| with_target_labels(&exposed, &target(), honor).to_series_string();
    assert_eq!(
        merged(false),
        r#"m{exported_exported_job="theirs", exported_job="older", instance="h:1", job="j", x="y"}"#
    );
    assert_eq!(merged(true), r#"m{exported_job="older", instance="h:1", job="theirs", x="y"}"#);
}

#[test]
fn metric_relabelling_drops_and_renames() {
    let mut s = Scraper::new();
    let regex = |pattern| RelabelRegex::new(pattern).unwrap();
    let name = || vec!["__name__".to_owned()];
    s.settings.metric_relabel = vec![
        RelabelConfig {
            source_labels: name(),
            regex: regex("go_.*"),
            action: RelabelAction::Drop,
            ..RelabelConfig::default()
        },
        RelabelConfig {
            source_labels: name(),
            regex: regex("old"),
            target_label: "__name__".into(),
            replacement: "new".into(),
            ..RelabelConfig::default()
        },
    ];
    for added in [1, 0] {
        let lines = s.scrape("go_x 1\nold 2\n").unwrap();
        assert!(lines[0].starts_with(r#"new{instance="h:1", job="j"} 2"#));
        assert_eq!(lines[1], format!("2 1 {added}"));
    }
    s.settings.metric_relabel =
        vec![RelabelConfig { regex: regex("__name__"), action: RelabelAction::LabelDrop, ..RelabelConfig::default() }];
    assert_eq!(s.scrape("nameless 1\n"), Err(DigestError::NoName));
}

#[test]
fn limits_refuse_the_body() {
    let with = |set: fn(&mut ScrapeSettings)| {
        let mut s = Scraper::new();
        set(&mut s.settings);
        s.scrape("metric{label=\"value\"} 1\nb 2\n").map_err(|e| e.to_string())
    };
    assert_eq!(with(|s| s.limits.samples = 1).unwrap_err(), "sample limit exceeded");
    assert_eq!(
        with(|s| s.limits.labels = 3).unwrap_err(),
        "label_limit exceeded (metric: metric, number of labels: 4, limit: 3)"
    );
    assert_eq!(
        with(|s| s.limits.label_name_length = 7).unwrap_err(),
        "label_name_length_limit exceeded (metric: metric, label name: __name__, length: 8, limit: 7)"
    );
    assert_eq!(
        with(|s| s.limits.label_value_length = 5).unwrap_err(),
        "label_value_length_limit exceeded (metric: metric, label name: __name__, value: \"metric\", length: 6, limit: 5)"
    );
    assert!(with(|s| (s.limits.samples, s.limits.labels) = (2, 4)).is_ok());
}

#[test]
fn classic_histograms_become_custom_buckets_when_asked_for() {
    let body = concat!(
        "# TYPE h histogram\n",
        "h_bucket{a=\"1\",le=\"1\"} 1\nh_bucket{a=\"1\",le=\"+Inf\"} 3\nh_sum{a=\"1\"} 4\nh_count{a=\"1\"} 3\n",
        "# TYPE g gauge\ng_count 5\n",
    );
    let mut s = Scraper::new();
    s.settings.convert_classic_histograms_to_nhcb = true;
    for (i, added) in [2, 0].into_iter().enumerate() {
        let t = 1000 * (i + 1);
        let want = [
            format!(r#"g_count{{instance="h:1", job="j"}} 5 @{t}"#),
            format!(r#"h{{a="1", instance="h:1", job="j"}} [1.0] [1.0, 2.0] @{t}"#),
            format!("2 2 {added}"),
        ];
        assert_eq!(s.scrape(body).unwrap(), want);
    }
    s = Scraper::new();
    s.settings.convert_classic_histograms_to_nhcb = true;
    s.settings.always_scrape_classic_histograms = true;
    assert_eq!(s.scrape(body).unwrap().last().unwrap(), "6 6 6");
}

#[test]
fn what_is_no_classic_histogram_is_not_converted() {
    let histogram = "# TYPE h histogram\n";
    let whole = "h_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 3\nh_sum 4\nh_count 3\n";
    // What Prometheus stores of each.
    for (rest, wanted) in [
        (format!("{whole}rpc_count 7\nh_created 5\n"), &["rpc_count 7", "h_created 5", "h [1.0] [1.0, 2.0]"][..]),
        (whole.replace("h_count 3", "h_count 5"), &[]),
        (whole.replace("} 1", "} 1.5").replace("h_count 3", "h_count 5"), &[]),
        (whole.replace("} 1", "} 1.5"), &["h [1.0] [1.5, 1.5]"]),
        (whole.replace("\"1\"", "\"-Inf\"") + "x 1\n", &["x 1"]),
        (whole.replace("\"1\"", "\"NaN\"") + "x 1\n", &["h_bucket{le=\"NaN\"} 1", "x 1", "h [] [3.0]"]),
        (whole.replace("\"1\"", "\"1e999\"") + "x 1\n", &["h_bucket{le=\"1e999\"} 1", "x 1", "h [] [3.0]"]),
        (format!("h_bucket{{le=\"1\"}} 1\nh_bucket{{le=\"1.0\"}} 2\n{whole}"), &["h [1.0] [1.0, 2.0]"]),
        ("h_bucket{le=\"1\"} 1\nh_bucket{le=\"2\"} 3\n".into(), &["h [1.0, 2.0] [1.0, 2.0]"]),
        (format!("h_bucket 1\n{}", whole.replace("h_bucket{le=\"1\"} 1\n", "")), &["h_bucket 1", "h [] [3.0]"]),
    ] {
        let mut s = Scraper::new();
        s.settings.convert_classic_histograms_to_nhcb = true;
        let body = format!("{histogram}{rest}");
        for t in [1000, 2000] {
            let mut lines = s.scrape(&body).unwrap();
            lines.pop();
            let bare: Vec<_> = lines.iter().map(|l| strip_target(l, t)).collect();
            assert_eq!(bare, wanted, "{body}");
        }
    }
    // In OpenMetrics there are gauges, and created timestamps, which are left out with what they are about.
    let mut s = Scraper::new();
    s.settings.convert_classic_histograms_to_nhcb = true;
    let body = format!(
        "# TYPE g gaugehistogram\n{}{histogram}{whole}h_created 5\n# TYPE c counter\nc_total 5\nc_created 3\n# EOF\n",
        whole.replace("h_", "g_").replace("g_sum", "g_gsum").replace("g_count", "g_gcount")
    );
    let mut lines = s.scrape_as(Format::OpenMetrics, body.as_bytes()).unwrap();
    lines.pop();
    let bare: Vec<_> = lines.iter().map(|l| strip_target(l, 1000)).collect();
    let gauge = ["g_bucket{le=\"1.0\"} 1", "g_bucket{le=\"+Inf\"} 3", "g_gsum 4", "g_gcount 3"];
    assert_eq!(bare, [&gauge[..], &["c_total 5", "h [1.0] [1.0, 2.0]"]].concat());
}

/// A line without what the target adds.
fn strip_target(line: &str, t: i64) -> String {
    let line = line.strip_suffix(&format!(" @{t}")).unwrap();
    line.replace("{instance=\"h:1\", job=\"j\"}", "").replace("instance=\"h:1\", job=\"j\", ", "")
}

#[test]
fn a_histogram_that_contradicts_itself_refuses_the_body_unless_it_is_dropped() {
    let mut h = WireWriter::default();
    h.bytes(1, b"h");
    h.uint(3, 4);
    h.message(4, |w| {
        w.message(7, |w| {
            w.uint(1, 3);
            w.double(6, 0.5);
            w.uint(7, 2);
        });
    });
    let mut body = WireWriter::default();
    body.varint(h.buf.len() as u64);
    body.buf.extend_from_slice(&h.buf);
    let mut s = Scraper::new();
    s.settings.scrape_native_histograms = true;
    let told = s.scrape_as(Format::Protobuf, &body.buf).unwrap_err().to_string();
    assert!(told.starts_with("2 observations found in buckets, but the Count field is 3"), "{told}");
    let mut s = Scraper::new();
    s.settings.scrape_native_histograms = true;
    let drop = RelabelConfig { action: RelabelAction::Drop, ..RelabelConfig::default() };
    s.settings.metric_relabel = vec![drop];
    assert_eq!(s.scrape_as(Format::Protobuf, &body.buf).unwrap(), ["1 0 0"]);
}

#[test]
fn resolution_is_lowered_to_the_limits() {
    for (factor, want) in [(0.0, None), (1.0, None), (1.1, Some(3)), (2.0, Some(0)), (4.0, Some(-1)), (1e9, Some(-4))] {
        assert_eq!(finest_schema(factor), want, "{factor}");
    }
    let fine = Arc::new(FloatHistogram {
        schema: 3,
        count: 4.0,
        positive_spans: vec![crate::model::histogram::Span { offset: 1, length: 4 }],
        positive_buckets: vec![1.0; 4],
        ..FloatHistogram::default()
    });
    let limited = |buckets, min_bucket_factor| {
        let limits = ScrapeLimits { buckets, min_bucket_factor, ..ScrapeLimits::default() };
        limit_buckets(fine.clone(), &limits).map(|h| (h.schema, h.positive_buckets.len()))
    };
    assert_eq!(limited(0, 0.0), Ok((3, 4)));
    assert_eq!(limited(2, 0.0), Ok((2, 2)));
    assert_eq!(limited(0, 2.0), Ok((0, 1)));
}
