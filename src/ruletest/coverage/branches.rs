//! The branches of an expression: the sides of `and`, `or` and `unless`, and whether each was ever decisive.
//!
//! They are looked at after the test, over all of its ticks: a side alone, and the operation as a whole. Where the whole has
//! as many elements as its left side had, the right one did nothing.

use crate::alerting::timeline::TimelineWorld;
use crate::promql::ast::{BinaryOp, Expr, ExprKind};
use crate::promql::{CompileOptions, Features, parse};

use super::super::short::short;

/// The most ticks of a test that are looked at: two years of minutes.
const MOST_TICKS: usize = 1_000_000;
/// How many of them at a time.
const STRETCH: usize = 2_048;

/// A test that was played to its end.
pub struct Played<'a> {
    /// The world in which it was.
    pub world: &'a TimelineWorld,
    /// The first tick, milliseconds.
    pub start: i64,
    /// From one tick to the next.
    pub step: i64,
    /// How many ticks.
    pub ticks: usize,
    /// Switches of the language.
    pub features: Features,
}

/// A set operation of an expression.
struct Branch<'s> {
    op: BinaryOp,
    left: &'s str,
    right: &'s str,
    whole: &'s str,
    /// How many alike stand before it.
    alike: usize,
}

/// Each branch of an expression, and whether it was decisive at any tick of a test, if there was one.
pub fn measure(
    source: &str,
    query_offset: i64,
    played: Option<&Played<'_>>,
    features: Features,
) -> Vec<(String, bool)> {
    let Ok(expr) = parse(source, &CompileOptions { features }) else { return Vec::new() };
    let mut branches = Vec::new();
    collect(source, &expr, &mut branches);
    branches.iter().flat_map(|branch| branch.measure(query_offset, played)).collect()
}

impl Branch<'_> {
    /// The two things that can be said of an operation, and whether they were so.
    fn measure(&self, query_offset: i64, played: Option<&Played<'_>>) -> [(String, bool); 2] {
        let mut of = format!("{} {}", self.op.as_str(), short(self.right));
        if self.alike > 0 {
            of = format!("{of} (number {})", self.alike + 1);
        }
        type Is = fn(u32, u32) -> bool;
        let (texts, are): ([String; 2], [Is; 2]) = match self.op {
            BinaryOp::Or => (
                [format!("what stands before `{of}` gives"), format!("`{of}` gives")],
                [|before, _| before > 0, |before, after| after > before],
            ),
            _ => (
                [format!("`{of}` lets through"), format!("`{of}` holds back")],
                [|_, after| after > 0, |before, after| before > after],
            ),
        };
        let reached = played.map_or([false; 2], |p| self.reached(query_offset, p, are));
        let [first, second] = texts;
        [(first, reached[0]), (second, reached[1])]
    }

    fn reached(&self, query_offset: i64, played: &Played<'_>, are: [fn(u32, u32) -> bool; 2]) -> [bool; 2] {
        let mut reached = [false; 2];
        let ticks = played.ticks.min(MOST_TICKS);
        for first in (0..ticks).step_by(STRETCH) {
            let start = played.start + played.step * first as i64 - query_offset;
            let count = |text| played.world.counts(text, start, played.step, STRETCH.min(ticks - first));
            // What fails there has failed as a rule, too, and is told as such.
            let (Ok(before), Ok(after)) = (count(self.left), count(self.whole)) else { continue };
            for (is, reached) in are.iter().zip(&mut reached) {
                *reached |= before.iter().zip(&after).any(|(b, a)| is(*b, *a));
            }
            if reached == [true; 2] {
                break;
            }
        }
        reached
    }
}

/// Expressions are as deep as their parser lets them be.
fn collect<'s>(source: &'s str, expr: &Expr, out: &mut Vec<Branch<'s>>) {
    match &expr.kind {
        ExprKind::Number(_) | ExprKind::String(_) | ExprKind::Vector(_) | ExprKind::Matrix(..) => {}
        ExprKind::Paren(inner) | ExprKind::Negate(inner) => collect(source, inner, out),
        ExprKind::Subquery(subquery) => collect(source, &subquery.expr, out),
        ExprKind::Call(call) => call.args.iter().for_each(|arg| collect(source, arg, out)),
        ExprKind::Aggregate(aggregate) => {
            aggregate.param.iter().for_each(|param| collect(source, param, out));
            collect(source, &aggregate.expr, out);
        }
        ExprKind::Binary(binary) => {
            collect(source, &binary.left, out);
            if binary.op.is_set() {
                let text = |e: &Expr| source.get(e.span.range()).unwrap_or_default();
                let (left, right, whole) = (text(&binary.left), text(&binary.right), text(expr));
                let is_alike = |b: &&Branch<'_>| b.op == binary.op && short(b.right) == short(right);
                let alike = out.iter().filter(is_alike).count();
                out.push(Branch { op: binary.op, left, right, whole, alike });
            }
            collect(source, &binary.right, out);
        }
    }
}
