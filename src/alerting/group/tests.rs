use parking_lot::Mutex;

use super::super::restore::{Restored, save, save_evaluated};
use super::super::{AlertState, GroupKey};
use super::*;
use crate::model::is_stale;
use crate::promql::{CompileOptions, Plan, compile};
use crate::state::{Batch, MemoryStore, StateStore};

const STEP: i64 = 15_000;

/// A world whose every query answers what it was told, and which remembers what was written.
#[derive(Default)]
struct Told {
    results: Mutex<std::collections::HashMap<String, Result<RuleResult, String>>>,
    written: Mutex<Vec<String>>,
}

impl Told {
    fn answer(&self, expr: &str, series: &[(&str, &str, f64)]) {
        let elements = series.iter().map(|(name, i, v)| Element {
            labels: Labels::from_pairs([("__name__", *name), ("i", *i)]),
            value: Value::Float(*v),
        });
        let result = RuleResult { elements: elements.collect(), ..RuleResult::default() };
        self.results.lock().insert(expr.into(), Ok(result));
    }

    fn fail(&self, expr: &str, why: &str) {
        self.results.lock().insert(expr.into(), Err(why.into()));
    }

    fn take_written(&self) -> Vec<String> {
        std::mem::take(&mut self.written.lock())
    }
}

impl World for Told {
    fn query(&self, rule: &RuleSpec, _at: i64) -> Result<RuleResult, String> {
        self.results.lock().get(&*rule.expr).cloned().unwrap_or(Ok(RuleResult::default()))
    }

    fn render(&self, input: TemplateInput<'_>) -> String {
        input.text.replace("{{ $labels.i }}", input.labels.value("i"))
    }

    fn append(&self, samples: &[RuleSample]) -> Result<Appended, String> {
        let line = |s: &RuleSample| {
            let value = s.value.as_float().unwrap();
            let value = if is_stale(value) { "stale".into() } else { value.to_string() };
            format!("{} {value} @{}", s.labels.to_series_string(), s.t / 1000)
        };
        self.written.lock().extend(samples.iter().map(line));
        Ok(Appended::default())
    }
}

fn compiled(expr: &str) -> Arc<Plan> {
    compile(expr, &CompileOptions::default()).unwrap()
}

fn alerting(name: &str, expr: &str, hold: i64) -> Arc<RuleSpec> {
    Arc::new(RuleSpec {
        terms: None,
        name: name.into(),
        expr: expr.into(),
        plan: compiled(expr),
        labels: vec![("severity".into(), "page".into())],
        kind: RuleKind::Alerting {
            hold,
            keep_firing: 0,
            annotations: vec![("summary".into(), "{{ $labels.i }} is down".into())],
        },
    })
}

fn recording(name: &str, expr: &str) -> Arc<RuleSpec> {
    Arc::new(RuleSpec {
        terms: None,
        name: name.into(),
        expr: expr.into(),
        plan: compiled(expr),
        labels: vec![],
        kind: RuleKind::Recording,
    })
}

fn spec(rules: Vec<Arc<RuleSpec>>) -> Arc<GroupSpec> {
    let key = GroupKey { file: "rules.yaml".into(), name: "g".into() };
    Arc::new(GroupSpec {
        key,
        interval: STEP,
        query_offset: 0,
        eval_offset: None,
        limit: 0,
        partial_response: PartialResponse::Abort,
        rules,
    })
}

fn evaluate(spec: &Arc<GroupSpec>, state: GroupState, at: i64, world: &dyn World) -> Evaluated {
    Evaluation { slot: 0, spec: spec.clone(), state: Arc::new(state), at }.run(world)
}

#[test]
fn an_alert_leaves_its_series_and_their_ends() {
    let spec = spec(vec![alerting("Down", "up == 0", STEP)]);
    let world = Told::default();
    world.answer("up == 0", &[("up", "a", 0.0)]);
    let first = evaluate(&spec, GroupState::new(1), 60_000, &world);
    let identity = r#"alertname="Down", "#;
    let rest = r#"i="a", severity="page"}"#;
    assert_eq!(
        world.take_written(),
        [
            format!("ALERTS{{{identity}alertstate=\"pending\", {rest} 1 @60"),
            format!("ALERTS_FOR_STATE{{{identity}{rest} 60 @60"),
        ]
    );
    let second = evaluate(&spec, first.state, 75_000, &world);
    assert_eq!(second.transitions[0].1.alert().annotations.value("summary"), "a is down");
    assert_eq!(
        world.take_written(),
        [
            format!("ALERTS{{{identity}alertstate=\"firing\", {rest} 1 @75"),
            format!("ALERTS_FOR_STATE{{{identity}{rest} 60 @75"),
            format!("ALERTS{{{identity}alertstate=\"pending\", {rest} stale @75"),
        ]
    );
    world.answer("up == 0", &[]);
    evaluate(&spec, second.state, 90_000, &world);
    assert_eq!(
        world.take_written(),
        [
            format!("ALERTS{{{identity}alertstate=\"firing\", {rest} stale @90"),
            format!("ALERTS_FOR_STATE{{{identity}{rest} stale @90"),
        ]
    );
}

#[test]
fn a_recording_rule_marks_what_vanishes_and_a_failed_one_marks_nothing() {
    let spec = spec(vec![recording("r:sum", "total")]);
    let world = Told::default();
    world.answer("total", &[("x", "a", 1.0), ("y", "b", 2.0)]);
    let state = evaluate(&spec, GroupState::new(1), 0, &world).state;
    assert_eq!(world.take_written(), [r#"r:sum{i="a"} 1 @0"#, r#"r:sum{i="b"} 2 @0"#]);
    world.fail("total", "many-to-many matching not allowed");
    let failed = evaluate(&spec, state, STEP, &world);
    assert_eq!((world.take_written().len(), failed.failures), (0, 1));
    let rule = &failed.state.rules[0];
    assert_eq!((rule.health.as_str(), rule.last_error.as_deref()), ("err", Some("many-to-many matching not allowed")));
    world.answer("total", &[("x", "b", 3.0)]);
    let good = evaluate(&spec, failed.state, 2 * STEP, &world);
    assert_eq!(world.take_written(), [r#"r:sum{i="b"} 3 @30"#, r#"r:sum{i="a"} stale @30"#]);
    assert_eq!((good.state.rules[0].health.as_str(), good.state.rules[0].last_error.as_deref()), ("ok", None));
    world.answer("total", &[("x", "b", 3.0), ("y", "b", 3.0)]);
    let twice = evaluate(&spec, good.state, 3 * STEP, &world);
    let error = twice.state.rules[0].last_error.as_deref().unwrap().to_owned();
    assert_eq!(error, "vector contains metrics with the same labelset after applying rule labels");
}

#[test]
fn a_partial_answer_resolves_nothing_unless_the_group_says_that_it_may() {
    let aborting = spec(vec![alerting("Down", "up == 0", 0)]);
    let warning = Arc::new(GroupSpec { partial_response: PartialResponse::Warn, ..(*aborting).clone() });
    let world = Told::default();
    world.answer("up == 0", &[("up", "a", 0.0)]);
    let firing = evaluate(&aborting, GroupState::new(1), 0, &world).state;
    let partial = RuleResult { partial: Some("store-1 did not answer".into()), ..RuleResult::default() };
    world.results.lock().insert("up == 0".into(), Ok(partial));
    let out = evaluate(&aborting, firing.clone(), STEP, &world);
    let rule = &out.state.rules[0];
    assert_eq!((out.failures, out.transitions.len(), rule.health.as_str()), (1, 0, "err"));
    assert_eq!(rule.last_error.as_deref(), Some("partial response: store-1 did not answer"));
    assert!(rule.alerts.values().all(|a| a.state == AlertState::Firing) && rule.alerts.len() == 1);
    let out = evaluate(&warning, firing, STEP, &world);
    assert_eq!((out.failures, out.state.rules[0].health.as_str()), (0, "ok"));
    assert!(matches!(&out.transitions[..], [(0, Transition::Resolved(_))]), "{:?}", out.transitions);
}

#[test]
fn a_group_over_its_limit_says_so() {
    let limited = Arc::new(GroupSpec { limit: 1, ..(*spec(vec![recording("r", "e"), alerting("A", "e", 0)])).clone() });
    let world = Told::default();
    world.answer("e", &[("x", "a", 1.0), ("x", "b", 2.0)]);
    let out = evaluate(&limited, GroupState::new(2), 0, &world);
    let errors: Vec<_> = out.state.rules.iter().map(|r| r.last_error.as_deref().unwrap()).collect();
    assert_eq!(errors, ["exceeded limit of 1 with 2 series", "exceeded limit of 1 with 2 alerts"]);
}

#[test]
fn series_of_removed_rules_are_marked_unless_another_rule_writes_them() {
    let spec = spec(vec![recording("r", "e")]);
    let world = Told::default();
    world.answer("e", &[("x", "a", 1.0)]);
    let orphan = |name: &str| Labels::from_pairs([("__name__", name), ("i", "a")]);
    let state = GroupState { orphans: vec![orphan("r"), orphan("gone")], ..GroupState::new(1) };
    let out = evaluate(&spec, state, 0, &world);
    assert_eq!(world.take_written(), [r#"r{i="a"} 1 @0"#, r#"gone{i="a"} stale @0"#]);
    assert!(out.state.orphans.is_empty());
}

/// The state of a group as a start finds it.
fn restore(store: &MemoryStore, spec: &Arc<GroupSpec>) -> GroupState {
    let mut batch = Batch::default();
    let mut states = Restored::load(&store.load().unwrap()).take_over(std::slice::from_ref(spec), &mut batch);
    store.apply(&batch).unwrap();
    states.remove(0)
}

/// Evaluates, writes the records, throws the state away and restores it.
fn evaluate_and_restart(
    spec: &Arc<GroupSpec>,
    state: GroupState,
    at: i64,
    world: &Told,
    store: &MemoryStore,
) -> GroupState {
    let out = evaluate(spec, state, at, world);
    let mut batch = Batch::default();
    save(&mut batch, &spec.places(), &out.transitions, at, None);
    save_evaluated(&mut batch, &spec.key, &out.state, at);
    store.apply(&batch).unwrap();
    restore(store, spec)
}

fn only_alert(state: &GroupState) -> (AlertState, i64) {
    let alerts: Vec<_> = state.rules[0].alerts.values().collect();
    assert_eq!(alerts.len(), 1);
    (alerts[0].state, alerts[0].active_at)
}

#[test]
fn a_quick_restart_changes_nothing_and_a_long_outage_does_not_count_towards_for() {
    let spec = spec(vec![alerting("Down", "up == 0", 4 * STEP)]);
    for (why, down, fires_after) in [("one evaluation missed", 0, 4), ("an hour down", 3_600_000, 4)] {
        let (world, store) = (Told::default(), MemoryStore::default());
        world.answer("up == 0", &[("up", "a", f64::NAN)]);
        let mut state = GroupState::new(1);
        for tick in 0..=6 {
            // The outage is between the second and the third evaluation.
            let at = tick * STEP + if tick > 1 { down } else { 0 };
            state = evaluate_and_restart(&spec, state, at, &world, &store);
            let want = if tick < fires_after { AlertState::Pending } else { AlertState::Firing };
            assert_eq!(only_alert(&state), (want, 0), "{why}: at {at}");
        }
    }
}

#[test]
fn a_firing_alert_survives_and_resolves_at_the_first_evaluation_that_lacks_it() {
    let spec = spec(vec![alerting("Down", "up == 0", 0)]);
    let (world, store) = (Told::default(), MemoryStore::default());
    world.answer("up == 0", &[("up", "a", 1.0)]);
    let state = evaluate_and_restart(&spec, GroupState::new(1), 0, &world, &store);
    let state = evaluate(&spec, state, 3_600_000, &world);
    assert!(state.transitions.is_empty(), "still firing: nothing to tell");
    world.answer("up == 0", &[]);
    let state = restore(&store, &spec);
    let out = evaluate(&spec, state, 7_200_000, &world);
    assert!(matches!(&out.transitions[..], [(0, Transition::Resolved(a))] if a.fired_at == Some(0)));
    let ends = world.take_written().into_iter().filter(|l| l.contains("stale")).count();
    assert_eq!(ends, 2, "the series of the process before are marked");
}

#[test]
fn nothing_is_left_in_the_store_of_rules_and_groups_that_are_gone() {
    let spec1 = spec(vec![alerting("Down", "up == 0", STEP)]);
    let (world, store) = (Told::default(), MemoryStore::default());
    world.answer("up == 0", &[("up", "a", 1.0)]);
    evaluate_and_restart(&spec1, GroupState::new(1), 0, &world, &store);
    assert_eq!(store.load().unwrap().len(), 2, "an alert, and when its group was evaluated");
    let mut other = (*spec(vec![alerting("Other", "up == 0", 0)])).clone();
    other.key.name = "other".into();
    assert!(restore(&store, &Arc::new(other)).rules[0].alerts.is_empty());
    assert!(store.load().unwrap().is_empty());
}

#[test]
fn a_rule_that_stands_elsewhere_after_a_restart_goes_on() {
    let spec1 = spec(vec![alerting("Down", "up == 0", 4 * STEP)]);
    let (world, store) = (Told::default(), MemoryStore::default());
    world.answer("up == 0", &[("up", "a", 1.0)]);
    evaluate_and_restart(&spec1, GroupState::new(1), 0, &world, &store);
    let mut state = GroupState::new(2);
    for tick in 1..=6 {
        let mut moved = (*spec(vec![alerting("Other", "x", 0), alerting("Down", "up == 0", 4 * STEP)])).clone();
        // Another path at every start.
        moved.key.file = format!("/copy/{tick}.yml").into();
        let moved = Arc::new(moved);
        state = restore(&store, &moved);
        let alert = state.rules[1].alerts.values().next().unwrap().clone();
        let fires = if tick <= 4 { AlertState::Pending } else { AlertState::Firing };
        assert_eq!((alert.state, alert.active_at), (fires, 0), "at {tick}");
        state = evaluate_and_restart(&moved, state, tick * STEP, &world, &store);
    }
    assert!(state.rules[0].alerts.is_empty());
    assert_eq!(store.load().unwrap().len(), 1, "the alert; of groups nothing, for nothing is pending any more");
}

/// A world whose storage refuses samples of some series.
struct Refusing<'w>(&'w Told, Mutex<&'static str>);

impl World for Refusing<'_> {
    fn query(&self, rule: &RuleSpec, at: i64) -> Result<RuleResult, String> {
        self.0.query(rule, at)
    }

    fn render(&self, input: TemplateInput<'_>) -> String {
        self.0.render(input)
    }

    fn append(&self, samples: &[RuleSample]) -> Result<Appended, String> {
        let mut appended = Appended::default();
        for (place, sample) in samples.iter().enumerate() {
            match sample.labels.value("i") == *self.1.lock() {
                true => appended.refuse(place, |r| &mut r.duplicate),
                false => drop(self.0.append(std::slice::from_ref(sample))?),
            }
        }
        Ok(appended)
    }
}

/// A world whose storage takes nothing for as long as it is told to.
struct Failing<'w>(&'w Told, Mutex<bool>);

impl World for Failing<'_> {
    fn query(&self, rule: &RuleSpec, at: i64) -> Result<RuleResult, String> {
        self.0.query(rule, at)
    }

    fn render(&self, input: TemplateInput<'_>) -> String {
        self.0.render(input)
    }

    fn append(&self, samples: &[RuleSample]) -> Result<Appended, String> {
        if *self.1.lock() { Err("no space left".into()) } else { self.0.append(samples) }
    }
}

#[test]
fn markers_that_cannot_be_written_are_written_at_the_next_evaluation() {
    let spec = spec(vec![recording("r", "e")]);
    let told = Told::default();
    let world = Failing(&told, Mutex::new(false));
    told.answer("e", &[("x", "a", 1.0)]);
    let orphan = Labels::from_pairs([("__name__", "gone"), ("i", "a")]);
    let begun = Evaluation { slot: 0, spec: spec.clone(), state: Arc::new(GroupState::new(1)), at: 0 };
    let mut state = begun.run(&world).state;
    told.take_written();
    told.answer("e", &[]);
    state.orphans.push(orphan);
    *world.1.lock() = true;
    let out = Evaluation { slot: 0, spec: spec.clone(), state: Arc::new(state), at: 15_000 }.run(&world);
    assert_eq!((out.failures, told.take_written().len()), (1, 0));
    *world.1.lock() = false;
    let out = Evaluation { slot: 0, spec: spec.clone(), state: Arc::new(out.state), at: 30_000 }.run(&world);
    assert_eq!(told.take_written(), [r#"r{i="a"} stale @30"#, r#"gone{i="a"} stale @30"#]);
    let out = Evaluation { slot: 0, spec, state: Arc::new(out.state), at: 45_000 }.run(&world);
    assert_eq!((out.failures, told.take_written().len()), (0, 0));
}

#[test]
fn samples_that_storage_refuses_are_counted_and_are_no_failed_evaluation() {
    let spec = spec(vec![recording("r:sum", "total")]);
    let told = Told::default();
    let world = Refusing(&told, Mutex::new("b"));
    told.answer("total", &[("x", "a", 1.0), ("y", "b", 2.0)]);
    let first = evaluate(&spec, GroupState::new(1), 0, &world);
    assert_eq!(told.take_written(), [r#"r:sum{i="a"} 1 @0"#]);
    assert_eq!((first.failures, first.refused.duplicate, first.samples), (0, 1, 2));
    // Shown as Prometheus shows it.
    let rule = &first.state.rules[0];
    let shown = (rule.health.as_str(), rule.last_error.as_deref());
    assert_eq!(shown, ("err", Some("duplicate sample for timestamp")));
    // What was refused was not written, so it does not end.
    *world.1.lock() = "";
    told.answer("total", &[]);
    let second = evaluate(&spec, first.state, STEP, &world);
    assert_eq!(told.take_written(), [r#"r:sum{i="a"} stale @15"#]);
    assert_eq!((second.state.rules[0].health.as_str(), second.state.rules[0].refused), ("ok", Refused::default()));
}
