//! Operators on labels and on the order of series.

use std::cmp::Ordering;

use regex::Regex;
use rustc_hash::FxHashMap;

use super::super::annotations::{Note, Span};
use super::super::block::Block;
use super::super::error::EvalError;
use super::super::names;
use super::super::plan::NodeId;
use super::super::steps::{StepGrid, StepVector};
use super::eval::{Eval, Sink, replay, same_labelset};
use super::natural;
use crate::model::{Labels, METRIC_NAME};

/// Drops the names of series that were to lose them. Series that become alike are made one, unless they meet at a
/// step.
pub(super) fn merge_dropped(eval: &Eval<'_>, input: NodeId, grid: &StepGrid, sink: Sink<'_>) -> Result<(), EvalError> {
    let mut merger = Merger::new(eval, grid.len());
    eval.stream(input, grid, &mut |labels, dropped, row| {
        let labels = if dropped { names::without_reserved(labels, eval.type_and_unit()) } else { labels.clone() };
        merger.put(labels, false, row)
    })?;
    replay(eval, &merger.block, sink)
}

/// Series by label set.
pub(super) struct Merger {
    index: FxHashMap<Labels, usize>,
    pub block: Block,
}

impl Merger {
    pub fn new(eval: &Eval<'_>, steps: usize) -> Self {
        Merger { index: FxHashMap::default(), block: Block::new(steps, &eval.budget) }
    }

    /// Adds a series, or its samples to the series that has the same labels.
    pub fn put(&mut self, labels: Labels, dropped: bool, row: &StepVector) -> Result<(), EvalError> {
        match self.index.get(&labels) {
            Some(i) if self.block.occupied(*i).intersects(&row.presence()) => Err(same_labelset()),
            Some(i) => self.block.merge(*i, row),
            None => {
                self.block.push(&labels, dropped, row)?;
                self.index.insert(labels, self.block.len() - 1);
                Ok(())
            }
        }
    }
}

/// `label_replace`
pub(super) struct Replace<'a> {
    pub dst: &'a str,
    pub replacement: &'a str,
    pub src: &'a str,
    pub regex: &'a Regex,
}

pub(super) fn replace(
    eval: &Eval<'_>,
    input: NodeId,
    rule: &Replace<'_>,
    grid: &StepGrid,
    sink: Sink<'_>,
) -> Result<(), EvalError> {
    relabel(eval, input, rule.dst, grid, sink, |labels| {
        let Some(captures) = rule.regex.captures(labels.value(rule.src)) else { return Ok(None) };
        let mut value = String::new();
        expand(rule.replacement, &captures, eval.budget.room_for_bytes(), &mut value)?;
        Ok(Some(value))
    })
}

/// Expands `$1`, `${1}`, `$name` as Go's `Regexp.Expand`: a name is the longest run of letters, digits and `_`. Fails
/// when it becomes longer than `room`.
fn expand(template: &str, captures: &regex::Captures<'_>, room: usize, out: &mut String) -> Result<(), EvalError> {
    let mut rest = template;
    while let Some(i) = rest.find('$') {
        if out.len() > room {
            return Err(EvalError::TooManySamples);
        }
        let (text, tail) = rest.split_at(i);
        out.push_str(text);
        let after = tail.get(1..).unwrap_or_default();
        if let Some(escaped) = after.strip_prefix('$') {
            out.push('$');
            rest = escaped;
            continue;
        }
        let (name, remaining) = match after.strip_prefix('{') {
            Some(inner) => match inner.split_once('}') {
                Some((name, tail)) => (name, tail),
                None => ("", after),
            },
            None => {
                let end = after.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(after.len());
                after.split_at(end)
            }
        };
        let word = |c: char| c == '_' || c.is_alphanumeric();
        if name.is_empty() || !name.chars().all(word) {
            out.push('$');
            rest = after;
            continue;
        }
        let group = match name.parse::<usize>() {
            Ok(i) => captures.get(i),
            Err(_) => captures.name(name),
        };
        out.push_str(group.map_or("", |m| m.as_str()));
        rest = remaining;
    }
    out.push_str(rest);
    Ok(())
}

/// `label_join`
pub(super) fn join(
    eval: &Eval<'_>,
    input: NodeId,
    dst: &str,
    separator: &str,
    sources: &[String],
    grid: &StepGrid,
    sink: Sink<'_>,
) -> Result<(), EvalError> {
    relabel(eval, input, dst, grid, sink, |labels| {
        let values: Vec<&str> = sources.iter().map(|s| labels.value(s)).collect();
        let length = values.iter().fold(0, |sum: usize, v| sum.saturating_add(v.len()).saturating_add(separator.len()));
        if length.saturating_sub(separator.len()) > eval.budget.room_for_bytes() {
            return Err(EvalError::TooManySamples);
        }
        Ok(Some(values.join(separator)))
    })
}

/// Sets a label of every series to what `value` gives, if anything. Setting the name undoes its being dropped. Series
/// that become alike are made one, unless they meet at a step.
fn relabel(
    eval: &Eval<'_>,
    input: NodeId,
    dst: &str,
    grid: &StepGrid,
    sink: Sink<'_>,
    value: impl Fn(&Labels) -> Result<Option<String>, EvalError>,
) -> Result<(), EvalError> {
    let mut merger = Merger::new(eval, grid.len());
    eval.stream(input, grid, &mut |labels, mut dropped, row| {
        let visible = eval.visible(labels, dropped);
        let mut result = visible.clone().into_owned();
        if !eval.delayed() {
            dropped = false;
        }
        // One label may be long, and matching it too.
        eval.budget.check()?;
        if let Some(v) = value(&visible)? {
            let mut builder = result.to_builder();
            builder.set(dst, v);
            result = builder.build();
            eval.budget.take_growth(&result, labels)?;
            if dst == METRIC_NAME {
                dropped = false;
            }
        }
        merger.put(result, dropped, row)
    })?;
    replay(eval, &merger.block, sink)
}

/// `sort` and `sort_desc`: floats by value, NaN last. In a range query the order cannot show.
pub(super) fn sort(
    eval: &Eval<'_>,
    input: NodeId,
    descending: bool,
    span: Span,
    grid: &StepGrid,
    sink: Sink<'_>,
) -> Result<(), EvalError> {
    if !eval.instant {
        eval.note(Note::IneffectiveSort, span);
    }
    if grid.len() != 1 {
        return eval.stream(input, grid, &mut |labels, dropped, row| {
            row.hists = None;
            if row.present.any() { sink(labels, dropped, row) } else { Ok(()) }
        });
    }
    let block = eval.collect(input, grid)?;
    let mut order: Vec<(usize, f64)> = (0..block.len()).filter_map(|i| Some((i, block.float(i, 0)?))).collect();
    order.sort_by(|a, b| match (a.1.is_nan(), b.1.is_nan()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        _ if descending => b.1.total_cmp(&a.1),
        _ => a.1.total_cmp(&b.1),
    });
    emit(eval, &block, order.into_iter().map(|(i, _)| i), sink)
}

/// `sort_by_label` and `sort_by_label_desc`: natural order of the labels named, then order of the whole set.
pub(super) fn sort_by_label(
    eval: &Eval<'_>,
    input: NodeId,
    descending: bool,
    by: &[String],
    span: Span,
    grid: &StepGrid,
    sink: Sink<'_>,
) -> Result<(), EvalError> {
    if !eval.instant {
        eval.note(Note::IneffectiveSort, span);
    }
    let block = eval.collect(input, grid)?;
    let mut order: Vec<usize> = (0..block.len()).collect();
    let labels = |i: usize| block.heads.get(i).map(|h| &h.labels);
    order.sort_by(|a, b| {
        let (Some(a), Some(b)) = (labels(*a), labels(*b)) else { return Ordering::Equal };
        let differing = by.iter().map(|l| (a.value(l), b.value(l))).find(|(x, y)| x != y);
        let ascending = match differing {
            Some((x, y)) if natural::before(x, y) => Ordering::Less,
            Some(_) => Ordering::Greater,
            None => a.cmp(b),
        };
        if descending { ascending.reverse() } else { ascending }
    });
    emit(eval, &block, order.into_iter(), sink)
}

fn emit(eval: &Eval<'_>, block: &Block, order: impl Iterator<Item = usize>, sink: Sink<'_>) -> Result<(), EvalError> {
    let mut row = StepVector::empty(block.steps());
    for i in order {
        eval.budget.work(block.steps())?;
        if let Some(head) = block.heads.get(i) {
            block.copy_row(i, &mut row);
            sink(&head.labels, head.dropped, &mut row)?;
        }
    }
    Ok(())
}
