//! The compiled form of a query: an arena of typed nodes, made once when a rule loads, immutable, shared by threads.

use std::sync::Arc;

use super::annotations::Span;
use super::ast::{AggregateOp, At, BinaryOp, Dur};
use super::features::Features;
use super::func::{BatchFn, MathFn, RangeFn, RangeMode, ValueType};
use crate::model::Matcher;

/// A node's place in [`Plan::nodes`]. Children come before their parents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub u32);

/// A query ready to be evaluated, any number of times.
#[derive(Debug)]
pub struct Plan {
    pub(super) source: String,
    pub(super) nodes: Vec<Node>,
    pub(super) root: NodeId,
    pub(super) features: Features,
    pub(super) depth: usize,
    pub(super) number: Option<f64>,
}

/// One step of a plan.
#[derive(Debug)]
pub struct Node {
    /// What it does.
    pub kind: NodeKind,
    /// The expression it stands for.
    pub span: Span,
    /// What it gives.
    pub value_type: ValueType,
    /// Whether every step of a query sees the same: evaluated once, then repeated.
    pub invariant: bool,
    /// Whether all series it gives are known to have one metric name, or none: then dropping the name cannot make two
    /// series alike.
    pub one_name: bool,
    /// Equal for nodes that do the same, also in other plans: their whole text. `None` where that would be long.
    pub identity: Option<Arc<str>>,
}

/// How a node times its reading.
#[derive(Clone, Debug, Default)]
pub struct ReadTiming {
    /// `offset`
    pub offset: Option<Dur>,
    /// `@`
    pub at: Option<At>,
}

/// A selector: which series, and when.
#[derive(Debug)]
pub struct SelectorNode {
    /// Conditions on labels.
    pub matchers: Vec<Matcher>,
    /// `offset` and `@`
    pub timing: ReadTiming,
    /// `anchored`, `smoothed`
    pub mode: RangeMode,
    /// The selector alone.
    pub span: Span,
    /// Histograms that do not say whether their counter was reset are compared with the ones before them, as
    /// Prometheus does where only their count and sum matter.
    pub tell_resets: bool,
}

/// Where a range function has its samples from.
#[derive(Debug)]
pub enum RangeSource {
    /// Storage.
    Selector(SelectorNode, Dur),
    /// Another expression, evaluated over its own steps.
    Subquery {
        /// The expression.
        inner: NodeId,
        /// How far back.
        range: Dur,
        /// At which step; the default step when missing.
        step: Option<Dur>,
        /// `offset` and `@`
        timing: ReadTiming,
    },
}

/// A range function and its input.
#[derive(Debug)]
pub struct RangeCall {
    /// Name of the function.
    pub name: &'static str,
    /// Window by window.
    pub f: RangeFn,
    /// The whole series at once.
    pub batch: Option<BatchFn>,
    /// The result keeps the metric name.
    pub keeps_name: bool,
    /// The range.
    pub source: RangeSource,
    /// Scalar arguments in order, the range left out.
    pub args: Vec<NodeId>,
    /// Places of all arguments.
    pub spans: Vec<Span>,
}

/// Labels that make groups, resolved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupLabels {
    /// Leave the labels out rather than keep them.
    pub without: bool,
    /// Sorted, without duplicates. For `without`, those that never make a group (the metric name) are included.
    pub labels: Arc<[String]>,
}

/// How series of two vectors find each other.
#[derive(Clone, Debug)]
pub struct Matching {
    /// Labels that series must agree in.
    pub key: GroupLabels,
    /// Whether `on` was written.
    pub on: bool,
    /// Labels as written after `on` or `ignoring`.
    pub written: Arc<[String]>,
    /// Which side may have several series for one.
    pub many: Many,
    /// Labels taken over from the one side.
    pub include: Vec<String>,
    /// Value in place of a missing left side.
    pub fill_left: Option<f64>,
    /// Value in place of a missing right side.
    pub fill_right: Option<f64>,
}

/// The side of a match with several series for one on the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Many {
    /// Neither.
    None,
    /// `group_left`
    Left,
    /// `group_right`
    Right,
}

/// What the query itself is worth at a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum QueryScalar {
    Time,
    Start,
    End,
    Step,
    Range,
}

/// What nodes do.
#[derive(Debug)]
#[allow(missing_docs)]
pub enum NodeKind {
    Number(f64),
    String(String),
    QueryScalar(QueryScalar),
    /// The latest sample of every series.
    Selector(SelectorNode),
    /// A range vector: only as the whole of an instant query.
    Range(RangeSource),
    RangeCall(Box<RangeCall>),
    /// `absent_over_time`, with the labels its result has.
    AbsentOverTime(RangeSource, Vec<(String, String)>),
    /// A function of every float; histograms are left out.
    Math {
        name: &'static str,
        f: MathFn,
        /// Scalar arguments for which the result is empty.
        empty: Option<fn(&[f64]) -> bool>,
        input: NodeId,
        args: Vec<NodeId>,
    },
    /// A function of dates; of the evaluation time when there is no input.
    Date {
        name: &'static str,
        f: fn(f64) -> f64,
        input: Option<NodeId>,
    },
    /// A function of every native histogram; floats are left out.
    Histogram {
        name: &'static str,
        f: fn(&crate::model::FloatHistogram) -> f64,
        input: NodeId,
    },
    Negate(NodeId),
    ScalarMinMax {
        max: bool,
        left: NodeId,
        right: NodeId,
    },
    ScalarBinary {
        op: BinaryOp,
        left: NodeId,
        right: NodeId,
    },
    /// A vector and a scalar.
    VectorScalar {
        op: BinaryOp,
        vector: NodeId,
        scalar: NodeId,
        scalar_left: bool,
        bool: bool,
    },
    VectorVector {
        op: BinaryOp,
        left: NodeId,
        right: NodeId,
        bool: bool,
        matching: Box<Matching>,
    },
    Set {
        op: BinaryOp,
        left: NodeId,
        right: NodeId,
        key: GroupLabels,
    },
    Aggregate {
        op: AggregateOp,
        group: GroupLabels,
        param: Option<NodeId>,
        input: NodeId,
        /// Where notes point: at the input with its parentheses, or at the whole.
        place: Span,
    },
    /// `count_values`
    CountValues {
        label: String,
        group: GroupLabels,
        input: NodeId,
    },
    /// Series whose names were dropped, made one where that made them alike.
    MergeDropped(NodeId),
    /// `vector(s)`
    ScalarToVector(NodeId),
    /// `scalar(v)`
    VectorToScalar(NodeId),
    Absent(NodeId, Vec<(String, String)>),
    /// `timestamp`, `start_timestamp` of a selector's samples.
    SampleTime {
        selector: SelectorNode,
        start: bool,
    },
    /// `timestamp`, `start_timestamp` of anything else.
    EvalTime {
        input: NodeId,
        start: bool,
    },
    LabelReplace {
        input: NodeId,
        dst: String,
        replacement: String,
        src: String,
        regex: regex::Regex,
    },
    LabelJoin {
        input: NodeId,
        dst: String,
        separator: String,
        sources: Vec<String>,
    },
    Sort {
        input: NodeId,
        descending: bool,
    },
    SortByLabel {
        input: NodeId,
        descending: bool,
        labels: Vec<String>,
    },
    HistogramQuantile {
        quantile: NodeId,
        input: NodeId,
        spans: [Span; 2],
    },
    HistogramQuantiles {
        label: String,
        quantiles: Vec<(NodeId, Span)>,
        input: NodeId,
        input_span: Span,
    },
    HistogramFraction {
        lower: NodeId,
        upper: NodeId,
        input: NodeId,
        input_span: Span,
    },
    Info(Box<InfoNode>),
}

/// `info(v, {...})`
#[derive(Debug)]
pub struct InfoNode {
    /// What is enriched.
    pub input: NodeId,
    /// Conditions on the info series' metric name.
    pub name_matchers: Vec<Matcher>,
    /// Conditions on data labels.
    pub data_matchers: Vec<Matcher>,
    /// When the info series are read: the timing of the selectors in `input`.
    pub timing: ReadTiming,
}

/// A selector as other rooms see it.
#[derive(Clone, Debug)]
pub struct SelectorInfo {
    /// The metric name, when the selector names exactly one.
    pub metric: Option<String>,
    /// All conditions.
    pub matchers: Vec<Matcher>,
    /// The range in milliseconds, of a range selector whose range is known beforehand.
    pub range_ms: Option<i64>,
    /// `offset` in milliseconds, 0 when there is none or it depends on the query.
    pub offset_ms: i64,
    /// Where it stands.
    pub span: Span,
}

impl Plan {
    /// The query as written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The type of the result.
    pub fn result_type(&self) -> ValueType {
        self.node(self.root).value_type
    }

    /// The value, when the query is a number known beforehand.
    pub fn as_number(&self) -> Option<f64> {
        self.number
    }

    /// The switches it was compiled with.
    pub fn features(&self) -> &Features {
        &self.features
    }

    /// The arena, children before parents.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The topmost node.
    pub fn root(&self) -> NodeId {
        self.root
    }

    /// A node. An id that is not this plan's gives the root of all: the first node.
    pub(crate) fn node(&self, id: NodeId) -> &Node {
        static NOTHING: Node = Node {
            kind: NodeKind::Number(0.0),
            span: Span { start: 0, end: 0 },
            value_type: ValueType::Scalar,
            invariant: true,
            one_name: true,
            identity: None,
        };
        self.nodes.get(id.0 as usize).unwrap_or(&NOTHING)
    }

    /// Whether the result at a step depends on the query around it: `start()`, `end()`, `step()`, `range()`.
    pub fn depends_on_query_bounds(&self) -> bool {
        let bound = |at: Option<At>| matches!(at, Some(At::Start | At::End));
        let computed = |d: Option<&Dur>| matches!(d, Some(Dur::Expr(..)));
        let timed = |t: &ReadTiming| bound(t.at) || computed(t.offset.as_ref());
        let source = |s: &RangeSource| match s {
            RangeSource::Selector(s, range) => timed(&s.timing) || computed(Some(range)),
            RangeSource::Subquery { range, step, timing, .. } => {
                timed(timing) || computed(Some(range)) || computed(step.as_ref())
            }
        };
        self.nodes.iter().any(|n| match &n.kind {
            NodeKind::QueryScalar(q) => *q != QueryScalar::Time,
            NodeKind::Selector(s) | NodeKind::SampleTime { selector: s, .. } => timed(&s.timing),
            NodeKind::Range(s) | NodeKind::AbsentOverTime(s, _) => source(s),
            NodeKind::RangeCall(call) => source(&call.source),
            _ => false,
        })
    }

    /// Every selector of the query, in source order.
    pub fn selectors(&self) -> Vec<SelectorInfo> {
        let mut out: Vec<SelectorInfo> = self.nodes.iter().filter_map(selector_of).collect();
        out.sort_by_key(|s| s.span);
        out
    }
}

fn selector_of(node: &Node) -> Option<SelectorInfo> {
    let (selector, range) = match &node.kind {
        NodeKind::Selector(s) | NodeKind::SampleTime { selector: s, .. } => (s, None),
        NodeKind::Range(source) | NodeKind::AbsentOverTime(source, _) => from_source(source)?,
        NodeKind::RangeCall(call) => from_source(&call.source)?,
        _ => return None,
    };
    let known = |d: &Dur| match d {
        Dur::Millis(ms) => Some(*ms),
        Dur::Expr(..) => None,
    };
    let metric = selector.matchers.iter().find(|m| m.name == crate::model::METRIC_NAME);
    Some(SelectorInfo {
        metric: metric.filter(|m| m.op == crate::model::MatchOp::Equal).map(|m| m.value.clone()),
        matchers: selector.matchers.clone(),
        range_ms: range.and_then(known),
        offset_ms: selector.timing.offset.as_ref().and_then(known).unwrap_or(0),
        span: selector.span,
    })
}

fn from_source(source: &RangeSource) -> Option<(&SelectorNode, Option<&Dur>)> {
    match source {
        RangeSource::Selector(s, range) => Some((s, Some(range))),
        RangeSource::Subquery { .. } => None,
    }
}

/// The nodes a node reads from, in order.
pub(crate) fn children(kind: &NodeKind) -> Vec<NodeId> {
    use NodeKind::*;
    let source = |s: &RangeSource| match s {
        RangeSource::Selector(..) => None,
        RangeSource::Subquery { inner, .. } => Some(*inner),
    };
    match kind {
        Number(_) | String(_) | QueryScalar(_) | Selector(_) | SampleTime { .. } => Vec::new(),
        Range(s) | AbsentOverTime(s, _) => source(s).into_iter().collect(),
        RangeCall(call) => source(&call.source).into_iter().chain(call.args.iter().copied()).collect(),
        Math { input, args, .. } => std::iter::once(*input).chain(args.iter().copied()).collect(),
        Date { input, .. } => input.iter().copied().collect(),
        Negate(x) | MergeDropped(x) | ScalarToVector(x) | VectorToScalar(x) | Absent(x, _) => vec![*x],
        Histogram { input, .. }
        | CountValues { input, .. }
        | EvalTime { input, .. }
        | LabelReplace { input, .. }
        | LabelJoin { input, .. }
        | Sort { input, .. }
        | SortByLabel { input, .. } => vec![*input],
        ScalarMinMax { left, right, .. }
        | ScalarBinary { left, right, .. }
        | VectorVector { left, right, .. }
        | Set { left, right, .. } => vec![*left, *right],
        VectorScalar { vector, scalar, .. } => vec![*vector, *scalar],
        Aggregate { param, input, .. } => param.iter().chain(Some(input)).copied().collect(),
        HistogramQuantile { quantile, input, .. } => vec![*quantile, *input],
        HistogramQuantiles { quantiles, input, .. } => {
            std::iter::once(*input).chain(quantiles.iter().map(|(q, _)| *q)).collect()
        }
        HistogramFraction { lower, upper, input, .. } => vec![*lower, *upper, *input],
        Info(info) => vec![info.input],
    }
}
