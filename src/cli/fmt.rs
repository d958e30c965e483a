//! `watchbell fmt`: PromQL laid out for people, in place in rule files.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use crate::config::yaml::{Decoder, Node, Style, Value};
use crate::promql::{CompileOptions, Features, parse, pretty};

/// Lay out the PromQL of rule files for people, in place.
///
/// Only expressions change; comments and everything else stay as they are. An expression that holds a comment of its own,
/// or does not parse, is left alone.
#[derive(Args, Debug)]
pub struct Fmt {
    /// Rule files; `-` formats one expression from standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Change nothing; exit with code 1 when a file would change.
    #[arg(long)]
    check: bool,
}

impl Fmt {
    /// Formats the files.
    pub fn execute(&self) -> ExitCode {
        let (mut failed, mut changed) = (false, false);
        for file in &self.files {
            match self.format(file) {
                Ok(differs) => changed |= differs,
                Err(e) => {
                    failed = true;
                    eprintln!("watchbell fmt: {e}");
                }
            }
        }
        if failed || (self.check && changed) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }

    /// Formats one file; true when it was or would be changed.
    fn format(&self, file: &Path) -> Result<bool, String> {
        if file == Path::new("-") {
            let text = std::io::read_to_string(std::io::stdin()).map_err(|e| format!("standard input: {e}"))?;
            println!("{}", prettify(text.trim()).ok_or_else(|| "standard input: not PromQL".to_owned())?);
            return Ok(false);
        }
        let name = file.display().to_string();
        let text = std::fs::read_to_string(file).map_err(|e| format!("{name}: {e}"))?;
        let formatted = format_rules(&name, &text)?;
        if formatted == text {
            return Ok(false);
        }
        println!("{name}");
        if !self.check {
            std::fs::write(file, formatted).map_err(|e| format!("{name}: {e}"))?;
        }
        Ok(true)
    }
}

fn prettify(expr: &str) -> Option<String> {
    let options = CompileOptions { features: Features::all() };
    let parsed = parse(expr, &options).ok()?;
    Some(pretty::prettify(expr, &parsed))
}

/// The text of a rule file with every expression laid out.
///
/// # Errors
/// The file is not YAML.
pub fn format_rules(name: &str, text: &str) -> Result<String, String> {
    let decoder = Decoder::new(name, text);
    let documents = decoder.documents();
    let mut edits = Vec::new();
    for document in &documents {
        collect(document, text, &mut edits);
    }
    if documents.is_empty() {
        let defects: Vec<String> = decoder.into_diagnostics().iter().map(ToString::to_string).collect();
        return if defects.is_empty() { Ok(text.to_owned()) } else { Err(defects.join("\n")) };
    }
    edits.sort_by_key(|(start, ..)| *start);
    let (mut out, mut at) = (String::with_capacity(text.len()), 0);
    for (start, end, replacement) in edits {
        // Aliases make one place appear twice.
        if start < at {
            continue;
        }
        out.push_str(text.get(at..start).unwrap_or(""));
        out.push_str(&replacement);
        at = end;
    }
    out.push_str(text.get(at..).unwrap_or(""));
    Ok(out)
}

/// Finds the expressions of a tree: values of `expr` beside `alert` or `record`.
fn collect(node: &Node, text: &str, edits: &mut Vec<(usize, usize, String)>) {
    if let Some(items) = node.items() {
        items.iter().for_each(|item| collect(item, text, edits));
    }
    let is_rule = node.get("alert").is_some() || node.get("record").is_some();
    for (key, value) in node.entries().unwrap_or_default() {
        if is_rule && key.text() == Some("expr") {
            edits.extend(edit(key, value, text));
        } else {
            collect(value, text, edits);
        }
    }
}

/// What replaces an expression: the value alone on one line, or a block under its key.
fn edit(key: &Node, value: &Node, text: &str) -> Option<(usize, usize, String)> {
    let Value::Scalar(expr, style) = &value.value else { return None };
    let is_block = matches!(style, Style::Literal | Style::Folded);
    // A comment would be lost, and a chomping indicator may matter to someone.
    if expr.contains('#') {
        return None;
    }
    let pretty = prettify(expr.trim())?;
    let written = text.get(value.start..value.end)?;
    if !pretty.contains('\n') && !is_block {
        // Quotes stay as they are: only what is inside is compared.
        return (pretty != **expr).then(|| (value.start, value.end, quoted(&pretty)));
    }
    let indent = " ".repeat(key.position.column as usize + 1);
    // YAML takes the first line's indentation for the block's own unless told.
    let deep = if pretty.starts_with(' ') { "2" } else { "" };
    let strip = if written.starts_with(['|', '>']) && written.lines().next().is_some_and(|l| l.contains('-')) {
        "-"
    } else {
        ""
    };
    let mut block = format!("|{deep}{strip}\n");
    for line in pretty.lines() {
        block.push_str(&format!("{indent}{line}\n"));
    }
    let end = if is_block { value.start + written.trim_end().len() } else { value.end };
    let block = block.trim_end().to_owned();
    (text.get(value.start..end) != Some(&block)).then_some((value.start, end, block))
}

/// A one-line expression as a YAML scalar: plain where that reads back the same.
fn quoted(expr: &str) -> String {
    let plain = expr.starts_with(|c: char| c.is_ascii_alphabetic() || c == '(')
        && !expr.contains(": ")
        && !expr.contains(" #")
        && !expr.ends_with(':');
    if plain { expr.to_owned() } else { format!("'{}'", expr.replace('\'', "''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_laid_out_and_everything_else_stays() {
        let text = "# top
groups:
  - name: g # here
    rules:
      - alert: A
        expr: sum(rate( x [5m] ))by(job)>1 # why
        for: 5m
      - record: r
        expr: |
          up   ==  1
        labels: {a: b}
      - record: commented
        expr: |
          up   # kept
            == 1
      - {record: flow, expr: 'a+b'}
";
        let want = "# top
groups:
  - name: g # here
    rules:
      - alert: A
        expr: sum by (job) (rate(x[5m])) > 1 # why
        for: 5m
      - record: r
        expr: |
          up == 1
        labels: {a: b}
      - record: commented
        expr: |
          up   # kept
            == 1
      - {record: flow, expr: a + b}
";
        let got = format_rules("r.yml", text).unwrap();
        assert_eq!(got, want);
        assert_eq!(format_rules("r.yml", &got).unwrap(), want);
    }

    #[test]
    fn long_expressions_become_blocks() {
        let long = "sum by (job) (rate(http_requests_total{status=\"500\"}[5m])) / sum by (job) (rate(http_requests_total[5m])) > 0.01";
        let text =
            format!("groups:\n  - name: g\n    rules:\n      - alert: A\n        expr: {long}\n        for: 5m\n");
        let got = format_rules("r.yml", &text).unwrap();
        assert!(got.contains("        expr: |2\n"), "{got}");
        assert!(got.contains("        for: 5m\n"), "{got}");
        assert_eq!(format_rules("r.yml", &got).unwrap(), got);
        assert_eq!(prettify(long).unwrap().lines().count(), 5);
    }
}
