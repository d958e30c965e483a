//! An expression's parts in words.

use std::fmt::Write as _;

use crate::explain::part::{Difference, Finding, Margin, Missing, Outcome, Part, PartKind, Side, TargetState};
use crate::history::Number;
use crate::model::time::rfc3339;

use super::{named, series, value};

/// Why an expression holds, or does not: a paragraph for each part that decides, its lines indented.
pub fn because(root: &Part, indent: &str) -> String {
    let mut out = String::new();
    for part in root.deciding() {
        let mut findings = part.findings.iter().filter(|f| !is_beside(f, part)).peekable();
        if findings.peek().is_none() {
            let _ = writeln!(out, "{indent}{}: {}", part.text, gave(part));
        }
        for finding in findings {
            tell(&mut out, indent, part, finding);
        }
    }
    out
}

/// Why an expression does not hold, in half a sentence: the first part that decides.
pub fn headline(root: &Part) -> Option<String> {
    let part = root.deciding().into_iter().next()?;
    let text = &part.text;
    let found = part.findings.iter().find(|f| !is_beside(f, part));
    Some(match found {
        None => format!("{text}: {}", gave(part)),
        Some(Finding::Threshold { operator, holding, rows, .. }) if *holding > 0 => {
            let Margin { labels, value: v, threshold, .. } = rows.first()?;
            format!("{text} does not hold for {}: {} is not {operator} {}", named(labels), value(*v), value(*threshold))
        }
        Some(Finding::Threshold { operator, count, rows, .. }) => {
            let nearest = rows.first().map(|row| {
                let Margin { labels, value: v, threshold, .. } = row;
                format!("; the nearest is {} ({operator} {}) of {}", value(*v), value(*threshold), named(labels))
            });
            format!("{text} holds for none of {}{}", series(*count), nearest.unwrap_or_default())
        }
        Some(Finding::NoPartner { side, count, by, .. }) => {
            let (here, there) = (side.as_str(), side.other().as_str());
            format!("of {text}, {} on the {here} find no partner on the {there} by {by}", series(*count))
        }
        Some(Finding::TakenAway { count, .. }) => format!("the right side of {text} takes away {}", series(*count)),
        Some(Finding::Present { count, .. }) => format!("{text} gives nothing, for there are {}", series(*count)),
        Some(Finding::GaveNothing { function, .. }) => format!("{function} gives nothing in {text}"),
        Some(Finding::Missing(missing)) => {
            let down = missing.targets.iter().find(|t| t.up.is_none_or(|up| up.0 == 0.0));
            let down = down.map(|t| format!("; its target {} of job {} is down or gone", t.instance, t.job));
            format!("there is no series {}{}", missing.selector, down.unwrap_or_default())
        }
    })
}

/// A comparison that has something to compare is explained by that; partners that some series lack are beside the point.
fn is_beside(finding: &Finding, part: &Part) -> bool {
    let compares = part.findings.iter().any(|f| matches!(f, Finding::Threshold { .. }));
    compares && matches!(finding, Finding::NoPartner { .. })
}

fn tell(out: &mut String, indent: &str, part: &Part, finding: &Finding) {
    let text = &part.text;
    let _ = match finding {
        Finding::Threshold { operator, holding, count, rows } => {
            let _ = match holding {
                0 => writeln!(out, "{indent}{text}: holds for none of {}; the nearest:", series(*count)),
                _ => writeln!(out, "{indent}{text}: holds for {holding} of {}:", series(*count)),
            };
            rows.iter().try_for_each(|row| margin(out, indent, operator, row))
        }
        Finding::NoPartner { side, count, of, by, example, nearest, differences } => {
            let (here, there) = (side.as_str(), side.other().as_str());
            let _ = writeln!(
                out,
                "{indent}{text}: {count} of {} on the {here} find no partner on the {there} by {by}:",
                series(*of)
            );
            let _ = writeln!(out, "{indent}  {}", named(example));
            match nearest {
                Some(nearest) => {
                    let _ = writeln!(out, "{indent}  most like it is {}", named(nearest));
                    let mut differ = differences.iter();
                    differ.try_for_each(|d| writeln!(out, "{indent}  {}", difference(d, *side)))
                }
                None => writeln!(out, "{indent}  there is nothing on the {there}"),
            }
        }
        Finding::TakenAway { count, example, by } => {
            let _ = writeln!(out, "{indent}{text}: the right side takes away {}:", series(*count));
            writeln!(out, "{indent}  {} by {}", named(example), named(by))
        }
        Finding::Present { count, example } => {
            writeln!(out, "{indent}{text}: gives nothing, for there are {}, such as {}", series(*count), named(example))
        }
        Finding::GaveNothing { function, most_samples } => {
            let few = if *most_samples == 1 { "; a window has one sample, where two are needed" } else { "" };
            writeln!(out, "{indent}{text}: {function} gives nothing of what it reads{few}")
        }
        Finding::Missing(missing) => {
            lacks(out, indent, missing);
            Ok(())
        }
    };
}

fn margin(out: &mut String, indent: &str, operator: &str, row: &Margin) -> std::fmt::Result {
    let Margin { labels, value: v, threshold, holds, by, relative } = row;
    let (v, limit, distance) = (value(*v), value(*threshold), value(Number(by.0.abs())));
    let relative = relative.filter(|r| r.0.is_finite()).map(|r| format!(" ({}%)", percent(r.0)));
    let by = match by.0 {
        by if by.is_nan() || by == 0.0 || matches!(operator, "==" | "!=") => String::new(),
        _ => format!(", by {distance}{}", relative.unwrap_or_default()),
    };
    let how = if *holds { format!("{v} {operator} {limit}{by}") } else { format!("{v} is not {operator} {limit}{by}") };
    writeln!(out, "{indent}  {how}  {}", named(labels))
}

fn percent(relative: f64) -> String {
    value(Number((relative.abs() * 10_000.0).round() / 100.0))
}

fn difference(d: &Difference, side: Side) -> String {
    let told = |v: &str| if v.is_empty() { "none".to_owned() } else { format!("{v:?}") };
    let (name, here, there) = (&d.name, told(&d.here), told(&d.there));
    format!("{name}: {here} on the {}, {there} on the {}", side.as_str(), side.other().as_str())
}

fn lacks(out: &mut String, indent: &str, missing: &Missing) {
    let Missing { selector, of_name, removed_by, last_seen, targets } = missing;
    let _ = match (of_name, removed_by) {
        (_, Some(by)) => {
            let values = by.values.iter().map(|v| format!("{v:?}")).collect::<Vec<_>>().join(", ");
            let values = if values.is_empty() { values } else { format!("; there is {values}") };
            writeln!(out, "{indent}{selector}: no series; without {} there would be {}{values}", by.matcher, by.without)
        }
        (Some(0), None) => writeln!(out, "{indent}{selector}: no series has this name"),
        _ => writeln!(out, "{indent}{selector}: no series"),
    };
    let _ = match last_seen {
        Some(seen) => {
            let (count, at) = (series(seen.count), rfc3339(seen.at.0));
            writeln!(out, "{indent}  last seen at {at} ({count}, such as {})", named(&seen.example))
        }
        None => writeln!(out, "{indent}  none was found in the 30 days before"),
    };
    for TargetState { job, instance, up } in targets {
        let state = match up {
            Some(Number(0.0)) => "is down: up is 0",
            Some(_) => "is up, and no longer exposes it",
            None => "is scraped no longer: it has no up",
        };
        let _ = writeln!(out, "{indent}  its target {instance} of job {job} {state}");
    }
}

/// What a part gave, in a few words.
fn gave(part: &Part) -> String {
    match &part.outcome {
        Outcome::Scalar { value: v } => value(*v),
        Outcome::Text { value } => format!("{value:?}"),
        Outcome::Failed { error } => format!("fails: {error}"),
        Outcome::NotLookedAt => "not looked at".to_owned(),
        Outcome::Series { count: 0, .. } | Outcome::Samples { count: 0, .. } => "nothing".to_owned(),
        Outcome::Samples { count, related, .. } => counted(*count, *related),
        Outcome::Series { count, related, rows } => {
            let first = rows.first().and_then(|row| row.value).filter(|_| *related == 1);
            let first = first.map(|v| format!(": {}", value(v))).unwrap_or_default();
            format!("{}{first}", counted(*count, *related))
        }
    }
}

fn counted(count: usize, related: usize) -> String {
    match related {
        0 => format!("none of {}", series(count)),
        _ if related == count => series(count),
        _ => format!("{related} of {}", series(count)),
    }
}

/// The parts as a tree, one a line, each with what it gave.
pub fn tree(root: &Part, indent: &str) -> String {
    let mut lines = Vec::new();
    let mut stack = vec![(root, 0)];
    while let Some((part, depth)) = stack.pop() {
        let mark = if part.holds { "✓" } else { "✗" };
        let arrow = if part.decides { "  ◄" } else { "" };
        let gave = match part.outcome {
            Outcome::Failed { .. } => "fails".to_owned(),
            _ => gave(part),
        };
        lines.push((format!("{indent}{}{mark} {}", "  ".repeat(depth), part.text), format!("{gave}{arrow}")));
        let below = part.parts.iter().filter(|p| p.kind != PartKind::Literal).rev();
        stack.extend(below.map(|p| (p, depth + 1)));
    }
    let width = |text: &str| unicode_width::UnicodeWidthStr::width(text);
    let widest = lines.iter().map(|(text, _)| width(text)).max().unwrap_or(0).min(90);
    let mut out = String::new();
    for (text, gave) in lines {
        let pad = " ".repeat(widest.saturating_sub(width(&text)));
        let _ = writeln!(out, "{text}{pad}  {gave}");
    }
    out
}
