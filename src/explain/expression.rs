//! Why an expression gives what it gives at a time: its parts with their values, which of them decided, and what is
//! missing where it gives nothing.
//!
//! Every part is evaluated as a query of its own, through the datasource that the rule asks; so it works over whatever
//! answers queries, and shows what that says.

use std::cell::Cell;

use crate::model::duration;
use crate::promql::ast::{At, Binary, BinaryOp, Dur, Expr, ExprKind, Timing};
use crate::promql::{CompileOptions, Plan, parse_and};

use super::compare::threshold;
use super::join::{Keys, alone, taken_away};
pub use super::lens::Question;
use super::lens::{Answer, Lens};
use super::missing;
use super::part::{Finding, Outcome, Part, PartKind, Side};

/// Most parts that are evaluated.
const MOST_PARTS: usize = 64;
/// Most selectors of which is found out why they gave nothing.
const MOST_MISSING: usize = 3;

/// Looks at the parts of a rule's expression.
///
/// # Errors
/// It cannot be read: that is a defect, for it was compiled.
pub fn examine(plan: &Plan, question: Question<'_>) -> Result<Part, String> {
    let options = CompileOptions { features: *plan.features() };
    let look = |expr: &Expr| {
        let lens = Lens { question, options: options.clone(), source: plan.source() };
        let (mut part, _) = Walk { lens: &lens, left: Cell::new(MOST_PARTS) }.part(expr, question.at);
        match part.holds {
            true => credit(&mut part),
            false => blame(&mut part),
        }
        let mut left = MOST_MISSING;
        tell_missing(&lens, &mut part, expr, question.at, &mut left);
        part
    };
    parse_and(plan.source(), &options, look).map_err(|e| e.to_string())
}

struct Walk<'a> {
    lens: &'a Lens<'a>,
    left: Cell<usize>,
}

impl Walk<'_> {
    /// A part and those below it.
    fn part(&self, expr: &Expr, at: i64) -> (Part, Answer) {
        let expr = expr.bare();
        let text = self.lens.text(expr);
        let is_looked_at = self.left.get() > 0;
        self.left.set(self.left.get().saturating_sub(1));
        let answer = if is_looked_at { self.answer(expr, &text, at) } else { Answer::Unknown };
        let (outcome, holds) = self.lens.outcome(&answer, matches!(expr.kind, ExprKind::Matrix(..)));
        let below: Vec<(Part, Answer)> = match is_looked_at {
            true => children(expr, at).into_iter().map(|(child, at)| self.part(child, at)).collect(),
            false => Vec::new(),
        };
        let answers: Vec<&Answer> = below.iter().map(|(_, answer)| answer).collect();
        let findings = self.findings(expr, &answer, &answers);
        let part = Part {
            text,
            start: expr.span.start,
            end: expr.span.end,
            kind: kind(expr),
            outcome,
            holds,
            decides: false,
            findings,
            parts: below.into_iter().map(|(part, _)| part).collect(),
        };
        (part, answer)
    }

    fn answer(&self, expr: &Expr, text: &str, at: i64) -> Answer {
        match &expr.kind {
            ExprKind::Number(v) => Answer::Scalar(*v),
            ExprKind::String(s) => Answer::Text(s.clone()),
            // Of a range, how many samples there are: the samples themselves may be many.
            ExprKind::Matrix(..) => match self.lens.ask(&format!("count_over_time({text})"), at) {
                Answer::Failed(_) => Answer::Unknown,
                counts => counts,
            },
            // Its expression stands below.
            ExprKind::Subquery(_) => match self.lens.ask(&format!("count_over_time({text})"), at) {
                Answer::Failed(_) => Answer::Unknown,
                counts => counts,
            },
            _ => self.lens.ask(text, at),
        }
    }

    fn findings(&self, expr: &Expr, answer: &Answer, below: &[&Answer]) -> Vec<Finding> {
        match (&expr.kind, below) {
            (ExprKind::Binary(binary), [left, right]) => self.of_binary(binary, left, right),
            (ExprKind::Call(call), _) => self.of_call(call.func.name, answer, below).into_iter().collect(),
            _ => Vec::new(),
        }
    }

    fn of_binary(&self, binary: &Binary, left: &Answer, right: &Answer) -> Vec<Finding> {
        let keys = Keys::of(&binary.modifiers);
        let mut found = Vec::new();
        if binary.op.is_comparison() {
            found.extend(threshold(self.lens, binary, left, right));
        }
        let (Answer::Series(left), Answer::Series(right)) = (left, right) else { return found };
        match binary.op {
            BinaryOp::Or => {}
            BinaryOp::Unless => found.extend(taken_away(self.lens, &keys, left, right)),
            // Where a side has nothing at all, that is what there is to say.
            _ if left.is_empty() || right.is_empty() => {}
            BinaryOp::And => found.extend(alone(self.lens, &keys, Side::Left, left, right)),
            _ => {
                let fill = &binary.modifiers;
                if fill.fill_right.is_none() {
                    found.extend(alone(self.lens, &keys, Side::Left, left, right));
                }
                if fill.fill_left.is_none() {
                    found.extend(alone(self.lens, &keys, Side::Right, right, left));
                }
            }
        }
        found
    }

    /// A function that gave nothing of something.
    fn of_call(&self, function: &str, answer: &Answer, below: &[&Answer]) -> Option<Finding> {
        let Answer::Series(given) = answer else { return None };
        let rows = below.iter().find_map(|answer| Some(answer.rows()).filter(|rows| !rows.is_empty()))?;
        if given.iter().any(|row| self.lens.is_related(&row.labels)) {
            return None;
        }
        let mut related = rows.iter().filter(|row| self.lens.is_related(&row.labels));
        let first = related.next()?;
        if matches!(function, "absent" | "absent_over_time") {
            return Some(Finding::Present { count: 1 + related.count(), example: first.labels.clone() });
        }
        let samples = |row: &super::part::Row| row.value.map_or(0, |v| v.0 as u64);
        let most_samples = related.map(samples).fold(samples(first), u64::max);
        Some(Finding::GaveNothing { function: function.to_owned(), most_samples })
    }
}

fn kind(expr: &Expr) -> PartKind {
    match &expr.kind {
        ExprKind::Number(_) | ExprKind::String(_) | ExprKind::Paren(_) => PartKind::Literal,
        ExprKind::Negate(_) => PartKind::Negation,
        ExprKind::Vector(_) => PartKind::Selector,
        ExprKind::Matrix(..) => PartKind::Range,
        ExprKind::Subquery(_) => PartKind::Subquery,
        ExprKind::Call(_) => PartKind::Call,
        ExprKind::Aggregate(_) => PartKind::Aggregation,
        ExprKind::Binary(binary) => match binary.op {
            BinaryOp::And => PartKind::And,
            BinaryOp::Or => PartKind::Or,
            BinaryOp::Unless => PartKind::Unless,
            op if op.is_comparison() => PartKind::Comparison,
            _ => PartKind::Arithmetic,
        },
    }
}

/// What a part reads from, each with the time it is read at.
fn children(expr: &Expr, at: i64) -> Vec<(&Expr, i64)> {
    match &expr.kind {
        ExprKind::Number(_) | ExprKind::String(_) | ExprKind::Vector(_) | ExprKind::Matrix(..) => Vec::new(),
        ExprKind::Paren(inner) | ExprKind::Negate(inner) => vec![(inner, at)],
        ExprKind::Subquery(sub) => vec![(&sub.expr, read_at(&sub.timing, at))],
        ExprKind::Call(call) => call.args.iter().map(|arg| (arg, at)).collect(),
        ExprKind::Aggregate(agg) => agg.param.iter().chain([&agg.expr]).map(|e| (e, at)).collect(),
        ExprKind::Binary(binary) => vec![(&binary.left, at), (&binary.right, at)],
    }
}

/// The time that `offset` and `@` lead to.
pub(super) fn read_at(timing: &Timing, at: i64) -> i64 {
    let from = match timing.at {
        Some(At::Time(t)) => t,
        Some(At::Start | At::End) | None => at,
    };
    match timing.offset {
        Some(Dur::Millis(ms)) => from.saturating_sub(ms),
        Some(Dur::Expr(..)) | None => from,
    }
}

/// Marks why an expression gives nothing: the deepest parts that gave nothing though all they read from did.
fn blame(part: &mut Part) {
    let lacks = |p: &Part| !p.holds;
    let failed = |p: &Part| matches!(p.outcome, Outcome::Failed { .. });
    // A part fails with those it reads from.
    let guilty: Vec<usize> = match part.kind {
        _ if failed(part) => places(part, failed),
        PartKind::Unless => places(part, lacks).into_iter().filter(|place| *place == 0).collect(),
        PartKind::Call if part.findings.iter().any(|f| matches!(f, Finding::Present { .. })) => Vec::new(),
        _ => places(part, lacks),
    };
    if guilty.is_empty() {
        part.decides = true;
    }
    for place in guilty {
        if let Some(below) = part.parts.get_mut(place) {
            blame(below);
        }
    }
}

fn places(part: &Part, is: impl Fn(&Part) -> bool) -> Vec<usize> {
    part.parts.iter().enumerate().filter(|(_, p)| is(p)).map(|(place, _)| place).collect()
}

/// Marks why an expression gives something: the comparisons that hold, on the sides that count.
fn credit(part: &mut Part) {
    let counts: Vec<usize> = match part.kind {
        PartKind::Comparison => Vec::new(),
        PartKind::Unless => vec![0],
        PartKind::And | PartKind::Or => places(part, |p| p.holds),
        // What is computed from one vector holds as that does.
        PartKind::Aggregation | PartKind::Negation => places(part, |p| p.holds && p.kind != PartKind::Literal),
        _ => Vec::new(),
    };
    let is_below = counts.iter().any(|place| part.parts.get(*place).is_some_and(has_comparison));
    if !is_below {
        part.decides = true;
        return;
    }
    for place in counts {
        if let Some(below) = part.parts.get_mut(place) {
            credit(below);
        }
    }
}

fn has_comparison(part: &Part) -> bool {
    let compares = matches!(part.kind, PartKind::Comparison | PartKind::And | PartKind::Or | PartKind::Unless);
    compares || part.parts.iter().any(has_comparison)
}

/// Finds out of the selectors that are to blame why they gave nothing.
fn tell_missing(lens: &Lens<'_>, part: &mut Part, expr: &Expr, at: i64, left: &mut usize) {
    let expr = expr.bare();
    let sought = match &expr.kind {
        ExprKind::Vector(selector) => Some((selector, None)),
        ExprKind::Matrix(selector, Dur::Millis(range)) => Some((selector, Some(duration::format(*range)))),
        _ => None,
    };
    if let Some((selector, range)) = sought
        && (part.decides && !part.holds && !matches!(part.outcome, Outcome::Failed { .. }))
        && *left > 0
    {
        *left -= 1;
        let there = match &part.outcome {
            Outcome::Series { rows, .. } | Outcome::Samples { rows, .. } => rows.first().map(|row| row.labels.clone()),
            _ => None,
        };
        let search = missing::Search { lens, range: range.as_deref(), at: read_at(&selector.timing, at) };
        part.findings.push(Finding::Missing(search.of(selector, there.as_ref())));
    }
    for (below, (expr, at)) in part.parts.iter_mut().zip(children(expr, at)) {
        tell_missing(lens, below, expr, at, left);
    }
}

#[cfg(test)]
mod tests;
