//! Plans in words: for people, and for telling whether two nodes do the same.

use std::fmt::Write as _;

use super::ast::{At, Dur};
use super::func::RangeMode;
use super::plan::{GroupLabels, Many, Matching, NodeId, NodeKind, Plan, RangeSource, ReadTiming, SelectorNode};
use super::profile::NodeStats;
use crate::model::duration;

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
    let mode = match s.mode {
        RangeMode::Plain => "",
        RangeMode::Anchored => " anchored",
        RangeMode::Smoothed => " smoothed",
    };
    let matchers: Vec<_> = s.matchers.iter().map(|m| m.to_string()).collect();
    let resets = if s.tell_resets { " telling resets" } else { "" };
    format!("{{{}}}{}{mode}{resets}", matchers.join(","), timing(&s.timing))
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
    let mut out = format!(" {}", group(&m.key, "on", "ignoring"));
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

impl Plan {
    /// The plan with what every operator of an evaluation cost ([`crate::promql::Evaluated::profile`]).
    pub fn explain_profile(&self, profile: &[NodeStats]) -> String {
        self.explain(|id| match profile.get(id.0 as usize) {
            Some(s) if s.series + s.series_read > 0 => {
                let read = match s.series_read {
                    0 => String::new(),
                    n => format!(", read {n} series and {} samples", s.samples_read),
                };
                format!("  -> {} series{read}, {:.3} ms", s.series, s.time.as_secs_f64() * 1e3)
            }
            _ => String::new(),
        })
    }

    /// The plan as an indented tree, one operator a line; `note` adds to every line what it knows of the node.
    pub fn explain(&self, note: impl Fn(NodeId) -> String) -> String {
        let mut out = String::new();
        let mut stack = vec![(self.root(), 0usize)];
        while let Some((id, level)) = stack.pop() {
            let node = self.node(id);
            let once = if node.invariant && level > 0 { " [once]" } else { "" };
            let _ = writeln!(out, "{}{}{once}{}", "  ".repeat(level), describe(&node.kind), note(id));
            stack.extend(super::plan::children(&node.kind).into_iter().rev().map(|c| (c, level + 1)));
        }
        out
    }
}
