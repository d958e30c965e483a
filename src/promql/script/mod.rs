//! Prometheus' script language for PromQL: `load`, `clear`, `eval`, and what an evaluation must come to.
//!
//! Every instant evaluation is carried out as a range query too, around its time, and must come to the same.

mod compare;
mod load;
mod parse;
mod storage;

use std::fmt;

use super::compile::{CompileOptions, compile};
use super::env::EvalEnv;
use super::features::Features;
use super::plan::Plan;
use super::value::{Evaluated, QueryValue, VectorSample};
use crate::model::Value;
use parse::{Command, CommandKind, Eval, Text};

pub use storage::MemoryStorage;

/// An evaluation that did not come to what the script expects, or a line that is not of the language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Line of the evaluation, from 1.
    pub line: usize,
    /// The query, or the text of the line.
    pub query: String,
    /// Expected beside got, or what is wrong with the line.
    pub message: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "line {}: {}", self.line, self.query)?;
        for line in self.message.lines() {
            writeln!(f, "    {line}")?;
        }
        Ok(())
    }
}

/// How a script went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Evaluations that came to what was expected.
    pub passed: usize,
    /// Those that did not.
    pub failures: Vec<Failure>,
}

/// Runs a script, with every feature of the language switched on.
pub fn run(text: &str) -> Report {
    let commands = parse::parse(text);
    let mut runner = Runner { storage: MemoryStorage::default(), env: EvalEnv::default(), report: Report::default() };
    for command in &commands {
        if let Err((query, message)) = runner.command(command) {
            runner.report.failures.push(Failure { line: command.line, query: query.to_owned(), message });
        }
    }
    runner.report
}

struct Runner {
    storage: MemoryStorage,
    env: EvalEnv,
    report: Report,
}

impl Runner {
    /// Carries out a command; the text that did not work, and why.
    fn command<'c>(&mut self, command: &'c Command) -> Result<(), (&'c str, String)> {
        match &command.kind {
            CommandKind::Malformed { text, fault } => return Err((text, fault.clone())),
            CommandKind::Clear => self.storage.clear(),
            CommandKind::Load { step, nhcb, lines } => {
                let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
                load::load(&mut self.storage, &lines, *step, *nhcb).map_err(|message| ("load", message))?;
            }
            CommandKind::Eval(eval) => {
                self.eval(eval).map_err(|message| (eval.query.as_str(), message))?;
                self.report.passed += 1;
            }
        }
        Ok(())
    }

    fn eval(&self, eval: &Eval) -> Result<(), String> {
        let options = CompileOptions { features: Features::all() };
        let plan = match compile(&eval.query, &options) {
            Ok(plan) => plan,
            Err(e) => return failed(eval, &[e.message.clone(), e.to_string()]),
        };
        let outcome = match eval.step {
            None => plan.instant(&self.storage, eval.start, &self.env),
            Some(step) => plan.range(&self.storage, eval.start, eval.end, step, &self.env),
        };
        let evaluated = match outcome {
            Ok(evaluated) => evaluated,
            Err(e) => return failed(eval, &[e.to_string()]),
        };
        if eval.expect.fail.is_some() {
            return Err(format!("expected failure\n     got {}", compare::describe(&evaluated.value)));
        }
        notes(eval, &plan, &evaluated)?;
        compare::compare(eval, &evaluated.value)?;
        if eval.step.is_none() && !eval.expect.ordered {
            self.as_range(eval, &plan, &evaluated.value)?;
        }
        Ok(())
    }

    /// Evaluates an instant query as the middle step of a range query.
    fn as_range(&self, eval: &Eval, plan: &Plan, instant: &QueryValue) -> Result<(), String> {
        const MINUTE: i64 = 60_000;
        if matches!(instant, QueryValue::Matrix(_) | QueryValue::String(_)) || plan.depends_on_query_bounds() {
            return Ok(());
        }
        let (start, end) = (eval.start - MINUTE, eval.start + MINUTE);
        let evaluated =
            plan.range(&self.storage, start, end, MINUTE, &self.env).map_err(|e| format!("as a range query: {e}"))?;
        let QueryValue::Matrix(series) = evaluated.value else {
            return Err("as a range query: the result is not a matrix".into());
        };
        let mut samples = Vec::new();
        for s in series {
            let float = s.floats.iter().find(|(t, _)| *t == eval.start).map(|(_, v)| Value::Float(*v));
            let histogram = s.histograms.iter().find(|(t, _)| *t == eval.start);
            if let Some(value) = float.or_else(|| histogram.map(|(_, h)| Value::Histogram(h.clone()))) {
                samples.push(VectorSample { labels: s.labels, t: eval.start, value });
            }
        }
        let middle = match (instant, samples.as_slice()) {
            (QueryValue::Scalar(_), [VectorSample { value: Value::Float(v), .. }]) => QueryValue::Scalar(*v),
            _ => QueryValue::Vector(samples),
        };
        compare::compare(eval, &middle).map_err(|e| format!("as a range query: {e}"))
    }
}

/// A query that failed: with one of the texts expected, or against expectation.
fn failed(eval: &Eval, texts: &[String]) -> Result<(), String> {
    let got = texts.first().map(String::as_str).unwrap_or_default();
    let Some(wanted) = &eval.expect.fail else { return Err(format!("expected a result\n     got error {got:?}")) };
    if wanted.is_empty() || wanted.iter().all(|w| texts.iter().any(|t| w.matches(t))) {
        return Ok(());
    }
    let wanted: Vec<String> = wanted.iter().map(Text::describe).collect();
    Err(format!("expected error {}\n     got error {got:?}", wanted.join(" and ")))
}

fn notes(eval: &Eval, plan: &Plan, evaluated: &Evaluated) -> Result<(), String> {
    let expect = &eval.expect;
    let warnings = evaluated.annotations.warnings(plan.source());
    let infos = evaluated.annotations.infos(plan.source());
    for (kind, none, wanted, got) in
        [("warning", expect.no_warn, &expect.warn, &warnings), ("info", expect.no_info, &expect.info, &infos)]
    {
        if none && !got.is_empty() {
            return Err(format!("expected no {kind}\n     got {got:?}"));
        }
        if wanted.is_empty() {
            continue;
        }
        if let Some(missing) = wanted.iter().find(|w| !got.iter().any(|g| w.matches(g))) {
            return Err(format!("expected {kind} {}\n     got {got:?}", missing.describe()));
        }
        if let Some(unexpected) = got.iter().find(|g| !wanted.iter().any(|w| w.matches(g))) {
            let wanted: Vec<String> = wanted.iter().map(Text::describe).collect();
            return Err(format!("expected {kind} {}\n     got {unexpected:?} too", wanted.join(", ")));
        }
    }
    Ok(())
}
