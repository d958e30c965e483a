//! Comparisons: by how much each series is over its threshold or short of it.

use crate::history::Number;
use crate::promql::ast::{Binary, BinaryOp, Cardinality};
use crate::promql::compare;

use super::join::Keys;
use super::lens::{Answer, Lens};
use super::part::{Finding, Margin, Row};

/// What a comparison's sides say: nothing where one of them is no number.
pub(super) fn threshold(lens: &Lens<'_>, binary: &Binary, left: &Answer, right: &Answer) -> Option<Finding> {
    let (op, mut rows) = match (left, right) {
        (Answer::Series(rows), Answer::Scalar(limit)) => (binary.op, against(binary.op, rows, *limit)),
        (Answer::Scalar(limit), Answer::Series(rows)) => {
            let op = binary.op.mirrored();
            (op, against(op, rows, *limit))
        }
        (Answer::Series(left), Answer::Series(right)) => (binary.op, paired(binary, left, right)),
        _ => return None,
    };
    let (holding, count) = (rows.iter().filter(|m| m.holds).count(), rows.len());
    if count == 0 {
        return None;
    }
    // Those that are asked for first; of these, those for which it holds, the clearest first; then the nearest misses.
    let rank = |m: &Margin| (!lens.is_related(&m.labels), !m.holds);
    let distance = |m: &Margin| if m.by.0.is_nan() { f64::INFINITY } else { m.by.0.abs() };
    rows.sort_by(|a, b| {
        let near = distance(a).total_cmp(&distance(b));
        rank(a).cmp(&rank(b)).then(if a.holds { near.reverse() } else { near }).then_with(|| a.labels.cmp(&b.labels))
    });
    rows.truncate(lens.question.most_rows);
    Some(Finding::Threshold { operator: op.as_str().to_owned(), holding, count, rows })
}

fn against(op: BinaryOp, rows: &[Row], limit: f64) -> Vec<Margin> {
    rows.iter().filter_map(|row| margin(op, row, row.value?.0, limit)).collect()
}

/// Each series beside its partner: of several to one, each of the several.
fn paired(binary: &Binary, left: &[Row], right: &[Row]) -> Vec<Margin> {
    let keys = Keys::of(&binary.modifiers);
    match binary.modifiers.cardinality {
        Cardinality::GroupRight(_) => {
            let partners = keys.index(left);
            let one = |row: &Row| margin(binary.op, row, partners.get(&keys.key(&row.labels))?.value?.0, row.value?.0);
            right.iter().filter_map(one).collect()
        }
        _ => {
            let partners = keys.index(right);
            let one = |row: &Row| margin(binary.op, row, row.value?.0, partners.get(&keys.key(&row.labels))?.value?.0);
            left.iter().filter_map(one).collect()
        }
    }
}

fn margin(op: BinaryOp, row: &Row, value: f64, threshold: f64) -> Option<Margin> {
    let by = value - threshold;
    let relative = (threshold != 0.0).then(|| Number(by / threshold.abs()));
    Some(Margin {
        labels: row.labels.clone(),
        value: Number(value),
        threshold: Number(threshold),
        holds: compare(op, value, threshold)?,
        by: Number(by),
        relative,
    })
}
