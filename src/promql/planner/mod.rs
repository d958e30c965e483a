//! From the syntax tree to a plan: types settled, labels resolved, constants folded.

mod builder;
mod calls;

use std::sync::Arc;

use super::annotations::Span;
use super::ast::{
    Aggregate, AggregateOp, Binary, BinaryOp, Call, Cardinality, Expr, ExprKind, Grouping, Selector, Subquery,
};
use super::error::Fault;
use super::features::Features;
use super::func::{Kind, RangeMode, ValueType};
use super::ops::arithmetic;
use super::plan::{
    GroupLabels, InfoNode, Many, Matching, Node, NodeId, NodeKind, QueryScalar, RangeCall, RangeSource, SelectorNode,
};
use crate::model::METRIC_NAME;
use builder::{Planner, one_name, timing, unwrap_parens};

/// Longer identities are not kept, so that a plan stays small.
const MAX_IDENTITY_LEN: usize = 4_096;

/// Compiles a tree; the last node is the root.
pub(crate) fn plan(expr: &Expr, features: &Features) -> Result<(Vec<Node>, NodeId), Fault> {
    let mut planner = Planner { nodes: Vec::new(), features, tell_resets: false };
    let root = planner.expr(expr)?;
    Ok((planner.nodes, root))
}

impl Planner<'_> {
    fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id.0 as usize)
    }

    pub(super) fn type_of(&self, id: NodeId) -> ValueType {
        self.node(id).map_or(ValueType::Scalar, |n| n.value_type)
    }

    fn number_of(&self, id: NodeId) -> Option<f64> {
        match self.node(id).map(|n| &n.kind) {
            Some(NodeKind::Number(v)) => Some(*v),
            _ => None,
        }
    }

    fn is_invariant(&self, id: NodeId) -> bool {
        self.node(id).is_some_and(|n| n.invariant)
    }

    fn has_one_name(&self, id: NodeId) -> bool {
        self.node(id).is_some_and(|n| n.one_name)
    }

    /// Adds a node; its type, invariance and names are given, its identity follows.
    pub(super) fn add(
        &mut self,
        kind: NodeKind,
        span: Span,
        value_type: ValueType,
        invariant: bool,
        one_name: bool,
    ) -> NodeId {
        let identity = self.identity(&kind);
        // Series of one name may differ in their types and units, which go with the name.
        let one_name = one_name && !self.features.type_and_unit_labels;
        let id = NodeId(u32::try_from(self.nodes.len()).unwrap_or(u32::MAX));
        self.nodes.push(Node { kind, span, value_type, invariant, one_name, identity });
        id
    }

    /// What a node does in words, its children's words included.
    fn identity(&self, kind: &NodeKind) -> Option<Arc<str>> {
        let mut text = super::explain::describe(kind);
        for child in super::plan::children(kind) {
            let below = self.node(child)?.identity.as_ref()?;
            text.push_str(" (");
            text.push_str(below);
            text.push(')');
        }
        (text.len() <= MAX_IDENTITY_LEN).then(|| text.into())
    }

    /// A vector node over others that drops the metric name. Where names could differ, series are merged.
    pub(super) fn add_dropping(&mut self, kind: NodeKind, span: Span, inputs: &[NodeId], invariant: bool) -> NodeId {
        let one_name = inputs.iter().all(|i| self.has_one_name(*i));
        self.add_merged(kind, span, invariant, one_name)
    }

    pub(super) fn add_merged(&mut self, kind: NodeKind, span: Span, invariant: bool, one_name: bool) -> NodeId {
        let id = self.add(kind, span, ValueType::Vector, invariant, one_name);
        if (one_name && !self.features.type_and_unit_labels) || self.features.delayed_name_removal {
            return id;
        }
        self.add(NodeKind::MergeDropped(id), span, ValueType::Vector, invariant, true)
    }

    pub(super) fn expr(&mut self, e: &Expr) -> Result<NodeId, Fault> {
        use ValueType::{Matrix, Scalar, String, Vector};
        Ok(match &e.kind {
            ExprKind::Number(v) => self.add(NodeKind::Number(*v), e.span, Scalar, true, true),
            ExprKind::String(s) => self.add(NodeKind::String(s.clone()), e.span, String, true, true),
            ExprKind::Paren(inner) => self.expr(inner)?,
            ExprKind::Negate(inner) => self.negate(inner, e.span)?,
            ExprKind::Vector(s) => {
                let (selector, invariant, one_name) = (self.selector(s, e.span), s.timing.at.is_some(), one_name(s));
                self.add(NodeKind::Selector(selector), e.span, Vector, invariant, one_name)
            }
            ExprKind::Matrix(..) | ExprKind::Subquery(_) => {
                let (source, invariant, one_name) = self.range_source(e, "")?;
                self.add(NodeKind::Range(source), e.span, Matrix, invariant, one_name)
            }
            ExprKind::Call(call) => self.call(call, e.span)?,
            ExprKind::Aggregate(a) => self.aggregate(a, e.span)?,
            ExprKind::Binary(b) => self.binary(b, e.span)?,
        })
    }

    fn negate(&mut self, inner: &Expr, span: Span) -> Result<NodeId, Fault> {
        let input = self.expr(inner)?;
        let invariant = self.is_invariant(input);
        match self.type_of(input) {
            ValueType::Scalar => match self.number_of(input) {
                Some(v) => Ok(self.add(NodeKind::Number(-v), span, ValueType::Scalar, true, true)),
                None => Ok(self.add(NodeKind::Negate(input), span, ValueType::Scalar, invariant, true)),
            },
            ValueType::Vector => Ok(self.add_dropping(NodeKind::Negate(input), span, &[input], invariant)),
            other => {
                let text = format!(
                    "unary expression only allowed on expressions of type scalar or instant vector, got {:?}",
                    other.documented()
                );
                Err(Fault::new(span, text))
            }
        }
    }

    pub(super) fn selector(&self, s: &Selector, span: Span) -> SelectorNode {
        let (matchers, timing) = (s.matchers.clone(), timing(&s.timing));
        SelectorNode { matchers, timing, mode: s.mode, span, tell_resets: self.tell_resets }
    }

    /// The source of a range function, whether it is the same at every step, and whether it has one name.
    pub(super) fn range_source(&mut self, e: &Expr, function: &str) -> Result<(RangeSource, bool, bool), Fault> {
        match unwrap_parens(e) {
            Expr { span, kind: ExprKind::Matrix(s, range) } => {
                check_mode(s.mode, function, *span)?;
                let source = RangeSource::Selector(self.selector(s, *span), range.clone());
                Ok((source, s.timing.at.is_some(), one_name(s)))
            }
            Expr { kind: ExprKind::Subquery(s), .. } => self.subquery(s),
            other => {
                Err(Fault::new(other.span, format!("expected type range vector in call to function {function:?}")))
            }
        }
    }

    fn subquery(&mut self, s: &Subquery) -> Result<(RangeSource, bool, bool), Fault> {
        let inner = self.expr(&s.expr)?;
        if self.type_of(inner) != ValueType::Vector {
            let text =
                format!("subquery is only allowed on instant vector, got {} instead", self.type_of(inner).documented());
            return Err(Fault::new(s.expr.span, text));
        }
        let one_name = self.has_one_name(inner);
        let invariant = s.timing.at.is_some();
        let source =
            RangeSource::Subquery { inner, range: s.range.clone(), step: s.step.clone(), timing: timing(&s.timing) };
        Ok((source, invariant, one_name))
    }

    /// Compiles arguments and checks their types.
    fn typed(&mut self, e: &Expr, want: ValueType, context: &str) -> Result<NodeId, Fault> {
        let id = self.expr(e)?;
        let got = self.type_of(id);
        if got == want {
            return Ok(id);
        }
        let text = format!("expected type {} in {context}, got {}", want.documented(), got.documented());
        Err(Fault::new(e.span, text))
    }

    fn call(&mut self, call: &Call, span: Span) -> Result<NodeId, Fault> {
        let above = self.tell_resets;
        self.tell_resets = match call.func.name {
            "histogram_count" | "histogram_sum" | "histogram_avg" => true,
            "histogram_quantile" | "histogram_quantiles" | "histogram_fraction" => false,
            _ => above,
        };
        let id = self.call_below(call, span);
        self.tell_resets = above;
        id
    }

    fn call_below(&mut self, call: &Call, span: Span) -> Result<NodeId, Fault> {
        let name = call.func.name;
        let spans: Vec<Span> = (0..call.args.len()).map(|i| calls::span_of(call, i)).collect();
        match call.func.kind {
            Kind::Special(special) => calls::special(self, special, call, span),
            Kind::Range { f, batch, keeps_name } => {
                let (mut args, mut source) = (Vec::new(), None);
                for (i, arg) in call.args.iter().enumerate() {
                    if call.func.args.get(i) == Some(&ValueType::Matrix) {
                        source = Some(self.range_source(arg, name)?);
                    } else {
                        args.push(self.argument(call, i)?);
                    }
                }
                let Some((source, fixed, one_name)) = source else {
                    return Err(Fault::new(span, format!("function {name:?} needs a range vector")));
                };
                let invariant = fixed && args.iter().all(|a| self.is_invariant(*a)) && !depends_on_time(name);
                let node = RangeCall { name, f, batch, keeps_name, source, args, spans };
                let kind = NodeKind::RangeCall(Box::new(node));
                if keeps_name {
                    return Ok(self.add(kind, span, ValueType::Vector, invariant, one_name));
                }
                Ok(self.add_merged(kind, span, invariant, one_name))
            }
            Kind::Math { f, empty } => {
                let input = self.argument(call, 0)?;
                let args = (1..call.args.len()).map(|i| self.argument(call, i)).collect::<Result<Vec<_>, _>>()?;
                let invariant = self.is_invariant(input) && args.iter().all(|a| self.is_invariant(*a));
                Ok(self.add_dropping(NodeKind::Math { name, f, empty, input, args }, span, &[input], invariant))
            }
            Kind::Date(f) => {
                let input = if call.args.is_empty() { None } else { Some(self.argument(call, 0)?) };
                let inputs: Vec<NodeId> = input.into_iter().collect();
                Ok(self.add_dropping(NodeKind::Date { name, f, input }, span, &inputs, false))
            }
            Kind::Histogram(f) => {
                let input = self.argument(call, 0)?;
                let invariant = self.is_invariant(input);
                Ok(self.add_dropping(NodeKind::Histogram { name, f, input }, span, &[input], invariant))
            }
        }
    }

    /// Argument `i` of a call, of the type its function wants.
    pub(super) fn argument(&mut self, call: &Call, i: usize) -> Result<NodeId, Fault> {
        let Some(arg) = call.args.get(i) else {
            return Err(Fault::new(Span::default(), format!("missing argument in call to {:?}", call.func.name)));
        };
        let want = call.func.args.get(i).or(call.func.args.last()).copied().unwrap_or(ValueType::Vector);
        self.typed(arg, want, &format!("call to function {:?}", call.func.name))
    }

    fn aggregate(&mut self, a: &Aggregate, span: Span) -> Result<NodeId, Fault> {
        const CONTEXT: &str = "aggregation expression";
        let group = self.group_labels(&a.grouping);
        let input = self.typed(&a.expr, ValueType::Vector, CONTEXT)?;
        if a.op == AggregateOp::CountValues {
            let param = a.param.as_ref().map(unwrap_parens);
            let Some(Expr { kind: ExprKind::String(label), .. }) = param else {
                let found = param.map_or(span, |p| p.span);
                return Err(Fault::new(found, format!("expected type string in {CONTEXT}")));
            };
            if label.is_empty() {
                return Err(Fault::new(span, format!("invalid label name {label:?}")));
            }
            let (label, invariant) = (label.clone(), self.is_invariant(input));
            let kind = NodeKind::CountValues { label, group, input };
            return Ok(self.add(kind, span, ValueType::Vector, invariant, false));
        }
        let param = match &a.param {
            Some(p) => Some(self.typed(p, ValueType::Scalar, CONTEXT)?),
            None => None,
        };
        let invariant = self.is_invariant(input) && param.is_none_or(|p| self.is_invariant(p));
        let picks =
            matches!(a.op, AggregateOp::Topk | AggregateOp::Bottomk | AggregateOp::Limitk | AggregateOp::LimitRatio);
        let one_name = if picks {
            self.has_one_name(input)
        } else {
            group.without || !group.labels.iter().any(|l| l == METRIC_NAME) || self.has_one_name(input)
        };
        let place = if matches!(a.op, AggregateOp::Topk | AggregateOp::Bottomk) { span } else { a.expr.span };
        let kind = NodeKind::Aggregate { op: a.op, group, param, input, place };
        Ok(self.add(kind, span, ValueType::Vector, invariant, one_name))
    }

    fn group_labels(&self, g: &Grouping) -> GroupLabels {
        let mut labels = g.labels.clone();
        if g.without {
            labels.push(METRIC_NAME.to_owned());
        }
        labels.sort();
        labels.dedup();
        GroupLabels { without: g.without, labels: labels.into() }
    }

    fn binary(&mut self, b: &Binary, span: Span) -> Result<NodeId, Fault> {
        use ValueType::{Scalar, Vector};
        let (left, right) = (self.expr(&b.left)?, self.expr(&b.right)?);
        for (id, side) in [(left, &b.left), (right, &b.right)] {
            if !matches!(self.type_of(id), Scalar | Vector) {
                return Err(Fault::new(
                    side.span,
                    "binary expression must contain only scalar and instant vector types",
                ));
            }
        }
        let invariant = self.is_invariant(left) && self.is_invariant(right);
        match (self.type_of(left), self.type_of(right)) {
            (Vector, Vector) if b.op.is_set() => {
                let key = self.match_key(b);
                let one_name = self.has_one_name(left) && self.has_one_name(right) && b.op != BinaryOp::Or;
                Ok(self.add(NodeKind::Set { op: b.op, left, right, key }, span, Vector, invariant, one_name))
            }
            (Vector, Vector) => Ok(self.vector_vector(b, left, right, span, invariant)),
            _ if b.op.is_set() => {
                let text = format!("set operator {:?} not allowed in binary scalar expression", b.op.as_str());
                Err(Fault::new(span, text))
            }
            _ if b.modifiers.matching.as_ref().is_some_and(|m| !m.labels.is_empty()) => {
                Err(Fault::new(span, "vector matching only allowed between instant vectors"))
            }
            _ if b.modifiers.fill_left.is_some() || b.modifiers.fill_right.is_some() => {
                Err(Fault::new(span, "filling in missing series only allowed between instant vectors"))
            }
            (Scalar, Scalar) => self.scalar_scalar(b, left, right, span, invariant),
            (Vector, _) => Ok(self.vector_scalar(b, left, right, false, span, invariant)),
            (_, _) => Ok(self.vector_scalar(b, right, left, true, span, invariant)),
        }
    }

    fn scalar_scalar(
        &mut self,
        b: &Binary,
        left: NodeId,
        right: NodeId,
        span: Span,
        invariant: bool,
    ) -> Result<NodeId, Fault> {
        if b.op.is_comparison() && !b.modifiers.bool {
            return Err(Fault::new(span, "comparisons between scalars must use BOOL modifier"));
        }
        if b.op.is_trim() {
            return Err(Fault::new(span, format!("operator {:?} not allowed between scalars", b.op.as_str())));
        }
        if let (Some(l), Some(r)) = (self.number_of(left), self.number_of(right)) {
            let v = arithmetic::scalars(b.op, l, r);
            return Ok(self.add(NodeKind::Number(v), span, ValueType::Scalar, true, true));
        }
        Ok(self.add(NodeKind::ScalarBinary { op: b.op, left, right }, span, ValueType::Scalar, invariant, true))
    }

    fn vector_scalar(
        &mut self,
        b: &Binary,
        vector: NodeId,
        scalar: NodeId,
        scalar_left: bool,
        span: Span,
        invariant: bool,
    ) -> NodeId {
        let kind = NodeKind::VectorScalar { op: b.op, vector, scalar, scalar_left, bool: b.modifiers.bool };
        if arithmetic::drops_name(b.op) || b.modifiers.bool {
            self.add_dropping(kind, span, &[vector], invariant)
        } else {
            let one_name = self.has_one_name(vector);
            self.add(kind, span, ValueType::Vector, invariant, one_name)
        }
    }

    fn match_key(&self, b: &Binary) -> GroupLabels {
        match &b.modifiers.matching {
            Some(m) if !m.without => {
                let mut labels = m.labels.clone();
                labels.sort();
                labels.dedup();
                GroupLabels { without: false, labels: labels.into() }
            }
            other => {
                let mut labels = other.as_ref().map(|m| m.labels.clone()).unwrap_or_default();
                labels.push(METRIC_NAME.to_owned());
                labels.sort();
                labels.dedup();
                GroupLabels { without: true, labels: labels.into() }
            }
        }
    }

    fn vector_vector(&mut self, b: &Binary, left: NodeId, right: NodeId, span: Span, invariant: bool) -> NodeId {
        let key = self.match_key(b);
        let (many, include) = match &b.modifiers.cardinality {
            Cardinality::OneToOne => (Many::None, Vec::new()),
            Cardinality::GroupLeft(include) => (Many::Left, include.clone()),
            Cardinality::GroupRight(include) => (Many::Right, include.clone()),
        };
        let matching = Matching {
            on: !key.without,
            key,
            written: b.modifiers.matching.as_ref().map(|m| m.labels.as_slice().into()).unwrap_or_default(),
            many,
            include,
            fill_left: b.modifiers.fill_left,
            fill_right: b.modifiers.fill_right,
        };
        let kept = if many == Many::Right { right } else { left };
        let one_name = arithmetic::drops_name(b.op) || self.has_one_name(kept);
        let matching = Box::new(matching);
        let kind = NodeKind::VectorVector { op: b.op, left, right, bool: b.modifiers.bool, matching };
        self.add(kind, span, ValueType::Vector, invariant, one_name)
    }

    /// A node over one vector that keeps names.
    pub(super) fn add_keeping(&mut self, kind: NodeKind, span: Span, input: NodeId) -> NodeId {
        let (invariant, one_name) = (self.is_invariant(input), self.has_one_name(input));
        self.add(kind, span, ValueType::Vector, invariant, one_name)
    }

    pub(super) fn all_invariant(&self, ids: &[NodeId]) -> bool {
        ids.iter().all(|i| self.is_invariant(*i))
    }

    pub(super) fn query_scalar(&mut self, what: QueryScalar, span: Span) -> NodeId {
        self.add(NodeKind::QueryScalar(what), span, ValueType::Scalar, what != QueryScalar::Time, true)
    }

    pub(super) fn add_info(&mut self, info: InfoNode, span: Span) -> NodeId {
        let input = info.input;
        self.add_keeping(NodeKind::Info(Box::new(info)), span, input)
    }
}

/// `offset` and `@` as the plan has them.
/// Functions whose result depends on the evaluation time even when their input does not.
fn depends_on_time(name: &str) -> bool {
    name == "predict_linear"
}

/// `anchored` and `smoothed` go with some functions only.
fn check_mode(mode: RangeMode, function: &str, span: Span) -> Result<(), Fault> {
    let (word, allowed): (_, &[&str]) = match mode {
        RangeMode::Plain => return Ok(()),
        RangeMode::Anchored => ("anchored", &["changes", "delta", "increase", "rate", "resets"]),
        RangeMode::Smoothed => ("smoothed", &["delta", "increase", "rate"]),
    };
    if function.is_empty() || allowed.contains(&function) {
        return Ok(());
    }
    let list = allowed.join(", ");
    Err(Fault::new(span, format!("{word} modifier can only be used with: {list} - not with {function}")))
}
