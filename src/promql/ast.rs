//! The syntax tree of a query, with the place of every part.

use super::annotations::Span;
use super::func::{Function, RangeMode};
use crate::model::Matcher;

/// An expression and where it stands.
#[derive(Clone)]
pub struct Expr {
    /// Its place in the source, as Prometheus' `PositionRange`.
    pub span: Span,
    /// What it is.
    pub kind: ExprKind,
}

/// The kinds of expressions.
#[derive(Clone)]
pub enum ExprKind {
    /// `1.5`, `0x1F`, `1h30m`
    Number(f64),
    /// `"text"`
    String(String),
    /// `(expr)`
    Paren(Box<Expr>),
    /// `-expr`; a unary plus leaves no trace.
    Negate(Box<Expr>),
    /// `metric{a="b"} offset 5m`
    Vector(Selector),
    /// `metric[5m] @ end()`
    Matrix(Selector, Dur),
    /// `expr[1h:5m]`
    Subquery(Box<Subquery>),
    /// `rate(...)`
    Call(Call),
    /// `sum by (job) (...)`
    Aggregate(Box<Aggregate>),
    /// `a / on (job) b`
    Binary(Box<Binary>),
}

/// What selects series, and from when.
#[derive(Clone)]
pub struct Selector {
    /// The metric name as written before the braces, empty when there is none.
    pub name: String,
    /// All conditions, the metric name's included.
    pub matchers: Vec<Matcher>,
    /// `offset` and `@`.
    pub timing: Timing,
    /// `anchored` or `smoothed`.
    pub mode: RangeMode,
}

/// `offset` and `@`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Timing {
    /// `offset`, possibly negative.
    pub offset: Option<Dur>,
    /// `@`
    pub at: Option<At>,
}

/// The time after `@`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum At {
    /// Milliseconds since the epoch.
    Time(i64),
    /// `start()`: the first step of the query.
    Start,
    /// `end()`: the last step of the query.
    End,
}

/// A subquery.
#[derive(Clone)]
pub struct Subquery {
    /// What is evaluated.
    pub expr: Expr,
    /// Over which range.
    pub range: Dur,
    /// At which step; the default step when missing.
    pub step: Option<Dur>,
    /// `offset` and `@`.
    pub timing: Timing,
}

/// A duration: known, or to be computed from the query's step and range.
#[derive(Clone, Debug, PartialEq)]
pub enum Dur {
    /// Milliseconds.
    Millis(i64),
    /// Seconds, computed when the query runs; the whole expression's place with it.
    Expr(DurExpr, Span),
}

impl Dur {
    /// Two durations one after the other.
    pub fn sum(a: Option<Dur>, b: Option<Dur>) -> Option<Dur> {
        let (a, b) = match (a, b) {
            (Some(a), Some(b)) => (a, b),
            (a, b) => return a.or(b),
        };
        if let (Dur::Millis(a), Dur::Millis(b)) = (&a, &b) {
            return Some(Dur::Millis(a.saturating_add(*b)));
        }
        let part = |d: Dur| match d {
            Dur::Millis(ms) => (DurExpr::Number(ms as f64 / 1_000.0), Span::default()),
            Dur::Expr(e, span) => (e, span),
        };
        let ((a, first), (b, second)) = (part(a), part(b));
        let span = if first == Span::default() { second } else { first };
        Some(Dur::Expr(DurExpr::Binary(BinaryOp::Add, Box::new(a), Box::new(b)), span))
    }
}

/// A duration expression; numbers are seconds.
#[derive(Clone, Debug, PartialEq)]
pub enum DurExpr {
    /// `5m`, `300`
    Number(f64),
    /// `-x`
    Negate(Box<DurExpr>),
    /// `a + b`
    Binary(BinaryOp, Box<DurExpr>, Box<DurExpr>),
    /// `step()`
    Step,
    /// `range()`
    Range,
    /// `min_of(a, b)`
    Min(Box<DurExpr>, Box<DurExpr>),
    /// `max_of(a, b)`
    Max(Box<DurExpr>, Box<DurExpr>),
}

/// A function call.
#[derive(Clone)]
pub struct Call {
    /// The function.
    pub func: &'static Function,
    /// The arguments in order.
    pub args: Vec<Expr>,
}

/// Aggregation operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum AggregateOp {
    Avg,
    Bottomk,
    Count,
    CountValues,
    Group,
    LimitRatio,
    Limitk,
    Max,
    Min,
    Quantile,
    Stddev,
    Stdvar,
    Sum,
    Topk,
}

impl AggregateOp {
    /// All of them.
    pub const ALL: [AggregateOp; 14] = {
        use AggregateOp::*;
        [Avg, Bottomk, Count, CountValues, Group, LimitRatio, Limitk, Max, Min, Quantile, Stddev, Stdvar, Sum, Topk]
    };

    /// The operator of a name, in any case.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|op| op.as_str().eq_ignore_ascii_case(name))
    }

    /// The name in PromQL.
    pub fn as_str(self) -> &'static str {
        use AggregateOp::*;
        match self {
            Avg => "avg",
            Bottomk => "bottomk",
            Count => "count",
            CountValues => "count_values",
            Group => "group",
            LimitRatio => "limit_ratio",
            Limitk => "limitk",
            Max => "max",
            Min => "min",
            Quantile => "quantile",
            Stddev => "stddev",
            Stdvar => "stdvar",
            Sum => "sum",
            Topk => "topk",
        }
    }

    /// Whether the operator takes a parameter before the vector.
    pub fn has_param(self) -> bool {
        use AggregateOp::*;
        matches!(self, Bottomk | CountValues | LimitRatio | Limitk | Quantile | Topk)
    }

    /// Whether Prometheus keeps the operator behind `promql-experimental-functions`.
    pub fn is_experimental(self) -> bool {
        matches!(self, AggregateOp::Limitk | AggregateOp::LimitRatio)
    }
}

/// `by (...)` or `without (...)`; `on` and `ignoring`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Grouping {
    /// `without` or `ignoring`: the labels left out, rather than those kept.
    pub without: bool,
    /// The labels as written.
    pub labels: Vec<String>,
}

/// An aggregation.
#[derive(Clone)]
pub struct Aggregate {
    /// The operator.
    pub op: AggregateOp,
    /// What groups are made of.
    pub grouping: Grouping,
    /// The parameter of those operators that have one.
    pub param: Option<Expr>,
    /// What is aggregated.
    pub expr: Expr,
}

/// Binary operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum BinaryOp {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
    Atan2,
    Eql,
    Neq,
    Lss,
    Lte,
    Gtr,
    Gte,
    TrimUpper,
    TrimLower,
    And,
    Or,
    Unless,
}

impl Expr {
    /// The expression without the parentheses around it.
    pub fn bare(&self) -> &Expr {
        let mut expr = self;
        while let ExprKind::Paren(inner) = &expr.kind {
            expr = inner;
        }
        expr
    }

    /// The value of an expression that is made of numbers alone.
    pub fn as_number(&self) -> Option<f64> {
        match &self.bare().kind {
            ExprKind::Number(n) => Some(*n),
            ExprKind::Negate(inner) => inner.as_number().map(|n| -n),
            ExprKind::Binary(b) => {
                let (left, right) = (b.left.as_number()?, b.right.as_number()?);
                match b.op {
                    BinaryOp::Add => Some(left + right),
                    BinaryOp::Sub => Some(left - right),
                    BinaryOp::Mul => Some(left * right),
                    BinaryOp::Div => Some(left / right),
                    BinaryOp::Pow => Some(left.powf(right)),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

impl BinaryOp {
    /// The operator with its sides exchanged; of those that compare.
    pub fn mirrored(self) -> BinaryOp {
        match self {
            BinaryOp::Lss => BinaryOp::Gtr,
            BinaryOp::Lte => BinaryOp::Gte,
            BinaryOp::Gtr => BinaryOp::Lss,
            BinaryOp::Gte => BinaryOp::Lte,
            other => other,
        }
    }

    /// All of them.
    pub const ALL: [BinaryOp; 18] = {
        use BinaryOp::*;
        [Add, Sub, Mul, Div, Mod, Pow, Atan2, Eql, Neq, Lss, Lte, Gtr, Gte, TrimUpper, TrimLower, And, Or, Unless]
    };

    /// As PromQL writes it.
    pub fn as_str(self) -> &'static str {
        use BinaryOp::*;
        match self {
            Add => "+",
            Sub => "-",
            Mul => "*",
            Div => "/",
            Mod => "%",
            Pow => "^",
            Atan2 => "atan2",
            Eql => "==",
            Neq => "!=",
            Lss => "<",
            Lte => "<=",
            Gtr => ">",
            Gte => ">=",
            TrimUpper => "</",
            TrimLower => ">/",
            And => "and",
            Or => "or",
            Unless => "unless",
        }
    }

    /// `and`, `or`, `unless`
    pub fn is_set(self) -> bool {
        matches!(self, BinaryOp::And | BinaryOp::Or | BinaryOp::Unless)
    }

    /// `==`, `!=`, `<`, `<=`, `>`, `>=`
    pub fn is_comparison(self) -> bool {
        use BinaryOp::*;
        matches!(self, Eql | Neq | Lss | Lte | Gtr | Gte)
    }

    /// `</`, `>/`
    pub fn is_trim(self) -> bool {
        matches!(self, BinaryOp::TrimUpper | BinaryOp::TrimLower)
    }
}

/// Which side may have several series for one on the other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Cardinality {
    /// One to one.
    #[default]
    OneToOne,
    /// `group_left`: many on the left; the labels taken over from the right.
    GroupLeft(Vec<String>),
    /// `group_right`: many on the right; the labels taken over from the left.
    GroupRight(Vec<String>),
}

/// What stands between a binary operator and its right side.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BinaryModifiers {
    /// `bool`
    pub bool: bool,
    /// `on` or `ignoring`, when written.
    pub matching: Option<Grouping>,
    /// `group_left`, `group_right`
    pub cardinality: Cardinality,
    /// `fill_left`, `fill`
    pub fill_left: Option<f64>,
    /// `fill_right`, `fill`
    pub fill_right: Option<f64>,
}

/// A binary operation.
#[derive(Clone)]
pub struct Binary {
    /// The operator.
    pub op: BinaryOp,
    /// Where the operator stands.
    pub op_span: Span,
    /// What follows the operator.
    pub modifiers: BinaryModifiers,
    /// Left side.
    pub left: Expr,
    /// Right side.
    pub right: Expr,
}
