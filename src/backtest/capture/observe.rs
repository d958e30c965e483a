//! What the rules do over the samples of a test file.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::alerting::GroupSpec;
use crate::model::{Diagnostic, Labels, Position};
use crate::ruletest::case::{AlertTest, ExpectedAlert, TestFile, TestGroup, TestedState};
use crate::ruletest::groups::LoadedGroups;
use crate::ruletest::input::Input;
use crate::ruletest::outcome::FailureKind;
use crate::ruletest::parse;
use crate::ruletest::remarks::Remarks;
use crate::ruletest::run::{How, run_test};
use crate::ruletest::wanted::Match;

use super::super::record::Record;
use super::super::run::{Backtest, run};
use super::super::window::Window;
use super::contents::{Capture, Contents};
use super::write;

/// The most expectations. More of them are no test that a person could read.
const MOST: usize = 300;

/// The labels of the alerts that fire.
pub fn fired(contents: &Contents, capture: &Capture) -> Result<Vec<Labels>, String> {
    let (_, record) = play(contents, capture)?;
    let fired: BTreeSet<&Labels> = record.episodes.iter().filter(|e| e.fired_at.is_some()).map(|e| &e.labels).collect();
    Ok(fired.into_iter().cloned().collect())
}

/// What is to be expected: the alerts of a name just before it first fires, whenever one of them fires or ends, and at the
/// end.
pub fn expectations(contents: &mut Contents, capture: &Capture) -> Result<Vec<AlertTest>, String> {
    let (file, record) = play(contents, capture)?;
    let mut probes = BTreeSet::new();
    let (base, step) = (file.tests.first().map_or(0, |t| t.start), contents.evaluation_interval);
    let since = capture.window.from - contents.start;
    let last = (contents.to - contents.start).div_euclid(step) * step;
    for rule in record.rules.iter().filter(|r| r.alerts) {
        probes.insert((last, rule.name.to_string()));
    }
    for episode in record.episodes.iter().filter(|e| e.fired_at.is_some()) {
        let Some(rule) = record.rules.get(episode.rule) else { continue };
        let fired = episode.fired_at.map(|t| t - base);
        let times = [fired.map(|t| t - step), fired, episode.ended_at.map(|t| t - base)];
        let inside = times.into_iter().flatten().filter(|t| (since.max(0)..=last).contains(t));
        probes.extend(inside.map(|t| (t, rule.name.to_string())));
    }
    if probes.len() > MOST {
        contents.notes.push(format!(
            "{} of {} expectations are left out, the last ones",
            probes.len() - MOST,
            probes.len()
        ));
    }
    let mut tests: Vec<AlertTest> = probes.into_iter().take(MOST).map(|(t, name)| expecting_nothing(t, name)).collect();
    let seen = look(&file, &tests, capture)?;
    for (test, expected) in tests.iter_mut().zip(seen) {
        test.expected = expected;
    }
    Ok(tests)
}

/// Plays a file as it is.
///
/// # Errors
/// It does not pass.
pub fn verify(text: &str, capture: &Capture) -> Result<(), String> {
    let file = parsed(text)?;
    let groups = groups_of(capture, file.evaluation_interval);
    for test in &file.tests {
        if let Some(failure) = run_test(&file, test, &groups, how(capture)).failures.first() {
            return Err(format!("what was captured does not hold: {}", failure.subject()));
        }
    }
    Ok(())
}

fn how(capture: &Capture) -> How {
    How { features: capture.features, covers: false }
}

fn parsed(text: &str) -> Result<TestFile, String> {
    let told = |defects: Vec<Diagnostic>| defects.first().map_or_else(String::new, Diagnostic::to_string);
    parse::parse("what was captured", text, false).map_err(told)
}

/// The file without expectations, and what the rules do over it.
fn play(contents: &Contents, capture: &Capture) -> Result<(TestFile, Record), String> {
    let file = parsed(&write::file(contents, &[]))?;
    let Some(test) = file.tests.first() else { return Err("nothing was captured".to_owned()) };
    let until = test.start + (contents.to - contents.start);
    let input = Input::new(&test.input_series, test.start, test.interval, until);
    let groups = groups_of(capture, contents.evaluation_interval).groups;
    let window = Window { from: test.start, to: until };
    let (routing, interval, features) = (None, contents.evaluation_interval, capture.features);
    let backtest = Backtest { groups, routing, window, interval, features };
    let record = run(Arc::new(input), &backtest, &mut |_| {}).map_err(|e| e.to_string())?;
    Ok((file, record))
}

/// What fires at each of the tests, which expect nothing.
fn look(file: &TestFile, tests: &[AlertTest], capture: &Capture) -> Result<Vec<Vec<ExpectedAlert>>, String> {
    let mut out = vec![Vec::new(); tests.len()];
    let Some(first) = file.tests.first() else { return Ok(out) };
    let test = TestGroup { alert_tests: tests.to_vec(), ..first.clone() };
    let groups = groups_of(capture, file.evaluation_interval);
    for failure in run_test(file, &test, &groups, how(capture)).failures {
        match failure.kind {
            FailureKind::Alerts { alertname, time, got, .. } => {
                let place = tests.iter().position(|t| t.alertname == alertname && t.eval_time == time);
                if let Some(slot) = place.and_then(|p| out.get_mut(p)) {
                    *slot = got;
                }
            }
            FailureKind::Rule { rule, error, .. } => {
                return Err(format!("rule {rule} fails over these samples, and so would any test of it: {error}"));
            }
            _ => return Err(failure.subject()),
        }
    }
    Ok(out)
}

fn expecting_nothing(eval_time: i64, alertname: String) -> AlertTest {
    AlertTest {
        position: Position::default(),
        eval_time,
        alertname,
        state: TestedState::Firing,
        how: Match::Exact,
        expected: Vec::new(),
        is_listed: true,
        absent: None,
        remarks: Remarks::default(),
    }
}

/// The rules as a test evaluates them.
fn groups_of(capture: &Capture, interval: i64) -> LoadedGroups {
    let of = |g: &Arc<GroupSpec>| Arc::new(GroupSpec { interval, ..GroupSpec::clone(g) });
    LoadedGroups { groups: capture.groups.iter().map(of).collect(), ..LoadedGroups::default() }
}
