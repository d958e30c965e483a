//! The script runner is strict: scripts altered in one expectation fail there, and nowhere else.
//!
//! A test takes one alteration in so many, by turns; `WATCHBELL_ALL_MUTANTS=1` takes all.

use std::path::{Path, PathBuf};

use regex::Regex;
use watchbell::promql::script;

/// An evaluation with what was loaded before it.
struct Case {
    /// Loads since the last `clear`.
    loads: String,
    /// The line with the query, then what it expects.
    lines: Vec<String>,
}

/// A way to alter what is expected: all the altered blocks it makes of one.
struct Alteration {
    name: &'static str,
    make: fn(&[String]) -> Vec<Vec<String>>,
}

const ALTERATIONS: &[Alteration] = &[
    Alteration {
        name: "another number",
        make: |b| each(b, SAMPLES, r"[-+]?(?:\d+(?:\.\d+)?(?:e[-+]?\d+)?|Inf|NaN)\b", number),
    },
    Alteration {
        name: "another label value",
        make: |b| each(b, LABELS, r#"="([^"]*)""#, |s| Some(format!("{}~\"", &s[..s.len() - 1]))),
    },
    Alteration {
        name: "another label name",
        make: |b| each(b, LABELS, r#"[a-z_]+="[^"]"#, |s| Some(format!("not_{s}"))),
    },
    Alteration {
        name: "another metric name",
        make: |b| each(b, LABELS, r"^[a-zA-Z_:][a-zA-Z0-9_:]*", |s| Some(format!("not_{s}"))),
    },
    Alteration { name: "a metric name more", make: |b| each(b, LABELS, r"^\{", |_| Some("named{".into())) },
    Alteration { name: "a series less", make: |b| series(b).map(|i| without(b, i)).collect() },
    Alteration {
        name: "a series more",
        make: |b| if fails(b) || scalar(b) { vec![] } else { vec![with(b, b.len(), "more{x=\"y\"} 1")] },
    },
    Alteration {
        name: "a sample less",
        make: |b| {
            if instant(b) {
                vec![]
            } else {
                each(b, SAMPLES, r" [^ ]*[^ _]$", |s| (!s.contains('}') && !s.contains('x')).then(String::new))
            }
        },
    },
    Alteration {
        name: "a sample more",
        make: |b| if instant(b) { vec![] } else { series(b).map(|i| changed(b, i, format!("{} 1", b[i]))).collect() },
    },
    Alteration {
        name: "a gap",
        make: |b| {
            if instant(b) {
                vec![]
            } else {
                each(b, SAMPLES, r" -?\d+(\.\d+)?( |$)", |s| {
                    Some(format!(" _{}", if s.ends_with(' ') { " " } else { "" }))
                })
            }
        },
    },
    Alteration { name: "another order", make: swapped },
    Alteration {
        name: "another counter reset hint",
        make: |b| {
            each(b, SAMPLES, r"counter_reset_hint:\w+", |s| {
                Some(if s.ends_with("gauge") {
                    "counter_reset_hint:reset".into()
                } else {
                    "counter_reset_hint:gauge".into()
                })
            })
        },
    },
    Alteration { name: "a float for a histogram", make: |b| each(b, SAMPLES, r"\{\{.*?\}\}", |_| Some("7".into())) },
    Alteration {
        name: "a histogram for a float",
        make: |b| each(b, SAMPLES, r" -?\d+(\.\d+)?$", |_| Some(" {{sum:1 count:1}}".into())),
    },
    Alteration {
        name: "a bucket more",
        make: |b| each(b, SAMPLES, r"[^_]buckets:\[[^\]]+", |s| Some(format!("{s} 3"))),
    },
    Alteration {
        name: "another text",
        make: |b| each(b, NOTES, r"(?:msg|regex): *.", |s| Some(format!("{}~", &s[..s.len() - 1]))),
    },
    Alteration {
        name: "a note denied",
        make: |b| {
            each(b, NOTES, r"^expect (?:warn|info)\b.*", |s| {
                Some(if s.contains("warn") { "expect no_warn".into() } else { "expect no_info".into() })
            })
        },
    },
    Alteration {
        name: "a note demanded",
        make: |b| each(b, NOTES, r"^expect no_(?:warn|info)", |s| Some(s.replace("no_", ""))),
    },
    Alteration {
        name: "a failure demanded",
        make: |b| if fails(b) { vec![] } else { vec![with(b, 1, "expect fail")] },
    },
    Alteration {
        name: "no failure",
        make: |b| if fails(b) { vec![vec![b[0].replace("eval_fail", "eval")]] } else { vec![] },
    },
    Alteration { name: "another string", make: |b| each(b, NOTES, r#"^expect string .."#, |s| Some(format!("{s}~"))) },
];

/// Which part of a line an alteration may touch.
type Part = fn(&str) -> Option<std::ops::Range<usize>>;

/// What follows a series' labels, or a scalar.
const SAMPLES: Part = |line| {
    let end = line.len();
    if line.starts_with("expect") || line.starts_with("eval") {
        return None;
    }
    let outside = line.find("{{").unwrap_or(end);
    match line[..outside].rfind('}') {
        Some(at) => Some(at + 1..end),
        None => Some(line.find(char::is_whitespace).unwrap_or(0)..end),
    }
};
const LABELS: Part = |line| {
    let samples = SAMPLES(line)?;
    Some(0..samples.start)
};
const NOTES: Part = |line| line.starts_with("expect").then_some(0..line.len());

/// Every place in every line's part where a pattern is found, altered.
fn each(block: &[String], part: Part, pattern: &str, alter: impl Fn(&str) -> Option<String>) -> Vec<Vec<String>> {
    let pattern = Regex::new(pattern).unwrap();
    let mut out = Vec::new();
    for (i, line) in block.iter().enumerate().skip(1) {
        let Some(range) = part(line) else { continue };
        for found in pattern.find_iter(&line[range.clone()]) {
            let Some(new) = alter(found.as_str()) else { continue };
            let (from, to) = (range.start + found.start(), range.start + found.end());
            out.push(changed(block, i, format!("{}{new}{}", &line[..from], &line[to..])));
        }
    }
    out
}

fn number(text: &str) -> Option<String> {
    match text.trim_start_matches(['-', '+']) {
        "NaN" => Some("1".into()),
        "Inf" => Some("17".into()),
        digits => {
            let v: f64 = digits.parse().ok()?;
            let sign = &text[..text.len() - digits.len()];
            // Beyond the tolerance of comparisons.
            Some(format!("{sign}{}", if v < 1_000.0 { v + 1.0 } else { v * 1.001 }))
        }
    }
}

fn changed(block: &[String], i: usize, line: String) -> Vec<String> {
    let mut out = block.to_vec();
    out[i] = line;
    out
}

fn without(block: &[String], i: usize) -> Vec<String> {
    let mut out = block.to_vec();
    out.remove(i);
    out
}

fn with(block: &[String], i: usize, line: &str) -> Vec<String> {
    let mut out = block.to_vec();
    out.insert(i, line.to_owned());
    out
}

/// The lines that expect series.
fn series(block: &[String]) -> impl Iterator<Item = usize> + '_ {
    let is_series = |l: &String| !l.starts_with("expect ") && !l.starts_with("expected_") && l.parse::<f64>().is_err();
    (1..block.len()).filter(move |i| is_series(&block[*i]))
}

fn scalar(block: &[String]) -> bool {
    block.iter().skip(1).any(|l| l.parse::<f64>().is_ok() || l.starts_with("expect string"))
}

fn fails(block: &[String]) -> bool {
    block[0].starts_with("eval_fail")
        || block.iter().any(|l| l.starts_with("expect fail") || l.starts_with("expected_fail"))
}

fn instant(block: &[String]) -> bool {
    block[0].contains(" instant ") && !block.iter().any(|l| l.starts_with("expect range vector"))
}

/// Two neighbours changed about, where order counts.
fn swapped(block: &[String]) -> Vec<Vec<String>> {
    if !block[0].starts_with("eval_ordered") && !block.iter().any(|l| l == "expect ordered") {
        return Vec::new();
    }
    let series: Vec<usize> = series(block).collect();
    let swap = |pair: &[usize]| {
        let mut out = block.to_vec();
        out.swap(pair[0], pair[1]);
        out
    };
    series.windows(2).map(swap).collect()
}

fn cases(text: &str) -> Vec<Case> {
    let lines: Vec<&str> = text.lines().map(str::trim).map(|l| if l.starts_with('#') { "" } else { l }).collect();
    let (mut out, mut loads) = (Vec::new(), String::new());
    for block in lines.split(|l| l.is_empty()).filter(|b| !b.is_empty()) {
        let mut rest = block;
        while rest.first() == Some(&"clear") {
            loads.clear();
            rest = &rest[1..];
        }
        match rest.first() {
            Some(first) if first.starts_with("load") => loads.push_str(&format!("{}\n\n", rest.join("\n"))),
            Some(_) => out.push(Case { loads: loads.clone(), lines: rest.iter().map(|l| l.to_string()).collect() }),
            None => {}
        }
    }
    out
}

/// Whether the evaluation passes, and nothing else is wrong.
fn passes(case: &Case, lines: &[String]) -> bool {
    let report = script::run(&format!("{}{}\n", case.loads, lines.join("\n")));
    let line = case.loads.lines().count() + 1;
    let elsewhere = report.failures.iter().find(|f| f.line < line);
    assert!(elsewhere.is_none(), "{elsewhere:?}\n{}", lines.join("\n"));
    report.failures.is_empty()
}

fn run(folder: &Path) -> (usize, Vec<String>) {
    let all = std::env::var_os("WATCHBELL_ALL_MUTANTS").is_some();
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    let (mut mutants, mut survivors, mut turn) = (0, Vec::new(), 0);
    for file in files.iter().filter(|f| f.extension().is_some_and(|e| e == "test")) {
        for case in cases(&std::fs::read_to_string(file).unwrap()) {
            assert!(passes(&case, &case.lines), "{}: {}", file.display(), case.lines.join("\n"));
            for alteration in ALTERATIONS {
                turn += 1;
                if !all && turn % 8 != 0 {
                    continue;
                }
                let mut altered = (alteration.make)(&case.lines);
                altered.retain(|block| *block != case.lines);
                if !all && !altered.is_empty() {
                    altered = vec![altered.swap_remove(turn / 8 % altered.len())];
                }
                mutants += altered.len();
                let surviving = altered.iter().filter(|block| passes(&case, block));
                let name = file.file_name().unwrap_or_default().to_string_lossy();
                survivors.extend(surviving.map(|b| format!("{name}, {}:\n{}\n", alteration.name, b.join("\n"))));
            }
        }
    }
    eprintln!("{mutants} mutants, {} survive", survivors.len());
    (mutants, survivors)
}

#[test]
fn altered_scripts_of_our_own_fail() {
    let (mutants, survivors) = run(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/promql"));
    assert!(mutants > 50 && survivors.is_empty(), "{mutants} mutants, surviving:\n{}", survivors.join("\n"));
}

#[test]
fn altered_scripts_of_prometheus_fail() {
    let Some(folder) = crate::support::shared("promqltest") else { return };
    let (mutants, survivors) = run(&folder);
    assert!(mutants > 1_000 && survivors.is_empty(), "{mutants} mutants, surviving:\n{}", survivors.join("\n"));
}
