//! One alert with other values of its `for` and its threshold: what each costs in pages and gives in detection.

use std::sync::Arc;

use crate::alerting::{GroupSpec, RuleKind, RuleSpec};
use crate::model::{duration, number};
use crate::promql::ast::{Expr, ExprKind};
use crate::promql::{CompileOptions, compile, parse};

/// So many values an axis has where nothing is said.
const VALUES: usize = 5;
/// So many backtests are made at most.
const MOST: usize = 100;

/// What is varied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Knob {
    /// The rule's `for`.
    For,
    /// The number that the rule's expression is compared with.
    Threshold,
}

/// One set of values.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Point {
    /// `for`, milliseconds; nothing: as written.
    pub hold: Option<i64>,
    /// The threshold; nothing: as written.
    pub threshold: Option<f64>,
}

/// Reads `for=1m..30m,threshold=0.9..0.99`: from a value to a value in five steps, or in as many as stand behind a slash
/// (`for=1m..30m/10`); one value alone is one. Gives every combination.
///
/// # Errors
/// What was found, and what was expected.
pub fn points(text: &str) -> Result<Vec<Point>, String> {
    let mut points = vec![Point::default()];
    let mut seen = Vec::new();
    for axis in text.split(',') {
        let (name, range) = axis.split_once('=').ok_or_else(|| format!("expected NAME=FROM..TO, found {axis:?}"))?;
        let knob = match name.trim() {
            "for" => Knob::For,
            "threshold" => Knob::Threshold,
            other => return Err(format!("expected for or threshold, found {other:?}")),
        };
        if seen.contains(&knob) {
            return Err(format!("{} is given twice", name.trim()));
        }
        seen.push(knob);
        let values = values(knob, range.trim())?;
        let with = |point: &Point| values.iter().map(|v| set(*point, knob, *v)).collect::<Vec<_>>();
        points = points.iter().flat_map(with).collect();
        if points.len() > MOST {
            return Err(format!("expected at most {MOST} combinations, found {}", points.len()));
        }
    }
    Ok(points)
}

fn set(point: Point, knob: Knob, value: f64) -> Point {
    match knob {
        // Seconds are enough for people.
        Knob::For => Point { hold: Some((value / 1_000.0).round() as i64 * 1_000), ..point },
        Knob::Threshold => Point { threshold: Some(value), ..point },
    }
}

fn values(knob: Knob, range: &str) -> Result<Vec<f64>, String> {
    let value = |text: &str| match knob {
        Knob::For => duration::parse(text).map(|ms| ms as f64),
        Knob::Threshold => number::parse_float(text)
            .filter(|v| v.is_finite())
            .ok_or_else(|| format!("expected a number, found {text:?}")),
    };
    let Some((from, rest)) = range.split_once("..") else { return Ok(vec![value(range)?]) };
    let (to, count) = rest.split_once('/').map_or((rest, Ok(VALUES)), |(to, n)| (to, n.parse()));
    let count = count.ok().filter(|n| (2..=MOST).contains(n));
    let count = count.ok_or_else(|| format!("expected FROM..TO/N with 2 to {MOST} values, found {range:?}"))?;
    let (from, to) = (value(from)?, value(to)?);
    let step = (to - from) / (count - 1) as f64;
    // Ten significant digits: 0.9 and a hundredth are 0.91, not 0.9100000000000001.
    let round = |v: f64| format!("{v:.9e}").parse().unwrap_or(v);
    Ok((0..count).map(|i| if i + 1 == count { to } else { round(from + step * i as f64) }).collect())
}

/// The groups with one alert varied.
///
/// # Errors
/// Its expression compares nothing with a number.
pub fn varied(
    groups: &[Arc<GroupSpec>],
    alert: &str,
    point: Point,
    options: &CompileOptions,
) -> Result<Vec<Arc<GroupSpec>>, String> {
    let vary = |rule: &Arc<RuleSpec>| match is_alert(rule) && *rule.name == *alert {
        true => varied_rule(rule, point, options).map(Arc::new),
        false => Ok(rule.clone()),
    };
    let of = |group: &Arc<GroupSpec>| {
        let rules = group.rules.iter().map(vary).collect::<Result<_, String>>()?;
        Ok(Arc::new(GroupSpec { rules, ..(**group).clone() }))
    };
    groups.iter().map(of).collect()
}

fn is_alert(rule: &RuleSpec) -> bool {
    matches!(rule.kind, RuleKind::Alerting { .. })
}

/// The alert that is varied: the one that is named, or the only one there is.
pub fn chosen(groups: &[Arc<GroupSpec>], alert: Option<&str>) -> Result<Arc<str>, String> {
    let mut names: Vec<Arc<str>> =
        groups.iter().flat_map(|g| &g.rules).filter(|r| is_alert(r)).map(|r| r.name.clone()).collect();
    names.dedup();
    let all = || names.iter().map(|n| &**n).collect::<Vec<_>>().join(", ");
    match (alert, names.as_slice()) {
        (Some(alert), names) => names
            .iter()
            .find(|n| ***n == *alert)
            .cloned()
            .ok_or_else(|| format!("--sweep-alert {alert}: expected one of {}", all())),
        (None, [one]) => Ok(one.clone()),
        (None, []) => Err("--sweep: the rules have no alert".into()),
        (None, _) => Err(format!("--sweep: which alert is varied? --sweep-alert with one of {}", all())),
    }
}

fn varied_rule(rule: &RuleSpec, point: Point, options: &CompileOptions) -> Result<RuleSpec, String> {
    let mut rule = rule.clone();
    if let (Some(new), RuleKind::Alerting { hold, .. }) = (point.hold, &mut rule.kind) {
        *hold = new;
    }
    if let Some(threshold) = point.threshold {
        let text = rule.plan.source().to_owned();
        let parsed = parse(&text, options).map_err(|e| e.to_string())?;
        let place = threshold_of(&parsed)
            .and_then(|number| text.get(..number.start).zip(text.get(number.end..)))
            .ok_or_else(|| format!("--sweep: {} compares nothing with a number", rule.name))?;
        let text = format!("{}{}{}", place.0, number::format_float(threshold), place.1);
        rule.plan = compile(&text, options).map_err(|e| e.to_string())?;
        rule.expr = text.into();
    }
    Ok(rule)
}

/// Where in its text stands the number that an expression is compared with: that of the first such comparison.
fn threshold_of(expr: &Expr) -> Option<std::ops::Range<usize>> {
    let number = |e: &Expr| match &e.kind {
        ExprKind::Number(_) => Some(e.span.range()),
        ExprKind::Negate(inner) if matches!(inner.kind, ExprKind::Number(_)) => Some(e.span.range()),
        _ => None,
    };
    match &expr.kind {
        ExprKind::Paren(inner) => threshold_of(inner),
        ExprKind::Binary(binary) if binary.op.is_comparison() => number(&binary.right).or_else(|| number(&binary.left)),
        ExprKind::Binary(binary) => threshold_of(&binary.left).or_else(|| threshold_of(&binary.right)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerting::spec::GroupDefaults;
    use crate::rules::{LoadOptions, load_str};

    #[test]
    fn ranges_become_every_combination() {
        let all = points("for=1m..10m/4,threshold=0.9..0.91").unwrap();
        assert_eq!(all.len(), 20);
        let holds: Vec<i64> = all.iter().step_by(5).filter_map(|p| p.hold).collect();
        assert_eq!(holds, [60_000, 240_000, 420_000, 600_000]);
        let thresholds: Vec<f64> = all.iter().take(5).filter_map(|p| p.threshold).collect();
        assert_eq!(thresholds, [0.9, 0.9025, 0.905, 0.9075, 0.91]);
        assert_eq!(points("for=5m").unwrap(), [Point { hold: Some(300_000), threshold: None }]);
        for (text, want) in [
            ("for", "expected NAME=FROM..TO"),
            ("fro=1m", "expected for or threshold"),
            ("for=1m,for=2m", "given twice"),
            ("for=x", "not a valid duration"),
            ("threshold=1..y", "expected a number"),
            ("threshold=1..2/1", "2 to 100 values"),
            ("threshold=1..2/11,for=1m..2m/11", "at most 100 combinations, found 121"),
        ] {
            let error = points(text).unwrap_err();
            assert!(error.contains(want), "{text}: {error}");
        }
    }

    #[test]
    fn the_threshold_of_an_expression_is_found_and_replaced() {
        let options = CompileOptions::default();
        let with = |expr: &str| {
            let rules = format!("groups: [{{name: g, rules: [{{alert: A, expr: '{expr}'}}, {{alert: B, expr: up}}]}}]");
            let loaded = load_str("r", &rules, &LoadOptions::default()).unwrap();
            let groups: Vec<_> = loaded.iter().map(|g| Arc::new(GroupSpec::of(g, &GroupDefaults::default()))).collect();
            let point = Point { hold: Some(60_000), threshold: Some(0.5) };
            let varied = varied(&groups, "A", point, &options)?;
            assert_eq!(varied[0].rules[1], groups[0].rules[1]);
            let RuleKind::Alerting { hold, .. } = &varied[0].rules[0].kind else { panic!("an alert") };
            Ok::<_, String>((varied[0].rules[0].expr.to_string(), *hold))
        };
        for (expr, want) in [
            ("up > 3", "up > 0.5"),
            ("3 < up", "0.5 < up"),
            ("(a - b) / b < -0.05", "(a - b) / b < 0.5"),
            ("(a > 1 and b > 2)", "(a > 0.5 and b > 2)"),
            ("absent(x) or a / b >= 1e3", "absent(x) or a / b >= 0.5"),
        ] {
            assert_eq!(with(expr).unwrap(), (want.to_owned(), 60_000), "{expr}");
        }
        assert!(with("absent(up)").unwrap_err().contains("A compares nothing with a number"));
        let rules = "groups: [{name: g, rules: [{alert: A, expr: up}, {alert: B, expr: up}]}]";
        let loaded = load_str("r", rules, &LoadOptions::default()).unwrap();
        let groups = [Arc::new(GroupSpec::of(&loaded[0], &GroupDefaults::default()))];
        assert!(chosen(&groups, None).unwrap_err().contains("with one of A, B"));
        assert!(chosen(&groups, Some("C")).unwrap_err().contains("expected one of A, B"));
    }
}
