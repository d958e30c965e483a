//! A replay over data that is there already: from series to pages. What is evaluated ahead of time gives what evaluations
//! at every tick give: the same alerts, the same series, the same pages, through reloads and restarts.

use std::sync::Arc;

use proptest::prelude::*;
use watchbell::alerting::schedule::Schedule;
use watchbell::alerting::spec::GroupDefaults;
use watchbell::alerting::timeline::{MOST_TICKS, Terms, TimelineWorld};
use watchbell::alerting::{Evaluated, GroupSpec, Transition};
use watchbell::clock::{Clock, VirtualClock};
use watchbell::config::AlertmanagerConfig;
use watchbell::engine::drive::{Audience, Replay};
use watchbell::engine::{Event, Options, Setup};
use watchbell::model::{Labels, METRIC_NAME, STALE_NAN};
use watchbell::notify::{Notification, Outcome};
use watchbell::promql::{CompileOptions, EvalEnv, VectorSample};
use watchbell::routing::RoutingConfig;
use watchbell::rules::{LoadOptions, load_str};
use watchbell::state::MemoryStore;
use watchbell::template::prometheus::TemplateCache;
use watchbell::tsdb::Tsdb;

const S: i64 = 1000;
const M: i64 = 60 * S;
/// When all of it begins.
const ZERO: i64 = 1_800_000_000_000;

/// What came of a replay, in words.
struct Diary {
    clock: VirtualClock,
    evaluations: usize,
    happened: Vec<String>,
    told: Vec<String>,
    /// Until when the receiver does not answer.
    down_until: i64,
}

impl Diary {
    fn new(clock: &VirtualClock) -> Self {
        let (evaluations, happened, told) = (0, Vec::new(), Vec::new());
        Diary { clock: clock.clone(), evaluations, happened, told, down_until: 0 }
    }
}

impl Audience for Diary {
    fn evaluated(&mut self, evaluated: &Evaluated, spec: &GroupSpec) {
        self.evaluations += 1;
        let at = (evaluated.at - ZERO) / S;
        // The elements of a result are in no order.
        let words = |(rule, transition): &(usize, Transition)| format!("{at} {} {rule} {transition:?}", spec.key.name);
        let mut words: Vec<String> = evaluated.transitions.iter().map(words).collect();
        words.sort();
        self.happened.extend(words);
        for (rule, state) in evaluated.state.rules.iter().enumerate() {
            self.happened.extend(state.last_error.iter().map(|e| format!("{at} {} {rule} {e}", spec.key.name)));
        }
        let refused = evaluated.refused;
        if refused.first_reason().is_some() || evaluated.samples > 0 {
            self.happened.push(format!("{at} {} {} samples {refused:?}", spec.key.name, evaluated.samples));
        }
    }

    fn deliver(&mut self, n: &Notification) -> Outcome {
        let now = self.clock.now();
        if now < self.down_until {
            return Outcome::Retry { after: None, reason: "503".into() };
        }
        let mut alerts: Vec<String> = n
            .alerts
            .iter()
            .map(|a| format!("{}{}: {}", if a.is_resolved() { "-" } else { "+" }, a.labels, a.annotations))
            .collect();
        alerts.sort();
        self.told.push(format!("{} {} {}", (now - ZERO) / S, n.integration.receiver, alerts.join(" ")));
        Outcome::Delivered
    }
}

fn groups(rules: &str) -> Vec<Arc<GroupSpec>> {
    let loaded = load_str("rules.yml", rules, &LoadOptions::default()).unwrap_or_else(|e| panic!("{e:?}\n{rules}"));
    let defaults = GroupDefaults { interval: 15 * S, query_offset: 0 };
    loaded.iter().map(|g| Arc::new(GroupSpec::of(g, &defaults))).collect()
}

fn setup(rules: &str, routing: &str) -> Setup {
    let alertmanager = AlertmanagerConfig::load_str("alertmanager.yml", routing).unwrap().config;
    Setup { groups: groups(rules), routing: Some(Arc::new(RoutingConfig::of(&alertmanager))), ..Setup::default() }
}

fn world(data: &Tsdb, until: i64, ticks_ahead: usize, forgets: bool) -> TimelineWorld {
    let terms = Terms {
        env: EvalEnv { default_step_ms: 15 * S, ..EvalEnv::default() },
        options: CompileOptions::default(),
        external_labels: Labels::empty(),
        external_url: "http://watchbell".into(),
        renderer: Arc::new(TemplateCache::default()),
        until,
        ticks_ahead,
        forgets,
    };
    TimelineWorld::new(Box::new(data.clone()), terms)
}

fn aligned() -> Options {
    Options { schedule: Schedule::Aligned { start: ZERO }, ..Options::default() }
}

const ROUTING: &str = "route:
  receiver: chat
  group_by: [alertname]
  group_wait: 10s
  group_interval: 1m
  repeat_interval: 4h
  routes:
    - matchers: ['severity=\"page\"']
      receiver: pager
receivers:
  - {name: chat, webhook_configs: [{url: 'http://chat'}]}
  - {name: pager, webhook_configs: [{url: 'http://pager'}]}
inhibit_rules:
  - {source_matchers: ['severity=\"page\"'], target_matchers: ['severity=\"info\"'], equal: [host]}
";

#[test]
fn from_series_through_rules_and_routing_to_a_receiver_that_was_down() {
    let data = Tsdb::in_memory();
    let mut appender = data.appender();
    let temperature = Labels::from_pairs([(METRIC_NAME, "gpu_temp"), ("host", "a"), ("gpu", "0")]);
    for t in 0..24 * 60 {
        // Hot in the 20th hour, for 30 minutes.
        let hot = (20 * 60..20 * 60 + 30).contains(&t);
        appender.append(&temperature, ZERO + t * M, if hot { 91.0 } else { 60.0 }).unwrap();
    }
    appender.commit().unwrap();
    let rules = "groups:
  - name: later
    interval: 1m
    rules:
      - alert: GpuHot
        expr: 'host:gpu_temp:max > 85'
        for: 5m
        labels: {severity: page}
        annotations: {summary: '{{ $labels.host }} at {{ $value }}'}
      - alert: GpuWarm
        expr: 'gpu_temp > 80'
        for: 6m
        labels: {severity: info}
  - name: first
    interval: 1m
    rules: [{record: 'host:gpu_temp:max', expr: 'max by (host) (gpu_temp) > 70'}]
";
    let clock = VirtualClock::at(ZERO);
    let mut diary = Diary::new(&clock);
    diary.down_until = ZERO + (20 * 60 + 8) * M;
    let until = ZERO + 24 * 60 * M;
    let world = world(&data, until, MOST_TICKS, true);
    let store = Arc::new(MemoryStore::default());
    let mut replay = Replay::start(aligned(), setup(rules, ROUTING), clock, &world, store, &mut diary).unwrap();
    replay.play_until(until).unwrap();
    // GpuHot stands before the rule that it reads and sees what that gave a minute later: it is active from 72,060 s, fires
    // at 72,360, and its page waits until the receiver is back at 72,480. At 73,860 it has resolved. GpuWarm is inhibited.
    assert_eq!(diary.told.len(), 2, "{:#?}", diary.told);
    let (at, page) = diary.told[0].split_once(' ').unwrap();
    assert!((72_480..72_600).contains(&at.parse::<i64>().unwrap()), "{:#?}", diary.told);
    let alert = r#"{alertname="GpuHot", host="a", severity="page"}: {summary="a at 91"}"#;
    assert_eq!(page, format!("pager +{alert}"));
    let (at, resolve) = diary.told[1].split_once(' ').unwrap();
    assert!((73_860..73_920).contains(&at.parse::<i64>().unwrap()), "{:#?}", diary.told);
    assert_eq!(resolve, format!("pager -{alert}"));
}

/// Numbers from a seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.roll(of.len())]
    }
}

fn expression(dice: &mut Dice, depth: usize) -> String {
    if depth == 0 {
        let of_rules = ["r0", "r1", "r2", "r3", r#"{__name__=~"r.*"}"#, r#"r1{kind="x"}"#];
        let of_alerts = ["ALERTS", r#"ALERTS{alertname="A1"}"#, r#"ALERTS_FOR_STATE{alertname="A2"}"#];
        let selector = match dice.roll(5) {
            0 | 1 => dice.pick(&["a", "b", r#"a{i="1"}"#]),
            2 | 3 => dice.pick(&of_rules),
            _ => dice.pick(&of_alerts),
        };
        return match dice.roll(6) {
            0 => format!("sum_over_time({selector}[{}])", dice.pick(&["1m", "3m"])),
            1 => format!("max_over_time(sum({selector})[2m:30s])"),
            2 => format!("{selector} offset {}", dice.pick(&["1m", "-30s"])),
            _ => selector.to_owned(),
        };
    }
    let below = expression(dice, depth - 1);
    match dice.roll(6) {
        0 | 1 => format!("({below}) > {}", dice.roll(12)),
        2 => format!("{} by (i) ({below})", dice.pick(&["sum", "max", "count"])),
        3 => format!("({below}) or ({})", expression(dice, depth - 1)),
        4 => format!("absent({below})"),
        _ => format!("({below}) unless on (i) ({})", expression(dice, depth - 1)),
    }
}

fn rule_file(dice: &mut Dice) -> String {
    let mut out = String::from("groups:\n");
    for group in 0..2 + dice.roll(3) {
        let interval = dice.pick(&["15s", "15s", "30s", "1m"]);
        out.push_str(&format!("- name: g{group}\n  interval: {interval}\n"));
        if dice.roll(4) == 0 {
            out.push_str(&format!("  query_offset: {}\n", dice.pick(&["15s", "1m"])));
        }
        if dice.roll(4) == 0 {
            out.push_str("  limit: 3\n");
        }
        out.push_str("  rules:\n");
        for _ in 0..1 + dice.roll(4) {
            let depth = dice.roll(3);
            let expr = expression(dice, depth);
            let name = dice.roll(4);
            if dice.roll(2) == 0 {
                out.push_str(&format!("  - record: r{name}\n    expr: '{expr}'\n"));
                if dice.roll(2) == 0 {
                    out.push_str(&format!("    labels: {{kind: {}}}\n", dice.pick(&["x", "y"])));
                }
            } else {
                let (hold, keep) = (dice.pick(&["0s", "45s"]), dice.pick(&["0s", "1m"]));
                out.push_str(&format!(
                    "  - alert: A{name}\n    expr: '{expr}'\n    for: {hold}\n    keep_firing_for: {keep}\n"
                ));
                let label = dice.pick(&["plain", "of {{ $labels.i }}", r#"{{ with query "a" }}{{ len . }}{{ end }}"#]);
                let note = dice.pick(&["{{ $value }}", r#"{{ query "r1" | len }}"#]);
                let severity = dice.pick(&["page", "info"]);
                out.push_str(&format!("    labels: {{severity: {severity}, note: '{label}'}}\n"));
                out.push_str(&format!("    annotations: {{summary: '{note}'}}\n"));
            }
        }
    }
    out
}

fn random_data(dice: &mut Dice, ticks: i64) -> Tsdb {
    let data = Tsdb::in_memory();
    let mut appender = data.appender();
    for t in 0..ticks {
        for (name, i) in [("a", "0"), ("a", "1"), ("b", "1"), ("r0", "0")] {
            let labels = Labels::from_pairs([(METRIC_NAME, name), ("i", i)]);
            // Long silences between, so that there is something to leap over.
            let value = match dice.roll(10) {
                _ if (t / 25) % 2 == 0 && name != "a" => continue,
                0..=3 => continue,
                4 => STALE_NAN,
                n => (n + dice.roll(8)) as f64,
            };
            appender.append(&labels, ZERO + t * 15 * S, value).unwrap();
        }
    }
    appender.commit().unwrap();
    data
}

/// What happened, what was told, and how many evaluations were made.
type Played = (Vec<String>, Vec<String>, usize);

/// Two thirds of a replay under one set of rules, with a restart after the first; the last under another.
fn play(data: &Tsdb, before: &str, after: &str, end: i64, ticks_ahead: usize, forgets: bool) -> Played {
    let clock = VirtualClock::at(ZERO);
    let mut diary = Diary::new(&clock);
    let world = world(data, end, ticks_ahead, forgets);
    let store = Arc::new(MemoryStore::default());
    let third = (end - ZERO) / 3;
    for (begin, until) in [(ZERO, ZERO + third), (ZERO + third + 40 * S, end)] {
        clock.advance_to(begin);
        let setup_before = setup(before, ROUTING);
        let mut replay =
            Replay::start(aligned(), setup_before, clock.clone(), &world, store.clone(), &mut diary).unwrap();
        if until == end {
            replay.play_until(ZERO + 2 * third).unwrap();
            replay.happen(Event::Reloaded(Box::new(setup(after, ROUTING)))).unwrap();
        }
        replay.play_until(until).unwrap();
    }
    world.come_to(end);
    let there = r#"{__name__=~".+"}"#;
    let all = r#"count_over_time({__name__=~"r.*|ALERTS.*"}[1d])"#;
    for of in if forgets { vec![there] } else { vec![there, all] } {
        let samples = world.instant(of, end).unwrap_or_default();
        let line = |s: &VectorSample| format!("{} {:?}", s.labels.to_series_string(), s.value);
        let mut written: Vec<String> = samples.iter().map(line).collect();
        written.sort();
        diary.happened.extend(written);
    }
    (diary.happened, diary.told, diary.evaluations)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn looking_ahead_changes_nothing(seed in any::<u64>(), ticks_ahead in 2..60_usize) {
        let mut dice = Dice(seed);
        let (before, after) = (rule_file(&mut dice), rule_file(&mut dice));
        let data = random_data(&mut dice, 90);
        let end = ZERO + 90 * 15 * S;
        let by_tick = play(&data, &before, &after, end, 1, false);
        let ahead = play(&data, &before, &after, end, ticks_ahead, false);
        let differs = by_tick.0.iter().zip(&ahead.0).find(|(a, b)| a != b);
        prop_assert!(differs.is_none(), "{differs:#?}\n{before}\n{after}");
        prop_assert_eq!(by_tick.0.len(), ahead.0.len());
        prop_assert_eq!(by_tick.1, ahead.1);
        prop_assert!(ahead.2 <= by_tick.2);
    }

    #[test]
    fn forgetting_what_no_rule_looks_back_to_changes_nothing(seed in any::<u64>()) {
        let mut dice = Dice(seed);
        let rules = rule_file(&mut dice);
        let rules = rules.replace(r#"{{ with query "a" }}{{ len . }}{{ end }}"#, "").replace(r#"{{ query "r1" | len }}"#, "");
        let data = random_data(&mut dice, 120);
        let end = ZERO + 120 * 15 * S;
        let all = play(&data, &rules, &rules, end, 30, false);
        let some = play(&data, &rules, &rules, end, 30, true);
        prop_assert_eq!(&all.0[..some.0.len()], &some.0[..]);
        prop_assert_eq!(all.1, some.1);
    }
}

#[test]
fn what_cannot_change_anything_is_passed_by() {
    let data = Tsdb::in_memory();
    let mut appender = data.appender();
    let up = Labels::from_pairs([(METRIC_NAME, "up")]);
    for t in 0..4000 {
        appender.append(&up, ZERO + t * 15 * S, f64::from(u8::from(t != 3000))).unwrap();
    }
    appender.commit().unwrap();
    let rules = "groups:\n- name: g\n  interval: 15s\n  rules: [{alert: Down, expr: 'up == 0'}]\n";
    let (happened, _, evaluations) = play(&data, rules, rules, ZERO + 3999 * 15 * S, MOST_TICKS, false);
    assert_eq!(happened.iter().filter(|h| h.contains("Fired")).count(), 1, "{happened:#?}");
    assert!(happened.iter().any(|h| h.starts_with("45000 g 0 Fired")), "{happened:#?}");
    // An alert that has resolved is remembered for a quarter of an hour.
    assert!(evaluations < 100, "{evaluations} evaluations");
}
