//! A query laid out for people: Prometheus' prettified form, two spaces a level, broken where a part is longer than a
//! line. Number literals stay as they were written. In files, durations stay too, and a line begins with its operator, so
//! that the first line is never indented (YAML would need to be told how deep).

use std::cell::Cell;

use rustc_hash::FxHashMap;

use super::annotations::Span;
use super::ast::{
    Aggregate, At, Binary, BinaryModifiers, Cardinality, Dur, Expr, ExprKind, Grouping, Selector, Subquery, Timing,
};
use super::func::RangeMode;
use crate::model::duration;
use crate::model::labels::{is_legacy_label_name, is_legacy_metric_name, push_quoted};
use crate::model::{METRIC_NAME, MatchOp};

/// Parts that are longer are broken over several lines.
pub const MAX_WIDTH: usize = 100;
const INDENT: &str = "  ";

/// The expression over as many lines as it takes; `source` is the text it was parsed from. Comments are left out.
pub fn prettify(source: &str, expr: &Expr) -> String {
    let mut out = String::new();
    Printer::new(source, Vec::new()).pretty(expr, 0, true, &mut out);
    out
}

/// The same as it stands in files: with the comments of `source`, each before or behind the part that it stood at, and
/// with its durations. What holds a comment is broken over lines.
pub fn prettify_for_files(source: &str, expr: &Expr) -> String {
    let printer = Printer { in_file: Some(durations(source)), ..Printer::new(source, comments(source)) };
    let mut out = String::new();
    printer.part(expr, 0, true, "", &mut out);
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

/// How durations are written in a query, by their milliseconds; the first of two ways to write one.
fn durations(source: &str) -> FxHashMap<i64, &str> {
    let of_duration = |c: char| c.is_ascii_digit() || "smhdwy".contains(c);
    let words = code(source).into_iter().flat_map(|code| code.split(move |c: char| !of_duration(c)));
    let mut out = FxHashMap::default();
    for word in words.filter(|word| word.starts_with(|c: char| c.is_ascii_digit())) {
        if let Ok(ms) = duration::parse(word) {
            out.entry(ms).or_insert(word);
        }
    }
    out
}

/// A query without its strings; what is in comments does no harm.
fn code(source: &str) -> Vec<&str> {
    let (mut out, mut from, mut quote, mut escaped) = (Vec::new(), 0, None, false);
    for (at, c) in source.char_indices() {
        match quote {
            None if matches!(c, '"' | '\'' | '`') => {
                out.push(source.get(from..at).unwrap_or_default());
                quote = Some(c);
            }
            None => {}
            Some(_) if escaped => escaped = false,
            Some(q) if c == q => (quote, from) = (None, at + 1),
            Some(q) => escaped = c == '\\' && q != '`',
        }
    }
    out.extend(quote.is_none().then(|| source.get(from..)).flatten());
    out
}

/// The expression on one line with its durations as they are, and labels of groups where they stand.
pub fn as_written(source: &str, expr: &Expr) -> String {
    let mut out = String::new();
    let printer = Printer { in_file: Some(durations(source)), moves: false, ..Printer::new(source, Vec::new()) };
    printer.flat(expr, &mut out, usize::MAX);
    out
}

/// The expression on one line, in Prometheus' spelling.
pub fn one_line(source: &str, expr: &Expr) -> String {
    let mut out = String::new();
    Printer::new(source, Vec::new()).flat(expr, &mut out, usize::MAX);
    out
}

struct Printer<'a> {
    source: &'a str,
    comments: Vec<Span>,
    /// How many comments were printed: they come in the order in which they stand.
    printed: Cell<usize>,
    /// In a file: how durations are written there.
    in_file: Option<FxHashMap<i64, &'a str>>,
    /// Labels of groups go before what is aggregated, wherever they stand.
    moves: bool,
}

impl<'a> Printer<'a> {
    fn new(source: &'a str, comments: Vec<Span>) -> Self {
        Printer { source, comments, printed: Cell::new(0), in_file: None, moves: true }
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
    fn behind(&self, end: u32, between: &str) -> String {
        let next = self.comments.get(self.printed.get()).filter(|c| c.start >= end);
        let Some(span) = next else { return String::new() };
        let gap = self.source.get(end as usize..span.start as usize).unwrap_or("\n");
        if gap.chars().any(|c| !between.contains(c) && c != ' ' && c != '\t') {
            return String::new();
        }
        self.printed.set(self.printed.get() + 1);
        format!(" {}", self.text(*span))
    }

    /// An expression on lines of its own, with the comments before it and the one behind it; `after` is what follows it.
    fn part(&self, expr: &Expr, level: usize, indented: bool, after: &str, out: &mut String) {
        out.push_str(&self.own_lines(expr.span.start, level));
        self.pretty(expr, level, indented, out);
        out.push_str(after);
        out.push_str(&self.behind(expr.span.end, after));
    }

    fn has_comment(&self, span: Span) -> bool {
        let left = self.comments.get(self.printed.get()..).unwrap_or_default();
        left.iter().any(|c| (span.start..span.end).contains(&c.start))
    }

    /// Comments before the end of `expr` that belong to none of its parts, and the indentation of what closes it.
    fn closing(&self, expr: &Expr, level: usize, out: &mut String) {
        out.push('\n');
        out.push_str(&self.own_lines(expr.span.end, level + 1));
        out.push_str(&INDENT.repeat(level));
    }

    /// Writes an expression at a level; its first line without an indentation where something stands before it.
    fn pretty(&self, expr: &Expr, level: usize, indented: bool, out: &mut String) {
        let indent = INDENT.repeat(level);
        let lead = if indented { indent.as_str() } else { "" };
        if !self.has_comment(expr.span) {
            let before = out.len();
            out.push_str(lead);
            // What has more bytes has more characters than fit: so much is written in vain at a level, and no more.
            let (from, most) = (out.len(), out.len() + 4 * MAX_WIDTH);
            self.flat(expr, out, most);
            let fits = out.len() <= most && out.get(from..).is_some_and(|flat| flat.chars().count() <= MAX_WIDTH);
            if fits {
                return;
            }
            out.truncate(before);
        }
        match &expr.kind {
            ExprKind::Paren(inner) => {
                out.push_str(lead);
                out.push_str("(\n");
                self.part(inner, level + 1, true, "", out);
                self.closing(expr, level, out);
                out.push(')');
            }
            ExprKind::Negate(inner) => {
                out.push_str(&self.own_lines(expr.span.end, level));
                out.push_str(lead);
                out.push('-');
                self.pretty(inner, level, false, out);
            }
            ExprKind::Subquery(s) => {
                let before = out.len();
                self.pretty(&s.expr, level, indented, out);
                out.insert_str(before, &self.own_lines(expr.span.end, level));
                self.subquery_suffix(s, out);
            }
            ExprKind::Call(call) => {
                let args: Vec<&Expr> = call.args.iter().collect();
                self.arguments(expr, (lead, call.func.name), &args, level, out);
            }
            ExprKind::Aggregate(a) => {
                let args: Vec<&Expr> = a.param.iter().chain([&a.expr]).collect();
                self.arguments(expr, (lead, &aggregate_head(a)), &args, level, out);
            }
            ExprKind::Binary(b) if self.in_file.is_some() => self.operator_first(b, level, indented, out),
            ExprKind::Binary(b) => {
                self.part(&b.left, level + 1, indented, "", out);
                out.push_str(&format!("\n{indent}{}{}\n", b.op.as_str(), modifiers(&b.modifiers)));
                self.part(&b.right, level + 1, true, "", out);
            }
            ExprKind::Number(_) | ExprKind::String(_) | ExprKind::Vector(_) | ExprKind::Matrix(..) => {
                out.push_str(&self.own_lines(expr.span.end, level));
                out.push_str(lead);
                self.flat(expr, out, usize::MAX);
            }
        }
    }

    /// A line for the left side, and one that begins with the operator; a right side of several lines stands below it.
    fn operator_first(&self, b: &Binary, level: usize, indented: bool, out: &mut String) {
        self.part(&b.left, level, indented, "", out);
        out.push_str(&format!("\n{}{}{}", INDENT.repeat(level), b.op.as_str(), modifiers(&b.modifiers)));
        let after_operator = out.len();
        self.part(&b.right, level + 1, true, "", out);
        let right = out.get(after_operator..).unwrap_or_default();
        if right.contains('\n') {
            out.insert(after_operator, '\n');
        } else {
            let line = format!(" {}", right.trim_start());
            out.truncate(after_operator);
            out.push_str(&line);
        }
    }

    /// A head with arguments in parentheses, one below the other.
    fn arguments(&self, expr: &Expr, (lead, head): (&str, &str), args: &[&Expr], level: usize, out: &mut String) {
        out.push_str(lead);
        out.push_str(head);
        out.push_str("(\n");
        let last = args.len().saturating_sub(1);
        for (i, arg) in args.iter().enumerate() {
            if i > 0 {
                out.push('\n');
            }
            self.part(arg, level + 1, true, if i < last { "," } else { "" }, out);
        }
        self.closing(expr, level, out);
        out.push(')');
    }

    /// Writes an expression on one line, as far as what is there is no longer than `most` bytes: what is longer is of no
    /// use to who asks.
    fn flat(&self, expr: &Expr, out: &mut String, most: usize) {
        if out.len() > most {
            return;
        }
        match &expr.kind {
            ExprKind::Number(_) => out.push_str(self.text(expr.span)),
            ExprKind::String(s) => push_quoted(out, s),
            ExprKind::Paren(inner) => {
                out.push('(');
                self.flat(inner, out, most);
                out.push(')');
            }
            ExprKind::Negate(inner) => {
                out.push('-');
                self.flat(inner, out, most);
            }
            ExprKind::Vector(s) => {
                out.push_str(&format!("{}{}{}", selector(s), mode(s.mode), self.timing(&s.timing)));
            }
            ExprKind::Matrix(s, range) => {
                let (range, mode) = (self.duration(range), mode(s.mode));
                out.push_str(&format!("{}[{range}]{mode}{}", selector(s), self.timing(&s.timing)));
            }
            ExprKind::Subquery(s) => {
                self.flat(&s.expr, out, most);
                self.subquery_suffix(s, out);
            }
            ExprKind::Call(call) => {
                out.push_str(call.func.name);
                self.flat_arguments(call.args.iter(), out, most);
            }
            ExprKind::Aggregate(a) if !self.moves && self.groups_behind(expr.span, a) => {
                out.push_str(a.op.as_str());
                self.flat_arguments(a.param.iter().chain([&a.expr]), out, most);
                out.push_str(aggregate_head(a).trim_start_matches(a.op.as_str()).trim_end());
            }
            ExprKind::Aggregate(a) => {
                out.push_str(&aggregate_head(a));
                self.flat_arguments(a.param.iter().chain([&a.expr]), out, most);
            }
            ExprKind::Binary(b) => {
                self.flat(&b.left, out, most);
                out.push_str(&format!(" {}{} ", b.op.as_str(), modifiers(&b.modifiers)));
                self.flat(&b.right, out, most);
            }
        }
    }

    /// Whether the labels of groups stand behind what is aggregated.
    fn groups_behind(&self, span: Span, a: &Aggregate) -> bool {
        let head = self.text(span).get(a.op.as_str().len()..).unwrap_or_default();
        head.trim_start().starts_with('(')
    }

    fn flat_arguments<'e>(&self, args: impl Iterator<Item = &'e Expr>, out: &mut String, most: usize) {
        out.push('(');
        for (i, arg) in args.enumerate() {
            if i > 0 {
                out.push_str(", ");
            }
            self.flat(arg, out, most);
        }
        out.push(')');
    }

    fn subquery_suffix(&self, s: &Subquery, out: &mut String) {
        let step = s.step.as_ref().map(|d| self.duration(d)).unwrap_or_default();
        out.push_str(&format!("[{}:{step}]{}", self.duration(&s.range), self.timing(&s.timing)));
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
            Dur::Millis(ms) => {
                let written = self.in_file.as_ref().and_then(|written| written.get(&ms.saturating_abs()));
                match written {
                    Some(text) => format!("{}{text}", if *ms < 0 { "-" } else { "" }),
                    None => duration::format(*ms),
                }
            }
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
