//! What a word of an expression is: a function or a metric.

use std::path::Path;

use super::complete::{Place, place};
use super::knowledge::Known;
use super::project::Project;
use super::text::{Word, key_at, name_at};
use crate::lint::kind_of_name;
use crate::promql::ast::AggregateOp;
use crate::promql::func::{self, Function, about};

/// So many rules that record a metric are shown.
const MOST_RULES: usize = 10;

/// What a word is.
#[derive(Debug)]
pub struct Told<'t> {
    /// Itself.
    pub word: Word<'t>,
    /// What it is, in Markdown.
    pub text: String,
    /// It is a metric, whose values a server may know.
    pub is_metric: bool,
}

/// What the word at a byte is.
pub fn hover<'t>(project: &Project, known: &Known, text: &'t str, offset: usize) -> Option<Told<'t>> {
    let Some(("expr", start)) = key_at(text, offset) else { return None };
    let word = name_at(text, offset);
    let begins_name = word.text.starts_with(|c: char| c.is_alphabetic() || c == '_' || c == ':');
    if !begins_name || place(text.get(start..word.start)?) != Place::Expression {
        return None;
    }
    let follows = text.get(word.start + word.text.len()..).unwrap_or_default().trim_start();
    let is_called = follows.starts_with('(') || ["by", "without"].iter().any(|w| follows.starts_with(w));
    let function = func::lookup(word.text).filter(|_| is_called).map(of_function);
    let aggregation = || {
        let is_one = is_called && AggregateOp::ALL.iter().any(|op| op.as_str() == word.text);
        Some(format!("`{}`: aggregation\n\n{}", word.text, about(word.text).filter(|_| is_one)?))
    };
    if let Some(text) = function.or_else(aggregation) {
        return Some(Told { word, text, is_metric: false });
    }
    of_metric(project, known, word.text).map(|text| Told { word, text, is_metric: true })
}

fn of_function(function: &Function) -> String {
    let mut args: Vec<&str> = function.args.iter().map(|arg| arg.as_str()).collect();
    match function.variadic {
        0 => {}
        1 => args.push("(may be missing)"),
        _ => args.push("..."),
    }
    let experimental =
        if function.experimental { " Behind `promql-experimental-functions` in Prometheus." } else { "" };
    let text = about(function.name).unwrap_or_default();
    format!("`{}({}) {}`\n\n{text}{experimental}", function.name, args.join(", "), function.returns.as_str())
}

/// What a metric is; nothing of a word that no expression reads, no rule records and no server has.
fn of_metric(project: &Project, known: &Known, name: &str) -> Option<String> {
    let is_read = project.facts().any(|(_, facts)| facts.metrics.contains(name));
    let mut told = Vec::new();
    for (path, facts) in project.facts() {
        for record in facts.records.iter().filter(|record| record.name == name).take(MOST_RULES - told.len()) {
            let file = path.file_name().map(Path::new).unwrap_or(path).display();
            let (line, expr) = (record.at.line, record.text.trim());
            told.push(format!("recorded by {file}, line {line}:\n\n```promql\n{expr}\n```"));
        }
    }
    if told.is_empty() && !is_read && !known.metrics.contains(name) {
        return None;
    }
    let by_name = || kind_of_name(name).map(|kind| format!("{kind}, by its name"));
    told.extend(known.about(name).or_else(by_name));
    told.insert(0, format!("`{name}`: metric"));
    Some(told.join("\n\n"))
}
