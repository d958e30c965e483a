//! A query laid out for people: Prometheus' prettified form, two spaces a level, broken where a part is longer than a
//! line. Number literals stay as they were written.

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

/// The expression over as many lines as it takes; `source` is the text it was parsed from.
pub fn prettify(source: &str, expr: &Expr) -> String {
    Printer { source }.pretty(expr, 0)
}

/// The expression on one line, in Prometheus' spelling.
pub fn one_line(source: &str, expr: &Expr) -> String {
    Printer { source }.flat(expr)
}

struct Printer<'a> {
    source: &'a str,
}

impl Printer<'_> {
    fn text(&self, span: Span) -> &str {
        self.source.get(span.range()).unwrap_or("").trim()
    }

    fn pretty(&self, expr: &Expr, level: usize) -> String {
        let indent = INDENT.repeat(level);
        let flat = self.flat(expr);
        if flat.chars().count() <= MAX_WIDTH {
            return format!("{indent}{flat}");
        }
        match &expr.kind {
            ExprKind::Paren(inner) => format!("{indent}(\n{}\n{indent})", self.pretty(inner, level + 1)),
            ExprKind::Negate(inner) => format!("{indent}-{}", self.pretty(inner, level).trim_start()),
            ExprKind::Subquery(s) => format!("{}{}", self.pretty(&s.expr, level), self.subquery_suffix(s)),
            ExprKind::Call(call) => {
                let args: Vec<String> = call.args.iter().map(|a| self.pretty(a, level + 1)).collect();
                format!("{indent}{}(\n{}\n{indent})", call.func.name, args.join(",\n"))
            }
            ExprKind::Aggregate(a) => {
                let mut out = format!("{indent}{}(\n", aggregate_head(a));
                if let Some(param) = &a.param {
                    out.push_str(&self.pretty(param, level + 1));
                    out.push_str(",\n");
                }
                format!("{out}{}\n{indent})", self.pretty(&a.expr, level + 1))
            }
            ExprKind::Binary(b) => {
                let (left, right) = (self.pretty(&b.left, level + 1), self.pretty(&b.right, level + 1));
                format!("{left}\n{indent}{}{}\n{right}", b.op.as_str(), modifiers(&b.modifiers))
            }
            ExprKind::Number(_) | ExprKind::String(_) | ExprKind::Vector(_) | ExprKind::Matrix(..) => {
                format!("{indent}{flat}")
            }
        }
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
