//! Patterns that a plain comparison would do, or that have no effect.

use crate::lint::check::{Check, Severity};
use crate::lint::finding::Edit;
use crate::lint::look::{Findings, Look, Row};
use crate::lint::site::Site;
use crate::lint::tree;
use crate::model::{MatchOp, Matcher};
use crate::promql::Span;
use crate::promql::ast::Expr;

pub(super) const ROW: Row = Row {
    check: &Check {
        name: "promql/regexp",
        severity: Severity::Info,
        pint: &["promql/regexp"],
        what: "A matcher uses a regular expression where none is needed, anchors what is anchored, or matches everything.",
        why: "A pattern costs more than a comparison, and its reader looks for what varies. Matchers are anchored at both ends; \
              `=~\".*\"` leaves out nothing.",
        fix: "Write `=` for `=~` and `!=` for `!~` where the value is plain (`--fix` does it), and leave out `^`, `$` and matchers \
              without effect.",
        bad: "- alert: A\n  expr: up{job=~\"node\"} == 0",
        good: "- alert: A\n  expr: up{job=\"node\"} == 0",
    },
    look: Look::Rule(look),
};

fn look(site: &Site<'_>, found: &mut Findings<'_>) {
    for (part, selector) in tree::selectors(site.expr) {
        for matcher in &selector.matchers {
            let plain = match matcher.op {
                MatchOp::Regex => "=",
                MatchOp::NotRegex => "!=",
                MatchOp::Equal | MatchOp::NotEqual => continue,
            };
            let (name, value) = (&matcher.name, &matcher.value);
            if is_plain(value) {
                let message = format!("`{name}{}\"{value}\"` is `{name}{plain}\"{value}\"`", matcher.op.as_str());
                found.add_with_edit(site.at(part), message, edit(site, part, matcher, plain));
            } else if value.starts_with('^') || (value.ends_with('$') && !value.ends_with("\\$")) {
                found.add(
                    site.at(part),
                    format!("the pattern of `{name}` is anchored at both ends as it is: {value:?}"),
                );
            } else if value == ".*" && matcher.op == MatchOp::Regex {
                found.add(site.at(part), format!("`{name}=~\".*\"` leaves out nothing"));
            }
        }
    }
}

fn is_plain(pattern: &str) -> bool {
    !pattern.is_empty() && pattern.chars().all(|c| c.is_alphanumeric() || "_-/: ".contains(c))
}

/// The operator, where the selector's text has the matcher once and as it was read.
fn edit(site: &Site<'_>, part: &Expr, matcher: &Matcher, plain: &str) -> Option<Edit> {
    let source = site.rule.expr.get(part.span.range())?;
    let written = format!("{}{}\"{}\"", matcher.name, matcher.op.as_str(), matcher.value);
    let at = source.find(&written).filter(|_| source.matches(&written).count() == 1)?;
    let start = part.span.start as usize + at + matcher.name.len();
    site.edit(Span::new(start, start + matcher.op.as_str().len()), plain)
}
