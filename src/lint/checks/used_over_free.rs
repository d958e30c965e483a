//! Shares that are none: what is used divided by what is free.

use crate::lint::check::{Check, Severity};
use crate::lint::look::{Findings, Look, Row};
use crate::lint::site::Site;
use crate::lint::tree;
use crate::promql::ast::{BinaryOp, Expr, ExprKind};

pub(super) const ROW: Row = Row {
    check: &Check {
        name: "promql/used-over-free",
        severity: Severity::Error,
        pint: &[],
        what: "What is used is divided by what is free.",
        why: "That is no share of anything: it is 1 when half is used, and grows without bound. `used / free > 0.95` is true \
              from 49% on.",
        fix: "Divide by the whole: `used / (used + free)`, or by the metric of the total.",
        bad: "- alert: GPUMemoryExhausted\n  expr: DCGM_FI_DEV_FB_USED / DCGM_FI_DEV_FB_FREE > 0.95",
        good: "- alert: GPUMemoryExhausted\n  expr: DCGM_FI_DEV_FB_USED / (DCGM_FI_DEV_FB_USED + DCGM_FI_DEV_FB_FREE) > 0.95",
    },
    look: Look::Rule(look),
};

const USED: [&str; 3] = ["used", "in_use", "allocated"];
const FREE: [&str; 4] = ["free", "available", "avail", "idle"];

/// The one metric of an expression, in small letters.
fn metric(expr: &Expr) -> Option<String> {
    match tree::selectors(expr).as_slice() {
        [(_, selector)] => tree::metric(selector).map(str::to_ascii_lowercase),
        _ => None,
    }
}

fn look(site: &Site<'_>, found: &mut Findings<'_>) {
    tree::walk(site.expr, &mut |part, _| {
        let ExprKind::Binary(b) = &part.kind else { return };
        let (Some(left), Some(right)) = (metric(&b.left), metric(&b.right)) else { return };
        if b.op != BinaryOp::Div || tree::any(&b.right, |p| matches!(&p.kind, ExprKind::Binary(_))) {
            return;
        }
        let is_pair = USED.iter().any(|used| {
            let pair = |free: &str| word(&left, used).is_some_and(|stem| word(&right, free) == Some(stem));
            FREE.iter().any(|free| pair(free))
        });
        if is_pair {
            let message = format!("{} divided by {} is no share", site.text(&b.left), site.text(&b.right));
            found.add(site.at(part), message);
        }
    });
}

/// What is around a word of a name.
fn word<'a>(name: &'a str, word: &str) -> Option<(&'a str, &'a str)> {
    let at = name.find(word)?;
    let (before, after) = (name.get(..at)?, name.get(at + word.len()..)?);
    let whole = (before.is_empty() || before.ends_with('_')) && (after.is_empty() || after.starts_with('_'));
    whole.then_some((before, after))
}
