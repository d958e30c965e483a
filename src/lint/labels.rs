//! Which labels the result of an expression may have.

use std::collections::{BTreeMap, BTreeSet};

use super::tree;
use crate::model::MatchOp;
use crate::promql::ast::{Aggregate, AggregateOp, Binary, BinaryOp, Call, Cardinality, Expr, ExprKind, Selector};
use crate::promql::func::{Kind, Special};

/// A set of label names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LabelSet {
    /// Any but these.
    AnyBut(BTreeSet<String>),
    /// These at most.
    Only(BTreeSet<String>),
}

use LabelSet::{AnyBut, Only};

impl LabelSet {
    /// Any label.
    pub fn any() -> Self {
        AnyBut(BTreeSet::new())
    }

    /// No label.
    pub fn none() -> Self {
        Only(BTreeSet::new())
    }

    /// Whether a label may be there.
    pub fn may_have(&self, name: &str) -> bool {
        match self {
            AnyBut(gone) => !gone.contains(name),
            Only(kept) => kept.contains(name),
        }
    }

    /// Whether it is known to have none at all.
    pub fn is_none(&self) -> bool {
        matches!(self, Only(kept) if kept.is_empty())
    }

    /// What either may have.
    #[must_use]
    pub fn or(self, other: LabelSet) -> Self {
        match (self, other) {
            (AnyBut(a), AnyBut(b)) => AnyBut(a.intersection(&b).cloned().collect()),
            (AnyBut(gone), Only(kept)) | (Only(kept), AnyBut(gone)) => {
                AnyBut(gone.difference(&kept).cloned().collect())
            }
            (Only(a), Only(b)) => Only(a.union(&b).cloned().collect()),
        }
    }

    /// What both may have.
    #[must_use]
    pub fn and(self, other: LabelSet) -> Self {
        match (self, other) {
            (AnyBut(a), AnyBut(b)) => AnyBut(a.union(&b).cloned().collect()),
            (AnyBut(gone), Only(kept)) | (Only(kept), AnyBut(gone)) => Only(kept.difference(&gone).cloned().collect()),
            (Only(a), Only(b)) => Only(a.intersection(&b).cloned().collect()),
        }
    }

    /// With more labels.
    #[must_use]
    pub fn with<'l>(self, names: impl IntoIterator<Item = &'l str>) -> Self {
        self.or(Only(names.into_iter().map(str::to_owned).collect()))
    }

    /// Without some labels.
    #[must_use]
    pub fn without<'l>(self, names: impl IntoIterator<Item = &'l str>) -> Self {
        self.and(AnyBut(names.into_iter().map(str::to_owned).collect()))
    }

    /// The names, where they are known: `job, instance`.
    pub fn shown(&self) -> String {
        match self {
            Only(kept) if kept.is_empty() => "no labels".into(),
            Only(kept) => kept.iter().map(String::as_str).collect::<Vec<_>>().join(", "),
            AnyBut(gone) if gone.is_empty() => "any label".into(),
            AnyBut(gone) => format!("any label but {}", gone.iter().map(String::as_str).collect::<Vec<_>>().join(", ")),
        }
    }
}

/// What the rules of one file record, by metric. Rules of other files may run elsewhere, where labels were added on the way.
#[derive(Clone, Debug, Default)]
pub struct Recorded {
    labels: BTreeMap<String, LabelSet>,
}

impl Recorded {
    /// Adds what a rule records.
    pub fn add(&mut self, metric: &str, labels: LabelSet) {
        let known = self.labels.remove(metric);
        self.labels.insert(metric.to_owned(), known.map_or(labels.clone(), |known| known.or(labels)));
    }

    /// The labels that the result of an expression may have.
    pub fn labels_of(&self, expr: &Expr) -> LabelSet {
        match &expr.kind {
            ExprKind::Number(_) | ExprKind::String(_) => LabelSet::none(),
            ExprKind::Paren(inner) | ExprKind::Negate(inner) => self.labels_of(inner),
            ExprKind::Subquery(subquery) => self.labels_of(&subquery.expr),
            ExprKind::Vector(selector) | ExprKind::Matrix(selector, _) => self.of_selector(selector),
            ExprKind::Call(call) => self.of_call(call),
            ExprKind::Aggregate(aggregate) => self.of_aggregate(aggregate),
            ExprKind::Binary(binary) => self.of_binary(binary),
        }
    }

    fn of_selector(&self, selector: &Selector) -> LabelSet {
        let recorded = tree::metric(selector).and_then(|metric| self.labels.get(metric));
        let absent = selector.matchers.iter().filter(|m| m.op == MatchOp::Equal && m.value.is_empty());
        recorded.cloned().unwrap_or_else(LabelSet::any).without(absent.map(|m| m.name.as_str()))
    }

    fn of_call(&self, call: &Call) -> LabelSet {
        let input = || call.args.iter().filter(|a| !tree::is_scalar(a)).find(|a| !is_string(a));
        let inner = || input().map_or_else(LabelSet::none, |arg| self.labels_of(arg));
        let target = || match call.args.get(1).map(|arg| &arg.bare().kind) {
            Some(ExprKind::String(name)) => name.as_str(),
            _ => "",
        };
        match call.func.kind {
            Kind::Special(Special::Absent | Special::AbsentOverTime) => of_absent(call.args.first()),
            Kind::Special(Special::HistogramQuantile | Special::HistogramFraction) => inner().without(["le"]),
            Kind::Special(Special::HistogramQuantiles) => inner().without(["le"]).with([target()]),
            Kind::Special(Special::LabelReplace | Special::LabelJoin) => inner().with([target()]),
            Kind::Special(Special::Info) => LabelSet::any(),
            Kind::Special(Special::Vector | Special::Scalar | Special::Time) => LabelSet::none(),
            _ => inner(),
        }
    }

    fn of_aggregate(&self, aggregate: &Aggregate) -> LabelSet {
        use AggregateOp::*;
        let inner = self.labels_of(&aggregate.expr);
        if matches!(aggregate.op, Topk | Bottomk | Limitk | LimitRatio) {
            return inner;
        }
        let names = aggregate.grouping.labels.iter().map(String::as_str);
        let kept = match aggregate.grouping.without {
            true => inner.without(names),
            false => inner.and(Only(names.map(str::to_owned).collect())),
        };
        match aggregate.param.as_ref().map(|param| &param.bare().kind) {
            Some(ExprKind::String(name)) if aggregate.op == CountValues => kept.with([name.as_str()]),
            _ => kept,
        }
    }

    fn of_binary(&self, binary: &Binary) -> LabelSet {
        match (tree::is_scalar(&binary.left), tree::is_scalar(&binary.right)) {
            (true, _) => return self.labels_of(&binary.right),
            (_, true) => return self.labels_of(&binary.left),
            _ => {}
        }
        let (left, right) = (self.labels_of(&binary.left), self.labels_of(&binary.right));
        match binary.op {
            BinaryOp::And | BinaryOp::Unless => return left,
            BinaryOp::Or => return left.or(right),
            _ => {}
        }
        let strs = |names: &[String]| names.iter().map(|n| n.to_owned()).collect::<Vec<_>>();
        match (&binary.modifiers.cardinality, &binary.modifiers.matching) {
            (Cardinality::GroupLeft(taken), _) => left.with(strs(taken).iter().map(String::as_str)),
            (Cardinality::GroupRight(taken), _) => right.with(strs(taken).iter().map(String::as_str)),
            (Cardinality::OneToOne, Some(on)) if !on.without => {
                left.or(right).and(Only(on.labels.iter().cloned().collect()))
            }
            // The labels that are not ignored are the same on both sides.
            (Cardinality::OneToOne, Some(ignoring)) => {
                left.and(right).without(ignoring.labels.iter().map(String::as_str))
            }
            (Cardinality::OneToOne, None) => left.and(right),
        }
    }
}

fn is_string(expr: &Expr) -> bool {
    matches!(expr.bare().kind, ExprKind::String(_))
}

/// `absent` has the labels that its selector asks for by `=`, once each.
fn of_absent(arg: Option<&Expr>) -> LabelSet {
    let Some(selector) = arg.and_then(tree::selector) else { return LabelSet::none() };
    let equal = selector.matchers.iter().filter(|m| m.op == MatchOp::Equal && m.name != crate::model::METRIC_NAME);
    Only(equal.map(|m| m.name.clone()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::promql::{CompileOptions, parse};

    fn labels(query: &str) -> LabelSet {
        Recorded::default().labels_of(&parse(query, &CompileOptions::default()).unwrap())
    }

    #[test]
    fn labels_follow_the_operators() {
        let only = |names: &[&str]| Only(names.iter().map(|n| (*n).to_owned()).collect());
        let but = |names: &[&str]| AnyBut(names.iter().map(|n| (*n).to_owned()).collect());
        for (query, want) in [
            ("up", LabelSet::any()),
            ("up{job=''}", but(&["job"])),
            ("sum(up)", LabelSet::none()),
            ("sum by (job, x) (up{x=''})", only(&["job"])),
            ("sum without (job) (up)", but(&["job"])),
            ("sum by (a, b) (x) / sum by (a) (y)", only(&["a"])),
            ("sum by (a, b) (x) / on (a) group_left (c) y", only(&["a", "b", "c"])),
            ("sum by (a) (x) or sum by (b) (y)", only(&["a", "b"])),
            ("sum by (a) (x) and on () y", only(&["a"])),
            ("x / on (a, b) y", only(&["a", "b"])),
            ("x / ignoring (a) y", but(&["a"])),
            ("topk(3, sum by (a) (x))", only(&["a"])),
            ("count_values by (a) (\"v\", x)", only(&["a", "v"])),
            ("absent(up{job='x', y=~'z'})", only(&["job"])),
            ("absent(sum(up))", LabelSet::none()),
            ("vector(1)", LabelSet::none()),
            ("histogram_quantile(0.9, sum by (le, a) (rate(x_bucket[5m])))", only(&["a"])),
            ("label_replace(sum by (a) (x), 'b', '$1', 'a', '(.*)')", only(&["a", "b"])),
            ("max_over_time(sum by (a) (x)[1h:])", only(&["a"])),
            ("5 < sum by (a) (x)", only(&["a"])),
        ] {
            assert_eq!(labels(query), want, "{query}");
        }
    }
}
