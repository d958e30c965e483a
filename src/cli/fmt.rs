//! `watchbell fmt`: PromQL laid out for people, in place in rule files.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use crate::config::yaml::{Decoder, Node, Style, Value};
use crate::model::Diagnostic;
use crate::promql::{CompileOptions, Features, compile, parse, pretty};

use super::exit::fail;
use super::terminal;

/// Lay out the PromQL of rule files for people, in place, and name the files that changed.
///
/// Rule files may be plain or PrometheusRule objects. Only expressions change; comments, in YAML and in PromQL, and
/// everything else stay. An expression that does not parse is left alone and named.
#[derive(Args, Debug)]
pub struct Fmt {
    /// Rule files; `-` lays out one expression or one rule file from standard input to standard output.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Change nothing; exit with code 1 when a file would change.
    #[arg(long)]
    check: bool,
    /// Change nothing; show what would change.
    #[arg(long)]
    diff: bool,
}

/// A rule file laid out.
#[derive(Debug)]
pub struct Formatted {
    /// Its text.
    pub text: String,
    /// The expressions that were left alone, and why.
    pub left_alone: Vec<Diagnostic>,
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
                    fail(&e);
                }
            }
        }
        if failed || (self.check && changed) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }

    /// Formats one file; true when it was or would be changed.
    fn format(&self, file: &Path) -> Result<bool, String> {
        let is_stdin = file == Path::new("-");
        let name = if is_stdin { "standard input".to_owned() } else { file.display().to_string() };
        let read = if is_stdin { std::io::read_to_string(std::io::stdin()) } else { std::fs::read_to_string(file) };
        let text = read.map_err(|e| format!("{name}: {e}"))?;
        let formatted = match is_stdin {
            true => format_either(&name, &text)?,
            false => format_rules(&name, &text)?,
        };
        formatted.left_alone.iter().for_each(|d| eprintln!("watchbell: {d}"));
        let changed = formatted.text != text;
        let only_looks = self.check || self.diff;
        let said = match (changed, is_stdin) {
            (true, _) if self.diff => diff(&name, &text, &formatted.text),
            (_, true) if !only_looks => formatted.text.clone(),
            (true, false) => format!("{name}\n"),
            _ => String::new(),
        };
        say(&said)?;
        if changed && !only_looks && !is_stdin {
            std::fs::write(file, formatted.text).map_err(|e| format!("{name}: {e}"))?;
        }
        Ok(changed)
    }
}

/// Writes to standard output; that its reader has seen enough is no failure.
fn say(text: &str) -> Result<(), String> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(e.to_string()),
        _ => Ok(()),
    }
}

/// A unified diff.
fn diff(name: &str, old: &str, new: &str) -> String {
    let diff = similar::TextDiff::from_lines(old, new);
    let text = diff.unified_diff().header(name, &format!("{name} (laid out)")).to_string();
    if !terminal::colour() {
        return text;
    }
    let coloured = |line: &str| match line.as_bytes().first() {
        Some(b'+') => format!("\x1b[32m{line}\x1b[0m\n"),
        Some(b'-') => format!("\x1b[31m{line}\x1b[0m\n"),
        _ => format!("{line}\n"),
    };
    text.lines().map(coloured).collect()
}

fn options() -> CompileOptions {
    CompileOptions { features: Features::all() }
}

/// An expression laid out; as it is where that would lose something of it.
///
/// # Errors
/// It does not parse.
pub fn prettify(expr: &str) -> Result<String, String> {
    let parsed = parse(expr, &options()).map_err(|e| e.to_string())?;
    let pretty = pretty::prettify_for_files(expr, &parsed);
    // Rules decide who is woken: what is written back must be proven to say the same.
    Ok(if says_the_same(expr, &pretty) { pretty } else { expr.to_owned() })
}

/// Whether two texts are the same query with the same comments.
fn says_the_same(a: &str, b: &str) -> bool {
    let comments = |text: &str| -> Vec<String> {
        let spans = pretty::comments(text);
        spans.iter().filter_map(|s| Some(text.get(s.range())?.trim().to_owned())).collect()
    };
    let tree = |text: &str| parse(text, &options()).map(|tree| pretty::one_line(text, &tree)).ok();
    let plan = |text: &str| compile(text, &options()).map(|plan| plan.outline()).ok();
    comments(a) == comments(b) && tree(a) == tree(b) && plan(a) == plan(b)
}

/// The text of one expression, or of a rule file, laid out.
fn format_either(name: &str, text: &str) -> Result<Formatted, String> {
    let expr = match prettify(text.trim()) {
        Ok(pretty) => return Ok(Formatted { text: pretty + "\n", left_alone: Vec::new() }),
        Err(e) => e,
    };
    let decoder = Decoder::new(name, text);
    match decoder.documents().iter().any(|d| d.entries().is_some()) {
        true => format_rules(name, text),
        false => Err(format!("{name}: expected PromQL or a rule file: {expr}")),
    }
}

/// The text of a rule file with every expression laid out.
///
/// # Errors
/// The file is not YAML.
pub fn format_rules(name: &str, text: &str) -> Result<Formatted, String> {
    let decoder = Decoder::new(name, text);
    let documents = decoder.documents();
    if documents.is_empty() {
        let defects: Vec<String> = decoder.into_diagnostics().iter().map(ToString::to_string).collect();
        return match defects.is_empty() {
            true => Ok(Formatted { text: text.to_owned(), left_alone: Vec::new() }),
            false => Err(defects.join("\n")),
        };
    }
    let mut found = Found { text, file: name.into(), edits: Vec::new(), left_alone: Vec::new() };
    documents.iter().for_each(|document| found.collect(document));
    let formatted = found.apply();
    let new = Decoder::new(name, &formatted.text).documents();
    let (before, after) = (expressions(&documents), expressions(&new));
    // A file that YAML reads in a way not thought of here stays as it is.
    if before.len() != after.len() || before.iter().zip(&after).any(|(a, b)| !reads_the_same(a, b)) {
        return Err(format!("{name}: cannot be laid out without changing what it says; left as it is"));
    }
    Ok(formatted)
}

fn reads_the_same(a: &str, b: &str) -> bool {
    a == b || says_the_same(a, b)
}

/// Every expression of a file's rules, in order.
fn expressions(documents: &[Node]) -> Vec<String> {
    fn collect(node: &Node, out: &mut Vec<String>) {
        node.items().unwrap_or_default().iter().for_each(|item| collect(item, out));
        let is_rule = node.get("alert").is_some() || node.get("record").is_some();
        for (key, value) in node.entries().unwrap_or_default() {
            match (value.text(), is_rule && key.text() == Some("expr")) {
                (Some(expr), true) => out.push(expr.trim().to_owned()),
                _ => collect(value, out),
            }
        }
    }
    let mut out = Vec::new();
    documents.iter().for_each(|document| collect(document, &mut out));
    out
}

/// What is to be done to a file.
struct Found<'a> {
    text: &'a str,
    file: std::sync::Arc<str>,
    /// From, to, and what comes in place.
    edits: Vec<(usize, usize, String)>,
    left_alone: Vec<Diagnostic>,
}

impl Found<'_> {
    fn apply(mut self) -> Formatted {
        self.edits.sort_by_key(|(start, ..)| *start);
        let (mut out, mut at) = (String::with_capacity(self.text.len()), 0);
        for (start, end, replacement) in self.edits {
            // Aliases make one place appear twice.
            if start < at {
                continue;
            }
            out.push_str(self.text.get(at..start).unwrap_or(""));
            out.push_str(&replacement);
            at = end;
        }
        out.push_str(self.text.get(at..).unwrap_or(""));
        Formatted { text: out, left_alone: self.left_alone }
    }

    /// Whether a block can stay as it is.
    fn is_readable(&self, value: &Node) -> bool {
        let written = self.text.get(value.start..value.end).unwrap_or_default();
        let mut lines = written.lines();
        let header = lines.next().unwrap_or_default();
        let marks = header.split_once('#').map_or(header, |(marks, _)| marks);
        // A number says that the first line is indented deeper than the block.
        if marks.contains(|c: char| c.is_ascii_digit()) {
            return false;
        }
        let lines: Vec<&str> = lines.collect();
        let end = lines.iter().rposition(|line| !line.trim().is_empty()).map_or(0, |last| last + 1);
        let lines = lines.get(..end).unwrap_or_default();
        let indent = lines.first().map_or(0, |line| line.len() - line.trim_start().len());
        let outer: Option<Vec<&str>> =
            lines.iter().map(|line| if line.is_empty() { Some("") } else { line.get(indent..) }).collect();
        outer.is_some_and(|lines| is_readable(&lines))
    }

    /// Finds the expressions of a tree: values of `expr` beside `alert` or `record`.
    fn collect(&mut self, node: &Node) {
        node.items().unwrap_or_default().iter().for_each(|item| self.collect(item));
        let is_rule = node.get("alert").is_some() || node.get("record").is_some();
        for (key, value) in node.entries().unwrap_or_default() {
            match (&value.value, is_rule && key.text() == Some("expr")) {
                (Value::Scalar(_, Style::Literal | Style::Folded), true) if self.is_readable(value) => {}
                (Value::Scalar(expr, style), true) => match prettify(expr.trim()) {
                    Ok(pretty) => {
                        let flow = self.text.get(node.start..).is_some_and(|t| t.starts_with('{'));
                        let place = Place { text: self.text, key, value, expr, style: *style, flow };
                        self.edits.extend(place.edit(&pretty));
                    }
                    Err(e) => {
                        let message = format!("expression left as it is: {e}");
                        self.left_alone.push(Diagnostic::new(&self.file, value.position, message));
                    }
                },
                _ => self.collect(value),
            }
        }
    }
}

/// Whether lines are as a careful author leaves them, breaking the expression where it seems best: no line too long, no
/// tabs, spaces where the laid-out form has them and none but where people put some.
fn is_readable(lines: &[&str]) -> bool {
    let text = lines.join("\n");
    let shaped =
        |line: &&str| line.chars().count() <= pretty::MAX_WIDTH && !line.contains('\t') && !line.ends_with(' ');
    let Ok(parsed) = parse(&text, &options()) else { return false };
    let code: String = without_comments(&text);
    lines.len() > 1 && lines.iter().all(shaped) && is_spaced(&code, &pretty::as_written(&text, &parsed))
}

fn without_comments(text: &str) -> String {
    let (mut out, mut at) = (String::new(), 0);
    for span in pretty::comments(text) {
        out.push_str(text.get(at..span.range().start).unwrap_or_default());
        at = span.range().end;
    }
    out + text.get(at..).unwrap_or_default()
}

/// Whether `code` is `flat` with line breaks and single spaces more: behind a comma, on the inner side of parentheses.
fn is_spaced(code: &str, flat: &str) -> bool {
    let (mut code, mut flat) = (code.trim().chars().peekable(), flat.chars().peekable());
    let mut before = ' ';
    while let Some(c) = code.next() {
        if !c.is_whitespace() {
            if flat.next() != Some(c) {
                return false;
            }
            before = c;
            continue;
        }
        let (mut length, mut breaks) = (1, c == '\n');
        while let Some(more) = code.next_if(|c| c.is_whitespace()) {
            length += 1;
            breaks |= more == '\n';
        }
        let wanted = flat.next_if_eq(&' ').is_some();
        let is_inner = matches!(before, '(' | '{' | ',') || matches!(code.peek(), Some(')' | '}'));
        if !(breaks || (length == 1 && (wanted || is_inner))) {
            return false;
        }
    }
    flat.next().is_none()
}

/// An expression in a file.
struct Place<'a> {
    text: &'a str,
    key: &'a Node,
    value: &'a Node,
    expr: &'a str,
    style: Style,
    /// Within `{...}`, where a value cannot have lines of its own.
    flow: bool,
}

impl Place<'_> {
    /// What replaces the expression: the value alone on one line, or a block under its key.
    fn edit(&self, pretty: &str) -> Option<(usize, usize, String)> {
        let (start, end) = (self.value.start, self.value.end);
        // An anchor, an alias or a tag would go with the value.
        if self.text.get(start..)?.starts_with(['&', '*', '!']) {
            return None;
        }
        let is_block = matches!(self.style, Style::Literal | Style::Folded);
        if !pretty.contains('\n') && !is_block {
            // Quotes stay as they are: only what is inside is compared.
            return (pretty != self.expr).then(|| (start, end, quoted(pretty, self.flow)));
        }
        if self.flow {
            return None;
        }
        let written = self.text.get(start..end)?;
        let end = if is_block { start + written.trim_end().len() } else { end };
        let block = self.block(pretty, if is_block { written.lines().next()? } else { "" });
        (self.text.get(start..end) != Some(&block)).then_some((start, end, block))
    }

    /// A literal block. Of the header of the block that was there, how it ends and its comment stay.
    fn block(&self, pretty: &str, header: &str) -> String {
        let (marks, comment) = header.split_once('#').unwrap_or((header, ""));
        let comment = if comment.is_empty() { String::new() } else { format!(" #{}", comment.trim_end()) };
        let chomp = marks.chars().find(|c| matches!(c, '-' | '+')).map(String::from).unwrap_or_default();
        let indent = " ".repeat(self.key.position.column as usize + 1);
        let line_end = if self.text.contains("\r\n") { "\r\n" } else { "\n" };
        let lines = pretty.lines().map(|line| format!("{indent}{line}"));
        let lines: Vec<String> = std::iter::once(format!("|{chomp}{comment}")).chain(lines).collect();
        lines.join(line_end)
    }
}

/// A one-line expression as a YAML scalar: plain where that reads back the same.
fn quoted(expr: &str, flow: bool) -> String {
    const OTHER: [&str; 9] = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"];
    let structure = expr.contains(": ") || expr.contains(" #") || expr.ends_with(':');
    let structure = structure || (flow && expr.contains([',', '[', ']', '{', '}']));
    let other = OTHER.iter().any(|word| expr.eq_ignore_ascii_case(word));
    let plain = expr.starts_with(|c: char| c.is_ascii_alphabetic() || c == '(') && !structure && !other;
    if plain { expr.to_owned() } else { format!("'{}'", expr.replace('\'', "''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn laid_out(text: &str) -> String {
        format_rules("r.yml", text).unwrap().text
    }

    #[test]
    fn comments_stay_at_what_they_are_about() {
        for (expr, want) in [
            ("# why\nup==1", "# why\nup == 1"),
            ("up==1 # why", "up == 1 # why"),
            ("up==1\n  # below", "up == 1\n# below"),
            ("up{a='#'}==1", "up{a=\"#\"} == 1"),
            ("up # left\n==\n# right\n1", "up # left\n==\n  # right\n  1"),
            ("sum(\n# inner\nup # behind\n# end\n)", "sum(\n  # inner\n  up # behind\n  # end\n)"),
            ("max(a, # one\nb)", ""),
            ("clamp(a, # one\n1, # two\n2 # three\n)", "clamp(\n  a, # one\n  1, # two\n  2 # three\n)"),
            ("-(up # why\n)", "# why\n-(up)"),
            ("up{\n# why\na='b'}", "# why\nup{a=\"b\"}"),
            ("(up # a\n)[5m:] # b", "(\n  up # a\n)[5m:] # b"),
        ] {
            let got = prettify(expr).unwrap_or_default();
            assert_eq!(got, want, "{expr}");
            if !want.is_empty() {
                assert_eq!(prettify(&got).unwrap(), got, "{expr}");
            }
        }
    }

    #[test]
    fn yaml_reads_back_what_was_meant() {
        let long = format!("sum({}) > 1", ["x"; 60].join("+"));
        for (text, want) in [
            // Values in braces stay on one line, and are quoted where YAML would read structure.
            ("[{record: r, expr: 'sum(x)by(a,b)'}]", Some("[{record: r, expr: 'sum by (a, b) (x)'}]")),
            (&format!("[{{record: r, expr: {long}}}]"), None),
            ("- record: r\n  expr: (yes)+0\n", Some("- record: r\n  expr: (yes) + 0\n")),
            ("- record: r\n  expr: '  on_  '\n", Some("- record: r\n  expr: on_\n")),
            // What stands at a block's head stays.
            ("- record: r\n  expr: |- # why\n      a+b\n", Some("- record: r\n  expr: |- # why\n    a + b\n")),
            ("- record: r\n  expr: >+\n    a+\n    b\n\n", Some("- record: r\n  expr: |+\n    a + b\n\n")),
            ("- record: r\r\n  expr: |\r\n    a+b\r\n", Some("- record: r\r\n  expr: |\r\n    a + b\r\n")),
            // An anchor would be lost.
            ("- record: r\n  expr: &x a+b\n- record: s\n  expr: *x\n", None),
            (
                "- alert: A\n  annotations: {expr: a+b}\n  expr: \"a+b\"\n",
                Some("- alert: A\n  annotations: {expr: a+b}\n  expr: a + b\n"),
            ),
        ] {
            let got = laid_out(text);
            assert_eq!(got, want.unwrap_or(text));
            assert_eq!(laid_out(&got), got);
        }
    }

    #[test]
    fn what_does_not_parse_is_named_and_stays() {
        let text = "groups:\n  - name: g\n    rules:\n      - record: r\n        expr: up +\n";
        let got = format_rules("r.yml", text).unwrap();
        assert_eq!(got.text, text);
        let said: Vec<String> = got.left_alone.iter().map(ToString::to_string).collect();
        assert_eq!(said, ["r.yml:5:15: expression left as it is: 1:5: parse error: unexpected end of input"]);
        assert!(format_rules("r.yml", "a: [b\n").is_err());
    }

    #[test]
    fn standard_input_is_an_expression_or_a_rule_file() {
        assert_eq!(format_either("-", " sum(up)by(a)\n").unwrap().text, "sum by (a) (up)\n");
        let rules = "groups: [{name: g, rules: [{record: r, expr: a+b}]}]\n";
        assert_eq!(format_either("-", rules).unwrap().text, rules.replace("a+b", "a + b"));
        assert!(format_either("-", "up +").unwrap_err().contains("expected PromQL or a rule file"));
    }

    #[test]
    fn a_diff_is_unified() {
        let got = diff("r.yml", "a\nb\n", "a\nc\n");
        assert_eq!(got, "--- r.yml\n+++ r.yml (laid out)\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n");
    }

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
            ==1
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
          up # kept
          == 1
      - {record: flow, expr: a + b}
";
        let got = laid_out(text);
        assert_eq!(got, want);
        assert_eq!(laid_out(&got), want);
    }

    #[test]
    fn long_expressions_become_blocks() {
        let long = "sum by (job) (rate(http_requests_total{status=\"500\"}[5m])) / sum by (job) (rate(http_requests_total[5m])) > 0.01";
        let text =
            format!("groups:\n  - name: g\n    rules:\n      - alert: A\n        expr: {long}\n        for: 5m\n");
        let got = laid_out(&text);
        assert!(got.contains("        expr: |\n"), "{got}");
        assert!(got.contains("        for: 5m\n"), "{got}");
        assert_eq!(laid_out(&got), got);
        assert_eq!(
            prettify(long).unwrap(),
            "sum by (job) (rate(http_requests_total{status=\"500\"}[5m]))\n/ sum by (job) (rate(http_requests_total[5m]))\n> 0.01"
        );
    }

    #[test]
    fn durations_stay_as_they_are_written() {
        for expr in ["x[7d]", "x[168h] offset -90m", "x[1w:60s]", "{__name__=\"1h\"} offset 60m"] {
            let expr = format!("last_over_time({expr})").replace("time({", "time(up[1m]) + ({");
            assert_eq!(prettify(&expr).unwrap(), expr);
        }
    }

    #[test]
    fn blocks_that_can_be_read_stay() {
        for (block, stays) in [
            ("sum(rate(a[5m])) by (job)\n/\nsum(rate(b[7d])) by (job)", true),
            ("(\n  max(a)\n    - on (job)\n  max(b)\n) > 0", true),
            ("# why\na{b=\"c\", d=\"e\"} # here\n  > 1", true),
            ("label_replace(\n  a, \"b\", \"$1\",\n  \"c\", \"(.*)\"\n)", true),
            ("a+b\n> 1", false),
            ("a  >\n1", false),
            ("rate (a[5m])\n> 1", false),
            ("a{b='c'}\n> 1", false),
            ("a > 1", false),
        ] {
            let indented: Vec<String> = block.lines().map(|line| format!("    {line}")).collect();
            for head in ["|", ">-", "|- # why"] {
                let text = format!("- record: r\n  expr: {head}\n{}\n", indented.join("\n"));
                // Folded, a comment would hide the rest.
                if head == ">-" && block.contains('#') {
                    continue;
                }
                assert_eq!(
                    laid_out(&text) == text,
                    stays || block == "a > 1" && head != ">-",
                    "{text}{}",
                    laid_out(&text)
                );
                assert_eq!(laid_out(&laid_out(&text)), laid_out(&text));
            }
        }
    }
}
