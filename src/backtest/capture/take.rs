//! From a source to a test file.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::alerting::GroupSpec;
use crate::alerting::rule::RuleKind;
use crate::alerting::series::{ALERTS, ALERTS_FOR_STATE};
use crate::model::{Labels, SampleBuf};
use crate::promql::plan::{Node, NodeKind, QueryScalar};
use crate::tsdb::Queryable;

use super::super::intake::wanted;
use super::super::run::reach;
use super::contents::{Capture, Captured, Contents, Sampled};
use super::grid::{self, Grid};
use super::{anonymous, observe, write};

/// The most steps of all series that are looked at: some 300 MB.
const MOST_STEPS: usize = 20_000_000;

/// The samples begin at most so long before the window, milliseconds.
const MOST_BEFORE: i64 = 86_400_000;

/// How far before the window the samples must begin, milliseconds: as far as the rules look back, `for` included. It is
/// known for all rules or bounded by a day.
pub fn before(groups: &[Arc<GroupSpec>]) -> i64 {
    let hold = |kind: &RuleKind| match kind {
        RuleKind::Alerting { hold, keep_firing, .. } => hold.saturating_add(*keep_firing),
        RuleKind::Recording => 0,
    };
    let longest = groups.iter().flat_map(|g| &g.rules).map(|r| hold(&r.kind)).max().unwrap_or(0);
    reach(groups).unwrap_or(MOST_BEFORE).saturating_add(longest).min(MOST_BEFORE)
}

/// Writes a test of what the rules did.
///
/// # Errors
/// The source cannot be read, holds nothing that the rules read, or the rules fail over it as a test of promtool's would.
pub fn capture(source: &dyn Queryable, capture: &Capture) -> Result<Captured, String> {
    let step = capture.evaluation_interval.max(1);
    let start = (capture.window.from.saturating_sub(before(&capture.groups))).div_euclid(step) * step;
    let (raw, histograms) = read(source, capture, start)?;
    let mut notes = Vec::new();
    if histograms > 0 {
        notes.push(format!("{histograms} series of native histograms are left out"));
    }
    if reach(&capture.groups).is_none_or(|reach| reach > MOST_BEFORE) {
        notes.push(
            "some rules look back for more than a day, or nobody knows how far: there is one day of samples".to_owned(),
        );
    }
    if raw.is_empty() {
        return Err("the source has no sample that the rules read in this time".to_owned());
    }
    let interval = capture.interval.unwrap_or_else(|| grid::interval(raw.iter().map(|(_, s)| s), step)).max(1);
    let grid = Grid { start, step: interval, to: capture.window.to };
    let steps = usize::try_from((capture.window.to - start) / interval).unwrap_or(usize::MAX);
    if raw.len().saturating_mul(steps) > MOST_STEPS {
        let series = raw.len();
        return Err(format!("{series} series of {steps} steps are too many: a shorter time or fewer rules are less"));
    }
    let mut series: Vec<Sampled> =
        raw.iter().map(|(labels, s)| Sampled { labels: labels.clone(), slots: grid.slots(s) }).collect();
    series.retain(|s| !s.slots.is_empty());
    let is_dated = capture.groups.iter().flat_map(|g| &g.rules).any(|r| tells_time(r.plan.nodes()));
    if is_dated {
        notes.push("rules ask for the time: start_timestamp is there, which promtool knows from 3.14 on".to_owned());
    }
    let mut contents = Contents {
        source: capture.source.clone(),
        notes,
        rule_files: capture.rule_files.clone(),
        groups: names(&capture.groups),
        evaluation_interval: step,
        interval,
        start,
        is_dated,
        to: capture.window.to,
        series,
    };
    keep_most(&mut contents, capture)?;
    if capture.anonymize {
        anonymous::replace(&mut contents.series, &capture.groups);
    }
    let expected = observe::expectations(&mut contents, capture)?;
    let text = write::file(&contents, &expected);
    observe::verify(&text, capture)?;
    Ok(Captured { series: contents.series.len(), expectations: expected.len(), text, notes: contents.notes })
}

/// The names of groups, each once.
fn names(groups: &[Arc<GroupSpec>]) -> Vec<Arc<str>> {
    let mut names: Vec<Arc<str>> = Vec::new();
    for group in groups.iter().filter(|group| !group.rules.is_empty()) {
        if !names.contains(&group.key.name) {
            names.push(group.key.name.clone());
        }
    }
    names
}

/// Series by their labels, and how many were left out.
type Read = (Vec<(Labels, SampleBuf)>, usize);

/// The series that the rules read and do not write, sorted; and how many are of native histograms.
fn read(source: &dyn Queryable, capture: &Capture, start: i64) -> Result<Read, String> {
    let mut written: Vec<&str> = vec![ALERTS, ALERTS_FOR_STATE];
    let rules = capture.groups.iter().flat_map(|g| &g.rules);
    written.extend(rules.filter(|r| r.kind == RuleKind::Recording).map(|r| &*r.name));
    let (wanted, _) = wanted(&capture.groups, capture.window);
    let (mut found, mut histograms, mut total) = (BTreeMap::new(), 0, 0);
    for selector in &wanted {
        for series in source.select(&selector.matchers, start, capture.window.to).map_err(|e| e.to_string())? {
            let labels = series.labels();
            if written.contains(&labels.metric_name()) || found.contains_key(labels) {
                continue;
            }
            let mut samples = SampleBuf::default();
            series.read(start, capture.window.to, false, &mut samples).map_err(|e| e.to_string())?;
            total += samples.ts.len();
            if total > MOST_STEPS {
                return Err(format!("more than {MOST_STEPS} samples: a shorter time or fewer rules are less"));
            }
            histograms += usize::from(!samples.hists.is_empty());
            if samples.hists.is_empty() && !samples.ts.is_empty() {
                found.insert(labels.clone(), samples);
            }
        }
    }
    Ok((found.into_iter().collect(), histograms))
}

/// Whether what rules give depends on the date.
fn tells_time(nodes: &[Node]) -> bool {
    nodes.iter().any(|node| {
        matches!(
            node.kind,
            NodeKind::QueryScalar(QueryScalar::Time) | NodeKind::Date { .. } | NodeKind::SampleTime { .. }
        )
    })
}

/// Leaves out series beyond the limits: those that have least in common with the alerts that fire.
fn keep_most(contents: &mut Contents, capture: &Capture) -> Result<(), String> {
    let steps: usize = contents.series.iter().map(|s| s.slots.len()).sum();
    if contents.series.len() <= capture.max_series && steps <= capture.max_samples {
        return Ok(());
    }
    let fired = observe::fired(contents, capture)?;
    let shared = |labels: &Labels| {
        let with = |alert: &Labels| alert.iter().filter(|(name, value)| labels.value(name) == *value).count();
        fired.iter().map(with).max().unwrap_or(0)
    };
    let mut ranked: Vec<Sampled> = std::mem::take(&mut contents.series);
    // Ties stay in the order of their labels.
    ranked.sort_by_key(|s| Reverse(shared(&s.labels)));
    let (all, mut used) = (ranked.len(), 0);
    for series in ranked {
        let next = used + series.slots.len();
        if contents.series.len() < capture.max_series && next <= capture.max_samples {
            used = next;
            contents.series.push(series);
        }
    }
    contents.series.sort_by(|a, b| a.labels.cmp(&b.labels));
    let kept = contents.series.len();
    contents.notes.push(format!(
        "{} of {all} series are left out, those that share least with the alerts that fired (--max-series {}, --max-samples {})",
        all - kept, capture.max_series, capture.max_samples
    ));
    Ok(())
}
