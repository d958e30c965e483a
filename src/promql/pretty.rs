//! A query laid out for people: Prometheus' prettified form, two spaces a level, broken where a part is longer than a
//! line. Number literals stay as they were written.

use std::cell::Cell;

use super::annotations::Span;
use super::ast::{
    Aggregate, At, Binary, BinaryModifiers, Call, Cardinality, Dur, Expr, ExprKind, Grouping, Selector, Subquery,
    Timing,
};
use super::func::RangeMode;
use crate::model::duration;
use crate::model::labels::{is_legacy_label_name, is_legacy_metric_name, push_quoted};
use crate::model::{METRIC_NAME, MatchOp};

/// Parts that are longer are broken over several lines.
const MAX_WIDTH: usize = 100;
const INDENT: &str = "  ";

/// The expression over as many lines as it takes; `source` is the text it was parsed from. Comments are left out.
pub fn prettify(source: &str, expr: &Expr) -> String {
    Printer::new(source, Vec::new()).pretty(expr, 0)
}

/// The same with the comments of `source`, each before or behind the part that it stood at. What holds a comment is
/// broken over lines.
pub fn prettify_with_comments(source: &str, expr: &Expr) -> String {
    let printer = Printer::new(source, comments(source));
    let mut out = printer.part(expr, 0, &[]);
    let rest = printer.own_lines(u32::MAX, 0);
    if !rest.is_empty() {
        out.push('\n');
        out.push_str(rest.trim_end());
    }
    out
}

/// The places of the comments in a query: from `#` to the end of the line, outside of strings.
pub fn comments(source: &str) -> Vec<Span> {
    let position = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    let mut out = Vec::new();
    let mut chars = source.char_indices();
    let mut quote = None;
    while let Some((at, c)) = chars.next() {
        match (quote, c) {
            (None, '"' | '\'' | '`') => quote = Some(c),
            (None, '#') => {
                let end = source.get(at..).and_then(|rest| rest.find('\n')).map_or(source.len(), |n| at + n);
                out.push(Span { start: position(at), end: position(end) });
                chars.by_ref().find(|(_, c)| *c == '\n');
            }
            (Some('"' | '\''), '\\') => {
                chars.next();
            }
            (Some(q), c) if q == c => quote = None,
            _ => {}
        }
    }
    out
}

/// The expression on one line, in Prometheus' spelling.
pub fn one_line(source: &str, expr: &Expr) -> String {
    Printer::new(source, Vec::new()).flat(expr)
}

struct Printer<'a> {
    source: &'a str,
    comments: Vec<Span>,
    /// How many comments were printed: they come in the order in which they stand.
    printed: Cell<usize>,
}

impl<'a> Printer<'a> {
    fn new(source: &'a str, comments: Vec<Span>) -> Self {
        Printer { source, comments, printed: Cell::new(0) }
    }

    fn text(&self, span: Span) -> &str {
        self.source.get(span.range()).unwrap_or("").trim()
    }

    /// The comments that are not printed yet and stand before `end`, each on a line of its own.
    fn own_lines(&self, end: u32, level: usize) -> String {
        let mut out = String::new();
        while let Some(span) = self.comments.get(self.printed.get()).filter(|c| c.start < end) {
            out.push_str(&format!("{}{}\n", INDENT.repeat(level), self.text(*span)));
            self.printed.set(self.printed.get() + 1);
        }
        out
    }

    /// The next comment, when it stands behind `end` on the same line with nothing but `between` before it.
    fn behind(&self, end: u32, between: &[char]) -> String {
        let next = self.comments.get(self.printed.get()).filter(|c| c.start >= end);
        let Some(span) = next else { return String::new() };
        let gap = self.source.get(end as usize..span.start as usize).unwrap_or("\n");
        if gap.chars().any(|c| !between.contains(&c) && c != ' ' && c != '\t') {
            return String::new();
        }
        self.printed.set(self.printed.get() + 1);
        format!(" {}", self.text(*span))
    }

    /// An expression on lines of its own, with the comments before it and the one behind it; `after` is what follows it.
    fn part(&self, expr: &Expr, level: usize, after: &[char]) -> String {
        let before = self.own_lines(expr.span.start, level);
        let text = self.pretty(expr, level);
        let after_text: String = after.iter().collect();
        format!("{before}{text}{after_text}{}", self.behind(expr.span.end, after))
    }

    fn has_comment(&self, span: Span) -> bool {
        let left = self.comments.get(self.printed.get()..).unwrap_or_default();
        left.iter().any(|c| (span.start..span.end).contains(&c.start))
    }

    /// Comments before the end of `expr` that belong to none of its parts, and the indentation of what closes it.
    fn closing(&self, expr: &Expr, level: usize) -> String {
        let lines = self.own_lines(expr.span.end, level + 1);
        format!("\n{lines}{}", INDENT.repeat(level))
    }

    fn pretty(&self, expr: &Expr, level: usize) -> String {
        let indent = INDENT.repeat(level);
        let flat = self.flat(expr);
        if flat.chars().count() <= MAX_WIDTH && !self.has_comment(expr.span) {
            return format!("{indent}{flat}");
        }
        match &expr.kind {
            ExprKind::Paren(inner) => {
                let inner = self.part(inner, level + 1, &[]);
                format!("{indent}(\n{inner}{})", self.closing(expr, level))
            }
            ExprKind::Negate(inner) => {
                let before = self.own_lines(expr.span.end, level);
                format!("{before}{indent}-{}", self.pretty(inner, level).trim_start())
            }
            ExprKind::Subquery(s) => {
                let inner = self.pretty(&s.expr, level);
                format!("{}{inner}{}", self.own_lines(expr.span.end, level), self.subquery_suffix(s))
            }
            ExprKind::Call(call) => {
                let args: Vec<&Expr> = call.args.iter().collect();
                let args = self.parts(&args, level + 1);
                format!("{indent}{}(\n{args}{})", call.func.name, self.closing(expr, level))
            }
            ExprKind::Aggregate(a) => {
                let args: Vec<&Expr> = a.param.iter().chain([&a.expr]).collect();
                let args = self.parts(&args, level + 1);
                format!("{indent}{}(\n{args}{})", aggregate_head(a), self.closing(expr, level))
            }
            ExprKind::Binary(b) => {
                let left = self.part(&b.left, level + 1, &[]);
                let op = format!("{indent}{}{}", b.op.as_str(), modifiers(&b.modifiers));
                format!("{left}\n{op}\n{}", self.part(&b.right, level + 1, &[]))
            }
            ExprKind::Number(_) | ExprKind::String(_) | ExprKind::Vector(_) | ExprKind::Matrix(..) => {
                format!("{}{indent}{flat}", self.own_lines(expr.span.end, level))
            }
        }
    }

    /// Arguments, one below the other.
    fn parts(&self, args: &[&Expr], level: usize) -> String {
        let last = args.len().saturating_sub(1);
        let after = |i: usize| if i < last { &[','][..] } else { &[] };
        let parts: Vec<String> = args.iter().enumerate().map(|(i, a)| self.part(a, level, after(i))).collect();
        parts.join("\n")
    }

    fn flat(&self, expr: &Expr) -> String {
        match &expr.kind {
            ExprKind::Number(_) => self.text(expr.span).to_owned(),
            ExprKind::String(s) => {
                let mut out = String::new();
                push_quoted(&mut out, s);
                out
            }
            ExprKind::Paren(inner) => format!("({})", self.flat(inner)),
            ExprKind::Negate(inner) => format!("-{}", self.flat(inner)),
            ExprKind::Vector(s) => format!("{}{}{}", selector(s), mode(s.mode), self.timing(&s.timing)),
            ExprKind::Matrix(s, range) => {
                format!("{}[{}]{}{}", selector(s), self.duration(range), mode(s.mode), self.timing(&s.timing))
            }
            ExprKind::Subquery(s) => format!("{}{}", self.flat(&s.expr), self.subquery_suffix(s)),
            ExprKind::Call(call) => self.call(call),
            ExprKind::Aggregate(a) => {
                let param = a.param.as_ref().map(|p| format!("{}, ", self.flat(p))).unwrap_or_default();
                format!("{}({param}{})", aggregate_head(a), self.flat(&a.expr))
            }
            ExprKind::Binary(b) => self.binary(b),
        }
    }

    fn call(&self, call: &Call) -> String {
        let args: Vec<String> = call.args.iter().map(|a| self.flat(a)).collect();
        format!("{}({})", call.func.name, args.join(", "))
    }

    fn binary(&self, b: &Binary) -> String {
        format!("{} {}{} {}", self.flat(&b.left), b.op.as_str(), modifiers(&b.modifiers), self.flat(&b.right))
    }

    fn subquery_suffix(&self, s: &Subquery) -> String {
        let step = s.step.as_ref().map(|d| self.duration(d)).unwrap_or_default();
        format!("[{}:{step}]{}", self.duration(&s.range), self.timing(&s.timing))
    }

    fn timing(&self, timing: &Timing) -> String {
        let mut out = match timing.at {
            None => String::new(),
            Some(At::Time(ms)) => {
                let (sign, ms) = (if ms < 0 { "-" } else { "" }, ms.unsigned_abs());
                format!(" @ {sign}{}.{:03}", ms / 1_000, ms % 1_000)
            }
            Some(At::Start) => " @ start()".into(),
            Some(At::End) => " @ end()".into(),
        };
        if let Some(offset) = &timing.offset {
            out.push_str(" offset ");
            out.push_str(&self.duration(offset));
        }
        out
    }

    fn duration(&self, d: &Dur) -> String {
        match d {
            Dur::Millis(ms) => duration::format(*ms),
            Dur::Expr(_, span) => self.text(*span).to_owned(),
        }
    }
}

fn mode(mode: RangeMode) -> &'static str {
    match mode {
        RangeMode::Plain => "",
        RangeMode::Anchored => " anchored",
        RangeMode::Smoothed => " smoothed",
    }
}

fn selector(s: &Selector) -> String {
    let in_front = !s.name.is_empty() && is_legacy_metric_name(&s.name);
    let mut parts: Vec<String> = Vec::with_capacity(s.matchers.len());
    if !s.name.is_empty() && !in_front {
        let mut quoted = String::new();
        push_quoted(&mut quoted, &s.name);
        parts.push(quoted);
    }
    let mut named = !s.name.is_empty();
    for m in &s.matchers {
        // The name written before the braces is among the matchers too, once.
        if named && m.name == METRIC_NAME && m.op == MatchOp::Equal && m.value == s.name {
            named = false;
        } else {
            parts.push(m.to_string());
        }
    }
    let name = if in_front { s.name.as_str() } else { "" };
    if parts.is_empty() && in_front { name.to_owned() } else { format!("{name}{{{}}}", parts.join(",")) }
}

fn aggregate_head(a: &Aggregate) -> String {
    let Grouping { without, labels } = &a.grouping;
    match (without, labels.is_empty()) {
        (false, true) => a.op.as_str().to_owned(),
        (false, false) => format!("{} by ({}) ", a.op.as_str(), label_list(labels)),
        (true, _) => format!("{} without ({}) ", a.op.as_str(), label_list(labels)),
    }
}

fn label_list(labels: &[String]) -> String {
    let quoted = |l: &String| {
        if is_legacy_label_name(l) {
            return l.clone();
        }
        let mut out = String::new();
        push_quoted(&mut out, l);
        out
    };
    labels.iter().map(quoted).collect::<Vec<_>>().join(", ")
}

/// ` bool on (a) group_left (b) fill (0)`: what follows the operator, with a space before each part.
fn modifiers(m: &BinaryModifiers) -> String {
    let mut out = String::new();
    if m.bool {
        out.push_str(" bool");
    }
    if let Some(g) = m.matching.as_ref().filter(|g| !g.without || !g.labels.is_empty()) {
        let word = if g.without { "ignoring" } else { "on" };
        out.push_str(&format!(" {word} ({})", label_list(&g.labels)));
    }
    match &m.cardinality {
        Cardinality::OneToOne => {}
        Cardinality::GroupLeft(labels) => out.push_str(&format!(" group_left ({})", label_list(labels))),
        Cardinality::GroupRight(labels) => out.push_str(&format!(" group_right ({})", label_list(labels))),
    }
    let number = crate::model::number::format_float_g;
    match (m.fill_left, m.fill_right) {
        (Some(l), Some(r)) if l.to_bits() == r.to_bits() => out.push_str(&format!(" fill ({})", number(l))),
        (l, r) => {
            if let Some(l) = l {
                out.push_str(&format!(" fill_left ({})", number(l)));
            }
            if let Some(r) = r {
                out.push_str(&format!(" fill_right ({})", number(r)));
            }
        }
    }
    out
}
