//! Quantiles and fractions of histograms, classic ones (a series a bucket) and native ones.

use rustc_hash::FxHashMap;

use super::super::annotations::{Note, Span};
use super::super::block::Block;
use super::super::error::EvalError;
use super::super::func::bucket::{self, Bucket};
use super::super::plan::NodeId;
use super::super::steps::{StepGrid, StepVector};
use super::eval::{Eval, Sink};
use super::scalar::ScalarColumn;
use crate::model::histogram::NanEffect;
use crate::model::number::{format_float_g, parse_float};
use crate::model::{BUCKET_LABEL, FloatHistogram, Labels};

/// The buckets of one classic histogram, and the native histogram of the same name and labels.
struct Group {
    /// Labels without `le`, name included.
    labels: Labels,
    /// Upper bounds and rows.
    buckets: Vec<(f64, usize)>,
    native: Option<usize>,
}

/// The group of a label set, made when it is new.
fn group_of<'g>(
    index: &mut FxHashMap<Labels, usize>,
    groups: &'g mut Vec<Group>,
    labels: Labels,
) -> Option<&'g mut Group> {
    let at = *index.entry(labels.clone()).or_insert(groups.len());
    if at == groups.len() {
        groups.push(Group { labels, buckets: Vec::new(), native: None });
    }
    groups.get_mut(at)
}

/// Histograms of a vector, grouped once for all steps.
struct Histograms<'a, 'e> {
    eval: &'a Eval<'e>,
    block: Block,
    groups: Vec<Group>,
    /// Where the vector stands.
    place: Span,
}

impl<'a, 'e> Histograms<'a, 'e> {
    fn collect(eval: &'a Eval<'e>, input: NodeId, place: Span, grid: &StepGrid) -> Result<Self, EvalError> {
        let block = eval.collect(input, grid)?;
        let mut index: FxHashMap<Labels, usize> = FxHashMap::default();
        let mut groups: Vec<Group> = Vec::new();
        for (i, head) in block.heads.iter().enumerate() {
            let visible = eval.visible(&head.labels, head.dropped);
            if block.present(i).iter().any(|w| *w != 0) {
                let le = visible.value(BUCKET_LABEL);
                match parse_float(le) {
                    Some(upper) => {
                        let labels = visible.filter(|n| n != BUCKET_LABEL);
                        group_of(&mut index, &mut groups, labels).into_iter().for_each(|g| g.buckets.push((upper, i)));
                    }
                    None => {
                        let note = Note::BadBucketLabel(le.to_owned(), visible.metric_name().to_owned());
                        eval.note(note, place);
                    }
                }
            }
            if block.histograms(i).iter().any(Option::is_some) {
                group_of(&mut index, &mut groups, visible.into_owned()).into_iter().for_each(|g| g.native = Some(i));
            }
        }
        Ok(Histograms { eval, block, groups, place })
    }

    /// Calls `classic` or `native` for every step of a group that has a histogram, and streams what they return.
    fn stream(
        &self,
        classic: impl Fn(usize, &mut Vec<Bucket>, &Group) -> f64,
        native: impl Fn(usize, &FloatHistogram, &Group) -> f64,
        labels: impl Fn(&Group) -> Labels,
        sink: Sink<'_>,
    ) -> Result<(), EvalError> {
        let steps = self.block.steps();
        let mut row = StepVector::empty(steps);
        let mut buckets = Vec::new();
        for group in &self.groups {
            row.reset();
            for step in 0..steps {
                self.eval.budget.tick()?;
                self.eval.budget.work(group.buckets.len())?;
                buckets.clear();
                for (upper, i) in &group.buckets {
                    if let Some(count) = self.block.float(*i, step) {
                        buckets.push(Bucket { upper: *upper, count });
                    }
                }
                let histogram = group.native.and_then(|i| self.block.histogram(i, step));
                match (buckets.is_empty(), histogram) {
                    (true, None) => {}
                    (true, Some(h)) => row.set(step, native(step, h, group)),
                    (false, None) => row.set(step, classic(step, &mut buckets, group)),
                    (false, Some(_)) => self.eval.note(Note::MixedClassicNative(name(group)), self.place),
                }
            }
            if row.any() {
                let labels = labels(group);
                self.eval.budget.take_growth(&labels, &group.labels)?;
                sink(&labels, true, &mut row)?;
            }
        }
        Ok(())
    }

    fn quantile(&self, q: &ScalarColumn, label: Option<&str>, sink: Sink<'_>) -> Result<(), EvalError> {
        let eval = self.eval;
        self.stream(
            |step, buckets, group| {
                let estimate = bucket::quantile(q.at(step), buckets);
                if estimate.forced_monotonic {
                    eval.note(Note::QuantileForcedMonotonicity(name(group)), self.place);
                }
                estimate.value
            },
            |step, h, group| {
                let estimate = h.quantile(q.at(step));
                match estimate.nan {
                    NanEffect::None => {}
                    NanEffect::Result => eval.note(Note::QuantileNanResult(name(group)), self.place),
                    NanEffect::Skewed => eval.note(Note::QuantileNanSkew(name(group)), self.place),
                }
                estimate.value
            },
            |group| match label {
                Some(label) => {
                    let mut builder = group.labels.to_builder();
                    builder.set(label, open_metrics_float(q.at(0)));
                    builder.build()
                }
                None => group.labels.clone(),
            },
            sink,
        )
    }
}

fn name(group: &Group) -> String {
    group.labels.metric_name().to_owned()
}

/// A float as OpenMetrics writes it in labels: whole numbers with `.0`.
fn open_metrics_float(v: f64) -> String {
    let mut text = format_float_g(v);
    if v.is_finite() && !text.contains(['.', 'e']) {
        text.push_str(".0");
    }
    text
}

fn check_quantile(eval: &Eval<'_>, q: &ScalarColumn, place: Span) {
    for v in q.values() {
        if v.is_nan() || *v < 0.0 || *v > 1.0 {
            eval.note(Note::InvalidQuantile(*v), place);
        }
    }
}

/// `histogram_quantile(q, v)`
pub(super) fn quantile(
    eval: &Eval<'_>,
    quantile: NodeId,
    input: NodeId,
    spans: [Span; 2],
    grid: &StepGrid,
    sink: Sink<'_>,
) -> Result<(), EvalError> {
    let q = eval.scalar(quantile, grid)?;
    let [q_place, place] = spans;
    check_quantile(eval, &q, q_place);
    Histograms::collect(eval, input, place, grid)?.quantile(&q, None, sink)
}

/// `histogram_quantiles(v, "label", q...)`: a series for every quantile, which the label tells.
pub(super) fn quantiles(
    eval: &Eval<'_>,
    label: &str,
    quantiles: &[(NodeId, Span)],
    input: NodeId,
    place: Span,
    grid: &StepGrid,
    sink: Sink<'_>,
) -> Result<(), EvalError> {
    let histograms = Histograms::collect(eval, input, place, grid)?;
    if histograms.groups.iter().any(|g| g.labels.has(label)) {
        return Err(EvalError::Execution(format!(
            "label {label:?} of histogram_quantiles() is on the histograms already"
        )));
    }
    for (q, q_place) in quantiles {
        let q = eval.scalar(*q, grid)?;
        check_quantile(eval, &q, *q_place);
        histograms.quantile(&q, Some(label), sink)?;
    }
    Ok(())
}

/// `histogram_fraction(lower, upper, v)`
pub(super) fn fraction(
    eval: &Eval<'_>,
    bounds: [NodeId; 2],
    input: NodeId,
    place: Span,
    grid: &StepGrid,
    sink: Sink<'_>,
) -> Result<(), EvalError> {
    let [lower, upper] = bounds;
    let (lower, upper) = (eval.scalar(lower, grid)?, eval.scalar(upper, grid)?);
    let histograms = Histograms::collect(eval, input, place, grid)?;
    histograms.stream(
        |step, buckets, _| bucket::fraction(lower.at(step), upper.at(step), buckets),
        |step, h, group| {
            let (value, nan) = h.fraction(lower.at(step), upper.at(step));
            if nan {
                eval.note(Note::FractionNan(name(group)), place);
            }
            value
        },
        |group| group.labels.clone(),
        sink,
    )
}
