//! Rules that share what they have in common inside a tick give what they give when each is evaluated for itself: the
//! same samples, the same alerts, the same words, bit by bit.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use watchbell::alerting::group::{Appended, Evaluation, RuleResult, TemplateInput, World};
use watchbell::alerting::series::RuleSample;
use watchbell::alerting::spec::GroupDefaults;
use watchbell::alerting::world::{RuleContext, StorageWorld};
use watchbell::alerting::{GroupSpec, GroupState, RuleSpec};
use watchbell::datasource::LocalQuerier;
use watchbell::model::{Labels, METRIC_NAME, MatchOp, Matcher, STALE_NAN, SampleBuf};
use watchbell::promql::{Common, CompileOptions, EvalEnv};
use watchbell::rules::{LoadOptions, RuleGroup, load_str};
use watchbell::template::prometheus::TemplateCache;
use watchbell::tsdb::{Queryable, Tsdb};

use crate::simulator::dice::Dice;

const STEP: i64 = 15_000;
const TICKS: i64 = 8;

/// An instant vector, of few parts, so that rules have much in common. `recorded` are metrics that rules write.
fn vector(dice: &mut Dice, depth: usize, recorded: &[String]) -> String {
    if depth == 0 {
        let selector = match dice.index(4) {
            0 | 1 => dice.pick(&["a", "b", r#"a{job="x"}"#, r#"{job="y"}"#]).to_owned(),
            _ => recorded[dice.index(recorded.len())].clone(),
        };
        return match dice.index(3) {
            0 => selector,
            _ => {
                let function = dice.pick(&["rate", "max_over_time", "sum_over_time", "changes"]);
                format!("{function}({selector}[{}])", dice.pick(&["1m", "45s"]))
            }
        };
    }
    let below = vector(dice, depth - 1, recorded);
    match dice.index(7) {
        0..=2 => {
            let operator = dice.pick(&["sum", "max", "avg", "count"]);
            format!("{operator} by ({}) ({below})", dice.pick(&["job", "i", "job, i", ""]))
        }
        3 => format!("({below}) {} {}", dice.pick(&[">", "<", "* ", "> bool"]), dice.index(20)),
        4 => format!("({below}) / on (job, i) ({})", vector(dice, depth - 1, recorded)),
        5 => format!("({below}) or ({})", vector(dice, depth - 1, recorded)),
        _ => format!("topk(1, {below})"),
    }
}

/// A rule file of several groups, whose rules are made of the same few expressions. With `apart`, rules read only what
/// their own group writes.
fn rule_file(dice: &mut Dice, apart: bool) -> String {
    let mut out = String::from("groups:\n");
    let groups = 3 + dice.index(3);
    let all: Vec<String> = (0..groups).map(|g| format!("rec_{g}")).chain(["ALERTS".to_owned()]).collect();
    let pool = |recorded: &[String], dice: &mut Dice| -> Vec<String> {
        (0..4)
            .map(|_| {
                let depth = dice.index(3);
                vector(dice, depth, recorded)
            })
            .collect()
    };
    let mut expressions = pool(&all, dice);
    for group in 0..groups {
        out.push_str(&format!("- name: g{group}\n  interval: 15s\n  rules:\n"));
        if apart {
            expressions = pool(&all[group..=group], dice).iter().map(|e| e.replace("{job=\"y\"}", "b")).collect();
        }
        for rule in 0..3 + dice.index(5) {
            let known = expressions[dice.index(expressions.len())].clone();
            let expr = if dice.index(2) == 0 { format!("max by (job) ({known})") } else { known };
            if dice.index(3) > 0 {
                let record = format!("  - record: rec_{group}\n    labels: {{rule: '{rule}'}}\n");
                out.push_str(&format!("{record}    expr: '{expr}'\n"));
            } else {
                let hold = dice.pick(&["0s", "30s"]);
                out.push_str(&format!("  - alert: A{group}{rule}\n    for: {hold}\n    expr: '{expr}'\n"));
            }
        }
    }
    out
}

#[derive(Clone, Copy)]
enum Sharing {
    None,
    Tick,
    Deaf,
}

/// A tick that is not told what is written in it.
struct Deaf {
    reads: Arc<dyn World>,
    writes: Arc<dyn World>,
}

impl World for Deaf {
    fn query(&self, rule: &RuleSpec, at: i64) -> Result<RuleResult, String> {
        self.reads.query(rule, at)
    }

    fn render(&self, input: TemplateInput<'_>) -> String {
        self.reads.render(input)
    }

    fn append(&self, samples: &[RuleSample]) -> Result<Appended, String> {
        self.writes.append(samples)
    }
}

/// Groups over a database of their own.
struct Stage {
    storage: Tsdb,
    world: Arc<StorageWorld>,
    groups: Vec<(Arc<GroupSpec>, Arc<GroupState>)>,
}

impl Stage {
    fn new(groups: &[RuleGroup]) -> Stage {
        let storage = Tsdb::in_memory();
        let surroundings = RuleContext {
            querier: Arc::new(LocalQuerier::new(Arc::new(storage.clone()))),
            env: EvalEnv { default_step_ms: STEP, ..EvalEnv::default() },
            timeout: Duration::from_secs(60),
            options: CompileOptions::default(),
            external_labels: Labels::empty(),
            external_url: "".into(),
            common: Some(Arc::new(Common::of(groups.iter().flat_map(|g| &g.rules).map(|r| &*r.plan)))),
            tells_values: false,
        };
        let world = StorageWorld::new(surroundings, storage.clone(), Box::new(TemplateCache::default()));
        let begin = |g| {
            let spec = GroupSpec::of(g, &GroupDefaults::default());
            let state = GroupState::new(spec.rules.len());
            (Arc::new(spec), Arc::new(state))
        };
        Stage { storage, world: Arc::new(world), groups: groups.iter().map(begin).collect() }
    }

    fn write(&self, dice: &mut Dice, t: i64) {
        let mut appender = self.storage.appender();
        for name in ["a", "b"] {
            for (job, i) in [("x", "0"), ("x", "1"), ("y", "0"), ("y", "2")] {
                let labels = Labels::from_pairs([(METRIC_NAME, name), ("job", job), ("i", i)]);
                let v = match dice.index(12) {
                    0 => continue,
                    1 => STALE_NAN,
                    2 => f64::NAN,
                    n => (n * 7 % 20) as f64 + t as f64 / 20_000.0,
                };
                appender.append(&labels, t, v).unwrap();
            }
        }
        appender.commit().unwrap();
    }

    /// Evaluates all groups at one time, one after the other or all at once.
    fn tick(&mut self, at: i64, sharing: Sharing, at_once: bool) {
        let alone: Arc<dyn World> = self.world.clone();
        let shared = || alone.clone().tick().unwrap_or_else(|| alone.clone());
        let world: Arc<dyn World> = match sharing {
            Sharing::None => alone.clone(),
            Sharing::Tick => shared(),
            Sharing::Deaf => Arc::new(Deaf { reads: shared(), writes: alone.clone() }),
        };
        let one = |(spec, state): &mut (Arc<GroupSpec>, Arc<GroupState>)| {
            let evaluation = Evaluation { slot: 0, spec: spec.clone(), state: state.clone(), at };
            *state = Arc::new(evaluation.run(&*world).state);
        };
        if at_once {
            std::thread::scope(|scope| {
                for group in &mut self.groups {
                    scope.spawn(|| one(group));
                }
            });
        } else {
            self.groups.iter_mut().for_each(one);
        }
    }

    /// Everything that rules have written and what has become of them, in words.
    fn outcome(&self) -> Vec<String> {
        let all = [Matcher::new(MatchOp::Regex, METRIC_NAME, ".+").unwrap()];
        let mut out: Vec<String> = Vec::new();
        for series in self.storage.select(&all, i64::MIN / 2, i64::MAX / 2).unwrap() {
            let mut buf = SampleBuf::default();
            series.read(i64::MIN / 2, i64::MAX / 2, false, &mut buf).unwrap();
            let bits: Vec<u64> = buf.vs.iter().map(|v| v.to_bits()).collect();
            out.push(format!("{} {:?} {bits:x?}", series.labels(), buf.ts));
        }
        for (spec, state) in &self.groups {
            for (rule, state) in spec.rules.iter().zip(&state.rules) {
                let mut alerts: Vec<_> = state.alerts.values().collect();
                alerts.sort_by(|a, b| a.labels.cmp(&b.labels));
                let said = (&state.health, &state.last_error, &state.warnings, &state.infos);
                out.push(format!("{} {} {said:?} {alerts:?}", spec.key.name, rule.expr));
            }
        }
        out.sort();
        out
    }
}

/// Plays the same story with sharing and without; gives where they part.
fn compare(seed: u64, sharing: Sharing, at_once: bool) -> Result<(), String> {
    let text = rule_file(&mut Dice(seed), at_once);
    let groups = load_str("rules.yml", &text, &LoadOptions::default()).map_err(|e| format!("{e:?}\n{text}"))?;
    let [mut alone, mut shared] = [Stage::new(&groups), Stage::new(&groups)];
    for k in 0..TICKS {
        let t = 1_000_000 + k * STEP;
        for stage in [&alone, &shared] {
            stage.write(&mut Dice(seed ^ k as u64), t);
        }
        alone.tick(t + 5_000, Sharing::None, false);
        shared.tick(t + 5_000, sharing, at_once);
        let (want, got) = (alone.outcome(), shared.outcome());
        if want != got {
            let parted = want.iter().zip(&got).find(|(a, b)| a != b);
            return Err(format!("at tick {k}: {parted:#?}\n{text}"));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn groups_one_after_the_other_see_what_those_before_them_wrote(seed in any::<u64>()) {
        compare(seed, Sharing::Tick, false).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn groups_side_by_side_see_what_their_own_rules_wrote(seed in any::<u64>()) {
        compare(seed, Sharing::Tick, true).map_err(TestCaseError::fail)?;
    }
}

#[test]
fn a_tick_that_is_not_told_what_is_written_is_found_out() {
    // So the stories above are ones in which it matters.
    let parted = |at_once: bool| (0..48).any(|seed| compare(seed, Sharing::Deaf, at_once).is_err());
    assert!(parted(false));
    assert!(parted(true));
}
