//! The lines of a script as commands.

use regex::Regex;

use crate::model::duration;
use crate::model::notation::{Content, Values, parse_series};
use crate::model::number::parse_float;
use crate::model::{Labels, Value, re2};

/// A command and the line it starts at, from 1.
#[derive(Clone, Debug)]
pub(super) struct Command {
    pub line: usize,
    pub kind: CommandKind,
}

/// What a script can do.
#[derive(Clone, Debug)]
pub(super) enum CommandKind {
    /// Not a command: its text, and why not.
    Malformed {
        text: String,
        fault: String,
    },
    Clear,
    Load {
        step: i64,
        nhcb: bool,
        lines: Vec<String>,
    },
    Eval(Box<Eval>),
}

/// Evaluate and compare.
#[derive(Clone, Debug)]
pub(super) struct Eval {
    pub query: String,
    pub start: i64,
    pub end: i64,
    /// `None` for an instant query.
    pub step: Option<i64>,
    pub expect: Expect,
}

/// What an evaluation must come to.
#[derive(Clone, Debug, Default)]
pub(super) struct Expect {
    pub ordered: bool,
    /// The query must fail; the texts any of which it must fail with.
    pub fail: Option<Vec<Text>>,
    pub warn: Vec<Text>,
    pub info: Vec<Text>,
    pub no_warn: bool,
    pub no_info: bool,
    pub string: Option<String>,
    pub scalar: Option<f64>,
    /// Start, end and step of a range vector.
    pub range_vector: Option<(i64, i64, i64)>,
    pub series: Vec<(Labels, Values)>,
}

/// A text to be found.
#[derive(Clone, Debug)]
pub(super) enum Text {
    Any,
    Exactly(String),
    Pattern(Regex),
}

impl Text {
    pub fn matches(&self, text: &str) -> bool {
        match self {
            Text::Any => true,
            Text::Exactly(t) => t == text,
            Text::Pattern(p) => p.is_match(text),
        }
    }

    pub fn describe(&self) -> String {
        match self {
            Text::Any => "any".into(),
            Text::Exactly(t) => format!("{t:?}"),
            Text::Pattern(p) => format!("/{}/", p.as_str()),
        }
    }
}

/// What is wrong, and how many lines after the command's first.
type Fault = (usize, String);

/// Cuts a script into commands. A block ends at an empty line; comments count as empty lines. What is no command spoils
/// its block only: the rest of the script still tells something.
pub(super) fn parse(text: &str) -> Vec<Command> {
    let lines: Vec<&str> = text.lines().map(str::trim).map(|l| if l.starts_with('#') { "" } else { l }).collect();
    let mut out = Vec::new();
    let mut i = 0;
    while let Some(first) = lines.get(i) {
        let line = i + 1;
        i += 1;
        if first.is_empty() {
            continue;
        }
        let word = first.split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
        if word == "clear" {
            out.push(Command { line, kind: CommandKind::Clear });
            continue;
        }
        let block: Vec<&str> = lines.iter().skip(i).take_while(|l| !l.is_empty()).copied().collect();
        i += block.len();
        let kind = if word.starts_with("load") {
            load(first, &word, &block).map_err(|e| (0, e))
        } else if word.starts_with("eval") {
            eval(first, &word, &block).map(|e| CommandKind::Eval(Box::new(e)))
        } else {
            Err((0, format!("unknown command {first:?}")))
        };
        out.push(match kind {
            Ok(kind) => Command { line, kind },
            Err((after, fault)) => {
                let text = lines.get(line - 1 + after).copied().unwrap_or_default().to_owned();
                Command { line: line + after, kind: CommandKind::Malformed { text, fault } }
            }
        });
    }
    out
}

fn load(first: &str, word: &str, block: &[&str]) -> Result<CommandKind, String> {
    let nhcb = match word {
        "load" => false,
        "load_with_nhcb" => true,
        other => return Err(format!("unknown command {other:?}")),
    };
    let step = first.split_whitespace().nth(1).ok_or("load needs a step")?;
    let step = duration::parse(step).map_err(|e| format!("invalid step definition {step:?}: {e}"))?;
    Ok(CommandKind::Load { step, nhcb, lines: block.iter().map(|l| (*l).to_owned()).collect() })
}

fn eval(first: &str, word: &str, block: &[&str]) -> Result<Eval, Fault> {
    let mut eval = question(first, word).map_err(|e| (0, e))?;
    for (i, line) in block.iter().enumerate() {
        expected_line(line, &mut eval).map_err(|e| (i + 1, e))?;
    }
    Ok(eval)
}

/// The first line of an evaluation.
fn question(first: &str, word: &str) -> Result<Eval, String> {
    let mut expect = Expect::default();
    match word {
        "eval" => {}
        "eval_fail" => expect.fail = Some(Vec::new()),
        "eval_warn" => expect.warn.push(Text::Any),
        "eval_info" => expect.info.push(Text::Any),
        "eval_ordered" => expect.ordered = true,
        other => return Err(format!("unknown command {other:?}")),
    }
    let (_, rest) = next_word(first);
    let (kind, rest) = next_word(rest);
    let eval = match kind {
        "instant" => {
            let (at, query) = match next_word(rest) {
                ("at", rest) => next_word(rest),
                _ => ("0", rest),
            };
            let at = time(at)?;
            Eval { query: query.to_owned(), start: at, end: at, step: None, expect }
        }
        "range" => {
            let mut rest = rest;
            let mut times = [0; 3];
            for (slot, keyword) in times.iter_mut().zip(["from", "to", "step"]) {
                let (found, tail) = next_word(rest);
                if found != keyword {
                    return Err(format!("invalid range evaluation command: expected {keyword:?}, found {found:?}"));
                }
                let (value, tail) = next_word(tail);
                *slot = time(value)?;
                rest = tail;
            }
            let [start, end, step] = times;
            if end < start {
                return Err("invalid range evaluation command: end is before start".into());
            }
            Eval { query: rest.to_owned(), start, end, step: Some(step), expect }
        }
        other => return Err(format!("invalid evaluation command: {other:?} is neither instant nor range")),
    };
    if eval.query.is_empty() {
        return Err("evaluation without a query".into());
    }
    Ok(eval)
}

fn next_word(s: &str) -> (&str, &str) {
    let s = s.trim_start();
    let end = s.find(char::is_whitespace).unwrap_or(s.len());
    let (word, rest) = s.split_at(end);
    (word, rest.trim_start())
}

/// A time of a script: a duration since the epoch, possibly negative.
fn time(s: &str) -> Result<i64, String> {
    let (sign, magnitude) = match s.strip_prefix('-') {
        Some(m) => (-1, m),
        None => (1, s),
    };
    duration::parse(magnitude).map(|ms| sign * ms).map_err(|e| format!("invalid timestamp {s:?}: {e}"))
}

fn expected_line(line: &str, eval: &mut Eval) -> Result<(), String> {
    if eval.expect.scalar.is_some() {
        return Err(format!("{line:?}: nothing can follow a scalar"));
    }
    let (word, rest) = next_word(line);
    match word {
        "expect" => expectation(rest, eval),
        "expected_fail_message" => {
            eval.expect.fail.get_or_insert_default().push(Text::Exactly(rest.to_owned()));
            Ok(())
        }
        "expected_fail_regexp" => {
            eval.expect.fail.get_or_insert_default().push(pattern(rest)?);
            Ok(())
        }
        _ => match parse_float(line) {
            Some(_) if !eval.expect.series.is_empty() => Err(format!("{line:?}: a scalar cannot follow series")),
            Some(v) => {
                eval.expect.scalar = Some(v);
                Ok(())
            }
            None => expected_series(line, eval),
        },
    }
}

fn expected_series(line: &str, eval: &mut Eval) -> Result<(), String> {
    let series = parse_series(line).map_err(|e| format!("{line:?}: {e}"))?;
    let Content::Samples(values) = series.content else {
        return Err(format!("{line:?}: start timestamps cannot be expected"));
    };
    if eval.step.is_none() && eval.expect.range_vector.is_none() && values.len() != 1 {
        return Err(format!("{line:?}: an instant query has one value a series"));
    }
    if eval.expect.series.iter().any(|(labels, _)| *labels == series.labels) {
        return Err(format!("{line:?}: this series is expected twice"));
    }
    eval.expect.series.push((series.labels, values));
    Ok(())
}

fn pattern(s: &str) -> Result<Text, String> {
    re2::compile(s).map(Text::Pattern).map_err(|e| format!("invalid regex {s:?}: {e}"))
}

fn expectation(rest: &str, eval: &mut Eval) -> Result<(), String> {
    let (what, tail) = next_word(rest);
    let (what, tail) = match what.split_once(':') {
        Some((w, _)) => (w, tail),
        None => (what, tail),
    };
    let text = || -> Result<Text, String> {
        if tail.is_empty() {
            return Ok(Text::Any);
        }
        if let Some(message) = tail.strip_prefix("msg:") {
            return Ok(Text::Exactly(message.trim().to_owned()));
        }
        match tail.strip_prefix("regex:") {
            Some(p) => pattern(p.trim()),
            None => Err(format!("invalid expect statement {rest:?}: expected msg: or regex:")),
        }
    };
    let expect = &mut eval.expect;
    match what {
        "fail" => expect.fail.get_or_insert_default().push(text()?),
        "warn" => expect.warn.push(text()?),
        "info" => expect.info.push(text()?),
        "no_warn" => expect.no_warn = true,
        "no_info" => expect.no_info = true,
        "ordered" => expect.ordered = true,
        "string" => {
            let mut quoted = tail.chars();
            let open = quoted.next().filter(|c| "\"'`".contains(*c));
            if open.is_none() || quoted.next_back() != open {
                return Err(format!("invalid expected string {tail:?}"));
            }
            expect.string = Some(crate::promql::unquote(tail)?);
        }
        "range" => {
            let words: Vec<&str> = tail.split_whitespace().collect();
            let ["vector", "from", from, "to", to, "step", step] = words.as_slice() else {
                return Err(format!("invalid expect statement {rest:?}"));
            };
            expect.range_vector = Some((time(from)?, time(to)?, time(step)?));
        }
        other => return Err(format!("invalid expect statement: {other:?} is unknown")),
    }
    Ok(())
}

/// The samples of expected values at their times.
pub(super) fn timed(values: &Values, start: i64, step: i64) -> impl Iterator<Item = (i64, Value)> + '_ {
    values.iter().enumerate().filter_map(move |(i, v)| {
        let t = start.saturating_add(i64::try_from(i).ok()?.saturating_mul(step));
        Some((t, v?))
    })
}
