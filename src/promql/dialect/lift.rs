//! promql-parser's tree and the outline's parts, brought together.
//!
//! Both are in source order, so that one walk over the tree takes every part exactly once. When the two disagree the
//! query is refused: that is a defect of this module, and must not become a wrong answer.

use promql_parser::parser as pp;

use super::super::annotations::Span;
use super::super::ast::{Aggregate, Binary, Call, Dur, Expr, ExprKind, Selector, Subquery, Timing};
use super::super::error::Fault;
use super::super::func::RangeMode;
use super::outline::{Opening, Outline, Part};

/// Makes our tree of promql-parser's and the parts.
pub fn lift(tree: &pp::Expr, outline: &Outline) -> Result<Expr, Fault> {
    let mut walk = Walk { parts: outline.parts.iter().peekable(), last: Span::default() };
    let expr = walk.expr(tree)?;
    match walk.parts.next() {
        None => Ok(expr),
        Some((_, span)) => Err(mismatch(*span)),
    }
}

struct Walk<'a> {
    parts: std::iter::Peekable<std::slice::Iter<'a, (Part, Span)>>,
    last: Span,
}

fn mismatch(span: Span) -> Fault {
    Fault::new(span, "this part of the query is not understood")
}

impl Walk<'_> {
    fn take(&mut self) -> Result<(Part, Span), Fault> {
        let (part, span) = self.parts.next().cloned().ok_or_else(|| mismatch(self.last))?;
        self.last = span;
        Ok((part, span))
    }

    /// Skips unary pluses, which leave no node.
    fn skip_plus(&mut self) {
        while let Some((Part::Sign(false), _)) = self.parts.peek() {
            self.parts.next();
        }
    }

    fn expr(&mut self, tree: &pp::Expr) -> Result<Expr, Fault> {
        match tree {
            pp::Expr::Binary(b) => self.binary(b),
            pp::Expr::Subquery(s) => self.subquery(s),
            _ => {
                self.skip_plus();
                self.leaf(tree)
            }
        }
    }

    fn leaf(&mut self, tree: &pp::Expr) -> Result<Expr, Fault> {
        match tree {
            pp::Expr::NumberLiteral(_) => self.number(),
            pp::Expr::StringLiteral(_) => match self.take()? {
                (Part::String(s), span) => Ok(Expr { span, kind: ExprKind::String(s) }),
                (_, span) => Err(mismatch(span)),
            },
            pp::Expr::VectorSelector(_) => {
                let (selector, span) = self.selector()?;
                Ok(Expr { span, kind: ExprKind::Vector(selector) })
            }
            pp::Expr::MatrixSelector(_) => self.matrix(),
            pp::Expr::Unary(u) => {
                let (part, start) = self.take()?;
                let Part::Sign(true) = part else { return Err(mismatch(start)) };
                let inner = self.expr(&u.expr)?;
                Ok(Expr { span: start.to(inner.span), kind: ExprKind::Negate(Box::new(inner)) })
            }
            pp::Expr::Paren(p) => {
                let (part, start) = self.take()?;
                let Part::Open(Opening::Group) = part else { return Err(mismatch(start)) };
                let inner = self.expr(&p.expr)?;
                let end = self.close()?;
                Ok(Expr { span: start.to(end), kind: ExprKind::Paren(Box::new(inner)) })
            }
            pp::Expr::Call(c) => self.call(c),
            pp::Expr::Aggregate(a) => self.aggregate(a),
            _ => Err(mismatch(self.last)),
        }
    }

    /// A literal with its signs, which promql-parser folds into it.
    fn number(&mut self) -> Result<Expr, Fault> {
        let mut negative = false;
        let mut start = None;
        loop {
            let (part, span) = self.take()?;
            let start = *start.get_or_insert(span);
            match part {
                Part::Sign(minus) => negative ^= minus,
                Part::Number(v) => {
                    let v = if negative { -v } else { v };
                    return Ok(Expr { span: start.to(span), kind: ExprKind::Number(v) });
                }
                _ => return Err(mismatch(span)),
            }
        }
    }

    fn selector(&mut self) -> Result<(Selector, Span), Fault> {
        let (part, span) = self.take()?;
        let Part::Selector { name, matchers } = part else { return Err(mismatch(span)) };
        let (timing, mode, end) = self.timing(span)?;
        Ok((Selector { name, matchers, timing, mode }, span.to(end)))
    }

    fn matrix(&mut self) -> Result<Expr, Fault> {
        let (part, start) = self.take()?;
        let Part::Selector { name, matchers } = part else { return Err(mismatch(start)) };
        let (part, span) = self.take()?;
        let Part::Range { range, step: None } = part else { return Err(mismatch(span)) };
        let (timing, mode, end) = self.timing(span)?;
        let selector = Selector { name, matchers, timing, mode };
        Ok(Expr { span: start.to(end), kind: ExprKind::Matrix(selector, range) })
    }

    fn subquery(&mut self, tree: &pp::SubqueryExpr) -> Result<Expr, Fault> {
        let expr = self.expr(&tree.expr)?;
        let (part, span) = self.take()?;
        let Part::Range { range, step: Some(step) } = part else { return Err(mismatch(span)) };
        let (timing, mode, end) = self.timing(span)?;
        if mode != RangeMode::Plain {
            return Err(Fault::new(end, "anchored and smoothed modifiers can only be used on selectors"));
        }
        let span = expr.span.to(end);
        Ok(Expr { span, kind: ExprKind::Subquery(Box::new(Subquery { expr, range, step, timing })) })
    }

    /// `offset`, `@`, `anchored`, `smoothed`, in any order.
    fn timing(&mut self, start: Span) -> Result<(Timing, RangeMode, Span), Fault> {
        let (mut timing, mut mode, mut end) = (Timing::default(), RangeMode::Plain, start);
        while let Some((Part::Offset(_) | Part::At(_) | Part::Mode(_), _)) = self.parts.peek() {
            let (part, span) = self.take()?;
            match part {
                Part::Offset(d) => timing.offset = Some(d).filter(|d| *d != Dur::Millis(0)),
                Part::At(at) => timing.at = Some(at),
                Part::Mode(m) if mode == RangeMode::Plain => mode = m,
                _ => return Err(Fault::new(span, "anchored and smoothed modifiers may not be set multiple times")),
            }
            end = span;
        }
        Ok((timing, mode, end))
    }

    fn close(&mut self) -> Result<Span, Fault> {
        match self.take()? {
            (Part::Close, span) => Ok(span),
            (_, span) => Err(mismatch(span)),
        }
    }

    fn args<'t>(&mut self, trees: impl Iterator<Item = &'t pp::Expr>) -> Result<(Vec<Expr>, Span), Fault> {
        let mut args = Vec::new();
        for tree in trees {
            if !args.is_empty() {
                match self.take()? {
                    (Part::Comma, _) => {}
                    (_, span) => return Err(mismatch(span)),
                }
            }
            args.push(self.expr(tree)?);
        }
        Ok((args, self.close()?))
    }

    fn call(&mut self, tree: &pp::Call) -> Result<Expr, Fault> {
        let (part, start) = self.take()?;
        let Part::Open(Opening::Call(func)) = part else { return Err(mismatch(start)) };
        let (args, end) = self.args(tree.args.args.iter().map(|a| a.as_ref()))?;
        Ok(Expr { span: start.to(end), kind: ExprKind::Call(Call { func, args }) })
    }

    fn aggregate(&mut self, tree: &pp::AggregateExpr) -> Result<Expr, Fault> {
        let (part, start) = self.take()?;
        let Part::Open(Opening::Aggregate(op, grouping)) = part else { return Err(mismatch(start)) };
        let trees = tree.param.iter().chain(Some(&tree.expr)).map(|e| e.as_ref());
        let (mut args, end) = self.args(trees)?;
        let expr = args.pop().ok_or_else(|| mismatch(start))?;
        let grouping = grouping.unwrap_or_default();
        let aggregate = Aggregate { op, grouping, param: args.pop(), expr };
        Ok(Expr { span: start.to(end), kind: ExprKind::Aggregate(Box::new(aggregate)) })
    }

    fn binary(&mut self, tree: &pp::BinaryExpr) -> Result<Expr, Fault> {
        let left = self.expr(&tree.lhs)?;
        let (part, op_span) = self.take()?;
        let Part::Op(op, modifiers) = part else { return Err(mismatch(op_span)) };
        let right = self.expr(&tree.rhs)?;
        let span = left.span.to(right.span);
        Ok(Expr { span, kind: ExprKind::Binary(Box::new(Binary { op, op_span, modifiers, left, right })) })
    }
}
