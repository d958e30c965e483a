//! Calls that are operators.

use super::super::annotations::Span;
use super::super::ast::{Call, Dur, Expr, ExprKind};
use super::super::error::Fault;
use super::super::func::{RangeMode, Special, ValueType};
use super::super::plan::{InfoNode, NodeId, NodeKind, QueryScalar, ReadTiming};
use super::builder::{Planner, one_name, timing, unwrap_parens};
use crate::model::re2;
use crate::model::{METRIC_NAME, MatchOp, Matcher};

/// Compiles a call of an operator.
pub(super) fn special(p: &mut Planner<'_>, special: Special, call: &Call, span: Span) -> Result<NodeId, Fault> {
    use Special::*;
    match special {
        Pi => Ok(p.add(NodeKind::Number(std::f64::consts::PI), span, ValueType::Scalar, true, true)),
        Time => Ok(p.query_scalar(QueryScalar::Time, span)),
        Start => Ok(p.query_scalar(QueryScalar::Start, span)),
        End => Ok(p.query_scalar(QueryScalar::End, span)),
        Step => Ok(p.query_scalar(QueryScalar::Step, span)),
        Range => Ok(p.query_scalar(QueryScalar::Range, span)),
        MinOf | MaxOf => {
            let (left, right) = (p.argument(call, 0)?, p.argument(call, 1)?);
            let invariant = p.all_invariant(&[left, right]);
            let kind = NodeKind::ScalarMinMax { max: special == MaxOf, left, right };
            Ok(p.add(kind, span, ValueType::Scalar, invariant, true))
        }
        Scalar => {
            let input = p.argument(call, 0)?;
            let invariant = p.all_invariant(&[input]);
            Ok(p.add(NodeKind::VectorToScalar(input), span, ValueType::Scalar, invariant, true))
        }
        Vector => {
            let input = p.argument(call, 0)?;
            let invariant = p.all_invariant(&[input]);
            Ok(p.add(NodeKind::ScalarToVector(input), span, ValueType::Vector, invariant, true))
        }
        Absent | AbsentOverTime => absent(p, special == AbsentOverTime, call, span),
        Timestamp | StartTimestamp => time_of_sample(p, special == StartTimestamp, call, span),
        LabelReplace => label_replace(p, call, span),
        LabelJoin => label_join(p, call, span),
        Sort | SortDesc => {
            let input = p.argument(call, 0)?;
            Ok(p.add_keeping(NodeKind::Sort { input, descending: special == SortDesc }, span, input))
        }
        SortByLabel | SortByLabelDesc => {
            let input = p.argument(call, 0)?;
            let labels = (1..call.args.len()).map(|i| string(call, i)).collect::<Result<Vec<_>, _>>()?;
            let descending = special == SortByLabelDesc;
            Ok(p.add_keeping(NodeKind::SortByLabel { input, descending, labels }, span, input))
        }
        HistogramQuantile | HistogramQuantiles | HistogramFraction => histogram(p, special, call, span),
        Info => info(p, call, span),
    }
}

fn string(call: &Call, i: usize) -> Result<String, Fault> {
    match call.args.get(i).map(unwrap_parens) {
        Some(Expr { kind: ExprKind::String(s), .. }) => Ok(s.clone()),
        Some(other) => {
            let text = format!("expected type string in call to function {:?}", call.func.name);
            Err(Fault::new(other.span, text))
        }
        None => Err(Fault::new(Span::default(), format!("missing argument in call to {:?}", call.func.name))),
    }
}

/// Where notes on argument `i` point: inside its parentheses. Of a subquery, Prometheus knows no place.
pub(super) fn span_of(call: &Call, i: usize) -> Span {
    match call.args.get(i).map(unwrap_parens) {
        Some(Expr { kind: ExprKind::Subquery(_), .. }) | None => Span::default(),
        Some(arg) => arg.span,
    }
}

/// `absent` and its labels: those that the selector's equality matchers fix, each by one matcher only.
fn absent(p: &mut Planner<'_>, over_time: bool, call: &Call, span: Span) -> Result<NodeId, Fault> {
    let labels = match call.args.first().map(unwrap_parens).map(|a| &a.kind) {
        Some(ExprKind::Vector(s) | ExprKind::Matrix(s, _)) => fixed_labels(&s.matchers),
        _ => Vec::new(),
    };
    if over_time {
        let Some(arg) = call.args.first() else { return Err(Fault::new(span, "missing argument")) };
        let (source, invariant, _) = p.range_source(arg, call.func.name)?;
        return Ok(p.add(NodeKind::AbsentOverTime(source, labels), span, ValueType::Vector, invariant, true));
    }
    let input = p.argument(call, 0)?;
    let invariant = p.all_invariant(&[input]);
    Ok(p.add(NodeKind::Absent(input, labels), span, ValueType::Vector, invariant, true))
}

fn fixed_labels(matchers: &[Matcher]) -> Vec<(String, String)> {
    let of = |name: &str| matchers.iter().filter(|m| m.name == name).count();
    let fixed = matchers.iter().filter(|m| m.op == MatchOp::Equal && m.name != METRIC_NAME && of(&m.name) == 1);
    fixed.map(|m| (m.name.clone(), m.value.clone())).collect()
}

fn time_of_sample(p: &mut Planner<'_>, start: bool, call: &Call, span: Span) -> Result<NodeId, Fault> {
    if let Some(Expr { span: place, kind: ExprKind::Vector(s) }) = call.args.first().map(unwrap_parens)
        && s.mode == RangeMode::Plain
    {
        let selector = p.selector(s, *place);
        let invariant = s.timing.at.is_some();
        return Ok(p.add_merged(NodeKind::SampleTime { selector, start }, span, invariant, one_name(s)));
    }
    let input = p.argument(call, 0)?;
    Ok(p.add_dropping(NodeKind::EvalTime { input, start }, span, &[input], false))
}

fn label_replace(p: &mut Planner<'_>, call: &Call, span: Span) -> Result<NodeId, Fault> {
    let input = p.argument(call, 0)?;
    let (dst, replacement, src, pattern) = (string(call, 1)?, string(call, 2)?, string(call, 3)?, string(call, 4)?);
    let Ok(regex) = re2::compile_anchored(&pattern) else {
        return Err(Fault::new(span_of(call, 4), format!("invalid regular expression in label_replace(): {pattern}")));
    };
    check_destination(&dst, "label_replace", span_of(call, 1))?;
    let kind = NodeKind::LabelReplace { input, dst, replacement, src, regex };
    let invariant = p.all_invariant(&[input]);
    Ok(p.add(kind, span, ValueType::Vector, invariant, false))
}

fn label_join(p: &mut Planner<'_>, call: &Call, span: Span) -> Result<NodeId, Fault> {
    let input = p.argument(call, 0)?;
    let (dst, separator) = (string(call, 1)?, string(call, 2)?);
    let sources = (3..call.args.len()).map(|i| string(call, i)).collect::<Result<Vec<_>, _>>()?;
    check_destination(&dst, "label_join", span_of(call, 1))?;
    for (i, source) in sources.iter().enumerate() {
        if source.is_empty() {
            return Err(Fault::new(
                span_of(call, i + 3),
                format!("invalid source label name in label_join(): {source}"),
            ));
        }
    }
    let invariant = p.all_invariant(&[input]);
    let kind = NodeKind::LabelJoin { input, dst, separator, sources };
    Ok(p.add(kind, span, ValueType::Vector, invariant, false))
}

fn check_destination(dst: &str, function: &str, span: Span) -> Result<(), Fault> {
    if dst.is_empty() {
        return Err(Fault::new(span, format!("invalid destination label name in {function}(): {dst}")));
    }
    Ok(())
}

fn histogram(p: &mut Planner<'_>, special: Special, call: &Call, span: Span) -> Result<NodeId, Fault> {
    match special {
        Special::HistogramQuantile => {
            let (quantile, input) = (p.argument(call, 0)?, p.argument(call, 1)?);
            let invariant = p.all_invariant(&[quantile, input]);
            let spans = [span_of(call, 0), span_of(call, 1)];
            Ok(p.add_dropping(NodeKind::HistogramQuantile { quantile, input, spans }, span, &[input], invariant))
        }
        Special::HistogramFraction => {
            let (lower, upper, input) = (p.argument(call, 0)?, p.argument(call, 1)?, p.argument(call, 2)?);
            let invariant = p.all_invariant(&[lower, upper, input]);
            let kind = NodeKind::HistogramFraction { lower, upper, input, input_span: span_of(call, 2) };
            Ok(p.add_dropping(kind, span, &[input], invariant))
        }
        _ => {
            let input = p.argument(call, 0)?;
            let label = string(call, 1)?;
            let mut quantiles = Vec::new();
            for i in 2..call.args.len() {
                quantiles.push((p.argument(call, i)?, span_of(call, i)));
            }
            let mut all = vec![input];
            all.extend(quantiles.iter().map(|(q, _)| *q));
            let invariant = p.all_invariant(&all);
            let kind = NodeKind::HistogramQuantiles { label, quantiles, input, input_span: span_of(call, 0) };
            Ok(p.add_dropping(kind, span, &[input], invariant))
        }
    }
}

fn info(p: &mut Planner<'_>, call: &Call, span: Span) -> Result<NodeId, Fault> {
    let input = p.argument(call, 0)?;
    let (mut name_matchers, mut data_matchers) = (Vec::new(), Vec::new());
    if let Some(arg) = call.args.get(1) {
        let Expr { kind: ExprKind::Vector(s), .. } = arg else {
            return Err(Fault::new(arg.span, "expected label selectors as the second argument to \"info\" function"));
        };
        (name_matchers, data_matchers) = s.matchers.iter().cloned().partition(|m| m.name == METRIC_NAME);
    }
    // Without a matcher that says which the info metrics are, they are told by their names.
    if !name_matchers.iter().any(|m| matches!(m.op, MatchOp::Equal | MatchOp::Regex)) {
        let (op, name) = match name_matchers.is_empty() {
            true => (MatchOp::Equal, "target_info"),
            false => (MatchOp::Regex, ".+_info"),
        };
        name_matchers.insert(0, Matcher::new(op, METRIC_NAME, name).map_err(|e| Fault::new(span, e))?);
    }
    let timing = call.args.first().map(reading_time).unwrap_or_default();
    Ok(p.add_info(InfoNode { input, name_matchers, data_matchers, timing }, span))
}

/// When the samples behind an expression are read: `@` and `offset` of the first selector or subquery that has any. What
/// stands inside a subquery is read as much earlier as both say, or when its own `@` says.
fn reading_time(e: &Expr) -> ReadTiming {
    match &e.kind {
        ExprKind::Vector(s) | ExprKind::Matrix(s, _) => timing(&s.timing),
        ExprKind::Subquery(s) => {
            let (outer, inner) = (timing(&s.timing), reading_time(&s.expr));
            match inner.at {
                Some(_) => inner,
                None => ReadTiming { at: outer.at, offset: Dur::sum(outer.offset, inner.offset) },
            }
        }
        ExprKind::Paren(x) | ExprKind::Negate(x) => reading_time(x),
        ExprKind::Call(c) => first_timed(c.args.iter()),
        ExprKind::Aggregate(a) => reading_time(&a.expr),
        ExprKind::Binary(b) => first_timed([&b.left, &b.right].into_iter()),
        ExprKind::Number(_) | ExprKind::String(_) => ReadTiming::default(),
    }
}

fn first_timed<'e>(mut parts: impl Iterator<Item = &'e Expr>) -> ReadTiming {
    let timed = |t: &ReadTiming| t.at.is_some() || t.offset.is_some();
    parts.find_map(|e| Some(reading_time(e)).filter(timed)).unwrap_or_default()
}
