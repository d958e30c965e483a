//! Plans in words: for people, and for telling whether two nodes do the same.

use std::fmt::Write as _;

use super::ast::{At, Dur};
use super::func::{RangeMode, ValueType};
use super::plan::{GroupLabels, Many, Matching, NodeId, NodeKind, Plan, RangeSource, ReadTiming, SelectorNode};
use crate::model::labels::is_legacy_metric_name;
use crate::model::number::format_float;
use crate::model::{METRIC_NAME, MatchOp, Matcher, duration};

/// What a node does, its children left out. Two nodes with equal descriptions and equal children give equal results.
pub(crate) fn describe(kind: &NodeKind) -> String {
    use NodeKind::*;
    match kind {
        Number(v) => format!("number {v} {:x}", v.to_bits()),
        String(s) => format!("string {s:?}"),
        QueryScalar(q) => format!("{q:?}").to_lowercase(),
        Selector(s) => format!("select {}", selector(s)),
        Range(s) => format!("range {}", source(s)),
        RangeCall(c) => format!("{} over {}", c.name, source(&c.source)),
        AbsentOverTime(s, labels) => format!("absent_over_time {labels:?} over {}", source(s)),
        Math { name, .. } | Date { name, .. } | Histogram { name, .. } => (*name).to_owned(),
        Negate(_) => "negate".into(),
        ScalarMinMax { max, .. } => if *max { "max_of" } else { "min_of" }.into(),
        ScalarBinary { op, .. } => format!("scalars {}", op.as_str()),
        VectorScalar { op, scalar_left, bool, .. } => {
            let side = if *scalar_left { "left" } else { "right" };
            format!("{}{} with scalar on the {side}", op.as_str(), if *bool { " bool" } else { "" })
        }
        VectorVector { op, bool, matching: m, .. } => {
            format!("{}{}{}", op.as_str(), if *bool { " bool" } else { "" }, matching(m))
        }
        Set { op, key, .. } => format!("{} {}", op.as_str(), group(key, "on", "ignoring")),
        Aggregate { op, group: g, .. } => format!("{} {}", op.as_str(), group(g, "by", "without")),
        CountValues { label, group: g, .. } => format!("count_values {label:?} {}", group(g, "by", "without")),
        MergeDropped(_) => "drop names".into(),
        ScalarToVector(_) => "vector".into(),
        VectorToScalar(_) => "scalar".into(),
        Absent(_, labels) => format!("absent {labels:?}"),
        SampleTime { selector: s, start } => {
            format!("{} of {}", if *start { "start_timestamp" } else { "timestamp" }, selector(s))
        }
        EvalTime { start, .. } => if *start { "start_timestamp" } else { "timestamp" }.into(),
        LabelReplace { dst, replacement, src, regex, .. } => {
            format!("label_replace {dst:?} {replacement:?} {src:?} {:?}", regex.as_str())
        }
        LabelJoin { dst, separator, sources, .. } => format!("label_join {dst:?} {separator:?} {sources:?}"),
        Sort { descending, .. } => if *descending { "sort_desc" } else { "sort" }.into(),
        SortByLabel { descending, labels, .. } => {
            format!("{} {labels:?}", if *descending { "sort_by_label_desc" } else { "sort_by_label" })
        }
        HistogramQuantile { .. } => "histogram_quantile".into(),
        HistogramQuantiles { label, .. } => format!("histogram_quantiles {label:?}"),
        HistogramFraction { .. } => "histogram_fraction".into(),
        Info(i) => format!("info {:?} {:?}{}", i.name_matchers, i.data_matchers, timing(&i.timing)),
    }
}

fn selector(s: &SelectorNode) -> String {
    let matchers: Vec<_> = s.matchers.iter().map(|m| m.to_string()).collect();
    let resets = if s.tell_resets { " telling resets" } else { "" };
    format!("{{{}}}{}{}{resets}", matchers.join(","), timing(&s.timing), mode(s.mode))
}

fn mode(mode: RangeMode) -> &'static str {
    match mode {
        RangeMode::Plain => "",
        RangeMode::Anchored => " anchored",
        RangeMode::Smoothed => " smoothed",
    }
}

fn source(s: &RangeSource) -> String {
    match s {
        RangeSource::Selector(s, range) => format!("{}[{}]", selector(s), dur(range)),
        RangeSource::Subquery { range, step, timing: t, .. } => {
            format!("subquery [{}:{}]{}", dur(range), step.as_ref().map(dur).unwrap_or_default(), timing(t))
        }
    }
}

fn dur(d: &Dur) -> String {
    match d {
        Dur::Millis(ms) => duration::format(*ms),
        Dur::Expr(e, _) => format!("{e:?}"),
    }
}

fn timing(t: &ReadTiming) -> String {
    let mut out = String::new();
    match t.at {
        Some(At::Time(ms)) => {
            let _ = write!(out, " @ {}", ms as f64 / 1000.0);
        }
        Some(At::Start) => out.push_str(" @ start()"),
        Some(At::End) => out.push_str(" @ end()"),
        None => {}
    }
    if let Some(o) = &t.offset {
        let _ = write!(out, " offset {}", dur(o));
    }
    out
}

fn group(g: &GroupLabels, by: &str, without: &str) -> String {
    format!("{} ({})", if g.without { without } else { by }, names(&g.labels))
}

/// Names that could be taken for several are quoted: descriptions tell nodes apart.
fn names(all: &[String]) -> String {
    let plain = |n: &String| n.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let all: Vec<_> = all.iter().map(|n| if plain(n) { n.clone() } else { format!("{n:?}") }).collect();
    all.join(", ")
}

fn matching(m: &Matching) -> String {
    format!(" {}{}", group(&m.key, "on", "ignoring"), one_sided(m))
}

/// ` group_left (a) fill_right (0)`
fn one_sided(m: &Matching) -> String {
    let mut out = String::new();
    match m.many {
        Many::None => {}
        Many::Left => {
            let _ = write!(out, " group_left ({})", names(&m.include));
        }
        Many::Right => {
            let _ = write!(out, " group_right ({})", names(&m.include));
        }
    }
    for (side, v) in [("left", m.fill_left), ("right", m.fill_right)] {
        if let Some(v) = v {
            let _ = write!(out, " fill_{side} ({v})");
        }
    }
    out
}

/// A line of a plan's outline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutlineLine {
    /// The operator.
    pub id: NodeId,
    /// What it does, for people, behind the branches that lead to it.
    pub text: String,
    /// Whether it gives series.
    pub gives_series: bool,
    /// Whether it reads from storage.
    pub reads: bool,
}

impl Plan {
    /// The plan as a tree for people, one operator a line, each above those it reads from.
    pub fn outline(&self) -> Vec<OutlineLine> {
        let mut out = Vec::new();
        // An operator, the branches before it, and those before what stands below it.
        let mut stack = vec![(self.root(), String::new(), String::new())];
        while let Some((id, lead, below)) = stack.pop() {
            let node = self.node(id);
            let children = super::plan::children(&node.kind);
            let once = if node.invariant && !children.is_empty() { " (once for all steps)" } else { "" };
            out.push(OutlineLine {
                id,
                text: format!("{lead}{}{once}", Words(self.source()).of(&node.kind)),
                gives_series: node.value_type == ValueType::Vector,
                reads: reads(&node.kind),
            });
            let last = children.len().saturating_sub(1);
            for (i, child) in children.into_iter().enumerate().rev() {
                let (branch, trunk) = if i == last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
                stack.push((child, format!("{below}{branch}"), format!("{below}{trunk}")));
            }
        }
        out
    }
}

/// Whether a node selects series itself.
fn reads(kind: &NodeKind) -> bool {
    use NodeKind::{AbsentOverTime, Info, Range, RangeCall, SampleTime, Selector};
    let source = |s: &RangeSource| matches!(s, RangeSource::Selector(..));
    match kind {
        Selector(_) | SampleTime { .. } | Info(_) => true,
        Range(s) | AbsentOverTime(s, _) => source(s),
        RangeCall(call) => source(&call.source),
        _ => false,
    }
}

/// What nodes do, for people: near to what the query says, which is given.
struct Words<'a>(&'a str);

impl Words<'_> {
    fn of(&self, kind: &NodeKind) -> String {
        use NodeKind::*;
        match kind {
            Number(v) => format_float(*v),
            String(s) => format!("{s:?}"),
            QueryScalar(q) => format!("{q:?}()").to_lowercase(),
            Selector(s) => format!("select {}", self.selector(s, None)),
            Range(s) => self.source(s, "select"),
            RangeCall(c) => self.source(&c.source, c.name),
            AbsentOverTime(s, _) => self.source(s, "absent_over_time"),
            ScalarMinMax { max, .. } => format!("{} of two scalars", if *max { "max_of" } else { "min_of" }),
            ScalarBinary { op, .. } => format!("scalar {} scalar", op.as_str()),
            VectorScalar { op, scalar_left, bool, .. } => {
                let (left, right) = if *scalar_left { ("scalar", "vector") } else { ("vector", "scalar") };
                format!("{left} {}{} {right}", op.as_str(), if *bool { " bool" } else { "" })
            }
            VectorVector { op, bool, matching: m, .. } => self.vectors(op.as_str(), *bool, m),
            Set { op, key, .. } => format!("vector {}{} vector", op.as_str(), labels(key, "on", "ignoring")),
            Aggregate { op, group: g, .. } => format!("{}{}", op.as_str(), labels(g, "by", "without")),
            CountValues { label, group: g, .. } => format!("count_values {label:?}{}", labels(g, "by", "without")),
            MergeDropped(_) => "merge series alike without their names".into(),
            Absent(..) => "absent".into(),
            SampleTime { selector: s, start } => {
                format!("{} of {}", if *start { "start_timestamp" } else { "timestamp" }, self.selector(s, None))
            }
            LabelReplace { dst, src, .. } => format!("label_replace {dst:?} from {src:?}"),
            LabelJoin { dst, sources, .. } => format!("label_join {dst:?} from {sources:?}"),
            Info(_) => "info".into(),
            kind => describe(kind),
        }
    }

    fn vectors(&self, op: &str, bool: bool, m: &Matching) -> String {
        // What was written; by default, all labels but the name.
        let on = match (m.on, m.written.is_empty()) {
            (true, _) => format!(" on ({})", m.written.join(", ")),
            (false, false) => format!(" ignoring ({})", m.written.join(", ")),
            (false, true) => String::new(),
        };
        format!("vector {op}{}{on}{} vector", if bool { " bool" } else { "" }, one_sided(m))
    }

    /// `rate over up{job="x"}[5m]`
    fn source(&self, s: &RangeSource, what: &str) -> String {
        match s {
            RangeSource::Selector(s, range) if what == "select" => format!("select {}", self.selector(s, Some(range))),
            RangeSource::Selector(s, range) => format!("{what} over {}", self.selector(s, Some(range))),
            RangeSource::Subquery { range, step, timing, .. } => {
                let step = step.as_ref().map(|d| self.duration(d)).unwrap_or_default();
                format!("{what} over subquery [{}:{step}]{}", self.duration(range), self.timing(timing))
            }
        }
    }

    fn selector(&self, s: &SelectorNode, range: Option<&Dur>) -> String {
        let named = |m: &&Matcher| m.name == METRIC_NAME && m.op == MatchOp::Equal && is_legacy_metric_name(&m.value);
        let name = s.matchers.iter().find(named);
        let others: Vec<_> =
            s.matchers.iter().filter(|m| name.is_none_or(|n| *m != n)).map(|m| m.to_string()).collect();
        let mut out = name.map(|m| m.value.clone()).unwrap_or_default();
        if !others.is_empty() || out.is_empty() {
            let _ = write!(out, "{{{}}}", others.join(", "));
        }
        if let Some(range) = range {
            let _ = write!(out, "[{}]", self.duration(range));
        }
        out.push_str(mode(s.mode));
        out + &self.timing(&s.timing)
    }

    fn duration(&self, d: &Dur) -> String {
        match d {
            Dur::Millis(ms) => duration::format(*ms),
            Dur::Expr(_, span) => self.0.get(span.range()).unwrap_or("...").trim().to_owned(),
        }
    }

    fn timing(&self, t: &ReadTiming) -> String {
        let offset = t.offset.as_ref().map(|o| format!(" offset {}", self.duration(o))).unwrap_or_default();
        timing(&ReadTiming { at: t.at, offset: None }) + &offset
    }
}

/// ` by (a, b)`; nothing where no label is named. The metric name, which `without` always leaves out, is not told.
fn labels(g: &GroupLabels, by: &str, without: &str) -> String {
    let told: Vec<&str> = g.labels.iter().map(String::as_str).filter(|l| !(g.without && *l == METRIC_NAME)).collect();
    match (told.is_empty(), g.without) {
        (true, false) if by == "by" => String::new(),
        (true, true) if without == "ignoring" => String::new(),
        _ => format!(" {} ({})", if g.without { without } else { by }, told.join(", ")),
    }
}
