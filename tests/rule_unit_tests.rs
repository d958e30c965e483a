//! Unit tests of rules: promtool's verdict on the field's own files, failures a person can read, and no expectation that
//! may be altered unnoticed.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use watchbell::model::notation::parse_values;
use watchbell::model::{Labels, Value, is_stale, number};
use watchbell::ruletest::case::{ExpectedAlert, ExpectedSample, TestFile};
use watchbell::ruletest::files::load;
use watchbell::ruletest::report::{self, Style};
use watchbell::ruletest::run::{How, run_test};
use watchbell::ruletest::{FileOutcome, Options, run_files};

use crate::simulator::dice::Dice;
use crate::support::{peers, shared};

/// The files of the index with promtool's verdict (`true`: passes).
fn indexed(root: &Path) -> Vec<(PathBuf, bool)> {
    let index = std::fs::read_to_string(root.join("INDEX.tsv")).unwrap();
    let row = |line: &str| {
        let fields: Vec<&str> = line.split('\t').collect();
        // The one file that promtool 3.5 cannot read was written for 3.14, which passes it.
        (root.join(fields[0]), fields[7] != "fail")
    };
    index.lines().skip(1).map(row).collect()
}

fn run(files: &[PathBuf]) -> Vec<FileOutcome> {
    run_files(files, &Options::default(), &|_| {})
}

#[test]
fn the_verdict_on_every_file_of_the_field_is_promtools() {
    let Some(root) = shared("ruletests") else { return };
    let files = indexed(&root);
    assert!(files.len() >= 147, "{} files", files.len());
    let outcomes = run(&files.iter().map(|(f, _)| f.clone()).collect::<Vec<_>>());
    let wrong: Vec<String> = outcomes
        .iter()
        .zip(&files)
        .filter(|(o, (_, pass))| o.is_success() != *pass)
        .map(|(o, _)| report::file_text(o, Style::Plain))
        .collect();
    assert!(wrong.is_empty(), "{} verdicts differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn promtool_itself_gives_the_verdicts_of_the_index() {
    let (Some(root), Some(promtool)) = (shared("ruletests"), peers::find("promtool")) else { return };
    let files: Vec<_> = indexed(&root).into_iter().filter(|(f, _)| !f.ends_with("start-time-test.yml")).collect();
    let next = AtomicUsize::new(0);
    let wrong = parking_lot::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some((file, pass)) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let ran = std::process::Command::new(&promtool).args(["test", "rules"]).arg(file).output().unwrap();
                    if ran.status.success() != *pass {
                        wrong.lock().push(file.clone());
                    }
                }
            });
        }
    });
    assert!(wrong.lock().is_empty(), "{:?}", wrong.lock());
}

/// Every way to alter an expectation of a test, each as a test file of its own.
fn mutants(file: &TestFile, test: usize) -> Vec<(String, TestFile)> {
    let mut out = Vec::new();
    let mut push = |what: String, change: &dyn Fn(&mut TestFile)| {
        let mut altered = file.clone();
        change(&mut altered);
        out.push((what, altered));
    };
    let relabel = |l: &Labels| {
        let mut b = l.to_builder();
        b.set("altered", "yes");
        b.build()
    };
    for (i, alert) in file.tests[test].alert_tests.iter().enumerate() {
        let name = &alert.alertname;
        push(format!("one more {name}"), &|f| {
            let labels = Labels::from_pairs([("alertname", name.as_str()), ("altered", "yes")]);
            let extra = ExpectedAlert { labels, annotations: Labels::empty(), since: None };
            f.tests[test].alert_tests[i].expected.push(extra);
        });
        if !alert.expected.is_empty() {
            push(format!("one {name} fewer"), &|f| drop(f.tests[test].alert_tests[i].expected.pop()));
            push(format!("another label of {name}"), &|f| {
                let e = &mut f.tests[test].alert_tests[i].expected[0];
                e.labels = relabel(&e.labels);
            });
            push(format!("another annotation of {name}"), &|f| {
                let e = &mut f.tests[test].alert_tests[i].expected[0];
                e.annotations = relabel(&e.annotations);
            });
        }
    }
    for (i, expr) in file.tests[test].expr_tests.iter().enumerate() {
        push(format!("one more sample of {}", expr.expr), &|f| {
            let labels = Labels::from_pairs([("altered", "yes")]);
            f.tests[test].expr_tests[i].expected.push(ExpectedSample { labels, value: Value::Float(1.0) });
        });
        if !expr.expected.is_empty() {
            push(format!("one sample of {} fewer", expr.expr), &|f| drop(f.tests[test].expr_tests[i].expected.pop()));
            push(format!("another value of {}", expr.expr), &|f| {
                let e = &mut f.tests[test].expr_tests[i].expected[0];
                e.value = match &e.value {
                    Value::Float(v) if v.is_finite() => Value::Float(v * 1.001 + 1e-3),
                    Value::Float(_) => Value::Float(0.125),
                    Value::Histogram(h) => {
                        let mut h = (**h).clone();
                        h.count += 1.0;
                        Value::Histogram(Arc::new(h))
                    }
                };
            });
            push(format!("another label of {}", expr.expr), &|f| {
                let e = &mut f.tests[test].expr_tests[i].expected[0];
                e.labels = relabel(&e.labels);
            });
        }
    }
    out
}

#[test]
fn an_altered_expectation_fails_whatever_its_kind() {
    let Some(root) = shared("ruletests") else { return };
    // Altering is quadratic in a file's assertions: small files are plenty.
    let (mut tried, options) = (0, Options::default());
    for (path, passes) in indexed(&root) {
        let Ok((file, groups)) = load(&path, &options) else { continue };
        let assertions: usize = file.tests.iter().map(|t| t.alert_tests.len() + t.expr_tests.len()).sum();
        if !passes || assertions > 12 || tried > 400 {
            continue;
        }
        for test in 0..file.tests.len() {
            for (what, altered) in mutants(&file, test) {
                let how = How { features: options.features, covers: false };
                let result = run_test(&altered, &altered.tests[test], &groups, how);
                assert!(!result.failures.is_empty(), "{}: unnoticed: {what}", path.display());
                tried += 1;
            }
        }
    }
    assert!(tried > 200, "only {tried} expectations were altered");
}

#[test]
fn a_month_of_minutes_with_subqueries_over_weeks_is_tested() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/ruletest/month_test.yml");
    let outcome = run(&[path]).remove(0);
    assert!(outcome.is_success(), "{}", report::file_text(&outcome, Style::Plain));
    assert_eq!(outcome.passed, 3);
}

fn outcome_of(rules: &str, test: &str) -> FileOutcome {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("rules.yml"), rules).unwrap();
    let path = dir.path().join("test.yml");
    std::fs::write(&path, test).unwrap();
    let mut outcome = run(&[path]).remove(0);
    // The folder's name differs from run to run.
    let here = format!("{}/", dir.path().display());
    outcome.file = outcome.file.replace(&here, "").into();
    for d in outcome.bad_input.iter_mut().chain(&mut outcome.warnings) {
        d.file = d.file.replace(&here, "").into();
    }
    outcome
}

const RULES: &str = "groups:
  - name: gpu
    rules:
      - record: gpu:temp:max
        expr: max by (host) (gpu_temp)
      - alert: GpuHot
        expr: gpu:temp:max > 85
        for: 10m
        labels: {severity: page}
        annotations: {summary: 'GPU of {{ $labels.host }} at {{ $value }}°C'}
      - alert: Broken
        expr: gpu_temp * on (host) gpu_fan
";

const FAILING: &str = "rule_files: [rules.yml]
evaluation_interval: 1m
tests:
  - name: a hot GPU
    interval: 1m
    input_series:
      - series: gpu_temp{host=\"a\",gpu=\"0\"}
        values: 80 90x20
      - series: gpu_temp{host=\"b\",gpu=\"0\"}
        values: 70x14 90x6
    alert_rule_test:
      - eval_time: 15m
        alertname: GpuHot
        exp_alerts:
          - exp_labels: {host: a, severity: page}
            exp_annotations: {summary: 'GPU of a at 91°C'}
          - exp_labels: {host: b, severity: page}
      - eval_time: 15m
        alertname: GpuHott
        exp_alerts: [{exp_labels: {host: a}}]
    promql_expr_test:
      - expr: gpu:temp:max
        eval_time: 15m
        exp_samples:
          - {labels: 'gpu:temp:max{host=\"a\"}', value: 91}
          - {labels: 'gpu:temp:max{hots=\"b\"}', value: 90}
      - expr: gpu_tmp
        eval_time: 15m
        exp_samples: [{labels: gpu_tmp, value: 1}]
      - expr: gpu_temp +
        eval_time: 15m
  - name: two fans
    interval: 1m
    input_series:
      - {series: 'gpu_temp{host=\"a\",gpu=\"0\"}', values: 80x5}
      - {series: 'gpu_fan{host=\"a\",fan=\"0\"}', values: _x3 1x5}
      - {series: 'gpu_fan{host=\"a\",fan=\"1\"}', values: _x3 1x5}
    promql_expr_test:
      - {expr: count(gpu_temp), eval_time: 5m, exp_samples: [{value: 1}]}
";

#[test]
fn every_kind_of_failure_reads_well() {
    let outcome = outcome_of(RULES, FAILING);
    insta::assert_snapshot!("failures_text", report::file_text(&outcome, Style::Plain));
    insta::assert_snapshot!("failures_colour", report::file_text(&outcome, Style::Colour));
    insta::assert_snapshot!("failures_json", report::json_lines(&outcome));
    insta::assert_snapshot!("failures_github", report::annotations(&outcome));
    assert_eq!(report::summary_line(std::slice::from_ref(&outcome)), "1 passed, 6 failed");
    insta::assert_snapshot!("failures_junit", report::junit(&[outcome]));
}

#[test]
fn every_defect_of_a_test_file_is_reported_where_it_stands() {
    let text = "rule_files: [rules.yml, nothing-*.yml]
evaluation_interval: 1x
group_eval_order: [a, a]
tests:
  - intervall: 1m
    input_series:
      - series: 'up{job='
        values: 1
      - series: up
        values: '1 2 three'
    alert_rule_test:
      - eval_time: 5m
        exp_alerts: {}
    promql_expr_test:
      - expr: up
        eval_time: five
        exp_samples: [{labels: 'up{', value: x}]
    start_timestamp: yesterday
";
    insta::assert_snapshot!("bad_input", report::file_text(&outcome_of(RULES, text), Style::Plain));
    let bad_rules = "groups:\n  - name: g\n    rules:\n      - alert: A\n        expr: up +\n";
    let fine = "rule_files: [rules.yml, nothing-*.yml]\ntests: []\n";
    let outcome = outcome_of(bad_rules, fine);
    assert_eq!(outcome.bad_input.len(), 1, "{outcome:?}");
    assert_eq!(outcome.warnings[0].message, "no file matches nothing-*.yml");
}

/// An item of the notation of values.
fn item(dice: &mut Dice) -> String {
    let number = |d: &mut Dice| d.pick(&["0", "1", "-3", "0.1", "2.5e3", "1e-3", "7"]).to_owned();
    let times = dice.below(4);
    match dice.below(8) {
        0 => "_".into(),
        1 => format!("_x{}", times + 1),
        2 => "stale".into(),
        3 => dice.pick(&["NaN", "Inf", "-Inf"]).into(),
        4 => format!("{}x{times}", number(dice)),
        5 => format!("{}+{}x{times}", number(dice), number(dice).trim_start_matches('-')),
        6 => format!("{}-{}x{times}", number(dice), number(dice).trim_start_matches('-')),
        _ => number(dice),
    }
}

#[test]
fn the_notation_expands_as_promtool_expands_it() {
    let Some(promtool) = peers::find("promtool") else { return };
    const INTERVAL_MINUTES: usize = 10;
    let mut dice = Dice(7);
    let (mut series, mut expected) = (String::new(), String::new());
    for i in 0..60 {
        let notation = (0..=dice.below(5)).map(|_| item(&mut dice)).collect::<Vec<_>>().join(" ");
        let _ = writeln!(series, "      - {{series: 's{{n=\"{i}\"}}', values: '{notation}'}}");
        for (step, value) in parse_values(&notation).unwrap().iter().enumerate() {
            // A step is longer than the lookback: a query sees its own sample or none.
            let series = format!("s{{n=\"{i}\"}}");
            let (expr, samples) = match value {
                // NaN equals nothing, so that there is one is asked otherwise.
                Some(Value::Float(v)) if v.is_nan() && !is_stale(v) => {
                    (format!("count({series} != {series})"), "[{value: 1}]".to_owned())
                }
                Some(Value::Float(v)) if !is_stale(v) => {
                    let v = number::format_float_g(v).replace("+Inf", ".inf").replace("-Inf", "-.inf");
                    let samples = format!("[{{labels: '{series}', value: {v}}}]");
                    (series, samples)
                }
                _ => (series, "[]".to_owned()),
            };
            let at = step * INTERVAL_MINUTES;
            let _ = writeln!(expected, "      - {{expr: '{expr}', eval_time: {at}m, exp_samples: {samples}}}");
        }
    }
    let text = format!(
        "evaluation_interval: {INTERVAL_MINUTES}m\ntests:\n  - interval: {INTERVAL_MINUTES}m\n    input_series:\n{series}    promql_expr_test:\n{expected}"
    );
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("test.yml");
    std::fs::write(&path, text).unwrap();
    let theirs = std::process::Command::new(promtool).args(["test", "rules"]).arg(&path).output().unwrap();
    assert!(theirs.status.success(), "{}", String::from_utf8_lossy(&theirs.stderr));
    assert!(run(&[path])[0].is_success());
}

/// Something that may be a notation of values, or nearly.
fn odd_item(dice: &mut Dice) -> String {
    const NUMBERS: [&str; 32] = [
        "1", "0", "2.5", ".5", "5.", "1e3", "1E-2", "Inf", "inf", "NaN", "Infinity", "0x5", "1_000", "1__0", "1_",
        "1e1_0", "007", "1e", "-1", "+.5", "--1", "5m", "1.5.2", "-Inf", "1e400", "1e-400", "stale", "_", "09", "1i",
        "-0_10", "x",
    ];
    const HISTOGRAMS: [&str; 26] = [
        "{{}}",
        "{{ }}",
        "{{sum:3 count:2 buckets:[1 1]}}",
        "{{sum:1\tcount:2 }}",
        "{{ sum:1}}",
        "{{sum:+1}}",
        "{{sum:.5}}",
        "{{sum:-.5}}",
        "{{sum:5.}}",
        "{{sum:1e400}}",
        "{{sum:nan}}",
        "{{sum:-inf}}",
        "{{SUM:1}}",
        "{{sum:1 SUM:2}}",
        "{{count:1_0}}",
        "{{buckets:[]}}",
        "{{buckets:[ 1]}}",
        "{{buckets:[1 ]}}",
        "{{buckets:[-1]}}",
        "{{buckets:[-Inf]}}",
        "{{z_bucket_w:-1}}",
        "{{offset:+1}}",
        "{{offset:-1}}",
        "{{counter_reset_hint:Gauge}}",
        "{{counter_reset_hint:none}}",
        "{{sum}}",
    ];
    let (number, other) = (dice.pick(&NUMBERS), dice.pick(&NUMBERS));
    let (histogram, sign, times) = (dice.pick(&HISTOGRAMS), dice.pick(&["+", "-"]), dice.below(3));
    match dice.below(9) {
        0 | 1 => number.to_string(),
        2 => format!("{number}x{times}"),
        3 | 4 => format!("{number}{sign}{other}x{times}"),
        5 => format!("{number}{sign}{other}"),
        6 => histogram.to_string(),
        7 => format!("{histogram}x{times}"),
        _ => dice
            .pick(&["_x2", "_ x2", "1, 2", "1\t2", "1  2", "# 1", "1 x2", "_x1_0", "stale_", "STALE", "1\u{a0}2"])
            .to_string(),
    }
}

/// Something that may be a series, or nearly.
fn odd_series(dice: &mut Dice) -> &'static str {
    dice.pick(&[
        "s",
        "s",
        "s",
        "s",
        "s{a=\"b\"}",
        "s {a=\"b\"}",
        "{\"s\"}",
        "s{a='b',}",
        "s{\"a b\"=`c`}",
        "s{a!=\"b\"}",
        "s{,}",
        "1s",
        "s{1a=\"b\"}",
        "s{a=b}",
        "{\"inf\"}",
        "inf",
        "NaN{a=\"b\"}",
        "on",
        "Bool",
        "ignoring{a=\"b\"}",
        "group_left",
        "by",
        "sum{a=\"b\"}",
        "stale",
        "offset",
        "unless",
        "atan2",
        "s{bool=\"x\"}",
        "s{inf=\"x\"}",
        "s:x",
        "s 5",
        "s{a=\"\\q\"}",
    ])
}

#[test]
fn the_notation_is_what_promtool_reads_and_no_more() {
    let Some(promtool) = peers::find("promtool") else { return };
    const TESTS: usize = 250;
    let mut dice = Dice(11);
    let mut text = "evaluation_interval: 1m\ntests:\n".to_owned();
    let mut cases = Vec::new();
    for i in 0..TESTS {
        let series = odd_series(&mut dice);
        let values = (0..=dice.below(2)).map(|_| odd_item(&mut dice)).collect::<Vec<_>>().join(" ");
        let line = u32::try_from(text.lines().count() + 1).unwrap();
        let quoted = |s: &str| serde_json::to_string(s).unwrap();
        let _ = writeln!(text, "  - input_series: [{{series: {}, values: {}}}]", quoted(series), quoted(&values));
        // What is read is told by the failure of this.
        let _ = writeln!(
            text,
            "    promql_expr_test: [{{expr: vector(1), eval_time: 1m, exp_samples: [{{labels: read{i}x, value: 7}}]}}]"
        );
        cases.push((line, format!("{series} | {values}")));
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("test.yml");
    std::fs::write(&path, text).unwrap();
    let theirs = std::process::Command::new(promtool).args(["test", "rules"]).arg(&path).output().unwrap();
    let theirs = String::from_utf8_lossy(&theirs.stderr).into_owned() + &String::from_utf8_lossy(&theirs.stdout);
    let ours = run(&[path]).remove(0);
    let wrong: Vec<String> = cases
        .iter()
        .enumerate()
        .filter_map(|(i, (line, case))| {
            let read = theirs.contains(&format!("read{i}x"));
            let defect = ours.bad_input.iter().find(|d| d.position.line == *line);
            let told = defect.map_or("we read it".to_owned(), |d| d.message.clone());
            (read == defect.is_some()).then(|| format!("promtool reads it: {read}: {case}: {told}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{} differ:\n{}\n{theirs}", wrong.len(), wrong.join("\n"));
}

#[test]
fn expectations_are_compared_as_they_are_written() {
    let Some(promtool) = peers::find("promtool") else { return };
    let rules = "groups:
  - name: g
    rules:
      - {alert: A, expr: a, labels: {n: '', s: x}, annotations: {e: '', k: v, z: ~}}
";
    // What is expected, and whether that is what comes.
    let cases = [
        ("{exp_labels: {s: x}, exp_annotations: {e: '', k: v, z: ''}}", true),
        ("{exp_labels: {s: x}, exp_annotations: {e: ~, k: v, z: ~}}", true),
        ("{exp_labels: {s: x}, exp_annotations: {k: v}}", false),
        ("{exp_labels: {s: x, n: ''}, exp_annotations: {e: '', k: v, z: ''}}", false),
        ("{exp_labels: {s: x, n: ~}, exp_annotations: {e: '', k: v, z: ''}}", false),
        ("{exp_labels: {s: x, alertname: B}, exp_annotations: {e: '', k: v, z: ''}}", true),
    ];
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("rules.yml"), rules).unwrap();
    let path = dir.path().join("test.yml");
    for (expected, passes) in cases {
        let test = format!(
            "rule_files: [rules.yml]\ntests:\n  - interval: 1m\n    input_series: [{{series: a, values: 1}}]\n    alert_rule_test:\n      - {{eval_time: 0m, alertname: A, exp_alerts: [{expected}]}}\n"
        );
        std::fs::write(&path, test).unwrap();
        let theirs = std::process::Command::new(&promtool).args(["test", "rules"]).arg(&path).output().unwrap();
        let said = String::from_utf8_lossy(&theirs.stderr);
        assert_eq!(theirs.status.success(), passes, "{expected}: promtool says {said}");
        let ours = run(std::slice::from_ref(&path)).remove(0);
        assert_eq!(ours.is_success(), passes, "{expected}: {}", report::file_text(&ours, Style::Plain));
    }
}

#[test]
fn budgets_count_samples_that_there_are() {
    let test =
        |expr: &str, samples: &str| format!("      - {{expr: '{expr}', eval_time: 10m, exp_samples: [{samples}]}}\n");
    let header = "rule_files: [rules.yml]
tests:
  - interval: 1m
    input_series: [{series: 'x{a=\"1\"}', values: 10x10}, {series: 'x{a=\"2\"}', values: 20x10}]
    promql_expr_test:
";
    let text = [
        header,
        &test("avg_over_time(sum(x)[7d:])", "{value: 30}"),
        &test(
            "avg_over_time((x + x)[7d:])",
            "{labels: \"{a=\\\"1\\\"}\", value: 20}, {labels: \"{a=\\\"2\\\"}\", value: 40}",
        ),
        &test("sum(count_over_time(count_values(\"v\", x)[7d:]))", "{value: 22}"),
        &test("sum(count_over_time(topk(1, x)[7d:]))", "{value: 11}"),
        &test("sum(count_over_time((x and x)[7d:]))", "{value: 22}"),
    ]
    .concat();
    let outcome = outcome_of("groups: []\n", &text);
    assert!(outcome.is_success(), "{}", report::file_text(&outcome, Style::Plain));
    // A sample a minute for a week there is.
    let full = [header, &test("count_over_time(vector(1)[7d:])", "{value: 10080}")].concat();
    let failed = report::file_text(&outcome_of("groups: []\n", &full), Style::Plain);
    assert!(failed.contains("too many samples"), "{failed}");
}

#[test]
fn promql_is_that_of_prometheus_3_14_without_switches() {
    let text = "rule_files: [rules.yml]
tests:
  - interval: 1m
    input_series: [{series: x, values: 0+1x10}]
    promql_expr_test:
      - {expr: 'first_over_time(x[5m+1m])', eval_time: 10m, exp_samples: [{labels: x, value: 5}]}
      - {expr: 'x offset (2 * 1m)', eval_time: 10m, exp_samples: [{labels: x, value: 8}]}
";
    let outcome = outcome_of("groups: []\n", text);
    assert!(outcome.is_success(), "{}", report::file_text(&outcome, Style::Plain));
}

#[test]
fn a_test_goes_on_where_rules_read_each_other_in_any_order() {
    let rules = "groups:
  - name: later
    rules:
      - {alert: Late, expr: 'a > 1'}
      - {record: a, expr: 'b + 1'}
      - {record: c, expr: 'c + 1 or b'}
";
    let test = "rule_files: [rules.yml]
tests:
  - interval: 1m
    input_series: [{series: b, values: 0+1x10}]
    alert_rule_test:
      - {eval_time: 1m, alertname: Late, exp_alerts: []}
      - {eval_time: 2m, alertname: Late, exp_alerts: [{}]}
    promql_expr_test:
      - {expr: a, eval_time: 5m, exp_samples: [{labels: a, value: 6}]}
      - {expr: c, eval_time: 5m, exp_samples: [{labels: c, value: 5}]}
";
    let outcome = outcome_of(rules, test);
    assert!(outcome.is_success(), "{}", report::file_text(&outcome, Style::Plain));
}

#[test]
fn what_two_writers_of_one_series_come_to_is_promtools_verdict() {
    let Some(promtool) = peers::find("promtool") else { return };
    let record = |expr: &str| format!("      - {{record: r, expr: '{expr}'}}\n");
    let alert = |expr: &str, hold: &str| format!("      - {{alert: A, expr: '{expr}', for: {hold}}}\n");
    let one = "{series: a, values: 1+0x10}, {series: b, values: 2+0x10}";
    // Rules, input, the sum of all that `r` has been, and what is to come of it.
    let cases = [
        (alert("a", "0m") + &alert("a", "3m"), one, None, true),
        (alert("a", "3m") + &alert("a > 0", "3m") + &record("ALERTS"), one, Some(6), true),
        // Active since different times: ALERTS_FOR_STATE has two values.
        (alert("a", "1m") + &alert("timestamp(a) > 100", "1m"), one, None, false),
        (record("a") + &record("a"), one, Some(6), true),
        (record("a") + &record("b"), one, None, false),
        // A marker that comes late is refused, which is no failure; one that comes first is in the way of a value.
        (
            record("a and on () (vector(time()) < 100)") + &record("b and on () (vector(time()) > 100)"),
            one,
            None,
            false,
        ),
        (
            record("b and on () (vector(time()) > 100)") + &record("a and on () (vector(time()) < 100)"),
            one,
            Some(10),
            true,
        ),
        (
            record("b and on () (vector(time()) > 100 < 200)") + &record("a and on () (vector(time()) > 200)"),
            one,
            None,
            false,
        ),
        (record("a"), "{series: a, values: 1+0x10}, {series: r, values: 1+0x10}", Some(6), true),
        (record("a"), "{series: a, values: 1+0x10}, {series: r, values: 1 2+0x10}", None, false),
        (
            record("a and on () (vector(time()) > 200)"),
            "{series: a, values: 1+0x10}, {series: r, values: 5 5 5}",
            Some(17),
            true,
        ),
    ];
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("test.yml");
    for (rules, series, sum, passes) in cases {
        let rules = format!("groups:\n  - name: g\n    rules:\n{rules}");
        let mut test = format!(
            "rule_files: [rules.yml]\ntests:\n  - interval: 1m\n    input_series: [{series}]\n    promql_expr_test:\n"
        );
        match sum {
            Some(sum) => {
                let expr = "sum(sum_over_time(r[10m]))";
                let _ = writeln!(test, "      - {{expr: '{expr}', eval_time: 5m, exp_samples: [{{value: {sum}}}]}}");
            }
            None => test.push_str("      - {expr: b, eval_time: 5m, exp_samples: [{labels: b, value: 2}]}\n"),
        }
        std::fs::write(dir.path().join("rules.yml"), &rules).unwrap();
        std::fs::write(&path, &test).unwrap();
        let theirs = std::process::Command::new(&promtool).args(["test", "rules"]).arg(&path).output().unwrap();
        let said = String::from_utf8_lossy(&theirs.stderr).into_owned() + &String::from_utf8_lossy(&theirs.stdout);
        let ours = run(std::slice::from_ref(&path)).remove(0);
        let text = report::file_text(&ours, Style::Plain);
        assert_eq!(
            ours.is_success(),
            theirs.status.success(),
            "{rules}{test}\nwe say:\n{text}\npromtool says:\n{said}"
        );
        assert_eq!(theirs.status.success(), passes, "{rules}{test}\npromtool says:\n{said}");
    }
}
